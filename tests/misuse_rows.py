"""Misuse of a prepared statement's rows: one that is not there, or no place for it.

The library trusts its caller with both. A case each, run in a process of its own by
test_misuse.py, like misuse_cases.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from binding import Bind, Statement, bind_array, execute_all
from capi_support import stmt_error
from case_table import Cases
from misuse_cases import INVALID, OUT_OF_SYNC, at_once, connect
from misuse_replies import assert_answers, assert_code, assert_out_of_sync

from mariadb_nb.capi import ffi, lib

CASES = Cases()

NO_DATA = lib.CR_NO_DATA

#: The types whose values are written without a look at the buffer's length.
FIXED = (
    "TINY",
    "SHORT",
    "YEAR",
    "INT24",
    "LONG",
    "LONGLONG",
    "FLOAT",
    "DOUBLE",
    "DATE",
    "TIME",
    "DATETIME",
    "TIMESTAMP",
)


# A row that is not there


@CASES
def seeking_where_no_rows_are_stored(transport: str) -> None:
    mysql = connect(transport)
    sql, number = "SELECT 1 UNION ALL SELECT 2", Bind("LONG")
    steps: list[Callable[[Statement], int]] = [
        Statement.execute,
        Statement.fetch,
        Statement.fetch,
        lambda stmt: stmt.fetch() - lib.MYSQL_NO_DATA,
        Statement.execute,
        Statement.store_result,
        Statement.free_result,
        Statement.execute,
        Statement.store_result,
        Statement.reset,
        Statement.execute,
        Statement.store_result,
        Statement.execute,
        Statement.store_result,
        lambda stmt: stmt.prepare(sql),
    ]
    for end in range(len(steps) + 1):
        stmt = Statement(mysql, sql)
        for step in steps[:end]:
            stmt.ok(step(stmt))
        if end and steps[end - 1] is Statement.store_result:
            lib.mysql_stmt_data_seek(stmt.handle, 1)
            assert stmt.rows(number) == [(2,)]
        else:
            assert_code("mysql_stmt_data_seek", stmt.handle, NO_DATA)
            assert_code("mysql_stmt_row_seek", stmt.handle, NO_DATA)
        with at_once():
            assert stmt.run().rows(number) == [(1,), (2,)]
        stmt.ok(stmt.close())
        assert_answers(mysql)
    with Statement(mysql) as new, Statement(mysql, "DO 1").run() as rowless:
        for stmt in (new, rowless):
            assert_code("mysql_stmt_data_seek", stmt.handle, NO_DATA)
        with at_once():
            rowless.run()
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def column_of_no_row(transport: str) -> None:
    mysql = connect(transport)
    text = Bind("STRING")
    array = bind_array((text,))
    # Two columns: the arguments that are made up ask for the second.
    stmt = Statement(mysql, "SELECT 'one', 'here' FROM seq_1_to_3")

    def refused() -> None:
        assert_code("mysql_stmt_fetch_column", stmt.handle, NO_DATA)

    def fetched() -> None:
        text.value = b""
        stmt.ok(stmt.fetch())
        stmt.ok(lib.mysql_stmt_fetch_column(stmt.handle, array, 1, 0))
        assert text.value == b"here"

    refused()
    stmt.run()
    refused()
    for _ in range(3):
        fetched()
    assert stmt.fetch() == lib.MYSQL_NO_DATA
    refused()
    stmt.run()
    stmt.ok(stmt.store_result())
    refused()
    fetched()
    lib.mysql_stmt_data_seek(stmt.handle, 0)
    refused()
    fetched()
    lib.mysql_stmt_row_seek(stmt.handle, lib.mysql_stmt_row_tell(stmt.handle))
    refused()
    for leave in (stmt.free_result, stmt.reset, stmt.execute):
        stmt.run()
        fetched()
        stmt.ok(leave())
        refused()
    stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


# A place for it that is not there


@CASES
def other_columns_than_were_bound(transport: str) -> None:
    mysql = connect(transport)
    first, second = Bind("STRING"), Bind("STRING")
    stmt = Statement(mysql, "SELECT 'one'")
    assert stmt.run().rows(first) == [(b"one",)]
    # What is bound stays so as long as the columns stay.
    stmt.ok(stmt.run().fetch())
    assert stmt.fetch() == lib.MYSQL_NO_DATA
    for sql, store in (
        ("SELECT 'more', 'columns', NOW(), 1234567", False),
        ("SELECT 'more', 'columns', NOW(), 1234567", True),
        ("SELECT 'as many'", False),
    ):
        stmt.ok(stmt.prepare(sql))
        stmt.run()
        if store:
            stmt.ok(stmt.store_result())
        before = first.raw
        assert_out_of_sync(stmt.handle, "mysql_stmt_fetch")
        assert "mysql_stmt_bind_result()" in stmt_error(stmt.handle)
        assert first.raw == before
        columns = [Bind("STRING") for _ in range(stmt.field_count)]
        assert stmt.rows(*columns)[0][0] == sql.split("'")[1].encode()
    stmt.ok(stmt.prepare("SELECT 'a', 'b'"))
    assert stmt.run().rows(first, second) == [(b"a", b"b")]
    stmt.ok(stmt.prepare("SELECT 'fewer'"))
    assert_out_of_sync(stmt.run().handle, "mysql_stmt_fetch")
    assert (first.value, second.value) == (b"a", b"b")
    assert stmt.rows(first) == [(b"fewer",)]
    stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def results_of_a_call_that_are_bound_once(transport: str) -> None:
    mysql = connect(transport)
    name = f"two_results_{os.getpid()}"
    execute_all(
        mysql, f"CREATE PROCEDURE {name}() BEGIN SELECT 'a'; SELECT 'b', 2; END"
    )
    text, number = Bind("STRING"), Bind("LONG")
    with Statement(mysql, f"CALL {name}()") as stmt:
        assert stmt.run().rows(text) == [(b"a",)]
        stmt.ok(stmt.next_result())
        # Nothing of this result is bound: a row is fetched, and nothing is written.
        before = text.raw
        stmt.ok(stmt.fetch())
        assert text.raw == before
        assert stmt.rows(text, number) == []
        stmt.ok(stmt.next_result())
        assert stmt.next_result() == -1
        # The first result again: what was bound last has two columns.
        stmt.run()
        before = text.raw
        assert_out_of_sync(stmt.handle, "mysql_stmt_fetch")
        assert text.raw == before
        assert stmt.rows(text) == [(b"a",)]
        stmt.ok(stmt.next_result())
        assert stmt.rows(text, number) == [(b"b", 2)]
    assert_answers(mysql)
    execute_all(mysql, f"DROP PROCEDURE {name}")
    lib.mysql_close(mysql)


@CASES
def binding_a_column_to_no_buffer(transport: str) -> None:
    mysql = connect(transport)
    stmt = Statement(mysql, "SELECT '2001-02-03', 'three'")
    for kind in FIXED:
        for column in range(2):
            array = bind_array((Bind("STRING"), Bind("STRING")))
            array[column].buffer_type = getattr(lib, f"MYSQL_TYPE_{kind}")
            array[column].buffer = ffi.NULL
            assert lib.mysql_stmt_bind_result(stmt.handle, array) == 1, kind
            assert stmt.errno == INVALID
        # Nothing was bound: a row is fetched, and nothing is written.
        stmt.ok(stmt.run().fetch())
        assert stmt.fetch() == lib.MYSQL_NO_DATA
    for kind in ("STRING", "VAR_STRING", "BLOB", "LONG_BLOB", "NEWDECIMAL"):
        # How to learn a length before there is a buffer.
        columns = Bind(kind, capacity=0), Bind(kind, capacity=0)
        array = bind_array(columns)
        array[0].buffer = array[1].buffer = ffi.NULL
        stmt.ok(lib.mysql_stmt_bind_result(stmt.handle, array))
        assert stmt.run().fetch() == lib.MYSQL_DATA_TRUNCATED
        assert [column.length for column in columns] == [10, 5]
        text = Bind("STRING", capacity=5)
        one = bind_array((text,))
        stmt.ok(lib.mysql_stmt_fetch_column(stmt.handle, one, 1, 0))
        assert text.value == b"three"
        assert stmt.fetch() == lib.MYSQL_NO_DATA
    stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


@CASES
def metadata_of_a_statement_that_was_prepared_anew(transport: str) -> None:
    mysql = connect(transport)
    many = "SELECT " + ", ".join(f"{i} AS column_number_{i}" for i in range(12))
    stmt = Statement(mysql, many)
    metadata = lib.mysql_stmt_result_metadata(stmt.handle)
    last = lib.mysql_fetch_field_direct(metadata, 11)
    assert ffi.string(last.name) == b"column_number_11"
    # The second time the columns may be where they were the first time.
    for sql in ("SELECT 1 AS x", many, "SELECT 1 AS x", many, "DO 1"):
        stmt.ok(stmt.prepare(sql))
        assert lib.mysql_fetch_field_direct(metadata, 11) == ffi.NULL
        for function in (lib.mysql_fetch_field, lib.mysql_fetch_fields):
            assert lib.mysql_errno(mysql) == OUT_OF_SYNC
            assert_answers(mysql)
            assert lib.mysql_errno(mysql) == 0
            assert function(metadata) == ffi.NULL
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
    lib.mysql_free_result(metadata)
    stmt.ok(stmt.close())
    assert_answers(mysql)
    lib.mysql_close(mysql)


if __name__ == "__main__":
    CASES.main()
