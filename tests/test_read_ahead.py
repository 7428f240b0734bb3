"""Rows of prepared statements that lie in what the library has read ahead.

It reads in blocks of 16 KiB. Most rows are taken out of such a block as they lie there;
the library itself fetches those that a block ends in, and whatever is no row.
"""

from __future__ import annotations

from typing import Any

import pytest
from server_place import login_of
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.errors import DataError, ProgrammingError
from mariadb_nb.server import TemporaryServer

#: Bytes of text in a row, by its number: from none to more than a block.
SIZE = "IF(seq % 97 = 0, 16300 + seq % 200, seq * 37 % 900)"
TEXT = f"REPEAT(CHAR(65 + seq % 26 USING utf8mb4), {SIZE})"
ROWS = f"SELECT seq, {TEXT}, NULLIF(seq % 3, 0) FROM "
ALL = f"{ROWS} seq_1_to_3000"


def row(seq: int) -> tuple[Any, ...]:
    size = 16300 + seq % 200 if seq % 97 == 0 else seq * 37 % 900
    return seq, chr(65 + seq % 26) * size, seq % 3 or None


EXPECTED = [row(seq) for seq in range(1, 3001)]


@in_every_world
@pytest.mark.parametrize("between", ["nothing", "TLS", "compression"])
async def test_rows_of_all_sizes(world: World, between: str) -> None:
    tcp: dict[str, Any] = {
        "unix_socket": None,
        "host": "127.0.0.1",
        "port": world.server.port,
    }
    options: dict[str, Any] = {
        "nothing": {},
        "TLS": {**tcp, "tls": "require"},
        "compression": {"compress": True},
    }[between]
    conn = await world.connect(**options)
    for _ in range(2):
        cur = await conn.execute(ALL, prepare=True)
        assert await cur.fetchall() == EXPECTED
    columns = await conn.cursor().arrow(ALL)
    assert len(columns) == len(EXPECTED)


#: What a packet holds at most: as much, or more, goes on in the next one.
FULL = 0xFFFFFF


def test_rows_of_several_packets() -> None:
    options: dict[str, Any] = {"max_allowed_packet": 1 << 26}
    with (
        TemporaryServer(tls=False, options=options) as server,
        mariadb_nb.connect(**login_of(server, "root", database="test")) as conn,
    ):
        for more in (-1, 0, 1, FULL):
            # Before the text: the first byte, the NULL bits, and a length of four.
            size = FULL - 6 + more
            long = f"IF(seq = 3, REPEAT('x', {size}), seq)"
            cur = conn.execute(f"SELECT {long} FROM seq_1_to_5", prepare=True)
            found = [text for (text,) in cur]
            assert [len(text) for text in found] == [1, 1, size, 1, 1]
            assert "".join(found) == "12" + "x" * size + "45"


async def take_all(cur: Any, into: list[Any]) -> None:
    while (one := await cur.fetchone()) is not None:
        into.append(one)


@in_every_world
async def test_an_error_comes_after_the_rows_before_it(world: World) -> None:
    """It is one packet behind many that lie in the same block."""
    conn = await world.connect()
    failing = (
        "SELECT seq, IF(seq = 700, (SELECT 1 UNION SELECT 2), 0) FROM seq_1_to_999"
    )
    cur = await conn.cursor(stream=True).execute(failing, prepare=True)
    found: list[Any] = []
    with pytest.raises(ProgrammingError, match="more than 1 row"):
        await take_all(cur, found)
    assert found == [(seq, 0) for seq in range(1, 700)]
    cur = await conn.execute("SELECT 'secret', ?", (1,), prepare=True)
    assert await cur.fetchall() == [("secret", 1)]


@in_every_world
async def test_rows_that_nobody_wants_any_more(world: World) -> None:
    conn = await world.connect(invalid_dates="error")
    cur = await conn.cursor(stream=True).execute(ALL, prepare=True)
    assert await cur.fetchmany(3) == EXPECTED[:3]
    await cur.close()
    invalid = "SELECT seq, IF(seq = 40, DATE '2024-00-00', NULL) FROM seq_1_to_9999"
    await conn.execute("SET sql_mode = ''")
    with pytest.raises(DataError, match="column"):
        await conn.execute(invalid, prepare=True)
    cur = await conn.execute("SELECT 'secret', ?", (2,), prepare=True)
    assert await cur.fetchall() == [("secret", 2)]


@in_every_world
async def test_results_that_follow_each_other(world: World) -> None:
    conn = await world.connect()
    await conn.execute("DROP PROCEDURE IF EXISTS read_ahead")
    body = f"{ROWS} seq_1_to_200; DO 1; SELECT 7 WHERE 1 = 0; {ROWS} seq_201_to_300"
    await conn.execute(f"CREATE PROCEDURE read_ahead() BEGIN {body}; END")
    cur = await conn.execute("CALL read_ahead()", prepare=True)
    assert await cur.fetchall() == EXPECTED[:200]
    assert await cur.nextset()
    assert await cur.fetchall() == []
    assert await cur.nextset()
    assert await cur.fetchall() == EXPECTED[200:300]
    await conn.execute("DROP PROCEDURE read_ahead")
