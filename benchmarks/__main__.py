"""The benchmarks: ours, the peers and a C program at the same work, in one run.

    python -m benchmarks [--short] [--rounds N] [--only fetch,lookup] ...

It runs in the environment of requirements.txt, from the project's folder, against a
throwaway server on a unix socket. `make bench` does all that.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import native, plot, report, table
from benchmarks.contestants import (
    CONTESTANTS,
    LIMIT,
    OURS,
    WORLDS,
    Contestant,
    is_installed,
    pins,
    versions,
)
from benchmarks.contestants.session import Place
from benchmarks.cores import Cores
from benchmarks.measure import cpu_clock
from benchmarks.rounds import Bench, Group, Outcome, plan, run
from benchmarks.scenarios import COUNTED, FULL, SCENARIOS, SHORT, Entry, Sizes, entries
from mariadb_nb.server import TemporaryServer

_ROUNDS: Final = 5
_WIDTH: Final = 100
_NOTES: Final = """\
Everybody connects to the same server through its unix socket, with autocommit and \
without TLS, and asks the same statements; a cursor is made once and used for \
all queries. Rows come over the text protocol unless it says binary (prepared once, \
then executed). pyro-mysql has a text protocol for statements without parameters only, \
and is used through its own API. Each measurement is a process of its own; wall is \
the client's time, CPU is user and system time of the client with all its threads, \
server CPU that of mariadbd meanwhile, which has one core: nobody gets through in less \
wall time; instructions, where something counts them, are those in user mode. C \
is a program on the same libmariadb that decodes nothing; beside a loop it uses the \
non-blocking functions with poll(). The server has a core to itself, and where \
queries follow one another the client shares it. Ratios: median over the rounds, in \
brackets the quartiles; below 1 ours takes less, above 1 it does more a second."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="only see that it works")
    parser.add_argument(
        "--rounds", type=int, help=f"default: {_ROUNDS}, and 1 if short"
    )
    parser.add_argument("--only", help="scenarios: a,b", metavar="NAMES")
    parser.add_argument("--worlds", help="of asyncio,uvloop,blocking", metavar="NAMES")
    parser.add_argument("--contestants", help="only these: a,b", metavar="NAMES")
    parser.add_argument("--json", type=Path, help="write all numbers", metavar="FILE")
    parser.add_argument("--plot", type=Path, help="write .svg or .png", metavar="FILE")
    parser.add_argument(
        "--callgrind",
        action="store_true",
        help="count instructions of few rows and queries under valgrind, nothing else",
    )
    return parser.parse_args()


def _chosen(names: str | None, known: Sequence[str]) -> list[str]:
    """Return what an option names, in the known order; all without it."""
    if names is None:
        return list(known)
    wanted = names.split(",")
    if unknown := set(wanted) - set(known):
        raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return [name for name in known if name in wanted]


def _groups(options: argparse.Namespace, missing: Sequence[Contestant]) -> list[Group]:
    counted = ["fetch", "select", "lookup"]
    keys = counted if options.callgrind else [s.key for s in SCENARIOS]
    scenarios = _chosen(options.only, keys)
    worlds = _chosen(options.worlds, WORLDS)
    names = _chosen(options.contestants, [c.name for c in CONTESTANTS])
    groups = []
    for scenario in (s for s in SCENARIOS if s.key in scenarios):
        for world in (w for w in worlds if w in scenario.worlds):
            taking_part = tuple(
                entry
                for entry in entries(scenario, world)
                if entry.contestant.name in names and entry.contestant not in missing
            )
            if taking_part:
                groups.append(Group(scenario, world, taking_part))
    return groups


def _tell_missing(console: Console, missing: Sequence[Contestant]) -> None:
    """Say who could not take part, and what would change that."""
    pinned = dict(pins())
    for contestant in missing:
        console.print(f"[bold red]{contestant.name} takes no part: not installed.[/]")
        wanted = [
            pin for name, pin in pinned.items() if name.startswith(contestant.name)
        ]
        command = [sys.executable, "-m", "pip", "install", *wanted]
        console.print(f"  {shlex.join(command)}", soft_wrap=True)


def _measure(
    sizes: Sizes, groups: Sequence[Group], rounds: int, console: Console
) -> Outcome:
    cores = Cores()
    with (
        tempfile.TemporaryDirectory() as folder,
        TemporaryServer(tls=False, init_sql=table.statements(sizes.rows)) as server,
        Progress(
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        ) as progress,
    ):
        compiled = native.build(Path(folder))
        login = server.users["native"]
        place = Place(server.socket, table.DATABASE, login.name, login.password)
        clock = cpu_clock(server.pid)
        bench = Bench(place, clock, compiled, cores, sizes, sizes is COUNTED)
        total = sum(1 for _ in plan(groups, rounds))
        task = progress.add_task("", total=total)

        def tell(where: str, entry: Entry) -> None:
            progress.update(task, advance=1, description=f"{entry.label}: {where}")

        outcome = run(bench, groups, rounds, tell)
    cores.anywhere()
    return outcome


def _write(options: argparse.Namespace, found: dict[str, Any]) -> None:
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if options.plot:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        plot.draw(found["results"], options.plot)


def _tell_failures(console: Console, outcome: Outcome) -> bool:
    """Say who failed; return whether ours did, or somebody each time."""
    for failed in report.failures(outcome):
        often = "once" if failed["times"] == 1 else f"{failed['times']} times"
        line = f"{failed['who']} failed {often} in {failed['where']}: {failed['error']}"
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    worked = {label for samples in outcome.samples.values() for label in samples}
    bad = False
    for failure in outcome.failures:
        if failure.entry.contestant.name in (OURS, LIMIT):
            console.print(failure.reason, markup=False, highlight=False, soft_wrap=True)
            bad = True
        bad = bad or failure.entry.label not in worked
    return bad


def main() -> int:
    """Measure, print and write; 1 if what failed makes the numbers worthless."""
    options = _arguments()
    if options.callgrind and shutil.which("valgrind") is None:
        raise SystemExit("--callgrind needs valgrind: apt-get install valgrind")
    console = Console(width=max(_WIDTH, Console().width))
    missing = [c for c in CONTESTANTS if not is_installed(c)]
    _tell_missing(console, missing)
    groups = _groups(options, missing)
    rounds = options.rounds or (1 if options.short or options.callgrind else _ROUNDS)
    sizes = COUNTED if options.callgrind else SHORT if options.short else FULL
    begin = time.monotonic()
    outcome = _measure(sizes, groups, rounds, console)
    took = time.monotonic() - begin
    found: dict[str, Any] = {
        "machine": report.machine(),
        "peers": versions(),
        "rounds": rounds,
        "seconds": round(took),
        "missing": [contestant.name for contestant in missing],
        "failed": report.failures(outcome),
        "results": report.summary(outcome, groups, sizes),
    }
    report.show(console, found["results"], groups)
    console.print(_NOTES, highlight=False)
    for facts in (found["machine"], found["peers"]):
        told = ", ".join(f"{key}: {value}" for key, value in facts.items())
        console.print(told, highlight=False)
    console.print(f"{rounds} rounds in {took:.0f} s", highlight=False)
    _write(options, found)
    _tell_missing(console, missing)
    return 1 if _tell_failures(console, outcome) else 0


if __name__ == "__main__":
    sys.exit(main())
