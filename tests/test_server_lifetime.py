"""The throwaway server: how it starts, fails, and never leaves anything behind."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server_support import (
    TIMEOUT,
    is_alive,
    make_own_folder,
    query,
    start_tls,
)

from mariadb_nb import _server_template, server
from mariadb_nb.server import ServerError, TemporaryServer, find_mariadbd

own_folder = pytest.fixture(make_own_folder)


@contextlib.contextmanager
def run_owner(script: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process that uses servers, in a process group of its own."""
    owner = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **env},
        start_new_session=True,
    )
    # So that no read from it can wait for ever.
    watchdog = threading.Timer(TIMEOUT, owner.kill)
    watchdog.start()
    with owner:
        try:
            yield owner
        finally:
            watchdog.cancel()
            owner.kill()


OWNER = """
from mariadb_nb.server import TemporaryServer
server = TemporaryServer(tls=False).start()
print(server.pid, flush=True)
"""


# Starting


def test_a_taken_port_is_replaced(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1]]
        free_port = server._free_port
        monkeypatch.setattr(
            server, "_free_port", lambda: ports.pop() if ports else free_port()
        )
        with TemporaryServer(tls=False) as lucky:
            assert lucky.port != taken.getsockname()[1]
            assert query(lucky, "SELECT @@port") == str(lucky.port)
        assert not ports


def test_when_every_port_is_taken_the_start_fails(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(server, "_free_port", lambda: taken.getsockname()[1])
        with pytest.raises(ServerError, match="Address already in use"):
            TemporaryServer(tls=False).start()


def test_several_threads_start_servers_at_once_and_make_one_template(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    servers = [TemporaryServer() for _ in range(4)]
    try:
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(TemporaryServer.start, servers))
        assert len({server.port for server in servers}) == len(servers)
        assert len({query(server, "SELECT @@pid_file") for server in servers}) == 4
        with pytest.raises(ssl.SSLCertVerificationError):
            start_tls(servers[0], servers[1].ca_file, "localhost")
    finally:
        for each in servers:
            each.stop()
    names = sorted(path.suffix for path in (tmp_path / "mariadb_nb").iterdir())
    assert names == ["", ".lock"]


def test_several_processes_start_servers_at_once(
    own_folder: Path, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as running:
        owners = [
            running.enter_context(run_owner(OWNER, XDG_CACHE_HOME=str(tmp_path)))
            for _ in range(3)
        ]
        results = [owner.communicate(timeout=TIMEOUT) for owner in owners]
    assert [error for _, error in results] == ["", "", ""]
    assert len({int(pid) for pid, _ in results}) == 3


@pytest.mark.parametrize("damage", ["shorter file", "lost file", "no list", "odd list"])
def test_a_broken_template_is_made_anew(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    TemporaryServer(tls=False).start().stop()
    (data,) = tmp_path.glob("mariadb_nb/template-*/data")
    manifest = data.with_name("manifest.json")
    match damage:
        case "shorter file":
            os.truncate(data / "ibdata1", 1000)
        case "lost file":
            (data / "mysql" / "global_priv.frm").unlink()
        case "no list":
            manifest.unlink()
        case "odd list":
            manifest.write_text("[]")
    # As if somebody had died while making another one.
    (data.parent.with_suffix(".part") / "data").mkdir(parents=True)
    with TemporaryServer(tls=False) as healthy:
        assert query(healthy, "SELECT 1") == "1"
    assert (data / "ibdata1").stat().st_size > 1000
    assert (data / "mysql" / "global_priv.frm").exists()
    assert manifest.stat().st_size > 1000


def test_a_template_is_made_anew_when_mariadbd_changed(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wrapper, real = tmp_path / "mariadbd", find_mariadbd()
    monkeypatch.setenv("MARIADB_NB_MARIADBD", str(wrapper))
    templates = set()
    for version in ("old", "later"):
        wrapper.write_text(f'#!/bin/sh\n# {version}\nexec {real} "$@"\n')
        wrapper.chmod(0o755)
        TemporaryServer(tls=False).start().stop()
        (folder,) = tmp_path.glob("cache/mariadb_nb/template-*/data")
        templates.add((folder / "ibdata1").stat().st_ino)
    assert len(templates) == 2


def test_without_a_cache_folder_the_template_is_a_temporary_one(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with TemporaryServer(tls=False) as homeless:
        assert query(homeless, "SELECT 1") == "1"
    (cache,) = own_folder.iterdir()
    assert cache.stat().st_mode & 0o077 == 0
    shutil.rmtree(cache)


def test_a_temporary_folder_with_a_long_path_is_avoided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with TemporaryServer(tls=False) as short:
        assert query(short, "SELECT 1") == "1"
        assert not short.socket.startswith(str(tmp_path))


# What goes wrong


def test_a_missing_mariadbd_is_named_with_its_packages(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_server_template, "_FOLDERS", (str(tmp_path),))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MARIADB_NB_MARIADBD", raising=False)
    with pytest.raises(ServerError) as caught:
        TemporaryServer().start()
    for part in ("apt-get", "dnf", "brew", "mariadb-server", "MARIADB_NB_MARIADBD"):
        assert part in str(caught.value)


def test_the_environment_names_the_mariadbd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "another"
    program.touch(0o755)
    monkeypatch.setenv("MARIADB_NB_MARIADBD", str(program))
    assert find_mariadbd() == program.resolve()
    monkeypatch.setenv("MARIADB_NB_MARIADBD", str(tmp_path))
    with pytest.raises(ServerError, match="which is no program that can be run"):
        find_mariadbd()


def test_a_program_that_is_no_mariadbd_is_refused(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARIADB_NB_MARIADBD", shutil.which("true") or "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ServerError, match="does not say where its SQL files are"):
        TemporaryServer(tls=False).start()


def test_a_file_that_is_no_program_is_refused(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").touch(0o755)
    monkeypatch.setenv("MARIADB_NB_MARIADBD", str(tmp_path / "empty"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ServerError, match=r"cannot be run.*Exec format"):
        TemporaryServer(tls=False).start()


def test_a_missing_trustme_is_named(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ServerError, match=r"pip install 'mariadb-nb\[server\]'"):
        TemporaryServer(tls=True).start()


def test_a_failed_start_quotes_the_log_and_leaves_nothing(own_folder: Path) -> None:
    wrong = TemporaryServer(tls=False, options={"no_such_option": "1"})
    with pytest.raises(ServerError, match=r"exit code 7(?s:.)*'no_such_option=1'"):
        wrong.start()
    with pytest.raises(ServerError, match="not started"):
        wrong.log  # noqa: B018


@pytest.fixture(params=["--bootstrap", "--init-file"])
def hanging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[int]:
    """A mariadbd that never gets on, with its template or later; tells its pid."""
    os.mkfifo(tmp_path / "pid")
    reader = os.open(tmp_path / "pid", os.O_RDONLY | os.O_NONBLOCK)
    wrapper = tmp_path / "mariadbd"
    wrapper.write_text(
        f"""#!/bin/sh
        case "$(cat {tmp_path}/hang) $*" in
        yes*{request.param}*) echo looking busy; echo $$ > {tmp_path}/pid;;
        *) exec {find_mariadbd()} "$@";;
        esac
        exec sleep 1000"""
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("MARIADB_NB_MARIADBD", str(wrapper))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "hang").write_text("no")
    if request.param != "--bootstrap":
        TemporaryServer(tls=False).start().stop()
    (tmp_path / "hang").write_text("yes")
    try:
        yield reader
    finally:
        os.close(reader)


def read_pid(reader: int) -> int:
    assert select.select([reader], [], [], TIMEOUT)[0]
    return int(os.read(reader, 100))


def test_a_start_that_takes_too_long_fails(own_folder: Path, hanging: int) -> None:
    with pytest.raises(ServerError, match=r"mariadbd did not(?s:.)*looking busy"):
        TemporaryServer(tls=False, timeout=4).start()
    assert not is_alive(read_pid(hanging))


def test_a_server_is_started_once_and_used_while_it_runs(own_folder: Path) -> None:
    lazy = TemporaryServer(tls=False)
    lazy.stop()
    for use in ("pid", "port", "socket", "datadir", "log"):
        with pytest.raises(ServerError, match="not started"):
            getattr(lazy, use)
    with pytest.raises(ServerError, match="not started"):
        lazy.restart()
    with lazy:
        with pytest.raises(ServerError, match="started already"):
            lazy.start()
        assert query(lazy, "SELECT 1") == "1"
        lazy.stop()
    assert repr(lazy) == "<TemporaryServer, not started>"
    with lazy:
        assert query(lazy, "SELECT 1") == "1"


# Leaving nothing behind


def test_stopping_removes_the_process_and_the_files(own_folder: Path) -> None:
    server = TemporaryServer().start()
    pid, folder = server.pid, server.datadir.parent
    assert folder.parent == own_folder
    assert folder.stat().st_mode & 0o077 == 0
    server.stop()
    assert not is_alive(pid)
    assert not folder.exists()


def test_an_exception_in_the_block_stops_the_server(own_folder: Path) -> None:
    pids = []

    def fail() -> None:
        with TemporaryServer(tls=False) as server:
            pids.append(server.pid)
            raise LookupError("of the user")

    with pytest.raises(LookupError, match="of the user"):
        fail()
    assert not is_alive(pids[0])


@pytest.mark.parametrize("end", ["killed", "terminated", "forgetful"])
def test_a_server_ends_with_its_owner(own_folder: Path, end: str) -> None:
    with run_owner(OWNER + ("input()" if end != "forgetful" else "")) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        if end == "killed":
            owner.kill()
        elif end == "terminated":
            owner.terminate()
        # The keeper shares standard error with the owner: its end is that of both.
        assert owner.communicate(timeout=TIMEOUT)[1] == ""
    assert not is_alive(pid)
    assert list(own_folder.iterdir()) == []


def test_a_server_that_is_being_started_ends_with_its_owner(
    own_folder: Path, hanging: int
) -> None:
    with run_owner(OWNER) as owner:
        pid = read_pid(hanging)
        assert is_alive(pid)
        owner.kill()
        assert owner.communicate(timeout=TIMEOUT) == ("", "")
    assert not is_alive(pid)
    assert list(own_folder.iterdir()) == []


CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("ready", flush=True)
    input()
except KeyboardInterrupt:
    server.restart()
    print(server.pid, flush=True)
    input()
"""


def test_ctrl_c_is_for_the_owner_alone(own_folder: Path) -> None:
    with run_owner(OWNER + CTRL_C) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert owner.stdout.readline() == "ready\n"
        os.killpg(owner.pid, signal.SIGINT)
        later = int(owner.stdout.readline())
        assert later != pid
        assert is_alive(later)
        os.killpg(owner.pid, signal.SIGKILL)
        assert owner.communicate(timeout=TIMEOUT) == ("", "")
    assert not is_alive(later)


FORKING = """
import os
from mariadb_nb.server import TemporaryServer
with TemporaryServer(tls=False) as server:
    child = os.fork()
    if child:
        print(os.waitpid(child, 0)[1])
        before = server.pid
        server.restart()
        print(server.pid != before)
"""


def test_a_forked_child_does_not_end_its_parents_server(own_folder: Path) -> None:
    with run_owner(FORKING) as owner:
        assert owner.communicate(timeout=TIMEOUT) == ("0\nTrue\n", "")


def test_a_terminated_keeper_takes_the_server_along(own_folder: Path) -> None:
    server = TemporaryServer(tls=False).start()
    try:
        pid = server.pid
        keeper = os.getsid(pid)
        os.kill(keeper, signal.SIGTERM)
        with pytest.raises(ServerError, match="ended unexpectedly"):
            server.restart()
    finally:
        server.stop()
    assert not is_alive(pid)


def test_a_killed_keeper_is_reported_with_what_is_left(own_folder: Path) -> None:
    server = TemporaryServer(tls=False).start()
    pid, folder = server.pid, server.datadir.parent
    os.kill(os.getsid(pid), signal.SIGKILL)
    try:
        with pytest.raises(ServerError, match=rf"{folder} was not removed.*\({pid}\)"):
            server.stop()
    finally:
        os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder)


def test_an_owner_that_blocks_signals_controls_its_server(own_folder: Path) -> None:
    blocked = {signal.SIGCHLD, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        with TemporaryServer(tls=False) as server:
            server.restart()
            server.kill()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_folder_that_cannot_be_made_fails_the_start(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "_parent_folder", lambda: str(own_folder / "missing"))
    with pytest.raises(ServerError, match="standard error output says why"):
        TemporaryServer(tls=False).start()
    assert "FileNotFoundError" in capfd.readouterr().err
