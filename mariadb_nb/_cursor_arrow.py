"""What the cursors of all worlds share of reading rows as columns of Arrow.

Owns how such a statement begins, goes on and ends, but not the waiting: ``cursor`` and
``aio`` run the operations that are made here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from . import arrow, parameters
from ._cursor import CursorBase, Parameters, refuse_text
from .errors import InterfaceError, NotSupportedError, ProgrammingError
from .state import GONE

if TYPE_CHECKING:
    from ._wire import ArrowBatch, Reply
    from .wait import Operation

#: Which columns of text keep each of their values once.
Dictionary: TypeAlias = bool | Collection[str]


def check_rows(count: Any) -> int:
    """The rows of a batch, checked.

    Raises:
        ProgrammingError: it is no such number.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ProgrammingError(f"batch_rows={count!r} is no number of rows, 1 or more")
    return count


class Columns(NamedTuple):
    """A statement whose rows come as columns.

    Attributes:
        reply: what it was answered with.
        like: a batch of its columns, without rows.
    """

    reply: Reply
    like: ArrowBatch


class ArrowCursorBase(CursorBase):
    """A cursor that reads rows as columns too."""

    _columns: Columns | None = None

    def _begin_columns(
        self,
        sql: str,
        params: Parameters,
        dictionary: Dictionary,
        deadline: float | None,
    ) -> Operation[Columns]:
        """Execute a statement and leave its rows to ``_next_batch``."""
        connection = self._connection
        reading = arrow.reading(dictionary, connection._options.invalid_dates)
        reply = yield from self._execute_prepared(sql, params, reading, deadline)
        self._live, self._complete = True, not reply.has_rows
        self._index = self._before = 0
        self._reply = reply
        if not reply.has_rows:
            raise ProgrammingError(
                "the statement was executed, and has no rows to make columns of"
            )
        like: Any = reply.rows
        self._columns = Columns(reply, like)
        return self._columns

    def _next_batch(
        self, of: Columns, count: int, deadline: float | None
    ) -> Operation[ArrowBatch | None]:
        """The next rows of a stream; None at its end."""
        if self._columns is not of or self._reply is not of.reply:
            raise InterfaceError(
                "the stream is over: its cursor was closed or has executed another "
                "statement"
            )
        session = self._session
        if self._complete:
            return None
        if not self._streaming:
            self._refuse_ended()
        try:
            batch: Any = yield from session.fetch(count, deadline)
            if session.state in GONE:
                self._refuse_ended()
            if not session.streaming:
                self._complete = True
                yield from self._check_only_result(deadline)
        except Exception:
            # Nobody shall read on behind a row that could not be read.
            yield from session.discard()
            raise
        self._before += len(batch)
        return batch if len(batch) else None

    def _execute_prepared(
        self, sql: str, params: Parameters, reading: Any, deadline: float | None
    ) -> Operation[Reply]:
        """Execute a statement that is prepared, with its rows left to be read."""
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if not isinstance(sql, str):
            refuse_text("a statement", sql)
        session = self._session
        if self._owes:
            yield from session.discard()
        self._forget()
        if params is not None:
            yield from session.settle_mode(sql, deadline)
        else:
            yield from session.ask_charset(deadline)
        entry, bound = session.chosen(sql, True), None
        template = None if entry is None else entry.template
        if params is None:
            text = parameters.plain(sql)
            if not sql.isascii():
                session.check_charset()
            if template is None or template.count or template.preparable != text:
                entry = None
        else:
            if template is None:
                template = parameters.template(sql, session.mode)
            bound = template.bind(params, self._connection._encoders)
            if template.preparable is None or bound is None:
                raise NotSupportedError(
                    "columns are made of prepared statements only, and this one cannot "
                    "be prepared with these parameters"
                )
            text = template.preparable
        reply: Reply = yield from session.run_prepared(
            entry, text, bound, reading, self._me, deadline
        )
        return reply

    def _all_columns(
        self,
        sql: str,
        params: Parameters,
        dictionary: Dictionary,
        deadline: float | None,
    ) -> Operation[arrow.ArrowTable]:
        """Execute a statement and read all its rows as columns."""
        columns = yield from self._begin_columns(sql, params, dictionary, deadline)
        batches: list[ArrowBatch] = []
        rows = arrow.BATCH_ROWS
        while batch := (yield from self._next_batch(columns, rows, deadline)):
            batches.append(batch)
        return arrow.ArrowTable(tuple(batches) or (columns.like,))

    def _close_columns(self, of: Columns) -> Operation[None]:
        """Give up what is left of a stream, if it is still the cursor's."""
        if self._columns is of and self._reply is of.reply and not self._complete:
            if self._owes:
                yield from self._session.discard()
            self._columns = None

    def _check_only_result(self, deadline: float | None) -> Operation[None]:
        """Read on behind the last row: how a call went, but no more rows."""
        session = self._session
        while session.more_results:
            reply: Reply = yield from session.next_result(deadline)
            if reply.has_rows:
                raise NotSupportedError(
                    "the statement has several results, and columns are made of one: "
                    "take execute() and nextset()"
                )

    def _refuse_ended(self) -> NoReturn:
        raise InterfaceError(
            "the stream was ended before its last row: by an error, or because its "
            "connection was closed"
        )

    @property
    def _has_columns(self) -> bool:
        """Whether the last statement's rows come as columns."""
        return self._columns is not None and self._reply is self._columns.reply

    @property
    def rowcount(self) -> int:
        """How many rows the last statement delivered or changed; -1 if not known."""
        if self._has_columns:
            return self._before if self._complete else -1
        return super().rowcount

    def _check(self) -> list[Any]:
        if self._has_columns:
            raise ProgrammingError(
                "the rows of the last statement come as columns: they are in what "
                "arrow() or stream_arrow() returned"
            )
        return super()._check()
