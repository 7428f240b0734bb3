"""Connector/C's own tests of statements, written anew: several of them, and the end.

More than one statement on a connection, what one with unread rows keeps the others
from, and what becomes of statements when their connection is closed, reset or lost.
Origins as in test_ported_statements.py.
"""

from __future__ import annotations

import pytest
from binding import Bind, Statement, execute_all
from capi_support import (
    Connect,
    drive,
    error,
    fetch,
    query,
    rows,
    stmt_error,
)

from mariadb_nb.capi import ffi, lib, missing
from mariadb_nb.server import TemporaryServer

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])

OUT_OF_SYNC = lib.CR_COMMANDS_OUT_OF_SYNC
THREE_ROWS = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"


def test_statements_take_turns(connector: Connect, transport: str) -> None:
    """ps.c: test_multi, test_multi_stmt, test_insert_select: four open at a time."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a INT, b INT)",
        "CREATE TEMPORARY TABLE t2 (a INT, b INT)",
        "INSERT INTO t1 VALUES (3, 3), (2, 2), (1, 1)",
        "INSERT INTO t2 SELECT * FROM t1",
    )
    mark = "UPDATE t1, t2 SET t1.b = 10, t2.b = 10 WHERE t1.a = t2.a AND t1.b = ?"
    sweep = "DELETE t1, t2 FROM t1, t2 WHERE t1.a = t2.a AND t1.b = 10"
    number = Bind("LONG")
    with (
        Statement(mysql, mark) as update,
        Statement(mysql, sweep) as delete,
        Statement(mysql, "SELECT a FROM t1 ORDER BY a") as first,
        Statement(mysql, "SELECT a FROM t2 ORDER BY a") as second,
    ):
        for value in (1, 2, 3):
            update.run(Bind("LONG", value))
            assert update.affected_rows == 2
            delete.ok(delete.execute())
            assert delete.affected_rows == 2
            left = [(other,) for other in range(value + 1, 4)]
            assert first.run().rows(number) == left
            assert second.run().rows(number) == left


def test_many_statements_keep_their_stored_rows(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug5399: 97 are open, each with a result of its own."""
    mysql = connector(transport)
    number = Bind("LONG")
    statements = [Statement(mysql, f"SELECT {index}") for index in range(97)]
    for statement in statements:
        statement.ok(statement.execute())
        statement.ok(statement.store_result())
    for index, statement in enumerate(statements):
        assert statement.rows(number) == [(index,)]
        statement.ok(statement.close())


def test_statements_are_made_and_closed_many_times(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_nstmts: 300 of them, and the server has forgotten each."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (id INT)")
    for index in range(300):
        with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
            statement.run(Bind("LONG", index))
    with Statement(mysql, "SELECT COUNT(*), MAX(id) FROM t1") as statement:
        assert statement.run().rows(Bind("LONG"), Bind("LONG")) == [(300, 299)]
        closed = rows(mysql, "SHOW SESSION STATUS LIKE 'Com_stmt_close'")
        assert closed == [(b"Com_stmt_close", b"300")]


def test_queries_run_between_the_executions_of_a_statement(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_open_direct: but not while there are rows to fetch."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (id INT, name CHAR(6))")
    count = "SELECT COUNT(*) FROM t1"
    with Statement(mysql, "INSERT INTO t1 VALUES (10, 'mysql')") as statement:
        for inserted in (b"0", b"1", b"2"):
            assert rows(mysql, count) == [(inserted,)]
            statement.ok(statement.execute())
            assert statement.affected_rows == 1
    with Statement(mysql, "SELECT * FROM t1") as statement:
        statement.ok(statement.execute())
        statement.ok(statement.fetch())
        assert query(mysql, "DO 1") != 0
        assert lib.mysql_errno(mysql) == OUT_OF_SYNC
    execute_all(mysql, "INSERT INTO t1 (id) VALUES (20)")
    with Statement(mysql, "SELECT id FROM t1 ORDER BY id") as statement:
        statement.ok(statement.execute())
        statement.ok(statement.store_result())
        statement.ok(statement.fetch())
        execute_all(mysql, "DROP TEMPORARY TABLE t1")
        assert statement.rows(Bind("LONG")) == [(10,), (10,), (20,)]


def test_unread_rows_keep_another_statement_from_executing(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug8330: or from being prepared anew, or any of its calls.

    Their owner may execute again, and drops them so. The guard adds to the library:
    3.3 and 3.4 check in some of these calls only, and lose the rows in the others.
    """
    mysql = connector(transport)
    with (
        Statement(mysql, THREE_ROWS) as owner,
        Statement(mysql, "SELECT ?") as other,
    ):
        other.run(Bind("LONG", 5))
        other.ok(other.store_result())
        owner.run()
        for call in (
            other.execute,
            lambda: other.prepare("SELECT 4"),
            lambda: other.send_long_data(0, b"data"),
            lambda: other.set_attribute("PREBIND_PARAMS", "unsigned int", 1),
            other.store_result,
        ):
            assert call() != 0
            assert other.errno == OUT_OF_SYNC
        assert owner.run().rows(Bind("LONG")) == [(1,), (2,), (3,)]
        assert other.run(Bind("LONG", 6)).rows(Bind("LONG")) == [(6,)]


def test_unread_rows_keep_another_statement_from_being_reset(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_conc667: nor can its own result be freed."""
    mysql = connector(transport)
    with (
        Statement(mysql, THREE_ROWS) as owner,
        Statement(mysql, "SELECT 2") as other,
    ):
        other.run()
        other.ok(other.store_result())
        owner.run()
        for call in (other.reset, other.free_result):
            assert call() == 1
            assert other.errno == OUT_OF_SYNC
        assert owner.rows(Bind("LONG")) == [(1,), (2,), (3,)]
        owner.ok(owner.free_result())


def test_a_statement_that_was_not_executed_has_no_result_to_free(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_conc667: Connector/C 3.4 has an error for it, 3.3 has not."""
    with Statement(connector(transport), "SELECT 2") as statement:
        freed = statement.free_result()
        if "CR_STMT_NO_RESULT" in missing:
            assert (freed, statement.errno) == (0, 0)
        else:
            assert (freed, statement.errno) == (1, lib.CR_STMT_NO_RESULT)
        assert statement.run().rows(Bind("LONG")) == [(2,)]


def test_unread_rows_keep_another_statement_from_being_closed(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_conc683: the handle stays, and can be closed after them."""
    mysql = connector(transport)
    other = Statement(mysql, "SELECT ? + 1")
    with Statement(mysql, THREE_ROWS) as owner:
        owner.run()
        assert other.close() == 1
        assert other.errno == OUT_OF_SYNC
        owner.ok(owner.fetch())
        assert other.close() == 1
    assert other.run(Bind("LONG", 1)).rows(Bind("LONG")) == [(2,)]
    other.ok(other.close())


def test_unread_rows_of_a_query_keep_statements_waiting(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_open_direct the other way round: the guard refuses what would hang."""
    mysql = connector(transport)
    other = Statement(mysql, "SELECT ?")
    other.run(Bind("LONG", 5))
    other.ok(other.store_result())
    assert query(mysql, THREE_ROWS) == 0
    result = lib.mysql_use_result(mysql)
    for call in (
        other.execute,
        lambda: other.prepare("SELECT 4"),
        lambda: other.set_attribute("PREBIND_PARAMS", "unsigned int", 1),
        other.reset,
        other.free_result,
        other.close,
    ):
        assert call() != 0
        assert other.errno == OUT_OF_SYNC
    assert [fetch(mysql, result) for _ in range(4)] == [(b"1",), (b"2",), (b"3",), None]
    lib.mysql_free_result(result)
    assert other.run(Bind("LONG", 6)).rows(Bind("LONG")) == [(6,)]
    other.ok(other.close())


def test_closing_a_statement_drops_its_unread_rows(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_conc683: a lot of them, so that closing has to wait."""
    mysql = connector(transport)
    with Statement(mysql, "SELECT seq, REPEAT('x', 500) FROM seq_1_to_20000") as big:
        big.run()
        big.ok(big.fetch())
    assert rows(mysql, "SELECT 'next'") == [(b"next",)]


def test_statements_can_be_closed_after_their_connection(
    connector: Connect, transport: str
) -> None:
    """ps.c: test_conc97, test_stmt_close; ps_bugs.c, test_bug15518: all else fails."""
    mysql = connector(transport)
    prepared = Statement(mysql, "SELECT 1")
    unread = Statement(mysql, THREE_ROWS)
    fresh = Statement(mysql)
    unread.run()
    lib.mysql_close(mysql)
    for statement in (prepared, unread, fresh):
        for failed in (
            statement.prepare("SELECT 1"),
            statement.execute(),
            statement.fetch(),
            statement.store_result(),
            statement.reset(),
            statement.next_result(),
        ):
            assert failed == 1
            assert statement.errno == lib.CR_STMT_CLOSED
        assert statement.close() == 0


@pytest.mark.parametrize("reset", [False, True])
def test_a_new_session_has_none_of_the_old_statements(
    connector: Connect, mariadb_server: TemporaryServer, transport: str, reset: bool
) -> None:
    """ps_bugs.c, test_bug5315: after mysql_change_user or mysql_reset_connection."""
    mysql = connector(transport)
    old = Statement(mysql, "SELECT 1")
    user = mariadb_server.users["native"]
    if reset:
        result = drive(
            "int *",
            lib.mysql_reset_connection_start,
            lib.mysql_reset_connection_cont,
            mysql,
        )
    else:
        result = drive(
            "my_bool *",
            lib.mysql_change_user_start,
            lib.mysql_change_user_cont,
            mysql,
            *(user.name.encode(), user.password.encode(), b"test"),
        )
    assert result == 0, error(mysql)
    assert old.execute() != 0
    assert old.errno == lib.CR_STMT_CLOSED
    assert "prepare it again" in stmt_error(old.handle)
    old.ok(old.close())
    with Statement(mysql, "SELECT 1") as statement:
        assert statement.run().rows(Bind("LONG")) == [(1,)]


def test_a_lost_connection_fails_the_statement(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c: test_bug53311, test_bug12744: and its handle can be given back."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT)")
    statement = Statement(mysql, "INSERT INTO t1 VALUES (1)")
    statement.run()
    drive(
        "int *",
        lib.mysql_kill_start,
        lib.mysql_kill_cont,
        mysql,
        lib.mysql_thread_id(mysql),
    )
    assert statement.execute() != 0
    assert statement.errno in (lib.CR_SERVER_GONE_ERROR, lib.CR_SERVER_LOST)
    # The server could not be told, but the handle is freed.
    assert statement.close() == 1
    assert statement.errno == lib.CR_INVALID_PARAMETER


def test_a_statement_does_not_live_through_a_reconnect(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_conc83: MYSQL_OPT_RECONNECT: it has to be prepared anew."""
    mysql = connector(transport)
    on = ffi.new("my_bool *", 1)
    assert lib.mysql_options(mysql, lib.MYSQL_OPT_RECONNECT, on) == 0
    fresh, prepared = Statement(mysql), Statement(mysql, "SELECT 1")
    old = lib.mysql_thread_id(mysql)
    drive("int *", lib.mysql_kill_start, lib.mysql_kill_cont, mysql, old)
    assert drive("int *", lib.mysql_ping_start, lib.mysql_ping_cont, mysql) == 0
    assert lib.mysql_thread_id(mysql) != old
    assert prepared.execute() != 0
    assert prepared.errno != 0
    numbers = [Bind("LONG") for _ in range(3)]
    for statement in (fresh, prepared):
        statement.ok(statement.prepare("SELECT 1, 2, 3"))
        assert statement.run().rows(*numbers) == [(1, 2, 3)]
        statement.ok(statement.close())
