"""When to look again at what.

Owns one alarm for each thing: it may ring too early, never too late, so that whoever
moves its own deadline back need not say so. Knows no clock: the time is passed in.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Any, Final

#: A heap of more than this, and mostly of alarms that were moved, is cleaned.
_FEW: Final = 64


class Alarms:
    """Alarms in the order of their times, one for each thing that has one.

    Attributes:
        due: when to call ``ring``; infinite for never.
    """

    def __init__(self) -> None:
        self.due = inf
        self._times: dict[Any, float] = {}
        # Those that were moved or dropped stay in here until their time comes.
        self._heap: list[tuple[float, int, Any]] = []
        self._count = count()

    def arm(self, thing: Any, time: float) -> None:
        """Ring for ``thing`` at ``time``, or earlier if that is set already."""
        if time >= self._times.get(thing, inf):
            return
        if len(self._heap) > max(_FEW, 2 * len(self._times)):
            self._heap = [entry for entry in self._heap if self._valid(entry)]
            heapify(self._heap)
        heappush(self._heap, (time, next(self._count), thing))
        self._times[thing] = time  # only now that it will ring
        self.due = self._heap[0][0]

    def drop(self, thing: Any) -> None:
        """Do not ring for ``thing``."""
        self._times.pop(thing, None)

    def clear(self) -> None:
        """Do not ring any more."""
        self._times.clear()
        self._heap.clear()
        self.due = inf

    def ring(self, now: float) -> Any:
        """Take the thing whose time has come first, or None."""
        heap, found = self._heap, None
        while found is None and heap and heap[0][0] <= now:
            entry = heappop(heap)
            if self._valid(entry):
                found = entry[2]
                del self._times[found]
        self.due = heap[0][0] if heap else inf
        return found

    def _valid(self, entry: tuple[float, int, Any]) -> bool:
        return self._times.get(entry[2]) == entry[0]
