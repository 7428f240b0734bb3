"""The driver's examples do what their first lines promise.

As in test_examples.py, each runs as a program of its own and its output is read.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attempts import attempts
from capi_support import Connect, rows
from example_support import (
    EXAMPLES,
    assert_help,
    assert_tells_of_missing_mariadbd,
    lines,
    our_imports,
    run,
)

from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

DRIVER = sorted(path.name for path in EXAMPLES.glob("driver_*.py"))
#: Where nobody listens.
NOWHERE = "mariadb://127.0.0.1:1"


# ---- What holds for all of them ------------------------------------------------------


def test_they_import_the_driver_and_nothing_private() -> None:
    allowed = {
        *("mariadb_nb", "mariadb_nb.rows", "mariadb_nb.server", "mariadb_nb.wait"),
        "mariadb_nb.runners.selector",
    }
    for program in ("_driver.py", *DRIVER):
        assert our_imports(EXAMPLES / program) <= allowed, program


@pytest.mark.parametrize("program", DRIVER)
def test_help_says_what_an_example_shows_and_how_to_run_it(program: str) -> None:
    assert_help(program)


@pytest.mark.parametrize("program", DRIVER)
def test_an_example_without_its_server_says_so_and_fails(program: str) -> None:
    done = run(program, NOWHERE)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert re.match(r"OperationalError: 2002 \(HY000\): Can't connect to", said)
    assert "Traceback" not in done.stderr


def test_a_throwaway_server_that_cannot_start_is_reported(tmp_path: Path) -> None:
    assert_tells_of_missing_mariadbd("driver_blocking.py", tmp_path / "mariadbd")


# ---- One by one ----------------------------------------------------------------------


def url(server: TemporaryServer, transport: str) -> str:
    """Where an example of the driver connects to."""
    user = server.users["native"]
    place = f"{user.name}:{user.password}@{server.host}:{server.port}/test"
    if transport == "unix":
        place = f"{user.name}:{user.password}@/test?unix_socket={server.socket}"
    if transport == "tls":
        place += f"?tls_ca={server.ca_file}"
    return f"mariadb://{place}"


def test_driver_blocking_orders_and_reports(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    assert lines("driver_blocking.py", url(mariadb_server, transport)) == [
        "paper: 1 at 3.20 are 3.20",
        "pencil: 20 at 0.35 are 7.00",
        "in all: Decimal('10.20')",
    ]


def test_driver_blocking_starts_its_own_server() -> None:
    assert lines("driver_blocking.py")[-1] == "in all: Decimal('10.20')"


def run_beside(witness: CData, program: str, url: str) -> tuple[list[str], int]:
    """Run an example that is to succeed.

    Returns:
        What it printed, and how many of its statements were seen to sleep at once.
    """
    sql = (
        "SELECT COUNT(*) FROM information_schema.processlist "
        "WHERE info LIKE 'DO SLEEP%'"
    )
    most = 0
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(lines, program, url)
        while not running.done():
            ((count,),) = rows(witness, sql)
            most = max(most, int(count or 0))
    return running.result(), most


def test_driver_asyncio_queries_at_once_and_gives_up(
    mariadb_server: TemporaryServer, connector: Connect, transport: str
) -> None:
    witness = connector(login="root")
    # Where it takes long to connect, one is over before the third begins, or they all
    # sleep one by one.
    for attempt in attempts(1):
        (first, *rest), most = run_beside(
            witness, "driver_asyncio.py", url(mariadb_server, transport)
        )
        assert re.fullmatch(r"3 connections took \d+\.\d\d s", first)
        assert rest == ["gave up", "as good as before", "left on the server: 0"]
        attempt.measured = 3 - most


def test_driver_trio_goes_on_while_it_waits_and_leaves_a_stream(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    printed = lines("driver_trio.py", url(mariadb_server, transport))
    assert "tick" in printed[: printed.index("slept 0")]
    assert [line for line in printed if line != "tick"] == [
        "slept 0",
        "came to 100000",
        "the connection is free",
    ]


def test_driver_gevent_queries_at_once_and_gives_up(
    mariadb_server: TemporaryServer, connector: Connect, transport: str
) -> None:
    witness = connector(login="root")
    for attempt in attempts(1):
        (first, last), most = run_beside(
            witness, "driver_gevent.py", url(mariadb_server, transport)
        )
        assert first == "as good as before"
        assert re.fullmatch(r"3 connections took \d+\.\d\d s", last)
        attempt.measured = 3 - most


def test_driver_selector_runs_operations_beside_a_clock(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    printed = lines("driver_selector.py", url(mariadb_server, transport))
    found = [re.fullmatch(r"row: (\d) 0 (\d+)", line) for line in printed]
    done = [match for match in found if match is not None]
    assert sorted(match[1] for match in done) == ["1", "2", "3"]
    assert len({match[2] for match in done}) == 3
    last = max(n for n, line in enumerate(printed) if line != "tick")
    assert printed[:last].count("tick") >= 2


def test_an_error_in_a_group_is_reported_by_itself() -> None:
    done = run("driver_asyncio.py", NOWHERE)
    assert done.stderr.count("\n") == 1
