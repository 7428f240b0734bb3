"""The table of a session's states: every state with every event."""

from __future__ import annotations

import re

import pytest

from mariadb_nb import state
from mariadb_nb.errors import Busy, InterfaceError

STATES = tuple(state.TRANSITIONS)
EVENTS = (
    state.CONNECT,
    state.START,
    state.READ,
    state.DONE,
    state.ROWS,
    state.LOST,
    state.CLOSE,
)

#: What leads where; what is not here is refused.
LEGAL = {
    ("NEW", "connect"): "CONNECTING",
    ("CONNECTING", "done"): "READY",
    ("CONNECTING", "lost"): "CLOSED",
    ("READY", "start"): "BUSY",
    ("READY", "lost"): "BROKEN",
    ("BUSY", "done"): "READY",
    ("BUSY", "rows"): "RESULT",
    ("BUSY", "lost"): "BROKEN",
    ("RESULT", "read"): "BUSY",
    ("RESULT", "lost"): "BROKEN",
    **{(name, "close"): "CLOSED" for name in STATES},
}

#: States that pass by themselves or by reading on: others have their turn later.
PASSING = ("CONNECTING", "BUSY", "RESULT")

ARROW = re.compile(r" ──(\w+)──> ")


def drawn() -> dict[tuple[str, str], str]:
    """The transitions of the diagram in the module's docstring."""
    transitions: dict[tuple[str, str], str] = {}
    for line in (state.__doc__ or "").splitlines():
        first, *rest = ARROW.split(line.strip())
        sources = first.split(", ")
        for event, target in zip(rest[::2], rest[1::2], strict=True):
            for source in STATES if sources == ["any"] else sources:
                assert transitions.setdefault((source, event), target) == target
            sources = [target]
    return transitions


def test_states_and_events_are_those_of_the_design() -> None:
    assert set(STATES) == {
        *("NEW", "CONNECTING", "READY", "BUSY", "RESULT", "BROKEN", "CLOSED")
    }
    used = {event for events in state.TRANSITIONS.values() for event in events}
    assert used == set(EVENTS)
    assert set(state.REFUSALS) == set(STATES)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", STATES)
def test_every_event_in_every_state(name: str, event: str) -> None:
    before = {key: dict(events) for key, events in state.TRANSITIONS.items()}
    target = LEGAL.get((name, event))
    if target is not None:
        assert state.after(name, event) == target
    else:
        with pytest.raises(InterfaceError) as raised:
            state.after(name, event)
        assert (type(raised.value) is Busy) == (name in PASSING)
        assert raised.value.message == state.REFUSALS[name][1]
    assert before == state.TRANSITIONS


def test_the_diagram_shows_the_table() -> None:
    assert drawn() == LEGAL


@pytest.mark.parametrize("name", STATES)
def test_every_state_can_be_left_for_good(name: str) -> None:
    assert state.after(name, state.CLOSE) == state.CLOSED


def test_nothing_brings_a_connection_back() -> None:
    for name in state.GONE:
        targets = set(state.TRANSITIONS[name].values())
        assert targets <= set(state.GONE)


def test_every_state_is_reached() -> None:
    reached = {state.NEW}
    while True:
        more = {to for name in reached for to in state.TRANSITIONS[name].values()}
        if more <= reached:
            break
        reached |= more
    assert reached == set(STATES)
