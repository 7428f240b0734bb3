"""Fixtures of all tests: one throwaway server, and connections that get closed."""

from __future__ import annotations

import gc
import signal
import sysconfig
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from capi_support import Connect, connect
from channel_support import Wire, opened
from hypothesis import HealthCheck, settings

from mariadb_nb.capi import lib
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

# A shell that starts something in the background has it ignore Ctrl-C, which is pressed
# in many tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: What needs a GIL.
collect_ignore = (
    ["test_arrow_duckdb.py"] if sysconfig.get_config_var("Py_GIL_DISABLED") else []
)

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile(
    "steady", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


@pytest.fixture(scope="module", autouse=True)
def _own_heap() -> None:
    """Keep the garbage collector from what was there before the tests of a file.

    It is hundreds of times what a program has, pytest's and the other files', and takes
    longer to be searched than most tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(params=["unix", "tcp", "tls"])
def transport(request: pytest.FixtureRequest) -> str:
    """Each way to the server."""
    value: str = request.param
    return value


@pytest.fixture
def wire(mariadb_server: TemporaryServer, transport: str) -> Iterator[Wire]:
    """A connection over each transport, with a channel."""
    with opened(mariadb_server, transport) as made:
        yield made


@pytest.fixture
def unix(mariadb_server: TemporaryServer) -> Iterator[Wire]:
    """One over the unix socket, where nothing depends on the transport."""
    with opened(mariadb_server, "unix") as made:
        yield made


@pytest.fixture
def connector(mariadb_server: TemporaryServer) -> Iterator[Connect]:
    """Open connections that are closed when the test is over.

    ``connector("tls")`` returns a connected, non-blocking ``MYSQL *``.
    """
    opened: list[CData] = []

    def open_one(transport: str = "unix", **options: object) -> CData:
        mysql = connect(mariadb_server, transport, **options)  # type: ignore[arg-type]
        opened.append(mysql)
        return mysql

    yield open_one
    for mysql in opened:
        lib.mysql_close(mysql)
