"""The pytest plugin: a throwaway server as a fixture, for our tests and for users'.

pytest loads it in every run of an environment that has this package, so it must import
nothing of ours before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mariadb_nb.server import TemporaryServer


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[TemporaryServer]:
    """Run one throwaway MariaDB server for the whole test session."""
    from mariadb_nb.server import TemporaryServer

    with TemporaryServer() as server:
        yield server
