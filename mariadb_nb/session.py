"""A session: one connection, what state it is in, and the operations on it.

Owns the ``MYSQL *`` from its making to its end, the state, and what becomes of the
connection when an operation is interrupted. Knows no loop: every operation is a
generator that says what it waits for (``mariadb_nb.wait``), and whoever has a loop runs
it (``mariadb_nb.runners``). How statements and rows look to a user is the business of
``connection`` and ``cursor``.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from . import _wire, state
from ._attached import Channel
from .capi import ffi, lib
from .connecting import connect_in_thread
from .errors import (
    Busy,
    Deadlock,
    Error,
    InterfaceError,
    OperationalError,
    OperationTimeout,
    from_server,
)
from .operations import Pair, drive
from .wait import PAUSE, TIMEOUT, Operation, Wait

if TYPE_CHECKING:
    from ._ffi import CData
    from ._wire import Reading, Reply
    from .options import Options

#: SERVER_STATUS_* of mariadb_com.h.
IN_TRANSACTION: Final = 1
AUTOCOMMIT: Final = 2

#: What becomes of the session, by ``Channel.standing``.
_STANDING: Final = (state.DONE, state.ROWS, state.LOST)

#: What 3.3 and 3.4 say, and no more, of a certificate that is good but not the host's.
WRONG_HOST: Final = (
    "Validation of SSL server certificate failed",
    "Hostname verification failed",
)

#: Seconds that a killed statement gets to end before it is killed again.
PATIENCE: Final = 0.05


def deadline_after(seconds: float | None) -> float | None:
    """The deadline, of ``time.monotonic()``, that is so many seconds away."""
    return None if seconds is None else monotonic() + seconds


class Session:
    """One connection to a server, without a loop.

    Every method that returns an ``Operation`` does nothing before it is run, and only
    one operation runs at a time: a second one raises ``Busy`` at once.

    Args:
        options: where and how to connect.
        bare: leave the session as the server makes it, whatever the options say.
        make_channel: makes what steps the library, from the address of a ``MYSQL``.

    Attributes:
        state: see ``mariadb_nb.state``.
        thread_id: the connection's number on the server; 0 before it is connected.
        server_info: the server's version as it calls it.
        stream: whose rows are being streamed, in the eyes of whoever streams them.
        rollbacks: how many transactions the server rolled back by itself.
        on_close: is called before the connection's descriptor is closed.
    """

    def __init__(
        self,
        options: Options,
        *,
        bare: bool = False,
        make_channel: Callable[[int], Any] = Channel,
    ) -> None:
        self.options = options
        self._bare = bare
        self._entrance = allocate_lock()
        self._owner: object = None
        self._closing = False
        self._worth_saving = False
        self._status_is_old = False
        self.state = state.NEW
        self.thread_id = 0
        self.server_info = ""
        self.stream: object = None
        self.rollbacks = 0
        self.on_close: Callable[[], None] | None = None
        self._make_channel = make_channel
        self._mysql: CData = ffi.NULL
        self._channel: Any = None
        self._pair: Pair | None = None
        self.waits: dict[int, Wait] = {}

    def __repr__(self) -> str:
        where = self.options.address
        return f"<{type(self).__name__} {where} {self.state} id={self.thread_id}>"

    # What operations.drive() asks of a session

    def enter(self, event: str, owner: object) -> None:
        """Begin an operation, or raise ``Busy`` or ``InterfaceError``."""
        with self._entrance:  # two threads must not both find the session ready
            self.state = state.after(self.state, event)
            self._owner = owner
            if event is state.START:
                self.stream = None  # every earlier one is over

    def leave(self) -> None:
        """End an operation: what is next depends on what is left to read."""
        if self.state in state.GONE:
            return  # somebody closed it meanwhile
        if self._closing:
            self.close()
            return
        event = _STANDING[self._channel.standing]
        self._status_is_old = False
        self.state = state.TRANSITIONS[self.state][event]
        if event == state.LOST:
            self._dispose()  # it is of no use, and its socket would only linger

    def abort(self, owner: object = None) -> None:
        """End what is going on at once, without waiting; the connection is broken.

        Args:
            owner: whose operation to end, and no other's; None: whatever it is.
        """
        if owner is not None and (
            self._owner is not owner or self.state is not state.BUSY
        ):
            return
        if self.state not in state.GONE:
            self.state = state.after(self.state, state.LOST)
            self._dispose()

    def recover(self, error: BaseException, owner: object) -> Operation[None]:
        """Put the connection in order after an operation raised or was interrupted."""
        if self._owner is not owner or self.state is not state.BUSY:
            return  # it had not begun, or it is over
        channel = self._channel
        raised = isinstance(error, Exception) or not channel.busy
        if self._pair is not None or not self._worth_saving:
            self.abort()
        elif raised and not channel.midway:
            self.leave()  # the operation itself raised, and left nothing suspended
            self._status_is_old = True
            self.rollbacks += isinstance(error, Deadlock)
        elif self.options.on_cancel == "abort" or self._closing:
            self.abort()
        else:
            yield from self._rescue(error)

    # Connecting and closing

    def connect(self, deadline: float | None = None) -> Operation[None]:
        """Connect and log in, by the deadline or within ``connect_timeout``.

        Raises:
            OperationTimeout: the time was over.
            OperationalError: the server was not to be had or refused the login.
        """
        self.state = state.after(self.state, state.CONNECT)
        if deadline is None:
            deadline = deadline_after(self.options.connect_timeout)
        try:
            yield from self._open(deadline)
            yield from self._set_up(deadline)
        except BaseException as error:
            self.close()
            if isinstance(error, OperationTimeout):
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
        arguments = options.connect_arguments()
        mysql, self._mysql = self._mysql, ffi.NULL  # the thread's for now
        yield from connect_in_thread(
            mysql,
            arguments,
            deadline=deadline,
            connect_timeout=options.connect_timeout,
        )
        self._mysql = mysql
        if options.requires_tls and lib.mysql_get_ssl_cipher(self._mysql) == ffi.NULL:
            raise OperationalError(f"{options.address} is connected without TLS")
        self.thread_id = lib.mysql_thread_id(self._mysql)
        self.server_info = ffi.string(lib.mysql_get_server_info(self._mysql)).decode()
        address = int(ffi.cast("uintptr_t", self._mysql))
        self._channel = self._make_channel(address)
        fd = self._channel.fd
        self.waits = {events: Wait(fd, events) for events in range(1, 8)}
        self.state = state.after(self.state, state.DONE)

    def close(self) -> None:
        """Close the connection, whatever is going on on it; never waits."""
        with self._entrance:
            self._dispose()
            self.state = state.after(self.state, state.CLOSE)

    def hang_up(self) -> None:
        """Close the connection, also while somebody waits for an operation on it.

        That operation ends with ``ConnectionLost`` when it is resumed, and that is at
        once: its socket is readable now. Never waits.
        """
        if self.state != state.BUSY:
            try:
                self.close()
            except Busy:
                pass  # another thread has just begun an operation
            else:
                return
        self._closing = True
        self._channel.shutdown()
        if self.state != state.BUSY:  # its operation has just ended
            with suppress(Busy):
                self.close()

    def _dispose(self) -> None:
        """Let go of the connection; what is suspended is ended first."""
        if self.on_close is not None:
            self.on_close()
        if self._mysql != ffi.NULL and (self._pair or self._channel is None):
            lib.mysql_close(self._mysql)  # which ends the pair too
        if self._channel is not None:
            self._channel.close()
        self._mysql, self._pair = ffi.NULL, None

    # Statements

    def query(
        self,
        sql: bytes,
        reading: Reading,
        stream: bool = False,
        deadline: float | None = None,
    ) -> Operation[Any]:
        """Send a statement and read all its replies.

        Args:
            sql: the statement, or several where ``multi_statements`` is on.
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
        return drive(
            self,
            state.START,
            channel.query,
            (sql, reading, stream),
            channel.resume,
            deadline,
        )

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
            raise Busy(state.REFUSALS[state.BUSY][1])
        if self.state != state.RESULT:
            return
        owner = object()
        self._status_is_old = True
        try:
            self.enter(state.READ, owner)
            if self._channel.discard().__class__ is not int:
                self.leave()  # what was left had arrived already
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
            yield from self.query(b"DO 0", PLAIN, deadline=deadline)
            self._status_is_old = False

    # Other commands

    def ping(self, deadline: float | None = None) -> Operation[None]:
        """Ask the server for a sign of life (``mysql_ping``)."""
        yield from self._command("mysql_ping", (), deadline)

    def reset(self, deadline: float | None = None) -> Operation[None]:
        """Make the session as if it had just been connected.

        An open transaction is rolled back, temporary tables, locks, user variables and
        settings are gone (``mysql_reset_connection``); what the options ask for is set
        up anew.
        """
        yield from self._command("mysql_reset_connection", (), deadline)
        yield from self._set_up(deadline)

    def change_user(
        self, options: Options, deadline: float | None = None
    ) -> Operation[None]:
        """Log in as another user on the same connection (``mysql_change_user``).

        Args:
            options: whose user, password, database and settings to take.
            deadline: when to give up, in seconds of ``time.monotonic()``.
        """
        _, user, password, database, *_ = options.connect_arguments()
        arguments = (user, password, ffi.NULL if database is None else database)
        try:
            yield from self._command("mysql_change_user", arguments, deadline)
        except Error:
            # The server keeps the user, but has made the session anew, and an error
            # does not say what it is like now.
            if self.state == state.READY:
                yield from self._set_up(deadline)
            raise
        self.options = options
        self.thread_id = lib.mysql_thread_id(self._mysql)
        yield from self._set_up(deadline)

    def _set_up(self, deadline: float | None) -> Operation[None]:
        """Make of the session what the options say; by half is not good enough."""
        if self._bare:
            return
        self._worth_saving = False
        try:
            status = None if self._status_is_old else self.server_status
            for statement in self.options.setup_statements(status):
                yield from self.query(statement, PLAIN, deadline=deadline)
        except BaseException:
            self.abort()
            raise
        self._worth_saving = True

    def _command(
        self, name: str, arguments: tuple[Any, ...], deadline: float | None
    ) -> Operation[None]:
        """Drive a pair of the C API; any failure of it is raised."""
        self._usable_channel()
        pair = Pair(name, self._mysql)

        def start() -> Any:
            self._pair = pair
            return pair.start(*arguments)

        def resume(ready: int) -> Any:
            outcome = pair.resume(ready)
            if outcome.__class__ is not int:
                self._pair = None
            return outcome

        (failed,) = yield from drive(self, state.START, start, (), resume, deadline)
        self._pair = None
        self._status_is_old = True  # the library does not read it in such a reply
        if self._mysql == ffi.NULL:
            raise from_server(lib.CR_SERVER_LOST, "HY000", "the connection was closed")
        if failed:
            error = self._error()
            if lib.mysql_get_socket(self._mysql) < 0:
                self.abort()
            raise error

    # What is known of the connection

    @property
    def fd(self) -> int:
        """The descriptor of its socket; -1 if there is none."""
        return self._channel.fd if self._channel is not None else -1

    @property
    def server_version(self) -> tuple[int, int, int]:
        """The server's version in numbers; zeros before it is connected."""
        if self._mysql == ffi.NULL:
            return (0, 0, 0)
        number = lib.mysql_get_server_version(self._mysql)
        return (number // 10000, number // 100 % 100, number % 100)

    @property
    def server_status(self) -> int:
        """``SERVER_STATUS_*`` bits as of the last reply."""
        return self._channel.server_status if self._channel is not None else 0

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, as the server said last."""
        return bool(self.server_status & IN_TRANSACTION)

    @property
    def autocommit(self) -> bool:
        """Whether each statement is its own transaction, as the server said last."""
        return bool(self.server_status & AUTOCOMMIT)

    @property
    def database(self) -> str | None:
        """The default database, also after ``USE``."""
        return self._channel.database if self._channel is not None else None

    @property
    def mode(self) -> int:
        """How the server reads literals and names, for ``mariadb_nb.parameters``.

        Raises:
            ProgrammingError: the character set is one in which literals are not safe.
        """
        mode: int = self._usable_channel().mode
        return mode

    def check_charset(self) -> None:
        """Make sure that the server reads statements in UTF-8.

        Raises:
            ProgrammingError: the character set was changed to another one.
        """
        self._usable_channel().mode  # noqa: B018

    @property
    def streaming(self) -> bool:
        """Whether rows of a stream are left to ``fetch``."""
        return self._channel is not None and self._channel.streaming

    @property
    def more_results(self) -> bool:
        """Whether ``next_result`` has something to go on to."""
        return self._channel is not None and self._channel.more

    def _usable_channel(self) -> Any:
        if self._channel is None:
            error, text = state.REFUSALS[self.state]
            raise error(text)
        return self._channel

    def _error(self) -> Error:
        """The library's last error on the connection."""
        number = lib.mysql_errno(self._mysql) or lib.CR_SERVER_LOST
        sqlstate = ffi.string(lib.mysql_sqlstate(self._mysql)).decode()
        message = ffi.string(lib.mysql_error(self._mysql)).decode(errors="replace")
        return from_server(number, sqlstate, message)

    # Interrupted statements

    def _rescue(self, error: BaseException) -> Operation[None]:
        """End the statement that is suspended, and keep the connection; or abort."""
        try:
            yield from self._kill_and_drain(monotonic() + self.options.cancel_timeout)
        except Exception as failure:
            self.abort()
            error.add_note(f"The connection was ended, because {failure}")
        except BaseException:
            self.abort()
            raise

    def _kill_and_drain(self, deadline: float) -> Operation[None]:
        """KILL QUERY on a side connection until the reply is there, and read it away.

        A kill that comes before the server has begun the statement has no effect, nor
        has one that comes between two steps of a program, so one is not always enough.
        The statement is only given up once the server has answered each kill: none may
        be on its way when the next statement begins.
        """
        channel = self._channel
        channel.discard()
        side = Session(self.options, bare=True, make_channel=self._make_channel)
        kill = f"KILL QUERY {self.thread_id}".encode()
        try:
            yield from side.connect(deadline)
            last = deadline - PATIENCE
            while channel.midway:
                yield from side.query(kill, PLAIN, deadline=deadline)
                yield from self._drain(min(monotonic() + PATIENCE, last))
                if channel.midway and monotonic() >= last:
                    # Or it would run on, with nobody waiting for it.
                    kill = f"KILL {self.thread_id}".encode()
                    yield from side.query(kill, PLAIN, deadline=deadline)
                    raise OperationTimeout("the statement did not end when killed")
        finally:
            side.close()
        self.leave()
        self._status_is_old = True  # what was drained may have ended in an error

    def _drain(self, deadline: float) -> Operation[None]:
        """Read on in what nobody wants, until it ends or the deadline passes."""
        channel = self._channel
        outcome = channel.discard()
        while outcome.__class__ is int and monotonic() < deadline:
            if outcome:
                ready = yield Wait(self.fd, outcome, deadline)
                if ready and not ready & TIMEOUT:
                    outcome = channel.resume(ready)
            else:
                yield PAUSE
                outcome = channel.resume(0)


#: Values as they come, rows as tuples.
PLAIN: Final = _wire.Reading(0)
