"""An operation that is awaited on asyncio, as an object."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from runner_worlds import Go, Pair, reading, until

from mariadb_nb.runners.asyncio import Runner
from mariadb_nb.wait import READ, Operation, Wait

pytest_plugins = ["runner_fixtures"]


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
