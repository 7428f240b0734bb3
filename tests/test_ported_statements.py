"""Connector/C's own tests of statements, written anew: preparing and executing.

Their origin are ``ps.c`` and ``ps_bugs.c`` in ``unittest/libmariadb`` of MariaDB
Connector/C's sources; each docstring names the functions there and what the test shows.
Where the originals block, a pair is used. What they do with more than one statement,
with values, rows, procedures, long data and arrays is in the files beside this one.
"""

from __future__ import annotations

import pytest
from binding import Bind, Statement, execute_all
from capi_support import Connect, drive, error, query, rows, stmt_error

from mariadb_nb.capi import ffi, lib

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("INSERT INTO items VALUES (?, ?)", 2),
        ("UPDATE items SET id = ? WHERE id = ? AND name = ?", 3),
        ("DELETE FROM items WHERE id = 10", 0),
        ("DELETE FROM items WHERE id = ?", 1),
        ("SELECT * FROM items WHERE id = ? AND name = ?", 2),
        ("SELECT '?', id /* ? */ FROM items WHERE id = ? -- ?", 1),
    ],
)
def test_preparing_tells_the_number_of_parameters(
    connector: Connect, transport: str, sql: str, parameters: int
) -> None:
    """ps.c, test_prepare_simple: all kinds of statements, and quoted question marks."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE items (id INT, name VARCHAR(50))")
    with Statement(mysql, sql) as statement:
        assert statement.param_count == parameters
        assert lib.mysql_stmt_param_metadata(statement.handle) == ffi.NULL


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("foo", lib.ER_PARSE_ERROR),
        ("INSERT INTO items VALUES (?", lib.ER_PARSE_ERROR),
        ("SELECT id FROM items WHERE id = ? AND WHERE", lib.ER_PARSE_ERROR),
        ("SELECT 1; SELECT 'another value'", lib.ER_PARSE_ERROR),
        ("SHOW TABLES FROM mysql LIKE ?", lib.ER_PARSE_ERROR),
        ("INSERT INTO items (id, name) VALUES (?)", lib.ER_WRONG_VALUE_COUNT_ON_ROW),
        ("INSERT INTO items (colour) VALUES (?)", lib.ER_BAD_FIELD_ERROR),
        ("SELECT 1 FROM no_such_table", lib.ER_NO_SUCH_TABLE),
    ],
)
def test_preparing_something_wrong_fails_and_can_be_tried_again(
    connector: Connect, transport: str, sql: str, number: int
) -> None:
    """Errors are told by statement and connection, and gone with the next success.

    ps.c: test_prepare_syntax, test_prepare_multi_statements, test_prepare_error,
    test_select_show, test_pure_coverage, test_null, test_long_data; ps_bugs.c:
    test_bug7990, test_bug15518.
    """
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE items (id INT, name VARCHAR(50))")
    with Statement(mysql) as statement:
        for _ in range(2):
            assert statement.prepare(sql) != 0
            assert statement.errno == lib.mysql_errno(mysql) == number
            assert stmt_error(statement.handle) == error(mysql)
            assert ffi.string(lib.mysql_stmt_sqlstate(statement.handle)) != b"00000"
            statement.ok(statement.reset())
        statement.ok(statement.prepare("SELECT ? + 1"))
        assert (statement.errno, lib.mysql_errno(mysql)) == (0, 0)
        assert statement.run(Bind("LONG", 41)).rows(Bind("LONG")) == [(42,)]


def test_a_statement_tells_its_state(connector: Connect, transport: str) -> None:
    """ps.c, test_conc349: STMT_ATTR_STATE from initialised to executed."""

    def state() -> int:
        return statement.attribute("STATE", "enum mysql_stmt_state")

    with Statement(connector(transport)) as statement:
        assert state() == lib.MYSQL_STMT_INITTED
        statement.ok(statement.prepare("SET @a := 1"))
        assert state() == lib.MYSQL_STMT_PREPARED
        statement.ok(statement.execute())
        assert state() == lib.MYSQL_STMT_EXECUTED


def test_an_attribute_keeps_its_value(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_bug16144: STMT_ATTR_UPDATE_MAX_LENGTH is one byte."""
    with Statement(connector(transport)) as statement:
        assert statement.attribute("UPDATE_MAX_LENGTH", "my_bool") == 0
        statement.ok(statement.set_attribute("UPDATE_MAX_LENGTH", "my_bool", 0x5E))
        assert statement.attribute("UPDATE_MAX_LENGTH", "my_bool") == 0x5E


def test_a_statement_without_parameters_is_executed_many_times(
    connector: Connect, transport: str
) -> None:
    """ps.c: test_prepare_noparam, test_prepare_insert_update."""
    mysql = connector(transport)
    create = "CREATE TEMPORARY TABLE t1 (a INT, b INT, c INT, UNIQUE (a), UNIQUE (b))"
    with Statement(mysql, create) as statement:
        statement.ok(statement.execute())
    with Statement(mysql, "INSERT t1 VALUES (1, 2, 10), (3, 4, 20)") as statement:
        statement.ok(statement.execute())
        assert statement.affected_rows == 2
        assert statement.execute() != 0
        assert statement.errno == lib.ER_DUP_ENTRY
    update = "INSERT t1 VALUES (3, 9, 0) ON DUPLICATE KEY UPDATE c = c + VALUES(a)"
    with Statement(mysql, update) as statement:
        for _ in range(7):
            statement.ok(statement.execute())
            assert statement.affected_rows == 2
    assert rows(mysql, "SELECT c FROM t1 ORDER BY a") == [(b"10",), (b"41",)]


def test_rows_are_inserted_updated_and_deleted(
    connector: Connect, transport: str
) -> None:
    """New values in the bound buffers are all that another execution needs.

    ps.c: test_insert, test_update, test_simple_update, test_simple_delete,
    test_manual_sample.
    """
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE items"
        " (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), size SMALLINT)",
    )
    name, size = Bind("VAR_STRING", capacity=50), Bind("SHORT")
    with Statement(mysql, "INSERT INTO items (name, size) VALUES (?, ?)") as statement:
        statement.ok(statement.bind_param(name, size))
        for expected, values in enumerate([(b"MySQL", None), (b"MariaDB", 1000)], 1):
            name.value, size.value = values
            statement.ok(statement.execute())
            assert statement.affected_rows == 1
            assert lib.mysql_stmt_insert_id(statement.handle) == expected
    with Statement(mysql, "UPDATE items SET size = ? WHERE name = ?") as statement:
        statement.run(Bind("SHORT", -1), Bind("STRING", b"MariaDB"))
        assert statement.affected_rows == 1
    found = rows(mysql, "SELECT name, size FROM items ORDER BY id")
    assert found == [(b"MySQL", None), (b"MariaDB", b"-1")]
    with Statement(mysql, "DELETE FROM items WHERE name = ? AND id = 1") as statement:
        statement.run(Bind("STRING", b"MySQL"))
        assert statement.affected_rows == 1
        statement.ok(statement.execute())
        assert statement.affected_rows == 0
    assert rows(mysql, "SELECT id FROM items") == [(b"2",)]


def test_the_number_of_changed_rows_is_the_statements_own(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug2247: other queries do not touch it, storing rows sets it."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (id INT UNIQUE AUTO_INCREMENT)")
    with Statement(mysql, "INSERT INTO t1 VALUES (NULL)") as statement:
        for _ in range(5):
            statement.ok(statement.execute())
        assert statement.affected_rows == 1
        execute_all(mysql, "UPDATE t1 SET id = id + 10")
        assert lib.mysql_affected_rows(mysql) == 5
        assert statement.affected_rows == 1
    with Statement(mysql, "SELECT id FROM t1") as statement:
        statement.ok(statement.execute())
        statement.ok(statement.store_result())
        assert statement.affected_rows == statement.num_rows == 5
        execute_all(mysql, "INSERT INTO t1 VALUES (NULL)")
        assert lib.mysql_affected_rows(mysql) == 1
        assert statement.affected_rows == 5


def test_the_number_of_changed_rows_after_an_error(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug23383: -1 after an error, 0 when nothing was to change."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (i INT UNIQUE)")
    with Statement(mysql, "INSERT INTO t1 VALUES (1), (2)") as statement:
        statement.ok(statement.execute())
        assert statement.affected_rows == 2
        assert statement.execute() != 0
        assert statement.affected_rows == -1
        statement.ok(statement.prepare("UPDATE t1 SET i = 4 WHERE i = 3"))
        statement.ok(statement.execute())
        assert statement.affected_rows == 0


def test_fetching_what_was_not_executed_is_an_error(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c: test_bug2248, test_bug11037: it neither hangs nor spoils what follows.

    After the last row, fetching tells the end again and again.
    """
    with Statement(connector(transport), "SELECT 5") as statement:
        assert statement.fetch() == 1
        assert statement.errno == lib.CR_COMMANDS_OUT_OF_SYNC
        assert statement.store_result() == 1
        assert statement.errno == lib.CR_COMMANDS_OUT_OF_SYNC
        assert statement.run().rows(Bind("LONG")) == [(5,)]
        assert statement.fetch() == lib.MYSQL_NO_DATA
        assert statement.fetch() == lib.MYSQL_NO_DATA


def test_fetching_from_a_statement_without_rows_is_an_error(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug2248: storing its rows is not, and changes nothing.

    ps.c, test_pure_coverage: binding no parameters is fine, binding columns is not.
    """
    with Statement(connector(transport), "DO 1") as statement:
        statement.ok(lib.mysql_stmt_bind_param(statement.handle, ffi.NULL))
        statement.ok(statement.execute())
        assert statement.bind_result(Bind("LONG")) == 1
        assert statement.errno == lib.CR_NO_STMT_METADATA
        assert statement.fetch() == 1
        statement.ok(statement.store_result())
        assert statement.fetch() == 1
        assert statement.errno == lib.CR_COMMANDS_OUT_OF_SYNC


def test_resetting_forgets_the_error_of_an_execution(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug11183: and the statement works once its table is there."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT)")
    with Statement(mysql, "INSERT INTO t1 VALUES (1)") as statement:
        execute_all(mysql, "DROP TEMPORARY TABLE t1")
        assert statement.execute() != 0
        assert statement.errno == lib.ER_NO_SUCH_TABLE
        statement.ok(statement.reset())
        assert statement.errno == 0
        execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT)")
        statement.ok(statement.execute())
    assert rows(mysql, "SELECT a FROM t1") == [(b"1",)]


def test_a_failing_row_ends_fetching(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_bug4079: and the connection can be used afterwards.

    Only the connection tells the error: the statement has none, in 3.3 and 3.4.
    """
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a INT)",
        "INSERT INTO t1 VALUES (1), (2)",
    )
    with Statement(mysql, "SELECT 1 < (SELECT a FROM t1)") as statement:
        statement.ok(statement.execute())
        assert statement.fetch() == 1
        assert lib.mysql_errno(mysql) == lib.ER_SUBQUERY_NO_1_ROW
        assert statement.errno == 0
    assert rows(mysql, "SELECT 'fine'") == [(b"fine",)]


def test_an_error_while_storing_rows_is_told_twice(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_conc627: by the statement and, word for word, the connection."""
    mysql = connector(transport, login="root")
    with Statement(mysql, "SHOW GRANTS FOR nobody_of_this_name") as statement:
        statement.ok(statement.execute())
        assert statement.store_result() == 1
        assert statement.errno == lib.ER_NONEXISTING_GRANT
        assert stmt_error(statement.handle) == error(mysql)


def test_a_statement_notices_that_its_table_was_altered(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_prepare_alter: by another connection, between two executions."""
    mysql, other = connector(transport), connector("unix")
    execute_all(mysql, "CREATE OR REPLACE TABLE ps_altered (id INT, name CHAR(20))")
    with Statement(mysql, "INSERT INTO ps_altered VALUES (?, 'monty')") as statement:
        statement.run(Bind("SHORT", 30))
        execute_all(other, "ALTER TABLE ps_altered CHANGE id id_new VARCHAR(20)")
        statement.run(Bind("SHORT", None))
        statement.run(Bind("STRING", b"thirty"))
    found = rows(mysql, "SELECT id_new FROM ps_altered")
    assert found == [(b"30",), (None,), (b"thirty",)]
    execute_all(mysql, "DROP TABLE ps_altered")


def test_tables_come_and_go_by_statements(connector: Connect, transport: str) -> None:
    """ps.c, test_create_drop: a SELECT lives through its table's replacement."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE source (a INT)",
        "INSERT INTO source VALUES (3), (2), (1)",
        "CREATE OR REPLACE TABLE ps_created (a INT)",
    )
    with (
        Statement(mysql, "CREATE TABLE ps_created (a INT)") as create,
        Statement(mysql, "CREATE TABLE ps_created AS SELECT a FROM source") as copy,
        Statement(mysql, "SELECT a FROM ps_created ORDER BY a") as select,
        Statement(mysql, "DROP TABLE ps_created") as drop,
    ):
        drop.ok(drop.execute())
        for _ in range(3):
            create.ok(create.execute())
            assert select.run().rows(Bind("LONG")) == []
            drop.ok(drop.execute())
            copy.ok(copy.execute())
            assert select.run().rows(Bind("LONG")) == [(1,), (2,), (3,)]
            drop.ok(drop.execute())


def test_a_statement_may_fail_now_and_work_later(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_rename: each execution sees the tables as they are then."""
    mysql = connector(transport)
    execute_all(mysql, "DROP TABLE IF EXISTS ps_a, ps_b, ps_c, ps_d")
    sql = "RENAME TABLE ps_a TO ps_b, ps_c TO ps_d"
    with Statement(mysql, sql) as statement:
        execute_all(mysql, "CREATE TABLE ps_a (a INT)")
        assert statement.execute() != 0
        assert statement.errno == lib.ER_NO_SUCH_TABLE
        execute_all(mysql, "CREATE TABLE ps_c (a INT)")
        statement.ok(statement.execute())
        assert statement.execute() != 0
        execute_all(mysql, "RENAME TABLE ps_b TO ps_a, ps_d TO ps_c")
        statement.ok(statement.execute())
    execute_all(mysql, "DROP TABLE ps_b, ps_d")


def test_a_query_has_no_parameters(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_bug1946: not even if a statement of the same text is prepared."""
    mysql = connector(transport)
    with Statement(mysql, "SELECT ?") as statement:
        assert query(mysql, "SELECT ?") != 0
        assert lib.mysql_errno(mysql) == lib.ER_PARSE_ERROR
        assert statement.run(Bind("LONG", 3)).rows(Bind("LONG")) == [(3,)]


def test_variables_are_set_and_read_by_statements(
    connector: Connect, transport: str
) -> None:
    """ps.c: test_set_variable, test_do_set."""
    mysql = connector(transport)
    name, count = Bind("STRING"), Bind("LONG")
    with (
        Statement(mysql, "SHOW VARIABLES LIKE 'max_error_count'") as show,
        Statement(mysql, "SET max_error_count = ?") as assign,
        Statement(mysql, "DO @a := (1 IN (SELECT 1))") as do,
    ):
        [(name_then, default)] = show.run().rows(name, count)
        assert name_then == b"max_error_count"
        for value in (31, default):
            assign.run(Bind("LONG", value))
            do.ok(do.execute())
            assert show.run().rows(name, count) == [(name_then, value)]


def test_statements_obey_the_sessions_settings(
    connector: Connect, transport: str
) -> None:
    """ps.c: test_sqlmode, test_set_option: of when they were prepared or executed."""
    mysql = connector(transport)
    for mode, expected in (
        ("PIPES_AS_CONCAT", b"MySQL"),
        ("", b"0"),
        ("ANSI", b"MySQL"),
    ):
        execute_all(mysql, f"SET sql_mode = '{mode}'")
        with Statement(mysql, "SELECT ? || ?") as statement:
            statement.run(Bind("STRING", b"My"), Bind("STRING", b"SQL"))
            assert statement.rows(Bind("STRING")) == [(expected,)]
    execute_all(mysql, "SET sql_select_limit = 2")
    with Statement(mysql, "SELECT 1 UNION SELECT 2 UNION SELECT 3") as statement:
        assert len(statement.run().rows(Bind("LONG"))) == 2
        execute_all(mysql, "SET sql_select_limit = DEFAULT")
        assert len(statement.run().rows(Bind("LONG"))) == 3


def test_warnings_are_counted(connector: Connect, transport: str) -> None:
    """ps_bugs.c: test_conc179 (at prepare), test_bug15510 (at the end of the rows)."""
    mysql = connector(transport)
    with Statement(mysql, "SELECT 1 AS ' '") as statement:
        assert lib.mysql_stmt_warning_count(statement.handle) == 1
        assert lib.mysql_warning_count(mysql) == 1
    execute_all(mysql, "SET sql_mode = 'ERROR_FOR_DIVISION_BY_ZERO'")
    with Statement(mysql, "SELECT 1 FROM DUAL WHERE 1/0") as statement:
        assert statement.run().rows(Bind("LONG")) == []
        assert lib.mysql_warning_count(mysql) == 1


def test_preparing_keeps_the_servers_warnings(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug36004: unless the statement uses a table."""
    mysql = connector(transport)
    execute_all(mysql, "DROP TABLE IF EXISTS no_such_table")
    assert lib.mysql_warning_count(mysql) == 1
    with Statement(mysql, "SELECT 1") as statement:
        assert lib.mysql_warning_count(mysql) == 0
        assert rows(mysql, "SELECT @@warning_count") == [(b"1",)]
        assert statement.run().rows(Bind("LONG")) == [(1,)]
    assert rows(mysql, "SELECT @@warning_count") == [(b"1",)]
    with Statement(mysql, "DROP TABLE IF EXISTS no_such_table"):
        assert rows(mysql, "SELECT @@warning_count") == [(b"0",)]


def test_a_statement_that_writes_a_file_has_no_columns(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug6059: SELECT ... INTO OUTFILE; it is not executed."""
    mysql = connector(transport, login="root")
    with Statement(mysql, "SELECT 'foo' INTO OUTFILE 'x.3'") as statement:
        assert statement.field_count == 0
        assert lib.mysql_stmt_result_metadata(statement.handle) == ffi.NULL


def test_a_statement_has_at_most_65535_parameters(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_maxparam: that many work, one more is refused."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT)")
    limit = 65535
    most = "INSERT INTO t1 VALUES (?)" + ",(?)" * (limit - 1)
    one = Bind("LONG", 1)
    with Statement(mysql, most) as statement:
        assert statement.param_count == limit
        statement.run(*([one] * limit))
        assert statement.affected_rows == limit
        assert statement.prepare(most + ",(?)") != 0
        assert statement.errno == lib.ER_PS_MANY_PARAM


def test_committing_and_rolling_back_around_statements(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_select: autocommit, commit and rollback through their pairs."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT) ENGINE = InnoDB")
    pairs = {
        name: (
            getattr(lib, f"mysql_{name}_start"),
            getattr(lib, f"mysql_{name}_cont"),
        )
        for name in ("autocommit", "commit", "rollback")
    }
    assert drive("my_bool *", *pairs["autocommit"], mysql, 0) == 0
    with (
        Statement(mysql, "INSERT INTO t1 VALUES (?)") as insert,
        Statement(mysql, "SELECT a FROM t1") as select,
    ):
        insert.run(Bind("LONG", 10))
        assert drive("my_bool *", *pairs["commit"], mysql) == 0
        insert.run(Bind("LONG", 20))
        assert select.run().rows(Bind("LONG")) == [(10,), (20,)]
        assert drive("my_bool *", *pairs["rollback"], mysql) == 0
        assert select.run().rows(Bind("LONG")) == [(10,)]
