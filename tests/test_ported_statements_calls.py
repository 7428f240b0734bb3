"""Connector/C's own tests of statements, written anew: CALL and its many results.

Rows of several SELECTs, then the OUT parameters, then the end; read to it, in part, or
not at all. Their origin is ``ps_new.c`` in ``unittest/libmariadb`` of MariaDB
Connector/C's sources, all of its cases, unless a docstring names another file there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from binding import Bind, Statement, execute_all
from capi_support import Connect, rows

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])


@pytest.fixture
def mysql(connector: Connect, transport: str) -> Iterator[CData]:
    """A connection, and no procedure is left behind."""
    mysql = connector(transport)
    yield mysql
    execute_all(mysql, "DROP PROCEDURE IF EXISTS ps_p1")


def create(mysql: CData, parameters: str, body: str) -> None:
    execute_all(
        mysql, f"CREATE OR REPLACE PROCEDURE ps_p1({parameters}) BEGIN {body} END"
    )


def server_status(mysql: CData) -> int:
    status = ffi.new("unsigned int *")
    option = lib.MARIADB_CONNECTION_SERVER_STATUS
    assert lib.mariadb_get_infov(mysql, option, status) == 0
    return int(status[0])


def results(
    statement: Statement, *, store: bool = False
) -> Iterator[list[tuple[bytes | None, ...]]]:
    """The rows of each result of an executed statement, as strings."""
    while True:
        if statement.field_count:
            if store:
                statement.ok(statement.store_result())
            yield statement.rows(*[Bind("STRING") for _ in statement.fields])
        following = statement.next_result()
        if following == -1:
            return
        statement.ok(following)


IN_OUT = "IN p_in INT, OUT p_out INT, INOUT p_inout INT"
TWO_SELECTS = (
    "SELECT p_in, p_out, p_inout;"
    " SET p_in = 100, p_out = 200, p_inout = 300;"
    " SELECT p_in, p_out, p_inout;"
)


def test_a_call_delivers_results_and_parameters(mysql: CData) -> None:
    """test_multi_result: two SELECTs, the OUT parameters, and a result without rows."""
    create(mysql, IN_OUT, TWO_SELECTS)
    with Statement(mysql, "CALL ps_p1(?, ?, ?)") as statement:
        assert statement.field_count == 0
        statement.run(Bind("LONG", 10), Bind("LONG", 20), Bind("LONG", 30))
        numbers = [Bind("LONG") for _ in range(3)]
        for expected in ((10, None, 30), (100, 200, 300)):
            assert not server_status(mysql) & lib.SERVER_PS_OUT_PARAMS
            assert statement.field_count == 3
            assert statement.rows(*numbers) == [expected]
            assert lib.mysql_stmt_more_results(statement.handle) == 1
            statement.ok(statement.next_result())
        assert server_status(mysql) & lib.SERVER_PS_OUT_PARAMS
        names = [ffi.string(field.name) for field in statement.fields]
        assert names == [b"p_out", b"p_inout"]
        assert statement.rows(*numbers[:2]) == [(200, 300)]
        assert statement.next_result() == 0
        assert statement.field_count == 0
        assert lib.mysql_stmt_more_results(statement.handle) == 0
        assert statement.next_result() == -1


def test_parameters_may_be_strings(mysql: CData) -> None:
    """test_sp_params: OUT before IN and INOUT, one of them NULL by its type."""
    create(
        mysql,
        "OUT p_out VARCHAR(19), IN p_in INT, INOUT p_inout INT",
        "SET p_in = 300, p_out := 'This is OUT param', p_inout = 200;"
        " SELECT p_inout, p_in, SUBSTRING(p_out, 9);",
    )
    with Statement(mysql, "CALL ps_p1(?, ?, ?)") as statement:
        assert statement.param_count == 3
        statement.run(Bind("NULL"), Bind("LONG", 20), Bind("LONG", 30))
        assert list(results(statement)) == [
            [(b"200", b"300", b"OUT param")],
            [(b"This is OUT param", b"200")],
        ]


@pytest.mark.parametrize("fetched", ["nothing", "a row", "a result"])
def test_resetting_drops_all_results(mysql: CData, fetched: str) -> None:
    """test_sp_reset, test_sp_reset1: and the connection is free again."""
    create(
        mysql,
        "OUT p_out VARCHAR(19)",
        "SET p_out = 'foo'; SELECT 'foo' FROM DUAL; SELECT 'bar' FROM DUAL;",
    )
    parameter = Bind("STRING", b"", capacity=4)
    with Statement(mysql, "CALL ps_p1(?)") as statement:
        for _ in range(2):
            statement.run(parameter)
            if fetched == "a row":
                statement.ok(statement.fetch())
            elif fetched == "a result":
                statement.ok(statement.store_result())
                statement.ok(statement.next_result())
                statement.ok(statement.fetch())
            statement.ok(statement.reset())
            assert rows(mysql, "SELECT 'free'") == [(b"free",)]


def test_results_are_as_wide_as_their_select(mysql: CData) -> None:
    """test_sp_reset2: 1, 2, 3 and 4 columns; closed before the last is read."""
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT)")
    create(
        mysql,
        "",
        "SET @a := 1; INSERT INTO t1 VALUES (1); SELECT 1 FROM DUAL;"
        " SELECT 2, 3 FROM DUAL; INSERT INTO t1 VALUES (2);"
        " SELECT 3, 4, 5 FROM DUAL; SELECT 4, 5, 6, 7 FROM DUAL;",
    )
    with Statement(mysql, "CALL ps_p1()") as statement:
        statement.run()
        for first in (1, 2, 3):
            wide = tuple(range(first, 2 * first))
            numbers = [Bind("LONG") for _ in wide]
            assert statement.rows(*numbers) == [wide]
            statement.ok(statement.next_result())
        assert statement.field_count == 4
    assert rows(mysql, "SELECT a FROM t1") == [(b"1",), (b"2",)]


@pytest.mark.parametrize("store", [False, True])
def test_a_call_is_executed_many_times(mysql: CData, store: bool) -> None:
    """test_query: every result read, freed, and the statement reset."""
    create(mysql, "OUT p_out VARCHAR(19)", "SET p_out = 'foo'; SELECT 1 FROM DUAL;")
    with Statement(mysql, "CALL ps_p1(?)") as statement:
        for _ in range(100):
            statement.run(Bind("STRING", b"", capacity=4))
            found = []
            for result in results(statement, store=store):
                found += result
                statement.ok(statement.free_result())
            assert found == [(b"1",), (b"foo",)]
            statement.ok(statement.reset())


def test_executing_again_drops_all_results(mysql: CData) -> None:
    """ps.c, test_reexecute: none of the first execution's was read.

    In C executing is enough. If the connection were lost meanwhile, the library would
    look for the end of the results for ever, so here they are read first.
    """
    create(mysql, IN_OUT, TWO_SELECTS)
    with Statement(mysql, "CALL ps_p1(?, ?, ?)") as statement:
        parameters = (Bind("LONG", 10), Bind("LONG", 20), Bind("LONG", 30))
        statement.run(*parameters)
        assert statement.execute() != 0
        assert statement.errno == lib.CR_COMMANDS_OUT_OF_SYNC
        while statement.next_result() == 0:
            pass
        statement.run(*parameters)
        found = list(results(statement))
        assert found[1:] == [[(b"100", b"200", b"300")], [(b"200", b"300")]]


def test_a_call_that_fails_after_a_result(mysql: CData) -> None:
    """ps_bugs.c, test_conc141: next_result tells the error, and is over it."""
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (id INT PRIMARY KEY)",
        "INSERT INTO t1 VALUES (1)",
    )
    create(mysql, "", "SELECT * FROM t1; INSERT INTO t1 VALUES (1);")
    with Statement(mysql, "CALL ps_p1()") as statement:
        for _ in range(2):
            assert statement.run().rows(Bind("LONG")) == [(1,)]
            assert statement.next_result() == 1
            assert statement.errno == lib.ER_DUP_ENTRY
            assert statement.next_result() == -1
    assert rows(mysql, "SELECT 'fine'") == [(b"fine",)]


def test_results_of_a_loop(mysql: CData) -> None:
    """ps_bugs.c, test_conc424: with STMT_ATTR_UPDATE_MAX_LENGTH, but unstored."""
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a INT, b INT)",
        "INSERT INTO t1 VALUES (10, 11), (11, 12)",
    )
    create(mysql, "", "FOR t IN (SELECT a, b FROM t1) DO SELECT t.a, t.b; END FOR;")
    with Statement(mysql, "CALL ps_p1()") as statement:
        statement.ok(statement.set_attribute("UPDATE_MAX_LENGTH", "my_bool", 1))
        statement.run()
        found = []
        while statement.field_count:
            metadata = lib.mysql_stmt_result_metadata(statement.handle)
            assert lib.mysql_num_fields(metadata) == 2
            lib.mysql_free_result(metadata)
            found += statement.rows(Bind("LONG"), Bind("LONG"))
            statement.ok(statement.next_result())
        assert found == [(10, 11), (11, 12)]
        assert statement.next_result() == -1


def test_results_are_stored_one_by_one(mysql: CData) -> None:
    """ps_bugs.c, test_conc504: each counts its own rows, and need not be fetched."""
    create(mysql, "", "SELECT 1; SELECT seq FROM seq_1_to_2; SELECT 3;")
    with Statement(mysql, "CALL ps_p1()") as statement:
        statement.run()
        for expected in (1, 2, 1):
            statement.ok(statement.store_result())
            assert statement.num_rows == expected
            statement.ok(statement.next_result())
        assert statement.field_count == 0


def test_a_call_opens_no_cursor(mysql: CData) -> None:
    """ps_bugs.c, test_conc566: asking for one does no harm."""
    create(mysql, "", "SELECT 1;")
    with Statement(mysql, "CALL ps_p1()") as statement:
        cursor = lib.CURSOR_TYPE_READ_ONLY
        statement.ok(statement.set_attribute("CURSOR_TYPE", "unsigned long", cursor))
        assert list(results(statement.run())) == [[(b"1",)]]
