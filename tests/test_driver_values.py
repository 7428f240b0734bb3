"""Every value of every type comes back from the server as it went there."""

from __future__ import annotations

import datetime
import decimal
import enum
import ipaddress
import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.columns import FieldType
from mariadb_nb.server import TemporaryServer

LAST_TIME = datetime.timedelta(hours=838, minutes=59, seconds=59, microseconds=999999)


def whole(bits: int, *, signed: bool = True) -> st.SearchStrategy[int]:
    if signed:
        return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return st.integers(0, 2**bits - 1)


def digits(places: int, scale: int) -> st.SearchStrategy[decimal.Decimal]:
    numbers = st.integers(-(10**places) + 1, 10**places - 1)
    return numbers.map(lambda n: decimal.Decimal(n).scaleb(-scale, WIDE))


def moments(
    unit: int,
    first: datetime.datetime = datetime.datetime.min,
    last: datetime.datetime = datetime.datetime.max,
) -> st.SearchStrategy[datetime.datetime]:
    """Moments without a time zone, in whole units of so many microseconds."""
    return st.datetimes(first, last).map(
        lambda t: t.replace(microsecond=t.microsecond // unit * unit, fold=0)
    )


WIDE: Final = decimal.Context(prec=100)

#: What the server can show of a FLOAT as text: six digits.
SIX_DIGITS = st.builds(
    lambda n, e: float(f"{n}e{e}"), st.integers(-999_999, 999_999), st.integers(-30, 30)
)

#: The server has no sign for zero: as text it is 0, whatever it was.
DOUBLE = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)

JSON = st.recursive(
    st.none() | st.booleans() | whole(64) | st.floats(allow_nan=False, width=64) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=6,
).filter(lambda value: "Infinity" not in json.dumps(value))

#: A column's type, and the values that it holds.
COLUMNS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "TINYINT": whole(8),
    "TINYINT UNSIGNED": whole(8, signed=False),
    "SMALLINT": whole(16),
    "SMALLINT UNSIGNED": whole(16, signed=False),
    "MEDIUMINT": whole(24),
    "MEDIUMINT UNSIGNED": whole(24, signed=False),
    "INT": whole(32),
    "INT UNSIGNED": whole(32, signed=False),
    "BIGINT": whole(64),
    "BIGINT UNSIGNED": whole(64, signed=False),
    "YEAR": st.integers(1901, 2155),
    "FLOAT": SIX_DIGITS,
    "DOUBLE": DOUBLE,
    "DECIMAL(12,2)": digits(12, 2),
    "DECIMAL(65,30)": digits(65, 30),
    "DECIMAL(65,0)": digits(65, 0),
    "DATE": st.dates(),
    "DATETIME": moments(1_000_000),
    "DATETIME(6)": moments(1),
    "DATETIME(3)": moments(1000),
    "TIMESTAMP(6)": moments(
        1,
        datetime.datetime(1970, 1, 1, 0, 0, 1),
        datetime.datetime(2038, 1, 19, 3, 14, 7),
    ),
    "TIME(6)": st.timedeltas(-LAST_TIME, LAST_TIME),
    "TIME": st.timedeltas(-LAST_TIME, LAST_TIME).map(
        lambda t: datetime.timedelta(t.days, t.seconds)
    ),
    "VARCHAR(200)": TEXT,
    "CHAR(60)": TEXT.map(lambda text: text.rstrip(" ")),
    "LONGTEXT": TEXT,
    "VARCHAR(200) CHARACTER SET latin1": st.text(
        st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=50
    ),
    "VARBINARY(200)": st.binary(max_size=50),
    "BINARY(4)": st.binary(min_size=4, max_size=4),
    "LONGBLOB": st.binary(max_size=50),
    "BIT(64)": st.binary(min_size=8, max_size=8),
    "BIT(1)": st.sampled_from([b"\0", b"\1"]),
    "ENUM('a','it''s','\u00fc')": st.sampled_from(["a", "it's", "\u00fc"]),
    "SET('a','b','c')": st.lists(st.sampled_from("abc"), unique=True).map(
        lambda chosen: ",".join(sorted(chosen))
    ),
    # The server refuses what has no version.
    "UUID": st.uuids(version=1) | st.uuids(version=4) | st.uuids(version=5),
    "INET4": st.ip_addresses(v=4),
    "INET6": st.ip_addresses(v=6),
}


@pytest.fixture(scope="module")
def conn(mariadb_server: TemporaryServer) -> Iterator[mariadb_nb.Connection]:
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket,
        user="root",
        database="test",
        autocommit=True,
        init_command="SET time_zone = '+00:00', "
        "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    ) as connection:
        yield connection


class Table:
    """A column of one type, to which values are sent and from which they return."""

    def __init__(self, conn: mariadb_nb.Connection, kind: str) -> None:
        self.conn = conn
        conn.execute(
            "CREATE OR REPLACE TEMPORARY TABLE values_ "
            f"(n INT PRIMARY KEY, v {kind} NULL) ENGINE = InnoDB"
        )

    def round_trip(self, values: list[Any]) -> list[Any]:
        cur = self.conn.cursor()
        cur.execute("DELETE FROM values_")
        cur.executemany("INSERT INTO values_ VALUES (?, ?)", list(enumerate(values)))
        cur.execute("SELECT v FROM values_ ORDER BY n")
        return [value for (value,) in cur.fetchall()]


def exactly(values: list[Any]) -> list[tuple[str, str]]:
    """Of floats the sign of zero counts, of decimals each digit, of all the type."""
    return [(type(value).__name__, repr(value)) for value in values]


@pytest.mark.parametrize("kind", COLUMNS)
def test_round_trip(conn: mariadb_nb.Connection, kind: str) -> None:
    table = Table(conn, kind)

    @settings(max_examples=25)
    @given(st.lists(st.none() | COLUMNS[kind], max_size=20))
    def check(values: list[Any]) -> None:
        assert exactly(table.round_trip(values)) == exactly(values)

    check()


def test_round_trip_of_json(conn: mariadb_nb.Connection) -> None:
    table = Table(conn, "JSON")

    @settings(max_examples=40)
    @given(st.lists(JSON, max_size=10))
    def check(values: list[Any]) -> None:
        sent = [json.dumps(value) for value in values]
        assert exactly(table.round_trip(sent)) == exactly(values)

    check()


def test_round_trip_through_an_expression(conn: mariadb_nb.Connection) -> None:
    """What needs no column's type to be the same again."""

    @settings(max_examples=100)
    @given(
        st.none()
        | whole(64)
        | whole(64, signed=False)
        | DOUBLE
        | digits(30, 10)
        | TEXT
        | st.binary(min_size=1, max_size=50)
    )
    def check(value: Any) -> None:
        cur = conn.execute("SELECT ?", (value,))
        assert exactly(list(cur.fetchone() or ())) == exactly([value])

    check()


# ---- in every world -------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    THREE = 3


def moment(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts)  # type: ignore[arg-type]


SAMPLES: Final[list[tuple[str, Any, Any]]] = [
    ("BIGINT UNSIGNED", 2**64 - 1, 2**64 - 1),
    ("BIGINT", -(2**63), -(2**63)),
    ("BOOL", True, 1),
    ("YEAR", 2155, 2155),
    ("INT(5) ZEROFILL", 42, 42),
    ("FLOAT", 0.1, 0.1),
    ("DOUBLE", -5e-324, -5e-324),
    ("DOUBLE", 1.7976931348623157e308, 1.7976931348623157e308),
    ("DECIMAL(12,2)", "1.5", decimal.Decimal("1.50")),
    ("DATE", datetime.date(1, 1, 1), datetime.date(1, 1, 1)),
    ("DATETIME(6)", moment(9999, 12, 31, 23, 59, 59, 999999),
     moment(9999, 12, 31, 23, 59, 59, 999999)),
    ("DATETIME", datetime.date(2024, 2, 29), moment(2024, 2, 29)),
    ("TIME(6)", -LAST_TIME, -LAST_TIME),
    ("TIME", datetime.time(1, 2, 3), datetime.timedelta(hours=1, minutes=2, seconds=3)),
    ("TEXT", "\N{PILE OF POO}", "\N{PILE OF POO}"),
    ("ENUM('red')", Colour.RED, "red"),
    ("INT", Colour.THREE, 3),
    ("BLOB", bytearray(b"\0'\\\xff"), b"\0'\\\xff"),
    ("BLOB", memoryview(b"\0abc")[1:], b"abc"),
    ("BIT(12)", b"\x0f\xff", b"\x0f\xff"),
    ("JSON", '{"a": [1, null, "x"]}', {"a": [1, None, "x"]}),
    ("UUID", uuid.UUID(int=1), uuid.UUID(int=1)),
    ("INET4", ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("10.0.0.1")),
    ("INET6", ipaddress.ip_address("::1"), ipaddress.ip_address("::1")),
]  # fmt: skip


@in_every_world
async def test_samples_of_every_type(world: World) -> None:
    conn = await world.connect()
    columns = ", ".join(f"c{n} {kind}" for n, (kind, _, _) in enumerate(SAMPLES))
    await conn.execute(f"CREATE TEMPORARY TABLE samples ({columns})")
    holders = ", ".join("?" * len(SAMPLES))
    sent = [value for _, value, _ in SAMPLES]
    await conn.execute(f"INSERT INTO samples VALUES ({holders})", sent)
    cur = await conn.execute("SELECT * FROM samples")
    row = await cur.fetchone()
    assert row is not None
    assert exactly(list(row)) == exactly([expected for _, _, expected in SAMPLES])


@in_every_world
async def test_geometry_is_bytes(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT ST_GeomFromText('POINT(1 2)'), POINT(1, 2)")
    row = await cur.fetchone()
    assert row is not None
    assert [type(value) for value in row] == [bytes, bytes]
    assert len(row[0]) == 25


@in_every_world
async def test_dates_that_python_has_not(world: World) -> None:
    make = (
        "CREATE TEMPORARY TABLE dates (d DATE, t DATETIME(6), n INT) "
        "SELECT '0000-00-00' AS d, '2024-00-00 10:00:00' AS t, 7 AS n"
    )
    modes = "SET sql_mode = 'ALLOW_INVALID_DATES'"
    conn = await world.connect(init_command=modes)
    await conn.execute(make)
    cur = await conn.execute("SELECT * FROM dates")
    assert await cur.fetchall() == [(None, None, 7)]

    strict = await world.connect(init_command=modes, invalid_dates="error")
    await strict.execute(make)
    with pytest.raises(mariadb_nb.DataError, match="0000-00-00"):
        await (await strict.execute("SELECT d FROM dates")).fetchall()
    cur = await strict.execute("SELECT n FROM dates")
    assert await cur.fetchall() == [(7,)]


UTC_NOON = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "value",
    [
        UTC_NOON,
        UTC_NOON.timetz(),
        datetime.timedelta(hours=839),
        -datetime.timedelta(days=4000),
        decimal.Decimal("NaN"),
        decimal.Decimal("-Infinity"),
        float("-inf"),
        "half a pair: \udc00",
    ],
    ids=repr,
)
@in_every_world
async def test_values_that_would_be_changed_are_refused(
    world: World, value: Any
) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.DataError):
        await conn.execute("SELECT ?", (value,))
    with pytest.raises(mariadb_nb.DataError):
        await conn.cursor().executemany("DO ?", [(1,), (value,)])
    cur = await conn.execute("SELECT ?", ("still right",))
    assert await cur.fetchone() == ("still right",)


@in_every_world
async def test_value_too_large_for_its_column(world: World) -> None:
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE small (x TINYINT, y VARCHAR(3))")
    for values in ((128, "abc"), (127, "abcd"), (2**70, "abc")):
        with pytest.raises(mariadb_nb.DataError):
            await conn.execute("INSERT INTO small VALUES (?, ?)", values)
    cur = await conn.execute("SELECT COUNT(*) FROM small")
    assert await cur.fetchone() == (0,)


@pytest.mark.parametrize("stream", [False, True])
@in_every_world
async def test_large_values(world: World, stream: bool) -> None:
    conn = await world.connect()
    size = 6_000_000
    cur = conn.cursor(stream=stream)
    await cur.execute("SELECT REPEAT('\u00fc', ?), REPEAT(x'00ff', ?), 7", (size, size))
    row = await cur.fetchone()
    assert row is not None
    text, data, number = row
    assert (text == "\u00fc" * size, data == b"\0\xff" * size, number) == (
        True,
        True,
        7,
    )
    assert await cur.fetchone() is None


@in_every_world
async def test_many_columns(world: World) -> None:
    conn = await world.connect()
    numbers = tuple(range(2000))
    cur = await conn.execute(f"SELECT {','.join('?' * 2000)}", numbers)
    assert await cur.fetchall() == [numbers]


@in_every_world
async def test_converters_of_the_users_own(world: World) -> None:
    conn = await world.connect(
        converters={
            FieldType.NEWDECIMAL: str,
            "json": len,
            mariadb_nb.column("shout"): str.upper,
        }
    )
    cur = await conn.execute(
        "SELECT 1.50, JSON_OBJECT('a', 1), 'loud' AS shout, 'quiet', NULL AS shout"
    )
    assert await cur.fetchone() == ("1.50", 8, "LOUD", "quiet", None)


@in_every_world
async def test_converter_that_fails(world: World) -> None:
    def fail(value: object) -> None:
        raise ArithmeticError(f"not {value}")

    conn = await world.connect(converters={FieldType.LONGLONG: fail})

    async def fetch() -> None:
        cur = await conn.execute("SELECT seq FROM seq_1_to_9")
        await cur.fetchall()

    with pytest.raises(ArithmeticError, match="not 1"):
        await fetch()
    cur = await conn.execute("SELECT 'still right'")
    assert await cur.fetchall() == [("still right",)]
