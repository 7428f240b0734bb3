"""Connector/C's own tests of statements, written anew: arrays of parameters.

STMT_ATTR_ARRAY_SIZE, by columns and by rows, with indicators, and RETURNING. Their
origin is ``bulk1.c`` in ``unittest/libmariadb`` of MariaDB Connector/C's sources. Left
out are its cases for results of each row, which no server before 11.5 has, and those of
mariadb_stmt_execute_direct, which has no pair.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from binding import Bind, Statement, execute_all
from capi_support import Connect, rows

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])

# As the length of a string: it ends with a zero.
TO_ITS_ZERO: Final = 2**64 - 1
NONE: Final = lib.STMT_INDICATOR_NONE
NULL: Final = lib.STMT_INDICATOR_NULL
DEFAULT: Final = lib.STMT_INDICATOR_DEFAULT
IGNORE: Final = lib.STMT_INDICATOR_IGNORE
IGNORE_ROW: Final = lib.STMT_INDICATOR_IGNORE_ROW


class Array(NamedTuple):
    """A parameter's values for all rows: integers or strings, or none at all."""

    values: Sequence[int] | Sequence[bytes] = ()
    indicators: Sequence[int] = ()
    zeros: bool = False  # the strings' lengths are not told


class Arrays:
    """The MYSQL_BINDs of arrays, and the memory that they point to."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.binds = ffi.new("MYSQL_BIND[]", len(arrays))
        self.kept: list[object] = []
        for bind, array in zip(self.binds, arrays, strict=True):
            bind.buffer_type = lib.MYSQL_TYPE_LONG
            if array.values and isinstance(array.values[0], bytes):
                self.set_strings(bind, array)
            elif array.values:
                bind.buffer = self.new("int32_t[]", list(array.values))
            if array.indicators:
                bind.u.indicator = self.new("char[]", bytes(array.indicators))

    def new(self, ctype: str, content: object) -> CData:
        memory = ffi.new(ctype, content)
        self.kept.append(memory)
        return memory

    def set_strings(self, bind: CData, array: Array) -> None:
        strings = [self.new("char[]", value) for value in array.values]
        bind.buffer_type = lib.MYSQL_TYPE_STRING
        bind.buffer = self.new("char *[]", strings)
        lengths = [
            TO_ITS_ZERO if array.zeros else ffi.sizeof(string) - 1 for string in strings
        ]
        bind.length = self.new("unsigned long[]", lengths)


def execute(statement: Statement, count: int, *arrays: Array) -> int:
    """Execute for that many rows; returns what mysql_stmt_execute does."""
    statement.ok(statement.set_attribute("ARRAY_SIZE", "unsigned int", count))
    bound = Arrays(arrays)
    statement.ok(lib.mysql_stmt_bind_param(statement.handle, bound.binds))
    return statement.execute()


@pytest.mark.parametrize("zeros", [False, True])
def test_arrays_are_inserted_column_by_column(
    connector: Connect, transport: str, zeros: bool
) -> None:
    """bulk1: numbers and strings; 1024 rows ten times, in one request each."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT, b VARCHAR(255))")
    count = 1024
    words = [b"%d" % n * (n % 60) for n in range(count)]
    with Statement(mysql, "INSERT INTO t1 VALUES (?, ?)") as statement:
        for _ in range(10):
            strings = Array(words, zeros=zeros)
            statement.ok(execute(statement, count, Array(range(count)), strings))
            assert statement.affected_rows == count
    found = rows(mysql, "SELECT a, b, COUNT(*) FROM t1 GROUP BY a, b ORDER BY a")
    assert found == [(b"%d" % n, words[n], b"10") for n in range(count)]
    executed = rows(mysql, "SHOW SESSION STATUS LIKE 'Com_stmt_execute'")
    assert executed == [(b"Com_stmt_execute", b"10")]


def test_rows_are_updated_in_bulk(connector: Connect, transport: str) -> None:
    """bulk5; bulk6: IGNORE leaves a column as it was."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a INT, b INT DEFAULT 4)",
        "INSERT INTO t1 VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)",
    )
    new, old = Array(range(12, 17)), Array(range(1, 6))
    kept = Array(range(5), indicators=[IGNORE] * 5)
    with Statement(mysql, "UPDATE t1 SET a = ?, b = ? WHERE a = ?") as statement:
        statement.ok(execute(statement, 5, new, kept, old))
        assert statement.affected_rows == 5
    found = rows(mysql, "SELECT a, b FROM t1 ORDER BY a")
    assert found == [(b"%d" % (b + 11), b"%d" % b) for b in range(1, 6)]


@pytest.mark.parametrize("indicator", [DEFAULT, IGNORE])
def test_columns_get_their_default(
    connector: Connect, transport: str, indicator: int
) -> None:
    """bulk2, bulk6: by DEFAULT, or by IGNORE in an INSERT; values are not needed."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT DEFAULT 4, b INT DEFAULT 2)")
    with Statement(mysql, "INSERT INTO t1 VALUES (?, 1)") as statement:
        statement.ok(execute(statement, 1024, Array(indicators=[indicator] * 1024)))
        assert statement.affected_rows == 1024
    assert rows(mysql, "SELECT DISTINCT a, b FROM t1") == [(b"4", b"1")]


def test_rows_are_null_in_part(connector: Connect, transport: str) -> None:
    """bulk_null, bulk_null_null, test_mdev16593: among them, keys are made up."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(20),"
        " t TIME, c DECIMAL(3, 1))",
    )
    mixed = [NONE, NULL, NONE]
    with Statement(mysql, "INSERT INTO t1 VALUES (?, ?, ?, ?)") as statement:
        result = execute(
            statement,
            3,
            Array(indicators=[NULL] * 3),
            Array([b"foo", b"", b"foobar"], mixed),
            Array([b"00:00:00", b"", b"-01:02:03"], mixed),
            Array([b"3.0", b"", b"-12.5"], mixed, zeros=True),
        )
        statement.ok(result)
        assert lib.mysql_stmt_insert_id(statement.handle) == 1
    assert rows(mysql, "SELECT * FROM t1 ORDER BY id") == [
        (b"1", b"foo", b"00:00:00", b"3.0"),
        (b"2", None, None, None),
        (b"3", b"foobar", b"-01:02:03", b"-12.5"),
    ]


# char name[20]; unsigned long length; int number; char how[2]; as a C struct.
ROW: Final = struct.Struct("@20sLi2s0L")
LENGTH: Final = 24
NUMBER: Final = LENGTH + ffi.sizeof("unsigned long")
HOW: Final = NUMBER + ffi.sizeof("int")


def test_arrays_are_inserted_row_by_row(connector: Connect, transport: str) -> None:
    """bulk3, bulk4, test_conc243: STMT_ATTR_ROW_SIZE, with indicators in each row."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1"
        " (name VARCHAR(20) DEFAULT '?', number INT DEFAULT 3)",
    )
    sent = [
        (b"Row 1", 5, 1, bytes([NONE, NONE])),
        (b"Row 02", 6, 0, bytes([NONE, DEFAULT])),
        (b"Row 003", 7, 0, bytes([NONE, NULL])),
        (b"", 0, 4, bytes([DEFAULT, NONE])),
    ]
    memory = ffi.new("char[]", b"".join(ROW.pack(*row) for row in sent))
    binds = ffi.new("MYSQL_BIND[]", 2)
    binds[0].buffer_type = lib.MYSQL_TYPE_STRING
    binds[0].buffer = memory
    binds[0].length = ffi.cast("unsigned long *", memory + LENGTH)
    binds[0].u.indicator = memory + HOW
    binds[1].buffer_type = lib.MYSQL_TYPE_LONG
    binds[1].buffer = memory + NUMBER
    binds[1].u.indicator = memory + HOW + 1
    with Statement(mysql, "INSERT INTO t1 VALUES (?, ?)") as statement:
        statement.ok(statement.set_attribute("ARRAY_SIZE", "unsigned int", len(sent)))
        statement.ok(statement.set_attribute("ROW_SIZE", "size_t", ROW.size))
        statement.ok(lib.mysql_stmt_bind_param(statement.handle, binds))
        statement.ok(statement.execute())
    assert rows(mysql, "SELECT * FROM t1") == [
        (b"Row 1", b"1"),
        (b"Row 02", b"3"),
        (b"Row 003", None),
        (b"?", b"4"),
    ]


def test_rows_are_left_out(connector: Connect, transport: str) -> None:
    """bulk_skip_row: IGNORE_ROW for any parameter of the row."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT, b VARCHAR(30))")
    numbers = Array([1, 2, 3], [NONE, IGNORE_ROW, NONE])
    names = Array([b"Widenius", b"Axmark", b"N.N."], [IGNORE_ROW, NONE, NONE])
    with Statement(mysql, "INSERT INTO t1 VALUES (?, ?)") as statement:
        statement.ok(execute(statement, 3, numbers, names))
        assert statement.affected_rows == 1
    assert rows(mysql, "SELECT * FROM t1") == [(b"3", b"N.N.")]


def test_strings_are_converted_to_the_columns_character_set(
    connector: Connect, transport: str
) -> None:
    """test_char_conv1, test_char_conv2: in an array of one, and without one."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "SET NAMES utf8mb4",
        "CREATE TEMPORARY TABLE t1 (a VARCHAR(20)) CHARSET latin1",
    )
    word = "ÂÃÄ".encode()
    with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
        statement.run(Bind("STRING", word))
        statement.ok(execute(statement, 1, Array([word], zeros=True)))
    assert rows(mysql, "SELECT a, HEX(a) FROM t1") == [(word, b"C2C3C4")] * 2


def test_without_parameters_there_is_no_array(
    connector: Connect, transport: str
) -> None:
    """bulk7: executing fails before anything is sent."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT)", "INSERT INTO t1 VALUES (1)")
    with Statement(mysql, "UPDATE t1 SET a = a + 1") as statement:
        statement.ok(statement.set_attribute("ARRAY_SIZE", "unsigned int", 5))
        assert statement.execute() != 0
        assert statement.errno == lib.CR_BULK_WITHOUT_PARAMETERS
    assert rows(mysql, "SELECT a FROM t1") == [(b"1",)]


def test_a_failing_row_leaves_none(connector: Connect, transport: str) -> None:
    """What bulk1 leaves out: an array is one statement, and can be sent again."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT PRIMARY KEY) ENGINE = InnoDB")
    with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
        assert execute(statement, 4, Array([1, 2, 2, 3])) != 0
        assert statement.errno == lib.ER_DUP_ENTRY
        assert statement.affected_rows == -1
        assert rows(mysql, "SELECT a FROM t1") == []
        statement.ok(execute(statement, 3, Array([1, 2, 3])))
        assert statement.affected_rows == 3


@pytest.mark.parametrize("store", [False, True])
def test_inserted_rows_are_returned(
    connector: Connect, transport: str, store: bool
) -> None:
    """ps_bugs.c, test_returning, which is skipped there: of one row and an array."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1"
        " (a INT NOT NULL AUTO_INCREMENT PRIMARY KEY, b VARCHAR(9) DEFAULT 'none')",
    )
    columns = (Bind("LONG"), Bind("STRING"))
    sql = "INSERT INTO t1 (b) VALUES (?) RETURNING a, b"
    with Statement(mysql, sql) as statement:
        statement.run(Bind("STRING", b"one"))
        assert statement.rows(*columns) == [(1, b"one")]
        words = Array([b"two", b"", b"four"], [NONE, DEFAULT, NONE])
        statement.ok(execute(statement, 3, words))
        if store:
            statement.ok(statement.store_result())
        found = statement.rows(*columns)
        assert found == [(2, b"two"), (3, b"none"), (4, b"four")]
        assert statement.num_rows == 3


def test_a_failing_insert_returns_no_rows(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_returning: the error comes with the execution or the rows."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a INT AUTO_INCREMENT PRIMARY KEY, b JSON)",
    )
    sql = "INSERT INTO t1 (b) VALUES ('[incorrect json]') RETURNING a"
    with Statement(mysql, sql) as statement:
        assert statement.execute() or statement.fetch() not in (0, lib.MYSQL_NO_DATA)
        assert lib.mysql_errno(mysql) == lib.ER_CONSTRAINT_FAILED
    assert rows(mysql, "SELECT a FROM t1") == []
