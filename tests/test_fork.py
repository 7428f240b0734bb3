"""After a fork the connections are the parent's alone: see fork_cases.py."""

from __future__ import annotations

import subprocess
import sys

import fork_cases
import pytest
from server_place import environment

from mariadb_nb.server import TemporaryServer


@pytest.mark.parametrize("transport", ["unix", "tls"])
@pytest.mark.parametrize("case", fork_cases.CASES)
def test_fork(mariadb_server: TemporaryServer, case: str, transport: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", fork_cases.__file__, case, transport],
        env=environment(mariadb_server),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"ended with {done.returncode}\n{output}"
    assert done.stdout == f"{fork_cases.PASSED}\n", output
    assert "Traceback" not in done.stderr, output
