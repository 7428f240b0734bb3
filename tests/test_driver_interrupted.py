"""Interrupted by Ctrl-C, a cancelled task or a killed greenlet: what is left after it.

The suspension points one by one are another file's; this is what a user sees.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import opcodes
import pytest
from server_place import login_of
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import _connection, aio, loading, session, turns
from mariadb_nb.server import TemporaryServer

#: Runs for minutes unless it is ended.
LONG = "SELECT COUNT(*) FROM seq_1_to_1000000 AS a, seq_1_to_1000000 AS b"


async def still_right(conn: aio.Connection) -> None:
    """Nothing that came before is taken for an answer."""
    assert "READY" in repr(conn)
    cur = await conn.execute("SELECT ?", ("a secret",))
    assert await cur.fetchall() == [("a secret",)]


@in_every_world
async def test_interrupted_statement(world: World) -> None:
    conn, witness = await world.connect(), await world.connect()
    sql = f"{LONG} /* interrupted {world.name} */"
    for _ in range(3):
        await world.interrupt(conn.execute(sql), world.wait_until_seen(witness, sql))
        await still_right(conn)
        cur = await witness.execute(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info = ?", (sql,)
        )
        assert await cur.fetchone() == (0,)


@in_every_world
async def test_interrupted_statement_ends_a_connection_that_wants_it(
    world: World,
) -> None:
    conn, witness = await world.connect(on_cancel="abort"), await world.connect()
    sql = f"{LONG} /* aborted {world.name} */"
    await world.interrupt(conn.execute(sql), world.wait_until_seen(witness, sql))
    assert conn.closed
    assert "BROKEN" in repr(conn)
    # The server notices only when it writes; nobody else has to wait for that.
    await witness.execute("KILL CONNECTION ?", (conn.thread_id,))


@in_every_world
async def test_interrupted_block_is_rolled_back(world: World) -> None:
    table = await world.table("x INT")
    conn, witness = await world.connect(autocommit=True), await world.connect()
    sql = f"{LONG} /* in a block {world.name} */"

    async def work(*, nested: bool) -> None:
        async with conn.transaction():
            await conn.execute(f"INSERT INTO {table} VALUES (1)")
            if nested:
                await work(nested=False)
            await conn.execute(sql)

    for nested in (False, True):
        await world.interrupt(work(nested=nested), world.wait_until_seen(witness, sql))
        assert not conn.in_transaction
        await still_right(conn)
        async with conn.transaction():
            cur = await conn.execute(f"SELECT COUNT(*) FROM {table}")
            assert await cur.fetchone() == (0,)
        assert not conn.in_transaction


class Resting:
    """A body that rests, and what waits until it does."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.lock = f"{name} rests {world.name}"

    async def prepare(self) -> None:
        self.inside = await self.world.connect()
        self.outside = await self.world.connect()

    async def rest(self) -> None:
        await self.inside.execute("DO GET_LOCK(?, 10)", (self.lock,))
        await self.world.rest()

    async def seen(self) -> None:
        while True:
            cur = await self.outside.execute("SELECT IS_FREE_LOCK(?)", (self.lock,))
            if await cur.fetchone() == (0,):
                return


@in_every_world
async def test_block_interrupted_between_its_statements(world: World) -> None:
    table = await world.table("x INT")
    conn = await world.connect(autocommit=True)
    resting = Resting(world, "block")
    await resting.prepare()

    async def work() -> None:
        async with conn.transaction(), conn.transaction():
            await conn.execute(f"INSERT INTO {table} VALUES (1)")
            await resting.rest()

    await world.interrupt(work(), resting.seen())
    assert not conn.in_transaction
    cur = await conn.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (0,)


@in_every_world
async def test_stream_interrupted_between_its_rows(world: World) -> None:
    conn = await world.connect()
    resting = Resting(world, "stream")
    await resting.prepare()

    async def work() -> None:
        async with conn.cursor(stream=True) as cur:
            await cur.execute("SELECT seq, REPEAT('x', 100) FROM seq_1_to_200000")
            async for _ in cur:
                await resting.rest()

    await world.interrupt(work(), resting.seen())
    await still_right(conn)


@in_every_world
async def test_interrupted_block_of_a_connection_closes_it(world: World) -> None:
    table = await world.table("x INT")
    conn, witness = await world.connect(), await world.connect()
    sql = f"{LONG} /* in a connection {world.name} */"

    async def work() -> None:
        async with conn:
            await conn.execute(f"INSERT INTO {table} VALUES (1)")
            await conn.execute(sql)

    await world.interrupt(work(), world.wait_until_seen(witness, sql))
    assert conn.closed
    await world.wait_until_gone(witness, conn.thread_id)
    cur = await witness.execute(f"SELECT COUNT(*) FROM {table}")
    assert await cur.fetchone() == (0,)


@in_every_world
async def test_interrupted_stream(world: World) -> None:
    conn, witness = await world.connect(), await world.connect()
    # The first rows are sent, and then none for minutes.
    sql = f"SELECT REPEAT('x', 9999), IF(seq = 99, ({LONG}), 0) FROM seq_1_to_99"

    async def work() -> None:
        async with conn.cursor(stream=True) as cur:
            await cur.execute(sql)
            async for _ in cur:
                pass

    await world.interrupt(work(), world.wait_until_seen(witness, sql))
    await still_right(conn)


@in_every_world
async def test_statement_that_ended_before_its_time_was_over(world: World) -> None:
    """A kill that comes too late never hits the next statement."""
    conn = await world.connect()
    for number in range(20):
        seconds = 0.0005 * number
        try:
            cur = await conn.cursor().execute(
                "SELECT ?, SLEEP(0.005)", (number,), timeout=seconds + 0.0005
            )
        except mariadb_nb.OperationTimeout:
            pass
        else:
            assert await cur.fetchall() == [(number, 0)]
        await still_right(conn)


# What closes the connection that kills may be interrupted too: the collector does it.
@pytest.mark.filterwarnings("ignore:.* was not closed:ResourceWarning")
def test_ctrl_c_anywhere_while_a_stream_is_closed(
    mariadb_server: TemporaryServer,
) -> None:
    """The connection is as good as before or at its end, and never busy for good."""
    login = login_of(mariadb_server, database="test")
    files = {session.__file__, turns.__file__}

    def try_at(place: int) -> bool:
        with mariadb_nb.connect(**login) as conn:
            cur = conn.cursor(stream=True)
            cur.execute("SELECT REPEAT('x', 999) FROM seq_1_to_100000").fetchone()
            done = False
            with suppress(KeyboardInterrupt):
                done = True
                done = opcodes.run_with(
                    files, opcodes.press_ctrl_c, place, cur.close, signals=True
                )
            assert not conn.busy
            if not conn.closed:
                cur.close()
                assert conn.execute("SELECT 'right'").fetchall() == [("right",)]
        return done

    opcodes.everywhere(try_at)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_ctrl_c_anywhere_in_two_phases(
    mariadb_server: TemporaryServer, steps: int
) -> None:
    """The branch is what the connection takes it for, or the connection is no more."""
    login = login_of(mariadb_server, "root")

    def try_at(place: int) -> bool:
        conn = mariadb_nb.connect(**login)
        xid = conn.xid(1, f"ctrl-c {steps} {place}", "")
        todo: list[Callable[[], object]]
        todo = [partial(conn.tpc_begin, xid), conn.tpc_prepare, conn.tpc_commit]
        *before, last = todo[:steps]
        for step in before:
            step()
        done = True
        with suppress(KeyboardInterrupt):
            done = opcodes.run_with(
                {_connection.__file__}, opcodes.press_ctrl_c, place, last, signals=True
            )
        if not conn.closed:
            with suppress(mariadb_nb.ProgrammingError):  # "without tpc_begin()"
                conn.tpc_rollback()
            conn.tpc_begin(xid)
            conn.tpc_rollback()
            conn.close()
        with mariadb_nb.connect(**login, autocommit=True) as janitor:
            if xid in janitor.tpc_recover():
                with suppress(mariadb_nb.OperationalError):  # it had changed nothing
                    janitor.tpc_rollback(xid)
        return done

    opcodes.everywhere(try_at, 5)


@pytest.mark.parametrize("autocommit", [False, True])
def test_ctrl_c_anywhere_in_a_load(
    mariadb_server: TemporaryServer, autocommit: bool
) -> None:
    """All rows are loaded or none, and no block is left open."""
    login = login_of(mariadb_server, database="test", autocommit=autocommit)
    files = {loading.__file__, _connection.__file__}
    conn = mariadb_nb.connect(**login)

    def try_at(place: int) -> bool:
        nonlocal conn
        conn.execute("TRUNCATE t_loaded")
        load = partial(conn.load, "t_loaded", [(1,), (2,)])
        done = True
        with suppress(KeyboardInterrupt):
            done = opcodes.run_with(
                files, opcodes.press_ctrl_c, place, load, signals=True
            )
        if conn.closed:
            conn.close()
            conn = mariadb_nb.connect(**login)
        conn.commit()  # no block is open
        cur = conn.execute("SELECT COUNT(*) FROM t_loaded")
        assert cur.fetchone() in ((0,), (2,))
        return done

    try:
        conn.execute("CREATE OR REPLACE TABLE t_loaded (x INT)")
        opcodes.everywhere(try_at)
    finally:
        with mariadb_nb.connect(**login) as cleaner:
            conn.close()
            cleaner.execute("DROP TABLE t_loaded")
