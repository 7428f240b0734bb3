"""What follows from the events of a pool: the steps that ``core`` takes.

Owns the books of who waits and of the slots, the alarms and what is to be done; an
event ends when nothing is due any more. What happens is told in ``core``.

An event may be interrupted, by what a signal's handler raises behind any call here. So
each step begins with the one assignment from which all the rest of it follows: where a
slot is, whose it is, that a waiter need not wait any more. ``mend`` makes everything
else right from that, and tells the world again whatever it may not have been told; so
the world carries out what it can be told twice.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from copy import copy
from itertools import chain
from math import inf
from typing import Final, TypeVar

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
from .stats import Tally

_E = TypeVar("_E", bound=Exception)

#: The alarms that are not a slot's.
PATIENCE: Final = "somebody's deadline"
RETRY: Final = "the next connect"
END: Final = "the end"

#: What everybody hears who comes too late.
IS_CLOSED: Final = "the pool is closed"

#: How much earlier than the settings say a connection's times may be over.
_SPREAD: Final = 0.1


class Steps:
    """The books of a pool, and the steps from one state of them to the next.

    Args:
        settings: see ``Settings``.
        random: gives numbers from 0 up to 1, as ``random.random`` does.

    Attributes:
        settings: as they are now; ``resize`` changes them.
        slots: all there are.
        closing: whether nothing is lent any more.
        todo: what is decided, and the world has not carried out.
    """

    def __init__(self, settings: Settings, random: Callable[[], float]) -> None:
        self.settings = settings
        self.closing = False
        self.todo: deque[Action] = deque()
        self._max_lifetime = settings.max_lifetime or inf
        self._max_idle = settings.max_idle or inf
        self._keepalive = settings.keepalive_interval or inf
        self._midway = False
        self._random = random
        self._now = -inf
        self.slots = Slots()
        self._queue: OrderedDict[Waiter, None] = OrderedDict()
        self._warming: dict[Waiter, None] = {}
        self._leaving: dict[Waiter, None] = {}
        self._alarms = Alarms()
        self._numbers = 0
        self._backoff = Backoff(settings, random)
        self._tally = Tally()

    # From the beginning of an event to its end

    def _begin(self, now: float) -> None:
        """Set the clock, and do first what was due before this event."""
        if now > self._now:
            self._now = now
        if self._midway:
            self._mend()
        self._midway = True
        if self._alarms.due <= self._now:
            self._ring()

    def _settle(self) -> None:
        """Bring together who waits and what is there, until nothing is due."""
        while True:
            if not self.closing:
                settings = self.settings
                if self._queue and self.slots.idle:
                    self._match()
                wanted = settings.max_size if self._queue else settings.min_size
                if self.slots.size < wanted:
                    self._make_connections()
                if self._warming and self.slots.open >= self.settings.min_size:
                    self._tell(self._warming)
            elif not self.slots.size:
                self._tell(self._leaving)
                self._alarms.clear()
            if self._alarms.due > self._now:
                break
            self._ring()
        self._midway = False

    def _ring(self) -> None:
        while (thing := self._alarms.ring(self._now)) is not None:
            if thing is PATIENCE:
                self._lose_patience()
            elif thing is END:
                for slot in self.slots:
                    self._retire(slot, "closed")
            elif thing is not RETRY:
                self._look_at(thing)

    def mend(self, now: float) -> None:
        """Go on with an event that was interrupted, if one was."""
        if self._midway:
            self._begin(now)
            self._settle()

    def _mend(self) -> None:
        tally = self._tally
        for slot in self.slots:
            if slot.holder is not None:
                slot.holder.slot = slot
                slot.place = IN_USE
            tally.created = max(tally.created, slot.made)
            if slot.end is not None:
                why, number = slot.end
                tally.closed[why] = max(tally.closed[why], number)
            if slot.place == GONE:
                self.todo.append(Close(slot, "broken"))
        self.slots.recount()
        for crowd in (self._queue, self._warming, self._leaving):
            for waiter in [*crowd]:
                if waiter.done:
                    self.todo.append(Done(waiter))
                    crowd.pop(waiter, None)
        self._alarms.clear()
        for waiter in self._waiting():
            self._alarms.arm(PATIENCE, waiter.deadline)
        for waiter in self._leaving:
            self._alarms.arm(END, waiter.deadline)
        for slot in self.slots:
            self._mend_slot(slot)
        if self.closing:
            self._turn_away()

    def _mend_slot(self, slot: Slot) -> None:
        """Finish what was begun with a slot."""
        if slot.end is not None:
            self._retire(slot, "broken")
        elif slot.holder is not None:
            self._lend(slot, slot.holder)
            self._look_at(slot)
        elif slot.place == IN_USE:  # it was being given back
            self._retire(slot, "broken")
        elif slot.place == CONNECTING and slot.made:
            self._offer(slot)
        elif slot.place == CONNECTING:
            self.todo.append(Connect(slot))
        elif slot.place == CHECKING:
            self.todo.append(Check(slot))
        elif slot.place == IDLE:
            self.todo.append(Watch(slot))
            self._look_at(slot)
        # Of one that is being reset its last borrower will tell.

    # Those who wait

    def _waiting(self) -> Iterator[Waiter]:
        """Those who wait for connections; they may go meanwhile."""
        return chain(tuple(self._queue), tuple(self._warming))

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
            self._alarms.arm(PATIENCE, waiter.deadline)

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
        waiter = next(iter(self._queue))
        waiter.waited = self._now - waiter.since
        self._tally.waited(waiter.waited)
        slot.used = self._now
        slot.lent += 1
        waiter.slot = slot
        slot.holder = waiter
        self._lend(slot, waiter)

    def _lend(self, slot: Slot, waiter: Waiter) -> None:
        """See to it that a slot is lent to the one whose it is."""
        if slot.place != IN_USE:
            self.slots.move(slot, IN_USE)
        waiter.done = True
        self._queue.pop(waiter, None)
        if self.settings.leak_after is not None:
            self._alarms.arm(slot, slot.used + self.settings.leak_after)
        self.todo.append(Grant(waiter, slot))

    def _tell(self, crowd: dict[Waiter, None]) -> None:
        for waiter in [*crowd]:
            waiter.done = True
            self.todo.append(Done(waiter))
            crowd.pop(waiter, None)

    def _fail(self, waiter: Waiter, error: Exception) -> None:
        waiter.error, waiter.done = error, True
        self.todo.append(Fail(waiter, error))
        self._queue.pop(waiter, None)
        self._warming.pop(waiter, None)

    def _turn_away(self) -> None:
        """Nothing is lent any more: let those who wait know, and close what is idle."""
        for waiter in self._waiting():
            self._fail(waiter, PoolClosed(IS_CLOSED))
        for slot in self.slots:
            if slot.place != IN_USE:
                self._retire(slot, "closed")

    def _lose_patience(self) -> None:
        """Fail those whose deadline has come."""
        for waiter in self._waiting():
            if waiter.deadline <= self._now:
                self._fail(waiter, self._timeout())
            else:
                self._alarms.arm(PATIENCE, waiter.deadline)

    def _timeout(self) -> PoolTimeout:
        count, error = self.slots.count, self._backoff.error
        text = (
            f"not enough connections in time: {count[IN_USE]} of at most "
            f"{self.settings.max_size} in use, {count[CONNECTING]} being made, "
            f"{len(self._queue)} waiting"
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
            self.todo.append(Watch(slot))
            self._look_at(slot)

    def _look_at(self, slot: Slot) -> None:
        """Do what time asks for, and say when to look again."""
        settings, now = self.settings, self._now
        if slot.place == IDLE:
            ping = slot.heard + self._keepalive * slot.spread
            if reason := self._reason_to_go(slot):
                self._retire(slot, reason)
            elif ping <= now:
                self._check(slot)
            else:
                self._alarms.arm(slot, min(ping, slot.dies, slot.used + self._max_idle))
        elif slot.place == IN_USE and slot.holder is not None:
            due = slot.used + (settings.leak_after or inf)
            if slot.recall <= now:
                self._retire(slot, "drained")
            elif due > now:
                self._alarms.arm(slot, min(due, slot.recall))
            else:
                held, origin = now - slot.used, slot.holder.origin
                self.todo.append(Note("held", slot, seconds=held, origin=origin))
                self._alarms.arm(slot, slot.recall)

    def _reason_to_go(self, slot: Slot) -> Why | None:
        if self.closing:
            return "closed"
        if slot.drained:
            return "drained"
        if self.slots.size > self.settings.max_size:
            return "surplus"
        if slot.dies <= self._now:
            return "lifetime"
        return "idle" if slot.used + self._max_idle <= self._now else None

    def _check(self, slot: Slot) -> None:
        self.slots.move(slot, CHECKING)
        self.todo.append(Check(slot))

    def _retire(self, slot: Slot, why: Why) -> None:
        """Close a slot's connection, or stop making it."""
        if slot.made and slot.end is None:
            age, holder = self._now - slot.born, slot.holder
            origin = None if holder is None else holder.origin
            self.todo.append(Note("closed", slot, why, seconds=age, origin=origin))
            slot.end = why, self._tally.closed[why] + 1
            self._tally.closed[why] = slot.end[1]
        self._hand_in(slot)
        self.todo.append(Close(slot, why))
        self._forget(slot)

    def _forget(self, slot: Slot) -> None:
        self._alarms.drop(slot)
        self.slots.remove(slot)

    def _hand_in(self, slot: Slot) -> None:
        slot.holder = None  # and so its loan is none any more

    # Making connections

    def _make_connections(self) -> None:
        """Begin as many connects as are needed and allowed now."""
        settings, slots, backoff = self.settings, self.slots, self._backoff
        connecting = slots.count[CONNECTING]
        coming = connecting + slots.count[CHECKING] + slots.count[RESETTING]
        need = max(settings.min_size - slots.size, len(self._queue) - coming)
        need = min(need, settings.max_size - slots.size)
        if need <= 0:
            return
        if self._now < backoff.retry_at:
            self._alarms.arm(RETRY, backoff.retry_at)
            return
        limit = 1 if backoff.failures else settings.max_connecting
        for _ in range(min(need, limit - connecting)):
            self._numbers += 1
            spread = 1 - _SPREAD * self._random()
            slot = Slot(self._numbers, spread, backoff.failures)
            slots.add(slot)
            self.todo.append(Connect(slot))

    def _opened(self, slot: Slot) -> None:
        slot.born = slot.used = self._now
        slot.dies = slot.born + self._max_lifetime * slot.spread
        slot.made = self._tally.created + 1
        self._tally.created = slot.made
        self.todo.append(Note("opened", slot))
        if self._backoff.succeeded():
            self.todo.append(Note("recovered", slot))
            self._alarms.drop(RETRY)


def own(error: _E) -> _E:
    """A copy of an error for one of several who raise it.

    Each grows a traceback and gets notes of its own.
    """
    try:
        mine = copy(error)
    except Exception:  # it is the user's, and cannot be copied
        return error
    mine.__cause__, mine.__context__ = error.__cause__, error.__context__
    if hasattr(error, "__notes__"):
        mine.__notes__ = [*error.__notes__]
    return mine
