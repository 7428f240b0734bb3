"""Our end of the keeper of a throwaway server: the pipes to it and its process.

It owns the keeper's process and the state that the keeper reports. It must not know
what is run there: that it is a mariadbd, and how one is started, is server.py's.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

_KEEPER: Final = Path(__file__).with_name("_server_keeper.py")


class ServerError(RuntimeError):
    """The throwaway server cannot be found, started or controlled."""


@dataclass(frozen=True, slots=True)
class State:
    """What the keeper last said: its folder, and how its process is."""

    folder: str = ""
    pid: int | None = None
    exit: int | None = None
    paused: bool = False


class Keeper:
    """Our end of the keeper: its process, commands to it and reports from it."""

    def __init__(self, parent: str) -> None:
        self._state = State()
        self._unread = b""
        self._process = subprocess.Popen(
            # It needs no module but Python's own, so it starts without all others.
            [sys.executable, "-I", "-S", _KEEPER, parent],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            # The terminal's Ctrl-C is for us alone.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands = self._process.stdin
        self._reports = self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reports, selectors.EVENT_READ)

    @property
    def state(self) -> State:
        """The state by all the reports that have come so far."""
        self.wait_until(lambda state: False, 0)
        return self._state

    def run(self, argv: list[str], stdin: Path) -> None:
        """Run a process; return when it runs, or did."""
        self._state = replace(self._state, pid=None, exit=None)
        self.send(run=argv, stdin=str(stdin))
        self.wait_until(lambda state: (state.pid, state.exit) != (None, None), None)

    def send(self, **command: object) -> None:
        """Send a command."""
        try:
            self._commands.write(json.dumps(command).encode() + b"\n")
        except BrokenPipeError:
            raise self._loss() from None

    def wait_until(self, done: Callable[[State], bool], timeout: float | None) -> bool:
        """Take in reports until `done(state)`; return False at a timeout (seconds)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done(self._state):
            left = None if deadline is None else max(0, deadline - time.monotonic())
            if not self._selector.select(left):
                return False
            chunk = os.read(self._reports.fileno(), 65536)
            if not chunk:
                raise self._loss()
            *lines, self._unread = (self._unread + chunk).split(b"\n")
            for line in lines:
                self._state = replace(self._state, **json.loads(line))
        return True

    def close(self, timeout: float) -> None:
        """Have the keeper end its process, remove its folder and end."""
        self._selector.close()
        self._commands.close()
        self._reports.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        folder = self._state.folder
        if folder and os.path.exists(folder) and self._process.returncode != 0:
            raise ServerError(
                f"the server in {folder} was not removed: end its process "
                f"({self._state.pid}) and remove the folder by hand"
            )

    def _loss(self) -> ServerError:
        return ServerError(
            "the process that keeps the server has ended unexpectedly, and the server "
            "with it; its standard error output says why"
        )
