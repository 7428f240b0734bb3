"""Where threads and greenlets wait for a connection.

Owns the choice of how: by a lock, or by gevent's semaphore. Knows no pool.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Protocol

from .. import runners


class Parking(Protocol):
    """Where one waits until it is released."""

    def acquire(self, *, timeout: float) -> bool:
        """Wait for ``release``; False if the time is over."""
        ...

    def release(self) -> object:
        """Let the one who waits go on."""
        ...

    def locked(self) -> bool:
        """Whether one has to wait."""
        ...


def _park_thread() -> Parking:
    lock = Lock()
    lock.acquire()
    return lock


def parking() -> Callable[[], Parking]:
    """What makes places to wait, for threads or for greenlets."""
    if runners.default().__module__.endswith("gevent"):
        from gevent.lock import Semaphore

        return lambda: Semaphore(0)
    return _park_thread
