"""What a pool decides.

Owns which connection goes to whom, when one is made, and when one has to go. It does
nothing itself: each event comes with the time, in seconds of any clock that does not go
back, and leaves in ``todo`` what the pool's world is to carry out (``decisions``). No
I/O, no clock, no threads, no chance: what is random is passed in. What follows from an
event is in ``steps``.

The world hands in events one at a time, and calls ``tick`` when ``due`` has come. What
a slot's connection did after the slot was given up is passed over.

::

    CONNECTING ──ready──> IDLE <──────ready── CHECKING, RESETTING
    IDLE ──(granted)──> IN_USE ──release──> RESETTING, or IDLE if it was not used
    IDLE ──readable, keepalive──> CHECKING
    any ──(Close)──> GONE
"""

from __future__ import annotations

from math import inf

from .decisions import Note, Reset, Why
from .slots import CHECKING, CONNECTING, IDLE, RESETTING, Slot, Waiter
from .stats import Stats
from .steps import END, Steps, own


class PoolCore(Steps):
    """The decisions of one pool: its events, see ``Steps`` for the rest."""

    # What is known

    @property
    def due(self) -> float:
        """When ``tick`` has to be called at the latest; infinite for never."""
        return self._alarms.due

    def stats(self) -> Stats:
        """The numbers of this moment."""
        return self._tally.stats(self.settings, self.slots.count, len(self._queue))

    # What happens: to those who wait

    def acquire(self, now: float, waiter: Waiter) -> None:
        """Somebody wants a connection, until ``waiter.deadline``."""
        self._begin(now)
        waiter.since = self._now
        self._wait(waiter, self._queue)
        self._settle()

    def leave(self, now: float, waiter: Waiter) -> None:
        """Somebody has gone; what it may have been lent meanwhile was not used."""
        waiter.done = True
        for crowd in (self._queue, self._warming, self._leaving):
            crowd.pop(waiter, None)
        self._begin(now)
        slot = waiter.loan
        if slot is not None:
            self._tally.not_used(waiter.waited)
            self._hand_in(slot)
            self._offer(slot)
        self._settle()

    def reject(self, now: float, waiter: Waiter, why: Why = "refused") -> None:
        """What a waiter was lent is no good, and it waits on, before all others."""
        self._begin(now)
        waiter.done = False
        slot = waiter.loan
        if slot is not None:
            self._tally.not_used(waiter.waited)
            self._retire(slot, why)
        if waiter.deadline <= self._now:
            self._fail(waiter, self._timeout())
        else:
            self._wait(waiter, self._queue, first=True)
        self._settle()

    def release(
        self,
        now: float,
        waiter: Waiter,
        why: Why | None = None,
        *,
        as_new: bool = False,
    ) -> None:
        """Somebody gives back what it was lent, if it still has it.

        Args:
            now: the time.
            waiter: who.
            why: why it is of no use any more; None if it is, once it has been reset.
            as_new: whether nothing was done with it, so that it need not be reset.
        """
        self._begin(now)
        slot = waiter.loan
        if slot is not None:
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
                self.todo.append(Reset(slot))
        self._settle()

    def warm_up(self, now: float, waiter: Waiter) -> None:
        """Somebody wants to know when ``min_size`` connections are there."""
        self._begin(now)
        self._wait(waiter, self._warming)
        self._settle()

    # What happens: to connections

    def ready(self, now: float, slot: Slot) -> None:
        """What was to be done with a slot went well: connect, check or reset."""
        self._begin(now)
        if self._is(slot, CONNECTING, CHECKING, RESETTING):
            slot.heard = self._now
            if slot.place == CONNECTING:
                self._opened(slot)
            self._offer(slot)
        self._settle()

    def failed(self, now: float, slot: Slot) -> None:
        """A check or a reset did not go well."""
        self._begin(now)
        if self._is(slot, CHECKING, RESETTING):
            self._retire(slot, "silent" if slot.place == CHECKING else "reset")
        self._settle()

    def connect_failed(
        self, now: float, slot: Slot, error: Exception, *, final: bool = False
    ) -> None:
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
                self.todo.append(Note("outage", error=error, seconds=pause))
            if final and not self.slots.size:
                for waiter in self._waiting():
                    self._fail(waiter, own(error))
        self._settle()

    def readable(self, now: float, slot: Slot, *, dead: bool) -> None:
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
        self._settle()

    # What happens: to the pool

    def tick(self, now: float) -> None:
        """Time has passed; also for the pool to make its first connections."""
        self._begin(now)
        self._settle()

    def resize(self, now: float, min_size: int, max_size: int) -> None:
        """Have other bounds. What is lent and too much is closed when it comes back."""
        self._begin(now)
        self.settings = self.settings.changed(min_size=min_size, max_size=max_size)
        surplus = self.slots.size - max_size
        unborn = [slot for slot in self.slots if slot.place == CONNECTING]
        for slot in [*unborn, *self.slots.idle][: max(surplus, 0)]:
            self._retire(slot, "surplus")
        self._settle()

    def drain(self, now: float, deadline: float = inf) -> None:
        """Lend none of the present connections again; new ones take their place.

        What is lent is taken back at the deadline.
        """
        self._begin(now)
        for slot in self.slots:
            if slot.place != CONNECTING:
                slot.drained, slot.recall = True, min(slot.recall, deadline)
                self._look_at(slot)
        self._settle()

    def close(self, now: float, waiter: Waiter) -> None:
        """Lend nothing any more; at ``waiter.deadline`` take back what is lent."""
        self._begin(now)
        self.closing = True
        self._leaving[waiter] = None
        self._alarms.arm(END, waiter.deadline)
        self._turn_away()
        self._settle()
