"""executemany: what is inserted, and with how few statements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio

TABLE = (
    "CREATE TEMPORARY TABLE batch "
    "(id INT AUTO_INCREMENT PRIMARY KEY, x INT UNIQUE, text VARCHAR(100))"
)
ROWS = [(number, f"it's ({number}), ? %s") for number in range(1000)]


async def statements(conn: aio.Connection, kind: str = "insert") -> int:
    """How many statements of a kind the session has executed."""
    cur = await conn.execute(f"SHOW SESSION STATUS LIKE 'Com_{kind}'")
    row = await cur.fetchone()
    assert row is not None
    return int(row[1])


async def contents(conn: aio.Connection) -> list[Any]:
    cur = await conn.execute("SELECT x, text FROM batch ORDER BY id")
    return await cur.fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO batch (x, text) VALUES (?, ?)",
        "insert into batch (x, text) values (%s, %s)",
        "INSERT INTO batch (x, text) /* VALUES (?) */ VALUE (?, CONCAT('', ?)) -- end",
        "REPLACE INTO batch (x, text) VALUES (?, ?)",
        "INSERT IGNORE batch (text, x) SELECT ?, ?",
    ],
    ids=["qmark", "format", "expressions", "replace", "select"],
)
@in_every_world
async def test_rows_are_inserted(world: World, sql: str) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    cur = conn.cursor()
    rows: list[tuple[Any, ...]] = [*ROWS]
    if "text, x" in sql:
        rows = [(text, number) for number, text in ROWS]
    await cur.executemany(sql, rows)
    assert cur.rowcount == 1000
    assert await contents(conn) == ROWS


@in_every_world
async def test_many_rows_make_few_statements(world: World) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    before = await statements(conn)
    cur = conn.cursor()
    await cur.executemany("INSERT INTO batch (x, text) VALUES (?, ?)", ROWS)
    assert await statements(conn) - before <= 2
    assert await contents(conn) == ROWS


@in_every_world
async def test_named_parameters(world: World) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    cur = conn.cursor()
    before = await statements(conn)
    await cur.executemany(
        "INSERT INTO batch (x, text) VALUES (%(x)s, %(text)s)",
        [{"text": text, "x": number} for number, text in ROWS],
    )
    assert await statements(conn) - before <= 2
    assert await contents(conn) == ROWS


@in_every_world
async def test_what_follows_the_values_is_kept(world: World) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    cur = conn.cursor()
    await cur.executemany("INSERT INTO batch (x, text) VALUES (?, ?)", ROWS[:3])
    before = await statements(conn)
    await cur.executemany(
        "INSERT INTO batch (x, text) VALUES (?, ?) "
        "ON DUPLICATE KEY UPDATE text = CONCAT('again ', VALUES(text))",
        [(0, "zero"), (2, "two"), (5000, "new")],
    )
    assert await statements(conn) - before == 1
    assert await contents(conn) == [
        (0, "again zero"),
        ROWS[1],
        (2, "again two"),
        (5000, "new"),
    ]


@in_every_world
async def test_what_follows_the_values_may_have_parameters(world: World) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    cur = conn.cursor()
    sql = (
        "INSERT INTO batch (x, text) VALUES (?, 'same') "
        "ON DUPLICATE KEY UPDATE text = ?"
    )
    await cur.executemany(sql, [(1, "a"), (1, "b"), (2, "c"), (2, "d")])
    assert await contents(conn) == [(1, "b"), (2, "d")]


@in_every_world
async def test_other_statements_are_executed_one_by_one(world: World) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    cur = conn.cursor()
    await cur.executemany("INSERT INTO batch (x) VALUES (?)", [(1,), (2,), (3,)])
    before = await statements(conn, "update")
    await cur.executemany(
        "UPDATE batch SET text = ? WHERE x >= ?", [("a", 1), ("b", 2), ("c", 9)]
    )
    assert await statements(conn, "update") - before == 3
    assert cur.rowcount == 5
    assert await contents(conn) == [(1, "a"), (2, "b"), (3, "b")]


@in_every_world
async def test_rows_from_a_generator(world: World) -> None:
    def rows() -> Iterator[tuple[int, str]]:
        yield from ROWS

    conn = await world.connect()
    await conn.execute(TABLE)
    cur = conn.cursor()
    await cur.executemany("INSERT INTO batch (x, text) VALUES (?, ?)", rows())
    assert await contents(conn) == ROWS


@in_every_world
async def test_no_rows_are_no_statement(world: World) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    before = await statements(conn)
    cur = conn.cursor()
    await cur.executemany("INSERT INTO batch (x) VALUES (?)", [])
    assert cur.rowcount == 0
    assert await statements(conn) == before
    assert await contents(conn) == []


@in_every_world
async def test_batch_larger_than_a_packet_is_split(world: World) -> None:
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE large (x INT, text LONGTEXT)")
    cur = await conn.execute("SELECT @@max_allowed_packet")
    row = await cur.fetchone()
    assert row is not None
    size = row[0] // 5
    text = "'" * (size // 2)
    before = await statements(conn)
    await cur.executemany(
        "INSERT INTO large VALUES (?, ?)", [(number, text) for number in range(12)]
    )
    assert cur.rowcount == 12
    assert 2 < await statements(conn) - before <= 12
    await cur.execute("SELECT x, LENGTH(text) FROM large")
    assert await cur.fetchall() == [(number, len(text)) for number in range(12)]


@in_every_world
async def test_row_that_does_not_fit_inserts_nothing(world: World) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    cur = conn.cursor()
    for wrong in ((1,), (1, "a", "b"), "ab", None, (1, object())):
        with pytest.raises((mariadb_nb.Error, TypeError)):
            await cur.executemany(
                "INSERT INTO batch (x, text) VALUES (?, ?)", [(7, "fits"), wrong]
            )
    await conn.rollback()
    assert await contents(conn) == []


@in_every_world
async def test_error_of_the_server_in_a_batch(world: World) -> None:
    conn = await world.connect()
    await conn.execute(f"{TABLE} ENGINE = InnoDB")
    cur = conn.cursor()
    with pytest.raises(mariadb_nb.IntegrityError) as raised:
        await cur.executemany(
            "INSERT INTO batch (x, text) VALUES (?, ?)", [*ROWS, ROWS[17]]
        )
    assert raised.value.errno == 1062
    await conn.rollback()
    assert await contents(conn) == []


@in_every_world
async def test_error_of_the_callers_generator(world: World) -> None:
    def rows() -> Iterator[tuple[int, str]]:
        yield ROWS[0]
        raise KeyError("the caller's own")

    conn = await world.connect()
    await conn.execute(TABLE)
    with pytest.raises(KeyError, match="own"):
        await conn.cursor().executemany(
            "INSERT INTO batch (x, text) VALUES (?, ?)", rows()
        )
    cur = await conn.execute("SELECT 'still right'")
    assert await cur.fetchall() == [("still right",)]


@in_every_world
async def test_lastrowid_of_a_batch(world: World) -> None:
    conn = await world.connect()
    await conn.execute(TABLE)
    cur = conn.cursor()
    await cur.executemany("INSERT INTO batch (x) VALUES (?)", [(1,), (2,), (3,)])
    # The server tells the first number of a statement.
    assert cur.lastrowid == 1
