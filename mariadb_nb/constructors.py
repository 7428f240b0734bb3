"""PEP 249's constructors of values, and the parameter that has none.

Parameters may be the plain types of Python; these names are for programs that are
written for any driver. Ticks are seconds since the epoch, in local time as PEP 249
asks.
"""

from __future__ import annotations

from datetime import date as Date
from datetime import datetime as Timestamp
from datetime import time as Time
from typing import Final, final

__all__ = [
    "DEFAULT",
    "Binary",
    "Date",
    "DateFromTicks",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
]


@final
class _Default:
    """The class of ``DEFAULT``: there is one object of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "mariadb_nb.DEFAULT"

    def __reduce__(self) -> str:
        return "DEFAULT"


#: As a parameter: the column's own default, as the word DEFAULT in SQL.
DEFAULT: Final = _Default()


def Binary(data: bytes | bytearray | memoryview) -> bytes:
    """The bytes of anything that has some; not of an int or a str, as ``bytes`` has it.

    Raises:
        TypeError: it is nothing like bytes.
    """
    return bytes(memoryview(data))


def DateFromTicks(ticks: float) -> Date:
    """The local date of a moment."""
    return Date.fromtimestamp(ticks)


def TimeFromTicks(ticks: float) -> Time:
    """The local time of day of a moment."""
    return Timestamp.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> Timestamp:
    """A moment in local time."""
    return Timestamp.fromtimestamp(ticks)
