"""The engine: many connections, one queue, one loop."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from capi_support import Connect, query, rows
from cli_support import targets

from mariadb_nb.capi import lib
from mariadb_nb.cli.engine import ConnectError, Engine, Progress, Report
from mariadb_nb.cli.loop import Loop, Task, Wait, clock
from mariadb_nb.cli.target import Target, of_server
from mariadb_nb.server import TemporaryServer

WAYS = ("unix", "tcp", "name", "prefer", "tls", "unix-tls")


@pytest.fixture(params=WAYS)
def target(request: pytest.FixtureRequest, mariadb_server: TemporaryServer) -> Target:
    """Each way to connect."""
    return targets(mariadb_server)[request.param]


@pytest.fixture
def root(mariadb_server: TemporaryServer) -> Target:
    """All rights, over the unix socket."""
    return of_server(mariadb_server, "root")


def errors(report: Report) -> list[int]:
    return [outcome.error.number for outcome in report.outcomes if outcome.error]


# Queries


def test_queries_wait_at_the_same_time(target: Target) -> None:
    with Engine(target, 4) as engine:
        report = engine.run(["SELECT SLEEP(0.5)"] * 4)
    assert report.failed == 0
    assert report.connections == 4
    last_begin = max(outcome.began for outcome in report.outcomes)
    first_end = min(outcome.began + outcome.seconds for outcome in report.outcomes)
    assert last_begin < first_end
    assert report.wall < report.own


def test_rows_are_counted_in_every_kind_of_statement(root: Target) -> None:
    with Engine(root, 1) as engine:
        report = engine.run(
            [
                "CREATE OR REPLACE TABLE counted (a INT)",
                "INSERT INTO counted VALUES (1), (2), (NULL)",
                "UPDATE counted SET a = 5 WHERE a > 1",
                "SELECT * FROM counted",
                "SELECT * FROM counted WHERE a = 7",
                "SELECT seq, REPEAT('x', 100) FROM seq_1_to_20000",
                "CREATE OR REPLACE PROCEDURE twice() BEGIN SELECT 1 UNION SELECT 2; "
                "UPDATE counted SET a = 6; SELECT * FROM counted; END",
                "CALL twice()",
                "DROP PROCEDURE twice",
                "DROP TABLE counted",
            ]
        )
    assert errors(report) == []
    assert [o.rows for o in report.outcomes] == [0, 3, 1, 3, 0, 20000, 0, 5, 0, 0]


def test_outcomes_are_in_the_order_of_the_statements(target: Target) -> None:
    numbers = [7, 300, 1, 20, 5000, 2, 40, 100]
    with Engine(target, 3) as engine:
        report = engine.run(f"SELECT * FROM seq_1_to_{number}" for number in numbers)
    assert [outcome.index for outcome in report.outcomes] == list(range(8))
    assert [outcome.rows for outcome in report.outcomes] == numbers
    assert report.rows == sum(numbers)


def test_text_is_sent_and_understood_as_utf8(target: Target) -> None:
    with Engine(target, 1) as engine:
        report = engine.run(["SELECT 1 FROM DUAL WHERE CHAR_LENGTH('東京👍') = 3"])
    assert report.rows == 1


def test_a_failing_query_leaves_the_others_alone(target: Target) -> None:
    statements = ["SELECT 1", "SELECT nothing", "SELECT 2", "SELEC", "SELECT 3"]
    with Engine(target, 2) as engine:
        report = engine.run(statements * 5)
        again = engine.run(["SELECT 4"] * 4)
    assert errors(report) == [1054, 1064] * 5
    assert report.failed == 10
    assert report.rows == 15
    error = report.outcomes[1].error
    assert error is not None
    assert error.sqlstate == "42S22"
    assert "nothing" in error.text
    assert report.losses == []
    assert errors(again) == []


def test_a_query_that_fails_after_its_first_rows_is_an_error(root: Target) -> None:
    sql = "SELECT seq, 1 / (seq < 5000) FROM seq_1_to_9999"
    with Engine(root, 1) as engine:
        engine.run(["SET sql_mode = 'ERROR_FOR_DIVISION_BY_ZERO,STRICT_ALL_TABLES'"])
        report = engine.run(
            [sql, "SELECT (SELECT 1 UNION SELECT seq) FROM seq_1_to_3", "SELECT 1"]
        )
    assert errors(report) == [1242]
    assert report.outcomes[2].rows == 1


def test_progress_is_reported_while_waiting_and_at_the_end(
    root: Target, connector: Connect
) -> None:
    seen: list[tuple[int, int, int, int]] = []
    holder = connector()
    assert rows(holder, "SELECT GET_LOCK('progress', 60)") == [(b"1",)]

    def note(state: Progress) -> None:
        seen.append((state.done, state.running, state.failed, state.rows))
        if state.done == 2:
            query(holder, "DO RELEASE_LOCK('progress')")

    with Engine(root, 3) as engine:
        engine.run(["SELECT GET_LOCK('progress', 60)", "SELECT 1", "SELEC"], note)
    assert (2, 1, 1, 1) in seen
    assert seen[-1] == (3, 0, 1, 2)


def test_an_empty_run_is_over_at_once(root: Target) -> None:
    with Engine(root, 2) as engine:
        assert engine.run([]).outcomes == []


def test_many_connections_share_the_work(target: Target) -> None:
    with Engine(target, 60) as engine:
        report = engine.run(["SELECT SLEEP(0.01)"] * 120)
    assert report.connections == 60
    assert errors(report) == []


# Connections that are lost


def kill_once(connect: Connect, pattern: str) -> Callable[[Progress], None]:
    """What kills the connection that runs a matching query, as soon as there is one."""
    mysql = connect("unix", login="root")
    killed = False

    def kill(state: Progress) -> None:
        nonlocal killed
        if not killed:
            for (number,) in running(mysql, pattern):
                assert query(mysql, f"KILL {number}") == 0
                killed = True

    return kill


def running(mysql: object, pattern: str) -> list[tuple[str]]:
    found = rows(
        mysql,  # type: ignore[arg-type]
        "SELECT id FROM information_schema.processlist "
        f"WHERE info LIKE '{pattern}' AND id <> CONNECTION_ID()",
    )
    return [((number or b"").decode(),) for (number,) in found]


def test_a_killed_connection_is_replaced(target: Target, connector: Connect) -> None:
    victim = "SELECT SLEEP(30) AS victim"
    with Engine(target, 2) as engine:
        report = engine.run(
            [victim, *["SELECT SLEEP(0.05)"] * 20],
            kill_once(connector, "%AS victim"),
        )
    assert [outcome.error is not None for outcome in report.outcomes] == (
        [True] + [False] * 20
    )
    assert errors(report)[0] in (1927, 2013, 2026)
    (loss,) = report.losses
    assert loss.connection == 1
    assert loss.failure is None
    assert "was lost and replaced" in str(loss)


def test_a_connection_that_kills_itself_is_replaced_each_time(target: Target) -> None:
    with Engine(target, 1) as engine:
        report = engine.run(["KILL CONNECTION_ID()", "SELECT 1"] * 3)
    assert [outcome.rows for outcome in report.outcomes] == [0, 1] * 3
    assert report.failed == 3
    assert len(report.losses) == 3


def test_without_any_connection_the_rest_is_not_sent() -> None:
    with TemporaryServer(tls=False) as server, Engine(of_server(server), 3) as engine:
        killed = False

        def kill(state: Progress) -> None:
            nonlocal killed
            if state.running == 3 and not killed:
                killed = True
                server.kill()

        report = engine.run(["SELECT SLEEP(30)"] * 10, kill)
    assert killed
    assert report.failed == 10
    texts = [str(outcome.error) for outcome in report.outcomes]
    assert sum("not sent: no connection is left" in text for text in texts) == 7
    assert [loss.connection for loss in report.losses if loss.failure] in (
        [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]]
    )
    assert "no other one: Can't connect" in str(report.losses[0])


def test_fewer_connections_than_asked_for_do_the_work() -> None:
    options = {"max_connections": 10}
    with (
        TemporaryServer(tls=False, options=options) as server,
        Engine(of_server(server), 14) as engine,
    ):
        report = engine.run(["SELECT SLEEP(0.01)"] * 30)
    # The server may not have seen yet that its starter's connections have ended.
    assert 6 <= report.connections <= 10
    assert errors(report) == []
    assert len(report.losses) == 14 - report.connections
    assert "could not be made: Too many connections (1040" in str(report.losses[0])


# Connecting


def test_a_refused_login_is_an_error_that_tells_no_password(target: Target) -> None:
    wrong = replace(target, password="geheim")
    with (
        pytest.raises(ConnectError, match=r"Access denied.*1045") as caught,
        Engine(wrong, 3),
    ):
        pass
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        (
            Target(socket="/nowhere.sock", user="ann"),
            r"cannot connect to /nowhere\.sock",
        ),
        (Target(host="127.0.0.1", port=1, user="ann"), r"127\.0\.0\.1:1 as ann.*2002"),
        (Target(host="name.invalid", port=1), r"name\.invalid:1 as nobody.*2005"),
    ],
)
def test_where_nobody_listens_there_is_no_connection(target: Target, what: str) -> None:
    with pytest.raises(ConnectError, match=what), Engine(target, 2):
        pass


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are taken, and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("tls", ["disable", "require"])
def test_a_silent_server_is_given_up(silent: int, tls: str) -> None:
    target = Target(host="127.0.0.1", port=silent, tls=tls, connect_timeout=1)
    with pytest.raises(ConnectError, match="cannot connect"), Engine(target, 2):
        pass


def test_tls_that_is_required_and_not_there_is_an_error() -> None:
    with TemporaryServer(tls=False) as server:
        for tls in ("require", "verify-full"):
            with (
                pytest.raises(ConnectError, match="2026"),
                Engine(replace(of_server(server), tls=tls), 1),
            ):
                pass
        with Engine(replace(of_server(server), tls="prefer"), 1) as engine:
            assert engine.run(["DO 1"]).failed == 0


@pytest.mark.parametrize("way", WAYS)
def test_tls_is_used_when_it_is_said_and_only_then(
    mariadb_server: TemporaryServer, way: str
) -> None:
    sql = (
        "SELECT 1 FROM information_schema.session_status WHERE variable_name = '{}' {}"
    )
    cipher = sql.format("Ssl_cipher", "AND variable_value <> ''")
    with Engine(targets(mariadb_server)[way], 1) as engine:
        report = engine.run([cipher])
    assert report.rows == (way in ("prefer", "tls", "unix-tls"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("login", ["root", "native", "ed25519"])
def test_every_user_logs_in(
    mariadb_server: TemporaryServer, login: str, way: str
) -> None:
    account = mariadb_server.users[login]
    target = targets(mariadb_server)[way]
    target = replace(target, user=account.name, password=account.password)
    with Engine(target, 1) as engine:
        assert engine.run(["DO 1"]).failed == 0


def test_a_wrong_certificate_authority_is_refused(
    mariadb_server: TemporaryServer,
) -> None:
    with TemporaryServer() as other:
        target = replace(targets(mariadb_server)["tls"], ca=other.ca_file)
        with pytest.raises(ConnectError, match="2026"), Engine(target, 2):
            pass


# Being interrupted


@pytest.mark.parametrize("way", ["unix", "tls"])
def test_an_interrupt_ends_what_runs_on_the_server(
    mariadb_server: TemporaryServer, connector: Connect, way: str
) -> None:
    def interrupt(state: Progress) -> None:
        if state.running == 3:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Engine(targets(mariadb_server)[way], 3) as engine,
    ):
        engine.run(["SELECT SLEEP(60) AS abandoned"] * 5, interrupt)
    mysql = connector("unix", login="root")
    deadline = clock() + 40
    while running(mysql, "%AS abandoned"):
        assert clock() < deadline
        query(mysql, "DO SLEEP(0.02)")


def test_an_interrupt_between_rows_closes_everything(
    root: Target, connector: Connect
) -> None:
    before = len(os.listdir("/proc/self/fd"))

    def interrupt(state: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Engine(root, 2) as engine:
        engine.run(["SELECT * FROM seq_1_to_100000000"] * 2, interrupt)
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_interrupt_while_connecting_waits_for_nothing(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Loop, until: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Loop, "_look", interrupt)
    for tls in ("disable", "require"):
        target = Target(host="127.0.0.1", port=silent, tls=tls, connect_timeout=600)
        with pytest.raises(KeyboardInterrupt), Engine(target, 4):
            pass
    names = {thread.name for thread in threading.enumerate() if thread.is_alive()}
    assert names == {threading.main_thread().name}


# The loop


def test_a_busy_task_does_not_keep_the_others_waiting() -> None:
    loop = Loop()
    ended: list[str] = []
    reader, writer = socket.socketpair()

    def busy() -> Task:
        for _ in range(20):
            while clock() < loop.turn_ends:
                pass
            yield None
        ended.append("busy")

    def waiting() -> Task:
        happened = yield Wait(reader.fileno(), lib.MYSQL_WAIT_READ)
        assert happened == lib.MYSQL_WAIT_READ
        ended.append("waiting")

    with reader, writer:
        writer.send(b"x")
        loop.run([busy(), waiting()])
    loop.close()
    assert ended == ["waiting", "busy"]
    assert loop.longest_gap >= 0.002


def test_a_task_whose_deadline_passes_is_told() -> None:
    loop = Loop()
    got: list[int] = []
    reader, writer = socket.socketpair()

    def wait(deadline: float) -> Task:
        got.append((yield Wait(reader.fileno(), lib.MYSQL_WAIT_READ, deadline)))

    with reader, writer:
        loop.run([wait(clock() + 0.05)])
    loop.close()
    assert got == [lib.MYSQL_WAIT_TIMEOUT]


def test_only_so_many_tasks_run_at_once() -> None:
    loop = Loop()
    now = most = 0

    def task() -> Task:
        nonlocal now, most
        now += 1
        most = max(most, now)
        yield None
        now -= 1

    loop.run((task() for _ in range(20)), at_once=3)
    loop.close()
    assert (now, most) == (0, 3)
