"""What the tests of load share: tables' contents, and sources that wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from worlds import World, finish

from mariadb_nb import aio

#: More than a buffer of rows.
MANY = 20_000


async def contents(conn: aio.Connection, table: str) -> list[Any]:
    cur = await conn.execute(f"SELECT * FROM {table} ORDER BY 1")
    return await cur.fetchall()


async def count(conn: aio.Connection, table: str) -> int:
    cur = await conn.execute(f"SELECT COUNT(*) FROM {table}")
    ((number,),) = await cur.fetchall()
    return int(number)


def many(count: int = MANY) -> Iterator[tuple[int, str]]:
    return ((number, f"row number {number}") for number in range(count))


def awaits(conn: Any) -> bool:
    """Whether it is a connection of a world that awaits."""
    return isinstance(conn, aio.Connection)


async def awaited(world: World, rows: Any) -> AsyncIterator[Any]:
    """Rows of an asynchronous source that now and then waits."""
    for number, row in enumerate(rows):
        if number % 5000 == 3:
            await world.pause()
        yield row


def waiting(world: World, conn: Any, rows: Any) -> Any:
    """A source that waits in the way of its world."""

    def plain() -> Iterator[Any]:
        for number, row in enumerate(rows):
            if number % 5000 == 3:
                finish(world.pause())
            yield row

    return awaited(world, rows) if awaits(conn) else plain()
