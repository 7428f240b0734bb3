"""Draws the picture for the README from the numbers that report.py makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot

from benchmarks.contestants import LIMIT, OURS


class _Panel(NamedTuple):
    scenario: str
    world: str
    metric: str
    title: str
    digits: int


_PANELS: Final = (
    _Panel("fetch", "asyncio", "cpu_us", "fetchall, asyncio: CPU us per row", 2),
    _Panel("lookup", "asyncio", "cpu_us", "row by key, asyncio: CPU us", 1),
    _Panel("lookup", "uvloop", "cpu_us", "row by key, uvloop: CPU us", 1),
    _Panel("fetch", "blocking", "wall_us", "fetchall, blocking: wall us per row", 2),
    _Panel("lookup", "blocking", "wall_us", "row by key, blocking: wall us", 1),
    _Panel("delay", "asyncio", "delay_ms", "fetchall: delay of the loop, ms", 1),
    _Panel("arrow", "blocking", "wall_us", "Arrow, blocking: wall us per row", 2),
    _Panel("insert", "asyncio", "per_second", "executemany: rows a second", 0),
    _Panel(
        "concurrent", "asyncio", "per_second", "20 connections: queries a second", 0
    ),
)
_COLOURS: Final = {OURS: "#0f766e", LIMIT: "#a1a1aa"}
_OTHERS: Final = "#93b4c9"


def draw(summaries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the picture; the suffix of the path says in which format."""
    by_group = {(s["scenario"], s["world"]): s["contestants"] for s in summaries}
    panels = [p for p in _PANELS if by_group.get((p.scenario, p.world))]
    with mpl.rc_context({"svg.hashsalt": "mariadb_nb", "font.size": 8}):
        columns = min(3, len(panels))
        lines = -(-len(panels) // 3)
        figure, axes = pyplot.subplots(
            lines, columns, figsize=(3.6 * columns, 2.2 * lines), squeeze=False
        )
        for axis in axes.flat[len(panels) :]:
            axis.axis("off")
        for axis, panel in zip(axes.flat, panels, strict=False):
            _draw_panel(axis, panel, by_group[panel.scenario, panel.world])
        figure.tight_layout()
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata, dpi=150)
        pyplot.close(figure)


def _draw_panel(axis: Any, panel: _Panel, contestants: Mapping[str, Any]) -> None:
    values = {
        label: numbers[panel.metric]["value"]["median"]
        for label, numbers in contestants.items()
        if panel.metric in numbers
    }
    labels = list(values)
    names = [label.partition(",")[0] for label in labels]
    colours = [_COLOURS.get(name, _OTHERS) for name in names]
    bars = axis.barh(labels, list(values.values()), color=colours)
    axis.bar_label(bars, fmt=f"{{:,.{panel.digits}f}}", padding=2)
    axis.invert_yaxis()
    axis.margins(x=0.2)
    axis.set_title(panel.title, loc="left")
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.xaxis.set_visible(False)
    axis.tick_params(left=False)
