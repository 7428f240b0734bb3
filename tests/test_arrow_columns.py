"""Columns of Arrow from values of the binary protocol, without a server.

pyarrow reads what comes of it and checks it in full. Values are compared with what the
decoders make of the same bytes, which other tests compare with Python's own.
"""

from __future__ import annotations

import datetime
import decimal
import gc
import struct
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_decode_binary import INTEGERS, UNSIGNED, column, packed_datetime
from wire_support import BINARY, LATIN1, field

from mariadb_nb import _wire
from mariadb_nb.columns import FieldType
from mariadb_nb.errors import DataError, NotSupportedError, ProgrammingError

D = decimal.Decimal
ENUM = 256


def columns_of(
    fields: list[Any],
    rows: Sequence[tuple[bytes | None, ...]],
    *,
    dictionary: bool | frozenset[str] = False,
    error: bool = False,
    keep: bool = False,
) -> _wire.ArrowBatch:
    """A batch of values in the binary protocol's form."""
    reading = _wire.Reading(_wire.SHAPE_ARROW, dictionary, None, error)
    batch = _wire.decode(fields, [*rows], reading, True, keep)
    assert isinstance(batch, _wire.ArrowBatch)
    return batch


def read(batch: Any) -> pa.RecordBatch:
    """What pyarrow has of it, checked."""
    found = pa.record_batch(batch)
    found.validate(full=True)
    return found


def column_of(of: Any, values: list[bytes | None], **options: Any) -> pa.Array:
    return read(columns_of([of], [(v,) for v in values], **options)).column(0)


def decoded(of: Any, values: list[bytes | None]) -> list[Any]:
    """What the decoders make of the same."""
    rows = _wire.decode([of], [(v,) for v in values], _wire.Reading(0), True)
    return [value for (value,) in rows]


# ---- values -------------------------------------------------------------------------

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


def decimal_field(digits: int, decimals: int, *, is_signed: bool = True) -> Any:
    return field(
        FieldType.NEWDECIMAL,
        charset=BINARY,
        length=digits + (decimals > 0) + is_signed,
        decimals=decimals,
        flags=0 if is_signed else UNSIGNED,
    )


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


TEXT = field(FieldType.VAR_STRING)


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


# ---- nulls and growth ----------------------------------------------------------------

MANY = [
    column("TINY"),
    column("LONGLONG"),
    TEXT,
    column("DATETIME"),
    decimal_field(50, 3),
    field(FieldType.STRING, "e", flags=ENUM),
]
MANY_VALUES = (
    *(b"\1", struct.pack("<q", -5), b"text"),
    *(struct.pack("<HBB", 2024, 2, 29), b"-12.345", b"red"),
)
MANY_OBJECTS = (1, -5, "text", datetime.datetime(2024, 2, 29), D("-12.345"), "red")


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 1000])
def test_batches_of_all_sizes(count: int) -> None:
    """Values and NULLs in each column in another order, past each growth."""
    present = [[(r * 7 + c * 3) % (c + 2) > 0 for c in range(6)] for r in range(count)]
    rows = [
        tuple(v if p else None for v, p in zip(MANY_VALUES, row, strict=True))
        for row in present
    ]
    batch = read(columns_of(MANY, rows, dictionary=True))
    assert batch.num_rows == count
    for place, of in enumerate(batch.columns):
        expected = [MANY_OBJECTS[place] if row[place] else None for row in present]
        assert of.to_pylist() == expected
        assert of.null_count == expected.count(None)


def test_no_nulls_need_no_bitmap() -> None:
    rows: list[tuple[bytes | None, ...]] = [MANY_VALUES] * 100
    batch = read(columns_of(MANY, rows, dictionary=True))
    assert all(array.buffers()[0] is None for array in batch.columns)


@pytest.mark.parametrize("first", [0, 1, 63, 64, 200])
def test_the_first_null_comes_late(first: int) -> None:
    values = [b"\1"] * first + [None] + [b"\2"] * 70
    expected = [1] * first + [None] + [2] * 70
    assert column_of(column("TINY"), values).to_pylist() == expected


def test_a_row_that_fails_leaves_nothing_behind() -> None:
    """In no column, and no NULL of it is counted."""
    bad = [*MANY_VALUES]
    bad[4] = b"x"
    half = (None, *bad[1:2], None, *bad[3:])
    rows = [MANY_VALUES, half, (None,) * 6, tuple(bad), MANY_VALUES, half]
    with pytest.raises(DataError, match="no decimal"):
        columns_of(MANY, rows, dictionary=True)
    batch = read(columns_of(MANY, rows, dictionary=True, keep=True))
    expected = [MANY_OBJECTS, (None,) * 6, MANY_OBJECTS]
    assert [tuple(row.values()) for row in renamed(batch).to_pylist()] == expected
    assert {array.null_count for array in batch.columns} == {1}


def renamed(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.rename_columns([f"c{i}" for i in range(batch.num_columns)])


@pytest.mark.parametrize("wrong", range(6))
def test_each_column_may_be_the_one_that_fails(wrong: int) -> None:
    """Rows of NULLs and values before and after rows that fail, at any column."""
    fails = (b"xx", b"x", b"\xff", b"x", b"x", b"\xff")
    rows = []
    for number in range(200):
        row: list[bytes | None] = [None if number % 3 else v for v in MANY_VALUES]
        if number % 5 == 0:
            row[wrong] = fails[wrong]
        rows.append(tuple(row))
    batch = read(columns_of(MANY, rows, dictionary=True, keep=True))
    kept = [number for number in range(200) if number % 5]
    for place, of in enumerate(batch.columns):
        expected = [None if n % 3 else MANY_OBJECTS[place] for n in kept]
        assert of.to_pylist() == expected
        assert of.null_count == expected.count(None)


def test_a_batch_is_full_before_its_offsets_end() -> None:
    """Of 32 bits: after a GiB in one column there is room for a value of another."""
    value = bytes(1 << 27)
    batch = columns_of([field(FieldType.BLOB, charset=BINARY)], [(value,)] * 12)
    assert len(batch) == 9
    assert batch.nbytes == 9 * len(value) + 10 * 4


# ---- dictionaries -------------------------------------------------------------------

COLOURS = field(FieldType.STRING, "colour", flags=ENUM)
NAMES = field(FieldType.VAR_STRING, "name")
NUMBERS = field(FieldType.LONG, "n", charset=BINARY)
TYPE_OF_DICTIONARY = pa.dictionary(pa.int32(), pa.utf8())


def test_an_enum_as_a_dictionary() -> None:
    rows = [(c, c) for c in (b"red", "grün".encode(), None, b"red", b"")]
    plain = read(columns_of([COLOURS, NAMES], rows))
    assert plain.schema.types == [pa.utf8(), pa.utf8()]
    batch = read(columns_of([COLOURS, NAMES], rows, dictionary=True))
    assert batch.schema.types == [TYPE_OF_DICTIONARY, pa.utf8()]
    assert batch.column(0).to_pylist() == ["red", "grün", None, "red", ""]
    assert batch.column(0).dictionary.to_pylist() == ["red", "grün", ""]


def test_columns_by_name_as_dictionaries() -> None:
    values = [f"value {n % 3000}".encode() * (n % 3) for n in range(10_000)]
    rows = [(b"red", value) for value in values]
    chosen = frozenset({"name"})
    batch = read(columns_of([COLOURS, NAMES], rows, dictionary=chosen))
    assert batch.schema.types == [pa.utf8(), TYPE_OF_DICTIONARY]
    assert batch.column(1).to_pylist() == [value.decode() for value in values]
    distinct = list(dict.fromkeys(value.decode() for value in values))
    assert batch.column(1).dictionary.to_pylist() == distinct


def test_a_dictionary_without_values() -> None:
    batch = read(columns_of([COLOURS], [(None,)] * 3, dictionary=True))
    assert batch.column(0).to_pylist() == [None] * 3
    assert read(columns_of([COLOURS], [], dictionary=True)).num_rows == 0


@pytest.mark.parametrize("name", ["n", "nobody", ""])
def test_a_dictionary_of_what_is_no_text(name: str) -> None:
    with pytest.raises(ProgrammingError, match=f"dictionary= names '{name}', and the"):
        columns_of([COLOURS, NUMBERS], [], dictionary=frozenset({name, "colour"}))


def test_a_dictionary_keeps_to_utf8() -> None:
    with pytest.raises(DataError, match="not UTF-8"):
        columns_of([COLOURS], [(b"\xff",)], dictionary=True)


# ---- what others are handed ---------------------------------------------------------


def test_the_schema_says_what_types_do_not() -> None:
    fields = [
        field(FieldType.BLOB, "j", format="json"),
        field(FieldType.STRING, "e", flags=ENUM),
        field(FieldType.STRING, "s", flags=2048),
        field(FieldType.YEAR, "y", charset=BINARY),
        field(FieldType.BIT, "b", charset=BINARY),
        field(FieldType.GEOMETRY, "g", charset=BINARY),
        field(FieldType.LONG, "grün", charset=BINARY),
        field(FieldType.LONG, "", charset=BINARY),
    ]
    batch = columns_of(fields, [])
    schema = pa.schema(batch)
    assert schema.names == list(batch.column_names)
    assert schema.names == ["j", "e", "s", "y", "b", "g", "grün", ""]
    told = [of.metadata and of.metadata.get(b"MARIADB:type") for of in schema]
    assert told == [b"json", b"enum", b"set", b"year", b"bit", b"geometry", None, None]
    assert all(of.nullable for of in schema)


def test_a_batch_tells_of_itself() -> None:
    batch = columns_of(MANY, [MANY_VALUES, (None,) * 6], dictionary=True)
    assert (len(batch), batch.num_rows) == (2, 2)
    assert repr(batch) == "<ArrowBatch of 2 rows and 6 columns>"
    values = 2 * 1 + 2 * 8 + (3 * 4 + 4) + 2 * 8 + 2 * 32 + 2 * 4
    assert batch.nbytes == values + 6 + (2 * 4 + len("red"))
    with pytest.raises(TypeError, match="cannot create"):
        type(batch)()


def test_columns_outlive_their_batch() -> None:
    """Each by itself, and whoever is let go first."""
    batch = columns_of(MANY, [MANY_VALUES] * 10, dictionary=True)
    first, second = read(batch), read(batch)
    del batch
    kept = [first.column(i) for i in range(0, 6, 2)]
    del first
    gc.collect()
    assert [array.to_pylist() for array in kept] == [
        [MANY_OBJECTS[i]] * 10 for i in range(0, 6, 2)
    ]
    assert [tuple(r.values()) for r in renamed(second).to_pylist()] == (
        [MANY_OBJECTS] * 10
    )


def test_nothing_is_copied() -> None:
    batch = columns_of(MANY, [MANY_VALUES] * 10)
    places = [[b.address for b in a.buffers() if b] for a in read(batch).columns]
    again = [[b.address for b in a.buffers() if b] for a in read(batch).columns]
    assert places == again


def test_streams_of_batches() -> None:
    batches = tuple(
        columns_of(MANY, [MANY_VALUES] * n, dictionary=True) for n in (3, 0, 5)
    )

    class Table:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return _wire.arrow_stream(batches)

    for _ in range(2):
        table = renamed(pa.table(Table()))
        table.validate(full=True)
        assert [tuple(r.values()) for r in table.to_pylist()] == [MANY_OBJECTS] * 8
    reader = pa.RecordBatchReader.from_stream(Table())
    assert [batch.num_rows for batch in reader] == [3, 0, 5]
    assert pa.table(batches[0]).num_rows == 3


@pytest.mark.parametrize("wrong", [(), [], (1,), None])
def test_a_stream_of_something_else(wrong: Any) -> None:
    with pytest.raises(TypeError, match="takes a tuple of batches"):
        _wire.arrow_stream(wrong)


class Reader:
    """A stream of what an iterator gives."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self.batches = batches

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        like = columns_of([NUMBERS], [])
        return _wire.arrow_reader(like, self.batches)


def numbers(count: int) -> _wire.ArrowBatch:
    return columns_of([NUMBERS], [(struct.pack("<i", n),) for n in range(count)])


def test_a_stream_that_is_made_while_it_is_read() -> None:
    made = []

    def batches() -> Iterator[_wire.ArrowBatch]:
        for count in (2, 0, 3):
            made.append(count)
            yield numbers(count)

    reader = pa.RecordBatchReader.from_stream(Reader(batches()))
    assert reader.schema.names == ["n"]
    assert made == []
    assert reader.read_next_batch().to_pylist() == [{"n": 0}, {"n": 1}]
    assert made == [2]
    assert reader.read_all().num_rows == 3


def test_an_error_within_a_stream() -> None:
    def batches() -> Iterator[_wire.ArrowBatch]:
        yield numbers(2)
        raise DataError("column 'n' is wrong: ü")

    reader = pa.RecordBatchReader.from_stream(Reader(batches()))
    assert reader.read_next_batch().num_rows == 2
    for _ in range(2):  # it stays as it is
        with pytest.raises(OSError, match="DataError: column 'n' is wrong: ü"):
            reader.read_next_batch()


def test_something_else_within_a_stream() -> None:
    reader = pa.RecordBatchReader.from_stream(Reader(iter([1])))
    with pytest.raises(OSError, match="error"):
        reader.read_next_batch()
    with pytest.raises(TypeError, match="takes an iterator"):
        _wire.arrow_reader(numbers(0), [])  # type: ignore[arg-type]


def test_a_stream_that_another_thread_reads_and_lets_go() -> None:
    found = []

    def work(reader: pa.RecordBatchReader) -> None:
        found.append(reader.read_all().num_rows)

    reader = pa.RecordBatchReader.from_stream(Reader(iter([numbers(2), numbers(3)])))
    thread = threading.Thread(target=work, args=(reader,))
    del reader
    thread.start()
    thread.join()
    assert found == [5]


def test_capsules_that_nobody_takes() -> None:
    """They free what they hold, and so does what was taken."""
    rows: list[tuple[bytes | None, ...]] = [MANY_VALUES] * 10_000
    process = psutil.Process()

    def use() -> None:
        batch = columns_of(MANY, rows, dictionary=True)
        batch.__arrow_c_schema__()
        batch.__arrow_c_array__()
        batch.__arrow_c_stream__(requested_schema=None)
        _wire.arrow_stream((batch, batch))
        _wire.arrow_reader(batch, iter((batch,)))
        assert read(batch).num_rows == len(rows)

    for _ in range(5):
        use()
    before = process.memory_info().rss
    for _ in range(50):
        use()
    one = 10_000 * (1 + 8 + 8 + 8 + 32 + 4)
    assert process.memory_info().rss - before < 10 * one


def test_rows_in_text_make_no_columns() -> None:
    reading = _wire.Reading(_wire.SHAPE_ARROW, False, None, False)
    with pytest.raises(NotSupportedError, match="rows of prepared statements only"):
        _wire.decode([NUMBERS], [(b"1",)], reading)


@pytest.mark.parametrize("make", [None, 1, ["a"], {"a"}])
def test_a_reading_for_columns_takes_a_bool_or_names(make: Any) -> None:
    with pytest.raises(TypeError, match="a bool or a frozenset"):
        _wire.Reading(_wire.SHAPE_ARROW, make)
