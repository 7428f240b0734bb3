"""The trio runner: checkpoints, cancel scopes, and descriptors that are closed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import trio
import trio.testing
from runner_worlds import LONG, Pair, asking, cleaning, reading, until

from mariadb_nb.runners.trio import Runner
from mariadb_nb.wait import READ, Operation, Wait

pytest_plugins = ["runner_fixtures"]

_T = TypeVar("_T")


def go(main: Callable[[], Awaitable[_T]]) -> _T:
    async def limited() -> _T:
        with trio.fail_after(LONG):
            return await main()

    return trio.run(limited)


@pytest.mark.parametrize("waits", [0, 1, 3])
def test_run_is_a_checkpoint(pair: Pair, waits: int) -> None:
    async def main() -> None:
        pair.far.send(b"x")
        with trio.testing.assert_checkpoints():
            await Runner().run(asking(*[Wait(pair.fd, READ)] * waits))

    go(main)


def test_a_task_that_is_already_cancelled_starts_nothing(pair: Pair) -> None:
    async def main() -> None:
        operation = cleaning(pair, log)
        with trio.CancelScope() as scope:
            scope.cancel()
            await Runner().run(operation)
        assert scope.cancelled_caught
        with pytest.raises(StopIteration):
            next(operation)

    log: list[object] = []
    go(main)
    assert log == []


def test_a_result_is_not_lost_to_a_cancellation(pair: Pair) -> None:
    def cancels() -> Operation[str]:
        scope.cancel()
        return "done"
        yield

    async def main() -> None:
        with scope:
            assert await Runner().run(cancels()) == "done"
            log.append("returned")

    scope = trio.CancelScope()
    log: list[object] = []
    go(main)
    assert log == ["returned"]


def test_a_timeout_around_it_becomes_too_slow(pair: Pair) -> None:
    async def main() -> None:
        runner = Runner()
        with pytest.raises(trio.TooSlowError):
            with trio.fail_after(0.01):
                await runner.run(cleaning(pair, log))
        pair.far.send(b"x")
        assert await runner.run(reading(pair)) == [READ]

    log: list[object] = []
    go(main)
    assert log == ["started", "clean"]


def test_a_nursery_cancels_it_and_waits_for_the_clean_up(pair: Pair) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Runner().run, cleaning(pair, log, 0.1))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    log: list[object] = []
    go(main)
    assert log == ["started", "clean"]


def test_forget_wakes_who_waits(pair: Pair) -> None:
    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await runner.run(cleaning(pair, log))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            runner.forget()

    log: list[object] = []
    runner = Runner()
    runner.keep(pair.fd)
    go(main)
    assert log == ["started", "closed"]


def test_forget_is_harmless_outside_of_trio(pair: Pair) -> None:
    runner = Runner()
    runner.keep(pair.fd)
    runner.forget()


def test_two_cannot_wait_for_one_descriptor(pair: Pair) -> None:
    async def refused() -> None:
        operation = cleaning(pair, log)
        with pytest.raises(trio.BusyResourceError):
            await Runner().run(operation)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Runner().run, reading(pair))
            await trio.testing.wait_all_tasks_blocked()
            await refused()
            pair.far.send(b"x")

    log: list[object] = []
    go(main)
    assert log == ["started", "closed"]


def test_deadlines_are_those_of_the_monotonic_clock_whatever_trios_clock(
    pair: Pair,
) -> None:
    async def main() -> float:
        deadline = time.monotonic() + 0.03
        await Runner().run(until(Wait(pair.fd, READ, deadline)))
        return time.monotonic() - deadline

    # A clock that started long ago, twice as fast.
    clock = trio.testing.MockClock(rate=2.0)
    clock.jump(1e6)
    assert trio.run(main, clock=clock) > -0.02
