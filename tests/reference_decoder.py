"""What ``csrc/wire`` has to make of a value's text, said as plainly as can be.

Slow, and written without a look at the C: from what the server's manual says of each
type, with the classes of the standard library. ``ValueError`` is a malformed text.
"""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import json
import math
import re
import uuid
from collections.abc import Callable
from typing import Any

#: ``re.ASCII``, for \d is any digit of Unicode otherwise.
INTEGER = re.compile(rb"-?\d+", re.ASCII)
NUMBER = re.compile(rb"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
DATETIME = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?", re.ASCII
)
TIME = re.compile(r"(-?)(\d{2,3}):(\d\d):(\d\d)(?:\.(\d{1,6}))?", re.ASCII)


def matched(pattern: re.Pattern[Any], text: Any) -> re.Match[Any]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found


def integer(text: bytes) -> int:
    matched(INTEGER, text)
    value = int(text.lstrip(b"-").lstrip(b"0") or b"0")
    value = -value if text.startswith(b"-") else value
    if not -(2**63) <= value < 2**64:
        raise ValueError(text)
    return value


def double(text: bytes) -> float:
    matched(NUMBER, text)
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def exact(text: bytes) -> decimal.Decimal:
    matched(NUMBER, text)
    return decimal.Decimal(text.decode("ascii"))


def date(text: bytes) -> datetime.date | None:
    found = matched(DATE, text.decode("latin-1"))
    try:
        return datetime.date(*map(int, found.groups()))
    except ValueError:
        return None


def moment(text: bytes) -> datetime.datetime | None:
    found = matched(DATETIME, text.decode("latin-1"))
    day, hour, minute, second, fraction = found.groups()
    parts = int(hour), int(minute), int(second), int((fraction or "").ljust(6, "0"))
    clock = datetime.time(*parts)
    value = date(day.encode())
    return None if value is None else datetime.datetime.combine(value, clock)


def duration(text: bytes) -> datetime.timedelta:
    sign, *parts = matched(TIME, text.decode("latin-1")).groups()
    hours, minutes, seconds, micro = (
        int(parts[0]),
        int(parts[1]),
        int(parts[2]),
        parts[3],
    )
    if minutes > 59 or seconds > 59:
        raise ValueError(text)
    value = datetime.timedelta(
        hours=hours,
        minutes=minutes,
        seconds=seconds,
        microseconds=int((micro or "").ljust(6, "0")),
    )
    return -value if sign else value


def characters(text: bytes) -> str:
    return text.decode("utf-8")


#: By the names of ``wire_support.KINDS``.
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "integer": integer,
    "double": double,
    "decimal": exact,
    "date": date,
    "datetime": moment,
    "time": duration,
    "text": characters,
    "bytes": bytes,
    "json": lambda text: json.loads(characters(text)),
    "uuid": lambda text: uuid.UUID(characters(text)),
    "inet4": lambda text: ipaddress.IPv4Address(characters(text)),
    "inet6": lambda text: ipaddress.IPv6Address(characters(text)),
}
