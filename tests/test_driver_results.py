"""Several results of one statement, procedures, and rows that are streamed."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb

# ---- several statements in one text --------------------------------------------


@in_every_world
async def test_several_statements_are_refused_unless_asked_for(world: World) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await conn.execute("SELECT 1; SELECT 2")
    assert raised.value.errno == 1064
    cur = await conn.execute("SELECT 'still right'")
    assert await cur.fetchone() == ("still right",)


@in_every_world
async def test_several_statements(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    await conn.execute("CREATE TEMPORARY TABLE several (x INT)")
    cur = await conn.execute(
        "SELECT ? AS a; INSERT INTO several VALUES (1), (2); "
        "SELECT x AS b FROM several",
        ("one; 'two'",),
    )
    assert await cur.fetchall() == [("one; 'two'",)]
    assert await cur.nextset()
    assert cur.description is None
    assert cur.rowcount == 2
    with pytest.raises(mariadb_nb.Error):
        await cur.fetchall()
    assert await cur.nextset()
    assert cur.description is not None
    assert cur.description[0][0] == "b"
    assert (cur.rowcount, cur.rownumber) == (2, 0)
    assert await cur.fetchall() == [(1,), (2,)]
    assert await cur.nextset() is None
    assert await cur.nextset() is None


@in_every_world
async def test_nextset_without_a_statement(world: World) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.Error):
        await conn.cursor().nextset()


@in_every_world
async def test_rows_left_over_by_nextset(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    cur = await conn.execute("SELECT seq FROM seq_1_to_1000; SELECT 'second'")
    assert await cur.fetchone() == (1,)
    assert await cur.nextset()
    assert await cur.fetchall() == [("second",)]


@in_every_world
async def test_error_of_a_later_statement_is_raised_at_once(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    with pytest.raises(mariadb_nb.ProgrammingError, match="no_such_table"):
        await conn.execute("SELECT 1; SELECT * FROM no_such_table; SELECT 3")
    cur = await conn.execute("SELECT 'still right'")
    assert await cur.fetchall() == [("still right",)]
    assert await cur.nextset() is None


@in_every_world
async def test_results_that_nobody_reads(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    cur = await conn.execute("SELECT 1; SELECT 2; SELECT 3")
    await cur.execute("SELECT 'next'")
    assert await cur.fetchall() == [("next",)]
    await conn.commit()


# ---- procedures ------------------------------------------------------------------


async def make_procedure(world: World, body: str) -> str:
    """Make this world's procedure, in the place of an earlier one; return its name."""
    maker = await world.connect()
    name = f"p_{world.name}"
    await maker.execute(f"CREATE OR REPLACE PROCEDURE {name}{body}")
    await maker.close()
    return name


@in_every_world
async def test_callproc_with_values_out_and_inout(world: World) -> None:
    name = await make_procedure(
        world,
        "(IN a INT, OUT doubled INT, INOUT text VARCHAR(50)) "
        "BEGIN SET doubled = a * 2; SET text = CONCAT(text, '!'); END",
    )
    conn = await world.connect()
    cur = conn.cursor()
    given = [21, None, "it's %s?"]
    assert list(await cur.callproc(name, given)) == [21, 42, "it's %s?!"]
    assert given == [21, None, "it's %s?"]
    # Nothing but the values: no result, and the same again with others.
    assert await cur.nextset() is None
    assert list(await cur.callproc(name, (1, None, None))) == [1, 2, None]


@in_every_world
async def test_callproc_with_results_and_values(world: World) -> None:
    name = await make_procedure(
        world,
        "(IN top INT, OUT rows_ INT) BEGIN "
        "SELECT seq FROM seq_1_to_10 WHERE seq <= top; SELECT 'second'; "
        "SET rows_ = top; END",
    )
    conn = await world.connect()
    cur = conn.cursor()
    assert list(await cur.callproc(name, (3, 0))) == [3, 3]
    assert await cur.fetchall() == [(1,), (2,), (3,)]
    assert await cur.nextset()
    assert await cur.fetchall() == [("second",)]
    assert await cur.nextset() is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "row_factory",
    [
        mariadb_nb.tuple_row,
        mariadb_nb.dict_row,
        mariadb_nb.namedtuple_row,
        mariadb_nb.scalar_row,
        mariadb_nb.class_row(dict),
    ],
    ids=["tuple", "dict", "namedtuple", "scalar", "class"],
)
@in_every_world
async def test_callproc_with_every_shape_of_rows(
    world: World, row_factory: Any, stream: bool
) -> None:
    name = await make_procedure(
        world,
        "(IN a INT, OUT b INT, OUT c TEXT) BEGIN "
        "SELECT 1 AS x; SELECT a AS x; SET b = 2, c = 'three'; END",
    )
    conn = await world.connect()
    cur = conn.cursor(row_factory=row_factory, stream=stream)
    assert list(await cur.callproc(name, (7, None, None))) == [7, 2, "three"]
    assert len(await cur.fetchall()) == 1
    assert await cur.nextset()
    (row,) = await cur.fetchall()
    assert row in ((7,), {"x": 7}, 7)
    assert await cur.nextset() is None


@in_every_world
async def test_callproc_without_parameters(world: World) -> None:
    name = await make_procedure(world, "() SELECT 'alone'")
    conn = await world.connect()
    cur = conn.cursor()
    assert list(await cur.callproc(f"test.{name}")) == []
    assert await cur.fetchall() == [("alone",)]


@in_every_world
async def test_callproc_of_what_is_not_there(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await cur.callproc("no_such_procedure", (1,))
    assert raised.value.errno == 1305
    with pytest.raises(mariadb_nb.ProgrammingError):
        await cur.callproc("p; DROP TABLE students", ())
    await conn.ping()


@in_every_world
async def test_error_inside_of_a_procedure(world: World) -> None:
    name = await make_procedure(
        world,
        "() BEGIN SELECT 'before'; "
        "SIGNAL SQLSTATE '45000' "
        "SET MESSAGE_TEXT = 'as told', MYSQL_ERRNO = 31337; END",
    )
    conn = await world.connect()
    with pytest.raises(mariadb_nb.OperationalError, match="as told") as raised:
        await conn.cursor().callproc(name)
    assert (raised.value.errno, raised.value.sqlstate) == (31337, "45000")
    cur = await conn.execute("SELECT 'still right'")
    assert await cur.fetchall() == [("still right",)]


# ---- streams ---------------------------------------------------------------------

#: More than fits into any socket's buffer.
MANY = "SELECT seq, REPEAT('x', 100) FROM seq_1_to_200000"


@in_every_world
async def test_stream_of_all_rows(world: World) -> None:
    conn = await world.connect()
    async with conn.cursor(stream=True) as cur:
        await cur.execute("SELECT seq FROM seq_1_to_20000")
        assert cur.rowcount == -1
        assert await cur.fetchone() == (1,)
        assert await cur.fetchmany(3) == [(2,), (3,), (4,)]
        expected = 5
        async for (number,) in cur:
            assert number == expected
            expected += 1
            if expected > 10_000:
                break
        assert len(await cur.fetchall()) == 10_000
        assert await cur.fetchone() is None
        assert cur.rownumber == 20_000
    next_one = await conn.execute("SELECT 'next'")
    assert await next_one.fetchone() == ("next",)


@in_every_world
async def test_stream_left_early(world: World) -> None:
    conn = await world.connect()
    for number in range(3):
        async with conn.cursor(stream=True) as cur:
            await cur.execute(MANY)
            assert await cur.fetchone() == (1, "x" * 100)
        assert not conn.closed
        secret = f"secret {number}"
        next_one = await conn.execute("SELECT ?", (secret,))
        assert await next_one.fetchall() == [(secret,)]


@in_every_world
async def test_stream_left_early_by_an_error(world: World) -> None:
    conn = await world.connect()

    async def fail() -> None:
        async with conn.cursor(stream=True) as cur:
            await cur.execute(MANY)
            async for row in cur:
                raise KeyError(row[0])

    with pytest.raises(KeyError):
        await fail()
    cur = await conn.execute("SELECT 'next'")
    assert await cur.fetchall() == [("next",)]


@in_every_world
async def test_next_execute_ends_the_cursors_own_stream(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor(stream=True)
    await cur.execute(MANY)
    assert await cur.fetchone() == (1, "x" * 100)
    await cur.execute("SELECT 'next'")
    assert await cur.fetchall() == [("next",)]


@in_every_world
async def test_unread_stream_is_not_disturbed(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor(stream=True)
    await cur.execute(MANY)
    assert await cur.fetchone() == (1, "x" * 100)
    for call in (lambda: conn.execute("SELECT 'intruder'"), conn.commit, conn.ping):
        with pytest.raises(mariadb_nb.InterfaceError):
            await call()
    rows = await cur.fetchall()
    assert [row[0] for row in rows] == list(range(2, 200_001))
    other = await conn.execute("SELECT 'next'")
    assert await other.fetchall() == [("next",)]


@in_every_world
async def test_stream_whose_cursor_is_gone_is_in_nobodys_way(world: World) -> None:
    conn = await world.connect()
    uses: list[Callable[[], Awaitable[object]]] = [
        lambda: conn.execute("SELECT 1"),
        lambda: conn.cursor(stream=True).execute("SELECT 1"),
        conn.commit,
        conn.ping,
        conn.reset,
    ]
    for use in uses:
        cur: Any = conn.cursor(stream=True)
        await cur.execute("SELECT seq FROM seq_1_to_1000000")
        assert await cur.fetchone() == (1,)
        del cur
        gc.collect()
        await use()
        gc.collect()  # the second one leaves a row as well
        row = await conn.execute("SELECT 'mine'")
        assert await row.fetchall() == [("mine",)]


@in_every_world
async def test_error_in_the_midst_of_a_stream(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor(stream=True)
    await cur.execute(
        "SELECT seq, REPEAT('x', 1000), IF(seq = 5000, "
        "(SELECT seq FROM seq_1_to_2), 0) FROM seq_1_to_9000"
    )
    seen = []

    async def fetch() -> None:
        while row := await cur.fetchone():
            seen.append(row[0])

    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await fetch()
    assert raised.value.errno == 1242
    # Rows that came together with the error may be lost, but none in between.
    assert 0 < len(seen) < 5000
    assert seen == list(range(1, len(seen) + 1))
    other = await conn.execute("SELECT 'next'")
    assert await other.fetchall() == [("next",)]


@in_every_world
async def test_stream_of_several_results(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    cur = conn.cursor(stream=True)
    await cur.execute(f"{MANY}; DO 1; SELECT 'last'")
    assert await cur.fetchone() == (1, "x" * 100)
    assert await cur.nextset()
    assert cur.description is None
    assert await cur.nextset()
    assert await cur.fetchall() == [("last",)]
    assert await cur.nextset() is None
    other = await conn.execute("SELECT 'next'")
    assert await other.fetchall() == [("next",)]


@in_every_world
async def test_connection_closed_in_the_midst_of_a_stream(world: World) -> None:
    conn, witness = await world.connect(), await world.connect()
    cur = conn.cursor(stream=True)
    await cur.execute(MANY)
    await conn.close()
    with pytest.raises(mariadb_nb.InterfaceError, match="closed"):
        await cur.fetchone()
    await world.wait_until_gone(witness, conn.thread_id)


@in_every_world
async def test_ended_stream_never_touches_the_next_one(world: World) -> None:
    """Whatever became of a stream, its cursor has nothing to do with another's."""
    conn = await world.connect(multi_statements=True)
    failing = conn.cursor(stream=True)
    await failing.execute(
        "SELECT REPEAT('x', 1000), IF(seq = 5000, (SELECT seq FROM seq_1_to_2), 0) "
        "FROM seq_1_to_9000"
    )
    with pytest.raises(mariadb_nb.ProgrammingError):
        await failing.fetchall()
    read, timed_out = conn.cursor(stream=True), conn.cursor(stream=True)
    await read.execute("SELECT 1")
    assert await read.fetchall() == [(1,)]
    await timed_out.execute(
        "SELECT REPEAT('x', 20000), IF(seq > 3, SLEEP(1), 0) FROM seq_1_to_60"
    )
    conn.timeout = 0.2
    with pytest.raises(mariadb_nb.OperationTimeout):
        await timed_out.fetchall()
    conn.timeout = None

    streaming = conn.cursor(stream=True)
    await streaming.execute(f"{MANY}; SELECT 'last'")
    for cur in (failing, read, timed_out):
        for call in (cur.fetchone, cur.fetchall, cur.nextset):
            with contextlib.suppress(mariadb_nb.Error):
                assert not await call()
        await cur.close()
    assert [row[0] for row in await streaming.fetchall()] == list(range(1, 200_001))
    assert await streaming.nextset()
    assert await streaming.fetchall() == [("last",)]
