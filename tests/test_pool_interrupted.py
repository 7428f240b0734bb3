"""Ctrl-C at every moment at which it may come: a pool's books are whole all the same.

A trace function raises it before the n-th bytecode of the pool's code, for every n.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import inf
from time import monotonic
from typing import Any

import opcodes
import pytest

import mariadb_nb
from mariadb_nb import _connection, aio, session
from mariadb_nb.errors import OperationalError
from mariadb_nb.pool import aio as pool_aio
from mariadb_nb.pool import (
    alarms,
    backoff,
    base,
    core,
    slots,
    stats,
    steps,
    sync,
)
from mariadb_nb.pool.core import PoolCore
from mariadb_nb.pool.decisions import Close, Watch
from mariadb_nb.pool.settings import Settings
from mariadb_nb.pool.slots import IDLE, IN_USE, Slot, Waiter
from mariadb_nb.server import TemporaryServer

DECIDING = {m.__file__ for m in (alarms, backoff, core, slots, stats, steps)}
DOING = DECIDING | {module.__file__ for module in (base, sync, pool_aio)}
#: In an event loop there are connects beside, and they are not what this is about.
HANDING_OVER = {module.__file__ for module in (_connection, session)}


# ---- the core ------------------------------------------------------------------------


class Play:
    """A core and a world that may be told each thing twice."""

    def __init__(self, **settings: Any) -> None:
        self.core = PoolCore(Settings(**settings), random=lambda: 0.5)
        self.now = 0.0
        self.connections: set[Slot] = set()
        self.closed: list[Slot] = []
        self.woken: set[Waiter] = set()

    def do(self) -> None:
        """Carry out what is to be done, but let nothing be over yet."""
        todo = self.core.todo
        while todo:
            match todo.popleft():
                case Close(slot):
                    self.connections.discard(slot)
                    self.closed.append(slot)
                case Watch(slot):
                    assert slot.place != IDLE or slot in self.connections
                case action if hasattr(action, "waiter"):
                    self.woken.add(action.waiter)

    def tell(self, event: str, *arguments: Any, **more: Any) -> None:
        getattr(self.core, event)(self.now, *arguments, **more)
        self.do()

    def finish_work(self) -> None:
        """Let all connects and checks go well, and all resets fail."""
        for slot in self.core.slots:
            if slot.place == "connecting":
                self.connections.add(slot)
                self.tell("ready", slot)
            elif slot.place == "checking":
                self.tell("ready", slot)
            elif slot.place == "resetting":
                self.tell("failed", slot)

    def lend(self, count: int = 1) -> list[Waiter]:
        waiters = [Waiter() for _ in range(count)]
        for waiter in waiters:
            self.tell("acquire", waiter)
        self.finish_work()
        return waiters

    def check(self) -> None:
        """All books agree."""
        core, found = self.core, [*self.core.slots]
        count = core.slots.count
        for place, number in count.items():
            assert number == sum(slot.place == place for slot in found), place
        assert set(core.slots.idle) == {s for s in found if s.place == IDLE}
        for slot in found:
            assert slot.place != "gone"
            assert (slot.place == IN_USE) == (slot.holder is not None)
            assert bool(slot.made) == (slot.place != "connecting")
            assert slot.holder is None or slot.holder.slot is slot
            assert not slot.made or slot in self.connections
        numbers = core.stats()
        closed = sum(numbers.closed.values())
        assert numbers.created - closed == sum(slot.made > 0 for slot in found)
        for crowd in (core._queue, core._warming, core._leaving):
            assert not any(waiter.done for waiter in crowd)
        assert not (core._queue and core.slots.idle)
        for waiter in (*core._queue, *core._warming):
            assert core.due <= waiter.deadline

    def check_to_the_end(self, waiters: list[Waiter]) -> None:
        """Everybody is served, or has left; then nothing is left."""
        self.do()
        self.check()
        for _ in range(20):
            self.now += 1
            self.tell("tick")
            self.finish_work()
            self.check()
            for waiter in waiters:
                if waiter.loan is not None:
                    assert waiter in self.woken
                    self.tell("release", waiter, "broken")
        assert all(waiter.done and waiter in self.woken for waiter in waiters)
        end = Waiter(self.now)
        self.tell("close", end)
        assert end.done
        assert not self.connections
        assert self.core.slots.size == 0
        assert self.core.due == inf


def _acquire(play: Play) -> tuple[Callable[[], None], list[Waiter]]:
    play.lend()
    waiter = Waiter()
    return partial(play.core.acquire, play.now, waiter), [waiter]


def _acquire_idle(play: Play) -> tuple[Callable[[], None], list[Waiter]]:
    play.tell("leave", *play.lend())
    return _acquire(play)


def _release(
    play: Play, why: Any = None, as_new: bool = False
) -> tuple[Callable[[], None], list[Waiter]]:
    mine, other = play.lend(2)
    waiting = Waiter()
    play.tell("acquire", waiting)
    release = partial(play.core.release, play.now, mine, why, as_new=as_new)
    return release, [mine, other, waiting]


def _leave(play: Play) -> tuple[Callable[[], None], list[Waiter]]:
    mine, other = play.lend(2)
    waiting = Waiter()
    play.tell("acquire", waiting)
    return partial(play.core.leave, play.now, mine), [mine, other, waiting]


def _reject(play: Play) -> tuple[Callable[[], None], list[Waiter]]:
    mine, other = play.lend(2)
    waiting = Waiter()
    play.tell("acquire", waiting)
    return partial(play.core.reject, play.now, mine), [mine, other, waiting]


def _ready(
    play: Play, place: str = "connecting"
) -> tuple[Callable[[], None], list[Waiter]]:
    if place == "resetting":
        (mine,) = play.lend()
        play.tell("release", mine)
    elif place == "checking":
        play.tell("leave", *play.lend())
        play.tell("readable", *play.core.slots, dead=False)
    waiting = Waiter()
    play.tell("acquire", waiting)
    (slot,) = (slot for slot in play.core.slots if slot.place == place)
    play.connections.add(slot)
    return partial(play.core.ready, play.now, slot), [waiting]


def _connect_failed(
    play: Play, final: bool = False
) -> tuple[Callable[[], None], list[Waiter]]:
    waiting = Waiter()
    play.tell("acquire", waiting)
    (slot,) = play.core.slots
    failed = play.core.connect_failed
    return partial(failed, play.now, slot, OperationalError("no"), final=final), [
        waiting
    ]


def _readable(play: Play, dead: bool = True) -> tuple[Callable[[], None], list[Waiter]]:
    play.tell("leave", *play.lend())
    return partial(play.core.readable, play.now, *play.core.slots, dead=dead), []


def _resize(play: Play) -> tuple[Callable[[], None], list[Waiter]]:
    for waiter in (lent := play.lend(2)):
        play.tell("leave", waiter)
    return partial(play.core.resize, play.now, 0, 1), lent


def _drain(play: Play) -> tuple[Callable[[], None], list[Waiter]]:
    mine, other = play.lend(2)
    play.tell("leave", other)
    return partial(play.core.drain, play.now), [mine, other]


def _close(play: Play) -> tuple[Callable[[], None], list[Waiter]]:
    mine, other, third = [*play.lend(2), Waiter()]
    play.tell("leave", other)
    play.tell("acquire", third)
    end = Waiter(play.now + 5)
    return partial(play.core.close, play.now, end), [mine, other, third]


def _tick(play: Play) -> tuple[Callable[[], None], list[Waiter]]:
    mine, other = play.lend(2)
    late = Waiter(play.now + 1)
    play.tell("acquire", late)
    play.now += 1
    play.tell("leave", other)
    waiting = Waiter(play.now + 1)
    play.tell("acquire", waiting)
    play.now += 1000
    return partial(play.core.tick, play.now), [mine, other, late, waiting]


EVENTS: dict[str, Callable[[Play], tuple[Callable[[], None], list[Waiter]]]] = {
    "acquire": _acquire,
    "acquire, idle": _acquire_idle,
    "release": _release,
    "release, broken": partial(_release, why="broken"),
    "release, as new": partial(_release, as_new=True),
    "leave": _leave,
    "reject": _reject,
    "ready, connecting": _ready,
    "ready, checking": partial(_ready, place="checking"),
    "ready, resetting": partial(_ready, place="resetting"),
    "connect_failed": _connect_failed,
    "connect_failed, final": partial(_connect_failed, final=True),
    "readable": _readable,
    "readable, checked": partial(_readable, dead=False),
    "resize": _resize,
    "drain": _drain,
    "close": _close,
    "tick": _tick,
}


@pytest.mark.parametrize("name", EVENTS)
def test_event_that_is_interrupted(name: str) -> None:
    def try_at(at: int) -> bool:
        play = Play(max_size=2, max_idle=100, keepalive_interval=50, leak_after=10)
        event, waiters = EVENTS[name](play)
        try:
            done = opcodes.run_with(DECIDING, opcodes.press_ctrl_c, at, event)
        except KeyboardInterrupt:
            done = True
        play.core.mend(play.now)
        play.do()
        play.check()
        for waiter in waiters:  # as whoever called does then
            if not waiter.done and waiter not in play.core._queue:
                play.tell("leave", waiter)
                play.woken.add(waiter)
        play.check_to_the_end(waiters)
        return done

    opcodes.everywhere(try_at, 8)


# ---- pools ---------------------------------------------------------------------------


def options(server: TemporaryServer) -> dict[str, Any]:
    user = server.users["native"]
    login = {"user": user.name, "password": user.password}
    return {"unix_socket": server.socket, **login, "max_size": 2, "min_size": 1}


def check(pool: Any) -> None:
    """The books of a pool that nobody uses agree, and with its connections."""
    numbers = pool.stats()
    found = [*pool._core.slots]
    assert numbers.in_use == numbers.waiting == numbers.tending == 0
    assert numbers.created - sum(numbers.closed.values()) == numbers.idle
    assert [*pool._core.slots.idle] == [s for s in found if s.place == IDLE]
    assert all(not s.connection.closed for s in found if s.place == IDLE)


def connections(server: TemporaryServer) -> int:
    """How many the user has on the server."""
    sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = ?"
    with mariadb_nb.connect(unix_socket=server.socket, user="root") as admin:
        name = server.users["native"].name
        ((count,),) = admin.execute(sql, (name,)).fetchall()
        return int(count)


def check_connections(server: TemporaryServer, count: int) -> None:
    """The user has so many, as soon as the server has noticed the ends of others."""
    end = monotonic() + 60
    while (found := connections(server)) != count:
        assert monotonic() < end, f"{found} connections, not {count}"


def interrupted(files: set[Any], at: int, call: Callable[[], object]) -> bool:
    """Call something that is interrupted; returns whether it had so many bytecodes.

    In a thread of its own: what is raised between any two bytecodes may leave an
    exception behind as the one that is being handled, and that keeps what it came from.
    """

    def work() -> bool:
        try:
            return opcodes.run_with(files, opcodes.press_ctrl_c, at, call, signals=True)
        except KeyboardInterrupt:
            return True

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work).result()
    gc.collect()  # a task and its exception have each other
    return done


@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
@pytest.mark.parametrize("use", [True, False], ids=["used", "not used"])
def test_loan_to_a_thread_that_is_interrupted(
    mariadb_server: TemporaryServer, use: bool
) -> None:
    def borrow() -> None:
        with pool.acquire(timeout=20) as conn:
            if use:
                assert conn.execute("SELECT 42").fetchall() == [(42,)]

    def try_at(at: int) -> bool:
        done = interrupted(DOING | HANDING_OVER, at, borrow)
        borrow()
        check(pool)
        return done

    with mariadb_nb.Pool(**options(mariadb_server)) as pool:
        pool.warm_up()
        opcodes.everywhere(try_at, 60)
        check_connections(mariadb_server, pool.stats().size)
    check_connections(mariadb_server, 0)


@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
# The record of the warning would keep the loan alive.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("use", [True, False], ids=["used", "not used"])
def test_loan_to_a_task_that_is_interrupted(
    mariadb_server: TemporaryServer, use: bool
) -> None:
    async def borrow() -> None:
        async with pool.acquire(timeout=20) as conn:
            if use:
                found = await (await conn.execute("SELECT 42")).fetchall()
                assert found == [(42,)]

    def try_at(at: int) -> bool:
        done = interrupted(DOING, at, lambda: loop.run_until_complete(borrow()))
        loop.run_until_complete(asyncio.sleep(0))  # which the loop still has to tell of
        gc.collect()
        loop.run_until_complete(borrow())
        check(pool)
        return done

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # nobody takes the tasks' exceptions
    pool = aio.Pool(**options(mariadb_server))
    loop.run_until_complete(pool.warm_up())
    opcodes.everywhere(try_at, 60)
    check_connections(mariadb_server, pool.stats().size)
    loop.run_until_complete(pool.close())
    loop.close()
    check_connections(mariadb_server, 0)
