"""Who takes columns of Arrow: pyarrow, polars and pandas, each as its users do."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import mariadb_nb
from mariadb_nb.server import TemporaryServer

SQL = """
    SELECT seq AS n, CONCAT('row ', seq) AS s, CAST(seq / 3 AS DECIMAL(12, 2)) AS d,
        seq / 7e0 AS f, CAST('2024-02-29' AS DATETIME) + INTERVAL seq SECOND AS t,
        CAST(TIMESTAMPADD(DAY, seq, '2024-02-29') AS DATE) AS day,
        SEC_TO_TIME(-seq) AS span, CAST(CONCAT('b', seq) AS BINARY) AS b,
        IF(seq % 3 = 0, NULL, seq) AS optional, ELT(seq % 2 + 1, 'even', 'odd') AS kind
    FROM seq_1_to_1000
"""
TYPES = {
    "n": pl.UInt64,
    "s": pl.String,
    "d": pl.Decimal(12, 2),
    "f": pl.Float64,
    "t": pl.Datetime("us"),
    "day": pl.Date,
    "span": pl.Duration("us"),
    "b": pl.Binary,
    "optional": pl.UInt64,
    "kind": pl.Categorical,
}


@pytest.fixture
def cur(mariadb_server: TemporaryServer) -> Iterator[mariadb_nb.Cursor]:
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket, user="root", database="test"
    ) as connection:
        yield connection.cursor()


@pytest.fixture
def rows(cur: mariadb_nb.Cursor) -> list[tuple[Any, ...]]:
    """The same as objects of Python."""
    return cur.execute(SQL).fetchall()


def test_pyarrow(cur: mariadb_nb.Cursor, rows: list[tuple[Any, ...]]) -> None:
    table = pa.table(cur.arrow(SQL))
    table.validate(full=True)
    found = zip(*(column.to_pylist() for column in table.columns), strict=True)
    assert list(found) == rows
    assert pc.sum(table["n"]).as_py() == 500_500


def test_pyarrow_reads_a_stream(cur: mariadb_nb.Cursor) -> None:
    with cur.stream_arrow(SQL, batch_rows=100) as stream:
        reader = pa.RecordBatchReader.from_stream(stream)
        assert [batch.num_rows for batch in reader] == [100] * 10


def test_polars(cur: mariadb_nb.Cursor, rows: list[tuple[Any, ...]]) -> None:
    frame = pl.DataFrame(cur.arrow(SQL, dictionary=["kind"]))
    for name, kind in TYPES.items():
        assert frame.schema[name] == kind, name
    assert frame.rows() == rows
    sums = frame.group_by("kind", maintain_order=True).agg(pl.col("n").sum())
    assert sums.rows() == [("odd", 250_000), ("even", 250_500)]


def test_polars_reads_a_stream(cur: mariadb_nb.Cursor) -> None:
    frame = pl.DataFrame(cur.stream_arrow("SELECT seq FROM seq_1_to_1000"))
    assert frame["seq"].sum() == 500_500
    frames = [pl.DataFrame(batch) for batch in cur.stream_arrow(SQL, batch_rows=600)]
    assert [len(frame) for frame in frames] == [600, 400]


def test_pandas(cur: mariadb_nb.Cursor, rows: list[tuple[Any, ...]]) -> None:
    frame = pa.table(cur.arrow(SQL, dictionary=["kind"])).to_pandas(
        types_mapper=pd.ArrowDtype
    )
    assert list(frame.columns) == list(TYPES)
    assert [tuple(row) for row in frame.head(2).itertuples(index=False)] == rows[:2]
    assert frame["optional"].isna().sum() == 333
    assert frame.groupby("kind", observed=True)["n"].sum().to_dict() == {
        "even": 250_500,
        "odd": 250_000,
    }


def test_numpy_has_the_same_memory(cur: mariadb_nb.Cursor) -> None:
    (batch,) = cur.arrow("SELECT seq, seq / 2e0 AS half FROM seq_1_to_1000").batches
    numbers, halves = pa.record_batch(batch).columns
    array = numbers.to_numpy(zero_copy_only=True)
    assert array.sum() == 500_500
    assert halves.to_numpy(zero_copy_only=True)[-1] == 500.0
    assert array.ctypes.data == numbers.buffers()[1].address


def test_values_at_the_limits(cur: mariadb_nb.Cursor) -> None:
    """Where a reader's own idea of a type could differ."""
    sql = """
        SELECT 18446744073709551615 AS n, -9223372036854775808 AS m,
            CAST('-838:59:59.999999' AS TIME(6)) AS span,
            CAST('9999-12-31 23:59:59.999999' AS DATETIME(6)) AS t,
            CAST('0001-01-01' AS DATE) AS day,
            CAST(REPEAT('9', 38) AS DECIMAL(38, 0)) AS d
    """
    (row,) = cur.execute(sql).fetchall()
    assert row[3:5] == (datetime.datetime.max, datetime.date.min)
    assert row[5] == decimal.Decimal("9" * 38)
    (batch,) = cur.arrow(sql).batches
    assert tuple(pa.record_batch(batch).to_pylist()[0].values()) == row
    assert pl.DataFrame(batch).row(0) == row
