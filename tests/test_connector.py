"""Connecting in a thread: it works, it can be given up anywhere, and leaves nothing.

What needs a process of its own is in test_connector_process.py.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attempts import attempts
from capi_support import error, rows
from connector_support import (
    BOUND,
    assert_resources,
    handle,
    operate,
    resources,
    run,
    run_all,
    to_server,
    to_silence,
)
from silent_handshake import (
    PLAIN_STEPS,
    TLS_STEPS,
    Certificate,
    DeafServer,
    FarProxy,
    SilentHandshake,
    make_certificate,
)

from mariadb_nb import errors
from mariadb_nb._attached import Connector
from mariadb_nb.capi import ffi, lib
from mariadb_nb.server import TemporaryServer
from mariadb_nb.wait import READ, TIMEOUT, Operation

STEPS = (*PLAIN_STEPS, *TLS_STEPS)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    """After the test there are as many descriptors and threads as before."""
    gc.collect()
    before = resources()
    yield
    assert_resources(before)


pytestmark = pytest.mark.usefixtures("nothing_is_left")


def start(mysql: Any, host: bytes | None = None, port: int = 0) -> Connector:
    """A Connector as such."""
    address = int(ffi.cast("uintptr_t", mysql))
    return Connector(address, host, b"nobody", b"secret", None, port, None, 0)


def is_closed(mysql: Any) -> bool:
    """Whether the guard does not know the handle any more."""
    lib.mysql_ping(mysql)
    return lib.mysql_errno(mysql) == lib.CR_INVALID_PARAMETER


# ---- It works ----------------------------------------------------------------


def test_connection_is_ready_for_use(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    mysql = handle(mariadb_server.ca_file if transport == "tls" else None)
    run(to_server(mysql, mariadb_server, transport))
    fd = lib.mysql_get_socket(mysql)
    assert not os.get_blocking(fd)
    assert not os.get_inheritable(fd)
    assert (lib.mysql_get_ssl_cipher(mysql) != ffi.NULL) == (transport == "tls")
    assert rows(mysql, "SELECT 1") == [(b"1",)]
    assert lib.mysql_query(mysql, b"DO SLEEP(0.1)") == 0, error(mysql)
    lib.mysql_close(mysql)


def test_tls_when_the_greeting_is_already_there(
    mariadb_server: TemporaryServer,
) -> None:
    """Over a unix socket nothing may have to be waited for before the handshake."""
    for _ in range(50):
        mysql = handle(mariadb_server.ca_file)
        off = ffi.new("my_bool *", 0)
        lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_VERIFY_SERVER_CERT, off)
        run(to_server(mysql, mariadb_server, "unix"))
        assert lib.mysql_get_ssl_cipher(mysql) != ffi.NULL
        assert not os.get_blocking(lib.mysql_get_socket(mysql))
        lib.mysql_close(mysql)


def longest_step(server: TemporaryServer, transport: str, port: int) -> float:
    """Connect to a port, and return the seconds of the step that took longest."""
    longest = 0.0
    mysql = handle(server.ca_file if transport == "tls" else None)
    operation = to_server(mysql, server, transport, port=port)
    ready: Any = None
    with contextlib.suppress(StopIteration):
        while True:
            begun = time.monotonic()
            wait = operation.send(ready)
            longest = max(longest, time.monotonic() - begun)
            assert select.select([wait.fd], [], [], BOUND)[0]
            ready = READ
    assert rows(mysql, "SELECT 1") == [(b"1",)]
    lib.mysql_close(mysql)
    return longest


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_far_server_does_not_hold_the_caller_up(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    one_way = 0.04
    with FarProxy(mariadb_server.host, mariadb_server.port, one_way) as proxy:
        for attempt in attempts(one_way):
            attempt.measured = longest_step(mariadb_server, transport, proxy.port)


def test_many_at_once(mariadb_server: TemporaryServer, transport: str) -> None:
    ca_file = mariadb_server.ca_file if transport == "tls" else None
    handles = [handle(ca_file) for _ in range(40)]
    operations = [to_server(mysql, mariadb_server, transport) for mysql in handles]
    assert run_all(operations) == [None] * len(handles)
    for mysql in handles:
        assert rows(mysql, "SELECT 1") == [(b"1",)]
        lib.mysql_close(mysql)


# ---- It fails ----------------------------------------------------------------


def test_login_refused(mariadb_server: TemporaryServer, transport: str) -> None:
    mysql = handle(mariadb_server.ca_file if transport == "tls" else None)
    with pytest.raises(errors.OperationalError) as caught:
        run(to_server(mysql, mariadb_server, transport, password=b"not this one"))
    assert (caught.value.errno, caught.value.sqlstate) == (1045, "28000")
    assert "not this one" not in repr(caught.value)
    assert is_closed(mysql)


def test_port_where_nobody_listens() -> None:
    mysql = handle()
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen; nobody else can
        with pytest.raises(errors.OperationalError, match="server") as caught:
            run(operate(mysql, deaf.getsockname()[1]))
    assert caught.value.errno == 2002
    assert is_closed(mysql)


def test_unix_socket_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "no.sock"
    with pytest.raises(errors.OperationalError, match="server") as caught:
        run(operate(handle(), path=path))
    assert caught.value.errno == 2002


def test_certificate_of_somebody_else(
    mariadb_server: TemporaryServer, certificate: Certificate
) -> None:
    mysql = handle(certificate.ca_file)
    with pytest.raises(errors.OperationalError) as caught:
        run(to_server(mysql, mariadb_server, "tls"))
    assert caught.value.errno == 2026
    assert is_closed(mysql)


def test_server_without_tls_gets_no_login(certificate: Certificate) -> None:
    with SilentHandshake("login", certificate) as server:
        mysql = handle(certificate.ca_file)
        with pytest.raises(errors.OperationalError) as caught:
            run(to_silence(mysql, server))
        assert caught.value.errno == 2026


# ---- It is given up ----------------------------------------------------------


def seconds_until_deadline(servers: list[SilentHandshake]) -> float:
    """Connect to them all at once, each for a second; return when the last one ended.

    Nothing of it is left in the process then.
    """
    ends: list[float] = []

    def timed(begun: float, operation: Operation[None]) -> Operation[None]:
        try:
            yield from operation
        finally:
            ends.append(time.monotonic() - begun)

    before, known = resources(), sum(len(server.accepted) for server in servers)
    failures = run_all(
        timed(time.monotonic(), to_silence(handle(server.ca_file), server, 1.0))
        for server in servers
    )
    for server, failure in zip(servers, failures, strict=True):
        assert isinstance(failure, errors.OperationTimeout), (server.step, failure)
        assert server.silent.acquire(timeout=BOUND), server.step
    assert min(ends) >= 1.0
    # The servers have closed nothing yet.
    accepted = sum(len(server.accepted) for server in servers) - known
    assert accepted == len(servers)
    assert_resources((before[0] + accepted, before[1]))
    return max(ends)


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_deadline_wherever_the_server_goes_silent(
    over: str, certificate: Certificate, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        servers = []
        for step in STEPS:
            path = tmp_path / step if over == "unix" else None
            server = SilentHandshake(step, certificate, path)
            servers.append(stack.enter_context(server))
        for attempt in attempts(1.2):
            attempt.measured = seconds_until_deadline(servers)


def test_deadline_says_what_passed(certificate: Certificate) -> None:
    with SilentHandshake("accept", certificate) as server:
        operation = to_silence(handle(), server, 0.05)
        with pytest.raises(errors.OperationTimeout, match="connecting took too long"):
            run(operation)


def test_deadline_when_the_server_does_not_accept() -> None:
    with DeafServer() as server:
        before = resources()
        operation = operate(handle(), server.port, connect_timeout=0.2)
        with pytest.raises(errors.OperationTimeout):
            run(operation)
        assert_resources(before)


@pytest.mark.parametrize("step", STEPS)
def test_closing_the_operation_ends_the_thread(
    step: str, certificate: Certificate
) -> None:
    with SilentHandshake(step, certificate) as server:
        for attempt in attempts(0.1):
            before = resources()
            mysql = handle(server.ca_file)
            operation = to_silence(mysql, server)
            next(operation)
            assert server.silent.acquire(timeout=BOUND)
            begun = time.monotonic()
            operation.close()
            attempt.measured = time.monotonic() - begun
            assert_resources((before[0] + 1, before[1]))
            assert is_closed(mysql)


def test_exception_of_the_runner_is_raised_again(certificate: Certificate) -> None:
    with SilentHandshake("greeting", certificate) as server:
        operation = to_silence(handle(), server)
        next(operation)
        with pytest.raises(KeyboardInterrupt):
            operation.throw(KeyboardInterrupt)


def test_forgotten_connector_is_given_up(certificate: Certificate) -> None:
    with SilentHandshake("accept", certificate) as server:
        before = resources()
        connector = start(handle(), b"127.0.0.1", server.port)
        assert server.silent.acquire(timeout=BOUND)
        del connector
        assert_resources((before[0] + 1, before[1]))


def test_connected_but_given_up(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    """The connection stands, but nobody asks any more."""
    mysql = handle(mariadb_server.ca_file if transport == "tls" else None)
    operation = to_server(mysql, mariadb_server, transport)
    assert select.select([next(operation).fd], [], [], BOUND)[0]
    operation.close()
    assert is_closed(mysql)


@pytest.mark.parametrize("order", ["result first", "deadline first"])
def test_deadline_and_result_together(
    mariadb_server: TemporaryServer, order: str
) -> None:
    """A connect that is over counts, even if the deadline has passed as well."""
    mysql = handle()
    operation = to_server(mysql, mariadb_server, "unix")
    assert select.select([next(operation).fd], [], [], BOUND)[0]
    with pytest.raises(StopIteration):
        operation.send(TIMEOUT if order == "deadline first" else TIMEOUT | READ)
    assert rows(mysql, "SELECT 1") == [(b"1",)]
    lib.mysql_close(mysql)


def test_200_given_up_at_random_moments(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    ca_file = mariadb_server.ca_file if transport == "tls" else None
    chance = random.Random(transport)
    pending = []
    for _ in range(200):
        operation = to_server(handle(ca_file), mariadb_server, transport)
        next(operation)
        pending.append((time.monotonic() + chance.uniform(0, 0.02), operation))
        pending.sort(key=lambda one: one[0])
        while pending and (len(pending) > 8 or pending[0][0] <= time.monotonic()):
            due, operation = pending.pop(0)
            # Nothing happens at a random moment.
            time.sleep(max(0.0, due - time.monotonic()))
            operation.close()
    for _, operation in pending:
        operation.close()


def test_signals_are_for_other_threads(certificate: Certificate) -> None:
    """A blocking wait of the main thread has to be interrupted by Ctrl-C."""
    with SilentHandshake("accept", certificate) as server:
        known = set(os.listdir("/proc/self/task"))
        operation = to_silence(handle(), server)
        next(operation)
        (new,) = set(os.listdir("/proc/self/task")) - known
        status = Path(f"/proc/self/task/{new}/status").read_text(encoding="utf-8")
        blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
        assert blocked >> (signal.SIGINT - 1) & 1
        operation.close()
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


# ---- It is used wrongly ------------------------------------------------------


def test_handle_is_nobody_elses_meanwhile(certificate: Certificate) -> None:
    with SilentHandshake("accept", certificate) as server:
        mysql = handle()
        operation = to_silence(mysql, server)
        next(operation)
        assert server.silent.acquire(timeout=BOUND)
        assert lib.mysql_ping(mysql) != 0
        assert "another thread" in error(mysql)
        lib.mysql_close(mysql)
        with pytest.raises(errors.InterfaceError, match="in use"):
            start(mysql)
        operation.close()


def test_closed_handle_is_refused() -> None:
    mysql = handle()
    lib.mysql_close(mysql)
    with pytest.raises(errors.InterfaceError, match="not one that is open"):
        start(mysql)
    with pytest.raises(errors.InterfaceError, match="not one that is open"):
        start(ffi.NULL)


def test_result_comes_once_it_is_over(certificate: Certificate) -> None:
    with SilentHandshake("accept", certificate) as server:
        connector = start(handle(), b"127.0.0.1", server.port)
        assert not connector.done
        with pytest.raises(errors.InterfaceError, match="not over"):
            connector.result()
        connector.abandon()
        connector.abandon()
        assert not connector.done
        for method in (connector.fileno, connector.result):
            with pytest.raises(errors.InterfaceError, match="given up"):
                method()


def test_result_can_be_asked_for_again() -> None:
    connector = start(handle(), b"127.0.0.1", 1)
    assert select.select([connector], [], [], BOUND)[0]
    assert connector.done
    result = connector.result()
    assert result[:2] == (False, 2002)
    assert connector.result() == result


@pytest.mark.parametrize(
    ("position", "value", "wrong", "words"),
    [
        (0, "0", TypeError, "int"),
        (0, -(1 << 70), OverflowError, "too"),
        (1, "localhost", TypeError, "host must be bytes or None, not str"),
        (2, b"a\0b", ValueError, "user must not have a NUL character"),
        (3, b"a\0b", ValueError, "password must not have a NUL character"),
        (4, 5, TypeError, "database must be bytes or None, not int"),
        (5, "3306", TypeError, "int"),
        (6, Path("x"), TypeError, "unix_socket must be bytes or None"),
        (7, None, TypeError, "int"),
    ],
)
def test_arguments_of_other_kinds(
    position: int, value: Any, wrong: type[Exception], words: str
) -> None:
    mysql = handle()
    arguments: list[Any] = [int(ffi.cast("uintptr_t", mysql)), None, b"", b"", None]
    arguments += [0, None, 0]
    arguments[position] = value
    with pytest.raises(wrong, match=words):
        Connector(*arguments)
    assert lib.mysql_errno(mysql) == 0  # it is still the caller's
    lib.mysql_close(mysql)


def test_bad_argument_closes_the_handle() -> None:
    mysql = handle()
    operation = operate(mysql, 1, user=b"a\0b")
    with pytest.raises(ValueError, match="NUL"):
        next(operation)
    assert is_closed(mysql)


def test_no_descriptor_left_for_it() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    mysql = handle()
    operation = operate(mysql, 1)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(2))
        with pytest.raises(errors.OperationalError, match="cannot start connecting"):
            next(operation)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in taken:
            os.close(fd)
    assert is_closed(mysql)


def test_connectors_of_many_threads(mariadb_server: TemporaryServer) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                mysql = handle(mariadb_server.ca_file)
                run(to_server(mysql, mariadb_server, "tls"))
                lib.mysql_close(mysql)
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
