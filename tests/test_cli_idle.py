"""The command idle-timeout: what it prints, and what it refuses."""

from __future__ import annotations

import json
import re
import socket

import pytest
from cli_support import PROGRAM, WITHOUT_RICH, run, terminal
from idle_peers import IdlePeer

from mariadb_nb.cli.idle import advice, finding
from mariadb_nb.probe import End, Seen, Verdict
from mariadb_nb.probe.evidence import judge
from mariadb_nb.server import TemporaryServer

HOST = "127.0.0.1"
QUICK = ("--longest=4", "--connections=3", "--answer-timeout=1")


def test_prints_a_table_and_a_recommendation() -> None:
    with IdlePeer(1.5, "fin") as peer:
        done = run("idle-timeout", HOST, str(peer.port), *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "Planned,",
        "s",
        "Idle,",
        "s",
        "What",
        "came",
        "of",
        "it",
    ]
    planned = [line.split()[0] for line in lines[1:] if re.match(r" +\d", line)]
    assert planned == sorted(planned)
    assert "closed by the peer while idle (FIN)" in done.stdout
    assert re.search(r"Asked with +a TCP keepalive\n", done.stdout)
    assert re.search(r"Idle timeout +\d\.\d s, then it is closed", done.stdout)
    assert re.search(r"For a pool +keepalive_interval=[\d.]+ keeps", done.stdout)
    assert re.search(r"or max_idle=[\d.]+, keepalive_interval=None", done.stdout)
    assert re.search(r"Mind +.*--log-in", done.stdout)


def test_prints_json() -> None:
    with IdlePeer(1.5, "rst") as peer:
        done = run(
            "idle-timeout", HOST, str(peer.port), *QUICK, "--shortest=3", "--json"
        )
    found = json.loads(done.stdout)
    assert (found["host"], found["port"]) == (HOST, peer.port)
    assert found["logged_in"] is False
    assert found["plan"]["longest"] == 4
    assert found["verdict"]["end"] == "reset"
    assert found["verdict"]["exact"] is True
    assert {"planned", "idle", "end", "detail"} == set(found["seen"][0])


def test_logs_in_when_told_to(mariadb_server: TemporaryServer) -> None:
    user = mariadb_server.users["native"]
    where = (mariadb_server.host, str(mariadb_server.port))
    login = ("--log-in", f"--user={user.name}", "--tls=disable")
    short = ("--longest=1", "--connections=2")
    done = run(
        "idle-timeout", *where, *login, *short, MARIADB_NB_PASSWORD=user.password
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"Asked with +a ping\n", done.stdout)
    assert re.search(r"Idle timeout +none up to 1\.\d s, the longest", done.stdout)
    assert "Mind" not in done.stdout


@pytest.mark.parametrize("program", [PROGRAM, WITHOUT_RICH], ids=["rich", "plain"])
def test_shows_how_it_goes(program: tuple[str, ...]) -> None:
    with (
        IdlePeer(60, "fin") as peer,
        terminal(
            *("idle-timeout", HOST, str(peer.port), "--longest=2", "--connections=2"),
            program=program,
            columns=100,
        ) as running,
    ):
        running.read_until(f"Idle on {HOST}:{peer.port}")
        running.read_until("1 answered")
        shown = running.read_to_end()
    assert running.status == 0
    assert "For a pool" in shown


def test_ctrl_c_ends_it() -> None:
    with (
        IdlePeer(60, "fin") as peer,
        terminal("idle-timeout", HOST, str(peer.port)) as running,
    ):
        running.read_until("Idle on")
        running.write("\x03")
        assert "mariadb-nb: interrupted" in running.read_to_end()
        assert running.status == 130


def test_nobody_there() -> None:
    with socket.socket() as deaf:
        deaf.bind((HOST, 0))  # and does not listen; nobody else can
        port = deaf.getsockname()[1]
        done = run("idle-timeout", HOST, str(port), *QUICK)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"mariadb-nb: cannot connect to {HOST}:{port}: Connection refused\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--longest=90000",), "no number above 0, up to 86400"),
        (("--longest=5", "--shortest=6"), "shortest=6.0 is no number from 1.0 to 5"),
        (("--connections=201",), "connections=201 is no number from 2 to 200"),
        (("--connections=1",), "connections=1 is no number from 2 to 200"),
        (("--answer-timeout=61",), "answer_timeout=61.0 is no number from 1.0 to 60"),
        (("--user=me",), "are for logging in: add --log-in"),
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused(
    arguments: tuple[str, ...], message: str
) -> None:
    done = run("idle-timeout", HOST, "1", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def verdict(*seen: tuple[float, End]) -> Verdict:
    return judge([Seen(idle, idle, end) for idle, end in seen])


@pytest.mark.parametrize(
    ("judged", "found", "advised"),
    [
        (
            verdict((900, "answered")),
            "none up to 900.0 s, the longest that was tried",
            "the settings that it has are good",
        ),
        (
            verdict((60, "answered")),
            "none up to 60.0 s, the longest that was tried",
            "keepalive_interval=60 is short enough; longer was not tried",
        ),
        (
            verdict((60, "answered"), (100, "silence")),
            "between 60.0 and 100.0 s, then it is gone without a word: nothing answers",
            "keepalive_interval=30 keeps connections open;\n"
            "or max_idle=48, keepalive_interval=None closes them before",
        ),
        (
            verdict((1, "refused")),
            "between 0 and 1.0 s, then it is gone: what was sent was answered by a "
            "reset (RST)",
            "no advice: even the shortest time that was tried is too long",
        ),
        (
            verdict((100, "reset")),
            "100.0 s, then it is reset while idle (RST)",
            "keepalive_interval=50 keeps connections open;\n"
            "or max_idle=80, keepalive_interval=None closes them before",
        ),
        (
            verdict((1, "talking")),
            "unknown: no connection was idle for long enough to tell",
            "no advice",
        ),
    ],
    ids=lambda value: value.end if isinstance(value, Verdict) else "",
)
def test_words(judged: Verdict, found: str, advised: str) -> None:
    assert finding(judged) == found
    assert advice(judged) == advised
