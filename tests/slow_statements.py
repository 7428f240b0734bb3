"""Statements that take minutes unless they are ended, and what is to be left then."""

from __future__ import annotations

from typing import Final

from mariadb_nb import aio

#: Sends nothing for minutes.
LONG: Final = "SELECT COUNT(*) FROM seq_1_to_1000000 AS a, seq_1_to_1000000 AS b"
#: Sends a few rows, and then none for minutes.
LONG_STREAM: Final = (
    f"SELECT REPEAT('x', 9999), IF(seq = 99, ({LONG}), 0) FROM seq_1_to_99"
)
#: Changes something, as far as ``executemany`` knows.
LONG_BATCH: Final = f"DO ? + ({LONG})"

#: Seconds: after which they are ended, and within which that has to be over: far less
#: than they would take, and far more than a busy machine needs.
SHORT: Final = 0.05
SOON: Final = 10.0

#: Seconds after which they are ended if something has to be over before.
LATER: Final = 1.5


async def still_right(conn: aio.Connection) -> None:
    """Nothing that came before is taken for an answer."""
    assert "READY" in repr(conn)
    cur = await conn.execute("SELECT ?", ("a secret",))
    assert await cur.fetchall() == [("a secret",)]


async def wait_until_idle(witness: aio.Connection, conn: aio.Connection) -> None:
    """Wait until the server does nothing for a connection.

    It answers a moment before it says of itself that it has done so.
    """
    while True:
        cur = await witness.execute(
            "SELECT COUNT(*) FROM information_schema.processlist "
            "WHERE id = ? AND command != 'Sleep'",
            (conn.thread_id,),
        )
        if await cur.fetchone() == (0,):
            return
