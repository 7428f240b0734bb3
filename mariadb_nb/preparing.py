"""Preparing statements and executing them: the operations of a session for it.

Owns what is done when the server cannot or will not execute a statement that was
prepared: it is sent as text, unless it may have been executed already. Which statements
are prepared is decided in ``statements``. Knows no loop.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from . import _wire, state
from .errors import Error, NotSupportedError, is_of_library
from .operations import drive
from .statements import TRACKING
from .turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._wire import Bound, Reading, Statement
    from .statements import Entry, Statements
    from .wait import Operation, Wait

#: Values as they come, rows as tuples.
PLAIN: Final = _wire.Reading(0)
#: Whether the server reads statements in UTF-8, all of it.
ASK_CHARSET: Final = b"SELECT @@character_set_client = 'utf8mb4'"
#: What the server says of statements that it executes, but cannot prepare:
#: ER_PARSE_ERROR (a parameter where only a literal is possible), ER_WRONG_ARGUMENTS,
#: ER_NOT_SUPPORTED_YET, ER_UNSUPPORTED_PS, ER_PS_MANY_PARAM, ER_PS_NO_RECURSION and
#: ER_ILLEGAL_PARAMETER_DATA_TYPES (of a parameter that it does not know yet).
UNPREPARABLE: Final = frozenset({1064, 1210, 1235, 1295, 1390, 1444, 4078, 4079})
#: ER_MAX_PREPARED_STMT_COUNT_REACHED.
TOO_MANY: Final = 1461
#: What it says instead of executing one: ER_UNKNOWN_STMT_HANDLER, ER_NEED_REPREPARE.
NOT_EXECUTED: Final = frozenset({1243, 1615})
#: ER_QUERY_INTERRUPTED, ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK and
#: ER_STATEMENT_TIMEOUT are about the moment, not about a statement.
OF_THE_MOMENT: Final = frozenset({1205, 1213, 1317, 1969})


class Preparing(Turns):
    """A session's statements that are prepared.

    Attributes:
        statements: decides which, and has them.
    """

    statements: Statements
    waits: dict[int, Wait]

    @abstractmethod
    def check_charset(self) -> None:
        """Make sure that the server reads statements in UTF-8."""

    @property
    @abstractmethod
    def fd(self) -> int:
        """The descriptor of its socket."""

    @abstractmethod
    def query(
        self,
        sql: bytes | str,
        reading: Reading,
        stream: bool = False,
        deadline: float | None = None,
    ) -> Operation[Any]:
        """Send a statement as text."""

    @abstractmethod
    def _usable_channel(self) -> Any:
        """The channel, or an error if there is none."""

    @abstractmethod
    def _next(self, operation: Operation[Any]) -> Operation[Any]:
        """Run an operation after the stream of a reader that is gone."""

    def ask_charset(self, deadline: float | None = None) -> Operation[None]:
        """Ask the server for its character set, if another one may be set untold."""
        channel = self._usable_channel()
        if channel.doubts_charset:
            replies = yield from self.query(ASK_CHARSET, PLAIN, deadline=deadline)
            if replies[0].rows == [(1,)]:  # any other answer leaves the doubt
                channel.trust_charset()

    def settle_mode(self, sql: str, deadline: float | None = None) -> Operation[None]:
        """Make sure of how the server reads a statement with parameters.

        Raises:
            ProgrammingError: it reads it in another character set.
        """
        yield from self.ask_charset(deadline)
        self.check_charset()
        if "\\" in sql and self._usable_channel().mode & _wire.MODE_DOUBTFUL:
            settling = b"SET sql_mode = @@sql_mode"
            yield from self.query(settling, PLAIN, deadline=deadline)

    def chosen(self, sql: str, asked: bool | None) -> Entry | None:
        """The entry of a statement that is to be executed by ``run``, or None."""
        channel = self._channel
        if channel is None:
            return None
        if not (asked or self.statements.watching):
            return None
        return self.statements.choose(sql, asked, channel)

    def prepare(
        self, sql: bytes, deadline: float | None = None
    ) -> Operation[Statement]:
        """Have the server prepare a statement, with ``?`` for its parameters.

        Raises:
            Busy: another operation is going on.
            OperationTimeout: the deadline passed.
            DatabaseError: the server's answer.
        """
        channel = self._usable_channel()
        operation = drive(
            self, state.START, channel.prepare, (sql,), channel.resume, deadline
        )
        return operation if self.state is not state.RESULT else self._next(operation)

    def execute(
        self,
        statement: Statement,
        bound: Bound | None,
        reading: Reading,
        stream: bool = False,
        deadline: float | None = None,
        prefetch: int = 0,
        otherwise: tuple[Any, ...] | None = None,
    ) -> Operation[Any]:
        """Execute a prepared statement; what comes of it is as of ``query``.

        Args:
            statement: of ``prepare``, on this session.
            bound: its parameters, see ``parameters.template(...).bind``.
            reading: how to read values and rows.
            stream: leave the rows to ``fetch``.
            deadline: when to give up, in seconds of ``time.monotonic()``.
            prefetch: how many rows of a stream the server sends at once, which keeps
                the others; 0: it sends all.
            otherwise: what takes its place if it raises, see ``drive``.
        """
        channel = self._channel
        if channel is None:
            channel = self._usable_channel()
        operation = drive(
            self,
            state.START,
            channel.execute,
            (statement, bound, reading, stream, prefetch),
            channel.resume,
            deadline,
            otherwise,
        )
        return operation if self.state is not state.RESULT else self._next(operation)

    def run(
        self,
        entry: Entry,
        bound: Bound | None,
        text: tuple[Any, ...],
        reading: Reading,
        asked: bool | None,
        reader: Callable[[], object] | None = None,
        deadline: float | None = None,
        prefetch: int = 0,
    ) -> Operation[Any]:
        """Execute a statement as a prepared one if that is possible, else as text.

        Args:
            entry: of ``statements.choose``.
            bound: its parameters.
            text: a function that makes the same as text, and its arguments.
            reading: how to read values and rows.
            asked: whether the application wants it to be prepared.
            reader: returns who fetches the rows, as for ``stream``; None: all rows
                are read.
            deadline: when to give up, in seconds of ``time.monotonic()``.
            prefetch: as for ``execute``.
        """
        stream = reader is not None
        written = text, reading, stream, deadline
        if bound is not None and bound.pieces:
            self.statements.drop(entry)
        statement = entry.statement
        if statement is None:
            try:
                statement = yield from self.prepare_entry(entry, asked, deadline)
            except Error as error:
                if not self._is_unpreparable(error):
                    raise
        if statement is None:
            outcome = yield from self._as_text(*written)
        else:
            otherwise = self._unless_executed, entry, self._as_text, *written
            outcome = yield from self.execute(
                statement, bound, reading, stream, deadline, prefetch, otherwise
            )
        if stream:
            self.reader = reader
        return outcome

    def _unless_executed(
        self,
        error: BaseException,
        entry: Entry,
        other_way: Callable[..., Operation[Any]],
        *arguments: Any,
    ) -> Operation[Any] | None:
        """What takes its place, if the server has not executed what was prepared."""
        if not isinstance(error, Error) or error.errno not in NOT_EXECUTED:
            return None
        self.statements.drop(entry)
        return other_way(*arguments)

    def _as_text(
        self,
        text: tuple[Any, ...],
        reading: Reading,
        stream: bool,
        deadline: float | None,
    ) -> Operation[Any]:
        make, *arguments = text
        return self.query(make(*arguments), reading, stream, deadline)

    def run_prepared(
        self,
        entry: Entry | None,
        sql: bytes,
        bound: Bound | None,
        reading: Reading,
        reader: Callable[[], object],
        deadline: float | None = None,
    ) -> Operation[Any]:
        """Execute a statement as a prepared one, never as text; its rows stream.

        Args:
            entry: of ``chosen``; None: what is prepared is not kept.
            sql: the text, with ``?`` for its parameters.
            bound: its parameters.
            reading: how to read values and rows.
            reader: returns who fetches the rows.
            deadline: when to give up, in seconds of ``time.monotonic()``.
        """
        once = sql, bound, reading, deadline
        statement = None
        if entry is not None:
            statement = yield from self._kept(entry, bound, deadline)
        if entry is None or statement is None:
            outcome = yield from self._prepared_once(*once)
        else:
            otherwise = self._unless_executed, entry, self._prepared_once, *once
            outcome = yield from self.execute(
                statement, bound, reading, True, deadline, 0, otherwise
            )
        self.reader = reader
        return outcome

    def _prepared_once(
        self, sql: bytes, bound: Bound | None, reading: Reading, deadline: float | None
    ) -> Operation[Any]:
        """Execute a statement that is prepared for this once; its rows stream."""
        statement = yield from self.prepare(sql, deadline)
        return (yield from self.execute(statement, bound, reading, True, deadline))

    def _kept(
        self, entry: Entry, bound: Bound | None, deadline: float | None
    ) -> Operation[Statement | None]:
        """A statement that is kept; None if there is no room for it, or no way."""
        if bound is not None and bound.pieces:
            self.statements.drop(entry)
        if entry.statement is not None:
            return entry.statement
        try:
            return (yield from self.prepare_entry(entry, True, deadline))
        except Error as error:
            if error.errno != TOO_MANY or self.state is not state.READY:
                raise
            return None  # others were given up, which makes room for this once

    def _is_unpreparable(self, error: Error) -> bool:
        """Whether the statement can be executed as text after the error."""
        number = error.errno
        return self.state is state.READY and (
            number in UNPREPARABLE or number == TOO_MANY
        )

    def prepare_entry(
        self, entry: Entry, asked: bool | None, deadline: float | None
    ) -> Operation[Statement | None]:
        """Have the server prepare a statement, and keep it.

        Returns:
            It, or None if it is to be sent as text.

        Raises:
            Error: the server refused it; what is to be remembered of that is.
        """
        template, statements = entry.template, self.statements
        sql = template.preparable if template is not None else None
        if sql is None or not (yield from self._be_told(deadline)):
            return None
        try:
            statement = yield from self.prepare(sql, deadline)
        except Error as error:
            if error.errno == TOO_MANY:
                statements.make_room(entry)
            elif error.errno in UNPREPARABLE:
                statements.refuse(entry)
            raise
        return statement if statements.keep(entry, statement, asked) else None

    def _be_told(self, deadline: float | None) -> Operation[bool]:
        """Have the server tell what prepared statements depend on."""
        statements = self.statements
        if statements.told:
            return True
        try:
            yield from self.query(f"SET {TRACKING}".encode(), PLAIN, deadline=deadline)
        except Error as error:
            number = error.errno
            if (
                self.state is not state.READY
                or is_of_library(number)
                or number in OF_THE_MOMENT
            ):
                raise
            return False  # it cannot, or not now
        statements.note_told(self._usable_channel())
        return True

    def pin(self, sql: str, deadline: float | None) -> Operation[None]:
        """Prepare a statement and keep it until ``statements.unpin``.

        Raises:
            NotSupportedError: it cannot be prepared.
            DatabaseError: the server's answer.
        """
        statements = self.statements
        statements.pin(sql)
        try:
            yield from self.settle_mode(sql, deadline)
            entry = statements.choose(sql, True, self._usable_channel())
            if entry is not None and entry.statement is None:
                yield from self.prepare_entry(entry, True, deadline)
            if entry is None or entry.statement is None:
                raise NotSupportedError(
                    "the statement cannot be prepared: it is several statements, has "
                    "a placeholder in a comment that not every server reads, or the "
                    "server does not tell what it depends on; execute it as text"
                )
        except BaseException:
            statements.unpin(sql)
            raise
