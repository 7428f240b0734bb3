"""The state machine of async_queries.py and libevent_queries.py.

It owns one connection and what is done with it, step by step. It never waits, and must
not know the loop that does: run() says what to wait for, and is called again when that
has happened.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from _server import Server, error, set_options

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData


class Connection:
    """The state machine of one connection.

    A state is a method that is called when the operation before it is over. It uses
    what that brought, starts the next operation and says which state comes after it.

    Args:
        name: a number to tell the connections apart.
        queries: the numbered list, which all connections take from.
        server: where to connect to.
        read_timeout: seconds that an answer may take; the library has none over TLS.
    """

    def __init__(
        self,
        name: int,
        queries: deque[tuple[int, bytes]],
        server: Server,
        read_timeout: int | None,
    ) -> None:
        self.name = name
        self.queries = queries
        self.server = server
        self.read_timeout = read_timeout
        self.failures = 0
        self.state: Callable[[], int] | None = self.connect
        # Where the operations leave what they bring.
        self.ret = ffi.new("MYSQL **")
        self.err = ffi.new("int *")
        self.row = ffi.new("MYSQL_ROW *")

    def run(self, ready: int = 0) -> int:
        """Go on as far as possible without waiting.

        Args:
            ready: what has happened of that which the last call returned.

        Returns:
            What to wait for, a mask of ``MYSQL_WAIT_*``; 0 when all is done.
        """
        status: int = self.cont(ready) if ready else 0
        while not status and self.state is not None:
            status = self.state()
        return status

    def connect(self) -> int:
        self.mysql = lib.mysql_init(ffi.NULL)
        lib.mysql_options(self.mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL)
        set_options(self.mysql, self.server)
        if self.read_timeout is not None:
            seconds = ffi.new("unsigned int *", self.read_timeout)
            lib.mysql_options(self.mysql, lib.MYSQL_OPT_READ_TIMEOUT, seconds)
        self.state = self.connected
        self.cont = partial(lib.mysql_real_connect_cont, self.ret, self.mysql)
        login = self.server.login
        return lib.mysql_real_connect_start(self.ret, self.mysql, *login, 0)

    def connected(self) -> int:
        if self.ret[0] == ffi.NULL:
            print(f"connection {self.name}: cannot connect, {error(self.mysql)}")
            self.failures += 1
            return self.close()
        return self.next_query()

    def next_query(self) -> int:
        if not self.queries:
            return self.close()
        self.number, query = self.queries.popleft()
        print(f"{self.number} > {query.decode(errors='replace')}")
        self.begin = time.monotonic()
        self.state = self.answered
        self.cont = partial(lib.mysql_real_query_cont, self.err, self.mysql)
        return lib.mysql_real_query_start(self.err, self.mysql, query, len(query))

    def answered(self) -> int:
        self.result = ffi.NULL
        if self.err[0]:
            return self.failed()
        if lib.mysql_field_count(self.mysql) == 0:
            return self.finished(f"{lib.mysql_affected_rows(self.mysql)} rows changed")
        self.result = lib.mysql_use_result(self.mysql)
        self.count = 0
        return self.fetch()

    def fetch(self) -> int:
        self.state = self.fetched
        self.cont = partial(lib.mysql_fetch_row_cont, self.row, self.result)
        return lib.mysql_fetch_row_start(self.row, self.result)

    def fetched(self) -> int:
        if self.row[0] != ffi.NULL:
            self.count += 1
            print(f"{self.number} |", "\t".join(values(self.result, self.row[0])))
            return self.fetch()
        if lib.mysql_errno(self.mysql):
            return self.failed()
        lib.mysql_free_result(self.result)
        return self.finished(f"{self.count} rows")

    def finished(self, what: str) -> int:
        took = time.monotonic() - self.begin
        print(f"{self.number} = {what} in {took:.3f} s on connection {self.name}")
        if not lib.mysql_more_results(self.mysql):
            return self.next_query()
        # CALL has an answer for each SELECT of the procedure, and one of its own.
        self.state = self.answered
        self.cont = partial(lib.mysql_next_result_cont, self.err, self.mysql)
        return lib.mysql_next_result_start(self.err, self.mysql)

    def failed(self) -> int:
        print(f"{self.number} = {error(self.mysql)} on connection {self.name}")
        self.failures += 1
        killed = lib.mysql_errno(self.mysql) == lib.ER_CONNECTION_KILLED
        lost = lib.mysql_get_socket(self.mysql) == lib.MARIADB_INVALID_SOCKET
        lib.mysql_free_result(self.result)
        if (killed or lost) and self.queries:
            lib.mysql_close(self.mysql)
            return self.connect()
        return self.next_query()

    def close(self) -> int:
        self.state = None
        lib.mysql_close(self.mysql)
        return 0


def values(result: CData, row: CData) -> list[str]:
    """Return the columns of a row as text."""
    lengths = lib.mysql_fetch_lengths(result)
    return [
        "NULL"
        if row[i] == ffi.NULL
        else bytes(ffi.buffer(row[i], lengths[i])).decode(errors="replace")
        for i in range(lib.mysql_num_fields(result))
    ]
