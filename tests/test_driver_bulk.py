"""executemany with arrays of parameters: the same as one by one, in few requests."""

from __future__ import annotations

import copy
import datetime
import pickle
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Self

import pytest
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import DEFAULT, aio
from mariadb_nb.many import ENOUGH_TO_INSERT
from mariadb_nb.server import TemporaryServer

TABLE: Final = (
    "CREATE TEMPORARY TABLE bulk (id INT AUTO_INCREMENT PRIMARY KEY,"
    " x BIGINT UNIQUE, text VARCHAR(100) DEFAULT 'nothing')"
)
INSERT: Final = "INSERT INTO bulk (x, text) VALUES (?, ?)"
ROWS: Final = [(number, f"it's ({number}), ? %s") for number in range(1000)]


async def counted(conn: aio.Connection, what: str) -> int:
    """What the server counts of the session."""
    cur = await conn.execute(f"SHOW SESSION STATUS LIKE '{what}'")
    row = await cur.fetchone()
    assert row is not None
    return int(row[1])


class Requests:
    """How many requests were sent, without those for preparing.

    The first one after connecting also asks for max_allowed_packet, once.
    """

    def __init__(self, conn: aio.Connection) -> None:
        self.conn = conn
        self.before = 0

    async def start(self) -> Self:
        self.before = await counted(self.conn, "Questions")
        return self

    async def sent(self) -> int:
        """How many there were since the start, or the last time."""
        before, self.before = self.before, await counted(self.conn, "Questions")
        return self.before - before - 1


async def contents(conn: aio.Connection) -> list[Any]:
    cur = await conn.execute("SELECT x, text FROM bulk ORDER BY id")
    return await cur.fetchall()


async def filled(world: World, rows: Any = ROWS, **options: Any) -> aio.Connection:
    """A connection, and the table with rows."""
    conn = await world.connect(**options)
    await conn.execute(TABLE)
    if rows:
        cur = await conn.executemany(INSERT, rows)
        assert cur.rowcount == len(rows)
    return conn


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


# ---- The same values -------------------------------------------------------------

#: A value of each type, and how a table takes it.
VALUES: Final[list[tuple[str, list[Any]]]] = [
    ("BIGINT", [0, -1, -(2**63), 2**63 - 1, True, False, None]),
    ("BIGINT UNSIGNED", [0, 2**63, 5, 2**64 - 1]),
    ("DECIMAL(65, 0)", [2**64, -(10**64), 10**65 - 1]),
    ("DOUBLE", [0.1, -1e308, 5e-324, 1 / 3, 0.0]),
    ("FLOAT", [0.1, 16777217.0]),
    ("DECIMAL(65, 30)", [Decimal("0.1"), Decimal("-1E+9"), Decimal("1E-30")]),
    ("LONGTEXT", ["", "é😀\0\\'\"", "x" * 70_000, DEFAULT]),
    ("VARCHAR(300) CHARACTER SET latin1", ["ä", "?" * 252]),
    ("BLOB", [b"", b"\xff\0'\\", bytes(range(256)) * 3]),
    ("VARBINARY(30)", ["ä", bytearray(b"\xe4")]),
    ("DATE", [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    (
        "DATETIME(6)",
        [
            datetime.datetime(2026, 2, 28),
            datetime.datetime(1, 1, 1, 23, 59, 59, 999999),
            datetime.date(2026, 2, 28),
        ],
    ),
    (
        "TIME(6)",
        [
            datetime.time(0, 0, 0, 1),
            datetime.timedelta(days=34, hours=22, microseconds=7),
            -datetime.timedelta(seconds=1.5),
            datetime.timedelta(0),
        ],
    ),
    ("VARCHAR(90)", [1, -2, 1.5, Decimal("1.50"), 2**64, datetime.date(2026, 1, 2)]),
    ("VARCHAR(50)", [datetime.datetime(2026, 1, 2), datetime.timedelta(1), 1e15]),
    ("BIT(64)", [5, 2**64 - 1]),
    ("ENUM('a', '2', 'b')", ["a", 2, "2"]),
]


@in_every_world
async def test_values_arrive_as_those_in_a_statements_text(world: World) -> None:
    conn = await world.connect()
    for column, values in VALUES:
        for name in ("bound", "written"):
            await conn.execute(f"CREATE OR REPLACE TEMPORARY TABLE {name} (v {column})")
        rows = [(value,) for value in values for _ in range(ENOUGH_TO_INSERT)]
        before = await counted(conn, "Com_stmt_execute")
        await conn.executemany("INSERT INTO bound VALUES (?)", rows)
        assert await counted(conn, "Com_stmt_execute") > before
        written = conn.cursor(prepare=False)
        await written.executemany("INSERT INTO written VALUES (?)", rows)
        found = []
        for name in ("bound", "written"):
            cur = await conn.execute(f"SELECT HEX(v), v FROM {name}")
            found.append(await cur.fetchall())
        assert found[0] == found[1], column
        assert len(found[0]) == len(rows)


#: What is computed with parameters, and parameters.
COMPUTED: Final[list[tuple[str, list[Any]]]] = [
    ("REGEXP_REPLACE('abc', ?, 'X')", ["a", "b", "c"]),
    ("CONVERT_TZ('2020-01-02', ?, '+00:00')", ["+01:00", "+02:00", "+03:00"]),
    ("? < CAST('2020-02-01' AS DATE)", ["2020-01-01", "2020-02-01", "2020-03-01"]),
    ("? - 5", [3, 2**63, 7]),
    ("? DIV 2", [3, 2**64 - 1, -3]),
    ("? / 3", [1, 1.0, Decimal(1)]),
    ("COALESCE(?, 'none')", [None, "x", None]),
    ("CONCAT(?, '!')", [1, 1.5, Decimal("1.50"), "é", None]),
    ("(SELECT ?)", ["a", "b", "c"]),
    ("DATE_ADD(?, INTERVAL 1 DAY)", [datetime.date(2026, 1, 31), "2026-02-28"]),
    ("HEX(?)", [b"\xff", "\xff", 255]),
]


@pytest.mark.parametrize("prepare", [None, True])
@in_every_world
async def test_what_is_computed_is_the_same_for_each_row(
    world: World, prepare: bool | None
) -> None:
    conn = await world.connect()
    cur = conn.cursor(prepare=prepare)
    table = "CREATE OR REPLACE TEMPORARY TABLE {} (k INT PRIMARY KEY, v VARCHAR(90))"
    for expression, values in COMPUTED:
        for name in ("bulk", "single"):
            await conn.execute(table.format(name))
        values = values * 20
        rows = list(enumerate(values))
        await cur.executemany(f"INSERT INTO bulk VALUES (?, {expression})", rows)
        inserted = await (await conn.execute("SELECT v FROM bulk")).fetchall()
        await conn.execute("UPDATE bulk SET v = ''")
        before = await counted(conn, "Com_stmt_prepare")
        await cur.executemany(
            f"UPDATE bulk SET v = {expression} WHERE k = ?", [row[::-1] for row in rows]
        )
        prepared = await counted(conn, "Com_stmt_prepare") - before
        assert prepared == (prepare is True)
        updated = await (await conn.execute("SELECT v FROM bulk")).fetchall()
        for row in rows:
            await conn.execute(f"INSERT INTO single VALUES (?, {expression})", row)
        alone = await (await conn.execute("SELECT v FROM single")).fetchall()
        assert inserted == alone, expression
        assert updated == alone, expression


@in_every_world
async def test_the_columns_own_default(world: World) -> None:
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE bulk (x INT PRIMARY KEY, a INT DEFAULT 7, b INT,"
        " c INT DEFAULT (x + 1), d VARCHAR(9) NOT NULL DEFAULT 'd')"
    )
    rows: list[Any] = [(n, *[DEFAULT] * 4) for n in range(50)]
    rows[3] = (3, 1, 2, 3, "x")
    sql = "INSERT INTO bulk VALUES (?, ?, ?, ?, ?)"
    expected: list[Any] = [(n, 7, None, n + 1, "d") for n in range(50)]
    expected[3] = (3, 1, 2, 3, "x")
    for cur in (conn.cursor(), conn.cursor(prepare=False)):
        await cur.executemany(sql, rows)
        await cur.execute("SELECT * FROM bulk")
        assert await cur.fetchall() == expected
        await cur.execute("UPDATE bulk SET a = 0, b = 0, d = ''")
        update = "UPDATE bulk SET a = ?, b = ?, d = ? WHERE x = ?"
        await cur.executemany(
            update, [(DEFAULT, DEFAULT, DEFAULT, n) for n in range(4)]
        )
        await cur.execute("SELECT a, b, d FROM bulk WHERE x < 5")
        assert await cur.fetchall() == [(7, None, "d")] * 4 + [(0, 0, "")]
        await cur.execute("DELETE FROM bulk")
        await cur.execute(sql, rows[0])
        await cur.execute("SELECT * FROM bulk")
        assert await cur.fetchall() == expected[:1]
        await cur.execute("DELETE FROM bulk")


def test_default_is_one_object() -> None:
    assert repr(DEFAULT) == "mariadb_nb.DEFAULT"
    for other in (copy.deepcopy(DEFAULT), pickle.loads(pickle.dumps(DEFAULT))):
        assert other is DEFAULT


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


# ---- Falling back ----------------------------------------------------------------


@in_every_world
async def test_lists_are_written_into_the_text(world: World) -> None:
    conn = await filled(world, ROWS[:50])
    cur = await conn.executemany(
        "UPDATE bulk SET text = ? WHERE x IN ?",
        [("a", (1, 2)), ("b", [3]), ("c", (4, 5, 6)), ("d", [49])],
    )
    assert cur.rowcount == 7
    texts = [text for _, text in await contents(conn)]
    assert texts[:8] == [ROWS[0][1], *"aabccc", ROWS[7][1]]
    assert texts[49] == "d"


@pytest.mark.parametrize(("prepare", "executed"), [(None, 4), (True, 5), (False, 0)])
@in_every_world
async def test_what_has_no_arrays_is_prepared_as_if_it_were_executed_alone(
    world: World, prepare: bool | None, executed: int
) -> None:
    conn = await filled(world, ROWS[:9])
    cur = conn.cursor(prepare=prepare)
    before = await counted(conn, "Com_stmt_execute")
    sql = "SELECT x FROM bulk WHERE x = ? AND x IN (SELECT x FROM bulk)"
    await cur.executemany(sql, [(n,) for n in (5, 3, 99, 8, 1)])
    assert await cur.fetchall() == [(5,), (3,), (8,), (1,)]
    assert await counted(conn, "Com_stmt_execute") - before == executed
    with pytest.raises(mariadb_nb.DataError, match=r"^rows\[2\]\[0\] is no finite"):
        await cur.executemany(sql, [(1,), (2,), (float("nan"),)])
    sql = "UPDATE bulk SET text = ? WHERE x = (SELECT ?) AND x IN ?"
    await cur.executemany(sql, [("a", 3, [3, 4]), ("b", 4, [4])])
    assert (await contents(conn))[3:5] == [(3, "a"), (4, "b")]


@in_every_world
async def test_each_row_is_written_as_the_server_reads_it_then(world: World) -> None:
    conn = await world.connect()
    await conn.executemany(
        "SET @said = ?, sql_mode = ?",
        [("a\\n", "NO_BACKSLASH_ESCAPES"), ("b\\n", ""), ("c\\n'", "ANSI_QUOTES")],
    )
    cur = await conn.execute("SELECT @said, @@sql_mode")
    assert await cur.fetchone() == ("c\\n'", "ANSI_QUOTES")


@in_every_world
async def test_types_that_change_all_the_time(world: World) -> None:
    conn = await world.connect()
    await conn.execute("CREATE TEMPORARY TABLE bulk (x INT, v DOUBLE)")
    rows = [(n, n if n % 3 else n / 7) for n in range(1000)]
    requests = await Requests(conn).start()
    cur = await conn.executemany("INSERT INTO bulk VALUES (?, ?)", iter(rows))
    assert cur.rowcount == 1000
    assert await requests.sent() < 10
    cur = await conn.execute("SELECT * FROM bulk ORDER BY x")
    assert await cur.fetchall() == rows


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("DELETE b FROM bulk b WHERE b.x = ?", 45),
        ("DELETE FROM bulk WHERE x IN (SELECT ?)", 45),
        ("DELETE FROM bulk WHERE x = ? /*!99999 AND 0 */", 45),
        ("DO ?", 50),
    ],
)
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
@in_every_world
async def test_statements_that_have_no_arrays(
    world: World, sql: str, left: int, make: Any
) -> None:
    conn = await filled(world, ROWS[:50])
    cur = await conn.executemany(sql, make([(n,) for n in range(45, 60)]))
    assert cur.rowcount == 50 - left
    assert len(await contents(conn)) == left


@in_every_world
async def test_server_that_has_no_arrays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = await filled(world, [])
    monkeypatch.setattr(mariadb_nb.Session, "takes_bulks", False)
    await conn.executemany(INSERT, ROWS)
    assert await counted(conn, "Com_stmt_prepare") == 0
    assert await contents(conn) == ROWS


@in_every_world
async def test_statement_that_is_prepared_already_is_used(world: World) -> None:
    """For fewer rows than those for which one would be prepared."""
    conn = await filled(world, [])
    for n in range(3):
        await conn.executemany(INSERT, [(n * 50 + i, "x") for i in range(50)])
    requests = await Requests(conn).start()
    for n in range(3):
        await conn.executemany(INSERT, [(500 + n, "y"), (600 + n, "z")])
    assert await requests.sent() == 3
    assert await counted(conn, "Com_stmt_prepare") == 1
    assert await counted(conn, "Com_stmt_execute") == 6
    assert len(await contents(conn)) == 156


@in_every_world
async def test_server_that_has_no_room_for_another_statement(world: World) -> None:
    conn, root = await filled(world, []), await world.connect("root")
    cur = await root.execute("SELECT @@max_prepared_stmt_count")
    limit = await cur.fetchone()
    try:
        await root.execute("SET GLOBAL max_prepared_stmt_count = 0")
        await conn.executemany(INSERT, ROWS)
    finally:
        await root.execute("SET GLOBAL max_prepared_stmt_count = ?", limit)
    assert await contents(conn) == ROWS
    assert await counted(conn, "Com_stmt_execute") == 0


@in_every_world
async def test_statement_that_cannot_be_prepared_says_so_as_text(world: World) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await conn.executemany("INSERT INTO missing VALUES (?)", [(1,)] * 50)
    assert raised.value.errno == 1146
    assert raised.value.message.startswith("Table 'test.missing'")


# ---- Errors ----------------------------------------------------------------------


@in_every_world
async def test_the_row_that_the_server_refuses_is_named(world: World) -> None:
    conn = await filled(world)
    rows: list[Any] = [(number, "x" * 99) for number in range(2000, 6000)]
    rows[3500] = (17, "there already")
    for cur in (conn.cursor(), conn.cursor(prepare=False)):
        with pytest.raises(mariadb_nb.IntegrityError) as raised:
            await cur.executemany(INSERT, rows)
        assert raised.value.errno == 1062
        assert raised.value.rows == range(3500, 3501)
        assert raised.value.message.startswith("rows[3500]: Duplicate entry '17'")
        ((_, number, _),) = await conn.show_warnings()
        assert number == 1062
        # The rows before, as far as they were in other requests, are there until:
        assert 1000 < len(await contents(conn)) <= 4500
        await conn.rollback()
        assert len(await contents(conn)) == 0
        await conn.executemany(INSERT, ROWS)
    rows[3500] = (17, "x" * 101)
    with pytest.raises(mariadb_nb.DataError, match=r"rows\[3500\]: Data too long"):
        await conn.executemany(INSERT, rows)


@in_every_world
async def test_where_the_server_cannot_be_asked_for_the_row(world: World) -> None:
    """With sql_mode=ORACLE a block is written in another way."""
    conn = await filled(world, ROWS[:50], sql_mode="ORACLE")
    with pytest.raises(mariadb_nb.IntegrityError) as raised:
        await conn.executemany(INSERT, [(n, "x") for n in range(100, 20, -1)])
    assert raised.value.rows == range(80)
    assert raised.value.message.startswith("rows[0:80]: Duplicate entry '49'")
    cur = await conn.execute("SELECT ?", ("a secret",))
    assert await cur.fetchall() == [("a secret",)]


@in_every_world
async def test_rows_among_which_the_server_refuses_one(world: World) -> None:
    """Of an UPDATE it does not tell which one."""
    conn = await filled(world, ROWS[:50], autocommit=True)
    rows = [(f"new {n}" if n != 30 else "x" * 101, n) for n in range(50)]
    with pytest.raises(mariadb_nb.DataError) as raised:
        await conn.executemany("UPDATE bulk SET text = ? WHERE x = ?", rows)
    assert raised.value.rows == range(50)
    assert raised.value.message.startswith("rows[0:50]: Data too long")
    # Each row was a statement, and those before have been executed.
    expected = [(n, f"new {n}") for n in range(30)] + ROWS[30:50]
    assert await contents(conn) == expected


@in_every_world
async def test_what_is_not_supported_in_one_of_many_rows(world: World) -> None:
    """The rows before it have been executed, and must not be so again."""
    conn = await world.connect()
    await conn.execute("CREATE OR REPLACE TABLE bulk_once (x INT PRIMARY KEY, n INT)")
    await conn.execute(
        "CREATE TRIGGER bulk_refuses BEFORE UPDATE ON bulk_once FOR EACH ROW"
        " IF OLD.x = 7 THEN SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1235; END IF"
    )
    await conn.executemany(
        "INSERT INTO bulk_once VALUES (?, 0)", [(n,) for n in range(40)]
    )
    sql = "UPDATE bulk_once SET n = n + ? WHERE x = ?"
    with pytest.raises(mariadb_nb.NotSupportedError) as raised:
        await conn.executemany(sql, [(1, n) for n in range(40)])
    assert (raised.value.errno, raised.value.rows) == (1235, range(40))
    cur = await conn.execute("SELECT SUM(n), MAX(n) FROM bulk_once")
    assert await cur.fetchone() == (7, 1)
    await conn.execute("DROP TABLE bulk_once")


@in_every_world
async def test_value_that_is_refused_keeps_its_request_back(world: World) -> None:
    conn = await filled(world, [], autocommit=True)
    rows: list[Any] = [*ROWS, (1000, float("nan")), (1001, "x")]
    with pytest.raises(mariadb_nb.DataError, match=r"^rows\[1000\]\[1\] is no finite"):
        await conn.executemany(INSERT, rows)
    assert await contents(conn) == []
    rows = [(number, "x" * 99) for number in range(3000)]
    rows[2999] = (2999,)
    with pytest.raises(mariadb_nb.ProgrammingError, match=r"^rows\[2999\] has the"):
        await conn.executemany(INSERT, rows)
    kept = len(await contents(conn))
    assert 0 < kept < 2999  # the requests before it have been sent
    assert await contents(conn) == rows[:kept]


@in_every_world
async def test_error_of_the_callers_rows(world: World) -> None:
    def failing(count: int) -> Iterator[tuple[int, str]]:
        for number in range(count):
            yield number, "x" * 99
        raise KeyError("the caller's own")

    conn = await filled(world, [])
    for count in (0, 5, 100, 2000):
        with pytest.raises(KeyError, match="own"):
            await conn.executemany(INSERT, failing(count))
        await conn.rollback()
        assert await contents(conn) == []


@in_every_world
async def test_rows_cannot_use_the_connection(world: World) -> None:
    conn = await filled(world, [])
    plain = getattr(conn, "_plain", conn)

    def curious(when: int) -> Iterator[tuple[int, str]]:
        for number in range(3000):
            if number == when:
                next(plain._session.ping())
            yield number, "x" * 99

    for when in (100, 1000, 2900):
        with pytest.raises(mariadb_nb.Busy):
            await conn.executemany(INSERT, curious(when))
        await conn.rollback()
        assert await contents(conn) == []


@in_every_world
async def test_a_deadline_ends_it(world: World) -> None:
    conn = await filled(world)
    cur = conn.cursor()
    with pytest.raises(mariadb_nb.OperationTimeout):
        await cur.executemany(
            "UPDATE bulk SET text = SLEEP(600) + ? WHERE x = ?",
            [("1", n) for n in range(9)],
            timeout=0.2,
        )
    cur = await conn.execute("SELECT ?", ("a secret",))
    assert await cur.fetchall() == [("a secret",)]


@in_every_world
async def test_statement_that_is_altered_under_its_feet(world: World) -> None:
    conn = await filled(world)
    await conn.execute("ALTER TABLE bulk ADD COLUMN y INT DEFAULT 5 FIRST")
    await conn.executemany(INSERT, [(n, "x") for n in range(5000, 5050)])
    cur = await conn.execute("SELECT y, x, text FROM bulk WHERE x > 4999")
    assert await cur.fetchall() == [(5, n, "x") for n in range(5000, 5050)]
    await conn.reset()
    await conn.execute(TABLE)
    await conn.executemany(INSERT, ROWS)
    assert await contents(conn) == ROWS


@in_every_world
async def test_between_arrays_the_same_statement_is_executed_alone(
    world: World,
) -> None:
    """Neither takes the other's types or parameters."""
    conn = await filled(world, [])
    single = conn.cursor(prepare=True)
    for first in (0, 1000, 2000):
        await conn.executemany(INSERT, [(first + n, f"{n}") for n in range(50)])
        await single.execute(INSERT, (first + 500, Decimal("1.5")))
        await conn.executemany(INSERT, [(f"{first + n}", n) for n in range(600, 650)])
        await single.execute(INSERT, (first + 700, None))
    rows = await contents(conn)
    for first in (0, 1000, 2000):
        part = [(x - first, text) for x, text in rows if first <= x < first + 1000]
        assert part[:50] == [(n, f"{n}") for n in range(50)]
        assert part[50:51] == [(500, "1.5")]
        assert part[51:101] == [(n, f"{n}") for n in range(600, 650)]
        assert part[101:] == [(700, None)]
