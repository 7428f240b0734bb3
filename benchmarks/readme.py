"""Writes the README's section on speed and its picture from what a run measured.

    python -m benchmarks.readme build/bench.json

Every number and every bold one comes out of the file. Nothing here measures.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.contestants import CONTESTANTS, LIMIT, OURS

_ROOT: Final = Path(__file__).resolve().parent.parent
_WIDTH: Final = 88
_MARKS: Final = ("<!-- bench -->", "<!-- /bench -->")
_PICTURE: Final = "docs/bench.svg"
#: A rate is the better the higher it is, everything else the lower.
_RATE: Final = "per_second"
_SERVER: Final = "server"


class _Shown(NamedTuple):
    """What a line shows: a scenario, where, and which of its metrics."""

    scenario: str
    world: str
    metric: str
    unit: str


# "the same" in a scenario's title is the scenario before it.
_ROWS: Final = (
    _Shown("fetch", "asyncio", "cpu_us", "µs of CPU"),
    _Shown("fetch", "blocking", "wall_us", "µs"),
    _Shown("arrow", "blocking", "cpu_us", "µs of CPU"),
    _Shown("arrow", "blocking", "wall_us", "µs"),
    _Shown("select", "asyncio", "cpu_us", "µs of CPU"),
    _Shown("lookup", "asyncio", "cpu_us", "µs of CPU"),
    _Shown("lookup", "blocking", "wall_us", "µs"),
    _Shown("lookup", "asyncio", "wall_us", "µs"),
    _Shown("pipeline", "asyncio", "wall_us", "µs"),
    _Shown("concurrent", "asyncio", _RATE, "queries/s"),
    _Shown("insert", "asyncio", _RATE, "rows/s"),
    _Shown("load", "asyncio", _RATE, "rows/s"),
)
_BESIDE: Final = (
    _Shown("delay", "asyncio", "delay_ms", "ms"),
    _Shown("stream", "asyncio", "memory_mb", "MB"),
    _Shown("idle", "asyncio", "cpu_percent", "% of a core"),
)
_COLUMNS: Final = (OURS, "asyncmy", "mariadb", "pyro-mysql")
_OTHERS: Final = tuple(
    contestant.name
    for contestant in CONTESTANTS
    if contestant.name not in (*_COLUMNS, LIMIT)
)
_ABOUT: Final = """
Medians of {rounds} paired rounds on one machine ({cores} cores, CPython {python},
MariaDB {server}, Connector/C {connector_c}, unix socket, no TLS): µs for a row or a
query, or how many of them a second. A plain number is of the text protocol (only
mariadb's executemany sends arrays there too), one with "b" of the binary one. By
default ours are text when a statement is executed for the first time and b from the
second time on; executemany is b at once, pipelines are text. **Bold** is the best of
the drivers. C is a program on the same library that decodes nothing."""
_ABOUT_SERVER: Final = """
"Server" is the CPU that the server takes for ours, in µs: it has one core, so nobody
gets a row or an answer in less time than that."""
_ABOUT_FAILING: Final = """
What "fails" in the last line sends all rows in one request, more than the server's
`max_allowed_packet` lets in."""
_AGAIN: Final = " `make bench` measures all of it anew, and more."


class _Measured:
    """The numbers of a run by what is shown of them."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._groups = {(s["scenario"], s["world"]): s for s in found["results"]}
        self._failed = {(failed["who"], failed["where"]) for failed in found["failed"]}

    def title(self, shown: _Shown) -> str:
        """Return what the scenario does, where.

        Raises:
            SystemExit: the run has nothing of ours there.
        """
        group = self._groups.get((shown.scenario, shown.world))
        if group is None or not self.cell(OURS, shown):
            raise SystemExit(
                f"the file has no {shown.metric} of ours in {shown.scenario},"
                f" {shown.world}: measure all, with make bench"
            )
        title: str = group["title"]
        return title

    def _value(self, label: str, shown: _Shown) -> float | None:
        group = self._groups[shown.scenario, shown.world]
        number = group["contestants"].get(label, {}).get(shown.metric)
        return number and float(number["value"]["median"])

    def best(self, shown: _Shown) -> float | None:
        """Return the best number of a driver; None if there is only one driver."""
        found = [
            (name, value)
            for name in (*_COLUMNS, *_OTHERS)
            for _, value in self._numbers(name, shown)
            if value is not None
        ]
        if len({name for name, _ in found}) < 2:
            return None
        choose = max if shown.metric == _RATE else min
        return choose(value for _, value in found)

    def _numbers(self, name: str, shown: _Shown) -> Iterator[tuple[str, float | None]]:
        """Yield for each protocol its mark and the number, None if it failed."""
        for label, mark in ((name, ""), (f"{name}, binary", " b")):
            value = self._value(label, shown)
            failed = (label, f"{shown.scenario}, {shown.world}") in self._failed
            if value is not None or failed:
                yield mark, value

    def cell(self, name: str, shown: _Shown, best: float | None = None) -> str:
        """Return the numbers of a contestant, "" if it takes no part."""
        told = []
        for mark, value in self._numbers(name, shown):
            text = ("fails" if value is None else _told(value)) + mark
            told.append(f"**{text}**" if value is not None and value == best else text)
        return ", ".join(told)


def _told(value: float) -> str:
    """Return a number with three digits that count."""
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{float(f'{value:.3g}'):,.0f}"


def _row(measured: _Measured, shown: _Shown) -> list[str]:
    title, best = measured.title(shown), measured.best(shown)
    names = ((name, measured.cell(name, shown, best)) for name in _OTHERS)
    return [
        f"{title}; {shown.world}, {shown.unit}",
        *(measured.cell(name, shown, best) for name in _COLUMNS),
        "; ".join(f"{name} {cell}" for name, cell in names if cell),
        measured.cell(LIMIT, shown),
        measured.cell(OURS, shown._replace(metric="server_us")),
    ]


def _table(measured: _Measured) -> str:
    head = ("", "ours", *_COLUMNS[1:], "others", LIMIT, _SERVER)
    rows = [_row(measured, shown) for shown in _ROWS]
    # Not every system has a clock of another process's CPU time.
    columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])]
    first, *others = zip(*columns, strict=True)
    lines = [first, ["---"] * len(first), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _beside(measured: _Measured, shown: _Shown) -> str:
    title = measured.title(shown)
    cells = ((name, measured.cell(name, shown)) for name in (*_COLUMNS[1:], *_OTHERS))
    others = ", ".join(f"{name} {cell}" for name, cell in cells if cell)
    ours = f"{measured.cell(OURS, shown)} {shown.unit}"
    line = f"- {title[0].upper()}{title[1:]}; {shown.world}: {ours}; {others}"
    return textwrap.fill(line, _WIDTH, subsequent_indent="  ")


def section(found: Mapping[str, Any]) -> str:
    """Return the section, marks included.

    Args:
        found: the JSON of a run.

    Raises:
        SystemExit: something is missing in it; the message says what.
    """
    if found["missing"]:
        raise SystemExit(f"not measured, so not shown: {', '.join(found['missing'])}")
    measured = _Measured(found)
    table = _table(measured)
    machine = found["machine"]
    about = [
        _ABOUT.format(
            rounds=found["rounds"],
            **machine | {"server": machine["server"].partition("-")[0]},
        ),
        *([_ABOUT_SERVER] if f"| {_SERVER} |" in table else []),
        *([_ABOUT_FAILING] if "fails" in table.rpartition("\n")[2] else []),
        _AGAIN,
    ]
    paragraphs = [
        f"{_MARKS[0]}\n### How fast",
        textwrap.fill("".join(about).strip(), _WIDTH, break_on_hyphens=False),
        table,
        "\n".join(_beside(measured, shown) for shown in _BESIDE),
        f"![The same and more, ours and others]({_PICTURE})\n{_MARKS[1]}",
    ]
    return "\n\n".join(paragraphs)


def replaced(text: str, section: str) -> str:
    """Return a text with the section in place of the one that is there."""
    before, begin, rest = text.partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    if not (begin and end):
        raise SystemExit(f"nothing stands between {' and '.join(_MARKS)}")
    return before + section + after


def main() -> None:
    """Rewrite README.md and the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.readme", description=__doc__
    )
    parser.add_argument("file", type=Path, help="what --json wrote")
    try:
        found = json.loads(parser.parse_args().file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"{error}: expected what make bench writes")
    readme = _ROOT / "README.md"
    readme.write_text(replaced(readme.read_text("utf-8"), section(found)), "utf-8")
    from benchmarks import plot

    plot.draw(found["results"], _ROOT / _PICTURE)


if __name__ == "__main__":
    main()
