"""Results as columns of Arrow, on the cursors of every world."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pyarrow as pa
import pytest
from ticking import LOOPS, assert_served
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.arrow import ArrowStream, ArrowTable
from mariadb_nb.errors import (
    Busy,
    DatabaseError,
    DataError,
    InterfaceError,
    NotSupportedError,
    OperationTimeout,
    ProgrammingError,
)
from mariadb_nb.server import TemporaryServer

SEQUENCE = "SELECT seq, CONCAT('row ', seq) AS s FROM seq_1_to_{}"


def read(columns: Any) -> list[dict[str, Any]]:
    """The rows of a table or a batch, checked."""
    table = pa.table(columns)
    table.validate(full=True)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def rows_of(first: int, last: int) -> list[dict[str, Any]]:
    return [{"seq": n, "s": f"row {n}"} for n in range(first, last + 1)]


async def works(conn: aio.Connection) -> None:
    """A fresh value comes back."""
    cur = await conn.execute("SELECT CONNECTION_ID()")
    assert await cur.fetchall() == [(conn.thread_id,)]


# ---- tables --------------------------------------------------------------------------


@in_every_world
async def test_all_rows_as_one_table(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    table = await cur.arrow(SEQUENCE.format(100_000))
    assert isinstance(table, ArrowTable)
    assert len(table) == table.num_rows == cur.rowcount == 100_000
    assert table.column_names == ("seq", "s")
    assert repr(table) == "<ArrowTable of 100000 rows and 2 columns>"
    assert len(table.batches) == 2
    assert table.nbytes == sum(batch.nbytes for batch in table.batches)
    for _ in range(2):
        assert read(table) == rows_of(1, 100_000)
    assert pa.schema(table) == pa.table(table).schema
    assert cur.description is not None
    assert [column.name for column in cur.description] == ["seq", "s"]
    await works(conn)


@in_every_world
async def test_parameters(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    for sql, params in (
        ("SELECT ? AS n, ? AS s", (5, "x'\\ü")),
        ("SELECT %s AS n, %s AS s", [5, "x'\\ü"]),
        ("SELECT %(n)s AS n, %(s)s AS s", {"s": "x'\\ü", "n": 5}),
    ):
        assert read(await cur.arrow(sql, params)) == [{"n": 5, "s": "x'\\ü"}]
    with pytest.raises(ProgrammingError):
        await cur.arrow("SELECT ?", (1, 2))
    with pytest.raises(ProgrammingError):
        await cur.arrow("SELECT ?")
    with pytest.raises(TypeError, match="a statement is a str, not bytes"):
        await cur.arrow(b"SELECT 1")  # type: ignore[arg-type]
    await works(conn)


@in_every_world
async def test_no_rows_have_columns_all_the_same(world: World) -> None:
    cur = (await world.connect()).cursor()
    table = await cur.arrow(SEQUENCE.format(5) + " WHERE seq > 5")
    assert len(table) == cur.rowcount == 0
    assert pa.table(table).schema.names == ["seq", "s"]
    assert pa.table(table).schema.types == [pa.uint64(), pa.utf8()]


@in_every_world
async def test_values_that_a_transaction_sees(world: World) -> None:
    name = await world.table("x INT PRIMARY KEY, e ENUM('a', 'b')", "(1, 'a')")
    conn = await world.connect()
    cur = conn.cursor()
    await cur.execute(f"INSERT INTO {name} VALUES (2, 'b')")
    expected = [{"x": 1, "e": "a"}, {"x": 2, "e": "b"}]
    table = await cur.arrow(f"SELECT * FROM {name} ORDER BY x", dictionary=True)
    assert read(table) == expected
    assert pa.types.is_dictionary(pa.schema(table).field("e").type)
    assert conn.in_transaction
    await conn.rollback()
    assert read(await cur.arrow(f"SELECT * FROM {name}")) == expected[:1]


@in_every_world
async def test_returning(world: World) -> None:
    name = await world.table("x INT PRIMARY KEY AUTO_INCREMENT, y INT")
    cur = (await world.connect()).cursor()
    sql = f"INSERT INTO {name} (y) VALUES (?), (?) RETURNING x, y"
    assert read(await cur.arrow(sql, (7, 8))) == [{"x": 1, "y": 7}, {"x": 2, "y": 8}]


@in_every_world
async def test_a_statement_without_rows(world: World) -> None:
    name = await world.table("x INT")
    conn = await world.connect()
    cur = conn.cursor()
    for read_columns in (cur.arrow, cur.stream_arrow):
        with pytest.raises(ProgrammingError, match="was executed, and has no rows"):
            await read_columns(f"INSERT INTO {name} VALUES (1)")
    await cur.execute(f"SELECT COUNT(*) FROM {name}")
    assert await cur.fetchone() == (2,)


@in_every_world
async def test_dates_that_there_are_not(world: World) -> None:
    sql = "SELECT CAST('0000-00-00' AS DATE) AS d"
    cur = (await world.connect()).cursor()
    assert read(await cur.arrow(sql)) == [{"d": None}]
    strict = await world.connect(invalid_dates="error")
    with pytest.raises(DataError, match="column 'd' has the date 0000-00-00"):
        await strict.cursor().arrow(sql)
    await works(strict)


@in_every_world
async def test_dictionaries(world: World) -> None:
    cur = (await world.connect()).cursor()
    sql = "SELECT 'a' AS s, 'b' AS t, 1 AS n"
    for chosen in ("s", ["s"], {"s": 1}.keys(), ("s", "s")):
        schema = pa.schema(await cur.arrow(sql, dictionary=chosen))
        assert pa.types.is_dictionary(schema.field("s").type)
        assert schema.field("t").type == pa.utf8()
    for wrong in ("n", ["s", "x"]):
        with pytest.raises(ProgrammingError, match="no column of text of that name"):
            await cur.arrow(sql, dictionary=wrong)
    with pytest.raises(TypeError, match="names of columns, not 1"):
        await cur.arrow(sql, dictionary=[1])  # type: ignore[list-item]
    assert len(await cur.arrow(sql)) == 1


# ---- procedures, several results, what cannot be prepared ----------------------------


@in_every_world
async def test_a_procedure(world: World) -> None:
    name = f"p_{world.name}"
    conn = await world.connect()
    cur = conn.cursor()
    await cur.execute(
        f"CREATE OR REPLACE PROCEDURE {name}(count INT) "
        "BEGIN SELECT 1 AS n; IF count > 1 THEN SELECT 2 AS n; END IF; END"
    )
    try:
        assert read(await cur.arrow(f"CALL {name}(?)", (1,))) == [{"n": 1}]
        stream = await cur.stream_arrow(f"CALL {name}(1)", batch_rows=1)
        assert [read(batch) async for batch in stream] == [[{"n": 1}]]
        await works(conn)
        with pytest.raises(NotSupportedError, match="has several results"):
            await cur.arrow(f"CALL {name}(?)", (2,))
        await works(conn)
    finally:
        await cur.execute(f"DROP PROCEDURE {name}")


@in_every_world
async def test_errors_of_the_server(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    cur = conn.cursor()
    for sql in ("SELECT nothing", "SELECT", "SELECT 1; SELECT 2", "SELECT * FROM none"):
        with pytest.raises(DatabaseError):
            await cur.arrow(sql)
        with pytest.raises(DatabaseError):
            await cur.stream_arrow(sql)
    await works(conn)


# ---- streams -------------------------------------------------------------------------


@in_every_world
async def test_a_stream(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    stream = await cur.stream_arrow(SEQUENCE.format(1000), batch_rows=300)
    assert stream.column_names == ("seq", "s")
    assert "of 2 columns" in repr(stream)
    assert pa.schema(stream).names == ["seq", "s"]
    assert cur.rowcount == -1
    batches = [batch async for batch in stream]
    assert [len(batch) for batch in batches] == [300, 300, 300, 100]
    assert [row for batch in batches for row in read(batch)] == rows_of(1, 1000)
    assert [batch async for batch in stream] == []
    assert cur.rowcount == 1000
    await works(conn)


@in_every_world
async def test_a_stream_without_rows(world: World) -> None:
    cur = (await world.connect()).cursor()
    stream = await cur.stream_arrow(SEQUENCE.format(5) + " WHERE seq > 5")
    assert [batch async for batch in stream] == []
    assert pa.schema(stream).names == ["seq", "s"]


@in_every_world
async def test_a_stream_that_is_closed_early(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    async with await cur.stream_arrow(SEQUENCE.format(10**6), batch_rows=10) as stream:
        async for batch in stream:
            assert read(batch) == rows_of(1, 10)
            break
        with pytest.raises(Busy):
            await conn.execute("SELECT 1")
    with pytest.raises(InterfaceError, match="the stream is over"):
        async for _ in stream:
            pass
    await stream.close()
    await works(conn)


@in_every_world
async def test_a_stream_that_nobody_has_any_more(world: World) -> None:
    conn = await world.connect()
    stream = await conn.cursor().stream_arrow(SEQUENCE.format(10**6), batch_rows=10)
    async for _ in stream:
        break
    del stream
    gc.collect()
    await works(conn)


@in_every_world
async def test_the_cursor_goes_on_to_something_else(world: World) -> None:
    """Never does one stream give what belongs to the next."""
    conn = await world.connect()
    cur = conn.cursor()
    first = await cur.stream_arrow(SEQUENCE.format(10**6), batch_rows=10)
    second = await cur.stream_arrow("SELECT 'second' AS s", batch_rows=10)
    with pytest.raises(InterfaceError, match="has executed another statement"):
        async for _ in first:
            pass
    await first.close()  # which is not the second
    assert [read(batch) async for batch in second] == [[{"s": "second"}]]
    third = await cur.stream_arrow(SEQUENCE.format(10**6))
    await cur.execute("SELECT 1")
    assert await cur.fetchall() == [(1,)]
    with pytest.raises(InterfaceError, match="has executed another statement"):
        async for _ in third:
            pass
    await cur.close()
    with pytest.raises(InterfaceError, match="the cursor is closed"):
        await cur.arrow("SELECT 1")


@in_every_world
async def test_columns_are_not_to_be_fetched(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    await cur.arrow("SELECT 1")
    for _ in range(2):
        for fetch in (cur.fetchone, cur.fetchall, cur.fetchmany):
            with pytest.raises(ProgrammingError, match="come as columns"):
                await fetch()
        await cur.stream_arrow("SELECT 1")
    await cur.execute("SELECT 2")
    assert await cur.fetchall() == [(2,)]


@in_every_world
async def test_another_cursor_comes_in_between(world: World) -> None:
    conn = await world.connect()
    stream = await conn.cursor().stream_arrow(SEQUENCE.format(1000), batch_rows=600)
    other = conn.cursor()
    with pytest.raises(Busy):
        await other.arrow("SELECT 1")
    assert [len(batch) async for batch in stream] == [600, 400]
    assert len(await other.arrow("SELECT 1")) == 1


@in_every_world
async def test_a_connection_that_is_closed_meanwhile(world: World) -> None:
    conn = await world.connect()
    stream = await conn.cursor().stream_arrow(SEQUENCE.format(10**6), batch_rows=10)
    async for _ in stream:
        break
    await conn.close()
    with pytest.raises(InterfaceError, match="before its last row"):
        async for _ in stream:
            pass


@in_every_world
async def test_a_value_that_fails_within_a_stream(world: World) -> None:
    conn = await world.connect(invalid_dates="error")
    sql = (
        "SELECT seq, CAST(IF(seq = 25, '0000-00-00', '2024-02-29') AS DATE) AS d "
        "FROM seq_1_to_100000"
    )
    stream = await conn.cursor().stream_arrow(sql, batch_rows=10)
    found = []
    with pytest.raises(DataError, match="column 'd' has the date"):  # noqa: PT012
        async for batch in stream:
            found.append(len(batch))  # noqa: PERF401
    assert found == [10, 10, 4]
    with pytest.raises(InterfaceError, match="before its last row"):
        async for _ in stream:
            pass
    await works(conn)


@in_every_world
async def test_timeouts(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    with pytest.raises(OperationTimeout):
        await cur.arrow("SELECT SLEEP(30)", timeout=0.05)
    sql = "SELECT REPEAT('x', 2000), SLEEP(IF(seq = 40, 30, 0)) FROM seq_1_to_100"
    with pytest.raises(OperationTimeout):
        await cur.arrow(sql, timeout=0.05)
    await works(conn)
    stream = await cur.stream_arrow(sql, batch_rows=10, timeout=0.3)
    found = []
    with pytest.raises(OperationTimeout):  # noqa: PT012
        async for batch in stream:
            found.append(len(batch))  # noqa: PERF401
    assert found[:3] == [10, 10, 10]
    await works(conn)


@in_every_world
async def test_a_batch_has_rows(world: World) -> None:
    cur = (await world.connect()).cursor()
    for wrong in (0, -1, True, 1.5, None, "10"):
        with pytest.raises(ProgrammingError, match="is no number of rows, 1 or more"):
            await cur.stream_arrow("SELECT 1", batch_rows=wrong)  # type: ignore[arg-type]


# ---- who reads -----------------------------------------------------------------------


@pytest.fixture
def conn(mariadb_server: TemporaryServer) -> Iterator[mariadb_nb.Connection]:
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket, user="root", database="test"
    ) as connection:
        yield connection


def reader_of(stream: ArrowStream) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_stream(stream)


def test_a_reader_takes_the_stream(conn: mariadb_nb.Connection) -> None:
    cur = conn.cursor()
    reader = reader_of(cur.stream_arrow(SEQUENCE.format(1000), batch_rows=300))
    assert reader.schema.names == ["seq", "s"]
    assert read(reader.read_next_batch()) == rows_of(1, 300)
    assert read(reader.read_all()) == rows_of(301, 1000)
    assert cur.rowcount == 1000


def test_a_reader_in_another_thread(conn: mariadb_nb.Connection) -> None:
    reader = reader_of(conn.cursor().stream_arrow(SEQUENCE.format(1000)))
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(reader.read_all()))
    thread.start()
    thread.join()
    assert read(found[0]) == rows_of(1, 1000)
    assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_reader_hears_of_errors(conn: mariadb_nb.Connection) -> None:
    cur = conn.cursor()
    reader = reader_of(cur.stream_arrow(SEQUENCE.format(1000), batch_rows=10))
    reader.read_next_batch()
    cur.execute("SELECT 1")
    with pytest.raises(OSError, match="InterfaceError: the stream is over"):
        reader.read_next_batch()
    assert cur.fetchall() == [(1,)]


def test_a_reader_that_gives_up(conn: mariadb_nb.Connection) -> None:
    """With it goes the stream, and the connection is free again."""
    reader = reader_of(conn.cursor().stream_arrow(SEQUENCE.format(10**6)))
    reader.read_next_batch()
    del reader
    gc.collect()
    assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_stream_takes_no_more_memory_than_a_batch(
    conn: mariadb_nb.Connection,
) -> None:
    """However many rows there are: 60 MB of them here."""
    process = psutil.Process()
    sql = "SELECT seq, REPEAT('x', 100) AS x, seq / 3 AS y FROM seq_1_to_500000"
    before = most = rows = 0
    with conn.cursor().stream_arrow(sql, batch_rows=10_000) as stream:
        for number, batch in enumerate(stream):
            rows += len(batch)
            now = process.memory_info().rss
            if number == 5:
                before = most = now
            most = max(most, now)
    assert rows == 500_000
    assert most - before < 8_000_000


@pytest.mark.alone
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_the_loop_is_served(loop: type[World], mariadb_server: TemporaryServer) -> None:
    """A batch of all rows is made in many turns."""
    world = loop(mariadb_server)
    columns = ", ".join(f"CONCAT(seq, 'column {n}') AS c{n}" for n in range(10))

    async def body() -> None:
        conn = await world.connect()

        async def fetch() -> ArrowTable:
            sql = f"SELECT {columns} FROM seq_1_to_100000"
            table = await conn.cursor().arrow(sql)
            assert len(table) == 100_000
            return table

        await assert_served(world, fetch)

    world.run(body())
