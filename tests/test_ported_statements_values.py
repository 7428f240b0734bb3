"""Connector/C's own tests of statements, written anew: numbers, strings and NULL.

Values on their way to the server as parameters and back as columns, in every type of
buffer, and what becomes of those that do not fit theirs. Moments are in a file of their
own. Origins as in test_ported_statements.py.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple, cast

import pytest
from binding import Bind, Statement, Value, execute_all
from capi_support import Connect, rows

from mariadb_nb.capi import ffi, lib

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])

TRUNCATED = lib.MYSQL_DATA_TRUNCATED


class Column(NamedTuple):
    """A type of column, how it is bound, and values that it keeps exactly."""

    type: str
    bind: str
    values: list[Value]
    unsigned: bool = False
    parameter: str = ""  # the type of the buffer that is sent, if it is another


def single(value: float) -> float:
    """The nearest number that a FLOAT can hold."""
    nearest: float = struct.unpack("f", struct.pack("f", value))[0]
    return nearest


BYTES: list[Value] = [b"", b"a\\'\"\0\xff", bytes(range(256))]
TEXTS: list[Value] = [b"", b"MariaDB", "äöü€𝄞".encode()]
COLUMNS = [
    Column("TINYINT", "TINY", [-128, 0, 127]),
    Column("TINYINT UNSIGNED", "TINY", [0, 255], unsigned=True),
    Column("BOOL", "TINY", [0, 1]),
    Column("SMALLINT", "SHORT", [-(2**15), 0, 2**15 - 1]),
    Column("SMALLINT UNSIGNED", "SHORT", [0, 2**16 - 1], unsigned=True),
    Column("YEAR", "SHORT", [1901, 2155]),
    Column("YEAR", "YEAR", [1901, 2155], parameter="SHORT"),
    Column("MEDIUMINT", "INT24", [-(2**23), 0, 2**23 - 1], parameter="LONG"),
    Column("MEDIUMINT", "LONG", [-(2**23), 0, 2**23 - 1]),
    Column("MEDIUMINT UNSIGNED", "LONG", [0, 2**24 - 1], unsigned=True),
    Column("INT", "LONG", [-(2**31), 0, 2**31 - 1]),
    Column("INT UNSIGNED", "LONG", [0, 2**32 - 1], unsigned=True),
    Column("BIGINT", "LONGLONG", [-(2**63), 0, 2**63 - 1]),
    Column("BIGINT UNSIGNED", "LONGLONG", [0, 2**64 - 1], unsigned=True),
    Column("FLOAT", "FLOAT", [0.0, -1.5, single(3.4e38), single(0.1)]),
    Column("DOUBLE", "DOUBLE", [0.0, -1.5, 1.7976931348623157e308, 0.1, 5e-324]),
    Column("DECIMAL(20, 4)", "NEWDECIMAL", [b"0.0000", b"-1234567890123456.7891"]),
    Column("DECIMAL(20, 4)", "DECIMAL", [b"0.0000", b"99.9900"]),
    Column("BIT(1)", "BIT", [b"\x00", b"\x01"], parameter="STRING"),
    Column(
        "BIT(64)", "BIT", [b"\x80\0\0\0\0\0\0\x01", b"\xff" * 8], parameter="STRING"
    ),
    Column("CHAR(10)", "STRING", TEXTS),
    Column("VARCHAR(30)", "VAR_STRING", TEXTS),
    Column("VARBINARY(256)", "STRING", BYTES),
    Column("TINYTEXT", "STRING", TEXTS),
    Column("TEXT", "BLOB", TEXTS),
    Column("MEDIUMTEXT", "STRING", TEXTS),
    Column("LONGTEXT", "STRING", TEXTS),
    Column("JSON", "STRING", [b'{"a": [1, "\xc3\xa4"]}']),
    Column("JSON", "JSON", [b'{"a": [1, "\xc3\xa4"]}'], parameter="STRING"),
    Column(
        "POINT",
        "GEOMETRY",
        [struct.pack("<IbIdd", 0, 1, 1, 1.5, -2.5)],
        parameter="STRING",
    ),
    Column("TINYBLOB", "TINY_BLOB", [b"", b"\0" * 255]),
    Column("BLOB", "BLOB", BYTES),
    Column("MEDIUMBLOB", "MEDIUM_BLOB", BYTES),
    Column("LONGBLOB", "LONG_BLOB", [*BYTES, b"x" * 100_000]),
    Column("ENUM('one', 'two')", "STRING", [b"one", b"two"]),
    Column("SET('a', 'b')", "STRING", [b"", b"a", b"a,b"]),
]
CAPACITY = 100_000


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: f"{column[:2]}")
def test_every_type_goes_there_and_back(
    connector: Connect, transport: str, column: Column
) -> None:
    """All values of a column and NULL, sent and fetched in buffers of one type.

    ps.c: test_prepare, test_prepare_ext, test_bind_result_ext, test_bind_negative,
    test_blob_9000; ps_bugs.c: test_bug3035, test_bug5126, test_conc167.
    """
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1"
        f" (id INT AUTO_INCREMENT PRIMARY KEY, value {column.type}) CHARSET utf8mb4",
        "SET NAMES utf8mb4",
    )
    values: list[Value] = [*column.values, None]
    with Statement(mysql, "INSERT INTO t1 (value) VALUES (?)") as statement:
        sent_as = column.parameter or column.bind
        parameter = Bind(sent_as, unsigned=column.unsigned, capacity=CAPACITY)
        statement.ok(statement.bind_param(parameter))
        for value in values:
            parameter.value = value
            statement.ok(statement.execute())
    fetched = Bind(column.bind, unsigned=column.unsigned, capacity=CAPACITY)
    with Statement(mysql, "SELECT value FROM t1 ORDER BY id") as statement:
        assert statement.run().rows(fetched) == [(value,) for value in values]


def test_lengths_are_told_for_numbers_too(connector: Connect, transport: str) -> None:
    """ps.c: test_prepare, test_bind_result; ps_bugs.c: test_conc205: as of the buffer.

    Text and binary protocol agree on what was stored.
    """
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (c1 TINYINT, c2 VARCHAR(15), c3 INT, c4 SMALLINT,"
        " c5 BIGINT, c6 FLOAT, c7 DOUBLE)",
    )
    names = ("TINY", "STRING", "LONG", "SHORT", "LONGLONG", "FLOAT", "DOUBLE")
    binds = [Bind(name, capacity=15) for name in names]
    sent = [
        (n, b"MySQL%d" % n, 320 + 25 * n, 1867 + n, 1000 + n, 2.0 + n, 6578.25 + n)
        for n in range(100)
    ]
    with Statement(mysql, "INSERT INTO t1 VALUES (?, ?, ?, ?, ?, ?, ?)") as statement:
        statement.ok(statement.bind_param(*binds))
        for row in sent:
            for bind, value in zip(binds, row, strict=True):
                bind.value = cast("Value", value)
            statement.ok(statement.execute())
    with Statement(mysql, "SELECT * FROM t1") as statement:
        assert statement.run().rows(*binds) == sent
        assert [bind.length for bind in binds] == [1, 7, 4, 2, 8, 4, 8]
    text = rows(mysql, "SELECT c1, c2, c3, c4, c5, c6, c7 FROM t1 WHERE c1 = 3")
    assert text == [(b"3", b"MySQL3", b"395", b"1870", b"1003", b"5", b"6581.25")]


def test_columns_are_converted_to_the_type_of_the_buffer(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_bind_result_ext1: numbers to strings and back, and cut to integers."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (c1 TINYINT, c2 SMALLINT, c3 INT, c4 BIGINT,"
        " c5 FLOAT, c6 DOUBLE, c7 VARBINARY(10), c8 VARCHAR(10))",
        "INSERT INTO t1 VALUES (120, 2999, 3999, 54, 2.6, 58.89, '206', '6.7')",
    )
    names = ("STRING", "FLOAT", "SHORT", "TINY", "LONG", "STRING", "LONG", "DOUBLE")
    columns = [Bind(name) for name in names]
    with Statement(mysql, "SELECT * FROM t1") as statement:
        statement.run()
        statement.ok(statement.bind_result(*columns))
        assert statement.fetch() in (0, TRUNCATED)
        found = [column.value for column in columns]
        assert found == [b"120", 2999.0, 3999, 54, 2, b"58.89", 206, 6.7]
        assert [column.length for column in columns] == [3, 4, 2, 1, 4, 5, 4, 8]
        assert [i for i, column in enumerate(columns) if column.cut_off] == []
        assert statement.fetch() == lib.MYSQL_NO_DATA


@pytest.mark.parametrize(
    ("type_", "value", "bind", "unsigned", "expected", "cut_off"),
    [
        ("SMALLINT UNSIGNED", 35999, "SHORT", True, 35999, False),
        ("SMALLINT UNSIGNED", 35999, "SHORT", False, 35999 - 65536, True),
        ("SMALLINT UNSIGNED", 35999, "LONG", False, 35999, False),
        ("SMALLINT UNSIGNED", 35999, "LONGLONG", False, 35999, False),
        ("SMALLINT UNSIGNED", 200, "TINY", True, 200, False),
        ("SMALLINT", -5999, "LONG", False, -5999, False),
        ("SMALLINT", -5999, "LONG", True, 2**32 - 5999, True),
        ("SMALLINT", -5999, "TINY", False, -111, True),
        ("TINYINT", -128, "SHORT", False, -128, False),
        ("TINYINT", -127, "LONG", False, -127, False),
        ("TINYINT UNSIGNED", 255, "LONGLONG", False, 255, False),
        ("TINYINT UNSIGNED", 0, "TINY", False, 0, False),
        ("BIGINT UNSIGNED", 2**64 - 1, "LONGLONG", False, -1, True),
        ("BIGINT UNSIGNED", 2**64 - 1, "STRING", False, b"%d" % (2**64 - 1), False),
        ("BIGINT", -1, "STRING", False, b"-1", False),
        ("BIGINT UNSIGNED", 0, "DOUBLE", False, 0.0, False),
        ("BIGINT", 2**40, "LONG", False, 0, True),
    ],
)
def test_integers_are_widened_or_cut(
    connector: Connect,
    transport: str,
    type_: str,
    value: int,
    bind: str,
    unsigned: bool,
    expected: Value,
    cut_off: bool,
) -> None:
    """ps_bugs.c: test_ushort_bug, test_sshort_bug, test_stiny_bug, test_bug3035."""
    mysql = connector(transport)
    execute_all(
        mysql,
        f"CREATE TEMPORARY TABLE t1 (a {type_})",
        f"INSERT INTO t1 VALUES ({value})",
    )
    column = Bind(bind, unsigned=unsigned)
    with Statement(mysql, "SELECT a FROM t1") as statement:
        statement.run()
        statement.ok(statement.bind_result(column))
        assert statement.fetch() == (TRUNCATED if cut_off else 0)
        assert (column.value, column.cut_off) == (expected, cut_off)


def test_an_integer_that_a_float_cannot_hold_is_cut_off(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c: test_conc181, test_conc512."""
    column = Bind("FLOAT")
    with Statement(connector(transport), "SELECT 1073741825") as statement:
        statement.run()
        statement.ok(statement.bind_result(column))
        assert statement.fetch() == TRUNCATED
        assert column.cut_off
        assert column.value == 2.0**30


@pytest.mark.parametrize(
    ("text", "expected", "result"),
    [
        ("0", 0, 0),
        (" 1", 1, 0),
        ("123 ", 123, 0),
        ("389789", 389789, 0),
        ("10.2", 10, TRUNCATED),
        ("a", 0, TRUNCATED),
        ("1 2 3", 1, TRUNCATED),
    ],
)
def test_a_string_is_read_as_an_integer(
    connector: Connect, transport: str, text: str, expected: int, result: int
) -> None:
    """ps_bugs.c: test_str_to_int, test_conc208: what is left over is a truncation."""
    column = Bind("LONG")
    with Statement(connector(transport), f"SELECT '{text}'") as statement:
        statement.run()
        statement.ok(statement.store_result())
        statement.ok(statement.bind_result(column))
        assert statement.fetch() == result
        assert column.value == expected


def test_a_string_is_cut_at_the_end_of_its_buffer(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_buffers: each row in a buffer of another size, bound on the way."""
    mysql = connector(transport)
    words = (b"MySQL", b"Database", b"Open-Source", b"Popular")
    sql = " UNION ALL SELECT ".join(f"'{word.decode()}'" for word in words)
    with Statement(mysql, f"SELECT {sql}") as statement:
        statement.run()
        statement.ok(statement.store_result())
        for word, capacity in zip(words, (1, 8, 12, 6), strict=True):
            column = Bind("STRING", capacity=capacity)
            statement.ok(statement.bind_result(column))
            fits = len(word) <= capacity
            assert statement.fetch() == (0 if fits else TRUNCATED)
            assert column.cut_off is not fits
            assert column.value == word[:capacity]
            assert column.length == len(word)


def test_a_string_ends_with_a_zero_where_there_is_room(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c: test_conc155, test_mdev_21920: an empty one too."""
    column, empty = Bind("STRING", capacity=10), Bind("STRING", capacity=3)
    with Statement(connector(transport), "SELECT 'zero', ''") as statement:
        assert statement.run().rows(column, empty) == [(b"zero", b"")]
        assert column.raw == b"zero\0XXXXX"
        assert empty.raw == b"\0XX"


def test_a_column_can_be_left_out(connector: Connect, transport: str) -> None:
    """ps.c, test_notrunc: MADB_BIND_DUMMY; its buffer stays as it was."""
    skipped = Bind("STRING", b"bar", capacity=5, flags=lib.MADB_BIND_DUMMY)
    column = Bind("STRING")
    with Statement(connector(transport), "SELECT '1234567890', 'foo'") as statement:
        statement.run()
        statement.ok(statement.bind_result(skipped, column))
        statement.ok(statement.fetch())
        assert (skipped.raw, column.value) == (b"barXX", b"foo")


@pytest.mark.parametrize("bind", ["BIT", "TINY"])
def test_a_bit_is_a_byte(connector: Connect, transport: str, bind: str) -> None:
    """ps.c, test_bit2tiny; ps_bugs.c, test_conc167: as bytes or as a small number."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a BIT, b BIT)",
        "INSERT INTO t1 VALUES (1, 0)",
    )
    with Statement(mysql, "SELECT a, b FROM t1") as statement:
        found = statement.run().rows(Bind(bind), Bind(bind))
        assert found == ([(b"\1", b"\0")] if bind == "BIT" else [(1, 0)])


def test_null_is_told_by_indicator_or_by_type(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_null; ps_bugs.c: test_bug1644, test_ps_null_param: 4 at a time."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT, b INT, c INT, d INT)")
    with Statement(mysql, "INSERT INTO t1 VALUES (?, ?, ?, ?)") as statement:
        for value in (22, None, 88):
            statement.run(*[Bind("LONG", value) for _ in range(4)])
        statement.run(*[Bind("NULL") for _ in range(4)])
    numbers = [Bind("LONG") for _ in range(4)]
    with Statement(mysql, "SELECT * FROM t1") as statement:
        found = statement.run().rows(*numbers)
        assert found == [(22,) * 4, (None,) * 4, (88,) * 4, (None,) * 4]
    expected = {"SELECT ?": 1, "SELECT ? + 1": 1, "SELECT a FROM t1 WHERE a <=> ?": 2}
    for sql, count in expected.items():
        with Statement(mysql, sql) as statement:
            statement.run(Bind("LONG", None))
            assert statement.rows(Bind("STRING")) == [(None,)] * count


def test_decimals_are_strings(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_decimal_bug: with the column's scale, compared as numbers."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (c1 DECIMAL(10, 2))",
        "INSERT INTO t1 VALUES (8), (10.22), (5.61)",
    )
    with Statement(mysql, "SELECT c1 FROM t1 WHERE c1 = ?") as statement:
        for sent, expected in (
            (b"8.0", [(b"8.00",)]),
            (b"5.61", [(b"5.61",)]),
            (None, []),
            (b"10.22", [(b"10.22",)]),
        ):
            statement.run(Bind("NEWDECIMAL", sent))
            assert statement.rows(Bind("NEWDECIMAL")) == expected


def test_a_float_is_not_the_number_that_was_written(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_double_compare: 10.2 as a string is no FLOAT, 34.5 is a DOUBLE."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a TINYINT, b FLOAT, c DOUBLE)",
        "INSERT INTO t1 VALUES (1, 10.2, 34.5)",
    )
    sql = "UPDATE t1 SET a = 100 WHERE a = ? AND b = ? AND c = ?"
    with Statement(mysql, sql) as statement:
        tiny, double = Bind("TINY", 1), Bind("DOUBLE", 34.5)
        statement.run(tiny, Bind("STRING", b"10.2"), double)
        assert statement.affected_rows == 0
        statement.run(tiny, Bind("FLOAT", 10.2), double)
        assert statement.affected_rows == 1


def test_numbers_become_the_text_of_the_text_protocol(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug4172: float, double and decimal, fetched as strings."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (f FLOAT, d DOUBLE, e DECIMAL(10, 4))",
        "INSERT INTO t1 VALUES (12345.1234, 123456.123456, 123456.1234),"
        " (0.1, 1e100, -0.5), (-1.5e-10, 1e15, 0)",
    )
    sql = "SELECT f, d, e FROM t1"
    with Statement(mysql, sql) as statement:
        columns = [Bind("STRING") for _ in range(3)]
        assert statement.run().rows(*columns) == rows(mysql, sql)


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("DOUBLE ZEROFILL DEFAULT 8.8", b"00000000000000000008.8"),
        ("FLOAT ZEROFILL DEFAULT 8.8", b"0000000008.8"),
        ("INT(8) ZEROFILL DEFAULT 1", b"00000001"),
        ("INT(4) ZEROFILL DEFAULT 1", b"0001"),
        ("INT(20) ZEROFILL DEFAULT 2", b"00000000000000000002"),
    ],
)
def test_zerofill_is_seen_in_strings(
    connector: Connect, transport: str, type_: str, expected: bytes
) -> None:
    """ps_bugs.c: test_conc177, test_mdev14165, test_zerofill_1byte (the last fetch)."""
    mysql = connector(transport)
    execute_all(
        mysql, f"CREATE TEMPORARY TABLE t1 (a {type_})", "INSERT INTO t1 VALUES ()"
    )
    with Statement(mysql, "SELECT a FROM t1") as statement:
        assert statement.run().rows(Bind("STRING")) == [(expected,)]
        statement.run()
        statement.ok(statement.bind_result(Bind("STRING", capacity=1)))
        assert statement.fetch() == TRUNCATED


def test_a_string_parameter_takes_its_length_anew_each_time(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c: test_bug1115, test_bug1180, test_bug3796, test_ps_conj_select.

    ps.c, test_union_param. The same buffer, longer and shorter by turns.
    """
    parameter, column = Bind("STRING", capacity=30), Bind("STRING", capacity=40)
    with Statement(connector(transport), "SELECT CONCAT(?, '!')") as statement:
        statement.ok(statement.bind_param(parameter))
        for text in (b"abc", b"1111", b"", b"concatenated with something", b"abc"):
            parameter.value = text
            assert statement.run().rows(column) == [(text + b"!",)]


@pytest.mark.parametrize("kind", ["VARCHAR", "ENUM", "SET", "TIMESTAMP2"])
def test_a_type_that_no_buffer_may_have_is_refused(
    connector: Connect, transport: str, kind: str
) -> None:
    """ps.c, test_pure_coverage: for parameters and columns, when they are bound."""
    with Statement(connector(transport), "SELECT ?") as statement:
        for bind in (statement.bind_param, statement.bind_result):
            assert bind(Bind(kind)) == 1
            assert statement.errno == lib.CR_UNSUPPORTED_PARAM_TYPE


@pytest.mark.parametrize("kind", ["BIT", "GEOMETRY", "INT24", "NEWDATE"])
def test_a_type_that_only_columns_may_have_is_refused(
    connector: Connect, transport: str, kind: str
) -> None:
    """ps.c, test_pure_coverage: for parameters."""
    with Statement(connector(transport), "SELECT ?") as statement:
        assert statement.bind_param(Bind(kind)) == 1
        assert statement.errno == lib.CR_UNSUPPORTED_PARAM_TYPE
        statement.ok(statement.bind_result(Bind(kind)))


def test_not_a_number_cannot_be_stored(connector: Connect, transport: str) -> None:
    """A double goes as its bytes: the server finds out, and the connection lives on."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a DOUBLE)")
    with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
        statement.ok(statement.bind_param(Bind("DOUBLE", math.inf)))
        assert statement.execute() != 0
        assert statement.errno == lib.ER_WARN_DATA_OUT_OF_RANGE
        statement.run(Bind("DOUBLE", 1.5))
    assert rows(mysql, "SELECT a FROM t1") == [(b"1.5",)]
    assert ffi.string(lib.mysql_error(mysql)) == b""
