"""Misuse that crashes, hangs or mixes up rows in C ends in the error value.

Each case runs in a process of its own: a signal, a hang or a foreign row is a
failure. The cases are in the modules misuse_*.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import misuse_cases
import misuse_ends
import misuse_everything
import misuse_refusals
import misuse_replies
import misuse_replies_statements
import misuse_rows
import misuse_threads
import pytest
from case_table import PASSED
from server_place import environment

from mariadb_nb.server import TemporaryServer

HERE = Path(__file__).parent


def run(module: str, case: str, transport: str, server: TemporaryServer) -> None:
    """Run one case and fail with all it printed."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", HERE / f"{module}.py", case, transport],
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"ended with {done.returncode}\n{output}"
    assert PASSED in done.stdout, output


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
    run(module, case, transport, mariadb_server)
