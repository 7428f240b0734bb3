"""Both protocols of a real server agree on every value.

A statement answers in text when it is sent and in binary when it was prepared, and
nobody is to notice. Also: what is relied on of the library, that a statement to which
nothing is bound shows where each value of a row lies.
"""

from __future__ import annotations

import datetime
import random

import pytest
from capi_support import Connect, connect
from decode_support import SPATIAL, VALUES, Server, exactly

from mariadb_nb.capi import lib
from mariadb_nb.columns import FieldType
from mariadb_nb.converters import column
from mariadb_nb.errors import DataError
from mariadb_nb.rows import dict_row
from mariadb_nb.server import TemporaryServer

#: Where rows can be when they are decoded.
HOW = ["read", "kept", "cursor"]


@pytest.fixture
def server(connector: Connect) -> Server:
    return Server(connector("unix", nonblock=False))


def make_table(server: Server) -> None:
    columns = ", ".join(f"c{i} {kind} NULL" for i, (kind, *_) in enumerate(VALUES))
    server.run(f"CREATE TEMPORARY TABLE everything ({columns})")
    values = ", ".join(sql for _, sql, *_ in VALUES)
    server.run(f"INSERT INTO everything VALUES ({values})")
    server.run("INSERT INTO everything (c0) VALUES (NULL)")
    for i in range(0, len(VALUES), 2):  # NULLs and values by turns
        server.run(f"INSERT INTO everything (c{i}) VALUES ({VALUES[i][1]})")


@pytest.mark.parametrize("how", HOW)
def test_values_of_every_type(server: Server, how: str) -> None:
    make_table(server)
    text = server.rows("SELECT * FROM everything")
    binary = server.prepared("SELECT * FROM everything", how)
    assert len(binary) == len(text) > 20
    for found, expected in zip(binary, text, strict=True):
        for (kind, *_), *both in zip(VALUES, found, expected, strict=True):
            assert exactly(both[:1]) == exactly(both[1:]), kind


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_rows_by_other_ways(connector: Connect, transport: str) -> None:
    server = Server(connector(transport, nonblock=False))
    make_table(server)
    text = server.rows("SELECT * FROM everything")
    for how in HOW:
        assert server.prepared("SELECT * FROM everything", how) == text


def test_compressed_rows(mariadb_server: TemporaryServer) -> None:
    mysql = connect(mariadb_server, nonblock=False, flags=lib.CLIENT_COMPRESS)
    try:
        server = Server(mysql)
        make_table(server)
        text = server.rows("SELECT * FROM everything")
        for how in HOW:
            assert server.prepared("SELECT * FROM everything", how) == text
    finally:
        lib.mysql_close(mysql)


@pytest.mark.parametrize("kind", SPATIAL)
def test_geometry(server: Server, kind: str) -> None:
    server.run(f"CREATE TEMPORARY TABLE g (g {kind})")
    point = "POINT(1, 2)" if kind in ("POINT", "GEOMETRY") else "NULL"
    server.run(f"INSERT INTO g VALUES (NULL), ({point})")
    assert server.prepared("SELECT g FROM g") == server.rows("SELECT g FROM g")


def test_expressions(server: Server) -> None:
    """Whose types are the server's own idea."""
    sql = (
        "SELECT 1, -1, -1.50, 1e22, 'x', x'41', NULL, TRUE, 18446744073709551615, "
        "DATE '2024-02-29', TIME '-00:00:01.5', TIMESTAMP '2024-02-29 01:02:03.04', "
        "JSON_OBJECT('a', 1), CAST('x' AS BINARY), 1/3, 1e0/3, COUNT(*), SUM(2), "
        "AVG(1), BIT_OR(1), YEAR('2024-01-01'), CAST(-1 AS SIGNED), CAST(1 AS UNSIGNED)"
    )
    (text,), (binary,) = server.rows(sql), server.prepared(sql)
    assert exactly(binary) == exactly(text)


#: What floats and doubles go through, and come out with decimals or without.
FLOAT_EXPRESSIONS = """
    a, b, c, d, e, d/3, c/3, a+0, a*1e0, -a, -b, 0.125e0*c, ROUND(a, 3), ROUND(b, 2),
    TRUNCATE(b, 1), AVG(d) OVER(), STD(a) OVER(), a-b, a*c, CAST(b AS FLOAT), ABS(c),
    c*d, IFNULL(a, 1), GREATEST(a, b), CAST(c AS DOUBLE)
"""


def test_floats_of_all_sizes(server: Server) -> None:
    chosen = random.Random(7)
    numbers = ["0", "-0.0", "1e-45", "1.17549435e-38", "3.4028234e38", "999999.5"]
    numbers += ["0.1", "16777217", "1234565", "1234575", "99999.953125", "1e15"]
    for exponent in range(-44, 38):
        numbers += [repr(chosen.uniform(-1, 1) * 10**exponent) for _ in range(10)]
    server.run(
        "CREATE TEMPORARY TABLE f (a FLOAT, b DOUBLE, c FLOAT(10,2), d DOUBLE(10,3), "
        "e DOUBLE(200,30))"
    )
    values = ", ".join(f"({n}, {n}, {n}, {n}, {n})" for n in numbers)
    server.run("SET sql_mode = ''")  # what does not fit is cut
    server.run(f"INSERT INTO f VALUES {values}")
    sql = f"SELECT {FLOAT_EXPRESSIONS} FROM f"
    text, binary = server.rows(sql), server.prepared(sql)
    assert len(text) > 800
    for expected, found in zip(text, binary, strict=True):
        assert exactly(found) == exactly(expected)


ZERO_DATES = [
    "CAST('0000-00-00' AS DATE)",
    "CAST('2024-00-00' AS DATE)",
    "CAST('0000-00-00 00:00:00' AS DATETIME)",
    "CAST('2023-02-30 1:2:3' AS DATETIME)",
    "CAST('2023-02-30 1:2:3.5' AS DATETIME(6))",
]


@pytest.mark.parametrize("sql", ZERO_DATES)
def test_days_that_there_are_not(server: Server, sql: str) -> None:
    sql = f"SELECT {sql} AS d"
    assert server.prepared(sql) == server.rows(sql) == [(None,)]
    with pytest.raises(DataError) as in_text:
        server.rows(sql, invalid_dates="error")
    with pytest.raises(DataError) as in_binary:
        server.prepared(sql, invalid_dates="error")
    assert str(in_binary.value) == str(in_text.value)


def test_times_at_their_limits(server: Server) -> None:
    server.run("CREATE TEMPORARY TABLE t (t TIME(6), d DATETIME(6), y YEAR)")
    server.run(
        "INSERT INTO t VALUES "
        "('838:59:59.999999', '9999-12-31 23:59:59.999999', 2155), "
        "('-838:59:59.999999', '0001-01-01', 1901), ('0', '2024-02-29 00:00:00.1', 0), "
        "('-0:0:0.000001', '2024-02-29 00:00:01', 2000), ('24:0:0', '1000-1-1 1:0', 1)"
    )
    text = server.rows("SELECT * FROM t")
    assert server.prepared("SELECT * FROM t") == text
    assert text[0][1] == datetime.datetime.max


def test_long_values(server: Server) -> None:
    sizes = "250, 251, 252, 65535, 65536, 1000000"
    for size in sizes.split(", "):
        sql = f"SELECT REPEAT('\u00fc', {size}), 1, REPEAT('x', {size}), NULL, 2"
        assert server.prepared(sql) == server.rows(sql)


def test_many_columns(server: Server) -> None:
    """More than one byte of NULL bits, and each of them."""
    columns = ", ".join("NULL" if n % 3 == 1 else f"seq + {n}" for n in range(300))
    sql = f"SELECT {columns} FROM seq_0_to_20"
    for how in HOW:
        assert server.prepared(sql, how) == server.rows(sql)


def test_rows_in_other_shapes(server: Server) -> None:
    server.run("CREATE TEMPORARY TABLE t (n INT, d DECIMAL(3,1), s TEXT, t TIME)")
    server.run(
        "INSERT INTO t VALUES (1, 2.5, '[1]', '1:0:0'), (NULL, NULL, NULL, NULL)"
    )
    sql = "SELECT * FROM t"
    for options in (
        {"factory": dict_row},
        {"converters": {column("d"): float, FieldType.LONG: str}},
        {"factory": dict_row, "converters": {FieldType.TIME: str}},
    ):
        assert server.prepared(sql, **options) == server.rows(sql, **options)


def test_a_name_for_text_that_is_not_utf8(server: Server) -> None:
    server.run("SET NAMES latin1")
    for way in (server.rows, server.prepared):
        assert way("SELECT 1, CURRENT_DATE() IS NULL") == [(1, 0)]
        with pytest.raises(DataError, match="in the character set latin1"):
            way("SELECT 'x'")
