"""Connecting in a thread, in processes of their own: see connector_cases.py."""

from __future__ import annotations

from pathlib import Path

import connector_cases
import pytest
from case_table import run_case

from mariadb_nb.server import TemporaryServer


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands between libmariadb and the C library."""
    return connector_cases.compile_preload(tmp_path_factory.mktemp("preload"))


@pytest.mark.parametrize("case", connector_cases.CASES)
def test_process(case: str, mariadb_server: TemporaryServer, preload: Path) -> None:
    done = run_case("connector_cases", mariadb_server, case, LD_PRELOAD=str(preload))
    print(done.stdout)
