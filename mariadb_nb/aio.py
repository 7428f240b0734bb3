"""Connections and cursors to be awaited, on asyncio, uvloop and trio.

Owns nothing but the waiting: the names and what they do are those of ``connection``
and ``cursor``, which see. Whatever may wait is a coroutine; ``cursor()`` does not.
"""

# A timeout of ours also ends the statement on the server, asyncio's does the same.
# ruff: noqa: ASYNC109

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from . import errors, runners
from ._connection import ConnectionBase, ServerWarning
from ._cursor import DEFAULT, Parameters, PreparedBase, Rows
from ._cursor_arrow import ArrowCursorBase, Dictionary, check_rows
from ._pipeline import PipelineBase
from ._results import END
from .arrow import BATCH_ROWS, ArrowTable, AsyncArrowStream
from .load_sql import OnDuplicate
from .loading import ITEMS
from .options import Keywords, Options, Password
from .rows import RowFactory
from .session import Session
from .transactions import Transaction, Xid

if TYPE_CHECKING:
    from .pool.aio import Pool

__all__ = [
    "Connection",
    "Cursor",
    "Pipeline",
    "Pool",
    "PreparedStatement",
    "connect",
]

_T = TypeVar("_T")


def __getattr__(name: str) -> Any:
    if name == "Pool":  # which is made of what is here
        return import_module(".pool.aio", __package__).Pool
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


async def connect(url: str | None = None, /, **options: Unpack[Keywords]) -> Connection:
    """Connect to a server and log in; see ``mariadb_nb.connect``."""
    connection = Connection(Options.of(url, **options))
    await connection._run(connection._session.connect())
    connection._runner.keep(connection._session.fd)
    return connection


class Cursor(ArrowCursorBase):
    """Executes statements and gives their rows; made by ``Connection.cursor``."""

    _connection: Connection
    _run: runners.AsyncRun

    async def execute(
        self,
        sql: str,
        params: Parameters = None,
        *,
        timeout: float | None = DEFAULT,
        prepare: bool | None = None,
    ) -> Self:
        """Execute a statement; see ``mariadb_nb.Cursor.execute``."""
        self._take(await self._run(self._execute(sql, params, timeout, prepare)))
        return self

    async def executemany(
        self, sql: str, rows: Rows, *, timeout: float | None = DEFAULT
    ) -> Self:
        """Execute a statement once for each row of parameters."""
        await self._run(self._execute_many(sql, rows, timeout))
        return self

    async def callproc(
        self,
        name: str,
        params: Sequence[Any] = (),
        *,
        timeout: float | None = DEFAULT,
    ) -> tuple[Any, ...]:
        """Call a stored procedure; returns its parameters afterwards."""
        return await self._run(self._call(name, params, timeout))

    async def arrow(
        self,
        sql: str,
        params: Parameters = None,
        *,
        dictionary: Dictionary = False,
        timeout: float | None = DEFAULT,
    ) -> ArrowTable:
        """Execute a statement and read its rows as columns of Apache Arrow."""
        deadline = self._connection._deadline(timeout)
        return await self._run(self._all_columns(sql, params, dictionary, deadline))

    async def stream_arrow(
        self,
        sql: str,
        params: Parameters = None,
        *,
        batch_rows: int = BATCH_ROWS,
        dictionary: Dictionary = False,
        timeout: float | None = DEFAULT,
    ) -> AsyncArrowStream:
        """Execute a statement; its rows come as columns, batch by batch."""
        rows = check_rows(batch_rows)
        deadline, run = self._connection._deadline, self._run
        begin = self._begin_columns(sql, params, dictionary, deadline(timeout))
        columns = await run(begin)
        return AsyncArrowStream(
            columns.like,
            lambda: run(self._next_batch(columns, rows, deadline(timeout))),
            lambda: self._connection._clean_up(self._close_columns(columns)),
        )

    async def fetchone(self, *, timeout: float | None = DEFAULT) -> Any:
        """The next row, or None at the end."""
        if self._live:
            row = await self._run(self._fetch_one(timeout))
        else:
            row = self._take_one()
        return None if row is END else row

    async def fetchmany(
        self, size: int | None = None, *, timeout: float | None = DEFAULT
    ) -> list[Any]:
        """The next ``size`` rows (default: ``arraysize``), fewer at the end."""
        count = self.arraysize if size is None else size
        if self._live:
            return await self._run(self._fetch_many(count, timeout))
        return self._take_many(count)

    async def fetchall(self, *, timeout: float | None = DEFAULT) -> list[Any]:
        """All rows that are left."""
        if self._live:
            return await self._run(self._fetch_many(1 << 62, timeout))
        return self._take_all()

    async def nextset(self, *, timeout: float | None = DEFAULT) -> bool | None:
        """Go on to the next result; None if there is none."""
        if self._live:
            return await self._run(self._next_set(timeout))
        return self._take_next_set()

    async def scroll(self, value: int, mode: str = "relative") -> None:
        """Move in the rows; raises IndexError if there is no such row."""
        self._move(value, mode)

    async def close(self) -> None:
        """Close it; the rest of a stream is killed on the server."""
        if not self._closed:
            await self._connection._clean_up(self._close())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._live:
            row = await self._run(self._fetch_one())
        else:
            row = self._take_one()
        if row is END:
            raise StopAsyncIteration
        return row

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


class Pipeline(PipelineBase):
    """Statements that are sent ahead of their replies; see ``mariadb_nb.Pipeline``."""

    _connection: Connection
    _run: runners.AsyncRun

    async def sync(self, *, timeout: float | None = DEFAULT) -> None:
        """Send what is queued, and read all answers."""
        await self._run(self._sync(timeout))

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: object, error: BaseException | None, traceback: object
    ) -> None:
        try:
            if error is None:
                await self.sync()
        except BaseException as problem:
            error = problem
            raise
        finally:
            self._end(error)


class PreparedStatement(PreparedBase):
    """A statement that the server has prepared; made by ``Connection.prepare``."""

    _connection: Connection

    async def execute(
        self, params: Parameters = None, *, timeout: float | None = DEFAULT
    ) -> Cursor:
        """Execute it with a new cursor, and return that; raises as that does."""
        cursor = Cursor(self._connection, *self._look, True)
        return await cursor.execute(self._sql(), params, timeout=timeout)

    async def executemany(
        self, rows: Rows, *, timeout: float | None = DEFAULT
    ) -> Cursor:
        """Execute it once for each row of parameters, as a cursor's does."""
        cursor = Cursor(self._connection, *self._look, True)
        return await cursor.executemany(self._sql(), rows, timeout=timeout)

    async def close(self) -> None:
        """Give it up; the server is told before the next statement."""
        self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


class Connection(ConnectionBase):
    """A connection whose methods are awaited; made by ``connect``.

    One operation runs at a time: another task that comes meanwhile gets ``Busy``.
    Statements that change data open a transaction, unless ``autocommit`` is on.
    Whatever waits for the server takes ``timeout=``, see ``mariadb_nb.Connection``.
    """

    _run: runners.AsyncRun
    _clean_up: runners.AsyncRun

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(
        self,
        options: Options,
        session: Session | None = None,
        runner: runners.AsyncRunner | None = None,
    ) -> None:
        super().__init__(options, session)
        self._runner = runner or runners.current_async()()
        self._run = self._runner.run
        self._clean_up = self._runner.run_shielded
        self._session.on_close = self._runner.forget
        if session is not None:
            self._runner.keep(session.fd)

    def cursor(
        self,
        *,
        row_factory: RowFactory | None = None,
        stream: bool = False,
        prepare: bool | None = None,
        prefetch: int = 0,
    ) -> Cursor:
        """Make a cursor; see ``mariadb_nb.Connection.cursor``."""
        self._check_open()
        return Cursor(self, row_factory, stream, prepare, prefetch)

    async def execute(
        self,
        sql: str,
        params: Parameters = None,
        *,
        timeout: float | None = DEFAULT,
        prepare: bool | None = None,
    ) -> Cursor:
        """Execute a statement with a new cursor, and return that."""
        return await self.cursor().execute(
            sql, params, timeout=timeout, prepare=prepare
        )

    async def prepare(
        self,
        sql: str,
        *,
        row_factory: RowFactory | None = None,
        stream: bool = False,
        timeout: float | None = DEFAULT,
    ) -> PreparedStatement:
        """Have the server prepare a statement; see ``Connection.prepare``."""
        self._check_open()
        await self._run(self._hold(sql, timeout))
        return PreparedStatement(self, sql, row_factory, stream)

    async def executemany(
        self, sql: str, rows: Rows, *, timeout: float | None = DEFAULT
    ) -> Cursor:
        """Execute a statement for many rows with a new cursor, and return that."""
        return await self.cursor().executemany(sql, rows, timeout=timeout)

    async def load(
        self,
        target: str,
        source: Any,
        columns: Sequence[str] | None = None,
        *,
        on_duplicate: OnDuplicate = "error",
        timeout: float | None = DEFAULT,
    ) -> int:
        """Load many rows, or a file; see ``mariadb_nb.Connection.load``.

        The source may be asynchronous, too: of rows, or of pieces of a file.
        """
        load = self._load(target, columns, on_duplicate, timeout)
        if not hasattr(source, "__aiter__"):
            return await self._run(load.run(source))
        try:
            await self._run(load.begin())
            items: list[Any] = []
            async for item in source:
                items.append(item)
                if len(items) >= ITEMS:
                    await self._run(load.feed(items))
                    items.clear()
            if items:
                await self._run(load.feed(items))
            await self._run(load.finish())
            return await self._run(load.end())
        except GeneratorExit:  # the task is destroyed: there is no waiting any more
            load.close()
            raise
        except BaseException as error:
            await self._clean_up(load.fail(error))
            raise

    def pipeline(
        self,
        *,
        row_factory: RowFactory | None = None,
        timeout: float | None = DEFAULT,
    ) -> Pipeline:
        """A block whose statements are sent ahead; see ``Connection.pipeline``."""
        self._check_open()
        return Pipeline(self, row_factory, timeout)

    async def commit(self, *, timeout: float | None = DEFAULT) -> None:
        """End the transaction and keep what it did."""
        await self._run(self._commit(timeout))

    async def rollback(self, *, timeout: float | None = DEFAULT) -> None:
        """End the transaction and undo what it did."""
        await self._run(self._rollback(timeout))

    @asynccontextmanager
    async def transaction(
        self,
        *,
        isolation_level: str | None = None,
        read_only: bool = False,
        timeout: float | None = DEFAULT,
    ) -> AsyncGenerator[Self]:
        """A block that commits at its end, and rolls back when it raises.

        Inside a transaction it is a savepoint. See ``Connection.transaction``.
        """
        block = Transaction(isolation_level, read_only)
        try:
            await self._run(self._begin_block(block, timeout))
            yield self
            await self._run(self._end_block(block, False, timeout))
        except BaseException as error:  # also from its beginning, or before its end
            try:
                await self._clean_up(self._end_block(block, True, timeout))
            except RuntimeError:  # the loop is gone, or another one runs: nobody waits
                self._give_block_up(block)
                if not isinstance(error, GeneratorExit):
                    raise
            raise

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return self._session.autocommit

    async def set_autocommit(
        self, on: bool, *, timeout: float | None = DEFAULT
    ) -> None:
        """Set ``autocommit``; turning it on commits an open transaction."""
        await self._run(self._set_autocommit(on, timeout))

    async def set_isolation_level(
        self, level: str, *, timeout: float | None = DEFAULT
    ) -> None:
        """Set the isolation level of the transactions to come."""
        await self._run(self._set_isolation(level, timeout))

    async def show_warnings(
        self, *, timeout: float | None = DEFAULT
    ) -> list[ServerWarning]:
        """The warnings of the last statement (SHOW WARNINGS)."""
        return await self._run(self._show_warnings(timeout))

    async def ping(self, *, timeout: float | None = DEFAULT) -> None:
        """Ask the server for a sign of life; raises ConnectionLost without one."""
        await self._run(self._ping(timeout))

    async def reset(self, *, timeout: float | None = DEFAULT) -> None:
        """Make the session as if it had just been connected."""
        await self._run(self._reset(timeout))

    async def change_user(
        self,
        user: str | None = None,
        password: Password | None = None,
        database: str | None = None,
        *,
        timeout: float | None = DEFAULT,
    ) -> None:
        """Log in as another user; None keeps what it was."""
        await self._run(self._change_user(user, password, database, timeout))

    async def kill(self, thread_id: int, *, timeout: float | None = DEFAULT) -> None:
        """End another connection (KILL)."""
        await self._run(self._kill(thread_id, timeout))

    async def tpc_begin(self, xid: Xid, *, timeout: float | None = DEFAULT) -> None:
        """Begin a branch of a distributed transaction (XA START)."""
        await self._run(self._tpc_begin(xid, timeout))

    async def tpc_prepare(self, *, timeout: float | None = DEFAULT) -> None:
        """Do the first phase of the commit (XA PREPARE)."""
        await self._run(self._tpc_prepare(timeout))

    async def tpc_commit(
        self, xid: Xid | None = None, *, timeout: float | None = DEFAULT
    ) -> None:
        """Commit the branch, or one that ``tpc_recover`` found."""
        await self._run(self._tpc_end("COMMIT", xid, timeout))

    async def tpc_rollback(
        self, xid: Xid | None = None, *, timeout: float | None = DEFAULT
    ) -> None:
        """Roll the branch back, or one that ``tpc_recover`` found."""
        await self._run(self._tpc_end("ROLLBACK", xid, timeout))

    async def tpc_recover(self, *, timeout: float | None = DEFAULT) -> list[Xid]:
        """The branches that are prepared and wait for their second phase."""
        return await self._run(self._tpc_recover(timeout))

    async def close(self) -> None:
        """Close the connection; what is not committed is rolled back."""
        self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, exception_type: object, *exception: object) -> None:
        """Commit when the block went well and roll back when it raised; close."""
        try:
            if exception_type is None and not self.closed:
                await self._run(self._end())
        finally:
            await self.close()
