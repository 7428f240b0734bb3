"""Ending an operation before it is over, in two ways.

Gently: a second connection sends KILL QUERY, the answer comes early, and when it is
read the connection is as good as before. Roughly: mysql_close() while the operation
waits. In C that leaks what the operation owns and may hang; here the operation is ended
first, and closing never waits. The server only notices seconds later that nobody wants
its answer, unless it is told.

    python examples/abandon.py [--host HOST --user USER --password PASSWORD ...]

There is no C original: the C library leaves its callers alone with this.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from _server import Server, choose, error, fatal, make_parser, set_options

from mariadb_nb.capi import closing, ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

LONG_QUERY = b"SELECT SLEEP(60)"


def connect(mysql: CData, server: Server) -> None:
    """Connect plainly; only the query is of interest here."""
    lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
    set_options(mysql, server)
    if lib.mysql_real_connect(mysql, *server.login, 0) == ffi.NULL:
        fatal(mysql, "cannot connect")


def kill(helper: CData, what: bytes, thread_id: int) -> None:
    """Send KILL on a second connection; nothing to kill is no error."""
    command = b"%s %d" % (what, thread_id)
    failed = lib.mysql_real_query(helper, command, len(command))
    if failed and lib.mysql_errno(helper) != lib.ER_NO_SUCH_THREAD:
        fatal(helper, command.decode() + " failed")


def gently(mysql: CData, helper: CData) -> None:
    """End a query that waits, and keep its connection."""
    err = ffi.new("int *")
    status = lib.mysql_real_query_start(err, mysql, LONG_QUERY, len(LONG_QUERY))
    print(f"gently: connection {lib.mysql_thread_id(mysql)} sleeps in a query")
    while status:
        # Once more if it had no effect: the server may not have begun with the query.
        kill(helper, b"KILL QUERY", lib.mysql_thread_id(mysql))
        # So short a query is sent at once; what can be waited for is the answer.
        if select.select([lib.mysql_get_socket(mysql)], [], [], 0.1)[0]:
            status = lib.mysql_real_query_cont(err, mysql, lib.MYSQL_WAIT_READ)
    if not err[0]:
        # The names of the columns came before the end: it is where the rows should be.
        lib.mysql_free_result(lib.mysql_store_result(mysql))
    # No error: it had just finished, or SLEEP() answers that it was woken.
    how = error(mysql) if lib.mysql_errno(mysql) else "its answer"
    print(f"gently: the query ended with {how}")


def show_it_works(mysql: CData) -> None:
    """Run another query on the connection, plainly."""
    query = b"SELECT 'as good as before'"
    if lib.mysql_real_query(mysql, query, len(query)):
        fatal(mysql, "the connection is not usable")
    result = lib.mysql_store_result(mysql)
    text = ffi.string(lib.mysql_fetch_row(result)[0]).decode()
    lib.mysql_free_result(result)
    print(f"gently: connection {lib.mysql_thread_id(mysql)} is {text}")


def roughly(mysql: CData, helper: CData) -> None:
    """End a query that waits, and its connection with it."""
    err = ffi.new("int *")
    status = lib.mysql_real_query_start(err, mysql, LONG_QUERY, len(LONG_QUERY))
    thread_id = lib.mysql_thread_id(mysql)
    begin = time.monotonic()
    lib.mysql_close(mysql)
    took = time.monotonic() - begin
    state = "waiting" if status else "finished"
    print(f"roughly: connection {thread_id} closed while {state}, in {took:.3f} s")
    kill(helper, b"KILL", thread_id)
    print(f"roughly: connection {thread_id} is to end on the server too")


def main() -> None:
    """Read the command line and end a query in both ways."""
    options = make_parser(__doc__).parse_args()
    with choose(options) as server, closing(lib.mysql_init(ffi.NULL)) as helper:
        connect(helper, server)
        mysql = lib.mysql_init(ffi.NULL)
        connect(mysql, server)
        gently(mysql, helper)
        show_it_works(mysql)
        roughly(mysql, helper)


if __name__ == "__main__":
    main()
