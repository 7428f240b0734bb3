"""Pipelines that end early, in every world: by a timeout, a loss, an interruption."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import opcodes
import pytest
from pipeline_support import KEYED, error_of
from server_place import login_of
from slow_statements import LATER, LONG, SHORT, still_right
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio, errors
from mariadb_nb.errors import (
    Busy,
    ConnectionLost,
    InterfaceError,
    OperationalError,
    OperationTimeout,
    ProgrammingError,
)
from mariadb_nb.server import TemporaryServer

# ---- the end of the connection -----------------------------------------------------


@in_every_world
async def test_connection_that_is_lost(world: World) -> None:
    kept = SimpleNamespace()
    conn, other = await world.connect(), await world.connect()

    async def work() -> None:
        async with conn.pipeline() as pipe:
            kept.first = pipe.execute("SELECT 1")
            pipe.execute(f"KILL {conn.thread_id}")
            kept.behind = [pipe.execute("SELECT 2") for _ in range(3)]

    with pytest.raises(ConnectionLost) as raised:
        await work()
    assert kept.first.fetchone() == (1,)
    assert conn.closed
    assert raised.value.errno
    for result in kept.behind:
        assert isinstance(error_of(result), ConnectionLost)

    async def again() -> None:
        async with conn.pipeline():
            pass

    with pytest.raises(InterfaceError, match="broken"):
        await again()
    await still_right(other)


@in_every_world
async def test_connection_that_is_closed_meanwhile(world: World) -> None:
    kept = SimpleNamespace()
    conn = await world.connect()

    async def work() -> None:
        async with conn.pipeline() as pipe:
            kept.result = pipe.execute("SELECT 1")
            await conn.close()
            with pytest.raises(InterfaceError, match="closed"):
                pipe.execute("SELECT 2")

    with pytest.raises(InterfaceError, match="closed"):
        await work()
    assert isinstance(error_of(kept.result), ConnectionLost)


@in_every_world
async def test_block_that_is_forgotten(world: World) -> None:
    conn = await world.connect()
    forgotten = conn.pipeline()
    await forgotten.__aenter__()
    forgotten.execute("SELECT 1")
    with pytest.raises(Busy):
        await conn.execute("SELECT 2")
    del forgotten
    await still_right(conn)
    async with conn.pipeline() as pipe:
        result = pipe.execute("SELECT 3")
    assert result.fetchone() == (3,)


# ---- an early end --------------------------------------------------------------------


@in_every_world
async def test_timeout_of_a_single_statement_keeps_the_connection(
    world: World,
) -> None:
    kept = SimpleNamespace()
    conn = await world.connect()

    async def work() -> None:
        async with conn.pipeline(timeout=SHORT) as pipe:
            kept.first = pipe.execute("SELECT 1")
            await pipe.sync(timeout=None)
            kept.result = pipe.execute(LONG)

    with pytest.raises(OperationTimeout) as raised:
        await work()
    assert not hasattr(raised.value, "__notes__")
    assert isinstance(error_of(kept.result), OperationalError)
    assert kept.first.fetchone() == (1,)
    await still_right(conn)


@in_every_world
async def test_timeout_goes_before_the_error_of_a_statement(world: World) -> None:
    conn = await world.connect()

    async def work() -> None:
        async with conn.pipeline(timeout=LATER) as pipe:
            pipe.execute("nonsense")
            pipe.execute(LONG)

    with pytest.raises(OperationTimeout) as raised:
        await work()
    assert "nonsense" in raised.value.__notes__[-1]
    await still_right(conn)


@in_every_world
async def test_timeout_ends_what_was_sent_ahead(world: World) -> None:
    """The server must not go on behind a statement that was given up."""
    kept = SimpleNamespace()
    table = await world.table(KEYED)
    conn, witness = await world.connect(autocommit=True), await world.connect()

    async def work() -> None:
        async with conn.pipeline(timeout=LATER) as pipe:
            kept.first = pipe.execute("SELECT 1")
            kept.results = [pipe.execute(LONG)]
            sql = f"INSERT INTO {table} VALUES (?, 'never')"
            kept.results += [pipe.execute(sql, (number,)) for number in range(20)]

    with pytest.raises(OperationTimeout) as raised:
        await work()
    assert "more statements had been sent" in raised.value.__notes__[0]
    assert len(raised.value.__notes__) == 1
    assert conn.closed
    assert kept.first.fetchone() == (1,)
    for result in kept.results:
        assert isinstance(error_of(result), ConnectionLost)
    await world.wait_until_gone(witness, conn.thread_id)
    cur = await witness.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (0,)


@in_every_world
async def test_interrupted(world: World) -> None:
    table = await world.table(KEYED)
    conn, witness = await world.connect(autocommit=True), await world.connect()
    sql = f"{LONG} /* piped {world.name} */"

    async def work() -> None:
        async with conn.pipeline() as pipe:
            pipe.execute(sql)
            pipe.execute(f"INSERT INTO {table} VALUES (1, 'never')")

    await world.interrupt(work(), world.wait_until_seen(witness, sql))
    assert conn.closed
    await world.wait_until_gone(witness, conn.thread_id)
    cur = await witness.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (0,)


@in_every_world
async def test_what_waits_yet_is_left_when_a_sync_is_interrupted(world: World) -> None:
    conn = await world.connect()
    async with conn.pipeline() as pipe:
        long = pipe.execute(f"SET @a = ({LONG})")
        last = pipe.execute("SELECT 'last'")
        with pytest.raises(OperationTimeout):
            await pipe.sync(timeout=LATER)
        assert long.done
        assert not last.done
    assert last.fetchone() == ("last",)


# ---- lent connections ---------------------------------------------------------------


@in_every_world
async def test_pipeline_left_open_when_its_connection_goes_back(world: World) -> None:
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            pipe: aio.Pipeline = conn.pipeline()
            await pipe.__aenter__()
            result = pipe.execute("SELECT 'of the one before'")
        async with pool.acquire() as conn:
            with pytest.raises(InterfaceError, match="closed"):
                await pipe.sync()
            with pytest.raises(InterfaceError, match="closed"):
                pipe.execute("SELECT 1")
            await still_right(conn)
            async with conn.pipeline() as other:
                good = other.execute("SELECT 'of this one'")
            assert good.fetchone() == ("of this one",)
            with pytest.raises(InterfaceError, match="closed"):
                await pipe.__aexit__(None, None, None)
        assert isinstance(error_of(result), ConnectionLost)


def test_ctrl_c_while_the_error_of_a_statement_is_made(
    mariadb_server: TemporaryServer,
) -> None:
    """It is no answer to the statement, and comes out of the pipeline."""
    login = login_of(mariadb_server)

    def work(conn: mariadb_nb.Connection, texts: tuple[str, ...]) -> None:
        with conn.pipeline() as pipe:
            results = [pipe.execute(text) for text in texts]
            try:
                pipe.sync()
            except KeyboardInterrupt:
                for result in results:
                    assert isinstance(result.error, OperationalError)
                raise
            assert isinstance(results[0].error, ProgrammingError)

    def try_at(place: int) -> bool:
        done = False
        for texts in (("SELECT nosuch",), ("SELECT nosuch", "SELECT 1")):
            with mariadb_nb.connect(**login) as conn:
                try:
                    done = opcodes.run_with(
                        {errors.__file__},
                        opcodes.press_ctrl_c,
                        place,
                        partial(work, conn, texts),
                    )
                except KeyboardInterrupt:
                    done = True
                    assert conn.closed is (len(texts) > 1)
                if not conn.closed:
                    assert conn.execute("SELECT 'still right'").fetchone() is not None
        return done

    opcodes.everywhere(try_at, 10)
