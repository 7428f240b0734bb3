"""Batches of Arrow: nulls and growth, dictionaries, and what others are handed.

pyarrow reads them and checks them in full; there is no server.
"""

from __future__ import annotations

import datetime
import decimal
import gc
import struct
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pyarrow as pa
import pytest
from arrow_support import TEXT, column_of, columns_of, decimal_field, read
from test_decode_binary import column
from wire_support import BINARY, field

from mariadb_nb import _wire
from mariadb_nb.columns import FieldType
from mariadb_nb.errors import DataError, NotSupportedError, ProgrammingError

D = decimal.Decimal
ENUM = 256

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
