"""executemany with arrays of parameters: in few requests, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from bulk_support import INSERT, ROWS, TABLE, Requests, contents, counted, filled
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.many import ENOUGH_TO_INSERT
from mariadb_nb.server import TemporaryServer

# ---- Few requests ----------------------------------------------------------------


@pytest.mark.parametrize("make", [list, tuple, iter], ids=["list", "tuple", "iterator"])
@in_every_world
async def test_rows_are_inserted_as_arrays(world: World, make: Any) -> None:
    conn = await filled(world)
    await conn.execute("DELETE FROM bulk")
    requests = await Requests(conn).start()
    cur = await conn.executemany(INSERT, make(ROWS))
    assert await requests.sent() == 1
    assert cur.rowcount == len(ROWS)
    assert await contents(conn) == ROWS


@in_every_world
async def test_rows_are_updated_and_deleted_as_arrays(world: World) -> None:
    conn = await filled(world)
    cur = conn.cursor()
    requests = await Requests(conn).start()
    await cur.executemany(
        "UPDATE bulk SET text = ? WHERE x BETWEEN ? AND ? OR x = ? LIMIT ?",
        [("low", 0, 8, 9, 99), ("none", 2000, 3000, 1, 0), ("high", 990, 998, 999, 99)],
    )
    assert cur.rowcount == 20
    assert await requests.sent() == 1
    rows = await contents(conn)
    assert rows[9:11] == [(9, "low"), ROWS[10]]
    assert rows[-1] == (999, "high")
    await requests.start()
    await cur.executemany("DELETE FROM bulk WHERE x = %s", [[n] for n in range(5, 999)])
    assert cur.rowcount == 994
    assert await requests.sent() == 1
    assert [x for x, _ in await contents(conn)] == [0, 1, 2, 3, 4, 999]


@in_every_world
async def test_named_parameters(world: World) -> None:
    conn = await filled(world, [])
    requests = await Requests(conn).start()
    await conn.executemany(
        "REPLACE INTO bulk (x, text) VALUES (%(x)s, %(text)s)",
        [{"text": text, "x": number, "more": 0} for number, text in ROWS],
    )
    await conn.executemany(
        "UPDATE bulk SET text = %(x)s WHERE x = %(x)s", [{"x": 1}, {"x": 2}, {"x": 3}]
    )
    assert await requests.sent() == 3
    assert (await contents(conn))[1:5] == [(1, "1"), (2, "2"), (3, "3"), ROWS[4]]


@in_every_world
async def test_many_rows_are_several_requests(world: World) -> None:
    conn = await filled(world, [])
    rows = [(number, f"{number:0100}") for number in range(30_000)]
    requests = await Requests(conn).start()
    cur = await conn.executemany(INSERT, iter(rows))
    assert cur.rowcount == 30_000
    assert 3 < await requests.sent() < 10
    assert await contents(conn) == rows


@pytest.mark.parametrize("prepare", [None, False])
@in_every_world
async def test_what_is_compressed_is_sent_in_smaller_pieces(
    world: World, prepare: bool | None
) -> None:
    """The library compresses each of them in one go."""
    conn = await filled(world, [], compress=True)
    rows = [(number, f"{number:0100}") for number in range(30_000)]
    requests = await Requests(conn).start()
    await conn.cursor(prepare=prepare).executemany(INSERT, rows)
    assert 95 < await requests.sent() < 125
    assert await contents(conn) == rows


@in_every_world
async def test_few_rows_are_not_worth_it(world: World) -> None:
    conn = await filled(world, [])
    await conn.executemany(INSERT, ROWS[: ENOUGH_TO_INSERT - 1])
    assert await counted(conn, "Com_stmt_prepare") == 0
    await conn.executemany("UPDATE bulk SET text = ? WHERE x = ?", [("a", 1), ("b", 2)])
    assert (await contents(conn))[:4] == [ROWS[0], (1, "a"), (2, "b"), ROWS[3]]


@pytest.mark.parametrize(
    ("threshold", "prepare", "prepared"),
    [(2, None, "1"), (2, False, "0"), (None, None, "0"), (None, True, "1")],
)
def test_nothing_is_prepared_for_who_does_not_want_it(
    mariadb_server: TemporaryServer,
    threshold: int | None,
    prepare: bool | None,
    prepared: str,
) -> None:
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket,
        user="root",
        database="test",
        prepare_threshold=threshold,
    ) as conn:
        conn.execute(TABLE)
        conn.cursor(prepare=prepare).executemany(INSERT, ROWS)
        cur = conn.execute("SHOW SESSION STATUS LIKE 'Com_stmt_prepare'")
        assert cur.fetchone()[1] == prepared
        cur = conn.execute("SELECT x, text FROM bulk ORDER BY id")
        assert cur.fetchall() == ROWS


# ---- What comes of it ------------------------------------------------------------


@in_every_world
async def test_rows_that_are_returned_come_in_order(world: World) -> None:
    conn = await filled(world, [])
    rows = [(number, "x" * 90) for number in range(3000)]
    requests = await Requests(conn).start()
    cur = await conn.executemany(f"{INSERT} RETURNING x, id", rows)
    assert 2 < await requests.sent() < 9
    assert cur.rowcount == 3000
    returned = await cur.fetchall()
    assert [x for x, _ in returned] == list(range(3000))
    assert sorted({number for _, number in returned}) == [n for _, n in returned]
    assert cur.description is not None
    assert [column[0] for column in cur.description] == ["x", "id"]
    doomed = [(number,) for number in (5, 9999, 7, 2000)]
    await cur.executemany("DELETE FROM bulk WHERE x = ? RETURNING x", doomed)
    assert cur.rowcount == 3
    assert await cur.fetchall() == [(5,), (7,), (2000,)]
    text = conn.cursor(prepare=False)
    await text.executemany(f"{INSERT} RETURNING x", [(n, "y" * 90) for n in (5, 7)])
    await text.executemany(f"REPLACE{INSERT[6:]} RETURNING x", rows * 2)
    assert await text.fetchall() == [(number,) for number in range(3000)] * 2


@in_every_world
async def test_rows_of_what_is_executed_one_by_one_come_in_order(world: World) -> None:
    conn = await world.connect()
    cur = await conn.executemany("SELECT ?", [(3,), (1,), (2,)])
    assert cur.rowcount == 3
    assert await cur.fetchall() == [(3,), (1,), (2,)]


@in_every_world
async def test_replies_of_different_kinds(world: World) -> None:
    conn = await world.connect()
    sql = "EXECUTE IMMEDIATE ?"
    cur = await conn.executemany(sql, [("SELECT 1",), ("SELECT 2",), ("DO 1",)])
    assert cur.rowcount == 2
    assert cur.description is None
    cur = await conn.executemany(sql, [("SELECT 1",), ("DO 1",), ("SELECT 2",)])
    assert await cur.fetchall() == [(1,), (2,)]


@in_every_world
async def test_what_is_not_the_same_as_one_by_one(world: World) -> None:
    conn = await world.connect(sql_mode="STRICT_TRANS_TABLES", autocommit=True)
    table = (
        "CREATE OR REPLACE TABLE bulk_apart (x INT PRIMARY KEY, v VARCHAR(3) NOT NULL)"
    )
    sql = "INSERT INTO bulk_apart VALUES (?, ?)"
    bound, written = conn.cursor(), conn.cursor(prepare=False)
    for cur in (bound, written):
        await conn.execute(f"{table} ENGINE = MyISAM")
        rows = [(n, "x" if n < 40 else "long") for n in range(50)]
        await cur.executemany(sql, rows)
        assert cur.warning_count == 10
        with pytest.raises(mariadb_nb.IntegrityError, match=r"rows\[2\]: Duplicate"):
            await cur.executemany(
                sql, [(n, "y") for n in (98, 99, 1, *range(100, 150))]
            )
        await cur.execute("SELECT v, COUNT(*) FROM bulk_apart GROUP BY v ORDER BY v")
        assert await cur.fetchall() == [("lon", 10), ("x", 40), ("y", 2)]
        await conn.execute(f"{table} ENGINE = InnoDB")
        with pytest.raises(mariadb_nb.DataError, match=r"rows\[40\]: Data too long"):
            await cur.executemany(sql, rows)
        await cur.execute("SELECT COUNT(*) FROM bulk_apart")
        assert await cur.fetchall() == [(0,)]
    await conn.execute("SET sql_mode = ''")
    nulls = [(n, None) for n in range(50)]
    with pytest.raises(mariadb_nb.IntegrityError, match="cannot be null"):
        await bound.executemany(sql, nulls)
    await written.executemany(sql, nulls)
    await written.execute("SELECT DISTINCT v FROM bulk_apart")
    assert await written.fetchall() == [("",)]
    await conn.execute("DROP TABLE bulk_apart")


@in_every_world
async def test_duplicates_are_updated(world: World) -> None:
    conn = await filled(world)
    requests = await Requests(conn).start()
    cur = await conn.executemany(
        f"{INSERT} ON DUPLICATE KEY UPDATE text = CONCAT('again ', VALUES(text))",
        [(number, "x") for number in range(990, 1040)],
    )
    assert await requests.sent() == 1
    assert cur.rowcount == 2 * 10 + 40  # as the server counts: 2 for an update
    rows = await contents(conn)
    assert rows[989:991] == [ROWS[989], (990, "again x")]
    assert rows[-1] == (1039, "x")


@in_every_world
async def test_numbers_that_are_made_up(world: World) -> None:
    conn = await filled(world, [])
    cur = await conn.executemany(INSERT, [(None, "x")] * 40)
    assert cur.lastrowid == 1
    many = await conn.executemany(INSERT, [(None, "y")] * 40)
    cur = await conn.execute(
        "SELECT LAST_INSERT_ID(), MIN(id), COUNT(*) FROM bulk WHERE text = 'y'"
    )
    assert await cur.fetchone() == (many.lastrowid, many.lastrowid, 40)


@in_every_world
async def test_warnings_are_counted(world: World) -> None:
    conn = await filled(world, ROWS[:50], sql_mode="")
    cur = await conn.executemany(
        INSERT, [(-n, "x" * (101 if n % 10 == 0 else 1)) for n in range(1, 51)]
    )
    assert cur.warning_count == 5
    assert len(await conn.show_warnings()) == 5
    await cur.executemany(
        "UPDATE bulk SET text = ? WHERE x = ?",
        [("y" * 101, 1), ("z", 2), ("y" * 101, 3), ("z", 4)],
    )
    assert cur.warning_count == 2
    assert len(await conn.show_warnings()) == 2
    await cur.executemany("DELETE FROM bulk WHERE x = ?", [("-1x",), ("-2",), ("-3y",)])
    assert (cur.rowcount, cur.warning_count) == (3, 2)
    assert len(await conn.show_warnings()) == 2
