"""Connects that need a process of their own, a case each: test_connector_process.py.

With PRELOAD in front of the C library, the name ``slow.test`` takes LOOKUP seconds to
be found and ``slowest.test`` ten minutes, ``unknown.test`` does not exist, closing what
is not open is noted, and who has connected to a unix socket takes a break, so that the
server speaks first, and can only send very little at a time. With ``lingers`` set every
read takes its time, and the process stays for a while when exit() is through, and ends
with 99 if somebody reads.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from capi_support import rows
from case_table import PASSED
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
from server_place import place
from silent_handshake import FarProxy, SilentHandshake, make_certificate

from mariadb_nb import errors
from mariadb_nb.capi import ffi, lib
from mariadb_nb.wait import READ

LOOKUP = 2.0

PRELOAD = f"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int closed_in_vain;
int lingers;
static volatile int ending;

/* When all else is over: after this nobody may read any more. */
__attribute__((destructor)) static void
linger(void)
{{
    ending = lingers;
    usleep(lingers * 300000);
}}

ssize_t
read(int fd, void *buffer, size_t size)
{{
    ssize_t (*real)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    if (ending) {{
        _exit(99);
    }}
    usleep(lingers * 20000);
    return real(fd, buffer, size);
}}

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
            struct addrinfo **found)
{{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node != NULL && strcmp(node, "unknown.test") == 0) {{
        return EAI_NONAME;
    }}
    if (node != NULL && strcmp(node, "slow.test") == 0) {{
        usleep({LOOKUP} * 1000000);
        node = "127.0.0.1";
    }}
    if (node != NULL && strcmp(node, "slowest.test") == 0) {{
        sleep(600);
        node = "127.0.0.1";
    }}
    return real(node, service, hints, found);
}}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{{
    int (*real)(int, const struct sockaddr *, socklen_t) =
        dlsym(RTLD_NEXT, "connect");
    int result;
    if (address->sa_family == AF_UNIX) {{
        int little = 1;
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
    }}
    result = real(fd, address, length);
    if (address->sa_family == AF_UNIX) {{
        usleep(100000);
    }}
    return result;
}}

int
close(int fd)
{{
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    int result = real(fd);
    if (result < 0 && errno == EBADF) {{
        closed_in_vain++;
    }}
    return result;
}}
"""


def compile_preload(folder: Path) -> Path:
    """Compile PRELOAD; returns what LD_PRELOAD has to name."""
    library, source = folder / "preload.so", folder / "preload.c"
    source.write_text(PRELOAD, encoding="utf-8")
    options = ["-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run(["gcc", *options, "-o", library, source, "-ldl"], check=True)
    return library


CASES: dict[str, Callable[[], None]] = {}


def case(function: Callable[[], None]) -> Callable[[], None]:
    """Put a case into the table."""
    CASES[function.__name__] = function
    return function


@case
def slow_lookup_and_success() -> None:
    server = place()
    mysql = handle()
    operation = to_server(mysql, server, host=b"slow.test")
    begun = time.monotonic()
    wait = next(operation)
    assert time.monotonic() - begun < LOOKUP / 2
    assert wait.deadline is None
    operation.close()
    mysql = handle()
    run(to_server(mysql, server, host=b"slow.test"))
    assert time.monotonic() - begun >= LOOKUP
    assert rows(mysql, "SELECT 1") == [(b"1",)]
    lib.mysql_close(mysql)


@case
def slow_lookup_and_deadline() -> None:
    server = place()
    before = resources()
    begun = time.monotonic()
    operation = to_server(handle(), server, host=b"slow.test", connect_timeout=1.0)
    try:
        run(operation)
    except errors.OperationTimeout as problem:
        print(f"{problem}: {time.monotonic() - begun:.3f} s")
    else:
        raise AssertionError("connected before the name was known")
    assert 0.9 <= time.monotonic() - begun < LOOKUP
    assert_resources(before)
    print(f"the thread was gone after {time.monotonic() - begun:.3f} s")


@case
def exit_in_a_lookup() -> None:
    """Whoever runs this does not wait for as long as the lookup takes."""
    server = place()
    operation = to_server(handle(), server, host=b"slowest.test")
    next(operation)
    globals()["kept"] = operation


@case
def silence_in_a_handshake_without_a_wait_before() -> None:
    """The greeting is there at once: the library only waits inside OpenSSL."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(Path(folder))
        path = Path(folder) / "server.sock"
        with SilentHandshake("client hello", certificate, path) as server:
            before = resources()
            operation = to_silence(handle(server.ca_file), server)
            next(operation)
            assert server.silent.acquire(timeout=BOUND)
            operation.close()
            assert_resources((before[0] + 1, before[1]))


@case
def certificate_that_is_not_sent_in_one() -> None:
    """OpenSSL has to write, and the library says that it would read."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(Path(folder))
        certificate.context.verify_mode = ssl.CERT_OPTIONAL
        certificate.context.load_verify_locations(certificate.ca_file)
        path = Path(folder) / "server.sock"
        with SilentHandshake("tls login", certificate, path, 0.02) as server:
            mysql = handle(server.ca_file)
            own = str(certificate.client_file).encode()
            ca = str(certificate.ca_file).encode()
            lib.mysql_ssl_set(mysql, own, own, ca, ffi.NULL, ffi.NULL)
            operation = to_silence(mysql, server)
            next(operation)
            assert server.silent.acquire(timeout=BOUND)
            operation.close()


@case
def unknown_host() -> None:
    (failure,) = run_all([operate(handle(), 1, host=b"unknown.test")])
    assert isinstance(failure, errors.OperationalError), failure
    assert failure.errno == 2005, failure
    assert "unknown.test" in failure.message, failure


@case
def no_socket_is_closed_twice() -> None:
    """Else what another thread has opened meanwhile might be closed."""
    closed_in_vain = ctypes.c_int.in_dll(ctypes.CDLL(None), "closed_in_vain")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dead.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        before = closed_in_vain.value
        for failure in run_all(
            [
                operate(handle(), path=path),
                operate(handle(), 1),
                operate(handle(), 1, host=b"255.255.255.255"),
            ]
        ):
            assert isinstance(failure, errors.OperationalError), failure
            assert failure.errno == 2002, failure
        assert closed_in_vain.value == before
        try:
            os.close(1000000)
        except OSError:
            assert closed_in_vain.value == before + 1


@case
def forked_child_does_not_disturb() -> None:
    server = place()
    with FarProxy(server.host, server.port, 0.1) as proxy:
        mysql = handle(server.ca_file)
        operation = to_server(mysql, server, "tls", port=proxy.port)
        wait = next(operation)
        pid = os.fork()
        if pid == 0:
            operation.close()
            lib.mysql_close(mysql)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        lasting = os.fork()
        if lasting == 0:
            # Killed below; until then it is there with all that the parent has.
            time.sleep(60)  # with all descriptors that the parent has
            os._exit(1)
        try:
            assert select.select([wait.fd], [], [], BOUND)[0]
            with contextlib.suppress(StopIteration):
                operation.send(READ)
            assert rows(mysql, "SELECT 1") == [(b"1",)]
        finally:
            os.kill(lasting, signal.SIGKILL)
            os.waitpid(lasting, 0)
        lib.mysql_close(mysql)


@case
def exit_in_a_handshake() -> None:
    """OpenSSL takes itself apart in exit(), and nobody may be in it afterwards."""
    server = place()
    ctypes.c_int.in_dll(ctypes.CDLL(None), "lingers").value = 1
    for _ in range(20):
        operation = to_server(handle(server.ca_file), server, "tls")
        next(operation)
        # Else the interpreter's end would give the connect up.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(operation))


@case
def under_gevent() -> None:
    """Threads and sockets of Python are greenlets' there; the connect's are its own."""
    from gevent import monkey, spawn

    monkey.patch_all()
    server = place()
    mysql = handle()
    greenlet = spawn(run, to_server(mysql, server, host=b"slow.test"))
    ticks = 0
    while not greenlet.dead:
        time.sleep(0.01)  # gevent's: the others run meanwhile
        ticks += 1
    greenlet.get()
    assert ticks > 10
    assert rows(mysql, "SELECT 1") == [(b"1",)]
    lib.mysql_close(mysql)


if __name__ == "__main__":
    CASES[sys.argv[1]]()
    print(PASSED)
