"""Pools with a real server, in every world."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import pytest
from connector_support import more, resources
from worlds import BlockingWorld, World, in_every_world

from mariadb_nb import InterfaceError, PoolClosed, PoolTimeout, ProgrammingError, aio
from mariadb_nb.errors import ConnectionLost, OperationalError


async def ask(conn: aio.Connection, sql: str, *params: Any) -> Any:
    """The one value that a statement gives."""
    (row,) = await (await conn.execute(sql, params or None)).fetchall()
    return row[0]


async def until(world: World, holds: Any) -> None:
    """Wait until a condition holds, without keeping the world from its work."""
    while not holds():
        await world.pause()


@in_every_world
async def test_lends_the_same_connection_again(world: World) -> None:
    async with world.pool() as pool:
        async with pool.acquire() as conn:
            first = conn.thread_id
        async with pool.acquire() as conn:
            assert conn.thread_id == first == await ask(conn, "SELECT CONNECTION_ID()")
        stats = pool.stats()
        assert (stats.created, stats.acquired, stats.idle) == (1, 2, 1)
    assert pool.stats().closed == {"closed": 1}


@in_every_world
async def test_warm_up_waits_for_min_size(world: World) -> None:
    async with world.pool(min_size=5, max_connecting=2) as pool:
        await pool.warm_up()
        assert pool.stats().idle == 5


LEFT = {
    "user variable": ("SET @left = 1", "SELECT @left", None),
    "session variable": (
        "SET SESSION max_error_count = 7",
        "SELECT @@max_error_count = 7",
        0,
    ),
    "autocommit": ("SET autocommit = 1", "SELECT @@autocommit", 0),
    "database": ("USE information_schema", "SELECT DATABASE()", "test"),
    "lock": ("DO GET_LOCK('left', 0)", "SELECT IS_USED_LOCK('left')", None),
    "prepared statement": (
        "PREPARE left_over FROM 'SELECT 1'",
        "SELECT COUNT(*) FROM information_schema.session_status "
        "WHERE variable_name = 'PREPARED_STMT_COUNT' AND variable_value > 0",
        0,
    ),
}


@pytest.mark.parametrize("name", LEFT)
@in_every_world
async def test_nothing_of_the_session_is_left(world: World, name: str) -> None:
    leave, look, clean = LEFT[name]
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            first = conn.thread_id
            await conn.execute(leave)
        async with pool.acquire() as conn:
            assert conn.thread_id == first
            assert await ask(conn, look) == clean


@in_every_world
async def test_what_was_not_used_is_not_reset(world: World) -> None:
    async def questions() -> int:
        cur = await watching.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        ((_, count),) = await cur.fetchall()
        return int(count)

    watching = await world.connect("root")
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            await conn.execute("SET @left = 1")
        # The farewell of a connection of an earlier test is counted too.
        sql = "SELECT COUNT(*) FROM information_schema.processlist"
        while await ask(watching, sql) > 2:
            await world.pause()
        before = await questions()
        for _ in range(5):
            async with pool.acquire() as conn:
                pass
        assert await questions() == before + 1  # which is its own
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT @left") is None
        assert await questions() > before + 3  # the set-up that comes after a reset


@pytest.mark.parametrize("database", ["test", None])
@in_every_world
async def test_database_of_which_nobody_was_told_is_left(
    world: World, database: str | None
) -> None:
    async with world.pool(max_size=1, database=database) as pool:
        async with pool.acquire() as conn:
            await conn.execute("SET session_track_schema = 0")
            await conn.execute("USE information_schema")
            assert conn.database == database
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT DATABASE()") == database
        async with pool.acquire() as conn:
            await conn.execute("DO 1")
        assert pool.stats().closed == ({} if database else {"reset": 1})


@in_every_world
async def test_open_transaction_is_rolled_back(world: World) -> None:
    table = await world.table("n INT")
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            await conn.execute(f"INSERT INTO {table} VALUES (1)")
            assert conn.in_transaction
        async with pool.acquire() as conn:
            assert await ask(conn, f"SELECT COUNT(*) FROM {table}") == 0


@in_every_world
async def test_temporary_table_is_gone(world: World) -> None:
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            await conn.execute("CREATE TEMPORARY TABLE left_over (n INT)")
        async with pool.acquire() as conn:
            with pytest.raises(ProgrammingError, match="doesn't exist"):
                await conn.execute("SELECT * FROM left_over")


@in_every_world
async def test_unread_rows_are_gone(world: World) -> None:
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            cur = conn.cursor(stream=True)
            await cur.execute("SELECT seq FROM seq_1_to_1000000")
            await cur.fetchone()
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT 42") == 42


@in_every_world
async def test_timeout_of_a_borrower_is_not_the_next_ones(world: World) -> None:
    async with world.pool(max_size=1, timeout=7) as pool:
        async with pool.acquire() as conn:
            conn.timeout = 0.5
        async with pool.acquire() as conn:
            assert conn.timeout == 7


@in_every_world
async def test_connection_of_another_user_is_not_lent_again(world: World) -> None:
    other = world.server.users["ed25519"]
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            await conn.change_user(other.name, other.password)
        async with pool.acquire() as conn:
            user = await ask(conn, "SELECT USER()")
            assert user.startswith(world.server.users["native"].name)
        assert pool.stats().closed == {"broken": 1}


@in_every_world
async def test_connection_that_was_closed_is_replaced(world: World) -> None:
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as conn:
            await conn.close()
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT 1") == 1
        assert pool.stats().closed == {"broken": 1}


@in_every_world
async def test_interrupted_borrower_leaves_a_good_connection(world: World) -> None:
    watching = await world.connect()
    async with world.pool(max_size=1) as pool:

        async def borrow() -> None:
            async with pool.acquire() as conn:
                await conn.execute("SELECT SLEEP(25) AS interrupted_borrower")

        await world.interrupt(
            borrow(), world.wait_until_seen(watching, "interrupted_borrower")
        )
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT 42") == 42
        assert pool.stats().size == 1


@in_every_world
async def test_interrupted_waiter_leaves_the_queue(world: World) -> None:
    async with world.pool(max_size=1) as pool, pool.acquire() as conn:

        async def wait() -> None:
            async with pool.acquire(timeout=None):
                raise AssertionError("nothing was free")

        await world.interrupt(wait(), until(world, lambda: pool.stats().waiting == 1))
        assert pool.stats().waiting == 0
        assert await ask(conn, "SELECT 1") == 1


@in_every_world
async def test_who_waits_too_long_is_told_how_things_stand(world: World) -> None:
    async with world.pool(max_size=1) as pool:
        async with pool.acquire():
            with pytest.raises(PoolTimeout, match="1 of at most 1 in use"):
                async with pool.acquire(timeout=0.05):
                    raise AssertionError("nothing was free")
            with pytest.raises(PoolTimeout):
                async with pool.acquire(timeout=0):
                    raise AssertionError("nothing was free")
        async with pool.acquire(timeout=0) as conn:
            assert await ask(conn, "SELECT 1") == 1
        assert pool.stats().timeouts == 2


@in_every_world
async def test_each_of_many_gets_its_own_answers(world: World) -> None:
    async with world.pool(max_size=4) as pool:

        async def work(secret: int) -> int:
            right = 0
            for turn in range(10):
                async with pool.acquire() as conn:
                    mine = f"{secret}/{turn}"
                    right += await ask(conn, "SELECT ?", mine) == mine
            return right

        assert await world.together(*(work(n) for n in range(32))) == [10] * 32
        stats = pool.stats()
        assert stats.acquired == 320
        assert stats.size == stats.idle == stats.created <= 4


@in_every_world
async def test_killed_connections_are_replaced_before_anybody_asks(
    world: World,
) -> None:
    killer = await world.connect("root")
    async with world.pool(min_size=8) as pool:
        await pool.warm_up()
        sql = "SELECT id FROM information_schema.processlist WHERE user = ?"
        name = world.server.users["native"].name
        for (number,) in await (await killer.execute(sql, (name,))).fetchall():
            with suppress(OperationalError):  # it is an earlier test's, and gone
                await killer.kill(number)
        await until(world, lambda: pool.stats().closed == {"lost": 8})
        await pool.warm_up()
        assert pool.stats().idle == 8
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT 1") == 1


@in_every_world
async def test_connection_that_the_server_times_out_is_not_lent(world: World) -> None:
    async with world.pool(init_command="SET wait_timeout = 1") as pool:
        async with pool.acquire() as conn:
            first = conn.thread_id
        await until(world, lambda: pool.stats().closed == {"lost": 1})
        async with pool.acquire() as conn:
            assert conn.thread_id != first


@in_every_world
async def test_keepalive_pings_what_is_idle(world: World) -> None:
    async with world.pool(min_size=2, keepalive_interval=0.05) as pool:
        await pool.warm_up()
        async with pool.acquire() as conn:
            sql = "SELECT variable_value FROM information_schema.global_status "
            sql += "WHERE variable_name = 'COM_ADMIN_COMMANDS'"
            before = int(await ask(conn, sql))
            while int(await ask(conn, sql)) < before + 3:
                await world.pause()
        assert pool.stats().closed == {}


@in_every_world
async def test_what_nobody_uses_is_closed(world: World) -> None:
    async with world.pool(max_idle=0.05) as pool:
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT 1") == 1
        await until(world, lambda: pool.stats().closed == {"idle": 1})
        assert pool.stats().size == 0


@in_every_world
async def test_wrong_password_is_told_at_once(world: World) -> None:
    async with world.pool(password="wrong") as pool:
        with pytest.raises(OperationalError, match="Access denied"):
            async with pool.acquire(timeout=None):
                raise AssertionError("it was let in")


@in_every_world
async def test_server_that_is_not_there_is_tried_until_the_deadline(
    world: World,
) -> None:
    pauses = []
    nowhere = world.server.socket + ".not"
    async with world.pool(
        unix_socket=nowhere,
        retry_first=0.05,
        on_event=lambda note: pauses.append(note.seconds),
    ) as pool:
        with pytest.raises(PoolTimeout, match="the last connect failed") as raised:
            async with pool.acquire(timeout=2):
                raise AssertionError("there is no server")
        assert isinstance(raised.value.__cause__, OperationalError)
        assert 2 <= len(pauses) == pool.stats().failed_connects <= 8
        assert pauses[0] <= 0.05 < pauses[-1]


@in_every_world
async def test_pool_can_be_resized(world: World) -> None:
    async with world.pool(min_size=3, max_size=3) as pool:
        await pool.warm_up()
        pool.resize(min_size=0, max_size=1)
        assert pool.stats().size == 1
        pool.resize(min_size=2, max_size=2)
        await pool.warm_up()
        assert pool.stats().size == 2


@in_every_world
async def test_close_takes_back_what_is_lent_at_its_deadline(world: World) -> None:
    pool = world.pool()
    async with pool.acquire() as conn:
        await pool.close(timeout=0.05)
        assert conn.closed
        assert pool.stats().size == 0
    with pytest.raises(PoolClosed):
        async with pool.acquire():
            raise AssertionError("it is closed")


@in_every_world
async def test_close_waits_for_what_is_lent(world: World) -> None:
    pool = world.pool()

    async def borrow() -> Any:
        async with pool.acquire() as conn:
            await until(world, lambda: pool.closed)
            return await ask(conn, "SELECT 42")

    async def close() -> None:
        await until(world, lambda: pool.stats().in_use == 1)
        await pool.close()
        assert pool.stats().size == 0

    assert await world.together(borrow(), close()) == [42, None]


@in_every_world
async def test_who_keeps_a_connection_reaches_nobody_with_it(world: World) -> None:
    async with world.pool(max_size=1) as pool:
        async with pool.acquire() as kept:
            cur, other = await kept.execute("SELECT 'mine'"), kept.cursor()
            stream = kept.cursor(stream=True)
            await stream.execute("SELECT seq FROM seq_1_to_1000000")
        assert kept.closed
        async with pool.acquire() as conn:
            await conn.execute("SET @secret = 'yours'")
            uses: list[Callable[[], Awaitable[object]]] = [
                *(kept.ping, kept.rollback, kept.reset, stream.fetchone),
                lambda: kept.execute("SET @secret = 'mine'"),
                lambda: other.execute("SET @secret = 'mine'"),
            ]
            for use in uses:
                with pytest.raises(InterfaceError):
                    await use()
            assert await cur.fetchall() == [("mine",)]  # it had them already
            await stream.close()
            await kept.close()
            assert await ask(conn, "SELECT @secret") == "yours"
        for use in uses:  # nor does it disturb the watch
            with pytest.raises(InterfaceError):
                await use()
        witness = await world.connect("root")
        await witness.kill(conn.thread_id)
        await until(world, lambda: pool.stats().size == 0)
        assert pool.stats().created == 1


@in_every_world
async def test_pool_may_be_resized_before_its_first_use(world: World) -> None:
    pool = world.pool()
    pool.resize(min_size=2, max_size=2)
    await pool.warm_up()
    assert pool.stats().idle == 2


@in_every_world
async def test_acquire_is_for_one_connection_at_a_time(world: World) -> None:
    async with world.pool() as pool:
        lease = pool.acquire()
        for _ in range(2):
            async with lease as conn:
                assert await ask(conn, "SELECT 1") == 1
                with pytest.raises(InterfaceError, match="acquire"):
                    async with lease:
                        raise AssertionError("it was lent twice")
        assert pool.stats().in_use == 0


@in_every_world
async def test_hooks_see_each_connection(world: World) -> None:
    calls: list[str] = []

    async def configure(conn: aio.Connection) -> None:
        calls.append("configure")
        await conn.execute("SET @from_hook = 1")

    async def reset(conn: aio.Connection) -> None:
        calls.append("reset")
        assert await ask(conn, "SELECT @from_hook") is None

    async def check(conn: aio.Connection) -> None:
        calls.append("check")

    async with world.pool(configure=configure, reset=reset, check=check) as pool:
        for _ in range(2):
            async with pool.acquire() as conn:
                assert await ask(conn, "SELECT @from_hook") == 1
    assert calls == ["configure", "reset", "check", "configure", "reset"]


@in_every_world
async def test_what_check_refuses_is_replaced(world: World) -> None:
    async def check(conn: aio.Connection) -> None:
        raise ConnectionLost("no")

    async with world.pool(max_size=1, check=check) as pool:
        async with pool.acquire() as conn:
            first = conn.thread_id
        async with pool.acquire() as conn:
            assert conn.thread_id != first
        assert pool.stats().closed == {"refused": 1}


@pytest.mark.parametrize("hook", ["configure", "reset"])
@in_every_world
async def test_hook_that_raises_costs_the_connection(world: World, hook: str) -> None:
    failing = True

    async def fail(conn: aio.Connection) -> None:
        if failing:
            raise ZeroDivisionError

    async with world.pool(max_size=1, **cast("Any", {hook: fail})) as pool:
        if hook == "configure":
            with pytest.raises(ZeroDivisionError):
                async with pool.acquire():
                    raise AssertionError("it was lent")
        else:
            async with pool.acquire():
                pass
        failing = False
        async with pool.acquire() as conn:
            assert await ask(conn, "SELECT 1") == 1
        assert sum(pool.stats().closed.values()) == 1


@in_every_world
async def test_who_keeps_a_connection_too_long_is_named(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.pool(leak_after=0.05) as pool, pool.acquire():
        await until(world, lambda: caplog.messages)
    # Where nothing is awaited, another file calls for this one.
    caller = "worlds" if isinstance(world, BlockingWorld) else "test_pool"
    assert re.search(rf"it was taken at .*/{caller}\.py:\d+ in ", caplog.text)


@in_every_world
async def test_pool_that_is_closed_leaves_nothing(world: World) -> None:
    async with world.pool(min_size=1) as first:
        await first.warm_up()
    before = resources()
    async with world.pool(min_size=8, keepalive_interval=0.01) as pool:
        await pool.warm_up()
    await until(world, lambda: not more(resources(), before))
