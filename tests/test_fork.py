"""After a fork the connections are the parent's alone: see fork_cases.py."""

from __future__ import annotations

import fork_cases
import pytest
from case_table import PASSED, run_case

from mariadb_nb.server import TemporaryServer


@pytest.mark.parametrize("transport", ["unix", "tls"])
@pytest.mark.parametrize("case", fork_cases.CASES)
def test_fork(mariadb_server: TemporaryServer, case: str, transport: str) -> None:
    done = run_case("fork_cases", mariadb_server, case, transport)
    # Not once more by the child.
    assert done.stdout == f"{PASSED}\n", done.stdout
    assert "Traceback" not in done.stderr, done.stderr
