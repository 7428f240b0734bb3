"""The command `server`."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cli_support import PROGRAM, TIMEOUT, environment, run

import mariadb_nb


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """The command `server` with the test's arguments, running."""
    arguments: list[str] = getattr(request, "param", [])
    with subprocess.Popen(
        [*PROGRAM, "server", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def printed(running: subprocess.Popen[str]) -> str:
    """What a `server` prints, read until its last line."""
    assert running.stdout is not None
    text = ""
    for line in running.stdout:
        text += line
        if line.startswith("mariadb-nb queries FILE --url"):
            return text
    pytest.fail(f"the server ended: {text}{running.communicate()}")


def ended(running: subprocess.Popen[str], folder: Path) -> tuple[int, str]:
    """Wait for the end of a `server`, and return its status and complaints."""
    _, error = running.communicate(timeout=TIMEOUT)
    assert not folder.exists()
    return running.returncode, error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "own_server", [["--", "--max-connections=77"], ["--no-tls"]], indirect=True
)
def test_a_server_runs_until_it_is_told_to_end(
    own_server: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    text = printed(own_server)
    by_socket, by_tcp, by_url = text.splitlines()[-3:]
    for client in (by_socket, by_tcp):
        command = client.replace("mariadb ", "mariadb --no-defaults ", 1)
        done = subprocess.run(
            f"{command} --execute='SELECT @@max_connections, @@have_ssl'",
            shell=True,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        expected = "500 DISABLED" if "--no-tls" in own_server.args else "77 YES"  # type: ignore[operator]
        assert done.stdout.split()[-2:] == expected.split(), done.stderr
    (tmp_path / "one.sql").write_text("SELECT 1")
    url = by_url.split()[-1].strip("'")
    assert run("queries", tmp_path / "one.sql", "--url", url).returncode == 0
    with mariadb_nb.connect(url) as conn:  # the driver reads the same URLs
        assert conn.execute("SELECT DATABASE()").fetchone() == ("test",)
    folder = Path(re.findall(r"Socket +(\S+)", text)[0]).parent
    assert folder.exists()
    own_server.send_signal(number)
    status, error = ended(own_server, folder)
    assert status == 128 + number
    assert "Traceback" not in error


def test_a_server_says_that_it_offers_no_tls_without_trustme() -> None:
    program = "import sys; sys.modules['trustme'] = None\n"
    program += "from mariadb_nb.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, "server"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as running:
        try:
            assert re.search("^ *TLS +not offered$", printed(running), re.MULTILINE)
        finally:
            running.terminate()
            running.wait(TIMEOUT)


def test_a_server_listens_on_the_port_that_it_is_given(
    free_port: int,
) -> None:
    arguments = [*PROGRAM, "server", f"--port={free_port}"]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env=environment()
    ) as running:
        try:
            text = printed(running)
            url = text.split()[-1].strip("'")
            assert f":{free_port}/" in url
            assert run("queries", "-", "--url", url, stdin="DO 1").returncode == 0
            second = run("server", f"--port={free_port}")
            assert second.returncode == 2
            assert f"cannot listen on port {free_port}: Address alr" in second.stderr
        finally:
            running.terminate()
            running.wait(TIMEOUT)


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_death_of_mariadbd_ends_the_command(
    own_server: subprocess.Popen[str],
) -> None:
    folder = Path(re.findall(r"Socket +(\S+)", printed(own_server))[0]).parent
    (mariadbd,) = [
        process
        for process in psutil.Process(own_server.pid).children(recursive=True)
        if process.name() == "mariadbd"
    ]
    mariadbd.kill()
    status, error = ended(own_server, folder)
    assert status == 2
    assert "mariadbd has ended; the end of its log:" in error
