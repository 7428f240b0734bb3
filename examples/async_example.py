"""One query, waited for with poll(): the smallest complete non-blocking program.

It follows MariaDB's client/async_example.c call by call: connect, SHOW STATUS, fetch
the rows, close. Each operation is a pair. Its _start returns 0 when it is over, and
otherwise what it waits for; then its _cont is called, as often as it takes.

    python examples/async_example.py [--host HOST --user USER --password PASSWORD ...]

Three mistakes of the C program are not repeated: it sends the NUL at the query's end
too, it takes the timeout in whole seconds, and it overlooks that a socket hung up
(POLLHUP, POLLERR). The option files are left out: the command line alone says where to
connect to.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from _server import Server, choose, fatal, make_parser, set_options

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData


def wait_for_mysql(mysql: CData, status: int) -> int:
    """Wait for what a call asked for; capi.wait_for_mysql does the same for you."""
    events = 0
    if status & lib.MYSQL_WAIT_READ:
        events |= select.POLLIN
    if status & lib.MYSQL_WAIT_WRITE:
        events |= select.POLLOUT
    if status & lib.MYSQL_WAIT_EXCEPT:
        events |= select.POLLPRI
    timeout = None
    if status & lib.MYSQL_WAIT_TIMEOUT:
        timeout = lib.mysql_get_timeout_value_ms(mysql)

    poller = select.poll()
    poller.register(lib.mysql_get_socket(mysql), events)
    ready = poller.poll(timeout)
    if not ready:
        return lib.MYSQL_WAIT_TIMEOUT

    _, happened = ready[0]
    if happened & (select.POLLHUP | select.POLLERR):
        # There is no more to wait for. The library tries, and finds the error.
        return status & ~lib.MYSQL_WAIT_TIMEOUT
    status = 0
    if happened & select.POLLIN:
        status |= lib.MYSQL_WAIT_READ
    if happened & select.POLLOUT:
        status |= lib.MYSQL_WAIT_WRITE
    if happened & select.POLLPRI:
        status |= lib.MYSQL_WAIT_EXCEPT
    return status


def text(value: CData) -> str:
    """Return a C string as a Python one; NULL is SQL's NULL."""
    if value == ffi.NULL:
        return "NULL"
    return ffi.string(value).decode(errors="replace")


def run_query(mysql: CData, server: Server, query: bytes) -> None:
    """Connect, print the first two columns of a query's rows, and close."""
    lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
    set_options(mysql, server)
    host, user, password, database, port, socket = server.login

    # Where the operations leave their results, as in C: MYSQL *ret; int err; ...
    ret = ffi.new("MYSQL **")
    err = ffi.new("int *")
    row = ffi.new("MYSQL_ROW *")

    status = lib.mysql_real_connect_start(
        ret, mysql, host, user, password, database, port, socket, 0
    )
    while status:
        status = wait_for_mysql(mysql, status)
        status = lib.mysql_real_connect_cont(ret, mysql, status)
    if ret[0] == ffi.NULL:
        fatal(mysql, "cannot connect")

    status = lib.mysql_real_query_start(err, mysql, query, len(query))
    while status:
        status = wait_for_mysql(mysql, status)
        status = lib.mysql_real_query_cont(err, mysql, status)
    if err[0]:
        fatal(mysql, "the query failed")

    # This one never waits: the rows are fetched below.
    res = lib.mysql_use_result(mysql)
    if res == ffi.NULL:
        fatal(mysql, "the query has no result")

    while True:
        status = lib.mysql_fetch_row_start(row, res)
        while status:
            status = wait_for_mysql(mysql, status)
            status = lib.mysql_fetch_row_cont(row, res, status)
        if row[0] == ffi.NULL:
            break
        print(f"{text(row[0][0])}: {text(row[0][1])}")
    if lib.mysql_errno(mysql):
        fatal(mysql, "fetching the rows failed")
    lib.mysql_free_result(res)

    # The farewell to the server could wait for the socket, at least in principle.
    status = lib.mysql_close_start(mysql)
    while status:
        status = wait_for_mysql(mysql, status)
        status = lib.mysql_close_cont(mysql, status)


def main() -> None:
    """Read the command line and run the query."""
    options = make_parser(__doc__).parse_args()
    with choose(options) as server:
        run_query(lib.mysql_init(ffi.NULL), server, b"SHOW STATUS")


if __name__ == "__main__":
    main()
