"""The selector runner: many operations on one loop, or on somebody else's."""

from __future__ import annotations

import os
import select
import selectors
import signal
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, InvalidStateError
from types import FrameType

import pytest
from runner_worlds import Pair, reading, until

from mariadb_nb.runners.selector import Handle, SelectorRunner
from mariadb_nb.wait import PAUSE, READ, TIMEOUT, WRITE, Operation, Wait

pytest_plugins = ["runner_fixtures"]


@pytest.fixture
def runner() -> Iterator[SelectorRunner]:
    with SelectorRunner() as made:
        yield made


def forever(pair: Pair, log: list[object]) -> Operation[None]:
    log.append("started")
    try:
        while True:
            yield Wait(pair.fd, READ)
    except BaseException as error:
        log.append(type(error))
        raise


# -- results ---------------------------------------------------------------------------


def test_many_operations_run_on_one_loop(runner: SelectorRunner) -> None:
    def query(pair: Pair, number: int) -> Operation[int]:
        for _ in range(3):
            pair.far.send(b"x")
            yield Wait(pair.fd, READ, time.monotonic() + 60)
            pair.read()
        return number

    def finish(handle: Handle[int]) -> None:
        done.append(handle.result())

    done: list[int] = []
    pairs = [Pair() for _ in range(50)]
    handles = [
        runner.submit(query(pair, number), finish) for number, pair in enumerate(pairs)
    ]
    runner.run()
    assert sorted(done) == list(range(50))
    assert [handle.result() for handle in handles] == list(range(50))
    for pair in pairs:
        pair.close()


def test_a_callback_may_submit_the_next(runner: SelectorRunner, pair: Pair) -> None:
    def again(handle: Handle[list[int]]) -> None:
        assert handle.done()
        rounds.append(handle.result())
        if len(rounds) < 5:
            runner.submit(reading(pair), again)

    rounds: list[list[int]] = []
    pair.far.send(b"x")

    def feed() -> Operation[None]:
        while len(rounds) < 5:
            pair.far.send(b"x")
            yield PAUSE

    runner.submit(feed())
    runner.submit(reading(pair), again)
    runner.run()
    assert rounds == [[READ]] * 5


def test_nothing_runs_before_the_first_round(
    runner: SelectorRunner, pair: Pair
) -> None:
    log: list[object] = []
    handle = runner.submit(forever(pair, log))
    assert log == []
    with pytest.raises(InvalidStateError, match="not done"):
        handle.result()
    assert runner.run_once(0)
    assert log == ["started"]
    assert not handle.done()


def test_errors_are_told_by_the_handle(runner: SelectorRunner, pair: Pair) -> None:
    def fail() -> Operation[None]:
        yield PAUSE
        raise LookupError("mine")

    done: list[bool] = []
    handle = runner.submit(fail(), lambda handle: done.append(handle.done()))
    other = runner.submit(reading(pair))
    pair.far.send(b"x")
    runner.run()
    assert done == [True]
    with pytest.raises(LookupError, match="mine"):
        handle.result()
    assert other.result() == [READ]


def test_what_a_callback_raises_comes_out_and_loses_nothing(
    runner: SelectorRunner, pair: Pair
) -> None:
    def fail(handle: Handle[None]) -> None:
        raise LookupError("mine")

    def nothing() -> Operation[None]:
        return
        yield

    runner.submit(nothing(), fail)
    other = runner.submit(reading(pair))
    pair.far.send(b"x")
    with pytest.raises(LookupError, match="mine"):
        runner.run()
    runner.run()
    assert other.result() == [READ]


def test_everybody_has_a_turn_in_each_round(runner: SelectorRunner, pair: Pair) -> None:
    def pausing(name: str) -> Operation[None]:
        for _ in range(3):
            seen.append(name)
            yield PAUSE

    seen: list[str] = []
    for name in "abc":
        runner.submit(pausing(name))
    pair.far.send(b"x")
    waits = runner.submit(reading(pair))
    runner.run_once()
    runner.run_once()
    assert waits.done()
    runner.run()
    assert "".join(seen) == "abcabcabc"


def test_it_sleeps_while_nothing_happens(runner: SelectorRunner, pair: Pair) -> None:
    runner.submit(until(Wait(pair.fd, READ, time.monotonic() + 0.05)))
    runner.submit(until(Wait(-1, 0, time.monotonic() + 0.03)))
    rounds = 1
    while runner.run_once():
        rounds += 1
    assert rounds <= 5


def test_run_once_waits_no_longer_than_it_is_told(
    runner: SelectorRunner, pair: Pair
) -> None:
    handle = runner.submit(reading(pair))
    assert runner.run_once(60)
    assert runner.run_once(0.01)
    assert not handle.done()
    assert not SelectorRunner().run_once()


# -- cancelling ------------------------------------------------------------------------


def test_what_is_cancelled_before_it_starts_does_not_start(
    runner: SelectorRunner, pair: Pair
) -> None:
    log: list[object] = []
    handle = runner.submit(forever(pair, log), lambda handle: log.append("done"))
    assert handle.cancel()
    runner.run()
    assert log == ["done"]
    with pytest.raises(CancelledError):
        handle.result()
    assert not handle.cancel()


def test_a_cancellation_replaces_whatever_was_to_happen(
    runner: SelectorRunner, pair: Pair
) -> None:
    log: list[object] = []
    handle = runner.submit(forever(pair, log))
    runner.run_once()
    pair.far.send(b"x")
    assert handle.cancel()
    assert not handle.cancel()
    runner.run()
    assert log == ["started", CancelledError]
    assert runner.submit(reading(pair)).done() is False
    runner.run()


def test_an_operation_may_cancel_itself(runner: SelectorRunner, pair: Pair) -> None:
    def suicide(waits: bool) -> Operation[None]:
        yield PAUSE
        assert handle.cancel()
        if waits:
            yield from forever(pair, log)

    log: list[object] = []
    for waits in (False, True):
        handle = runner.submit(suicide(waits))
        runner.run()
        with pytest.raises(CancelledError):
            handle.result()
    assert log == ["started", CancelledError]
    after = runner.submit(reading(pair))
    runner.run_once()
    pair.far.send(b"x")
    runner.run()
    assert after.result() == [READ]


def test_close_ends_everything_at_once(pair: Pair) -> None:
    log: list[object] = []
    selector = selectors.DefaultSelector()
    with SelectorRunner(selector) as runner:
        handle = runner.submit(forever(pair, log), lambda handle: log.append("done"))
        paused = runner.submit(until(Wait(-1, 0, time.monotonic() + 60)))
        runner.run_once(0)
    assert log == ["started", GeneratorExit]
    assert handle.done()
    assert paused.done()
    with pytest.raises(CancelledError, match="closed"):
        handle.result()
    assert not selector.get_map()
    selector.close()


def test_two_operations_cannot_wait_for_one_descriptor(
    runner: SelectorRunner, pair: Pair
) -> None:
    log: list[object] = []
    first = runner.submit(reading(pair))
    second = runner.submit(forever(pair, log))
    runner.run_once(0)
    pair.far.send(b"x")
    runner.run()
    assert first.result() == [READ]
    assert log == ["started", GeneratorExit]
    with pytest.raises(RuntimeError, match="two operations wait for descriptor"):
        second.result()


def test_a_keyboard_interrupt_leaves_everything_where_it_was(
    runner: SelectorRunner, pair: Pair
) -> None:
    def handle_signal(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def run() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        runner.run()

    before = signal.signal(signal.SIGALRM, handle_signal)
    try:
        handle = runner.submit(reading(pair))
        runner.run_once()
        with pytest.raises(KeyboardInterrupt):
            run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not handle.done()
    pair.far.send(b"x")
    runner.run()
    assert handle.result() == [READ]


# -- loops of other people -------------------------------------------------------------


def test_somebody_elses_loop_can_run_it(runner: SelectorRunner, pair: Pair) -> None:
    def query() -> Operation[list[int]]:
        masks = [(yield Wait(pair.fd, READ, time.monotonic() + 60))]
        pair.read()
        masks.append((yield PAUSE))
        masks.append((yield from until(Wait(pair.fd, WRITE))))
        masks.append((yield from until(Wait(pair.fd, READ, time.monotonic() + 0.02))))
        return masks

    handle = runner.submit(query())
    assert runner.timeout() == 0
    assert runner.events() == {}
    assert runner.run_once(0)
    assert runner.events() == {pair.fd: READ}
    timeout = runner.timeout()
    assert timeout is not None
    assert 50 < timeout <= 60
    pair.far.send(b"x")
    while runner.run_once(0):
        events = runner.events()
        select.select(
            [fd for fd, mask in events.items() if mask & READ],
            [fd for fd, mask in events.items() if mask & WRITE],
            [],
            runner.timeout(),
        )
    assert handle.result() == [READ, 0, WRITE, TIMEOUT]
    assert runner.timeout() is None
    assert runner.events() == {}


@pytest.mark.parametrize("kind", [selectors.SelectSelector, selectors.PollSelector])
def test_any_selector_will_do(kind: type[selectors.BaseSelector], pair: Pair) -> None:
    def query() -> Operation[list[int]]:
        pair.far.send(b"x")
        masks = yield from reading(pair)
        masks.append((yield from until(Wait(pair.fd, READ, time.monotonic() + 0.01))))
        return masks

    with kind() as selector, SelectorRunner(selector) as runner:
        handle = runner.submit(query())
        runner.run()
        assert handle.result() == [READ, TIMEOUT]


def test_timers_of_waits_that_are_over_do_not_pile_up(
    runner: SelectorRunner, pair: Pair
) -> None:
    def query() -> Operation[None]:
        for _ in range(1000):
            yield Wait(pair.fd, WRITE, time.monotonic() + 60)

    first = runner.submit(until(Wait(-1, 0, time.monotonic() + 30)))
    last = runner.submit(query())
    most = 0
    while not last.done():
        runner.run_once()
        most = max(most, len(runner._timers))
    assert 1 <= most <= 100
    assert not first.done()


def test_its_own_selector_is_closed_with_it() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with SelectorRunner():
        assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(os.listdir("/proc/self/fd")) == before
