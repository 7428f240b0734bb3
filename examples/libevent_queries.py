"""A list of queries over several connections at once, on libevent itself.

It follows MariaDB's tests/async_queries.c down to the loop: the state machines and the
command line are those of async_queries.py, and serve() runs them on libevent, of which
cffi binds the five functions that it takes. A connection that waits has one event, and
the library's timeout is the event's.

    python examples/libevent_queries.py [-n CONNECTIONS] [FILE] [--host HOST ...]

libevent calls back into Python, which is fine: that happens on the stack of the thread
that runs the loop. (Only what Connector/C itself calls back must not be Python.)

What else an event is good for: EV_READ on a connection that idles tells at once when
the server or a firewall has ended it; otherwise the next query finds out, or nobody.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any, Final

from _machine import Connection
from async_queries import main
from cffi import FFI

from mariadb_nb.capi import lib

ffi: Final = FFI()
ffi.cdef("""
    struct timeval { long tv_sec; long tv_usec; };
    struct event_base *event_base_new(void);
    int event_base_once(struct event_base *base, int fd, short events,
                        void (*callback)(int fd, short events, void *arg), void *arg,
                        const struct timeval *timeout);
    int event_base_dispatch(struct event_base *base);
    int event_base_loopbreak(struct event_base *base);
    void event_base_free(struct event_base *base);
""")
EV_TIMEOUT: Final = 1
EV_READ: Final = 2
EV_WRITE: Final = 4
NAMES: Final = ("libevent_core-2.1.so.7", "libevent_core.so", "libevent_core.dylib")


def load_libevent() -> Any:
    """Return libevent's functions."""
    for name in NAMES:
        try:
            return ffi.dlopen(name)
        except OSError:
            continue
    raise SystemExit(
        f"libevent was not found (looked for {', '.join(NAMES)}); install it: "
        "apt-get install libevent-dev, dnf install libevent-devel, "
        "apk add libevent-dev or brew install libevent"
    )


def events_to_status(events: int) -> int:
    """Translate libevent's events into the mask that a _cont takes."""
    status = 0
    if events & EV_READ:
        status |= lib.MYSQL_WAIT_READ
    if events & EV_WRITE:
        status |= lib.MYSQL_WAIT_WRITE
    if events & EV_TIMEOUT:
        status |= lib.MYSQL_WAIT_TIMEOUT
    return status


def serve(connections: Sequence[Connection]) -> None:
    """Run the connections until all are done: the loop."""
    libevent = load_libevent()
    base = libevent.event_base_new()
    problems: list[BaseException] = []

    def stop(kind: object, problem: BaseException, traceback: object) -> None:
        # An exception cannot pass through C: keep it, and leave the loop.
        problems.append(problem)
        libevent.event_base_loopbreak(base)

    @ffi.callback("void (int, short, void *)", onerror=stop)
    def on_event(fd: int, events: int, arg: FFI.CData) -> None:
        # What C gives back is the connection's place in the list.
        go_on(int(ffi.cast("intptr_t", arg)), events_to_status(events))

    def go_on(place: int, ready: int = 0) -> None:
        connection = connections[place]
        status = connection.run(ready)
        if not status:
            return
        events = 0
        if status & (lib.MYSQL_WAIT_READ | lib.MYSQL_WAIT_EXCEPT):
            events |= EV_READ
        if status & lib.MYSQL_WAIT_WRITE:
            events |= EV_WRITE
        timeout = ffi.NULL
        if status & lib.MYSQL_WAIT_TIMEOUT:
            milliseconds = lib.mysql_get_timeout_value_ms(connection.mysql)
            timeout = ffi.new(
                "struct timeval *", (milliseconds // 1000, milliseconds % 1000 * 1000)
            )
        # An event that fires once is gone before its callback runs, so the library may
        # close the socket in it; the next wait asks for the socket anew.
        fd = lib.mysql_get_socket(connection.mysql)
        arg = ffi.cast("void *", place)
        if libevent.event_base_once(base, fd, events, on_event, arg, timeout):
            raise OSError(f"libevent cannot wait for connection {connection.name}")

    # Python's handler would only run when the loop next comes by.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        for place in range(len(connections)):
            go_on(place)
        libevent.event_base_dispatch(base)
    finally:
        libevent.event_base_free(base)
    if problems:
        raise problems[0]


if __name__ == "__main__":
    main(__doc__, serve)
