"""What is repeated does not make the process grow: see leak_cases.py."""

from __future__ import annotations

import leak_cases
import pytest
from case_table import run_case

from mariadb_nb.server import TemporaryServer


@pytest.mark.parametrize("transport", ["unix", "tls"])
@pytest.mark.parametrize("case", leak_cases.CASES)
def test_nothing_leaks(
    case: str, transport: str, mariadb_server: TemporaryServer
) -> None:
    run_case("leak_cases", mariadb_server, case, transport)
