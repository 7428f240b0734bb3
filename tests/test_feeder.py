"""Rows as the text of LOAD DATA: what is written, and in which turns and buffers.

Whether the server reads what was meant is in test_load.py.
"""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from mariadb_nb import _wire
from mariadb_nb.errors import DataError, ProgrammingError

PLAIN = _wire.FIELD_PLAIN


def feeder(
    *columns: str, limit: int = 1 << 20, most: int = 1 << 20, **more: Any
) -> _wire.Feeder:
    targets = more.pop("targets", bytes([PLAIN] * len(columns)))
    return _wire.Feeder(columns, targets, limit, most, **more)


def buffers(feed: _wire.Feeder, rows: Iterable[Any]) -> list[tuple[bytes, int]]:
    """All that comes of some rows."""
    feed.feed(rows)
    found = []
    while (turn := feed.fill()) != _wire.DRAINED:
        if turn == _wire.FULL:
            found.append(feed.take())
    return [*found, feed.take()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"\\N"),
        (True, b"1"),
        (-(2**63), b"-9223372036854775808"),
        (2**64 - 1, b"18446744073709551615"),
        (1.0, b"1"),
        (1e22, b"1e22"),
        (-1.5e-7, b"-1.5e-07"),
        (Decimal("1E+3"), b"1000"),
        ("a\tb\nc\\d\0\r'", b"a\\tb\\nc\\\\d\0\r'"),
        ("\\N", b"\\\\N"),
        ("\xe9\U0001f600", "\xe9\U0001f600".encode()),
        (b"\xff\t", b"\xff\\t"),
        (bytearray(b"\n"), b"\\n"),
        (date(2020, 1, 2), b"2020-01-02"),
        (datetime(2020, 1, 2, 3, 4, 5, 6), b"2020-01-02 03:04:05.000006"),
        (timedelta(hours=-25), b"-25:00:00"),
    ],
)
def test_fields(value: Any, text: bytes) -> None:
    assert buffers(feeder("a"), [(value,)]) == [(text + b"\n", 1)]
    row = {"b": "x", "a": value}
    assert buffers(feeder("a", "b"), [row]) == [(text + b"\tx\n", 1)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, b"\0"),
        (True, b"\1"),
        (0x095C0A, b"\\t\\\\\\n"),
        (2**64 - 1, b"\xff" * 8),
        (b"5", b"5"),
        (None, b"\\N"),
    ],
)
def test_bits(value: Any, text: bytes) -> None:
    made = feeder("a", targets=bytes([_wire.FIELD_BITS]))
    assert buffers(made, [[value]]) == [(text + b"\n", 1)]


def test_encoders_come_first() -> None:
    made = feeder("a", "b", encoders={str: len, type(None): lambda _: "none"})
    assert buffers(made, [("abc", None)]) == [(b"3\tnone\n", 1)]


def test_buffers_end_behind_the_row_with_which_they_are_full() -> None:
    rows = [(number,) for number in range(10)]
    assert buffers(feeder("a", limit=5), rows) == [
        *((b"0\n1\n2\n", 3), (b"3\n4\n5\n", 3), (b"6\n7\n8\n", 3)),
        (b"9\n", 1),
    ]
    sizes = [count for _, count in buffers(feeder("a", most=4), rows)]
    assert sizes == [4, 4, 2]
    long = [("x" * 100_000,)] * 3
    sizes = [len(data) for data, _ in buffers(feeder("a", limit=10), long)]
    assert sizes == [100_001] * 3 + [0]


def test_turns_are_short() -> None:
    """However slow the rows are, no turn takes many of them."""

    def slow() -> Iterator[tuple[int]]:
        for number in range(4):
            time.sleep(0.002)  # how long a row takes to make: more than a turn
            yield (number,)

    made = feeder("a")
    made.feed(slow())
    turns = 0
    while made.fill() == _wire.UNDER_WAY:
        turns += 1
    assert turns == 4
    assert made.take() == (b"0\n1\n2\n3\n", 4)


def test_rows_go_on() -> None:
    made = feeder("a")
    assert made.fill() == _wire.DRAINED
    assert made.take() == (b"", 0)
    for rows in ([(1,)], [], [(2,), (3,)]):
        made.feed(rows)
        assert made.fill() == _wire.DRAINED
    made.feed([("x", "y")])
    with pytest.raises(ProgrammingError, match=r"rows\[3\] has the length 2"):
        made.fill()


def asks_itself(made: _wire.Feeder, call: Callable[[], object]) -> None:
    def rows() -> Iterator[tuple[int]]:
        call()
        yield (1,)

    made.feed(rows())
    with pytest.raises(ProgrammingError, match="already being written"):
        made.fill()


def test_rows_cannot_use_their_own_feeder() -> None:
    made = feeder("a")
    for call in (made.fill, made.take, lambda: made.feed([])):
        asks_itself(made, call)


@pytest.mark.parametrize(
    "arguments",
    [
        ((), b"", 1, 1),
        (("a",), b"", 1, 1),
        (("a",), bytes([_wire.FIELD_DATE + 1]), 1, 1),
        (("a",), bytes([9]), 1, 1),
        ((1,), bytes([PLAIN]), 1, 1),
        (("a",), bytes([PLAIN]), 0, 1),
        (("a",), bytes([PLAIN]), 1, 0),
    ],
)
def test_wrong_arguments(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"columns|a buffer has room"):
        _wire.Feeder(*arguments)
    with pytest.raises(TypeError, match="encoders"):
        feeder("a", encoders=5)


def test_error_of_the_rows_is_theirs() -> None:
    def rows() -> Iterator[tuple[int]]:
        yield (1,)
        raise LookupError("theirs")

    made = feeder("a")
    made.feed(rows())
    with pytest.raises(LookupError, match="theirs"):
        made.fill()
    made.feed([(object(),)])
    with pytest.raises(ProgrammingError, match="no SQL literal"):
        made.fill()
    made.feed([(float("inf"),)])
    with pytest.raises(DataError, match="no finite number"):
        made.fill()


def test_cycle_is_found() -> None:
    class Rows:
        def __init__(self) -> None:
            self.feeder = feeder("a")
            self.feeder.feed(self)

        def __iter__(self) -> Rows:
            return self

        def __next__(self) -> tuple[int]:
            raise StopIteration

    rows = weakref.ref(Rows())
    gc.collect()
    assert rows() is None
