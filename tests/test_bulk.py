"""Rows of parameters become requests with arrays of parameters."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Iterator
from decimal import Decimal
from time import sleep
from typing import Any, Final

import numpy
import pytest
from bulk_requests import (
    BLOB,
    DATE,
    DATETIME,
    DECIMAL,
    DOUBLE,
    LONGLONG,
    NULL,
    STRING,
    TIME,
    UNSIGNED,
    Request,
    read,
)
from hypothesis import given
from hypothesis import strategies as st
from statement_support import growth

from mariadb_nb import DEFAULT
from mariadb_nb._wire import Bulk, Template
from mariadb_nb.errors import DataError, ProgrammingError

NO_LIMIT: Final = 1 << 30
INSERT: Final = Template("INSERT INTO t VALUES (?, ?)", 0)
ONE: Final = Template("INSERT INTO t VALUES (?)", 0)
UPDATE: Final = Template("UPDATE t SET a = ? WHERE b = ?", 0)

MICROSECOND: Final = datetime.timedelta(microseconds=1)


def build(bulk: Bulk) -> tuple[bytes, int] | None:
    """The next request, whatever turns it takes."""
    while isinstance(made := bulk.build(), int):
        pass
    return made


def requests(bulk: Bulk, columns: int) -> Iterator[Request]:
    """All requests."""
    while (made := build(bulk)) is not None:
        yield read(*made, columns)


def all_of(template: Template, rows: Any, limit: int = NO_LIMIT) -> list[Request]:
    return list(requests(template.bulks(rows, limit), template.count))


# ---- Which statements -------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (?, ?)",
        "insert low_priority ignore into t (a, b) value (%s, %s);",
        "REPLACE t VALUES (%(a)s, 5, %(b)s)",
        "INSERT INTO t VALUES (NOW(), (1 + 2), ? , f('?'), ?) -- end",
        "INSERT t VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES(a) RETURNING id",
        "UPDATE t SET a = a + ?, b = CONCAT(?, b) WHERE c IN (?, ?) LIMIT 1;",
        "DELETE FROM t WHERE a = ? AND b LIKE ?",
    ],
)
def test_statements_whose_parameters_can_be_arrays(sql: str) -> None:
    assert Template(sql, 0).bulk


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ?",
        "CALL p(?)",
        "SET @a = ?",
        "INSERT INTO t VALUES (1)",
        # The server keeps for all rows what it computed of the first one's parameter.
        "INSERT INTO t VALUES (? + 1)",
        "INSERT INTO t VALUES (REGEXP_REPLACE('abc', ?, ''))",
        "INSERT INTO t VALUES (5, ? DIV 2)",
        "INSERT INTO t VALUES (-?)",
        "INSERT INTO t VALUES ((?))",
        "INSERT INTO t VALUES (?, (SELECT ?))",
        "INSERT INTO t SELECT ?",
        "INSERT t VALUES (?) ON DUPLICATE KEY UPDATE a = (SELECT 1)",
        "INSERT t VALUES (?) ON DUPLICATE KEY UPDATE a = ?",
        "UPDATE t SET a = (SELECT ?)",
        "DELETE FROM t WHERE a IN (SELECT ?)",
        # The server may not answer.
        "DELETE FROM t WHERE a = ? RETURNING a",
        # It depends on what the rows before have done.
        "UPDATE t SET a = ?, b = LAST_INSERT_ID()",
        "UPDATE t SET a = @a := @a + ?",
        "INSERT t VALUES (?, ROW_COUNT())",
        # Another server may read it in another way, or there are two of them.
        "UPDATE t SET a = ? /*!50000 , b = ? */",
        "UPDATE t SET a = ?; UPDATE t SET b = ?",
        "INSERT DELAYED t VALUES (?)",
        "WITH x AS (SELECT ?) DELETE FROM t",
    ],
)
def test_statements_whose_parameters_cannot(sql: str) -> None:
    template = Template(sql, 0)
    assert not template.bulk
    with pytest.raises(ProgrammingError, match="none whose parameters"):
        template.bulks([], NO_LIMIT)


# ---- Values -----------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()


#: A value, the type that it is sent as, and what arrives; the value itself if ....
VALUES: Final = [
    (0, LONGLONG, ...),
    (-(2**63), LONGLONG, ...),
    (2**63 - 1, LONGLONG, ...),
    (2**63, UNSIGNED, ...),
    (2**64 - 1, UNSIGNED, ...),
    (2**64, DECIMAL, ...),
    (-(2**63) - 1, DECIMAL, ...),
    (10**65 - 1, DECIMAL, ...),
    (True, LONGLONG, 1),
    (False, LONGLONG, 0),
    (0.1, DOUBLE, ...),
    (-5e-324, DOUBLE, ...),
    (Decimal("1.50"), DECIMAL, ...),
    (Decimal("-1E+3"), DECIMAL, Decimal(-1000)),
    (Decimal("0E-5"), DECIMAL, ...),
    ("", STRING, ...),
    ("grün 😀\0", STRING, ...),
    ("x" * 250, STRING, ...),
    ("x" * 251, STRING, ...),
    ("x" * 65535, STRING, ...),
    ("x" * 65536, STRING, ...),
    ("x" * (1 << 24), STRING, ...),
    (Text("sub"), STRING, "sub"),
    (Colour.RED, STRING, "red"),
    (b"\xff\0", BLOB, ...),
    (bytearray(b"ab"), BLOB, b"ab"),
    pytest.param(memoryview(b"ab"), BLOB, b"ab", id="memoryview"),
    (uuid.UUID(int=5), STRING, str(uuid.UUID(int=5))),
    (datetime.date(2026, 2, 28), DATE, ...),
    (datetime.date(1, 1, 1), DATE, ...),
    (datetime.datetime(2026, 2, 28), DATETIME, ...),
    (datetime.datetime(9999, 12, 31, 23, 59, 59, 999999), DATETIME, ...),
    (datetime.time(23, 59, 58), TIME, datetime.timedelta(0, 58, 0, 0, 59, 23)),
    (datetime.time(0, 0, 0, 1), TIME, MICROSECOND),
    (datetime.timedelta(0), TIME, ...),
    (datetime.timedelta(34, 82799, 999999), TIME, ...),
    (-MICROSECOND, TIME, ...),
    (-datetime.timedelta(34, 82799), TIME, ...),
    (None, NULL, ...),
    (DEFAULT, NULL, ...),
]


@pytest.mark.parametrize(
    ("value", "kind", "arrives"), VALUES, ids=lambda value: repr(value)[:30]
)
def test_each_value_has_its_type(value: Any, kind: int, arrives: Any) -> None:
    ((types, rows),) = all_of(ONE, [(value,)])
    assert types == (kind,)
    expected = value if arrives is ... else arrives
    assert rows == [(expected,)]
    if isinstance(expected, Decimal):
        assert rows[0][0].as_tuple() == expected.as_tuple()


def test_a_column_is_of_the_type_of_its_values_not_of_its_gaps() -> None:
    rows: list[Any] = [(None, DEFAULT), (5, None), (DEFAULT, "x"), (None, None)]
    assert all_of(INSERT, rows) == [((LONGLONG, STRING), rows)]


def test_numpy_scalars_and_encoders_count_as_what_they_stand_for() -> None:
    rows: list[Any] = [(numpy.int16(-4), {}), (7, {})]
    bulk = INSERT.bulks(rows, NO_LIMIT, {dict: str})
    assert list(requests(bulk, 2)) == [((LONGLONG, STRING), [(-4, "{}"), (7, "{}")])]


# ---- Requests ---------------------------------------------------------------------


def test_each_style_of_placeholders() -> None:
    positional: list[Any] = [(1, "x"), [2, "y"]]
    named: list[Any] = [{"a": 1, "b": "x"}, {"b": "y", "a": 2, "c": 0}]
    for marks, rows in [
        (("?", "?"), positional),
        (("%s", "%s"), positional),
        (("%(a)s", "%(b)s"), named),
    ]:
        template = Template("INSERT INTO t VALUES ({}, {})".format(*marks), 0)
        assert all_of(template, rows) == [((LONGLONG, STRING), [(1, "x"), (2, "y")])]


def test_a_request_ends_where_a_type_changes() -> None:
    rows = [(1, "a"), (None, "b"), (2.5, "c"), (3.5, None), (4.5, b"d"), (5, b"e")]
    assert all_of(INSERT, rows) == [
        ((LONGLONG, STRING), rows[:2]),
        ((DOUBLE, STRING), rows[2:4]),
        ((DOUBLE, BLOB), rows[4:5]),
        ((LONGLONG, BLOB), rows[5:]),
    ]


def test_numbers_above_the_signed_ones_join_those_of_which_none_is_negative() -> None:
    rows = [(2**63, 1), (5, 2**63), (0, 2), (7, -1), (2**63, 0)]
    assert all_of(INSERT, rows) == [
        ((UNSIGNED, UNSIGNED), rows[:3]),
        ((UNSIGNED, LONGLONG), rows[3:]),
    ]
    rows = [(-1, 1), (2**63, 1)]
    assert [request.rows for request in all_of(INSERT, rows)] == [rows[:1], rows[1:]]


def test_numbers_with_which_something_is_computed_keep_their_sign() -> None:
    """``? - 5`` is an error for the unsigned 3, and -2 for the signed one."""
    rows = [(3, 1), (2**63, 1), (2**63, 2)]
    assert all_of(UPDATE, rows) == [
        ((LONGLONG, LONGLONG), rows[:1]),
        ((UNSIGNED, LONGLONG), rows[1:]),
    ]


def test_requests_grow_up_to_the_limit() -> None:
    rows = [("x" * 1000, i) for i in range(3000)]
    limit = 1 << 19
    made = all_of(INSERT, iter(rows), limit)
    assert [row for request in made for row in request.rows] == rows
    sizes = [len(request.rows) for request in made]
    assert sizes[0] == 64  # of 1013 bytes each, in 64 KB
    assert max(sizes) == limit // 1013
    assert sizes[:4] == [64, 129, 258, 517]


@given(
    values=st.lists(st.text(max_size=60) | st.integers() | st.none(), max_size=60),
    limit=st.integers(1, 500),
)
def test_all_rows_are_sent_in_order_and_within_the_limit(
    values: list[Any], limit: int
) -> None:
    rows = [(value, "x") for value in values if not isinstance(value, int)]
    bulk = INSERT.bulks(rows, limit)
    sent = []
    while (made := build(bulk)) is not None:
        request, count = made
        assert len(request) <= limit or count == 1
        sent += read(request, count, 2).rows
    assert sent == rows


def test_a_long_row_goes_alone_and_none_is_lost() -> None:
    sizes = [1, 10_000, 1, 1, 10_000, 10_000, 1]
    rows = [("x" * size, i) for i, size in enumerate(sizes)]
    made = all_of(INSERT, rows, 1000)
    assert [len(request.rows) for request in made] == [1, 1, 2, 1, 1, 1]
    assert [row for request in made for row in request.rows] == rows


def test_a_list_that_is_used_again_for_each_row() -> None:
    def rows() -> Iterator[list[Any]]:
        row: list[Any] = [0, ""]
        for i in range(500):
            row[:] = i, f"row {i}"
            yield row

    made = all_of(INSERT, rows(), 1000)
    expected = [(i, f"row {i}") for i in range(500)]
    assert [row for request in made for row in request.rows] == expected


def test_the_loop_has_its_turns() -> None:
    """Between rows that take their time, however few there are."""

    def slow() -> Iterator[tuple[str, int]]:
        for i in range(4):
            sleep(0.002)  # how long a row takes to make: more than a turn
            yield "x" * 5000, i

    bulk = INSERT.bulks(slow(), NO_LIMIT)
    assert [bulk.build() for _ in range(4)] == [0, 0, 0, 0]
    (request,) = requests(bulk, 2)
    assert request.rows == [("x" * 5000, i) for i in range(4)]


def test_many_rows_are_not_made_in_one_go() -> None:
    bulk = INSERT.bulks([(5, "x")] * 1_000_000, NO_LIMIT)
    turns = 0
    while bulk.build() is not None:
        turns += 1
    assert turns > 5


# ---- What is not for requests -------------------------------------------------------


def left(bulk: Bulk) -> list[Any]:
    first, others = bulk.rest()
    return [*first, *others]


def test_what_a_server_reads_otherwise_when_it_is_bound() -> None:
    span = datetime.timedelta(hours=-1)
    for template, row in [
        (UPDATE, (1, span)),
        (Template("DELETE FROM t LIMIT ?", 0), (-1,)),
        (Template("DELETE FROM t LIMIT ?", 0), ("1",)),
        (Template("DELETE FROM t LIMIT ?", 0), (None,)),
    ]:
        bulk = template.bulks([row], NO_LIMIT)
        assert build(bulk) is None
        assert left(bulk) == [row]
    assert all_of(INSERT, [(1, span)]) == [((LONGLONG, TIME), [(1, span)])]
    assert all_of(Template("DELETE FROM t LIMIT ?", 0), [(3,)]) == [
        ((LONGLONG,), [(3,)])
    ]


@pytest.mark.parametrize("template", [INSERT, UPDATE])
def test_a_list_and_what_follows_is_for_another_way(template: Template) -> None:
    rows = [(1, "a"), (2, "b"), ([3, 4], "c"), (5, "d")]
    bulk = template.bulks(iter(rows), NO_LIMIT)
    assert list(requests(bulk, 2)) == [((LONGLONG, STRING), rows[:2])]
    assert bulk.build() is None
    assert left(bulk) == rows[2:]
    assert left(bulk) == []
    bulk = template.bulks(rows[2:], NO_LIMIT)
    assert list(requests(bulk, 2)) == []
    assert left(bulk) == rows[2:]


def test_an_insert_whose_types_change_all_the_time_is_for_another_way() -> None:
    rows = [(i if i % 2 else float(i), 0) for i in range(100)]
    bulk = INSERT.bulks(iter(rows), NO_LIMIT)
    made = [request.rows for request in requests(bulk, 2)]
    assert made == [rows[i : i + 1] for i in range(4)]
    assert left(bulk) == rows[4:]
    # Of an UPDATE each row is a statement anyway.
    made = [request.rows for request in all_of(UPDATE, rows)]
    assert made == [[row] for row in rows]


def test_a_change_of_types_now_and_then_is_not() -> None:
    rows = [(i if i // 20 % 2 else float(i), 0) for i in range(200)]
    bulk = INSERT.bulks(rows, NO_LIMIT)
    assert [len(request.rows) for request in requests(bulk, 2)] == [20] * 10
    assert left(bulk) == []


def test_no_rows_are_no_request() -> None:
    bulk = INSERT.bulks([], NO_LIMIT)
    assert bulk.build() is None
    assert left(bulk) == []


# ---- Errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        ((float("nan"), 1), DataError, r"^rows\[13\]\[0\] is no finite number"),
        (("\ud800", 1), DataError, r"^rows\[13\]\[0\] has a lone surrogate"),
        ((1, {}), ProgrammingError, r"^rows\[13\]\[1\] is of class dict"),
        ((10**81, 1), DataError, r"^rows\[13\]\[0\] .* more digits than DECIMAL"),
        ((1,), ProgrammingError, r"^rows\[13\] has the length 1"),
        (5, ProgrammingError, r"^rows\[13\] is of class int"),
    ],
)
def test_an_error_names_the_row_and_nothing_of_its_request_is_made(
    bad: Any, kind: type[Exception], message: str
) -> None:
    rows: list[Any] = [("x", 1), (2, 2), (3, 3), bad, (4, 4)]
    bulk = INSERT.bulks(rows, NO_LIMIT, None, 10)
    made = build(bulk)
    assert made is not None
    assert read(*made, 2).rows == rows[:1]
    with pytest.raises(kind, match=message):
        build(bulk)
    assert build(bulk) is None  # it ends there
    assert left(bulk) == []


def test_an_error_names_the_parameter() -> None:
    template = Template("UPDATE t SET a = %(a)s", 0)
    with pytest.raises(ProgrammingError, match=r"^rows\[1\]\['a'\] is of class set"):
        all_of(template, [{"a": 1}, {"a": {1}}])
    with pytest.raises(ProgrammingError, match=r"^rows\[1\] has no 'a'"):
        all_of(template, [{"a": 1}, {"b": 1}])


def test_an_error_of_the_rows_is_theirs() -> None:
    def failing() -> Iterator[tuple[str, int]]:
        yield "x", 1
        raise ZeroDivisionError

    bulk = INSERT.bulks(failing(), NO_LIMIT)
    with pytest.raises(ZeroDivisionError):
        bulk.build()
    assert bulk.build() is None
    with pytest.raises(TypeError, match="not iterable"):
        INSERT.bulks(5, NO_LIMIT)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_must_be_positive(limit: int) -> None:
    with pytest.raises(ValueError, match=f"max_bytes is {limit}"):
        INSERT.bulks([], limit)


@pytest.mark.parametrize("method", ["build", "rest"])
def test_rows_cannot_ask_for_the_request_that_they_are_in(method: str) -> None:
    def curious() -> Iterator[tuple[str, int]]:
        yield "x", 1
        getattr(bulk, method)()

    bulk = INSERT.bulks(curious(), NO_LIMIT)
    with pytest.raises(ProgrammingError, match="already being made"):
        bulk.build()


def test_bulks_are_made_by_a_template_only() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        type(INSERT.bulks([], 1))()


def test_nothing_is_leaked_even_by_a_cycle() -> None:
    large: list[Any] = [("x" * 300, i) for i in range(20)]

    def all_paths() -> None:
        assert sum(len(request.rows) for request in all_of(INSERT, large, 1000)) == 20
        INSERT.bulks(large, 10).build()  # given up with a row kept
        with pytest.raises(ProgrammingError):
            all_of(INSERT, [*large, ()])
        unfit = INSERT.bulks([*large, ([], 1), (2, 2)], NO_LIMIT)
        assert sum(len(request.rows) for request in requests(unfit, 2)) == 20
        assert len(left(unfit)) == 2
        cycle: list[Any] = [("x", 1)] * 3
        cycle.append(INSERT.bulks(iter(cycle), 1))

    assert growth(all_paths, 200) < 4000
