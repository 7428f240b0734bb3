"""The gevent runner: greenlets go on, time-outs and kills interrupt."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
import gevent.threadpool
import pytest
from runner_worlds import LONG, Pair, cleaning, printed, reading, until

from mariadb_nb.runners.gevent import Runner
from mariadb_nb.wait import PAUSE, READ, TIMEOUT, Operation, Wait

pytest_plugins = ["runner_fixtures"]


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    with gevent.Timeout(LONG):
        yield


def test_other_greenlets_go_on(pair: Pair) -> None:
    ticks = []

    def tick() -> None:
        for number in range(5):
            ticks.append(number)
            gevent.sleep(0)
        pair.far.send(b"x")

    job = gevent.spawn(tick)
    assert Runner().run(reading(pair)) == [READ]
    assert ticks == [0, 1, 2, 3, 4]
    job.join()


def test_a_timeout_interrupts(pair: Pair) -> None:
    log: list[object] = []
    runner = Runner()
    runner.keep(pair.fd)
    with gevent.Timeout(0.01, False) as timeout:
        runner.run(cleaning(pair, log))
    assert not timeout.pending
    assert log == ["started", "clean"]
    pair.far.send(b"x")
    assert runner.run(reading(pair)) == [READ]
    runner.forget()


def test_a_kill_interrupts_and_waits_for_the_clean_up(pair: Pair) -> None:
    log: list[object] = []
    job = gevent.spawn(Runner().run, cleaning(pair, log))
    gevent.sleep(0)
    job.kill()
    assert isinstance(job.value, gevent.GreenletExit)
    assert log == ["started", "clean"]


def test_a_greenlet_that_is_killed_before_it_runs_starts_nothing(pair: Pair) -> None:
    log: list[object] = []
    job = gevent.spawn(Runner().run, cleaning(pair, log))
    job.kill()
    assert log == []


def test_a_switch_by_somebody_else_wakes_it_for_nothing(pair: Pair) -> None:
    def query() -> Operation[list[int]]:
        first = yield Wait(pair.fd, READ)
        pair.far.send(b"x")
        return [first, (yield Wait(pair.fd, READ))]

    job = gevent.spawn(Runner().run, query())
    gevent.sleep(0)
    gevent.get_hub().loop.run_callback(job.switch, "nonsense")
    job.join()
    assert job.value == [0, READ]


def test_a_second_operation_does_not_disturb_the_first(pair: Pair) -> None:
    def refused() -> Operation[None]:
        raise LookupError("busy")
        yield

    runner = Runner()
    runner.keep(pair.fd)
    first = gevent.spawn(runner.run, reading(pair))
    gevent.sleep(0)
    with pytest.raises(LookupError):
        runner.run(refused())
    with pytest.raises(RuntimeError, match="another operation"):
        runner.run(reading(pair))
    pair.far.send(b"x")
    first.join()
    assert first.value == [READ]
    runner.forget()


def test_the_timer_does_not_keep_the_hub_from_ending() -> None:
    assert printed("""
        import socket, time, gevent
        from mariadb_nb.runners.gevent import Runner
        from mariadb_nb.wait import WRITE, Wait

        def query():
            return (yield Wait(near.fileno(), WRITE, time.monotonic() + 1000))

        near, far = socket.socketpair()
        runner = Runner()
        print(runner.run(query()))
        print(gevent.wait(timeout=500))
    """).split() == ["2", "True"]


def test_an_idle_descriptor_with_data_does_not_keep_the_hub_busy(pair: Pair) -> None:
    runner = Runner()
    runner.keep(pair.fd)
    pair.far.send(b"x")
    assert runner.run(reading(pair)) == [READ]
    pair.far.send(b"goodbye")
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1

    check = gevent.get_hub().loop.check()
    check.start(count)
    gevent.sleep(0.05)
    check.close()
    assert turns < 20
    assert runner.run(reading(pair)) == [READ]
    runner.forget()


def test_each_thread_has_its_own_connections(pair: Pair) -> None:
    def query(seconds: float | None = None) -> int:
        deadline = None if seconds is None else time.monotonic() + seconds
        return runner.run(until(Wait(pair.fd, READ, deadline)))

    runner = Runner()
    runner.keep(pair.fd)
    pool = gevent.threadpool.ThreadPool(1)
    pair.far.send(b"x")
    assert query() == READ
    # Nothing of it is left in the first hub.
    assert pool.apply(query) == READ
    assert query(1000) == READ
    with pytest.raises(RuntimeError, match="another thread"):
        pool.apply(query)
    runner.forget()
    assert pool.apply(query) == READ
    pool.kill()


def test_pauses_let_other_greenlets_run() -> None:
    seen = []

    def pausing(name: str) -> Operation[None]:
        for _ in range(3):
            seen.append(name)
            assert (yield PAUSE) == 0
        assert (yield Wait(-1, 0, time.monotonic())) == TIMEOUT

    jobs = [gevent.spawn(Runner().run, pausing(name)) for name in "ab"]
    gevent.joinall(jobs, raise_error=True)
    assert seen == list("ababab")
