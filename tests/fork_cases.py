"""A process that forks while it has connections, a case each: test_fork.py runs them.

The child has copies of the connections, which are the parent's. Whatever it does with
them, its end included, the parent's go on as if there were no child.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from case_table import PASSED
from server_place import place

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.session import PLAIN
from mariadb_nb.wait import READ

#: More than fits into any socket's buffer.
MANY = "SELECT seq, REPEAT('x', 100) FROM seq_1_to_200000"

CASES: dict[str, Callable[[dict[str, Any]], None]] = {}


def case(function: Callable[[dict[str, Any]], None]) -> Callable[..., None]:
    """Put a case into the table."""
    CASES[function.__name__] = function
    return function


def options(transport: str) -> dict[str, Any]:
    """How to connect over ``unix`` or ``tls``."""
    server = place()
    login = {"user": "root", "database": "test", "autocommit": True}
    if transport == "unix":
        return {**login, "unix_socket": server.socket}
    return {**login, "host": "localhost", "port": server.port, "tls_ca": server.ca_file}


# ---- the child -----------------------------------------------------------------------


def in_a_child(work: Callable[[], object], *, orderly: bool = False) -> None:
    """Do something in a child, and wait until it has ended well.

    Args:
        work: what to do.
        orderly: whether the child then ends as a program does, which takes all apart
            that it has, or at once.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        run(work, orderly)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"


def run(work: Callable[[], object], orderly: bool) -> NoReturn:
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    if orderly:
        sys.exit()
    os._exit(0)


def refused(operation: Callable[[], object]) -> None:
    """An operation fails, and says whose the connection is."""
    with pytest.raises(mariadb_nb.InterfaceError, match="belongs to the parent"):
        operation()


def execute_anew(cur: mariadb_nb.Cursor) -> None:
    """The rest of the stream is not the child's to be killed: nothing can follow it."""
    with pytest.raises(mariadb_nb.InterfaceError, match="connect anew"):
        cur.execute("SELECT 'child'")


def use_everything(conn: mariadb_nb.Connection) -> None:
    """Try all that would speak to the server."""
    cur = conn.cursor()
    for operation in (
        lambda: conn.execute("SELECT 'child'"),
        lambda: cur.execute("SELECT 'child'"),
        lambda: cur.executemany("DO ?", [(1,)]),
        lambda: cur.callproc("child"),
        lambda: conn.set_autocommit(False),
        conn.commit,
        conn.rollback,
        conn.show_warnings,
        conn.ping,
        conn.reset,
        conn.change_user,
    ):
        refused(operation)


def right(conn: mariadb_nb.Connection) -> None:
    """The parent's connection answers, and answers what it was asked."""
    assert conn.execute("SELECT 'a secret'").fetchall() == [("a secret",)]


# ---- cases ---------------------------------------------------------------------------


@case
def idle(way: dict[str, Any]) -> None:
    with mariadb_nb.connect(**way) as conn:
        for work in (
            lambda: use_everything(conn),
            conn.close,
            conn.session.close,
            lambda: contextlib.ExitStack().enter_context(conn).close(),
            lambda: None,
        ):
            for orderly in (False, True):
                in_a_child(work, orderly=orderly)
                right(conn)


@case
def child_has_connections_of_its_own(way: dict[str, Any]) -> None:
    def work() -> None:
        conn.close()
        with mariadb_nb.connect(**way) as own:
            right(own)
            assert own.thread_id != conn.thread_id

    with mariadb_nb.connect(**way) as conn:
        in_a_child(work, orderly=True)
        right(conn)


@case
def transaction(way: dict[str, Any]) -> None:
    """Closing would roll it back, and so would the end of the child."""
    with mariadb_nb.connect(**way) as conn:
        conn.execute("CREATE TEMPORARY TABLE forked (x INT)")
        with conn.transaction():
            conn.execute("INSERT INTO forked VALUES (1)")
            for work in (conn.close, lambda: refused(conn.ping), lambda: None):
                in_a_child(work, orderly=True)
            assert conn.in_transaction
        assert conn.execute("SELECT x FROM forked").fetchall() == [(1,)]


@case
def stream(way: dict[str, Any]) -> None:
    """The child reads nothing from the parent's socket, not even to its end."""
    with mariadb_nb.connect(**way) as conn, conn.cursor(stream=True) as cur:
        cur.execute(MANY)
        assert cur.fetchone() == (1, "x" * 100)
        expected = 2
        for work in (
            lambda: refused(cur.fetchall),
            cur.close,
            lambda: execute_anew(cur),
            conn.close,
            lambda: None,
        ):
            in_a_child(work, orderly=True)
            for row in cur.fetchmany(2000):
                assert row == (expected, "x" * 100)
                expected += 1
        rest = cur.fetchall()
        assert [row[0] for row in rest] == list(range(expected, 200_001))
        assert cur.fetchone() is None
        right(conn)


@case
def suspended_operation(way: dict[str, Any]) -> None:
    with mariadb_nb.connect(**way) as conn, mariadb_nb.connect(**way) as holder:
        holder.execute("DO GET_LOCK('forked', 10)")
        operation = conn.session.query(b"SELECT GET_LOCK('forked', 20)", PLAIN)
        wait = next(operation)
        for work in (
            lambda: refused(lambda: operation.send(READ)),
            operation.close,
            conn.session.close,
            conn.close,
            lambda: None,
        ):
            in_a_child(work, orderly=True)
        assert conn.busy
        holder.execute("DO RELEASE_LOCK('forked')")
        while True:
            assert select.select([wait.fd], [], [], 20)[0]
            try:
                wait = operation.send(READ)
            except StopIteration as end:
                (reply,) = end.value
                break
        assert reply.rows == [(1,)]
        right(conn)


@case
def running_loop(way: dict[str, Any]) -> None:
    """The child also has the loop, which watches the parent's sockets."""

    async def ask(conn: aio.Connection) -> None:
        cur = await conn.execute("SELECT 'a secret'")
        assert await cur.fetchall() == [("a secret",)]

    async def main() -> None:
        conns = [await aio.connect(**way) for _ in range(2)]
        conn, holder = conns
        await holder.execute("DO GET_LOCK('forked', 10)")
        task = asyncio.ensure_future(conn.execute("SELECT GET_LOCK('forked', 20)"))
        await asyncio.sleep(0.01)

        async def close() -> None:
            for one in conns:
                await one.close()

        async def ask_in_vain() -> None:
            for one in conns:
                with pytest.raises((mariadb_nb.Error, RuntimeError)):
                    await ask(one)

        for work in (
            lambda: asyncio.run(close()),
            lambda: asyncio.run(ask_in_vain()),
            lambda: None,
        ):
            in_a_child(work)
            await ask(holder)
        await holder.execute("DO RELEASE_LOCK('forked')")
        assert await (await task).fetchall() == [(1,)]
        for one in conns:
            await ask(one)
            await one.close()

    asyncio.run(main())


if __name__ == "__main__":
    CASES[sys.argv[1]](options(sys.argv[2]))
    print(PASSED)
