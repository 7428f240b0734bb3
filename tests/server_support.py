"""What the tests of the throwaway server share.

Logins go through MariaDB's own command-line client, which comes with the server, so
that these tests need no part of the package but the one they test.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mariadb_nb.server import TemporaryServer

CLIENT_SSL = 0x800
TIMEOUT = 120


def make_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The fixture own_folder: the folder for temporary ones, which must end up empty.

    It cannot be below tmp_path, which is long and closed to the server's account; and
    that must be there before, or pytest would make its own folder in this one.
    """
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    try:
        yield folder
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)


def run_client(
    server: TemporaryServer, login: str, way: str, sql: str
) -> subprocess.CompletedProcess[str]:
    tcp = ["--protocol=tcp", f"--host={server.host}", f"--port={server.port}"]
    ways = {
        "socket": [f"--socket={server.socket}", "--skip-ssl"],
        "tcp": [*tcp, "--skip-ssl"],
        "tls": [*tcp, f"--ssl-ca={server.ca_file}", "--ssl-verify-server-cert"],
    }
    user = server.users[login]
    return subprocess.run(
        [
            *("mariadb", "--no-defaults", "--batch", "--skip-column-names"),
            *ways[way],
            *(f"--user={user.name}", f"--password={user.password}"),
            *(f"--execute={sql}", "test"),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def query(server: TemporaryServer, sql: str) -> str:
    done = run_client(server, "root", "socket", sql)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def connect(server: TemporaryServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=TIMEOUT)


def read_greeting(client: socket.socket) -> bytes:
    header = client.recv(4, socket.MSG_WAITALL)
    return client.recv(int.from_bytes(header[:3], "little"), socket.MSG_WAITALL)


def capabilities(greeting: bytes) -> int:
    after_version = greeting.index(b"\0") + 1
    low = after_version + 4 + 8 + 1
    return int.from_bytes(greeting[low : low + 2], "little")


def start_tls(server: TemporaryServer, ca_file: str | None, name: str) -> None:
    with connect(server) as client:
        assert capabilities(read_greeting(client)) & CLIENT_SSL
        request = struct.pack("<IIB23x", 0x88201 | CLIENT_SSL, 1 << 24, 45)
        client.sendall(len(request).to_bytes(3, "little") + b"\x01" + request)
        context = ssl.create_default_context(cafile=ca_file)
        with context.wrap_socket(client, server_hostname=name) as secure:
            assert secure.version() in ("TLSv1.2", "TLSv1.3")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
