"""A pool's core to play with: time is a number, chance a constant, no connection."""

from __future__ import annotations

from typing import Any

from mariadb_nb.pool.core import PoolCore
from mariadb_nb.pool.decisions import (
    Connect,
    Note,
    Watch,
)
from mariadb_nb.pool.settings import Settings
from mariadb_nb.pool.slots import Slot, Waiter

REFUSED = OSError("connection refused")


class Play:
    """A core, its clock, and what it decided last."""

    def __init__(self, chance: float = 0.0, **settings: Any) -> None:
        unlimited = dict.fromkeys(("max_lifetime", "max_idle", "keepalive_interval"))
        self.core = PoolCore(
            Settings(**{**unlimited, **settings}), random=lambda: chance
        )
        self.now = 0.0
        self.notes: list[Note] = []

    def __call__(self, event: str, *arguments: Any, **more: Any) -> list[Any]:
        """Hand in an event; returns the actions without notes and watches.

        What is released may be told by the slot: it is its holder who does.
        """
        if event == "release" and isinstance(arguments[0], Slot):
            arguments = (arguments[0].holder or Waiter(), *arguments[1:])
        getattr(self.core, event)(self.now, *arguments, **more)
        actions = [*self.core.todo]
        self.core.todo.clear()
        self.notes = [action for action in actions if isinstance(action, Note)]
        return [action for action in actions if not isinstance(action, Note | Watch)]

    def at(self, now: float) -> list[Any]:
        """Let the time come, and tick."""
        self.now = now
        return self("tick")

    def open(self, count: int = 1) -> list[Slot]:
        """Have connections made that are idle then, in this order."""
        slots: list[Slot] = []
        while len(slots) < count:
            waiters = [Waiter() for _ in range(count - len(slots))]
            for waiter in waiters:
                self("acquire", waiter)
            for slot in self.core.slots:
                if slot.place == "connecting":
                    self("ready", slot)
                    slots.append(slot)
            for waiter in waiters:
                self("leave", waiter)
        return slots

    def lend(self, origin: object = None) -> tuple[Waiter, Slot]:
        """Take a connection, which is made if there is none."""
        waiter = Waiter(origin=origin)
        for action in self("acquire", waiter):
            if isinstance(action, Connect):
                self("ready", action.slot)
        assert waiter.slot is not None
        return waiter, waiter.slot

    def closed(self) -> dict[str, int]:
        return dict(self.core.stats().closed)


def only(actions: list[Any], kind: type[Any]) -> Any:
    """The one action there is, which is of this kind."""
    (action,) = actions
    assert isinstance(action, kind)
    return action
