"""A library and its connections that do what a script says: sessions without a server.

A script is a list of steps, and each call of the library takes the next one: an int is
what it waits for (0: a turn of the loop), an ``Ends`` what comes of it. What a session
must never do (resume what does not wait, use what is closed, close twice) is noted in
``ScriptedLibrary.faults``, because an exception would only be the operation's own.
"""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from unittest import mock

from mariadb_nb import operations, rescue, session
from mariadb_nb.capi import ffi
from mariadb_nb.errors import (
    Busy,
    ConnectionLost,
    Error,
    InterfaceError,
    OperationalError,
    OperationTimeout,
    QueryInterrupted,
)
from mariadb_nb.session import Session
from mariadb_nb.wait import READ, TIMEOUT, Operation, Wait

T = TypeVar("T")

#: More waits than any operation here has: a loop that would not end, ends.
BOUND = 500

KILL = b"KILL QUERY "
#: The statement that stands for a reset of the session.
RESET = b"mysql_reset_connection"
#: Whose steps are those of a connect.
CONNECT = "mysql_real_connect"


@dataclass(frozen=True)
class Ends:
    """A step at which a call is through.

    Attributes:
        value: what comes of it; an exception is raised.
        rows: whether rows of a stream are left to read.
        lost: whether the connection is broken by it.
    """

    value: Any = None
    rows: bool = False
    lost: bool = False


Step = int | Ends
ANSWERED: tuple[Step, ...] = (READ, Ends(["a reply"]))


class ScriptedChannel:
    """Steps one connection of a ``ScriptedLibrary``, as ``_wire.Channel`` would."""

    def __init__(self, library: ScriptedLibrary, address: int) -> None:
        self.library = library
        self.address = address
        self.thread_id = library.numbers[address]
        self.calls: Counter[str] = Counter()
        self.begun: list[str] = []
        self.statements: list[bytes] = []
        self.closed = self.broken = self.busy = self.midway = False
        self.foreign = self.doubts_charset = False
        self.streaming = self.more = self.ahead = self.cursor = False
        self.server_status, self.mode, self.database = 2, 0, "test"
        self._discarding = False
        self._steps: deque[Step] = deque()
        self._answers: list[Any] | None = None

    @property
    def fd(self) -> int:
        return -1 if self.closed else 100 + self.thread_id

    @property
    def standing(self) -> int:
        return 2 if self.broken else 1 if self.busy else 0

    def _begin(
        self, name: str, steps: Sequence[Step], answers: list[Any] | None = None
    ) -> Any:
        self.calls[name] += 1
        self.begun.append(name)
        if self.closed or self.broken or self.midway:
            self.library.fault(f"{name}() of a channel that is {self}")
        self._steps, self._answers = deque(steps), answers
        return self._step()

    def _step(self) -> Any:
        step = self._steps.popleft()
        while self._answers is not None and isinstance(step, Ends) and not step.lost:
            self._answers.append(step.value)
            if self._steps:
                step = self._steps.popleft()
            else:
                step, self._answers = Ends(), None
        self.midway = not isinstance(step, Ends)
        if not isinstance(step, Ends):
            self.busy = True
            return step
        self.busy = self.streaming = step.rows and not self._discarding
        self.broken = step.lost
        self.ahead = False
        unwanted, self._discarding = self._discarding, False
        if isinstance(step.value, BaseException) and (self.broken or not unwanted):
            raise step.value
        return None if unwanted else step.value

    def query(self, sql: bytes, reading: object, stream: bool) -> Any:
        self.statements.append(sql)
        if sql.startswith(KILL):
            self.library.kill(int(sql.removeprefix(KILL)))
        if self.busy:
            self.library.fault("query() while rows are left")
        return self._begin("query", self.library.steps_of(sql))

    def pipeline(
        self, sql: list[bytes | None], reading: object, answers: list[Any]
    ) -> Any:
        if self.library.refuses:
            raise Busy("an operation of the C API waits")
        named = [RESET if one is None else one for one in sql]
        self.statements += named
        self.ahead = len(sql) > 1
        if sql[0] is not None:
            return self._begin("pipeline", self.library.steps_of(named[0]))
        steps = [step for one in named for step in self.library.steps_of(one)]
        return self._begin("reset", steps, answers)

    def fetch(self, count: int) -> Any:
        return self._begin("fetch", self.library.reads)

    def next(self) -> Any:
        return self._begin("next", self.library.reads)

    def resume(self, ready: int) -> Any:
        self.calls["resume"] += 1
        if self.closed:
            raise InterfaceError("no operation is waiting")
        if not self.midway:
            self.library.fault("resume() of what does not wait")
        return self._step()

    def discard(self) -> Any:
        self.calls["discard"] += 1
        if not self.busy:
            return None
        self._discarding = True
        if self.midway:
            return READ
        self._steps = deque(self.library.rest)
        return self._step()

    def killed(self) -> None:
        """The server ends the statement, if there is one."""
        if self.busy:
            self._steps = deque(self.library.after_kill)

    def shutdown(self) -> None:
        self.calls["shutdown"] += 1
        if self.midway:
            self._steps = deque([Ends(ConnectionLost("shut down"), lost=True)])

    def abort(self) -> None:
        self.library.fault("abort(): close() does it all")

    def close(self) -> None:
        self.calls["close"] += 1
        self.closed, self.midway, self.busy, self.streaming = True, False, False, False
        self.ahead = False
        if self.address in self.library.open:  # else the C API was faster
            self.library.closed(self.address)

    def __repr__(self) -> str:
        marks = [name for name in ("closed", "broken", "midway") if getattr(self, name)]
        return " and ".join(marks) or "idle"


class ScriptedPair:
    """Stands for ``mariadb_nb.operations.Pair``."""

    def __init__(self, library: ScriptedLibrary, name: str, handle: Any) -> None:
        self._library = library
        self._name = name
        self._handle = library.address(handle)
        self._steps = deque(library.pairs.get(name, (READ, Ends(0))))

    def start(self, *_: object) -> Any:
        self._library.called[self._name] += 1
        if self._handle not in self._library.open:
            self._library.fault(f"{self._name}_start() of a closed handle")
        return self._step()

    def resume(self, ready: int) -> Any:
        if self._handle not in self._library.suspended:
            self._library.fault(f"{self._name}_cont() of what does not wait")
        return self._step()

    def _step(self) -> Any:
        step = self._steps.popleft()
        if not isinstance(step, Ends):
            self._library.suspended.add(self._handle)
            return step
        self._library.suspended.discard(self._handle)
        if step.lost:
            self._library.lost.add(self._handle)
        return (step.value,)


@dataclass
class ScriptedOptions:
    """What a session asks of its options."""

    on_cancel: str = "kill"
    cancel_timeout: float = 1.0
    connect_timeout: float | None = 1.0
    setup: list[bytes] = field(default_factory=list)
    requires_tls: bool = False
    has_password_function: bool = False
    autocommit: bool | None = False
    tcp_keepalive: float | None = None
    tcp_user_timeout: float | None = None
    address: str = "nowhere"
    database: str | None = None
    prepare_threshold: int | None = None
    prepared_max: int = 0
    init_command: tuple[str, ...] = ()

    def apply(self, *_: object) -> None:
        pass

    def connect_arguments(self) -> tuple[Any, ...]:
        return (None, b"user", b"password", None, 0, b"/socket", 0)

    def setup_statements(self, server_status: int, *first: str) -> list[bytes]:
        return self.setup


class ScriptedLibrary:
    """Stands for libmariadb and all the connections that it has.

    Attributes:
        statements: the steps of a statement; others take ``ANSWERED``.
        reads: the steps of a call that goes on in a stream.
        rest: those of what is left of a stream that is thrown away.
        after_kill: those of a statement that was killed.
        pairs: the steps of functions of the C API.
        deaf: how many kills have no effect.
        channels: those that were made, in their order.
        version: the server's.
        refuses: whether a reset or a pipeline finds the C API at work.
        faults: what no session may do and one did.
        now: the time, which passes only as a test has it.
    """

    CR_SERVER_LOST = 2013

    def __init__(self) -> None:
        self.statements: dict[bytes, Sequence[Step]] = {}
        self.reads: Sequence[Step] = (READ, Ends(["a row"], rows=True))
        self.rest: Sequence[Step] = (READ, *(READ,) * BOUND)
        self.after_kill: Sequence[Step] = (
            READ,
            Ends(QueryInterrupted("killed", 1317, "70100")),
        )
        self.pairs: dict[str, Sequence[Step]] = {}
        self.deaf = 0
        self.version = 101100
        self.refuses = False
        self.numbers: dict[int, int] = {}
        self.open: set[int] = set()
        self.suspended: set[int] = set()
        self.lost: set[int] = set()
        self.called: Counter[str] = Counter()
        self.channels: list[ScriptedChannel] = []
        self.sessions: list[Session] = []
        self.kills: list[int] = []
        self.faults: list[str] = []
        self.now = 1000.0
        self._kept: list[Any] = []

    # What a test asks for

    @contextlib.contextmanager
    def in_place(self) -> Iterator[ScriptedLibrary]:
        """Take the library's place for a block, and see to it that nothing is left."""
        with (
            mock.patch.object(session, "lib", self),
            mock.patch.object(session, "Pair", self.pair),
            mock.patch.object(session, "connect_in_thread", self.connect),
            mock.patch.object(session, "monotonic", self.clock),
            mock.patch.object(rescue, "monotonic", self.clock),
            mock.patch.object(operations, "monotonic", self.clock),
            mock.patch.object(Session, "_has_hung_up", return_value=False),
        ):
            yield self
            for made in self.sessions:
                made.close()
        assert self.faults == []

    def session(self, **options: Any) -> Session:
        """A session that is not connected."""
        chosen: Any = ScriptedOptions(**options)
        made = Session(chosen, make_channel=self.channel)
        self.sessions.append(made)
        return made

    def connected(self, **options: Any) -> Session:
        """A session that is."""
        made = self.session(**options)
        run(made.connect())
        return made

    def clock(self) -> float:
        return self.now

    def late(self, wait: Wait) -> int:
        """The answer when nothing happens until the wait's deadline."""
        assert wait.deadline is not None, "it waits for ever"
        self.now = max(self.now, wait.deadline)
        return TIMEOUT

    def steps_of(self, sql: bytes) -> Sequence[Step]:
        return self.statements.get(sql, ANSWERED)

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def kill(self, thread_id: int) -> None:
        self.kills.append(thread_id)
        if len(self.kills) > self.deaf:
            for channel in self.channels:
                if channel.thread_id == thread_id:
                    channel.killed()

    def closed(self, address: int) -> None:
        if address not in self.open:
            self.fault("closed twice")
        if address in self.suspended:
            self.fault("the channel is closed while a call of the C API waits")
        self.open.discard(address)

    def pair(self, name: str, handle: Any) -> ScriptedPair:
        return ScriptedPair(self, name, handle)

    def connect(
        self,
        mysql: Any,
        arguments: object,
        deadline: float | None,
    ) -> Operation[None]:
        """Stands for ``connect_in_thread``: steps of CONNECT, an error at their end."""
        try:
            for step in self.pairs.get(CONNECT, (READ, Ends())):
                if isinstance(step, Ends):
                    if step.value:
                        raise OperationalError("as the script says")
                    return
                ready = 0
                while not ready:
                    ready = yield Wait(self._connecting(mysql), step, deadline)
                if ready & TIMEOUT:
                    raise OperationTimeout("as the script says")
        except BaseException:
            self.mysql_close(mysql)
            raise

    def _connecting(self, mysql: Any) -> int:
        return 200 + self.numbers[self.address(mysql)]

    def channel(self, address: int) -> ScriptedChannel:
        made = ScriptedChannel(self, address)
        self.channels.append(made)
        return made

    def address(self, mysql: Any) -> int:
        return int(ffi.cast("uintptr_t", mysql))

    def text(self, text: bytes) -> Any:
        self._kept.append(ffi.new("char[]", text))
        return self._kept[-1]

    # What a session calls

    def mysql_init(self, _: object) -> Any:
        number = len(self.numbers) + 1
        address = number << 16
        self.numbers[address] = number
        self.open.add(address)
        return ffi.cast("MYSQL *", address)

    def mysql_close(self, mysql: Any) -> None:
        address = self.address(mysql)
        self.suspended.discard(address)
        self.closed(address)

    def mysql_thread_id(self, mysql: Any) -> int:
        return self.numbers[self.address(mysql)]

    def mysql_get_socket(self, mysql: Any) -> int:
        address = self.address(mysql)
        return -1 if address in self.lost else 100 + self.numbers[address]

    def mysql_get_ssl_cipher(self, mysql: Any) -> Any:
        return ffi.NULL

    def mysql_get_server_info(self, mysql: Any) -> Any:
        return self.text(b"10.11.0-Scripted")

    def mysql_get_server_version(self, mysql: Any) -> int:
        return self.version

    def mysql_errno(self, mysql: Any) -> int:
        return 1105

    def mysql_sqlstate(self, mysql: Any) -> Any:
        return self.text(b"HY000")

    def mysql_error(self, mysql: Any) -> Any:
        return self.text(b"as the script says")


Answer = Callable[[Wait], int]


def ready(wait: Wait) -> int:
    """What is waited for is there at once."""
    return wait.events


def follow(
    operation: Operation[T], step: Callable[[], Wait], answer: Answer = ready
) -> T:
    """Take a step in an operation and run on to its end."""
    try:
        wait = step()
        for _ in range(BOUND):
            wait = operation.send(answer(wait))
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("the operation does not end")


def run(operation: Operation[T], answer: Answer = ready) -> T:
    """Run an operation to its end."""
    return follow(operation, operation.__next__, answer)


def resume(operation: Operation[T]) -> T:
    """Run an operation that waits to its end."""
    return follow(operation, lambda: operation.send(READ))


def interrupt(
    operation: Operation[T], error: BaseException, answer: Answer = ready
) -> T:
    """Throw an exception into an operation and run on to the end of it all."""
    return follow(operation, lambda: operation.throw(error), answer)


def run_until(operation: Operation[Any], count: int) -> Wait | None:
    """Run an operation to its ``count``-th wait, from 0; None if it ends before."""
    try:
        wait = next(operation)
        for _ in range(count):
            wait = operation.send(ready(wait))
    except StopIteration:
        return None
    return wait


def outcome_of(call: Callable[[], Any]) -> Any:
    """What a call returns or raises, an ``Error`` of ours only."""
    try:
        return call()
    except Error as error:
        return error
