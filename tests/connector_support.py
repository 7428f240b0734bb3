"""What the tests of connecting in a thread share: operations, run and given up."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capi_support import new_handle
from silent_handshake import SilentHandshake

from mariadb_nb.capi import ffi, lib
from mariadb_nb.connecting import connect_in_thread
from mariadb_nb.server import TemporaryServer
from mariadb_nb.wait import READ, TIMEOUT, Operation, Wait

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

#: Seconds that what ends by itself may take.
BOUND = 60.0


def handle(ca_file: Path | str | None = None) -> CData:
    """A handle for TLS whose certificate is checked, or for no TLS."""
    mysql = new_handle()
    checked = ffi.new("my_bool *", ca_file is not None)
    lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_VERIFY_SERVER_CERT, checked)
    if ca_file is not None:
        ca = str(ca_file).encode()
        lib.mysql_ssl_set(mysql, ffi.NULL, ffi.NULL, ca, ffi.NULL, ffi.NULL)
        lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_ENFORCE, checked)
    return mysql


def operate(
    mysql: CData,
    port: int = 0,
    path: Path | str | None = None,
    *,
    host: bytes = b"127.0.0.1",
    user: bytes = b"nobody",
    password: bytes = b"secret",
    connect_timeout: float | None = None,
) -> Operation[None]:
    """Connect to a port, or to a unix socket."""
    over_tcp = path is None
    deadline = None if connect_timeout is None else time.monotonic() + connect_timeout
    arguments = (
        host if over_tcp else None,
        user,
        password,
        None,
        port if over_tcp else 0,
        None if path is None else str(path).encode(),
        0,
    )
    return connect_in_thread(mysql, arguments, deadline)


def to_server(
    mysql: CData,
    server: TemporaryServer,
    transport: str = "tcp",
    *,
    port: int = 0,
    **changes: Any,
) -> Operation[None]:
    """Connect to the tests' server over ``unix``, ``tcp`` or ``tls``."""
    user = server.users["native"]
    login = {"user": user.name.encode(), "password": user.password.encode()}
    path = server.socket if transport == "unix" else None
    return operate(mysql, port or server.port, path, **{**login, **changes})


def to_silence(
    mysql: CData, server: SilentHandshake, connect_timeout: float | None = None
) -> Operation[None]:
    """Connect to a server that goes silent."""
    return operate(mysql, server.port, server.path, connect_timeout=connect_timeout)


def run(operation: Operation[None]) -> None:
    """Run one operation to its end."""
    (failure,) = run_all([operation])
    if failure is not None:
        raise failure


def run_all(operations: Iterable[Operation[None]]) -> list[Exception | None]:
    """Run operations side by side; return what each one raised."""
    running = list(operations)
    failures: list[Exception | None] = [None] * len(running)
    waits: dict[int, Wait] = {}

    def go_on(index: int, ready: int | None) -> None:
        try:
            step = running[index]
            waits[index] = next(step) if ready is None else step.send(ready)
        except StopIteration:
            waits.pop(index, None)
        except Exception as problem:
            waits.pop(index, None)
            failures[index] = problem

    for index in range(len(running)):
        go_on(index, None)
    while waits:
        poller = select.poll()
        for wait in waits.values():
            assert wait.events == READ
            poller.register(wait.fd, select.POLLIN)
        deadlines = [wait.deadline for wait in waits.values() if wait.deadline]
        pause = min(deadlines, default=time.monotonic() + BOUND) - time.monotonic()
        readable = {fd for fd, _ in poller.poll(max(0.0, pause) * 1000)}
        now = time.monotonic()
        assert readable or deadlines, "nothing happens any more"
        for index, wait in list(waits.items()):
            if wait.fd in readable:
                go_on(index, READ)
            elif wait.deadline and now >= wait.deadline:
                go_on(index, TIMEOUT)
    return failures


def resources() -> tuple[int, int]:
    """How many descriptors and threads this process has."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def assert_resources(expected: tuple[int, int]) -> None:
    """Wait until they are no more again; one of before may have ended meanwhile."""
    end = time.monotonic() + BOUND
    while more(found := resources(), expected) and time.monotonic() < end:
        time.sleep(0.005)  # nobody tells when a thread has ended
    assert not more(found, expected), f"{found} descriptors and threads"


def more(found: tuple[int, int], expected: tuple[int, int]) -> bool:
    """Whether there are more descriptors, or more threads."""
    return any(have > had for have, had in zip(found, expected, strict=True))
