"""Parameters find their placeholders, and encoders their classes."""

from __future__ import annotations

import enum
import json
from collections import OrderedDict, namedtuple
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from statement_support import NO_BACKSLASH, literal

from mariadb_nb.errors import DataError, ProgrammingError
from mariadb_nb.parameters import Encoders, plain, render, template

if TYPE_CHECKING:
    pass

# ---- Parameters and placeholders --------------------------------------------------

Row = namedtuple("Row", "a b")


class Everything(dict[str, int]):
    def __missing__(self, key: str) -> int:
        return len(key)


@pytest.mark.parametrize(
    ("sql", "params", "sent"),
    [
        ("SELECT ?, ?", [1, 2], "SELECT 1, 2"),
        ("SELECT ?, ?", Row(1, 2), "SELECT 1, 2"),
        ("SELECT %s", (1,), "SELECT 1"),
        ("SELECT %(a)s, %(a)s", {"a": 1, "more": object()}, "SELECT 1, 1"),
        ("SELECT %(é d)s", OrderedDict({"é d": 1}), "SELECT 1"),
        ("SELECT %(a)s", MappingProxyType({"a": 1}), "SELECT 1"),
        ("SELECT %(abc)s", Everything(), "SELECT 3"),
        ("SELECT 1", (), "SELECT 1"),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1", {"unused": 1}, "SELECT 1"),
    ],
)
def test_parameters_of_each_kind(sql: str, params: Any, sent: str) -> None:
    assert render(sql, params, 0) == sent.encode()


@pytest.mark.parametrize("sql", ["SELECT '%s', 7 %% 4, ?", "SELECT ?, %s", "é"])
def test_a_plain_statement_stays_as_it_is(sql: str) -> None:
    assert plain(sql) == sql.encode()


@pytest.mark.parametrize(
    ("sql", "params", "message"),
    [
        ("?, ?", (1,), r"params has the length 1, .* takes 2 \(placeholders \?\)"),
        ("%s", (1, 2), r"params has the length 2, .* takes 1 \(placeholders %s\)"),
        ("1", (1,), "params has the length 1, .* has no placeholders"),
        ("?", {"a": 1}, "params is of class dict: give a tuple or a list"),
        ("%s", "text", "params is of class str: give a tuple or a list"),
        ("?", 5, "params is of class int: .* even for a single value"),
        ("?", iter([5]), "params is of class list_iterator"),
        ("1", "", "params is of class str"),
        ("%(a)s", (1,), "params is of class tuple, .* take a mapping"),
        ("%(a)s", "a", "params is of class str, .* take a mapping"),
        ("%(a)s, %(b)s", {"a": 1}, r"params has no 'b', .* %\(b\)s"),
    ],
)
def test_parameters_that_do_not_fit(sql: str, params: Any, message: str) -> None:
    with pytest.raises(ProgrammingError, match=message) as caught:
        render(sql, params, 0)
    assert caught.value.__context__ is None


def test_a_mapping_that_fails_is_heard() -> None:
    class Broken(dict[str, int]):
        def __missing__(self, key: str) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        render("%(a)s", Broken(), 0)


# ---- Encoders ---------------------------------------------------------------------


class Color(enum.Enum):
    RED = 1


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class Pixel(Point):
    pass


def test_encoders_give_classes_a_literal() -> None:
    encoders: Encoders = {
        dict: json.dumps,
        Point: lambda p: f"POINT({p.x} {p.y})",
        enum.Enum: lambda e: e.name,
        float: Decimal,
    }
    assert literal({"a": [1]}, 0, MappingProxyType(encoders)) == """'{"a": [1]}'"""
    assert literal(Pixel(1, 2), 0, encoders) == "'POINT(1 2)'"
    assert literal([Point(1, 2), 3], 0, encoders) == "('POINT(1 2)',3)"
    assert literal(Color.RED, 0, encoders) == "'RED'"
    assert literal(0.5, 0, encoders) == "0.5"
    assert literal("a", 0, encoders) == "'a'"


def test_the_nearest_class_counts_and_answers_are_not_encoded_again() -> None:
    encoders: Encoders = {Point: lambda _: 1, Pixel: lambda _: "s", str: str.upper}
    assert literal(Pixel(1, 2), 0, encoders) == "'s'"
    assert literal("a", 0, encoders) == "'A'"


def test_an_encoder_that_fails_or_answers_nonsense() -> None:
    with pytest.raises(ZeroDivisionError):
        literal(5, 0, {int: lambda value: value // 0})
    with pytest.raises(ProgrammingError, match=r"params\[0\] is of class set"):
        literal(5, 0, {int: lambda value: {value}})
    with pytest.raises(TypeError, match="encoders is a mapping"):
        literal(5, 0, [int])  # type: ignore[arg-type]


def test_an_encoder_may_change_the_parameters() -> None:
    params: list[Any] = [Point(1, 2), "left"]

    def clear(point: Point) -> int:
        params.clear()
        return point.x

    assert template("?, ?", 0).render(params, {Point: clear}) == b"1, 'left'"


def test_a_statement_that_cannot_be_sent_is_not_shown() -> None:
    with pytest.raises(DataError, match="lone surrogate") as caught:
        plain("SELECT 's3cret\udc80'")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


# ---- What is kept -----------------------------------------------------------------


def test_a_statement_is_scanned_once_for_each_mode() -> None:
    sql = "SELECT ?, 'kept'"
    assert template(sql, 0) is template(sql, 0)
    assert template(sql, 0) is not template(sql, NO_BACKSLASH)


def test_a_long_statement_is_not_kept() -> None:
    sql = f"SELECT ?, '{'x' * 100_000}'"
    assert template(sql, 0) is not template(sql, 0)
