"""What a pool counts.

Owns the numbers and how long one had to wait for a connection. Decides nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from .settings import Settings
from .slots import CHECKING, CONNECTING, IDLE, IN_USE, RESETTING, Place

#: Upper bounds, in seconds, of the classes of waiting times.
BOUNDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """A pool's numbers at one moment.

    Attributes:
        min_size: as it is set.
        max_size: as it is set.
        size: all connections, those being made included.
        idle: ready to be lent.
        in_use: lent.
        connecting: being made.
        tending: being reset or pinged.
        waiting: how many wait for a connection.
        acquired: how often one was lent.
        timeouts: how often nobody had one in time.
        created: how many connections were made.
        failed_connects: how many could not be made.
        closed: how many were closed or lost, by why (see ``decisions.Why``).
        waits: how many waited up to so many seconds and no less than the bound before;
            only those who got a connection.
        wait_seconds: how long those waited together.
        longest_wait: how long one of them waited at most.
    """

    min_size: int
    max_size: int
    size: int
    idle: int
    in_use: int
    connecting: int
    tending: int
    waiting: int
    acquired: int
    timeouts: int
    created: int
    failed_connects: int
    closed: Mapping[str, int]
    waits: Mapping[float, int]
    wait_seconds: float
    longest_wait: float


@dataclass(slots=True)
class Tally:
    """What is counted from the beginning of a pool to its end."""

    timeouts: int = 0
    created: int = 0
    failed_connects: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    wait_seconds: float = 0.0
    longest_wait: float = 0.0
    waits: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))

    def waited(self, seconds: float) -> None:
        """Count one who got a connection."""
        self.waits[bisect_left(BOUNDS, seconds)] += 1
        self.wait_seconds += seconds
        if seconds > self.longest_wait:
            self.longest_wait = seconds

    def not_used(self, seconds: float) -> None:
        """Take one back who was lent nothing good after all."""
        self.waits[bisect_left(BOUNDS, seconds)] -= 1
        self.wait_seconds -= seconds

    def stats(
        self, settings: Settings, count: Mapping[Place, int], waiting: int
    ) -> Stats:
        """Put the numbers together with those of this moment.

        Args:
            settings: as they are.
            count: how many slots are in each place.
            waiting: how many wait for one.
        """
        return Stats(
            min_size=settings.min_size,
            max_size=settings.max_size,
            size=sum(count.values()),
            idle=count[IDLE],
            in_use=count[IN_USE],
            connecting=count[CONNECTING],
            tending=count[CHECKING] + count[RESETTING],
            waiting=waiting,
            acquired=sum(self.waits),
            timeouts=self.timeouts,
            created=self.created,
            failed_connects=self.failed_connects,
            closed=dict(self.closed),
            waits=dict(zip(BOUNDS, self.waits, strict=True)),
            wait_seconds=self.wait_seconds,
            longest_wait=self.longest_wait,
        )
