"""A statement that is kept prepared means what its text would mean now."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from test_driver_prepared import counting, rows
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.statements import is_silencing

numbers = itertools.count()


async def outcome(conn: Any, sql: str, params: Any, prepare: bool | None) -> Any:
    """The columns' names and the rows, or the error's number."""
    try:
        cur = await conn.execute(sql, params, prepare=prepare)
    except mariadb_nb.DatabaseError as error:
        return error.errno
    names = [column.name for column in cur.description]
    return names, await cur.fetchall(), cur.warning_count


async def agree(conn: Any, sql: str, params: Any = ()) -> Any:
    """What all ways of executing a statement give: the same."""
    expected = await outcome(conn, sql, params, False)
    for prepare in (None, None, None, True):
        assert await outcome(conn, sql, params, prepare) == expected, sql
    return expected


@asynccontextmanager
async def databases(world: World, count: int) -> AsyncIterator[tuple[Any, list[str]]]:
    """A connection that may use them, and some databases."""
    root = await world.connect("root", autocommit=True)
    names = [f"d{next(numbers)}_{world.name}" for _ in range(count)]
    for number, name in enumerate(names):
        await root.execute(f"CREATE OR REPLACE DATABASE {name}")
        await root.execute(f"CREATE TABLE {name}.t (a INT)")
        await root.execute(f"INSERT INTO {name}.t VALUES ({number})")
    try:
        yield root, names
    finally:
        for name in names:
            await root.execute(f"DROP DATABASE IF EXISTS {name}")


# ---- how statements are read -------------------------------------------------------

#: Statements whose meaning depends on what is changed below.
SENSITIVE = (
    ("SELECT seq FROM seq_1_to_3 WHERE (seq || 0) = ?", (10,)),
    ("SELECT seq FROM seq_1_to_3 WHERE NOT seq BETWEEN ? AND ?", (2, 3)),
    ('SELECT seq FROM seq_1_to_3 WHERE "seq" = ?', ("seq",)),
    ("SELECT seq, '\\\\' FROM seq_1_to_3 WHERE '\\\\' <> ?", ("\\",)),
    ("SELECT seq, 'a' = 'A' AS b FROM seq_1_to_3 WHERE 'a' = 'A' AND seq > ?", (1,)),
    ("SELECT seq FROM seq_1_to_3 WHERE 'a' = ?", ("A",)),
    ("SELECT CAST('0000-00-00' AS DATE) AS a FROM seq_1_to_1 WHERE seq = ?", (1,)),
    ("SELECT seq, 1 / 0 AS a FROM seq_1_to_3 WHERE seq = ?", (1,)),
    ("SELECT seq FROM seq_1_to_3 WHERE FROM_UNIXTIME(0) > ?", ("1970-01-01 01:00",)),
    (
        "SELECT DATE_FORMAT('2024-01-01', '%M') AS a FROM seq_1_to_1 WHERE seq = %s",
        (1,),
    ),
    ("SELECT seq FROM seq_1_to_3 WHERE seq > ?", (1,)),
    ("SELECT 1 / seq AS a FROM seq_1_to_3 WHERE seq = ?", (3,)),
    ("SELECT CHARSET('a') AS a, COLLATION('a') AS b FROM seq_1_to_1 LIMIT ?", (1,)),
)
CHANGES = (
    "SET sql_mode = 'PIPES_AS_CONCAT'",
    "SET sql_mode = 'HIGH_NOT_PRECEDENCE'",
    "SET SESSION sql_mode = ANSI_QUOTES",
    "SET sql_mode = ''",
    "SET @@session.sql_mode = 'NO_BACKSLASH_ESCAPES'",
    "SET sql_mode = DEFAULT",
    "SET STATEMENT sql_mode = 'ANSI' FOR SELECT 1",
    "SET collation_connection = 'utf8mb4_bin'",
    "SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin",
    "SET NAMES utf8mb4",
    "SET time_zone = '+05:00'",
    "SET lc_time_names = 'de_DE'",
    "SET sql_select_limit = 1",
    "SET sql_select_limit = DEFAULT",
    "SET div_precision_increment = 8",
    "SET old_mode = 'NO_PROGRESS_INFO'",
    "EXECUTE IMMEDIATE 'SET sql_mode = ''ANSI'''",
    "BEGIN NOT ATOMIC SET sql_mode = 'PIPES_AS_CONCAT'; SET @a = 1; END",
    "SELECT 1; SET sql_mode = 'ANSI_QUOTES'; SELECT 2",
    # The server is told not to tell; directly, and so that it is hard to see.
    "SET session_track_system_variables = ''",
    "SET sql_mode = 'PIPES_AS_CONCAT'",
    "SET @a = 'SET session_track_system_variables = \"\"'",
    "EXECUTE IMMEDIATE @a",
    "SET sql_mode = ''",
    "SET session_track_system_variables = '*'",
)


@in_every_world
async def test_settings_that_change(world: World) -> None:
    conn = await world.connect(multi_statements=True)
    for change in ("DO 1", *CHANGES):
        await conn.execute(change)
        for sql, params in SENSITIVE:
            await agree(conn, sql, params)


@in_every_world
async def test_statements_are_prepared_again_after_a_change(world: World) -> None:
    conn = await world.connect()
    sql = "SELECT seq FROM seq_1_to_3 WHERE (seq || 0) = ?"
    for mode in ("''", "'PIPES_AS_CONCAT'", "DEFAULT"):
        await conn.execute(f"SET sql_mode = {mode}")
        async with counting(conn, prepare=1, execute=4):
            for _ in range(5):
                await conn.execute(sql, (10,))
        assert len(await rows(conn, sql, (10,))) == (mode == "'PIPES_AS_CONCAT'")


@in_every_world
async def test_transactions_and_variables_of_the_user_change_nothing(
    world: World,
) -> None:
    conn = await world.connect()
    async with counting(conn, prepare=1, execute=5):
        for number in range(6):
            await conn.execute("SELECT seq FROM seq_1_to_3 WHERE seq = ?", (1,))
            await conn.set_autocommit(number % 2 == 0)
            await conn.execute("SET @a = 1")
            await conn.commit()


# ---- what names mean ---------------------------------------------------------------


@in_every_world
async def test_default_database(world: World) -> None:
    async with databases(world, 3) as (conn, names):
        sql = "SELECT a FROM t WHERE a >= ?"
        for number in (0, 1, 2, 1, 0):
            await conn.execute(f"USE {names[number]}")
            assert await agree(conn, sql, (0,)) == (["a"], [(number,)], 0)
        async with counting(conn, execute=12):
            for number in range(3):
                await conn.execute(f"USE {names[number]}")
                for _ in range(4):
                    assert await rows(conn, sql, (0,)) == [(number,)]


@in_every_world
async def test_default_database_of_which_nobody_tells(world: World) -> None:
    async with databases(world, 2) as (conn, names):
        sql = "SELECT a FROM t WHERE a >= ?"
        await conn.execute(f"USE {names[0]}")
        await agree(conn, sql, (0,))
        await conn.execute("SET session_track_schema = OFF")
        await conn.execute(f"USE {names[1]}")
        assert await agree(conn, sql, (0,)) == (["a"], [(1,)], 0)


@in_every_world
async def test_default_database_that_is_dropped(world: World) -> None:
    async with databases(world, 2) as (conn, names):
        sql = "SELECT a FROM t WHERE a >= ?"
        await conn.execute(f"USE {names[0]}")
        await agree(conn, sql, (0,))
        await conn.execute(f"DROP DATABASE {names[0]}")
        assert await agree(conn, sql, (0,)) == 1046
        await conn.execute(f"CREATE DATABASE {names[0]}")
        await conn.execute(f"CREATE TABLE {names[0]}.t (b INT, a INT)")
        await conn.execute(f"INSERT INTO {names[0]}.t VALUES (7, 8)")
        await conn.execute(f"USE {names[0]}")
        assert await agree(conn, sql, (0,)) == (["a"], [(8,)], 0)


@in_every_world
async def test_tables_that_change(world: World) -> None:
    table = await world.table("a INT, b VARCHAR(9)", "(1, 'x')")
    conn = await world.connect(autocommit=True)
    other = await world.connect(autocommit=True)
    sql = f"SELECT * FROM {table} WHERE a >= ?"
    for who, change in (
        (conn, "DO 1"),
        (conn, f"ALTER TABLE {table} ADD c DATE DEFAULT '2024-01-01' FIRST"),
        (other, f"ALTER TABLE {table} DROP b"),
        (other, f"ALTER TABLE {table} CHANGE c d CHAR(12) DEFAULT 'new'"),
        (conn, f"CREATE TEMPORARY TABLE {table} SELECT 5 AS a, 'hides it' AS h"),
        (conn, f"ALTER TABLE {table} MODIFY a VARCHAR(9)"),
        (conn, f"DROP TEMPORARY TABLE {table}"),
        (other, f"CREATE OR REPLACE TABLE {table} (a DOUBLE, j JSON, u UUID)"),
        (other, f"INSERT INTO {table} VALUES (1.5, '[1]', UUID())"),
        (other, f"RENAME TABLE {table} TO {table}_old"),
        (other, f"CREATE VIEW {table} AS SELECT j, a FROM {table}_old"),
        (
            other,
            f"CREATE OR REPLACE VIEW {table} AS SELECT a + 1 AS a FROM {table}_old",
        ),
        (other, f"DROP VIEW {table}"),
        (other, f"RENAME TABLE {table}_old TO {table}"),
    ):
        await who.execute(change)
        await agree(conn, sql, (0,))
    assert await rows(conn, sql, (0,)) == await rows(conn, sql, (0,), prepare=False)


@in_every_world
async def test_rows_that_are_returned_by_a_changed_table(world: World) -> None:
    """Whatever the columns are, a row is written once."""
    table = await world.table("a INT")
    conn = await world.connect(autocommit=True)
    sql = f"INSERT INTO {table} (a) VALUES (?) RETURNING *"
    for number in range(4):
        assert await rows(conn, sql, (number,)) == [(number,)]
    await conn.execute(f"ALTER TABLE {table} ADD b INT DEFAULT 9, ADD c CHAR(1)")
    for number in range(4, 8):
        assert await rows(conn, sql, (number,)) == [(number, 9, None)]
    assert await rows(conn, f"SELECT COUNT(*) FROM {table}") == [(8,)]


# ---- the session's own end ---------------------------------------------------------


@in_every_world
async def test_session_that_is_made_anew(world: World) -> None:
    conn = await world.connect()
    sql = "SELECT seq FROM seq_1_to_3 WHERE seq >= ?"
    for renew in (conn.reset, conn.change_user):
        for _ in range(3):
            assert len(await rows(conn, sql, (2,))) == 2
        await renew()
        async with counting(conn, prepare=1, execute=2):
            for _ in range(3):
                assert len(await rows(conn, sql, (2,))) == 2


@in_every_world
async def test_pool_hands_a_connection_over(world: World) -> None:
    pool = world.pool(min_size=1, max_size=1)
    sql = "SELECT seq, @a FROM seq_1_to_3 WHERE seq >= 3"
    prepared = "SELECT seq FROM seq_1_to_3 WHERE seq >= ?"
    held: list[Any] = []
    for number in range(3):
        async with pool.acquire() as conn:
            await conn.execute(f"SET @a = {number}")
            for _ in range(3):
                assert await rows(conn, sql) == [(3, number)]
                assert await rows(conn, prepared, (3,)) == [(3,)]
            held.append(await conn.prepare(prepared))
    for statement in held:
        with pytest.raises(mariadb_nb.InterfaceError):
            await statement.execute((1,))
        await statement.close()
    async with pool.acquire() as conn:
        assert await rows(conn, prepared, (3,)) == [(3,)]


@in_every_world
async def test_what_the_server_has_lost_is_sent_as_text(world: World) -> None:
    """A proxy may have taken another connection, or a table changes all the time."""
    conn = await world.connect()
    sql = "SELECT seq FROM seq_1_to_3 WHERE seq >= ?"
    for number in (1243, 1615):
        for _ in range(3):
            assert len(await rows(conn, sql, (2,))) == 2
        session = conn.session
        forgetful = session._channel = Forgetful(session._channel, number)
        assert len(await rows(conn, sql, (2,))) == 2
        assert forgetful.asked == 1
        session._channel = forgetful.channel
        async with counting(conn, prepare=1, execute=2):
            for _ in range(2):
                assert len(await rows(conn, sql, (2,))) == 2


class Forgetful:
    """A channel whose server does not know a prepared statement."""

    def __init__(self, channel: Any, number: int) -> None:
        self.channel = channel
        self.number = number
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.channel, name)

    def execute(self, *_: object) -> Any:
        self.asked += 1
        raise mariadb_nb.errors.from_server(self.number, "HY000", "not known")


# ---- what comes of statements ------------------------------------------------------


@in_every_world
async def test_facts_of_a_statement(world: World) -> None:
    table = await world.table("id INT AUTO_INCREMENT PRIMARY KEY, a TINYINT")
    conn = await world.connect(sql_mode="NO_ENGINE_SUBSTITUTION")
    found = []
    for prepare in (False, None, None, True):
        facts: list[Any] = []
        for sql, params in (
            (f"INSERT INTO {table} (a) VALUES (?), (?)", (1, 1000)),
            (f"UPDATE {table} SET a = ? WHERE a >= ?", (5, 1)),
            (f"SELECT a FROM {table} WHERE a >= ?", (1,)),
            (f"DELETE FROM {table} WHERE a >= ?", (1,)),
        ):
            cur = await conn.execute(sql, params, prepare=prepare)
            facts += [cur.rowcount, bool(cur.lastrowid), cur.warning_count, cur.info]
            facts += [cur.description and [it.type_code for it in cur.description]]
            facts += [conn.in_transaction]
            facts += await conn.show_warnings()
            facts += await rows(conn, "SELECT ROW_COUNT(), LAST_INSERT_ID() > 0")
        found.append(facts)
    assert found[1:] == found[:1] * 3


def test_long_text_is_judged_by_how_it_begins() -> None:
    data = "x" * 9000
    assert not is_silencing(f"INSERT INTO t VALUES ('{data}')")
    for text in (
        f"SET @a = '{data}', Session_Track_schema = 0",
        f"INSERT INTO t VALUES ('{data}'); SET session_track_schema = 0",
        f"/* {data} */ EXECUTE s",
    ):
        assert is_silencing(text)


# ---- what the server reads otherwise when it is bound ------------------------------

RANGES = (
    ("BETWEEN ? AND ?", [("a", 1), ("a", 1.5), (b"a", Decimal("1.5")), (None, 1)]),
    ("BETWEEN ? AND ?", [("0", "a"), (0, 1), (1, "zz"), (0.5, True), ("0", None)]),
    ("NOT BETWEEN %s AND %s", [("a", 1), ("0", "b")]),
    ("BETWEEN 'a' AND ?", [(1,), ("b",)]),
    ("BETWEEN 0 AND ?", [(1,), ("b",)]),
)


@in_every_world
async def test_range_of_a_string_and_a_number(world: World) -> None:
    """With an index, the server compares strings there if they are bound."""
    table = await world.table(
        "id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), hit INT DEFAULT 0, KEY (v)"
    )
    conn = await world.connect(autocommit=True, sql_mode="")
    values = [(value,) for value in ("", "-1", "0", "1", "1e3", "9", "a", "b", "zz")]
    await conn.executemany(f"INSERT INTO {table} (v) VALUES (?)", values * 5)
    for condition, bounds in RANGES:
        for params in bounds:
            sql = f"SELECT id FROM {table} WHERE v {condition} ORDER BY id"
            _, found, _ = await agree(conn, sql, params)
            await conn.execute(f"UPDATE {table} SET hit = 0")
            sql = f"UPDATE {table} SET hit = hit + 1 WHERE v {condition}"
            await conn.executemany(sql, [params] * 5)
            cur = await conn.execute(f"SELECT id, hit FROM {table} WHERE hit > 0")
            assert sorted(await cur.fetchall()) == [(number, 5) for (number,) in found]
