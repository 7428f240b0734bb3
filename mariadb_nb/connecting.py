"""Connecting in a thread, as an operation that waits for a file descriptor.

Name lookup, the TLS handshake and some authentication plug-ins wait inside the
library, whatever is asked of it. Owns how such a connect is waited for and given up,
and how the user's function for the password is. It knows no loop, and nothing of what
options mean: the handle has them already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._attached import Connector
from .calling import call_in_thread
from .capi import ffi, lib
from .errors import OperationalError, OperationTimeout, from_server
from .wait import READ, TIMEOUT, Operation, Wait

if TYPE_CHECKING:
    from ._ffi import CData
    from .options import Arguments, Options


def login_arguments(
    options: Options, deadline: float | None = None
) -> Operation[Arguments]:
    """Return what ``connect_in_thread`` takes, with the password of this moment.

    Args:
        options: what to ask; if the password is a function, in a thread of its own.
        deadline: when to give up, in seconds of ``time.monotonic()``, or None.

    Raises:
        OperationTimeout: the deadline passed.
        InterfaceError: the function returned something else than a password; what it
            raises itself comes through.
    """
    if options.has_password_function:
        return (yield from call_in_thread(options.connect_arguments, deadline))
    return options.connect_arguments()


def connect_in_thread(
    mysql: CData,
    arguments: Arguments,
    deadline: float | None = None,
) -> Operation[None]:
    """Connect a handle whose options are set.

    When it returns, the handle is connected, and its socket neither blocks nor is
    inherited. However else it ends, by an error, by ``close()`` or by an exception
    thrown in, the handle is closed and must not be used any more; a thread that is
    still at work (it cannot be called off a name lookup) ends by itself.

    Args:
        mysql: a ``MYSQL *`` of ``lib.mysql_init`` that was never connected. Until the
            end every other call on it is refused.
        arguments: what ``mysql_real_connect`` takes after the handle.
        deadline: when to give up, in seconds of ``time.monotonic()``, or None.

    Raises:
        OperationTimeout: the deadline passed.
        OperationalError: there is no memory, descriptor or thread for it.
        Error: the library or the server says why, see ``from_server``.
    """
    address = int(ffi.cast("uintptr_t", mysql))
    try:
        connector = Connector(address, *arguments)
    except BaseException as problem:
        lib.mysql_close(mysql)
        if isinstance(problem, OSError):
            message = f"cannot start connecting: {problem.strerror}"
            raise OperationalError(message) from problem
        raise
    try:
        request = Wait(connector.fileno(), READ, deadline)
        while True:
            ready = yield request
            if connector.done:
                break
            if ready & TIMEOUT:
                raise OperationTimeout("connecting took too long")
        connected, errno, sqlstate, message = connector.result()
    finally:
        connector.abandon()
    if not connected:
        raise from_server(errno, sqlstate, message)
