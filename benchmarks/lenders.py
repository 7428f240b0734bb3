"""The pools that lend connections in ``loans.py``, each in its own words.

One class for each; its driver is imported only in the process that runs it. What is
timed there is what a user writes, and no wrapper of ours around it. Knows neither what
is measured nor for how long.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final, NamedTuple, Protocol

Place = dict[str, Any]

_SELECT: Final = "SELECT 1"


class Lender(Protocol):
    """A pool of tasks."""

    async def open(self, place: Place, size: int) -> None:
        """Make a pool that has so many connections, no more and no less."""

    async def borrow(self) -> None:
        """Take a connection and give it back."""

    async def ask(self) -> float:
        """The same, with a query between; returns when the connection was there."""

    async def close(self) -> None:
        """Close the pool."""


class BlockingLender(Protocol):
    """A pool of threads: the same without ``await``."""

    def open(self, place: Place, size: int) -> None: ...

    def borrow(self) -> None: ...

    def ask(self) -> float: ...

    def close(self) -> None: ...


def _theirs(place: Place) -> Place:
    """As asyncmy, aiomysql and mysqlclient call it."""
    names = {"database": "db"}
    return {names.get(name, name): value for name, value in place.items()}


# ---- pools of tasks ------------------------------------------------------------------


class Ours:
    async def open(self, place: Place, size: int) -> None:
        from mariadb_nb import aio

        self._pool = aio.Pool(**place, min_size=size, max_size=size)
        await self._pool.warm_up()

    async def borrow(self) -> None:
        async with self._pool.acquire():
            pass

    async def ask(self) -> float:
        async with self._pool.acquire() as conn:
            there = perf_counter()
            await (await conn.execute(_SELECT)).fetchall()
        return there

    async def close(self) -> None:
        await self._pool.close()


class _Cursors:
    """What asyncmy and aiomysql have in common."""

    _module: Any

    async def open(self, place: Place, size: int) -> None:
        create = self._module.create_pool
        self._pool = await create(minsize=size, maxsize=size, **_theirs(place))

    async def borrow(self) -> None:
        async with self._pool.acquire():
            pass

    async def ask(self) -> float:
        async with self._pool.acquire() as conn:
            there = perf_counter()
            async with conn.cursor() as cursor:
                await cursor.execute(_SELECT)
                await cursor.fetchall()
        return there

    async def close(self) -> None:
        self._pool.close()
        await self._pool.wait_closed()


class Asyncmy(_Cursors):
    def __init__(self) -> None:
        import asyncmy

        self._module = asyncmy


class Aiomysql(_Cursors):
    def __init__(self) -> None:
        import aiomysql

        self._module = aiomysql


class MariadbAsync:
    _resets = False

    async def open(self, place: Place, size: int) -> None:
        import mariadb

        self._pool = await mariadb.create_async_pool(
            min_size=size, max_size=size, reset_connection=self._resets, **place
        )

    async def borrow(self) -> None:
        async with await self._pool.acquire():
            pass

    async def ask(self) -> float:
        async with await self._pool.acquire() as conn:
            there = perf_counter()
            async with conn.cursor() as cursor:
                await cursor.execute(_SELECT)
                await cursor.fetchall()
        return there

    async def close(self) -> None:
        await self._pool.close()


class MariadbAsyncResetting(MariadbAsync):
    _resets = True


# ---- pools of threads ----------------------------------------------------------------


class OursForThreads:
    def open(self, place: Place, size: int) -> None:
        import mariadb_nb

        self._pool = mariadb_nb.Pool(**place, min_size=size, max_size=size)
        self._pool.warm_up()

    def borrow(self) -> None:
        with self._pool.acquire():
            pass

    def ask(self) -> float:
        with self._pool.acquire() as conn:
            there = perf_counter()
            conn.execute(_SELECT).fetchall()
        return there

    def close(self) -> None:
        self._pool.close()


class Mariadb:
    _resets = False

    def open(self, place: Place, size: int) -> None:
        import mariadb

        self._pool = mariadb.create_pool(
            min_size=size, max_size=size, reset_connection=self._resets, **place
        )

    def borrow(self) -> None:
        with self._pool.acquire():
            pass

    def ask(self) -> float:
        with self._pool.acquire() as conn:
            there = perf_counter()
            with conn.cursor() as cursor:
                cursor.execute(_SELECT)
                cursor.fetchall()
        return there

    def close(self) -> None:
        self._pool.close()


class MariadbResetting(Mariadb):
    _resets = True


class _Closed:
    """What pools have in common whose connections go back when they are closed."""

    _take: Any

    def borrow(self) -> None:
        self._take().close()

    def ask(self) -> float:
        conn = self._take()
        there = perf_counter()
        try:
            cursor = conn.cursor()
            cursor.execute(_SELECT)
            cursor.fetchall()
            cursor.close()
        finally:
            conn.close()
        return there


class SqlAlchemy(_Closed):
    """Its QueuePool with mysqlclient, below its engine."""

    def open(self, place: Place, size: int) -> None:
        import MySQLdb
        from sqlalchemy.pool import QueuePool

        login = _theirs(place)
        pool = QueuePool(
            lambda: MySQLdb.connect(**login), pool_size=size, max_overflow=0
        )
        self._take, self.close = pool.connect, pool.dispose
        held = [pool.connect() for _ in range(size)]
        for conn in held:
            conn.close()


class DbUtils(_Closed):
    """Its PooledDB with mysqlclient."""

    def open(self, place: Place, size: int) -> None:
        import MySQLdb
        from dbutils.pooled_db import PooledDB

        sizes = {"mincached": size, "maxcached": size, "maxconnections": size}
        pool = PooledDB(MySQLdb, blocking=True, **sizes, **_theirs(place))
        self._take, self.close = pool.connection, pool.close


class Entry(NamedTuple):
    """A pool that takes part.

    Attributes:
        name: as it is printed.
        module: what has to be importable.
        make: makes its lender.
        leaves: what it does with a session that comes back.
        threads: whether it lends to threads.
    """

    name: str
    module: str
    make: Callable[[], Any]
    leaves: str
    threads: bool = False


_NEW: Final = "made as new"
_ROLLED: Final = "rolled back"
_LEFT: Final = "left as it is"

#: Ours is the first of its kind.
LENDERS: Final = (
    Entry("mariadb_nb.aio", "mariadb_nb", Ours, _NEW),
    Entry("asyncmy", "asyncmy", Asyncmy, _LEFT),
    Entry("aiomysql", "aiomysql", Aiomysql, _LEFT),
    Entry("mariadb", "mariadb_pool", MariadbAsync, _ROLLED),
    Entry("mariadb, resetting", "mariadb_pool", MariadbAsyncResetting, _NEW),
    Entry("mariadb_nb", "mariadb_nb", OursForThreads, _NEW, threads=True),
    Entry("mariadb", "mariadb_pool", Mariadb, _ROLLED, threads=True),
    Entry("mariadb, resetting", "mariadb_pool", MariadbResetting, _NEW, threads=True),
    Entry("SQLAlchemy, mysqlclient", "sqlalchemy", SqlAlchemy, _ROLLED, threads=True),
    Entry("DBUtils, mysqlclient", "dbutils", DbUtils, _ROLLED, threads=True),
)
