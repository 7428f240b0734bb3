"""The four helpers around the verbatim names, and what ``import`` gives."""

from __future__ import annotations

import selectors
import socket

import pytest
from capi_support import Connect, error, new_handle, rows, use_tls
from hypothesis import given
from hypothesis import strategies as st
from stalling import SilentServer

from mariadb_nb import capi
from mariadb_nb.capi import (
    closing,
    events_to_status,
    ffi,
    lib,
    status_to_events,
    wait_for_mysql,
)
from mariadb_nb.server import TemporaryServer


def test_nothing_but_the_names_of_c_and_four_helpers() -> None:
    helpers = set(capi.__all__) - {"ffi", "lib", "missing"}
    assert helpers == {
        "closing",
        "events_to_status",
        "status_to_events",
        "wait_for_mysql",
    }


@pytest.mark.parametrize(
    ("status", "events"),
    [
        (lib.MYSQL_WAIT_READ, selectors.EVENT_READ),
        (lib.MYSQL_WAIT_WRITE, selectors.EVENT_WRITE),
        (lib.MYSQL_WAIT_EXCEPT, selectors.EVENT_READ),
        (lib.MYSQL_WAIT_TIMEOUT, 0),
        (lib.MYSQL_WAIT_READ | lib.MYSQL_WAIT_TIMEOUT, selectors.EVENT_READ),
        (0, 0),
    ],
)
def test_status_to_events(status: int, events: int) -> None:
    assert status_to_events(status) == events


@given(st.integers(min_value=0, max_value=3))
def test_reading_and_writing_survive_the_round_trip(status: int) -> None:
    assert events_to_status(status_to_events(status)) == status


@given(st.integers(min_value=0, max_value=15))
def test_every_mask_is_waited_for_with_known_events(status: int) -> None:
    known = selectors.EVENT_READ | selectors.EVENT_WRITE
    assert status_to_events(status) & ~known == 0


def test_waiting_without_a_socket_says_what_is_wrong() -> None:
    with (
        closing(new_handle()) as mysql,
        pytest.raises(ValueError, match="no socket to wait for"),
    ):
        wait_for_mysql(mysql, lib.MYSQL_WAIT_READ)


def test_waiting_ends_with_the_timeout_of_the_library(
    mariadb_server: TemporaryServer,
) -> None:
    with SilentServer() as silent, closing(new_handle()) as mysql:
        use_tls(mysql, mariadb_server, "tcp")
        second = ffi.new("unsigned int *", 1)
        lib.mysql_options(mysql, lib.MYSQL_OPT_CONNECT_TIMEOUT, second)
        box = ffi.new("MYSQL **")
        arguments = (b"127.0.0.1", b"u", b"p", ffi.NULL, silent.port, ffi.NULL, 0)
        status = lib.mysql_real_connect_start(box, mysql, *arguments)
        seen = []
        while status:
            seen.append(wait_for_mysql(mysql, status))
            status = lib.mysql_real_connect_cont(box, mysql, seen[-1])
        assert seen[-1] == lib.MYSQL_WAIT_TIMEOUT
        assert box[0] == ffi.NULL
        assert lib.mysql_errno(mysql) == lib.CR_SERVER_LOST, error(mysql)


def test_waiting_ends_when_the_peer_goes_away(connector: Connect) -> None:
    mysql = connector("tcp")
    box = ffi.new("int *")
    status = lib.mysql_real_query_start(box, mysql, b"DO SLEEP(30)", 12)
    assert status == lib.MYSQL_WAIT_READ
    duplicate = socket.socket(fileno=socket.dup(lib.mysql_get_socket(mysql)))
    with duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
    assert wait_for_mysql(mysql, status) == lib.MYSQL_WAIT_READ
    assert lib.mysql_real_query_cont(box, mysql, lib.MYSQL_WAIT_READ) == 0
    assert box[0] != 0
    assert lib.mysql_errno(mysql) == lib.CR_SERVER_LOST


def test_closing_closes_whatever_happens(connector: Connect) -> None:
    mysql = connector()
    assert lib.mysql_real_query_start(ffi.new("int *"), mysql, b"DO SLEEP(9)", 11)
    with pytest.raises(RuntimeError), closing(mysql):
        raise RuntimeError
    assert lib.mysql_ping(mysql) != 0
    assert lib.mysql_errno(mysql) == lib.CR_INVALID_PARAMETER


def test_closing_nothing_is_an_error() -> None:
    with pytest.raises(MemoryError, match="mysql_init"), closing(ffi.NULL):
        pass


def test_missing_names_are_missing() -> None:
    assert capi.missing
    for name in capi.missing:
        assert not hasattr(lib, name)


def test_a_handle_works_after_a_refusal(connector: Connect, transport: str) -> None:
    mysql = connector(transport)
    box = ffi.new("int *", 7)
    assert lib.mysql_ping_cont(box, mysql, lib.MYSQL_WAIT_READ) == 0
    assert box[0] == 1
    assert ffi.string(lib.mysql_sqlstate(mysql)) == b"HY000"
    assert rows(mysql, "SELECT 42") == [(b"42",)]
    assert lib.mysql_errno(mysql) == 0


def test_a_null_argument_is_named(connector: Connect) -> None:
    mysql = connector()
    assert lib.mysql_real_query(mysql, ffi.NULL, 3) != 0
    assert error(mysql) == "5009 mysql_real_query() refused: q is NULL"
    assert lib.mysql_ping_start(ffi.NULL, mysql) == 0
    assert error(mysql) == "5009 mysql_ping_start() refused: ret is NULL"


def test_a_second_query_does_not_cost_the_rows_of_the_first(
    connector: Connect, transport: str
) -> None:
    """The library frees the first one's columns before it refuses the second."""
    mysql = connector(transport)
    assert lib.mysql_query(mysql, b"SELECT 'first'") == 0
    assert lib.mysql_query(mysql, b"SELECT 'second'") != 0
    assert lib.mysql_errno(mysql) == lib.CR_COMMANDS_OUT_OF_SYNC
    assert "has not been read" in error(mysql)
    result = lib.mysql_store_result(mysql)
    assert ffi.string(lib.mysql_fetch_row(result)[0]) == b"first"
    lib.mysql_free_result(result)
    assert rows(mysql, "SELECT 'third'") == [(b"third",)]


def test_statement_length_may_be_left_to_its_nul(connector: Connect) -> None:
    mysql = connector()
    box = ffi.new("int *")
    for length in (0, 2 ** (8 * ffi.sizeof("unsigned long")) - 1):
        status = lib.mysql_real_query_start(box, mysql, b"SELECT 'nul'", length)
        while status:
            status = lib.mysql_real_query_cont(
                box, mysql, wait_for_mysql(mysql, status)
            )
        assert box[0] == 0, error(mysql)
        result = lib.mysql_store_result(mysql)
        assert ffi.string(lib.mysql_fetch_row(result)[0]) == b"nul"
        lib.mysql_free_result(result)
