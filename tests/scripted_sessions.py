"""Sessions with a scripted library: their operations, and what must hold of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripted import RESET, Ends, ScriptedLibrary, Step, outcome_of, run, run_until

from mariadb_nb import state
from mariadb_nb.errors import Busy, ConnectionLost, InterfaceError, ProgrammingError
from mariadb_nb.session import PLAIN, Session
from mariadb_nb.wait import READ, WRITE, Operation

SQL = b"SELECT 1"
REFUSED = ProgrammingError("no such table", 1146, "42S02")
GONE = ConnectionLost("gone", 2013, "HY000")
SETUP: dict[str, Any] = {"setup": [b"SET a", b"SET b"]}


def scripted_library() -> Iterator[ScriptedLibrary]:
    """A library in the real one's place, which notes what must not be done."""
    with ScriptedLibrary().in_place() as made:
        yield made
        assert made.suspended == set()


def check(library: ScriptedLibrary, session: Session) -> None:
    """What the state says is so; and nothing else is open."""
    channel = session._channel
    mine = {channel.address} if channel is not None else set()
    assert library.open - mine == set(), "a side connection was left open"
    if session.state in state.GONE:
        assert library.open == set()
        assert session.fd == -1
        return
    assert library.open == mine
    if session.state == state.NEW:
        return
    assert not channel.broken
    assert not channel.closed
    assert (session.state == state.BUSY) == channel.midway
    assert (session.state == state.RESULT) == (channel.busy and not channel.midway)


def works(library: ScriptedLibrary, session: Session) -> bool:
    """Whether it is READY and a query is answered; else it is gone and says so."""
    check(library, session)
    library.statements[b"SELECT secret"] = (READ, 0, Ends(["secret"]))
    query = outcome_of(lambda: run(session.query(b"SELECT secret", PLAIN)))
    if session.state in state.GONE:
        assert isinstance(query, InterfaceError)
        assert not isinstance(query, Busy)
        return False
    assert query == ["secret"]
    assert session.state == state.READY
    return True


# ---- operations ----

STEPS: tuple[Step, ...] = (WRITE, READ, 0, 0, READ)
POINTS = range(len(STEPS))


def operations(
    session: Session, deadline: float | None = None
) -> dict[str, Callable[[], Operation[Any]]]:
    """All that can be done on a session that is connected."""
    stream: Any = {"stream": True, "deadline": deadline}
    return {
        "query": lambda: session.query(SQL, PLAIN, deadline=deadline),
        "stream": lambda: session.query(SQL, PLAIN, **stream),
        "pipeline": lambda: session.pipeline(lambda: [SQL], PLAIN, [], deadline),
        "ahead": lambda: session.pipeline(lambda: [SQL, SQL], PLAIN, [], deadline),
        "fetch": lambda: session.fetch(10, deadline),
        "next_result": lambda: session.next_result(deadline),
        "ping": lambda: session.ping(deadline),
        "reset": lambda: session.reset(deadline),
        "change_user": lambda: session.change_user(session.options, deadline),
    }


READS = ("fetch", "next_result")
PAIRS = ("ping", "change_user")
PIPELINES = ("pipeline", "ahead")
NAMES = ("query", "stream", *PIPELINES, *READS, *PAIRS, "reset")


def begin(library: ScriptedLibrary, name: str, **options: Any) -> tuple[Session, Any]:
    """A session that is ready for the operation, and the operation."""
    session = library.connected(**options)
    if name in READS:
        library.statements[SQL] = (READ, Ends("head", rows=True))
        run(session.query(SQL, PLAIN, stream=True))
        assert session.state == "RESULT"
    library.statements[SQL] = library.reads = (*STEPS, Ends("done"))
    library.statements[RESET] = (*STEPS, Ends(["done"]))
    for pair in PAIRS:
        library.pairs[f"mysql_{pair}"] = (*(s for s in STEPS if s), Ends(0))
    return session, operations(session, library.now + 10)[name]()


def begin_at(
    library: ScriptedLibrary, name: str, count: int, **options: Any
) -> tuple[Session, Any]:
    session, operation = begin(library, name, **options)
    assert run_until(operation, count) is not None, "it has no such wait"
    return session, operation


def keeps(name: str, on_cancel: str) -> bool:
    """Whether the connection is kept.

    What was sent by a pair cannot be killed, and of what was sent ahead nothing else
    would be left undone. A session that is set up by half is of no use.
    """
    return name not in (*PAIRS, "reset", "ahead") and on_cancel == "kill"


def waits_of(name: str) -> int:
    return len([step for step in STEPS if step or name not in PAIRS])


EVERYWHERE = [(name, count) for name in NAMES for count in range(waits_of(name))]
everywhere = pytest.mark.parametrize(("name", "count"), EVERYWHERE)
