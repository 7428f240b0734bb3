"""One contestant at one piece of work: a process of its own, started by rounds.py.

    python -m benchmarks.worker '{"scenario": ...}'

When all of it is done it prints a line of JSON for each sample.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.contestants import BY_NAME
from benchmarks.contestants.session import Blocking, Place, Session
from benchmarks.measure import Stopwatch
from benchmarks.workloads import WORKLOADS, Connect, Job


def _connector(job: Job) -> Connect:
    """Return what connects the contestant, and import that only now."""
    name = BY_NAME[job["contestant"]].module
    module: Any = importlib.import_module(f"benchmarks.contestants.{name}")
    place = Place(*job["place"])
    binary = job["mode"] == "binary"
    if job["world"] != "blocking":
        return functools.partial(module.connect, place, binary)

    async def connect() -> Session:
        return Blocking(module.connect_blocking(place, binary))

    return connect


async def _work(job: Job, watch: Stopwatch, connect: Connect) -> None:
    samples = [
        json.dumps(sample)
        async for sample in WORKLOADS[job["scenario"]](job, connect, watch)
    ]
    print("\n".join(samples), flush=True)


def main() -> None:
    """Do the work that the argument describes."""
    job: Job = json.loads(sys.argv[1])
    watch = Stopwatch(Path(job["counter"]), job["server_clock"])
    connect = _connector(job)
    factory = None
    if job["world"] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_work(job, watch, connect))


if __name__ == "__main__":
    main()
