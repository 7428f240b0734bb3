"""Interruptions at every wait of everything that waits, on a real server.

Afterwards the connection works, and a SELECT of a secret returns just that; or it is
closed and says so. On the server nothing goes on; here no descriptor and no thread is
left. Blocking connections; asyncio and trio are in test_cancellation_async.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self
from unittest import mock

import pytest
from cancellation_scenarios import SCENARIOS, Scenario
from cancellation_support import (
    WAYS,
    Closed,
    Interrupted,
    Plan,
    Relay,
    Runner,
    Witness,
    nothing_left,
    points,
    ready,
    relays_to,
    works,
)
from worlds import Awaited, finish

import mariadb_nb
from mariadb_nb import runners
from mariadb_nb.errors import OperationTimeout
from mariadb_nb.server import TemporaryServer
from mariadb_nb.wait import Wait

#: Of the waits of long operations, so many at the beginning and at the end.
ENDS = 8
#: How often to try: replies come in pieces that differ from time to time.
TRIES = 3
#: How often to try to have anybody wait at all.
MANY_TRIES = 20


@pytest.fixture(scope="module")
def witness(mariadb_server: TemporaryServer) -> Iterator[Witness]:
    """A second pair of eyes; what the scenarios need is there."""
    made = Witness(mariadb_server)
    made.prepare()
    yield made
    made.close()


@pytest.fixture(scope="module")
def lost(witness: Witness) -> Iterator[set[int]]:
    """Connections that were given up: at the end of it all the server has none of them.

    That takes a while where the server looks every few seconds only (SLEEP) or makes
    whoever failed to log in wait.
    """
    thread_ids: set[int] = set()
    yield thread_ids
    witness.until_gone(thread_ids)


@pytest.fixture(scope="module")
def relays(
    mariadb_server: TemporaryServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Relay]]:
    """A relay for each transport."""
    folder = tmp_path_factory.mktemp("relays")
    with relays_to(mariadb_server, folder, "unix", "tcp", "tls") as made:
        yield made


class Blocking:
    """Connections that are interrupted in one way; a context manager."""

    def __init__(self, relay: Relay, way: str, **more: Any) -> None:
        self.options = {**relay.options, **more}
        self.runner = Runner(Plan(), way)
        self.conn: Awaited | None = None
        self.lost: set[int] = set()
        self.kept = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.conn is not None:
            self.conn._plain.close()

    def connect(self, plan: Plan) -> mariadb_nb.Connection:
        self.runner.begin(plan)
        with mock.patch.object(runners, "default", return_value=lambda: self.runner):
            return mariadb_nb.connect(**self.options)

    def connected(self) -> Awaited:
        """A connection that works, with nothing planned for it."""
        if self.conn is None or self.conn.closed:
            self.conn = Awaited(self.connect(Plan()))
        self.runner.begin(Plan())
        return self.conn

    def act(self, scenario: Scenario, *points: int) -> Plan:
        """Act and be interrupted; check everything that must hold afterwards."""
        conn: Any = self.connected()
        prepared: Any = finish(scenario.prepare(conn))
        plan = self.runner.begin(Plan(points))
        try:
            result: Any = finish(scenario.act(conn, prepared))
        except (Interrupted, OperationTimeout, Closed):
            plan.interrupted = True
        else:
            assert result == scenario.expected
        self.runner.begin(Plan())
        if plan.interrupted and not conn.closed:
            finish(scenario.undone(conn))
        if finish(works(conn)):
            self.kept += 1
        else:
            self.lost.add(conn.thread_id)
            conn._plain.close()
        return plan

    def waits_of(self, scenario: Scenario) -> int:
        return max(self.act(scenario).waits for _ in range(TRIES))


def test_closed_statement_ends_when_the_server_finds_out(
    relays: dict[str, Relay], lost: set[int]
) -> None:
    """It looks every five seconds; whoever cannot wait at all cannot kill either."""
    with nothing_left(), Blocking(relays["unix"], "close") as blocking:
        conn: Any = blocking.connected()
        blocking.runner.begin(Plan([0]))
        with pytest.raises(Closed):
            conn._plain.execute("SELECT SLEEP(600)")
        assert not finish(works(conn))
    lost.add(conn.thread_id)


@pytest.mark.parametrize(
    ("transport", "way"),
    # TCP waits where a unix socket does: one way tells that.
    [
        *((transport, way) for transport in ("unix", "tls") for way in WAYS),
        ("tcp", "throw"),
    ],
)
@pytest.mark.parametrize("name", SCENARIOS)
def test_interrupted_at_every_wait(
    relays: dict[str, Relay], lost: set[int], transport: str, name: str, way: str
) -> None:
    scenario = SCENARIOS[name]
    with nothing_left(), Blocking(relays[transport], way) as blocking:
        for point in points(blocking.waits_of(scenario), ENDS):
            tries = MANY_TRIES if point == 0 else TRIES
            plans = (blocking.act(scenario, point) for _ in range(tries))
            assert any(plan.fulfilled for plan in plans) or point > 0
    lost |= blocking.lost


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["small", "many rows", "fetch of a stream"])
def test_interrupted_without_being_saved(
    relays: dict[str, Relay], lost: set[int], name: str, way: str
) -> None:
    scenario = SCENARIOS[name]
    with (
        nothing_left(),
        Blocking(relays["unix"], way, on_cancel="abort") as blocking,
    ):
        for point in points(blocking.waits_of(scenario), 2):
            blocking.kept = 0
            plan = blocking.act(scenario, point)
            assert blocking.kept != plan.interrupted
    lost |= blocking.lost


@pytest.mark.parametrize("name", ["small", "many rows", "close of a stream"])
def test_interrupted_again_while_it_is_saved(
    relays: dict[str, Relay], lost: set[int], transport: str, name: str
) -> None:
    scenario = SCENARIOS[name]
    with nothing_left(), Blocking(relays[transport], "throw") as blocking:
        for point in (0, 1):
            for after in range(1, 7):
                blocking.act(scenario, point, point + after)
    lost |= blocking.lost


@pytest.mark.parametrize("way", WAYS)
def test_connect_interrupted_at_every_wait(
    relays: dict[str, Relay], witness: Witness, transport: str, way: str
) -> None:
    with nothing_left(), witness.nobody_left():
        blocking = Blocking(relays[transport], way)
        # The login, and then the settings.
        for point in (0, 1):
            plan = Plan()
            for _ in range(MANY_TRIES):
                plan = Plan([point])
                try:
                    blocking.connect(plan).close()
                except (Interrupted, OperationTimeout, Closed):
                    break
            assert plan.fulfilled


class LastWait(Plan):
    """Interrupts at the wait that would not end, as soon as ``running`` returns."""

    def __init__(self, running: Callable[[], None]) -> None:
        super().__init__()
        self.running: Callable[[], None] | None = running

    def reached(self, wait: Wait) -> bool:
        self.waits += 1
        if self.running is None or not wait.events or ready(wait, 0.05):
            return False
        running, self.running = self.running, None
        running()
        return True


@pytest.mark.parametrize("way", ["throw", "timeout"])
@pytest.mark.parametrize(
    ("sql", "running"),
    [
        ("SELECT SLEEP(600)", "SLEEP(600)"),
        (
            "SELECT SUM(a.seq + b.seq) FROM seq_1_to_1000000 a, seq_1_to_1000000 b",
            "SUM",
        ),
        (
            "SELECT REPEAT('x', 9), IF(seq = 999, SLEEP(600), 0) FROM seq_1_to_999",
            "REP",
        ),
        ("SELECT 1; SELECT SLEEP(600); SELECT 2", "SLEEP(600)"),
        ("BEGIN NOT ATOMIC WHILE 1 DO SET @a = 1; END WHILE; END", "NOT ATOMIC"),
        ("SELECT GET_LOCK('x', 0); SELECT BENCHMARK(1e12, MD5('x'))", "BENCHMARK"),
    ],
)
def test_long_statement_ends_on_the_server(
    relays: dict[str, Relay],
    witness: Witness,
    transport: str,
    sql: str,
    running: str,
    way: str,
) -> None:
    """Interrupted while it is known to run: it is killed, and the connection kept."""
    with nothing_left(), Blocking(relays[transport], way) as blocking:
        conn: Any = blocking.connected()
        blocking.runner.begin(LastWait(lambda: witness.until_running(running)))
        with pytest.raises((Interrupted, OperationTimeout)):
            conn._plain.execute(sql)
        witness.until_idle(conn.thread_id)
        assert finish(works(conn))
