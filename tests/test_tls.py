"""TLS does not make the non-blocking calls wait, nor break the blocking ones.

In the library it does both (CONC-594): connector/C puts the socket back to
blocking mode after the handshake, and its blocking calls fail or misread their
timeouts on a socket that does not block.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import threading
from typing import TYPE_CHECKING

import pytest
from capi_support import (
    Connect,
    connect_arguments,
    drive,
    error,
    new_handle,
    query,
    rows,
    unpack,
    use_tls,
)
from channel_support import until_gone

from mariadb_nb.capi import events_to_status, ffi, lib, status_to_events
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData


def is_nonblocking(mysql: CData) -> bool:
    """Whether the socket of a connection has O_NONBLOCK."""
    flags = fcntl.fcntl(lib.mysql_get_socket(mysql), fcntl.F_GETFL)
    return bool(flags & os.O_NONBLOCK)


def run_all(connections: list[CData], sql: bytes) -> None:
    """One query on each connection, on one loop; it sleeps on the server.

    Each of them is started before any is over: a call that waits comes back only when
    its query is over, and says that there is nothing to wait for any more.
    """
    boxes = {}
    with selectors.DefaultSelector() as selector:
        for mysql in connections:
            boxes[mysql] = ffi.new("int *", -1)
            status = lib.mysql_real_query_start(boxes[mysql], mysql, sql, len(sql))
            assert status, "it has waited for its query"
            fd = lib.mysql_get_socket(mysql)
            selector.register(fd, status_to_events(status), mysql)
        while selector.get_map():
            for key, events in selector.select(timeout=30):
                mysql, ready = key.data, events_to_status(events)
                status = lib.mysql_real_query_cont(boxes[mysql], mysql, ready)
                if status:
                    selector.modify(key.fd, status_to_events(status), mysql)
                else:
                    selector.unregister(key.fd)
    assert all(box[0] == 0 for box in boxes.values())


def test_queries_that_sleep_share_one_loop(connector: Connect, transport: str) -> None:
    connections = [connector(transport) for _ in range(20)]
    run_all(connections, b"SELECT SLEEP(0.5)")
    for mysql in connections:
        result = lib.mysql_store_result(mysql)
        assert unpack(result, lib.mysql_fetch_row(result)) == (b"0",)
        lib.mysql_free_result(result)


def test_socket_after_connect(connector: Connect, transport: str) -> None:
    mysql = connector(transport)
    assert is_nonblocking(mysql)
    fd = lib.mysql_get_socket(mysql)
    assert not os.get_inheritable(fd)


def test_socket_without_the_option_blocks(connector: Connect, transport: str) -> None:
    mysql = connector(transport, nonblock=False)
    assert not is_nonblocking(mysql)
    assert not os.get_inheritable(lib.mysql_get_socket(mysql))


def test_blocking_calls_on_the_same_handle(connector: Connect, transport: str) -> None:
    mysql = connector(transport)
    for _ in range(2):
        # Longer than the 5 ms after which 3.4 gives a non-blocking socket up.
        assert lib.mysql_query(mysql, b"SELECT SLEEP(0.1), 'blocking'") == 0, error(
            mysql
        )
        result = lib.mysql_store_result(mysql)
        assert unpack(result, lib.mysql_fetch_row(result)) == (b"0", b"blocking")
        lib.mysql_free_result(result)
        assert is_nonblocking(mysql)
        assert rows(mysql, "SELECT 'pair'") == [(b"pair",)]


def test_blocking_calls_with_much_data(connector: Connect, transport: str) -> None:
    mysql = connector(transport)
    size = 12 << 20
    sql = b"SELECT '" + b"x" * size + b"', REPEAT('y', 12582912)"
    assert lib.mysql_real_query(mysql, sql, len(sql)) == 0, error(mysql)
    result = lib.mysql_store_result(mysql)
    assert result != ffi.NULL, error(mysql)
    row = unpack(result, lib.mysql_fetch_row(result))
    assert row == (b"x" * size, b"y" * size)
    lib.mysql_free_result(result)


def test_blocking_statement(connector: Connect, transport: str) -> None:
    mysql = connector(transport)
    stmt = lib.mysql_stmt_init(mysql)
    sql = b"SELECT SLEEP(0.05)"
    assert lib.mysql_stmt_prepare(stmt, sql, len(sql)) == 0
    assert lib.mysql_stmt_execute(stmt) == 0
    assert lib.mysql_stmt_store_result(stmt) == 0
    assert lib.mysql_stmt_num_rows(stmt) == 1
    assert lib.mysql_stmt_close(stmt) == 0


def test_read_timeout_of_a_blocking_call(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    """The library's own timeout works: 3.3 takes its seconds for milliseconds
    on a TLS socket that does not block."""
    mysql = new_handle()
    use_tls(mysql, mariadb_server, transport)
    lib.mysql_options(mysql, lib.MYSQL_OPT_READ_TIMEOUT, ffi.new("unsigned int *", 20))
    arguments = connect_arguments(mariadb_server, transport)
    assert lib.mysql_real_connect(mysql, *arguments) == mysql, error(mysql)
    assert lib.mysql_query(mysql, b"SELECT SLEEP(0.2)") == 0, error(mysql)
    lib.mysql_close(mysql)


def test_blocking_connect_then_pairs(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    mysql = new_handle()
    use_tls(mysql, mariadb_server, transport)
    arguments = connect_arguments(mariadb_server, transport)
    assert lib.mysql_real_connect(mysql, *arguments) == mysql, error(mysql)
    assert is_nonblocking(mysql)
    run_all([mysql], b"SELECT SLEEP(0.3)")
    lib.mysql_close(mysql)


def test_option_set_on_an_open_connection(connector: Connect, transport: str) -> None:
    mysql = connector(transport, nonblock=False)
    assert lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL) == 0
    assert is_nonblocking(mysql)
    run_all([mysql], b"SELECT SLEEP(0.3)")
    # While an operation waits, it cannot be set again.
    result = lib.mysql_store_result(mysql)
    lib.mysql_free_result(result)
    box = ffi.new("int *")
    assert lib.mysql_real_query_start(box, mysql, b"DO SLEEP(0.2)", 13)
    assert lib.mysql_options(mysql, lib.MYSQL_OPT_NONBLOCK, ffi.NULL) != 0
    assert lib.mysql_errno(mysql) == lib.CR_COMMANDS_OUT_OF_SYNC


def test_tls_socket_blocks_only_during_a_blocking_call(connector: Connect) -> None:
    mysql, watcher = connector("tls"), connector("tls")
    number = lib.mysql_thread_id(mysql)
    assert rows(watcher, "SELECT GET_LOCK('watched', 60)") == [(b"1",)]
    thread = threading.Thread(
        target=lib.mysql_query, args=(mysql, b"DO GET_LOCK('watched', 60)")
    )
    thread.start()
    running = (
        "SELECT 1 FROM information_schema.processlist "
        f"WHERE id = {number} AND info LIKE '%watched%'"
    )
    while not rows(watcher, running):
        pass
    assert not is_nonblocking(mysql)
    assert query(watcher, "DO RELEASE_LOCK('watched')") == 0
    thread.join()
    assert is_nonblocking(mysql)


@pytest.mark.parametrize("secure", ["tcp", "tls"])
def test_reconnected_socket(connector: Connect, secure: str) -> None:
    """A reconnect opens a new socket, usually with the same number."""
    mysql, killer = connector(secure), connector("unix")
    on = ffi.new("my_bool *", 1)
    assert lib.mysql_options(mysql, lib.MYSQL_OPT_RECONNECT, on) == 0
    first = lib.mysql_thread_id(mysql)
    assert query(killer, f"KILL {first}") == 0
    until_gone(killer, first)
    for _ in range(3):  # some releases reconnect at the second call only
        failed = drive("int *", lib.mysql_ping_start, lib.mysql_ping_cont, mysql)
        if not failed and lib.mysql_thread_id(mysql) != first:
            break
    assert lib.mysql_thread_id(mysql) != first, error(mysql)
    assert is_nonblocking(mysql)
    run_all([mysql], b"SELECT SLEEP(0.3)")
