"""What several runners need. Knows no loop."""

from __future__ import annotations

from time import monotonic
from typing import Any

from ..wait import TIMEOUT, Operation


def seconds_until(deadline: float, longest: float) -> float:
    """The time that is left: never less than 0, never more than ``longest``."""
    return min(max(deadline - monotonic(), 0.0), longest)


def nothing_ready(deadline: float | None) -> int:
    """The mask when a wait ended and nothing was ready."""
    return TIMEOUT if deadline is not None and monotonic() >= deadline else 0


def ended(operation: Operation[Any]) -> bool:
    """Whether an exception is the operation's own, and not from waiting for it."""
    return getattr(operation, "gi_frame", None) is None
