"""What a contestant has to do: the session that the workloads use.

The loops are here, so that each query costs the driver's own calls and none of ours.
A driver with cursors as PEP 249 has them only says how to make these; one with another
shape writes the loops itself, with the same meaning: every value of every row becomes
a Python object.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

Row = Any


class Place(NamedTuple):
    """Where the server is, and as whom to log in. Autocommit is on for everybody."""

    socket: str
    database: str
    user: str
    password: str


class Session(Protocol):
    """One connection of a contestant on an event loop."""

    placeholder: str

    async def fetch_all(self, sql: str) -> Sequence[Row]:
        """Execute, and return all rows."""

    async def repeat(self, sql: str, count: int) -> Row:
        """Execute and fetch one row, so many times; return the last one."""

    async def lookup(self, sql: str, keys: Sequence[int]) -> Row:
        """Execute and fetch one row with each key as the parameter in its turn."""

    async def stream(self, sql: str) -> int:
        """Take row for row without holding the result, and return their number."""

    async def change(self, sql: str) -> None:
        """Execute what has no rows."""

    async def change_many(self, sql: str, rows: Sequence[Row]) -> None:
        """Execute with each row as parameters, by what is meant for that."""

    async def load(self, table: str, sql: str, rows: Sequence[Row]) -> None:
        """Fill a table by whatever takes rows; or by ``sql``, which inserts one."""

    async def close(self) -> None:
        """End the connection."""


class Pipelining(Session, Protocol):
    """One that can send statements ahead of their replies."""

    async def pipeline(self, sql: str, keys: Sequence[int], depth: int) -> Row:
        """Do as ``lookup``, with so many statements on their way at once."""


class Columnar(Session, Protocol):
    """One of a contestant that makes columns."""

    async def columns(self, sql: str) -> Any:
        """Return all rows as what has ``__arrow_c_stream__``."""

    async def stream_columns(self, sql: str, batch_rows: int) -> int:
        """Take batch for batch without holding the result; return how many rows."""


class BlockingSession(Protocol):
    """The same of a contestant that blocks."""

    placeholder: str

    def fetch_all(self, sql: str) -> Sequence[Row]: ...
    def repeat(self, sql: str, count: int) -> Row: ...
    def lookup(self, sql: str, keys: Sequence[int]) -> Row: ...
    def stream(self, sql: str) -> int: ...
    def change(self, sql: str) -> None: ...
    def change_many(self, sql: str, rows: Sequence[Row]) -> None: ...
    def load(self, table: str, sql: str, rows: Sequence[Row]) -> None: ...
    def close(self) -> None: ...


class Cursors:
    """A session over awaitable cursors; one cursor serves all queries.

    Args:
        placeholder: how the driver marks a parameter.
        cursor: the buffered cursor.
        streaming: makes an unbuffered one.
        close: ends the connection.
    """

    def __init__(
        self,
        placeholder: str,
        cursor: Any,
        streaming: Callable[[], Any],
        close: Callable[[], Awaitable[object] | None],
    ) -> None:
        self.placeholder = placeholder
        self._cursor = cursor
        self._streaming = streaming
        self._close = close

    async def fetch_all(self, sql: str) -> Sequence[Row]:
        await self._cursor.execute(sql)
        rows: Sequence[Row] = await self._cursor.fetchall()
        return rows

    async def repeat(self, sql: str, count: int) -> Row:
        cursor, row = self._cursor, None
        for _ in range(count):
            await cursor.execute(sql)
            row = await cursor.fetchone()
        return row

    async def lookup(self, sql: str, keys: Sequence[int]) -> Row:
        cursor, row = self._cursor, None
        for key in keys:
            await cursor.execute(sql, (key,))
            row = await cursor.fetchone()
        return row

    async def stream(self, sql: str) -> int:
        cursor, rows = self._streaming(), 0
        if inspect.isawaitable(cursor):
            cursor = await cursor
        await cursor.execute(sql)
        async for _ in cursor:
            rows += 1
        return rows

    async def change(self, sql: str) -> None:
        await self._cursor.execute(sql)

    async def change_many(self, sql: str, rows: Sequence[Row]) -> None:
        await self._cursor.executemany(sql, rows)

    async def load(self, table: str, sql: str, rows: Sequence[Row]) -> None:
        await self.change_many(sql, rows)

    async def close(self) -> None:
        ended = self._close()
        if ended is not None:
            await ended


class BlockingCursors:
    """A session over blocking cursors; one cursor serves all queries."""

    def __init__(
        self,
        placeholder: str,
        connection: Any,
        streaming: Callable[[], Any],
        cursor: Any = None,
    ) -> None:
        self.placeholder = placeholder
        self._connection = connection
        self._cursor = cursor or connection.cursor()
        self._streaming = streaming

    def fetch_all(self, sql: str) -> Sequence[Row]:
        self._cursor.execute(sql)
        rows: Sequence[Row] = self._cursor.fetchall()
        return rows

    def repeat(self, sql: str, count: int) -> Row:
        cursor, row = self._cursor, None
        for _ in range(count):
            cursor.execute(sql)
            row = cursor.fetchone()
        return row

    def lookup(self, sql: str, keys: Sequence[int]) -> Row:
        cursor, row = self._cursor, None
        for key in keys:
            cursor.execute(sql, (key,))
            row = cursor.fetchone()
        return row

    def stream(self, sql: str) -> int:
        cursor, rows = self._streaming(), 0
        cursor.execute(sql)
        for _ in cursor:
            rows += 1
        return rows

    def change(self, sql: str) -> None:
        self._cursor.execute(sql)

    def change_many(self, sql: str, rows: Sequence[Row]) -> None:
        self._cursor.executemany(sql, rows)

    def load(self, table: str, sql: str, rows: Sequence[Row]) -> None:
        self.change_many(sql, rows)

    def close(self) -> None:
        self._connection.close()


class Blocking:
    """Lets the workloads, which await, use a session that blocks.

    It costs one coroutine for a whole loop of queries.
    """

    def __init__(self, session: BlockingSession) -> None:
        self.placeholder = session.placeholder
        self._session: Any = session

    async def fetch_all(self, sql: str) -> Sequence[Row]:
        rows: Sequence[Row] = self._session.fetch_all(sql)
        return rows

    async def repeat(self, sql: str, count: int) -> Row:
        return self._session.repeat(sql, count)

    async def lookup(self, sql: str, keys: Sequence[int]) -> Row:
        return self._session.lookup(sql, keys)

    async def pipeline(self, sql: str, keys: Sequence[int], depth: int) -> Row:
        return self._session.pipeline(sql, keys, depth)

    async def columns(self, sql: str) -> Any:
        return self._session.columns(sql)

    async def stream_columns(self, sql: str, batch_rows: int) -> int:
        rows: int = self._session.stream_columns(sql, batch_rows)
        return rows

    async def stream(self, sql: str) -> int:
        rows: int = self._session.stream(sql)
        return rows

    async def change(self, sql: str) -> None:
        self._session.change(sql)

    async def change_many(self, sql: str, rows: Sequence[Row]) -> None:
        self._session.change_many(sql, rows)

    async def load(self, table: str, sql: str, rows: Sequence[Row]) -> None:
        self._session.load(table, sql, rows)

    async def close(self) -> None:
        self._session.close()
