"""How a session saves its connection from an interrupted statement: kill and drain.

With a scripted library: the order of things, and what goes wrong on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from scripted import (
    CONNECT,
    Answer,
    Ends,
    ScriptedLibrary,
    Step,
    interrupt,
    ready,
    resume,
    run,
)
from scripted_sessions import (
    GONE,
    REFUSED,
    SETUP,
    SQL,
    check,
    operations,
    scripted_library,
    works,
)

from mariadb_nb.errors import (
    Busy,
    Error,
)
from mariadb_nb.session import PLAIN, Session
from mariadb_nb.wait import PAUSE, READ, TIMEOUT, Wait

library = pytest.fixture(scripted_library)


def interrupted(session: Session, answer: Answer = ready) -> KeyboardInterrupt:
    """Interrupt a query, run on as ``answer`` has it, and return what it raised."""
    operation = session.query(SQL, PLAIN)
    next(operation)
    with pytest.raises(KeyboardInterrupt) as raised:
        interrupt(operation, KeyboardInterrupt(), answer)
    return raised.value


@pytest.mark.parametrize("deaf", range(4))
def test_kill_that_comes_too_early_is_repeated(
    library: ScriptedLibrary, deaf: int
) -> None:
    session = library.connected()
    library.statements[SQL] = (READ,) * 400
    library.deaf = deaf

    def answer(wait: Wait) -> int:
        # The statement says nothing as long as it is not killed.
        mine = wait.fd == session.fd and len(library.kills) <= deaf
        return library.late(wait) if mine else ready(wait)

    assert not hasattr(interrupted(session, answer), "__notes__")
    assert library.kills == [1] * (deaf + 1)
    assert works(library, session)


def test_every_kill_has_been_answered_before_the_next_statement(
    library: ScriptedLibrary,
) -> None:
    """Or it would hit that one: the reply may come while a kill is on its way."""
    session = library.connected()
    waits: list[int] = []

    def answer(wait: Wait) -> int:
        waits.append(wait.fd)
        return ready(wait)

    interrupted(session, answer)
    side = library.channels[1]
    assert side.statements[-1] == b"KILL QUERY 1"
    assert side.closed
    last_of_side = max(i for i, fd in enumerate(waits) if fd == 100 + side.thread_id)
    first_of_drain = min(i for i, fd in enumerate(waits) if fd == session.fd)
    assert last_of_side < first_of_drain


@pytest.mark.parametrize(
    ("reason", "steps"),
    [
        ("as the script says", (READ, Ends(1))),
        ("cancel_timeout of 1.0 s passed: connecting took too long", (READ,) * 500),
    ],
)
def test_side_connection_that_is_not_to_be_had(
    library: ScriptedLibrary, reason: str, steps: Sequence[Step]
) -> None:
    session = library.connected()
    library.pairs[CONNECT] = steps
    raised = interrupted(
        session, lambda wait: TIMEOUT if len(steps) > 2 else ready(wait)
    )
    assert session.state == "BROKEN"
    (note,) = raised.__notes__
    assert reason in note
    assert not works(library, session)


@pytest.mark.parametrize("error", [REFUSED, GONE])
def test_kill_that_is_refused(library: ScriptedLibrary, error: Error) -> None:
    session = library.connected()
    library.statements[b"KILL QUERY 1"] = (READ, Ends(error, lost=error is GONE))
    library.deaf = 1
    assert error.message in interrupted(session).__notes__[0]
    assert not works(library, session)


def test_kill_that_is_never_answered(library: ScriptedLibrary) -> None:
    session = library.connected()
    library.statements[b"KILL QUERY 1"] = (READ,) * 500
    raised = interrupted(
        session, lambda wait: library.late(wait) if library.kills else READ
    )
    assert raised.__notes__
    assert not works(library, session)


def test_statement_that_no_kill_ends(library: ScriptedLibrary) -> None:
    session = library.connected(cancel_timeout=3.0)
    library.statements[SQL] = (READ,) * 500
    library.deaf = 1000

    def answer(wait: Wait) -> int:
        return library.late(wait) if wait.fd == session.fd else ready(wait)

    assert "did not end" in interrupted(session, answer).__notes__[0]
    assert len(library.kills) > 20
    # Nobody waits for it any more, and it must not run for ever.
    assert library.channels[1].statements[-1] == b"KILL 1"
    assert not works(library, session)


def test_every_wait_of_the_rescue_has_a_deadline(library: ScriptedLibrary) -> None:
    session = library.connected(connect_timeout=None, **SETUP)
    library.after_kill = (0, READ, READ, Ends())
    waits: list[Wait] = []

    def note(wait: Wait) -> int:
        waits.append(wait)
        return ready(wait)

    interrupted(session, note)
    assert works(library, session)
    assert all(wait.deadline is not None for wait in waits if wait != PAUSE)


def test_connection_lost_while_it_is_drained(library: ScriptedLibrary) -> None:
    session = library.connected()
    library.after_kill = (READ, Ends(GONE, lost=True))
    assert "gone" in interrupted(session).__notes__[0]
    assert not works(library, session)


def test_reply_that_arrives_meanwhile_is_thrown_away(library: ScriptedLibrary) -> None:
    session = library.connected()
    library.deaf = 1
    library.statements[SQL] = (READ, READ, Ends(["not wanted"]))
    interrupted(session)
    assert works(library, session)


def interrupted_ahead(session: Session) -> KeyboardInterrupt:
    """Interrupt what was sent ahead, and return what it raised."""
    operation = session.pipeline(lambda: [SQL, b"DELETE"], PLAIN, [])
    next(operation)
    with pytest.raises(KeyboardInterrupt) as raised:
        interrupt(operation, KeyboardInterrupt())
    return raised.value


def test_what_was_sent_ahead_ends_with_its_connection(library: ScriptedLibrary) -> None:
    """KILL QUERY would end one statement, and the server would go on to the next."""
    session = library.connected()
    raised = interrupted_ahead(session)
    side = library.channels[1]
    assert side.statements[-1] == b"KILL 1"
    assert side.closed
    assert library.kills == []
    assert "more statements had been sent" in raised.__notes__[0]
    assert session.state == "BROKEN"
    assert not works(library, session)


def test_kill_of_what_was_sent_ahead_that_is_refused(library: ScriptedLibrary) -> None:
    session = library.connected()
    library.statements[b"KILL 1"] = (READ, Ends(REFUSED))
    assert REFUSED.message in interrupted_ahead(session).__notes__[0]
    assert not works(library, session)


RESCUE_WAITS = 4


def rescue(library: ScriptedLibrary, count: int) -> tuple[Session, Any]:
    """A session that is being rescued, at one of the waits of that."""
    session = library.connected()
    operation = session.query(SQL, PLAIN)
    next(operation)
    operation.throw(TimeoutError("first"))
    for _ in range(count):
        operation.send(READ)
    return session, operation


def test_how_often_a_rescue_waits(library: ScriptedLibrary) -> None:
    _, operation = rescue(library, RESCUE_WAITS - 1)
    with pytest.raises(TimeoutError):
        operation.send(READ)


@pytest.mark.parametrize("count", range(RESCUE_WAITS))
def test_rescue_interrupted(library: ScriptedLibrary, count: int) -> None:
    session, operation = rescue(library, count)
    with pytest.raises(KeyboardInterrupt) as raised:
        operation.throw(KeyboardInterrupt())
    assert str(raised.value.__context__) == "first"
    assert session.state == "BROKEN"
    assert not works(library, session)


@pytest.mark.parametrize("count", range(RESCUE_WAITS))
def test_rescue_closed(library: ScriptedLibrary, count: int) -> None:
    session, operation = rescue(library, count)
    operation.close()
    assert session.state == "BROKEN"
    assert not works(library, session)


@pytest.mark.parametrize("count", range(RESCUE_WAITS))
def test_session_closed_while_it_is_rescued(
    library: ScriptedLibrary, count: int
) -> None:
    session, operation = rescue(library, count)
    session.close()
    operation.close()
    assert session.state == "CLOSED"
    check(library, session)


@pytest.mark.parametrize("count", range(RESCUE_WAITS))
def test_others_are_refused_during_a_rescue(
    library: ScriptedLibrary, count: int
) -> None:
    session, operation = rescue(library, count)
    for other in operations(session).values():
        with pytest.raises(Busy):
            run(other())
    with pytest.raises(TimeoutError):
        resume(operation)
    assert works(library, session)
