"""A ticker on a loop: how late does it get while something else runs there?

Owns the measuring. It knows the test worlds, and no connection.

A tick that is late because the processor was busy with other processes says nothing
about the loop: Linux tells how long this thread was ready to run and had to wait for a
processor, and that is taken off. What is left of the machine's noise, such as a lock
whose owner has to wait for a processor, goes by the best of some attempts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Final

import trio
from attempts import attempts
from worlds import AsyncioWorld, TrioWorld, UvloopWorld, World

#: The worlds that have a loop on which others want to run too.
LOOPS: Final[list[type[World]]] = [AsyncioWorld, UvloopWorld, TrioWorld]

#: Seconds that a tick may be late.
LATE: Final = 0.010

_PERIOD: Final = 0.001


def _starved() -> float:
    """The seconds that this thread has waited for a processor."""
    told = Path("/proc/thread-self/schedstat").read_text("ascii")
    return int(told.split()[1]) / 1e9


async def _sleep(world: World, seconds: float) -> None:
    if isinstance(world, TrioWorld):
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


async def lateness(world: World, work: Callable[[], Awaitable[object]]) -> float:
    """Run ``work``; return by how many seconds the latest tick meanwhile was late."""
    latest = 0.0
    over = False

    async def tick() -> None:
        nonlocal latest
        while not over:
            # In this order: what it waits for in between is taken off too much.
            starved, begun = _starved(), monotonic()
            await _sleep(world, _PERIOD)
            taken = monotonic() - begun - (_starved() - starved)
            latest = max(latest, taken - _PERIOD)

    async def work_between_ticks() -> object:
        nonlocal over
        await _sleep(world, 5 * _PERIOD)
        try:
            # To free what comes of it takes time too: the caller's.
            result = await work()
            await _sleep(world, 5 * _PERIOD)
        finally:
            over = True
        return result

    for result in await world.together(tick(), work_between_ticks()):
        if isinstance(result, Exception):
            raise result
    return latest


async def assert_served(world: World, work: Callable[[], Awaitable[object]]) -> None:
    """Run ``work``, while no tick is later than ``LATE``."""
    for attempt in attempts(LATE):
        attempt.measured = await lateness(world, work)
