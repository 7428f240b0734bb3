"""Connecting in a thread, in processes of their own: see connector_cases.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import connector_cases
import pytest
from server_place import environment

from mariadb_nb.server import TemporaryServer


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands between libmariadb and the C library."""
    return connector_cases.compile_preload(tmp_path_factory.mktemp("preload"))


@pytest.mark.parametrize("case", connector_cases.CASES)
def test_process(case: str, mariadb_server: TemporaryServer, preload: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", connector_cases.__file__, case],
        env={**environment(mariadb_server), "LD_PRELOAD": str(preload)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"ended with {done.returncode}\n{output}"
    assert connector_cases.PASSED in done.stdout, output
    print(output)
