"""Every operation of a session, interrupted at every wait, with a scripted library."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from scripted import (
    RESET,
    Ends,
    ScriptedLibrary,
    Step,
    follow,
    interrupt,
    resume,
    run,
    run_until,
)
from scripted_sessions import (
    GONE,
    NAMES,
    PAIRS,
    PIPELINES,
    POINTS,
    READS,
    REFUSED,
    SETUP,
    SQL,
    STEPS,
    begin,
    begin_at,
    check,
    everywhere,
    keeps,
    operations,
    scripted_library,
    waits_of,
    works,
)

from mariadb_nb.errors import (
    Busy,
    ConnectionLost,
    Error,
    OperationTimeout,
)
from mariadb_nb.session import PLAIN, Session
from mariadb_nb.wait import PAUSE, READ

library = pytest.fixture(scripted_library)

on_cancel = pytest.mark.parametrize("on_cancel", ["kill", "abort"])


@pytest.mark.parametrize("name", NAMES)
def test_operation_runs_to_its_end(library: ScriptedLibrary, name: str) -> None:
    session, operation = begin(library, name)
    result = run(operation)
    assert result == (None if name in (*PAIRS, *PIPELINES, "reset") else "done")
    assert works(library, session)


@pytest.mark.parametrize("count", POINTS)
@pytest.mark.parametrize("name", NAMES)
def test_operation_woken_for_nothing(
    library: ScriptedLibrary, name: str, count: int
) -> None:
    session, operation = begin(library, name)
    if count >= waits_of(name):
        return
    wait = run_until(operation, count)
    if wait != PAUSE:
        assert [operation.send(0) for _ in range(3)] == [wait] * 3
    resume(operation)
    assert works(library, session)


@on_cancel
@everywhere
@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_operation_interrupted(
    library: ScriptedLibrary,
    name: str,
    count: int,
    on_cancel: str,
    error: BaseException,
) -> None:
    session, operation = begin_at(library, name, count, on_cancel=on_cancel)
    with pytest.raises(type(error)) as raised:
        interrupt(operation, error)
    assert raised.value is error
    kept = keeps(name, on_cancel)
    assert library.kills == [session.thread_id] * kept
    assert works(library, session) == kept


@on_cancel
@everywhere
def test_operation_out_of_time(
    library: ScriptedLibrary, name: str, count: int, on_cancel: str
) -> None:
    session, operation = begin(library, name, on_cancel=on_cancel)
    wait = run_until(operation, count)
    assert wait is not None
    library.now += 10
    answer = 0 if wait == PAUSE else library.late(wait)
    with pytest.raises(OperationTimeout):
        follow(operation, lambda: operation.send(answer))
    kept = keeps(name, on_cancel)
    assert library.kills == [session.thread_id] * kept
    assert works(library, session) == kept


@on_cancel
@everywhere
def test_operation_closed(
    library: ScriptedLibrary, name: str, count: int, on_cancel: str
) -> None:
    session, operation = begin_at(library, name, count, on_cancel=on_cancel)
    operation.close()
    assert session.state == "BROKEN"
    assert library.kills == []
    assert not works(library, session)


@everywhere
def test_operation_forgotten(library: ScriptedLibrary, name: str, count: int) -> None:
    session, operation = begin_at(library, name, count)
    del operation
    gc.collect()
    assert session.state == "BROKEN"
    assert not works(library, session)


#: For what ends a session, the state that it has afterwards.
ENDS = {"close": "CLOSED", "give_up": "BROKEN"}


@everywhere
@pytest.mark.parametrize("end", ENDS)
def test_session_ended_meanwhile(
    library: ScriptedLibrary, name: str, count: int, end: str
) -> None:
    """Its descriptor stays open until nobody waits for it any more."""
    session, operation = begin_at(library, name, count)
    getattr(session, end)()
    assert session._channel.calls["shutdown"] == 1
    assert not session._channel.closed
    assert session.state == "BUSY"
    with pytest.raises(ConnectionLost):
        resume(operation)
    assert library.kills == []
    assert session.state in ENDS.values()
    check(library, session)
    assert not works(library, session)


@everywhere
@pytest.mark.parametrize("end", ENDS)
def test_operation_closed_on_a_session_that_ends(
    library: ScriptedLibrary, name: str, count: int, end: str
) -> None:
    session, operation = begin_at(library, name, count)
    getattr(session, end)()
    operation.close()
    assert session.state == ENDS[end]
    check(library, session)


@everywhere
def test_closing_goes_before_giving_up(
    library: ScriptedLibrary, name: str, count: int
) -> None:
    session, operation = begin_at(library, name, count)
    session.close()
    session.give_up()
    operation.close()
    assert session.state == "CLOSED"


@everywhere
def test_session_that_ends_and_is_interrupted(
    library: ScriptedLibrary, name: str, count: int
) -> None:
    session, operation = begin_at(library, name, count)
    session.close()
    with pytest.raises(KeyboardInterrupt):
        interrupt(operation, KeyboardInterrupt())
    assert library.kills == []
    assert session.state == "CLOSED"
    assert not works(library, session)


@everywhere
def test_session_forgotten(library: ScriptedLibrary, name: str, count: int) -> None:
    session, operation = begin_at(library, name, count)
    channel, gone = session._channel, weakref.ref(session)
    library.sessions.clear()
    del session, operation
    gc.collect()
    assert gone() is None
    assert channel.closed


@everywhere
def test_second_operation_is_refused(
    library: ScriptedLibrary, name: str, count: int
) -> None:
    session, operation = begin_at(library, name, count)
    done = dict(session._channel.calls)
    for other in operations(session).values():
        with pytest.raises(Busy):
            run(other())
    with pytest.raises(Busy):
        run(session.discard())
    assert session._channel.calls == done
    assert session.state == "BUSY"
    resume(operation)
    assert works(library, session)


@pytest.mark.parametrize("count", range(len(STEPS) + 1))
@pytest.mark.parametrize("name", ["query", "stream", *READS])
@pytest.mark.parametrize("error", [REFUSED, GONE, ValueError(), KeyboardInterrupt()])
def test_operation_that_raises(
    library: ScriptedLibrary, name: str, count: int, error: BaseException
) -> None:
    session, operation = begin(library, name)
    steps = (*STEPS[:count], Ends(error, lost=error is GONE))
    library.statements[SQL] = library.reads = steps
    with pytest.raises(type(error)) as raised:
        run(operation)
    assert raised.value is error
    assert library.kills == []
    assert works(library, session) == (error is not GONE)


@pytest.mark.parametrize("count", range(len(STEPS)))
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_command_that_fails(
    library: ScriptedLibrary, name: str, count: int, lost: bool
) -> None:
    session, _ = begin(library, name)
    steps = (*(step for step in STEPS[:count] if step), Ends(1, lost=lost))
    for pair in PAIRS:
        library.pairs[f"mysql_{pair}"] = steps
    with pytest.raises(Error, match="as the script says"):
        run(operations(session)[name]())
    assert works(library, session) != lost


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ["reset", "change_user"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), REFUSED])
def test_session_that_is_set_up_half_is_not_kept(
    library: ScriptedLibrary, name: str, count: int, error: BaseException
) -> None:
    session = library.connected(**SETUP)
    operation = operations(session)[name]()
    if error is REFUSED:
        library.statements[SETUP["setup"][count - 1]] = (READ, Ends(error))
        with pytest.raises(type(error)):
            run(operation)
    else:
        run_until(operation, count)
        with pytest.raises(KeyboardInterrupt):
            interrupt(operation, error)
    assert library.kills == []
    assert not works(library, session)


@pytest.mark.parametrize(
    ("version", "calls"), [(101100, ["reset"]), (80036, ["reset", *["pipeline"] * 2])]
)
def test_set_up_is_sent_ahead_to_those_who_answer_in_turn(
    library: ScriptedLibrary, version: int, calls: list[str]
) -> None:
    library.version = version
    session = library.connected(**SETUP)
    channel = library.channels[-1]
    channel.statements.clear()
    run(session.reset())
    assert channel.statements == [RESET, *SETUP["setup"]]
    assert [*channel.begun] == ["query", "query", *calls]
    assert works(library, session)


@pytest.mark.parametrize("version", [101100, 80036])
@pytest.mark.parametrize("count", range(3))
def test_reset_that_is_interrupted_ends_the_connection(
    library: ScriptedLibrary, version: int, count: int
) -> None:
    library.version = version
    session = library.connected(**SETUP)
    operation = session.reset()
    assert run_until(operation, count) is not None  # one wait for each answer
    with pytest.raises(KeyboardInterrupt):
        interrupt(operation, KeyboardInterrupt())
    assert library.kills == []
    assert not works(library, session)


def test_reset_that_is_refused_changes_nothing(library: ScriptedLibrary) -> None:
    session = library.connected(**SETUP)
    other = session.query(SQL, PLAIN)
    next(other)
    with pytest.raises(Busy):
        run(session.reset())
    assert session.state == "BUSY"
    resume(other)
    library.refuses = True
    with pytest.raises(Busy, match="C API"):
        run(session.reset())
    library.refuses = False
    begun = session.query(SQL, PLAIN)
    next(begun)
    with pytest.raises(KeyboardInterrupt):
        interrupt(begun, KeyboardInterrupt())
    assert library.kills == [session.thread_id]  # and so it is kept
    assert works(library, session)


# ---- streams ----


def streaming(library: ScriptedLibrary, **options: Any) -> Session:
    session = library.connected(**options)
    library.statements[SQL] = (READ, Ends("head", rows=True))
    assert run(operations(session)["stream"]()) == "head"
    assert session.state == "RESULT"
    assert session.streaming
    return session


def test_rows_of_a_stream(library: ScriptedLibrary) -> None:
    session = streaming(library)
    assert run(session.fetch(5)) == ["a row"]
    assert session.state == "RESULT"
    with pytest.raises(Busy):
        run(session.query(SQL, PLAIN))
    with pytest.raises(Busy):
        run(session.ping())
    library.reads = (READ, Ends([]))
    assert run(session.fetch(5)) == []
    assert works(library, session)


def test_error_in_a_stream_that_goes_on(library: ScriptedLibrary) -> None:
    """As of a value that cannot be decoded: the rows after it are still there."""
    session = streaming(library)
    library.reads = (Ends(ValueError("bad value"), rows=True),)
    with pytest.raises(ValueError, match="bad value"):
        run(session.fetch(5))
    assert session.state == "RESULT"
    library.reads = (READ, Ends([]))
    run(session.fetch(5))
    assert works(library, session)


def test_nothing_to_discard(library: ScriptedLibrary) -> None:
    session = library.connected()
    run(session.discard())
    assert session._channel.calls["discard"] == 0
    assert works(library, session)


def test_rest_that_has_arrived_is_not_killed(library: ScriptedLibrary) -> None:
    session = streaming(library)
    library.rest = (Ends(None),)
    run(session.discard())
    assert library.kills == []
    assert works(library, session)


@on_cancel
@pytest.mark.parametrize("rest", [(0, READ, Ends()), (READ, 0, READ, Ends())])
def test_rest_is_killed_and_not_read(
    library: ScriptedLibrary, on_cancel: str, rest: Sequence[Step]
) -> None:
    session = streaming(library, on_cancel=on_cancel)
    library.rest = rest
    run(session.discard())
    kept = on_cancel == "kill"
    assert library.kills == [1] * kept
    assert works(library, session) == kept


@pytest.mark.parametrize("where", range(8))
def test_discarding_interrupted(library: ScriptedLibrary, where: int) -> None:
    session = streaming(library)
    operation = session.discard()
    if run_until(operation, where) is None:
        assert where > 2
        assert works(library, session)
        return
    with pytest.raises(KeyboardInterrupt):
        interrupt(operation, KeyboardInterrupt())
    assert not works(library, session)


@pytest.mark.parametrize("where", range(8))
def test_discarding_closed(library: ScriptedLibrary, where: int) -> None:
    session = streaming(library)
    operation = session.discard()
    ended = run_until(operation, where) is None
    operation.close()
    assert works(library, session) == ended


def test_stream_lost_while_it_is_discarded(library: ScriptedLibrary) -> None:
    session = streaming(library)
    library.rest = (Ends(GONE, lost=True),)
    with pytest.raises(ConnectionLost):
        run(session.discard())
    assert session.state == "BROKEN"
    check(library, session)
