"""Decimals from their text: those that are copied are those that would be called.

How other values come from their text: ``test_decode``.
"""

from __future__ import annotations

import copy
import decimal
import gc
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire_support import KINDS, rows

from mariadb_nb import _wire
from mariadb_nb.errors import DataError


@given(st.lists(st.integers(-50, 2000), min_size=100, max_size=300))
def test_decimals_that_repeat_are_the_same(numbers: list[int]) -> None:
    texts = [f"{number / 8:.3f}".encode() for number in numbers]
    found = rows([KINDS["decimal"]], [(text,) for text in texts])
    assert [repr(value) for (value,) in found] == [
        repr(decimal.Decimal(text.decode())) for text in texts
    ]


@given(st.from_regex(r"-?[0-9]{1,21}(\.[0-9]{1,21})?", fullmatch=True))
@example("-0")
@example("000000000000000000")
@example("-0.000000000000000000")
@example("999999999999999999")
@example("1000000000000000000")
@example("00000000000000000.1")
@example("0.99999999999999999")
def test_decimals_are_those_that_are_called(text: str) -> None:
    """In all that can be seen of them, whether they were called or copied."""
    ((value,),) = rows([KINDS["decimal"]], [(text.encode(),)])
    called = decimal.Decimal(text)
    assert type(value) is decimal.Decimal
    assert (repr(value), hash(value)) == (repr(called), hash(called))
    assert value.as_tuple() == called.as_tuple()
    assert sys.getsizeof(value) == sys.getsizeof(called)
    assert repr(copy.deepcopy(value)) == repr(pickle.loads(pickle.dumps(value)))
    assert repr(value * value + value) == repr(called * called + called)
    assert repr(-value.normalize()) == repr(-called.normalize())


def test_decimals_have_no_digits_in_common() -> None:
    one, other, again = (
        value
        for (value,) in rows([KINDS["decimal"]], [(b"1.5",), (b"2.5",), (b"1.5",)])
    )
    assert (one, other, again) == (
        decimal.Decimal("1.5"),
        decimal.Decimal("2.5"),
        decimal.Decimal("1.5"),
    )
    del one
    gc.collect()
    assert (other, again) == (decimal.Decimal("2.5"), decimal.Decimal("1.5"))


WITHOUT_LIBMPDEC = """
import sys

import _pydecimal

sys.modules["decimal"] = _pydecimal
from wire_support import KINDS, rows

from mariadb_nb import _wire

assert not _wire.COPIES_DECIMALS
for text in (b"-12.50", b"0", b"1234567890123456789012.5"):
    ((value,),) = rows([KINDS["decimal"]], [(text,)])
    assert type(value) is _pydecimal.Decimal
    assert str(value).encode() == text
print("as good")
"""


def test_decimals_are_copied_where_that_can_be_seen() -> None:
    """It is ten times as fast; the layout is tried at import."""
    assert _wire.COPIES_DECIMALS is (sys.maxsize > 1 << 32)


def test_decimals_of_another_kind_are_called() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBMPDEC],
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("as good\n", "")


@pytest.mark.parametrize(
    "bad", ["", "1\0", "\0", "1 ", "NaN", "1_0", "-", ".", "+1", "٣"]
)
def test_malformed_decimals_are_refused(bad: str) -> None:
    with pytest.raises(DataError, match="column 'c' has a value that is no number"):
        rows([KINDS["decimal"]], [(b"1",), (bad.encode(),)])
