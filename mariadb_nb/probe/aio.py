"""Measuring the network, to be awaited on asyncio, uvloop and trio.

Owns nothing but the waiting.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import runners
from ..options import Options
from . import at
from .evidence import Plan, Seen
from .measuring import Report, measure

__all__ = ["idle_timeout"]


async def idle_timeout(
    host: str,
    port: int,
    plan: Plan | None = None,
    *,
    login: Options | None = None,
    on_seen: Callable[[Seen], object] | None = None,
) -> Report:
    """Measure as ``mariadb_nb.probe.idle_timeout`` does; ends when it is cancelled."""
    return await runners.current_async()().run(
        measure(host, port, plan or Plan(), at(login, host, port), on_seen)
    )
