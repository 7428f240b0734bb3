"""Blocking cursors: PEP 249.

Owns nothing but the waiting; what a cursor does is in ``_cursor``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from ._cursor import DEFAULT, Parameters, PreparedBase, Rows
from ._cursor_arrow import ArrowCursorBase, Dictionary, check_rows
from ._results import END
from .arrow import BATCH_ROWS, ArrowStream, ArrowTable

if TYPE_CHECKING:
    from .connection import Connection
    from .runners import Run


class Cursor(ArrowCursorBase):
    """Executes statements and gives their rows; made by ``Connection.cursor``."""

    _connection: Connection
    _run: Run

    def execute(
        self,
        sql: str,
        params: Parameters = None,
        *,
        timeout: float | None = DEFAULT,
        prepare: bool | None = None,
    ) -> Self:
        """Execute a statement.

        Args:
            sql: the statement; ``?``, ``%s`` or ``%(name)s`` stand for parameters.
            params: their values; None sends the text as it is.
            timeout: seconds that it may take; None for no limit. Default: the
                connection's.
            prepare: whether the server shall prepare it; None: as the cursor says.

        Raises:
            Busy: another operation is going on on the connection.
            OperationTimeout: the time was over; the statement was killed.
            ProgrammingError: parameters and placeholders do not fit.
            DatabaseError: the server's answer, see ``mariadb_nb.errors``.
        """
        self._take(self._run(self._execute(sql, params, timeout, prepare)))
        return self

    def executemany(
        self,
        sql: str,
        rows: Rows,
        *,
        timeout: float | None = DEFAULT,
    ) -> Self:
        """Execute a statement once for each row of parameters.

        The rows may be columns of Apache Arrow too: whatever has
        ``__arrow_c_stream__``. INSERT, REPLACE, UPDATE and DELETE are executed with
        arrays of parameters, where that means the same. Raises as ``execute``, and the
        error tells of which ``rows`` it is; what was sent before it stays, as far as
        the transaction stays.
        """
        self._run(self._execute_many(sql, rows, timeout))
        return self

    def callproc(
        self,
        name: str,
        params: Sequence[Any] = (),
        *,
        timeout: float | None = DEFAULT,
    ) -> tuple[Any, ...]:
        """Call a stored procedure.

        Args:
            name: ``procedure`` or ``database.procedure``.
            params: its parameters; what stands for OUT is of no account.

        Returns:
            The parameters, those that are OUT or INOUT as the procedure left them.

        Raises:
            DatabaseError: as ``execute``; there is no such procedure, for example.
        """
        return self._run(self._call(name, params, timeout))

    def arrow(
        self,
        sql: str,
        params: Parameters = None,
        *,
        dictionary: Dictionary = False,
        timeout: float | None = DEFAULT,
    ) -> ArrowTable:
        """Execute a statement and read its rows as columns of Apache Arrow.

        The statement is prepared, and no object of Python is made of a value.

        Args:
            sql: the statement, as of ``execute``.
            params: its parameters, as of ``execute``.
            dictionary: which columns of text keep each of their values once: True for
                all ENUMs, or the columns' names.
            timeout: seconds that it all may take; None for no limit. Default: the
                connection's.

        Raises:
            ProgrammingError: the statement has no rows.
            NotSupportedError: it has several results, or cannot be prepared.
            DatabaseError: as ``execute``.
        """
        deadline = self._connection._deadline(timeout)
        return self._run(self._all_columns(sql, params, dictionary, deadline))

    def stream_arrow(
        self,
        sql: str,
        params: Parameters = None,
        *,
        batch_rows: int = BATCH_ROWS,
        dictionary: Dictionary = False,
        timeout: float | None = DEFAULT,
    ) -> ArrowStream:
        """Execute a statement and read its rows as columns, batch by batch.

        Its rows stay on the server's side until they are asked for. Raises as
        ``arrow``, as far as it is known before the first row.

        Args:
            sql: the statement, as of ``execute``.
            params: its parameters, as of ``execute``.
            batch_rows: how many rows a batch has; the last one has fewer, and one whose
                values are larger than 1 GiB may have too.
            dictionary: as of ``arrow``.
            timeout: seconds that the statement and each batch may take; None for no
                limit. Default: the connection's.
        """
        rows = check_rows(batch_rows)
        deadline = self._connection._deadline
        run = self._run
        begin = self._begin_columns(sql, params, dictionary, deadline(timeout))
        columns = run(begin)
        return ArrowStream(
            columns.like,
            lambda: run(self._next_batch(columns, rows, deadline(timeout))),
            lambda: run(self._close_columns(columns)),
        )

    def fetchone(self, *, timeout: float | None = DEFAULT) -> Any:
        """The next row, or None at the end.

        Args:
            timeout: seconds that it may take to come where rows stream; None for no
                limit. Default: the connection's. It is the same for what follows.

        Raises:
            ProgrammingError: the last statement has no rows.
            OperationTimeout: the time was over; the statement was killed.
        """
        row = self._run(self._fetch_one(timeout)) if self._live else self._take_one()
        return None if row is END else row

    def fetchmany(
        self, size: int | None = None, *, timeout: float | None = DEFAULT
    ) -> list[Any]:
        """The next ``size`` rows (default: ``arraysize``), fewer at the end.

        Raises:
            ProgrammingError: the size is below 0, or the last statement has no rows.
        """
        count = self.arraysize if size is None else size
        if self._live:
            return self._run(self._fetch_many(count, timeout))
        return self._take_many(count)

    def fetchall(self, *, timeout: float | None = DEFAULT) -> list[Any]:
        """All rows that are left."""
        if self._live:
            return self._run(self._fetch_many(1 << 62, timeout))
        return self._take_all()

    def nextset(self, *, timeout: float | None = DEFAULT) -> bool | None:
        """Go on to the next result; True, or None if there is none.

        Raises:
            ProgrammingError: nothing was executed.
        """
        if self._live:
            return self._run(self._next_set(timeout))
        return self._take_next_set()

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Move in the rows that are there (PEP 249).

        Args:
            value: so many rows on or back, or with "absolute" the index of a row.
            mode: "relative" or "absolute".

        Raises:
            IndexError: there is no such row.
            InterfaceError: rows of a stream only come once.
        """
        self._move(value, mode)

    def close(self) -> None:
        """Close it; the rest of a stream is killed on the server."""
        if not self._closed:
            self._run(self._close())

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        row = self._run(self._fetch_one()) if self._live else self._take_one()
        if row is END:
            raise StopIteration
        return row

    def next(self) -> Any:
        """The next row; raises StopIteration at the end (PEP 249)."""
        return self.__next__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class PreparedStatement(PreparedBase):
    """A statement that the server has prepared; made by ``Connection.prepare``."""

    _connection: Connection

    def execute(
        self, params: Parameters = None, *, timeout: float | None = DEFAULT
    ) -> Cursor:
        """Execute it with a new cursor, and return that; raises as that does."""
        cursor = Cursor(self._connection, *self._look, True)
        return cursor.execute(self._sql(), params, timeout=timeout)

    def executemany(self, rows: Rows, *, timeout: float | None = DEFAULT) -> Cursor:
        """Execute it once for each row of parameters, as a cursor's does."""
        cursor = Cursor(self._connection, *self._look, True)
        return cursor.executemany(self._sql(), rows, timeout=timeout)

    def close(self) -> None:
        """Give it up; never waits. The server is told before the next statement."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
