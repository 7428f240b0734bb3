"""A selector loop that runs many generators, and knows how well it serves them.

A task yields what it waits for and is sent what happened: a mask of MYSQL_WAIT_*. It
yields None to let the others go first. The loop owns the selector and the clock; it
knows nothing of connections but that a socket may be closed, and its number be another
one's, as soon as its task goes on. So none is registered while its task runs.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from mariadb_nb.capi import events_to_status, lib, status_to_events

clock: Final = time.perf_counter

# Seconds of work after which the sockets are looked at again.
_TURN: Final = 0.002
NEVER: Final = float("inf")


class Wait(NamedTuple):
    """What a task waits for: MYSQL_WAIT_* on a socket, or the deadline by clock()."""

    fd: int
    status: int
    deadline: float = NEVER


Task = Generator[Wait | None, int, None]


class Loop:
    """Runs tasks until all of them have ended.

    Attributes:
        turn_ends: the time by clock() when a task is to let the others go first.
        longest_gap: the longest time in seconds between two looks at the sockets.
    """

    def __init__(self) -> None:
        self.turn_ends = 0.0
        self.longest_gap = 0.0
        self._selector = selectors.DefaultSelector()
        self._ready: deque[tuple[Task, int | None]] = deque()
        self._waiting: dict[Task, int] = {}
        self._deadlines: dict[Task, float] = {}

    def run(
        self,
        tasks: Iterable[Task],
        *,
        at_once: int | None = None,
        report: Callable[[], None] = lambda: None,
        every: float = NEVER,
    ) -> None:
        """Run tasks, at most `at_once` at a time, until all have ended.

        Args:
            report: called about each `every` seconds.
        """
        to_come = iter(tasks)
        self._ready.extend((task, None) for task in islice(to_come, at_once))
        self.longest_gap = 0.0
        next_report = clock() + every
        while self._ready or self._waiting:
            self._look(next_report)
            looked = clock()
            self.turn_ends = looked + _TURN
            while self._ready:
                task, happened = self._ready.popleft()
                self._go_on(task, happened, to_come)
                if clock() >= self.turn_ends:
                    break
            if clock() >= next_report:
                report()
                next_report = clock() + every
            self.longest_gap = max(self.longest_gap, clock() - looked)

    def close(self) -> None:
        """Give up the tasks that have not ended."""
        self._selector.close()
        for task in (*self._waiting, *(task for task, _ in self._ready)):
            task.close()

    def _go_on(self, task: Task, happened: int | None, to_come: Iterator[Task]) -> None:
        try:
            wait = next(task) if happened is None else task.send(happened)
        except StopIteration:
            self._ready.extend((task, None) for task in islice(to_come, 1))
            return
        if wait is None:
            self._ready.append((task, 0))
            return
        self._selector.register(wait.fd, status_to_events(wait.status), task)
        self._waiting[task] = wait.fd
        if wait.deadline != NEVER:
            self._deadlines[task] = wait.deadline

    def _look(self, until: float) -> None:
        """Wait for the sockets, at most until a time by clock() or a deadline."""
        until = 0.0 if self._ready else min(until, *self._deadlines.values(), NEVER)
        timeout = None if until == NEVER else max(0.0, until - clock())
        for key, events in self._selector.select(timeout):
            self._wake(key.data, events_to_status(events))
        if self._deadlines:
            now = clock()
            for task in [task for task, due in self._deadlines.items() if due <= now]:
                self._wake(task, lib.MYSQL_WAIT_TIMEOUT)

    def _wake(self, task: Task, happened: int) -> None:
        self._selector.unregister(self._waiting.pop(task))
        self._deadlines.pop(task, None)
        self._ready.append((task, happened))
