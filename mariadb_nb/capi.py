"""Layer 1: the C API of MariaDB Connector/C, verbatim.

``lib`` has every function and constant of ``mysql.h`` under its own name, and
``ffi`` makes and reads C data for them. A C program against this API can be
typed over line by line; the four helpers below are all that is added.

What crashes, hangs or mixes up rows in C is refused here: the call returns the
C function's own error value at once, and ``mysql_errno`` says why. See
``docs/capi.md``.

This module knows nothing of loops: it never waits, but in
:func:`wait_for_mysql`, which says so.
"""

from __future__ import annotations

import select
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ._ffi import ffi, lib

if TYPE_CHECKING:
    from ._ffi import CData

__all__ = [
    "closing",
    "events_to_status",
    "ffi",
    "lib",
    "missing",
    "status_to_events",
    "wait_for_mysql",
]


def _missing() -> frozenset[str]:
    names = []
    index = 0
    while lib.nb_missing[index] != ffi.NULL:
        names.append(ffi.string(lib.nb_missing[index]).decode("ascii"))
        index += 1
    return frozenset(names)


def _complaint(built: int, loaded: int, bundled: bool) -> str | None:
    """Say what is wrong with the library that the process has loaded, if anything is.

    A distribution may put a newer library in the place of the one that we were built
    with; an older one may have other structures. In a wheel there is but one.

    Args:
        built: the version of the headers, as 30409.
        loaded: the version that the library says it is.
        bundled: whether it is in the wheel.
    """
    if loaded == built if bundled else loaded // 100 >= built // 100:
        return None
    ours, theirs = (
        f"{version // 10000}.{version // 100 % 100}.{version % 100}"
        for version in (built, loaded)
    )
    what_to_do = (
        "Another library has taken the place of the one in the wheel: do not preload it"
        if bundled
        else "Build it anew: pip install --force-reinstall --no-binary mariadb-nb "
        "mariadb-nb"
    )
    return (
        f"mariadb_nb was built with version {ours} of libmariadb, but the process has "
        f"loaded {theirs}. {what_to_do}"
    )


if problem := _complaint(
    lib.MARIADB_PACKAGE_VERSION_ID, lib.mysql_get_client_version(), bool(lib.nb_bundled)
):
    raise ImportError(problem)

#: Names of the C API that the library this was built with does not have.
missing: Final[frozenset[str]] = _missing()

# Looks up names and starts OpenSSL: better at import than in the first call of
# a loop. Thread safe, and harmless when it was done already.
if lib.mysql_server_init(0, ffi.NULL, ffi.NULL) != 0:
    raise ImportError("libmariadb could not be initialised: mysql_server_init() failed")

_READ: Final = lib.MYSQL_WAIT_READ
_WRITE: Final = lib.MYSQL_WAIT_WRITE
_EXCEPT: Final = lib.MYSQL_WAIT_EXCEPT
_TIMEOUT: Final = lib.MYSQL_WAIT_TIMEOUT


def status_to_events(status: int) -> int:
    """Translate a mask of ``MYSQL_WAIT_*`` into events for :mod:`selectors`.

    ``MYSQL_WAIT_EXCEPT`` becomes ``EVENT_READ``: selectors have no third kind,
    and urgent data makes a socket readable. ``MYSQL_WAIT_TIMEOUT`` is not an
    event of the socket: see ``mysql_get_timeout_value_ms``.
    """
    events = 0
    if status & (_READ | _EXCEPT):
        events |= selectors.EVENT_READ
    if status & _WRITE:
        events |= selectors.EVENT_WRITE
    return events


def events_to_status(events: int) -> int:
    """Translate events of :mod:`selectors` into the mask that a ``_cont`` takes."""
    status = 0
    if events & selectors.EVENT_READ:
        status |= _READ
    if events & selectors.EVENT_WRITE:
        status |= _WRITE
    return status


def wait_for_mysql(mysql: CData, status: int) -> int:
    """Wait until something of what a ``_start`` or ``_cont`` asked for happens.

    This blocks the thread: for first scripts, not for event loops.

    Args:
        mysql: the ``MYSQL *`` whose operation waits.
        status: what the last call returned, a mask of ``MYSQL_WAIT_*``.

    Returns:
        The mask to pass to ``_cont``; ``MYSQL_WAIT_TIMEOUT`` if the library's
        own timeout passed first.

    Raises:
        ValueError: the connection has no socket, so there is nothing to wait for.
    """
    fd = lib.mysql_get_socket(mysql)
    if fd == lib.MARIADB_INVALID_SOCKET:
        raise ValueError(
            "the connection has no socket to wait for; call wait_for_mysql() only "
            "with what a _start or _cont call returned, while it is not 0"
        )
    timeout = None
    if status & _TIMEOUT:
        timeout = lib.mysql_get_timeout_value_ms(mysql)
    if not hasattr(select, "poll"):  # Windows
        return _wait_with_select(fd, status, timeout)
    poller = select.poll()
    asked = 0
    if status & _READ:
        asked |= select.POLLIN
    if status & _WRITE:
        asked |= select.POLLOUT
    if status & _EXCEPT:
        asked |= select.POLLPRI
    poller.register(fd, asked)
    ready = poller.poll(timeout)
    if not ready:
        return _TIMEOUT
    happened = ready[0][1]
    if happened & (select.POLLHUP | select.POLLERR):
        # The library finds out by trying: whatever it waits for is over.
        return status & ~_TIMEOUT or _READ
    result = 0
    if happened & select.POLLIN:
        result |= _READ
    if happened & select.POLLOUT:
        result |= _WRITE
    if happened & select.POLLPRI:
        result |= _EXCEPT
    return result


def _wait_with_select(fd: int, status: int, timeout: int | None) -> int:
    readable, writable, exceptional = select.select(
        [fd] if status & _READ else [],
        [fd] if status & _WRITE else [],
        [fd] if status & _EXCEPT else [],
        None if timeout is None else timeout / 1000,
    )
    result = 0
    if readable:
        result |= _READ
    if writable:
        result |= _WRITE
    if exceptional:
        result |= _EXCEPT
    return result or _TIMEOUT


@contextmanager
def closing(mysql: CData) -> Iterator[CData]:
    """Close a ``MYSQL *`` at the end of a ``with`` block, whatever happened in it.

    Args:
        mysql: a handle of ``mysql_init``. An operation that waits is ended, and
            closing never waits.

    Raises:
        MemoryError: the handle is NULL, as ``mysql_init`` returns without memory.
    """
    if mysql == ffi.NULL:
        raise MemoryError("mysql_init() returned NULL")
    try:
        yield mysql
    finally:
        lib.mysql_close(mysql)
