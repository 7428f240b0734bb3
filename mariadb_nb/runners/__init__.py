"""Those who wait: each module here runs operations in one world.

Owns the choice among them. A ``Runner`` belongs to one connection, is cheap, and knows
nothing but ``Wait`` (``mariadb_nb.wait`` has the contract):

- ``run(operation)`` runs an operation to its end. Under asyncio and trio it is awaited.
- ``keep(fd)`` says that ``fd`` is the connection's own descriptor, which stays open
  until ``forget`` or until an operation fails: it may stay registered between waits.
- ``watch(on_readable)``, under asyncio and trio, has ``on_readable`` called once when
  that descriptor is readable although no operation is under way; None ends it.
- ``forget()`` drops what is registered; it is called before the descriptor is closed.
- ``hand_over()`` makes another runner for the descriptor, which this one forgets.

What all of them do when the one who waits is interrupted: the exception is thrown into
the operation, which puts its connection in order, and then comes out of ``run``. If
that goes wrong, an interruption that is no ``Exception`` (KeyboardInterrupt, a
cancellation, a kill) still comes out, with what went wrong as its context.

``SelectorRunner`` in ``mariadb_nb.runners.selector`` is another kind: it runs many
operations on one ``selectors`` loop.

No event loop is imported before somebody asks for its runner.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Protocol, Self, TypeVar

from ..wait import Operation

__all__ = [
    "AsyncRun",
    "AsyncRunner",
    "BlockingRunner",
    "Run",
    "current_async",
    "default",
]

_T = TypeVar("_T")


class Run(Protocol):
    """How an operation is run where one blocks."""

    def __call__(self, operation: Operation[_T], /) -> _T: ...


class AsyncRun(Protocol):
    """How an operation is run where one awaits."""

    async def __call__(self, operation: Operation[_T], /) -> _T: ...


class BlockingRunner(Protocol):
    """What the runners of poll and gevent have in common."""

    def __init__(self) -> None: ...

    def run(self, operation: Operation[_T], /) -> _T:
        """Run ``operation`` to its end and return what it returns."""
        ...

    def keep(self, fd: int, /) -> None:
        """Leave ``fd`` registered from one wait to the next."""
        ...

    def forget(self) -> None:
        """Drop what is registered: the descriptor will be closed."""
        ...

    def hand_over(self) -> Self:
        """Make a runner for the descriptor; this one forgets it."""
        ...


class AsyncRunner(Protocol):
    """What the runners of asyncio and trio have in common."""

    def __init__(self) -> None: ...

    async def run(self, operation: Operation[_T], /) -> _T:
        """Run ``operation`` to its end and return what it returns."""
        ...

    async def run_shielded(self, operation: Operation[_T], /) -> _T:
        """Run a clean-up, also in a task that is cancelled already."""
        ...

    def keep(self, fd: int, /) -> None:
        """Leave ``fd`` registered from one wait to the next."""
        ...

    def watch(self, on_readable: Callable[[], object] | None, /) -> None:
        """Call ``on_readable`` once if ``fd`` is readable between operations."""
        ...

    def forget(self) -> None:
        """Drop what is registered: the descriptor will be closed."""
        ...

    def hand_over(self) -> Self:
        """Make a runner for the descriptor; this one forgets it."""
        ...


def default() -> type[BlockingRunner]:
    """The runner for blocking connections.

    It is gevent's when ``gevent.monkey`` has patched sockets in this process: whoever
    blocks there means to let the other greenlets run.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("socket"):
        from .gevent import Runner as GeventRunner

        return GeventRunner
    from .poll import Runner

    return Runner


def _in_asyncio_task(asyncio: ModuleType) -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def current_async() -> type[AsyncRunner]:
    """The runner for the asynchronous library that runs the caller.

    Raises:
        RuntimeError: it is neither asyncio nor trio, or there is none.
    """
    # A library that was never imported runs nobody. asyncio is asked first, and for its
    # task: in trio's guest mode there is a running asyncio loop, but no task in it.
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    if asyncio is not None and _in_asyncio_task(asyncio):
        from .asyncio import Runner as AsyncioRunner

        return AsyncioRunner
    if trio is not None and trio.lowlevel.in_trio_task():
        from .trio import Runner as TrioRunner

        return TrioRunner
    raise RuntimeError(
        "no asyncio or trio task is running: call this from a coroutine that "
        "asyncio.run() or trio.run() has started"
    )
