"""A pool's core with events in whatever order they may come."""

from __future__ import annotations

from math import inf
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mariadb_nb.errors import OperationalError, PoolClosed, PoolTimeout
from mariadb_nb.pool.core import PoolCore
from mariadb_nb.pool.decisions import (
    Check,
    Close,
    Connect,
    Done,
    Fail,
    Grant,
    Reset,
    Watch,
)
from mariadb_nb.pool.settings import Settings
from mariadb_nb.pool.slots import Slot, Waiter

limits = st.sampled_from([None, 3.0, 20.0])
REFUSED = OperationalError("connection refused")


class PoolMachine(RuleBasedStateMachine):
    """A core and a world that carries out what it decides, and keeps its own books."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        #: What is under way for each slot: "connect", "check", "reset", or "" if its
        #: connection is there and nothing is.
        self.work: dict[Slot, str] = {}
        self.lent: dict[Waiter, Slot] = {}
        self.queue: list[Waiter] = []
        self.warming: set[Waiter] = set()
        self.ends: set[Waiter] = set()
        self.watched: set[Slot] = set()
        self.dirty: set[Slot] = set()
        self.lost: set[Slot] = set()
        self.opened = 0
        self.loans = 0
        self.closed = 0
        self.shrunk_from = 0
        self.paused_until = -inf
        self.final = False

    @initialize(
        sizes=st.tuples(st.integers(0, 3), st.integers(1, 3)),
        max_connecting=st.integers(1, 3),
        max_lifetime=limits,
        max_idle=limits,
        keepalive_interval=limits,
        leak_after=limits,
        chance=st.sampled_from([0.0, 0.5, 0.99]),
    )
    def begin(self, sizes: tuple[int, int], chance: float, **given: Any) -> None:
        low, high = sizes
        plan = Settings(min_size=min(low, high), max_size=high, retry_first=1, **given)
        self.core = PoolCore(plan, random=lambda: chance)
        self.tell("tick")

    # ---- the world ----

    def tell(self, event: str, *arguments: Any, **more: Any) -> None:
        before = len(self.work)
        getattr(self.core, event)(self.now, *arguments, **more)
        while self.core.todo:
            match action := self.core.todo.popleft():
                case Connect(slot):
                    assert slot not in self.work
                    assert not self.core.closing
                    assert self.now >= self.paused_until
                    self.work[slot] = "connect"
                case Watch(slot):
                    assert self.work[slot] == ""
                    self.watched.add(slot)
                case Check(slot) | Reset(slot):
                    self.watched.discard(slot)
                    assert self.work[slot] == ""
                    self.work[slot] = "check" if isinstance(action, Check) else "reset"
                case Close(slot):
                    self.give_up(slot)
                case Grant(waiter, slot):
                    self.grant(waiter, slot)
                case Fail(waiter, error):
                    self.fail(waiter, error)
                case Done(waiter):
                    self.warming.discard(waiter)
                    self.ends.discard(waiter)
                case note if note.event == "outage":
                    self.paused_until = self.now + note.seconds
                case note if note.event == "recovered":
                    self.paused_until = -inf
        self.shrunk_from = min(self.shrunk_from, len(self.work))
        assert len(self.work) <= max(before, self.core.settings.max_size)

    def grant(self, waiter: Waiter, slot: Slot) -> None:
        self.watched.discard(slot)
        assert waiter is self.queue.pop(0)  # first come, first served
        assert waiter.deadline > self.now or waiter.since == self.now
        assert waiter.slot is slot
        assert slot not in self.lent.values()
        assert slot not in self.dirty | self.lost
        assert self.work[slot] == ""
        plan = self.core.settings
        assert plan.max_lifetime is None or self.now < slot.born + plan.max_lifetime
        self.lent[waiter] = slot
        self.loans += 1

    def fail(self, waiter: Waiter, error: Exception) -> None:
        if isinstance(error, PoolTimeout):
            assert waiter.deadline <= self.now
        elif isinstance(error, PoolClosed):
            assert self.core.closing
        else:
            assert repr(error) == repr(REFUSED)
            assert error is not REFUSED
            assert self.final
            assert not self.work
        if waiter in self.queue:
            self.queue.remove(waiter)
        else:
            self.warming.remove(waiter)

    def give_up(self, slot: Slot) -> None:
        self.watched.discard(slot)
        self.closed += self.work.pop(slot) != "connect"
        for waiter in [one for one, had in self.lent.items() if had is slot]:
            del self.lent[waiter]

    def pick(self, data: st.DataObject, *work: str) -> Slot:
        return data.draw(
            st.sampled_from([s for s in self.work if self.work[s] in work])
        )

    def borrower(self, data: st.DataObject) -> Waiter:
        return data.draw(st.sampled_from(list(self.lent)))

    def busy(self, *work: str) -> bool:
        return any(what in work for what in self.work.values())

    # ---- what may happen ----

    @rule(patience=st.sampled_from([0.0, 1.0, 5.0, inf]))
    def acquire(self, patience: float) -> None:
        waiter = Waiter(self.now + patience)
        self.queue.append(waiter)
        self.tell("acquire", waiter)

    @rule(patience=st.sampled_from([0.0, 5.0, inf]))
    def warm_up(self, patience: float) -> None:
        waiter = Waiter(self.now + patience)
        self.warming.add(waiter)
        self.tell("warm_up", waiter)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def stop_waiting(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.queue))
        self.queue.remove(waiter)
        self.tell("leave", waiter)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def leave_what_was_lent(self, data: st.DataObject) -> None:
        waiter = self.borrower(data)
        del self.lent[waiter]
        self.loans -= 1
        self.tell("leave", waiter)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        waiter = self.borrower(data)
        del self.lent[waiter]
        self.loans -= 1
        self.queue.insert(0, waiter)
        self.tell("reject", waiter)

    @precondition(lambda self: self.lent)
    @rule(data=st.data(), why=st.sampled_from([None, None, "broken"]))
    def release(self, data: st.DataObject, why: str | None) -> None:
        waiter = self.borrower(data)
        self.dirty.add(self.lent.pop(waiter))
        self.tell("release", waiter, why)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def release_as_new(self, data: st.DataObject) -> None:
        waiter = self.borrower(data)
        del self.lent[waiter]
        self.tell("release", waiter, None, as_new=True)

    @precondition(lambda self: self.busy("connect", "check", "reset"))
    @rule(data=st.data())
    def work_is_done(self, data: st.DataObject) -> None:
        slot = self.pick(data, "connect", "check", "reset")
        self.opened += self.work[slot] == "connect"
        if self.work[slot] == "reset":
            self.dirty.remove(slot)
        self.work[slot] = ""
        self.tell("ready", slot)

    @precondition(lambda self: self.busy("connect"))
    @rule(data=st.data(), final=st.booleans())
    def connect_fails(self, data: st.DataObject, final: bool) -> None:
        slot = self.pick(data, "connect")
        del self.work[slot]
        self.final = final
        self.tell("connect_failed", slot, REFUSED, final=final)

    @precondition(lambda self: self.busy("check", "reset"))
    @rule(data=st.data())
    def work_fails(self, data: st.DataObject) -> None:
        slot = self.pick(data, "check", "reset")
        self.lost.add(slot)
        self.tell("failed", slot)

    @precondition(lambda self: self.busy(""))
    @rule(data=st.data(), dead=st.booleans())
    def becomes_readable(self, data: st.DataObject, dead: bool) -> None:
        slot = self.pick(data, "")
        if dead and slot.place == "idle":
            self.lost.add(slot)
        self.tell("readable", slot, dead=dead)

    @precondition(lambda self: self.dirty)
    @rule(data=st.data(), event=st.sampled_from(["ready", "failed"]))
    def late_news(self, data: st.DataObject, event: str) -> None:
        gone = [slot for slot in self.dirty if slot not in self.work]
        if gone:
            self.tell(event, data.draw(st.sampled_from(gone)))

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        """To its end in the steps that the core asks for, as a world would."""
        end = self.now + seconds
        while self.core.due < end:
            self.now = max(self.now, self.core.due)
            self.tell("tick")
        self.now = end
        self.tell("tick")

    @rule(seconds=st.sampled_from([0.1, 5.0]))
    def time_passes_unnoticed(self, seconds: float) -> None:
        self.now += seconds

    @rule(low=st.integers(0, 3), high=st.integers(1, 3))
    def resize(self, low: int, high: int) -> None:
        self.tell("resize", min(low, high), high)

    @rule(patience=st.sampled_from([0.0, 5.0, inf]))
    def drain(self, patience: float) -> None:
        # From now on these must not be lent: as if they were lost.
        self.lost.update(slot for slot, work in self.work.items() if work != "connect")
        self.tell("drain", self.now + patience)

    @rule(patience=st.sampled_from([0.0, 5.0, inf]))
    @precondition(lambda self: not self.core.closing or self.ends)
    def close(self, patience: float) -> None:
        end = Waiter(self.now + patience)
        self.ends.add(end)
        self.tell("close", end)

    # ---- what holds meanwhile ----

    @invariant()
    def books_agree(self) -> None:
        stats = self.core.stats()
        slots = list(self.core.slots)
        assert set(slots) == set(self.work)
        assert stats.size == len(slots)
        assert stats.size == (
            stats.idle + stats.in_use + stats.connecting + stats.tending
        )
        assert stats.in_use == len(self.lent)
        assert self.watched == {slot for slot in slots if slot.place == "idle"}
        assert stats.waiting == len(self.queue)
        assert stats.created == self.opened
        assert stats.acquired == self.loans
        assert sum(stats.closed.values()) == self.closed
        assert self.opened - self.closed == stats.size - stats.connecting
        assert stats.connecting == list(self.work.values()).count("connect")
        for waiter, slot in self.lent.items():
            assert slot.holder is waiter
            assert waiter.slot is slot
            assert slot.place == "in use"

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        stats, plan = self.core.stats(), self.core.settings
        if self.core.closing:
            assert not self.queue
            assert not self.warming
            assert stats.size == stats.in_use
            assert not stats.size or self.ends
            return
        assert not (self.queue and stats.idle)
        coming = stats.connecting + stats.tending
        wanted = max(plan.min_size - stats.size, len(self.queue) - coming)
        if wanted > 0 and stats.size < plan.max_size:
            full = stats.connecting >= plan.max_connecting
            trying = stats.connecting >= 1 and self.paused_until > -inf
            assert full or trying or self.core.due <= self.paused_until

    @invariant()
    def deadlines_are_kept(self) -> None:
        for waiter in (*self.queue, *self.warming):
            assert self.core.due <= waiter.deadline

    def teardown(self) -> None:
        if not hasattr(self, "core"):
            return
        self.tell("close", Waiter(self.now))
        assert not self.work
        assert not self.queue
        assert not self.ends
        assert self.core.due == inf


PoolMachine.TestCase.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None
)
test_whatever_happens = PoolMachine.TestCase
