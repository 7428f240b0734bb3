"""The keeper of one throwaway mariadbd: a small program that server.py runs.

It owns the server's folder and its process: it makes the one, is the parent of the
other, and takes both away when its standard input ends. That end comes with stop() and
just as well when the process that used the server is gone, by whatever signal, so
nothing is left behind. Being the parent, it alone reaps the server: no signal of ours
can ever hit another process that was given the same pid.

It knows nothing of MariaDB and is run, never imported, so it imports nothing of ours.

Commands come in as lines of JSON: {"run": argv, "stdin": path} starts a process, and
{"signal": number, "pid": pid} reaches it if it still runs. News go out the same way,
each a part of the state: folder, pid (null when no process runs), exit (the last one's
exit code), paused.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys

_PRELOADS = ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES")


class Keeper:
    """One folder and at most one process at a time."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.child = 0

    def serve(self) -> None:
        """Obey commands until standard input ends."""
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(woken, select.POLLIN)
        say(folder=self.folder)
        text = b""
        while True:
            ready = dict(poll.poll())
            if woken in ready:
                os.read(woken, 4096)
                self.watch()
            if 0 in ready:
                chunk = os.read(0, 65536)
                if not chunk:
                    return
                *lines, text = (text + chunk).split(b"\n")
                for line in lines:
                    self.obey(json.loads(line))

    def obey(self, command: dict[str, object]) -> None:
        """Start a process, or send a signal to the one that runs."""
        match command:
            case {"run": [str(program), *arguments], "stdin": str(stdin)}:
                self.run([program, *map(str, arguments)], stdin)
            case {"signal": int(number), "pid": self.child}:
                self.send(number)
            case {"signal": _, "pid": _}:
                pass  # That process has ended; the news of it are on their way.
            case _:
                raise ValueError(f"not a command of the keeper: {command!r}")

    def run(self, argv: list[str], stdin: str) -> None:
        """Start a process whose output is appended to error.log."""
        log = os.path.join(self.folder, "error.log")
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.child = os.posix_spawn(
            argv[0],
            argv,
            # A library that the owner was made to load (a sanitizer, a debugger) is
            # not for the server.
            {k: v for k, v in os.environ.items() if k not in _PRELOADS},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            # A group of its own: a wrapper script's children get our signals too.
            setpgroup=0,
            # Python ignores this one, and a child would inherit that.
            setsigdef=[signal.SIGPIPE],
        )
        say(pid=self.child)

    def send(self, number: int) -> None:
        """Send a signal to the process, if there is one."""
        if self.child:
            # macOS refuses to signal a process that ended and is not reaped yet.
            with contextlib.suppress(PermissionError):
                os.killpg(self.child, number)

    def watch(self) -> None:
        """Report what became of the process since the last time."""
        options = os.WNOHANG | os.WUNTRACED | os.WCONTINUED
        while self.child:
            pid, status = os.waitpid(self.child, options)
            if not pid:
                return
            if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                say(paused=os.WIFSTOPPED(status))
            else:
                self.child = 0
                exit_code = os.waitstatus_to_exitcode(status)
                say(pid=None, exit=exit_code, paused=False)

    def end(self) -> None:
        """Kill the process and remove the folder."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.child:
            self.send(signal.SIGKILL)
            os.waitpid(self.child, 0)
        shutil.rmtree(self.folder)


def say(**news: object) -> None:
    """Tell the owner, unless it is gone: then standard input has ended, too."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(news).encode() + b"\n")


def main(parent: str) -> None:
    """Keep one server in a new private folder below `parent`."""
    # Whoever started us may have blocked signals, and we would inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = os.path.join(parent, f"mariadb_nb-{os.urandom(6).hex()}")
    os.mkdir(folder, 0o700)
    keeper = Keeper(folder)
    try:
        keeper.serve()
    finally:
        keeper.end()


if __name__ == "__main__":
    main(sys.argv[1])
