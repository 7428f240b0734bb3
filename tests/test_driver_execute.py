"""Statements with and without parameters, and what cursors tell of their answer."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb

AWKWARD = 'it\'s "50%" \\ ?, %s \N{GREEK SMALL LETTER MU}\0\n\x1a`'

# ---- parameters --------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT ?, ? + 1", (AWKWARD, 41)),
        ("SELECT ?, ? + 1", [AWKWARD, 41]),
        ("SELECT %s, %s + 1", (AWKWARD, 41)),
        ("SELECT %(text)s, %(number)s + 1", {"number": 41, "text": AWKWARD, "x": 1}),
    ],
)
@in_every_world
async def test_styles_of_parameters(world: World, sql: str, parameters: Any) -> None:
    conn = await world.connect()
    cur = await conn.execute(sql, parameters)
    assert await cur.fetchall() == [(AWKWARD, 42)]


@in_every_world
async def test_placeholders_are_none_in_literals_names_and_comments(
    world: World,
) -> None:
    conn = await world.connect()
    cur = await conn.execute(
        "SELECT '?' AS `a?`, \"?''\\\"?\" /* ? */, ? -- ?\n # ?\n AS `really ?`", (7,)
    )
    assert [column[0] for column in cur.description or ()] == [
        "a?",
        "?''\"?",
        "really ?",
    ]
    assert await cur.fetchone() == ("?", "?''\"?", 7)


@in_every_world
async def test_without_parameters_the_text_is_sent_untouched(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT '%s', '%%', '?', 7 % 4, '%(x)s'")
    assert await cur.fetchone() == ("%s", "%%", "?", 3, "%(x)s")
    with pytest.raises(mariadb_nb.ProgrammingError) as raised:
        await conn.execute("SELECT ?")
    assert raised.value.errno == 1064


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT ?, ?", (1,)),
        ("SELECT ?", (1, 2)),
        ("SELECT 1", (1,)),
        ("SELECT %s, %s", (1,)),
        ("SELECT %(a)s", {"b": 1}),
        ("SELECT ?", {"a": 1}),
        ("SELECT %(a)s", (1,)),
        ("SELECT ?, %s", (1, 2)),
        ("SELECT ?", "x"),
        ("SELECT ?", b"x"),
        ("SELECT ?", {1}),
        ("SELECT ?", 1),
    ],
)
@in_every_world
async def test_parameters_that_do_not_fit(
    world: World, sql: str, parameters: Any
) -> None:
    conn = await world.connect()
    with pytest.raises((mariadb_nb.ProgrammingError, mariadb_nb.InterfaceError)):
        await conn.execute(sql, parameters)
    cur = await conn.execute("SELECT 'still right'")
    assert await cur.fetchone() == ("still right",)


@pytest.mark.parametrize(
    "value", [object(), float("nan"), float("inf"), "\ud800", {1: 2}, 1j]
)
@in_every_world
async def test_values_that_cannot_be_sent(world: World, value: Any) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.Error) as raised:
        await conn.execute("SELECT ?", (value,))
    assert isinstance(
        raised.value, mariadb_nb.DataError | mariadb_nb.ProgrammingError
    ), raised.value
    cur = await conn.execute("SELECT ?", ("still right",))
    assert await cur.fetchone() == ("still right",)


@in_every_world
async def test_statement_must_be_text(world: World) -> None:
    conn = await world.connect()
    for wrong in (None, 1, ["SELECT 1"]):
        with pytest.raises((TypeError, mariadb_nb.Error), match="str"):
            await conn.execute(wrong)  # type: ignore[arg-type]
    cur = await conn.execute("SELECT 1")
    assert await cur.fetchone() == (1,)


@in_every_world
async def test_text_with_a_nul_is_sent_whole(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT 'a\0b', LENGTH('a\0b')")
    assert await cur.fetchone() == ("a\0b", 3)


# ---- fetching ----------------------------------------------------------------


@in_every_world
async def test_large_text_is_sent_without_a_copy(world: World) -> None:
    """Of what is ASCII: the copy would keep the loop waiting."""
    conn = await world.connect()
    sql = f"SELECT LENGTH('{'x' * 4_000_000}')"
    tracemalloc.start()
    try:
        cur = await conn.execute(sql, prepare=False)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert await cur.fetchone() == (4_000_000,)
    assert most < 1_000_000


@in_every_world
async def test_fetching_in_every_way(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT seq FROM seq_1_to_9")
    assert cur.rownumber == 0
    assert await cur.fetchone() == (1,)
    assert await cur.fetchmany() == [(2,)]
    cur.arraysize = 2
    assert await cur.fetchmany() == [(3,), (4,)]
    assert await cur.fetchmany(3) == [(5,), (6,), (7,)]
    assert cur.rownumber == 7
    assert await cur.fetchall() == [(8,), (9,)]
    assert cur.rownumber == 9
    assert await cur.fetchone() is None
    assert await cur.fetchmany(5) == []
    assert await cur.fetchall() == []
    assert cur.rowcount == 9


@in_every_world
async def test_iteration(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT seq FROM seq_1_to_5")
    seen = []
    async for (number,) in cur:
        seen.append(number)
        if number == 2:
            break
    assert seen == [1, 2]
    assert [number async for (number,) in cur] == [3, 4, 5]
    assert [row async for row in cur] == []


@in_every_world
async def test_scroll(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT seq FROM seq_1_to_5")
    await cur.fetchall()
    await cur.scroll(-2)
    assert await cur.fetchone() == (4,)
    await cur.scroll(0, mode="absolute")
    assert await cur.fetchone() == (1,)
    await cur.scroll(2)
    assert cur.rownumber == 3
    for step, mode in ((10, "relative"), (-9, "relative"), (-1, "absolute")):
        with pytest.raises(IndexError):
            await cur.scroll(step, mode)
    with pytest.raises(mariadb_nb.Error, match="mode"):
        await cur.scroll(1, mode="sideways")
    assert await cur.fetchone() == (4,)


@in_every_world
async def test_fetching_what_is_not_there(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    for sql in (None, "DO 1"):
        if sql:
            await cur.execute(sql)
        for fetch in (cur.fetchone, cur.fetchmany, cur.fetchall):
            with pytest.raises(mariadb_nb.Error):
                await fetch()
        assert cur.description is None


@in_every_world
async def test_failed_execute_leaves_no_old_rows(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT 'old'")
    with pytest.raises(mariadb_nb.ProgrammingError):
        await cur.execute("SELEC")
    with pytest.raises(mariadb_nb.Error):
        await cur.fetchone()
    assert cur.description is None
    assert cur.rowcount == -1


@in_every_world
async def test_cursors_keep_their_own_rows(world: World) -> None:
    conn = await world.connect()
    one = await conn.execute("SELECT 'one' UNION ALL SELECT 'more of one'")
    other = await conn.execute("SELECT 'other'")
    assert await one.fetchone() == ("one",)
    assert await other.fetchall() == [("other",)]
    assert await one.fetchall() == [("more of one",)]
    assert one.connection == other.connection == conn


# ---- what a cursor tells -------------------------------------------------------


@in_every_world
async def test_description(world: World) -> None:
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE described (id INT NOT NULL, name VARCHAR(20), "
        "price DECIMAL(12,2), made DATETIME(6), raw BLOB)"
    )
    cur = await conn.execute("SELECT id, name AS n, price, made, raw FROM described")
    assert cur.description is not None
    ids, names, prices, moments, raws = cur.description
    assert [column[0] for column in cur.description] == [
        "id",
        "n",
        "price",
        "made",
        "raw",
    ]
    assert {len(column) for column in cur.description} == {7}
    kinds = (
        mariadb_nb.NUMBER,
        mariadb_nb.STRING,
        mariadb_nb.NUMBER,
        mariadb_nb.DATETIME,
        mariadb_nb.BINARY,
    )
    for column, kind in zip(cur.description, kinds, strict=True):
        assert [column[1] == one for one in kinds] == [one is kind for one in kinds]
    assert (ids[6], names[6]) == (False, True)
    assert (prices[4], prices[5]) == (12, 2)
    assert names.name == "n"
    assert ids.null_ok is False
    assert prices.precision == 12
    assert moments.scale == 6
    assert raws.null_ok is True


@pytest.mark.parametrize("found_rows", [False, True])
@in_every_world
async def test_rowcount_of_rows_that_stay_as_they_are(
    world: World, found_rows: bool
) -> None:
    table = await world.table("id INT PRIMARY KEY, x INT", "(1, 7), (2, 7), (3, 8)")
    conn = await world.connect(found_rows=found_rows)
    sql, expected = f"UPDATE {table} SET x = ? WHERE x >= ?", 3 if found_rows else 2
    for prepare in (False, True):
        cur = await conn.cursor().execute(sql, (8, 7), prepare=prepare)
        assert cur.rowcount == expected
        await conn.reset()  # also rolls back
    user = world.server.users["native"]
    await conn.change_user(user.name, user.password)
    cur = await conn.executemany(sql, [(8, 7)] * 4)
    assert cur.rowcount == (12 if found_rows else 2)


@in_every_world
async def test_rowcount_and_lastrowid(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    assert cur.rowcount == -1
    assert cur.lastrowid is None
    await cur.execute(
        "CREATE TEMPORARY TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, x INT)"
    )
    await cur.execute("INSERT INTO counted (x) VALUES (1), (2), (3)")
    assert [cur.rowcount, cur.lastrowid] == [3, 1]
    await cur.execute("INSERT INTO counted (x) VALUES (4)")
    assert [cur.rowcount, cur.lastrowid] == [1, 4]
    await cur.execute("SELECT * FROM counted")
    assert cur.rowcount == 4
    await cur.execute("UPDATE counted SET x = 7 WHERE id > 2")
    assert cur.rowcount == 2
    await cur.execute("DELETE FROM counted")
    assert cur.rowcount == 4


@in_every_world
@pytest.mark.parametrize("prepare", [False, True])
async def test_rows_have_no_lastrowid_of_a_statement_before(
    world: World, prepare: bool
) -> None:
    conn = await world.connect(multi_statements=True)
    await conn.execute("CREATE TEMPORARY TABLE own (id INT AUTO_INCREMENT PRIMARY KEY)")
    insert = "INSERT INTO own VALUES (NULL)"
    cur = conn.cursor(prepare=prepare)
    for sql in ("SELECT id FROM own", "SHOW TABLES", f"{insert} RETURNING id"):
        await cur.execute(insert)
        assert cur.lastrowid is not None
        await cur.execute(sql)
        assert cur.lastrowid is None, sql
    await cur.execute(f"{insert}; SELECT 1")
    assert cur.lastrowid is not None
    assert await cur.nextset()
    assert cur.lastrowid is None


@in_every_world
async def test_lastrowid_is_whole(world: World) -> None:
    conn = await world.connect()
    await conn.execute(
        "CREATE TEMPORARY TABLE big (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY)"
    )
    cur = await conn.execute("INSERT INTO big VALUES (18446744073709551614)")
    assert cur.lastrowid == 2**64 - 2


@in_every_world
async def test_warnings(world: World) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT CAST('12x' AS INT)")
    assert cur.warning_count == 1
    (warning,) = await conn.show_warnings()
    assert warning[:2] == ("Warning", 1292)
    assert "12x" in warning[2]
    cur = await conn.execute("SELECT 1")
    assert cur.warning_count == 0


# ---- rows ----------------------------------------------------------------------


class Point:
    def __init__(self, x: int, y: str) -> None:
        self.x, self.y = x, y


@in_every_world
async def test_shapes_of_rows(world: World) -> None:
    conn = await world.connect()
    sql = "SELECT 1 AS x, 'one' AS y UNION ALL SELECT 2, 'two'"

    async def fetch(row_factory: Any) -> list[Any]:
        async with conn.cursor(row_factory=row_factory) as cur:
            await cur.execute(sql)
            first = await cur.fetchone()
            return [first, *[row async for row in cur]]

    assert await fetch(mariadb_nb.tuple_row) == [(1, "one"), (2, "two")]
    dicts = await fetch(mariadb_nb.dict_row)
    assert dicts == [{"x": 1, "y": "one"}, {"x": 2, "y": "two"}]
    assert list(dicts[0]) == ["x", "y"]
    named = await fetch(mariadb_nb.namedtuple_row)
    assert [(row.x, row.y) for row in named] == [(1, "one"), (2, "two")]
    points = await fetch(mariadb_nb.class_row(Point))
    assert [(type(point), point.x, point.y) for point in points] == [
        (Point, 1, "one"),
        (Point, 2, "two"),
    ]
    sql = "SELECT seq FROM seq_1_to_3"
    assert await fetch(mariadb_nb.scalar_row) == [1, 2, 3]


@in_every_world
async def test_shape_of_rows_of_a_connection(world: World) -> None:
    conn = await world.connect(row_factory=mariadb_nb.dict_row)
    cur = await conn.execute("SELECT 1 AS x")
    assert await cur.fetchone() == {"x": 1}


@in_every_world
async def test_error_of_a_rows_class_spoils_nothing(world: World) -> None:
    class Refusing:
        def __init__(self, **columns: Any) -> None:
            raise ArithmeticError("refused")

    conn = await world.connect()
    cur = conn.cursor(row_factory=mariadb_nb.class_row(Refusing))

    async def fetch() -> None:
        await cur.execute("SELECT seq FROM seq_1_to_3")
        await cur.fetchall()

    with pytest.raises(ArithmeticError, match="refused"):
        await fetch()
    other = await conn.execute("SELECT 'still right'")
    assert await other.fetchall() == [("still right",)]
