"""Ending a statement that somebody gave up, so that its connection can be kept.

Owns the killing on the server and the reading away of what the statement still sends.
Knows no loop and no state: whether a connection is worth it, and what becomes of it, is
decided by its session.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from .errors import OperationalError, OperationTimeout
from .wait import PAUSE, TIMEOUT, Operation, Wait

if TYPE_CHECKING:
    from .session import Session

#: Seconds that a killed statement gets to end before it is killed again.
PATIENCE: Final = 0.05


def kill_and_drain(channel: Any, thread_id: int, side: Session) -> Operation[None]:
    """KILL QUERY on a side connection until the reply is there, and read it away.

    A kill that comes before the server has begun the statement has no effect, nor
    has one that comes between two steps of a program, so one is not always enough.
    The statement is only given up once the server has answered each kill: none may
    be on its way when the next statement begins.

    Where statements were sent ahead, the connection is killed: they shall not be
    executed behind one that was given up, and there is no other way to have them back.

    Args:
        channel: of the connection whose statement is suspended.
        thread_id: the connection's number on the server.
        side: a session to the same server that is not connected yet. It has
            ``cancel_timeout`` for everything, and is closed in the end.

    Raises:
        OperationTimeout: the statement did not end in time. Then its whole connection
            was killed on the server, as far as that could be reached.
        OperationalError: more statements had been sent; the connection was killed.
        Error: the server could not be reached, or does not allow it.
    """
    limit = side.options.cancel_timeout
    deadline = monotonic() + limit
    channel.discard()
    try:
        yield from side.connect(deadline)
        if channel.ahead:
            # The server would go on with those behind the one that is killed.
            yield from side.command(f"KILL {thread_id}", deadline)
            raise OperationalError(
                "more statements had been sent, and nothing else would have kept the "
                "server from executing them"
            )
        last = deadline - PATIENCE
        while channel.midway:
            yield from side.command(f"KILL QUERY {thread_id}", deadline)
            yield from _drain(channel, min(monotonic() + PATIENCE, last))
            if channel.midway and monotonic() >= last:
                # Or it would run on, with nobody waiting for it.
                yield from side.command(f"KILL {thread_id}", deadline)
                raise OperationTimeout("the statement did not end when killed")
    except OperationTimeout as error:
        error.message = f"cancel_timeout of {limit} s passed: {error.message}"
        raise
    finally:
        side.close()


def _drain(channel: Any, deadline: float) -> Operation[None]:
    """Read on in what nobody wants, until it ends or the deadline passes."""
    outcome = channel.discard()
    while outcome.__class__ is int and monotonic() < deadline:
        if outcome:
            ready = yield Wait(channel.fd, outcome, deadline)
            if ready and not ready & TIMEOUT:
                outcome = channel.resume(ready)
        else:
            yield PAUSE
            outcome = channel.resume(0)
