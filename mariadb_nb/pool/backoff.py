"""When to connect again after a failure.

Owns how often connecting has failed in a row, and the pause that follows from it. Knows
no clock: the time is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from .settings import Settings


class Backoff:
    """The pauses between connects that fail.

    Attributes:
        failures: how many in a row have failed, those that ran side by side as one.
        error: why the last one did; None after a success.
        retry_at: when the next one may begin.
    """

    def __init__(self, settings: Settings, random: Callable[[], float]) -> None:
        self._first, self._longest = settings.retry_first, settings.retry_longest
        self._random = random
        self.failures = 0
        self.error: Exception | None = None
        self.retry_at = -inf

    def failed(self, now: float, attempt: int, error: Exception) -> float | None:
        """Note a failure.

        Args:
            now: the time.
            attempt: what ``failures`` was when the connect began.
            error: why it failed.

        Returns:
            the pause that begins now; None if one that began with it has failed too.
        """
        self.error = error
        if attempt != self.failures:
            return None
        doubled = self._first * 2.0 ** min(self.failures, 40)
        pause = min(doubled, self._longest) * (0.5 + 0.5 * self._random())
        self.failures += 1
        self.retry_at = now + pause
        return pause

    def succeeded(self) -> bool:
        """Note a success; returns whether it ends a series of failures."""
        was_failing = self.failures > 0
        self.failures, self.error, self.retry_at = 0, None, -inf
        return was_failing
