"""Measures a process from within: time, CPU, instructions, memory, the loop's delay.

And, beside it, the CPU time of the server. It knows no driver and no scenario.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

_SAMPLE_INTERVAL: Final = 0.002
_TICK: Final = 0.001


def cpu_clock(pid: int) -> int:
    """Return the clock of a process's CPU time, all its threads together.

    Any process can read it, as `time.clock_gettime` does; 0 where there is none.
    """
    libc, clock = ctypes.CDLL(None), ctypes.c_int()
    if not hasattr(libc, "clock_getcpuclockid"):
        return 0
    failed = libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    return 0 if failed else clock.value


class Stopwatch:
    """What happens between two moments in this process, its threads included.

    Make it before the driver is imported, so that its threads are counted.

    Args:
        counter: the compiled counter of instructions.
        server_clock: the server's `cpu_clock`.

    Attributes:
        wall, cpu: seconds of the last `with`, CPU being user and system time.
        server: seconds of CPU that the server took meanwhile, None without a clock.
        instructions: those in user mode, None where nothing counts them.
    """

    def __init__(self, counter: Path, server_clock: int) -> None:
        self._counter = ctypes.CDLL(str(counter))
        self._counter.counter_stop.restype = ctypes.c_longlong
        self._counter.counter_open()
        self._server_clock = server_clock
        self.wall = self.cpu = 0.0
        self.server: float | None = None
        self.instructions: int | None = None

    def __enter__(self) -> Self:
        if self._server_clock:
            self._server = time.clock_gettime(self._server_clock)
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._counter.counter_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        counted = int(self._counter.counter_stop())
        self.cpu = time.process_time() - self._cpu
        self.wall = time.perf_counter() - self._wall
        if self._server_clock:
            self.server = time.clock_gettime(self._server_clock) - self._server
        self.instructions = counted if counted >= 0 else None


class Memory:
    """The most memory this process had during a `with`, over what it had before.

    Attributes:
        grown: bytes.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._peak = 0
        self.grown = 0

    def _resident(self) -> int:
        return int(self._process.memory_info().rss)

    def _sample(self) -> None:
        while not self._end.wait(_SAMPLE_INTERVAL):
            self._peak = max(self._peak, self._resident())

    def __enter__(self) -> Self:
        self._thread.start()
        self._idle = self._peak = self._resident()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        self.grown = max(self._peak, self._resident()) - self._idle


class Ticker:
    """A task that wants a turn every millisecond, and how late it got one at worst.

    Attributes:
        latest: seconds.
    """

    def __init__(self) -> None:
        self.latest = 0.0
        self._last = 0.0

    def look(self) -> None:
        """Take note of this moment."""
        now = time.perf_counter()
        self.latest = max(self.latest, now - self._last - _TICK)
        self._last = now

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self.look()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tick from here to the end of the block; a turn that never came counts."""
        self._last = time.perf_counter()
        task = asyncio.create_task(self._run())
        try:
            yield
            self.look()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
