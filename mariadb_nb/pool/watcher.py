"""The one thread that serves all pools of a process.

Owns the thread, what is done in it, and the timers of the pools. Decides nothing. It
waits in a ``SelectorRunner`` for all at once: connects and pings are operations, and so
are its mailbox with the timers and the watch on idle connections.

The idle connections are in a selector of their own, which the system lets others change
while somebody waits for it (epoll, kqueue). Nothing here keeps a pool alive: one that
is forgotten ends.
"""

from __future__ import annotations

import logging
import os
import selectors
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any, Protocol
from weakref import ref

from ..runners.selector import Handle, SelectorRunner
from ..wait import READ, Operation, Wait
from .alarms import Alarms
from .slots import Slot

log = logging.getLogger("mariadb_nb.pool")


class Watched(Protocol):
    """What a watcher asks of a pool."""

    def time_up(self) -> None:
        """Tick: the time has come that it asked for."""

    def look_at(self, slot: Slot) -> None:
        """See what can be read from an idle connection."""


class Watcher:
    """A thread, from the first pool that joins to the last one that leaves."""

    def __init__(self) -> None:
        self._runner = SelectorRunner()
        self._idle = _selector()
        self._inbox, self._bell = os.pipe()
        os.set_blocking(self._inbox, False)
        os.set_blocking(self._bell, False)
        self._lock = threading.RLock()  # a finalizer may come while it is held
        self._posted: deque[Callable[[], object]] = deque()
        self._reminders: deque[tuple[ref[Watched], float]] = deque()
        self._alarms = Alarms()  # the thread's own
        self._sleeps_until = -inf
        self._ending = False
        self.pools = 0
        self._thread = threading.Thread(
            target=self._run, name="mariadb_nb pools", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    # Called by the pools, in any thread

    def watch(self, fd: int, pool: Watched, slot: Slot) -> None:
        """Have ``pool.look_at(slot)`` called as long as ``fd`` is readable."""
        with suppress(KeyError):
            self._idle.unregister(fd)  # left by one that was closed behind our back
        self._idle.register(fd, selectors.EVENT_READ, (ref(pool), slot))

    def unwatch(self, fd: int, slot: Slot) -> None:
        """Do not watch ``fd`` any more, if it is watched for this slot."""
        with suppress(KeyError):
            if self._idle.get_key(fd).data[1] is slot:
                self._idle.unregister(fd)

    def remind(self, pool: Watched, due: float) -> None:
        """Have ``pool.time_up()`` called at ``due``, or earlier."""
        with self._lock:
            self._reminders.append((ref(pool), due))
            late = due < self._sleeps_until
        if late:
            self._ring()

    def submit(
        self, operation: Operation[Any], on_done: Callable[[Handle[Any]], object]
    ) -> Callable[[], None]:
        """Run an operation in the thread; returns what cancels it."""
        handles: list[Handle[Any]] = []

        def done(handle: Handle[Any]) -> None:
            _guarded(on_done, handle)

        self.post(lambda: handles.append(self._runner.submit(operation, done)))
        return lambda: self.post(lambda: handles[0].cancel())

    def end(self) -> None:
        """Let the thread end, and wait for that."""
        self._ending = True
        self._ring()
        if threading.get_ident() != self._thread.ident:
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def post(self, function: Callable[[], object]) -> None:
        """Have a function called in the thread; a finalizer may ask for it."""
        self._posted.append(function)
        self._ring()

    def _ring(self) -> None:
        with self._lock, suppress(BlockingIOError):  # then it is ringing already
            if self._bell >= 0:
                os.write(self._bell, b"!")

    # In the thread

    def _run(self) -> None:
        _idents.add(threading.get_ident())
        self._runner.submit(self._serve())
        watch = self._runner.submit(self._watch_idle())
        try:
            while not self._ending or self._posted:
                self._runner.run_once()
            watch.cancel()
            while self._runner.run_once():
                pass
        finally:
            _idents.discard(threading.get_ident())
            self._runner.close()
            self._idle.close()
            with self._lock:
                os.close(self._inbox)
                os.close(self._bell)
                self._bell = -1  # the number may be somebody else's now

    def _serve(self) -> Operation[None]:
        """Do what was posted, and what is due."""
        alarms = self._alarms
        while not self._ending or self._posted:
            while self._posted:
                _guarded(self._posted.popleft())
            while self._reminders:
                alarms.arm(*self._reminders.popleft())
            known = alarms.ring(monotonic())
            with self._lock:  # whoever comes after this rings
                due = self._sleeps_until = alarms.due
                reminded = bool(self._reminders)
            if known is not None:
                _guarded(_time_up, known)
            elif not (self._posted or reminded or self._ending):
                yield Wait(self._inbox, READ, None if due == inf else due)
                with suppress(BlockingIOError):
                    os.read(self._inbox, 4096)

    def _watch_idle(self) -> Operation[None]:
        while True:
            yield Wait(self._idle.fileno(), READ)  # type: ignore[attr-defined]
            for key, _ in self._idle.select(0):
                _guarded(_look_at, *key.data)


def _time_up(known: ref[Watched]) -> None:
    pool = known()
    if pool is not None:
        pool.time_up()


def _look_at(known: ref[Watched], slot: Slot) -> None:
    pool = known()
    if pool is not None:
        pool.look_at(slot)


def _selector() -> selectors.BaseSelector:
    """A selector of the system's, even if gevent has patched the process.

    It is only asked for what is ready, and never waits.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        selector: selectors.BaseSelector
        selector = monkey.get_original("selectors", "DefaultSelector")()
        return selector
    return selectors.DefaultSelector()


def _guarded(function: Callable[..., object], *arguments: object) -> None:
    """Call it, and go on for the other pools whatever it raises, SystemExit too."""
    try:
        function(*arguments)
    except BaseException:
        log.exception("a pool failed")


_lock = threading.Lock()
_watcher: Watcher | None = None
#: Of the threads that serve pools.
_idents: set[int] = set()


def runs_here() -> bool:
    """Whether the caller is called by a thread that serves pools."""
    return threading.get_ident() in _idents


def join() -> Watcher:
    """The process's watcher, for a pool that begins."""
    global _watcher
    with _lock:
        if _watcher is None or not _watcher.alive:
            _watcher = Watcher()
            _watcher.start()
        _watcher.pools += 1
        return _watcher


def leave(watcher: Watcher) -> None:
    """Say that a pool has ended; with the last one the thread does."""
    global _watcher
    with _lock:
        watcher.pools -= 1
        last = watcher.pools == 0
        if last and watcher is _watcher:
            _watcher = None
    if last:
        watcher.end()


def _after_fork() -> None:
    """The thread is the parent's: a pool of the child's begins its own."""
    global _lock, _watcher
    _lock, _watcher = threading.Lock(), None
    _idents.clear()


os.register_at_fork(after_in_child=_after_fork)
