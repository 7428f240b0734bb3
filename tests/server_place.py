"""Hand the place of the tests' server to a process of a test's own, and back."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import cast

from mariadb_nb.server import TemporaryServer

_VARIABLE = "MARIADB_NB_TEST_SERVER"


def environment(server: TemporaryServer) -> dict[str, str]:
    """The environment for a process that calls :func:`place`."""
    told = {
        "host": server.host,
        "port": server.port,
        "socket": str(server.socket),
        "ca_file": str(server.ca_file),
        "users": {
            key: {"name": login.name, "password": login.password}
            for key, login in server.users.items()
        },
    }
    return {**os.environ, _VARIABLE: json.dumps(told)}


def place() -> TemporaryServer:
    """The server of the parent process: only what connecting needs of it."""
    told = json.loads(os.environ[_VARIABLE])
    users = {key: SimpleNamespace(**login) for key, login in told.pop("users").items()}
    return cast("TemporaryServer", SimpleNamespace(users=users, **told))
