"""Logins after which is told which files of a folder were opened: for
test_login_plugins.py, which runs each case in a process of its own.

A server asks for the plug-in "evil", and a file of that name is where the environment
says that plug-ins are. The kernel tells who opens it, however that goes on.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final
from unittest import mock

from login_methods import Account
from login_server import LoginServer

import mariadb_nb
from mariadb_nb import plugins
from mariadb_nb.capi import closing, ffi, lib

EVIL: Final = "evil"
ACCOUNT: Final = Account("me", b"x", "mysql_native_password")

_IN_OPEN: Final = 0x20
_IN_NONBLOCK: Final = os.O_NONBLOCK


class Watch:
    """Notes which files of a folder are opened (Linux's inotify)."""

    def __init__(self, folder: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.inotify_init1(_IN_NONBLOCK)
        added = libc.inotify_add_watch(self._fd, os.fsencode(folder), _IN_OPEN)
        if self._fd < 0 or added < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def opened(self) -> list[str]:
        """The names of the files, each once."""
        names = set()
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._fd, 65536):
                while data:
                    size = int.from_bytes(data[12:16], sys.byteorder)
                    names.add(data[16 : 16 + size].rstrip(b"\0").decode())
                    data = data[16 + size :]
        return sorted(names - {""})


def bare() -> None:
    """The library alone."""
    with (
        LoginServer(ACCOUNT, asks=EVIL) as server,
        closing(lib.mysql_init(ffi.NULL)) as mysql,
    ):
        off = ffi.new("my_bool *", 0)
        lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_VERIFY_SERVER_CERT, off)
        lib.mysql_options(mysql, lib.MARIADB_OPT_RESTRICTED_AUTH, b"only_this_one")
        lib.mysql_options(mysql, lib.MYSQL_DEFAULT_AUTH, b"only_this_one")
        nothing = ffi.NULL
        login = (b"127.0.0.1", b"me", b"x", nothing, server.port, nothing, 0)
        assert lib.mysql_real_connect(mysql, *login) == nothing


def place_of(server: LoginServer) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": server.port, "user": "me", "password": "x"}


def at_login(auth_plugins: list[str] | None = None) -> None:
    with LoginServer(ACCOUNT, asks=EVIL) as server:
        with contextlib.suppress(mariadb_nb.OperationalError):
            mariadb_nb.connect(**place_of(server), auth_plugins=auth_plugins)
        assert server.logins == 0


def in_greeting() -> None:
    with LoginServer(ACCOUNT, claims=EVIL) as server:
        mariadb_nb.connect(**place_of(server)).close()


def later() -> None:
    with LoginServer(ACCOUNT, asks_later=EVIL) as server:
        conn = mariadb_nb.connect(**place_of(server))
        with conn, contextlib.suppress(mariadb_nb.OperationalError):
            conn.change_user("me", "x")
        assert server.logins == 1


def by_user() -> None:
    at_login([EVIL])


def by_user_from_safe_folder() -> None:
    with mock.patch.object(plugins, "_is_ours", return_value=True):
        at_login([EVIL])


#: The cases, and whether the file is to be opened.
CASES: Final[dict[str, tuple[Callable[[], None], bool]]] = {
    "bare": (bare, True),
    "at login": (at_login, False),
    "in the greeting": (in_greeting, False),
    "later": (later, False),
    "by the user": (by_user, False),
    "by the user, from a safe folder": (by_user_from_safe_folder, True),
}


def main() -> None:
    name, folder = sys.argv[1:]
    watch = Watch(folder)
    CASES[name][0]()
    print(json.dumps(watch.opened()))


if __name__ == "__main__":
    main()
