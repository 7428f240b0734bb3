"""What the tests of executemany share: a table, rows for it, and what was sent.

Owns the table ``bulk`` of a connection; knows no test.
"""

from __future__ import annotations

from typing import Any, Final, Self

from worlds import World

from mariadb_nb import aio

TABLE: Final = (
    "CREATE TEMPORARY TABLE bulk (id INT AUTO_INCREMENT PRIMARY KEY,"
    " x BIGINT UNIQUE, text VARCHAR(100) DEFAULT 'nothing')"
)
INSERT: Final = "INSERT INTO bulk (x, text) VALUES (?, ?)"
ROWS: Final = [(number, f"it's ({number}), ? %s") for number in range(1000)]


async def counted(conn: aio.Connection, what: str) -> int:
    """What the server counts of the session."""
    cur = await conn.execute(f"SHOW SESSION STATUS LIKE '{what}'")
    row = await cur.fetchone()
    assert row is not None
    return int(row[1])


class Requests:
    """How many requests were sent, without those for preparing.

    The first one after connecting also asks for max_allowed_packet, once.
    """

    def __init__(self, conn: aio.Connection) -> None:
        self.conn = conn
        self.before = 0

    async def start(self) -> Self:
        self.before = await counted(self.conn, "Questions")
        return self

    async def sent(self) -> int:
        """How many there were since the start, or the last time."""
        before, self.before = self.before, await counted(self.conn, "Questions")
        return self.before - before - 1


async def contents(conn: aio.Connection) -> list[Any]:
    cur = await conn.execute("SELECT x, text FROM bulk ORDER BY id")
    return await cur.fetchall()


async def filled(world: World, rows: Any = ROWS, **options: Any) -> aio.Connection:
    """A connection, and the table with rows."""
    conn = await world.connect(**options)
    await conn.execute(TABLE)
    if rows:
        cur = await conn.executemany(INSERT, rows)
        assert cur.rowcount == len(rows)
    return conn
