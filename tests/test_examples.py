"""The examples do what their first lines promise.

Each runs as a program of its own, as a reader would run it, and its output is read. It
must not import them: what is tested is what somebody sees.
"""

from __future__ import annotations

import ast
import os
import re
import selectors
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from capi_support import Connect, rows

import mariadb_nb
from mariadb_nb.server import TemporaryServer

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("[a-z]*.py"))
# The programs with one state machine and two loops.
QUERIES = ("async_queries.py", "libevent_queries.py")
NOBODY = ["--host", "127.0.0.1", "--port", "1"]
# Far more than anything here takes; a program that hangs is killed.
TIMEOUT = 30.0

FINISHED = re.compile(r"(\d+) = (\d+) rows in ([\d.]+) s on connection (\d+)")
SUMMARY = re.compile(r"(\d+) of (\d+) queries in ([\d.]+) s")


def command(program: str, arguments: Sequence[str]) -> list[str]:
    """How a program is run: any warning is an error."""
    return [sys.executable, "-W", "error", str(EXAMPLES / program), *arguments]


def environment(**variables: str) -> dict[str, str]:
    """Ours, and the package that we test."""
    package = str(Path(mariadb_nb.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": package, **variables}


def run(
    program: str, *arguments: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        command(program, arguments),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env=environment(**variables),
        check=False,
    )


def lines(program: str, *arguments: str, stdin: str = "") -> list[str]:
    """Run a program that is to succeed and return what it printed."""
    done = run(program, *arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def login(server: TemporaryServer, transport: str = "tcp", port: int = 0) -> list[str]:
    """The command line's parameters of a server."""
    user = server.users["native"]
    address = ["--host", server.host, "--port", str(port or server.port)]
    if transport == "unix":
        address = ["--socket", server.socket]
    if transport == "tls":
        address += ["--ca", str(server.ca_file)]
    names = ["--user", user.name, "--password", user.password, "--database", "test"]
    return [*address, *names]


@contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen, and hand the first client to a function, in a thread; yield the port."""

    def accept() -> None:
        with suppress(OSError):
            client, _ = listener.accept()
            with client:
                talk(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def reset(client: socket.socket) -> None:
    """End a connection with an RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy:
    """Passes a client's bytes to a server, and back; keeps what the client sent.

    After the server's greeting it does nothing until ``go_on`` is set.
    """

    def __init__(self, server: TemporaryServer) -> None:
        self.address = (server.host, server.port)
        self.go_on = threading.Event()
        self.sent = b""

    def __call__(self, client: socket.socket) -> None:
        with (
            socket.create_connection(self.address) as server,
            selectors.DefaultSelector() as selector,
        ):
            client.sendall(server.recv(4096))
            self.go_on.wait(TIMEOUT)
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    source, target = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    data = source.recv(4096)
                    if not data:
                        return
                    if source is client:
                        self.sent += data
                    target.sendall(data)


# ---- What holds for all of them ------------------------------------------------------


def test_the_examples_import_layer_1_and_the_throwaway_server_only() -> None:
    allowed = {"mariadb_nb.capi", "mariadb_nb._ffi", "mariadb_nb.server"}
    for path in EXAMPLES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            ours = {name for name in names if name.startswith("mariadb_nb")}
            assert ours <= allowed, path.name


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_says_what_an_example_shows_and_how_to_run_it(program: str) -> None:
    text = "\n".join(lines(program, "--help"))
    assert f"    python examples/{program}" in text
    assert ".c" in text or "no C original" in text


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_without_its_server_says_so_and_fails(program: str) -> None:
    done = run(program, *NOBODY, stdin="SELECT 1\n")
    assert done.returncode == 1
    assert "cannot connect" in done.stdout + done.stderr
    assert "ERROR 2002: Can't connect to server on '127.0.0.1'" in (
        done.stdout + done.stderr
    )
    assert "Traceback" not in done.stderr


def test_a_server_that_never_speaks_is_given_up_after_the_timeout() -> None:
    programs = [*QUERIES, "async_example.py", "asyncio_raw.py", "mix_blocking.py"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        arguments = ["--host", "127.0.0.1", "--port", port, "--connect-timeout", "1"]
        started = [
            subprocess.Popen(
                command(program, arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment(),
            )
            for program in programs
        ]
        outputs = [process.communicate(timeout=TIMEOUT)[0] for process in started]
    for process, output in zip(started, outputs, strict=True):
        assert process.returncode == 1
        assert "cannot connect" in output
        assert "ERROR 2013: Lost connection" in output
        assert "Traceback" not in output


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
    missing = str(tmp_path / "mariadbd")
    done = run("async_example.py", MARIADB_NB_MARIADBD=missing)
    assert done.returncode == 1
    assert "cannot start a throwaway server: " in done.stderr
    assert missing in done.stderr
    assert "Traceback" not in done.stderr


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
    assert int(printed["Threads_connected"]) >= 2
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
    assert done.stderr.startswith("cannot connect: ERROR 2013: Lost connection")


# ---- async_queries.py and libevent_queries.py ----------------------------------------


@pytest.mark.parametrize("program", QUERIES)
def test_queries_on_several_connections_run_at_once(
    mariadb_server: TemporaryServer, transport: str, program: str
) -> None:
    printed = lines(
        program,
        *login(mariadb_server, transport),
        "--connections=8",
        stdin="".join(f"SELECT 'row {n}', SLEEP(0.2)\n" for n in range(1, 9)),
    )
    assert {f"{n} | row {n}\t0" for n in range(1, 9)} <= set(printed)
    finished = [match for line in printed if (match := FINISHED.fullmatch(line))]
    assert sorted(match[1] for match in finished) == list("12345678")
    assert sorted(match[4] for match in finished) == list("12345678")
    summary = SUMMARY.fullmatch(printed[-1])
    assert summary is not None
    assert float(summary[3]) < sum(float(match[3]) for match in finished) / 2


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
    printed = lines(
        program,
        *login(mariadb_server, transport),
        "--connections=2",
        stdin="SELECT SLEEP(0.5)\nSELECT seq FROM seq_1_to_20000\nSELECT 3\n",
    )
    finished = [match for line in printed if (match := FINISHED.fullmatch(line))]
    assert [match[1] for match in finished] == ["2", "3", "1"]
    assert [match[2] for match in finished] == ["20000", "1", "1"]
    assert [line for line in printed if line.startswith("2 |")] == [
        f"2 | {n}" for n in range(1, 20001)
    ]


@pytest.mark.parametrize("program", QUERIES)
def test_a_query_that_fails_is_reported_and_the_rest_goes_on(
    mariadb_server: TemporaryServer, program: str, tmp_path: Path
) -> None:
    file = tmp_path / "queries"
    # Failing at once, in the middle of the rows, and with the connection.
    file.write_text(
        "SELEC 1\n"
        "SELECT seq, (SELECT 1 FROM seq_1_to_2 WHERE seq_1_to_9.seq = 9) FROM seq_1_to_9\n"
        "KILL CONNECTION_ID()\n"
        "SELECT 'still', 'here'\n"
    )
    done = run(program, *login(mariadb_server), "--connections=1", str(file))
    printed = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "failures: 3\n")
    for number, code in (1, 1064), (2, 1242), (3, 1927):
        failure = f"{number} = ERROR {code}: "
        assert len([line for line in printed if line.startswith(failure)]) == 1
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
        "--read-timeout=1",
        stdin="SELECT SLEEP(25)\n" + 4 * "SELECT SLEEP(0.4)\n" + "SELECT 6\n",
    )
    assert (done.returncode, done.stderr) == (1, "failures: 1\n")
    printed = done.stdout.splitlines()
    failures = [line for line in printed if "ERROR" in line]
    assert len(failures) == 1
    assert failures[0].startswith("1 = ERROR 2013: Lost connection to server")
    finished = [match[1] for line in printed if (match := FINISHED.fullmatch(line))]
    assert finished == ["2", "3", "4", "5", "6"] or sorted(finished) == list("23456")


@pytest.mark.parametrize("program", QUERIES)
def test_a_file_of_queries_that_is_not_there_is_reported(program: str) -> None:
    done = run(program, *NOBODY, "no/such/file")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cannot read the queries: ")
    assert "no/such/file" in done.stderr


def test_a_missing_libevent_is_reported_with_what_installs_it(
    mariadb_server: TemporaryServer,
) -> None:
    done = run_without("libevent_queries.py", "cffi.FFI.dlopen = missing")
    assert done.returncode == 1
    assert "libevent was not found" in done.stderr
    assert "apt-get install libevent-dev" in done.stderr
    assert "Traceback" not in done.stderr
