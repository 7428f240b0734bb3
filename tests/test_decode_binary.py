"""Values and rows of the binary protocol, without a server.

Each decoder agrees with what Python makes of the same bytes, and no byte beyond a
value or a row is looked at, whatever a server writes there.
"""

from __future__ import annotations

import datetime
import itertools
import math
import struct
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from wire_support import BINARY, field

from mariadb_nb import _wire
from mariadb_nb.columns import FieldType
from mariadb_nb.errors import DataError, InterfaceError
from mariadb_nb.rows import dict_row, make_reading

UNSIGNED = 32

#: Types of numbers, and how ``struct`` packs their values.
INTEGERS = [
    ("TINY", 0, "<b"),
    ("TINY", UNSIGNED, "<B"),
    ("SHORT", 0, "<h"),
    ("SHORT", UNSIGNED, "<H"),
    ("INT24", 0, "<i"),
    ("INT24", UNSIGNED, "<I"),
    ("LONG", 0, "<i"),
    ("LONG", UNSIGNED, "<I"),
    ("LONGLONG", 0, "<q"),
    ("LONGLONG", UNSIGNED, "<Q"),
    ("YEAR", 0, "<H"),
    ("YEAR", UNSIGNED, "<H"),
]

#: The sizes that values have in the binary protocol, of the types that have some.
SIZES = {
    **{"TINY": {1}, "SHORT": {2}, "YEAR": {2}, "INT24": {4}, "LONG": {4}},
    **{"LONGLONG": {8}, "FLOAT": {4}, "DOUBLE": {8}},
    **{"DATE": {0, 4}, "NEWDATE": {0, 4}, "TIME": {0, 8, 12}},
    **{"DATETIME": {0, 4, 7, 11}, "TIMESTAMP": {0, 4, 7, 11}},
}


def column(type_name: str, flags: int = 0, decimals: int = 31) -> Any:
    number = FieldType[type_name]
    return field(number, charset=BINARY, flags=flags, decimals=decimals)


def value_of(of: Any, data: bytes, **options: Any) -> Any:
    """One value; the bytes end where memory ends."""
    ((value,),) = _wire.decode([of], [(data,)], make_reading(**options), True)
    return value


# ---- numbers ----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "flags", "form"), INTEGERS)
def test_integers_by_size_and_sign(name: str, flags: int, form: str) -> None:
    bits = 8 * struct.calcsize(form)
    edges = [0, 1, 2 ** (bits - 1) - 1]
    edges += [2**bits - 1, 2 ** (bits - 1)] if form[1].isupper() else [-1, -edges[2]]
    for value in edges:
        assert value_of(column(name, flags), struct.pack(form, value)) == value


@given(st.sampled_from(INTEGERS), st.binary(min_size=8, max_size=8))
def test_integers_of_any_bytes(of: tuple[str, int, str], data: bytes) -> None:
    name, flags, form = of
    data = data[: struct.calcsize(form)]
    found = value_of(column(name, flags), data)
    assert (type(found), (found,)) == (int, struct.unpack(form, data))


def same(found: float, wanted: float) -> bool:
    return repr(found) == repr(wanted)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(FLOATS)
@example(0.0)
@example(-0.0)
@example(2.0**-149)
@example(2.0**-126)
@example(3.4028234663852886e38)
@example(1234565.0)
@example(1234575.0)
@example(999999.5)
@example(99999.953125)
def test_a_float_has_the_six_digits_that_the_server_shows(value: float) -> None:
    found = value_of(column("FLOAT"), struct.pack("<f", value))
    assert same(found, float(f"{value:.6g}"))


@given(st.integers(-149, 127), st.integers(0, 2**24 - 1))
def test_floats_of_all_sizes(exponent: int, fraction: int) -> None:
    """Hypothesis's own are mostly near 1."""
    try:
        data = struct.pack("<f", math.ldexp(fraction, exponent - 23))
    except OverflowError:
        assume(False)
    (value,) = struct.unpack("<f", data)
    assert same(value_of(column("FLOAT"), data), float(f"{value:.6g}"))


@given(FLOATS, st.integers(0, 30))
@example(0.125, 2)
@example(0.375, 2)
@example(1e-20, 3)
def test_a_float_with_decimals(value: float, decimals: int) -> None:
    found = value_of(column("FLOAT", decimals=decimals), struct.pack("<f", value))
    assert same(found, float(f"{value:.{decimals}f}"))


DOUBLES = st.floats(allow_nan=False, allow_infinity=False)


@given(DOUBLES)
def test_a_double_is_whole(value: float) -> None:
    found = value_of(column("DOUBLE"), struct.pack("<d", value))
    assert same(found, value)


@given(DOUBLES | st.floats(-1e7, 1e7), st.integers(0, 30))
@example(0.125, 2)
@example(2.5, 0)
@example(1.7976931348623157e308, 2)
@example(9007199254740991.0, 1)
@example(4503599627370497.5, 0)
@example(1e15 + 0.25, 1)
def test_a_double_with_decimals(value: float, decimals: int) -> None:
    found = value_of(column("DOUBLE", decimals=decimals), struct.pack("<d", value))
    assert same(found, float(f"{value:.{decimals}f}"))


@given(st.decimals(-(10**9), 10**9, places=3))
def test_a_stored_double_with_decimals_stays_as_it_is(value: Any) -> None:
    stored = float(value)
    assert same(
        value_of(column("DOUBLE", decimals=3), struct.pack("<d", stored)), stored
    )


# ---- dates and times ----------------------------------------------------------------


def packed_datetime(moment: datetime.datetime, size: int) -> bytes:
    date = struct.pack("<HBB", moment.year, moment.month, moment.day)
    time = struct.pack("<BBB", moment.hour, moment.minute, moment.second)
    return (date + time + struct.pack("<I", moment.microsecond))[:size]


@given(st.datetimes(), st.sampled_from([4, 7, 11]))
def test_datetimes(moment: datetime.datetime, size: int) -> None:
    if size < 11:
        moment = moment.replace(microsecond=0)
    if size < 7:
        moment = moment.replace(hour=0, minute=0, second=0)
    data = packed_datetime(moment, size)
    for name in ("DATETIME", "TIMESTAMP"):
        assert value_of(column(name), data) == moment
    assert value_of(column("DATE"), data[:4]) == moment.date()


@pytest.mark.parametrize(
    "date", [(0, 0, 0), (2024, 0, 1), (2024, 1, 0), (2023, 2, 29), (0, 1, 1)]
)
def test_days_that_there_are_not(date: tuple[int, int, int]) -> None:
    data = struct.pack("<HBB", *date)
    shown = "{:04d}-{:02d}-{:02d}".format(*date)
    for name, more in (("DATE", b""), ("DATETIME", b""), ("DATETIME", b"\1\2\3")):
        assert value_of(column(name), data + more) is None
        with pytest.raises(DataError, match=f"'c' has the date {shown}, which"):
            value_of(column(name), data + more, invalid_dates="error")


@pytest.mark.parametrize("name", ["DATE", "DATETIME", "TIMESTAMP"])
def test_no_bytes_are_the_day_zero(name: str) -> None:
    assert value_of(column(name), b"") is None
    with pytest.raises(DataError, match="the date 0000-00-00"):
        value_of(column(name), b"", invalid_dates="error")


LONGEST = datetime.timedelta(hours=838, minutes=59, seconds=59, microseconds=999999)


@given(st.timedeltas(-LONGEST, LONGEST), st.booleans())
@example(LONGEST, False)
@example(-LONGEST, False)
@example(datetime.timedelta(0), True)
def test_times(value: datetime.timedelta, whole: bool) -> None:
    if whole:
        value -= datetime.timedelta(microseconds=value.microseconds)
    size = abs(value)
    hours, rest = divmod(size.seconds, 3600)
    data = struct.pack(
        "<BIBBBI",
        *(value < datetime.timedelta(0), size.days, hours, *divmod(rest, 60)),
        size.microseconds,
    )
    assert value_of(column("TIME"), data[: 8 if whole else 12]) == value


def test_a_time_of_no_bytes_is_zero() -> None:
    assert value_of(column("TIME"), b"") == datetime.timedelta(0)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("DATE", struct.pack("<HBB", 10000, 1, 1)),
        ("DATE", struct.pack("<HBB", 2024, 255, 1)),
        ("DATETIME", struct.pack("<HBBBBB", 2024, 1, 1, 24, 0, 0)),
        ("DATETIME", struct.pack("<HBBBBB", 2024, 1, 1, 0, 60, 0)),
        ("DATETIME", struct.pack("<HBBBBB", 2024, 1, 1, 0, 0, 60)),
        ("DATETIME", struct.pack("<HBBBBBI", 2024, 1, 1, 0, 0, 0, 1_000_000)),
        ("TIME", struct.pack("<BIBBB", 0, 0, 0, 60, 0)),
        ("TIME", struct.pack("<BIBBB", 0, 0, 0, 0, 60)),
        ("TIME", struct.pack("<BIBBB", 0, 2**32 - 1, 0, 0, 0)),
        ("TIME", struct.pack("<BIBBBI", 0, 0, 0, 0, 0, 1_000_000)),
    ],
)
def test_impossible_numbers_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(DataError, match="column 'c' has a value that is no "):
        value_of(column(name), data)


@pytest.mark.parametrize("name", SIZES)
def test_values_of_another_size_are_refused(name: str) -> None:
    for size in set(range(16)) - SIZES[name]:
        with pytest.raises(DataError, match=f"value of {size} bytes, which is not"):
            value_of(column(name), bytes(size))


# ---- rows ---------------------------------------------------------------------------


def counted(data: bytes) -> bytes:
    """Bytes with their length before them."""
    size = len(data)
    for limit, mark, form in ((251, b"", "<B"), (2**16, b"\xfc", "<H")):
        if size < limit:
            return mark + struct.pack(form, size) + data
    return b"\xfd" + struct.pack("<I", size)[:3] + data


ROW_FIELDS = [
    field(FieldType.LONG, "i", charset=BINARY),
    field(FieldType.VAR_STRING, "s"),
    field(FieldType.DOUBLE, "d", charset=BINARY, decimals=31),
    field(FieldType.BLOB, "b", charset=BINARY),
    field(FieldType.DATE, "t", charset=BINARY),
    field(FieldType.TINY, "n", charset=BINARY),
]
ROW = (7, "grüß", 1.5, b"x" * 300, datetime.date(2024, 2, 29), -1)
ROW_VALUES = [
    struct.pack("<i", 7),
    counted("grüß".encode()),
    struct.pack("<d", 1.5),
    counted(b"x" * 300),
    counted(struct.pack("<HBB", 2024, 2, 29)),
    b"\xff",
]


def head(count: int) -> bytes:
    return bytes(1 + (count + 9) // 8)


def packed(values: list[bytes | None]) -> tuple[bytes, list[int | None]]:
    """A packet, and where its values are."""
    packet, offsets = bytearray(head(len(values))), list[int | None]()
    for number, value in enumerate(values, 2):
        offsets.append(None if value is None else len(packet))
        packet[1 + number // 8] |= (value is None) << number % 8
        packet += value or b""
    return bytes(packet), offsets


def row_of(
    packet: bytes,
    offsets: list[int | None],
    place: str,
    fields: Any = ROW_FIELDS,
    **options: Any,
) -> Any:
    number = ("read", "kept", "ahead").index(place)
    reading = make_reading(**options)
    (row,) = _wire.decode_packet(fields, packet, offsets, reading, number)
    return row


#: Where a row is: fetched just now, or kept by the library, or not fetched at all.
ANYWHERE = pytest.mark.parametrize("place", ["read", "kept", "ahead"])
#: Where the library has been asked for the places of values.
FETCHED = pytest.mark.parametrize("place", ["read", "kept"])


@ANYWHERE
def test_a_row_is_cut_into_its_values(place: str) -> None:
    packet, offsets = packed([*ROW_VALUES])
    assert row_of(packet, offsets, place) == ROW
    names = [field[0] for field in ROW_FIELDS]
    expected = dict(zip(names, ROW, strict=True))
    assert row_of(packet, offsets, place, factory=dict_row) == expected


@ANYWHERE
def test_nulls_anywhere(place: str) -> None:
    for chosen in itertools.product([True, False], repeat=len(ROW)):
        values = [v if c else None for v, c in zip(ROW_VALUES, chosen, strict=True)]
        expected = tuple(v if c else None for v, c in zip(ROW, chosen, strict=True))
        assert row_of(*packed(values), place) == expected


@ANYWHERE
@pytest.mark.parametrize("count", [*range(1, 24), 300])
def test_nulls_among_so_many_columns(count: int, place: str) -> None:
    fields = [field(FieldType.TINY, f"c{i}", charset=BINARY) for i in range(count)]
    for every in (2, 3, 7, 8, 9, count + 1):
        row = tuple(None if i % every == 1 else i % 100 for i in range(count))
        packet, offsets = packed([None if v is None else bytes([v]) for v in row])
        assert row_of(packet, offsets, place, fields) == row


@ANYWHERE
@pytest.mark.parametrize("size", [0, 1, 250, 251, 252, 2**16 - 1, 2**16, 2**24 - 1])
def test_lengths_of_all_sizes(size: int, place: str) -> None:
    data = bytes(size)
    packet, offsets = packed([None, None, None, counted(data), None, b"\1"])
    assert row_of(packet, offsets, place)[3:] == (data, None, 1)


@ANYWHERE
def test_a_length_in_eight_bytes(place: str) -> None:
    value = b"\xfe" + struct.pack("<Q", 5) + b"abcde"
    packet, offsets = packed([None, None, None, value, None, None])
    assert row_of(packet, offsets, place)[3] == b"abcde"


MISPLACED = r"column '\w' has a value that is not where the row"


@ANYWHERE
def test_a_row_that_ends_early_is_refused(place: str) -> None:
    packet, offsets = packed([*ROW_VALUES])
    for end in range(len(packet)):
        within = [at if at and at <= end else None for at in offsets]
        if within[0] is None and place != "ahead":
            continue  # there is not even the first value's place
        with pytest.raises(DataError, match=MISPLACED):
            row_of(packet[:end], offsets, place)


LIES = [b"\xfb", b"\xff", b"\x02x", b"\xfa", b"\xfc\x01", b"\xfc\xff\xff", b"\xfd\1"]
LIES += [b"\xfe" + struct.pack("<Q", n) for n in (2, 2**31, 2**32 + 1, 2**64 - 1)]


@ANYWHERE
@pytest.mark.parametrize("lie", LIES)
def test_a_length_that_is_no_length_is_refused(lie: bytes, place: str) -> None:
    packet, offsets = packed([None, lie, None, None, None, None])
    with pytest.raises(DataError, match="column 's' has a value that is not where"):
        row_of(packet, offsets, place)


@FETCHED
@pytest.mark.parametrize("moved", range(1, len(ROW)))
@pytest.mark.parametrize("by", [-1, 1])
def test_values_that_do_not_follow_each_other(moved: int, by: int, place: str) -> None:
    """As if a newer library pointed elsewhere."""
    packet, offsets = packed([*ROW_VALUES])
    at = offsets[moved]
    assert at is not None
    offsets[moved] = at + by
    with pytest.raises(DataError, match=f"column '{ROW_FIELDS[moved][0]}' has a value"):
        row_of(packet, offsets, place)


def test_a_row_in_memory_of_another_kind_is_refused() -> None:
    """Neither in the connection's buffer nor behind what the library notes of a row."""
    packet, offsets = packed([*ROW_VALUES])
    with pytest.raises(DataError, match="column 'i' has a value that is not where"):
        row_of(
            b"\0" + packet, [o + 1 if o is not None else None for o in offsets], "kept"
        )


@ANYWHERE
def test_another_number_of_columns_is_refused(place: str) -> None:
    packet, offsets = packed([*ROW_VALUES])
    with pytest.raises(InterfaceError, match="has 5 columns, not 6"):
        row_of(packet, offsets[:5], place)
