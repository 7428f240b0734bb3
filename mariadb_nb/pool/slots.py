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


#: Where a slot can be that is in the books.
_PLACES: Final[tuple[Place, ...]] = (CONNECTING, IDLE, CHECKING, IN_USE, RESETTING)


class Slot:
    """The place of one connection in the pool, from before it is made to its end.

    Attributes:
        number: tells slots apart, for people.
        place: where it is; all other books follow from that.
        made: which of the pool's connections it has, counted from 1; 0 before that.
        end: why it is given up, and which that was of those.
        connection: whatever the pool's world keeps here.
        holder: the waiter that it is lent to.
        born: when the connection was there.
        dies: when it is not lent any more.
        used: when it was used last.
        heard: when it gave a sign of life last.
        lent: how often it was lent.
        spread: what its lifetime and its silence are to be multiplied with.
        attempt: how many connects in a row had failed when this one began.
        drained: not to be lent again.
        recall: when it is taken back at the latest, if it is lent.
    """

    __slots__ = (
        "attempt",
        "born",
        "connection",
        "dies",
        "drained",
        "end",
        "heard",
        "holder",
        "lent",
        "made",
        "number",
        "place",
        "recall",
        "spread",
        "used",
    )

    def __init__(self, number: int, spread: float, attempt: int) -> None:
        self.number = number
        self.place: Place = GONE  # until it is in the books
        self.made = 0
        self.end: tuple[str, int] | None = None
        self.connection: Any = None
        self.holder: Waiter | None = None
        self.born = self.used = self.heard = 0.0
        self.dies = inf
        self.lent = 0
        self.spread = spread
        self.attempt = attempt
        self.drained = False
        self.recall = inf

    @property
    def gone(self) -> bool:
        """Whether it was given up."""
        return self.place == GONE

    def __repr__(self) -> str:
        return f"<Slot {self.number} {self.place}>"


class Waiter:
    """One who waits for a connection, for the first ones to be there, or for the end.

    Args:
        deadline: until when to wait.
        origin: where in the program that is, for people.

    Attributes:
        since: when it began to wait.
        waited: how long that was, when it was lent something.
        slot: what it was lent, if it is the slot's holder.
        error: what to raise where it waits.
        done: whether it need not wait any more.
    """

    __slots__ = ("deadline", "done", "error", "origin", "since", "slot", "waited")

    def __init__(self, deadline: float = inf, origin: object = None) -> None:
        self.deadline = deadline
        self.origin = origin
        self.since = self.waited = 0.0
        self.slot: Slot | None = None
        self.error: Exception | None = None
        self.done = False  # the last that is set: another thread may look at it

    @property
    def loan(self) -> Slot | None:
        """What is lent to it."""
        slot = self.slot
        return slot if slot is not None and slot.holder is self else None


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
        self.count = dict.fromkeys(_PLACES, 0)

    def __iter__(self) -> Iterator[Slot]:
        return iter(tuple(self._slots))  # they may go meanwhile

    @property
    def open(self) -> int:
        """How many have a connection."""
        return self.size - self.count[CONNECTING]

    def add(self, slot: Slot) -> None:
        """Take in a new slot, whose connection is about to be made."""
        self._slots[slot] = None
        slot.place = CONNECTING
        self.size += 1
        self.count[CONNECTING] += 1

    def move(self, slot: Slot, place: Place) -> None:
        """Put a slot into another place."""
        was, slot.place = slot.place, place
        self.count[was] -= 1
        self.count[place] += 1
        if place == IDLE:
            self.idle[slot] = None
            if was == CHECKING:  # it is not the one that was used last
                self.idle.move_to_end(slot, last=False)
        elif was == IDLE:
            del self.idle[slot]

    def remove(self, slot: Slot) -> None:
        """Give a slot up, wherever it is."""
        was, slot.place = slot.place, GONE
        self.size -= 1
        self.count[was] -= 1
        self.idle.pop(slot, None)
        del self._slots[slot]

    def recount(self) -> None:
        """Find all books anew from where the slots are."""
        there = [slot for slot in self._slots if slot.place != GONE]
        idle = [slot for slot in there if slot.place == IDLE]
        count = dict.fromkeys(_PLACES, 0)
        for slot in there:
            count[slot.place] += 1
        self._slots = dict.fromkeys(there)
        self.size = len(there)
        self.idle = OrderedDict.fromkeys(sorted(idle, key=lambda slot: slot.used))
        self.count = count
