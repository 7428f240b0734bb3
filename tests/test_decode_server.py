"""What real columns of every type decode to: text and metadata of a real server.

Through the C API alone: results are stored, and their rows and fields given to
``_wire`` as they are.
"""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from capi_support import Connect
from decode_support import IN_2024, SPATIAL, VALUES, D, Server, exactly

from mariadb_nb.columns import BINARY
from mariadb_nb.errors import DataError, ProgrammingError
from mariadb_nb.rows import dict_row, namedtuple_row


@pytest.fixture
def server(connector: Connect) -> Server:
    return Server(connector("unix", nonblock=False))


def test_columns_of_every_type(server: Server) -> None:
    names = [f"c{place}" for place in range(len(VALUES))]
    kinds = [
        f"{name} {kind} NULL" for name, (kind, *_) in zip(names, VALUES, strict=True)
    ]
    server.run(f"CREATE TEMPORARY TABLE everything ({', '.join(kinds)})")
    server.run(
        f"INSERT INTO everything VALUES ({', '.join(sql for _, sql, *_ in VALUES)})"
    )
    server.run("INSERT INTO everything (c0) VALUES (NULL)")
    (row, nulls), columns = server.result("SELECT * FROM everything")
    for (kind, sql, value, _), found in zip(VALUES, row, strict=True):
        assert exactly([found]) == exactly([value]), (kind, sql)
    assert nulls == (None,) * len(VALUES)
    for (kind, *_, type_object), column in zip(VALUES, columns, strict=True):
        assert column.type_code == type_object, kind
        assert column.null_ok, kind
    assert [column.name for column in columns] == names


def test_every_value_alone(server: Server) -> None:
    """As an expression, where the server has its own idea of the type."""
    assert server.rows(
        "SELECT 1, -1.50, 1e22, 'x', x'41', NULL, TRUE, 18446744073709551615, "
        "CAST('2024-02-29' AS DATE), "
        "CAST('2024-02-29 01:02:03.000004' AS DATETIME(6)), "
        "JSON_OBJECT('a', 1), JSON_VALUE('{\"a\": 1}', '$.a'), CAST('x' AS BINARY)"
    ) == [
        (
            *(1, D("-1.50"), 1e22, "x", b"A", None, 1, 2**64 - 1),
            *(datetime.date(2024, 2, 29), IN_2024, {"a": 1}, "1", b"x"),
        )
    ]


@pytest.mark.parametrize("kind", SPATIAL)
def test_geometry_is_bytes(server: Server, kind: str) -> None:
    server.run(f"CREATE TEMPORARY TABLE g (g {kind})")
    server.run("INSERT INTO g VALUES (NULL)")
    ((value,),), (column,) = server.result("SELECT g FROM g")
    assert value is None
    assert column.type_code == BINARY
    assert column.type_name == (None if kind == "GEOMETRY" else kind.lower())


def test_point_has_its_bytes(server: Server) -> None:
    ((value,),) = server.rows("SELECT POINT(1, 2)")
    assert value == bytes.fromhex(
        "00000000 01 01000000 000000000000f03f 0000000000000040"
    )


def test_description_of_a_real_table(server: Server) -> None:
    server.run(
        "CREATE TEMPORARY TABLE told (id BIGINT UNSIGNED PRIMARY KEY, n DECIMAL(12,2), "
        "u UUID, j JSON, t DATETIME(6), `gr\u00fc\u00df` TEXT)"
    )
    _, columns = server.result(
        "SELECT id, n AS price, u, j, t, `gr\u00fc\u00df` FROM told x"
    )
    identity, price, unique, json, moment, text = columns
    assert [column.name for column in columns] == (
        ["id", "price", "u", "j", "t", "gr\u00fc\u00df"]
    )
    assert {(c.table, c.org_table, c.db) for c in columns} == {("x", "told", "test")}
    assert (identity.null_ok, price.null_ok) == (False, True)
    assert (price.org_name, price.precision, price.scale) == ("n", 12, 2)
    assert (unique.type_name, unique.format) == ("uuid", None)
    assert (json.type_name, json.format) == (None, "json")
    assert (moment.scale, text.org_name) == (6, "gr\u00fc\u00df")
    assert text.charset == 45


def test_dates_that_python_has_not_can_be_errors(server: Server) -> None:
    for sql, words in (
        ("SELECT CAST('0000-00-00' AS DATE) d", "column 'd' has the date 0000-00-00"),
        ("SELECT CAST('2023-02-30 1:2:3' AS DATETIME) d", "has the date 2023-02-30"),
    ):
        assert server.rows(sql) == [(None,)]
        with pytest.raises(DataError, match=words):
            server.rows(sql, invalid_dates="error")


@pytest.mark.parametrize("charset", ["latin1", "latin2", "sjis"])
def test_other_names_than_utf8_are_refused(server: Server, charset: str) -> None:
    server.run("CREATE TEMPORARY TABLE t (i INT, s TEXT, j JSON, u UUID, d DATE)")
    server.run(
        "INSERT INTO t VALUES "
        "(1, 'x', '[]', '00112233-4455-6677-8899-aabbccddeeff', NOW())"
    )
    server.run(f"SET NAMES {charset}")
    for name in "sju":
        with pytest.raises(DataError, match=f"column '{name}' comes .* {charset} "):
            server.rows(f"SELECT {name} FROM t")
    ((number, day),) = server.rows("SELECT i, d FROM t")
    assert (number, type(day)) == (1, datetime.date)


@pytest.mark.parametrize(
    "names",
    [
        "utf8mb4",
        "utf8mb3",
        "ascii",
        "utf8mb4 COLLATE utf8mb4_bin",
        "utf8mb4 COLLATE utf8mb4_uca1400_as_cs",
        "utf8mb4 COLLATE utf8mb4_swedish_ci",
        "utf8mb3 COLLATE utf8mb3_uca1400_ai_ci",
    ],
)
def test_every_name_of_utf8_is_read(server: Server, names: str) -> None:
    server.run(f"SET NAMES {names}")
    server.run("CREATE TEMPORARY TABLE t (t VARCHAR(9) CHARACTER SET ascii)")
    server.run("INSERT INTO t VALUES ('abc')")
    assert server.rows("SELECT t FROM t") == [("abc",)]


def test_a_session_of_bytes(server: Server) -> None:
    server.run("CREATE TEMPORARY TABLE t (s TEXT, j JSON, i INET6)")
    server.run("INSERT INTO t VALUES ('\u00fc', '[\"\u00fc\"]', '::1')")
    server.run("SET NAMES binary")
    expected = ("\u00fc".encode(), ["\u00fc"], ipaddress.IPv6Address("::1"))
    assert server.rows("SELECT * FROM t") == [expected]


def test_results_in_utf16_are_refused_not_misread(server: Server) -> None:
    """The server writes numbers in it too, and says that they are not text."""
    server.run("CREATE TEMPORARY TABLE t (i INT, d DATE, f DOUBLE, n DECIMAL(3,1))")
    server.run("INSERT INTO t VALUES (1, NOW(), 1, 1)")
    server.run("SET character_set_results = utf16")
    for name in "idfn":
        with pytest.raises(DataError, match="has a value that is no"):
            server.rows(f"SELECT {name} FROM t")


def test_two_columns_of_one_name(server: Server) -> None:
    sql = "SELECT 1 AS id, 2 AS id"
    assert server.rows(sql) == [(1, 2)]
    assert server.rows(sql, factory=namedtuple_row) == [(1, 2)]
    with pytest.raises(ProgrammingError, match="'id'"):
        server.rows(sql, factory=dict_row)


def test_many_columns_and_rows(server: Server) -> None:
    wanted = [tuple(range(n, n + 500)) for n in range(50)]
    columns = ", ".join(f"seq + {n}" for n in range(500))
    assert server.rows(f"SELECT {columns} FROM seq_0_to_49") == wanted


def test_converters_of_real_columns(server: Server) -> None:
    sql = "SELECT CAST(1.50 AS DECIMAL(5,2)) AS price, JSON_ARRAY(1) AS j, UUID() AS u"
    ((price, text, unique),) = server.rows(
        sql,
        converters={246: float, "json": str, "uuid": len},
    )
    assert exactly([price, text, unique]) == exactly([1.5, "[1]", 36])
