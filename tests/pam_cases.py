"""Logins by PAM at a real server: run by test_logins.py, which reads what is printed.

PAM reads what a service asks for in /etc/pam.d. So this process gets a view of the file
system of its own, in which another folder is mounted there; so does the server, which
it starts. Nothing outside of it changes.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import mariadb_nb
from mariadb_nb.server import TemporaryServer

USER: Final = "pammy"
#: The service's name in /etc/pam.d.
SERVICE: Final = "mariadb_nb"

_PAM_FOLDER: Final = "/etc/pam.d"
_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000  # sched.h
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000  # sys/mount.h


def mount_over(folder: str, target: str) -> None:
    """Have a folder in the place of another, for this process and its children."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: Any) -> None:
        if getattr(libc, name)(*arguments):
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")

    user, group = os.geteuid(), os.getegid()
    call("unshare", _NEW_MOUNTS | (_NEW_USERS if user else 0))
    if user:  # whoever is not root may do it as the root of his own name space
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
    call("mount", os.fsencode(folder), os.fsencode(target), None, _BIND, None)


def make_service(folder: Path, password: str) -> None:
    """Make a service that lets one user in, with one password."""
    check = folder / "check"
    check.write_text(
        '#!/bin/sh\nread -r given\n[ "$PAM_USER" = "$1" ] && [ "$given" = "$2" ]\n'
    )
    check.chmod(0o755)
    (folder / SERVICE).write_text(
        f"auth required pam_exec.so expose_authtok quiet {check} {USER} {password}\n"
        "account required pam_permit.so\n"
    )
    (folder / "other").write_text(
        "auth required pam_deny.so\naccount required pam_deny.so\n"
    )


def log_in(password: str, **options: Any) -> str:
    """Log in; return the user's name, or the error's number."""
    try:
        with mariadb_nb.connect(user=USER, password=password, **options) as conn:
            (user,) = conn.execute("SELECT CURRENT_USER()").fetchone()
            return str(user)
    except mariadb_nb.Error as error:
        return str(error.errno)


def attempts(password: str) -> dict[str, str]:
    """Log in with the right password and others, by each way to the server."""
    sql = f"""INSTALL SONAME 'auth_pam_v1';
        CREATE USER {USER} IDENTIFIED VIA pam USING '{SERVICE}';
        GRANT ALL ON test.* TO {USER};"""
    with TemporaryServer(init_sql=sql) as server:
        tcp = {"host": "localhost", "port": server.port}
        ways: dict[str, dict[str, Any]] = {
            "unix": {"unix_socket": server.socket},
            "plain": {**tcp, "tls": "disable"},
            "TLS": {**tcp, "tls": "verify-full", "tls_ca": server.ca_file},
        }
        return {
            f"{way}, {kind}": log_in(given, **options)
            for way, options in ways.items()
            for kind, given in (
                ("right", password),
                ("wrong", "something-else"),
                ("empty", ""),
            )
        }


def main() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # the server may be another user
        make_service(Path(folder), sys.argv[1])
        mount_over(folder, _PAM_FOLDER)
        print(json.dumps(attempts(sys.argv[1])))


if __name__ == "__main__":
    main()
