"""What the tests of the command line share: running it, in a terminal or not."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import mariadb_nb
from mariadb_nb.cli.target import Target, of_server
from mariadb_nb.server import TemporaryServer

TIMEOUT: Final = 120
PROGRAM: Final = (sys.executable, "-m", "mariadb_nb")
# The program as it is where rich is not installed.
WITHOUT_RICH: Final = (
    sys.executable,
    "-c",
    "import sys; sys.modules['rich'] = None\n"
    "from mariadb_nb.cli import main; sys.exit(main())",
)


def run(
    *arguments: str | Path,
    stdin: str = "",
    program: Sequence[str] = PROGRAM,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, its input and output being pipes."""
    done = subprocess.run(
        [*program, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(**env),
    )
    assert "Traceback" not in done.stderr
    return done


def environment(**changes: str) -> dict[str, str]:
    """The environment in which the program finds the package under test."""
    package = Path(mariadb_nb.__file__).parent.parent
    inherited = {name: os.environ[name] for name in os.environ if name != "COLUMNS"}
    return {**inherited, "PYTHONPATH": str(package), "LC_ALL": "C.UTF-8", **changes}


class Terminal:
    """The program in a terminal of its own."""

    def __init__(self, argv: Sequence[str], columns: int, **env: str) -> None:
        pid, self._fd = pty.fork()
        if not pid:
            # The size first: the program asks for it when it starts.
            size = struct.pack("HHHH", 50, columns, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.execvpe(argv[0], list(argv), environment(TERM="xterm-256color", **env))
        self.pid = pid
        self.output = ""
        self.status: int | None = None
        self._unread = b""

    def read_until(self, text: str) -> None:
        """Wait until the program has written a text."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.output:
            assert self._read(deadline), f"no {text!r} in {self.output!r}"

    def read_to_end(self) -> str:
        """Wait until the program has ended, and return all that it wrote."""
        deadline = time.monotonic() + TIMEOUT
        while self._read(deadline):
            pass
        self.wait()
        return self.output

    def _read(self, deadline: float) -> bool:
        timeout = max(0, deadline - time.monotonic())
        assert select.select([self._fd], [], [], timeout)[0], self.output
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self._unread += chunk
        self.output = self._unread.decode(errors="replace")
        return bool(chunk)

    def write(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait(self) -> None:
        if self.status is None:
            _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        os.close(self._fd)


@contextmanager
def terminal(
    *arguments: str | Path,
    columns: int = 80,
    program: Sequence[str] = PROGRAM,
    **env: str,
) -> Iterator[Terminal]:
    """Run the program in a terminal; whatever happens, it has ended afterwards."""
    running = Terminal([*program, *map(str, arguments)], columns, **env)
    try:
        yield running
    finally:
        running.close()


def targets(server: TemporaryServer) -> dict[str, Target]:
    """All ways to a server: connecting on the loop, and in threads."""
    unix = of_server(server)
    tcp = replace(unix, socket=None, host=server.host, port=server.port)
    name = replace(tcp, host="localhost")
    return {
        "unix": unix,
        "tcp": tcp,
        "name": name,
        "prefer": replace(tcp, tls="prefer"),
        "tls": replace(name, tls="verify-full", ca=server.ca_file),
        "unix-tls": replace(unix, tls="require"),
    }


def server_arguments(server: TemporaryServer, login: str = "native") -> list[str]:
    """Options that name a server and an account."""
    account = server.users[login]
    return [
        f"--socket={server.socket}",
        f"--user={account.name}",
        f"--password={account.password}",
        "--database=test",
    ]
