"""Short runs of ``make soak``, whose seeds are fixed."""

from __future__ import annotations

import pytest
from pool_soak import WORLDS, soak

from mariadb_nb.server import TemporaryServer


@pytest.mark.parametrize("world", WORLDS)
def test_pool_serves_many_while_everything_breaks(
    mariadb_server: TemporaryServer, world: str
) -> None:
    soak(mariadb_server, world, seed=5, queries=2000)
