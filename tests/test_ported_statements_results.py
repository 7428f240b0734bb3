"""Connector/C's own tests of statements, written anew: results and their description.

Stored rows and going back in them, columns fetched once more, and what is told of
columns before and after an execution. Cursors are in a file of their own. Origins as in
test_ported_statements.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from binding import Bind, Statement, execute_all
from capi_support import Connect, drive, error, query

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])

NUMBERS = "SELECT seq FROM seq_1_to_5"


def text(field_member: CData) -> str:
    decoded: str = ffi.string(field_member).decode()
    return decoded


def stored(mysql: CData, sql: str) -> CData:
    """The result of a query, stored through its pair; the caller frees it."""
    assert query(mysql, sql) == 0, error(mysql)
    result = drive(
        "MYSQL_RES **",
        lib.mysql_store_result_start,
        lib.mysql_store_result_cont,
        mysql,
    )
    assert result != ffi.NULL, error(mysql)
    return cast("CData", result)


# Rows


def test_stored_rows_can_be_fetched_again(connector: Connect, transport: str) -> None:
    """ps.c, test_rewind: from any row on, after the last one too."""
    number = Bind("LONG")
    with Statement(connector(transport), NUMBERS) as statement:
        statement.run()
        statement.ok(statement.store_result())
        assert statement.num_rows == 5
        assert statement.rows(number) == [(1,), (2,), (3,), (4,), (5,)]
        for offset in (0, 3, 4, 0):
            lib.mysql_stmt_data_seek(statement.handle, offset)
            rest = [(value,) for value in range(offset + 1, 6)]
            assert statement.rows(number) == rest
        lib.mysql_stmt_data_seek(statement.handle, 5)
        assert statement.fetch() == lib.MYSQL_NO_DATA


def test_a_place_in_stored_rows_is_remembered(
    connector: Connect, transport: str
) -> None:
    """mysql_stmt_row_tell and mysql_stmt_row_seek, which no original calls.

    Once the end was told, only mysql_stmt_data_seek leads back.
    """
    number = Bind("LONG")
    with Statement(connector(transport), NUMBERS) as statement:
        statement.run()
        statement.ok(statement.store_result())
        statement.ok(statement.bind_result(number))
        statement.ok(statement.fetch())
        second = lib.mysql_stmt_row_tell(statement.handle)
        statement.ok(statement.fetch())
        statement.ok(statement.fetch())
        fourth = lib.mysql_stmt_row_tell(statement.handle)
        assert lib.mysql_stmt_row_seek(statement.handle, second) == fourth
        statement.ok(statement.fetch())
        assert number.value == 2
        lib.mysql_stmt_row_seek(statement.handle, fourth)
        assert statement.rows(number) == [(4,), (5,)]
        assert lib.mysql_stmt_row_tell(statement.handle) == ffi.NULL
        assert lib.mysql_stmt_row_seek(statement.handle, second) == ffi.NULL
        assert statement.fetch() == lib.MYSQL_NO_DATA
        lib.mysql_stmt_data_seek(statement.handle, 1)
        assert lib.mysql_stmt_row_tell(statement.handle) == second
        assert statement.rows(number) == [(2,), (3,), (4,), (5,)]


def test_unstored_rows_are_counted_as_they_come(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_conc344: each execution counts anew."""
    with Statement(connector(transport), NUMBERS) as statement:
        assert len(statement.run().rows(Bind("LONG"))) == 5
        assert statement.num_rows == 5
        statement.run()
        statement.ok(statement.fetch())
        assert statement.num_rows == 1


@pytest.mark.parametrize("rows", [0, 1, 1000])
@pytest.mark.parametrize("free", [False, True])
def test_results_are_stored_again_and_again(
    connector: Connect, transport: str, rows: int, free: bool
) -> None:
    """ps_bugs.c: test_conc154, test_bug6046; ps.c, test_conc60: freed or not."""
    sql = "SELECT seq FROM seq_1_to_1000 LIMIT ?"
    with Statement(connector(transport), sql) as statement:
        for _ in range(3):
            statement.run(Bind("LONG", rows))
            statement.ok(statement.store_result())
            assert statement.num_rows == rows
            if free:
                statement.ok(statement.free_result())


def test_unread_rows_are_dropped_by_the_next_execution(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug6046; ps.c, test_select_show_table: read in part or not."""
    with Statement(connector(transport), NUMBERS) as statement:
        statement.run().run()
        statement.ok(statement.fetch())
        assert statement.run().rows(Bind("LONG")) == [(1,), (2,), (3,), (4,), (5,)]


def test_buffers_stay_bound_for_the_next_execution(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug3117: bound once, fetched stored and unstored."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (id INT AUTO_INCREMENT PRIMARY KEY)")
    number = Bind("LONGLONG")
    with Statement(mysql, "SELECT LAST_INSERT_ID()") as statement:
        for expected, store in enumerate((True, False, True), 1):
            execute_all(mysql, "INSERT INTO t1 VALUES (NULL)")
            statement.run()
            if expected == 1:
                statement.ok(statement.bind_result(number))
            if store:
                statement.ok(statement.store_result())
            statement.ok(statement.fetch())
            assert statement.fetch() == lib.MYSQL_NO_DATA
            assert number.value == expected


def test_a_column_can_be_fetched_once_more_in_pieces(
    connector: Connect, transport: str
) -> None:
    """ps.c, test_long_data_str1: what did not fit the bound buffer."""
    value = b"MySQL AB" * 3
    cut = Bind("BLOB", capacity=16)
    sql = "SELECT REPEAT('MySQL AB', 3), 7"
    with Statement(connector(transport), sql) as statement:
        statement.run()
        statement.ok(statement.bind_result(cut, Bind("LONG")))
        assert statement.fetch() == lib.MYSQL_DATA_TRUNCATED
        assert (cut.value, cut.length, cut.cut_off) == (value[:16], len(value), True)
        pieces = []
        for offset in range(0, len(value), 10):
            piece = Bind("BLOB", capacity=10)
            statement.ok(fetch_column(statement, piece, 0, offset))
            assert piece.length == len(value)
            pieces.append(piece.raw[: len(value) - offset])
        assert b"".join(pieces) == value
        number = Bind("STRING")
        statement.ok(fetch_column(statement, number, 1, 0))
        assert number.value == b"7"
        assert fetch_column(statement, number, 2, 0) == 1
        assert statement.errno == lib.CR_NO_DATA


def fetch_column(statement: Statement, bind: Bind, column: int, offset: int) -> int:
    array = ffi.new("MYSQL_BIND *")
    bind.fill(array)
    return int(
        lib.mysql_stmt_fetch_column(statement.handle, array, column, offset),
    )


def test_a_thousand_columns(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_mem_overun: prepared, described, stored and fetched."""
    count = 1000
    sql = "SELECT " + ", ".join(str(index) for index in range(count))
    columns = [Bind("LONG") for _ in range(count)]
    with Statement(connector(transport), sql) as statement:
        statement.run()
        assert statement.field_count == count
        statement.ok(statement.store_result())
        assert statement.rows(*columns) == [tuple(range(count))]


# The description of columns


def test_columns_are_described_before_the_execution(
    connector: Connect, transport: str
) -> None:
    """ps.c: test_prepare_field_result, test_prepare_resultset; ps_bugs.c: test_conc_5.

    Names, tables, types and lengths.
    """
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE OR REPLACE TABLE ps_described (int_c INT, var_c VARCHAR(50),"
        " ts_c TIMESTAMP, char_c CHAR(4), date_c DATE, extra TINYINT)",
        "SET NAMES latin1",
    )
    sql = (
        "SELECT int_c, var_c, date_c AS date, ts_c, char_c"
        " FROM ps_described AS t1 WHERE int_c = ?"
    )
    expected = [
        ("int_c", "int_c", lib.MYSQL_TYPE_LONG, 11),
        ("var_c", "var_c", lib.MYSQL_TYPE_VAR_STRING, 50),
        ("date", "date_c", lib.MYSQL_TYPE_DATE, 10),
        ("ts_c", "ts_c", lib.MYSQL_TYPE_TIMESTAMP, 19),
        ("char_c", "char_c", lib.MYSQL_TYPE_STRING, 4),
    ]
    with Statement(mysql, sql) as statement:
        result = lib.mysql_stmt_result_metadata(statement.handle)
        assert lib.mysql_num_fields(result) == statement.field_count == 5
        fields = lib.mysql_fetch_fields(result)
        for index, (name, org_name, type_, length) in enumerate(expected):
            field = fields[index]
            assert (text(field.name), text(field.org_name)) == (name, org_name)
            assert (field.type, field.length) == (type_, length)
            assert (text(field.table), text(field.org_table)) == ("t1", "ps_described")
            assert (text(field.db), text(field.catalog)) == ("test", "def")
            assert field.name_length == len(name)
        lib.mysql_free_result(result)
    execute_all(mysql, "DROP TABLE ps_described")


def test_columns_without_a_table_are_described(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_field_misc."""
    for variable in ("autocommit", "max_error_count", "max_allowed_packet"):
        with Statement(connector(transport), f"SELECT @@{variable}") as statement:
            [field] = statement.fields
            assert text(field.name) == f"@@{variable}"
            assert text(field.org_name) == text(field.table) == text(field.db) == ""
            assert field.type in (lib.MYSQL_TYPE_LONGLONG, lib.MYSQL_TYPE_LONG)
            assert len(statement.run().rows(Bind("LONGLONG"))) == 1


def test_the_columns_of_show_and_explain_are_described(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c: test_conc334, test_explain_bug; ps.c, test_select_show."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (id INT NOT NULL PRIMARY KEY, name CHAR(2))",
    )
    expected = {
        "SHOW ENGINES": 6,
        "SHOW COLUMNS FROM t1": 6,
        "SHOW KEYS FROM t1": 13,
        "DESCRIBE t1": 6,
        "EXPLAIN t1": 6,
        "EXPLAIN SELECT id, name FROM t1": 10,
    }
    for sql, at_least in expected.items():
        with Statement(mysql, sql) as statement:
            statement.run()
            assert statement.field_count >= at_least
            assert all(field.name_length for field in statement.fields)
            columns = [Bind("STRING", capacity=400) for _ in statement.fields]
            assert statement.rows(*columns)


def test_lengths_of_columns_are_those_of_the_connections_character_set(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug15613: text columns in characters, not in their own bytes."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "SET NAMES latin1",
        "CREATE TEMPORARY TABLE t1 (t TEXT CHARACTER SET utf8,"
        " tt TINYTEXT CHARACTER SET utf8, mt MEDIUMTEXT CHARACTER SET utf8,"
        " lt LONGTEXT CHARACTER SET utf8, vl VARCHAR(255) CHARACTER SET latin1,"
        " vb VARBINARY(255), vu VARCHAR(255) CHARACTER SET utf8)",
    )
    with Statement(mysql, "SELECT * FROM t1") as statement:
        lengths = [field.length for field in statement.fields]
        assert lengths == [65535, 255, 2**24 - 1, 2**32 - 1, 255, 255, 255]


COLUMNS = (
    "a YEAR, b TINYINT UNSIGNED, c SMALLINT UNSIGNED, d MEDIUMINT UNSIGNED,"
    " e INT UNSIGNED, f BIGINT UNSIGNED, g INT, h TEXT, i INT(20) ZEROFILL, j TIME,"
    " k DATE, l DATETIME"
)
VALUES = (
    "2020, 127, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, -20000,"
    " 'MySQL AB', 2, '10:11:12', '2020-01-02', '2020-01-02 10:11:12'"
)


def test_the_longest_values_are_told_when_asked_for(
    connector: Connect, transport: str
) -> None:
    """STMT_ATTR_UPDATE_MAX_LENGTH: no text of a value is longer, if many are shorter.

    ps.c: test_conc565, test_long_data_str1; ps_bugs.c: test_bug6096, test_mdev14165.
    """
    mysql = connector(transport)
    execute_all(
        mysql,
        f"CREATE TEMPORARY TABLE t1 ({COLUMNS})",
        f"INSERT INTO t1 VALUES ({VALUES}), (1999, 0, 0, 0, 0, 0, 0, '', 1, 0, 0, 0)",
    )
    sql = "SELECT * FROM t1 WHERE g < 0"
    result = stored(mysql, sql)
    of_text = lib.mysql_fetch_fields(result)
    with Statement(mysql, sql) as statement:
        statement.run()
        statement.ok(statement.store_result())
        assert {field.max_length for field in statement.fields} == {0}
        statement.ok(statement.set_attribute("UPDATE_MAX_LENGTH", "my_bool", 1))
        statement.run()
        statement.ok(statement.store_result())
        for index, field in enumerate(statement.fields):
            assert field.length == of_text[index].length
            assert field.max_length >= of_text[index].max_length, text(field.name)
            if field.flags & lib.UNSIGNED_FLAG:
                assert field.max_length == of_text[index].max_length
        # One more, as numbers and moments are only written with a zero behind.
        lengths = [field.max_length + 1 for field in statement.fields]
        columns = [Bind("STRING", capacity=length) for length in lengths]
        [row] = statement.rows(*columns)
        assert row[:3] == (b"2020", b"127", b"65535")
    lib.mysql_free_result(result)


def test_a_view_is_described_as_the_table(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_bug8722; cursor.c, test_bug32265: not as what is behind it."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE OR REPLACE TABLE ps_behind (a INT)",
        "CREATE OR REPLACE VIEW ps_view AS SELECT * FROM ps_behind",
    )
    expected = {
        "SELECT * FROM ps_behind": ("ps_behind", "ps_behind"),
        "SELECT a '' FROM ps_behind ``": ("", "ps_behind"),
        "SELECT * FROM ps_view": ("ps_view", "ps_view"),
        "SELECT * FROM ps_view GROUP BY 1": ("ps_view", "ps_view"),
    }
    for sql, tables in expected.items():
        with Statement(mysql, sql) as statement:
            statement.run()
            [field] = statement.fields
            assert (text(field.table), text(field.org_table)) == tables
            assert text(field.db) == "test"
    execute_all(mysql, "DROP VIEW ps_view", "DROP TABLE ps_behind")


def test_flags_tell_signs_keys_and_bytes(connector: Connect, transport: str) -> None:
    """Of the members of MYSQL_FIELD that no original reads: flags and charsetnr."""
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (a INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
        " b VARBINARY(5), c DECIMAL(7, 3), d TEXT)",
    )
    with Statement(mysql, "SELECT * FROM t1") as statement:
        key, binary, decimal, blob = statement.fields
        for flag in ("NOT_NULL", "PRI_KEY", "UNSIGNED", "AUTO_INCREMENT"):
            assert key.flags & getattr(lib, f"{flag}_FLAG")
        assert binary.flags & lib.BINARY_FLAG
        assert binary.charsetnr == 63
        assert (decimal.decimals, decimal.type) == (3, lib.MYSQL_TYPE_NEWDECIMAL)
        assert blob.flags & lib.BLOB_FLAG
        assert blob.charsetnr not in (0, 63)
