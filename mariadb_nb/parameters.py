"""From a statement and its parameters to the bytes that are sent.

Owns the scanned statements that are kept for the next time. It knows no connection:
how a server reads strings (``mode``) is said by the caller. The scan and the literals
themselves are in C (``csrc/wire/template.h``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias

from ._wire import MODE_DOUBTFUL, ArrowRows, Template
from .errors import DataError, ProgrammingError

__all__ = [
    "DOUBTFUL",
    "Columns",
    "Encoders",
    "Parameters",
    "Rows",
    "plain",
    "render",
    "rows_of",
    "template",
]

#: A sequence for ``?`` and ``%s``, a mapping for ``%(name)s``.
Parameters: TypeAlias = tuple[Any, ...] | list[Any] | Mapping[str, Any]


class Columns(Protocol):
    """What exports columns of Arrow: tables of pyarrow, polars, pandas and so on."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A stream of them in a PyCapsule."""


#: Parameters for many executions: row by row, or in columns.
Rows: TypeAlias = Iterable[Any] | Columns

#: From a class to a function that makes a value of another class.
Encoders: TypeAlias = Mapping[type, Callable[[Any], object]]

#: The bit of a mode for: a backslash may be one, or an escape.
DOUBTFUL: Final = MODE_DOUBTFUL

#: How many statements are kept, and how many characters one of them may have: a long
#: text is mostly data, and comes only once.
_KEPT: Final = 512
_LONGEST: Final = 8192

_kept = lru_cache(_KEPT)(Template)


def template(sql: str, mode: int) -> Template:
    """Scan a statement, or find it among those that were.

    Args:
        sql: the text, with placeholders of one style.
        mode: how the server reads it: the bits 1 for NO_BACKSLASH_ESCAPES, 2 for
            ANSI_QUOTES, and ``DOUBTFUL``.

    Raises:
        ProgrammingError: the text has placeholders of two styles, or a backslash of
            which nobody knows how it is read.
        DataError: it has a lone surrogate.
    """
    return (_kept if len(sql) <= _LONGEST else Template)(sql, mode)


def plain(sql: str) -> bytes:
    """Write a statement as it is: nothing is searched or replaced, not even ``%%``.

    Raises:
        DataError: it has a lone surrogate.
    """
    try:
        return str.encode(sql)
    except UnicodeEncodeError:
        # Without its cause: that one holds the statement.
        raise DataError(
            "the statement has a lone surrogate, which utf8mb4 cannot hold"
        ) from None


def render(
    sql: str, params: Parameters, mode: int, encoders: Encoders | None = None
) -> bytes:
    """Write a statement with its parameters.

    Args:
        sql: as for ``template``.
        params: a tuple or list for ``?`` and ``%s``, a mapping for ``%(name)s``.
        mode: as for ``template``.
        encoders: for classes that have no literal, or another one than usual. The
            nearest class of a value's MRO counts; the answer is not encoded again.

    Raises:
        ProgrammingError: placeholders and parameters do not fit each other, or a
            value's class has no literal.
        DataError: the server could not hold a value as it is.
    """
    # As in template(): a call less for each query.
    found = (_kept if len(sql) <= _LONGEST else Template)(sql, mode)
    return found.render(params, encoders)


def rows_of(sql: str, rows: Rows, mode: int) -> Iterable[Any]:
    """The rows of parameters that are given as they are, or as columns of Arrow.

    Args:
        sql: the statement that takes them, as for ``template``.
        rows: an iterable of rows, or what has ``__arrow_c_stream__``: a table of
            pyarrow, polars or pandas, a stream, and so on.
        mode: as for ``template``.

    Raises:
        ProgrammingError: they cannot be gone through.
        NotSupportedError: there is a column of a type that no parameter has.
        DataError: there is one of moments with a time zone.
    """
    if not hasattr(rows, "__arrow_c_stream__"):
        if not hasattr(rows, "__iter__") and not hasattr(rows, "__getitem__"):
            raise ProgrammingError(
                f"the rows are of class {type(rows).__name__}: give a list or another "
                "iterable of tuples, one for each row"
            )
        return rows
    found = ArrowRows(rows)
    if template(sql, mode).style != "pyformat":
        return found
    names = found.column_names
    return (dict(zip(names, row, strict=True)) for row in found)
