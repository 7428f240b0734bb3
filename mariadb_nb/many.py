"""executemany: how the rows of a statement reach the server with few requests.

Owns the choice between array binding, statements of many rows and a statement for each
row; what comes of all of them together; and which rows an error is about. What may be
done with a statement is known to ``parameters``, how it is executed to ``session``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, tee
from typing import TYPE_CHECKING, Any, Final

from . import parameters
from .ahead import Ahead
from .errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    OperationalError,
    ProgrammingError,
)
from .state import READY

if TYPE_CHECKING:
    from ._connection import ConnectionBase
    from ._wire import Reading, Reply, Statement, Template
    from .statements import Entry
    from .wait import Operation

#: Bytes of a statement of many rows, if the server takes them, and how many every
#: server takes: max_allowed_packet is 1024 or more.
BATCH: Final = 1 << 18
TAKEN_BY_ALL: Final = 1022
#: Bytes of a request with an array of parameters: the server keeps all of it.
BULK: Final = 1 << 20
#: Of both where they are compressed: the library does that in one go, and needs up to
#: 70 ns for a byte.
COMPRESSED: Final = 1 << 15
#: From so many rows on, preparing the statement is worth its while: an INSERT of fewer
#: is one statement, anything else is one for each row.
ENOUGH_TO_INSERT: Final = 32
ENOUGH_TO_CHANGE: Final = 3
#: The same if it is prepared already.
ENOUGH_AGAIN: Final = 2
#: What the server says before it executes anything: ER_UNKNOWN_STMT_HANDLER, and
#: ER_UNSUPPORTED_PS of a statement that takes no arrays.
NOT_EXECUTED: Final = frozenset({1243, 1295})
#: The first version that tells which row of an INSERT failed.
TELLS_ROW: Final = (10, 7, 0)
#: Leaves what SHOW WARNINGS says as it is.
ASK_ROW: Final = (
    "BEGIN NOT ATOMIC DECLARE nb_row INT; "
    "GET DIAGNOSTICS CONDITION 1 nb_row = ROW_NUMBER; SELECT nb_row; END"
)
#: Likewise. Of an UPDATE or DELETE with an array the reply has the sum of what it was
#: after each row.
ASK_WARNINGS: Final = "SHOW COUNT(*) WARNINGS"


class Many:
    """A statement for many rows of parameters, and what came of it.

    Args:
        connection: on which it is executed.
        sql: the statement.
        reading: how to read values and rows.
        deadline: when to give up, in seconds of ``time.monotonic()``.

    Attributes:
        affected: how many rows were changed or returned.
        warnings: how many warnings there were.
        replies: those of the last request; the first one has the rows of all.
    """

    def __init__(
        self,
        connection: ConnectionBase,
        sql: str,
        reading: Reading,
        deadline: float | None,
    ) -> None:
        self._connection = connection
        self._session = connection._session
        self._sql = sql
        self._reading = reading
        self._deadline = deadline
        compressed = connection._options.compress
        self._batch = COMPRESSED if compressed else BATCH
        self._bulk = COMPRESSED if compressed else BULK
        self._template: Template = parameters.template(sql, self._session.mode)
        self._done = 0
        self._rows: list[Any] = []
        self.affected = 0
        self.warnings = 0
        self.replies: list[Reply] = []

    def execute(self, rows: Iterable[Any], bulk: bool | None) -> Operation[None]:
        """Execute the statement for all rows.

        Args:
            rows: what ``execute`` takes, for each row.
            bulk: whether it is to be prepared; None if where that means the same.
        """
        entry = self._entry(bulk)
        if entry is not None:
            enough = ENOUGH_TO_INSERT if self._template.batch else ENOUGH_TO_CHANGE
            if entry.statement is not None:
                enough = ENOUGH_AGAIN
            if not isinstance(rows, list | tuple):
                rows = iter(rows)
                some = list(islice(rows, enough))
                rows = chain(some, rows) if len(some) == enough else some
            if not isinstance(rows, list | tuple) or len(rows) >= enough:
                rows = yield from self._execute_bulks(entry, rows)
        if self._template.batch:
            yield from self._execute_texts(rows)
        else:
            yield from self._execute_each(rows, bulk)
        if self._rows and self.replies[0].has_rows:
            self.replies[0].rows[:] = self._rows

    # Array binding

    def _entry(self, bulk: bool | None) -> Entry | None:
        """What is known of the statement, if it takes arrays."""
        session = self._session
        if bulk is False or not (self._template.bulk and session.takes_bulks):
            return None
        entry = session.chosen(self._sql, True)
        return entry if entry is not None and (bulk or entry.automatic) else None

    def _execute_bulks(
        self, entry: Entry, rows: Iterable[Any]
    ) -> Operation[Iterable[Any]]:
        """Execute the statement with arrays of parameters; returns the rows left."""
        session, template = self._session, self._template
        statement = yield from self._prepared(entry)
        if statement is None:
            return rows
        longest = yield from self._connection._longest_statement(self._deadline)
        again = rows
        if isinstance(rows, Iterator):
            rows, again = tee(rows)
        encoders = self._connection._encoders
        ahead = Ahead(template.bulks(rows, min(longest, self._bulk), encoders))
        while True:
            operation = session.execute_bulk(
                statement, ahead, self._reading, self._deadline
            )
            try:
                replies = yield from self._told(operation, ahead)
            except DatabaseError as error:
                # Any other one may come from the middle of a request.
                if error.errno not in NOT_EXECUTED or self._done:
                    raise
                session.statements.drop(entry)
                return again
            if replies is None:
                return chain(*ahead.rest())
            again = ()
            before = self.warnings
            self._add(replies, ahead.count)
            if self.warnings > before and not template.batch:
                counted = yield from session.command(ASK_WARNINGS, self._deadline)
                self.warnings = before + counted[0].rows[0][0]

    def _prepared(self, entry: Entry) -> Operation[Statement | None]:
        """The statement as the server prepared it; None if it cannot.

        Why it cannot is told when it is sent as text.
        """
        if entry.statement is not None:
            return entry.statement
        try:
            return (yield from self._session.prepare_entry(entry, True, self._deadline))
        except OperationalError:
            raise  # it is about the moment
        except DatabaseError:
            return None

    # A statement for each row

    def _execute_each(self, rows: Iterable[Any], asked: bool | None) -> Operation[None]:
        """Execute the statement for each row, as a cursor executes it alone."""
        session, encoders = self._session, self._connection._encoders
        for row in rows:
            yield from session.settle_mode(self._sql, self._deadline)
            template = parameters.template(self._sql, session.mode)
            arguments = row, encoders, self._done
            entry = session.chosen(self._sql, asked)
            bound = template.bind(*arguments) if entry is not None else None
            if entry is not None and bound is not None:
                text = template.render, *arguments
                operation = session.run(
                    entry, bound, text, self._reading, asked, None, self._deadline
                )
            else:
                operation = session.query(
                    template.render(*arguments), self._reading, deadline=self._deadline
                )
            self._add((yield from self._told(operation, 1)), 1)

    # Statements of many rows

    def _execute_texts(self, rows: Iterable[Any]) -> Operation[None]:
        for text, count in (yield from self._texts(rows)):
            operation = self._session.query(
                text, self._reading, deadline=self._deadline
            )
            self._add((yield from self._told(operation, count)), count)

    def _texts(self, rows: Iterable[Any]) -> Operation[Iterator[tuple[bytes, int]]]:
        """The statements for the rows, of as many as the server takes at once."""
        rows, again = tee(rows)
        texts = self._render(rows, self._batch)
        first = next(texts, None)
        if first is None:
            return texts
        if len(first[0]) > TAKEN_BY_ALL:
            longest = yield from self._connection._longest_statement(self._deadline)
            if longest < self._batch:
                return self._render(again, longest)
        return chain((first,), texts)

    def _render(
        self, rows: Iterable[Any], max_bytes: int
    ) -> Iterator[tuple[bytes, int]]:
        encoders = self._connection._encoders
        return self._template.batches(rows, max_bytes, encoders, self._done)

    # What came of it

    def _add(self, replies: list[Reply], count: int) -> None:
        """Add what came of a request for so many rows."""
        self._done += count
        self.replies = replies
        for reply in replies:
            self.warnings += reply.warning_count
            if reply.has_rows:
                self.affected += len(reply.rows)
            else:
                self.affected += max(reply.affected_rows, 0)
        if len(replies) == 1 and replies[0].has_rows:
            self._rows += replies[0].rows

    def _told(self, operation: Operation[Any], of: Ahead | int) -> Operation[Any]:
        """Run an operation; its error tells which rows it is about."""
        try:
            return (yield from operation)
        except DatabaseError as error:
            count = of if isinstance(of, int) else of.count
            if error.errno and count and not isinstance(error, ProgrammingError):
                rows = range(self._done, self._done + count)
                error.rows = rows = yield from self._look_closer(error, rows)
                place = f"{rows.start}:{rows.stop}" if len(rows) > 1 else rows.start
                error.message = f"rows[{place}]: {error.message}"
            raise

    def _look_closer(self, error: DatabaseError, rows: range) -> Operation[range]:
        """Ask the server for the row, where it can tell and there are several."""
        session = self._session
        if (
            not isinstance(error, DataError | IntegrityError)
            or not self._template.batch
            or len(rows) < 2
            or session.state is not READY
            or session.server_version < TELLS_ROW
        ):
            return rows
        try:
            replies = yield from session.command(ASK_ROW, self._deadline)
        except Error:
            return rows  # sql_mode=ORACLE has other blocks, or the connection is gone
        number = replies[0].rows[0][0]
        return rows[number - 1 : number] if number and number <= len(rows) else rows
