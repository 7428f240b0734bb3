"""An operation that is awaited on asyncio, as an object."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from runner_worlds import LONG, Go, Pair, asking, cleaning, reading, turns, until

from mariadb_nb.runners.asyncio import Runner
from mariadb_nb.wait import READ, Operation, Wait

pytest_plugins = ["runner_fixtures"]

#: What makes the loop's tasks: eager ones begin before who makes them goes on.
FACTORIES: dict[str, Any] = {"in a task": None}
if sys.version_info >= (3, 12):

    def eagerly(loop: Any, coroutine: Any, **how: Any) -> asyncio.Task[Any]:
        """What ``asyncio.eager_task_factory`` does.

        That of CPython 3.13.0 takes no ``eager_start``, which uvloop passes.
        """
        return asyncio.Task(coroutine, loop=loop, **{**how, "eager_start": True})

    FACTORIES["in an eager task"] = eagerly


@pytest.fixture(params=FACTORIES.values(), ids=list(FACTORIES))
def go(request: pytest.FixtureRequest, go: Go) -> Go:
    """Runs a coroutine in a task of each kind, as are those that it makes."""

    async def within(main: Coroutine[Any, Any, Any]) -> Any:
        asyncio.get_running_loop().set_task_factory(request.param)
        return await asyncio.create_task(main)

    return lambda main: go(within(main))


def is_eager() -> bool:
    """Whether the tasks that are made here begin at once."""
    return asyncio.get_running_loop().get_task_factory() is not None


@pytest.fixture
def log() -> list[object]:
    return []


def logged(pair: Pair, log: list[object]) -> Operation[str]:
    """Waits until something can be read, and notes how it ended."""
    try:
        yield from until(Wait(pair.fd, READ))
    except BaseException as error:
        log.append(type(error))
        raise
    log.append("done")
    return "outcome"


async def answers(pair: Pair, runner: Runner) -> bool:
    """Whether the runner is as it was before."""
    pair.far.send(b"x")
    return await runner.run(reading(pair)) == [READ]


def test_it_is_awaited_once(go: Go, pair: Pair) -> None:
    async def main() -> None:
        runner = Runner()
        pair.far.send(b"x")
        run = runner.run(reading(pair))
        assert await run == [READ]
        with pytest.raises(RuntimeError, match="already"):
            await run
        assert run.cancel() is False
        assert run.operation is None

    go(main())


def test_it_is_a_coroutine_for_those_who_make_tasks(go: Go, pair: Pair) -> None:
    async def main() -> None:
        run = Runner().run(reading(pair))
        assert asyncio.iscoroutine(run)
        assert not asyncio.isfuture(run)
        pair.far.send(b"x")
        (masks,) = await asyncio.gather(run)
        assert masks == [READ]
        pair.far.send(b"y")
        assert await asyncio.wait_for(Runner().run(reading(pair)), 60) == [READ]

    go(main())


CALLS: dict[str, Callable[[Any], object]] = {
    "send": lambda run: run.send(None),
    "next": next,
    "throw": lambda run: run.throw(KeyError()),
    "close": lambda run: run.close(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_it_is_not_run_from_within_itself(
    go: Go, pair: Pair, call: Callable[[Any], object]
) -> None:
    run: Any = None

    def meddling() -> Operation[str]:
        with pytest.raises(ValueError, match="already"):
            call(run)
        yield from until(Wait(pair.fd, READ))
        return "outcome"

    async def main() -> None:
        nonlocal run
        run = Runner().run(meddling())
        pair.far.send(b"x")
        assert await run == "outcome"

    go(main())


THROWN: dict[str, tuple[Any, ...]] = {
    "an instance": (KeyError("why"),),
    "a class": (KeyError,),
    "as before 3.12": (KeyError, KeyError("why"), None),
    "a class and what it is made of": (KeyError, "why"),
}


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("thrown", THROWN.values(), ids=THROWN)
def test_what_is_thrown_in_ends_it(
    go: Go, pair: Pair, log: list[object], thrown: tuple[Any, ...], begun: bool
) -> None:
    """What has begun is closed at once: nobody is there to wait for its clean-up."""

    async def main() -> None:
        runner = Runner()
        run: Any = runner.run(logged(pair, log))
        if begun:
            assert run.send(None) is run
        with pytest.raises(KeyError) as raised:
            run.throw(*thrown)
        assert raised.value.args in [(), ("why",)]
        assert log == [GeneratorExit] * begun
        assert await answers(pair, runner)

    go(main())


def test_only_an_exception_is_thrown_in(go: Go, pair: Pair, log: list[object]) -> None:
    async def main() -> None:
        run: Any = Runner().run(logged(pair, log))
        run.send(None)
        for wrong in ((), ("error",), (KeyError(), KeyError()), (KeyError, 1, 2, 3)):
            with pytest.raises(TypeError):
                run.throw(*wrong)
        assert log == []
        run.close()

    go(main())


@pytest.mark.parametrize("begun", [False, True])
def test_closing_it(go: Go, pair: Pair, log: list[object], begun: bool) -> None:
    async def main() -> None:
        runner = Runner()
        run = runner.run(logged(pair, log))
        if begun:
            run.send(None)
        run.close()
        run.close()
        assert log == [GeneratorExit] * begun
        assert await answers(pair, runner)

    go(main())


def test_closing_what_cannot_be_closed(go: Go, pair: Pair) -> None:
    def failing() -> Operation[None]:
        try:
            yield from until(Wait(pair.fd, READ))
        except GeneratorExit:
            raise LookupError("mine") from None

    async def main() -> None:
        runner = Runner()
        run = runner.run(failing())
        run.send(None)
        with pytest.raises(LookupError, match="mine"):
            run.close()
        assert await answers(pair, runner)

    go(main())


def test_who_resumes_it_too_early_ends_it(
    go: Go, pair: Pair, log: list[object]
) -> None:
    async def main() -> None:
        runner = Runner()
        run = runner.run(logged(pair, log))
        run.send(None)
        with pytest.raises(RuntimeError, match="before"):
            run.send(None)
        assert log == [GeneratorExit]
        assert await answers(pair, runner)

    go(main())


def test_a_coroutine_that_is_dropped_ends_it(
    go: Go, pair: Pair, log: list[object]
) -> None:
    async def main() -> None:
        runner = Runner()

        async def around() -> None:
            await runner.run(logged(pair, log))

        coroutine = around()
        coroutine.send(None)
        del coroutine
        gc.collect()
        assert log == [GeneratorExit]
        assert await answers(pair, runner)

    go(main())


def test_nobody_waits_for_it(go: Go, pair: Pair, log: list[object]) -> None:
    """It was not awaited by a task: the loop is told so, and the next one is run."""

    async def main() -> None:
        told = asyncio.Event()

        def tell(loop: object, context: dict[str, Any]) -> None:
            log.append(str(context["exception"]))
            told.set()

        asyncio.get_running_loop().set_exception_handler(tell)
        runner = Runner()
        run = runner.run(logged(pair, log))
        run.send(None)
        pair.far.send(b"x")
        await told.wait()
        assert log == ["no task waits for this operation"]
        run.close()
        assert await runner.run(reading(pair)) == [READ]

    go(main())


# -- as the first await of a task, which an eager one comes to at once -----------------


def test_it_begins_with_its_task(go: Go, pair: Pair, log: list[object]) -> None:
    async def main() -> None:
        runner = Runner()
        task = asyncio.create_task(runner.run(cleaning(pair, log)))
        assert log == ["started"] * is_eager()
        assert not task.done()
        pair.far.send(b"x")
        await task
        assert log == ["started"]
        pair.read()
        assert await answers(pair, runner)

    go(main())


def test_one_that_ends_at_once_ends_its_task(go: Go, pair: Pair) -> None:
    def failing() -> Operation[None]:
        yield from asking()
        raise LookupError("mine")

    async def main() -> None:
        runner = Runner()
        task = asyncio.create_task(runner.run(asking()))
        assert task.done() is is_eager()
        assert await task == []
        failed = asyncio.create_task(runner.run(failing()))
        assert failed.done() is is_eager()
        with pytest.raises(LookupError, match="mine"):
            await failed
        assert await answers(pair, runner)

    go(main())


def test_it_goes_on_in_the_context_of_its_task(go: Go, pair: Pair) -> None:
    name = contextvars.ContextVar("name", default="nobody's")

    def named() -> Operation[list[str]]:
        names = [name.get()]
        yield from until(Wait(pair.fd, READ))
        names.append(name.get())
        name.set("the operation's")
        return names

    async def around() -> tuple[list[str], str]:
        name.set("the task's")
        return await Runner().run(named()), name.get()

    async def main() -> None:
        task = asyncio.create_task(around())
        assert name.get() == "nobody's"
        pair.far.send(b"x")
        assert await task == (["the task's", "the task's"], "the operation's")
        assert name.get() == "nobody's"

    go(main())


def test_the_first_to_wait_is_not_disturbed_by_a_second_one(
    go: Go, pair: Pair, other: Pair
) -> None:
    """Also if the first to begin makes the task of the other before it waits."""
    made: list[asyncio.Task[Any]] = []

    def making(runner: Runner) -> Operation[list[int]]:
        made.append(asyncio.create_task(runner.run(reading(other))))
        return (yield from reading(pair))

    async def main() -> None:
        runner = Runner()
        maker = asyncio.create_task(runner.run(making(runner)))
        await turns()
        first, second = (*made, maker) if is_eager() else (maker, *made)
        with pytest.raises(RuntimeError, match="another operation is under way"):
            await second
        for each in (pair, other):
            each.far.send(b"x")
        assert await first == [READ]

    go(main())


@pytest.mark.parametrize("times", [1, 3])
def test_its_task_is_cancelled_at_once(
    go: Go, pair: Pair, log: list[object], times: int
) -> None:
    async def main() -> None:
        runner = Runner()
        task = asyncio.create_task(runner.run(cleaning(pair, log)))
        for number in range(times):
            assert task.cancel(f"reason {number}")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert task.cancelling() == times
        assert log == ["started", "clean"] * is_eager()
        assert await answers(pair, runner)

    go(main())


def test_a_task_cancels_itself_before_it_awaits_it(
    go: Go, pair: Pair, log: list[object]
) -> None:
    async def around(runner: Runner) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await runner.run(cleaning(pair, log))

    async def main() -> None:
        runner = Runner()
        task = asyncio.create_task(around(runner))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert log == ["started", "clean"]
        assert await answers(pair, runner)

    go(main())


def test_in_a_task_group(go: Go, pair: Pair, other: Pair) -> None:
    async def main() -> None:
        pair.far.send(b"x")
        async with asyncio.TaskGroup() as group:
            at_once = group.create_task(Runner().run(asking()))
            waiting = group.create_task(Runner().run(reading(pair)))
            other.far.send(b"y")
            assert await Runner().run(reading(other)) == [READ]
        assert (at_once.result(), waiting.result()) == ([], [READ])

    go(main())


def test_in_a_task_group_that_fails_before_it_waits(
    go: Go, pair: Pair, other: Pair, log: list[object]
) -> None:
    def failing() -> Operation[None]:
        yield from asking()
        raise LookupError("mine")

    async def both(runner: Runner) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run(cleaning(pair, log)))
            group.create_task(Runner().run(failing()))
            await Runner().run(cleaning(other, log))

    async def main() -> None:
        runner = Runner()
        with pytest.raises(ExceptionGroup) as raised:
            await both(runner)
        assert [type(each) for each in raised.value.exceptions] == [LookupError]
        assert sorted(map(str, log)) == ["clean", "clean", "started", "started"]
        assert await answers(pair, runner)

    go(main())


@pytest.mark.parametrize("seconds", [-1, 0, 0.01])
def test_in_a_timeout_that_passes(
    go: Go, pair: Pair, log: list[object], seconds: float
) -> None:
    async def main() -> None:
        runner = Runner()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await runner.run(cleaning(pair, log))
        assert log == ["started", "clean"]
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert await answers(pair, runner)

    go(main())


def test_in_a_timeout_that_does_not_pass(go: Go, pair: Pair) -> None:
    async def main() -> None:
        runner = Runner()
        async with asyncio.timeout(LONG):
            assert await runner.run(asking()) == []
        async with asyncio.timeout(LONG):
            assert await answers(pair, runner)

    go(main())


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_who_waits_for_it_gives_up(
    go: Go, pair: Pair, log: list[object], seconds: float
) -> None:
    """Who gives up before he has waited has begun it only if he made an eager task."""

    async def main() -> None:
        runner = Runner()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(runner.run(cleaning(pair, log)), seconds)
        assert log == ["started", "clean"] * (seconds > 0 or is_eager())
        assert await answers(pair, runner)

    go(main())


@pytest.mark.parametrize("seconds", [None, LONG])
def test_who_waits_for_it_gets_its_outcome(
    go: Go, pair: Pair, seconds: float | None
) -> None:
    async def main() -> None:
        runner = Runner()
        assert await asyncio.wait_for(runner.run(asking()), seconds) == []
        pair.far.send(b"x")
        assert await asyncio.wait_for(runner.run(reading(pair)), seconds) == [READ]
        assert await answers(pair, runner)

    go(main())
