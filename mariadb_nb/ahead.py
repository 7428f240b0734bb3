"""Requests with arrays of parameters, each made while the server works on the last.

Owns the order of making, sending and waiting: it stands between ``operations.drive``
and the connection's channel, and has their form. Knows no statement and no rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .wait import READ

if TYPE_CHECKING:
    from ._wire import Bulk, Channel, Reading, Statement


class Ahead:
    """The requests of a bulk, one after another, with the next one made ahead.

    An error in a row is raised when its request is to be sent: those before it are
    through then.

    Args:
        bulk: makes the requests.

    Attributes:
        count: how many rows the last request has that was sent; 0 before it is.
    """

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk
        self._request: tuple[bytes, int] | None = None
        self._failure: Exception | None = None
        #: Whether no request is to be made any more.
        self._over = False
        #: What the channel waits for while the next request is made.
        self._waiting = 0
        #: What the next request is for; None when it has been sent.
        self._target: tuple[Channel, Statement, Reading] | None = None
        self._channel: Channel
        self.count = 0

    def rest(self) -> tuple[Iterable[Any], Iterable[Any]]:
        """The rows that no request is for, after the last one."""
        return self._bulk.rest()

    def start(self, channel: Channel, statement: Statement, reading: Reading) -> Any:
        """Send the next request, as soon as it is made.

        What comes of it is what comes of ``Channel.execute``, or None if there is none.
        """
        self._channel = channel
        self._target = channel, statement, reading
        self.count = 0
        return self.resume(0)

    def resume(self, ready: int) -> Any:
        """Go on after a wait or a turn of the loop."""
        if self._waiting:
            return self._wait(self._waiting)
        if self._target is None:
            return self._wait(self._channel.resume(ready))
        if not self._make():
            return 0
        if self._failure is not None:
            raise self._failure
        if self._request is None:
            return None
        (request, self.count), self._request = self._request, None
        (channel, statement, reading), self._target = self._target, None
        return self._wait(channel.execute(statement, request, reading, False))

    def _wait(self, outcome: Any) -> Any:
        """Make the next request first, while the server is at work on this one."""
        self._waiting = 0
        if outcome.__class__ is int and outcome == READ and not self._make():
            self._waiting = outcome
            return 0
        return outcome

    def _make(self) -> bool:
        """Go on with the next request; returns whether it is made, or there is none."""
        if self._request is not None or self._over:
            return True
        try:
            made = self._bulk.build()
        except Exception as error:
            self._failure, made = error, None
        if isinstance(made, int):
            return False
        self._request = made
        self._over = made is None
        return True
