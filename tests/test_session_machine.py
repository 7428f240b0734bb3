"""A session with a scripted library, in whatever order things may happen."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from scripted import RESET, Ends, ScriptedLibrary, Step
from scripted_sessions import GONE, REFUSED, SQL, check, operations

from mariadb_nb import state
from mariadb_nb.errors import (
    Busy,
    ConnectionLost,
    Error,
    InterfaceError,
    OperationTimeout,
    ProgrammingError,
)
from mariadb_nb.session import PLAIN, Session
from mariadb_nb.wait import PAUSE, READ, WRITE, Wait

ends: st.SearchStrategy[Ends] = st.sampled_from(
    [
        Ends("a reply"),
        Ends("a head", rows=True),
        Ends(REFUSED),
        Ends(REFUSED, rows=True),
        Ends(GONE, lost=True),
    ]
)
waits = st.lists(st.sampled_from([READ, WRITE, READ | WRITE, 0]), max_size=4)
scripts = st.tuples(waits, ends).map(lambda parts: (*parts[0], parts[1]))
pair_scripts = st.tuples(
    waits.map(lambda steps: [step for step in steps if step]),
    st.sampled_from([Ends(0), Ends(1), Ends(1, lost=True)]),
).map(lambda parts: (*parts[0], parts[1]))

PAIRS = ("mysql_ping", "mysql_change_user")
#: What ends an operation that was not closed.
EXPECTED = (
    *(ProgrammingError, ConnectionLost, Error, OperationTimeout),
    *(KeyboardInterrupt, asyncio.CancelledError),
)


class SessionMachine(RuleBasedStateMachine):
    """One session, at most one operation that waits, and others that try."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.library = self.stack.enter_context(ScriptedLibrary().in_place())
        self.session: Session = self.library.session()
        self.operation: Any = None
        self.wait = PAUSE

    def teardown(self) -> None:
        self._let_go()
        self.session.close()
        check(self.library, self.session)
        self.stack.close()

    def _let_go(self) -> None:
        if self.operation is not None:
            self.operation.close()
            self.operation = None

    def _deadline(self) -> float:
        return self.library.now + 10

    def _step(self, call: Any, *arguments: Any) -> None:
        """Take a step in the operation; at its end there is none."""
        try:
            self.wait = call(*arguments)
        except (StopIteration, *EXPECTED):
            self.operation = None

    def _begin(self, operation: Any) -> None:
        self.operation = operation
        self._step(operation.__next__)

    # ---- what may happen ----

    @initialize(
        on_cancel=st.sampled_from(["kill", "abort"]),
        cancel_timeout=st.sampled_from([0.0, 60.0]),
        setup=st.lists(st.just(b"SET x"), max_size=1),
    )
    def connect(self, **options: Any) -> None:
        self.session = self.library.session(**options)
        self._begin(self.session.connect())

    @precondition(lambda self: self.operation is None)
    @rule(steps=scripts, stream=st.booleans())
    def query(self, steps: Sequence[Step], stream: bool) -> None:
        if not stream and isinstance(steps[-1], Ends) and steps[-1].rows:
            return
        self.library.statements[SQL] = steps
        before = self.session.state
        if before == state.READY:
            self._begin(
                self.session.query(SQL, PLAIN, stream=stream, deadline=self._deadline())
            )
        else:
            self.try_another("query")

    @precondition(lambda self: self.session.state == state.RESULT)
    @rule(steps=scripts, name=st.sampled_from(["fetch", "next_result"]))
    def read(self, steps: Sequence[Step], name: str) -> None:
        self.library.reads = steps
        self._begin(operations(self.session, self._deadline())[name]())

    @precondition(lambda self: self.session.state == state.RESULT)
    @rule(steps=st.tuples(waits, st.sampled_from([Ends(), Ends(GONE, lost=True)])))
    def discard(self, steps: tuple[list[int], Ends]) -> None:
        self.library.rest = (*steps[0], steps[1])
        self._begin(self.session.discard())

    @precondition(lambda self: self.session.state == state.READY)
    @rule(steps=scripts)
    def reset(self, steps: Sequence[Step]) -> None:
        if isinstance(steps[-1], Ends) and steps[-1].rows:
            return
        self.library.statements[RESET] = steps
        self._begin(operations(self.session, self._deadline())["reset"]())

    @precondition(lambda self: self.session.state == state.READY)
    @rule(steps=pair_scripts, name=st.sampled_from(["ping", "change_user"]))
    def command(self, steps: Sequence[Step], name: str) -> None:
        self.library.pairs.update(dict.fromkeys(PAIRS, steps))
        self._begin(operations(self.session, self._deadline())[name]())

    @rule(deaf=st.integers(0, 2), steps=st.tuples(waits, ends))
    def kills_work_otherwise(self, deaf: int, steps: tuple[list[int], Ends]) -> None:
        self.library.deaf = len(self.library.kills) + deaf
        if not steps[1].rows:
            self.library.after_kill = (*steps[0], steps[1])

    @precondition(lambda self: self.operation is not None)
    @rule()
    def ready(self) -> None:
        self._step(self.operation.send, self.wait.events)

    def _has_time(self) -> bool:
        """Whether something waits whose deadline has not passed."""
        if self.operation is None or self.wait == PAUSE:
            return False
        return self.wait.deadline is None or self.library.now < self.wait.deadline

    @precondition(_has_time)
    @rule()
    def woken_for_nothing(self) -> None:
        before = self.wait
        self._step(self.operation.send, 0)
        assert self.wait == before
        assert self.operation is not None

    @precondition(lambda self: self.operation is not None and self.wait != PAUSE)
    @rule()
    def time_is_over(self) -> None:
        self._step(self.operation.send, self.library.late(self.wait))

    @rule()
    def time_passes(self) -> None:
        self.library.now += 4

    @precondition(lambda self: self.operation is not None)
    @rule(error=st.sampled_from([KeyboardInterrupt, asyncio.CancelledError]))
    def interrupt(self, error: type[BaseException]) -> None:
        self._step(self.operation.throw, error())

    @precondition(lambda self: self.operation is not None)
    @rule()
    def close_operation(self) -> None:
        self.operation.close()
        self.operation = None
        assert self.session.state in state.GONE

    @precondition(lambda self: self.operation is not None)
    @rule()
    def forget_operation(self) -> None:
        self.operation = None
        gc.collect(0)
        assert self.session.state in state.GONE

    @precondition(lambda self: self.session.state != state.READY)
    @rule(name=st.sampled_from(["query", "stream", "ping", "reset", "change_user"]))
    def try_another(self, name: str) -> None:
        before = self.session.state
        with pytest.raises(InterfaceError) as raised:
            next(operations(self.session)[name]())
        passes = before in (state.CONNECTING, state.BUSY, state.RESULT)
        assert isinstance(raised.value, Busy) == passes
        assert self.session.state == before

    @rule()
    def close_session(self) -> None:
        self.session.close()
        self._let_go()
        assert self.session.state == state.CLOSED

    # ---- what holds meanwhile ----

    @invariant()
    def state_tells_the_truth(self) -> None:
        if self.operation is None:
            check(self.library, self.session)
        else:
            assert self.session.state in (state.CONNECTING, state.BUSY)
            assert isinstance(self.wait, Wait)
        assert self.library.faults == []


SessionMachine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.filter_too_much],
)
test_whatever_happens = SessionMachine.TestCase
