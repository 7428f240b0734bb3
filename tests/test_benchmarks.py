"""The benchmarks' arithmetic: who runs when, and what a ratio is made of."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import combinations

import pytest

from benchmarks import footprint, loans, logins, pool, report, rounds, scenarios, table
from benchmarks.contestants import BY_NAME, CONTESTANTS, pins
from benchmarks.lenders import LENDERS
from benchmarks.measure import cpu_clock
from mariadb_nb.server import TemporaryServer


def test_everybody_runs_before_and_after_everybody_else_equally_often() -> None:
    entries = list(scenarios.entries(scenarios.SCENARIOS[0], "asyncio"))
    orders = [rounds.order(entries, number) for number in range(2 * len(entries))]
    for one, other in combinations(entries, 2):
        before = sum(order.index(one) < order.index(other) for order in orders)
        assert before == len(entries)


def test_a_ratio_is_of_the_rounds_that_both_took_part_in() -> None:
    ours = {0: {"cpu_us": 1.0}, 1: {"cpu_us": 3.0}, 2: {"cpu_us": 8.0}}
    theirs = {0: {"cpu_us": 2.0}, 2: {"cpu_us": 4.0}, 3: {"cpu_us": 1.0}}
    found = report.ratios(ours, theirs, "cpu_us")
    assert found == pytest.approx((0.875, 1.25, 1.625))
    assert report.ratios(ours, {4: {"cpu_us": 1.0}}, "cpu_us") is None


def test_a_row_with_another_value_or_type_is_refused() -> None:
    right = table.row(8)
    table.check(8, list(right))
    for wrong in ((*right[:9], None), (float(right[0]), *right[1:])):
        with pytest.raises(AssertionError, match="row 8 is"):
            table.check(8, wrong)


def test_every_peer_is_pinned() -> None:
    pinned = {name for name, _ in pins()}
    peers = {contestant.name for contestant in CONTESTANTS} - {"mariadb_nb", "C"}
    assert peers <= pinned


def test_the_cpu_time_of_another_process_is_that_of_all_its_threads() -> None:
    work = """
import threading, time
def busy():
    while time.thread_time() < 0.05:
        pass
threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(time.process_time(), flush=True)
input()
"""
    command = [sys.executable, "-c", work]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        told = float(other.stdout.readline())
        assert told >= 0.1
        # What is counted of the thread that runs may be up to a tick behind.
        assert time.clock_gettime(cpu_clock(other.pid)) >= told - 0.02
        other.communicate("\n")
    assert cpu_clock(other.pid) == 0


def test_a_failure_is_told_in_one_line_with_how_often_it_came() -> None:
    traceback = "Traceback (most recent call last):\n  File x\nOSError: gone\n"
    crash = "Fatal Python error: torn\nPython runtime state: y\n\nmodules: z\n"
    peer = scenarios.Entry(BY_NAME["asyncmy"], "binary")
    said = [f"exit code 1\n{traceback}", "exit code 1\nother", f"exit code -6\n{crash}"]
    places = ["load, asyncio", "load, asyncio", "fetch, asyncio"]
    failures = [rounds.Failure(peer, *one) for one in zip(places, said, strict=True)]
    slow = rounds.Failure(peer, "select, asyncio", "it took longer than 120 s")
    found = report.failures(rounds.Outcome(failures=[*failures, slow]))
    assert {failed["who"] for failed in found} == {"asyncmy, binary"}
    assert [(one["where"], one["times"], one["error"]) for one in found] == [
        ("load, asyncio", 2, "exit code 1: OSError: gone"),
        ("fetch, asyncio", 1, "exit code -6: Fatal Python error: torn"),
        ("select, asyncio", 1, "it took longer than 120 s"),
    ]


@pytest.mark.parametrize("name", ["mariadb_nb.aio", "mariadb_nb, threads"])
def test_ends_of_idle_connections_are_really_noticed(name: str) -> None:
    with TemporaryServer() as server:
        found = pool.measure(name, server, 20, 0.01)
        assert (found["killed"], found["failed"]) == (20, {})
        assert found["noticed"] >= 0
        assert found["memory"] > 0


@pytest.mark.parametrize("threads", [False, True])
def test_loans_are_really_measured(threads: bool) -> None:
    number, ours = next(
        (n, one) for n, one in enumerate(LENDERS) if one.threads == threads
    )
    with TemporaryServer() as server:
        sample = loans.measure(number, loans.place_of(server), loans.SHORT)
    assert all(value >= 0 for value in sample.values())
    assert sample["load_rate"] > 0
    shown = loans.table({number: {0: sample}}, threads)
    assert shown.row_count == 1
    assert list(shown.columns[0].cells) == [ours.name]


def test_logins_are_really_tried() -> None:
    ours = logins.DRIVERS[0]
    assert ours.name == "mariadb-nb"
    with logins._checking("sha256_password") as target:
        assert logins._outcome(ours, target, False) == logins.NO
        assert logins._outcome(ours, target, False, "sha256_password") == "on request"
    with logins._checking("sha256_password", ("TLSv1_3",)) as target:
        assert logins._outcome(ours, target, True) == logins.YES
        assert target.version() == "TLSv1.3"


def test_footprint_of_what_is_installed_here() -> None:
    found = footprint.cost(
        sys.executable, footprint.Driver("pytest", ("pytest", "pluggy"))
    )
    assert found.name.startswith("pytest ")
    assert found.disk > 100_000
    assert found.memory > 0
    assert found.seconds > 0
