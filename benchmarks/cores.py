"""Which cores the server and its clients run on.

A query that is asked when the last one is answered goes from client to server and
back, and only one of the two ever works. On two cores each of these ways wakes a core
up, which can cost ten times what the query does, and the scheduler now does that and
now does not: there both share one core. Where they work at the same time, the server
has that core to itself and the client all others.
"""

from __future__ import annotations

import os


class Cores:
    """Places the processes that are started from now on; made before the server is.

    Without such a call, or with one core only, everybody runs anywhere.
    """

    def __init__(self) -> None:
        self._all = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
        self._server = {min(self._all)}
        self.pinned = len(self._all) > 1
        self._use(self._server)

    def with_server(self) -> None:
        """Let what is started share the server's core."""
        self._use(self._server)

    def beside_server(self) -> None:
        """Let what is started have all other cores."""
        self._use(self._all - self._server)

    def anywhere(self) -> None:
        """Undo it."""
        self._use(self._all)

    def _use(self, cores: set[int]) -> None:
        if self.pinned:
            os.sched_setaffinity(0, cores)
