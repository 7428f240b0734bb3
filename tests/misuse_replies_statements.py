"""Misuse that would read another's reply: prepared statements, a case each.

Run in a process of its own by test_misuse.py, like misuse_cases.py. Rows and buffers
that are not there are in misuse_rows.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from binding import Bind, Statement, execute_all
from capi_support import connect_arguments, error, query
from case_table import Cases
from misuse_cases import OUT_OF_SYNC, at_once, connect
from misuse_replies import (
    GONE,
    LOST,
    UNDER_WAY,
    assert_answers,
    assert_code,
    assert_commands_are_refused,
    assert_out_of_sync,
    connect_anew,
    read_reply,
    rest,
    send,
)
from server_place import place

from mariadb_nb.capi import lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

CASES = Cases()

CLOSED = lib.CR_STMT_CLOSED


def cursor(mysql: CData, sql: str) -> Statement:
    """A prepared statement that asks for a cursor."""
    stmt = Statement(mysql)
    read_only = lib.CURSOR_TYPE_READ_ONLY
    stmt.ok(stmt.set_attribute("CURSOR_TYPE", "unsigned long", read_only))
    stmt.ok(stmt.prepare(sql))
    return stmt


@contextmanager
def rows_of_a_statement(mysql: CData) -> Iterator[None]:
    number = Bind("LONG")
    owner = Statement(mysql, "SELECT 11 UNION ALL SELECT 22").run()
    owner.ok(owner.bind_result(number))
    owner.ok(owner.fetch())
    assert number.value == 11
    yield
    owner.ok(owner.fetch())
    assert number.value == 22
    assert owner.fetch() == lib.MYSQL_NO_DATA
    owner.ok(owner.close())


@contextmanager
def reply_to_a_sent_query(mysql: CData) -> Iterator[None]:
    send(mysql, "SELECT 'sent'")
    yield
    assert read_reply(mysql) == 0
    assert rest(mysql, lib.mysql_use_result(mysql)) == [b"sent"]


REPLIES = (*UNDER_WAY, rows_of_a_statement, reply_to_a_sent_query)


# Rows in memory and rows of a cursor, while another's are on their way


@CASES
def end_of_stored_rows_while_another_reply_is_under_way(transport: str) -> None:
    """At that end the library takes the connection for ready."""
    mysql = connect(transport, flags=lib.CLIENT_MULTI_STATEMENTS)
    text = Bind("STRING")
    for under_way in REPLIES:
        stored = Statement(mysql, "SELECT 'stored'").run()
        stored.ok(stored.store_result())
        stored.ok(stored.bind_result(text))
        with under_way(mysql):
            blocking = partial(lib.mysql_stmt_fetch, stored.handle)
            for fetch in (stored.fetch, blocking):
                lib.mysql_stmt_data_seek(stored.handle, 0)
                stored.ok(fetch())
                assert text.value == b"stored"
                for _ in range(2):
                    assert fetch() == lib.MYSQL_NO_DATA
                    assert_commands_are_refused(mysql)
        assert_answers(mysql)
        stored.ok(stored.close())
    lib.mysql_close(mysql)


@CASES
def fetch_from_a_cursor_while_another_reply_is_under_way(transport: str) -> None:
    mysql = connect(transport, flags=lib.CLIENT_MULTI_STATEMENTS)
    number = Bind("LONG")
    stmt = cursor(mysql, f"SELECT seq FROM seq_1_to_{1 + len(REPLIES)}").run()
    stmt.ok(stmt.bind_result(number))
    stmt.ok(stmt.fetch())
    assert number.value == 1
    for expected, under_way in enumerate(REPLIES, 2):
        with under_way(mysql):
            assert_out_of_sync(stmt.handle, "mysql_stmt_fetch")
        stmt.ok(stmt.fetch())
        assert number.value == expected
        assert_answers(mysql)
    assert stmt.fetch() == lib.MYSQL_NO_DATA
    stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def text_calls_among_the_results_of_a_statement(transport: str) -> None:
    mysql = connect(transport)
    name = f"three_results_{os.getpid()}"
    body = "BEGIN SELECT 1; SELECT 2 UNION ALL SELECT 22; SELECT 3; END"
    execute_all(mysql, f"CREATE PROCEDURE {name}() {body}")
    number, found = Bind("LONG"), []
    with Statement(mysql, f"CALL {name}()") as stmt:
        stmt.run()
        while stmt.field_count:
            stmt.ok(stmt.bind_result(number))
            refuse_text_calls(mysql)
            for _ in stmt:
                found.append(number.value)
                refuse_text_calls(mysql)
            refuse_text_calls(mysql)
            stmt.ok(stmt.next_result())
        assert found == [1, 2, 22, 3]
        assert stmt.next_result() == -1
        assert_answers(mysql)
    execute_all(mysql, f"DROP PROCEDURE {name}")
    lib.mysql_close(mysql)


def refuse_text_calls(mysql: CData) -> None:
    """All that the results of a statement are not for."""
    delivering = ("mysql_store_result", "mysql_use_result", "mysql_next_result")
    assert_out_of_sync(mysql, *delivering)
    assert "prepared statement's" in error(mysql)
    assert_commands_are_refused(mysql)


# A statement that is not there


@CASES
def statements_of_before_a_new_connect(transport: str) -> None:
    mysql = connect(transport)
    old = [Statement(mysql, "SELECT 'old'") for _ in range(4)]
    lib.mariadb_cancel(mysql)
    assert query(mysql, "DO 1") != 0
    connect_anew(mysql, transport)
    # The server numbers these as it did the old ones.
    new = [Statement(mysql, f"SELECT 'new {i}'") for i in range(4)]
    executed, started, fetched, closed = old
    assert_code("mysql_stmt_execute", executed.handle, CLOSED)
    assert_code("mysql_stmt_execute_start", started.handle, CLOSED)
    assert_code("mysql_stmt_fetch", fetched.handle, CLOSED)
    with at_once():
        for stmt in (fetched, closed):
            stmt.ok(stmt.close())
    text = Bind("STRING")
    for stmt in (executed, started):
        stmt.ok(stmt.prepare("SELECT 'again'"))
        assert stmt.run().rows(text) == [(b"again",)]
    for i, stmt in enumerate(new):
        assert stmt.run().rows(text) == [(b"new %d" % i,)]
        stmt.ok(stmt.close())
    for stmt in (executed, started):
        stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def executing_what_is_not_prepared(transport: str) -> None:
    """It has sent nothing, so it leaves the connection alone."""
    mysql = connect(transport)
    new, failed = Statement(mysql), Statement(mysql)
    assert failed.prepare("SELEC") != 0
    for stmt in (new, failed):
        for _ in range(2):
            with at_once():
                assert stmt.execute() != 0
                assert stmt.errno in (OUT_OF_SYNC, lib.CR_NO_PREPARE_STMT)
            assert_answers(mysql)
        stmt.ok(stmt.close())
    old = Statement(mysql, "SELECT 'old'")
    lib.mariadb_cancel(mysql)
    assert query(mysql, "DO 1") != 0
    connect_anew(mysql, transport)
    for _ in range(2):
        with at_once():
            assert old.execute() != 0
            assert old.errno in (CLOSED, OUT_OF_SYNC, lib.CR_NO_PREPARE_STMT)
        assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def preparing_on_a_lost_connection_before_a_new_connect(transport: str) -> None:
    """In the library the handle never sends anything again, and waits for ever."""
    sql = b"SELECT 'anew'"
    for function in (lib.mysql_stmt_prepare, lib.mariadb_stmt_execute_direct):
        for known in (True, False):
            mysql = connect(transport)
            stmt = Statement(mysql, "SELECT 'old'")
            lib.mariadb_cancel(mysql)
            if known:
                assert query(mysql, "DO 1") != 0
            with at_once():
                assert function(stmt.handle, sql, len(sql)) != 0
                assert query(mysql, "DO 1") != 0
                assert lib.mysql_errno(mysql) in LOST, error(mysql)
            arguments = connect_arguments(place(), transport)
            if lib.mysql_real_connect(mysql, *arguments) == mysql or known:
                assert_answers(mysql)
                stmt.ok(stmt.prepare(sql))
                assert stmt.run().rows(Bind("STRING")) == [(b"anew",)]
            else:
                assert lib.mysql_errno(mysql) == GONE, error(mysql)
                assert "mysql_close() it" in error(mysql)
            with at_once():
                lib.mysql_close(mysql)


def assert_prepares_again(mysql: CData, stmt: Statement) -> None:
    """Prepare a statement once more by both functions that send it as a batch."""
    sql = b"DO 1"
    with at_once():
        stmt.ok(lib.mysql_stmt_prepare(stmt.handle, sql, len(sql)))
        stmt.ok(lib.mariadb_stmt_execute_direct(stmt.handle, sql, len(sql)))
        assert_answers(mysql)


@CASES
def preparing_again_beside_a_cursor(transport: str) -> None:
    """Release 3.4 gives up in the middle, and never sends anything again."""
    mysql = connect(transport)
    stmt = Statement(mysql, "DO 2")
    opened = cursor(mysql, "SELECT seq FROM seq_1_to_3").run()
    opened.ok(opened.set_attribute("CURSOR_TYPE", "unsigned long", 0))
    assert_prepares_again(mysql, stmt)
    assert opened.rows(Bind("LONG")) == [(1,), (2,), (3,)]
    opened.run()
    opened.ok(opened.set_attribute("CURSOR_TYPE", "unsigned long", 1))
    with at_once():
        assert_out_of_sync(stmt.handle, "mariadb_stmt_execute_direct")
    assert opened.rows(Bind("LONG")) == [(1,), (2,), (3,)]
    assert_prepares_again(mysql, stmt)
    lib.mysql_close(mysql)


@CASES
def preparing_again_beside_rows_of_a_lost_connection(transport: str) -> None:
    """As beside a cursor; those rows are nobody's."""
    mysql = connect(transport)
    lost = Statement(mysql, "SELECT REPEAT('x', 1000) FROM seq_1_to_10000").run()
    lib.mariadb_cancel(mysql)
    assert lost.store_result() != 0
    connect_anew(mysql, transport)
    stmt = Statement(mysql, "DO 2")
    assert_prepares_again(mysql, stmt)
    with at_once():
        assert lost.fetch() != 0
        assert lost.errno == CLOSED
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def executing_directly_with_another_number_of_parameters(transport: str) -> None:
    """The batch of commands was sent to its end: the connection is as before."""
    sql = b"SELECT ?"
    mysql = connect(transport)
    stmt = Statement(mysql)
    stmt.ok(stmt.set_attribute("PREBIND_PARAMS", "unsigned int", 2))
    for _ in range(2):
        stmt.ok(stmt.bind_param(Bind("LONG", 7), Bind("LONG", 8)))
        with at_once():
            assert lib.mariadb_stmt_execute_direct(stmt.handle, sql, len(sql)) == 1
            assert stmt.errno == lib.CR_INVALID_PARAMETER_NO
        assert_answers(mysql)
    stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def executing_directly_what_would_not_be_sent(transport: str) -> None:
    mysql = connect(transport)
    stmt = Statement(mysql)
    sql = b"SELECT ?"
    stmt.ok(stmt.set_attribute("PREBIND_PARAMS", "unsigned int", 1))
    with at_once():
        assert lib.mariadb_stmt_execute_direct(stmt.handle, sql, len(sql)) == 1
        assert stmt.errno == lib.CR_PARAMS_NOT_BOUND
    assert_answers(mysql)
    stmt.ok(stmt.bind_param(Bind("LONG", 7)))
    stmt.ok(lib.mariadb_stmt_execute_direct(stmt.handle, sql, len(sql)))
    assert stmt.rows(Bind("LONG")) == [(7,)]
    stmt.ok(stmt.close())
    stmt = Statement(mysql)
    sql = b"SELECT 'one'"
    stmt.ok(stmt.set_attribute("ARRAY_SIZE", "unsigned int", 2))
    with at_once():
        assert lib.mariadb_stmt_execute_direct(stmt.handle, sql, len(sql)) == 1
        assert stmt.errno == lib.CR_BULK_WITHOUT_PARAMETERS
    assert_answers(mysql)
    stmt.ok(stmt.set_attribute("ARRAY_SIZE", "unsigned int", 0))
    stmt.ok(lib.mariadb_stmt_execute_direct(stmt.handle, sql, len(sql)))
    assert stmt.rows(Bind("STRING")) == [(b"one",)]
    stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def cursor_of_what_can_have_none(transport: str) -> None:
    """The library loses its place in the reply: nothing may come after that."""
    for sql in ("EXPLAIN SELECT 1", "SHOW WARNINGS", "ANALYZE FORMAT=JSON SELECT 1"):
        mysql = connect(transport)
        stmt = cursor(mysql, sql)
        with at_once():
            assert stmt.execute() != 0, sql
            assert stmt.execute() != 0, sql
            assert stmt.fetch() != 0
            assert query(mysql, "SELECT 'another'") != 0
            assert lib.mysql_errno(mysql) in LOST, error(mysql)
            assert lib.mysql_ping(mysql) != 0
            assert lib.mysql_errno(mysql) in LOST, error(mysql)
            stmt.close()
        connect_anew(mysql, transport)
        assert_answers(mysql)
        with at_once():
            lib.mysql_close(mysql)


@CASES
def cursor_of_what_can_have_none_executed_directly(transport: str) -> None:
    """Nobody can tell whether its batch of commands was ended: the handle is lost."""
    mysql = connect(transport)
    sql = b"SHOW WARNINGS"
    stmt = cursor(mysql, "SELECT 1")
    with at_once():
        assert lib.mariadb_stmt_execute_direct(stmt.handle, sql, len(sql)) != 0
        assert query(mysql, "SELECT 'another'") != 0
        assert lib.mysql_errno(mysql) == GONE, error(mysql)
        assert "mysql_close() it" in error(mysql)
        stmt.close()
        lib.mysql_close(mysql)


@CASES
def no_cursor_after_one_of_the_same_statement(transport: str) -> None:
    """The library would take its rows for those of a cursor still."""
    mysql = connect(transport)
    number = Bind("LONG")
    stmt = cursor(mysql, "SELECT seq FROM seq_1_to_3")
    expected = [(1,), (2,), (3,)]
    assert stmt.run().rows(number) == expected
    stmt.ok(stmt.set_attribute("CURSOR_TYPE", "unsigned long", 0))
    for store in (False, True):
        stmt.run()
        if store:
            stmt.ok(stmt.store_result())
        assert stmt.rows(number) == expected
        assert_answers(mysql)
    read_only = lib.CURSOR_TYPE_READ_ONLY
    stmt.ok(stmt.set_attribute("CURSOR_TYPE", "unsigned long", read_only))
    assert stmt.run().rows(number) == expected
    stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def calls_amid_the_results_of_a_lost_connection(transport: str) -> None:
    """There the library looks for more results for ever."""
    mysql = connect(transport)
    name = f"much_{os.getpid()}"
    much = "SELECT REPEAT('x', 1000) FROM seq_1_to_10000; SELECT 2;"
    execute_all(mysql, f"CREATE PROCEDURE {name}() BEGIN {much} END")
    text = Bind("STRING", capacity=1000)
    sql = f"CALL {name}()"
    calls: list[Callable[[Statement], int]] = [
        Statement.fetch,
        Statement.store_result,
        Statement.next_result,
        Statement.execute,
        lambda stmt: stmt.prepare("SELECT 1"),
        Statement.reset,
        Statement.free_result,
        Statement.close,
    ]
    for call in calls:
        lost = connect(transport)
        stmt = Statement(lost, sql).run()
        stmt.ok(stmt.bind_result(text))
        stmt.ok(stmt.fetch())
        lib.mariadb_cancel(lost)
        with at_once():
            call(stmt)
            while stmt.fetch() == 0:
                pass
            assert lib.mysql_reset_connection(lost) != 0
            assert query(lost, "DO 1") != 0
            assert lib.mysql_errno(lost) in LOST, error(lost)
            lib.mysql_close(lost)
    execute_all(mysql, f"DROP PROCEDURE {name}")
    lib.mysql_close(mysql)


@CASES
def execute_again_after_storing_rows_that_were_all_fetched(transport: str) -> None:
    """There is nothing left to store, and the library waits for it for ever."""
    mysql = connect(transport)
    number = Bind("LONG")
    with at_once():
        stmt = Statement(mysql, "SELECT seq FROM seq_1_to_2").run()
        stmt.ok(stmt.bind_result(number))
        stmt.ok(stmt.fetch())
        stmt.ok(stmt.fetch())
        stmt.ok(stmt.store_result())
        stmt.run()
        stmt.ok(stmt.fetch())
        assert number.value == 1
        stmt.ok(stmt.close())
        assert_answers(mysql)
    lib.mysql_close(mysql)


if __name__ == "__main__":
    CASES.main()
