"""Blocking and non-blocking calls on one connection, in any order.

The pairs are made to be mixed with the plain functions: connect plainly while a program
starts, run a long query through its pair, and a short one plainly in between. One rule
holds: an operation has to be over before the next one starts, of whichever kind.

    python examples/mix_blocking.py [--host HOST --user USER --ca CA.pem ...]

Over TLS too, which the throwaway server uses: there the socket is in non-blocking mode,
and each plain call takes it out of it for as long as it lasts. There is no C original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from _server import Server, choose, error, fatal, make_parser, set_options

from mariadb_nb.capi import closing, ffi, lib, wait_for_mysql

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData


def first_value(mysql: CData) -> str:
    """Return the first column of the result's first row."""
    result = lib.mysql_store_result(mysql)
    if result == ffi.NULL:
        fatal(mysql, "the query has no result")
    row = lib.mysql_fetch_row(result)
    value = ffi.string(row[0]).decode() if row != ffi.NULL and row[0] else "NULL"
    lib.mysql_free_result(result)
    return value


def blocking_query(mysql: CData, query: bytes) -> None:
    """Run a query with the plain functions."""
    if lib.mysql_real_query(mysql, query, len(query)):
        fatal(mysql, "the blocking query failed")
    print(f"blocking:      {query.decode()} -> {first_value(mysql)}")


def nonblocking_query(mysql: CData, query: bytes) -> None:
    """Run a query through its pair, and try a plain one in the middle of it."""
    err = ffi.new("int *")
    status = lib.mysql_real_query_start(err, mysql, query, len(query))
    waits = 0
    while status:
        if not waits:
            # In C this one would run, and get the rows of the other.
            refused = lib.mysql_real_query(mysql, b"DO 1", 4)
            print("refused:      ", error(mysql) if refused else "no")
        waits += 1
        status = lib.mysql_real_query_cont(err, mysql, wait_for_mysql(mysql, status))
    if err[0]:
        fatal(mysql, "the non-blocking query failed")
    # Few rows, which are on their way: the plain function will do to read them.
    value = first_value(mysql)
    print(f"non-blocking:  {query.decode()} -> {value}, waited {waits} times")


def blocking_first(server: Server) -> None:
    """Connect plainly, and set MYSQL_OPT_NONBLOCK when the first pair is needed."""
    with closing(lib.mysql_init(ffi.NULL)) as mysql:
        set_options(mysql, server)
        if lib.mysql_real_connect(mysql, *server.login, 0) == ffi.NULL:
            fatal(mysql, "cannot connect")
        cipher = lib.mysql_get_ssl_cipher(mysql)
        print("connected:    ", ffi.string(cipher).decode() if cipher else "no TLS")
        blocking_query(mysql, b"SELECT 'one'")
        lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
        nonblocking_query(mysql, b"SELECT CONCAT('two', SLEEP(0.2))")
        blocking_query(mysql, b"SELECT CONCAT('three', SLEEP(0.2))")
        nonblocking_query(mysql, b"SELECT CONCAT('four', SLEEP(0.2))")


def nonblocking_first(server: Server) -> None:
    """Connect through the pair, and query plainly."""
    ret = ffi.new("MYSQL **")
    with closing(lib.mysql_init(ffi.NULL)) as mysql:
        lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
        set_options(mysql, server)
        status = lib.mysql_real_connect_start(ret, mysql, *server.login, 0)
        while status:
            status = wait_for_mysql(mysql, status)
            status = lib.mysql_real_connect_cont(ret, mysql, status)
        if ret[0] == ffi.NULL:
            fatal(mysql, "cannot connect")
        blocking_query(mysql, b"SELECT CONCAT('five', SLEEP(0.2))")


def main() -> None:
    """Read the command line and run both orders."""
    options = make_parser(__doc__).parse_args()
    with choose(options, tls=True) as server:
        blocking_first(server)
        nonblocking_first(server)


if __name__ == "__main__":
    main()
