"""Shapes of rows, without a server: C makes what the factories say in Python."""

from __future__ import annotations

import dataclasses
import gc
import pickle
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_support import BINARY, KINDS, field, rows

from mariadb_nb import _wire
from mariadb_nb.columns import FieldType
from mariadb_nb.errors import DataError, InterfaceError, ProgrammingError
from mariadb_nb.rows import (
    RowFactory,
    class_row,
    dict_row,
    make_reading,
    namedtuple_row,
    scalar_row,
    tuple_row,
)


def integers(*names: str) -> list[Any]:
    return [field(FieldType.LONG, name, charset=BINARY) for name in names]


def as_list(names: tuple[str, ...]) -> Callable[..., Any]:
    """A factory of a user's own."""
    return lambda *values: [names, *values]


#: Each shape. A namespace takes any names, but needs some.
FACTORIES: list[RowFactory] = [
    tuple_row,
    dict_row,
    namedtuple_row,
    class_row(SimpleNamespace),
    as_list,
]
by_factory = pytest.mark.parametrize(
    "factory", FACTORIES, ids=lambda f: type(f).__name__
)

NAMES = st.lists(st.text(max_size=5).filter(lambda name: "\0" not in name), min_size=1)


def made_or_refused(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ProgrammingError as error:
        return str(error)


@pytest.mark.parametrize("factory", [*FACTORIES, scalar_row])
@given(names=NAMES.map(tuple), repeat=st.booleans())
def test_rows_in_c_are_what_the_factory_makes(
    factory: RowFactory, names: tuple[str, ...], repeat: bool
) -> None:
    names = (*names, names[0]) if repeat else names
    data = [
        tuple(None if i % 3 == 2 else b"%d" % (i * n) for i in range(len(names)))
        for n in range(3)
    ]

    def in_python() -> Any:
        make = factory(names)
        return [make(*(None if v is None else int(v) for v in row)) for row in data]

    expected = made_or_refused(in_python)
    found = made_or_refused(lambda: rows(integers(*names), data, factory=factory))
    assert found == expected
    assert [type(row) for row in found] == [type(row) for row in expected]


def test_dict_rows_share_their_keys() -> None:
    first, second = rows(integers("a", "b"), [(b"1", b"2")] * 2, factory=dict_row)
    assert list(first) == ["a", "b"]
    for one, other in zip(first, second, strict=True):
        assert one is other is sys.intern(one)
    first["a"] = 7
    assert second == {"a": 1, "b": 2}


@pytest.mark.parametrize("factory", [dict_row, class_row(dict)])
def test_two_columns_of_one_name_are_refused(factory: RowFactory) -> None:
    columns = integers("id", "name", "id")
    with pytest.raises(ProgrammingError, match=r"two columns of the result .* 'id'"):
        rows(columns, [(b"1", b"2", b"3")], factory=factory)
    assert rows(columns, [(b"1", b"2", b"3")]) == [(1, 2, 3)]


def test_scalar_rows_take_one_column() -> None:
    data = [(b"1",), (None,), (b"3",)]
    assert rows(integers("n"), data, factory=scalar_row) == [1, None, 3]
    with pytest.raises(ProgrammingError, match="the result has 2 columns"):
        rows(integers("a", "b"), [], factory=scalar_row)


# ---- named tuples ---------------------------------------------------------------


def test_named_tuples_have_names_for_every_column() -> None:
    columns = integers("id", "class", "two words", "id", "_x", "gr\u00fc\u00df")
    (row,) = rows(columns, [tuple(b"%d" % i for i in range(6))], factory=namedtuple_row)
    assert row._fields == ("id", "_1", "_2", "_3", "_4", "gr\u00fc\u00df")
    assert row == (0, 1, 2, 3, 4, 5)
    assert row.id == 0
    assert row._3 == 3
    assert row._replace(id=9).id == 9
    assert isinstance(row, tuple)


def test_named_tuples_of_the_same_names_are_of_one_class() -> None:
    def one(*names: str) -> Any:
        return rows(integers(*names), [(b"1",) * len(names)], factory=namedtuple_row)[0]

    assert type(one("a", "b")) is type(one("a", "b"))
    assert type(one("a", "b")) is not type(one("b", "a"))


def test_named_tuples_can_be_pickled() -> None:
    (row,) = rows(integers("id", "id"), [(b"1", b"2")], factory=namedtuple_row)
    again = pickle.loads(pickle.dumps(row))
    assert (again, type(again), again.id) == (row, type(row), 1)


@pytest.mark.parametrize(
    "make", [lambda names: 7, lambda names: list, lambda names: type("T", (tuple,), {})]
)
def test_only_plain_tuples_can_be_filled(make: Any) -> None:
    reading = _wire.Reading(_wire.SHAPE_NAMEDTUPLE, make)
    with pytest.raises(TypeError, match="subclass of tuple with __slots__"):
        _wire.decode(integers("a"), [(b"1",)], reading)


# ---- classes and functions ------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int | None = 5


class Pair(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize("cls", [Point, Pair, dict])
def test_classes_are_called_with_names(cls: type) -> None:
    found = rows(
        integers("y", "x"), [(b"1", b"2"), (None, b"3")], factory=class_row(cls)
    )
    assert found == [cls(x=2, y=1), cls(x=3, y=None)]


def test_what_a_class_raises_comes_through() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        rows(integers("x", "z"), [(b"1", b"2")], factory=class_row(Point))

    def refuse(**values: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        rows(integers("x"), [(b"1",)], factory=class_row(refuse))


def test_a_factory_is_called_once_for_a_result() -> None:
    calls = []

    def factory(names: tuple[str, ...]) -> Callable[..., Any]:
        calls.append(names)
        return lambda *values: sum(values)

    data = [(b"1", b"2"), (b"3", b"4")]
    assert rows(integers("a", "b"), data, factory=factory) == [3, 7]
    assert calls == [("a", "b")]


def test_a_factory_may_build_upon_another() -> None:
    def upper(names: tuple[str, ...]) -> Callable[..., Any]:
        return dict_row(tuple(name.upper() for name in names))

    assert rows(integers("a"), [(b"1",)], factory=upper) == [{"A": 1}]


def test_what_a_factory_raises_or_returns_comes_through() -> None:
    def refuse(names: tuple[str, ...]) -> Callable[..., Any]:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        rows(integers("a"), [], factory=refuse)
    with pytest.raises(TypeError, match="not callable"):
        rows(integers("a"), [(b"1",)], factory=lambda names: None)


def test_a_bad_value_ends_the_row_in_every_shape() -> None:
    columns = [*integers("a"), field(FieldType.LONG, "b"), *integers("c")]
    for factory in FACTORIES:
        with pytest.raises(DataError, match="column 'b'"):
            rows(columns, [(b"1", b"x", b"3")], factory=factory)


def test_names_that_are_not_utf8_are_refused_where_they_are_needed(
    latin1_fields: Any,
) -> None:
    assert _wire.decode(latin1_fields, [(b"1",)], make_reading()) == [(1,)]
    with pytest.raises(DataError, match="say SET NAMES utf8mb4"):
        _wire.decode(latin1_fields, [(b"1",)], make_reading(dict_row))
    assert _wire.describe(latin1_fields)[0][0] == "gr\ufffd\ufffd"


@pytest.fixture
def latin1_fields() -> Any:
    from mariadb_nb.capi import ffi

    name = ffi.new("char[]", "gr\u00fc\u00df".encode("latin-1"))
    one = ffi.new("MYSQL_FIELD *")
    one.name, one.name_length, one.type, one.charsetnr = name, 4, FieldType.LONG, 63
    for text in ("table", "org_table", "db", "org_name"):
        setattr(one, text, name)
    yield int(ffi.cast("uintptr_t", one)), 1
    del name, one


# ---- the collector --------------------------------------------------------------


@pytest.mark.parametrize("factory", [tuple_row, namedtuple_row])
def test_rows_of_atoms_are_no_work_for_the_collector(factory: RowFactory) -> None:
    atoms = [
        "integer",
        "double",
        "decimal",
        "date",
        "datetime",
        "time",
        "text",
        "bytes",
    ]
    columns = [KINDS[kind] for kind in atoms]
    texts = (b"1", b"1.5", b"1.5", b"2024-01-01", b"2024-01-01 00:00:00")
    data = [(*texts, b"00:00:00", b"x", b"y")]
    (row,) = rows(columns, data, factory=factory)
    assert not gc.is_tracked(row)
    (row,) = rows([*columns, KINDS["json"]], [(*data[0], b"[]")], factory=factory)
    assert gc.is_tracked(row)


def test_a_row_in_a_cycle_is_collected() -> None:
    class Node:
        pass

    seen = []

    def convert(value: int) -> Node:
        node = Node()
        seen.append(node)
        return node

    (row,) = rows(integers("a"), [(b"1",)], converters={FieldType.LONG: convert})
    node = seen.pop()
    node.row = row  # type: ignore[attr-defined]
    alive = sum(isinstance(one, Node) for one in gc.get_objects())
    del row, node
    gc.collect()
    assert sum(isinstance(one, Node) for one in gc.get_objects()) == alive - 1


def test_a_reading_in_a_cycle_is_collected() -> None:
    class Factory:
        def __call__(self, names: tuple[str, ...]) -> Any:
            return as_list(names)

    factory = Factory()
    factory.reading = make_reading(factory)  # type: ignore[attr-defined]
    assert gc.is_tracked(factory.reading)  # type: ignore[attr-defined]
    del factory
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Factory)]


@by_factory
def test_nothing_is_left_behind(factory: RowFactory) -> None:
    columns = [*integers("a"), KINDS["text"], *integers("b")]

    def once() -> None:
        rows(columns, [(b"1000", b"x", b"2000")] * 3, factory=factory)
        for bad in (
            (b"x", b"", b"1"),
            (b"1000", b"\xff", b"1"),
            (b"1000", b"xy", b"-"),
        ):
            with pytest.raises(DataError):
                rows(columns, [bad], factory=factory)
        with pytest.raises(ProgrammingError):
            rows([*columns, *columns], [], factory=dict_row)

    once()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(300):
        once()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200


# ---- Reading --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((7,), ValueError, "shape has to be one of SHAPE_"),
        ((-1,), ValueError, "shape has to be one of SHAPE_"),
        ((_wire.SHAPE_TUPLE, int), TypeError, "make has to be None"),
        ((_wire.SHAPE_CLASS, None), TypeError, "make has to be callable"),
        ((_wire.SHAPE_CALL, 7), TypeError, "make has to be callable"),
        ((_wire.SHAPE_TUPLE, None, {}), TypeError, "converters has to be"),
        ((_wire.SHAPE_TUPLE, None, ({}, {})), TypeError, "converters has to be"),
        ((_wire.SHAPE_TUPLE, None, ({}, {}, [])), TypeError, "converters has to be"),
    ],
)
def test_reading_refuses(
    arguments: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        _wire.Reading(*arguments)


def test_make_reading_refuses() -> None:
    with pytest.raises(InterfaceError, match="a row factory has to be callable"):
        make_reading("dict")  # type: ignore[arg-type]
    with pytest.raises(InterfaceError, match=r"no row factory: use dict_row"):
        make_reading(dict)  # type: ignore[arg-type]
    with pytest.raises(InterfaceError, match=r"use class_row\(Point\)"):
        make_reading(Point)  # type: ignore[arg-type]
    with pytest.raises(InterfaceError, match=r'"null" or "error", not .none'):
        make_reading(invalid_dates="none")
    with pytest.raises(InterfaceError, match=r"class_row\(\) takes a class"):
        class_row("Point")  # type: ignore[arg-type]
