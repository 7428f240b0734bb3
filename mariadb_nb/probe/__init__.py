"""Measuring the network: for how long it lets a connection be idle.

Owns the blocking function; ``mariadb_nb.probe.aio`` has the one to be awaited, and
``mariadb_nb.probe.measuring`` the operation for other runners.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .. import runners
from ..options import Options
from .evidence import End, Plan, Seen, Verdict
from .measuring import Report, measure

__all__ = ["End", "Plan", "Report", "Seen", "Verdict", "idle_timeout"]


def idle_timeout(
    host: str,
    port: int,
    plan: Plan | None = None,
    *,
    login: Options | None = None,
    on_seen: Callable[[Seen], object] | None = None,
) -> Report:
    """Measure for how long an address lets a connection be idle, and how it ends.

    It takes ``plan.longest`` and a little, or less if the answer is known earlier.

    Args:
        host: a name or an address.
        port: any TCP service's. Nothing is said to it, unless one logs in.
        plan: which idle times to try; ``Plan()`` goes from 1 s to 15 min.
        login: log in with these options, but on this address, and ask with pings.
        on_seen: is called with what became of each connection.

    Raises:
        OperationalError: no connection could be made.
        InterfaceError: the plan is out of range.
    """
    return runners.default()().run(
        measure(host, port, plan or Plan(), at(login, host, port), on_seen)
    )


def at(login: Options | None, host: str, port: int) -> Options | None:
    """The same login on another address."""
    if login is None:
        return None
    return replace(login, host=host, port=port, unix_socket=None)
