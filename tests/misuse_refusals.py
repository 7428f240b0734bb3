"""What a refusal says, and of whom; and that no error is told of the wrong one.

A case each, run in a process of its own by test_misuse.py, like misuse_cases.py.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import every_function
from capi_support import (
    connect_arguments,
    error,
    fetch,
    query,
    rows,
    stmt_error,
    unpack,
    use_tls,
)
from case_table import Cases
from misuse_cases import INVALID, OUT_OF_SYNC, at_once, connect, prepared
from misuse_replies import LOST, assert_answers, kill
from server_place import place

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

CASES = Cases()

#: How many refusals a thread is told of, the last ones.
REMEMBERED = 8


def refuse(name: str, handle: CData) -> None:
    """Call the ``_cont`` of an operation that is not there."""
    ret = ffi.new("int *")
    assert getattr(lib, f"{name}_cont")(ret, handle, lib.MYSQL_WAIT_READ) == 0


@CASES
def refusal_of_a_handle_that_was_at_the_same_address(transport: str) -> None:
    memory = ffi.new("MYSQL *")
    assert lib.mysql_init(memory) == memory
    lib.mysql_close(memory)
    assert lib.mysql_ping(memory) != 0
    assert lib.mysql_errno(memory) == INVALID
    assert lib.mysql_init(memory) == memory
    assert lib.mysql_errno(memory) == 0
    assert lib.mysql_error(memory)[0] == b"\0"
    lib.mysql_close(memory)


@CASES
def refusal_of_a_statement_that_was_at_the_same_address(transport: str) -> None:
    mysql = connect(transport)
    seen = set()
    for _ in range(1000):
        stmt = lib.mysql_stmt_init(mysql)
        if stmt in seen:
            break
        seen.add(stmt)
        assert lib.mysql_stmt_close(stmt) == 0
        assert lib.mysql_stmt_execute(stmt) != 0
        assert lib.mysql_stmt_errno(stmt) == INVALID
    else:
        raise AssertionError("no address came twice")
    assert lib.mysql_stmt_errno(stmt) == 0
    assert lib.mysql_stmt_error(stmt)[0] == b"\0"
    assert lib.mysql_stmt_close(stmt) == 0
    lib.mysql_close(mysql)


@CASES
def refusal_of_a_statement_whose_connection_was_at_the_same_address(
    transport: str,
) -> None:
    memory = ffi.new("MYSQL *")
    assert lib.mysql_init(memory) == memory
    use_tls(memory, place(), transport)
    arguments = connect_arguments(place(), transport)
    assert lib.mysql_real_connect(memory, *arguments) == memory, error(memory)
    stmt = prepared(memory, b"SELECT 1")
    lib.mysql_close(memory)
    assert lib.mysql_init(memory) == memory
    assert lib.mysql_stmt_execute(stmt) != 0
    assert lib.mysql_stmt_errno(stmt) == lib.CR_STMT_CLOSED
    assert lib.mysql_errno(memory) == 0, error(memory)
    assert lib.mysql_stmt_close(stmt) == 0
    lib.mysql_close(memory)


@CASES
def error_of_the_server_after_a_refusal(transport: str) -> None:
    mysql = connect(transport)
    stmt, other = prepared(mysql, b"SELECT 1"), lib.mysql_stmt_init(mysql)
    for name, handle in (
        ("mysql_stmt_execute", stmt),
        ("mysql_stmt_execute", other),
        ("mysql_real_query", mysql),
    ):
        refuse(name, handle)
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
        assert lib.mysql_stmt_prepare(other, b"SELEC", 5) != 0
        assert lib.mysql_stmt_errno(other) == 1064, stmt_error(other)
        assert lib.mysql_errno(mysql) == 1064, error(mysql)
        assert ffi.string(lib.mysql_sqlstate(mysql)) == b"42000"
        refuse(name, handle)
        assert query(mysql, "SELECT * FROM nosuch") != 0
        assert lib.mysql_errno(mysql) == 1146, error(mysql)
        refuse(name, handle)
        assert_answers(mysql)
        assert lib.mysql_errno(mysql) == 0
    lib.mysql_close(mysql)


@CASES
def refusals_of_several_handles(transport: str) -> None:
    names = every_operation_with_a_number()
    handles = [connect(transport) for _ in range(REMEMBERED)]
    for _ in range(2):
        for name, handle in zip(names, handles, strict=True):
            refuse(name, handle)
        for name, handle in zip(names, handles, strict=True):
            assert lib.mysql_errno(handle) == OUT_OF_SYNC
            assert f"no {name}_start() is waiting" in error(handle)
        # One that goes on is no longer told of its own, and the others are.
        assert_answers(handles[3])
        for name, handle in zip(names, handles, strict=True):
            expected = 0 if handle == handles[3] else OUT_OF_SYNC
            assert lib.mysql_errno(handle) == expected, name
    # Another thread has been refused nothing.
    codes: list[int] = []

    def ask() -> None:
        codes.extend(lib.mysql_errno(handle) for handle in handles)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert codes == [0] * REMEMBERED
    for handle in handles:
        assert_answers(handle)
        lib.mysql_close(handle)


def every_operation_with_a_number() -> list[str]:
    """As many operations whose result is an ``int`` as refusals are remembered."""
    names = [
        name.removesuffix("_cont")
        for name in every_function.with_handle("MYSQL *")
        if name.endswith("_cont")
        and ffi.typeof(getattr(lib, name)).args[0].cname == "int *"
    ]
    return names[:REMEMBERED]


@CASES
def row_that_another_thread_waits_for_is_not_the_end(transport: str) -> None:
    mysql, holder = connect(transport), connect(transport)
    lock = f"row_{os.getpid()}"
    assert rows(holder, f"SELECT GET_LOCK('{lock}', 0)") == [(b"1",)]
    # The first row fills the server's buffer, so that it comes before the second.
    late = f"SELECT 'late', GET_LOCK('{lock}', 60)"
    sql = f"SELECT REPEAT('x', 100000), 0 UNION ALL {late}"
    assert query(mysql, sql) == 0, error(mysql)
    result = lib.mysql_use_result(mysql)
    assert fetch(mysql, result) == (b"x" * 100000, b"0")
    found = []

    def wait_for_row() -> None:
        # The look of the other thread, below, may be what is in the way.
        while (row := lib.mysql_fetch_row(result)) == ffi.NULL:
            assert lib.mysql_errno(mysql) == OUT_OF_SYNC, error(mysql)
        found.append(unpack(result, row))

    thread = threading.Thread(target=wait_for_row)
    thread.start()
    while lib.mysql_num_fields(result) != 0:
        pass  # until that is refused: the other thread is inside the fetch
    row = ffi.new("MYSQL_ROW *")
    with at_once():
        for _ in range(2):
            assert lib.mysql_fetch_row(result) == ffi.NULL
            assert lib.mysql_errno(mysql) == OUT_OF_SYNC
            assert "another thread is using" in error(mysql)
            assert lib.mysql_fetch_row_start(row, result) == 0
            assert row[0] == ffi.NULL
            assert lib.mysql_errno(mysql) == OUT_OF_SYNC
    assert rows(holder, f"SELECT RELEASE_LOCK('{lock}')") == [(b"1",)]
    thread.join()
    assert found == [(b"late", b"1")]
    assert fetch(mysql, result) is None
    assert lib.mysql_errno(mysql) == 0, error(mysql)
    lib.mysql_free_result(result)
    assert_answers(mysql)
    for handle in (mysql, holder):
        lib.mysql_close(handle)


@CASES
def lost_connection_leaves_no_error_to_the_next(transport: str) -> None:
    """OpenSSL has one queue of errors a thread, which looks like a failed read."""
    lost, healthy = connect(transport), connect(transport)
    stmt = prepared(healthy, b"SELECT SLEEP(0.1)")
    waiting: list[Callable[[], int]] = [
        lambda: query(healthy, "DO SLEEP(0.1)"),
        lambda: lib.mysql_query(healthy, b"DO SLEEP(0.1)"),
        lambda: lib.mysql_stmt_execute(stmt),
    ]
    for wait in waiting:
        kill(lost, transport)
        assert query(lost, "DO 1") != 0
        assert lib.mysql_errno(lost) in LOST, error(lost)
        assert wait() == 0, error(healthy)
        lib.mysql_stmt_free_result(stmt)
        lib.mysql_close(lost)
        lost = connect(transport)
    assert_answers(healthy)
    for handle in (lost, healthy):
        lib.mysql_close(handle)


if __name__ == "__main__":
    CASES.main()
