"""pyro-mysql through its own API, which it recommends over its cursors for speed.

query() is the text protocol and takes no parameters, exec() is the binary one; neither
can hand out rows before it has them all, so it takes no part in streaming. Of its two
ways for many rows the one that binds arrays is the faster one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyro_mysql

from benchmarks.contestants.session import BlockingSession, Place, Row, Session


def _options(place: Place) -> Any:
    options = pyro_mysql.Opts().socket(place.socket).db(place.database).tls(False)
    return options.user(place.user).password(place.password)


class _Session:
    placeholder = "?"

    def __init__(self, connection: Any, binary: bool) -> None:
        self._connection = connection
        self._fetch_all = connection.exec if binary else connection.query
        self._fetch_one = connection.exec_first if binary else connection.query_first

    async def fetch_all(self, sql: str) -> Sequence[Row]:
        rows: Sequence[Row] = await self._fetch_all(sql)
        return rows

    async def repeat(self, sql: str, count: int) -> Row:
        fetch_one, row = self._fetch_one, None
        for _ in range(count):
            row = await fetch_one(sql)
        return row

    async def lookup(self, sql: str, keys: Sequence[int]) -> Row:
        exec_first, row = self._connection.exec_first, None
        for key in keys:
            row = await exec_first(sql, (key,))
        return row

    async def stream(self, sql: str) -> int:
        raise NotImplementedError("it has no streams: no scenario asks it for one")

    async def change(self, sql: str) -> None:
        await self._connection.query_drop(sql)

    async def change_many(self, sql: str, rows: Sequence[Row]) -> None:
        await self._connection.exec_bulk_insert_or_update(sql, rows)

    async def load(self, table: str, sql: str, rows: Sequence[Row]) -> None:
        await self.change_many(sql, rows)

    async def close(self) -> None:
        await self._connection.close()


class _BlockingSession:
    placeholder = "?"

    def __init__(self, connection: Any, binary: bool) -> None:
        self._connection = connection
        self._fetch_all = connection.exec if binary else connection.query
        self._fetch_one = connection.exec_first if binary else connection.query_first

    def fetch_all(self, sql: str) -> Sequence[Row]:
        rows: Sequence[Row] = self._fetch_all(sql)
        return rows

    def repeat(self, sql: str, count: int) -> Row:
        fetch_one, row = self._fetch_one, None
        for _ in range(count):
            row = fetch_one(sql)
        return row

    def lookup(self, sql: str, keys: Sequence[int]) -> Row:
        exec_first, row = self._connection.exec_first, None
        for key in keys:
            row = exec_first(sql, (key,))
        return row

    def stream(self, sql: str) -> int:
        raise NotImplementedError("it has no streams: no scenario asks it for one")

    def change(self, sql: str) -> None:
        self._connection.query_drop(sql)

    def change_many(self, sql: str, rows: Sequence[Row]) -> None:
        self._connection.exec_bulk_insert_or_update(sql, rows)

    def load(self, table: str, sql: str, rows: Sequence[Row]) -> None:
        self.change_many(sql, rows)

    def close(self) -> None:
        self._connection.close()


async def connect(place: Place, binary: bool) -> Session:
    """Connect."""
    return _Session(await pyro_mysql.async_.Conn.new(_options(place)), binary)


def connect_blocking(place: Place, binary: bool) -> BlockingSession:
    """Connect."""
    return _BlockingSession(pyro_mysql.sync.Conn(_options(place)), binary)
