"""Where the tests' server is: for who connects, or for a process of a test's own."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any, cast

from mariadb_nb.server import TemporaryServer

_VARIABLE = "MARIADB_NB_TEST_SERVER"


def login_of(
    server: TemporaryServer, name: str = "native", **more: Any
) -> dict[str, Any]:
    """The options of a user who connects by the socket, and what else is given."""
    user = server.users[name]
    login: dict[str, Any] = {"unix_socket": server.socket, "user": user.name}
    if user.password:
        login["password"] = user.password
    return {**login, **more}


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
