"""load: what the server would only warn of is an error, and undoes all of it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from load_support import MANY, contents, count, many
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.errors import DataError, IntegrityError

# ---- what the server would only warn of ----------------------------------------------

LOSSES: dict[str, tuple[str, Any, type[mariadb_nb.Error], str]] = {
    "too long": ("v VARCHAR(3)", "long", DataError, "'v'"),
    "no number": ("v INT", "1x", DataError, "'v'|`v`"),
    "too large": ("v TINYINT", 300, DataError, "'v'"),
    "more digits": ("v DECIMAL(5, 2)", Decimal("1.234"), DataError, "'v'"),
    "an hour of a day": (
        "v DATE",
        datetime(2020, 1, 1, 5),
        DataError,
        "'v'",
    ),
    "no date": ("v DATE", "2021-02-30", DataError, "'v'|`v`"),
    "NULL": ("v INT NOT NULL", None, DataError, "'v'"),
    "no member": ("v ENUM('a')", "b", DataError, "'v'"),
    "no latin1": ("v TEXT CHARACTER SET latin1", "\u05e9", DataError, "v"),
    "no UTF-8": ("v TEXT", b"\xff", DataError, "v"),
    "a check": ("v INT CHECK (v > 5)", 5, IntegrityError, "v"),
    "no JSON": ("v JSON", "{", mariadb_nb.DatabaseError, "json|v"),
    "too many bits": ("v BIT(3)", 8, DataError, "'v'"),
    "a duplicate": (
        "v INT UNIQUE",
        1,
        IntegrityError,
        "Duplicate entry '1'",
    ),
    "no parent": (
        "v INT, FOREIGN KEY (v) REFERENCES parent (id)",
        77,
        IntegrityError,
        "foreign key",
    ),
}
GOOD: dict[str, Any] = {"no date": date.max, "an hour of a day": date.max, "a check": 6}
GOOD |= {"no JSON": "1", "no parent": None, "no member": "a", "no UTF-8": "x"}


@pytest.mark.parametrize("on_duplicate", ["error", "ignore", "replace"])
@pytest.mark.parametrize("loss", LOSSES)
@in_every_world
async def test_loss_is_an_error(world: World, loss: str, on_duplicate: Any) -> None:
    columns, value, error, text = LOSSES[loss]
    if loss == "a duplicate" and on_duplicate != "error":
        return  # it is none then
    conn = await world.connect(autocommit=True)
    if loss == "no parent":
        parent = await world.table("id INT PRIMARY KEY")
        columns = columns.replace("parent", parent)
    table = await world.table(f"n INT PRIMARY KEY, {columns}")
    # The child goes first.
    world._tables.reverse()
    rows = [(n, GOOD.get(loss, n if loss != "no latin1" else "x")) for n in range(2)]
    with pytest.raises(error, match=rf"rows\[2\]: .*(?:{text})") as raised:
        await conn.load(table, [*rows, (2, value)], on_duplicate=on_duplicate)
    assert " at row " not in raised.value.message
    assert await count(conn, table) == 0
    assert conn.autocommit
    assert not conn.in_transaction


@in_every_world
async def test_row_of_a_later_buffer_is_named(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    rows = [*many(), (5, "there already")]
    with pytest.raises(
        mariadb_nb.IntegrityError, match=rf"rows\[{MANY}\]: Dupl"
    ) as raised:
        await conn.load(table, rows)
    assert raised.value.errno == 1062
    assert raised.value.sqlstate == "23000"
    assert await count(conn, table) == 0


@in_every_world
async def test_error_of_a_trigger(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT")
    await conn.execute(
        f"CREATE TRIGGER fails BEFORE INSERT ON {table} FOR EACH ROW "
        "IF NEW.a = 2 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stop'; END IF"
    )
    with pytest.raises(mariadb_nb.OperationalError, match="stop"):
        await conn.load(table, [(0,), (1,), (2,), (3,)])
    assert await count(conn, table) == 0


# ---- duplicates ----------------------------------------------------------------------


@in_every_world
async def test_duplicates_are_ignored_if_asked_for(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b INT UNIQUE", "(1, 10), (2, 20)")
    rows = [(1, 11), (3, 20), (4, 40), (4, 41)]
    assert await conn.load(table, rows, on_duplicate="ignore") == 1
    assert await contents(conn, table) == [(1, 10), (2, 20), (4, 40)]


@in_every_world
async def test_many_duplicates(world: World) -> None:
    """More than the server's usual list of warnings has room for."""
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b VARCHAR(30)")
    assert await conn.load(table, many()) == MANY
    rows = [*many(), (-1, "new")]
    assert await conn.load(table, rows, on_duplicate="ignore") == 1
    cur = await conn.execute("SELECT @@max_error_count")
    assert await cur.fetchall() == [(64,)]
    with pytest.raises(mariadb_nb.DataError, match=rf"rows\[{MANY}\]: .*'b'"):
        await conn.load(table, [*many(), (-2, "x" * 31)], on_duplicate="ignore")


@in_every_world
async def test_duplicates_are_replaced_if_asked_for(world: World) -> None:
    conn = await world.connect()
    table = await world.table("a INT PRIMARY KEY, b INT UNIQUE", "(1, 10), (2, 20)")
    rows = [(1, 11), (3, 20), (4, 40)]
    assert await conn.load(table, rows, on_duplicate="replace") == 3
    assert await contents(conn, table) == [(1, 11), (3, 20), (4, 40)]
