"""A session with a scripted library: how it connects, what it refuses, how it ends.

What the real library and a real server do is in test_channel.py and
test_cancellation.py; here is what no server can be made to do at will.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pytest
from scripted import (
    ANSWERED,
    CONNECT,
    Ends,
    ScriptedLibrary,
    Step,
    interrupt,
    ready,
    resume,
    run,
    run_until,
)
from scripted_sessions import (
    NAMES,
    SETUP,
    SQL,
    begin,
    check,
    operations,
    scripted_library,
    works,
)

from mariadb_nb.errors import (
    Busy,
    ConnectionLost,
    Error,
    InterfaceError,
    OperationTimeout,
)
from mariadb_nb.session import PLAIN, Session
from mariadb_nb.wait import PAUSE, READ, WRITE, Wait

library = pytest.fixture(scripted_library)


def test_life_of_a_session(library: ScriptedLibrary) -> None:
    session = library.session()
    assert (session.state, session.fd, session.thread_id) == ("NEW", -1, 0)
    assert not session.streaming
    assert not session.more_results
    assert session.database is None
    operation = session.connect()
    assert session.state == "NEW"
    next(operation)
    assert session.state == "CONNECTING"
    resume(operation)
    assert (session.state, session.fd, session.thread_id) == ("READY", 101, 1)
    assert session.server_info == "10.11.0-Scripted"
    assert run(operations(session)["query"]()) == ["a reply"]
    session.close()
    assert session.state == "CLOSED"
    check(library, session)
    session.close()
    assert session.state == "CLOSED"


def test_a_session_is_connected_once(library: ScriptedLibrary) -> None:
    session = library.session()
    connecting = session.connect()
    next(connecting)
    with pytest.raises(Busy):
        next(session.connect())
    resume(connecting)
    with pytest.raises(InterfaceError):
        next(session.connect())
    assert works(library, session)
    session.close()
    with pytest.raises(InterfaceError):
        next(session.connect())


@pytest.mark.parametrize("connected", [False, True])
def test_what_needs_a_connection_is_refused(
    library: ScriptedLibrary, connected: bool
) -> None:
    session = library.session()
    if connected:
        run(session.connect())
        session.close()
    for operation in operations(session).values():
        with pytest.raises(InterfaceError):
            run(operation())
    run(session.discard())
    check(library, session)


LONG_CONNECT: Sequence[Step] = (WRITE, READ, READ, Ends(0))


def connecting(library: ScriptedLibrary, count: int) -> tuple[Session, Any]:
    """A session whose connect is at a wait, or None if it has no such wait."""
    library.pairs[CONNECT] = LONG_CONNECT
    session = library.session(**SETUP)
    operation = session.connect()
    found = run_until(operation, count)
    return session, None if found is None else operation


#: Waits of a connect, and how many of them come before there is a connection.
CONNECT_WAITS, LOGIN_WAITS = 5, 3


def test_how_often_a_connect_waits(library: ScriptedLibrary) -> None:
    assert connecting(library, CONNECT_WAITS - 1)[1] is not None
    assert connecting(library, CONNECT_WAITS)[1] is None


@pytest.mark.parametrize("count", range(CONNECT_WAITS))
@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_connect_interrupted(
    library: ScriptedLibrary, count: int, error: BaseException
) -> None:
    session, operation = connecting(library, count)
    with pytest.raises(type(error)):
        interrupt(operation, error)
    assert session.state == "CLOSED"
    check(library, session)


@pytest.mark.parametrize("count", range(CONNECT_WAITS))
def test_connect_out_of_time_ends_without_more_waiting(
    library: ScriptedLibrary, count: int
) -> None:
    """There is nothing to be saved: no other connection is made to kill anything."""
    library.pairs[CONNECT] = LONG_CONNECT
    session = library.session(**SETUP)
    operation = session.connect()
    wait = run_until(operation, count)
    assert wait is not None
    with pytest.raises(
        OperationTimeout, match=r"connect_timeout of 1.0 s passed \(connecting to no"
    ):
        operation.send(library.late(wait))
    assert session.state == "CLOSED"
    assert library.kills == []
    check(library, session)


@pytest.mark.parametrize("count", range(CONNECT_WAITS))
def test_connect_closed_or_forgotten(library: ScriptedLibrary, count: int) -> None:
    session, operation = connecting(library, count)
    operation.close()
    assert session.state == "CLOSED"
    check(library, session)
    session, operation = connecting(library, count)
    del operation
    gc.collect()
    assert session.state == "CLOSED"
    check(library, session)


@pytest.mark.parametrize("count", range(CONNECT_WAITS))
@pytest.mark.parametrize("end", ["close", "give_up"])
def test_session_closed_while_it_connects(
    library: ScriptedLibrary, count: int, end: str
) -> None:
    """Until somebody runs on, the handle may be in the hands of a thread."""
    session, operation = connecting(library, count)
    getattr(session, end)()
    operation.close()
    assert session.state == "CLOSED"
    check(library, session)
    session, operation = connecting(library, count)
    getattr(session, end)()
    with pytest.raises((InterfaceError, ConnectionLost)):
        resume(operation)
    assert session.state == "CLOSED"
    check(library, session)


@pytest.mark.parametrize("count", range(CONNECT_WAITS))
def test_connect_woken_for_nothing(library: ScriptedLibrary, count: int) -> None:
    session, operation = connecting(library, count)
    first = operation.send(0)
    assert operation.send(0) == first
    resume(operation)
    assert works(library, session)


def test_connect_that_is_refused(library: ScriptedLibrary) -> None:
    library.pairs[CONNECT] = (READ, Ends(1))
    session = library.session()
    with pytest.raises(Error, match="as the script says"):
        run(session.connect())
    assert session.state == "CLOSED"
    check(library, session)


@pytest.mark.parametrize("lost", [False, True])
def test_settings_that_are_refused(library: ScriptedLibrary, lost: bool) -> None:
    error = Error("no such setting", 1193, "HY000")
    library.statements[b"SET b"] = (READ, Ends(error, lost=lost))
    session = library.session(**SETUP)
    with pytest.raises(Error, match="no such setting"):
        run(session.connect())
    assert session.state == "CLOSED"
    check(library, session)


@pytest.mark.parametrize("what", ["apply", "connect_arguments"])
def test_options_that_raise(library: ScriptedLibrary, what: str) -> None:
    session = library.session()

    def refuse(*_: object) -> None:
        raise ValueError("no password")

    setattr(session.options, what, refuse)
    with pytest.raises(ValueError, match="no password"):
        run(session.connect())
    assert session.state == "CLOSED"
    check(library, session)


def test_connecting_has_one_deadline(library: ScriptedLibrary) -> None:
    library.pairs[CONNECT] = LONG_CONNECT
    session = library.session(**SETUP)
    deadlines = set()

    def note(wait: Wait) -> int:
        deadlines.add(wait.deadline)
        return ready(wait)

    run(session.connect(), note)
    assert len(deadlines) == 1
    assert None not in deadlines


# ---- the rest ----


def test_error_at_the_start_of_a_call(library: ScriptedLibrary) -> None:
    """As when the channel refuses, because somebody else uses the handle."""
    session = library.connected()
    library.statements[SQL] = (Ends(Busy("a call of the C API waits")),)
    with pytest.raises(Busy):
        run(session.query(SQL, PLAIN))
    library.statements[SQL] = ANSWERED
    assert works(library, session)


def test_waits_are_on_the_socket(library: ScriptedLibrary) -> None:
    session = library.connected()
    library.statements[SQL] = (READ, WRITE, READ, 0, Ends([]))
    waits: list[Wait] = []

    def note(wait: Wait) -> int:
        waits.append(wait)
        return ready(wait)

    run(session.query(SQL, PLAIN), note)
    read = Wait(session.fd, READ)
    write = Wait(session.fd, WRITE, library.now + 0.5)  # to look whether it ever will
    assert waits == [read, write, read, PAUSE]
    session.close()


@pytest.mark.parametrize("error", [GeneratorExit(), KeyboardInterrupt()])
def test_error_while_an_operation_has_not_begun(
    library: ScriptedLibrary, error: BaseException
) -> None:
    session = library.connected()
    for operation in operations(session).values():
        made = operation()
        with pytest.raises(type(error)):
            made.throw(error)
    assert works(library, session)


def test_session_that_was_not_closed(library: ScriptedLibrary) -> None:
    session = library.connected()
    channel = session._channel
    library.sessions.clear()
    forgotten = [session]
    del session
    with pytest.warns(ResourceWarning, match="nowhere READY id=1> was not closed"):
        forgotten.clear()
    assert channel.closed


@pytest.mark.parametrize("streaming", [False, True])
def test_connection_that_is_handed_over(
    library: ScriptedLibrary, streaming: bool
) -> None:
    old = library.connected()
    if streaming:
        library.statements[SQL] = (READ, Ends(["a reply"], rows=True))
        run(old.query(SQL, PLAIN, stream=True))
    begun = old.query(SQL, PLAIN)
    heir = old.hand_over()
    library.sessions.append(heir)
    assert (old.state, old.fd) == ("CLOSED", -1)
    assert heir.state == ("RESULT" if streaming else "READY")
    assert (heir.fd, heir.thread_id, heir.server_version) == (101, 1, (10, 11, 0))
    run(heir.discard())
    library.statements[SQL] = ANSWERED
    for make in (lambda: begun, *operations(old).values()):
        with pytest.raises(InterfaceError):
            run(make())
    with pytest.raises(InterfaceError):
        old.hand_over()
    old.close()
    assert works(library, heir)


@pytest.mark.parametrize("name", NAMES)
def test_session_is_as_new_until_something_is_done_with_it(
    library: ScriptedLibrary, name: str
) -> None:
    assert library.connected().as_new
    session, operation = begin(library, name)
    run(operation)
    if session.state == "RESULT":
        run(session.discard())
    assert session.as_new == (name in ("reset", "change_user"))
    heir = session.hand_over()
    library.sessions.append(heir)
    assert heir.as_new == session.as_new


def test_session_that_is_left_as_the_server_made_it_is_not_as_new(
    library: ScriptedLibrary,
) -> None:
    bare = library.session()
    bare._bare = True
    run(bare.connect())
    assert not bare.as_new


def test_connection_is_not_handed_over_in_an_operation(
    library: ScriptedLibrary,
) -> None:
    session = library.connected()
    operation = session.query(SQL, PLAIN)
    next(operation)
    with pytest.raises(Busy):
        session.hand_over()
    resume(operation)
    assert works(library, session)
