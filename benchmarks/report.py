"""Says what came out: medians, ratios paired by round, tables and JSON.

A ratio is ours to the other's in the same round; its median and quartiles are over
the rounds. Nothing here measures.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.contestants import BY_NAME, OURS
from benchmarks.rounds import Group, Outcome, Sample
from benchmarks.scenarios import Entry, Metric, Sizes
from mariadb_nb import capi
from mariadb_nb.server import find_mariadbd


class Spread(NamedTuple):
    """A median between its quartiles."""

    low: float
    median: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles; of one value, that value."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)


def ratios(
    ours: Mapping[int, Sample], theirs: Mapping[int, Sample], key: str
) -> Spread | None:
    """Return ours to theirs over the rounds that both have; None if there is none."""
    paired = [
        ours[number][key] / sample[key]
        for number, sample in theirs.items()
        if number in ours and key in ours[number] and sample.get(key)
    ]
    return spread(paired) if paired else None


def summary(
    outcome: Outcome, groups: Sequence[Group], sizes: Sizes
) -> list[dict[str, Any]]:
    """Return for each group the spread of each metric and its ratio, for JSON."""
    return [
        {
            "scenario": group.scenario.key,
            "title": group.scenario.describe(sizes),
            "world": group.world,
            "per": group.scenario.per,
            "contestants": _contestants(
                group, outcome.samples.get((group.scenario.key, group.world), {})
            ),
        }
        for group in groups
    ]


def _contestants(
    group: Group, samples: Mapping[str, Mapping[int, Sample]]
) -> dict[str, Any]:
    found = {}
    for entry in group.entries:
        if entry.label not in samples:
            continue
        # Ours in the same protocol, or else as it is.
        same = Entry(BY_NAME[OURS], entry.mode).label
        ours = samples.get(same, samples.get(OURS, {}))
        its = samples[entry.label]
        numbers = {}
        for metric in group.scenario.metrics:
            values = [
                sample[metric.key] for sample in its.values() if metric.key in sample
            ]
            if not values:
                continue
            number: dict[str, Any] = {"value": spread(values)._asdict()}
            ratio = ratios(ours, its, metric.key)
            if metric.compared and entry.contestant.name != OURS and ratio is not None:
                number["ours_to_it"] = ratio._asdict()
            numbers[metric.key] = number
        found[entry.label] = numbers
    return found


def failures(outcome: Outcome) -> list[dict[str, Any]]:
    """Return who failed where, how often, and what was said the first time."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for failure in outcome.failures:
        who, where = failure.entry.label, failure.where
        first = {"who": who, "where": where, "times": 0, "error": _gist(failure.reason)}
        found.setdefault((who, where), first)["times"] += 1
    return list(found.values())


def _gist(said: str) -> str:
    """Return how a process ended and what it says of that: of a traceback the end."""
    end, *lines = [line for line in said.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith("Fatal Python error")]
    return ": ".join([end, *(fatal or lines)[-1:]])


def show(
    console: Console, summaries: Sequence[Mapping[str, Any]], groups: Sequence[Group]
) -> None:
    """Print a table for each group."""
    for found, group in zip(summaries, groups, strict=True):
        contestants = found["contestants"]
        metrics = [
            metric
            for metric in group.scenario.metrics
            if any(metric.key in numbers for numbers in contestants.values())
        ]
        table = Table("", box=SIMPLE_HEAD, pad_edge=False)
        for metric in metrics:
            table.add_column(metric.label, justify="right")
        compared = [
            metric
            for metric in metrics
            if any("ours_to_it" in n.get(metric.key, {}) for n in contestants.values())
        ]
        for metric in compared:
            table.add_column(f"ours/it, {metric.label}", justify="right")
        for label, numbers in contestants.items():
            cells = [_value(metric, numbers) for metric in metrics]
            cells += [_ratio(metric, numbers) for metric in compared]
            table.add_row(label, *cells, style="bold" if label.startswith(OURS) else "")
        console.print(
            f"[bold]{found['title']}[/]; {found['world']}, per {found['per']}",
            soft_wrap=True,
        )
        console.print(table)


def _value(metric: Metric, numbers: Mapping[str, Any]) -> str:
    if metric.key not in numbers:
        return ""
    value: float = numbers[metric.key]["value"]["median"]
    return f"{value:,.{metric.digits}f}"


def _ratio(metric: Metric, numbers: Mapping[str, Any]) -> str:
    found = numbers.get(metric.key, {}).get("ours_to_it")
    if found is None:
        return ""
    return f"{found['median']:.2f} ({found['low']:.2f}-{found['high']:.2f})"


def machine() -> dict[str, Any]:
    """Return what the numbers depend on: the machine, and the versions of both ends."""
    server = subprocess.run(
        [find_mariadbd(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    connector = capi.ffi.string(capi.lib.MARIADB_PACKAGE_VERSION).decode()
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "server": server.partition("Ver ")[2].split(" ")[0],
        "connector_c": connector,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
