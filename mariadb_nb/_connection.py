"""What the connections of all worlds share: everything but the waiting.

Owns the session and how its operations are put together: transactions, settings,
warnings. ``connection`` and ``aio`` run the operations that are made here. Knows no
loop.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from . import parameters
from ._cursor import DEFAULT, seconds
from .errors import Busy, Deadlock, InterfaceError, ProgrammingError
from .options import Options
from .rows import RowFactory, make_reading, tuple_row
from .session import PLAIN, Session, deadline_after
from .state import BROKEN, BUSY, CLOSED, GONE, NEW
from .transactions import Distributed, Transaction, Xid, isolation, recovered

if TYPE_CHECKING:
    from ._wire import Reading, Reply
    from .options import Password
    from .wait import Operation


class ServerWarning(NamedTuple):
    """A row of ``SHOW WARNINGS``.

    Attributes:
        level: "Note", "Warning" or "Error".
        code: the server's number.
        message: what it says.
    """

    level: str
    code: int
    message: str


class ConnectionBase:
    """A connection without the waiting.

    Args:
        options: where and how to connect.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._session = Session(options)
        #: Runs an operation: set by the world's own class.
        self._run: Any
        self._encoders = options.encoders
        self._row_factory: RowFactory = options.row_factory or tuple_row
        self._depth = 0
        self._distributed = Distributed()
        self._readings: dict[Any, Reading] = {}
        #: Seconds that an operation may take, or None: the default of ``timeout=``.
        self.timeout: float | None = options.timeout

    def __repr__(self) -> str:
        session = self._session
        return (
            f"<{type(self).__module__}.{type(self).__name__} {self._options.address} "
            f"{session.state} id={session.thread_id}>"
        )

    def __del__(self) -> None:
        session = getattr(self, "_session", None)
        if session is not None and session.state not in (*GONE, NEW):
            try:
                warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2)
            finally:
                with suppress(Busy):
                    session.close()  # a loop may still watch its descriptor

    # How values and rows are read

    def _reading(self, factory: RowFactory) -> Reading:
        reading = self._readings.get(factory)
        if reading is None:
            options = self._options
            reading = make_reading(
                factory,
                converters=options.converters,
                invalid_dates=options.invalid_dates,
            )
            if len(self._readings) < 64:  # a factory may be made for each cursor
                self._readings[factory] = reading
        return reading

    # Operations

    def _statement(self, sql: str, timeout: Any = DEFAULT) -> Operation[list[Reply]]:
        """Execute one statement of our own."""
        deadline = deadline_after(self._seconds(timeout))
        return self._session.query(sql.encode(), PLAIN, deadline=deadline)

    def _statements(
        self, statements: list[str], timeout: Any = DEFAULT
    ) -> Operation[None]:
        for sql in statements:
            yield from self._statement(sql, timeout)

    def _commit(self) -> Operation[None]:
        self._distributed.refuse_plain("commit")
        yield from self._statement("COMMIT")

    def _rollback(self) -> Operation[None]:
        self._distributed.refuse_plain("rollback")
        yield from self._statement("ROLLBACK")

    def _end(self) -> Operation[None]:
        """What a ``with`` block that went well ends with, before it is closed."""
        yield from self._session.discard()
        yield from self._session.refresh_status(deadline_after(self.timeout))
        if self.in_transaction:
            yield from self._commit()

    def _set_autocommit(self, on: bool) -> Operation[None]:
        yield from self._statement(f"SET autocommit = {int(on)}")

    def _set_isolation(self, level: str) -> Operation[None]:
        yield from self._statement(
            f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation(level)}"
        )

    def _show_warnings(self) -> Operation[list[ServerWarning]]:
        (reply,) = yield from self._statement("SHOW WARNINGS")
        return [ServerWarning(*row) for row in reply.rows]

    def _ping(self) -> Operation[None]:
        return self._session.ping(deadline_after(self.timeout))

    def _reset(self) -> Operation[None]:
        yield from self._session.reset(deadline_after(self.timeout))
        self._depth = 0
        self._distributed = Distributed()

    def _change_user(
        self, user: str | None, password: Password | None, database: str | None
    ) -> Operation[None]:
        old = self._options
        options = replace(
            old,
            user=old.user if user is None else user,
            password=old.password if password is None else password,
            database=old.database if database is None else database,
        )
        yield from self._session.change_user(options, deadline_after(self.timeout))
        self._options = options
        self._depth = 0
        self._distributed = Distributed()

    def _kill(self, thread_id: int) -> Operation[None]:
        yield from self._statement(f"KILL {int(thread_id)}")

    # Blocks

    def _begin_block(
        self, isolation_level: str | None, read_only: bool
    ) -> Operation[Transaction]:
        session = self._session
        yield from session.refresh_status(deadline_after(self.timeout))
        block = Transaction(
            self._depth, session.in_transaction, isolation_level, read_only
        )
        block.rollbacks = session.rollbacks
        try:
            yield from self._statements(block.begin())
        except BaseException:
            session.hang_up()  # a transaction that nobody would end may be open
            raise
        self._depth += 1
        return block

    def _end_block(self, block: Transaction, failed: bool) -> Operation[None]:
        """End a block. One that failed is undone, or the connection is no more."""
        self._depth -= 1
        session = self._session
        if session.state in GONE:
            if failed:
                return  # the server has rolled it back; the block's error tells why
            raise InterfaceError(
                "the connection was lost or closed inside transaction(): the server "
                "has rolled it back"
            )
        undone = block.rollbacks != session.rollbacks and not block.nested
        # A task that is cancelled waits for this, so it may not take for ever.
        limit = self._options.cancel_timeout if failed else DEFAULT
        try:
            yield from session.discard()
            yield from session.refresh_status(deadline_after(self._seconds(limit)))
            statements = block.end(failed or undone, session.in_transaction)
            yield from self._statements(statements, limit)
        except BaseException as error:
            session.hang_up()  # which rolls back, and nothing else is sure to
            if failed and isinstance(error, Exception):
                return  # the block's own error tells why
            raise
        if undone and not failed:
            raise Deadlock(
                "the server rolled this transaction back because of a deadlock inside "
                "it, and what came afterwards was rolled back too: begin it anew"
            )

    def _seconds(self, timeout: Any) -> float | None:
        return self.timeout if timeout is DEFAULT else seconds(timeout)

    # Two-phase commit

    def _tpc_begin(self, xid: Xid) -> Operation[None]:
        yield from self._session.refresh_status(deadline_after(self.timeout))
        yield from self._statements(
            self._distributed.begin(xid, self._session.in_transaction)
        )
        self._distributed.note(xid)

    def _tpc_prepare(self) -> Operation[None]:
        yield from self._tpc_statements(self._distributed.prepare())
        self._distributed.note(self._distributed.xid, prepared=True)

    def _tpc_statements(self, statements: list[str]) -> Operation[None]:
        """Execute statements on the branch, and remember what was carried out."""
        for sql in statements:
            yield from self._statement(sql)
            self._distributed.ended = sql.startswith("XA END")

    def _tpc_end(self, verb: str, xid: Xid | None) -> Operation[None]:
        statements = self._distributed.end(verb, xid)
        if xid is None:
            yield from self._tpc_statements(statements)
            self._distributed.note(None)
        elif self._session.autocommit:
            yield from self._statements(statements)
        else:
            # The server ends another connection's branch outside transactions only.
            yield from self._session.refresh_status(deadline_after(self.timeout))
            if self.in_transaction:
                raise ProgrammingError("a transaction is open: end it first")
            yield from self._set_autocommit(True)
            try:
                yield from self._statements(statements)
            finally:
                if not self.closed:
                    yield from self._set_autocommit(False)

    def _tpc_recover(self) -> Operation[list[Xid]]:
        (reply,) = yield from self._statement("XA RECOVER")
        return [recovered(row) for row in reply.rows]

    def xid(
        self, format_id: int, global_transaction_id: str, branch_qualifier: str
    ) -> Xid:
        """Name a branch of a distributed transaction, for ``tpc_begin``."""
        return Xid.checked(format_id, global_transaction_id, branch_qualifier)

    # What is known of the connection

    @property
    def session(self) -> Session:
        """The session below, for whoever runs its operations on a loop of their own."""
        return self._session

    @property
    def closed(self) -> bool:
        """Whether it can no longer be used: closed, or broken."""
        return self._session.state in GONE

    @property
    def busy(self) -> bool:
        """Whether an operation is going on."""
        return self._session.state == BUSY

    @property
    def broken(self) -> bool:
        """Whether it was lost, or ended in the middle of a reply."""
        return self._session.state == BROKEN

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, as the server said last."""
        return self._session.in_transaction

    @property
    def database(self) -> str | None:
        """The default database, also after ``USE``."""
        return self._session.database

    @property
    def thread_id(self) -> int:
        """The connection's number on the server, as in SHOW PROCESSLIST."""
        return self._session.thread_id

    @property
    def server_info(self) -> str:
        """The server's version as it calls it, as "10.11.19-MariaDB"."""
        return self._session.server_info

    @property
    def server_version(self) -> tuple[int, int, int]:
        """The server's version in numbers."""
        return self._session.server_version

    def literal(self, value: Any) -> str:
        """A value as an SQL literal, as it is sent for a placeholder.

        Raises:
            ProgrammingError: there is no literal for values of its type.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            return f"X'{bytes(value).hex()}'"
        text = parameters.render("?", (value,), self._session.mode, self._encoders)
        return text.decode()

    def _check_open(self) -> None:
        if self._session.state == CLOSED:
            raise InterfaceError("the connection is closed")
