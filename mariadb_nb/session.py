"""A session: one connection, what state it is in, and the operations on it.

Owns the ``MYSQL *`` from its making to its end and the operations on it. Whose turn it
is, and what becomes of the connection when an operation is interrupted, is in
``turns``. Knows no loop: every operation is a generator that says what it waits for
(``mariadb_nb.wait``), and whoever has a loop runs it (``mariadb_nb.runners``). How
statements and rows look to a user is the business of ``connection`` and ``cursor``.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from . import rescue, state, tcp
from ._attached import Channel
from .capi import ffi, lib
from .connecting import connect_in_thread, login_arguments
from .errors import (
    Deadlock,
    Error,
    InterfaceError,
    LockTimeout,
    OperationalError,
    OperationTimeout,
    from_server,
    is_of_library,
)
from .facts import Facts
from .operations import Pair, drive
from .preparing import PLAIN as PLAIN
from .renewing import Renewing
from .statements import Statements
from .wait import Operation, Wait

if TYPE_CHECKING:
    from ._ffi import CData
    from ._wire import Reading, Reply, Statement
    from .ahead import Ahead
    from .options import Options
    from .transactions import Transaction

#: Who reads a stream that was given up.
_NOBODY: Final = type(None)

#: What 3.3 and 3.4 say, and no more, of a certificate that is good but not the host's.
WRONG_HOST: Final = (
    "Validation of SSL server certificate failed",
    "Hostname verification failed",
)


def deadline_after(seconds: float | None) -> float | None:
    """The deadline, of ``time.monotonic()``, that is so many seconds away."""
    return None if seconds is None else monotonic() + seconds


class Session(Facts, Renewing):
    """One connection to a server, without a loop.

    Every method that returns an ``Operation`` does nothing before it is run, and only
    one operation runs at a time: a second one raises ``Busy`` at once.

    Args:
        options: where and how to connect.
        bare: leave the session as the server makes it, whatever the options say.
        make_channel: makes what steps the library, from the address of a ``MYSQL``.

    Attributes:
        thread_id: the connection's number on the server; 0 before it is connected.
        server_info: the server's version as it calls it.
        server_version: the same in numbers; zeros before it is connected.
        on_close: is called before the connection's descriptor is closed.
        block: the ``transaction()`` block that is open, if it is a whole transaction.
    """

    def __init__(
        self,
        options: Options,
        *,
        bare: bool = False,
        make_channel: Callable[[int], Any] = Channel,
    ) -> None:
        super().__init__()
        self.options = options
        self._bare = bare
        self.thread_id = 0
        self.server_info = ""
        self.server_version = (0, 0, 0)
        self.on_close: Callable[[], None] | None = None
        self.block: Transaction | None = None
        self._make_channel = make_channel
        self._mysql: CData = ffi.NULL
        self._channel: Any = None
        self._pair: Pair | None = None
        self.waits: dict[int, Wait] = {}
        self.statements = Statements(options.prepare_threshold, options.prepared_max)

    def __repr__(self) -> str:
        where = self.options.address
        return f"<{type(self).__name__} {where} {self.state} id={self.thread_id}>"

    # Connecting and closing

    def connect(self, deadline: float | None = None) -> Operation[None]:
        """Connect and log in, by the deadline or within ``connect_timeout``.

        Raises:
            OperationTimeout: the time was over.
            OperationalError: the server was not to be had or refused the login.
        """
        owner = object()
        self.enter(state.CONNECT, owner)
        by = deadline
        if by is None:
            by = deadline_after(self.options.connect_timeout)
        try:
            try:
                yield from self._open(by)
            finally:
                self._release(owner)
            if self.state is not state.READY:
                raise state.refusal(self.state)  # it was closed meanwhile
            yield from self._set_up(by)
        except BaseException as error:
            self.close()
            if isinstance(error, OperationTimeout):
                error.message = "connecting took too long"
                if deadline is None:
                    limit = self.options.connect_timeout
                    error.message = f"connect_timeout of {limit} s passed"
            if isinstance(error, Error) and any(w in error.message for w in WRONG_HOST):
                error.message += ": the certificate is for another name"
            if isinstance(error, Error) and self.options.address not in error.message:
                error.message += f" (connecting to {self.options.address})"
            raise

    def _open(self, deadline: float | None) -> Operation[None]:
        options = self.options
        self._mysql = lib.mysql_init(ffi.NULL)
        if self._mysql == ffi.NULL:
            raise MemoryError("mysql_init() found no memory")
        options.apply(lib, ffi, self._mysql)
        arguments = yield from login_arguments(options, deadline)
        mysql, self._mysql = self._mysql, ffi.NULL  # the thread's for now
        yield from connect_in_thread(mysql, arguments, deadline)
        self._mysql = mysql
        if options.requires_tls and lib.mysql_get_ssl_cipher(self._mysql) == ffi.NULL:
            raise OperationalError(f"{options.address} is connected without TLS")
        self.thread_id = lib.mysql_thread_id(self._mysql)
        self.server_info = ffi.string(lib.mysql_get_server_info(self._mysql)).decode()
        version = lib.mysql_get_server_version(self._mysql)
        self.server_version = (version // 10000, version // 100 % 100, version % 100)
        address = int(ffi.cast("uintptr_t", self._mysql))
        self._channel = self._make_channel(address)
        fd = self._channel.fd
        tcp.apply(fd, options)
        self.waits = {events: Wait(fd, events) for events in range(1, 8)}
        self.state = state.after(self.state, state.DONE)

    def _dispose(self) -> None:
        """Let go of the connection; what is suspended is ended first."""
        if self.on_close is not None:
            self.on_close()
        if self._mysql != ffi.NULL and (self._pair or self._channel is None):
            lib.mysql_close(self._mysql)  # which ends the pair too
        if self._channel is not None:
            self._channel.close()
        self._mysql, self._pair = ffi.NULL, None

    def hand_over(self) -> Session:
        """Move the connection to a new session; this one is closed then.

        Whoever still has this session, its cursors for example, can do nothing any more
        to what the connection is used for next.

        Raises:
            Busy: an operation is under way.
            InterfaceError: there is no connection.
        """
        heir = Session(self.options, bare=self._bare, make_channel=self._make_channel)
        owner = object()
        try:
            self._occupy(owner)
            if self.state not in (state.READY, state.RESULT):
                raise state.refusal(self.state)
            heir.thread_id = self.thread_id
            heir.server_info = self.server_info
            heir.server_version = self.server_version
            heir.waits, heir.on_close = self.waits, self.on_close
            heir.as_new, heir._worth_saving = self.as_new, self._worth_saving
            heir._anew, heir._tells = self._anew, self._tells
            heir._status_is_old = self._status_is_old
            # Only one may ever have these, and no signal's handler comes between.
            mysql, channel, standing = self._mysql, self._channel, self.state
            self._mysql, self._channel, self.state = ffi.NULL, None, state.CLOSED
            heir._mysql, heir._channel, heir.state = mysql, channel, standing
        finally:
            self._release(owner)
        return heir

    def _rescue(self) -> Operation[None]:
        """End the statement that is suspended and read its reply away."""
        side = Session(self.options, bare=True, make_channel=self._make_channel)
        return rescue.kill_and_drain(self._channel, self.thread_id, side)

    def recover(self, error: BaseException, owner: object) -> Operation[None]:
        """Put the connection in order, and what is left of a block after a rollback.

        Under autocommit what the block's body does next would be committed by itself;
        so it is held back, until the block's end undoes it.
        """
        yield from super().recover(error, owner)
        block = self.block
        if block is None or not isinstance(error, Deadlock | LockTimeout):
            return
        deadline = deadline_after(self.options.cancel_timeout)
        try:
            if isinstance(error, LockTimeout):
                yield from self.refresh_status(deadline)
                if self.in_transaction:
                    return  # as nearly always: see innodb_rollback_on_timeout
                self.rollbacks += 1
            if self.autocommit:
                block.autocommit_is_off = True
                yield from self.command("SET autocommit = 0", deadline)
        except BaseException as failure:
            self.give_up()
            if not isinstance(failure, Exception):
                raise
            error.add_note(f"The connection was ended, because {failure}")

    # Statements

    def query(
        self,
        sql: bytes | str,
        reading: Reading,
        stream: bool = False,
        deadline: float | None = None,
    ) -> Operation[Any]:
        """Send a statement and read all its replies.

        Args:
            sql: the statement, or several where ``multi_statements`` is on; a str is
                sent as it is, and has to be ASCII.
            reading: how to read values and rows.
            stream: leave the rows to ``fetch``; what comes of it is the first
                ``Reply`` only.
            deadline: when to give up, in seconds of ``time.monotonic()``.

        Raises:
            Busy: another operation is going on.
            OperationTimeout: the deadline passed.
            DatabaseError: the server's answer, see ``mariadb_nb.errors``.
        """
        channel = self._channel
        if channel is None:
            channel = self._usable_channel()
        operation = drive(
            self,
            state.START,
            channel.query,
            (sql, reading, stream),
            channel.resume,
            deadline,
        )
        return operation if self.state is not state.RESULT else self._next(operation)

    def execute_bulk(
        self,
        statement: Statement,
        ahead: Ahead,
        reading: Reading,
        deadline: float | None = None,
    ) -> Operation[list[Reply] | None]:
        """Execute a prepared statement with the next request that was made ahead.

        What comes of it is None if there is none.
        """
        arguments = (self._usable_channel(), statement, reading)
        operation = drive(
            self, state.START, ahead.start, arguments, ahead.resume, deadline
        )
        return operation if self.state is not state.RESULT else self._next(operation)

    def command(
        self, sql: str, deadline: float | None = None
    ) -> Operation[list[Reply]]:
        """Execute a statement of the driver's own: rows are tuples."""
        return self.query(sql.encode(), PLAIN, deadline=deadline)

    def stream(
        self,
        sql: bytes | str,
        reading: Reading,
        reader: Callable[[], object],
        deadline: float | None = None,
    ) -> Operation[Reply]:
        """Send a statement and leave its rows to a reader's ``fetch``.

        Args:
            sql: the statement.
            reading: how to read values and rows.
            reader: returns the reader, or None when that is gone.
            deadline: when to give up, in seconds of ``time.monotonic()``.
        """
        reply: Reply = yield from self.query(sql, reading, True, deadline)
        self.reader = reader
        return reply

    def pipeline(
        self,
        take: Callable[[], list[bytes]],
        reading: Reading,
        answers: list[Any],
        deadline: float | None = None,
    ) -> Operation[None]:
        """Send statements ahead of their replies, and read those.

        ``take``, called in their turn, returns them; ``answers`` gets for each, as soon
        as that is there, the list of its replies or its error.
        """
        channel = self._usable_channel()

        def start() -> Any:
            return channel.pipeline(take(), reading, answers)

        operation = drive(self, state.START, start, (), channel.resume, deadline)
        try:
            yield from self._next(operation)
        finally:
            self._note_errors(answers)

    def abandon(self, reader: Callable[[], object]) -> None:
        """Leave the rest of a reader's stream to whoever comes next."""
        if self.reader is reader:
            self.reader = _NOBODY

    def _next(self, operation: Operation[Any]) -> Operation[Any]:
        """Run an operation after the stream of a reader that is gone."""
        yield from self.clear()
        return (yield from operation)

    def clear(self) -> Operation[None]:
        """Get rid of the stream of a reader that is gone."""
        if self.reader is not None and self.reader() is None:
            yield from self.discard()

    def fetch(
        self, count: int, deadline: float | None = None
    ) -> Operation[list[object]]:
        """Read up to ``count`` rows of a stream; the last list is shorter or empty."""
        return self._read(self._usable_channel().fetch, (count,), deadline)

    def next_result(self, deadline: float | None = None) -> Operation[Reply]:
        """Go on to the next result of a stream whose rows have been read."""
        return self._read(self._usable_channel().next, (), deadline)

    def discard(self) -> Operation[None]:
        """Get rid of the rest of a stream, within ``cancel_timeout``.

        The statement is killed, not read on.
        """
        if self.state == state.BUSY:
            raise state.refusal(state.BUSY)
        if self.state != state.RESULT:
            return
        if self._channel.cursor:  # it only has to be closed
            deadline = deadline_after(self.options.cancel_timeout)
            yield from self._read(self._channel.discard, (), deadline)
            return
        owner = object()
        try:
            yield from self._kill_rest(owner)
        except BaseException:
            self.abort(owner)  # a signal may come before all is in order, or behind it
            raise

    def _kill_rest(self, owner: object) -> Operation[None]:
        """Get rid of the rest of a stream as one who gives it up."""
        try:
            self.enter(state.READ, owner)
            if self._channel.discard().__class__ is not int:
                self.leave()  # what was left had arrived already
                self._status_is_old = True
                return
        except InterfaceError:
            self.abort(owner)  # a forked child's copy: nothing of it is ours to end
            return
        except GeneratorExit:
            self.abort(owner)
            raise
        except BaseException as error:
            yield from self.recover(error, owner)
            raise
        yield from self.recover(GeneratorExit(), owner)

    def _read(
        self,
        start: Callable[..., Any],
        arguments: tuple[Any, ...],
        deadline: float | None,
    ) -> Operation[Any]:
        resume = self._channel.resume
        return drive(self, state.READ, start, arguments, resume, deadline)

    def refresh_status(self, deadline: float | None = None) -> Operation[None]:
        """Make sure that ``in_transaction`` is what the server would say now.

        An error does not bring the status along: it may have come from the middle of
        a procedure that began a transaction.
        """
        if self._status_is_old:
            yield from self.command("DO 0", deadline)
            self._status_is_old = False

    # Other commands

    def ping(self, deadline: float | None = None) -> Operation[None]:
        """Ask the server for a sign of life (``mysql_ping``)."""
        yield from self._command("mysql_ping", (), deadline)

    def change_user(
        self, options: Options, deadline: float | None = None
    ) -> Operation[None]:
        """Log in as another user on the same connection (``mysql_change_user``).

        Args:
            options: whose user, password, database and settings to take.
            deadline: when to give up, in seconds of ``time.monotonic()``.
        """
        _, user, password, database, *_ = yield from login_arguments(options, deadline)
        arguments = (user, password, ffi.NULL if database is None else database)
        try:
            yield from self._command("mysql_change_user", arguments, deadline)
        except Error as error:
            if self.state == state.READY and is_of_library(error.errno):
                self.give_up()  # the server still waits for the rest of the login
            # The server keeps the user, but has made the session anew, and an error
            # does not say what it is like now.
            if self.state == state.READY:
                yield from self._set_up(deadline)
            raise
        self.options = options
        self.thread_id = lib.mysql_thread_id(self._mysql)
        yield from self._set_up(deadline)

    def _command(
        self, name: str, arguments: tuple[Any, ...], deadline: float | None
    ) -> Operation[None]:
        """Drive a pair of the C API; any failure of it is raised."""
        self._usable_channel()
        pair = Pair(name, self._mysql)

        def start() -> Any:
            if self._channel.foreign:
                raise InterfaceError(state.FOREIGN)
            self._pair = pair
            return pair.start(*arguments)

        def resume(ready: int) -> Any:
            outcome = pair.resume(ready)
            if outcome.__class__ is not int:
                self._pair = None
            return outcome

        operation = drive(self, state.START, start, (), resume, deadline)
        (failed,) = yield from self._next(operation)
        self._pair = None
        self._status_is_old = True  # the library does not read it in such a reply
        if self._mysql == ffi.NULL:
            raise from_server(lib.CR_SERVER_LOST, "HY000", "the connection was closed")
        if failed:
            error = self._error()
            if lib.mysql_get_socket(self._mysql) < 0:
                self.give_up()
            raise error

    def _error(self) -> Error:
        """The library's last error on the connection."""
        number = lib.mysql_errno(self._mysql) or lib.CR_SERVER_LOST
        sqlstate = ffi.string(lib.mysql_sqlstate(self._mysql)).decode()
        message = ffi.string(lib.mysql_error(self._mysql)).decode(errors="replace")
        return from_server(number, sqlstate, message)
