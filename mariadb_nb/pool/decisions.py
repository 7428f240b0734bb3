"""What a pool decides: the actions for its world to carry out.

Owns what can be asked of a world, and why connections are closed. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .slots import Slot, Waiter

#: Why a connection was closed.
Why: TypeAlias = Literal[
    "lost",  # the server or somebody between ended it, while idle or just before a loan
    "silent",  # it did not answer a ping in time
    "reset",  # it could not be reset
    "broken",  # it came back broken or closed
    "refused",  # a hook of the user's did not want it
    "lifetime",  # max_lifetime
    "idle",  # max_idle
    "surplus",  # the pool was made smaller
    "drained",
    "closed",  # with the pool
]


@dataclass(frozen=True, slots=True)
class Connect:
    """Make the slot's connection; then ``ready`` or ``connect_failed``."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Check:
    """Ping the slot's connection; then ``ready`` or ``failed``."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Reset:
    """Make the slot's connection as new; then ``ready`` or ``failed``."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Watch:
    """Tell by ``readable`` if there is anything to read from the slot's connection.

    Nobody uses it now; this ends with the next action that has to do with the slot.
    """

    slot: Slot


@dataclass(frozen=True, slots=True)
class Close:
    """Close the slot's connection at once, whatever it is doing."""

    slot: Slot
    why: Why


@dataclass(frozen=True, slots=True)
class Grant:
    """Tell a waiter that the slot is lent to it."""

    waiter: Waiter
    slot: Slot


@dataclass(frozen=True, slots=True)
class Done:
    """Tell a waiter that what it waited for has come about."""

    waiter: Waiter


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise an error where a waiter waits."""

    waiter: Waiter
    error: Exception


@dataclass(frozen=True, slots=True)
class Note:
    """Let those who watch the pool know.

    Attributes:
        event: what happened.
        slot: to which connection; None if to none.
        why: why it was closed.
        error: why it could not be made.
        seconds: "closed": its age; "outage": until the next connect; "held": for how
            long it has been lent.
        origin: of whoever has it, for "held" and where "closed" takes it away.
    """

    event: Literal["opened", "closed", "outage", "recovered", "held"]
    slot: Slot | None = None
    why: Why | None = None
    error: Exception | None = None
    seconds: float = 0.0
    origin: object = None


Action: TypeAlias = Connect | Check | Reset | Watch | Close | Grant | Done | Fail | Note
