"""What the tests of statements share: MYSQL_BINDs, and a MYSQL_STMT by its pairs.

Owns the memory that MYSQL_BINDs point to. Every call that has a pair goes through it;
what a call returned is returned, and nothing is expected of it unless the docstring
says so. It must not know any test's tables or values.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias

from capi_support import drive, error, query, stmt_error

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

# The C types of buffers by the part of buffer_type after MYSQL_TYPE_: signed, unsigned.
# All others are strings of bytes, but for the moments.
_NUMBERS: Final = {
    "TINY": ("int8_t", "uint8_t"),
    "SHORT": ("int16_t", "uint16_t"),
    "YEAR": ("int16_t", "uint16_t"),
    "INT24": ("int32_t", "uint32_t"),
    "LONG": ("int32_t", "uint32_t"),
    "LONGLONG": ("int64_t", "uint64_t"),
    "FLOAT": ("float", "float"),
    "DOUBLE": ("double", "double"),
}
_MOMENTS: Final = ("DATE", "TIME", "DATETIME", "TIMESTAMP")
_CAPACITY: Final = 64
_SENTINEL: Final = b"X"


class Moment(NamedTuple):
    """A MYSQL_TIME; its kind is what comes after MYSQL_TIMESTAMP_."""

    kind: str
    year: int = 0
    month: int = 0
    day: int = 0
    hour: int = 0
    minute: int = 0
    second: int = 0
    microsecond: int = 0
    negative: bool = False


Value: TypeAlias = int | float | bytes | Moment | None


def date(year: int, month: int, day: int) -> Moment:
    """A MYSQL_TIME that is a date."""
    return Moment("DATE", year, month, day)


def clock(
    hour: int,
    minute: int,
    second: int,
    microsecond: int = 0,
    *,
    days: int = 0,
    negative: bool = False,
) -> Moment:
    """A MYSQL_TIME that is a time of day or a span of time."""
    return Moment("TIME", 0, 0, days, hour, minute, second, microsecond, negative)


def datetime(
    year: int,
    month: int,
    day: int,
    hour: int,
    minute: int,
    second: int,
    microsecond: int = 0,
) -> Moment:
    """A MYSQL_TIME that is a date and a time."""
    parts = (year, month, day, hour, minute, second, microsecond)
    return Moment("DATETIME", *parts)


class Bind:
    """One MYSQL_BIND with all that it points to, for a parameter or a column.

    Bytes that the library does not write are ``X``, and the one behind the buffer has
    to stay so.

    Args:
        kind: the buffer_type, without its MYSQL_TYPE_.
        value: what the buffer holds at first; None is NULL.
        unsigned: is_unsigned.
        capacity: the buffer_length of strings, in bytes; for a value its length.
        flags: as in MYSQL_BIND.
    """

    def __init__(
        self,
        kind: str,
        value: Value = None,
        *,
        unsigned: bool = False,
        capacity: int | None = None,
        flags: int = 0,
    ) -> None:
        if capacity is None:
            capacity = len(value) if isinstance(value, bytes) else _CAPACITY
        self.kind = kind
        self.capacity = capacity
        self.unsigned = unsigned
        self.flags = flags
        self.buffer = self._new_buffer()
        self._length = ffi.new("unsigned long *")
        self._is_null = ffi.new("my_bool *")
        self._error = ffi.new("my_bool *")
        self.value = value

    def fill(self, bind: CData) -> None:
        """Describe this to a MYSQL_BIND of an array."""
        bind.buffer_type = getattr(lib, f"MYSQL_TYPE_{self.kind}")
        bind.buffer = self.buffer
        bind.buffer_length = self._size
        bind.length = self._length
        bind.is_null = self._is_null
        bind.error = self._error
        bind.is_unsigned = self.unsigned
        bind.flags = self.flags

    @property
    def value(self) -> Any:
        """What the buffer holds: int, float, bytes, a Moment, or None for NULL."""
        if self.is_null or self.kind == "NULL":
            return None
        if self.kind in _NUMBERS:
            return self.buffer[0]
        if self.kind in _MOMENTS:
            return self._moment()
        return self.raw[: self.length]

    @value.setter
    def value(self, value: Value) -> None:
        self._is_null[0] = value is None
        if isinstance(value, Moment):
            self._set_moment(value)
        elif isinstance(value, bytes):
            assert len(value) <= self.capacity
            ffi.buffer(self.buffer)[: len(value)] = value
            self._length[0] = len(value)
        elif value is not None:
            self.buffer[0] = value

    @property
    def is_null(self) -> bool:
        """Whether it is NULL."""
        return bool(self._is_null[0])

    @property
    def length(self) -> int:
        """The length of the whole value in bytes, also if it was cut off."""
        return int(self._length[0])

    @property
    def cut_off(self) -> bool:
        """Whether the value did not fit: error in MYSQL_BIND."""
        return bool(self._error[0])

    @property
    def raw(self) -> bytes:
        """All bytes of a string's buffer, written or not."""
        content = bytes(ffi.buffer(self.buffer))
        assert content[self.capacity :] == _SENTINEL, "written past the buffer's end"
        return content[: self.capacity]

    @property
    def _size(self) -> int:
        if self.kind in (*_NUMBERS, *_MOMENTS):
            return ffi.sizeof(ffi.typeof(self.buffer).item)
        return self.capacity

    def _new_buffer(self) -> CData:
        if self.kind in _NUMBERS:
            return ffi.new(f"{_NUMBERS[self.kind][self.unsigned]} *")
        if self.kind in _MOMENTS:
            return ffi.new("MYSQL_TIME *")
        buffer = ffi.new("char[]", self.capacity + 1)
        ffi.memmove(buffer, _SENTINEL * (self.capacity + 1), self.capacity + 1)
        return buffer

    def _moment(self) -> Moment:
        found = self.buffer
        kinds = ("NONE", "ERROR", "DATE", "DATETIME", "TIME")
        kind = next(
            name
            for name in kinds
            if getattr(lib, f"MYSQL_TIMESTAMP_{name}") == found.time_type
        )
        return Moment(
            kind,
            found.year,
            found.month,
            found.day,
            found.hour,
            found.minute,
            found.second,
            found.second_part,
            bool(found.neg),
        )

    def _set_moment(self, value: Moment) -> None:
        moment = self.buffer
        moment.year, moment.month, moment.day = value[1:4]
        moment.hour, moment.minute, moment.second = value[4:7]
        moment.second_part = value.microsecond
        moment.neg = value.negative
        moment.time_type = getattr(lib, f"MYSQL_TIMESTAMP_{value.kind}")


def bind_array(binds: tuple[Bind, ...]) -> CData:
    """The MYSQL_BIND array that C wants; the library copies it."""
    array = ffi.new("MYSQL_BIND[]", len(binds))
    for index, bind in enumerate(binds):
        bind.fill(array[index])
    return array


class Statement:
    """A MYSQL_STMT whose methods are the C functions, through the pairs.

    Leaving its ``with`` block closes it, which then has to succeed.

    Args:
        mysql: a connected, non-blocking MYSQL.
        sql: what to prepare, which then has to succeed.
    """

    def __init__(self, mysql: CData, sql: str | bytes | None = None) -> None:
        self.mysql = mysql
        self.handle = lib.mysql_stmt_init(mysql)
        assert self.handle != ffi.NULL, error(mysql)
        self._closed = False
        self._parameters: object = None
        self._columns: object = None
        if sql is not None:
            self.ok(self.prepare(sql))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._closed:
            result = self.close()
            assert failure is not None or result == 0

    def ok(self, result: int) -> None:
        """Expect that a call returned 0."""
        assert result == 0, stmt_error(self.handle)

    def prepare(self, sql: str | bytes) -> int:
        """``mysql_stmt_prepare`` through its pair."""
        text = sql.encode() if isinstance(sql, str) else sql
        return self._pair("int *", "prepare", text, len(text))

    def execute(self) -> int:
        """``mysql_stmt_execute`` through its pair."""
        return self._pair("int *", "execute")

    def fetch(self) -> int:
        """``mysql_stmt_fetch`` through its pair."""
        return self._pair("int *", "fetch")

    def store_result(self) -> int:
        """``mysql_stmt_store_result`` through its pair."""
        return self._pair("int *", "store_result")

    def next_result(self) -> int:
        """``mysql_stmt_next_result`` through its pair."""
        return self._pair("int *", "next_result")

    def free_result(self) -> int:
        """``mysql_stmt_free_result`` through its pair."""
        return self._pair("my_bool *", "free_result")

    def reset(self) -> int:
        """``mysql_stmt_reset`` through its pair."""
        return self._pair("my_bool *", "reset")

    def send_long_data(self, parameter: int, data: bytes) -> int:
        """``mysql_stmt_send_long_data`` through its pair."""
        return self._pair("my_bool *", "send_long_data", parameter, data, len(data))

    def close(self) -> int:
        """``mysql_stmt_close`` through its pair; with 2014 the handle lives on."""
        result = self._pair("my_bool *", "close")
        self._closed = not result or self.errno != lib.CR_COMMANDS_OUT_OF_SYNC
        return result

    def bind_param(self, *binds: Bind) -> int:
        """``mysql_stmt_bind_param``; the buffers are kept alive."""
        self._parameters = binds
        return int(lib.mysql_stmt_bind_param(self.handle, bind_array(binds)))

    def bind_result(self, *binds: Bind) -> int:
        """``mysql_stmt_bind_result``; the buffers are kept alive."""
        self._columns = binds
        return int(lib.mysql_stmt_bind_result(self.handle, bind_array(binds)))

    def run(self, *parameters: Bind) -> Self:
        """Bind the parameters, if there are any, and execute; both have to succeed."""
        if parameters:
            self.ok(self.bind_param(*parameters))
        self.ok(self.execute())
        return self

    def rows(self, *columns: Bind) -> list[tuple[Any, ...]]:
        """Bind the columns and fetch all rows, none of which may be cut off."""
        self.ok(self.bind_result(*columns))
        return [tuple(column.value for column in columns) for _ in self]

    def __iter__(self) -> Iterator[None]:
        """Fetch to the end: one turn for each row, none of which may be cut off."""
        while (result := self.fetch()) != lib.MYSQL_NO_DATA:
            self.ok(result)
            yield

    def set_attribute(self, name: str, ctype: str, value: int) -> int:
        """``mysql_stmt_attr_set`` of STMT_ATTR_name with a C value of that type."""
        attribute = getattr(lib, f"STMT_ATTR_{name}")
        box = ffi.new(f"{ctype} *", value)
        return int(lib.mysql_stmt_attr_set(self.handle, attribute, box))

    def attribute(self, name: str, ctype: str) -> int:
        """``mysql_stmt_attr_get`` of STMT_ATTR_name, which has to succeed."""
        box = ffi.new(f"{ctype} *")
        attribute = getattr(lib, f"STMT_ATTR_{name}")
        self.ok(lib.mysql_stmt_attr_get(self.handle, attribute, box))
        return int(box[0])

    @property
    def errno(self) -> int:
        """``mysql_stmt_errno``."""
        return int(lib.mysql_stmt_errno(self.handle))

    @property
    def affected_rows(self) -> int:
        """``mysql_stmt_affected_rows``; -1 is told as such."""
        affected = int(lib.mysql_stmt_affected_rows(self.handle))
        return -1 if affected == 2**64 - 1 else affected

    @property
    def num_rows(self) -> int:
        """``mysql_stmt_num_rows``."""
        return int(lib.mysql_stmt_num_rows(self.handle))

    @property
    def param_count(self) -> int:
        """``mysql_stmt_param_count``."""
        return int(lib.mysql_stmt_param_count(self.handle))

    @property
    def field_count(self) -> int:
        """``mysql_stmt_field_count``."""
        return int(lib.mysql_stmt_field_count(self.handle))

    @property
    def fields(self) -> list[CData]:
        """The descriptions of the columns: ``mariadb_stmt_fetch_fields``."""
        fields = lib.mariadb_stmt_fetch_fields(self.handle)
        return [fields[index] for index in range(self.field_count)]

    def _pair(self, result: str, name: str, *arguments: object) -> int:
        return int(
            drive(
                result,
                getattr(lib, f"mysql_stmt_{name}_start"),
                getattr(lib, f"mysql_stmt_{name}_cont"),
                self.handle,
                *arguments,
                mysql=self.mysql,
            )
        )


def execute_all(mysql: CData, *statements: str) -> None:
    """Run statements that return no rows, one by one; all have to succeed."""
    for sql in statements:
        assert query(mysql, sql) == 0, error(mysql)
