"""mariadb_nb through its public API, as a user would write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mariadb_nb
import mariadb_nb.aio
from benchmarks.contestants.session import BlockingCursors, Cursors, Place, Row


def _options(place: Place, binary: bool) -> dict[str, Any]:
    return {
        "unix_socket": place.socket,
        "user": place.user,
        "password": place.password,
        "database": place.database,
        "autocommit": True,
        "prepare_threshold": 1 if binary else None,
    }


class Session(Cursors):
    """One connection to be awaited."""

    def __init__(self, connection: mariadb_nb.aio.Connection, binary: bool) -> None:
        super().__init__(
            "?",
            connection.cursor(),
            lambda: connection.cursor(stream=True),
            connection.close,
        )
        self._connection = connection
        self._binary = binary

    async def load(self, table: str, sql: str, rows: Sequence[Row]) -> None:
        if self._binary:
            await self.change_many(sql, rows)
        else:
            await self._connection.load(table, rows)

    async def pipeline(self, sql: str, keys: Sequence[int], depth: int) -> Row:
        row = None
        for start in range(0, len(keys), depth):
            async with self._connection.pipeline() as pipe:
                execute = pipe.execute
                results = [execute(sql, (key,)) for key in keys[start : start + depth]]
            for result in results:
                row = result.fetchone()
        return row


class BlockingSession(BlockingCursors):
    """One connection that blocks."""

    def __init__(self, connection: mariadb_nb.Connection, binary: bool) -> None:
        super().__init__("?", connection, lambda: connection.cursor(stream=True))
        self._binary = binary

    def load(self, table: str, sql: str, rows: Sequence[Row]) -> None:
        if self._binary:
            self.change_many(sql, rows)
        else:
            self._connection.load(table, rows)

    def columns(self, sql: str) -> Any:
        return self._cursor.arrow(sql)

    def stream_columns(self, sql: str, batch_rows: int) -> int:
        with self._cursor.stream_arrow(sql, batch_rows=batch_rows) as stream:
            return sum(len(batch) for batch in stream)

    def pipeline(self, sql: str, keys: Sequence[int], depth: int) -> Row:
        row = None
        for start in range(0, len(keys), depth):
            with self._connection.pipeline() as pipe:
                execute = pipe.execute
                results = [execute(sql, (key,)) for key in keys[start : start + depth]]
            for result in results:
                row = result.fetchone()
        return row


async def connect(place: Place, binary: bool) -> Session:
    """Connect."""
    return Session(await mariadb_nb.aio.connect(**_options(place, binary)), binary)


def connect_blocking(place: Place, binary: bool) -> BlockingSession:
    """Connect."""
    return BlockingSession(mariadb_nb.connect(**_options(place, binary)), binary)
