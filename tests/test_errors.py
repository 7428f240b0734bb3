"""Which error is raised for what, and that nothing of it is lost on the way."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import pytest
from capi_support import Connect, query

from mariadb_nb import errors
from mariadb_nb.capi import ffi, lib
from mariadb_nb.errors import Error, from_server

SOURCE = Path(str(errors.__file__)).read_text("utf-8")
#: Number, class and name of each row of the table, as the source has them.
ROWS = [
    (int(number), kind, name)
    for number, kind, name in re.findall(
        r"^    (\d{4}): (\w+),  # (\w+)$", SOURCE, re.MULTILINE
    )
]
CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Error)
]
#: Older and newer servers' names for a number, which the headers here need not have.
NOT_IN_ALL_HEADERS = {"ER_QUERY_TIMEOUT"}


def test_pep_249_tree() -> None:
    tree = {
        "Warning": Exception,
        "Error": Exception,
        "InterfaceError": Error,
        "DatabaseError": Error,
        "DataError": errors.DatabaseError,
        "OperationalError": errors.DatabaseError,
        "IntegrityError": errors.DatabaseError,
        "InternalError": errors.DatabaseError,
        "ProgrammingError": errors.DatabaseError,
        "NotSupportedError": errors.DatabaseError,
        "Busy": errors.InterfaceError,
        "OperationTimeout": errors.OperationalError,
        "PoolClosed": errors.InterfaceError,
        "PoolTimeout": errors.OperationTimeout,
        "ConnectionLost": errors.OperationalError,
        "QueryInterrupted": errors.OperationalError,
        "Deadlock": errors.OperationalError,
        "LockTimeout": errors.OperationalError,
    }
    assert {*tree, "from_server"} == set(errors.__all__)
    for name, base in tree.items():
        assert getattr(errors, name).__bases__[0] is base
    assert not issubclass(errors.Warning, Error)


def test_builtin_exceptions_catch_ours() -> None:
    assert issubclass(errors.OperationTimeout, TimeoutError)
    assert issubclass(errors.ConnectionLost, ConnectionError)


def test_table_was_read() -> None:
    assert len(ROWS) > 100
    assert {number for number, _, _ in ROWS} == set(errors._BY_NUMBER)


@pytest.mark.parametrize(("number", "kind", "name"), ROWS, ids=lambda value: str(value))
def test_row_of_the_table(number: int, kind: str, name: str) -> None:
    error = from_server(number, "HY000", "text")
    assert type(error) is getattr(errors, kind)
    assert (error.errno, error.sqlstate) == (number, "HY000")
    assert error.message == errors._OWN_MESSAGES.get(number, "text")
    if name not in NOT_IN_ALL_HEADERS:
        assert getattr(lib, name) == number


@pytest.mark.parametrize(("state", "kind"), errors._BY_STATE.items())
def test_class_of_the_sqlstate(state: str, kind: type[Error]) -> None:
    # 1644 is SIGNAL's number, which may come with any state.
    assert type(from_server(1644, state + "000", "text")) is kind


@pytest.mark.parametrize("state", ["99999", "0", "", "4"])
def test_unknown_sqlstate(state: str) -> None:
    assert type(from_server(1644, state, "text")) is errors.DatabaseError


@pytest.mark.parametrize("number", [2014, 2031, 2999, 5009, 5999])
def test_misuse_of_the_library(number: int) -> None:
    assert type(from_server(number, "HY000", "text")) is errors.InterfaceError


@pytest.mark.parametrize("kind", CLASSES)
def test_error_keeps_everything_through_pickling(kind: type[Error]) -> None:
    error = kind("what happened", 1234, "HY001")
    error.add_note("a note")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert str(other) == str(error) == "1234 (HY001): what happened"
        assert (other.errno, other.sqlstate) == (1234, "HY001")
        assert other.message == "what happened"
        assert other.args == error.args == ("what happened",)
        assert other.__notes__ == ["a note"]


@pytest.mark.parametrize("kind", CLASSES)
def test_error_of_our_own(kind: type[Error]) -> None:
    error = kind("what happened")
    assert (error.errno, error.sqlstate, error.line) == (0, "", None)
    assert str(error) == "what happened"
    assert repr(error) == f"{kind.__name__}('what happened')"


def test_retryable() -> None:
    retryable = {kind for kind in CLASSES if kind.retryable}
    assert retryable == {errors.Deadlock, errors.LockTimeout}
    assert from_server(1213, "40001", "text").retryable
    assert not from_server(2013, "HY000", "text").retryable


@pytest.mark.parametrize(
    ("errno", "message", "line"),
    [
        (1064, "You have an error near 'x' at line 3", 3),
        (1064, "You have an error near 'at line 7' at line 12", 12),
        (1064, "You have an error near ' at line 7", 7),
        (1064, "You have an error near ''", None),
        (1062, "Duplicate entry 'x at line 3", None),
        (1062, "Duplicate entry at line 3", None),
    ],
)
def test_line(errno: int, message: str, line: int | None) -> None:
    assert from_server(errno, "42000", message).line == line


SETUP = """
DROP TABLE IF EXISTS child, parent;
CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE child (
    id INT PRIMARY KEY, parent INT, name VARCHAR(3) NOT NULL, one INT CHECK (one = 1),
    FOREIGN KEY (parent) REFERENCES parent (id)
) ENGINE=InnoDB;
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (1, 1, 'a', 1)
"""


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELEC 1", errors.ProgrammingError),
        ("SELECT * FROM nowhere", errors.ProgrammingError),
        ("SELECT nothing FROM parent", errors.ProgrammingError),
        ("SELECT id FROM parent a, parent b", errors.ProgrammingError),
        ("SELECT @@nothing", errors.ProgrammingError),
        ("SET time_zone = 'Mars/Olympus'", errors.ProgrammingError),
        ("INSERT INTO parent VALUES (1, 2)", errors.ProgrammingError),
        ("INSERT INTO parent VALUES (1)", errors.IntegrityError),
        ("INSERT INTO child VALUES (2, 9, 'a', 1)", errors.IntegrityError),
        ("INSERT INTO child VALUES (2, 1, NULL, 1)", errors.IntegrityError),
        ("INSERT INTO child VALUES (2, 1, 'a', 2)", errors.IntegrityError),
        ("INSERT INTO child (id) VALUES (2)", errors.IntegrityError),
        ("DELETE FROM parent", errors.IntegrityError),
        ("INSERT INTO child VALUES (2, 1, 'abcd', 1)", errors.DataError),
        ("INSERT INTO parent VALUES (99999999999)", errors.DataError),
        ("INSERT INTO parent VALUES ('x')", errors.DataError),
        ("SELECT 18446744073709551615 + 1", errors.DataError),
        ("CREATE TABLE t (a INT) ENGINE=Nothing", errors.NotSupportedError),
        ("CREATE USER somebody", errors.OperationalError),
        ("SELECT * FROM mysql.global_priv", errors.OperationalError),
        (
            "SET STATEMENT max_statement_time=0.01 FOR "
            "SELECT COUNT(*) FROM parent WHERE BENCHMARK(1e9, MD5(id))",
            errors.OperationTimeout,
        ),
        ("SIGNAL SQLSTATE '23000'", errors.IntegrityError),
        ("SIGNAL SQLSTATE '45000'", errors.OperationalError),
        ("SIGNAL SQLSTATE '99000'", errors.DatabaseError),
    ],
)
def test_what_a_server_says(connector: Connect, sql: str, kind: type[Error]) -> None:
    mysql = connector()
    for statement in SETUP.split(";"):
        assert query(mysql, statement) == 0
    if query(mysql, sql) == 0:  # then the error comes with the rows
        assert lib.mysql_store_result(mysql) == ffi.NULL
    error = from_server(
        lib.mysql_errno(mysql),
        ffi.string(lib.mysql_sqlstate(mysql)).decode(),
        ffi.string(lib.mysql_error(mysql)).decode(),
    )
    assert type(error) is kind, error
    if sql == "SELEC 1":
        assert error.line == 1
