"""Measuring for how long a connection may be idle, as one operation.

Owns what is run, in which order, and when it is enough. ``mariadb_nb.probe`` runs it
blocking, ``mariadb_nb.probe.aio`` for who awaits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from ..errors import OperationalError
from ..options import Options
from ..wait import Operation
from .connections import hold, hold_logged_in, resolve
from .evidence import Plan, Seen, Verdict, decided, judge
from .together import together


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        host: as it was given.
        port: as it was given.
        logged_in: whether a server was asked with pings; else its kernel was.
        plan: what was to be tried.
        seen: what became of the connections, in the order in which it did. Those that
            could not have told anything new are not among them.
        verdict: what follows.
        seconds: how long it took.
    """

    host: str
    port: int
    logged_in: bool
    plan: Plan
    seen: tuple[Seen, ...]
    verdict: Verdict
    seconds: float


def measure(
    host: str,
    port: int,
    plan: Plan,
    login: Options | None = None,
    on_seen: Callable[[Seen], object] | None = None,
) -> Operation[Report]:
    """Measure for how long an address lets a connection be idle.

    Args:
        host: a name or an address.
        port: any TCP service's.
        plan: which idle times to try.
        login: log in with these options (host and port are theirs) and ask with pings;
            None to say nothing.
        on_seen: is called with each connection's end.

    Raises:
        OperationalError: no connection could be made.
    """
    begun = monotonic()
    seen: list[Seen] = []

    def take(one: Seen) -> bool:
        seen.append(one)
        if on_seen is not None:
            on_seen(one)
        return decided(plan, seen)

    if login is None:
        address = yield from resolve(host, port)
        operations = [hold(address, idle, plan) for idle in plan.times]
    else:
        operations = [hold_logged_in(login, idle, plan) for idle in plan.times]
    yield from together(operations, take)
    if all(one.end == "failed" for one in seen):
        raise OperationalError(f"no connection was made: {seen[0].detail}")
    verdict = judge(seen)
    return Report(
        *(host, port, login is not None, plan),
        *(tuple(seen), verdict, monotonic() - begun),
    )
