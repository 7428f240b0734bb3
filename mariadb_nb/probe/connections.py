"""One connection that stays idle and is asked then, as an operation.

Owns the sockets, and how an end is told from another. When which connection is asked
and what follows is ``evidence``'s. Knows no loop.

Who speaks with no service asks its kernel: a TCP keepalive is answered without the
service noticing it. A proxy's kernel answers too, whatever became of the connection
behind it; only who logs in can tell.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import ceil
from time import monotonic
from typing import Any, Final, NamedTuple

from ..calling import call_in_thread
from ..errors import Error, NotSupportedError, OperationalError, OperationTimeout
from ..options import Options
from ..session import Session
from ..wait import READ, TIMEOUT, WRITE, Operation, Wait
from .evidence import End, Plan, Quiet, Seen

#: Seconds that a connection may take to be made, if nobody logs in.
_CONNECT_TIMEOUT: Final = 10.0
#: How much longer than planned a connection is watched for the peer to be quiet.
_TALK: Final = 10.0
_PENDING: Final = {errno.EINPROGRESS, errno.EWOULDBLOCK}
_RESETS: Final = {errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE}
#: Seconds between two looks for an answer; they double.
_FIRST_LOOK: Final = 0.01
_LAST_LOOK: Final = 0.25
#: Where Linux's struct tcp_info has how long ago the last acknowledgement came.
_LAST_ACK: Final = slice(56, 60)
#: It has another name on macOS.
_KEEPIDLE: Final[int | None] = getattr(
    socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None)
)


class Address(NamedTuple):
    """Where to connect to.

    Attributes:
        family: of the socket.
        place: as sockets want it.
    """

    family: int
    place: Any


def resolve(host: str, port: int) -> Operation[Address]:
    """Find an address of a host that lets us connect.

    Raises:
        OperationalError: there is none.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = yield from call_in_thread(look_up, monotonic() + _CONNECT_TIMEOUT)
    except OSError as problem:
        raise OperationalError(f"cannot look up {host!r}: {problem}") from problem
    reasons: list[str] = []
    for family, _, _, _, place in found:
        address = Address(family, place)
        try:
            sock = yield from _connect(address)
        except OSError as problem:
            reasons.append(problem.strerror or str(problem))
        else:
            sock.close()
            return address
    raise OperationalError(
        f"cannot connect to {host}:{port}: {', '.join(dict.fromkeys(reasons))}"
    )


def _connect(address: Address) -> Operation[socket.socket]:
    deadline = monotonic() + _CONNECT_TIMEOUT
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address.place)
        while code in _PENDING:
            ready = yield Wait(sock.fileno(), WRITE, deadline)
            if ready & WRITE:
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            elif ready & TIMEOUT:
                code = errno.ETIMEDOUT
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock


def hold(address: Address, planned: float, plan: Plan) -> Operation[Seen]:
    """Leave a connection idle, say nothing, and have the kernel ask then.

    Raises:
        NotSupportedError: this system cannot be told when to send a keepalive.
    """
    try:
        sock = yield from _connect(address)
    except OSError as problem:
        return Seen(planned, 0.0, "failed", problem.strerror or str(problem))
    with sock:
        quiet = Quiet(monotonic())
        over = quiet.since + planned + _TALK
        while (due := quiet.since + planned) > monotonic():
            if due > over:
                return Seen(planned, monotonic() - quiet.since, "talking")
            if not (yield Wait(sock.fileno(), READ, due)) & READ:
                continue
            end, detail = _take_in(sock, quiet)
            if end:
                return Seen(planned, quiet.ended(monotonic()), end, detail)
        idle = monotonic() - quiet.since
        return (
            yield from _ask_kernel(sock, quiet, Seen(planned, idle, "answered"), plan)
        )


def _ask_kernel(
    sock: socket.socket, quiet: Quiet, seen: Seen, plan: Plan
) -> Operation[Seen]:
    """Send keepalives; ``seen`` is what it comes to if they are answered."""
    probes = ceil(plan.answer_timeout)
    asked = monotonic()
    _send_keepalives(sock, probes)
    # Of a second each, by the kernel's timers, which may be an eighth late; and where
    # the first one is not sent at once, it comes after a second.
    deadline = asked + 2 + probes * 1.125
    pause = _FIRST_LOOK
    while (now := monotonic()) < deadline:
        ready = yield Wait(sock.fileno(), READ, min(now + pause, deadline))
        pause = min(pause * 2, _LAST_LOOK)
        answered = _is_acknowledged(sock, asked)
        if ready & READ:
            end, detail = _take_in(sock, quiet)
            if end == "fin" or (end and answered):  # of itself, and just now
                return Seen(seen.planned, quiet.ended(monotonic()), end, detail)
            if end:
                end = "refused" if end == "reset" else end
                return replace(seen, end=end, detail=detail)
            answered = True  # it has said something
        if answered:
            return seen
    return seen  # for the kernel has not given it up


def _is_acknowledged(sock: socket.socket, asked: float) -> bool:
    """Whether an acknowledgement is known to have come since."""
    if not sys.platform.startswith("linux"):
        return False
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_ACK.stop)
    (milliseconds,) = struct.unpack("=I", info[_LAST_ACK])
    return bool(milliseconds < (monotonic() - asked) * 1000)


def _send_keepalives(sock: socket.socket, probes: int) -> None:
    if _KEEPIDLE is None:
        raise NotSupportedError(
            "this system does not say how to send keepalives: log in instead"
        )
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)
    # The last one: Linux sends a keepalive at once that is overdue then.
    sock.setsockopt(socket.IPPROTO_TCP, _KEEPIDLE, 1)


def _take_in(sock: socket.socket, quiet: Quiet) -> tuple[End | None, str]:
    """Read what has arrived; say how it ended, if it did."""
    with suppress(BlockingIOError):
        try:
            while sock.recv(65536):
                quiet.heard(monotonic())
        except BlockingIOError:
            raise
        except OSError as problem:
            return _of_error(problem)
        return "fin", ""
    return None, ""


def _of_error(problem: OSError) -> tuple[End, str]:
    if problem.errno in _RESETS:
        return "reset", ""
    # Nothing, or no more than a router's word that it does not get there.
    is_usual = problem.errno == errno.ETIMEDOUT
    return "silence", "" if is_usual else problem.strerror or str(problem)


def hold_logged_in(options: Options, planned: float, plan: Plan) -> Operation[Seen]:
    """Log in, leave the connection idle, and ask with a ping then."""
    # What is not answered is not worth a second connection.
    session = Session(replace(options, on_cancel="abort"))
    try:
        try:
            yield from session.connect()
        except Error as error:
            return Seen(planned, 0.0, "failed", str(error))
        # A second name for the connection's socket, which the library closes itself.
        with socket.socket(fileno=os.dup(session.fd)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
            return (yield from _hold_session(session, sock, planned, plan))
    finally:
        session.close()


def _hold_session(
    session: Session, sock: socket.socket, planned: float, plan: Plan
) -> Operation[Seen]:
    begun = monotonic()
    said = False
    while not said and monotonic() < begun + planned:
        if (yield Wait(session.fd, READ, begun + planned)) & READ:
            end, detail = _look(sock)
            if end:
                return Seen(planned, monotonic() - begun, end, detail)
            # A farewell, or something of TLS: the ping will tell.
            said = True
    idle = monotonic() - begun
    try:
        yield from session.ping(monotonic() + plan.answer_timeout)
    except OperationTimeout:
        return Seen(planned, idle, "silence")
    except Error as error:
        return Seen(planned, idle, "fin" if said else "refused", str(error))
    return Seen(planned, idle, "answered")


def _look(sock: socket.socket) -> tuple[End | None, str]:
    """What a readable socket has, which stays there; data say nothing yet."""
    try:
        return (None if sock.recv(1, socket.MSG_PEEK) else "fin"), ""
    except BlockingIOError:
        return None, ""
    except OSError as problem:
        return _of_error(problem)
