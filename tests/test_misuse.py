"""Misuse that crashes, hangs or mixes up rows in C ends in the error value.

Each case runs in a process of its own: a signal, a hang or a foreign row is a
failure. The cases are in the modules misuse_*.py.
"""

from __future__ import annotations

import misuse_cases
import misuse_ends
import misuse_everything
import misuse_refusals
import misuse_replies
import misuse_replies_statements
import misuse_rows
import misuse_threads
import pytest
from case_table import run_case

from mariadb_nb.server import TemporaryServer

#: Each has CASES, which take the transport.
MODULES = (
    misuse_cases,
    misuse_ends,
    misuse_everything,
    misuse_refusals,
    misuse_replies,
    misuse_replies_statements,
    misuse_rows,
    misuse_threads,
)


@pytest.mark.parametrize("transport", ["unix", "tls"])
@pytest.mark.parametrize(
    ("module", "case"),
    [(module.__name__, case) for module in MODULES for case in module.CASES],
)
def test_misuse_is_refused(
    module: str, case: str, transport: str, mariadb_server: TemporaryServer
) -> None:
    run_case(module, mariadb_server, case, transport)
