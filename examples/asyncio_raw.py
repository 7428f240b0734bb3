"""The pairs in asyncio: several queries at once, and the loop goes on meanwhile.

A _start or _cont says what it waits for; wait() makes of that a reader or writer of the
loop and a future. The rest is as in C, with an await in it, and all around it is plain
asyncio: tasks, gather(), timeouts, cancelling.

    python examples/asyncio_raw.py [-n CONNECTIONS] [--sleep SECONDS] [--uvloop] [...]

It opens the connections, sleeps in a query on all of them at once, and has a clock tick
while they wait. There is no C original. Over TLS (--ca) the connecting alone holds the
loop up, because the library's handshake waits: see tls_connect_thread.py.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from _server import Server, choose, error, make_parser, positive, set_options

from mariadb_nb.capi import closing, ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData


class MariaDBError(Exception):
    """What an operation failed with."""

    def __init__(self, mysql: CData, what: str) -> None:
        super().__init__(f"{what}: {error(mysql)}")


async def wait(mysql: CData, status: int) -> int:
    """Wait for what a _start or _cont asked for, and return what happened of it."""
    loop = asyncio.get_running_loop()
    happened: asyncio.Future[int] = loop.create_future()

    def ready(event: int) -> None:
        if not happened.done():
            happened.set_result(event)

    fd = lib.mysql_get_socket(mysql)
    if status & (lib.MYSQL_WAIT_READ | lib.MYSQL_WAIT_EXCEPT):
        loop.add_reader(fd, ready, lib.MYSQL_WAIT_READ)
    if status & lib.MYSQL_WAIT_WRITE:
        loop.add_writer(fd, ready, lib.MYSQL_WAIT_WRITE)
    timeout = None
    if status & lib.MYSQL_WAIT_TIMEOUT:
        timeout = lib.mysql_get_timeout_value_ms(mysql) / 1000
    try:
        return await asyncio.wait_for(happened, timeout)
    except TimeoutError:
        return lib.MYSQL_WAIT_TIMEOUT
    finally:
        # Before the library goes on: it may close this socket and open another one.
        loop.remove_reader(fd)
        loop.remove_writer(fd)


async def connect(mysql: CData, server: Server) -> None:
    """Connect, without waiting for anything but the loop."""
    lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
    set_options(mysql, server)
    ret = ffi.new("MYSQL **")
    status = lib.mysql_real_connect_start(ret, mysql, *server.login, 0)
    while status:
        ready = await wait(mysql, status)
        # As uvloop has left it, the handshake of TLS would fail after a few ms.
        os.set_blocking(lib.mysql_get_socket(mysql), True)
        status = lib.mysql_real_connect_cont(ret, mysql, ready)
    if ret[0] == ffi.NULL:
        raise MariaDBError(mysql, "cannot connect")


async def query(mysql: CData, sql: bytes) -> list[list[bytes | None]]:
    """Run a query and return its rows."""
    err = ffi.new("int *")
    status = lib.mysql_real_query_start(err, mysql, sql, len(sql))
    while status:
        status = lib.mysql_real_query_cont(err, mysql, await wait(mysql, status))
    if err[0]:
        raise MariaDBError(mysql, "the query failed")

    res = ffi.new("MYSQL_RES **")
    status = lib.mysql_store_result_start(res, mysql)
    while status:
        status = lib.mysql_store_result_cont(res, mysql, await wait(mysql, status))
    if res[0] == ffi.NULL:
        raise MariaDBError(mysql, "the query has no result")

    rows = []
    # All rows are here already: the plain call does not wait.
    while (row := lib.mysql_fetch_row(res[0])) != ffi.NULL:
        lengths = lib.mysql_fetch_lengths(res[0])
        fields = range(lib.mysql_num_fields(res[0]))
        rows.append([unpack(row[i], lengths[i]) for i in fields])
    lib.mysql_free_result(res[0])
    return rows


def unpack(value: CData, length: int) -> bytes | None:
    """Return one column of a row."""
    return None if value == ffi.NULL else bytes(ffi.buffer(value, length))


async def sleeper(server: Server, seconds: float) -> None:
    """Sleep in a query on a connection of its own."""
    with closing(lib.mysql_init(ffi.NULL)) as mysql:
        await connect(mysql, server)
        begin = time.monotonic()
        [[name, _]] = await query(mysql, b"SELECT CONNECTION_ID(), SLEEP(%f)" % seconds)
        took = time.monotonic() - begin
        print(f"connection {(name or b'?').decode()} slept for {took:.3f} s")


async def tick() -> None:
    """Show that the loop goes on."""
    while True:
        await asyncio.sleep(0.05)
        print("tick")


async def run(server: Server, connections: int, seconds: float) -> None:
    """Sleep on all connections at once, while the clock ticks."""
    begin = time.monotonic()
    clock = asyncio.create_task(tick())
    sleepers = (sleeper(server, seconds) for _ in range(connections))
    # Each to its end, the others' failures or not.
    for problem in await asyncio.gather(*sleepers, return_exceptions=True):
        if problem is not None:
            raise problem
    clock.cancel()
    took = time.monotonic() - begin
    print(f"{connections} queries of {seconds} s each took {took:.3f} s in all")


def main() -> None:
    """Read the command line and run."""
    parser = make_parser(__doc__)
    parser.add_argument("-n", "--connections", type=positive, default=8)
    parser.add_argument("--sleep", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--uvloop", action="store_true", help="use uvloop's loop")
    options = parser.parse_args()
    make_loop = asyncio.new_event_loop
    if options.uvloop:
        try:
            import uvloop
        except ImportError:
            raise SystemExit("uvloop is missing: pip install uvloop") from None
        make_loop = uvloop.new_event_loop
    with choose(options) as server, asyncio.Runner(loop_factory=make_loop) as runner:
        try:
            runner.run(run(server, options.connections, options.sleep))
        except MariaDBError as problem:
            raise SystemExit(str(problem)) from None


if __name__ == "__main__":
    main()
