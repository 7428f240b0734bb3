"""What a session's own statements change is followed, not assumed."""

from __future__ import annotations

import itertools

import pytest
from worlds import World, in_every_world

import mariadb_nb

AWKWARD = "back\\slash 'single' \"double\" \\' \\\" end\\"
UMLAUT = "\N{LATIN SMALL LETTER U WITH DIAERESIS}"
SNOWMAN = "\N{SNOWMAN}"


@in_every_world
async def test_database_follows_use(world: World) -> None:
    conn = await world.connect("root")
    assert conn.database == "test"
    await conn.execute("USE mysql")
    assert conn.database == "mysql"
    name = f"caf{UMLAUT} {world.name}"
    await conn.execute(f"CREATE DATABASE `{name}`")
    await conn.execute(f"USE `{name}`")
    assert conn.database == name
    await conn.execute(f"DROP DATABASE `{name}`")
    assert not conn.database


@in_every_world
async def test_connection_without_a_database(world: World) -> None:
    conn = await world.connect(database=None)
    assert bool(conn.database) is False
    await conn.execute("USE test")
    assert conn.database == "test"


@in_every_world
async def test_parameters_are_right_in_every_sql_mode(world: World) -> None:
    conn = await world.connect()
    modes = ["NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"]
    await conn.execute("CREATE TEMPORARY TABLE moded (x TEXT)")
    for count, switched in enumerate(
        itertools.chain([()], itertools.combinations(modes, 1), [modes], [()]), 1
    ):
        await conn.execute(f"SET sql_mode = '{','.join(switched)}'")
        cur = await conn.execute("SELECT ?, ?", (AWKWARD, AWKWARD.encode()))
        assert await cur.fetchone() == (AWKWARD, AWKWARD.encode())
        await cur.executemany("INSERT INTO moded VALUES (?)", [(AWKWARD,)])
        await cur.execute("SELECT COUNT(*) FROM moded WHERE x = %s", (AWKWARD,))
        assert await cur.fetchone() == (count,)


@in_every_world
async def test_placeholders_are_found_as_the_sql_mode_has_it(world: World) -> None:
    conn = await world.connect()
    text = r"SELECT 'a\', ?"
    await conn.execute("SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
    cur = await conn.execute(text, (7,))
    assert await cur.fetchone() == ("a\\", 7)
    await conn.execute("SET sql_mode = ''")
    # Now the quote is escaped, and the literal does not end.
    with pytest.raises(mariadb_nb.ProgrammingError):
        await conn.execute(text, (7,))
    cur = await conn.execute(text + r"', ?", (7,))
    assert await cur.fetchone() == ("a', ?", 7)


@in_every_world
async def test_names_in_double_quotes(world: World) -> None:
    conn = await world.connect()
    text = r'SELECT 1 AS "a\", ? AS "b?"'
    await conn.execute("SET sql_mode = 'ANSI_QUOTES'")
    cur = await conn.execute(text, (7,))
    assert [column[0] for column in cur.description or ()] == ["a\\", "b?"]
    assert await cur.fetchone() == (1, 7)


@in_every_world
async def test_wrong_text_never_leaves_under_another_charset(world: World) -> None:
    table = await world.table("x VARCHAR(50) CHARACTER SET utf8mb4")
    conn, witness = await world.connect(), await world.connect()
    await conn.execute("SET NAMES latin1")
    refused = mariadb_nb.DataError, mariadb_nb.ProgrammingError
    for text in (UMLAUT, SNOWMAN):
        with pytest.raises(refused):
            await conn.execute(f"INSERT INTO {table} VALUES (?)", (text,))
        with pytest.raises(refused):
            await conn.execute(f"INSERT INTO {table} VALUES ('{text}')")
        with pytest.raises(refused):
            await conn.cursor().executemany(
                f"INSERT INTO {table} VALUES (?)", [("a",), (text,)]
            )
    await conn.commit()
    cur = await witness.execute(f"SELECT COUNT(*) FROM {table} WHERE x != 'a'")
    assert await cur.fetchone() == (0,)
    await conn.execute("SET NAMES utf8mb4")
    cur = await conn.execute("SELECT ?", (SNOWMAN,))
    assert await cur.fetchone() == (SNOWMAN,)


@pytest.mark.parametrize("setting", ["NAMES latin1", "character_set_results = NULL"])
@in_every_world
async def test_text_in_another_charset_is_right_or_refused(
    world: World, setting: str
) -> None:
    conn = await world.connect()
    await conn.execute(f"SET {setting}")
    select = "SELECT CONVERT(CHAR(0xFC USING latin1) USING latin1) AS x"
    try:
        cur = await conn.execute(select)
        assert await cur.fetchall() == [(UMLAUT,)]
    except mariadb_nb.DataError:
        await conn.execute("SET NAMES utf8mb4")
        cur = await conn.execute(select)
        assert await cur.fetchall() == [(UMLAUT,)]


@pytest.mark.parametrize(
    "modes", [("", "NO_BACKSLASH_ESCAPES"), ("NO_BACKSLASH_ESCAPES", "")]
)
@in_every_world
async def test_sql_mode_switched_by_the_same_text(
    world: World, modes: tuple[str, str]
) -> None:
    """The second statement is read in a mode that the first has set: no value may
    become SQL because of it."""
    before, after = modes
    conn = await world.connect(multi_statements=True)
    await conn.execute(f"SET sql_mode = '{before}'")
    value = "\\', 1 AS injected -- "
    try:
        cur = await conn.execute(f"SET sql_mode = '{after}'; SELECT ?", (value,))
        assert await cur.nextset()
        assert await cur.fetchall() == [(value,)]
    except mariadb_nb.Error:
        cur = await conn.execute("SELECT ?", (value,))
        assert await cur.fetchall() == [(value,)]
