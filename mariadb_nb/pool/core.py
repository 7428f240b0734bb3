"""What a pool decides.

Owns which connection goes to whom, when one is made, and when one has to go. It does
nothing itself: each event comes with the time, in seconds of any clock that does not go
back, and is answered with a list of actions (``decisions``) for the pool's world to
carry out. No I/O, no clock, no threads, no chance: what is random is passed in.

The world hands in events one at a time, and calls ``tick`` when ``due`` has come. What
a slot's connection did after the slot was given up is passed over.

::

    CONNECTING ──ready──> IDLE <──────ready── CHECKING, RESETTING
    IDLE ──(granted)──> IN_USE ──release──> RESETTING
    IDLE ──readable, keepalive──> CHECKING
    any ──(Close)──> GONE
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import inf
from typing import Final

from ..errors import InterfaceError, PoolClosed, PoolTimeout
from .alarms import Alarms
from .backoff import Backoff
from .decisions import (
    Action,
    Check,
    Close,
    Connect,
    Done,
    Fail,
    Grant,
    Note,
    Reset,
    Watch,
    Why,
)
from .settings import Settings
from .slots import (
    CHECKING,
    CONNECTING,
    GONE,
    IDLE,
    IN_USE,
    RESETTING,
    Place,
    Slot,
    Slots,
    Waiter,
)
from .stats import Stats, Tally

#: The alarms that are not a slot's.
_PATIENCE: Final = "somebody's deadline"
_RETRY: Final = "the next connect"
_END: Final = "the end"

#: What everybody hears who comes too late.
IS_CLOSED: Final = "the pool is closed"

#: How much earlier than the settings say a connection's times may be over.
_SPREAD: Final = 0.1


class PoolCore:
    """The decisions of one pool.

    Args:
        settings: see ``Settings``.
        random: gives numbers from 0 up to 1, as ``random.random`` does.

    Attributes:
        settings: as they are now; ``resize`` changes them.
        slots: all there are.
        closing: whether nothing is lent any more.
    """

    def __init__(self, settings: Settings, random: Callable[[], float]) -> None:
        self.settings = settings
        self.closing = False
        self._random = random
        self._now = -inf
        self._actions: list[Action] = []
        self.slots = Slots()
        self._queue: OrderedDict[Waiter, None] = OrderedDict()
        self._warming: dict[Waiter, None] = {}
        self._leaving: dict[Waiter, None] = {}
        self._alarms = Alarms()
        self._numbers = 0
        self._backoff = Backoff(settings, random)
        self._tally = Tally()

    # What is known

    @property
    def due(self) -> float:
        """When ``tick`` has to be called at the latest; infinite for never."""
        return self._alarms.due

    def stats(self) -> Stats:
        """The numbers of this moment."""
        return self._tally.stats(self.settings, self.slots.count, len(self._queue))

    # What happens: to those who wait

    def acquire(self, now: float, waiter: Waiter) -> list[Action]:
        """Somebody wants a connection, until ``waiter.deadline``."""
        self._begin(now)
        waiter.since = self._now
        self._wait(waiter, self._queue)
        return self._settle()

    def leave(self, now: float, waiter: Waiter) -> list[Action]:
        """Somebody has gone; what it may have been lent meanwhile was not used."""
        for crowd in (self._queue, self._warming, self._leaving):
            crowd.pop(waiter, None)
        self._begin(now)
        slot, waiter.done = waiter.slot, True
        if slot is not None:
            self._hand_in(slot)
            self._offer(slot)
        return self._settle()

    def reject(self, now: float, waiter: Waiter, why: Why = "refused") -> list[Action]:
        """What a waiter was lent is no good, and it waits on, before all others."""
        self._begin(now)
        waiter.done = False
        if waiter.slot:
            self._retire(waiter.slot, why)
        if waiter.deadline <= self._now:
            self._fail(waiter, self._timeout())
        else:
            self._wait(waiter, self._queue, first=True)
        return self._settle()

    def release(
        self,
        now: float,
        slot: Slot,
        why: Why | None = None,
        *,
        as_new: bool = False,
    ) -> list[Action]:
        """Somebody gives a connection back.

        Args:
            now: the time.
            slot: what it was lent.
            why: why it is of no use any more; None if it is, once it has been reset.
            as_new: whether nothing was done with it, so that it need not be reset.
        """
        self._begin(now)
        if self._is(slot, IN_USE):
            slot.used = self._now
            if reason := why or self._reason_to_go(slot):
                self._retire(slot, reason)
            elif as_new:
                self._hand_in(slot)
                self._offer(slot)
            else:
                slot.heard = self._now
                self._hand_in(slot)
                self.slots.move(slot, RESETTING)
                self._actions.append(Reset(slot))
        return self._settle()

    def warm_up(self, now: float, waiter: Waiter) -> list[Action]:
        """Somebody wants to know when ``min_size`` connections are there."""
        self._begin(now)
        self._wait(waiter, self._warming)
        return self._settle()

    # What happens: to connections

    def ready(self, now: float, slot: Slot) -> list[Action]:
        """What was to be done with a slot went well: connect, check or reset."""
        self._begin(now)
        if self._is(slot, CONNECTING, CHECKING, RESETTING):
            slot.heard = self._now
            if slot.place == CONNECTING:
                self._opened(slot)
            self._offer(slot)
        return self._settle()

    def failed(self, now: float, slot: Slot) -> list[Action]:
        """A check or a reset did not go well."""
        self._begin(now)
        if self._is(slot, CHECKING, RESETTING):
            self._retire(slot, "silent" if slot.place == CHECKING else "reset")
        return self._settle()

    def connect_failed(
        self, now: float, slot: Slot, error: Exception, *, final: bool = False
    ) -> list[Action]:
        """A connection could not be made.

        Args:
            now: the time.
            slot: whose it was to be.
            error: why.
            final: whether the next try will fare no better: then nobody is left to
                wait for it, unless there are other connections to wait for.
        """
        self._begin(now)
        if self._is(slot, CONNECTING):
            self._forget(slot)
            self._tally.failed_connects += 1
            pause = self._backoff.failed(self._now, slot.attempt, error)
            if pause:
                self._actions.append(Note("outage", error=error, seconds=pause))
            if final and not self.slots.size:
                for waiter in (*self._queue, *self._warming):
                    self._fail(waiter, error)
        return self._settle()

    def readable(self, now: float, slot: Slot, *, dead: bool) -> list[Action]:
        """There is something to read from an idle connection.

        Args:
            now: the time.
            slot: whose it is; if it is not idle any more, it is no news.
            dead: whether that is its end. If not, it may be, and has to be pinged.
        """
        self._begin(now)
        if slot.place == IDLE and dead:
            self._retire(slot, "lost")
        elif slot.place == IDLE:
            self._check(slot)
        return self._settle()

    # What happens: to the pool

    def tick(self, now: float) -> list[Action]:
        """Time has passed; also for the pool to make its first connections."""
        self._begin(now)
        return self._settle()

    def resize(self, now: float, min_size: int, max_size: int) -> list[Action]:
        """Have other bounds. What is lent and too much is closed when it comes back."""
        self._begin(now)
        self.settings = self.settings.changed(min_size=min_size, max_size=max_size)
        surplus = self.slots.size - max_size
        unborn = [slot for slot in self.slots if slot.place == CONNECTING]
        for slot in [*unborn, *self.slots.idle][: max(surplus, 0)]:
            self._retire(slot, "surplus")
        return self._settle()

    def drain(self, now: float) -> list[Action]:
        """Lend none of the present connections again; new ones take their place."""
        self._begin(now)
        for slot in self.slots:
            slot.drained = slot.place != CONNECTING
        for slot in list(self.slots.idle):
            self._retire(slot, "drained")
        return self._settle()

    def close(self, now: float, waiter: Waiter) -> list[Action]:
        """Lend nothing any more; at ``waiter.deadline`` take back what is lent."""
        self._begin(now)
        self.closing = True
        for other in (*self._queue, *self._warming):
            self._fail(other, PoolClosed(IS_CLOSED))
        for slot in self.slots:
            if slot.place != IN_USE:
                self._retire(slot, "closed")
        self._leaving[waiter] = None
        self._alarms.arm(_END, waiter.deadline)
        return self._settle()

    # From the beginning of an event to its end

    def _begin(self, now: float) -> None:
        """Set the clock, and do first what was due before this event."""
        if now > self._now:
            self._now = now
        if self._alarms.due <= self._now:
            self._ring()

    def _settle(self) -> list[Action]:
        """Bring together who waits and what is there, until nothing is due."""
        while True:
            if not self.closing:
                self._match()
                self._make_connections()
                if self._warming and self.slots.open >= self.settings.min_size:
                    self._tell(self._warming)
            elif not self.slots.size:
                self._tell(self._leaving)
                self._alarms.clear()
            if self._alarms.due > self._now:
                break
            self._ring()
        actions, self._actions = self._actions, []
        return actions

    def _ring(self) -> None:
        while (thing := self._alarms.ring(self._now)) is not None:
            if thing is _PATIENCE:
                self._lose_patience()
            elif thing is _END:
                for slot in self.slots:
                    self._retire(slot, "closed")
            elif thing is not _RETRY:
                self._look_at(thing)

    # Those who wait

    def _wait(
        self, waiter: Waiter, crowd: dict[Waiter, None], *, first: bool = False
    ) -> None:
        if self.closing:
            self._fail(waiter, PoolClosed(IS_CLOSED))
            return
        crowd[waiter] = None
        if crowd is self._queue:
            if first:
                self._queue.move_to_end(waiter, last=False)
            self._match()  # most get one at once, and need no alarm
        if waiter in crowd:
            self._alarms.arm(_PATIENCE, waiter.deadline)

    def _match(self) -> None:
        """Lend what is idle to those who wait."""
        idle = self.slots.idle
        while self._queue and idle:
            slot = next(reversed(idle))
            if reason := self._reason_to_go(slot):
                self._retire(slot, reason)
            else:
                self._grant(slot)

    def _grant(self, slot: Slot) -> None:
        """Lend a slot to the one who has waited longest."""
        waiter, _ = self._queue.popitem(last=False)
        waiter.slot, waiter.done = slot, True
        slot.holder, slot.used = waiter, self._now
        slot.lent += 1
        self.slots.move(slot, IN_USE)
        self._tally.waited(self._now - waiter.since)
        if self.settings.leak_after is not None:
            self._alarms.arm(slot, self._now + self.settings.leak_after)
        self._actions.append(Grant(waiter, slot))

    def _tell(self, crowd: dict[Waiter, None]) -> None:
        for waiter in crowd:
            waiter.done = True
            self._actions.append(Done(waiter))
        crowd.clear()

    def _fail(self, waiter: Waiter, error: Exception) -> None:
        self._queue.pop(waiter, None)
        self._warming.pop(waiter, None)
        waiter.error, waiter.done = error, True
        self._actions.append(Fail(waiter, error))

    def _lose_patience(self) -> None:
        """Fail those whose deadline has come."""
        waiting = (*self._queue, *self._warming)
        for waiter in waiting:
            if waiter.deadline <= self._now:
                self._fail(waiter, self._timeout())
            else:
                self._alarms.arm(_PATIENCE, waiter.deadline)

    def _timeout(self) -> PoolTimeout:
        count, error = self.slots.count, self._backoff.error
        text = (
            f"not enough connections in time: of at most {self.settings.max_size}, "
            f"{count[IN_USE]} are in use and {count[CONNECTING]} are being made, and "
            f"{len(self._queue)} wait for one"
        )
        if error is not None:
            text += f"; the last connect failed: {error}"
        self._tally.timeouts += 1
        timeout = PoolTimeout(text)
        timeout.__cause__ = error
        return timeout

    # Slots

    def _is(self, slot: Slot, *places: Place) -> bool:
        """Whether a slot is where an event expects it; not if it was given up."""
        if slot.place != GONE and slot.place not in places:
            expected = " or ".join(places)
            raise InterfaceError(f"{slot!r} was expected to be {expected}")
        return slot.place != GONE

    def _offer(self, slot: Slot) -> None:
        """Lend a slot that is in order, or keep it until somebody wants it."""
        if reason := self._reason_to_go(slot):
            self._retire(slot, reason)
        elif self._queue:
            self._grant(slot)
        else:
            self.slots.move(slot, IDLE)
            self._actions.append(Watch(slot))
            self._look_at(slot)

    def _look_at(self, slot: Slot) -> None:
        """Do what time asks for, and say when to look again."""
        settings, now = self.settings, self._now
        if slot.place == IDLE:
            ping = slot.heard + (settings.keepalive_interval or inf) * slot.spread
            if reason := self._reason_to_go(slot):
                self._retire(slot, reason)
            elif ping <= now:
                self._check(slot)
            else:
                self._alarms.arm(slot, min(ping, *self._ends(slot)))
        elif slot.place == IN_USE and slot.holder and settings.leak_after is not None:
            due = slot.used + settings.leak_after
            if due > now:
                self._alarms.arm(slot, due)
            else:
                held, origin = now - slot.used, slot.holder.origin
                self._actions.append(Note("held", slot, seconds=held, origin=origin))

    def _ends(self, slot: Slot) -> tuple[float, float]:
        """When its lifetime is over, and when it has been idle for too long."""
        settings = self.settings
        return (
            slot.born + (settings.max_lifetime or inf) * slot.spread,
            slot.used + (settings.max_idle or inf),
        )

    def _reason_to_go(self, slot: Slot) -> Why | None:
        if self.closing:
            return "closed"
        if slot.drained:
            return "drained"
        if self.slots.size > self.settings.max_size:
            return "surplus"
        life, idle = self._ends(slot)
        if life <= self._now:
            return "lifetime"
        return "idle" if idle <= self._now else None

    def _check(self, slot: Slot) -> None:
        self.slots.move(slot, CHECKING)
        self._actions.append(Check(slot))

    def _retire(self, slot: Slot, why: Why) -> None:
        """Close a slot's connection, or stop making it."""
        if slot.place != CONNECTING:
            self._tally.closed[why] += 1
            origin = slot.holder.origin if slot.holder else None
            age = self._now - slot.born
            self._actions.append(Note("closed", slot, why, seconds=age, origin=origin))
        self._forget(slot)
        self._actions.append(Close(slot, why))

    def _forget(self, slot: Slot) -> None:
        self._hand_in(slot)
        self._alarms.drop(slot)
        self.slots.remove(slot)

    def _hand_in(self, slot: Slot) -> None:
        holder, slot.holder = slot.holder, None
        if holder is not None:
            holder.slot = None

    # Making connections

    def _make_connections(self) -> None:
        """Begin as many connects as are needed and allowed now."""
        settings, slots, backoff = self.settings, self.slots, self._backoff
        if not self._queue and slots.size >= settings.min_size:
            return  # and this is the most frequent case
        connecting = slots.count[CONNECTING]
        coming = connecting + slots.count[CHECKING] + slots.count[RESETTING]
        need = max(settings.min_size - slots.size, len(self._queue) - coming)
        need = min(need, settings.max_size - slots.size)
        if need <= 0:
            return
        if self._now < backoff.retry_at:
            self._alarms.arm(_RETRY, backoff.retry_at)
            return
        limit = 1 if backoff.failures else settings.max_connecting
        for _ in range(min(need, limit - connecting)):
            self._numbers += 1
            spread = 1 - _SPREAD * self._random()
            slot = Slot(self._numbers, spread, backoff.failures)
            slots.add(slot)
            self._actions.append(Connect(slot))

    def _opened(self, slot: Slot) -> None:
        slot.born = slot.used = self._now
        self._tally.created += 1
        self._actions.append(Note("opened", slot))
        if self._backoff.succeeded():
            self._actions.append(Note("recovered", slot))
            self._alarms.drop(_RETRY)
