"""Batches of executemany() on a server that takes short statements only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import mariadb_nb
from mariadb_nb.server import TemporaryServer

LIMIT = 32768
INSERT = "INSERT INTO batch VALUES (?, ?)"


@pytest.fixture(scope="module")
def narrow() -> Iterator[TemporaryServer]:
    """A server with a low ``max_allowed_packet``."""
    with TemporaryServer(tls=False, options={"max_allowed_packet": LIMIT}) as server:
        yield server


@pytest.fixture
def conn(narrow: TemporaryServer) -> Iterator[mariadb_nb.Connection]:
    """A connection with an empty table ``batch``."""
    with mariadb_nb.connect(
        unix_socket=narrow.socket, user="root", database="test"
    ) as made:
        made.execute("CREATE TEMPORARY TABLE batch (id INT, note TEXT)")
        yield made


def sent(conn: mariadb_nb.Connection, command: str) -> int:
    """How many statements of a kind the connection has sent."""
    cur = conn.execute(f"SHOW SESSION STATUS LIKE 'Com_{command}'")
    return int(cur.fetchone()[1])


def rows_of(count: int, length: int) -> list[tuple[int, str]]:
    return [(number, "x" * length) for number in range(count)]


@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_many_rows_are_sent_in_statements_that_the_server_takes(
    conn: mariadb_nb.Connection, make: Any
) -> None:
    rows = rows_of(5000, 100)
    cur = conn.executemany(INSERT, make(rows))
    assert cur.rowcount == 5000
    assert conn.execute("SELECT * FROM batch").fetchall() == rows
    assert 5000 * 110 / LIMIT < sent(conn, "insert") < 30


def test_each_length_of_a_row_is_taken(conn: mariadb_nb.Connection) -> None:
    """Where a statement ends depends on it: one of them ends at the limit itself."""
    for length in range(100, 140):
        assert conn.executemany(INSERT, rows_of(400, length)).rowcount == 400


def test_limit_is_asked_for_once_a_session_and_only_if_it_matters(
    conn: mariadb_nb.Connection, narrow: TemporaryServer
) -> None:
    before = sent(conn, "select")
    conn.executemany(INSERT, rows_of(5, 10))
    assert sent(conn, "select") == before
    for _ in range(3):
        conn.executemany(INSERT, rows_of(1000, 100))
    assert sent(conn, "select") == before + 1
    conn.execute(f"SET GLOBAL max_allowed_packet = {LIMIT // 2}")
    conn.reset()
    conn.execute("CREATE TEMPORARY TABLE batch (id INT, note TEXT)")
    assert conn.executemany(INSERT, rows_of(1000, 100)).rowcount == 1000
    conn.execute(f"SET GLOBAL max_allowed_packet = {LIMIT}")


def test_one_row_that_is_too_long_is_the_servers_to_refuse(
    conn: mariadb_nb.Connection,
) -> None:
    rows = [*rows_of(100, 10), (100, "x" * LIMIT)]
    with pytest.raises(mariadb_nb.OperationalError):
        conn.executemany(INSERT, rows)
    conn.close()
