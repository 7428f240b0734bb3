"""What the pipelines of all worlds share: statements that are sent ahead.

Owns the queue of statements, which of them may be on their way at once, and whose each
answer is. Knows no loop: ``pipeline`` and ``aio`` run the operation that is made here;
how sending and reading take turns is in C (csrc/wire/pipeline.c).

A statement is written when it is queued, so its parameters may change afterwards. It
holds only for the way of reading statements that the server had then, so nothing is
sent behind a statement that may change that (SET and all that is not known to leave it
alone) before its answer is there, and then only what still holds.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from . import parameters
from ._cursor import DEFAULT, Parameters, refuse_text
from ._results import END, Results
from ._unique import Unique
from .errors import (
    Busy,
    ConnectionLost,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from .state import GONE, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._connection import ConnectionBase
    from ._wire import Reply
    from .rows import RowFactory
    from .wait import Operation

#: How statements begin behind which others may be sent at once: they leave alone how
#: the server reads the next one, and do not begin or end a transaction. What a routine
#: or trigger of theirs sets comes back at its end, and it cannot commit.
#: Comments may stand before, but none that the server executes; what was found to be
#: one is not looked at again (``?>``), or it might end elsewhere.
_PASSABLE: Final = re.compile(
    r"(?>(?:[\s(]+|/\*(?!M?!).*?\*/)*)"
    r"(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|VALUES|DO|SHOW|DESC|DESCRIBE|EXPLAIN)"
    r"\b",
    re.IGNORECASE | re.DOTALL,
)

#: Comes first where a transaction() block is open under autocommit: should the server
#: roll it back, in a deadlock, those statements that are on their way already would be
#: on their own, each committed for good. The block undoes it at its end.
_AUTOCOMMIT_OFF: Final = b"SET autocommit = 0"

#: Stands for a statement that holds for every mode, but in UTF-8 only.
_ANY_MODE: Final = -1


class Result(Results):
    """The results of one statement of a pipeline; made by ``Pipeline.execute``.

    They are there after ``sync`` or at the pipeline's end, and are read as those of a
    cursor, without waiting, on every loop. Until then everything raises
    ``InterfaceError``, and if the statement failed, its own error.
    """

    def __init__(
        self, connection: ConnectionBase, text: bytes, mode: int | None, passable: bool
    ) -> None:
        super().__init__()
        self._connection = connection
        self._text = text
        self._mode = mode
        self._passable = passable
        self._current: Reply | None = None
        self._error: Exception | None = None
        #: Whether somebody has seen the error.
        self._seen = False

    def __repr__(self) -> str:
        state = "waiting"
        if self.done:
            state = "done" if self._error is None else type(self._error).__name__
        return f"<{type(self).__module__}.{type(self).__name__} {state}>"

    @property
    def _reply(self) -> Reply:
        if self._current is not None:
            return self._current
        if self._error is not None:
            self._seen = True
            raise self._error
        raise InterfaceError(
            "the statement waits to be sent: sync() its pipeline, or end its block"
        )

    @_reply.setter
    def _reply(self, reply: Reply) -> None:
        self._current = reply

    def _take(self, answer: list[Reply] | Exception) -> None:
        """Take over the answer: the replies, or the error."""
        self._text = b""
        if isinstance(answer, Exception):
            self._error = answer
            return
        self._replies = self._results(answer) if len(answer) > 1 else answer
        self._show(self._replies[0])

    @property
    def done(self) -> bool:
        """Whether the answer is there."""
        return self._current is not None or self._error is not None

    @property
    def error(self) -> Exception | None:
        """The statement's own error, or None; nobody else is told of it then.

        Raises:
            InterfaceError: the statement has not been sent yet.
        """
        if self._error is None:
            self._check_executed()
        self._seen = True
        return self._error

    def fetchone(self) -> Any:
        """The next row, or None at the end."""
        row = self._take_one()
        return None if row is END else row

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next ``size`` rows (default: ``arraysize``), fewer at the end."""
        return self._take_many(self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        return self._take_all()

    def nextset(self) -> bool | None:
        """Go on to the next result; None if there is none."""
        return self._take_next_set()

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Move in the rows; raises IndexError if there is no such row."""
        self._move(value, mode)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        row = self._take_one()
        if row is END:
            raise StopIteration
        return row


class _Part:
    """Statements that are sent together.

    Attributes:
        results: theirs.
        prefixed: whether a statement of our own comes first.
        exposed: whether nothing can be sent ahead in the transaction that is open.
        answers: what came of what was sent.
    """

    __slots__ = ("answers", "exposed", "prefixed", "results")

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.prefixed = self.exposed = False
        self.answers: list[Any] = []

    @property
    def failed(self) -> bool:
        """Whether a statement of it did."""
        return any(isinstance(answer, Exception) for answer in self.answers)


class PipelineBase(Unique):
    """Statements that are sent ahead of their replies, without the waiting.

    Args:
        connection: on which they are executed.
        row_factory: how rows look, see ``mariadb_nb.rows``.
        timeout: seconds that each ``sync`` may take.
    """

    def __init__(
        self,
        connection: ConnectionBase,
        row_factory: RowFactory | None,
        timeout: float | None,
    ) -> None:
        self._connection = connection
        self._session = connection._session
        self._run = connection._run
        self._reading = connection._reading(row_factory or connection._row_factory)
        self._timeout = timeout
        self._queue: deque[Result] = deque()
        #: Those whose answer was an error.
        self._failed: list[Result] = []
        self._open = False
        #: Has an entry while a ``sync`` is under way, made as that of ``turns``.
        self._sending: dict[str, object] = {}

    def __del__(self) -> None:
        # Ctrl-C may come when the block has not begun yet, and it never ends then.
        if getattr(self, "_open", False) and self._session.queued is self._queue:
            self._session.queued = None

    def __repr__(self) -> str:
        state = f"{len(self._queue)} waiting" if self._open else "closed"
        return f"<{type(self).__module__}.{type(self).__name__} {state}>"

    @property
    def connection(self) -> Any:
        """The connection on which its statements are executed."""
        return self._connection

    def _check_open(self) -> None:
        if not self._open:
            raise InterfaceError("the pipeline is not open: use it inside its block")
        if self._session.state in GONE:
            raise refusal(self._session.state)

    def execute(self, sql: str, params: Parameters = None) -> Result:
        """Queue a statement; it never waits.

        Args:
            sql: the statement; ``?``, ``%s`` or ``%(name)s`` stand for parameters.
            params: their values; None sends the text as it is.

        Raises:
            ProgrammingError: parameters and placeholders do not fit.
            DataError: the server could not hold a value as it is.
        """
        self._check_open()
        if not isinstance(sql, str):
            refuse_text("a statement", sql)
        connection, session = self._connection, self._session
        mode: int | None = None
        if params is not None:
            mode = session.mode
            text = parameters.render(sql, params, mode, connection._encoders)
            if mode & parameters.DOUBTFUL:
                mode = _ANY_MODE  # so it was written
        else:
            text = parameters.plain(sql)
            if not sql.isascii():
                session.check_charset()
                mode = _ANY_MODE
        several = connection._options.multi_statements and ";" in sql
        passable = not several and _PASSABLE.match(sql) is not None
        result = Result(connection, text, mode, passable)
        self._queue.append(result)
        return result

    # Sending and reading

    def _sync(self, timeout: float | None) -> Operation[None]:
        """Send what is queued and read all answers, part after part."""
        self._check_open()
        session = self._session
        deadline = self._connection._deadline(
            self._timeout if timeout is DEFAULT else timeout
        )
        owner = part = _Part()
        try:
            if self._sending.setdefault("sync", owner) is not owner:
                raise Busy("the pipeline is being sent by another sync()")
            session.queued = None  # what is sent now is this pipeline's own
            while self._queue and session.state not in GONE:
                yield from session.refresh_status(deadline)
                if part.exposed and part.failed and not session.in_transaction:
                    # Or the rest would be committed without it.
                    what = "was not sent, because the server ended the transaction"
                    self._lose(self._queue, what)
                part = _Part()
                yield from self._send(part, deadline)
            if session.state in GONE:
                self._lose(self._queue, "was not sent")
        finally:
            if self._sending.get("sync") is owner:
                session.queued = self._queue if self._open else None
                self._sending.clear()

    def _send(self, part: _Part, deadline: float | None) -> Operation[None]:
        """Send the next part of the queue, and hand the answers out."""

        def take() -> list[bytes]:
            return self._take_part(part)

        try:
            yield from self._session.pipeline(
                take, self._reading, part.answers, deadline
            )
        finally:
            self._hand_out(part)

    def _take_part(self, part: _Part) -> list[bytes]:
        """What is sent next; called by the one who has the connection's turn."""
        queue, session, block = self._queue, self._session, self._session.block
        under_autocommit = session.in_transaction and session.autocommit
        part.exposed = under_autocommit and block is None
        while queue:
            part.results.append(queue[0])
            if not queue.popleft()._passable or part.exposed:
                break
        for result in part.results:
            if result._mode is not None:
                self._check_mode(result)
        texts = [result._text for result in part.results if not result.done]
        if under_autocommit and block is not None and texts:
            block.autocommit_is_off = part.prefixed = True
            texts.insert(0, _AUTOCOMMIT_OFF)
        return texts

    def _check_mode(self, result: Result) -> None:
        """Keep a statement from being sent that the server would read otherwise."""
        try:
            mode = self._session.mode
        except ProgrammingError as error:
            result._take(error)
        else:
            if result._mode not in (mode, _ANY_MODE):
                result._take(
                    ProgrammingError(
                        "the statement was not sent: its parameters were written for "
                        "another sql_mode than one before it has set; call sync() "
                        "behind that one"
                    )
                )

    def _hand_out(self, part: _Part) -> None:
        """Give each statement its answer, as far as there are any."""
        waiting = deque(result for result in part.results if not result.done)
        for answer in part.answers[part.prefixed :]:
            waiting.popleft()._take(answer)
        self._failed += [result for result in part.results if result._error is not None]
        self._lose(waiting, "was not answered, and may have been executed")

    def _lose(self, results: deque[Result], what: str) -> None:
        """Say that there is no answer, and will not be any."""
        gone = self._session.state in GONE
        error = ConnectionLost if gone else OperationalError
        while results:
            results.popleft()._take(error(f"the statement {what}"))

    # The block

    def _begin(self) -> None:
        session = self._session
        if session.state in GONE:
            raise refusal(session.state)
        if session.queued is not None:
            raise InterfaceError("another pipeline is open on this connection")
        self._open = True
        session.queued = self._queue

    def _end(self, error: BaseException | None) -> None:
        """End the block; an error that nobody has seen is raised, or else noted."""
        if self._open:
            self._open = False
            self._session.queued = None
        self._lose(self._queue, "was not sent")
        failed = [result._error for result in self._failed if not result._seen]
        self._failed = []
        errors = [found for found in failed if found is not None and found is not error]
        raised = errors.pop(0) if errors and error is None else None
        told = error or raised
        if told is not None and errors:
            told.add_note(
                f"{len(errors)} more of the pipeline's statements failed, the first of "
                f"them with {errors[0]!r}"
            )
        if raised is not None:
            raise raised
