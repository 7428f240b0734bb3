"""The cases of Connector/C's own test of its non-blocking API, written anew.

Their origin is ``unittest/libmariadb/async.c`` in MariaDB Connector/C's sources; each
docstring names the function there and what it shows. Everything goes through layer 1.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from capi_support import (
    Connect,
    connect_arguments,
    drive,
    error,
    fetch,
    new_handle,
    query,
    use_tls,
)

from mariadb_nb.capi import ffi, lib, wait_for_mysql
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

SECONDS = 3


def set_timeouts(mysql: CData) -> None:
    seconds = ffi.new("unsigned int *", SECONDS)
    for option in (
        lib.MYSQL_OPT_CONNECT_TIMEOUT,
        lib.MYSQL_OPT_READ_TIMEOUT,
        lib.MYSQL_OPT_WRITE_TIMEOUT,
    ):
        assert lib.mysql_options(mysql, option, seconds) == 0


def close(mysql: CData) -> None:
    status = lib.mysql_close_start(mysql)
    while status:
        status = lib.mysql_close_cont(mysql, wait_for_mysql(mysql, status))


@pytest.mark.parametrize(
    ("transport", "expected"),
    [
        ("unix", lib.MARIADB_CONNECTION_UNIXSOCKET),
        ("tcp", lib.MARIADB_CONNECTION_TCP),
        ("tls", lib.MARIADB_CONNECTION_TCP),
    ],
)
def test_a_connection_tells_its_transport(
    connector: Connect, transport: str, expected: int
) -> None:
    """async.c, test_async: the transport is one that can be non-blocking."""
    told = ffi.new("int *", -1)
    assert not lib.mariadb_get_infov(
        connector(transport), lib.MARIADB_CONNECTION_PVIO_TYPE, told
    )
    assert told[0] == expected


def connect_query_close(
    server: TemporaryServer, transport: str, option_file: Path
) -> None:
    mysql = new_handle()
    set_timeouts(mysql)
    file = str(option_file).encode()
    assert lib.mysql_options(mysql, lib.MYSQL_READ_DEFAULT_FILE, file) == 0
    assert lib.mysql_options(mysql, lib.MYSQL_READ_DEFAULT_GROUP, b"myapp") == 0
    use_tls(mysql, server, transport)
    connected = drive(
        "MYSQL **",
        lib.mysql_real_connect_start,
        lib.mysql_real_connect_cont,
        mysql,
        *connect_arguments(server, transport),
    )
    assert connected == mysql, error(mysql)
    assert (lib.mysql_get_ssl_cipher(mysql) != ffi.NULL) == (transport == "tls")

    assert query(mysql, "SHOW STATUS") == 0, error(mysql)
    result = lib.mysql_use_result(mysql)
    assert result != ffi.NULL, error(mysql)
    found = 0
    while fetch(mysql, result) is not None:
        found += 1
    assert lib.mysql_errno(mysql) == 0, error(mysql)
    assert found > 100
    lib.mysql_free_result(result)
    close(mysql)


def test_connecting_querying_and_closing_a_hundred_times(
    mariadb_server: TemporaryServer, transport: str, tmp_path: Path
) -> None:
    """async.c, async1: a connection's whole life through pairs, and no leak of it.

    The option file is one of ours instead of the machine's.
    """
    option_file = tmp_path / "my.cnf"
    option_file.write_text("[myapp]\nconnect-timeout=3\n")
    process = psutil.Process()
    connect_query_close(mariadb_server, transport, option_file)
    files = process.num_fds()
    for _ in range(99):
        connect_query_close(mariadb_server, transport, option_file)
    assert process.num_fds() == files


def test_closing_a_handle_that_was_never_connected_frees_it() -> None:
    """async.c, test_conc131: MYSQL_OPT_NONBLOCK's memory is freed without a connect.

    The original is for valgrind; here 1000 stacks of 256 KiB would be seen.
    """
    process = psutil.Process()
    lib.mysql_close(new_handle())
    before = process.memory_info().vms
    for _ in range(1000):
        lib.mysql_close(new_handle())
    assert process.memory_info().vms - before < 64 * 1024 * 1024


@pytest.mark.parametrize("nonblock", [False, True])
def test_starting_to_close_a_handle_that_was_never_connected(nonblock: bool) -> None:
    """async.c, test_conc129: there is nothing to wait for, nor a crash."""
    assert lib.mysql_close_start(new_handle(nonblock=nonblock)) == 0


def refusing_port(resources: ExitStack) -> tuple[bytes, int]:
    bound = resources.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))
    return b"127.0.0.1", bound.getsockname()[1]


def unreachable_host(resources: ExitStack) -> tuple[bytes, int]:
    return b"255.255.255.255", 3306


@pytest.mark.parametrize("target", [refusing_port, unreachable_host])
def test_a_connect_that_fails_can_be_closed_through_its_pair(
    target: Callable[[ExitStack], tuple[bytes, int]],
) -> None:
    """async.c, test_conc622: what a failed connect leaves is closed, again and again.

    The original connects to 1.0.0.0; here nothing leaves this machine: the one
    connect is refused when it was waited for, the other fails at once.
    """
    process = psutil.Process()
    with ExitStack() as resources:
        host, port = target(resources)
        files = process.num_fds()
        for _ in range(5):
            mysql = new_handle()
            set_timeouts(mysql)
            connected = drive(
                "MYSQL **",
                lib.mysql_real_connect_start,
                lib.mysql_real_connect_cont,
                mysql,
                *(host, b"user", b"password", b"test", port, ffi.NULL, 0),
            )
            assert connected == ffi.NULL
            assert lib.mysql_errno(mysql) == lib.CR_CONNECTION_ERROR, error(mysql)
            close(mysql)
        assert process.num_fds() == files


def test_a_connect_that_times_out_can_be_closed_through_its_pair() -> None:
    """async.c, test_conc622: and so is what a connect leaves whose time is up.

    Nobody waits for the time to pass: _cont is told that it has.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mysql = new_handle()
        set_timeouts(mysql)
        connected = ffi.new("MYSQL **")
        status = lib.mysql_real_connect_start(
            connected,
            mysql,
            *(b"127.0.0.1", b"user", b"password", b"test"),
            *(silent.getsockname()[1], ffi.NULL, 0),
        )
        while status & lib.MYSQL_WAIT_WRITE:
            ready = wait_for_mysql(mysql, status)
            status = lib.mysql_real_connect_cont(connected, mysql, ready)
        assert status == lib.MYSQL_WAIT_READ | lib.MYSQL_WAIT_TIMEOUT
        assert lib.mysql_get_timeout_value(mysql) == SECONDS
        assert lib.mysql_get_timeout_value_ms(mysql) == SECONDS * 1000
        status = lib.mysql_real_connect_cont(connected, mysql, lib.MYSQL_WAIT_TIMEOUT)
        assert status == 0
        assert connected[0] == ffi.NULL
        assert lib.mysql_errno(mysql) == lib.CR_SERVER_LOST, error(mysql)
        close(mysql)
