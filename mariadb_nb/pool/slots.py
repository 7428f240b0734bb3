"""Slots for connections, who waits for them, and which slot is where.

Owns the books: each slot is in one place, and the numbers are right. Decides nothing.
Knows neither connections nor loops: a slot has room for the one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from math import inf
from typing import Any, Final, Literal, TypeAlias

#: Where a slot is: in one of these at any time.
CONNECTING: Final = "connecting"
IDLE: Final = "idle"
CHECKING: Final = "checking"
IN_USE: Final = "in use"
RESETTING: Final = "resetting"
GONE: Final = "gone"

Place: TypeAlias = Literal[
    "connecting", "idle", "checking", "in use", "resetting", "gone"
]


class Slot:
    """The place of one connection in the pool, from before it is made to its end.

    Attributes:
        number: tells slots apart, for people.
        place: where it is.
        connection: whatever the pool's world keeps here.
        holder: the waiter that it is lent to.
        born: when the connection was there.
        used: when it was used last.
        heard: when it gave a sign of life last.
        lent: how often it was lent.
        spread: what its lifetime and its silence are to be multiplied with.
        attempt: how many connects in a row had failed when this one began.
        drained: not to be lent again.
    """

    __slots__ = (
        "attempt",
        "born",
        "connection",
        "drained",
        "heard",
        "holder",
        "lent",
        "number",
        "place",
        "spread",
        "used",
    )

    def __init__(self, number: int, spread: float, attempt: int) -> None:
        self.number = number
        self.place: Place = CONNECTING
        self.connection: Any = None
        self.holder: Waiter | None = None
        self.born = self.used = self.heard = 0.0
        self.lent = 0
        self.spread = spread
        self.attempt = attempt
        self.drained = False

    def __repr__(self) -> str:
        return f"<Slot {self.number} {self.place}>"


class Waiter:
    """One who waits for a connection, for the first ones to be there, or for the end.

    Args:
        deadline: until when to wait.
        origin: where in the program that is, for people.

    Attributes:
        since: when it began to wait.
        slot: what it was lent.
        error: what to raise where it waits.
        done: whether it need not wait any more.
    """

    __slots__ = ("deadline", "done", "error", "origin", "since", "slot")

    def __init__(self, deadline: float = inf, origin: object = None) -> None:
        self.deadline = deadline
        self.origin = origin
        self.since = 0.0
        self.slot: Slot | None = None
        self.error: Exception | None = None
        self.done = False  # the last that is set: another thread may look at it


class Slots:
    """All slots of a pool.

    Attributes:
        size: how many there are.
        count: how many are in each place.
        idle: those that can be lent; the last one was used last.
    """

    def __init__(self) -> None:
        self._slots: dict[Slot, None] = {}
        self.size = 0
        self.idle: OrderedDict[Slot, None] = OrderedDict()
        self.count: dict[Place, int] = dict.fromkeys(
            (CONNECTING, IDLE, CHECKING, IN_USE, RESETTING), 0
        )

    def __iter__(self) -> Iterator[Slot]:
        return iter(tuple(self._slots))  # they may go meanwhile

    @property
    def open(self) -> int:
        """How many have a connection."""
        return self.size - self.count[CONNECTING]

    def add(self, slot: Slot) -> None:
        """Take in a new slot, whose connection is about to be made."""
        self._slots[slot] = None
        self.size += 1
        self.count[slot.place] += 1

    def move(self, slot: Slot, place: Place) -> None:
        """Put a slot into another place."""
        self.count[slot.place] -= 1
        self.count[place] += 1
        if place == IDLE:
            self.idle[slot] = None
            if slot.place == CHECKING:  # it is not the one that was used last
                self.idle.move_to_end(slot, last=False)
        elif slot.place == IDLE:
            del self.idle[slot]
        slot.place = place

    def remove(self, slot: Slot) -> None:
        """Give a slot up, wherever it is."""
        del self._slots[slot]
        self.size -= 1
        self.count[slot.place] -= 1
        self.idle.pop(slot, None)
        slot.place = GONE
