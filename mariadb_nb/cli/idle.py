"""The command idle-timeout: what is measured, and what the user is told of it.

Owns the words for what ``mariadb_nb.probe`` has found. How they are drawn is render's.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import Final

from mariadb_nb import probe
from mariadb_nb.cli import render
from mariadb_nb.cli.errors import CliError
from mariadb_nb.cli.target import Target, options_of
from mariadb_nb.errors import Error
from mariadb_nb.options import Options
from mariadb_nb.pool.settings import Settings
from mariadb_nb.probe import End, Plan, Report, Seen, Verdict

_ENDS: Final[dict[End, str]] = {
    "answered": "answered",
    "fin": "closed by the peer while idle (FIN)",
    "reset": "reset while idle (RST)",
    "refused": "gone: what was sent was answered by a reset (RST)",
    "silence": "gone without a word: nothing answers",
    "talking": "was never idle: the peer goes on talking",
    "failed": "not connected",
}


def run_idle_timeout(
    host: str, port: int, plan: Plan, login: Target | None, as_json: bool
) -> None:
    """Measure for how long an address lets a connection be idle, and tell of it."""
    counts: Counter[End] = Counter()
    longest = plan.longest + plan.answer_timeout

    def state() -> str:
        return ", ".join(f"{count} {end}" for end, count in counts.items()) or "idle"

    def count(seen: Seen) -> None:
        counts[seen.end] += 1
        tick()

    try:
        options = None if login is None else Options.of(**options_of(login))
        with render.clock(f"Idle on {host}:{port},", longest, state) as tick:
            report = probe.idle_timeout(host, port, plan, login=options, on_seen=count)
    except Error as error:
        raise CliError(str(error)) from None
    if as_json:
        json.dump(asdict(report), sys.stdout, indent=2)
        print()
    else:
        _tell(report)


def _tell(report: Report) -> None:
    columns = [
        render.Column("Planned, s", True, "dim"),
        render.Column("Idle, s", True),
        render.Column("What came of it"),
    ]
    rows = [
        (
            f"{seen.planned:,.1f}",
            f"{seen.idle:,.1f}",
            _ENDS[seen.end] + (f": {seen.detail}" if seen.detail else ""),
        )
        for seen in sorted(report.seen, key=lambda seen: seen.planned)
    ]
    render.table(columns, rows)
    asked = "a ping" if report.logged_in else "a TCP keepalive"
    facts = [
        ("Asked with", asked),
        ("Idle timeout", finding(report.verdict)),
        ("For a pool", advice(report.verdict)),
    ]
    if not report.logged_in:
        facts.append(("Mind", _doubts(report.verdict)))
    if not report.verdict.consistent:
        contradiction = (
            "another connection answered after a longer time: measure again, and take "
            "what comes out twice"
        )
        facts.append(("Contradiction", contradiction))
    print()
    render.facts(facts)


def finding(verdict: Verdict) -> str:
    """Say what was found."""
    survived, ended = verdict.survived, verdict.ended
    if ended is None:
        if survived is None:
            return "unknown: no connection was idle for long enough to tell"
        return f"none up to {survived:,.1f} s, the longest that was tried"
    if verdict.exact:
        return f"{ended:,.1f} s, then it is {_ENDS[verdict.end]}"
    least = "0" if survived is None else f"{survived:,.1f}"
    return f"between {least} and {ended:,.1f} s, then it is {_ENDS[verdict.end]}"


def advice(verdict: Verdict) -> str:
    """Say how to set up a pool."""
    keepalive, idle = verdict.keepalive_interval, verdict.max_idle
    if keepalive is None or idle is None:
        if verdict.ended is None:
            return "no advice"
        return "no advice: even the shortest time that was tried is too long"
    usual = Settings()
    if verdict.ended is None and keepalive == usual.keepalive_interval:
        return "the settings that it has are good"
    if verdict.ended is None:
        return f"keepalive_interval={keepalive:g} is short enough; longer was not tried"
    return (
        f"keepalive_interval={keepalive:g} keeps connections open;\n"
        f"or max_idle={idle:g}, keepalive_interval=None closes them before"
    )


def _doubts(verdict: Verdict) -> str:
    if verdict.exact:
        return (
            "a service may end who does not log in sooner than others: "
            "--log-in tells what those may"
        )
    return (
        "a proxy on the way answers a keepalive itself: --log-in tells what it does "
        "with the connection behind it"
    )
