"""Connector/C's own tests of statements, written anew: rows that wait at the server.

Read-only cursors, which leave the connection free between two fetches. Their origins
are ``ps_bugs.c`` and ``cursor.c`` in ``unittest/libmariadb`` of MariaDB Connector/C's
sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from binding import Bind, Statement, date, execute_all
from capi_support import Connect, drive, rows

from mariadb_nb.capi import lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])

NINE = "SELECT seq FROM seq_1_to_9"


def cursor(mysql: CData, sql: str, prefetch: int = 1) -> Statement:
    statement = Statement(mysql, sql)
    kind = lib.CURSOR_TYPE_READ_ONLY
    statement.ok(statement.set_attribute("CURSOR_TYPE", "unsigned long", kind))
    statement.ok(statement.set_attribute("PREFETCH_ROWS", "unsigned long", prefetch))
    return statement


@pytest.mark.parametrize("prefetch", [1, 3, 5, 9, 1000])
def test_rows_are_fetched_some_at_a_time(
    connector: Connect, transport: str, prefetch: int
) -> None:
    """ps_bugs.c: test_conc67; cursor.c: test_bug9643: as many as asked for."""
    mysql = connector(transport)

    def requests() -> int:
        [(_, count)] = rows(mysql, "SHOW SESSION STATUS LIKE 'Com_stmt_fetch'")
        assert count is not None
        return int(count)

    with cursor(mysql, NINE, prefetch) as statement:
        assert statement.attribute("PREFETCH_ROWS", "unsigned long") == prefetch
        assert statement.run().rows(Bind("LONG")) == [(n,) for n in range(1, 10)]
        if prefetch < 9:
            assert requests() == 9 // prefetch + 1


def test_no_other_kind_of_cursor_is_there(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_conc198; cursor.c: test_bug9643: scrollable ones are refused."""
    with Statement(connector(transport), NINE) as statement:
        kind = lib.CURSOR_TYPE_SCROLLABLE
        assert statement.set_attribute("CURSOR_TYPE", "unsigned long", kind) == 1
        assert statement.errno == lib.CR_NOT_IMPLEMENTED
        none = lib.CURSOR_TYPE_NO_CURSOR
        assert statement.attribute("CURSOR_TYPE", "unsigned long") == none


@pytest.mark.parametrize("store", [False, True])
def test_cursors_are_fetched_by_turns(
    connector: Connect, transport: str, store: bool
) -> None:
    """cursor.c: test_basic_cursors, test_cursors_with_union; ps_bugs.c, test_conc198.

    A cursor per statement, and a query in between; or all rows of each stored.
    """
    mysql = connector(transport)
    queries = [NINE, f"{NINE} ORDER BY seq DESC", "SELECT 'a' UNION SELECT 'b'"]
    expected = [
        [b"%d" % n for n in range(1, 10)],
        [b"%d" % n for n in range(9, 0, -1)],
        [b"a", b"b"],
    ]
    opened = [cursor(mysql, sql, prefetch=2) for sql in queries]
    columns = [Bind("STRING") for _ in opened]
    for statement, column in zip(opened, columns, strict=True):
        statement.run()
        statement.ok(statement.bind_result(column))
        if store:
            statement.ok(statement.store_result())
    found: list[list[bytes]] = [[] for _ in opened]
    left = list(zip(opened, columns, found, strict=True))
    while left:
        for item in list(left):
            statement, column, values = item
            if statement.fetch() == lib.MYSQL_NO_DATA:
                left.remove(item)
            else:
                values.append(column.value)
        assert rows(mysql, "SELECT 'between'") == [(b"between",)]
    assert found == expected
    for statement in opened:
        statement.ok(statement.close())


def test_many_cursors_are_open_at_once(connector: Connect, transport: str) -> None:
    """cursor.c, test_bug21206: 1025 of them, each still at its first row."""
    mysql = connector(transport)
    opened = [cursor(mysql, NINE) for _ in range(1025)]
    for statement in opened:
        statement.run()
    column = Bind("LONG")
    for statement in opened:
        statement.ok(statement.bind_result(column))
        statement.ok(statement.fetch())
        assert column.value == 1
        statement.ok(statement.close())


def test_a_cursor_ends_when_its_statement_goes_on(
    connector: Connect, transport: str
) -> None:
    """cursor.c, test_bug9478: by execution or reset; after the latter without rows."""
    column = Bind("LONG")
    with cursor(connector(transport), NINE) as statement:
        for _ in range(5):
            statement.run()
            statement.ok(statement.bind_result(column))
            statement.ok(statement.fetch())
            assert len(statement.run().rows(column)) == 9
            statement.run()
            statement.ok(statement.fetch())
            assert column.value == 1
            statement.ok(statement.reset())
            assert statement.fetch() == 1
            assert statement.errno == lib.CR_COMMANDS_OUT_OF_SYNC


def test_a_cursor_takes_parameters_anew(connector: Connect, transport: str) -> None:
    """cursor.c: test_bug11172, test_bug10736, test_bug11656: and may have no rows."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (id INT PRIMARY KEY, hired DATE NOT NULL)",
        "INSERT INTO t1 VALUES (1, '1933-08-24'), (2, '1965-01-01'), (3, '1965-01-01')",
    )
    hired = Bind("DATE")
    columns = (Bind("LONG"), Bind("DATE"))
    with cursor(mysql, "SELECT * FROM t1 WHERE hired = ? ORDER BY id") as statement:
        statement.ok(statement.bind_param(hired))
        for day, expected in (
            (date(1965, 1, 1), [2, 3]),
            (date(1999, 1, 1), []),
            (date(1933, 8, 24), [1]),
        ):
            hired.value = day
            found = statement.run().rows(*columns)
            assert found == [(number, day) for number in expected]
            statement.ok(statement.free_result())
            statement.ok(statement.reset())


def test_a_cursor_lives_through_a_commit(connector: Connect, transport: str) -> None:
    """cursor.c: test_bug12243: and through the end of another cursor."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a INT) ENGINE = InnoDB",
        "SET autocommit = 0",
        "INSERT INTO t1 VALUES (1), (2)",
    )
    column = Bind("LONG")
    first, second = (cursor(mysql, "SELECT a FROM t1") for _ in range(2))
    for statement in (first, second):
        statement.run()
        statement.ok(statement.bind_result(column))
        statement.ok(statement.fetch())
    first.ok(first.close())
    result = drive("my_bool *", lib.mysql_commit_start, lib.mysql_commit_cont, mysql)
    assert result == 0
    assert second.rows(column) == [(2,)]
    second.ok(second.close())


def test_two_cursors_of_different_columns(connector: Connect, transport: str) -> None:
    """cursor.c: test_bug11909, test_bug11904: resetting one leaves the other's row."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1"
        " (id INT, name VARCHAR(20), salary DOUBLE, bonus FLOAT)",
        "INSERT INTO t1 VALUES (10, 'CHRISTINE', 52750, 1000),"
        " (20, 'MICHAEL', 41250, 800), (30, 'SALLY', 38250.5, 800)",
    )
    columns = (Bind("LONG"), Bind("VAR_STRING"), Bind("DOUBLE"), Bind("FLOAT"))
    with (
        cursor(mysql, "SELECT * FROM t1 ORDER BY id") as wide,
        cursor(mysql, "SELECT name FROM t1 ORDER BY id") as narrow,
    ):
        wide.run()
        wide.ok(wide.bind_result(*columns))
        wide.ok(wide.fetch())
        assert columns[1].value == b"CHRISTINE"
        narrow.run()
        narrow.ok(narrow.bind_result(columns[1]))
        narrow.ok(narrow.fetch())
        narrow.ok(narrow.reset())
        assert wide.rows(*columns) == [
            (20, b"MICHAEL", 41250.0, 800.0),
            (30, b"SALLY", 38250.5, 800.0),
        ]


def test_a_statement_without_rows_ignores_its_cursor(
    connector: Connect, transport: str
) -> None:
    """cursor.c: test_bug38486, test_bug24179: but INTO a variable is refused."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT)")
    with cursor(mysql, "INSERT INTO t1 VALUES (1)") as statement:
        assert statement.run().affected_rows == 1
    with cursor(mysql, "SELECT 1 INTO @a") as statement:
        assert statement.execute() != 0
        assert statement.errno == lib.ER_SP_BAD_CURSOR_SELECT


def test_a_cursor_can_be_closed_with_rows_left(
    connector: Connect, transport: str
) -> None:
    """cursor.c: test_bug8880, test_bug9159: nothing has to be read for it."""
    mysql = connector(transport)
    opened = [cursor(mysql, "SELECT seq FROM seq_1_to_100000") for _ in range(2)]
    for statement in opened:
        statement.run()
        statement.ok(statement.fetch())
    for statement in opened:
        statement.ok(statement.close())
    assert rows(mysql, "SELECT 'next'") == [(b"next",)]
