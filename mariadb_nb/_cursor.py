"""What the cursors of all worlds share: statements, results, and their place in them.

Owns everything of a cursor but the waiting: ``cursor`` and ``aio`` run the operations
that are made here. Knows no loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn
from weakref import ref

from . import _wire, parameters
from ._results import END, Results
from .errors import InterfaceError, ProgrammingError
from .many import Many
from .procedures import call_statement, modes_statement
from .rows import RowFactory, tuple_row
from .session import PLAIN
from .state import GONE, RESULT

if TYPE_CHECKING:
    from ._connection import ConnectionBase
    from ._wire import Bound, Reply
    from .statements import Entry
    from .wait import Operation

Parameters = parameters.Parameters | None
Rows = parameters.Rows

#: Rows of a stream that are read at once.
PIECE: Final = 1000
#: Seconds that a timeout may have, as in the options.
LONGEST: Final = 1e9
#: Stands for "the connection's default".
DEFAULT: Final[Any] = _wire.UNSET


def seconds(timeout: Any) -> float | None:
    """A timeout, checked.

    Raises:
        ProgrammingError: it is no number of seconds.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise ProgrammingError(
            f"timeout={timeout!r} is no number of seconds, and not None for no limit"
        )
    if not 0 <= timeout <= LONGEST:
        raise ProgrammingError(
            f"timeout={timeout!r} is not 0 to 1e9 seconds; None is for no limit"
        )
    return timeout


def refuse_text(what: str, text: object) -> NoReturn:
    raise TypeError(f"{what} is a str, not {type(text).__name__}")


def checked_prefetch(prefetch: Any, stream: bool) -> int:
    """How many rows of a stream the server shall send at once, checked.

    Raises:
        ProgrammingError: it is no such number, or not of a stream.
    """
    if isinstance(prefetch, bool) or not isinstance(prefetch, int):
        raise ProgrammingError(f"prefetch={prefetch!r} is no number of rows")
    if not 0 <= prefetch < 1 << 31:
        raise ProgrammingError(f"prefetch={prefetch!r} is not 0 to 2147483647 rows")
    if prefetch and not stream:
        raise ProgrammingError("prefetch= is for rows that stream: say stream=True")
    return prefetch


class CursorBase(Results):
    """Statements and their results, without the waiting.

    Args:
        connection: on which statements are executed.
        row_factory: how rows look, see ``mariadb_nb.rows``.
        stream: whether rows stay on the server's side until they are fetched.
        prepare: whether statements are prepared; None leaves the choice.
        prefetch: how many rows of a stream the server sends at once; 0 for all.
    """

    def __init__(
        self,
        connection: ConnectionBase,
        row_factory: RowFactory | None,
        stream: bool,
        prepare: bool | None,
        prefetch: int = 0,
    ) -> None:
        super().__init__()
        self._session = connection._session
        self._connection = connection
        self._row_factory = row_factory or connection._row_factory
        self._reading = connection._reading(self._row_factory)
        self._stream = bool(stream)
        self._me = ref(self)
        self._prepare = True if prefetch else prepare
        self._prefetch = checked_prefetch(prefetch, stream)
        self._closed = False
        #: PEP 249's list of messages. The server sends none by itself; its warnings
        #: are counted in ``warning_count`` and read by ``connection.show_warnings()``.
        self.messages: list[Any] = []
        self._run = connection._run
        #: Whether the last row of a stream came.
        self._complete = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<{type(self).__module__}.{type(self).__name__} {state}>"

    # Statements

    def _execute(
        self,
        sql: str,
        params: Parameters,
        timeout: float | None,
        prepare: bool | None = None,
    ) -> Operation[Any]:
        """The operation that executes a statement; ``_take`` takes what comes of it."""
        usual = _wire.execution(self, sql, params, timeout, prepare)
        if usual is not None:
            return usual
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if not isinstance(sql, str):
            refuse_text("a statement", sql)
        session = self._session
        if params is not None and "\\" in sql and session.mode & parameters.DOUBTFUL:
            return self._execute_settled(sql, params, timeout, prepare)
        if prepare is None:
            prepare = self._prepare
        entry = session.chosen(sql, prepare)
        bound = None
        if entry is not None and entry.template is not None and params is not None:
            bound = entry.template.bind(params, self._connection._encoders)
        return self._execute_bound(sql, params, timeout, prepare, entry, bound)

    def _execute_bound(
        self,
        sql: str,
        params: Parameters,
        timeout: float | None,
        prepare: bool | None,
        entry: Entry | None,
        bound: Bound | None,
    ) -> Operation[Any]:
        """The same once it is known what is prepared, and its parameters are bound."""
        session = self._session
        template = None if entry is None else entry.template
        wanted = template is not None and (params is not None or template.count)
        if wanted and bound is None:
            entry = None
        try:
            text = self._text(sql, params) if entry is None else ""
        except ProgrammingError:
            if not session.doubts_charset:
                raise
            return self._execute_settled(sql, params, timeout, prepare)
        deadline = None
        if timeout is not DEFAULT or self._connection.timeout is not None:
            deadline = self._connection._deadline(timeout)
        if session.state is RESULT:
            session.abandon(self._me)
        self._forget()
        reading, reader = self._reading, self._me if self._stream else None
        if entry is not None:
            return session.run(
                entry,
                bound,
                (self._text, sql, params),
                reading,
                prepare,
                reader,
                deadline,
                self._prefetch,
            )
        if reader is not None:
            return session.stream(text, reading, reader, deadline)
        return session.query(text, reading, False, deadline)

    def _execute_settled(
        self,
        sql: str,
        params: Parameters,
        timeout: float | None,
        prepare: bool | None,
    ) -> Operation[Any]:
        """The same once it is certain how the server reads it."""
        session, deadline = self._session, self._connection._deadline(timeout)
        if session.state is RESULT:
            session.abandon(self._me)
        yield from session.settle_mode(sql, deadline)
        left = None if deadline is None else max(deadline - monotonic(), 0.0)
        return (yield from self._execute(sql, params, left, prepare))

    @staticmethod
    def _unless_executed(
        error: BaseException,
        self: CursorBase,
        entry: Entry,
        sql: str,
        params: Parameters,
        deadline: float | None,
    ) -> Operation[Any] | None:
        """What takes the place of ``_wire.execution``, if it was not executed."""
        text = self._text, sql, params
        session = self._session
        return session._unless_executed(
            error, entry, session._as_text, text, self._reading, False, deadline
        )

    def _text(self, sql: str, params: Parameters) -> bytes | str:
        """A statement as text, with its parameters."""
        session = self._session
        if params is None:
            if sql.__class__ is str and sql.isascii():
                return sql  # as it is: a large one takes its time to be copied
            text = parameters.plain(sql)
            if not sql.isascii():
                session.check_charset()
            return text
        encoders = self._connection._encoders
        return parameters.render(sql, params, session.mode, encoders)

    @property
    def _streaming(self) -> bool:
        """Whether rows of this cursor's stream, and of no other's, are left to read."""
        return (
            self._live and self._session.reader is self._me and self._session.streaming
        )

    @property
    def _owes(self) -> bool:
        """Whether rows or results of this cursor's stream are left to read."""
        session = self._session
        return (
            self._live
            and session.reader is self._me
            and (session.streaming or session.more_results)
        )

    def _take(self, outcome: Any) -> None:
        """Take over what came of ``_execute``."""
        if self._stream:
            self._live = True
            self._complete = not outcome.has_rows
            self._show(outcome)
            return
        if len(outcome) > 1:
            outcome = self._results(outcome)
        self._replies = outcome
        self._reply = reply = outcome[0]  # as _show() does, behind _forget()
        self._rows = reply.rows

    def _execute_many(
        self, sql: str, rows: parameters.Rows, timeout: float | None
    ) -> Operation[None]:
        """Execute a statement once for each of many parameters.

        They are sent as arrays, or INSERT and REPLACE as statements of many rows, where
        that means the same.
        """
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if not isinstance(sql, str):
            refuse_text("a statement", sql)
        if self._owes:
            yield from self._session.discard()
        self._forget()
        connection = self._connection
        deadline = connection._deadline(timeout)
        yield from self._session.settle_mode(sql, deadline)
        rows = parameters.rows_of(sql, rows, self._session.mode)
        many = Many(connection, sql, self._reading, deadline)
        prepare = self._prepare
        if connection._options.prepare_threshold is None:
            prepare = bool(prepare)
        yield from many.execute(rows, prepare)
        self._many = many
        if many.replies:
            self._replies, self._place = many.replies, 0
            self._show(many.replies[0])

    def _call(
        self, name: str, params: Sequence[Any], timeout: float | None
    ) -> Operation[tuple[Any, ...]]:
        """Call a procedure; what comes of it are its parameters afterwards."""
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if not isinstance(name, str):
            refuse_text("a procedure's name", name)
        connection, session = self._connection, self._session
        if self._owes:
            yield from session.discard()
        self._forget()
        deadline = connection._deadline(timeout)
        encoders = connection._encoders
        sql, values = modes_statement(name)
        yield from session.settle_mode(name, deadline)
        text = parameters.render(sql, values, session.mode, encoders)
        replies = yield from session.query(text, PLAIN, deadline=deadline)
        sql, values, places = call_statement(name, params, replies[0].rows)
        text = parameters.render(sql, values, session.mode, encoders)
        # The block's last result set, before its status, has the parameters: tuples
        # at first, whatever rows the procedure's own results shall have.
        reading = connection._reading(tuple_row) if places else self._reading
        replies = yield from session.query(text, reading, deadline=deadline)
        results = list(params)
        if places:
            *replies, last, status = replies
            for place, value in zip(places, last.rows[0], strict=True):
                results[place] = value
            for reply in replies:
                self._reshape(reply)
            replies.append(status)
        self._replies, self._place = self._results(replies), 0
        self._show(self._replies[0])
        return tuple(results)

    def _reshape(self, reply: Reply) -> None:
        """Make rows of the cursor's shape out of tuples."""
        if reply.columns is not None and self._row_factory is not tuple_row:
            make = self._row_factory(tuple(column[0] for column in reply.columns))
            reply.rows[:] = [make(*row) for row in reply.rows]

    # Results

    def _check_executed(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        super()._check_executed()

    def _next_piece(self, count: int, deadline: float | None) -> Operation[list[Any]]:
        """More rows of a stream."""
        session = self._session
        if not self._streaming:
            raise InterfaceError(
                "the stream was ended before its last row: by an error, or because its "
                "connection was closed"
            )
        try:
            rows: list[Any] = yield from session.fetch(count, deadline)
        except Exception:
            # Nobody shall read on behind a row that could not be read.
            yield from session.discard()
            raise
        # The last piece is a short one; but where somebody has closed the connection
        # since, others may be short too, and rows missing.
        last = len(rows) < count and not session.streaming
        self._complete = last and session.state not in GONE
        self._before += self._index
        self._rows, self._index = rows, 0
        return rows

    def _fetch_one(self, timeout: float | None = DEFAULT) -> Operation[Any]:
        """The next row of a stream, or ``END``."""
        rows = self._check()
        deadline = self._connection._deadline(timeout)
        while self._index >= len(rows):
            if self._complete:
                return END
            rows = yield from self._next_piece(PIECE, deadline)
        self._index += 1
        return rows[self._index - 1]

    def _fetch_many(self, count: int, timeout: float | None) -> Operation[list[Any]]:
        """Up to ``count`` rows of a stream."""
        rows = self._check()
        self._check_count(count)
        taken = rows[self._index : self._index + count]
        self._index += len(taken)
        deadline = self._connection._deadline(timeout)
        while len(taken) < count and not self._complete:
            piece = min(PIECE, count - len(taken))
            rows = yield from self._next_piece(piece, deadline)
            self._index = len(rows)
            taken += rows
        return taken

    def _next_set(self, timeout: float | None) -> Operation[bool | None]:
        """Go on to the next result of a stream."""
        self._check_executed()
        deadline = self._connection._deadline(timeout)
        session = self._session
        while not self._complete:
            yield from self._next_piece(PIECE, deadline)
        if not self._owes:
            return None
        reply = yield from session.next_result(deadline)
        self._complete = not reply.has_rows
        if not reply.has_rows and not self._connection._options.multi_statements:
            return None  # how the call of a procedure went
        self._show(reply)
        return True

    def _close(self) -> Operation[None]:
        """Give up what is left of a stream."""
        if self._owes:
            yield from self._session.discard()
        self._forget()
        self._closed = True

    # What is known of the last statement

    @property
    def connection(self) -> Any:
        """The connection on which it executes."""
        return self._connection

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Do nothing: sizes are taken from the values (PEP 249)."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Do nothing: values come whole (PEP 249)."""


class PreparedBase:
    """A statement that is kept prepared, without the waiting.

    Args:
        connection: on which it was prepared.
        sql: its text.
        row_factory: how rows look.
        stream: whether rows stay on the server's side until they are fetched.
    """

    def __init__(
        self,
        connection: ConnectionBase,
        sql: str,
        row_factory: RowFactory | None,
        stream: bool,
    ) -> None:
        self._connection = connection
        self._statements = connection._session.statements
        self._look = row_factory, stream
        #: Its text.
        self.sql = sql
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<{type(self).__module__}.{type(self).__name__} {state}>"

    def _sql(self) -> str:
        """The text, of a statement that can be executed."""
        if self._closed:
            raise InterfaceError("the prepared statement is closed")
        return self.sql

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._statements.unpin(self.sql)

    def __del__(self) -> None:
        if hasattr(self, "_closed"):
            self._close()
