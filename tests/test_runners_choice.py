"""Which runner is taken, and what is imported for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import trio
import trio.lowlevel
from runner_worlds import LOOPS, Loop, printed

from mariadb_nb import runners
from mariadb_nb.runners.asyncio import Runner as AsyncioRunner
from mariadb_nb.runners.poll import Runner as PollRunner
from mariadb_nb.runners.trio import Runner as TrioRunner


def test_blocking_connections_poll() -> None:
    assert runners.default() is PollRunner


def test_in_a_patched_process_gevent_is_the_default_and_poll_still_blocks() -> None:
    assert printed("""
        from gevent import monkey
        monkey.patch_all()
        import select, socket, time, gevent
        from mariadb_nb import runners
        from mariadb_nb.runners.gevent import Runner
        from mariadb_nb.runners.poll import PollRunner, SelectRunner
        from mariadb_nb.wait import READ, Wait

        def query():
            deadline = time.monotonic() + 0.05
            while not (mask := (yield Wait(near.fileno(), READ, deadline))):
                pass
            return mask

        near, far = socket.socketpair()
        print(runners.default() is Runner)
        for kind in runners.default(), PollRunner, SelectRunner:
            ticks = []
            job = gevent.spawn(ticks.append, 1)
            print(kind().run(query()), bool(ticks))
            job.join()
    """).split() == ["True", "8", "True", "8", "False", "8", "False"]


def test_gevent_without_patched_sockets_changes_nothing() -> None:
    assert printed("""
        from gevent import monkey
        monkey.patch_time()
        from mariadb_nb import runners
        print(runners.default().__module__)
    """).split() == ["mariadb_nb.runners.poll"]


def test_no_loop_is_imported_before_it_is_asked_for() -> None:
    assert (
        printed("""
        import sys
        from mariadb_nb import runners
        runners.default()
        try:
            runners.current_async()
        except RuntimeError:
            pass
        loops = {"asyncio", "trio", "gevent", "uvloop"}
        print(*(loops & set(sys.modules)))
    """)
        == "\n"
    )


@pytest.mark.parametrize("loop", LOOPS)
def test_asyncio_is_recognised(loop: Loop) -> None:
    async def main() -> object:
        return runners.current_async()

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(main()) is AsyncioRunner


def test_trio_is_recognised() -> None:
    async def main() -> object:
        return runners.current_async()

    assert trio.run(main) is TrioRunner


def test_trio_is_recognised_as_a_guest_of_asyncio() -> None:
    async def guest() -> object:
        await trio.lowlevel.checkpoint()
        return runners.current_async()

    async def host() -> tuple[object, object]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()

        def call(function: Callable[[], object]) -> None:
            loop.call_soon_threadsafe(function)

        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=call,
            done_callback=lambda outcome: done.set_result(outcome.unwrap()),
        )
        found = await done
        return found, runners.current_async()

    assert asyncio.run(host()) == (TrioRunner, AsyncioRunner)


def test_without_a_task_there_is_nothing_to_recognise() -> None:
    with pytest.raises(RuntimeError, match=r"asyncio\.run\(\) or trio\.run\(\)"):
        runners.current_async()
