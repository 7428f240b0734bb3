"""Signal handlers and finalizers in the middle of everything.

A trace function takes their place: it does its deed before the n-th bytecode that a
session executes, for every n. Whatever that is, the connection either works afterwards,
or it is ended and says so; and an operation that was not meant is not disturbed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import opcodes
import pytest
from opcodes import everywhere
from scripted import Ends, ScriptedLibrary, outcome_of, run, run_until
from scripted_sessions import REFUSED, SQL, check, operations, scripted_library, works

from mariadb_nb import operations as driving
from mariadb_nb import rescue, session, turns
from mariadb_nb.errors import Busy, Error, InterfaceError
from mariadb_nb.session import PLAIN, Session
from mariadb_nb.wait import READ

library = pytest.fixture(scripted_library)
run_with = partial(
    opcodes.run_with, {module.__file__ for module in (driving, rescue, session, turns)}
)


@pytest.mark.parametrize("ends", [Ends(["a reply"]), Ends(REFUSED)], ids=["ok", "no"])
def test_another_statement_in_the_middle_of_one(
    library: ScriptedLibrary, ends: Ends
) -> None:
    """It is refused, or it is between two operations and right."""
    library.statements[SQL] = (READ, ends)
    library.statements[b"another"] = (READ, Ends(["another reply"]))
    made = library.connected()
    refused = 0

    def deed() -> None:
        nonlocal refused
        try:
            assert run(made.query(b"another", PLAIN)) == ["another reply"]
        except Busy:
            refused += 1

    def try_at(at: int) -> bool:
        outcome: list[object] = []
        done = run_with(
            deed,
            at,
            lambda: outcome.append(outcome_of(lambda: run(made.query(SQL, PLAIN)))),
        )
        assert outcome == [ends.value]
        check(library, made)
        assert made.state == "READY"
        return done

    everywhere(try_at, 40)
    assert refused > 10


def closes(made: Session) -> None:
    made.close()


def gives_up(made: Session) -> None:
    made.give_up()


@pytest.mark.parametrize("deed", [closes, gives_up])
@pytest.mark.parametrize("name", ["query", "stream", "ping", "reset"])
def test_the_end_in_the_middle_of_an_operation(
    library: ScriptedLibrary, name: str, deed: Callable[[Session], None]
) -> None:
    """The operation ends well or with an error, and then the connection is gone."""

    def try_at(at: int) -> bool:
        made = library.connected()
        operation = operations(made)[name]()
        done = run_with(
            lambda: deed(made), at, lambda: outcome_of(lambda: run(operation))
        )
        if done:
            assert made.state in ("CLOSED", "BROKEN")
            assert made._channel.closed
        check(library, made)
        assert works(library, made) == (not done)
        made.close()
        return done

    everywhere(try_at, 15)


@pytest.mark.parametrize("name", ["query", "slow", "stream", "ping", "refused"])
def test_ctrl_c_in_the_middle_of_an_operation(
    library: ScriptedLibrary, name: str
) -> None:
    """The connection is in order: it works, or it is gone. Nobody has its turn."""
    if name == "refused":
        name, library.statements[SQL] = "query", (READ, Ends(REFUSED))
    if name == "slow":  # it goes on in Python
        name, library.statements[SQL] = "query", (READ, 0, READ, Ends(["a reply"]))

    def try_at(at: int) -> bool:
        made = library.connected()
        operation = operations(made)[name]()
        try:
            done = run_with(
                opcodes.press_ctrl_c,
                at,
                lambda: outcome_of(lambda: run(operation)),
                signals=True,
            )
        except KeyboardInterrupt:
            done = True
        else:
            assert not done, "it was lost"
        assert made._turn == {}
        check(library, made)
        if made.state == "RESULT":
            run(made.discard())
        assert works(library, made) or made.state == "BROKEN"
        made.close()
        return done

    everywhere(try_at, 1)


@pytest.mark.parametrize("steps", [(READ, READ), (READ, 0)], ids=["in C", "in Python"])
def test_ctrl_c_where_an_operation_is_closed(
    library: ScriptedLibrary, steps: tuple[int, ...]
) -> None:
    library.statements[SQL] = (*steps, Ends(["a reply"]))

    def try_at(at: int) -> bool:
        made = library.connected()
        operation = made.query(SQL, PLAIN)
        assert run_until(operation, 1) is not None
        try:
            done = run_with(opcodes.press_ctrl_c, at, operation.close, signals=True)
        except KeyboardInterrupt:
            done = True
        else:
            assert not done, "it was lost"
        assert made._turn == {}
        assert made.state == "BROKEN"
        check(library, made)
        made.close()
        return done

    everywhere(try_at, 1)


def test_a_finalizer_that_uses_its_connection(library: ScriptedLibrary) -> None:
    """What is let go when a connection ends may want to use it once more."""
    made = library.connected()
    refused: list[Error] = []

    def finalize() -> None:
        for use in (made.ping, made.reset):
            with pytest.raises(InterfaceError) as raised:
                run(use())
            refused.append(raised.value)
        made.close()

    made.on_close = finalize
    made.close()
    assert len(refused) == 2
    assert made.state == "CLOSED"
    check(library, made)
