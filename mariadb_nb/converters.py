"""Converters: what a user wants a column's values to become instead.

Owns what ``converters=`` may look like. The values themselves are made in C
(``csrc/wire``), where a converter is called with:

- of JSON, UUID, INET4 and INET6 the text, a str;
- of everything else the value that the driver would have given.

NULL is never converted: it stays None. What a converter raises reaches the caller as it
is, but for StopIteration, of which Python makes a RuntimeError. Of several that fit,
the one for the column's name is taken, then the one for the name of the type, then the
one for its number. The last does not fit JSON, UUID, INET4 and INET6, whose number says
no more than that they are strings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from .columns import FieldType
from .errors import InterfaceError

__all__ = ["TYPE_NAMES", "ColumnName", "Converter", "Converters", "column", "compiled"]

Converter: TypeAlias = Callable[[Any], Any]


class ColumnName(NamedTuple):
    """The key of a converter for the columns of one name; see :func:`column`."""

    name: str


#: ``{FieldType.BIT: ..., "json": ..., column("price"): ...}``
Converters: TypeAlias = Mapping[Any, Converter]

#: The names of types that have no number of their own.
TYPE_NAMES: Final = frozenset(
    {
        *("json", "uuid", "inet4", "inet6", "xmltype", "vector"),
        *("point", "linestring", "polygon", "geometrycollection"),
        *("multipoint", "multilinestring", "multipolygon"),
    }
)


def column(name: str) -> ColumnName:
    """Say that a converter is for columns of this name, as the statement spells it."""
    return ColumnName(name)


def compiled(
    converters: Converters | None,
) -> tuple[dict[int, Converter], dict[str, Converter], dict[str, Converter]] | None:
    """Sort converters into those for numbers, names of types, and names of columns.

    Returns:
        What ``_wire.Reading`` takes; None without converters.

    Raises:
        InterfaceError: a key or a converter is not what it has to be.
    """
    if not converters:
        return None
    numbers: dict[int, Converter] = {}
    types: dict[str, Converter] = {}
    columns: dict[str, Converter] = {}
    for key, converter in converters.items():
        if not callable(converter):
            raise InterfaceError(
                f"the converter for {key!r} has to be callable, not {converter!r}"
            )
        if isinstance(key, ColumnName) and isinstance(key.name, str):
            columns[key.name] = converter
        elif isinstance(key, str) and key.lower() in TYPE_NAMES:
            types[key.lower()] = converter
        elif type(key) is not bool and key in list(FieldType):
            numbers[int(key)] = converter
        else:
            raise InterfaceError(_wrong_key(key))
    return numbers, types, columns


def _wrong_key(key: object) -> str:
    if isinstance(key, str):
        return (
            f"converters has the key {key!r}, which is not the name of a type "
            f"({', '.join(sorted(TYPE_NAMES))}); for the columns of this name write "
            f"column({key!r}), for a type that has a number FieldType.X"
        )
    return (
        f"converters has the key {key!r}; it has to be a FieldType, the name of a "
        "type, or column(name)"
    )
