"""The states of a session, and what leads from one to the next: one table.

Owns the table and nothing else. An event that a state does not have is refused with
what the state says about itself; the session is left as it was.

::

    NEW ──connect──> CONNECTING ──done──> READY ──start──> BUSY
    BUSY ──done──> READY
    BUSY ──rows──> RESULT ──read──> BUSY
    READY, BUSY, RESULT ──lost──> BROKEN
    CONNECTING ──lost──> CLOSED
    any ──close──> CLOSED
"""

from __future__ import annotations

from typing import Final

from .errors import Busy, InterfaceError

NEW: Final = "NEW"
CONNECTING: Final = "CONNECTING"
READY: Final = "READY"
BUSY: Final = "BUSY"
RESULT: Final = "RESULT"
BROKEN: Final = "BROKEN"
CLOSED: Final = "CLOSED"

#: States in which there is no connection any more.
GONE: Final = (BROKEN, CLOSED)

#: Begins the connection, once.
CONNECT: Final = "connect"
#: Begins an operation.
START: Final = "start"
#: Goes on in the rows that are being streamed.
READ: Final = "read"
#: An operation is over and nothing is left to read.
DONE: Final = "done"
#: An operation is over and rows are left to read.
ROWS: Final = "rows"
#: It is not known what the connection would deliver next.
LOST: Final = "lost"
CLOSE: Final = "close"

#: For each state, where each event leads.
TRANSITIONS: Final[dict[str, dict[str, str]]] = {
    NEW: {CONNECT: CONNECTING, CLOSE: CLOSED},
    CONNECTING: {DONE: READY, LOST: CLOSED, CLOSE: CLOSED},
    READY: {START: BUSY, LOST: BROKEN, CLOSE: CLOSED},
    BUSY: {DONE: READY, ROWS: RESULT, LOST: BROKEN, CLOSE: CLOSED},
    RESULT: {READ: BUSY, LOST: BROKEN, CLOSE: CLOSED},
    BROKEN: {CLOSE: CLOSED},
    CLOSED: {CLOSE: CLOSED},
}

#: What a state says to an event that it does not have.
REFUSALS: Final[dict[str, tuple[type[InterfaceError], str]]] = {
    NEW: (InterfaceError, "the session is not connected; connect() it first"),
    CONNECTING: (Busy, "the session is still being connected"),
    READY: (InterfaceError, "nothing is under way on this connection"),
    BUSY: (Busy, "another operation is going on on this connection"),
    RESULT: (
        Busy,
        "rows of a stream have not been read: read them to the end or close their "
        "cursor first",
    ),
    BROKEN: (
        InterfaceError,
        "the connection is broken, because an operation on it was ended before its "
        "reply was there or the server went away; close it and connect anew",
    ),
    CLOSED: (InterfaceError, "the connection is closed"),
}


#: What a connection says in a process to which it does not belong.
FOREIGN: Final = "the connection belongs to the parent process; connect anew"


def refusal(state: str) -> InterfaceError:
    """What a state says to an event that it does not have."""
    error, text = REFUSALS[state]
    return error(text)


def after(state: str, event: str) -> str:
    """The state to which an event leads.

    Raises:
        Busy: the state must pass first.
        InterfaceError: the event has no place in this state.
    """
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise refusal(state)
    return following
