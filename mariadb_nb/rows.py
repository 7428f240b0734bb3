"""Row factories: what shape a row has.

A row factory is called with the names of a result's columns, once for the result, and
returns what makes a row out of the values::

    def pair_row(names: tuple[str, ...]) -> Callable[..., Pair]:
        return lambda *values: Pair(names, values)

The factories of this module are recognised and work in C; called like any other they
do the same in Python, so one of your own can build upon them.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from . import _wire
from .converters import Converters, compiled
from .errors import InterfaceError, ProgrammingError

__all__ = [
    "ClassRow",
    "RowFactory",
    "class_row",
    "dict_row",
    "make_reading",
    "namedtuple_row",
    "scalar_row",
    "tuple_row",
]

#: From the names of the columns to what makes a row of the values.
RowFactory: TypeAlias = Callable[[tuple[str, ...]], Callable[..., Any]]


def tuple_row(names: tuple[str, ...], /) -> Callable[..., tuple[Any, ...]]:
    """Rows are tuples. The default, and the fastest."""
    return lambda *values: values


def dict_row(names: tuple[str, ...], /) -> Callable[..., dict[str, Any]]:
    """Rows are dicts with the names of the columns as keys.

    Raises:
        ProgrammingError: two columns have the same name.
    """
    _refuse_same(names)
    return lambda *values: dict(zip(names, values, strict=True))


def namedtuple_row(names: tuple[str, ...], /) -> Callable[..., Any]:
    """Rows are tuples whose items have names too: ``row.id``.

    A name that cannot be an attribute, or is there a second time, becomes the number
    of its column with an underscore: ``_2``. Rows can be pickled.
    """
    record: Callable[..., Any] = _record_class(names)
    return record


def scalar_row(names: tuple[str, ...], /) -> Callable[..., Any]:
    """Rows are the value of the only column.

    Raises:
        ProgrammingError: there are more columns than one.
    """
    if len(names) != 1:
        raise ProgrammingError(
            f"the result has {len(names)} columns, and scalar_row takes results of "
            "one: select one column, or take tuple_row"
        )
    return lambda value: value


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The row factory that :func:`class_row` returns."""

    make: Callable[..., Any]

    def __call__(self, names: tuple[str, ...], /) -> Callable[..., Any]:
        """Return what calls the class with the values by name."""
        _refuse_same(names)
        make = self.make
        return lambda *values: make(**dict(zip(names, values, strict=True)))


def class_row(cls: Callable[..., Any]) -> ClassRow:
    """Rows are what ``cls(name=value, ...)`` returns: a dataclass, a model, a function.

    What it raises reaches the caller as it is.

    Raises:
        InterfaceError: ``cls`` cannot be called.
        ProgrammingError: (for each result) two columns have the same name.
    """
    if not callable(cls):
        raise InterfaceError(f"class_row() takes a class or a function, not {cls!r}")
    return ClassRow(cls)


def _refuse_same(names: tuple[str, ...]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ProgrammingError(
                f"two columns of the result are called {name!r}, and a row has room "
                "for one value of that name: rename one with AS, or take tuple_row"
            )


@lru_cache(maxsize=512)
def _record_class(names: tuple[str, ...]) -> type[tuple[Any, ...]]:
    record = namedtuple("Row", names, rename=True, module=__name__)  # type: ignore[misc]

    def reduce(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return _record, (names, tuple(row))

    record.__reduce__ = reduce  # type: ignore[method-assign,assignment]
    return record


def _record(names: tuple[str, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of ``namedtuple_row`` out of its pickle."""
    return _record_class(names)(*values)


_SHAPES: Final[tuple[tuple[RowFactory, int, Callable[..., Any] | None], ...]] = (
    (tuple_row, _wire.SHAPE_TUPLE, None),
    (dict_row, _wire.SHAPE_DICT, None),
    (namedtuple_row, _wire.SHAPE_NAMEDTUPLE, _record_class),
    (scalar_row, _wire.SHAPE_SCALAR, None),
)


def _check_factory(factory: Any) -> None:
    """Refuse what makes no rows: above all a class, in place of a factory for it."""
    if not callable(factory):
        raise InterfaceError(
            f"a row factory has to be callable with the columns' names, not {factory!r}"
        )
    if isinstance(factory, type) and not any(
        "__call__" in vars(base) for base in factory.__mro__
    ):
        ours: dict[type, str] = {dict: "dict_row", tuple: "tuple_row"}
        name = ours.get(factory, f"class_row({factory.__name__})")
        raise InterfaceError(
            f"the class {factory.__name__} is no row factory: use {name}"
        )


def make_reading(
    factory: RowFactory = tuple_row,
    *,
    converters: Converters | None = None,
    invalid_dates: str = "null",
) -> _wire.Reading:
    """Say how results are to be read.

    Args:
        factory: makes the rows; one of this module or your own.
        converters: see :mod:`mariadb_nb.converters`.
        invalid_dates: what a date becomes that Python cannot hold (0000-00-00,
            2024-02-30): "null" gives None, "error" raises DataError.

    Raises:
        InterfaceError: one of the arguments is not what it has to be.
    """
    _check_factory(factory)
    if invalid_dates not in ("null", "error"):
        raise InterfaceError(
            f'invalid_dates has to be "null" or "error", not {invalid_dates!r}'
        )
    shape: int = _wire.SHAPE_CALL
    make: Callable[..., Any] | None = factory
    if isinstance(factory, ClassRow):
        shape, make = _wire.SHAPE_CLASS, factory.make
    for known, its_shape, its_make in _SHAPES:  # a factory need not have a hash
        if factory is known:
            shape, make = its_shape, its_make
    return _wire.Reading(shape, make, compiled(converters), invalid_dates == "error")
