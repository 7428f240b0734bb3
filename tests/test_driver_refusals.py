"""What is used wrongly gets an error that says so, and says no secret."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from worlds import World, in_every_world

import mariadb_nb

EMOJI = "\N{GRINNING FACE}"


@dataclass
class Unhashable:
    """A row factory, or what makes a row, of a class without a hash."""

    word: str

    def __call__(self, *names: Any, **row: Any) -> Any:
        return row or (lambda *values: (self.word, *values))


@in_every_world
async def test_row_factory_without_a_hash(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor(row_factory=Unhashable("row"))
    await cur.execute("SELECT 1 AS x")
    assert await cur.fetchall() == [("row", 1)]
    cur = conn.cursor(row_factory=mariadb_nb.class_row(Unhashable("row")))
    await cur.execute("SELECT 1 AS x")
    assert await cur.fetchall() == [{"x": 1}]


@in_every_world
async def test_statement_that_is_no_str(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    calls: list[Callable[[], Any]] = [
        lambda: cur.execute(b"SELECT 1"),  # type: ignore[arg-type]
        lambda: cur.execute(b"SELECT ?", (1,)),  # type: ignore[arg-type]
        lambda: cur.executemany(b"DO ?", [(1,)]),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"a statement is a str, not bytes"):
            await call()
    with pytest.raises(TypeError, match=r"a procedure's name is a str, not int"):
        await cur.callproc(5)  # type: ignore[arg-type]
    await cur.execute("SELECT 'as good as before'")


@in_every_world
async def test_arguments_of_a_wrong_type(world: World) -> None:
    conn = await world.connect()
    cur = conn.cursor()
    await cur.execute("CREATE OR REPLACE PROCEDURE takes_one(n INT) SELECT n")
    await cur.execute("SELECT 1")
    wrong: Any = "1"
    nothing: Any = None
    calls: list[tuple[Callable[[], Any], str]] = [
        (
            lambda: cur.executemany("DO ?", nothing),
            "rows are of class NoneType: give a",
        ),
        (lambda: cur.callproc("takes_one", wrong), "params is of class str: give a"),
        (lambda: cur.callproc("takes_one", (1, 2)), "takes_one takes 1 values, not 2"),
        (lambda: conn.kill(wrong), "thread_id= is wrong: expected an int from 1 to"),
        (lambda: conn.set_autocommit(wrong), "autocommit='1' is wrong: expected True"),
        (lambda: conn.set_isolation_level(nothing), "isolation_level None is none of"),
    ]
    for call, words in calls:
        with pytest.raises(mariadb_nb.Error, match=re.escape(words)):
            await call()
    await cur.execute("SELECT 1")
    with pytest.raises(mariadb_nb.ProgrammingError, match=r"from 0 on, not '1'"):
        await cur.fetchmany(wrong)
    with pytest.raises(mariadb_nb.ProgrammingError, match="number of rows, not '1'"):
        await cur.scroll(wrong)
    assert await cur.fetchall() == [(1,)]


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
@in_every_world
async def test_what_belongs_to_a_connection_is_not_copied(
    world: World, take: Callable[[Any], object]
) -> None:
    conn = await world.connect()
    pipe = conn.pipeline()
    async with pipe:
        result = pipe.execute("SELECT 1")
    for single in (conn, conn.cursor(), pipe, result, world.pool()):
        with pytest.raises(TypeError, match="cannot be copied or pickled: it is bo"):
            take(getattr(single, "_plain", single))


@in_every_world
async def test_list_between_parentheses(world: World) -> None:
    """The server's own words, by the class of what is wrong in the program."""
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError, match="Illegal parameter data"):
        await conn.execute("SELECT 1 IN (?)", ([1, 2],))


@pytest.mark.parametrize("seconds", [float("inf"), 1e10, 10**400, -1, float("nan")])
@in_every_world
async def test_timeout_that_no_clock_has(world: World, seconds: float) -> None:
    conn = await world.connect()
    with pytest.raises(mariadb_nb.ProgrammingError, match="is not 0 to 1e9 seconds"):
        await conn.execute("SELECT 1", timeout=seconds)


@pytest.mark.parametrize("how", ["NAMES utf8mb3", "character_set_client = utf8mb3"])
@in_every_world
async def test_parameters_are_not_sent_in_half_of_utf8(world: World, how: str) -> None:
    """The server would read four question marks, without a word."""
    conn = await world.connect()
    await conn.execute(f"SET {how}")
    with pytest.raises(mariadb_nb.ProgrammingError, match="was changed to utf8mb3"):
        await conn.execute("SELECT ?", (EMOJI,))
    with pytest.raises(mariadb_nb.ProgrammingError, match="was changed to utf8mb3"):
        await conn.execute(f"SELECT '{EMOJI}'")
    await conn.execute("SET NAMES utf8mb4")
    cur = await conn.execute("SELECT ?", (EMOJI,))
    assert await cur.fetchone() == (EMOJI,)


@pytest.mark.parametrize("mode", [["require"], {"ca": "ca.pem"}])
def test_mode_of_tls_that_is_no_text(mode: Any) -> None:
    with pytest.raises(mariadb_nb.InterfaceError, match=r"tls=.* is wrong: expected"):
        mariadb_nb.Options.of(host="db", tls=mode)


@pytest.mark.parametrize("host", ["mariadb://u:secret@db/test", "u:secret@db"])
def test_url_in_place_of_a_host_is_not_shown(host: str) -> None:
    with pytest.raises(mariadb_nb.InterfaceError, match=r"no port, list or URL") as one:
        mariadb_nb.Options.of(host=host)
    assert "secret" not in f"{one.value} {one.value!r}"


@in_every_world
async def test_literal_that_no_str_can_hold(world: World) -> None:
    conn = await world.connect()
    assert conn.literal(b"\xff") == "X'ff'"
    with pytest.raises(mariadb_nb.ProgrammingError, match="bytes in the value"):
        conn.literal([b"\xff"])


@pytest.mark.parametrize(
    ("raised", "seen"), [(LookupError, LookupError), (StopIteration, RuntimeError)]
)
@in_every_world
async def test_what_a_converter_raises(
    world: World, raised: type[Exception], seen: type[Exception]
) -> None:
    def convert(value: object) -> object:
        raise raised("from the converter")

    converters = {mariadb_nb.FieldType.LONG: convert}
    conn = await world.connect(converters=converters)
    with pytest.raises(seen) as caught:
        await conn.execute("SELECT 1")
    assert isinstance(
        caught.value if seen is raised else caught.value.__cause__, raised
    )
    await conn.execute("SELECT 'as good as before'")


class Money(Decimal):
    """A Decimal that shows itself to people in its own way."""

    def __str__(self) -> str:
        return f"{float(self) * 100:.0f} cents"


class Rounded(Decimal):
    """One that shows less than it is."""

    def __str__(self) -> str:
        return f"{float(self):.0f}"


@pytest.mark.parametrize("value", [Money("2.50"), Rounded("2.7")])
@in_every_world
async def test_decimal_is_sent_as_it_is_not_as_it_is_shown(
    world: World, value: Decimal
) -> None:
    conn = await world.connect()
    cur = await conn.execute("SELECT ?", (value,))
    assert await cur.fetchone() == (Decimal(value),)


@pytest.mark.parametrize("name", ["`with.point`", "test.`with.point`"])
@in_every_world
async def test_procedure_with_a_point_in_its_name(world: World, name: str) -> None:
    conn = await world.connect()
    await conn.execute("CREATE OR REPLACE PROCEDURE `with.point`(OUT n INT) SET n = 5")
    assert await conn.cursor().callproc(name, (None,)) == (5,)


@in_every_world
async def test_procedure_with_a_quote_in_its_name(world: World) -> None:
    conn = await world.connect()
    await conn.execute("CREATE OR REPLACE PROCEDURE `with``quote`() SELECT 'called'")
    cur = conn.cursor()
    await cur.callproc("`with``quote`")
    assert await cur.fetchall() == [("called",)]


@pytest.mark.parametrize("name", ["", "a.b.c", "a`b", "`a`b`", "p`(); DO 1; -- ", "a."])
@in_every_world
async def test_what_names_no_procedure(world: World, name: str) -> None:
    conn = await world.connect(multi_statements=True)
    with pytest.raises(mariadb_nb.ProgrammingError, match="does not name a procedure"):
        await conn.cursor().callproc(name)


def test_no_hint_leads_to_what_is_not_there() -> None:
    from mariadb_nb.option_sources import _HINTS
    from mariadb_nb.options import Keywords
    from mariadb_nb.pool.settings import PoolKeywords

    options = {*Keywords.__annotations__, *PoolKeywords.__annotations__}
    for name, hint in _HINTS.items():
        assert set(re.findall(r"\b([a-z_]+)=", hint)) <= {*options, "stream"}, name
