"""The asyncio runner and tasks, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import contextvars
import time

import pytest
from runner_worlds import Go, Pair, cleaning, reading, turns, until

from mariadb_nb.runners.asyncio import Runner
from mariadb_nb.wait import PAUSE, READ, TIMEOUT, Operation, Wait

pytest_plugins = ["runner_fixtures"]


def sleep_past(deadline: float) -> None:
    """Block the loop: it has its next turn when the deadline is over by all clocks."""
    time.sleep(max(0.0, deadline - time.monotonic()) + 0.01)


# -- cancelling ------------------------------------------------------------------------


def test_a_timeout_around_it_becomes_a_timeout_error(go: Go, pair: Pair) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Runner().run(cleaning(pair, log))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    log: list[object] = []
    go(main())
    assert log == ["started", "clean"]


def test_both_of_two_timeouts_may_pass_during_the_clean_up(go: Go, pair: Pair) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await outer()

    async def outer() -> None:
        async with asyncio.timeout(0.02):
            try:
                async with asyncio.timeout(0.01):
                    await Runner().run(cleaning(pair, log, 0.1))
            except TimeoutError:
                log.append("the inner one hides the outer one")

    log: list[object] = []
    go(main())
    assert log == ["started", "clean"]


def test_a_timeout_does_not_hide_a_cancellation(go: Go, pair: Pair) -> None:
    def clean_up() -> Operation[None]:
        try:
            yield from until(Wait(pair.fd, READ))
        except asyncio.CancelledError:
            begun.set()
            yield from reading(pair)
            log.append("clean")
            raise

    async def limited() -> None:
        async with asyncio.timeout(0.01) as limit:
            try:
                await Runner().run(clean_up())
            finally:
                log.append(limit.expired())

    async def main() -> None:
        task = asyncio.create_task(limited())
        await begun.wait()
        task.cancel()
        pair.far.send(b"x")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    begun = asyncio.Event()
    log: list[object] = []
    go(main())
    assert log == ["clean", True]


def test_a_task_group_cancels_it_and_waits_for_the_clean_up(go: Go, pair: Pair) -> None:
    async def fail() -> None:
        await turns()
        raise LookupError("mine")

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(Runner().run(cleaning(pair, log)))
            group.create_task(fail())

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as raised:
            await both()
        assert [type(each) for each in raised.value.exceptions] == [LookupError]
        assert log == ["started", "clean"]

    log: list[object] = []
    go(main())


def test_many_cancellations_are_one(go: Go, pair: Pair) -> None:
    async def main() -> None:
        task = asyncio.create_task(Runner().run(cleaning(pair, log)))
        await turns()
        for number in range(5):
            assert task.cancel(f"reason {number}")
            assert task.cancel()
            await turns(number)
        with pytest.raises(asyncio.CancelledError) as raised:
            await task
        assert raised.value.args == ("reason 0",)
        assert task.cancelled()
        assert task.cancelling() == 10

    log: list[object] = []
    go(main())
    assert log == ["started", "clean"]


def test_a_task_that_is_cancelled_before_it_runs_starts_nothing(
    go: Go, pair: Pair
) -> None:
    async def main() -> None:
        task = asyncio.create_task(Runner().run(cleaning(pair, log)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    log: list[object] = []
    go(main())
    assert log == []


def test_a_cancellation_is_not_lost_when_the_answer_is_there_too(
    go: Go, pair: Pair
) -> None:
    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        task = asyncio.create_task(runner.run(cleaning(pair, log)))
        await turns()
        pair.far.send(b"answer")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["started", "clean"]
        assert await runner.run(reading(pair)) == [READ]

    log: list[object] = []
    go(main())


def test_a_cancellation_is_not_lost_when_the_deadline_passes_too(
    go: Go, pair: Pair
) -> None:
    def query(deadline: float) -> Operation[None]:
        try:
            yield Wait(pair.fd, READ, deadline)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(0))
        deadline = 0.0
        while time.monotonic() >= deadline:  # as long as it is the machine that is late
            await task
            deadline = time.monotonic() + 0.02
            task = asyncio.create_task(Runner().run(query(deadline)))
            await turns()
        sleep_past(deadline)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    log: list[object] = []
    go(main())
    assert log == ["cancelled"]


@pytest.mark.parametrize("waits", [0, 1])
def test_an_operation_may_cancel_its_own_task(go: Go, pair: Pair, waits: int) -> None:
    def suicide() -> Operation[None]:
        wait = Wait(pair.fd, READ, time.monotonic() + 0.01)
        for _ in range(waits):
            while (yield wait) == TIMEOUT:  # as long as it is the machine that is late
                wait = Wait(pair.fd, READ, time.monotonic() + 0.01)
            pair.read()
        assert wait.deadline is not None
        sleep_past(wait.deadline)
        tasks[0].cancel()
        try:
            yield wait
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        task = asyncio.create_task(runner.run(suicide()))
        tasks.append(task)
        pair.far.send(b"x")
        with pytest.raises(asyncio.CancelledError):
            await task
        pair.far.send(b"x")
        assert await runner.run(reading(pair)) == [READ]

    tasks: list[asyncio.Task[None]] = []
    log: list[object] = []
    go(main())
    assert log == ["cancelled"]


def test_an_operation_may_end_after_it_cancelled_its_own_task(
    go: Go, pair: Pair
) -> None:
    def suicide() -> Operation[None]:
        yield from reading(pair)
        tasks[0].cancel()

    async def main() -> None:
        runner = Runner()
        task = asyncio.create_task(runner.run(suicide()))
        tasks.append(task)
        pair.far.send(b"xx")
        with pytest.raises(asyncio.CancelledError):
            await task
        pair.far.send(b"x")
        assert await runner.run(reading(pair)) == [READ]

    tasks: list[asyncio.Task[None]] = []
    go(main())


# -- tasks and contexts ----------------------------------------------------------------


def test_the_operation_runs_in_the_context_of_its_task(go: Go, pair: Pair) -> None:
    name = contextvars.ContextVar("name", default="nobody")

    def tell(rounds: int) -> Operation[list[str]]:
        seen = [name.get()]
        for _ in range(rounds):
            yield from reading(pair)
            seen.append(name.get())
            yield PAUSE
            seen.append(name.get())
            name.set(name.get() + "!")
        return seen

    async def query(who: str, runner: Runner) -> None:
        name.set(who)
        pair.far.send(b"x")
        assert await runner.run(tell(1)) == [who] * 3
        assert name.get() == who + "!"

    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        for who in ("me", "you"):
            await asyncio.create_task(query(who, runner))
        assert name.get() == "nobody"

    go(main())


def test_a_second_operation_does_not_disturb_the_first(go: Go, pair: Pair) -> None:
    def refused() -> Operation[None]:
        raise LookupError("busy")
        yield

    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        first = asyncio.create_task(runner.run(reading(pair)))
        await turns()
        with pytest.raises(LookupError):
            await runner.run(refused())
        second = cleaning(pair, log)
        with pytest.raises(RuntimeError, match="another operation"):
            await runner.run(second)
        assert log == ["started", "closed"]
        pair.far.send(b"x")
        assert await first == [READ]

    log: list[object] = []
    go(main())


def test_one_operation_after_another_keeps_nobody_from_running(
    go: Go, pair: Pair
) -> None:
    async def several(runner: Runner) -> None:
        while not ticks:
            pair.far.send(b"x")
            assert await runner.run(reading(pair)) == [READ]

    async def tick() -> None:
        await turns()
        ticks.append(1)

    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        await asyncio.gather(several(runner), tick())

    ticks: list[int] = []
    go(main())


# -- clean-ups that nothing ends -------------------------------------------------------


def test_a_cancellation_during_a_shielded_clean_up_comes_after_it(
    go: Go, pair: Pair
) -> None:
    async def main() -> None:
        runner = Runner()
        task = asyncio.ensure_future(runner.run_shielded(clean_up()))
        await asyncio.sleep(0)
        task.cancel("given up")
        task.cancel()
        await asyncio.sleep(0)
        assert log == ["begun"]
        pair.far.send(b"!")
        with pytest.raises(asyncio.CancelledError, match="given up"):
            await task
        assert log == ["begun", READ]
        # The next one is as good as ever.
        pair.far.send(b"!")
        assert await runner.run(reading(pair)) == [READ]

    def clean_up() -> Operation[None]:
        log.append("begun")
        log.append((yield Wait(pair.fd, READ)))

    log: list[object] = []
    go(main())
