"""DuckDB takes columns of Arrow by the name of a variable."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

import mariadb_nb
from mariadb_nb.server import TemporaryServer


@pytest.fixture
def cur(mariadb_server: TemporaryServer) -> Iterator[mariadb_nb.Cursor]:
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket, user="root", database="test"
    ) as connection:
        yield connection.cursor()


SQL = "SELECT seq AS n, seq % 3 AS rest FROM seq_1_to_100000"
SUMS = [(rest, sum(range(rest or 3, 100_001, 3))) for rest in range(3)]


def sums_of(name: str, columns: object) -> list[tuple[int, int]]:
    with duckdb.connect() as duck:
        duck.register(name, columns)
        sql = f"SELECT rest, SUM(n)::BIGINT FROM {name} GROUP BY rest ORDER BY rest"
        found: list[tuple[int, int]] = duck.execute(sql).fetchall()
        return found


def test_a_table(cur: mariadb_nb.Cursor) -> None:
    table = cur.arrow(SQL)
    for _ in range(2):
        assert sums_of("numbers", table) == SUMS


def test_by_the_name_of_a_variable(cur: mariadb_nb.Cursor) -> None:
    numbers = cur.arrow(SQL)
    assert len(numbers) == 100_000
    assert duckdb.sql("SELECT COUNT(*) FROM numbers").fetchall() == [(100_000,)]


def test_a_stream_is_read_while_the_query_runs(cur: mariadb_nb.Cursor) -> None:
    with cur.stream_arrow(SQL, batch_rows=1000) as stream:
        assert sums_of("numbers", stream) == SUMS
    assert cur.rowcount == 100_000


def test_values_of_types_that_only_extensions_tell(cur: mariadb_nb.Cursor) -> None:
    cur.execute("CREATE TEMPORARY TABLE t (u UUID, j JSON, e ENUM('a', 'b'))")
    identity = "00112233-4455-6677-8899-aabbccddeeff"
    cur.execute("INSERT INTO t VALUES (?, '[1]', 'b')", (identity,))
    columns = cur.arrow("SELECT * FROM t", dictionary=True)
    assert len(columns) == 1
    found = duckdb.sql("SELECT u::TEXT, j->>0, e::TEXT FROM columns").fetchall()
    assert found == [(identity, "1", "b")]
