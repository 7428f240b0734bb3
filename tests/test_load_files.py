"""load with a statement of the application's own, and a file in whatever shape."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio, loading

LINES = [(number, f"text {number}") for number in range(20_000)]
CSV = b"a;b\n" + b"".join(b"%d;%s\n" % (a, b.encode()) for a, b in LINES)
FORMAT = "FIELDS TERMINATED BY ';' IGNORE 1 LINES"


def statement(table: str, more: str = FORMAT) -> str:
    return f"LOAD DATA LOCAL INFILE 'any name' INTO TABLE {table} {more}"


async def contents(conn: aio.Connection, table: str) -> list[Any]:
    cur = await conn.execute(f"SELECT * FROM {table} ORDER BY 1")
    return await cur.fetchall()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(CSV)
    return path


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


class Reader:
    """Has nothing of a file but ``read``, which gives what it likes."""

    def __init__(self, data: bytes) -> None:
        self._pieces = cut(data, 7777)

    def read(self, size: int) -> bytes:
        return next(self._pieces, b"")


def zipped(path: Path) -> Any:
    """A file whose descriptor leads to something else than what is read from it."""
    with gzip.open(f"{path}.gz", "wb") as file:
        file.write(path.read_bytes())
    return gzip.open(f"{path}.gz", "rb")


SOURCES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "open file": lambda path: path.open("rb"),
    "unbuffered file": lambda path: path.open("rb", buffering=0),
    "file to be written too": lambda path: path.open("r+b"),
    "gzip": zipped,
    "in memory": lambda path: io.BytesIO(path.read_bytes()),
    "reader": lambda path: Reader(path.read_bytes()),
    "pieces": lambda path: cut(path.read_bytes(), 1000),
    "a list": lambda path: list(cut(path.read_bytes(), 100_000)),
}


@pytest.mark.parametrize("kind", SOURCES)
@in_every_world
async def test_sources(world: World, file: Path, kind: str) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    source = SOURCES[kind](file)
    assert await conn.load(statement(table), source) == len(LINES)
    assert await contents(conn, table) == LINES
    if hasattr(source, "seek"):
        assert source.read(1) == b""
        source.close()


def test_a_source_is_larger_than_a_buffer() -> None:
    """What the tests here rely on: some of it goes by way of a file."""
    assert len(CSV) > loading.BUFFER


@in_every_world
async def test_file_is_read_from_where_it_is(world: World, file: Path) -> None:
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)")
    with file.open("rb") as opened:
        opened.readline()
        sql = statement(table, "FIELDS TERMINATED BY ';'")
        assert await conn.load(sql, opened) == len(LINES)
        assert opened.tell() == len(CSV)


@in_every_world
async def test_pipe(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as pipe:
            pipe.write(CSV)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as pipe:
        assert await conn.load(statement(table), pipe) == len(LINES)
    thread.join()
    assert await contents(conn, table) == LINES


@in_every_world
async def test_pieces_to_be_awaited(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")

    async def source() -> AsyncIterator[bytes]:
        for piece in cut(CSV, 100_000):
            await world.pause()
            yield piece

    if isinstance(conn, aio.Connection):
        assert await conn.load(statement(table), source()) == len(LINES)
        assert await contents(conn, table) == LINES
    else:
        with pytest.raises(TypeError, match="not iterable"):
            await conn.load(statement(table), source())


@pytest.mark.parametrize("source", [b"", [], io.BytesIO()])
@in_every_world
async def test_nothing_in_it(world: World, source: Any) -> None:
    conn = await world.connect()
    table = await world.table("a INT")
    assert await conn.load(statement(table), source) == 0


@in_every_world
async def test_any_statement_that_loads(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)")
    sql = f"\n  load data concurrent local infile '' INTO TABLE {table} (b) SET a = 1"
    assert await conn.load(sql, b"x\ny\n") == 2
    sql = f"LOAD XML LOCAL INFILE '' INTO TABLE {table} ROWS IDENTIFIED BY '<r>'"
    assert await conn.load(sql, b'<r a="5" b="z"/>') == 1
    sql = statement(table, "FIELDS TERMINATED BY ';' (a, b)")
    assert await conn.load(sql.replace("'any", "'?%s"), b"6;\\N\n") == 1
    assert await contents(conn, table) == [(1, "x"), (1, "y"), (5, "z"), (6, None)]


@in_every_world
async def test_duplicates(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)", "(3, 'old')")
    with pytest.raises(mariadb_nb.IntegrityError, match=r"records\[3\]: Duplicate"):
        await conn.load(statement(table), CSV)
    assert await contents(conn, table) == [(3, "old")]
    replace = statement(table).replace("INTO", "REPLACE INTO")
    assert await conn.load(replace, b"\n3;new\n") == 1
    many = len(LINES) - 1
    assert await conn.load(statement(table), CSV, on_duplicate="ignore") == many
    assert (await contents(conn, table))[3] == (3, "new")
    with pytest.raises(mariadb_nb.ProgrammingError, match="write REPLACE"):
        await conn.load(statement(table), CSV, on_duplicate="replace")


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"\n1;2\nx;y\n", mariadb_nb.DataError, r"records\[1\]: Incorrect integer"),
        (b"\n1;2\n1\n", mariadb_nb.DataError, r"Row 2 doesn't contain data"),
        (b"\n1;2;3\n", mariadb_nb.DataError, "more data than there were input"),
        (b"\n1;\xff\n", mariadb_nb.DataError, "Incorrect string|Invalid utf8"),
    ],
)
@in_every_world
async def test_loss_is_an_error(
    world: World, data: bytes, error: type[Exception], text: str
) -> None:
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)")
    with pytest.raises(error, match=text):
        await conn.load(statement(table), data)
    assert await contents(conn, table) == []


@in_every_world
async def test_refusals(world: World, file: Path) -> None:
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)")
    sql = statement(table)
    with pytest.raises(mariadb_nb.ProgrammingError, match="columns is for tables"):
        await conn.load(sql, CSV, ["a"])
    with file.open(encoding="ascii") as text, pytest.raises(TypeError, match="binary"):
        await conn.load(sql, text)
    with pytest.raises(TypeError, match="piece 1 of the file is a tuple"):
        await conn.load(sql, [b"", (1, 2)])
    with (
        file.open("rb") as rows,
        pytest.raises(mariadb_nb.ProgrammingError, match="bytes"),
    ):
        await conn.load(table, rows)
    for wrong in (sql.replace("LOCAL", ""), f"LOAD DATA INFILE '{file}' INTO TABLE x"):
        with pytest.raises(mariadb_nb.Error):
            await conn.load(wrong, CSV)
    with pytest.raises(mariadb_nb.ProgrammingError, match="syntax"):
        await conn.load("LOAD DATA LOCAL", CSV)
    assert not conn.in_transaction
    assert await contents(conn, table) == []


class SourceError(Exception):
    """What a source raises."""


@pytest.mark.parametrize("size", [0, 10, 2 * loading.BUFFER])
@in_every_world
async def test_source_that_raises(world: World, size: int) -> None:
    def pieces() -> Iterator[bytes]:
        yield CSV[:size]
        raise SourceError

    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)", "(-1, 'old')")
    with pytest.raises(SourceError):
        await conn.load(statement(table), pieces())
    assert await contents(conn, table) == [(-1, "old")]


@in_every_world
async def test_file_that_cannot_be_read(world: World, file: Path) -> None:
    """It can be opened and has a place; reading fails while the library asks."""
    conn = await world.connect()
    table = await world.table("a INT, b VARCHAR(30)")
    with (
        os.fdopen(os.open(file, os.O_WRONLY), "rb", buffering=0) as source,
        pytest.raises(OSError, match="Bad file descriptor"),
    ):
        await conn.load(statement(table), source)
    cur = await conn.execute("SELECT 'a secret'")
    assert await cur.fetchall() == [("a secret",)]
    assert await contents(conn, table) == []


@in_every_world
async def test_interrupted_in_the_middle_of_a_large_file(world: World) -> None:
    """What is left of it is not sent any more."""
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    locker = await world.connect()
    await locker.execute(f"INSERT INTO {table} VALUES (9, 'locked')")
    large = CSV + b"".join(b"%d;x\n" % number for number in range(10**5, 10**6))
    await world.interrupt(
        conn.load(statement(table), large), world.wait_until_seen(locker, "LOAD DATA")
    )
    cur = await conn.execute("SELECT 'a secret'")
    assert await cur.fetchall() == [("a secret",)]
    await locker.rollback()
    assert await contents(locker, table) == []
