"""Measuring idle timeouts: with peers that end idle connections in every way."""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import trio
from attempts import attempts
from firewall_cases import FORGETS
from idle_peers import IdlePeer
from runner_worlds import WORLDS, World, printed

from mariadb_nb import OperationalError, Options, connect, probe
from mariadb_nb.probe import Plan
from mariadb_nb.probe import aio as probe_aio
from mariadb_nb.probe.connections import Address, hold
from mariadb_nb.probe.measuring import measure
from mariadb_nb.probe.together import together
from mariadb_nb.runners.poll import PollRunner
from mariadb_nb.server import TemporaryServer
from mariadb_nb.wait import Operation, Wait

HERE = Path(__file__).parent
HOST = "127.0.0.1"
#: The idle seconds that the peers allow, and what is asked for: 1, 2 and 4 s.
LIMIT = 1.5
PLAN = Plan(longest=4, connections=3, answer_timeout=1)
#: How the ends that come by themselves are called.
BY_ITSELF = {"fin": "fin", "rst": "reset", "farewell": "fin"}
WHEN_ASKED = {"drop": "silence", "reject": "refused"}


@pytest.fixture(scope="module")
def impatient() -> Iterator[TemporaryServer]:
    """A server that lets no connection idle for more than two seconds."""
    with TemporaryServer(options={"wait_timeout": 2}) as server:
        yield server


def login(server: TemporaryServer, **options: Any) -> Options:
    user = server.users["native"]
    return Options.of(user=user.name, password=user.password, **options)


# Who says nothing


@pytest.mark.parametrize("how", BY_ITSELF)
def test_end_that_comes_by_itself_is_measured(how: str) -> None:
    for attempt in attempts(0.25):
        with IdlePeer(LIMIT, how) as peer:
            report = probe.idle_timeout(HOST, peer.port, PLAN)
        verdict = report.verdict
        if verdict.end == BY_ITSELF[how] and verdict.exact:
            assert verdict.ended is not None
            attempt.measured = abs(verdict.ended - LIMIT)
    assert not report.logged_in
    assert report.plan == PLAN


@pytest.mark.parametrize("world", WORLDS)
def test_every_runner_can_measure(world: World) -> None:
    with IdlePeer(1.25, "fin") as peer:
        plan = Plan(shortest=3, longest=9, connections=3)
        (report,) = world.play(measure(HOST, peer.port, plan))
    assert report.verdict.end == "fin"
    assert 0 < report.verdict.ended < report.seconds


@pytest.mark.parametrize("world", WORLDS)
def test_interrupted_measurement_closes_its_connections(world: World) -> None:
    with IdlePeer(60, "fin") as peer:
        address = Address(socket.AF_INET, (HOST, peer.port))
        holding = [hold(address, idle, PLAN) for idle in PLAN.times]
        error = world.interrupt(together(holding, lambda seen: False))
        assert isinstance(error, world.interruption)
        assert peer.had_and_lost(len(holding))


def test_what_one_raises_closes_the_others() -> None:
    def raising() -> Operation[probe.Seen]:
        yield Wait(-1, 0, monotonic() + 0.05)
        raise ZeroDivisionError

    with IdlePeer(60, "fin") as peer:
        address = Address(socket.AF_INET, (HOST, peer.port))
        both = together([hold(address, 30, PLAN), raising()], lambda seen: False)
        with pytest.raises(ZeroDivisionError):
            PollRunner().run(both)
        assert peer.had_and_lost(1)


def test_service_that_allows_it() -> None:
    plan = Plan(longest=2, connections=3, answer_timeout=1)
    heard: list[probe.Seen] = []
    with IdlePeer(60, "fin") as peer:
        report = probe.idle_timeout(HOST, peer.port, plan, on_seen=heard.append)
    assert [one.end for one in report.seen] == ["answered"] * 3
    assert report.seen == tuple(heard)
    assert report.verdict.end == "answered"
    assert report.verdict.survived is not None
    assert report.verdict.survived >= 2


def test_mariadb_ends_who_does_not_log_in() -> None:
    plan = Plan(shortest=8, longest=9, connections=2)
    with TemporaryServer(options={"connect_timeout": 2}) as server:
        report = probe.idle_timeout(server.host, server.port, plan)
        with connect(unix_socket=server.socket, user="root") as root:
            counted = root.execute("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")
            ((_, aborted),) = counted.fetchall()
    assert int(aborted) >= len(report.seen)
    assert report.verdict.exact
    assert len(report.seen) == 2
    assert {one.end for one in report.seen} <= {"fin", "reset"}


def test_proxy_answers_for_a_connection_that_is_gone(
    mariadb_server: TemporaryServer,
) -> None:
    target = (mariadb_server.host, mariadb_server.port)
    plan = Plan(longest=2, connections=2)
    with IdlePeer(0.5, "drop", target) as peer:
        report = probe.idle_timeout(HOST, peer.port, plan)
    assert [one.end for one in report.seen] == ["answered", "answered"]


def test_service_that_never_stops_talking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mariadb_nb.probe.connections._TALK", 1.0)
    with IdlePeer(60, "fin", chat=0.1) as peer:
        plan = Plan(shortest=3, longest=4, connections=2)
        report = probe.idle_timeout(HOST, peer.port, plan)
    assert [one.end for one in report.seen] == ["talking", "talking"]
    assert report.verdict.end == "failed"


def test_service_that_is_not_there() -> None:
    with socket.socket() as deaf:
        deaf.bind((HOST, 0))  # and does not listen; nobody else can
        port = deaf.getsockname()[1]
        refused = f"{HOST}:{port}: Connection refused"
        with pytest.raises(OperationalError, match=refused):
            probe.idle_timeout(HOST, port, PLAN)


def test_name_that_is_none() -> None:
    with pytest.raises(OperationalError, match=r"cannot look up 'nowhere\.invalid'"):
        probe.idle_timeout("nowhere.invalid", 1, PLAN)


def test_to_be_awaited() -> None:
    plan = Plan(shortest=3, longest=9, connections=2)
    with IdlePeer(1.25, "fin") as peer:

        async def both() -> list[str]:
            reports = await asyncio.gather(
                *(probe_aio.idle_timeout(HOST, peer.port, plan) for _ in range(2))
            )
            return [report.verdict.end for report in reports]

        assert asyncio.run(both()) == ["fin", "fin"]
        report = trio.run(probe_aio.idle_timeout, HOST, peer.port, plan)
        assert report.verdict.end == "fin"


def test_in_a_patched_process_the_other_greenlets_run() -> None:
    with IdlePeer(1.25, "fin") as peer:
        told = printed(f"""
            from gevent import monkey
            monkey.patch_all()
            import gevent
            from mariadb_nb import probe
            plan = probe.Plan(shortest=3, longest=9, connections=2)
            job = gevent.spawn(probe.idle_timeout, {HOST!r}, {peer.port}, plan)
            turns = 0
            while not job.ready():
                gevent.sleep(0.01)
                turns += 1
            print(job.get().verdict.end, turns > 10)
        """)
    assert told == "fin True\n"


# Who logs in


@pytest.mark.parametrize("tls", ["disable", "require"])
def test_server_that_has_a_timeout(impatient: TemporaryServer, tls: str) -> None:
    plan = Plan(longest=9, connections=3)  # 1, 3 and 9 s
    report = probe.idle_timeout(
        impatient.host, impatient.port, plan, login=login(impatient, tls=tls)
    )
    verdict = report.verdict
    assert report.logged_in
    assert verdict.end in ("reset", "fin")
    assert verdict.exact
    assert verdict.ended is not None
    assert verdict.keepalive_interval is not None
    assert verdict.keepalive_interval < verdict.ended


@pytest.mark.parametrize("how", WHEN_ASKED)
@pytest.mark.parametrize("tls", ["disable", "require"])
def test_firewall_before_a_server(
    mariadb_server: TemporaryServer, how: str, tls: str
) -> None:
    target = (mariadb_server.host, mariadb_server.port)
    with IdlePeer(LIMIT, how, target) as peer:
        report = probe.idle_timeout(
            HOST, peer.port, PLAN, login=login(mariadb_server, tls=tls)
        )
    assert [one.end for one in report.seen][-2:] == [WHEN_ASKED[how]] * 2
    assert report.verdict.end == WHEN_ASKED[how]
    assert not report.verdict.exact


def test_limit_of_a_firewall_is_between_two_times(
    mariadb_server: TemporaryServer,
) -> None:
    target = (mariadb_server.host, mariadb_server.port)
    for attempt in attempts(0):
        with IdlePeer(LIMIT, "drop", target) as peer:
            report = probe.idle_timeout(
                HOST, peer.port, PLAN, login=login(mariadb_server)
            )
        attempt.measured = how_far_outside(LIMIT, report.verdict)


def how_far_outside(limit: float, verdict: probe.Verdict) -> float:
    """By how much a bracket fails to have a limit in it."""
    survived, ended = verdict.survived, verdict.ended
    if survived is None or ended is None:
        return math.inf
    return max(survived - limit, limit - ended, 0.0)


@pytest.mark.parametrize("tls", ["disable", "require"])
@pytest.mark.parametrize("how", BY_ITSELF)
def test_server_that_hangs_up(
    mariadb_server: TemporaryServer, how: str, tls: str
) -> None:
    target = (mariadb_server.host, mariadb_server.port)
    plan = Plan(shortest=4, longest=5, connections=2)
    with IdlePeer(1, how, target) as peer:
        report = probe.idle_timeout(
            HOST, peer.port, plan, login=login(mariadb_server, tls=tls)
        )
    assert [one.end for one in report.seen] == [BY_ITSELF[how]] * 2
    assert report.verdict.exact


def test_login_that_is_refused(mariadb_server: TemporaryServer) -> None:
    wrong = Options.of(user="native", password="wrong")
    with pytest.raises(OperationalError, match="Access denied"):
        probe.idle_timeout(mariadb_server.host, mariadb_server.port, PLAN, login=wrong)


# Firewalls for real


def in_a_namespace(how: str) -> subprocess.CompletedProcess[str]:
    """Run one of ``firewall_cases``."""
    case = [sys.executable, str(HERE / "firewall_cases.py"), how]
    return subprocess.run(
        ["unshare", "--map-root-user", "--net", *case],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@cache
def has_netfilter() -> bool:
    """Whether this machine lets us have a firewall of our own."""
    try:
        return in_a_namespace("try").stdout == "ready\n"
    except FileNotFoundError:  # there is no unshare
        return False


@pytest.mark.parametrize("how", WHEN_ASKED)
def test_firewall_for_real(mariadb_server: TemporaryServer, how: str) -> None:
    if not has_netfilter():
        # The machine allows no more than a proxy that plays it.
        test_firewall_before_a_server(mariadb_server, how, "disable")
        return
    for attempt in attempts(0):
        done = in_a_namespace(how)
        assert done.returncode == 0, done.stderr
        verdict = probe.Verdict(**json.loads(done.stdout)["verdict"])
        assert verdict.end == WHEN_ASKED[how]
        assert not verdict.exact
        attempt.measured = how_far_outside(FORGETS, verdict)
