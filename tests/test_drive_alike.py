"""Operations do the same whether they are driven in C or by the loop in Python alone.

What is drawn is played twice, with a scripted library each time. What each step leads
to, what the session is like afterwards, and what the library was asked for, must be the
same.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from typing import Any

import reference_drive
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import RESET, Ends, ScriptedLibrary, Step
from scripted_sessions import GONE, PAIRS, READS, REFUSED, SQL, operations

from mariadb_nb import operations as driving
from mariadb_nb import state
from mariadb_nb.errors import Deadlock
from mariadb_nb.session import PLAIN
from mariadb_nb.wait import EXCEPT, READ, TIMEOUT, WRITE, Operation, Wait

Move = tuple[Any, ...]

ends: st.SearchStrategy[Ends] = st.sampled_from(
    [
        Ends(["a reply"]),
        Ends("a head", rows=True),
        Ends(REFUSED),
        Ends(REFUSED, rows=True),
        Ends(Deadlock("a deadlock", 1213, "40001")),
        Ends(GONE, lost=True),
        Ends(StopIteration("none of ours")),
        Ends(True),
    ]
)
bits = st.sampled_from([READ, WRITE, READ | WRITE, EXCEPT, 0])
waits = st.lists(bits, max_size=4)
scripts = st.tuples(waits, ends).map(lambda parts: (*parts[0], parts[1]))
NAMES = ("query", "stream", "ahead", "otherwise", *READS, *PAIRS, "reset")
THROWN = (KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, StopIteration)

begins = st.tuples(
    st.just("begin"),
    st.sampled_from(NAMES),
    scripts,
    st.sampled_from([None, 0.0, 10.0]),
)
goes_on = st.tuples(
    st.just("send"), st.sampled_from(["ready", "ready", "late", 0, READ, TIMEOUT])
)
others = st.one_of(
    st.tuples(st.just("throw"), st.sampled_from(THROWN), st.booleans()),
    st.tuples(st.just("rest"), st.tuples(waits, ends), st.integers(0, 2)),
    st.sampled_from(
        [("close",), ("forget",), ("another",), ("time",), ("end",), ("give_up",)]
    ),
)
plays = st.lists(st.one_of(begins, goes_on, goes_on, others), max_size=14)


def told(error: BaseException | None) -> Any:
    """What an exception says, and those that it came of."""
    chain = []
    while error is not None:
        notes = getattr(error, "__notes__", [])
        text = "" if isinstance(error, TypeError) else str(error)  # the interpreter's
        chain.append((type(error).__name__, text, *notes))
        error = error.__context__
    return chain


class Player:
    """Plays the moves on one session."""

    def __init__(self, library: ScriptedLibrary, drive: Callable[..., Any]) -> None:
        self.library = library
        self.drive = drive
        self.session = library.connected()
        self.operation: Any = None
        self.wait: Wait | None = None

    def otherwise(self, deadline: float | None) -> Operation[Any]:
        """An operation that another one takes the place of."""
        session, channel = self.session, self.session._channel

        def other_way(error: BaseException, text: bytes) -> Operation[Any] | None:
            if error is not REFUSED:
                return None
            return session.query(text, PLAIN, deadline=deadline)

        return self.drive(  # type: ignore[no-any-return]
            session,
            state.START,
            channel.query,
            (SQL, PLAIN, False),
            channel.resume,
            deadline,
            (other_way, b"SELECT another"),
        )

    def step(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Take a step in the operation, while something else is being handled."""
        try:
            raise LookupError("handled")
        except LookupError:
            try:
                self.wait = call(*arguments)
            except BaseException as error:
                self.operation = self.wait = None
                value = getattr(error, "value", None)
                return value or told(error)
            return self.wait

    def play(self, name: str, *arguments: Any) -> Any:
        return getattr(self, f"play_{name}")(*arguments)

    def play_begin(
        self, name: str, steps: Sequence[Step], patience: float | None
    ) -> Any:
        if self.operation is not None:
            return None
        library = self.library
        library.statements[SQL] = library.statements[RESET] = library.reads = steps
        library.pairs.update(dict.fromkeys(("mysql_ping", "mysql_change_user"), steps))
        deadline = None if patience is None else library.now + patience
        made = operations(self.session, deadline) | {
            "otherwise": lambda: self.otherwise(deadline)
        }
        try:
            self.operation = made[name]()
        except Exception as error:
            return told(error)
        return self.step(self.operation.__next__)

    def play_send(self, what: Any) -> Any:
        if self.operation is None or self.wait is None:
            return None
        if what == "late":
            if self.wait.deadline is None:
                return None
            what = self.library.late(self.wait)
        return self.step(
            self.operation.send, self.wait.events if what == "ready" else what
        )

    def play_throw(self, error: type[BaseException], made: bool) -> Any:
        if self.operation is None:
            return None
        if made:
            return self.step(self.operation.throw, error("thrown"))
        return self.step(self.operation.throw, error)

    def play_close(self) -> Any:
        if self.operation is None:
            return None
        outcome = self.step(self.operation.close)
        self.operation = self.wait = None
        return outcome

    def play_forget(self) -> None:
        if self.operation is not None:
            self.operation = self.wait = None
            gc.collect()

    def play_another(self) -> Any:
        operation, wait = self.operation, self.wait
        outcome = None
        if operation is not None:
            outcome = self.step(self.session.query(b"another", PLAIN).__next__)
        self.operation, self.wait = operation, wait
        return outcome

    def play_rest(self, steps: tuple[list[int], Ends], deaf: int) -> None:
        self.library.rest = self.library.after_kill = (*steps[0], steps[1])
        self.library.deaf = len(self.library.kills) + deaf

    def play_time(self) -> None:
        self.library.now += 4

    def play_end(self) -> None:
        self.session.close()

    def play_give_up(self) -> None:
        self.session.give_up()

    def known(self) -> tuple[Any, ...]:
        """What the session is like, and what was asked of the library."""
        session, library = self.session, self.library
        return (
            session.state,
            session.as_new,
            session.rollbacks,
            session.reader is None,
            session._status_is_old,
            session._ending,
            bool(session._turn),
            self.operation is None,
            [
                (it.calls.copy(), tuple(it.begun), tuple(it.statements), repr(it))
                for it in library.channels
            ],
            library.called.copy(),
            tuple(library.kills),
            sorted(library.open),
            tuple(library.faults),
        )


def played(moves: Sequence[Move], drive: Callable[..., Any]) -> list[Any]:
    """What each of the moves leads to."""
    seen: list[Any] = []
    gc.disable()  # or what is forgotten ends at another moment each time
    try:
        with ScriptedLibrary().in_place() as library:
            player = Player(library, drive)
            for move in moves:
                outcome = player.play(*move)
                seen.append((move, outcome, *player.known()))
            player.play_forget()
            seen.append(("forgotten", *player.known()))
            library.faults.clear()  # what is drawn is not always what a library does
    finally:
        gc.enable()
    return seen


@settings(max_examples=400, derandomize=True)  # what fails has been made to fail
@given(plays)
def test_driven_in_c_and_in_python(moves: list[Move]) -> None:
    in_c = played(moves, driving.drive)
    with reference_drive.in_python():
        in_python = played(moves, reference_drive.drive)
    for one, other in zip(in_c, in_python, strict=True):
        assert one == other
