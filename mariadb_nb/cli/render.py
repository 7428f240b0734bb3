"""What the user sees: results, facts, progress and complaints.

It owns every word and colour of the output. Results and facts go to standard output,
all else to standard error. `rich` draws on a terminal if it is installed; into files
and pipes, and without it, goes plain text. It knows no connection and no command.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, TextIO
from unicodedata import east_asian_width

if TYPE_CHECKING:
    from rich.console import Console

    from mariadb_nb.cli.engine import Progress, Report
    from mariadb_nb.cli.sqlfile import Statement

FORMATS: Final = ("table", "csv", "json")

_NARROWEST: Final = 40
# From this width on there is room for when each query ran.
_WIDE: Final = 100
_TIMELINE: Final = 24
_KEYWORDS: Final = (
    r"\b(SELECT|DISTINCT|FROM|LEFT|JOIN|ON|USING|WHERE|AND|OR|NOT|EXISTS|IN|LIKE|IS|NULL"
    r"|BETWEEN|GROUP|ORDER|BY|ASC|DESC|HAVING|LIMIT|AS|WITH|RECURSIVE|UNION|ALL|OVER"
    r"|PARTITION|WITHIN|INSERT|INTO|VALUES|UPDATE|SET|DELETE|CREATE|REPLACE|ALTER|DROP"
    r"|TABLE|DO|CALL|SHOW|USE|INTERVAL|DAY)\b"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; the last one is cut where the line ends."""

    title: str
    is_number: bool = False
    style: str = ""


# Complaints and notes


def complain(text: str) -> None:
    """Say on standard error what is wrong."""
    _say(text, "bold red", "mariadb-nb: ")


def note(text: str) -> None:
    """Say on standard error what is going on, if somebody is watching."""
    if sys.stderr.isatty():
        _say(text, "dim", "")


def _say(text: str, style: str, prefix: str) -> None:
    console = open_console(sys.stderr)
    lines = [_printable(line) for line in text.splitlines()]
    if console is None:
        print(prefix + "\n".join(lines), file=sys.stderr, flush=True)
    else:
        from rich.text import Text

        console.print(Text(prefix + "\n".join(lines), style), soft_wrap=True)


# Progress


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[Progress], None]]:
    """Show a live bar on standard error while in the block, if it is a terminal.

    Yields:
        What to call with each new state of things.
    """
    if not sys.stderr.isatty():
        yield lambda state: None
    elif (console := open_console(sys.stderr)) is None:
        with _plain_progress(title, total) as show:
            yield show
    else:
        with _rich_progress(console, title, total) as show:
            yield show


@contextmanager
def _plain_progress(title: str, total: int) -> Iterator[Callable[[Progress], None]]:
    previous = 0

    def show(state: Progress) -> None:
        nonlocal previous
        line = f"{title}: {state.done}/{total} {_state(state)}"
        print(f"\r{line:{previous}}", end="", file=sys.stderr, flush=True)
        previous = len(line)

    try:
        yield show
    finally:
        print(file=sys.stderr)


@contextmanager
def _rich_progress(
    console: Console, title: str, total: int
) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description:<17}", style="bold"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}", style="dim"),
        TextColumn("{task.elapsed:5.1f} s"),
        console=console,
        # Ours is the loop's thread: another one would only take turns with it.
        auto_refresh=False,
        expand=True,
    )
    task = bar.add_task(title, total=total, state="")

    def show(state: Progress) -> None:
        bar.update(task, completed=state.done, state=_state(state))
        bar.refresh()

    with bar:
        yield show


def _state(state: Progress) -> str:
    failed = f", {state.failed} failed" if state.failed else ""
    # As wide at the end as at the begin, lest the bar beside it change its length.
    return f"{state.running:>3} running {state.rows:>9,} rows{failed}"


@contextmanager
def clock(
    title: str, seconds: float, state: Callable[[], str]
) -> Iterator[Callable[[], None]]:
    """Show on standard error how much of a time is over, if it is a terminal.

    Args:
        title: what goes on meanwhile.
        seconds: how long it may take.
        state: says how things stand.

    Yields:
        What to call when that has changed.
    """
    begun = monotonic()
    if not sys.stderr.isatty():
        yield lambda: None
    elif (console := open_console(sys.stderr)) is None:

        def line() -> str:
            return f"{title} {monotonic() - begun:,.0f} s: {state()}"

        with _plain_clock(line) as show:
            yield show
    else:
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        def draw() -> Table:
            over = monotonic() - begun
            grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
            grid.add_column(no_wrap=True)
            grid.add_column(ratio=1)
            grid.add_column(no_wrap=True, justify="right")
            grid.add_row(
                Text(f"{title} {over:,.0f} s", "bold"),
                ProgressBar(seconds, min(over, seconds)),
                Text(state(), "dim"),
            )
            return grid

        # Its own thread draws: ours sleeps until something happens.
        with Live(console=console, get_renderable=draw, transient=True) as live:
            yield live.refresh


@contextmanager
def _plain_clock(line: Callable[[], str]) -> Iterator[Callable[[], None]]:
    previous = 0

    def show() -> None:
        nonlocal previous
        text = line()
        print(f"\r{text:{previous}}", end="", file=sys.stderr, flush=True)
        previous = len(text)

    show()
    try:
        yield show
    finally:
        print(file=sys.stderr)


# The results of queries


def results(form: str, statements: Sequence[Statement], report: Report) -> None:
    """Write what became of the statements to standard output, in one of FORMATS."""
    match form:
        case "csv":
            _write_csv(statements, report)
        case "json":
            _write_json(statements, report)
        case _:
            _write_table(statements, report)


def failures(statements: Sequence[Statement], report: Report) -> None:
    """Say on standard error which queries failed and which connections were lost."""
    for loss in report.losses:
        complain(str(loss))
    for outcome in report.outcomes:
        if outcome.error is not None:
            line = statements[outcome.index].line
            error = _printable(str(outcome.error))
            complain(f"query {outcome.index + 1} (line {line}): {error}")


def _write_csv(statements: Sequence[Statement], report: Report) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    names = "index line rows began seconds error sqlstate text sql"
    writer.writerow(names.split())
    for outcome in report.outcomes:
        statement, error = statements[outcome.index], outcome.error
        writer.writerow(
            (
                *(outcome.index + 1, statement.line, outcome.rows),
                *(f"{outcome.began:.6f}", f"{outcome.seconds:.6f}"),
                *((error.number, error.sqlstate, error.text) if error else ("",) * 3),
                statement.sql,
            )
        )


def _write_json(statements: Sequence[Statement], report: Report) -> None:
    queries = [
        {
            "index": outcome.index + 1,
            "line": statements[outcome.index].line,
            "sql": statements[outcome.index].sql,
            "rows": outcome.rows,
            "began": round(outcome.began, 6),
            "seconds": round(outcome.seconds, 6),
            "error": outcome.error and asdict(outcome.error),
        }
        for outcome in report.outcomes
    ]
    totals = {
        "queries": len(queries),
        "failed": report.failed,
        "rows": report.rows,
        "connections": report.connections,
        "wall_seconds": round(report.wall, 6),
        "sum_of_seconds": round(report.own, 6),
        "queries_per_second": round(len(queries) / report.wall, 1),
        "longest_gap_seconds": round(report.longest_gap, 6),
        "lost_connections": [str(loss) for loss in report.losses],
    }
    json.dump({"queries": queries, "totals": totals}, sys.stdout, indent=2)
    print()


def _write_table(statements: Sequence[Statement], report: Report) -> None:
    columns = [
        Column("#", True, "dim"),
        Column("Rows", True),
        Column("Time, ms", True),
        Column("Query"),
    ]
    rows = [
        (
            str(outcome.index + 1),
            "failed" if outcome.error else f"{outcome.rows:,}",
            f"{outcome.seconds * 1000:,.1f}",
            _printable(statements[outcome.index].summary),
        )
        for outcome in report.outcomes
    ]
    console = open_console(sys.stdout)
    if console is None:
        _draw_plainly(columns, rows)
        print()
    else:
        _draw_richly(console, columns, rows, report)
    facts(_totals(report))


def _totals(report: Report) -> list[tuple[str, str]]:
    queries = len(report.outcomes)
    failed = f"{report.failed} failed" if report.failed else "none failed"
    return [
        ("Queries", f"{queries:,} over {report.connections} connections, {failed}"),
        ("Rows", f"{report.rows:,}"),
        ("Wall time", f"{report.wall:.2f} s"),
        (
            "Sum of own times",
            f"{report.own:.2f} s, so {report.own / report.wall:.1f} ran at a time",
        ),
        ("Throughput", f"{queries / report.wall:,.0f} queries/s"),
        ("Loop not served", f"for {report.longest_gap * 1000:.1f} ms at most"),
    ]


# Facts


def facts(pairs: Sequence[tuple[str, str]], title: str = "") -> None:
    """Write names and what they stand for to standard output."""
    width = max(len(name) for name, _ in pairs)
    console = open_console(sys.stdout)
    if console is None:
        if title:
            print(title)
        for name, value in pairs:
            indented = value.replace("\n", "\n" + " " * (width + 4))
            print(f"  {name:{width}}  {indented}")
        return
    from rich.table import Table
    from rich.text import Text

    if title:
        console.print(Text(title, "bold"))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="cyan", no_wrap=True, min_width=width)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(f"  {name}"), Text(value))
    console.print(grid)


# Drawing


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to standard output."""
    console = open_console(sys.stdout)
    if console is None:
        _draw_plainly(columns, rows)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        justify = "right" if column.is_number else "left"
        drawn.add_column(column.title, justify=justify, style=column.style)  # type: ignore[arg-type]
    for row in rows:
        drawn.add_row(*map(Text, row))
    console.print(drawn)


def _draw_plainly(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Draw a table of which the last column is cut where the line ends."""
    table = [[column.title for column in columns], *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    line = max(_NARROWEST, shutil.get_terminal_size((100, 24)).columns)
    widths[-1] = line - sum(widths[:-1]) - 2 * len(columns)
    for row in table:
        cells = [
            f"{cell:>{width}}" if column.is_number else _cut(cell, width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        print("  " + "  ".join(cells).rstrip())


def _draw_richly(
    console: Console,
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    report: Report,
) -> None:
    from rich import box
    from rich.bar import Bar
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    is_wide = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, expand=True, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            style=column.style,
            no_wrap=True,
            overflow="ellipsis",
            ratio=None if column.is_number else 1,
        )
    if is_wide:
        table.add_column("When", width=_TIMELINE, no_wrap=True)
    for row, outcome in zip(rows, report.outcomes, strict=True):
        *numbers, query = row
        text = Text(query)
        text.highlight_regex(_KEYWORDS, "blue")
        cells: list[RenderableType] = [Text(number) for number in numbers]
        cells.append(text)
        if is_wide:
            end = outcome.began + outcome.seconds
            # Not less than can be seen.
            end = max(end, outcome.began + report.wall / _TIMELINE / 4)
            cells.append(Bar(report.wall, outcome.began, end, color="green"))
        table.add_row(*cells, style="red" if outcome.error else None)
    console.print(table)


def open_console(stream: TextIO) -> Console | None:
    """Return rich's console for a terminal that it can draw on, if rich is there."""
    if not stream.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, highlight=False)


def _printable(text: str) -> str:
    """Return a text of which no character can upset a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _cut(text: str, width: int) -> str:
    """Return as much of a text as fits into so many columns of a terminal."""
    used = 0
    for i, character in enumerate(text):
        used += 2 if east_asian_width(character) in "WF" else 1
        if used > width:
            return text[: i - 1] + "…"
    return text
