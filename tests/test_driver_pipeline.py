"""Pipelines in every world: results in order, errors of their own, nothing left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pipeline_support import KEYED, error_of
from slow_statements import still_right
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.errors import (
    Busy,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)

# ---- results ---------------------------------------------------------------------


@in_every_world
async def test_results_are_read_as_a_cursors(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    async with conn.pipeline() as pipe:
        rows = pipe.execute("SELECT seq AS n FROM seq_1_to_5")
        changed = pipe.execute("DO ?", (1,))
        several = pipe.execute("SELECT 1; DO 2; SELECT 3")
        assert not rows.done
    assert rows.done
    assert (rows.rowcount, rows.rownumber, rows.arraysize) == (5, 0, 1)
    assert rows.description is not None
    assert rows.description[0].name == "n"
    assert (rows.fetchone(), rows.fetchmany(), rows.fetchmany(2)) == (
        (1,),
        [(2,)],
        [(3,), (4,)],
    )
    assert list(rows) == [(5,)]
    assert (rows.fetchone(), rows.fetchall(), rows.nextset()) == (None, [], None)
    rows.scroll(-2)
    assert rows.fetchall() == [(4,), (5,)]
    assert (changed.rowcount, changed.description, changed.error) == (0, None, None)
    with pytest.raises(ProgrammingError, match="no result set"):
        changed.fetchone()
    found = [several.fetchall()]
    while several.nextset():
        found.append(several.rowcount)
    assert found == [[(1,)], 0, 1]
    await still_right(conn)


@in_every_world
async def test_row_factory_and_parameters(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline(row_factory=mariadb_nb.dict_row) as pipe:
        results = [
            pipe.execute("SELECT ? AS x", ("it's \\ ?",)),
            pipe.execute("SELECT %s AS x", (b"\0\\'",)),
            pipe.execute("SELECT %(a)s AS x", {"a": "ä%s"}),
            pipe.execute("SELECT '%s ?' AS x"),
        ]
    assert [result.fetchall() for result in results] == [
        [{"x": "it's \\ ?"}],
        [{"x": b"\0\\'"}],
        [{"x": "ä%s"}],
        [{"x": "%s ?"}],
    ]


@in_every_world
async def test_what_a_statement_changed(world: World) -> None:
    table = await world.table("id INT AUTO_INCREMENT PRIMARY KEY, x INT")
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        sql = f"INSERT INTO {table} (x) VALUES (?)"
        inserted = [pipe.execute(sql, (number,)) for number in range(3)]
        updated = pipe.execute(f"UPDATE {table} SET x = 9 WHERE id > 1")
        counted = pipe.execute(f"SELECT COUNT(*), 1 / 0 FROM {table}")
    assert [result.lastrowid for result in inserted] == [1, 2, 3]
    assert updated.info == "Rows matched: 2  Changed: 2  Warnings: 0"
    assert (updated.rowcount, counted.warning_count) == (2, 1)
    assert counted.lastrowid is None
    assert conn.in_transaction
    await conn.rollback()
    cur = await conn.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (0,)


@in_every_world
async def test_parameters_may_change_once_they_are_queued(world: World) -> None:
    conn = await world.connect()
    row, data = [0], bytearray(b"first")
    async with conn.pipeline() as pipe:
        results = []
        for number in range(3):
            row[0] = number
            results.append(pipe.execute("SELECT ?", row))
        results.append(pipe.execute("SELECT ?", [data]))
        data[:] = b"later"
    found = [result.fetchone() for result in results]
    assert found == [(0,), (1,), (2,), (b"first",)]


@in_every_world
async def test_procedures(world: World) -> None:
    conn = await world.connect()
    await conn.execute(
        "CREATE OR REPLACE PROCEDURE piped(IN n INT) BEGIN SELECT n; SELECT n + 1; END"
    )
    async with conn.pipeline() as pipe:
        results = [pipe.execute("CALL piped(?)", (number,)) for number in (1, 5)]
        last = pipe.execute("SELECT 'last'")
    for number, result in zip((1, 5), results, strict=True):
        assert result.fetchall() == [(number,)]
        assert result.nextset()
        assert result.fetchall() == [(number + 1,)]
        assert result.nextset() is None
    assert last.fetchall() == [("last",)]


@in_every_world
async def test_sync_before_the_end(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        first = pipe.execute("SELECT 1")
        await pipe.sync()
        assert first.fetchone() == (1,)
        cur = await conn.execute("SELECT 'between'")
        assert await cur.fetchone() == ("between",)
        second = pipe.execute("SELECT ?", (2,))
        await pipe.sync()
        await pipe.sync()
        third = pipe.execute("SELECT 3")
    assert (second.fetchone(), third.fetchone()) == ((2,), (3,))


@in_every_world
async def test_large_statements_and_results(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        results = [
            pipe.execute("SELECT ?, REPEAT('y', 500000)", ("x" * size,))
            for size in (1, 10_000, 200_000, 1_000_000) * 5
        ]
    sizes = [tuple(len(it) for it in result.fetchall()[0]) for result in results]
    assert sizes == [(n, 500_000) for n in (1, 10_000, 200_000, 1_000_000)] * 5


@in_every_world
async def test_compressed(world: World) -> None:
    conn = await world.connect(compress=True)
    async with conn.pipeline() as pipe:
        results = [
            pipe.execute("SELECT ?, seq FROM seq_1_to_30", ("x" * size,))
            for size in (1, 3000, 100_000) * 20
        ]
        wrong = pipe.execute("nonsense")
        last = pipe.execute("SELECT 'last'")
        await pipe.sync()
        assert isinstance(wrong.error, ProgrammingError)
    for result, size in zip(results, (1, 3000, 100_000) * 20, strict=True):
        assert result.fetchall() == [("x" * size, seq) for seq in range(1, 31)]
    assert last.fetchone() == ("last",)


# ---- errors --------------------------------------------------------------------------


@in_every_world
async def test_error_is_that_of_its_statement(world: World) -> None:
    table = await world.table(KEYED)
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        sql = f"INSERT INTO {table} VALUES (?, ?)"
        good = pipe.execute(sql, (1, "a"))
        double = pipe.execute(sql, (1, "b"))
        wrong = pipe.execute("nonsense")
        last = pipe.execute(f"SELECT * FROM {table}")
        await pipe.sync()
        assert (good.error, last.error) == (None, None)
        assert isinstance(double.error, IntegrityError)
        for _ in range(2):
            assert isinstance(error_of(wrong), ProgrammingError)
        for name in ("rowcount", "description", "lastrowid", "rownumber", "info"):
            with pytest.raises(IntegrityError):
                getattr(double, name)
    assert last.fetchall() == [(1, "a")]
    await conn.rollback()


@in_every_world
async def test_error_that_nobody_has_seen_is_raised_at_the_end(world: World) -> None:
    kept = SimpleNamespace()
    conn = await world.connect()

    async def work() -> None:
        async with conn.pipeline() as pipe:
            kept.seen = pipe.execute("wrong 'seen'")
            pipe.execute("wrong 'first'")
            kept.good = pipe.execute("SELECT 1")
            pipe.execute("SELECT nosuch")
            pipe.execute("SELECT nosuch")
            await pipe.sync()
            assert kept.seen.error is not None

    with pytest.raises(ProgrammingError, match="first") as raised:
        await work()
    (note,) = raised.value.__notes__
    assert "2 more" in note
    assert "nosuch" in note
    assert kept.good.fetchone() == (1,)
    await still_right(conn)


@in_every_world
async def test_error_of_the_block_goes_on_and_tells_of_the_others(world: World) -> None:
    kept = SimpleNamespace()
    table = await world.table(KEYED)
    conn = await world.connect(autocommit=True)

    async def work() -> None:
        async with conn.pipeline() as pipe:
            pipe.execute("wrong 'first'")
            await pipe.sync()
            kept.unsent = pipe.execute(f"INSERT INTO {table} VALUES (1, 'never')")
            raise KeyError

    with pytest.raises(KeyError) as raised:
        await work()
    assert "wrong" in raised.value.__notes__[0]
    assert isinstance(error_of(kept.unsent), OperationalError)
    assert "not sent" in str(error_of(kept.unsent))
    cur = await conn.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (0,)


@in_every_world
async def test_error_that_is_raised_in_the_block_is_not_noted_on_itself(
    world: World,
) -> None:
    kept = SimpleNamespace()
    conn = await world.connect()

    async def work() -> None:
        async with conn.pipeline() as pipe:
            kept.wrong = pipe.execute("nonsense")
            await pipe.sync()
            kept.wrong.fetchone()

    with pytest.raises(ProgrammingError) as raised:
        await work()
    assert not hasattr(raised.value, "__notes__")


@in_every_world
async def test_value_that_cannot_be_sent_is_refused_at_once(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        with pytest.raises(DataError):
            pipe.execute("SELECT ?", ("\udc80",))
        with pytest.raises(ProgrammingError):
            pipe.execute("SELECT ?", (1, 2))
        with pytest.raises(TypeError):
            pipe.execute(b"SELECT 1")  # type: ignore[arg-type]
        good = pipe.execute("SELECT 1")
    assert good.fetchone() == (1,)


# ---- out of place ------------------------------------------------------------------


@in_every_world
async def test_result_before_it_is_there(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        result = pipe.execute("SELECT 1")
        for _ in range(2):
            assert "sync()" in str(error_of(result))
        with pytest.raises(InterfaceError):
            _ = result.error
        for name in ("rowcount", "rownumber", "description"):
            with pytest.raises(InterfaceError):
                getattr(result, name)
    assert result.fetchone() == (1,)


@in_every_world
async def test_pipeline_outside_of_its_block(world: World) -> None:
    conn = await world.connect()
    pipe = conn.pipeline()
    for _ in range(2):
        with pytest.raises(InterfaceError, match="block"):
            pipe.execute("SELECT 1")
        with pytest.raises(InterfaceError, match="block"):
            await pipe.sync()
        async with pipe:
            pipe.execute("SELECT 1")
    await still_right(conn)


@in_every_world
async def test_statements_that_wait_come_before_all_others(world: World) -> None:
    """What is executed around them would come in another order than it is written."""
    table = await world.table(KEYED)
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        pipe.execute(f"INSERT INTO {table} VALUES (1, 'a')")
        for call in (
            lambda: conn.execute(f"SELECT * FROM {table}"),
            lambda: conn.cursor(stream=True).execute("SELECT 1"),
            conn.commit,
            conn.rollback,
            conn.ping,
            conn.reset,
            conn.show_warnings,
        ):
            with pytest.raises(Busy, match="pipeline"):
                await call()

        async def work() -> None:
            async with conn.pipeline():
                pass

        with pytest.raises(InterfaceError, match="another pipeline"):
            await work()
        await pipe.sync()
        cur = await conn.execute(f"SELECT * FROM {table}")
        assert await cur.fetchall() == [(1, "a")]
    async with conn.pipeline():
        pass
    await conn.rollback()


@in_every_world
async def test_stream_that_is_being_read(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        cur = conn.cursor(stream=True)
        await cur.execute("SELECT seq FROM seq_1_to_1000000")
        result = pipe.execute("SELECT 'behind it'")
        with pytest.raises(Busy, match="stream"):
            await pipe.sync()
        assert await cur.fetchone() == (1,)
        await cur.close()
    assert result.fetchone() == ("behind it",)


@in_every_world
async def test_syncs_of_several_tasks(world: World) -> None:
    """Whoever comes second is refused, and each statement is sent once."""
    conn = await world.connect()
    for between in ("DO 1", "SET @a = 1"):
        async with conn.pipeline() as pipe:
            results = []
            for number in range(20):
                results.append(pipe.execute("SELECT ?, SLEEP(0.005)", (number,)))
                pipe.execute(between)
            outcomes = await world.together(pipe.sync(), pipe.sync(), pipe.sync())
        assert outcomes.count(None) >= 1
        assert all(isinstance(outcome, Busy | None) for outcome in outcomes)
        found = [result.fetchone() for result in results]
        assert found == [(number, 0) for number in range(20)]


@in_every_world
async def test_block_that_ends_while_another_task_is_sending(world: World) -> None:
    conn, holder = await world.connect(), await world.connect()
    lock = f"sending {world.name}"
    await holder.execute("DO GET_LOCK(?, 60)", (lock,))
    pipe: aio.Pipeline = conn.pipeline()
    await pipe.__aenter__()
    results = [
        pipe.execute("SET @a = 1"),
        pipe.execute("SET @a = GET_LOCK(?, 60)", (lock,)),
        pipe.execute("SET @a = 1"),
    ]

    async def end() -> None:
        while not results[0].done:
            await world.pause()
        with pytest.raises(Busy):
            await pipe.__aexit__(None, None, None)
        await holder.execute("DO RELEASE_LOCK(?)", (lock,))

    outcomes = await world.together(pipe.sync(), end())
    assert outcomes == [None, None]
    assert [result.done for result in results] == [True] * 3
    async with conn.pipeline() as other:
        result = other.execute("SELECT 'good'")
    assert result.fetchone() == ("good",)
