"""A list of queries over several connections at once, on one selector loop.

It follows MariaDB's tests/async_queries.c, which the non-blocking API was made for. A
connection is a state machine (_machine.py): connect, take a query from the list, fetch
its rows, take the next query, until there is none left. serve() is the loop that waits
for all of them at once; libevent_queries.py puts libevent in its place.

    python examples/async_queries.py [-n CONNECTIONS] [FILE] [--host HOST ...]

FILE has one query on each line; without it, they come from the standard input. A query
that fails is reported, and its connection takes the next one; a connection that is lost
is made anew. The exit status is 1 if anything failed. Over TLS (--ca), each connecting
holds up the loop for the time of a handshake: see tls_connect_thread.py.
"""

from __future__ import annotations

import math
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from _machine import Connection
from _server import choose, make_parser, positive

from mariadb_nb.capi import events_to_status, lib, status_to_events


def serve(connections: Sequence[Connection]) -> None:
    """Run the connections until all are done: the loop."""
    selector = selectors.DefaultSelector()

    def go_on(connection: Connection, ready: int = 0) -> None:
        status = connection.run(ready)
        if status:
            fd = lib.mysql_get_socket(connection.mysql)
            deadline = math.inf
            if status & lib.MYSQL_WAIT_TIMEOUT:
                milliseconds = lib.mysql_get_timeout_value_ms(connection.mysql)
                deadline = time.monotonic() + milliseconds / 1000
            selector.register(fd, status_to_events(status), (connection, deadline))

    for connection in connections:
        go_on(connection)
    while waiting := selector.get_map():
        soonest = min(key.data[1] for key in waiting.values())
        timeout = None if soonest == math.inf else max(0, soonest - time.monotonic())
        happened = {key.fd: events for key, events in selector.select(timeout)}
        for key in list(waiting.values()):
            connection, deadline = key.data
            ready = events_to_status(happened.get(key.fd, 0))
            if not ready and deadline <= time.monotonic():
                ready = lib.MYSQL_WAIT_TIMEOUT
            if ready:
                # Before the library goes on: it may close this socket and open another
                # one, which then often has the same number.
                selector.unregister(key.fd)
                go_on(connection, ready)


def read_queries(file: str | None) -> list[bytes]:
    """Return the lines of a file, or of the standard input, that are no comments."""
    try:
        text = Path(file).read_bytes() if file else sys.stdin.buffer.read()
    except OSError as problem:
        raise SystemExit(f"cannot read the queries: {problem}") from None
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith((b"#", b"--"))]


def main(
    description: str | None, serve: Callable[[Sequence[Connection]], None]
) -> None:
    """Run the queries that the command line names, on any loop."""
    parser = make_parser(description)
    parser.add_argument("file", nargs="?", metavar="FILE")
    parser.add_argument("-n", "--connections", type=positive, default=5)
    parser.add_argument("--read-timeout", type=positive, metavar="SECONDS")
    options = parser.parse_args()
    texts = read_queries(options.file)
    queries = deque(enumerate(texts, 1))
    with choose(options) as server:
        connections = [
            Connection(name, queries, server, options.read_timeout)
            for name in range(1, options.connections + 1)
        ]
        begin = time.monotonic()
        serve(connections)
        took = time.monotonic() - begin
    failures = sum(connection.failures for connection in connections)
    print(f"{len(texts) - len(queries)} of {len(texts)} queries in {took:.3f} s")
    if failures or queries:
        raise SystemExit(f"failures: {failures}")


if __name__ == "__main__":
    main(__doc__, serve)
