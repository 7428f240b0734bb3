"""``timeout=`` on every operation: it goes before the connection's default.

What is left when the time is over is the subject of test_deadlines.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from slow_statements import LONG_STREAM, SHORT, still_right, wait_until_idle
from test_deadlines import over_in_time, stalled
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.transactions import Xid

#: What never waits for the server, or has a limit of its own.
WITHOUT = {
    "autocommit",  # a property; set_autocommit() takes one
    "close",  # of a connection: never waits; of a cursor: within cancel_timeout
    "cursor",
    "literal",
    "next",  # PEP 249 gives it no parameter; the default holds
    "scroll",
    "setinputsizes",
    "setoutputsize",
    "xid",
}


@pytest.mark.parametrize(
    "facade",
    [mariadb_nb.Connection, mariadb_nb.Cursor, aio.Connection, aio.Cursor],
    ids=lambda facade: f"{facade.__module__}.{facade.__name__}",
)
def test_every_operation_takes_a_timeout(facade: type) -> None:
    operations = {
        name: method
        for name, method in inspect.getmembers(facade, inspect.isfunction)
        if not name.startswith("_") and name not in WITHOUT
    }
    assert len(operations) > 5
    for name, method in operations.items():
        parameter = inspect.signature(method).parameters.get("timeout")
        assert parameter is not None, f"{name}() takes no timeout"
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, name


async def begin(conn: aio.Connection, **limit: Any) -> None:
    async with conn.transaction(isolation_level="READ COMMITTED", **limit):
        raise AssertionError("it has begun")


XID = Xid(1, "timeouts", "")

OPERATIONS: dict[str, Callable[..., Awaitable[object]]] = {
    "change_user": lambda conn, **limit: conn.change_user(**limit),
    "commit": lambda conn, **limit: conn.commit(**limit),
    "kill": lambda conn, **limit: conn.kill(1, **limit),
    "ping": lambda conn, **limit: conn.ping(**limit),
    "reset": lambda conn, **limit: conn.reset(**limit),
    "rollback": lambda conn, **limit: conn.rollback(**limit),
    "set_autocommit": lambda conn, **limit: conn.set_autocommit(True, **limit),
    "set_isolation_level": lambda conn, **limit: conn.set_isolation_level(
        "SERIALIZABLE", **limit
    ),
    "show_warnings": lambda conn, **limit: conn.show_warnings(**limit),
    "tpc_begin": lambda conn, **limit: conn.tpc_begin(XID, **limit),
    "tpc_commit": lambda conn, **limit: conn.tpc_commit(XID, **limit),
    "tpc_recover": lambda conn, **limit: conn.tpc_recover(**limit),
    "tpc_rollback": lambda conn, **limit: conn.tpc_rollback(XID, **limit),
    "transaction": begin,
}


@pytest.mark.parametrize("name", OPERATIONS)
@in_every_world
async def test_timeout_of_a_call(world: World, name: str) -> None:
    async with stalled(world, timeout=60, cancel_timeout=SHORT) as (conn, _):
        await over_in_time(OPERATIONS[name](conn, timeout=SHORT))


@in_every_world
async def test_timeout_of_both_phases(world: World) -> None:
    async with stalled(world, timeout=60, cancel_timeout=SHORT) as (conn, proxy):
        proxy.resume()
        await conn.tpc_begin(XID)
        proxy.stall()
        error = await over_in_time(conn.tpc_prepare(timeout=SHORT))
        assert "committed" not in str(error)


@in_every_world
async def test_timeout_at_the_end_of_a_transaction(world: World) -> None:
    async with stalled(world, timeout=60, cancel_timeout=SHORT) as (conn, proxy):
        proxy.resume()

        async def change() -> None:
            async with conn.transaction(timeout=SHORT):
                await conn.execute("DO 1")
                proxy.stall()

        error = await over_in_time(change())
        assert "not known whether this was committed" in str(error)
        assert conn.broken


@in_every_world
async def test_timeout_of_a_fetch(world: World) -> None:
    conn, witness = await world.connect(timeout=60), await world.connect("root")
    ways: list[Callable[..., Awaitable[object]]] = [
        lambda cur, **limit: cur.fetchall(**limit),
        lambda cur, **limit: cur.fetchmany(99, **limit),
        lambda cur, **limit: cur.nextset(**limit),
    ]
    for fetch in ways:
        cur = conn.cursor(stream=True)
        await cur.execute(LONG_STREAM)
        await over_in_time(fetch(cur, timeout=SHORT))
        await wait_until_idle(witness, conn)
        await still_right(conn)


@in_every_world
async def test_a_fetch_has_one_deadline_for_all_its_pieces(world: World) -> None:
    conn, witness = await world.connect(), await world.connect("root")
    cur = conn.cursor(stream=True)
    # Each thousand, which is a piece, takes SHORT.
    await cur.execute(
        f"SELECT REPEAT('x', 200), IF(seq % 100, 0, SLEEP({SHORT / 10})) "
        "FROM seq_1_to_100000"
    )
    await over_in_time(cur.fetchall(timeout=3 * SHORT), 3 * SHORT)
    await wait_until_idle(witness, conn)
    await still_right(conn)


@in_every_world
async def test_timeout_that_is_none(world: World) -> None:
    conn = await world.connect()
    wrong: list[Any] = [-1, "1", True, float("nan")]
    for seconds in wrong:
        with pytest.raises(mariadb_nb.ProgrammingError, match="timeout="):
            await conn.commit(timeout=seconds)
    await still_right(conn)
