"""Fixtures of the runners' tests: sockets, and loops that count what they are asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
import uvloop
from runner_worlds import LONG, Go, Pair

_T = TypeVar("_T")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected sockets."""
    made = Pair()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[Pair]:
    """Two more of them."""
    made = Pair()
    yield made
    made.close()


class Counting:
    """A loop that counts what it is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def add_reader(self, *args: Any) -> Any:
        self.counts["add_reader"] += 1
        return super().add_reader(*args)  # type: ignore[misc]

    def remove_reader(self, *args: Any) -> Any:
        self.counts["remove_reader"] += 1
        return super().remove_reader(*args)  # type: ignore[misc]

    def call_later(self, *args: Any, **more: Any) -> Any:
        self.counts["call_later"] += 1
        return super().call_later(*args, **more)  # type: ignore[misc]


class CountingAsyncio(Counting, asyncio.SelectorEventLoop):  # type: ignore[misc]
    pass


class CountingUvloop(Counting, uvloop.Loop):  # type: ignore[misc]
    pass


@pytest.fixture(params=[CountingAsyncio, CountingUvloop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An asyncio loop of either kind."""
    made = request.param()
    yield made
    if not made.is_closed():
        made.close()


@pytest.fixture
def go(loop: asyncio.AbstractEventLoop) -> Go:
    """Runs a coroutine on the loop, as ``asyncio.run`` does."""

    def run(main: Coroutine[Any, Any, _T]) -> _T:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(asyncio.wait_for(main, LONG))

    return run
