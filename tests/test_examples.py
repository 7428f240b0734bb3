"""The examples of layer 1 do what their first lines promise.

Each runs as a program of its own, as a reader would run it, and its output is read. It
must not import them: what is tested is what somebody sees. The driver's examples are
test_examples_driver.py's.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from attempts import attempts
from capi_support import Connect, rows
from example_support import (
    EXAMPLES,
    NOBODY,
    TIMEOUT,
    Proxy,
    assert_help,
    assert_tells_of_missing_mariadbd,
    command,
    environment,
    lines,
    login,
    our_imports,
    peer,
    reset,
    run,
    run_after,
)
from silent_handshake import FarProxy

from mariadb_nb.server import TemporaryServer

CAPI = sorted(
    path.name
    for path in EXAMPLES.glob("[a-z]*.py")
    if not path.name.startswith("driver_")
)
# The programs with one state machine and two loops.
QUERIES = ("async_queries.py", "libevent_queries.py")
FINISHED = re.compile(r"(\d+) = (\d+) rows in ([\d.]+) s on connection (\d+)")
SUMMARY = re.compile(r"(\d+) of (\d+) queries in ([\d.]+) s")


# ---- What holds for all of them ------------------------------------------------------


def test_the_examples_import_layer_1_and_nothing_else_of_ours() -> None:
    allowed = {"mariadb_nb.capi", "mariadb_nb._ffi", "mariadb_nb.server"}
    for path in EXAMPLES.glob("*.py"):
        if not path.name.startswith(("driver_", "_driver")):
            assert our_imports(path) <= allowed, path.name


@pytest.mark.parametrize("program", CAPI)
def test_help_says_what_an_example_shows_and_how_to_run_it(program: str) -> None:
    assert_help(program)


@pytest.mark.parametrize("program", CAPI)
def test_help_says_which_program_in_c_an_example_follows(program: str) -> None:
    text = "\n".join(lines(program, "--help"))
    assert re.search(r"tests/\w+\.c|client/\w+\.c|no C original", text)


@pytest.mark.parametrize("program", CAPI)
def test_an_example_without_its_server_says_so_and_fails(program: str) -> None:
    done = run(program, *NOBODY, stdin="SELECT 1\n")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "cannot connect" in said
    assert "ERROR 2002: Can't connect to server on '127.0.0.1'" in said
    assert "Traceback" not in done.stderr


def test_a_server_that_never_speaks_is_given_up_after_the_timeout() -> None:
    programs = [*QUERIES, "async_example.py", "asyncio_raw.py", "mix_blocking.py"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        arguments = ["--host", "127.0.0.1", "--port", port, "--connect-timeout", "1"]
        with ThreadPoolExecutor() as pool:
            everything = pool.map(lambda program: run(program, *arguments), programs)
    for done in everything:
        assert done.returncode == 1
        assert "cannot connect" in done.stdout + done.stderr
        assert "ERROR 2013: Lost connection" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_a_parameter_that_is_no_number_is_refused() -> None:
    for wrong in ("x", "0", "-1", "1.5", str(2**31)):
        done = run("async_example.py", f"--port={wrong}")
        assert done.returncode == 2
        assert f"expected a number from 1 on, not '{wrong}'" in done.stderr


def test_the_password_may_be_in_the_environment(
    mariadb_server: TemporaryServer,
) -> None:
    arguments = login(mariadb_server)
    at = arguments.index("--password")
    password = arguments[at + 1]
    del arguments[at : at + 2]
    done = run("async_example.py", *arguments)
    assert done.returncode == 1
    assert "ERROR 1045" in done.stderr
    done = run("async_example.py", *arguments, MYSQL_PWD=password)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_throwaway_server_that_cannot_start_is_reported(tmp_path: Path) -> None:
    assert_tells_of_missing_mariadbd("async_example.py", tmp_path / "mariadbd")


# ---- async_example.py ----------------------------------------------------------------


def test_async_example_prints_the_status(
    mariadb_server: TemporaryServer, connector: Connect, transport: str
) -> None:
    printed = dict(
        line.split(": ", 1)
        for line in lines("async_example.py", *login(mariadb_server, transport))
    )
    names = [str(name, "ascii") for name, _ in rows(connector(), "SHOW STATUS") if name]
    assert list(printed) == names
    assert int(printed["Threads_connected"]) >= 1
    assert bool(printed["Ssl_cipher"]) == (transport == "tls")


def test_async_example_starts_its_own_server() -> None:
    assert any(line.startswith("Uptime: ") for line in lines("async_example.py"))


def test_async_example_sends_the_query_without_a_nul(
    mariadb_server: TemporaryServer,
) -> None:
    proxy = Proxy(mariadb_server)
    proxy.go_on.set()
    with peer(proxy) as port:
        lines("async_example.py", *login(mariadb_server, port=port))
    query, farewell = b"\x0c\0\0\0\x03SHOW STATUS", b"\x01\0\0\0\x01"
    assert proxy.sent.endswith(query + farewell)


def test_async_example_reports_a_connection_that_is_reset() -> None:
    with peer(reset) as port:
        done = run("async_example.py", "--host", "127.0.0.1", "--port", str(port))
    assert done.returncode == 1
    # The reset may come while connecting or while the greeting is waited for.
    found = re.match(r"cannot connect: ERROR (2002|2013): ", done.stderr)
    assert found, done.stderr


# ---- async_queries.py and libevent_queries.py ----------------------------------------


@pytest.mark.parametrize("program", QUERIES)
def test_queries_on_several_connections_run_at_once(
    mariadb_server: TemporaryServer, transport: str, program: str
) -> None:
    # Where it takes long to connect, one is over before the last one begins.
    for attempt in attempts(0):
        printed = lines(
            program,
            *login(mariadb_server, transport),
            "--connections=8",
            stdin="".join(f"SELECT 'row {n}', SLEEP(0.5)\n" for n in range(1, 9)),
        )
        assert {f"{n} | row {n}\t0" for n in range(1, 9)} <= set(printed)
        ends = [match for line in printed if (match := FINISHED.fullmatch(line))]
        assert sorted(match[1] for match in ends) == list("12345678")
        assert SUMMARY.fullmatch(printed[-1])
        # All had begun, each on its connection, when the first one ended.
        begun = [bool(re.match(r"\d > ", line)) for line in printed]
        assert begun.count(True) == 8
        attempt.measured = 8 - begun[: printed.index(ends[0][0])].count(True)
    assert sorted(match[4] for match in ends) == list("12345678")


@pytest.mark.parametrize("program", QUERIES)
def test_queries_on_one_connection_run_in_their_order(
    mariadb_server: TemporaryServer, program: str
) -> None:
    script = """\
        # each kind of answer
        SELECT 'grün', NULL, 1.50, 'a\\0b'
        DO 1

        CREATE OR REPLACE PROCEDURE examples() BEGIN SELECT 1; SELECT 2, 3; END
        CALL examples()
        -- as many answers as it has SELECTs, and one more
        DROP PROCEDURE examples
        SELECT 1 FROM DUAL WHERE FALSE
    """
    printed = lines(program, *login(mariadb_server), "--connections=1", stdin=script)
    assert [re.sub(r"\d\.\d{3} s", "T s", line) for line in printed] == [
        "1 > SELECT 'grün', NULL, 1.50, 'a\\0b'",
        "1 | grün\tNULL\t1.50\ta\0b",
        "1 = 1 rows in T s on connection 1",
        "2 > DO 1",
        "2 = 0 rows changed in T s on connection 1",
        "3 > CREATE OR REPLACE PROCEDURE examples() BEGIN SELECT 1; SELECT 2, 3; END",
        "3 = 0 rows changed in T s on connection 1",
        "4 > CALL examples()",
        "4 | 1",
        "4 = 1 rows in T s on connection 1",
        "4 | 2\t3",
        "4 = 1 rows in T s on connection 1",
        "4 = 0 rows changed in T s on connection 1",
        "5 > DROP PROCEDURE examples",
        "5 = 0 rows changed in T s on connection 1",
        "6 > SELECT 1 FROM DUAL WHERE FALSE",
        "6 = 0 rows in T s on connection 1",
        "6 of 6 queries in T s",
    ]


@pytest.mark.parametrize("program", QUERIES)
def test_a_slow_query_does_not_hold_up_the_others(
    mariadb_server: TemporaryServer, transport: str, program: str
) -> None:
    for attempt in attempts(0):
        printed = lines(
            program,
            *login(mariadb_server, transport),
            "--connections=2",
            stdin="SELECT SLEEP(1)\nSELECT seq FROM seq_1_to_5000\nSELECT 3\n",
        )
        finished = [match for line in printed if (match := FINISHED.fullmatch(line))]
        order = [match[1] for match in finished]
        assert sorted(order) == ["1", "2", "3"]
        attempt.measured = order != ["2", "3", "1"]
    assert [match[2] for match in finished] == ["5000", "1", "1"]
    assert [line for line in printed if line.startswith("2 |")] == [
        f"2 | {n}" for n in range(1, 5001)
    ]


@pytest.mark.parametrize("program", QUERIES)
def test_a_query_that_fails_is_reported_and_the_rest_goes_on(
    mariadb_server: TemporaryServer, program: str, tmp_path: Path
) -> None:
    file = tmp_path / "queries"
    # Failing at once, in the middle of the rows, and with the connection.
    file.write_text(
        "SELEC 1\n"
        "SELECT (SELECT 1 FROM seq_1_to_2 WHERE s.seq = 9) FROM seq_1_to_9 s\n"
        "KILL CONNECTION_ID()\n"
        "SELECT 'still', 'here'\n"
    )
    done = run(program, *login(mariadb_server), "--connections=1", str(file))
    printed = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "failures: 3\n")
    for number, code in (1, 1064), (2, 1242), (3, 1927):
        failure = f"{number} = ERROR {code}: "
        assert len([line for line in printed if line.startswith(failure)]) == 1
    assert printed.count("2 | NULL") == 8
    assert "4 | still\there" in printed
    assert printed[-1].startswith("4 of 4 queries in ")


@pytest.mark.parametrize("program", QUERIES)
def test_the_librarys_timeout_ends_one_query_and_no_other(
    mariadb_server: TemporaryServer, program: str
) -> None:
    done = run(
        program,
        *login(mariadb_server),
        "--connections=2",
        "--read-timeout=3",
        stdin="SELECT SLEEP(25)\n" + 8 * "SELECT SLEEP(0.2)\n" + "SELECT 10\n",
    )
    assert (done.returncode, done.stderr) == (1, "failures: 1\n")
    printed = done.stdout.splitlines()
    failures = [line for line in printed if "ERROR" in line]
    assert len(failures) == 1
    assert failures[0].startswith("1 = ERROR 2013: Lost connection to server")
    finished = [match[1] for line in printed if (match := FINISHED.fullmatch(line))]
    assert sorted(finished, key=int) == [str(number) for number in range(2, 11)]


@pytest.mark.parametrize("program", QUERIES)
def test_a_file_of_queries_that_is_not_there_is_reported(program: str) -> None:
    done = run(program, *NOBODY, "no/such/file")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cannot read the queries: ")
    assert "no/such/file" in done.stderr


def test_a_missing_libevent_is_reported_with_what_installs_it() -> None:
    done = run_after(
        "import cffi\n"
        "def missing(*names): raise OSError('missing')\n"
        "cffi.FFI.dlopen = missing",
        "libevent_queries.py",
        *NOBODY,
    )
    assert done.returncode == 1
    assert "libevent was not found" in done.stderr
    assert "apt-get install libevent-dev" in done.stderr
    assert "Traceback" not in done.stderr


# ---- asyncio_raw.py ------------------------------------------------------------------


@pytest.mark.parametrize("loop", [[], ["--uvloop"]], ids=["asyncio", "uvloop"])
def test_asyncio_raw_queries_at_once_while_the_loop_goes_on(
    mariadb_server: TemporaryServer, transport: str, loop: list[str]
) -> None:
    for attempt in attempts(8 / 2):  # one after another they sleep for 8 s
        *printed, summary = lines(
            "asyncio_raw.py",
            *login(mariadb_server, transport),
            *("--connections=8", "--sleep=1"),
            *loop,
        )
        slept = [line for line in printed if line != "tick"]
        assert len(set(slept)) == 8
        for line in slept:
            took = re.fullmatch(r"connection \d+ slept for (\d+\.\d+) s", line)
            assert took is not None
            assert float(took[1]) >= 1
        assert printed[: printed.index(slept[0])].count("tick") >= 3
        took = re.fullmatch(
            r"8 queries of 1\.0 s each took (\d+\.\d+) s in all", summary
        )
        assert took is not None
        attempt.measured = float(took[1])


@pytest.mark.parametrize("loop", [[], ["--uvloop"]], ids=["asyncio", "uvloop"])
def test_asyncio_raw_connects_to_a_far_server_over_tls(
    mariadb_server: TemporaryServer, loop: list[str]
) -> None:
    with FarProxy(mariadb_server.host, mariadb_server.port, 0.05) as far:
        arguments = [*login(mariadb_server, "tls", far.port), "--connections=1"]
        printed = lines("asyncio_raw.py", *arguments, "--sleep=0", *loop)
    assert printed[-1].startswith("1 queries of 0.0 s each took")


def test_asyncio_raw_reports_a_query_that_fails(
    mariadb_server: TemporaryServer,
) -> None:
    done = run("asyncio_raw.py", *login(mariadb_server), "--sleep=nan")
    assert done.returncode == 1
    assert done.stderr.startswith("the query failed: ERROR 1054: Unknown column 'nan'")


def test_a_missing_uvloop_is_reported_with_what_installs_it() -> None:
    done = run_after(
        "import sys; sys.modules['uvloop'] = None",
        "asyncio_raw.py",
        *NOBODY,
        "--uvloop",
    )
    assert (done.returncode, done.stderr) == (
        1,
        "uvloop is missing: pip install uvloop\n",
    )


# ---- mix_blocking.py and abandon.py --------------------------------------------------


def test_mix_blocking_runs_both_kinds_in_any_order(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    connected, *printed = lines("mix_blocking.py", *login(mariadb_server, transport))
    refused = (
        "refused:       ERROR 2014: mysql_real_query() refused: "
        "mysql_real_query_start() is waiting; go on with its mysql_real_query_cont() "
        "until that returns 0"
    )
    assert connected.startswith("connected:     ")
    assert connected.endswith("no TLS") == (transport != "tls")
    assert [re.sub(r", waited [1-9]\d* times$", "", line) for line in printed] == [
        "blocking:      SELECT 'one' -> one",
        refused,
        "non-blocking:  SELECT CONCAT('two', SLEEP(0.2)) -> two0",
        "blocking:      SELECT CONCAT('three', SLEEP(0.2)) -> three0",
        refused,
        "non-blocking:  SELECT CONCAT('four', SLEEP(0.2)) -> four0",
        "blocking:      SELECT CONCAT('five', SLEEP(0.2)) -> five0",
    ]


def test_abandon_ends_a_query_gently_and_roughly(
    mariadb_server: TemporaryServer, connector: Connect, transport: str
) -> None:
    printed = lines("abandon.py", *login(mariadb_server, transport))
    match = re.search(r"connection (\d+)", printed[0])
    assert match is not None
    name = match[1]
    killed = "gently: the query ended with ERROR 1317: Query execution was interrupted"
    woken = "gently: the query ended with its answer"
    assert printed.pop(1) in (killed, woken)
    assert [re.sub(r"[\d.]+ s$", "T s", line) for line in printed] == [
        f"gently: connection {name} sleeps in a query",
        f"gently: connection {name} is as good as before",
        f"roughly: connection {name} closed while waiting, in T s",
        f"roughly: connection {name} is to end on the server too",
    ]
    mysql = connector()
    alive = f"SELECT 1 FROM information_schema.processlist WHERE id = {name}"
    deadline = time.monotonic() + TIMEOUT
    while rows(mysql, alive):
        assert time.monotonic() < deadline


# ---- tls_connect_thread.py -----------------------------------------------------------


def between(printed: list[str], one: str, other: str) -> list[str]:
    """The lines after one and before another."""
    return printed[printed.index(one) + 1 : printed.index(other)]


def test_tls_connect_thread_connects_in_a_thread_and_queries_on_the_loop() -> None:
    printed = lines("tls_connect_thread.py")
    cipher = next(line for line in printed if line.startswith("connected: TLS_"))
    assert "tick" in between(printed, cipher, "queried")
    assert re.fullmatch(r"cancelled after \d\.\d+ s, the thread has ended", printed[-1])
    assert [line for line in printed[:-1] if line != "tick"] == [
        "connecting",
        cipher,
        "queried",
        "connecting",
    ]


def test_tls_connect_thread_keeps_the_loop_going_during_a_slow_handshake(
    mariadb_server: TemporaryServer,
) -> None:
    proxy = Proxy(mariadb_server)
    with peer(proxy) as port:
        arguments = [*login(mariadb_server, "tls", port), "--deadline=20"]
        with subprocess.Popen(
            command("tls_connect_thread.py", arguments),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=environment(PYTHONUNBUFFERED="1"),
        ) as process:
            try:
                assert process.stdout is not None
                started = [process.stdout.readline() for _ in range(4)]
                proxy.go_on.set()
                rest, _ = process.communicate(timeout=TIMEOUT)
            finally:
                process.kill()
                proxy.go_on.set()
    assert started == ["connecting\n", "tick\n", "tick\n", "tick\n"]
    assert process.returncode == 0
    assert "connected: TLS_" in rest
    assert "queried\n" in rest


def test_tls_connect_thread_can_be_cancelled_in_the_middle_of_a_handshake(
    mariadb_server: TemporaryServer,
) -> None:
    proxy = Proxy(mariadb_server)
    with peer(proxy) as port:
        # The library's own timeout would come too late.
        arguments = [*login(mariadb_server, "tls", port), "--connect-timeout=60"]
        done = run("tls_connect_thread.py", *arguments, "--deadline=2")
        proxy.go_on.set()
    assert (done.returncode, done.stderr) == (1, "no connection within 2.0 s\n")
    assert done.stdout.splitlines()[0] == "connecting"
    assert done.stdout.splitlines().count("tick") >= 3
    # A client hello of TLS follows the request for it: so far had it come.
    assert b"\x16\x03\x01" in proxy.sent


def test_tls_connect_thread_refuses_a_certificate_that_it_does_not_know(
    mariadb_server: TemporaryServer, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    arguments = login(mariadb_server, "tls")
    arguments[arguments.index("--ca") + 1] = str(other)
    done = run("tls_connect_thread.py", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot connect: ERROR 2026: ")
