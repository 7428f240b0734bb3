"""Many threads over many connections, and many on one: see thread_cases.py.

Each case runs in a process of its own, so that a crash or a hang is one failure, and so
that nothing but this package and what it needs can turn the GIL on where there is none.
"""

from __future__ import annotations

import pytest
import thread_cases
from case_table import run_case

from mariadb_nb.server import TemporaryServer

#: The cases in which TLS is at work in many threads.
OVER_TLS = (
    "closed_at_any_time",
    "connections_of_their_own",
    "handles_of_their_own",
    "looks_disturb_nobody",
)


@pytest.mark.parametrize("case", thread_cases.CASES)
def test_threads(case: str, mariadb_server: TemporaryServer) -> None:
    run_case("thread_cases", mariadb_server, case, "unix")


@pytest.mark.parametrize("case", OVER_TLS)
def test_threads_over_tls(case: str, mariadb_server: TemporaryServer) -> None:
    run_case("thread_cases", mariadb_server, case, "tls")
