"""What the tests of the examples need: programs that run, and peers that misbehave.

It knows how an example is started and given a server, and of what one prints only what
all of them do.
"""

from __future__ import annotations

import ast
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from peers import pass_on

import mariadb_nb
from mariadb_nb.server import TemporaryServer

EXAMPLES = Path(__file__).parents[1] / "examples"
NOBODY = ["--host", "127.0.0.1", "--port", "1"]
# Far more than anything here takes; a program that hangs is killed.
TIMEOUT = 120.0


def command(program: str, arguments: Sequence[str]) -> list[str]:
    """How a program is run: any warning is an error."""
    return [sys.executable, "-W", "error", str(EXAMPLES / program), *arguments]


def environment(**variables: str) -> dict[str, str]:
    """Ours, and the package that we test."""
    package = str(Path(mariadb_nb.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": package, "PYTHONUTF8": "1", **variables}


def run(
    program: str, *arguments: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        command(program, arguments),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=environment(**variables),
        check=False,
    )


def run_after(
    prelude: str, program: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter that has run other lines before."""
    path = str(EXAMPLES / program)
    script = (
        f"{prelude}\n"
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(EXAMPLES)!r})\n"
        f"runpy.run_path({path!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=environment(),
        check=False,
    )


def lines(program: str, *arguments: str, stdin: str = "") -> list[str]:
    """Run a program that is to succeed and return what it printed."""
    done = run(program, *arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def login(server: TemporaryServer, transport: str = "tcp", port: int = 0) -> list[str]:
    """The command line's parameters of a server."""
    user = server.users["native"]
    address = ["--host", server.host, "--port", str(port or server.port)]
    if transport == "unix":
        address = ["--socket", server.socket]
    if transport == "tls":
        address += ["--ca", str(server.ca_file)]
    names = ["--user", user.name, "--password", user.password, "--database", "test"]
    return [*address, *names]


def our_imports(path: Path) -> set[str]:
    """The modules of ours that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return {name for name in names if name.startswith("mariadb_nb")}


def assert_help(program: str) -> None:
    """Its help says how to run it."""
    assert f"    python examples/{program}" in "\n".join(lines(program, "--help"))


def assert_tells_of_missing_mariadbd(program: str, missing: Path) -> None:
    """Without a server of its own it says what is not there."""
    done = run(program, MARIADB_NB_MARIADBD=str(missing))
    assert done.returncode == 1
    assert "cannot start a throwaway server: " in done.stderr
    assert str(missing) in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen, and hand the first client to a function, in a thread; yield the port."""

    def accept() -> None:
        with suppress(OSError):
            client, _ = listener.accept()
            with client:
                talk(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def reset(client: socket.socket) -> None:
    """End a connection with an RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy:
    """Passes a client's bytes to a server, and back; keeps what the client sent.

    After the server's greeting it does nothing until ``go_on`` is set.
    """

    def __init__(self, server: TemporaryServer) -> None:
        self.address = (server.host, server.port)
        self.go_on = threading.Event()
        self.sent = b""

    def __call__(self, client: socket.socket) -> None:
        with socket.create_connection(self.address) as server:
            client.sendall(server.recv(4096))
            self.go_on.wait(TIMEOUT)
            for data in pass_on(client, server):
                self.sent += data
