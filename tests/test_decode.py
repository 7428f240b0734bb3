"""From a value's text to an object, without a server.

The decoders in C agree with ``reference_decoder`` on every text that a server can
send, and refuse the same of those that none sends.
"""

from __future__ import annotations

import datetime
import decimal
import json
import struct
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference_decoder import DECODERS
from wire_support import BINARY, KINDS, LATIN1, UTF8MB4, decode, field, rows

from mariadb_nb import _wire
from mariadb_nb.columns import FieldType
from mariadb_nb.converters import Converters, column
from mariadb_nb.errors import DataError, InterfaceError
from mariadb_nb.rows import make_reading

#: What nothing has in common with: neither a value nor an error of ours.
REFUSED = object()


def of_reference(kind: str, text: bytes) -> Any:
    try:
        return DECODERS[kind](text)
    except ValueError:
        return REFUSED


def of_c(kind: str, text: bytes) -> Any:
    try:
        return decode(KINDS[kind], text)
    except DataError:
        return REFUSED


def agree(kind: str, text: bytes) -> Any:
    """The value that both make of it, down to its type and the sign of zero."""
    expected, found = of_reference(kind, text), of_c(kind, text)
    assert (type(found), repr(found)) == (type(expected), repr(expected))
    return found


# ---- agreement ------------------------------------------------------------------


def padded(text: str, width: int) -> bytes:
    """As ZEROFILL does it."""
    return text.zfill(width).encode()


@given(st.integers(-(2**63), 2**64 - 1), st.sampled_from([0, 5, 19, 20, 21, 255]))
@example(-(2**63), 0)
@example(2**64 - 1, 0)
@example(10**18, 0)
@example(10**18 - 1, 0)
def test_integers_are_whole(value: int, width: int) -> None:
    text = padded(str(value), width) if value >= 0 else str(value).encode()
    assert agree("integer", text) == value


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**20, 10**300, -(10**30)])
def test_integers_beyond_64_bits_are_refused(value: int) -> None:
    assert agree("integer", str(value).encode()) is REFUSED


def test_every_type_of_integer_is_an_int() -> None:
    types = ("TINY", "SHORT", "INT24", "LONG", "LONGLONG", "YEAR")
    for name in types:
        assert decode(field(FieldType[name], charset=BINARY), b"07") == 7


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324)
@example(1.7976931348623157e308)
@example(-0.0)
@example(9007199254740993.0)
def test_doubles_come_back_to_the_last_bit(value: float) -> None:
    for form in (repr(value), f"{value:.17g}", f"{value:.20e}"):
        assert struct.pack("d", agree("double", form.encode())) == struct.pack(
            "d", value
        )


@given(
    st.integers(0, 10**22),
    st.integers(-40, 40),
    st.integers(0, 25),
    st.sampled_from(["", "-"]),
)
@example(9007199254740993, 0, 0, "")  # 2**53 + 1: half way between two doubles
@example(9007199254740993, 1, 0, "")
@example(90071992547409930000000000000000001 % 10**22, 0, 0, "")
@example(2**64 - 1, 27, 0, "")
@example(2**64 - 1, -27, 0, "")
def test_doubles_are_the_nearest(
    digits: int, exponent: int, places: int, sign: str
) -> None:
    text = str(digits).zfill(places + 1)
    point = len(text) - places
    agree("double", f"{sign}{text[:point]}.{text[point:]}e{exponent}".encode())
    agree("double", f"{sign}{text[:point]}.{text[point:]}".encode())


@given(st.integers(2**52, 2**53 - 1), st.integers(-27, 10))
def test_doubles_half_way_between_two_go_to_the_even_one(
    mantissa: int, exponent: int
) -> None:
    # Exactly between `mantissa` and the next one, and a hair to both sides of it.
    with decimal.localcontext(prec=200):
        middle = decimal.Decimal(2 * mantissa + 1) * decimal.Decimal(2) ** exponent
        hair = decimal.Decimal(1).scaleb(middle.adjusted() - 60)
        for value in (middle, middle - hair, middle + hair):
            agree("double", f"{value:f}".encode())


@given(st.integers(2**52, 2**53 - 1), st.integers(-140, 60), st.integers(17, 19))
def test_doubles_next_to_half_way_go_to_the_nearer_one(
    mantissa: int, exponent: int, digits: int
) -> None:
    """So near that what decides falls off the end of 64 bits."""
    with decimal.localcontext(prec=200):
        middle = decimal.Decimal(2 * mantissa + 1) * decimal.Decimal(2) ** exponent
    for rounding in (decimal.ROUND_DOWN, decimal.ROUND_UP):
        with decimal.localcontext(prec=digits, rounding=rounding):
            agree("double", f"{+middle:e}".encode())


@pytest.mark.parametrize("text", [b"1e309", b"-1e400", b"1" * 511, b"1" * 600])
def test_doubles_that_do_not_fit_are_refused(text: bytes) -> None:
    with pytest.raises(DataError, match="column 'c' has a value"):
        decode(KINDS["double"], text)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=10), st.integers(0, 70)
)
def test_decimals_keep_each_digit(value: decimal.Decimal, width: int) -> None:
    agree("decimal", f"{value:f}".encode())
    agree("decimal", padded(f"{abs(value):f}", width))


@given(st.dates())
def test_dates(value: datetime.date) -> None:
    assert agree("date", value.isoformat().encode()) == value


@given(st.datetimes(), st.integers(0, 6))
def test_datetimes(value: datetime.datetime, places: int) -> None:
    text = value.strftime(f"{value.year:04}-%m-%d %H:%M:%S.%f")
    agree("datetime", text[: 19 + (places > 0) + places].encode())


LONGEST_TIME = datetime.timedelta(
    hours=838, minutes=59, seconds=59, microseconds=999999
)


def written(value: datetime.timedelta) -> str:
    """A timedelta as the server writes a TIME(6)."""
    micro = abs(value) // datetime.timedelta(microseconds=1)
    seconds, micro = divmod(micro, 1_000_000)
    sign = "-" if value < datetime.timedelta() else ""
    minutes, hours = seconds // 60 % 60, seconds // 3600
    return f"{sign}{hours:02}:{minutes:02}:{seconds % 60:02}.{micro:06}"


@given(st.timedeltas(-LONGEST_TIME, LONGEST_TIME), st.integers(0, 6))
@example(LONGEST_TIME, 6)
@example(-LONGEST_TIME, 6)
@example(datetime.timedelta(microseconds=-1), 6)
def test_times(value: datetime.timedelta, places: int) -> None:
    text = written(value)
    assert agree("time", text.encode()) == value
    point = text.index(".")
    agree("time", text[: point + (places > 0) + places].encode())


@given(st.text())
@example("")
@example("1234567")
@example("12345678")
@example("12345678\x80")
@example("\u00fc" * 9)
@example("\0")
def test_text(value: str) -> None:
    data = value.encode("utf-8", "surrogatepass")
    agree("text", data)
    agree("bytes", data)


@pytest.mark.parametrize("length", range(40))
def test_one_byte_above_ascii_is_seen_at_every_place(length: int) -> None:
    for place in range(length):
        text = b"x" * place + b"\xff" + b"x" * (length - place - 1)
        assert agree("text", text) is REFUSED


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_json(value: Any) -> None:
    agree("json", json.dumps(value).encode())


@given(st.uuids(), st.ip_addresses(v=4), st.ip_addresses(v=6))
def test_uuids_and_addresses(uuid: Any, four: Any, six: Any) -> None:
    assert agree("uuid", str(uuid).encode()) == uuid
    assert agree("inet4", str(four).encode()) == four
    assert agree("inet6", str(six).encode()) == six


#: Near misses: what the server sends is made of these.
SHAPES = st.text("0123456789-+.:eE T\0x\u00fc", max_size=30).map(str.encode)


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.binary(max_size=40) | SHAPES)
@example(text=b"")
def test_any_bytes_at_all(kind: str, text: bytes) -> None:
    agree(kind, text)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_good_text_with_one_byte_changed_added_or_lost(
    kind: str, data: st.DataObject
) -> None:
    text = bytearray(data.draw(st.sampled_from(GOOD[kind])))
    place = data.draw(st.integers(0, len(text)))
    byte = bytes([data.draw(st.sampled_from(b"0159-+.: eTZ\0\x7f\xc3"))])
    if data.draw(st.booleans()):
        text[place:place] = byte
    else:
        text[place : place + 1] = byte if data.draw(st.booleans()) else b""
    agree(kind, bytes(text))


GOOD = {
    "integer": [b"-5", b"18446744073709551615", b"000000000000000000000000042"],
    "double": [b"-1.5e-300", b"0.30000000000000004", b"16777200", b"1e22"],
    "decimal": [b"-12.50", b"0.000000000000000000000000000001"],
    "date": [b"2024-02-29", b"0000-00-00", b"9999-12-31"],
    "datetime": [b"2024-02-29 23:59:59.999999", b"0000-00-00 00:00:00"],
    "time": [b"-838:59:59.999999", b"00:00:00", b"23:59:59.5"],
    "text": ["Gr\u00fc\u00dfe".encode(), b"plain ascii, and more than a word"],
    "bytes": [b"\0\xff"],
    "json": [b'{"a": [1, null]}'],
    "uuid": [b"9c26ceaf-e639-11f1-a325-02fc00000001"],
    "inet4": [b"192.168.0.1"],
    "inet6": [b"fe80::1"],
}


# ---- dates that Python has none of ----------------------------------------------

NO_DATES = ["0000-00-00", "2024-00-10", "2024-10-00", "2023-02-29", "0000-01-01"]
NO_DATES += ["1900-02-29", "2024-13-01", "2024-04-31", "2024-12-32"]


@pytest.mark.parametrize("text", NO_DATES)
def test_impossible_dates_are_none_or_an_error(text: str) -> None:
    for kind, rest in (("date", ""), ("datetime", " 10:20:30")):
        value = (text + rest).encode()
        assert agree(kind, value) is None
        with pytest.raises(DataError, match=f"column 'c' has the date {text}, which"):
            decode(KINDS[kind], value, invalid_dates="error")


@pytest.mark.parametrize("year", [4, 1600, 2000, 2024, 2400])
def test_leap_days_are_dates(year: int) -> None:
    assert agree("date", f"{year:04}-02-29".encode()) == datetime.date(year, 2, 29)


# ---- charsets and errors --------------------------------------------------------

STRINGS = ("VARCHAR", "VAR_STRING", "STRING", "ENUM", "SET", "BLOB", "LONG_BLOB")


@pytest.mark.parametrize("name", STRINGS)
def test_charset_tells_text_from_bytes(name: str) -> None:
    for charset in (33, 45, 46, 83, 192, 224, 247, 608, 11, 65, 2304, 2308, 2559):
        assert decode(field(FieldType[name], charset=charset), b"x") == "x"
    assert decode(field(FieldType[name], charset=BINARY), b"x") == b"x"


@pytest.mark.parametrize("name", ["BIT", "GEOMETRY"])
def test_bits_and_geometry_are_bytes(name: str) -> None:
    assert decode(field(FieldType[name], charset=BINARY), b"\0\xff") == b"\0\xff"


@pytest.mark.parametrize(
    ("charset", "words"),
    [(LATIN1, "latin1"), (54, "utf16"), (2560, "ucs2"), (4000, "of this number")],
)
def test_other_charsets_are_refused_by_name(charset: int, words: str) -> None:
    for more in ({}, {"format": "json"}, {"type_name": "uuid"}):
        one = field(FieldType.STRING, "name", charset=charset, **more)
        with pytest.raises(DataError) as caught:
            decode(one, b"x")
        assert str(caught.value) == (
            f"column 'name' comes in the character set {words} ({charset}), and only "
            "UTF-8 is read: say SET NAMES utf8mb4"
        )
        assert decode(one, None) is None


def test_json_and_uuid_are_read_in_a_session_of_bytes_too() -> None:
    """After SET NAMES binary."""
    one = field(FieldType.BLOB, charset=BINARY, format="json")
    assert decode(one, '"\u00fc"'.encode()) == "\u00fc"
    for kind in ("uuid", "inet4", "inet6"):
        one = field(FieldType.STRING, charset=BINARY, type_name=kind)
        assert decode(one, GOOD[kind][0]) == DECODERS[kind](GOOD[kind][0])


def test_json_has_a_number_at_servers_of_another_make() -> None:
    assert decode(field(FieldType.JSON), b"[1]") == [1]
    assert decode(field(FieldType.JSON, charset=BINARY), b"[1]") == [1]


def test_bad_utf8_names_the_column_and_the_cause() -> None:
    with pytest.raises(
        DataError, match="column 'gr\u00fc\u00df' has a value"
    ) as caught:
        decode(field(FieldType.VAR_STRING, "gr\u00fc\u00df"), b"ab\xffcd")
    cause = caught.value.__cause__
    assert isinstance(cause, UnicodeDecodeError)
    assert (cause.start, cause.end) == (2, 3)


@pytest.mark.parametrize("kind", ["json", "uuid", "inet4", "inet6"])
def test_what_a_class_refuses_is_a_data_error(kind: str) -> None:
    with pytest.raises(DataError, match="column 'c' has a value that is not") as caught:
        decode(KINDS[kind], b"{x")
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("kind", KINDS)
def test_null_is_none(kind: str) -> None:
    assert decode(KINDS[kind], None) is None


# ---- converters -----------------------------------------------------------------


def test_converters_by_number_name_of_the_type_and_name_of_the_column() -> None:
    fields = [
        field(FieldType.LONG, "a"),
        field(FieldType.LONG, "price"),
        field(FieldType.BLOB, "j", format="json"),
        field(FieldType.STRING, "u", type_name="uuid"),
        field(FieldType.STRING, "s"),
        field(FieldType.GEOMETRY, "g", charset=BINARY, type_name="point"),
    ]
    converters: Converters = {
        FieldType.LONG: lambda value: ("long", value),
        column("price"): lambda value: ("price", value),
        "JSON": lambda value: ("json", value),
        "uuid": lambda value: ("uuid", value),
        FieldType.STRING: lambda value: ("string", value),
        "point": lambda value: ("point", value),
        FieldType.GEOMETRY: lambda value: ("geometry", value),
    }
    values = (b"1", b"2", b"[3]", b"4", b"5", b"6")
    nulls = (None,) * 6
    found = rows(fields, [values, nulls], converters=converters)
    assert found == [
        (
            ("long", 1),
            ("price", 2),
            ("json", "[3]"),
            ("uuid", "4"),
            ("string", "5"),
            ("point", b"6"),
        ),
        nulls,
    ]


@pytest.mark.parametrize("kind", ["json", "uuid", "inet4", "inet6"])
def test_numbers_do_not_fit_what_has_a_name(kind: str) -> None:
    converters: Converters = {FieldType.BLOB: repr, FieldType.STRING: repr}
    text = GOOD[kind][0]
    assert decode(KINDS[kind], text, converters=converters) == DECODERS[kind](text)
    converters = {FieldType.BLOB: repr, column("c"): str.upper}
    assert decode(KINDS[kind], text, converters=converters) == text.decode().upper()


def test_what_a_converter_raises_comes_through_unchanged() -> None:
    error = ValueError("mine")

    def refuse(value: object) -> None:
        raise error

    with pytest.raises(ValueError, match="mine") as caught:
        decode(KINDS["json"], b"1", converters={"json": refuse})
    assert caught.value is error


@pytest.mark.parametrize("key", ["price", 500, True, None, 1.5, ("c",)])
def test_wrong_keys_of_converters(key: Any) -> None:
    with pytest.raises(InterfaceError, match="converters has the key"):
        make_reading(converters={key: int})


def test_converters_that_cannot_be_called() -> None:
    with pytest.raises(InterfaceError, match="has to be callable, not 'int'"):
        make_reading(converters={FieldType.LONG: "int"})  # type: ignore[dict-item]


# ---- memory ---------------------------------------------------------------------


def test_nothing_is_left_behind() -> None:
    """Neither of good values nor of bad ones, in each kind of column."""

    def once() -> None:
        for kind, texts in GOOD.items():
            for text in (*texts, b"", b"\xff", b"nonsense"):
                of_c(kind, text)

    once()
    before = sys.getallocatedblocks()
    for _ in range(200):
        once()
    assert sys.getallocatedblocks() - before < 100


def test_decode_refuses_what_is_no_row() -> None:
    for fields, values in (
        ([KINDS["text"]], [()]),
        ([KINDS["text"]], [("str",)]),
        ([KINDS["text"]], [[b"x"]]),
        ([()], [(b"x",)]),
        (None, [(b"x",)]),
    ):
        with pytest.raises(TypeError):
            _wire.decode(fields, values, make_reading())  # type: ignore[arg-type]


def test_charset_of_the_support_is_the_library_s() -> None:
    from mariadb_nb.capi import ffi, lib

    for number, name in (
        (UTF8MB4, b"utf8mb4"),
        (BINARY, b"binary"),
        (LATIN1, b"latin1"),
    ):
        assert ffi.string(lib.mariadb_get_charset_by_nr(number).csname) == name
