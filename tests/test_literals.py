"""A value becomes the literal that a real server reads as the same value."""

from __future__ import annotations

import contextlib
import enum
import ipaddress
import uuid
from array import array
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from capi_support import query, rows
from hypothesis import example, given
from hypothesis import strategies as st
from statement_support import (
    MODES,
    NO_BACKSLASH,
    Answer,
    ask,
    connections,
    growth,
    literal,
)

from mariadb_nb._wire import Template
from mariadb_nb.capi import lib
from mariadb_nb.errors import DataError, Error, ProgrammingError
from mariadb_nb.parameters import render
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

MODE = st.sampled_from(sorted(MODES))
DIGITS_IN_A_WORD = 9
WORDS_OF_A_DECIMAL = 9


@pytest.fixture(scope="module")
def by_mode(mariadb_server: TemporaryServer) -> Iterator[dict[int, CData]]:
    with connections(mariadb_server) as opened:
        yield opened


# ---- Every value makes the round trip ---------------------------------------------


def send(by_mode: dict[int, CData], mode: int, value: object) -> bytes:
    """What the server answers when it is asked for a value."""
    answer = send_typed(by_mode, mode, value)
    assert answer.values[0] is not None
    return answer.values[0]


def send_typed(by_mode: dict[int, CData], mode: int, value: object) -> Answer:
    return ask(by_mode[mode], render("SELECT ?", (value,), mode))


@given(mode=MODE, value=st.integers(-(10**81) + 1, 10**81 - 1))
@example(mode=0, value=2**63)
@example(mode=0, value=-(2**63))
@example(mode=0, value=2**64 - 1)
@example(mode=0, value=10**81 - 1)
def test_integers(by_mode: dict[int, CData], mode: int, value: int) -> None:
    assert int(send(by_mode, mode, value)) == value


@given(mode=MODE, value=st.floats(allow_nan=False, allow_infinity=False))
@example(mode=0, value=1e100)
@example(mode=0, value=5e-324)
@example(mode=0, value=1.7976931348623157e308)
@example(mode=0, value=2.0**53 + 2)
@example(mode=0, value=-0.0)
def test_floats_are_doubles(by_mode: dict[int, CData], mode: int, value: float) -> None:
    answer = send_typed(by_mode, mode, value)
    assert answer.types == (lib.MYSQL_TYPE_DOUBLE,)
    assert answer.values[0] is not None
    assert float(answer.values[0]) == value


def words(value: Decimal) -> int:
    """How many words of nine digits the server needs for it, written out."""
    whole, _, fraction = f"{value.copy_abs():f}".partition(".")
    parts = (whole.lstrip("0") or "0", fraction)
    return sum(-(-len(part) // DIGITS_IN_A_WORD) for part in parts)


DECIMALS = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=85),
    st.integers(-85, 85),
)


@given(mode=MODE, value=DECIMALS)
@example(mode=0, value=Decimal("1E+3"))
@example(mode=0, value=Decimal("0E+100"))
@example(mode=0, value=Decimal("1E-72"))
@example(mode=0, value=Decimal("9" * 81))
@example(mode=0, value=Decimal("1E-73"))
@example(mode=0, value=Decimal("1" * 82))
@example(mode=0, value=Decimal("-0.00"))
def test_decimals_are_exact_or_refused(
    by_mode: dict[int, CData], mode: int, value: Decimal
) -> None:
    try:
        answer = send_typed(by_mode, mode, value)
    except DataError:
        assert words(value) > WORDS_OF_A_DECIMAL
    else:
        assert words(value) <= WORDS_OF_A_DECIMAL
        assert answer.values[0] is not None
        assert Decimal(answer.values[0].decode()) == value


@pytest.mark.parametrize("value", [Decimal("1E+999999"), Decimal("1E-999999")])
def test_a_decimal_of_a_million_digits_is_refused(value: Decimal) -> None:
    with pytest.raises(DataError, match=r"params\[0\].*DECIMAL holds exactly"):
        literal(value)


@pytest.mark.parametrize("value", [10**81, -(10**81), 10**5000], ids="abc")
def test_an_integer_that_no_decimal_holds_is_refused(value: int) -> None:
    with pytest.raises(DataError, match=r"params\[0\].*DECIMAL holds exactly"):
        literal(value)


TEXT = st.text(
    st.one_of(
        st.sampled_from("'\"`\\\0\n\r\x1a%_?-#/*;"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)


@given(mode=MODE, value=TEXT)
@example(mode=0, value="\\")
@example(mode=NO_BACKSLASH, value="\\")
@example(mode=NO_BACKSLASH, value="\\'")
@example(mode=0, value="'" * 2000)
def test_strings(by_mode: dict[int, CData], mode: int, value: str) -> None:
    assert send(by_mode, mode, value).decode() == value


@given(mode=MODE, value=st.binary(max_size=60))
@example(mode=0, value=bytes(range(256)) * 20)
@example(mode=NO_BACKSLASH, value=bytes(range(256)) * 20)
@example(mode=0, value=b"\xc3'\xf0\\")
def test_bytes(by_mode: dict[int, CData], mode: int, value: bytes) -> None:
    statement = render("SELECT ?, CHARSET(?)", (value, value), mode)
    assert ask(by_mode[mode], statement).values == (value, b"binary")


@given(mode=MODE, value=st.datetimes())
@example(mode=0, value=datetime.min)
@example(mode=0, value=datetime.max)
def test_datetimes(by_mode: dict[int, CData], mode: int, value: datetime) -> None:
    answer = send_typed(by_mode, mode, value)
    assert answer.types == (lib.MYSQL_TYPE_DATETIME,)
    assert answer.values[0] is not None
    assert datetime.fromisoformat(answer.values[0].decode()) == value


@given(mode=MODE, value=st.dates())
def test_dates(by_mode: dict[int, CData], mode: int, value: date) -> None:
    answer = send_typed(by_mode, mode, value)
    assert answer.types == (lib.MYSQL_TYPE_DATE,)
    assert answer.values == (value.isoformat().encode(),)


@given(mode=MODE, value=st.times())
def test_times(by_mode: dict[int, CData], mode: int, value: time) -> None:
    answer = send_typed(by_mode, mode, value)
    assert answer.types == (lib.MYSQL_TYPE_TIME,)
    assert answer.values == (value.isoformat().encode(),)


LONGEST = timedelta(hours=838, minutes=59, seconds=59, microseconds=999999)


@given(mode=MODE, value=st.timedeltas(-LONGEST, LONGEST))
@example(mode=0, value=LONGEST)
@example(mode=0, value=-LONGEST)
@example(mode=0, value=timedelta(microseconds=-1))
def test_timedeltas(by_mode: dict[int, CData], mode: int, value: timedelta) -> None:
    text = send(by_mode, mode, value).decode()
    hours, minutes, seconds = text.removeprefix("-").split(":")
    whole, _, fraction = seconds.partition(".")
    found = timedelta(
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(whole),
        microseconds=int(fraction.ljust(6, "0") or "0"),
    )
    assert (-found if text[0] == "-" else found) == value


@pytest.mark.parametrize(
    "value",
    [
        LONGEST + timedelta(microseconds=1),
        -LONGEST - timedelta(microseconds=1),
        timedelta.max,
        timedelta.min,
    ],
)
def test_a_duration_beyond_time_is_refused(value: timedelta) -> None:
    with pytest.raises(DataError, match="838:59:59"):
        literal(value)


# ---- Which literal ----------------------------------------------------------------


class Color(enum.Enum):
    RED = "r'"


class Number(enum.IntEnum):
    FIVE = 5


class Word(str, enum.Enum):  # noqa: UP042
    A = "a"


class OwnInt(int):
    def __str__(self) -> str:
        return "1; DROP TABLE t"

    __repr__ = __str__


class OwnStr(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "other"


class OwnFloat(float):
    def __repr__(self) -> str:
        return "x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        (True, "1"),
        (False, "0"),
        (1.5, "1.5e0"),
        (1e100, "1e100"),
        (1e-7, "1e-07"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-1.50E-3"), "-0.00150"),
        (b"", "_binary''"),
        (bytearray(b"a'"), "_binary'a'''"),
        pytest.param(memoryview(b"abcd")[::2], "_binary'ac'", id="strided"),
        pytest.param(memoryview(array("H", [0x4141])), "_binary'AA'", id="words"),
        (datetime(2024, 1, 2, 3, 4, 5), "TIMESTAMP'2024-01-02 03:04:05'"),
        (datetime(1, 1, 1, 0, 0, 0, 7), "TIMESTAMP'0001-01-01 00:00:00.000007'"),
        (date(2024, 1, 2), "DATE'2024-01-02'"),
        (time(3, 4, 5, 600000), "TIME'03:04:05.600000'"),
        (timedelta(days=-1, microseconds=1), "TIME'-23:59:59.999999'"),
        (uuid.UUID(int=255), "'00000000-0000-0000-0000-0000000000ff'"),
        (ipaddress.ip_address("192.0.2.1"), "'192.0.2.1'"),
        (ipaddress.ip_address("2001:db8::1"), "'2001:db8::1'"),
        (Color.RED, "'r'''"),
        (Number.FIVE, "5"),
        (Word.A, "'a'"),
        (OwnInt(7), "7"),
        (OwnInt(2**70), str(2**70)),
        (OwnStr("é'"), "'é'''"),
        (OwnFloat(2), "2e0"),
        ((1, "a", None), "(1,'a',NULL)"),
        ([b"x"], "(_binary'x')"),
        ([(1, 2), (3, 4)], "((1,2),(3,4))"),
        (np.int64(-3), "-3"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.float64(0.1), "0.1e0"),
        (np.float32(0.5), "0.5e0"),
        (np.bool_(True), "1"),
        (np.str_("a'"), "'a'''"),
        (np.bytes_(b"a"), "_binary'a'"),
        (np.datetime64("1999-12-31T23:59", "us"), "TIMESTAMP'1999-12-31 23:59:00'"),
        (np.datetime64("2024-01-02"), "DATE'2024-01-02'"),
        (np.datetime64("NaT", "s"), "NULL"),
        (np.timedelta64(90, "s"), "TIME'00:01:30'"),
    ],
    ids=repr,
)  # fmt: skip
def test_the_literal_of_a_value(value: object, expected: str) -> None:
    assert literal(value) == expected


def test_strings_are_escaped_for_the_mode() -> None:
    value = "\\ ' \" \0 \n \r \x1a"
    assert literal(value) == r"""'\\ '' " \0 \n \r \Z'"""
    hexadecimal = value.encode().hex().upper()
    assert literal(value, NO_BACKSLASH) == f"_utf8mb4 X'{hexadecimal}'"
    assert (
        literal(value[1:], NO_BACKSLASH)
        == f"'{value[1:].replace(chr(39), chr(39) * 2)}'"
    )
    assert literal(b"\\'", NO_BACKSLASH) == "X'5C27'"


def test_a_string_stays_in_its_quotes_when_the_mode_is_not_the_one_assumed(
    by_mode: dict[int, CData],
) -> None:
    """As after a SET sql_mode within the same text."""
    value = "\\' OR 1 -- \\"
    answer = ask(by_mode[NO_BACKSLASH], render("SELECT ?, 7", (value,), 0))
    assert answer.values == (value.replace("\\", "\\\\").encode(), b"7")


def test_bytes_where_text_is_wanted(by_mode: dict[int, CData]) -> None:
    sql = "SELECT JSON_VALUE(?, '$.a'), 'abc' LIKE ?, HEX(CONCAT(?, 'é')), ? = 'a'"
    params = (b'{"a": 5}', b"a%", b"\xff", b"a")
    answer = ask(by_mode[0], render(sql, params, 0))
    assert answer.values == (b"5", b"1", b"FFC3A9", b"1")


def test_values_in_columns_of_their_type(by_mode: dict[int, CData]) -> None:
    mysql = by_mode[0]
    columns = (
        "a BLOB, b JSON, c DOUBLE, d DECIMAL(20,4), e DATETIME(6), f TIME(6), g UUID"
    )
    assert query(mysql, f"CREATE TEMPORARY TABLE typed ({columns})") == 0
    values = (
        bytes(range(256)),
        b'{"a": "\xc3\xa9\\n"}',
        0.1,
        Decimal("123.4567"),
        datetime(2024, 1, 2, 3, 4, 5, 6),
        timedelta(hours=-5, microseconds=3),
        uuid.UUID(int=5),
    )
    statement = render("INSERT INTO typed VALUES (?,?,?,?,?,?,?)", values, 0)
    assert query(mysql, statement) == 0
    assert lib.mysql_warning_count(mysql) == 0
    assert rows(mysql, "SELECT * FROM typed") == [
        (
            bytes(range(256)),
            b'{"a": "\xc3\xa9\\n"}',
            b"0.1",
            b"123.4567",
            b"2024-01-02 03:04:05.000006",
            b"-04:59:59.999997",
            b"00000000-0000-0000-0000-000000000005",
        )
    ]


def test_a_list_is_what_in_takes(by_mode: dict[int, CData]) -> None:
    sql = "SELECT 2 IN ?, 'b' IN ?, 5 NOT IN ?, (1,2) IN ?"
    params = ([1, 2], ("a", "b"), [5], [(1, 2), (3, 4)])
    assert ask(by_mode[0], render(sql, params, 0)).values == (b"1", b"1", b"0", b"1")
    named = render("SELECT 2 IN %(them)s", {"them": (1, 2)}, 0)
    assert named == b"SELECT 2 IN (1,2)"


def test_a_large_value_is_whole() -> None:
    value = "é'" * 500_000
    assert literal(value) == "'" + value.replace("'", "''") + "'"
    sent = render("SELECT ?, ?", (value, b"\\" * 100_000), 0)
    assert sent.endswith(b", _binary'" + b"\\\\" * 100_000 + b"'")


# ---- Values that are refused ------------------------------------------------------

SECRET = "s3cret"


class Stamp(datetime):
    nanosecond = 5


class NotATime(datetime):
    nanosecond = float("nan")


class Delta(timedelta):
    nanoseconds = 1


class PlainDatetime(datetime):
    pass


REFUSED: list[tuple[object, type[Error], str]] = [
    (float("nan"), DataError, "no finite number: DOUBLE"),
    (float("-inf"), DataError, "no finite number: DOUBLE"),
    (Decimal("NaN"), DataError, "no finite number: DECIMAL"),
    (Decimal("sNaN"), DataError, "no finite number: DECIMAL"),
    (Decimal("-Infinity"), DataError, "no finite number: DECIMAL"),
    (f"{SECRET}\udc80", DataError, "lone surrogate"),
    (datetime(2024, 1, 1, tzinfo=UTC), DataError, "time zone"),
    (time(1, tzinfo=UTC), DataError, "time zone"),
    (Stamp(2024, 1, 1), DataError, "nanoseconds"),
    (NotATime(1, 1, 1), DataError, "NaT"),
    (Delta(1), DataError, "nanoseconds"),
    (np.datetime64(5, "ns"), DataError, "astype"),
    (np.timedelta64(5, "Y"), DataError, "astype"),
    (np.longdouble(1), DataError, "give a float"),
    (np.complex128(1), ProgrammingError, "class complex"),
    (np.array([1]), ProgrammingError, "class numpy.ndarray"),
    ([], ProgrammingError, "empty list"),
    ([(), 1], ProgrammingError, "empty tuple"),
    ({"a": SECRET}, ProgrammingError, "class dict.*json.dumps"),
    ({SECRET}, ProgrammingError, "class set"),
    (object(), ProgrammingError, "class object.*encoders="),
    ([SECRET, {SECRET}], ProgrammingError, "class set"),
    (range(3), ProgrammingError, "class range"),
]


@pytest.mark.parametrize(
    ("value", "error", "message"), REFUSED, ids=[repr(type(row[0])) for row in REFUSED]
)
@pytest.mark.parametrize("named", [False, True])
def test_a_refused_value_is_named_but_not_shown(
    value: object, error: type[Error], message: str, named: bool
) -> None:
    sql = "%(good)s, %(bad)s" if named else "?, ?"
    params: Any = {"good": 1, "bad": value} if named else (1, value)
    with pytest.raises(error, match=message) as caught:
        render(sql, params, 0)
    assert str(caught.value).startswith("params['bad'] " if named else "params[1] ")
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_subclass_without_more_is_its_base() -> None:
    assert literal(PlainDatetime(2024, 1, 1)) == "TIMESTAMP'2024-01-01 00:00:00'"


def test_a_list_that_holds_itself_ends_in_an_error() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(RecursionError, match="parameter"):
        literal(endless)


def test_no_literal_leaks() -> None:
    def refused(sql: str, params: Any) -> None:
        with contextlib.suppress(Error):
            Template(sql, 0).render(params)
            raise AssertionError(sql)

    def all_paths() -> None:
        for value, _, _ in REFUSED:
            refused("?, ?", (1, value))
            refused("%(good)s, %(bad)s", {"good": 1, "bad": value})
        for value in (5, "é'" * 400, b"\\" * 999, [1, "a"], Color.RED, np.int64(1)):
            Template("SELECT ?, 1", 0).render((value,), {float: str})
            Template("%(a)s", 0).render({"a": value}, {object: str})
        for sql in ("? %s", "\udc80", "? /*!50000 '*/' */"):
            refused(sql, ())

    assert growth(all_paths, 200) < 4000
