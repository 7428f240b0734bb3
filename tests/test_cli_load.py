"""The command pool-bench: the load, the numbers, and what goes wrong."""

from __future__ import annotations

import json
import re

import pytest
from cli_support import PROGRAM, WITHOUT_RICH, run, server_arguments, terminal
from hypothesis import given
from hypothesis import strategies as st

from mariadb_nb.cli.load import Times, percentile
from mariadb_nb.server import TemporaryServer

KINDS = pytest.mark.parametrize("kind", ["tasks", "threads"])
SHORT = ("--seconds=0.3", "--connections=2", "--tasks=5")


@pytest.fixture
def server(mariadb_server: TemporaryServer) -> list[str]:
    """The options that name the server of the tests."""
    return server_arguments(mariadb_server)


def of(kind: str) -> tuple[str, ...]:
    return ("--threads",) if kind == "threads" else ()


@KINDS
def test_prints_percentiles(server: list[str], kind: str) -> None:
    done = run("pool-bench", *server, *SHORT, *of(kind))
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()[:4]
    assert head.split(", ms") == [
        "  p50",
        "  p90",
        "  p99",
        "  p99.9",
        "  longest",
        "  Time",
    ]
    for row, what in zip(rows, ("get a", "execute", "give it"), strict=True):
        assert what in row
        numbers = [float(number) for number in row.split()[:5]]
        assert numbers == sorted(numbers)
    assert re.search(rf"Load +5 {kind} on 2 connections\n", done.stdout)
    assert re.search(r"Queries +[\d,]+ in \d\.\d\d s\n", done.stdout)
    assert re.search(r"Throughput +[\d,]+ queries/s\n", done.stdout)
    assert re.search(r"Connections +2 made, 0 lost", done.stdout)


@KINDS
def test_prints_json(server: list[str], kind: str) -> None:
    sql = "SELECT 'of my own'"
    done = run("pool-bench", *server, *SHORT, *of(kind), f"--sql={sql}", "--json")
    found = json.loads(done.stdout)
    assert (found["connections"], found["tasks"], found["sql"]) == (2, 5, sql)
    assert found["threads"] == (kind == "threads")
    assert found["seconds"] >= 0.3
    assert found["queries"] >= 5
    assert found["errors"] == {}
    assert found["pool"] == {"created": 2, "closed": {}, "timeouts": 0}
    assert list(found["steps"]) == ["acquire", "query", "release"]
    for step in found["steps"].values():
        assert list(step) == ["p50", "p90", "p99", "p99.9", "p100"]
        assert 0 < step["p50"] <= step["p100"]


def test_without_a_server_it_takes_a_throwaway_one() -> None:
    done = run("pool-bench", *SHORT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "5 tasks on 2 connections" in done.stdout


@KINDS
def test_statement_that_is_wrong_is_told_once(server: list[str], kind: str) -> None:
    done = run("pool-bench", *server, *SHORT, *of(kind), "--sql=SELECT nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("Unknown column 'nothing'") == 1


@KINDS
def test_failures_under_load_are_counted(server: list[str], kind: str) -> None:
    # The first time, it is not yet there.
    name = f"pool_bench_{kind}"
    sql = f"CREATE TABLE {name} (n INT)"
    done = run("pool-bench", *server, *SHORT, *of(kind), f"--sql={sql}", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["queries"] == 0
    assert sum(found["errors"].values()) >= 5
    assert f"Table '{name}' already exists" in done.stderr


@pytest.mark.parametrize("program", [PROGRAM, WITHOUT_RICH], ids=["rich", "plain"])
def test_on_a_terminal(server: list[str], program: tuple[str, ...]) -> None:
    with terminal("pool-bench", *server, *SHORT, program=program) as running:
        shown = running.read_to_end()
    assert running.status == 0
    assert "Throughput" in shown


@KINDS
def test_ctrl_c_ends_it(server: list[str], kind: str) -> None:
    load = ("--seconds=600", "--connections=2", "--tasks=5")
    with terminal("pool-bench", *server, *load, *of(kind)) as running:
        running.read_until(" queries")
        running.write("\x03")
        assert "mariadb-nb: interrupted" in running.read_to_end()
        assert running.status == 130


@pytest.mark.parametrize(
    "wrong", ["--seconds=601", "--seconds=0", "--tasks=1001", "--connections=501"]
)
def test_what_is_out_of_bounds_is_refused(wrong: str) -> None:
    done = run("pool-bench", wrong)
    assert done.returncode == 2
    assert wrong.partition("=")[0] in done.stderr


# The numbers


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.1, 100))
def test_so_many_hundredths_do_not_exceed_a_percentile(
    times: list[float], hundredths: float
) -> None:
    ordered = sorted(times)
    found = percentile(ordered, hundredths)
    assert found in ordered
    below = sum(time <= found for time in times)
    assert below >= len(times) * hundredths / 100 - 1e-9
    smaller = sum(time < found for time in times)
    assert smaller < len(times) * hundredths / 100


def test_percentiles_of_a_hundred() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert [percentile(ordered, p) for p in (50, 90, 99, 99.9, 100)] == [
        *(50, 90, 99),
        *(100, 100),
    ]
    assert percentile([], 50) == 0


def test_steps_are_between_the_moments() -> None:
    times = Times()
    times.add(1.0, 3.0, 6.0, 10.0)
    assert [list(step) for step in times.steps.values()] == [[2.0], [3.0], [4.0]]
    assert times.queries == 1
