"""The throwaway server: what it offers, and that it never leaves anything behind.

Logins go through MariaDB's own command-line client, which comes with the server, so
that these tests need no part of the package but the one they test.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mariadb_nb import _server_template, server
from mariadb_nb.server import ServerError, TemporaryServer, find_mariadbd

CLIENT_SSL = 0x800
TIMEOUT = 30


@pytest.fixture(scope="module")
def shared() -> Iterator[TemporaryServer]:
    with TemporaryServer() as shared:
        yield shared


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary ones of this test alone, which must be empty after it."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    try:
        yield folder
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)


def run_client(
    server: TemporaryServer, login: str, way: str, sql: str
) -> subprocess.CompletedProcess[str]:
    tcp = ["--protocol=tcp", f"--host={server.host}", f"--port={server.port}"]
    ways = {
        "socket": [f"--socket={server.socket}", "--skip-ssl"],
        "tcp": [*tcp, "--skip-ssl"],
        "tls": [*tcp, f"--ssl-ca={server.ca_file}", "--ssl-verify-server-cert"],
    }
    user = server.users[login]
    return subprocess.run(
        [
            *("mariadb", "--no-defaults", "--batch", "--skip-column-names"),
            *ways[way],
            *(f"--user={user.name}", f"--password={user.password}"),
            *(f"--execute={sql}", "test"),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def query(server: TemporaryServer, sql: str) -> str:
    done = run_client(server, "root", "socket", sql)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def connect(server: TemporaryServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=TIMEOUT)


def read_greeting(client: socket.socket) -> bytes:
    header = client.recv(4, socket.MSG_WAITALL)
    return client.recv(int.from_bytes(header[:3], "little"), socket.MSG_WAITALL)


def capabilities(greeting: bytes) -> int:
    after_version = greeting.index(b"\0") + 1
    low = after_version + 4 + 8 + 1
    return int.from_bytes(greeting[low : low + 2], "little")


def start_tls(server: TemporaryServer, ca_file: str | None, name: str) -> None:
    with connect(server) as client:
        assert capabilities(read_greeting(client)) & CLIENT_SSL
        request = struct.pack("<IIB23x", 0x88201 | CLIENT_SSL, 1 << 24, 45)
        client.sendall(len(request).to_bytes(3, "little") + b"\x01" + request)
        context = ssl.create_default_context(cafile=ca_file)
        with context.wrap_socket(client, server_hostname=name) as secure:
            assert secure.version() in ("TLSv1.2", "TLSv1.3")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def start_owner(script: str, **env: str) -> subprocess.Popen[str]:
    """Start another process that uses servers, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **env},
        start_new_session=True,
    )


# What it offers


@pytest.mark.parametrize("way", ["socket", "tcp", "tls"])
@pytest.mark.parametrize("login", ["root", "native", "ed25519"])
def test_users_log_in_every_way(shared: TemporaryServer, login: str, way: str) -> None:
    sql = "SELECT current_user(); SHOW STATUS LIKE 'Ssl_cipher'"
    done = run_client(shared, login, way, sql)
    assert done.returncode == 0, done.stderr
    user, cipher = done.stdout.splitlines()
    assert user.split("@")[0] == login
    assert (cipher.split("\t")[1] != "") == (way == "tls")


def test_the_tls_user_logs_in_over_tls_only(shared: TemporaryServer) -> None:
    assert shared.users["tls"].requires_tls
    assert run_client(shared, "tls", "tls", "DO 1").returncode == 0
    for way in ("socket", "tcp"):
        assert "Access denied" in run_client(shared, "tls", way, "DO 1").stderr


def test_a_wrong_password_is_refused(shared: TemporaryServer) -> None:
    done = subprocess.run(
        [
            *("mariadb", "--no-defaults", f"--socket={shared.socket}"),
            *("--user=native", "--password=wrong", "--execute=DO 1"),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert "Access denied" in done.stderr


@pytest.mark.parametrize("login", ["root", "native", "ed25519", "tls"])
def test_all_users_may_use_the_database_test(
    shared: TemporaryServer, login: str
) -> None:
    sql = f"CREATE TABLE of_{login} (a INT); DROP TABLE of_{login}; SELECT database()"
    done = run_client(shared, login, "tls", sql)
    assert (done.stderr, done.stdout) == ("", "test\n")


def test_the_plugins_are_those_that_the_users_tell(shared: TemporaryServer) -> None:
    rows = query(shared, "SELECT user, plugin FROM mysql.user WHERE host IN ('%', '')")
    told = {user.name: user.plugin for user in shared.users.values()}
    del told["root"]
    assert dict(row.split("\t") for row in rows.splitlines()) == told
    assert shared.has_ed25519 == ("ed25519" in told)


def test_without_the_ed25519_plugin_there_is_no_such_user(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_template = _server_template.copy_template

    def copy_and_hide_plugins(*arguments: object) -> _server_template.Template:
        template = copy_template(*arguments)  # type: ignore[arg-type]
        return template._replace(plugin_dir=str(parent))

    monkeypatch.setattr(server, "copy_template", copy_and_hide_plugins)
    with TemporaryServer(tls=False) as plain:
        assert not plain.has_ed25519
        assert set(plain.users) == {"root", "native", "tls"}
        assert run_client(plain, "native", "tcp", "DO 1").returncode == 0


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_the_certificate_is_good_for_every_local_name(
    shared: TemporaryServer, name: str
) -> None:
    start_tls(shared, shared.ca_file, name)


def test_the_certificate_is_good_for_no_other_name_or_authority(
    shared: TemporaryServer,
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        start_tls(shared, shared.ca_file, "example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        start_tls(shared, None, "localhost")


def test_tls_can_be_left_out(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with TemporaryServer(tls=False) as plain:
        assert plain.ca_file is None
        with connect(plain) as client:
            assert not capabilities(read_greeting(client)) & CLIENT_SSL


def test_the_server_does_not_run_as_root(shared: TemporaryServer) -> None:
    uid = subprocess.run(
        ["ps", "-o", "uid=", "-p", str(shared.pid)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(uid) == shared.datadir.stat().st_uid != 0


def test_the_log_holds_what_the_server_wrote(shared: TemporaryServer) -> None:
    assert shared.log.count("ready for connections") == 1
    assert f"port: {shared.port}" in shared.log
    assert "ERROR" not in shared.log


def test_options_reach_the_server(parent: Path) -> None:
    options = {"max_allowed_packet": "64M", "max-connections": 7, "skip_ssl": None}
    with TemporaryServer(options=options) as tuned:
        variables = "@@max_allowed_packet, @@max_connections, @@have_ssl"
        assert query(tuned, f"SELECT {variables}") == "67108864\t7\tDISABLED"


def test_the_defaults_suit_a_throwaway_server(shared: TemporaryServer) -> None:
    variables = "@@max_connections, @@skip_name_resolve, @@performance_schema"
    assert query(shared, f"SELECT {variables}") == "500\t1\t0"


@pytest.mark.parametrize("name", ["port", "datadir", "loose-socket", "init-file"])
def test_options_of_its_own_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"'{name}' is not yours to set.*init_sql"):
        TemporaryServer(options={name: "1"})


@pytest.mark.parametrize("name", ["", "--skip-ssl", "max_connections=5", "a b"])
def test_what_is_no_option_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of an option"):
        TemporaryServer(options={name: None})


def test_init_sql_runs_as_root_in_test(parent: Path) -> None:
    init_sql = "CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1),\n(2);\nSET GLOBAL "
    with TemporaryServer(init_sql=init_sql + "wait_timeout = 77;") as prepared:
        assert query(prepared, "SELECT sum(a) FROM test.t") == "3"
        assert query(prepared, "SELECT @@global.wait_timeout") == "77"


def test_init_sql_with_an_error_fails_the_start(parent: Path) -> None:
    broken = TemporaryServer(init_sql="CREATE TABLE t (a INT);\nSELEKT 1;\nDO 1;")
    with pytest.raises(ServerError, match=r"init_sql(?s:.)*near 'SELEKT 1'"):
        broken.start()


def test_passwords_are_new_for_each_server_and_never_shown(
    shared: TemporaryServer, parent: Path
) -> None:
    with TemporaryServer(tls=False) as other:
        for name in ("native", "ed25519", "tls"):
            password = other.users[name].password
            assert len(password) >= 16
            assert password != shared.users[name].password
            shown = f"{other!r} {other.users!r} {other.log}"
            assert password not in shown
            folder = other.datadir.parent
            files = [path for path in folder.iterdir() if path.is_file()]
            assert not any(password.encode() in path.read_bytes() for path in files)


# Starting


def test_a_taken_port_is_replaced(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], server._free_port()]
        free = ports[1]
        monkeypatch.setattr(server, "_free_port", lambda: ports.pop(0))
        with TemporaryServer(tls=False) as lucky:
            assert lucky.port == free
            assert query(lucky, "SELECT @@port") == str(free)


def test_when_every_port_is_taken_the_start_fails(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(server, "_free_port", lambda: taken.getsockname()[1])
        with pytest.raises(ServerError, match="Address already in use"):
            TemporaryServer(tls=False).start()


def test_several_threads_start_servers_at_once_and_make_one_template(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_several_processes_start_servers_at_once(parent: Path, tmp_path: Path) -> None:
    script = """
        from mariadb_nb.server import TemporaryServer
        with TemporaryServer(tls=False) as server:
            print(server.pid)
        """
    owners = [start_owner(script, XDG_CACHE_HOME=str(tmp_path)) for _ in range(3)]
    results = [owner.communicate(timeout=TIMEOUT) for owner in owners]
    assert [error for _, error in results] == ["", "", ""]
    assert len({int(pid) for pid, _ in results}) == 3


@pytest.mark.parametrize("damage", ["shorter file", "lost file", "no list", "odd list"])
def test_a_broken_template_is_made_anew(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
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
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wrapper = tmp_path / "mariadbd"
    monkeypatch.setenv("MARIADB_NB_MARIADBD", str(wrapper))
    templates = set()
    for version in ("old", "later"):
        wrapper.write_text(f'#!/bin/sh\n# {version}\nexec {find_real()} "$@"\n')
        wrapper.chmod(0o755)
        TemporaryServer(tls=False).start().stop()
        (folder,) = tmp_path.glob("cache/mariadb_nb/template-*/data")
        templates.add((folder / "ibdata1").stat().st_ino)
    assert len(templates) == 2


def find_real() -> str:
    found = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found is not None
    return found


def test_without_a_cache_folder_the_template_is_a_temporary_one(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with TemporaryServer(tls=False) as homeless:
        assert query(homeless, "SELECT 1") == "1"
    (cache,) = parent.iterdir()
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
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    with pytest.raises(ServerError, match="MARIADB_NB_MARIADBD is .* no program"):
        find_mariadbd()


def test_a_program_that_is_no_mariadbd_is_refused(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARIADB_NB_MARIADBD", shutil.which("true") or "")
    with pytest.raises(ServerError, match="does not say where its SQL files are"):
        TemporaryServer(tls=False).start()


def test_a_missing_trustme_is_named(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ServerError, match=r"pip install mariadb-nb\[server\]"):
        TemporaryServer().start()


def test_a_failed_start_quotes_the_log_and_leaves_nothing(parent: Path) -> None:
    wrong = TemporaryServer(tls=False, options={"no_such_option": "1"})
    with pytest.raises(ServerError, match=r"exit code 7(?s:.)*'no_such_option=1'"):
        wrong.start()
    with pytest.raises(ServerError, match="not started"):
        wrong.log  # noqa: B018


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A mariadbd that never gets ready; what it writes when it runs can be read."""
    os.mkfifo(tmp_path / "started")
    reader = os.open(tmp_path / "started", os.O_RDONLY | os.O_NONBLOCK)
    wrapper = tmp_path / "mariadbd"
    wrapper.write_text(
        '#!/bin/sh\ncase "$*" in *--help* | *--bootstrap*) '
        f'exec {find_real()} "$@" ;; esac\n'
        f"echo looking busy; echo $$ > {tmp_path / 'started'}; exec sleep 1000\n"
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("MARIADB_NB_MARIADBD", str(wrapper))
    try:
        yield reader
    finally:
        os.close(reader)


def read_pid(reader: int) -> int:
    assert select.select([reader], [], [], TIMEOUT)[0]
    return int(os.read(reader, 100))


def test_a_start_that_takes_too_long_fails(parent: Path, hanging: int) -> None:
    with pytest.raises(ServerError, match=r"within 1 s(?s:.)*looking busy"):
        TemporaryServer(tls=False, timeout=1).start()
    assert not is_alive(read_pid(hanging))


def test_a_server_is_started_once_and_used_while_it_runs(parent: Path) -> None:
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


# Faults on demand


def test_a_paused_server_is_silent_until_it_is_resumed(parent: Path) -> None:
    with TemporaryServer(tls=False) as sleepy:
        sleepy.pause()
        with connect(sleepy) as client:
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.recv(1, socket.MSG_PEEK)
            sleepy.resume()
            client.settimeout(TIMEOUT)
            assert b"MariaDB" in read_greeting(client)
        sleepy.pause()


def test_a_killed_server_is_gone_until_it_is_restarted(parent: Path) -> None:
    with TemporaryServer() as victim:
        query(victim, "CREATE TABLE t (a INT); INSERT INTO t VALUES (42)")
        pid, port = victim.pid, victim.port
        victim.kill()
        assert not is_alive(pid)
        with pytest.raises(ConnectionRefusedError):
            connect(victim)
        for use in (victim.kill, victim.pause, victim.resume):
            with pytest.raises(ServerError, match="does not run"):
                use()
        victim.restart()
        assert victim.port == port
        assert query(victim, "SELECT a FROM test.t") == "42"
        assert run_client(victim, "tls", "tls", "DO 1").returncode == 0


@pytest.mark.parametrize("paused", [False, True])
def test_a_restart_keeps_the_port_and_the_data(parent: Path, paused: bool) -> None:
    with TemporaryServer(init_sql="CREATE TABLE t (a INT);") as server:
        query(server, "INSERT INTO t VALUES (7); DROP USER tls")
        pid, port, users = server.pid, server.port, server.users
        if paused:
            server.pause()
        server.restart()
        assert server.pid != pid
        assert not is_alive(pid)
        assert (server.port, server.users) == (port, users)
        assert "Shutdown complete" in server.log
        assert query(server, "SELECT a FROM t") == "7"
        assert query(server, "SELECT count(*) FROM mysql.user WHERE user='tls'") == "0"
        assert run_client(server, "native", "tls", "DO 1").returncode == 0


# Leaving nothing behind


def test_stopping_removes_the_process_and_the_files(parent: Path) -> None:
    server = TemporaryServer().start()
    pid, folder = server.pid, server.datadir.parent
    assert folder.parent == parent
    assert folder.stat().st_mode & 0o077 == 0
    server.stop()
    assert not is_alive(pid)
    assert not folder.exists()


def test_an_exception_in_the_block_stops_the_server(parent: Path) -> None:
    with pytest.raises(ZeroDivisionError), TemporaryServer(tls=False) as server:
        pid = server.pid
        1 / 0  # noqa: B018
    assert not is_alive(pid)


OWNER = """
    from mariadb_nb.server import TemporaryServer
    server = TemporaryServer(tls=False).start()
    print(server.pid, flush=True)
    """


@pytest.mark.parametrize("end", ["killed", "terminated", "forgetful"])
def test_a_server_ends_with_its_owner(parent: Path, end: str) -> None:
    with start_owner(OWNER + ("input()" if end != "forgetful" else "")) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        if end == "killed":
            owner.kill()
        elif end == "terminated":
            owner.terminate()
        # The keeper shares standard error with the owner: its end is that of both.
        assert owner.communicate(timeout=TIMEOUT)[1] == ""
    assert not is_alive(pid)
    assert list(parent.iterdir()) == []


def test_a_server_that_is_being_started_ends_with_its_owner(
    parent: Path, hanging: int
) -> None:
    with start_owner(OWNER) as owner:
        pid = read_pid(hanging)
        assert is_alive(pid)
        owner.kill()
        assert owner.communicate(timeout=TIMEOUT) == ("", "")
    assert not is_alive(pid)
    assert list(parent.iterdir()) == []


def test_ctrl_c_is_for_the_owner_alone(parent: Path) -> None:
    script = """
        try:
            input()
        except KeyboardInterrupt:
            server.restart()
            print(server.pid, flush=True)
            input()
        """
    with start_owner(OWNER + script) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        os.killpg(owner.pid, signal.SIGINT)
        later = int(owner.stdout.readline())
        assert later != pid
        assert is_alive(later)
        os.killpg(owner.pid, signal.SIGKILL)
        assert owner.communicate(timeout=TIMEOUT) == ("", "")
    assert not is_alive(later)


def test_a_forked_child_does_not_end_its_parents_server(parent: Path) -> None:
    script = """
        import os
        child = os.fork()
        server.stop()
        if child:
            print(os.waitpid(child, 0)[1])
        """
    # The child leaves the with block of its copy, while the parent's is in use.
    script = """
        import os
        from mariadb_nb.server import TemporaryServer
        with TemporaryServer(tls=False) as server:
            child = os.fork()
            if child:
                print(os.waitpid(child, 0)[1])
                server.restart()
                print(server.pid > 0)
        """
    with start_owner(script) as owner:
        assert owner.communicate(timeout=TIMEOUT) == ("0\nTrue\n", "")


def test_the_end_of_the_keeper_is_the_end_of_the_server(parent: Path) -> None:
    server = TemporaryServer(tls=False).start()
    try:
        pid = server.pid
        keeper = subprocess.run(
            ["ps", "-o", "ppid=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        os.kill(int(keeper), signal.SIGTERM)
        with pytest.raises(ServerError, match="ended unexpectedly"):
            server.restart()
        assert not is_alive(pid)
        assert list(parent.iterdir()) == []
    finally:
        with pytest.raises(ServerError, match="was not removed"):
            server.stop()


def test_the_fixture_gives_a_session_one_running_server(
    parent: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_with_fixture.py").write_text(
        textwrap.dedent("""
            import socket
            def test_one(mariadb_server):
                socket.create_connection((mariadb_server.host, mariadb_server.port))
            def test_two(mariadb_server, record_property):
                assert mariadb_server.log.count("ready for connections") == 1
            """)
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "mariadb_nb.pytest_plugin"),
            *("-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
