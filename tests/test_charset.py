"""Statements are written for utf8mb4 only where the server is certain to read it.

It tells of another character set, but with an error behind that it does not, and some
servers never do.  In another one a string's end may be elsewhere: no value may become
SQL, or other letters, because of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import ProgrammingError
from mariadb_nb.server import TemporaryServer

#: In gbk the last byte of the letter and a backslash are one letter.
VALUES = ("\u6f22\\", " || (SELECT 'injected') -- ")
BLOCK = "BEGIN NOT ATOMIC SET {}; SIGNAL SQLSTATE '45000'; END"
#: Statements of which a server that tells of all others does not tell.
FAILING = (
    BLOCK.format("NAMES gbk"),
    BLOCK.format("character_set_client = gbk"),
    BLOCK.format("CHARACTER SET gbk"),
    BLOCK.format("CHARSET gbk"),
    f'EXECUTE IMMEDIATE "{BLOCK.format("NAMES gbk")}"',
)
TELLING = ("SET NAMES gbk", "EXECUTE IMMEDIATE 'SET NAMES gbk'")


@pytest.fixture(scope="module")
def silent_server() -> Iterator[TemporaryServer]:
    """One that tells of no variable, whatever it is asked for."""
    options = {"session_track_system_variables": ""}
    with TemporaryServer(options=options) as server:
        yield server


async def check(conn: Any, prepare: bool | None) -> None:
    """Values arrive as they are, or are refused."""
    cur = conn.cursor(prepare=prepare)
    for sql in ("SELECT ?, ?", "SELECT ?, ? /* \\ */", "SELECT 'x' = ?, ?"):
        with pytest.raises(ProgrammingError, match="SET NAMES utf8mb4 first"):
            await cur.execute(sql, VALUES)
    with pytest.raises(ProgrammingError, match="SET NAMES utf8mb4 first"):
        await cur.execute("SELECT '\u6f22'")
    with pytest.raises(ProgrammingError, match="SET NAMES utf8mb4 first"):
        await cur.executemany("INSERT INTO t VALUES (?, ?)", [VALUES] * 40)
    async with conn.pipeline() as pipe:
        with pytest.raises(ProgrammingError, match="SET NAMES utf8mb4 first"):
            pipe.execute("SELECT ?, ?", VALUES)
    await conn.execute("SET NAMES utf8mb4")
    async with conn.pipeline() as pipe:
        piped = pipe.execute("SELECT ?, ?", VALUES)
    assert piped.fetchall() == [VALUES]
    for _ in range(3):
        await cur.execute("SELECT ?, ?", VALUES)
        assert await cur.fetchall() == [VALUES]


@pytest.mark.parametrize("prepare", [None, True, False])
@in_every_world
async def test_statement_that_fails_behind_a_change(
    world: World, prepare: bool | None
) -> None:
    conn = await world.connect()
    for statement in FAILING:
        cur = conn.cursor(prepare=prepare)
        for _ in range(3):
            await cur.execute("SELECT 'x' = ?, ?", VALUES)
        with pytest.raises(mariadb_nb.Error, match="45000"):
            await conn.execute(statement)
        await check(conn, prepare)


@pytest.mark.parametrize("threshold", [None, 2])
@in_every_world
async def test_server_that_tells_of_no_variable(
    world: World, threshold: int | None, silent_server: TemporaryServer
) -> None:
    user = silent_server.users["native"]
    conn = await world.connect(
        unix_socket=silent_server.socket,
        user=user.name,
        password=user.password,
        prepare_threshold=threshold,
    )
    async with conn.pipeline() as pipe:
        piped = pipe.execute("SELECT ?, ?", VALUES)
    assert piped.fetchall() == [VALUES]
    for statement in TELLING:
        for prepare in (None, True, False):
            await conn.execute(statement)
            await check(conn, prepare)
    with pytest.raises(mariadb_nb.Error, match="45000"):
        await conn.execute(FAILING[0])
    await check(conn, None)
    await conn.execute(TELLING[0])
    await conn.reset()
    await conn.executemany("DO ?, ?", [VALUES])


@in_every_world
async def test_failure_that_changed_nothing_costs_a_question(world: World) -> None:
    conn = await world.connect(prepare_threshold=None)
    selects = "SHOW SESSION STATUS LIKE 'Com_select'"

    async def count() -> int:
        return int((await (await conn.execute(selects)).fetchone())[1])

    before = await count()
    for _ in range(3):
        await conn.execute("SELECT ?", ("names",))
    assert await count() == before + 3
    with pytest.raises(ProgrammingError, match="nosuch"):
        await conn.execute("SELECT names FROM nosuch")
    before = await count()
    for _ in range(3):
        await conn.execute("SELECT ?, '\u6f22'", VALUES[:1])
    assert await count() == before + 4
