"""Runs the contestants: each piece of work a process of its own, in paired rounds.

In a round everyone who takes part in a scenario runs once, directly after one
another. The order turns by one from round to round, and every second round goes
backwards, so that nobody always runs after the same neighbour. The slowest peers take
part in every second round only.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from benchmarks import scenarios
from benchmarks.contestants import LIMIT
from benchmarks.contestants.session import Place
from benchmarks.cores import Cores
from benchmarks.native import Native
from benchmarks.scenarios import Entry, Scenario, Sizes

_ROOT: Final = Path(__file__).resolve().parent.parent
_PATIENCE: Final = 120.0
_TOTALS: Final = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)

Sample = dict[str, float]

_E = TypeVar("_E")


class Group(NamedTuple):
    """A scenario in a world, and who takes part."""

    scenario: Scenario
    world: str
    entries: tuple[Entry, ...]


class Failure(NamedTuple):
    """Who failed where, and all that was said."""

    entry: Entry
    where: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """What came out: for each group and label, the sample of each round."""

    samples: dict[tuple[str, str], dict[str, dict[int, Sample]]] = field(
        default_factory=dict
    )
    failures: list[Failure] = field(default_factory=list)

    def add(self, group: Group, entry: Entry, number: int, sample: Sample) -> None:
        """Take a sample in."""
        of_group = self.samples.setdefault((group.scenario.key, group.world), {})
        of_group.setdefault(entry.label, {})[number] = sample


@dataclass(frozen=True, slots=True)
class Bench:
    """What a run needs: where the server is, what was compiled, how much to do."""

    place: Place
    server_clock: int  # of its CPU time, 0 if there is none
    native: Native
    cores: Cores
    sizes: Sizes
    callgrind: bool = False

    def run(self, group: Group, entry: Entry) -> tuple[Sample, str]:
        """Run one contestant; return the median of what it measured.

        And what it said if it crashed after all its work was done, else "".

        Raises:
            RuntimeError: it failed; the message is what it said.
        """
        if entry.contestant.name == LIMIT:
            command = self._limit(group, entry)
        else:
            command = self._worker(group, entry)
        if group.scenario.alternating:
            self.cores.with_server()
        else:
            self.cores.beside_server()
        with tempfile.TemporaryDirectory() as folder:
            counts = Path(folder) / "counts"
            if self.callgrind:
                tool = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no"]
                command = [*tool, f"--callgrind-out-file={counts}", *command]
            lines, crash = _output(command)
            found = _medians([json.loads(line) for line in lines])
            if self.callgrind:
                # Its times are those of an emulated processor.
                found = {"instructions": _counted(counts) / self._units(group.scenario)}
        return found, crash

    def _units(self, scenario: Scenario) -> int:
        return self.sizes.rows if scenario.key == "fetch" else self.sizes.queries

    def _worker(self, group: Group, entry: Entry) -> list[str]:
        job = scenarios.job(group.scenario, group.world, entry, self.sizes)
        job |= {"place": self.place, "server_clock": self.server_clock}
        job |= {"counter": str(self.native.counter)}
        return [sys.executable, "-m", "benchmarks.worker", json.dumps(job)]

    def _limit(self, group: Group, entry: Entry) -> list[str]:
        how = "blocking" if group.world == "blocking" else "poll"
        numbers = self._units(group.scenario), self.sizes.repeats
        words = [how, entry.mode, group.scenario.key, *map(str, numbers), *self.place]
        return [str(self.native.limit), *words, str(self.server_clock)]


def _output(command: Sequence[str]) -> tuple[list[str], str]:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=_ROOT,
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, "MARIADB_PYTHON_CONNECTOR": "binary"},
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"it took longer than {_PATIENCE:g} s") from None
    lines = done.stdout.splitlines()
    if not done.returncode and lines:
        return lines, ""
    what = f"exit code {done.returncode}\n{done.stderr}"
    if not lines:
        raise RuntimeError(what)
    return lines, f"after its work: {what}"


def _medians(samples: Sequence[Sample]) -> Sample:
    return {
        key: statistics.median(sample[key] for sample in samples) for key in samples[0]
    }


def _counted(path: Path) -> int:
    """Return the instructions in the file that was written at the counter's stop."""
    found = _TOTALS.search(Path(f"{path}.1").read_text("utf-8"))
    assert found is not None, "callgrind wrote no total"
    return int(found[1])


def order(entries: Sequence[_E], number: int) -> list[_E]:
    """Return the entries in their order in a round."""
    turn = number // 2 % len(entries)
    turned = [*entries[turn:], *entries[:turn]]
    return turned[::-1] if number % 2 else turned


def plan(groups: Sequence[Group], rounds: int) -> Iterator[tuple[int, Group, Entry]]:
    """Yield what is run one after another: the round's number, and who does what."""
    for number in range(rounds):
        for group in groups:
            if number % group.scenario.every:
                continue
            for entry in order(group.entries, number // group.scenario.every):
                if number % entry.contestant.every == 0:
                    yield number, group, entry


def run(
    bench: Bench,
    groups: Sequence[Group],
    rounds: int,
    tell: Callable[[str, Entry], None],
) -> Outcome:
    """Run all rounds; who fails lacks a sample of that round.

    Args:
        tell: is called before each contestant with what it is to do.
    """
    outcome = Outcome()
    for number, group, entry in plan(groups, rounds):
        where = f"{group.scenario.key}, {group.world}"
        tell(where, entry)
        try:
            sample, reason = bench.run(group, entry)
            outcome.add(group, entry, number, sample)
        except RuntimeError as error:
            reason = str(error)
        if reason:
            outcome.failures.append(Failure(entry, where, reason))
    return outcome
