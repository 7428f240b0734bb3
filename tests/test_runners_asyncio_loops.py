"""The asyncio runner and its loop, asyncio's own or uvloop: what is registered."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from typing import Any

import pytest
import uvloop
from runner_worlds import LONG, Go, Pair, cleaning, reading, turns, until

from mariadb_nb.runners.asyncio import Runner
from mariadb_nb.wait import READ, TIMEOUT, WRITE, Operation, Wait

pytest_plugins = ["runner_fixtures"]


class Counted(Runner):
    """Counts how often the loop has told it that its descriptor is readable."""

    __slots__ = ("calls",)

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def _readable(self) -> None:
        self.calls += 1
        super()._readable()


# -- what is registered ----------------------------------------------------------------


def test_the_kept_descriptor_stays_registered(loop: Any, go: Go, pair: Pair) -> None:
    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        for _ in range(20):
            asyncio.get_running_loop().call_soon(pair.far.send, b"x")
            assert await runner.run(reading(pair)) == [READ]
        assert loop.counts["add_reader"] == 1
        assert loop.counts["remove_reader"] == 0
        runner.forget()
        assert loop.counts["remove_reader"] == 1
        runner.forget()
        assert loop.counts["remove_reader"] == 1

    go(main())


def test_a_failed_statement_registers_it_once_more(
    loop: Any, go: Go, pair: Pair
) -> None:
    def fail() -> Operation[None]:
        yield from reading(pair)
        raise LookupError

    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        for count in (1, 2, 3):
            pair.far.send(b"x")
            with pytest.raises(LookupError):
                await runner.run(fail())
            assert loop.counts["add_reader"] == count
            assert loop.counts["remove_reader"] == count

    go(main())


@pytest.mark.parametrize("events", [READ, READ | WRITE])
def test_a_clean_up_may_close_what_was_registered_a_moment_ago(
    go: Go, pair: Pair, events: int
) -> None:
    def closing() -> Operation[None]:
        try:
            while True:
                yield Wait(pair.fd, events)
        finally:
            pair.near.close()

    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        task = asyncio.create_task(runner.run(closing()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The loop goes on.
        await asyncio.sleep(0.01)

    go(main())


def test_an_idle_descriptor_with_data_does_not_keep_the_loop_busy(
    go: Go, pair: Pair
) -> None:
    async def main() -> None:
        runner = Counted()
        runner.keep(pair.fd)
        pair.far.send(b"x")
        assert await runner.run(reading(pair)) == [READ]
        assert runner.calls == 1
        pair.far.send(b"goodbye")
        await turns(20)
        assert runner.calls == 2
        assert await runner.run(reading(pair)) == [READ]
        assert runner.calls == 3

    go(main())


def test_data_does_not_keep_the_loop_busy_while_something_else_is_awaited(
    go: Go, pair: Pair
) -> None:
    async def drain(runner: Counted) -> None:
        while runner.calls < 2:  # noqa: ASYNC110 - until it has been told of the message
            await asyncio.sleep(0)
        await turns(20)
        pair.drain()

    async def main() -> None:
        runner = Counted()
        runner.keep(pair.fd)
        pair.far.send(b"x")
        assert await runner.run(reading(pair)) == [READ]
        pair.fill()
        pair.far.send(b"an error message")
        writable = until(Wait(pair.fd, WRITE))
        _, mask = await asyncio.gather(drain(runner), runner.run(writable))
        assert mask == WRITE
        assert runner.calls == 2
        assert await runner.run(reading(pair)) == [READ]

    go(main())


def test_the_timer_of_what_was_before_the_kept_descriptor_is_cancelled(
    loop: Any, go: Go, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connecting() -> Operation[None]:
        yield from until(Wait(pair.fd, WRITE, time.monotonic() + LONG))

    async def main() -> None:
        runner = Runner()
        timers.clear()
        await runner.run(connecting())
        (timer,) = timers
        assert not timer.cancelled()
        runner.keep(pair.fd)
        assert timer.cancelled()

    timers: list[asyncio.TimerHandle] = []
    call_later = loop.call_later

    def recording(*arguments: Any, **more: Any) -> asyncio.TimerHandle:
        timers.append(call_later(*arguments, **more))
        return timers[-1]

    monkeypatch.setattr(loop, "call_later", recording)
    go(main())


def test_there_is_one_timer_for_all_waits(loop: Any, go: Go, pair: Pair) -> None:
    def query(seconds: float) -> Operation[int]:
        return (yield Wait(pair.fd, READ, time.monotonic() + seconds))

    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        pair.far.send(b"x")
        before = loop.counts["call_later"]
        for _ in range(50):
            assert await runner.run(query(60)) == READ
        assert loop.counts["call_later"] == before + 1
        pair.read()
        assert await runner.run(query(0.01)) == TIMEOUT
        assert loop.counts["call_later"] <= before + 4
        runner.forget()

    go(main())


def test_forget_leaves_nothing_in_the_loop(go: Go, pair: Pair) -> None:
    class Known(Runner):
        __slots__ = ("__weakref__",)

    async def main() -> None:
        runner = Known()
        runner.keep(pair.fd)
        pair.far.send(b"x")
        for seconds in (60, 40, 20):
            wait = Wait(pair.fd, READ, time.monotonic() + seconds)
            assert await runner.run(until(wait)) == READ
        runner.forget()
        gone = weakref.ref(runner)
        del runner
        await asyncio.sleep(0)
        gc.collect()
        assert gone() is None

    go(main())


def test_nothing_refers_to_a_task_that_is_done(go: Go, pair: Pair) -> None:
    async def main() -> None:
        async def query() -> None:
            await runner.run(reading(pair))

        runner = Runner()
        runner.keep(pair.fd)
        pair.far.send(b"x")
        task = asyncio.create_task(query())
        await task
        gone = weakref.ref(task)
        del task
        await turns()
        gc.collect()
        assert gone() is None

    go(main())


def test_an_error_leaves_no_garbage(go: Go, pair: Pair) -> None:
    class Mine(Exception):
        pass

    def fail() -> Operation[None]:
        yield from reading(pair)
        raise Mine

    async def main() -> None:
        runner = Runner()
        runner.keep(pair.fd)
        gone: list[weakref.ref[Mine]] = []
        for _ in range(3):
            pair.far.send(b"x")
            try:
                await runner.run(fail())
            except Mine as error:
                gone.append(weakref.ref(error))
        assert [error() for error in gone] == [None] * 3

    gc.disable()
    try:
        go(main())
    finally:
        gc.enable()


# -- loops -----------------------------------------------------------------------------


def test_a_connection_may_go_on_in_another_loop(loop: Any, go: Go, pair: Pair) -> None:
    async def query() -> None:
        pair.far.send(b"x")
        mask = await runner.run(until(Wait(pair.fd, READ, time.monotonic() + 60)))
        assert mask == READ
        pair.read()

    runner = Runner()
    runner.keep(pair.fd)
    go(query())
    for make in (asyncio.new_event_loop, uvloop.new_event_loop) * 2:
        with asyncio.Runner(loop_factory=make) as another:
            another.run(query())
    runner.forget()


def test_a_connection_is_refused_while_its_loop_runs_in_another_thread(
    loop: Any, pair: Pair
) -> None:
    async def query() -> list[int]:
        pair.far.send(b"x")
        return await runner.run(reading(pair))

    async def stop() -> None:
        runner.forget()
        loop.stop()

    runner = Runner()
    runner.keep(pair.fd)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        first = asyncio.run_coroutine_threadsafe(query(), loop)
        assert first.result(LONG) == [READ]
        with (
            asyncio.Runner() as another,
            pytest.raises(RuntimeError, match="another event loop"),
        ):
            another.run(runner.run(reading(pair)))
        second = asyncio.run_coroutine_threadsafe(query(), loop)
        assert second.result(LONG) == [READ]
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop)
        thread.join()


def test_forget_is_harmless_when_the_loop_is_gone(
    loop: Any, go: Go, pair: Pair
) -> None:
    async def query() -> None:
        pair.far.send(b"x")
        assert await runner.run(reading(pair)) == [READ]

    runner = Runner()
    runner.keep(pair.fd)
    go(query())
    assert loop.is_closed()
    runner.forget()


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_operation_left_behind_by_its_loop_ends_before_the_next_one(
    loop: Any, pair: Pair, cancelled: bool
) -> None:
    async def start(runner: Runner) -> None:
        task = asyncio.create_task(runner.run(cleaning(pair, log)))
        await turns()
        assert not task.done()
        tasks.append(task)
        if cancelled:  # its clean-up takes more turns than there are
            task.cancel()

    log: list[object] = []
    tasks: list[asyncio.Task[None]] = []
    runner = Runner()
    runner.keep(pair.fd)
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(start(runner))
    loop.close()
    pair.far.send(b"x")
    with asyncio.Runner() as another:
        assert another.run(runner.run(reading(pair))) == [READ]
    assert log == (["started"] if cancelled else ["started", "closed"])


def test_an_operation_is_resumed_after_its_loop_was_closed(
    pair: Pair, other: Pair
) -> None:
    """Who does that is told so; what is under way by then goes on."""
    runner = Runner()
    run = runner.run(reading(pair))

    async def before() -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.set())
        run.send(None)
        pair.far.send(b"x")
        await told.wait()  # that no task waits for it

    async def after() -> None:
        task = asyncio.create_task(runner.run(reading(other)))
        await turns()
        with pytest.raises(RuntimeError, match="closed"):
            run.send(None)
        other.far.send(b"x")
        assert await task == [READ]

    asyncio.run(before())
    asyncio.run(after())


def test_a_clean_up_whose_loop_was_closed_shields_nobody(
    loop: Any, pair: Pair, other: Pair
) -> None:
    runner = Runner()
    log: list[object] = []

    async def begin() -> asyncio.Task[Any]:
        task = asyncio.create_task(runner.run_shielded(reading(pair)))
        await turns()
        return task

    async def after() -> None:
        task = asyncio.create_task(runner.run(cleaning(other, log)))
        await turns()
        task.cancel()
        await asyncio.wait([task], timeout=LONG)
        cancelled = task.cancelled()
        other.far.send(b"x")  # or it would wait for that
        assert cancelled
        assert log == ["started", "clean"]

    loop.set_exception_handler(lambda *_: None)
    task = loop.run_until_complete(begin())
    loop.close()
    asyncio.run(after())
    assert not task.done()
