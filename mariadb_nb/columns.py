"""What a result says of its columns: PEP 249's description, and all that MariaDB tells.

Owns the numbers of the types and PEP 249's type objects. It knows nothing of values:
what a column's values become is said in ``mariadb_nb.converters``.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ._wire import _Field

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Column",
    "FieldType",
    "TypeCode",
    "TypeObject",
    "describe",
]


class FieldType(IntEnum):
    """The numbers by which the server names types (``MYSQL_TYPE_*`` in C).

    Several types share a number: TEXT and BLOB, CHAR and BINARY differ in the charset;
    JSON, UUID, INET4 and INET6 in the column's ``format`` or ``type_name``.
    """

    DECIMAL = 0
    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    NULL = 6
    TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    TIME = 11
    DATETIME = 12
    YEAR = 13
    NEWDATE = 14
    VARCHAR = 15
    BIT = 16
    JSON = 245
    NEWDECIMAL = 246
    ENUM = 247
    SET = 248
    TINY_BLOB = 249
    MEDIUM_BLOB = 250
    LONG_BLOB = 251
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255


class TypeObject:
    """One of PEP 249's kinds of types: equal to the ``type_code`` of its columns.

    A plain number is not told from what else has it: 252 (TEXT, BLOB) is ``BINARY``,
    254 (CHAR, BINARY) is ``STRING``. A column's own ``type_code`` is exact.
    """

    def __init__(self, name: str, *types: FieldType) -> None:
        self.name = name
        self._types = frozenset(types)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeCode):
            return other.kind is self
        if isinstance(other, int):
            return other in self._types
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return self.name


class TypeCode(int):
    """The number of a column's type, see ``FieldType``, which knows its kind.

    Attributes:
        kind: ``STRING``, ``BINARY``, ``NUMBER`` or ``DATETIME``; None for NULL.
    """

    kind: TypeObject | None = None

    def __repr__(self) -> str:
        try:
            return repr(FieldType(int(self)))
        except ValueError:
            return int.__repr__(self)

    def __reduce__(self) -> tuple[object, ...]:
        return _type_code, (int(self), self.kind is BINARY)


_T = FieldType

#: Text: CHAR, VARCHAR, TEXT, ENUM, SET, JSON, UUID, INET4, INET6.
STRING: Final = TypeObject(
    "STRING", _T.VARCHAR, _T.VAR_STRING, _T.STRING, _T.ENUM, _T.SET, _T.JSON
)
#: Bytes: BINARY, VARBINARY, BLOB, BIT, GEOMETRY.
BINARY: Final = TypeObject(
    "BINARY",
    *(_T.TINY_BLOB, _T.MEDIUM_BLOB, _T.LONG_BLOB, _T.BLOB, _T.BIT, _T.GEOMETRY),
)
#: Integers, YEAR, FLOAT, DOUBLE and DECIMAL.
NUMBER: Final = TypeObject(
    "NUMBER",
    *(_T.TINY, _T.SHORT, _T.LONG, _T.INT24, _T.LONGLONG, _T.YEAR),
    *(_T.FLOAT, _T.DOUBLE, _T.DECIMAL, _T.NEWDECIMAL),
)
#: DATE, TIME, DATETIME and TIMESTAMP.
DATETIME: Final = TypeObject(
    "DATETIME", _T.DATE, _T.NEWDATE, _T.TIME, _T.DATETIME, _T.TIMESTAMP
)
#: MariaDB has no type for it: equal to no column.
ROWID: Final = TypeObject("ROWID")

_BINARY_CHARSET: Final = 63
_NOT_NULL: Final = 1
_UNSIGNED: Final = 32
#: The types whose charset says whether they are text.
_CHARACTERS: Final = frozenset(range(_T.ENUM, _T.GEOMETRY)) | {_T.VARCHAR}
_DECIMALS: Final = frozenset({_T.DECIMAL, _T.NEWDECIMAL})
_FRACTIONS: Final = frozenset({_T.TIME, _T.DATETIME, _T.TIMESTAMP})


@lru_cache(maxsize=1024)
def _type_code(number: int, binary: bool) -> TypeCode:
    code = TypeCode(number)
    if number in _CHARACTERS:
        code.kind = BINARY if binary else STRING
    else:
        kinds = (STRING, BINARY, NUMBER, DATETIME)
        code.kind = next((kind for kind in kinds if kind == number), None)
    return code


class _Description(NamedTuple):
    name: str
    type_code: int
    display_size: int | None
    internal_size: int
    precision: int | None
    scale: int | None
    null_ok: bool


class Column(_Description):
    """One column of a result: PEP 249's seven items, and more as attributes.

    Attributes:
        name: as the statement calls it.
        type_code: the type's number; equal to one of PEP 249's type objects.
        display_size: characters of the longest value, or None if that is not known.
        internal_size: the most bytes that a value can have.
        precision: the digits of a DECIMAL, else None.
        scale: the digits after its point, or those of a time's seconds, else None.
        null_ok: whether NULL is possible.
        table: the table as the statement calls it, or "".
        org_table: the table's own name, or "".
        db: the database, or "".
        org_name: the column's own name, or "".
        charset: the number of the collation in which values come; 63 for bytes.
        flags: ``NOT_NULL_FLAG`` and its like (mysql.h).
        type_name: "uuid", "inet6", "point" and others that have no number; or None.
        format: "json" for JSON; or None.
    """

    table: str
    org_table: str
    db: str
    org_name: str
    charset: int
    flags: int
    type_name: str | None
    format: str | None


def _column(field: _Field) -> Column:
    name, number, length, longest, decimals, flags, charset = field[:7]
    texts = field[7:]
    precision = scale = None
    if number in _DECIMALS:
        scale = decimals
        precision = length - (scale > 0) - (not flags & _UNSIGNED)
    elif number in _FRACTIONS:
        scale = decimals
    # What has a name or a format is text, even if it is told to come as bytes.
    binary = charset == _BINARY_CHARSET and texts[5] != "json"
    column = Column(
        name,
        _type_code(number, binary),
        longest or None,
        length,
        precision,
        scale,
        not flags & _NOT_NULL,
    )
    column.charset, column.flags = charset, flags
    column.table, column.org_table, column.db, column.org_name = texts[:4]
    column.type_name, column.format = texts[4:]
    return column


def describe(fields: Iterable[_Field]) -> tuple[Column, ...]:
    """Make a result's description of what ``_wire`` knows of its columns."""
    return tuple(_column(field) for field in fields)
