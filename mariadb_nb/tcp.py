"""What is asked of the system for TCP connections: to notice a peer that has vanished.

Owns the names that systems have for it and what a number of ours means to them. Knows
no session and waits for nothing.

A peer that vanishes (its machine, or a firewall's memory of the connection) sends
nothing to say so. While we wait for an answer, only probes find out: keepalive. While
something of ours is not acknowledged, it is sent again and again, for some fifteen
minutes, and there are no probes: TCP_USER_TIMEOUT ends that.
"""

from __future__ import annotations

import _socket
import sys
from math import ceil
from typing import TYPE_CHECKING, Final

from .errors import NotSupportedError, OperationalError

if TYPE_CHECKING:
    from .options import Options

#: How many probes stay without an answer before the connection is given up.
PROBES: Final = 3


def _number(*names: str) -> int | None:
    """The first of these names that Python knows on this system."""
    found = (getattr(_socket, name, None) for name in names)
    return next((number for number in found if number is not None), None)


#: macOS has another name for the first.
_IDLE: Final = _number("TCP_KEEPIDLE", "TCP_KEEPALIVE")
_BETWEEN: Final = _number("TCP_KEEPINTVL")
_PROBES: Final = _number("TCP_KEEPCNT")
_USER_TIMEOUT: Final = _number("TCP_USER_TIMEOUT")


def check(options: Options) -> None:
    """Refuse what this system cannot do.

    Raises:
        NotSupportedError: it cannot.
    """
    known = {
        "tcp_keepalive": None not in (_IDLE, _BETWEEN, _PROBES),
        "tcp_user_timeout": _USER_TIMEOUT is not None,
    }
    for name, can in known.items():
        if getattr(options, name) is not None and not can:
            raise NotSupportedError(
                f"{name}= is not to be had on this system ({sys.platform}): use "
                "timeout=, and for a pool keepalive_interval="
            )


def apply(fd: int, options: Options) -> None:
    """Set on a connected socket what the options ask for.

    Raises:
        OperationalError: the system refuses it.
    """
    wanted = _wanted(options)
    if wanted:
        # Of a duplicate: a signal may raise at any moment, and what is lost then is
        # closed.
        connection = _socket.socket(fileno=_socket.dup(fd))
        try:
            for level, name, value in wanted:
                connection.setsockopt(level, name, value)
        except OSError as problem:
            raise OperationalError(
                "tcp_keepalive= and tcp_user_timeout= cannot be set on the connection: "
                f"{problem.strerror}"
            ) from problem
        finally:
            connection.close()


def _wanted(options: Options) -> list[tuple[int, int, int]]:
    """What to set: level, name and value."""
    wanted = []
    silence, patience = options.tcp_keepalive, options.tcp_user_timeout
    if silence and _IDLE and _BETWEEN and _PROBES:
        wanted += [
            (_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1),
            (_socket.IPPROTO_TCP, _IDLE, silence),
            (_socket.IPPROTO_TCP, _BETWEEN, ceil(silence / PROBES)),
            (_socket.IPPROTO_TCP, _PROBES, PROBES),
        ]
    if patience and _USER_TIMEOUT:
        wanted.append((_socket.IPPROTO_TCP, _USER_TIMEOUT, ceil(patience * 1000)))
    return wanted
