"""Whatever rows executemany is given, those are what the table has afterwards."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mariadb_nb
from mariadb_nb import DEFAULT
from mariadb_nb.many import ENOUGH_TO_INSERT
from mariadb_nb.server import TemporaryServer

#: A column, what it may hold, and what it holds by itself.
COLUMNS: list[tuple[str, st.SearchStrategy[Any], Any]] = [
    ("BIGINT DEFAULT 5", st.integers(-(2**63), 2**63 - 1) | st.booleans(), 5),
    ("BIGINT UNSIGNED", st.integers(0, 2**64 - 1), None),
    ("DOUBLE", st.floats(allow_nan=False, allow_infinity=False), None),
    (
        "DECIMAL(65, 30)",
        st.decimals(-(10**34), 10**34, allow_nan=False, places=30),
        None,
    ),
    ("LONGTEXT DEFAULT 'x'", st.text(st.characters(codec="utf-8"), max_size=300), "x"),
    ("LONGBLOB", st.binary(max_size=300), None),
    ("DATETIME(6)", st.datetimes(), None),
    ("DATE", st.dates(), None),
    (
        "TIME(6)",
        st.timedeltas(-datetime.timedelta(hours=838), datetime.timedelta(hours=838)),
        None,
    ),
]
NAMES = ", ".join(f"c{i}" for i in range(len(COLUMNS)))
MARKS = ", ".join("?" * len(COLUMNS))
VALUE = [st.none() | st.just(DEFAULT) | values for _, values, _ in COLUMNS]
#: Some rows that come one after another as often as it takes for arrays.
ROWS = st.lists(st.tuples(*VALUE), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def conn(mariadb_server: TemporaryServer) -> Iterator[mariadb_nb.Connection]:
    """A connection with an empty table ``anything``."""
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket, user="root", database="test"
    ) as made:
        columns = ", ".join(f"c{i} {it[0]}" for i, it in enumerate(COLUMNS))
        made.execute(
            "CREATE TEMPORARY TABLE anything"
            f" (id INT AUTO_INCREMENT PRIMARY KEY, {columns})"
        )
        yield made


def held(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the table has of a row."""
    return tuple(
        default if value is DEFAULT else value
        for value, (_, _, default) in zip(row, COLUMNS, strict=True)
    )


def alike(found: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """Whether all values are equal, and of their type: -0.0 is 0.0 to the server."""
    return found == wanted and all(
        type(one) is type(other) or isinstance(other, bool)
        for one, other in zip(found, wanted, strict=True)
    )


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(some=ROWS)
def test_any_rows(conn: mariadb_nb.Connection, some: list[tuple[Any, ...]]) -> None:
    rows = some * -(-ENOUGH_TO_INSERT // len(some))
    conn.execute("DELETE FROM anything")
    cur = conn.executemany(f"INSERT INTO anything ({NAMES}) VALUES ({MARKS})", rows)
    assert cur.rowcount == len(rows)
    cur = conn.execute(f"SELECT {NAMES} FROM anything ORDER BY id")
    found = cur.fetchall()
    assert len(found) == len(rows)
    for one, row in zip(found, rows, strict=True):
        assert alike(one, held(row)), (one, row)


@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(some=ROWS)
def test_any_changes(conn: mariadb_nb.Connection, some: list[tuple[Any, ...]]) -> None:
    conn.execute("DELETE FROM anything")
    conn.executemany(
        "INSERT INTO anything (id) VALUES (?)", [(n,) for n in range(1, 60)]
    )
    assignments = ", ".join(f"c{i} = ?" for i in range(len(COLUMNS)))
    changes = [(*row, n) for n, row in enumerate(some, 1)]
    conn.executemany(f"UPDATE anything SET {assignments} WHERE id = ?", changes)
    cur = conn.execute(f"SELECT {NAMES} FROM anything ORDER BY id")
    for one, row in zip(cur.fetchall(), some, strict=False):
        assert alike(one, held(row)), (one, row)
