"""Ending early: closing while something waits, forks, threads; a case each.

Run in a process of its own by test_misuse.py, like misuse_cases.py.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import capi_support
import psutil
from capi_support import error, fetch, query, rows
from case_table import Cases
from misuse_cases import INVALID, OUT_OF_SYNC, Waiting, at_once, connect
from server_place import place
from stalling import SilentServer, StallingProxy

from mariadb_nb.capi import ffi, lib, wait_for_mysql

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

CASES = Cases()

#: A result of 5 MB in 1000 rows, and one that is late.
FIVE_MEGABYTES = (
    "SELECT REPEAT('x', 5000) FROM seq_1_to_1000 UNION ALL SELECT SLEEP(0.3)"
)


def open_files() -> int:
    return psutil.Process().num_fds()


def assert_closed(mysql: CData) -> None:
    assert lib.mysql_ping(mysql) != 0
    assert lib.mysql_errno(mysql) == INVALID


# Closing while something waits


def suspended(result: str, start: Callable[..., int], *arguments: Any) -> list[CData]:
    """Start an operation that waits; returns what must stay alive."""
    ret = ffi.new(result)
    assert start(ret, *arguments), "it should wait"
    return [ret]


def waiting_query(mysql: CData) -> list[CData]:
    sql = b"SELECT SLEEP(10)"
    return suspended("int *", lib.mysql_real_query_start, mysql, sql, len(sql))


def waiting_fetch(mysql: CData) -> list[CData]:
    sql = "SELECT REPEAT('x', 100000) UNION ALL SELECT SLEEP(10)"
    assert query(mysql, sql) == 0
    result = lib.mysql_use_result(mysql)
    ret = ffi.new("MYSQL_ROW *")
    while not lib.mysql_fetch_row_start(ret, result):
        pass
    return [ret, result]


def waiting_free(mysql: CData) -> list[CData]:
    assert query(mysql, "SELECT REPEAT('x', 100000) UNION ALL SELECT SLEEP(10)") == 0
    result = lib.mysql_use_result(mysql)
    assert lib.mysql_free_result_start(result)
    return [result]


def waiting_store(mysql: CData) -> list[CData]:
    assert query(mysql, "SELECT REPEAT('x', 100000) UNION ALL SELECT SLEEP(10)") == 0
    return suspended("MYSQL_RES **", lib.mysql_store_result_start, mysql)


def statement(mysql: CData, sql: bytes) -> CData:
    stmt = lib.mysql_stmt_init(mysql)
    assert lib.mysql_stmt_prepare(stmt, sql, len(sql)) == 0
    return stmt


def waiting_prepare(mysql: CData) -> list[CData]:
    stmt = lib.mysql_stmt_init(mysql)
    sql = b"SELECT 1"
    return suspended("int *", lib.mysql_stmt_prepare_start, stmt, sql, len(sql))


def waiting_execute(mysql: CData) -> list[CData]:
    stmt = statement(mysql, b"SELECT SLEEP(10)")
    return suspended("int *", lib.mysql_stmt_execute_start, stmt)


def waiting_stmt_fetch(mysql: CData) -> list[CData]:
    stmt = statement(mysql, b"SELECT REPEAT('x', 100000) UNION ALL SELECT SLEEP(10)")
    assert lib.mysql_stmt_execute(stmt) == 0
    ret = ffi.new("int *")
    while not lib.mysql_stmt_fetch_start(ret, stmt):
        assert ret[0] in (0, lib.MYSQL_DATA_TRUNCATED)
    return [ret]


def waiting_stmt_close(mysql: CData) -> list[CData]:
    stmt = statement(mysql, b"SELECT REPEAT('x', 100000) UNION ALL SELECT SLEEP(10)")
    assert lib.mysql_stmt_execute(stmt) == 0
    return suspended("my_bool *", lib.mysql_stmt_close_start, stmt)


def waiting_change_user(mysql: CData) -> list[CData]:
    login = place().users["native"]
    return suspended(
        "my_bool *",
        lib.mysql_change_user_start,
        mysql,
        login.name.encode(),
        login.password.encode(),
        b"test",
    )


SUSPENDED = (
    waiting_query,
    waiting_fetch,
    waiting_free,
    waiting_store,
    waiting_execute,
    waiting_stmt_fetch,
    waiting_stmt_close,
)

#: A server would answer these before one can look: they need one that is stalled.
SUSPENDED_BY_A_STALL = (waiting_prepare, waiting_change_user)


@CASES
def close_while_something_waits(transport: str) -> None:
    before = None
    for _round in range(3):
        for prepare in SUSPENDED:
            for close in (lib.mysql_close, lib.mysql_close_start):
                mysql = connect(transport)
                keep = prepare(mysql)
                with at_once():
                    close(mysql)
                assert_closed(mysql)
                del keep
        if before is None:
            before = open_files()
    assert open_files() == before


@CASES
def close_while_a_stalled_server_is_waited_for(transport: str) -> None:
    told = place()
    for prepare in SUSPENDED_BY_A_STALL:
        for close in (lib.mysql_close, lib.mysql_close_start):
            with StallingProxy(told.host, told.port) as proxy:
                through = place()
                through.port = proxy.port  # type: ignore[misc]
                way = "tcp" if transport == "unix" else "tls"
                mysql = capi_support.connect(through, way)
                proxy.stall()
                keep = prepare(mysql)
                with at_once():
                    close(mysql)
                assert_closed(mysql)
                del keep


@CASES
def result_whose_freeing_was_ended_is_gone(transport: str) -> None:
    mysql = connect(transport)
    (result,) = waiting_free(mysql)
    lib.mysql_close(mysql)
    assert lib.mysql_num_fields(result) == 0
    with at_once():
        lib.mysql_free_result(result)


@CASES
def close_while_connecting(transport: str) -> None:
    told = place()
    before = open_files()
    with SilentServer() as silent:
        told.port = silent.port  # type: ignore[misc]
        for close in (lib.mysql_close, lib.mysql_close_start):
            mysql = capi_support.new_handle()
            capi_support.use_tls(mysql, told, "tcp" if transport == "unix" else "tls")
            ret = ffi.new("MYSQL **")
            arguments = capi_support.connect_arguments(told, "tcp")
            status = lib.mysql_real_connect_start(ret, mysql, *arguments)
            while status & lib.MYSQL_WAIT_WRITE:
                status = lib.mysql_real_connect_cont(
                    ret, mysql, wait_for_mysql(mysql, status)
                )
            assert status & lib.MYSQL_WAIT_READ  # for a greeting that never comes
            with at_once():
                close(mysql)
            assert_closed(mysql)
    assert open_files() == before


@CASES
def close_with_a_full_send_buffer(transport: str) -> None:
    told = place()
    for close in (lib.mysql_close, lib.mysql_close_start):
        with StallingProxy(told.host, told.port) as proxy:
            through = place()
            through.port = proxy.port  # type: ignore[misc]
            mysql = capi_support.connect(
                through, "tcp" if transport == "unix" else "tls"
            )
            proxy.stall()
            sql = b"SELECT '" + b"x" * (15 << 20) + b"'"
            ret = ffi.new("int *")
            status = lib.mysql_real_query_start(ret, mysql, sql, len(sql))
            assert status & lib.MYSQL_WAIT_WRITE
            with at_once():
                close(mysql)
            assert_closed(mysql)


@CASES
def close_with_sent_queries_in_a_full_buffer(transport: str) -> None:
    """Nothing is suspended, but the farewell would wait for the socket."""
    told = place()
    with StallingProxy(told.host, told.port) as proxy:
        told.port = proxy.port  # type: ignore[misc]
        mysql = capi_support.connect(told, "tcp" if transport == "unix" else "tls")
        proxy.stall()
        sql = b"SELECT '" + b"x" * 1000 + b"'"
        ret = ffi.new("int *")
        while not lib.mysql_send_query_start(ret, mysql, sql, len(sql)):
            assert ret[0] == 0, error(mysql)
        with at_once():
            lib.mysql_close(mysql)
        assert_closed(mysql)


@CASES
def close_while_close_waits(transport: str) -> None:
    told = place()
    with StallingProxy(told.host, told.port) as proxy:
        told.port = proxy.port  # type: ignore[misc]
        mysql = capi_support.connect(told, "tcp" if transport == "unix" else "tls")
        assert lib.mysql_close_cont(mysql, 0) == 0
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
        status = lib.mysql_close_start(mysql)
        if status:
            assert lib.mysql_ping(mysql) != 0
            lib.mysql_close(mysql)
        assert_closed(mysql)


def more_to_read(mysql: CData) -> bool:
    """Whether anything comes from the server within a moment."""
    poller = select.poll()
    poller.register(lib.mysql_get_socket(mysql), select.POLLIN)
    return bool(poller.poll(2))


@CASES
def three_hundred_stored_results_in_flight(transport: str) -> None:
    process = psutil.Process()
    sizes: list[int] = []
    ended = 0
    while ended < 300:
        mysql = connect(transport)
        assert query(mysql, FIVE_MEGABYTES) == 0
        ret = ffi.new("MYSQL_RES **")
        status = lib.mysql_store_result_start(ret, mysql)
        while status and more_to_read(mysql):
            status = lib.mysql_store_result_cont(ret, mysql, lib.MYSQL_WAIT_READ)
        if status:
            ended += 1
        else:  # on a busy machine the server is through before we are
            lib.mysql_free_result(ret[0])
        lib.mysql_close(mysql)
        if ended % 50 == 49:
            sizes.append(process.memory_info().rss)
    # Leaking what is in flight would be hundreds of megabytes.
    assert max(sizes) - min(sizes) < 64 << 20, sizes


# A handle that is made twice


@CASES
def init_of_an_open_handle(transport: str) -> None:
    mysql = connect(transport)
    with at_once():
        assert lib.mysql_init(mysql) == ffi.NULL
        assert lib.mysql_errno(mysql) == INVALID
    assert rows(mysql, "SELECT 'still works'") == [(b"still works",)]
    lib.mysql_close(mysql)


@CASES
def memory_of_the_caller(transport: str) -> None:
    told = place()
    for _ in range(3):
        mysql = ffi.new("MYSQL *")
        for _ in range(2):  # after mysql_close() it may be initialised again
            assert lib.mysql_init(mysql) == mysql
            lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
            capi_support.use_tls(mysql, told, transport)
            arguments = capi_support.connect_arguments(told, transport)
            assert lib.mysql_real_connect(mysql, *arguments) == mysql, error(mysql)
            assert rows(mysql, "SELECT 'own'") == [(b"own",)]
            lib.mysql_close(mysql)
            assert_closed(mysql)
    forgotten = ffi.new("MYSQL *")
    lib.mysql_init(forgotten)
    ffi.memmove(forgotten, bytes(ffi.sizeof("MYSQL")), ffi.sizeof("MYSQL"))
    assert lib.mysql_init(forgotten) == forgotten
    lib.mysql_close(forgotten)


@CASES
def library_end_with_open_connections(transport: str) -> None:
    mysql = connect(transport)
    lib.mysql_library_end()
    assert rows(mysql, "SELECT 'still works'") == [(b"still works",)]
    lib.mysql_close(mysql)
    lib.mysql_library_end()
    again = connect(transport)
    assert rows(again, "SELECT 'again'") == [(b"again",)]
    lib.mysql_close(again)


# Forks


@CASES
def fork(transport: str) -> None:
    idle, busy = connect(transport), connect(transport)
    assert query(idle, "SELECT 'unread' UNION ALL SELECT 'rows'") == 0
    result = lib.mysql_use_result(idle)
    stmt = lib.mysql_stmt_init(busy)
    waiting = Waiting(busy)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for mysql in (idle, busy):
                assert lib.mysql_query(mysql, b"SELECT 1") != 0
                assert lib.mysql_errno(mysql) == lib.CR_SERVER_GONE_ERROR, error(mysql)
                assert lib.mysql_get_socket(mysql) == lib.MARIADB_INVALID_SOCKET
            assert lib.mysql_fetch_row(result) == ffi.NULL
            ret = ffi.new("int *")
            assert lib.mysql_real_query_cont(ret, busy, lib.MYSQL_WAIT_READ) == 0
            assert ret[0] != 0
            lib.mysql_stmt_close(stmt)
            with at_once():
                lib.mysql_free_result(result)
                lib.mysql_close(idle)
                lib.mysql_close(busy)
            # The child's own connections are as good as any.
            mine = connect(transport)
            assert rows(mine, "SELECT 'of the child'") == [(b"of the child",)]
            lib.mysql_close(mine)
            status = 0
        finally:
            os._exit(status)
    _, code = os.waitpid(child, 0)
    assert code == 0, "the child failed"
    waiting.finish()
    assert fetch(idle, result) == (b"unread",)
    assert fetch(idle, result) == (b"rows",)
    assert fetch(idle, result) is None
    lib.mysql_free_result(result)
    assert rows(idle, "SELECT 'parent'") == [(b"parent",)]
    for mysql in (idle, busy):
        lib.mysql_close(mysql)


if __name__ == "__main__":
    CASES.main()
