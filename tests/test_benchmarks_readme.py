"""The README's section on speed says what was measured, and no less."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import readme
from benchmarks.scenarios import FULL, SCENARIOS

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")


def numbers(**medians: float) -> dict[str, Any]:
    return {key: {"value": {"median": value}} for key, value in medians.items()}


def measured() -> dict[str, Any]:
    """A run in which ours has 2.0 of everything as text, and nobody else anything."""
    ours = numbers(
        wall_us=2.0, cpu_us=2.0, server_us=1.5, per_second=2.0, delay_ms=2.0
    ) | numbers(memory_mb=2.0, cpu_percent=0.0)
    return {
        "rounds": 5,
        "missing": [],
        "failed": [],
        "machine": {
            "cores": 2,
            "python": "3.11.7",
            "server": "10.11.19-MariaDB",
            "connector_c": "3.3.20",
        },
        "results": [
            {
                "scenario": scenario.key,
                "world": world,
                "title": scenario.describe(FULL),
                "contestants": {"mariadb_nb": dict(ours)},
            }
            for scenario in SCENARIOS
            for world in scenario.worlds
        ],
    }


def contestants(found: dict[str, Any], scenario: str, world: str) -> dict[str, Any]:
    (group,) = [
        group
        for group in found["results"]
        if (group["scenario"], group["world"]) == (scenario, world)
    ]
    chosen: dict[str, Any] = group["contestants"]
    return chosen


def table(text: str) -> list[list[str]]:
    lines = re.findall(r"^\| (.*) \|$", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def row(found: dict[str, Any], start: str, end: str) -> dict[str, str]:
    """The cells of one line of the table, by their heads."""
    head, _, *lines = table(readme.section(found))
    (line,) = [one for one in lines if one[0].startswith(start) and end in one[0]]
    return dict(zip(head, line, strict=True))


def test_both_protocols_of_everybody_are_shown_and_the_best_is_bold() -> None:
    found = measured()
    group = contestants(found, "lookup", "asyncio")
    group["mariadb_nb"] |= numbers(cpu_us=18.36, server_us=21.0)
    group |= {
        "mariadb_nb, binary": numbers(cpu_us=15.24),
        "asyncmy": numbers(cpu_us=30.38),
        "asyncmy, binary": numbers(cpu_us=11.49),
        "pyro-mysql, binary": numbers(cpu_us=38.5),
        "aiomysql": numbers(cpu_us=120.3),
        "C": numbers(cpu_us=5.03),
    }
    assert row(found, "10 columns by key", "asyncio, µs of CPU") == {
        "": "10 columns by key, one parameter, one after another; asyncio, µs of CPU",
        "ours": "18.4, 15.2 b",
        "asyncmy": "30.4, **11.5 b**",
        "pyro-mysql": "38.5 b",
        "others": "aiomysql 120",
        "C": "5.03",
        "server": "21.0",
    }


def test_of_rates_the_highest_is_the_best() -> None:
    found = measured()
    group = contestants(found, "insert", "asyncio")
    group["mariadb_nb, binary"] = numbers(per_second=487_398.4)
    group["asyncmy, binary"] = numbers(per_second=365_631.3)
    cells = row(found, "executemany", "rows/s")
    assert (cells["ours"], cells["asyncmy"]) == ("2.00, **487,000 b**", "366,000 b")


def test_who_failed_is_shown_unless_it_worked_in_another_round() -> None:
    found = measured()
    contestants(found, "load", "asyncio")["asyncmy"] = numbers(per_second=1.0)
    found["failed"] = [
        {"who": who, "where": "load, asyncio", "times": 3, "error": ""}
        for who in ("asyncmy", "asyncmy, binary", "mariadb")
    ]
    cells = row(found, "1,000,000 rows", "rows/s")
    assert cells["asyncmy"] == "1.00, fails b"
    assert cells["mariadb"] == "fails"
    assert "max_allowed_packet" in readme.section(found)


def test_what_nobody_has_is_left_out() -> None:
    head, *_ = table(readme.section(measured()))
    assert head == ["", "ours", "server"]
    assert "max_allowed_packet" not in readme.section(measured())
    without = measured()
    for group in without["results"]:
        del group["contestants"]["mariadb_nb"]["server_us"]
    assert '"Server"' not in readme.section(without)


def test_only_a_run_of_everything_makes_a_section() -> None:
    found = measured()
    found["missing"] = ["asyncmy"]
    with pytest.raises(SystemExit, match="not shown: asyncmy"):
        readme.section(found)
    found = measured()
    del contestants(found, "insert", "asyncio")["mariadb_nb"]
    with pytest.raises(SystemExit, match="no per_second of ours in insert, asyncio"):
        readme.section(found)
    found["results"] = []
    with pytest.raises(SystemExit, match="no cpu_us of ours in fetch, asyncio"):
        readme.section(found)


def test_nothing_but_the_section_is_replaced() -> None:
    text = "before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n"
    new = readme.section(measured())
    once = readme.replaced(text, new)
    assert once == f"before\n{new}\nafter\n"
    assert readme.replaced(once, new) == once
    for torn in ("no marks", "<!-- bench --> begun", "ended <!-- /bench -->"):
        with pytest.raises(SystemExit, match="nothing stands between"):
            readme.replaced(torn, new)


def test_the_readme_has_the_lines_of_a_full_run() -> None:
    _, begin, rest = README.partition("<!-- bench -->")
    shown = table(begin + rest)
    written = table(readme.section(measured()))
    assert [line[0] for line in shown][2:] == [line[0] for line in written][2:]
