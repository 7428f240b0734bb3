"""How the runners that are called, not awaited, run an operation.

Owns what happens at an interruption. Does not know how to wait: that is what the
runners add.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NoReturn, Self, TypeVar

from ..wait import Operation, Wait
from ._common import ended

_T = TypeVar("_T")


class Blocking(ABC):
    """Runs operations; a runner says how one waits."""

    __slots__ = ()

    @abstractmethod
    def _ready(self, wait: Wait) -> int:
        """Wait for what ``wait`` asks for and return the mask."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what is registered."""

    def hand_over(self) -> Self:
        """Make a runner for what this one kept, which this one forgets."""
        self.forget()
        return type(self)()

    def run(self, operation: Operation[_T]) -> _T:
        """Run ``operation`` to its end and return what it returns.

        Any exception that arrives while it waits (KeyboardInterrupt, or what another
        signal handler raises) is thrown into the operation, which then cleans up. A
        second one ends it at once.

        Raises:
            BaseException: what the operation raises, or the interruption.
        """
        ready, send = self._ready, operation.send
        try:
            wait = next(operation)
            while True:
                wait = send(ready(wait))
        except StopIteration as stop:
            value: _T = stop.value
            return value
        except BaseException as error:
            if ended(operation):
                raise
            self._clean_up(operation, error)

    def _clean_up(
        self, operation: Operation[_T], interruption: BaseException
    ) -> NoReturn:
        try:
            wait = operation.throw(interruption)
            while True:
                wait = operation.send(self._ready(wait))
        except StopIteration:
            pass
        except BaseException as failure:
            # Does nothing unless the clean-up itself was interrupted.
            operation.close()
            if isinstance(interruption, Exception) or not isinstance(
                failure, Exception
            ):
                raise
            # Its context is what went wrong, which is just what happened.
            raise interruption  # noqa: B904
        raise interruption
