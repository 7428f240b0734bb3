"""Connecting over TLS without holding the loop up: the handshake in a thread.

Once a connection stands, its pairs never wait, over TLS as without. The handshake does:
the library runs it inside a _cont, whatever mode the socket is in (CONC-594), and looks
up a host's name inside the _start. So these calls are made in a worker thread, and from
then on the connection is used on the loop.

    python examples/tls_connect_thread.py [--deadline SECONDS] [--host HOST --ca PEM]

Two things end such a thread. One is MYSQL_OPT_CONNECT_TIMEOUT, which has to be set: it
bounds each read of the handshake too. The other is mariadb_cancel() from the loop,
which shuts the socket down. The handle is the thread's until the thread is done; only
then may anybody else use or close it. There is no C original.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from _server import Server, choose, make_parser, set_options
from asyncio_raw import MariaDBError, query, tick

from mariadb_nb.capi import closing, ffi, lib, wait_for_mysql

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData


def connect_in_thread(mysql: CData, server: Server, cancelled: threading.Event) -> bool:
    """Connect, waiting for whatever has to be waited for; return whether it worked.

    The pair rather than mysql_real_connect(), because this way the socket is known
    from the first call on, so that it can be shut down.
    """
    ret = ffi.new("MYSQL **")
    status = lib.mysql_real_connect_start(ret, mysql, *server.login, 0)
    # A cancel that came before there was a socket had nothing to shut down; and when
    # one address fails the library goes on with the host's next one.
    while status and not cancelled.is_set():
        status = wait_for_mysql(mysql, status)
        status = lib.mysql_real_connect_cont(ret, mysql, status)
    return bool(ret[0])


async def connect(mysql: CData, server: Server) -> None:
    """Connect while the loop goes on; cancelling ends it soon.

    Raises:
        MariaDBError: it did not work.
    """
    lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
    set_options(mysql, server)  # MYSQL_OPT_CONNECT_TIMEOUT among them
    cancelled = threading.Event()
    loop = asyncio.get_running_loop()
    thread = loop.run_in_executor(None, connect_in_thread, mysql, server, cancelled)
    try:
        connected = await asyncio.shield(thread)
    except asyncio.CancelledError:
        cancelled.set()
        lib.mariadb_cancel(mysql)
        await asyncio.wait([thread])
        raise
    if not connected:
        raise MariaDBError(mysql, "cannot connect")


async def connect_and_query(server: Server, deadline: float) -> None:
    """Connect within a deadline, and use the connection on the loop."""
    with closing(lib.mysql_init(ffi.NULL)) as mysql:
        print("connecting")
        async with asyncio.timeout(deadline):
            await connect(mysql, server)
        cipher = lib.mysql_get_ssl_cipher(mysql)
        print("connected:", ffi.string(cipher).decode() if cipher else "no TLS")
        await query(mysql, b"SELECT SLEEP(0.2)")
        print("queried")


async def give_up(server: Server) -> None:
    """Cancel connecting to a server that never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        login = (b"127.0.0.1", *server.login[1:4], port, ffi.NULL)
        begin = time.monotonic()
        try:
            await connect_and_query(replace(server, login=login), 0.2)
        except TimeoutError:
            took = time.monotonic() - begin
            print(f"cancelled after {took:.3f} s, the thread has ended")


async def run(server: Server, deadline: float) -> None:
    """Do both while the clock ticks."""
    clock = asyncio.create_task(tick())
    await connect_and_query(server, deadline)
    await give_up(server)
    clock.cancel()


def main() -> None:
    """Read the command line and run."""
    parser = make_parser(__doc__)
    parser.add_argument("--deadline", type=float, default=5.0, metavar="SECONDS")
    options = parser.parse_args()
    with choose(options, tls=True) as server:
        try:
            asyncio.run(run(server, options.deadline))
        except MariaDBError as problem:
            raise SystemExit(str(problem)) from None
        except TimeoutError:
            raise SystemExit(f"no connection within {options.deadline} s") from None


if __name__ == "__main__":
    main()
