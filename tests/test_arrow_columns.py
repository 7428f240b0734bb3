"""Columns of Arrow from values of the binary protocol, without a server.

pyarrow reads what comes of it and checks it in full. Values are compared with what the
decoders make of the same bytes, which other tests compare with Python's own.
"""

from __future__ import annotations

import datetime
import decimal
import struct
import uuid
from typing import Any

import pyarrow as pa
import pytest
from arrow_support import TEXT, column_of, columns_of, decimal_field, decoded, read
from hypothesis import given
from hypothesis import strategies as st
from test_decode_binary import INTEGERS, column, packed_datetime
from wire_support import BINARY, LATIN1, field

from mariadb_nb.columns import FieldType
from mariadb_nb.errors import DataError

D = decimal.Decimal

ARROW_INTEGERS: dict[str, Any] = {
    **{"<b": pa.int8(), "<B": pa.uint8(), "<h": pa.int16(), "<H": pa.uint16()},
    **{"<i": pa.int32(), "<I": pa.uint32(), "<q": pa.int64(), "<Q": pa.uint64()},
}


@pytest.mark.parametrize(("name", "flags", "form"), INTEGERS)
def test_integers(name: str, flags: int, form: str) -> None:
    bits = 8 * struct.calcsize(form)
    numbers = [0, 1, 2 ** (bits - 1) - 1]
    if name != "YEAR":
        edge = 2**bits - 1 if form[1].isupper() else -(2 ** (bits - 1))
        numbers += [edge, edge + (-1 if edge > 0 else 1)]
    array = column_of(column(name, flags), [struct.pack(form, n) for n in numbers])
    assert array.to_pylist() == numbers
    assert array.type == (pa.int16() if name == "YEAR" else ARROW_INTEGERS[form])


@given(st.lists(st.none() | st.floats(width=32)))
def test_floats_are_whole(values: list[float | None]) -> None:
    """All bits of them: not the six digits that the server shows."""
    data = [None if v is None else struct.pack("<f", v) for v in values]
    array = column_of(column("FLOAT", decimals=2), data)
    assert array.type == pa.float32()
    assert repr(array.to_pylist()) == repr(values)


@given(st.lists(st.none() | st.floats()))
def test_doubles(values: list[float | None]) -> None:
    data = [None if v is None else struct.pack("<d", v) for v in values]
    array = column_of(column("DOUBLE"), data)
    assert array.type == pa.float64()
    assert repr(array.to_pylist()) == repr(values)


@st.composite
def decimals_of_a_column(draw: st.DrawFn) -> tuple[int, int, list[str]]:
    digits = draw(st.integers(1, 65))
    scale = draw(st.integers(0, min(digits, 38)))
    largest = 10**digits - 1
    edges = st.sampled_from([0, 1, -1, largest, -largest])
    numbers = draw(st.lists(st.integers(-largest, largest) | edges, max_size=9))
    with decimal.localcontext(prec=100):
        return digits, scale, [f"{D(n).scaleb(-scale):f}" for n in numbers]


@given(decimals_of_a_column())
def test_decimals(of: tuple[int, int, list[str]]) -> None:
    digits, scale, texts = of
    values = [text.encode() for text in texts]
    array = column_of(decimal_field(digits, scale), [*values, None])
    make = pa.decimal128 if digits <= 38 else pa.decimal256
    assert array.type == make(digits, scale)
    assert [None if v is None else f"{v:f}" for v in array.to_pylist()] == [
        *(text if D(text) else text.lstrip("-") for text in texts),
        None,
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"000000003.50", D("3.50")), (b"-.5", D("-0.50")), (b"7", D("7.00"))],
)
def test_decimals_in_other_forms(text: bytes, value: decimal.Decimal) -> None:
    array = column_of(decimal_field(10, 2), [text])
    assert array.to_pylist() == [value]


@pytest.mark.parametrize(
    "text",
    [b"", b"-", b".", b"1e2", b"1.234", b"1..2", b"+1", b" 1", b"NaN", b"123456789.00"],
)
def test_what_is_no_such_decimal_is_refused(text: bytes) -> None:
    with pytest.raises(DataError, match="no decimal of 10 digits, 2 of them behind"):
        column_of(decimal_field(10, 2), [text])


def test_an_unsigned_decimal_has_a_digit_more() -> None:
    array = column_of(decimal_field(38, 0, is_signed=False), [b"9" * 38])
    assert array.type == pa.decimal128(38, 0)
    assert array.to_pylist() == [D("9" * 38)]


@given(st.lists(st.none() | st.datetimes()))
def test_datetimes(values: list[datetime.datetime | None]) -> None:
    data = [None if v is None else packed_datetime(v, 11) for v in values]
    for name in ("DATETIME", "TIMESTAMP"):
        array = column_of(column(name), data)
        assert array.type == pa.timestamp("us")
        assert array.to_pylist() == values


@given(st.lists(st.none() | st.dates()))
def test_dates(values: list[datetime.date | None]) -> None:
    data = [
        None if v is None else struct.pack("<HBB", v.year, v.month, v.day)
        for v in values
    ]
    array = column_of(column("DATE"), data)
    assert array.type == pa.date32()
    assert array.to_pylist() == values
    moments = column_of(column("DATETIME"), data).to_pylist()
    assert [m if m is None else m.date() for m in moments] == values


TIMES = [
    struct.pack("<BIBBBI", sign, days, hours, minutes, seconds, micros)[:size]
    for size in (8, 12)
    for sign in (0, 1)
    for days, hours in ((0, 0), (34, 22), (1, 23))
    for minutes, seconds, micros in ((0, 0, 0), (59, 59, 999999), (0, 1, 1))
]


def test_times() -> None:
    array = column_of(column("TIME"), [*TIMES, b"", None])
    assert array.type == pa.duration("us")
    assert array.to_pylist() == decoded(column("TIME"), [*TIMES, b"", None])


NO_DAYS = [b"", *(struct.pack("<HBB", *d) for d in ((0, 0, 0), (2024, 0, 1)))]
NO_DAYS += [struct.pack("<HBB", *d) for d in ((2023, 2, 29), (2024, 4, 31), (0, 1, 1))]


@pytest.mark.parametrize("name", ["DATE", "DATETIME", "TIMESTAMP"])
def test_days_that_there_are_not(name: str) -> None:
    day = struct.pack("<HBB", 2024, 2, 29)
    array = column_of(column(name), [day, *NO_DAYS, day])
    assert array.null_count == len(NO_DAYS)
    assert array.to_pylist() == decoded(column(name), [day, *NO_DAYS, day])
    for data in NO_DAYS:
        with pytest.raises(DataError, match="column 'c' has the date "):
            column_of(column(name), [data], error=True)


BAD_TIMES: dict[str, list[tuple[int, ...]]] = {
    "DATETIME": [(2024, 1, 1, 24, 0, 0, 0), (2024, 1, 1, 0, 60, 0, 0)],
    "TIME": [(0, 0, 0, 60, 0, 0), (0, 42, 0, 0, 0, 0), (0, 0, 0, 0, 0, 1_000_000)],
}


@pytest.mark.parametrize("name", BAD_TIMES)
def test_times_that_there_are_not(name: str) -> None:
    form = "<HBBBBBI" if name == "DATETIME" else "<BIBBBI"
    for parts in BAD_TIMES[name]:
        with pytest.raises(DataError, match="column 'c' has a value that is no "):
            column_of(column(name), [struct.pack(form, *parts)])


SIZED = ["TINY", "SHORT", "LONG", "LONGLONG", "FLOAT", "DOUBLE", "DATE", "DATETIME"]


@pytest.mark.parametrize("name", [*SIZED, "TIME", "YEAR", "INT24"])
def test_values_of_another_size_are_refused(name: str) -> None:
    for size in (3, 5, 6, 9, 13):
        with pytest.raises(DataError, match=f"a value of {size} bytes, which is not"):
            column_of(column(name), [bytes(size)])


@given(st.lists(st.none() | st.text(max_size=50)))
def test_text(values: list[str | None]) -> None:
    array = column_of(TEXT, [None if v is None else v.encode() for v in values])
    assert array.type == pa.utf8()
    assert array.to_pylist() == values


@given(st.binary(min_size=1, max_size=12))
def test_text_is_utf8_or_refused(data: bytes) -> None:
    try:
        expected = data.decode()
    except UnicodeDecodeError:
        with pytest.raises(DataError, match="column 'c' has a value that is not UTF-8"):
            column_of(TEXT, [data])
    else:
        assert column_of(TEXT, [data]).to_pylist() == [expected]


EDGES = [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF]
#: Overlong, a surrogate, beyond Unicode, cut, and bytes that begin nothing.
NO_TEXTS = [b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xff"]
NO_TEXTS += [
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\x80",
    b"\xc3",
]
NO_TEXTS += [
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"a\xe2\x28\xa1",
    b"\xf0\x9f\x28\x80",
    b"\xfe",
]


@pytest.mark.parametrize("before", ["", "x" * 7, "x" * 8])
def test_text_at_the_edges_of_utf8(before: str) -> None:
    texts = [before + chr(point) for point in EDGES]
    assert column_of(TEXT, [t.encode() for t in texts]).to_pylist() == texts
    for data in NO_TEXTS:
        with pytest.raises(DataError, match="not UTF-8"):
            column_of(TEXT, [before.encode() + data])


def test_text_of_another_charset_is_refused() -> None:
    with pytest.raises(DataError, match="column 'c' comes in the character set latin1"):
        column_of(field(FieldType.VAR_STRING, charset=LATIN1), [b"x"])


@given(st.lists(st.none() | st.binary()))
def test_bytes(values: list[bytes | None]) -> None:
    array = column_of(field(FieldType.BLOB, charset=BINARY), values)
    assert array.type == pa.binary()
    assert array.to_pylist() == values


@pytest.mark.parametrize("kind", [FieldType.BIT, FieldType.GEOMETRY])
def test_bits_and_geometry_are_bytes(kind: FieldType) -> None:
    array = column_of(field(kind), [b"\xff\0"])
    assert (array.type, array.to_pylist()) == (pa.binary(), [b"\xff\0"])


@given(st.lists(st.none() | st.uuids()))
def test_uuids(values: list[uuid.UUID | None]) -> None:
    of = field(FieldType.STRING, type_name="uuid")
    array = column_of(of, [None if v is None else str(v).encode() for v in values])
    assert array.type == pa.uuid()
    assert array.to_pylist() == values


NIL = b"00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "text", [NIL[1:], NIL + b"0", NIL.replace(b"-", b"0"), b"g" + NIL[1:], b"", NIL[:9]]
)
def test_what_is_no_uuid_is_refused(text: bytes) -> None:
    with pytest.raises(DataError, match="column 'c' has a value that is not of its"):
        column_of(field(FieldType.STRING, type_name="uuid"), [text])


def test_json_is_text_and_says_so() -> None:
    for charset in (45, BINARY):
        of = field(FieldType.BLOB, format="json", charset=charset)
        array = column_of(of, ['["ü"]'.encode(), None])
        assert array.type == pa.json_(pa.utf8())
        assert array.to_pylist() == ['["ü"]', None]


@pytest.mark.parametrize("name", ["inet4", "inet6"])
def test_addresses_are_text(name: str) -> None:
    of = field(FieldType.STRING, type_name=name)
    batch = read(columns_of([of], [(b"1.2.3.4",)]))
    assert batch.column(0).to_pylist() == ["1.2.3.4"]
    assert batch.schema.field(0).metadata == {b"MARIADB:type": name.encode()}


def test_a_column_of_nulls() -> None:
    array = column_of(field(FieldType.NULL, charset=BINARY), [None] * 70)
    assert (array.type, array.null_count, len(array)) == (pa.null(), 70, 70)
    with pytest.raises(DataError, match="its type is that of NULL"):
        column_of(field(FieldType.NULL, charset=BINARY), [b""])
