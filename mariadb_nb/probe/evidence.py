"""What was seen of idle connections, and what follows from it.

Owns the plan (which connection is asked when), how the time is counted that one was
idle, the verdict and the advice. Does no I/O and has no clock: what it is told is all
it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Final, Literal

from ..errors import InterfaceError
from ..pool.settings import Settings

#: How a connection ended, or did not:
#:
#: - ``answered``: it was asked after its idle time, and answered.
#: - ``fin``: the peer closed it while it was idle.
#: - ``reset``: it was reset while it was idle.
#: - ``refused``: it was reset when it was asked.
#: - ``silence``: it was asked, and nothing came back.
#: - ``talking``: the peer never left it idle for long enough.
#: - ``failed``: it could not be made.
End = Literal["answered", "fin", "reset", "refused", "silence", "talking", "failed"]
#: These happen by themselves, so the idle time is known to the moment.
UNASKED: Final = frozenset({"fin", "reset"})
_ENDS: Final = UNASKED | {"refused", "silence"}

#: What a peer says less than so many seconds before it hangs up is its farewell.
_FAREWELL: Final = 1.0
#: By how much, in parts and in seconds, two connections may differ and still agree.
_TOLERANCE: Final = (0.05, 0.5)

_MOST_CONNECTIONS: Final = 200
_LONGEST: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and how finely.

    Attributes:
        shortest: the shortest idle time to try, in seconds, 1 at least.
        longest: the longest one, a day at most.
        connections: over how many connections the times between are spread, each the
            same factor above the one before; from 2 to 200.
        answer_timeout: seconds without an answer that are silence, from 1 to 60.

    Raises:
        InterfaceError: a value is out of its range.
    """

    shortest: float = 1.0
    longest: float = 900.0
    connections: int = 24
    answer_timeout: float = 5.0

    def __post_init__(self) -> None:
        _check("longest", self.longest, 1.0, _LONGEST)
        _check("shortest", self.shortest, 1.0, self.longest)
        _check("answer_timeout", self.answer_timeout, 1.0, 60.0)
        count = self.connections
        if isinstance(count, bool) or not isinstance(count, int):
            raise InterfaceError(f"connections={count!r} is no whole number")
        _check("connections", count, 2, _MOST_CONNECTIONS)

    @property
    def times(self) -> tuple[float, ...]:
        """The idle time after which each connection is asked, the shortest first."""
        step = (self.longest / self.shortest) ** (1 / (self.connections - 1))
        between = [self.shortest * step**i for i in range(self.connections - 1)]
        return (*between, self.longest)


def _check(name: str, value: float, least: float, most: float) -> None:
    wrong = isinstance(value, bool) or not isinstance(value, int | float)
    if wrong or not isfinite(value) or not least <= value <= most:
        raise InterfaceError(f"{name}={value!r} is no number from {least} to {most}")


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one connection.

    Attributes:
        planned: after how many idle seconds it was to be asked.
        idle: how many seconds it had been idle when it was asked, or ended unasked.
        end: see ``End``.
        detail: what else is known, in words.
    """

    planned: float
    idle: float
    end: End
    detail: str = ""


class Quiet:
    """For how long a connection has been idle.

    Args:
        now: when it was made; each ``now`` is of the same clock, in seconds.
    """

    def __init__(self, now: float) -> None:
        self.since = now
        self._before = 0.0

    def heard(self, now: float) -> None:
        """The peer said something: that is activity, or its farewell."""
        gap = now - self.since
        self._before = self._before + gap if gap < _FAREWELL else gap
        self.since = now

    def ended(self, now: float) -> float:
        """For how long it was idle, the peer's farewell apart."""
        idle = now - self.since
        return self._before + idle if idle < _FAREWELL else idle


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all connections together say.

    Attributes:
        end: how an idle connection ends: ``answered`` if none did, ``failed`` if
            nothing could be learned; else ``fin``, ``reset``, ``refused`` or
            ``silence``, see ``End``.
        survived: the longest idle time, in seconds, that is known to be short enough;
            None if there is none.
        ended: the shortest that was too long; None if there is none.
        exact: whether ``ended`` is the limit itself, and not the end of a bracket that
            begins with ``survived``.
        consistent: False if another connection answered after a longer time.
        keepalive_interval: the advice for that setting of a pool; None for no advice.
        max_idle: the advice for that one, for a pool without keepalive.
    """

    end: End
    survived: float | None
    ended: float | None
    exact: bool
    consistent: bool
    keepalive_interval: float | None
    max_idle: float | None


def decided(plan: Plan, seen: Sequence[Seen]) -> bool:
    """Whether those that are still idle cannot tell anything new.

    One end may be chance: two have to agree that a time is too long, nobody may have
    answered after a longer one, and whoever was asked after a shorter one is heard.
    """
    ends = [each.idle for each in seen if each.end in _ENDS]
    if len(ends) < 2 or not _agree(seen, min(ends)):
        return False
    heard = {each.planned for each in seen}
    return all(time in heard for time in plan.times if time < min(ends))


def judge(seen: Sequence[Seen]) -> Verdict:
    """What follows from what was seen, in whatever order that was."""
    answered = [each.idle for each in seen if each.end == "answered"]
    first = min(
        (each for each in seen if each.end in _ENDS),
        key=lambda each: each.idle,
        default=None,
    )
    if first is None:
        survived = max(answered, default=None)
        advice = _advice(survived, survived)
        end: End = "failed" if survived is None else "answered"
        return Verdict(end, survived, None, False, True, *advice)
    survived = max((idle for idle in answered if idle < first.idle), default=None)
    exact = first.end in UNASKED
    limit = first.idle if exact else survived
    half, most = (None, None) if limit is None else (limit / 2, limit * 0.8)
    return Verdict(
        first.end,
        survived,
        first.idle,
        exact,
        _agree(seen, first.idle),
        *_advice(half, most),
    )


def _agree(seen: Sequence[Seen], ended: float) -> bool:
    part, least = _TOLERANCE
    latest = ended + max(ended * part, least)
    return all(each.idle <= latest for each in seen if each.end == "answered")


def _advice(
    keepalive_interval: float | None, max_idle: float | None
) -> tuple[float | None, float | None]:
    """Round down to what one would write, and leave alone what is good enough."""
    usual = Settings()
    return (
        _advise(keepalive_interval, usual.keepalive_interval),
        _advise(max_idle, usual.max_idle),
    )


def _advise(limit: float | None, usual: float | None) -> float | None:
    if limit is None or limit <= 0:
        return None
    unit = 10.0 ** (floor(log10(limit)) - 1)
    # A trifle more, because 0.29 / 0.01 is 28.999999999999996.
    rounded = round(floor(limit / unit + 1e-9) * unit, 6)
    return rounded if usual is None else min(rounded, usual)
