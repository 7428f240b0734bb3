"""Takes requests of COM_STMT_BULK_EXECUTE to pieces, as the protocol has them.

Owns the types of parameters and the reading; knows no test, and nothing of how they are
made.
"""

from __future__ import annotations

import datetime
import struct
from decimal import Decimal
from typing import Any, Final, NamedTuple

from mariadb_nb import DEFAULT
from mariadb_nb.capi import lib

LONGLONG: Final = int(lib.MYSQL_TYPE_LONGLONG)
UNSIGNED: Final = LONGLONG | 0x8000
DOUBLE: Final = int(lib.MYSQL_TYPE_DOUBLE)
DECIMAL: Final = int(lib.MYSQL_TYPE_NEWDECIMAL)
STRING: Final = int(lib.MYSQL_TYPE_VAR_STRING)
BLOB: Final = int(lib.MYSQL_TYPE_BLOB)
NULL: Final = int(lib.MYSQL_TYPE_NULL)
DATE: Final = int(lib.MYSQL_TYPE_DATE)
DATETIME: Final = int(lib.MYSQL_TYPE_DATETIME)
TIME: Final = int(lib.MYSQL_TYPE_TIME)


class Request(NamedTuple):
    """What a server reads in a request."""

    types: tuple[int, ...]
    rows: list[tuple[Any, ...]]


class Reader:
    """Reads a request of COM_STMT_BULK_EXECUTE as the protocol has it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> Any:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values[0] if len(values) == 1 else values

    def string(self) -> bytes:
        first = self.take("B")
        length = {252: "H", 253: "HB", 254: "Q"}.get(first)
        if length is None:
            count = first
        elif first == 253:
            low, high = self.take(length)
            count = low | high << 16
        else:
            count = self.take(length)
        self.at += count
        return self.data[self.at - count : self.at]

    def moment(self, kind: int) -> Any:
        length = self.take("B")
        if kind == TIME:
            negative, days, hours, minutes, seconds = self.take("BIBBB")
            assert hours < 24
            micros = self.take("I") if length == 12 else 0
            assert length == (12 if micros else 8)
            span = datetime.timedelta(days, seconds, micros, 0, minutes, hours)
            return -span if negative else span
        date = self.take("HBB")
        if kind == DATE:
            assert length == 4
            return datetime.date(*date)
        clock = self.take("BBB")
        micros = self.take("I") if length == 11 else 0
        assert length == (11 if micros else 7)
        return datetime.datetime.combine(
            datetime.date(*date), datetime.time(clock[0], clock[1], clock[2], micros)
        )

    def value(self, kind: int) -> Any:
        indicator = self.take("B")
        if indicator:
            return {1: None, 2: DEFAULT}[indicator]
        numbers = {LONGLONG: "q", UNSIGNED: "Q", DOUBLE: "d"}
        if kind in numbers:
            return self.take(numbers[kind])
        if kind in (DATE, DATETIME, TIME):
            return self.moment(kind)
        text = self.string()
        if kind == BLOB:
            return text
        return Decimal(text.decode()) if kind == DECIMAL else text.decode()


def read(data: bytes, count: int, columns: int) -> Request:
    """Take a request to pieces: nothing may be left of it."""
    reader = Reader(data)
    assert reader.take("IH") == (0, 128)  # the library's place, and: types follow
    types = tuple(reader.take("H") for _ in range(columns))
    rows = [tuple(reader.value(kind) for kind in types) for _ in range(count)]
    assert reader.at == len(data)
    return Request(types, rows)
