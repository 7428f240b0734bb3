"""Values of every type, and a server to have them from, in both protocols.

Through the C API alone: rows and fields of the library are given to ``_wire`` as they
are.
"""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from capi_support import error, stmt_error, unpack

from mariadb_nb import _wire
from mariadb_nb.capi import ffi, lib
from mariadb_nb.columns import BINARY, DATETIME, NUMBER, STRING, Column, describe
from mariadb_nb.rows import make_reading

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

D = decimal.Decimal
IN_2024 = datetime.datetime(2024, 2, 29, 1, 2, 3, 4)
LONGEST = datetime.timedelta(hours=838, minutes=59, seconds=59, microseconds=999999)

#: A column's type, the SQL of a value, what it is in Python, and the kind of type.
VALUES: Final[list[tuple[str, str, Any, Any]]] = [
    ("TINYINT", "-128", -128, NUMBER),
    ("TINYINT UNSIGNED", "255", 255, NUMBER),
    ("BOOL", "TRUE", 1, NUMBER),
    ("SMALLINT", "-32768", -32768, NUMBER),
    ("MEDIUMINT", "-8388608", -8388608, NUMBER),
    ("INT", "-2147483648", -(2**31), NUMBER),
    ("INT(200) ZEROFILL", "42", 42, NUMBER),
    ("BIGINT", "-9223372036854775808", -(2**63), NUMBER),
    ("BIGINT", "9223372036854775807", 2**63 - 1, NUMBER),
    ("BIGINT UNSIGNED", "18446744073709551615", 2**64 - 1, NUMBER),
    ("YEAR", "2155", 2155, NUMBER),
    ("YEAR", "0", 0, NUMBER),
    ("FLOAT", "0.1", 0.1, NUMBER),
    ("FLOAT", "-3.40282e38", -3.40282e38, NUMBER),
    # Of a FLOAT the server writes six digits, however many there are.
    ("FLOAT", "16777217", 16777200.0, NUMBER),
    ("DOUBLE", "0.1e0 + 0.2e0", 0.1 + 0.2, NUMBER),
    ("DOUBLE", "1.7976931348623157e308", 1.7976931348623157e308, NUMBER),
    ("DOUBLE", "2.2250738585072014e-308", 2.2250738585072014e-308, NUMBER),
    ("DOUBLE", "9007199254740993", 9007199254740992.0, NUMBER),
    ("DOUBLE(200,30) ZEROFILL", "1.5", 1.5, NUMBER),
    ("DECIMAL(12,2)", "-1.5", D("-1.50"), NUMBER),
    ("DECIMAL(65,0)", "9" * 65, D("9" * 65), NUMBER),
    ("DECIMAL(38,38)", "1e-38", D("1e-38"), NUMBER),
    ("DECIMAL(30,2) ZEROFILL", "3", D("3.00"), NUMBER),
    ("DATE", "'1000-01-01'", datetime.date(1000, 1, 1), DATETIME),
    ("DATE", "'9999-12-31'", datetime.date(9999, 12, 31), DATETIME),
    ("DATE", "'0000-00-00'", None, DATETIME),
    ("DATE", "'2023-02-30'", None, DATETIME),
    ("DATETIME", "'2024-02-29 01:02:03'", IN_2024.replace(microsecond=0), DATETIME),
    ("DATETIME(6)", "'2024-02-29 01:02:03.000004'", IN_2024, DATETIME),
    ("DATETIME(3)", "'2024-02-29 01:02:03.4'", IN_2024.replace(microsecond=400_000),
     DATETIME),
    ("DATETIME", "'0000-00-00'", None, DATETIME),
    ("TIMESTAMP(6)", "'2024-02-29 01:02:03.000004'", IN_2024, DATETIME),
    ("TIMESTAMP", "0", None, DATETIME),
    ("TIME(6)", "'-838:59:59.999999'", -LONGEST, DATETIME),
    ("TIME", "'-00:00:01'", -datetime.timedelta(seconds=1), DATETIME),
    ("TIME(1)", "'100:00:00.5'", datetime.timedelta(hours=100, seconds=0.5), DATETIME),
    ("CHAR(5)", "'ab '", "ab", STRING),
    ("VARCHAR(20)", "'gr\u00fc\u00df \U0001f600'", "gr\u00fc\u00df \U0001f600", STRING),
    ("VARCHAR(20)", "''", "", STRING),
    ("VARCHAR(20) CHARACTER SET latin1", "'\u00fc\u20ac'", "\u00fc\u20ac", STRING),
    ("VARCHAR(20) CHARACTER SET utf16", "'\u00fc'", "\u00fc", STRING),
    ("VARCHAR(20) COLLATE utf8mb4_uca1400_ai_ci", "'\u00fc'", "\u00fc", STRING),
    ("TINYTEXT", "'x'", "x", STRING),
    ("TEXT", "'\u00fc'", "\u00fc", STRING),
    ("MEDIUMTEXT", "'x'", "x", STRING),
    ("LONGTEXT", "REPEAT('\u00fc', 100000)", "\u00fc" * 100_000, STRING),
    ("ENUM('a','\u00fc')", "'\u00fc'", "\u00fc", STRING),
    ("SET('a','\u00fc','c')", "'c,\u00fc'", "\u00fc,c", STRING),
    ("BINARY(4)", "'ab'", b"ab\0\0", BINARY),
    ("VARBINARY(5)", "x'00ff'", b"\0\xff", BINARY),
    ("TINYBLOB", "x'00ff'", b"\0\xff", BINARY),
    ("BLOB", "x'00ff'", b"\0\xff", BINARY),
    ("MEDIUMBLOB", "x'00ff'", b"\0\xff", BINARY),
    ("LONGBLOB", "''", b"", BINARY),
    ("BIT(1)", "b'1'", b"\1", BINARY),
    ("BIT(64)", "x'0123456789abcdef'", bytes.fromhex("0123456789abcdef"), BINARY),
    ("JSON", "'{\"a\": [1, 1.5, null, \"\u00fc\"]}'", {"a": [1, 1.5, None, "\u00fc"]},
     STRING),
    ("UUID", "'00112233-4455-6677-8899-aabbccddeeff'",
     uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), STRING),
    ("INET4", "'192.168.0.1'", ipaddress.IPv4Address("192.168.0.1"), STRING),
    ("INET6", "'fe80::1'", ipaddress.IPv6Address("fe80::1"), STRING),
    ("INET6", "'::ffff:1.2.3.4'", ipaddress.IPv6Address("::ffff:1.2.3.4"), STRING),
]  # fmt: skip

SPATIAL = [
    *("POINT", "LINESTRING", "POLYGON", "GEOMETRYCOLLECTION"),
    *("MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRY"),
]


class Server:
    """A connection, and results of it through ``_wire``."""

    def __init__(self, mysql: CData) -> None:
        self.mysql = mysql
        self.run("SET NAMES utf8mb4")
        self.run("SET sql_mode = 'ALLOW_INVALID_DATES'")

    def run(self, sql: str) -> None:
        text = sql.encode()
        assert lib.mysql_real_query(self.mysql, text, len(text)) == 0, error(self.mysql)

    def rows(self, sql: str, **options: Any) -> list[Any]:
        """The rows of a query."""
        return self.result(sql, **options)[0]

    def result(self, sql: str, **options: Any) -> tuple[list[Any], tuple[Column, ...]]:
        """The rows of a query and its columns."""
        self.run(sql)
        stored = lib.mysql_store_result(self.mysql)
        assert stored != ffi.NULL, error(self.mysql)
        try:
            count = lib.mysql_num_fields(stored)
            address = int(ffi.cast("uintptr_t", lib.mysql_fetch_fields(stored)))
            values = []
            while (row := lib.mysql_fetch_row(stored)) != ffi.NULL:
                values.append(unpack(stored, row))
            reading = make_reading(**options)
            rows = _wire.decode((address, count), values, reading)
            return rows, describe(_wire.describe((address, count)))
        finally:
            lib.mysql_free_result(stored)

    def prepared(self, sql: str, how: str = "read", **options: Any) -> list[Any]:
        """The rows of a query as a prepared statement has them.

        Args:
            sql: the query.
            how: where the rows are when they are decoded: "read" from the network,
                "kept" by ``mysql_stmt_store_result``, or fetched with a "cursor".
            options: of ``make_reading``.
        """
        reading = make_reading(**options)
        found = []
        with self.executed(sql, how) as stmt:
            while (status := lib.mysql_stmt_fetch(stmt)) == 0:
                found += _wire.decode_fetched(address_of(stmt), reading)
            assert status == lib.MYSQL_NO_DATA, stmt_error(stmt)
        return found

    @contextmanager
    def executed(self, sql: str, how: str = "read") -> Iterator[CData]:
        """A statement whose rows are to be fetched."""
        stmt = lib.mysql_stmt_init(self.mysql)
        text = sql.encode()
        try:
            assert lib.mysql_stmt_prepare(stmt, text, len(text)) == 0, stmt_error(stmt)
            if how == "cursor":
                kind = ffi.new("unsigned long *", lib.CURSOR_TYPE_READ_ONLY)
                rows = ffi.new("unsigned long *", 3)
                lib.mysql_stmt_attr_set(stmt, lib.STMT_ATTR_CURSOR_TYPE, kind)
                lib.mysql_stmt_attr_set(stmt, lib.STMT_ATTR_PREFETCH_ROWS, rows)
            assert lib.mysql_stmt_execute(stmt) == 0, stmt_error(stmt)
            if how == "kept":
                assert lib.mysql_stmt_store_result(stmt) == 0, stmt_error(stmt)
            yield stmt
        finally:
            lib.mysql_stmt_close(stmt)


def address_of(pointer: CData) -> int:
    return int(ffi.cast("uintptr_t", pointer))


def exactly(values: Any) -> list[tuple[type, str]]:
    """Values to be compared with their types, digits and signs."""
    return [(type(value), repr(value)) for value in values]
