"""Misuse that would read another's reply: commands, and the text protocol's results.

A case each, run in a process of its own by test_misuse.py, like misuse_cases.py.
Statements are in misuse_replies_statements.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import capi_support
import every_function
from capi_support import drive, error, fetch, query, rows
from case_table import Cases
from misuse_cases import FLUSHING, OUT_OF_SYNC, at_once, connect, errno_of, prepared
from server_place import place

from mariadb_nb.capi import ffi, lib, wait_for_mysql

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

CASES = Cases()

GONE = lib.CR_SERVER_GONE_ERROR
#: The errors of a call that finds its connection ended; the last one is TLS's.
LOST = (GONE, lib.CR_SERVER_LOST, lib.CR_SSL_CONNECTION_ERROR)

#: The commands of a connection but for those that go on with its replies.
COMMANDS = (
    "mysql_query",
    "mysql_real_query",
    "mysql_autocommit",
    "mysql_commit",
    "mysql_rollback",
    "mysql_ping",
    "mysql_stat",
    "mysql_kill",
    "mysql_refresh",
    "mysql_reload",
    "mysql_shutdown",
    "mysql_dump_debug_info",
    "mysql_select_db",
    "mysql_set_character_set",
    "mysql_set_server_option",
    "mysql_list_dbs",
    "mysql_list_fields",
    "mysql_list_processes",
    "mysql_list_tables",
    "mysql_change_user",
    "mysql_reset_connection",
)


def assert_code(name: str, handle: CData, code: int) -> None:
    """Call a function that must be refused at once with its own error value.

    Args:
        name: of the function; its arguments are made up.
        handle: what it is called with.
        code: what ``mysql_errno`` or ``mysql_stmt_errno`` must tell.
    """
    keep: list[CData] = []
    with at_once():
        result, ret = every_function.call(name, handle, keep)
    if ret is not None:
        assert result == 0, f"{name} waits"
        result = ret[0]
    failed = result != 0 if isinstance(result, int) else result in (None, ffi.NULL)
    assert failed, f"{name} returned {result}"
    assert errno_of(handle) == code, f"{name}: errno {errno_of(handle)}"


def assert_out_of_sync(handle: CData, *names: str) -> None:
    """Call functions that must be refused with 2014, and their ``_start`` too."""
    for name in names:
        assert_code(name, handle, OUT_OF_SYNC)
        if hasattr(lib, f"{name}_start"):
            assert_code(f"{name}_start", handle, OUT_OF_SYNC)


def assert_commands_are_refused(mysql: CData) -> None:
    assert_out_of_sync(mysql, *COMMANDS)
    assert "has not been read" in error(mysql)


def assert_answers(mysql: CData) -> None:
    """The connection is in order: a query gets its own rows."""
    assert rows(mysql, "SELECT 'my own'") == [(b"my own",)]


def send(mysql: CData, sql: str) -> None:
    """``mysql_send_query`` through its pair; the reply is left."""
    text = sql.encode()
    sent = drive(
        "int *",
        lib.mysql_send_query_start,
        lib.mysql_send_query_cont,
        mysql,
        text,
        len(text),
    )
    assert sent == 0, error(mysql)


def read_reply(mysql: CData) -> int:
    """``mysql_read_query_result`` through its pair; returns 0 or an error."""
    result: int = drive(
        "my_bool *",
        lib.mysql_read_query_result_start,
        lib.mysql_read_query_result_cont,
        mysql,
    )
    return result


def rest(mysql: CData, result: CData) -> list[Any]:
    """The rows of one column that are left of a result, which is freed."""
    assert result != ffi.NULL, error(mysql)
    found = []
    while (row := fetch(mysql, result)) is not None:
        found.append(row[0])
    lib.mysql_free_result(result)
    return found


def kill(mysql: CData, transport: str) -> None:
    """End a connection from the server's side, and await that it is told."""
    other = connect(transport)
    assert query(other, f"KILL {lib.mysql_thread_id(mysql)}") == 0, error(other)
    wait_for_mysql(mysql, lib.MYSQL_WAIT_READ)
    lib.mysql_close(other)


def connect_anew(mysql: CData, transport: str) -> None:
    """``mysql_real_connect`` once more on a handle."""
    arguments = capi_support.connect_arguments(place(), transport)
    assert lib.mysql_real_connect(mysql, *arguments) == mysql, error(mysql)


# Replies that were left by mysql_send_query()


@CASES
def commands_while_the_reply_to_a_sent_query_is_unread(transport: str) -> None:
    mysql = connect(transport)
    stmt = prepared(mysql, b"SELECT 'statement'")
    send(mysql, "SELECT 'sent' UNION ALL SELECT 'too'")
    assert_commands_are_refused(mysql)
    direct = ("mariadb_stmt_execute_direct", "mysql_stmt_next_result")
    assert_out_of_sync(stmt, *FLUSHING, *direct)
    assert_out_of_sync(lib.mysql_stmt_init(mysql), "mysql_stmt_prepare", *direct)
    # These find nothing that has been read so far, and leave it so.
    with at_once():
        assert lib.mysql_store_result(mysql) == ffi.NULL
        assert lib.mysql_use_result(mysql) == ffi.NULL
        assert lib.mysql_next_result(mysql) != 0
    assert read_reply(mysql) == 0
    assert rest(mysql, lib.mysql_use_result(mysql)) == [b"sent", b"too"]
    assert_answers(mysql)
    assert lib.mysql_stmt_execute(stmt) == 0, capi_support.stmt_error(stmt)
    lib.mysql_close(mysql)


@CASES
def several_queries_sent_ahead(transport: str) -> None:
    """Each reply comes in its order, errors and several results among them."""
    mysql = connect(transport, flags=lib.CLIENT_MULTI_STATEMENTS)
    for sql in ("SELECT 'S1'", "SELEC", "DO 3", "SELECT 'S4'; SELECT 'S4b'"):
        send(mysql, sql)
    send(mysql, "SELECT 'S5'")
    assert_commands_are_refused(mysql)
    assert read_reply(mysql) == 0
    assert rest(mysql, lib.mysql_use_result(mysql)) == [b"S1"]
    assert_commands_are_refused(mysql)
    assert read_reply(mysql) != 0
    assert lib.mysql_errno(mysql) == 1064, error(mysql)
    assert_commands_are_refused(mysql)
    assert lib.mysql_read_query_result(mysql) == 0
    assert lib.mysql_field_count(mysql) == 0
    assert_commands_are_refused(mysql)
    assert read_reply(mysql) == 0
    assert rest(mysql, lib.mysql_store_result(mysql)) == [b"S4"]
    assert_out_of_sync(mysql, "mysql_read_query_result")
    assert lib.mysql_next_result(mysql) == 0
    assert rest(mysql, lib.mysql_use_result(mysql)) == [b"S4b"]
    assert_commands_are_refused(mysql)
    assert lib.mysql_read_query_result(mysql) == 0
    assert rest(mysql, lib.mysql_store_result(mysql)) == [b"S5"]
    assert_out_of_sync(mysql, "mysql_read_query_result")
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def reading_a_reply_when_nothing_was_sent(transport: str) -> None:
    mysql = connect(transport)
    assert_out_of_sync(mysql, "mysql_read_query_result")
    assert "mysql_send_query() first" in error(mysql)
    assert_answers(mysql)
    assert_out_of_sync(mysql, "mysql_read_query_result")
    # One that was not sent leaves no reply either.
    assert query(mysql, "SELECT 'mine'") == 0
    result = lib.mysql_use_result(mysql)
    assert_out_of_sync(mysql, "mysql_send_query", "mysql_read_query_result")
    assert rest(mysql, result) == [b"mine"]
    assert_out_of_sync(mysql, "mysql_read_query_result")
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def reading_the_next_reply_before_the_rows_of_the_last(transport: str) -> None:
    mysql = connect(transport)
    for take in (lib.mysql_use_result, lib.mysql_store_result):
        send(mysql, "SELECT 'S1' UNION ALL SELECT 'S1 too'")
        send(mysql, "SELECT 'S2'")
        assert read_reply(mysql) == 0
        assert_out_of_sync(mysql, "mysql_read_query_result")
        first = take(mysql)
        if take is lib.mysql_use_result:
            assert fetch(mysql, first) == (b"S1",)
            assert_out_of_sync(mysql, "mysql_read_query_result")
            assert rest(mysql, first) == [b"S1 too"]
        else:
            assert rest(mysql, first) == [b"S1", b"S1 too"]
        assert read_reply(mysql) == 0
        assert rest(mysql, lib.mysql_use_result(mysql)) == [b"S2"]
        assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def replies_of_a_lost_connection_are_not_owed_by_the_next(transport: str) -> None:
    mysql = connect(transport, flags=lib.CLIENT_MULTI_STATEMENTS)
    much = "SELECT REPEAT('old', 10) FROM seq_1_to_100000"
    send(mysql, f"{much}; SELECT 'old'")
    send(mysql, "SELECT 'old'")
    assert read_reply(mysql) == 0
    old = lib.mysql_use_result(mysql)
    lib.mariadb_cancel(mysql)
    with at_once():
        while fetch(mysql, old) is not None:
            pass
        assert lib.mysql_errno(mysql) in LOST
        assert lib.mysql_reset_connection(mysql) != 0
        assert lib.mysql_errno(mysql) in (*LOST, OUT_OF_SYNC)
    connect_anew(mysql, transport)
    assert_out_of_sync(mysql, "mysql_read_query_result")
    assert lib.mysql_next_result(mysql) == -1
    assert_answers(mysql)
    lib.mysql_free_result(old)
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def replies_that_nobody_would_read(transport: str) -> None:
    mysql = connect(transport)
    on, off = ffi.new("my_bool *", 1), ffi.new("my_bool *", 0)
    option = lib.MARIADB_OPT_SKIP_READ_RESPONSE
    for options in (lib.mysql_options, lib.mysql_optionsv, lib.mysql_options4):
        more = (ffi.NULL,) if options is lib.mysql_options4 else ()
        assert options(mysql, option, on, *more) == 1
        assert lib.mysql_errno(mysql) == lib.CR_FUNCTION_NOT_SUPPORTED
    assert lib.mysql_options(mysql, option, off) == 0
    assert_answers(mysql)
    lib.mysql_close(mysql)


# Rows and results


@contextmanager
def rows_not_fetched(mysql: CData) -> Iterator[None]:
    assert query(mysql, "SELECT 'A1' UNION ALL SELECT 'A2'") == 0
    yield
    assert rest(mysql, lib.mysql_store_result(mysql)) == [b"A1", b"A2"]


@contextmanager
def rows_half_fetched(mysql: CData) -> Iterator[None]:
    assert query(mysql, "SELECT 'A1' UNION ALL SELECT 'A2'") == 0
    result = lib.mysql_use_result(mysql)
    assert fetch(mysql, result) == (b"A1",)
    yield
    # Its columns have been delivered: there are no others.
    assert lib.mysql_store_result(mysql) == ffi.NULL
    assert lib.mysql_use_result(mysql) == ffi.NULL
    assert_out_of_sync(mysql, "mysql_next_result")
    assert rest(mysql, result) == [b"A2"]


@contextmanager
def one_more_result(mysql: CData) -> Iterator[None]:
    assert query(mysql, "DO 1; SELECT 'A1'; DO 2") == 0
    assert lib.mysql_next_result(mysql) == 0
    assert rest(mysql, lib.mysql_use_result(mysql)) == [b"A1"]
    yield
    assert lib.mysql_next_result(mysql) == 0
    assert lib.mysql_next_result(mysql) == -1


@contextmanager
def one_more_result_that_fails(mysql: CData) -> Iterator[None]:
    assert query(mysql, "SELECT 'A1'; SELECT * FROM nosuch") == 0
    assert rest(mysql, lib.mysql_store_result(mysql)) == [b"A1"]
    yield
    assert lib.mysql_next_result(mysql) > 0
    assert lib.mysql_errno(mysql) == 1146, error(mysql)


#: What is under way, and afterwards has to be there still.
UNDER_WAY = (
    rows_not_fetched,
    rows_half_fetched,
    one_more_result,
    one_more_result_that_fails,
)


@CASES
def commands_while_a_reply_is_under_way(transport: str) -> None:
    mysql = connect(transport, flags=lib.CLIENT_MULTI_STATEMENTS)
    for under_way in UNDER_WAY:
        with under_way(mysql):
            assert_commands_are_refused(mysql)
            assert_out_of_sync(mysql, "mysql_send_query", "mysql_read_query_result")
        assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def connecting_twice_while_a_reply_is_under_way(transport: str) -> None:
    mysql = connect(transport, flags=lib.CLIENT_MULTI_STATEMENTS)
    arguments = capi_support.connect_arguments(place(), transport)
    for under_way in UNDER_WAY:
        with under_way(mysql), at_once():
            assert lib.mysql_real_connect(mysql, *arguments) == ffi.NULL
            assert lib.mysql_errno(mysql) == lib.CR_ALREADY_CONNECTED
            # MYSQL_OPT_RECONNECT is off.
            assert lib.mariadb_reconnect(mysql) != 0
        assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def rows_of_before_a_reconnect(transport: str) -> None:
    mysql = connect(transport)
    on = ffi.new("my_bool *", 1)
    assert lib.mysql_options(mysql, lib.MYSQL_OPT_RECONNECT, on) == 0
    assert query(mysql, "SELECT REPEAT('old', 10) FROM seq_1_to_100000") == 0
    old = lib.mysql_use_result(mysql)
    assert fetch(mysql, old) == (b"old" * 10,)
    number = lib.mysql_thread_id(mysql)
    assert lib.mariadb_reconnect(mysql) == 0, error(mysql)
    assert lib.mysql_thread_id(mysql) != number
    assert query(mysql, "SELECT 'new' UNION ALL SELECT 'new too'") == 0
    assert_out_of_sync(mysql, *COMMANDS)
    with at_once():
        assert fetch(mysql, old) is None
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
    lib.mysql_free_result(old)
    assert rest(mysql, lib.mysql_use_result(mysql)) == [b"new", b"new too"]
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def statement_calls_among_the_results_of_a_query(transport: str) -> None:
    mysql = connect(transport, flags=lib.CLIENT_MULTI_STATEMENTS)
    stmt = prepared(mysql, b"SELECT 'statement'")
    assert lib.mysql_stmt_execute(stmt) == 0
    assert lib.mysql_stmt_fetch(stmt) == 0
    assert lib.mysql_stmt_fetch(stmt) == lib.MYSQL_NO_DATA
    new = lib.mysql_stmt_init(mysql)
    direct = "mariadb_stmt_execute_direct"
    calls = [(stmt, name) for name in (*FLUSHING, "mysql_stmt_next_result", direct)]
    calls += [(new, name) for name in ("mysql_stmt_prepare", direct)]
    for handle, name in calls:
        assert query(mysql, "SELECT 'T1'; SELECT 'T2', 2, NULL; SELECT 'T3'") == 0
        assert rest(mysql, lib.mysql_store_result(mysql)) == [b"T1"]
        assert_out_of_sync(handle, name)
        # It has no rows any more, and looks for none.
        assert lib.mysql_stmt_fetch(stmt) == lib.MYSQL_NO_DATA
        for expected in (b"T2", b"T3"):
            assert lib.mysql_next_result(mysql) == 0, error(mysql)
            assert_out_of_sync(handle, name)
            assert rest(mysql, lib.mysql_use_result(mysql)) == [expected]
        assert lib.mysql_next_result(mysql) == -1
        assert_answers(mysql)
    assert lib.mysql_stmt_execute(stmt) == 0, capi_support.stmt_error(stmt)
    assert lib.mysql_stmt_close(stmt) == 0
    assert_answers(mysql)
    lib.mysql_close(mysql)


# Another user


def change_user(mysql: CData) -> int:
    """``mysql_change_user`` to the user that it is; returns 0 or an error."""
    login = place().users["native"]
    name, password = login.name.encode(), login.password.encode()
    result: int = lib.mysql_change_user(mysql, name, password, b"test")
    return result


@CASES
def changing_the_user_of_a_lost_connection(transport: str) -> None:
    mysql = connect(transport)
    kill(mysql, transport)
    assert change_user(mysql) == 1
    assert lib.mysql_errno(mysql) in LOST, error(mysql)
    for _ in range(2):
        with at_once():
            assert change_user(mysql) == 1
            assert lib.mysql_errno(mysql) == GONE
    assert_code("mysql_change_user_start", mysql, GONE)
    connect_anew(mysql, transport)
    assert change_user(mysql) == 0, error(mysql)
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def changing_the_user_with_a_character_set_that_is_none(transport: str) -> None:
    mysql = connect(transport)
    option = lib.MYSQL_SET_CHARSET_NAME
    assert lib.mysql_options(mysql, option, b"nosuch") == 0
    with at_once():
        assert change_user(mysql) == 1
        assert lib.mysql_errno(mysql) == lib.CR_CANT_READ_CHARSET
    assert_code("mysql_change_user_start", mysql, lib.CR_CANT_READ_CHARSET)
    assert_answers(mysql)
    assert lib.mysql_options(mysql, option, b"utf8mb4") == 0
    assert change_user(mysql) == 0, error(mysql)
    assert_answers(mysql)
    lib.mysql_close(mysql)


if __name__ == "__main__":
    CASES.main()
