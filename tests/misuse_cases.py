"""Misuse of layer 1, a case each: run in a process of its own by test_misuse.py.

``python misuse_cases.py CASE TRANSPORT`` with the server's place in the
environment. A case that returns has been refused as it should be; an exception,
a signal or a hang is a failure. Rows carry secrets: one that turns up in the
wrong place fails an assertion.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

import capi_support
import every_function
from capi_support import drive, error, fetch, query, rows, unpack
from case_table import Cases
from server_place import place
from stalling import StallingProxy

from mariadb_nb.capi import ffi, lib, wait_for_mysql

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

OUT_OF_SYNC = lib.CR_COMMANDS_OUT_OF_SYNC
INVALID = lib.CR_INVALID_PARAMETER

CASES = Cases()


def connect(transport: str, **options: Any) -> CData:
    return capi_support.connect(place(), transport, **options)


#: Seconds. What waits here would wait for 10 s or for ever; a refusal takes
#: microseconds, and however busy the machine is, no more than half of that.
AT_ONCE = 5.0


@contextmanager
def at_once() -> Iterator[None]:
    """Nothing in the block may wait: a refusal takes no time."""
    begun = time.perf_counter()
    yield
    taken = time.perf_counter() - begun
    assert taken < AT_ONCE, f"took {taken:.3f} s"


@cache
def holder() -> CData:
    """The connection that holds all locks."""
    return connect("unix")


class Lock:
    """What a statement waits for, however late anybody looks: it is held until then.

    Attributes:
        awaited: in SQL; 1 when it was let go.
    """

    _numbers = count()

    def __init__(self) -> None:
        self._name = f"'{os.getpid()} {next(self._numbers)}'"
        assert rows(holder(), f"SELECT GET_LOCK({self._name}, 0)") == [(b"1",)]
        self.awaited = f"GET_LOCK({self._name}, 600)"

    def release(self) -> None:
        assert rows(holder(), f"SELECT RELEASE_LOCK({self._name})") == [(b"1",)]


class Waiting:
    """A query that waits: it answers with a secret as soon as somebody wants it."""

    def __init__(self, mysql: CData, secret: str = "secret of A") -> None:
        self.mysql = mysql
        self.secret = secret.encode()
        self.ret = ffi.new("int *", -99)
        self.lock = Lock()
        sql = f"SELECT {self.lock.awaited}, '{secret}'".encode()
        self.status = lib.mysql_real_query_start(self.ret, mysql, sql, len(sql))
        assert self.status, "it should wait"

    def finish(self) -> None:
        """Go on to the end: the answer must be this query's."""
        self.lock.release()
        while self.status:
            status = wait_for_mysql(self.mysql, self.status)
            self.status = lib.mysql_real_query_cont(self.ret, self.mysql, status)
        assert self.ret[0] == 0, error(self.mysql)
        assert lib.mysql_errno(self.mysql) == 0, error(self.mysql)
        result = lib.mysql_use_result(self.mysql)
        assert fetch(self.mysql, result) == (b"1", self.secret)
        assert fetch(self.mysql, result) is None
        lib.mysql_free_result(result)
        # And the next query gets its own rows.
        assert rows(self.mysql, "SELECT 'secret of B'") == [(b"secret of B",)]


def assert_refused(name: str, handle: CData, codes: tuple[int, ...]) -> None:
    """Call a function that must be refused, and look at all it says."""
    keep: list[CData] = []
    with at_once():
        result, ret = every_function.call(name, handle, keep)
    assert every_function.failure(name, result, ret), f"{name} returned {result}"
    number = errno_of(handle)
    assert number in codes, f"{name}: errno {number}"


def errno_of(handle: CData) -> int:
    """``mysql_errno`` or, for a statement, ``mysql_stmt_errno``."""
    if ffi.typeof(handle) is ffi.typeof("MYSQL_STMT *"):
        return lib.mysql_stmt_errno(handle)
    return lib.mysql_errno(ffi.cast("MYSQL *", handle))


def operations(kind: str) -> list[str]:
    """The names of the blocking calls that have a pair, by kind of handle."""
    return [
        name.removesuffix("_start")
        for name in every_function.with_handle(kind)
        if name.endswith("_start")
    ]


# a: without MYSQL_OPT_NONBLOCK


@CASES
def start_without_nonblock(transport: str) -> None:
    mysql = connect(transport, nonblock=False)
    for name in operations("MYSQL *"):
        if name != "mysql_close":
            codes = (lib.CR_ASYNC_NOT_SUPPORTED,)
            assert_refused(f"{name}_start", mysql, codes)
            assert_refused(f"{name}_cont", mysql, (OUT_OF_SYNC,))
    text = ffi.string(lib.mysql_error(mysql)).decode()
    assert "no mysql_autocommit_start() is waiting" in text or "waiting" in text
    assert lib.mysql_query(mysql, b"SELECT 'works'") == 0, error(mysql)
    result = lib.mysql_use_result(mysql)
    row = ffi.new("MYSQL_ROW *")
    assert lib.mysql_fetch_row_start(row, result) == 0
    assert row[0] == ffi.NULL
    assert lib.mysql_errno(mysql) == lib.CR_ASYNC_NOT_SUPPORTED
    assert unpack(result, lib.mysql_fetch_row(result)) == (b"works",)
    lib.mysql_free_result(result)
    # Closing is never refused: it is done, as mysql_close() would.
    assert lib.mysql_close_start(mysql) == 0
    assert lib.mysql_errno(mysql) == INVALID


@CASES
def connect_start_without_nonblock(transport: str) -> None:
    mysql = capi_support.new_handle(nonblock=False)
    ret = ffi.new("MYSQL **", mysql)
    arguments = capi_support.connect_arguments(place(), transport)
    assert lib.mysql_real_connect_start(ret, mysql, *arguments) == 0
    assert ret[0] == ffi.NULL
    assert lib.mysql_errno(mysql) == lib.CR_ASYNC_NOT_SUPPORTED
    assert "MYSQL_OPT_NONBLOCK" in error(mysql)
    lib.mysql_close(mysql)


# b: a second operation, a blocking call, the wrong cont


@CASES
def second_start_while_one_waits(transport: str) -> None:
    mysql = connect(transport)
    waiting = Waiting(mysql)
    for name in operations("MYSQL *"):
        if name != "mysql_close":
            assert_refused(f"{name}_start", mysql, (OUT_OF_SYNC,))
    assert "mysql_real_query_start() is waiting" in error(mysql)
    waiting.finish()
    lib.mysql_close(mysql)


@CASES
def blocking_call_while_one_waits(transport: str) -> None:
    mysql = connect(transport)
    for name in [*operations("MYSQL *"), "mysql_list_dbs", "mysql_use_result"]:
        waiting = Waiting(mysql)
        if name != "mysql_close":
            assert_refused(name, mysql, (OUT_OF_SYNC,))
        waiting.finish()
    lib.mysql_close(mysql)


@CASES
def cont_of_another_operation(transport: str) -> None:
    mysql = connect(transport)
    waiting = Waiting(mysql)
    for name in operations("MYSQL *"):
        if name != "mysql_real_query":
            assert_refused(f"{name}_cont", mysql, (OUT_OF_SYNC,))
    waiting.finish()
    lib.mysql_close(mysql)


@CASES
def cont_of_another_handle(transport: str) -> None:
    mysql, other = connect(transport), connect(transport)
    waiting = Waiting(mysql)
    assert_refused("mysql_real_query_cont", other, (OUT_OF_SYNC,))
    waiting.finish()

    statements = [lib.mysql_stmt_init(mysql) for _ in range(2)]
    lock = Lock()
    sql = f"SELECT {lock.awaited}".encode()
    for stmt in statements:
        assert (
            drive(
                "int *",
                lib.mysql_stmt_prepare_start,
                lib.mysql_stmt_prepare_cont,
                stmt,
                sql,
                len(sql),
                mysql=mysql,
            )
            == 0
        )
    ret = ffi.new("int *")
    status = lib.mysql_stmt_execute_start(ret, statements[0])
    assert status
    assert_refused("mysql_stmt_execute_cont", statements[1], (OUT_OF_SYNC,))
    assert lib.mysql_errno(mysql) == OUT_OF_SYNC
    assert_refused("mysql_stmt_execute", statements[1], (OUT_OF_SYNC,))
    assert_refused("mysql_stmt_close", statements[1], (OUT_OF_SYNC,))
    lock.release()
    while status:
        status = lib.mysql_stmt_execute_cont(
            ret, statements[0], wait_for_mysql(mysql, status)
        )
    assert ret[0] == 0, capi_support.stmt_error(statements[0])
    for handle in (mysql, other):
        lib.mysql_close(handle)


@CASES
def cont_when_nothing_waits(transport: str) -> None:
    mysql = connect(transport)
    for name in operations("MYSQL *"):
        assert_refused(f"{name}_cont", mysql, (OUT_OF_SYNC,))
    assert rows(mysql, "SELECT 1") == [(b"1",)]
    lib.mysql_close(mysql)


@CASES
def looking_at_a_handle_that_waits_is_allowed(transport: str) -> None:
    mysql = connect(transport)
    waiting = Waiting(mysql)
    assert lib.mysql_errno(mysql) == 0
    assert lib.mysql_get_socket(mysql) >= 0
    assert lib.mysql_thread_id(mysql) > 0
    assert lib.mysql_get_server_version(mysql) > 100000
    on = ffi.new("my_bool *")
    assert lib.mysql_get_option(mysql, lib.MYSQL_OPT_NONBLOCK, on) == 0
    assert on[0] == 1
    escaped = ffi.new("char[]", 16)
    assert lib.mysql_real_escape_string(mysql, escaped, b"a'b", 3) == 4
    assert ffi.string(escaped) == b"a\\'b"
    waiting.finish()
    lib.mysql_close(mysql)


# d, e: results


@CASES
def freeing_a_result_whose_fetch_waits(transport: str) -> None:
    mysql = connect(transport)
    # The first row fills the server's buffer, so that it comes before the second.
    lock = Lock()
    sql = f"SELECT REPEAT('x', 100000), 0 UNION ALL SELECT 'late', {lock.awaited}"
    assert query(mysql, sql) == 0
    result = lib.mysql_use_result(mysql)
    row = ffi.new("MYSQL_ROW *")
    status, seen = lib.mysql_fetch_row_start(row, result), []
    while not status:
        seen.append(unpack(result, row[0]))
        status = lib.mysql_fetch_row_start(row, result)
    with at_once():
        lib.mysql_free_result(result)
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
        assert lib.mysql_free_result_start(result) == 0
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
        assert lib.mysql_fetch_row(result) == ffi.NULL
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
    lock.release()
    while status:
        status = lib.mysql_fetch_row_cont(row, result, wait_for_mysql(mysql, status))
    seen.append(unpack(result, row[0]))
    while (more := fetch(mysql, result)) is not None:
        seen.append(more)
    assert seen == [(b"x" * 100000, b"0"), (b"late", b"1")]
    lib.mysql_free_result(result)
    assert rows(mysql, "SELECT 'after'") == [(b"after",)]
    lib.mysql_close(mysql)


@CASES
def fetch_row_cont_on_a_stored_result(transport: str) -> None:
    mysql = connect(transport)
    assert query(mysql, "SELECT 'stored'") == 0
    result = drive(
        "MYSQL_RES **", lib.mysql_store_result_start, lib.mysql_store_result_cont, mysql
    )
    row = ffi.new("MYSQL_ROW *")
    with at_once():
        assert lib.mysql_fetch_row_cont(row, result, lib.MYSQL_WAIT_READ) == 0
        assert row[0] == ffi.NULL
        assert lib.mysql_free_result_cont(result, lib.MYSQL_WAIT_READ) == 0
    assert fetch(mysql, result) == (b"stored",)
    # A stored result is nobody's: it outlives its connection.
    lib.mysql_close(mysql)
    lib.mysql_data_seek(result, 0)
    assert unpack(result, lib.mysql_fetch_row(result)) == (b"stored",)
    lib.mysql_free_result(result)
    assert lib.mysql_fetch_row(result) == ffi.NULL


@CASES
def rows_of_a_result_after_its_handle_was_connected_anew(transport: str) -> None:
    mysql = connect(transport)
    assert query(mysql, "SELECT REPEAT('old', 10) FROM seq_1_to_100000") == 0
    old = lib.mysql_use_result(mysql)
    assert fetch(mysql, old) == (b"old" * 10,)
    lib.mariadb_cancel(mysql)
    while fetch(mysql, old) is not None:
        pass
    assert lib.mysql_errno(mysql) != 0
    arguments = capi_support.connect_arguments(place(), transport)
    assert lib.mysql_real_connect(mysql, *arguments) == mysql, error(mysql)
    assert query(mysql, "SELECT 'new' UNION ALL SELECT 'new'") == 0
    new = lib.mysql_use_result(mysql)
    row = ffi.new("MYSQL_ROW *")
    assert lib.mysql_fetch_row_start(row, old) == 0
    assert row[0] == ffi.NULL
    lib.mysql_free_result(old)  # must not eat the new one's rows
    assert fetch(mysql, new) == (b"new",)
    assert fetch(mysql, new) == (b"new",)
    assert fetch(mysql, new) is None
    lib.mysql_free_result(new)
    lib.mysql_close(mysql)


@CASES
def result_after_its_connection_was_closed(transport: str) -> None:
    mysql = connect(transport)
    assert query(mysql, "SELECT 'a' UNION ALL SELECT 'b'") == 0
    result = lib.mysql_use_result(mysql)
    assert fetch(mysql, result) == (b"a",)
    lib.mysql_close(mysql)
    with at_once():
        assert lib.mysql_fetch_row(result) == ffi.NULL
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
    assert lib.mysql_num_fields(result) == 1
    lib.mysql_free_result(result)
    assert lib.mysql_num_fields(result) == 0


@CASES
def metadata_after_its_statement(transport: str) -> None:
    mysql = connect(transport)
    stmt = lib.mysql_stmt_init(mysql)
    sql = b"SELECT 1 AS one, 2 AS two"
    assert lib.mysql_stmt_prepare(stmt, sql, len(sql)) == 0
    metadata = lib.mysql_stmt_result_metadata(stmt)
    assert ffi.string(lib.mysql_fetch_field_direct(metadata, 1).name) == b"two"
    assert lib.mysql_fetch_field_direct(metadata, 2) == ffi.NULL
    assert lib.mysql_stmt_close(stmt) == 0
    for name in ("mysql_fetch_field", "mysql_fetch_fields", "mysql_fetch_field_direct"):
        assert_refused(name, metadata, (INVALID, OUT_OF_SYNC))
    lib.mysql_free_result(metadata)
    lib.mysql_close(mysql)


def prepared(mysql: CData, sql: bytes) -> CData:
    """A prepared statement."""
    stmt = lib.mysql_stmt_init(mysql)
    assert lib.mysql_stmt_prepare(stmt, sql, len(sql)) == 0
    return stmt


#: Each of these throws rows away that wait on the connection, whosever they are.
FLUSHING = (
    "mysql_stmt_prepare",
    "mysql_stmt_execute",
    "mysql_stmt_store_result",
    "mysql_stmt_free_result",
    "mysql_stmt_reset",
    "mysql_stmt_send_long_data",
    "mysql_stmt_close",
)


@CASES
def statement_while_rows_of_another_are_on_their_way(transport: str) -> None:
    mysql = connect(transport)
    other = prepared(mysql, b"SELECT 'other'")
    owner = prepared(mysql, b"SELECT 11 UNION ALL SELECT 22")
    for name in FLUSHING:
        assert lib.mysql_stmt_execute(owner) == 0
        assert_refused(name, other, (OUT_OF_SYNC,))
        assert_refused(f"{name}_start", other, (OUT_OF_SYNC,))
        assert lib.mysql_query(mysql, b"SELECT 'foreign'") != 0
        number = ffi.new("int *")
        bind = ffi.new("MYSQL_BIND *")
        bind.buffer_type, bind.buffer = lib.MYSQL_TYPE_LONG, number
        assert lib.mysql_stmt_bind_result(owner, bind) == 0
        for expected in (11, 22):
            assert lib.mysql_stmt_fetch(owner) == 0
            assert number[0] == expected
        assert lib.mysql_stmt_fetch(owner) == lib.MYSQL_NO_DATA
    for name in FLUSHING:
        assert query(mysql, "SELECT 'mine' UNION ALL SELECT 'too'") == 0
        result = lib.mysql_use_result(mysql)
        assert_refused(name, other, (OUT_OF_SYNC,))
        # What takes no rows but its own leaves those of the result alone.
        lib.mysql_stmt_fetch(other)
        assert fetch(mysql, result) == (b"mine",)
        assert fetch(mysql, result) == (b"too",)
        assert fetch(mysql, result) is None
        lib.mysql_free_result(result)
    assert rows(mysql, "SELECT 'after'") == [(b"after",)]
    lib.mysql_close(mysql)


# The memory of arguments


@CASES
def arguments_that_are_gone(transport: str) -> None:
    """What a ``_start`` was given may be freed at once: the guard has copies."""
    told = place()
    with StallingProxy(told.host, told.port) as proxy:
        told.port = proxy.port  # type: ignore[misc]
        way = "tcp" if transport == "unix" else "tls"
        mysql = capi_support.connect(told, way)
        ret = ffi.new("int *")
        size = 8 << 20
        text = ffi.new("char[]", size)
        sql = b"SELECT MD5('" + b"x" * (size - 20) + b"')"
        ffi.memmove(text, sql, len(sql))
        expected = rows(mysql, f"SELECT MD5(REPEAT('x', {size - 20}))")
        proxy.stall()
        status = lib.mysql_real_query_start(ret, mysql, text, len(sql))
        assert status & lib.MYSQL_WAIT_WRITE, "too small to wait for the socket"
        ffi.memmove(text, b"y" * size, size)
        ffi.release(text)
        del text, sql
        gc.collect()
        proxy.resume()
        while status:
            status = wait_for_mysql(mysql, status)
            status = lib.mysql_real_query_cont(ret, mysql, status)
        assert ret[0] == 0, error(mysql)
        result = lib.mysql_store_result(mysql)
        assert [unpack(result, lib.mysql_fetch_row(result))] == expected
        lib.mysql_free_result(result)
        lib.mysql_close(mysql)


if __name__ == "__main__":
    CASES.main()
