"""Blocking connections: PEP 249.

Owns nothing but the waiting; what a connection does is in ``_connection``.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar, Unpack

from . import errors, runners
from ._connection import ConnectionBase, ServerWarning
from ._cursor import DEFAULT, Parameters, Rows
from .cursor import Cursor, PreparedStatement
from .load_sql import OnDuplicate
from .options import Keywords, Options, Password
from .pipeline import Pipeline
from .rows import RowFactory
from .session import Session
from .transactions import Transaction, Xid

_T = TypeVar("_T")


def connect(url: str | None = None, /, **options: Unpack[Keywords]) -> Connection:
    """Connect to a server and log in.

    Args:
        url: ``mariadb://user:password@host:port/database?option=value``.
        options: see ``mariadb_nb.Options``; they go before those of the URL.

    Raises:
        OperationTimeout: ``connect_timeout`` passed.
        OperationalError: the server was not to be had or refused the login.
        InterfaceError: an option is wrong.
    """
    connection = Connection(Options.of(url, **options))
    connection._run(connection._session.connect())
    connection._runner.keep(connection._session.fd)
    return connection


class Connection(ConnectionBase):
    """A connection whose methods wait; made by ``connect``.

    One operation runs at a time: another thread that comes meanwhile gets ``Busy``.
    Statements that change data open a transaction, unless ``autocommit`` is on.

    Whatever waits for the server takes ``timeout=``: the seconds that it may take, or
    None for no limit; without it, the connection's ``timeout`` holds. When they are
    over, it raises ``OperationTimeout``.
    """

    _run: runners.Run

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
        runner: runners.BlockingRunner | None = None,
    ) -> None:
        super().__init__(options, session)
        self._runner = runner or runners.default()()
        self._run = self._runner.run
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
        """Make a cursor.

        Args:
            row_factory: how rows look, see ``mariadb_nb.rows``.
            stream: leave rows on the wire until they are fetched; no other statement
                can be executed meanwhile.
            prepare: whether the server shall prepare statements and keep them; None:
                those that are executed again, see ``prepare_threshold``.
            prefetch: with ``stream``, have the server keep the rows and send so many at
                a time (a cursor of the server's); 0: it sends them all.

        Raises:
            ProgrammingError: the number is out of range, or not of a stream.
        """
        self._check_open()
        return Cursor(self, row_factory, stream, prepare, prefetch)

    def execute(
        self,
        sql: str,
        params: Parameters = None,
        *,
        timeout: float | None = DEFAULT,
        prepare: bool | None = None,
    ) -> Cursor:
        """Execute a statement with a new cursor, and return that."""
        return self.cursor().execute(sql, params, timeout=timeout, prepare=prepare)

    def prepare(
        self,
        sql: str,
        *,
        row_factory: RowFactory | None = None,
        stream: bool = False,
        timeout: float | None = DEFAULT,
    ) -> PreparedStatement:
        """Have the server prepare a statement, to be executed many times.

        Args:
            sql: the statement; ``?``, ``%s`` or ``%(name)s`` stand for parameters.
            row_factory: as for ``cursor``; so is the next one.
            stream: leave rows on the wire until they are fetched.
            timeout: seconds that the server may take to prepare it.

        Raises:
            NotSupportedError: it cannot be prepared.
            DatabaseError: the server's answer; a table does not exist, for example.
        """
        self._check_open()
        self._run(self._hold(sql, timeout))
        return PreparedStatement(self, sql, row_factory, stream)

    def executemany(
        self, sql: str, rows: Rows, *, timeout: float | None = DEFAULT
    ) -> Cursor:
        """Execute a statement for many rows with a new cursor, and return that."""
        return self.cursor().executemany(sql, rows, timeout=timeout)

    def load(
        self,
        target: str,
        source: Any,
        columns: Sequence[str] | None = None,
        *,
        on_duplicate: OnDuplicate = "error",
        timeout: float | None = DEFAULT,
    ) -> int:
        """Load many rows, or a file, by LOAD DATA LOCAL INFILE: all of it or nothing.

        Args:
            target: a table, as ``table`` or ``database.table``; or a LOAD DATA LOCAL
                INFILE statement that says what the file looks like.
            source: for a table an iterable of rows, each a sequence or a mapping, or
                columns of Apache Arrow: whatever has ``__arrow_c_stream__``. For a
                statement a file that is open in binary mode, bytes, or an iterable of
                pieces of bytes.
            columns: the names of those that a row fills, in its order. Without it the
                names are a mapping's keys, or those of columns of Arrow, and a sequence
                fills all columns of the table whose values the server does not make.
            on_duplicate: what becomes of a row whose key is there already: the load
                fails with "error", the row is left out with "ignore", and takes the
                place of the other one with "replace".
            timeout: seconds for all of it.

        Returns:
            How many rows were loaded.

        Raises:
            DatabaseError: the server could not take a row as it is. Nothing was loaded.
            ProgrammingError: a row does not fit the columns, or has a value for which
                there is no SQL literal. Nothing was loaded.
            NotSupportedError: the server does not let clients load.
            Exception: whatever the source raised. Nothing was loaded.
        """
        load = self._load(target, columns, on_duplicate, timeout)
        return self._run(load.run(source))

    def pipeline(
        self,
        *,
        row_factory: RowFactory | None = None,
        timeout: float | None = DEFAULT,
    ) -> Pipeline:
        """A block whose statements are sent ahead of their replies.

        Args:
            row_factory: how rows look, see ``mariadb_nb.rows``.
            timeout: seconds that each ``sync`` may take, and the block's end.
        """
        self._check_open()
        return Pipeline(self, row_factory, timeout)

    def commit(self, *, timeout: float | None = DEFAULT) -> None:
        """End the transaction and keep what it did (COMMIT).

        Raises:
            ProgrammingError: a two-phase commit is under way: ``tpc_commit`` ends it.
            ConnectionLost: it is not known whether it was done.
            OperationTimeout: nor is it then.
        """
        self._run(self._commit(timeout))

    def rollback(self, *, timeout: float | None = DEFAULT) -> None:
        """End the transaction and undo what it did (ROLLBACK).

        Raises:
            ProgrammingError: a two-phase commit is under way: ``tpc_rollback`` ends it.
        """
        self._run(self._rollback(timeout))

    @contextmanager
    def transaction(
        self,
        *,
        isolation_level: str | None = None,
        read_only: bool = False,
        timeout: float | None = DEFAULT,
    ) -> Generator[Self]:
        """A block that commits at its end, and rolls back when it raises.

        Inside a transaction it is a savepoint. Until its end, ``commit``, ``rollback``,
        ``set_autocommit``, ``reset`` and ``change_user`` are refused.

        Args:
            isolation_level: "READ COMMITTED" and its like, for this one.
            read_only: the server refuses changes.
            timeout: seconds that the beginning may take, and again the end; a block
                that raised has ``cancel_timeout`` to be rolled back in.
        """
        block = Transaction(isolation_level, read_only)
        try:
            self._run(self._begin_block(block, timeout))
            yield self
            self._run(self._end_block(block, False, timeout))
        except BaseException:  # also from where it begins, or before its end is sent
            self._run(self._end_block(block, True, timeout))
            raise

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own; can be set."""
        return self._session.autocommit

    @autocommit.setter
    def autocommit(self, on: bool) -> None:
        self._run(self._set_autocommit(on, DEFAULT))

    def set_autocommit(self, on: bool, *, timeout: float | None = DEFAULT) -> None:
        """Set ``autocommit`` (SET autocommit); turning it on commits what is open."""
        self._run(self._set_autocommit(on, timeout))

    def set_isolation_level(
        self, level: str, *, timeout: float | None = DEFAULT
    ) -> None:
        """Set the isolation level of the transactions to come, in this session.

        Args:
            level: "READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ" or
                "SERIALIZABLE" (SET SESSION TRANSACTION).

        Raises:
            ProgrammingError: it is none of them.
        """
        self._run(self._set_isolation(level, timeout))

    def show_warnings(self, *, timeout: float | None = DEFAULT) -> list[ServerWarning]:
        """The warnings of the last statement (SHOW WARNINGS)."""
        return self._run(self._show_warnings(timeout))

    def ping(self, *, timeout: float | None = DEFAULT) -> None:
        """Ask the server for a sign of life (``mysql_ping``).

        Raises:
            ConnectionLost: there is none; the connection is broken.
        """
        self._run(self._ping(timeout))

    def reset(self, *, timeout: float | None = DEFAULT) -> None:
        """Make the session as if it had just been connected.

        An open transaction is rolled back; temporary tables, locks, user variables and
        settings are gone (``mysql_reset_connection``); what the options ask for is set
        up anew.
        """
        self._run(self._reset(timeout))

    def change_user(
        self,
        user: str | None = None,
        password: Password | None = None,
        database: str | None = None,
        *,
        timeout: float | None = DEFAULT,
    ) -> None:
        """Log in as another user on the same connection (``mysql_change_user``).

        Args:
            user: as in the options; None keeps what it was, here and below.
            password: or a function that is asked for it.
            database: the default database.

        Raises:
            OperationalError: the server refused it. The user stays; of the session
                that is new, the options are set up.
        """
        self._run(self._change_user(user, password, database, timeout))

    def kill(self, thread_id: int, *, timeout: float | None = DEFAULT) -> None:
        """End another connection (KILL).

        Args:
            thread_id: its number on the server, see ``thread_id``.

        Raises:
            OperationalError: there is no such connection, or it is another user's.
        """
        self._run(self._kill(thread_id, timeout))

    def tpc_begin(self, xid: Xid, *, timeout: float | None = DEFAULT) -> None:
        """Begin a branch of a distributed transaction (XA START).

        Raises:
            ProgrammingError: a transaction is open, or another branch.
        """
        self._run(self._tpc_begin(xid, timeout))

    def tpc_prepare(self, *, timeout: float | None = DEFAULT) -> None:
        """Do the first phase of the commit (XA PREPARE)."""
        self._run(self._tpc_prepare(timeout))

    def tpc_commit(
        self, xid: Xid | None = None, *, timeout: float | None = DEFAULT
    ) -> None:
        """Commit the branch, or one that ``tpc_recover`` found."""
        self._run(self._tpc_end("COMMIT", xid, timeout))

    def tpc_rollback(
        self, xid: Xid | None = None, *, timeout: float | None = DEFAULT
    ) -> None:
        """Roll the branch back, or one that ``tpc_recover`` found."""
        self._run(self._tpc_end("ROLLBACK", xid, timeout))

    def tpc_recover(self, *, timeout: float | None = DEFAULT) -> list[Xid]:
        """The branches that wait for their second phase (XA RECOVER)."""
        return self._run(self._tpc_recover(timeout))

    def close(self) -> None:
        """Close the connection (``mysql_close``); never waits.

        What is not committed is rolled back by the server. An operation that is under
        way, in another thread, ends with ``ConnectionLost``.
        """
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception_type: object, *exception: object) -> None:
        """Commit when the block went well and roll back when it raised; close."""
        try:
            if exception_type is None and not self.closed:
                self._run(self._end())
        finally:
            self.close()
