"""The one loop that drives operations."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from traceback import walk_tb
from typing import Any

import pytest
from scripted import Ends, Step, follow, ready, run, run_until

from mariadb_nb.errors import Busy, OperationTimeout, ProgrammingError
from mariadb_nb.operations import drive
from mariadb_nb.runners._common import ended
from mariadb_nb.wait import PAUSE, READ, TIMEOUT, WRITE, Operation, Wait

FD = 77
MASKS = (READ, WRITE, READ | WRITE)


class Connection:
    """What ``drive`` is told to drive; notes what it does."""

    def __init__(self, *steps: Step, recovery: int = 0, refusal: Any = None) -> None:
        self.steps = list(steps)
        self.recovery = recovery
        self.refusal = refusal
        self.log: list[Any] = []
        self.owner: object = None
        self.fd = FD
        self.waits = {events: Wait(FD, events, None) for events in range(1, 8)}

    def enter(self, event: str, owner: object) -> None:
        self.log.append(event)
        if self.refusal is not None:
            raise self.refusal
        self.owner = owner

    def leave(self) -> None:
        self.log.append("leave")

    def abort(self, owner: object) -> None:
        if owner is self.owner:
            self.log.append("abort")
            self.owner = None

    def recover(self, error: BaseException, owner: object) -> Operation[None]:
        if owner is not self.owner:
            return  # it has not begun
        self.log.append(type(error))
        for _ in range(self.recovery):
            yield Wait(FD, READ, None)
        self.log.append("recovered")
        self.owner = None

    def notice_end(self) -> None:
        self.log.append("notice_end")

    def start(self, *arguments: object) -> Any:
        self.log.append(("start", *arguments))
        return self._step()

    def resume(self, mask: int) -> Any:
        self.log.append(mask)
        return self._step()

    def _step(self) -> Any:
        step = self.steps.pop(0)
        if not isinstance(step, Ends):
            return step
        if isinstance(step.value, BaseException):
            raise step.value
        return step.value

    def drive(self, deadline: float | None = None) -> Operation[Any]:
        return drive(self, "event", self.start, (1, "x"), self.resume, deadline)


BEGUN = ["event", ("start", 1, "x")]


def test_nothing_happens_before_it_is_run() -> None:
    connection = Connection(Ends("done"))
    operation = connection.drive()
    assert connection.log == []
    operation.close()
    assert connection.log == []


@pytest.mark.parametrize("value", [None, [], "text", True, 2.5, (0,)])
def test_what_comes_of_it_at_once(value: object) -> None:
    connection = Connection(Ends(value))
    assert run(connection.drive()) is value
    assert connection.log == [*BEGUN, "leave"]


@pytest.mark.parametrize("deadline", [None, 1e12])
def test_waits_and_turns_in_their_order(deadline: float | None) -> None:
    connection = Connection(READ, 0, WRITE, READ | WRITE, Ends("done"))
    waits: list[Wait] = []

    def note(wait: Wait) -> int:
        waits.append(wait)
        return ready(wait)

    assert run(connection.drive(deadline), note) == "done"
    assert waits[2][:2] == (FD, WRITE)
    assert waits[:2] + waits[3:] == [
        Wait(FD, READ, deadline),
        PAUSE,
        Wait(FD, READ | WRITE, deadline),
    ]
    assert connection.log == [*BEGUN, READ, 0, WRITE, READ | WRITE, "leave"]


def test_part_of_the_events_is_passed_on_as_it_is() -> None:
    connection = Connection(READ | WRITE, Ends("done"))
    assert run(connection.drive(), lambda wait: WRITE) == "done"
    assert connection.log == [*BEGUN, WRITE, "leave"]


@pytest.mark.parametrize("events", MASKS)
def test_wake_up_for_nothing_asks_the_same_again(events: int) -> None:
    connection = Connection(events, Ends("done"))
    operation = connection.drive()
    first = next(operation)
    for _ in range(3):
        assert operation.send(0) == first
    assert connection.log == BEGUN
    assert run_rest(operation, events) == "done"


def run_rest(operation: Operation[Any], mask: int) -> Any:
    with pytest.raises(StopIteration) as end:
        operation.send(mask)
    return end.value.value


STEPS: tuple[Step, ...] = (READ, 0, WRITE, 0, READ | WRITE)
POINTS = range(len(STEPS))


def interrupted(
    count: int, how: Callable[[Operation[Any]], Any], recovery: int
) -> tuple[list[Any], BaseException]:
    """Interrupt an operation at a point; what it did then, and what it raised."""
    connection = Connection(*STEPS, Ends("never"), recovery=recovery)
    operation = connection.drive()
    run_until(operation, count)
    done = len(connection.log)
    with pytest.raises((KeyboardInterrupt, Exception)) as raised:
        follow(operation, lambda: how(operation))
    return connection.log[done:], raised.value


@pytest.mark.parametrize("recovery", [0, 3])
@pytest.mark.parametrize("count", POINTS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), TimeoutError()])
def test_exception_thrown_in(error: BaseException, count: int, recovery: int) -> None:
    log, raised = interrupted(count, lambda it: it.throw(error), recovery)
    assert log == [type(error), "recovered"]
    assert raised is error


@pytest.mark.parametrize("recovery", [0, 3])
@pytest.mark.parametrize("count", [0, 4])
def test_time_is_over(count: int, recovery: int) -> None:
    log, raised = interrupted(count, lambda it: it.send(TIMEOUT), recovery)
    assert log == [OperationTimeout, "recovered"]
    assert isinstance(raised, OperationTimeout)


def test_time_is_over_while_nothing_can_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mariadb_nb.operations.monotonic", lambda: 1000.0)
    connection = Connection(WRITE, Ends("never"))
    deadline = 1000.25
    operation = connection.drive(deadline)
    assert next(operation) == Wait(FD, WRITE, deadline)
    with pytest.raises(OperationTimeout):
        operation.send(TIMEOUT)
    assert connection.log == [*BEGUN, OperationTimeout, "recovered"]


@pytest.mark.parametrize("deadline", [None, 1e12])
def test_end_is_looked_for_while_nothing_can_be_sent(deadline: float | None) -> None:
    connection = Connection(WRITE, Ends("done"))
    operation = connection.drive(deadline)
    first = next(operation)
    again = operation.send(TIMEOUT)
    assert connection.log == [*BEGUN, "notice_end"]
    assert again[:2] == first[:2] == (FD, WRITE)
    assert first[2] is not None
    assert again[2] is not None
    assert again[2] >= first[2]
    assert run_rest(operation, WRITE) == "done"


def test_time_is_over_while_the_loop_gets_turns() -> None:
    """Nobody waits then for anything that could pass."""
    connection = Connection(*(0,) * 1_000_000)
    with pytest.raises(OperationTimeout):
        run(connection.drive(monotonic() + 0.01))
    assert connection.log[: len(BEGUN)] == BEGUN
    assert connection.log[-2:] == [OperationTimeout, "recovered"]


def test_time_that_is_over_before_it_begins() -> None:
    """Nothing is sent then."""
    connection = Connection(0)
    with pytest.raises(OperationTimeout):
        run(connection.drive(monotonic()))
    assert connection.log == [BEGUN[0], OperationTimeout, "recovered"]


@pytest.mark.parametrize("count", POINTS)
def test_closing_aborts_without_waiting(count: int) -> None:
    connection = Connection(*STEPS, Ends("never"), recovery=3)
    operation = connection.drive()
    run_until(operation, count)
    done = len(connection.log)
    operation.close()
    assert connection.log[done:] == ["abort"]
    operation.close()
    assert connection.log[done:] == ["abort"]


@pytest.mark.parametrize("count", POINTS)
def test_letting_go_of_it_aborts(count: int) -> None:
    connection = Connection(*STEPS, Ends("never"))
    operation = connection.drive()
    run_until(operation, count)
    cycle: list[Any] = [operation]
    cycle.append(cycle)
    del operation
    assert "abort" not in connection.log
    del cycle
    gc.collect()
    assert connection.log[-1] == "abort"
    assert connection.log.count("abort") == 1


@pytest.mark.parametrize("steps", [(READ,), (0,)], ids=["in C", "in Python"])
def test_it_is_not_run_from_within_itself(steps: Sequence[Step]) -> None:
    connection = Connection(*steps)
    operation = connection.drive()
    refused: list[ValueError] = []

    def meddle(ready: int) -> Any:
        for call in (
            lambda: operation.send(0),
            lambda: operation.throw(KeyError()),
            operation.close,
        ):
            with pytest.raises(ValueError, match="already") as raised:
                call()
            refused.append(raised.value)
        return "done"

    operation = drive(connection, "event", connection.start, (), meddle)
    next(operation)
    with pytest.raises(StopIteration, match="done"):
        operation.send(READ)
    assert len(refused) == 3


def test_exception_thrown_in_before_it_begins_and_after_its_end() -> None:
    connection = Connection()
    operation = connection.drive()
    for error in (KeyError, KeyError("another")):
        with pytest.raises(KeyError):
            operation.throw(error)
        assert ended(operation)
        with pytest.raises(StopIteration) as end:
            next(operation)
        assert end.value.value is None
    assert connection.log == []


def test_what_is_no_mask_and_no_exception() -> None:
    connection = Connection(READ)
    operation = connection.drive()
    next(operation)
    with pytest.raises(TypeError):
        operation.send("ready")  # type: ignore[arg-type]
    assert connection.log == [*BEGUN, TypeError, "recovered"]
    operation = Connection(READ).drive()
    next(operation)
    with pytest.raises(TypeError):
        operation.throw("error")  # type: ignore[call-overload]
    operation.close()


def test_waits_that_are_none() -> None:
    connection = Connection(READ)
    connection.waits = {READ: (FD, READ)}  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="Wait"):
        next(connection.drive(1e12))
    assert connection.log == [*BEGUN, TypeError, "recovered"]


def test_an_operation_that_has_ended_holds_nothing() -> None:
    connection = Connection(Ends("done"))
    operation = connection.drive()
    run(operation)
    assert connection not in gc.get_referents(operation)


def test_an_error_is_no_reference_cycle() -> None:
    def fail(ready: int) -> Any:
        raise LookupError

    connection = Connection(READ)
    operation = drive(connection, "event", connection.start, (), fail)
    next(operation)
    with pytest.raises(LookupError) as raised:
        operation.send(READ)
    frames = [frame for frame, _ in walk_tb(raised.value.__traceback__)]
    assert len(frames) > 2
    for frame in frames[1:]:
        assert raised.value not in frame.f_locals.values(), frame


def test_an_error_keeps_what_it_came_of() -> None:
    """Whatever is being handled where the operation is run."""

    def fail(ready: int) -> Any:
        try:
            raise KeyError
        except KeyError:
            raise ValueError("of it") from None

    connection = Connection(READ)
    operation = drive(connection, "event", connection.start, (), fail)
    next(operation)

    def handle() -> None:
        try:
            raise OSError
        except OSError:
            operation.send(READ)

    with pytest.raises(ValueError, match="of it") as raised:
        handle()
    cause = raised.value.__context__
    assert isinstance(cause, KeyError)
    assert isinstance(cause.__context__, OSError)


@pytest.mark.filterwarnings("ignore:.*signature of throw.*:DeprecationWarning")
def test_throwing_a_class_a_value_and_a_traceback() -> None:
    """As the loops do it that are as old as generators; deprecated since 3.12."""
    try:
        raise KeyError("thrown")
    except KeyError as error:
        thrown, traceback = error, error.__traceback__
    for arguments in (
        (KeyError, thrown, traceback),
        (KeyError, thrown, None),
        (KeyError, "thrown"),
        (thrown, None, None),
    ):
        connection = Connection(READ)

        def outer(inner: Operation[Any]) -> Operation[Any]:
            return (yield from inner)

        operation: Any = outer(connection.drive())
        next(operation)
        with pytest.raises(KeyError, match="thrown") as raised:
            operation.throw(*arguments)
        assert (raised.value is thrown) == (thrown in arguments)
        assert connection.log == [*BEGUN, KeyError, "recovered"]


@pytest.mark.parametrize("arguments", [(), (1,), (KeyError(), 1), (KeyError, None, 1)])
def test_throwing_what_cannot_be_raised(arguments: Any) -> None:
    connection = Connection(READ, Ends("done"))
    operation: Any = connection.drive()
    next(operation)
    with pytest.raises(TypeError, match="exception"):
        operation.throw(*arguments)
    with pytest.raises(StopIteration, match="done"):
        operation.send(READ)


class Unending(Connection):
    """Its operations cannot be ended."""

    def abort(self, owner: object) -> None:
        super().abort(owner)
        raise RuntimeError("no end")


def test_an_end_that_fails() -> None:
    connection = Unending(READ)
    operation = connection.drive()
    next(operation)
    with pytest.raises(RuntimeError, match="no end"):
        operation.close()
    assert ended(operation)


def test_an_end_that_fails_where_an_exception_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: told.append(it.exc_value))

    def begun() -> Any:
        operation = Unending(READ).drive()
        next(operation)
        return operation

    with pytest.raises(TypeError, match="Drive"):
        int(begun())  # which lets go of it after it has raised
    (error,) = told
    assert isinstance(error, RuntimeError)


def test_refusal_leaves_everything_as_it_was() -> None:
    connection = Connection(refusal=Busy("another operation"))
    with pytest.raises(Busy):
        run(connection.drive())
    assert connection.log == ["event"]


@pytest.mark.parametrize(
    "steps",
    [
        [Ends(ProgrammingError("no"))],
        [READ, Ends(ProgrammingError("no"))],
        [0, Ends(ProgrammingError("no"))],
        [READ, 0, WRITE, Ends(KeyboardInterrupt())],
        [Ends(MemoryError())],
        [READ, Ends(RecursionError())],
    ],
)
def test_error_of_the_operation_itself(steps: Sequence[Step]) -> None:
    connection = Connection(*steps)
    error = steps[-1].value if isinstance(steps[-1], Ends) else None
    with pytest.raises(type(error)) as raised:
        run(connection.drive())
    assert raised.value is error
    assert connection.log[-2:] == [type(error), "recovered"]
    assert not {"leave", "abort"} & set(map(str, connection.log))


@pytest.mark.parametrize("at", range(3))
def test_interrupting_the_recovery(at: int) -> None:
    """The session's own recover() sees to it; drive() does not begin anew."""
    connection = Connection(READ, recovery=3)
    operation = connection.drive()
    next(operation)
    operation.throw(TimeoutError("first"))
    for _ in range(at):
        operation.send(READ)
    with pytest.raises(KeyboardInterrupt):
        operation.throw(KeyboardInterrupt())
    assert connection.log == [*BEGUN, TimeoutError, "abort"]
