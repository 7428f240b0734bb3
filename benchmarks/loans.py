"""What a loan costs in our pools and in others', and how they serve many at once.

    python -m benchmarks.loans [--short] [--rounds N] [--json FILE]

It runs in the environment of requirements.txt, from the project's folder. In a round
each pool has a process of its own: one after another, in an order that turns, on one
server. A pool of one connection lends it to one task, or thread, that does nothing with
it, or executes ``SELECT 1``; then 64 of them share 16 connections. What is compared are
the pools of one kind, by the ratio of each round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Final, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import report
from benchmarks.contestants import versions
from benchmarks.lenders import LENDERS, BlockingLender, Entry, Lender, Place
from benchmarks.rounds import Sample, order
from mariadb_nb.server import TemporaryServer

TASKS: Final = 64
CONNECTIONS: Final = 16
#: Seconds that a pool may take for all of it.
_PATIENCE: Final = 300.0


class Counts(NamedTuple):
    """How often each thing is done in one round."""

    borrow: int
    ask: int
    load: int


FULL: Final = Counts(20_000, 5_000, 20_000)
SHORT: Final = Counts(100, 100, 500)

#: What is printed: the key, the head of the column, its factor and its digits, and
#: whether a ratio is printed too.
_COLUMNS: Final = (
    ("borrow_cpu", "CPU of a loan, us", 1e6, 1, True),
    ("ask_cpu", "and of a query, us", 1e6, 1, True),
    ("load_rate", "queries/s", 1, 0, True),
    ("load_cpu", "CPU each, us", 1e6, 1, True),
    ("load_p50", "acquire p50, ms", 1e3, 2, False),
    ("load_p99", "p99, ms", 1e3, 2, False),
    ("load_longest", "longest, ms", 1e3, 1, False),
)


# ---- a worker ------------------------------------------------------------------------


class Watch:
    """CPU, all threads' included, and time of a ``with`` block, in seconds."""

    def __enter__(self) -> Watch:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self.cpu = time.process_time() - self._cpu
        self.wall = time.perf_counter() - self._wall


def _loaded(waits: list[float], watch: Watch) -> Sample:
    waits.sort()
    count = len(waits)
    return {
        "load_rate": count / watch.wall,
        "load_cpu": watch.cpu / count,
        "load_p50": waits[count // 2],
        "load_p99": waits[count * 99 // 100],
        "load_longest": waits[-1],
    }


async def lend_to_tasks(lender: Lender, place: Place, counts: Counts) -> Sample:
    """Measure a pool of tasks."""
    sample = {}
    await lender.open(place, 1)
    for name, act in (("borrow", lender.borrow), ("ask", lender.ask)):
        count = getattr(counts, name)
        for _ in range(count // 10):
            await act()
        with Watch() as watch:
            for _ in range(count):
                await act()
        sample[f"{name}_cpu"] = watch.cpu / count
    await lender.close()
    await lender.open(place, CONNECTIONS)
    waits: list[float] = []
    numbers = iter(range(counts.load))

    async def work() -> None:
        for _ in numbers:
            began = time.perf_counter()
            waits.append(await lender.ask() - began)

    with Watch() as watch:
        await asyncio.gather(*(work() for _ in range(TASKS)))
    await lender.close()
    return sample | _loaded(waits, watch)


def lend_to_threads(lender: BlockingLender, place: Place, counts: Counts) -> Sample:
    """Measure a pool of threads."""
    sample = {}
    lender.open(place, 1)
    for name, act in (("borrow", lender.borrow), ("ask", lender.ask)):
        count = getattr(counts, name)
        for _ in range(count // 10):
            act()
        with Watch() as watch:
            for _ in range(count):
                act()
        sample[f"{name}_cpu"] = watch.cpu / count
    lender.close()
    lender.open(place, CONNECTIONS)
    waits: list[float] = []

    def work() -> None:
        for _ in range(counts.load // TASKS):
            began = time.perf_counter()
            waits.append(lender.ask() - began)

    threads = [threading.Thread(target=work) for _ in range(TASKS)]
    with Watch() as watch:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lender.close()
    return sample | _loaded(waits, watch)


def work(number: int, place: Place, counts: Counts) -> Sample:
    """Measure the pool of this number; runs in a process of its own."""
    entry = LENDERS[number]
    if entry.threads:
        return lend_to_threads(entry.make(), place, counts)
    return asyncio.run(lend_to_tasks(entry.make(), place, counts))


# ---- all of them, in rounds ----------------------------------------------------------


def place_of(server: TemporaryServer) -> Place:
    """How to connect."""
    user = server.users["native"]
    login = {"user": user.name, "password": user.password}
    return {"unix_socket": server.socket, **login, "database": "test"}


def measure(number: int, place: Place, counts: Counts) -> Sample:
    """Run a worker.

    Raises:
        RuntimeError: it failed; the message is what it said last.
    """
    job = json.dumps([number, place, counts])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.loans", "--worker", job],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
        env={**os.environ, "MARIADB_PYTHON_CONNECTOR": "binary"},
    )
    if done.returncode:
        raise RuntimeError("\n".join(done.stderr.splitlines()[-4:]))
    sample: Sample = json.loads(done.stdout)
    return sample


def run(
    server: TemporaryServer,
    counts: Counts,
    rounds: int,
    tell: Callable[[Entry, str], None],
) -> dict[int, dict[int, Sample]]:
    """Measure all pools that are installed.

    Args:
        tell: is called after each with what went wrong, or "".

    Returns:
        For each pool's number the sample of each round.
    """
    numbers = [n for n, entry in enumerate(LENDERS) if util.find_spec(entry.module)]
    found: dict[int, dict[int, Sample]] = {number: {} for number in numbers}
    for turn in range(rounds):
        for number in order(numbers, turn):
            said = ""
            try:
                found[number][turn] = measure(number, place_of(server), counts)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                said = str(error)
            tell(LENDERS[number], said)
    return found


def table(found: dict[int, dict[int, Sample]], threads: bool) -> Table:
    """Put the pools of one kind side by side: medians, and theirs to ours."""
    kind = "thread" if threads else "task of asyncio"
    of_load = f"then {TASKS} of them on {CONNECTIONS} connections"
    shown = Table(box=SIMPLE_HEAD, title=f"Loans to a {kind}, {of_load}")
    shown.add_column("pool")
    shown.add_column("session after a loan")
    for _, head, _, _, with_ratio in _COLUMNS:
        shown.add_column(head, justify="right")
        if with_ratio:
            shown.add_column("ratio", justify="right")
    entries = [n for n in found if LENDERS[n].threads == threads and found[n]]
    for number in entries:
        cells = [LENDERS[number].name, LENDERS[number].leaves]
        for key, _, factor, digits, with_ratio in _COLUMNS:
            values = [sample[key] for sample in found[number].values()]
            cells.append(f"{report.spread(values).median * factor:,.{digits}f}")
            if with_ratio:
                # Theirs to ours: of CPU more than 1 is worse, of a rate better.
                ratio = report.ratios(found[number], found[entries[0]], key)
                cells.append("" if ratio is None else f"{ratio.median:.2f}")
        shown.add_row(*cells)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--short", action="store_true", help="to see that it works")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        number, place, counts = json.loads(arguments.worker)
        print(json.dumps(work(number, place, Counts(*counts))))
        return
    rounds, counts = (1, SHORT) if arguments.short else (arguments.rounds, FULL)
    console = Console(width=None if sys.stdout.isatty() else 160)
    with TemporaryServer() as server, Progress(console=console) as progress:
        task = progress.add_task("loans", total=rounds * len(LENDERS))

        def tell(entry: Entry, said: str) -> None:
            progress.advance(task)
            if said:
                console.print(f"{entry.name}: {said}")

        found = run(server, counts, rounds, tell)
    for threads in (False, True):
        console.print(table(found, threads))
    if arguments.json:
        named = [
            {"pool": LENDERS[n].name, "threads": LENDERS[n].threads, "rounds": samples}
            for n, samples in found.items()
        ]
        content = {"versions": versions(), "counts": counts._asdict(), "pools": named}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
