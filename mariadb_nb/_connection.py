"""What the connections of all worlds share: everything but the waiting.

Owns the session and how its operations are put together: transactions, settings,
warnings. ``connection`` and ``aio`` run the operations that are made here. Knows no
loop.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from . import load_sql, parameters
from ._cursor import DEFAULT, refuse_text, seconds
from ._unique import Unique
from .errors import (
    ConnectionLost,
    Deadlock,
    Error,
    InterfaceError,
    OperationTimeout,
    ProgrammingError,
)
from .load_files import FileLoad
from .loading import Load, RowLoad
from .option_checks import boolean, integer
from .options import Options
from .rows import RowFactory, make_reading, tuple_row
from .session import Session, deadline_after
from .state import BROKEN, BUSY, CLOSED, GONE
from .transactions import Distributed, Transaction, Xid, isolation, recovered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._wire import Reading
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


class ConnectionBase(Unique):
    """A connection without the waiting.

    Args:
        options: where and how to connect.
        session: one that is connected already; None for a new one.
        runner: what runs its operations, if it is there already.
    """

    def __init__(
        self,
        options: Options,
        session: Session | None = None,
        runner: Any = None,
    ) -> None:
        self._options = options
        self._session = session or Session(options)
        #: Runs operations: made by the world's own class.
        self._runner: Any
        self._run: Any
        self._encoders = options.encoders
        self._row_factory: RowFactory = options.row_factory or tuple_row
        self._forget_blocks()
        self._readings: dict[Any, Reading] = {}
        #: max_allowed_packet of the session; 0 while nobody has needed it.
        self._max_packet = 0
        #: Seconds that an operation may take, or None: the default of ``timeout=``.
        self.timeout: float | None = options.timeout

    def _forget_blocks(self) -> None:
        """Begin without any transaction."""
        #: The ``transaction()`` blocks that are open.
        self._blocks: list[Transaction] = []
        self._session.block = None
        self._distributed = Distributed()

    def __repr__(self) -> str:
        session = self._session
        return (
            f"<{type(self).__module__}.{type(self).__name__} {self._options.address} "
            f"{session.state} id={session.thread_id}>"
        )

    def _hand_over(self) -> Self:
        """The same connection for somebody else; for whoever has this, it is closed.

        Raises:
            Busy: an operation is under way.
            InterfaceError: it is closed or broken.
        """
        session = self._session.hand_over()
        heir = type(self)(self._options, session, self._runner.hand_over())
        heir._readings = self._readings
        return heir

    # How values and rows are read

    def _reading(self, factory: RowFactory) -> Reading:
        try:
            reading = self._readings.get(factory)
        except TypeError:
            reading = None  # it has no hash
        if reading is not None:
            return reading
        options = self._options
        reading = make_reading(
            factory,
            converters=options.converters,
            invalid_dates=options.invalid_dates,
        )
        if len(self._readings) < 64:  # a factory may be made for each cursor
            with suppress(TypeError):
                self._readings[factory] = reading
        return reading

    # Operations

    def _deadline(self, timeout: float | None) -> float | None:
        """When an operation that begins now has to be over, in ``monotonic()``."""
        return deadline_after(self.timeout if timeout is DEFAULT else seconds(timeout))

    def _statements(
        self, statements: Sequence[str], deadline: float | None
    ) -> Operation[None]:
        for sql in statements:
            yield from self._carry_out(sql, deadline)

    def _carry_out(self, sql: str, deadline: float | None) -> Operation[None]:
        """Execute a statement of transactions."""
        try:
            yield from self._session.command(sql, deadline)
        except (ConnectionLost, OperationTimeout) as error:
            if sql.startswith(("COMMIT", "XA COMMIT")):
                error.message += "; it is not known whether this was committed"
            raise

    def _hold(self, sql: str, timeout: float | None) -> Operation[None]:
        return self._session.pin(sql, self._deadline(timeout))

    def _commit(self, timeout: float | None = DEFAULT) -> Operation[None]:
        self._distributed.refuse_plain("commit")
        self._refuse_in_block("commit")
        yield from self._carry_out("COMMIT", self._deadline(timeout))

    def _rollback(self, timeout: float | None) -> Operation[None]:
        self._distributed.refuse_plain("rollback")
        self._refuse_in_block("rollback")
        yield from self._session.command("ROLLBACK", self._deadline(timeout))

    def _end(self) -> Operation[None]:
        """What a ``with`` block that went well ends with, before it is closed."""
        yield from self._session.discard()
        yield from self._session.refresh_status(self._deadline(DEFAULT))
        if self.in_transaction:
            yield from self._commit()

    def _set_autocommit(self, on: bool, timeout: float | None) -> Operation[None]:
        self._refuse_in_block("set_autocommit")
        sql = f"SET autocommit = {int(boolean('autocommit', on))}"
        yield from self._session.command(sql, self._deadline(timeout))

    def _set_isolation(self, level: str, timeout: float | None) -> Operation[None]:
        sql = f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation(level)}"
        yield from self._session.command(sql, self._deadline(timeout))

    def _show_warnings(self, timeout: float | None) -> Operation[list[ServerWarning]]:
        deadline = self._deadline(timeout)
        (reply,) = yield from self._session.command("SHOW WARNINGS", deadline)
        return [ServerWarning(*row) for row in reply.rows]

    def _ping(self, timeout: float | None) -> Operation[None]:
        return self._session.ping(self._deadline(timeout))

    def _reset(self, timeout: float | None) -> Operation[None]:
        self._refuse_in_block("reset")
        yield from self._session.reset(self._deadline(timeout))
        self._max_packet = 0
        self._forget_blocks()

    def _change_user(
        self,
        user: str | None,
        password: Password | None,
        database: str | None,
        timeout: float | None,
    ) -> Operation[None]:
        self._refuse_in_block("change_user")
        old = self._options
        options = replace(
            old,
            user=old.user if user is None else user,
            password=old.password if password is None else password,
            database=old.database if database is None else database,
        )
        yield from self._session.change_user(options, self._deadline(timeout))
        self._options = options
        self._max_packet = 0
        self._forget_blocks()

    def _kill(self, thread_id: int, timeout: float | None) -> Operation[None]:
        sql = f"KILL {integer(1, (1 << 64) - 1)('thread_id', thread_id)}"
        yield from self._session.command(sql, self._deadline(timeout))

    def _longest_statement(self, deadline: float | None) -> Operation[int]:
        """How many bytes of a statement the server takes; asked for once a session."""
        if not self._max_packet:
            sql = "SELECT @@max_allowed_packet"
            (reply,) = yield from self._session.command(sql, deadline)
            self._max_packet = reply.rows[0][0]
        return self._max_packet - 2  # with the byte of the command it has to be less

    def _load(
        self,
        target: str,
        columns: Sequence[str] | None,
        on_duplicate: str,
        timeout: float | None,
    ) -> Load:
        deadline = self._deadline(timeout)
        if not isinstance(target, str):
            refuse_text("a table or a statement", target)
        if not load_sql.is_statement(target):
            table = load_sql.Table(target)
            return RowLoad(self, table, columns, on_duplicate, deadline)
        load_sql.refuse_columns(columns)
        return FileLoad(self, target, on_duplicate, deadline)

    # Blocks

    def _refuse_in_block(self, what: str) -> None:
        """Refuse what would end the transaction of a block behind its back."""
        if self._blocks:
            self._session.hold(self)  # who is in the way of anything comes first
            self._session.let_go(self)
            raise ProgrammingError(
                f"{what}() inside transaction(): end its block first, which commits, "
                "or rolls back if it raises"
            )

    def _begin_block(
        self, block: Transaction, timeout: float | None
    ) -> Operation[None]:
        deadline = self._deadline(timeout)
        yield from self._session.refresh_status(deadline)
        yield from self._begin(block, deadline)

    def _begin(self, block: Transaction, deadline: float | None) -> Operation[None]:
        session = self._session
        outer = session.block
        if outer is not None and outer.rollbacks != session.rollbacks:
            raise Deadlock(
                "the server rolled the transaction around this one back because of a "
                "deadlock or lock timeout: begin that anew"
            )
        block.rollbacks = session.rollbacks
        statements = block.begin(len(self._blocks), session.in_transaction)
        self._blocks.append(block)  # first: it is to be ended if Ctrl-C comes behind it
        try:
            yield from self._statements(statements, deadline)
        except BaseException as error:
            self._blocks.remove(block)
            self._give_up_unless_known(error)
            raise
        if not block.nested:
            session.block = block

    def _give_up_unless_known(self, error: BaseException) -> None:
        """End a connection that may have a transaction of which nobody knows."""
        if not isinstance(error, Error) or isinstance(error, OperationTimeout):
            self._session.give_up()

    def _end_block(
        self, block: Transaction, failed: bool, timeout: float | None
    ) -> Operation[None]:
        """End a block, once. What failed is undone, or the connection is no more."""
        if block not in self._blocks:
            return
        session = self._session
        lost, rolled_back = session.state in GONE, block.rollbacks != session.rollbacks
        over = False
        # A task that is cancelled waits for this, so it may not take for ever.
        deadline = self._deadline(self._options.cancel_timeout if failed else timeout)
        try:
            self._blocks.remove(block)
            if block is session.block:
                session.block = None
            if not lost:
                yield from session.discard()
                yield from session.refresh_status(deadline)
                # What a pipeline had sent already may have begun another one since.
                in_transaction = session.in_transaction and not rolled_back
                for sql in block.end(failed or rolled_back, in_transaction):
                    yield from self._carry_out(sql, deadline)
                    over = True  # what may follow is about the session only
        except BaseException as error:
            session.give_up()  # which rolls back, and nothing else is sure to
            if not (failed or over) or not isinstance(error, Exception):
                raise
        if failed:
            return  # the block's own error tells why
        if lost:
            raise InterfaceError(
                "the connection was lost or closed inside transaction(): the server "
                "has rolled it back"
            )
        if rolled_back:
            raise Deadlock(
                "the server rolled this transaction back because of a deadlock or lock "
                "timeout inside it, and what came afterwards was rolled back too: "
                "begin it anew"
            )

    def _give_block_up(self, block: Transaction) -> None:
        """End the connection if a block is still open that cannot be ended."""
        if block in self._blocks:
            self._blocks.remove(block)
            self._session.give_up()

    # Two-phase commit

    def _tpc_begin(self, xid: Xid, timeout: float | None) -> Operation[None]:
        deadline = self._deadline(timeout)
        yield from self._session.refresh_status(deadline)
        statements = self._distributed.begin(xid, self._session.in_transaction)
        yield from self._tpc_statements(statements, deadline, xid)

    def _tpc_prepare(self, timeout: float | None) -> Operation[None]:
        deadline = self._deadline(timeout)
        statements, xid = self._distributed.prepare(), self._distributed.xid
        yield from self._tpc_statements(statements, deadline, xid, prepared=True)

    def _tpc_statements(
        self,
        statements: Sequence[str],
        deadline: float | None,
        xid: Xid | None,
        prepared: bool = False,
    ) -> Operation[None]:
        """Execute statements on the branch, and remember what was carried out."""
        try:
            for sql in statements:
                yield from self._carry_out(sql, deadline)
                self._distributed.ended = sql.startswith("XA END")
            self._distributed.note(xid, prepared)
        except BaseException as error:
            self._give_up_unless_known(error)
            raise

    def _tpc_end(
        self, verb: str, xid: Xid | None, timeout: float | None
    ) -> Operation[None]:
        deadline = self._deadline(timeout)
        statements = self._distributed.end(verb, xid)
        if xid is None:
            yield from self._tpc_statements(statements, deadline, None)
        elif self._session.autocommit:
            yield from self._statements(statements, deadline)
        else:
            # The server ends another connection's branch outside transactions only.
            yield from self._session.refresh_status(deadline)
            if self.in_transaction:
                raise ProgrammingError("a transaction is open: end it first")
            yield from self._set_autocommit(True, timeout)
            try:
                yield from self._statements(statements, deadline)
            finally:
                if not self.closed:
                    yield from self._set_autocommit(False, timeout)

    def _tpc_recover(self, timeout: float | None) -> Operation[list[Xid]]:
        deadline = self._deadline(timeout)
        (reply,) = yield from self._session.command("XA RECOVER", deadline)
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

        But for bytes: they are written in hexadecimal, so that a str can hold them.

        Raises:
            ProgrammingError: there is no literal for values of its type.
            DataError: the server could not hold the value as it is.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            return f"X'{bytes(value).hex()}'"
        text = parameters.render("?", (value,), self._session.mode, self._encoders)
        try:
            return text.decode()
        except UnicodeDecodeError:  # of a list, or from an encoder
            raise ProgrammingError(
                "there are bytes in the value that are no text: a str cannot hold its "
                "literal"
            ) from None

    def _check_open(self) -> None:
        if self._session.state == CLOSED:
            raise InterfaceError("the connection is closed")
