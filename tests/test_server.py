"""The throwaway server: what it offers, and what can be done to it."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from server_support import (
    CLIENT_SSL,
    TIMEOUT,
    capabilities,
    connect,
    is_alive,
    make_own_folder,
    query,
    read_greeting,
    run_client,
    start_tls,
)

from mariadb_nb import _server_template, server
from mariadb_nb.server import ServerError, TemporaryServer

own_folder = pytest.fixture(make_own_folder)


# What it offers


@pytest.mark.parametrize("way", ["socket", "tcp", "tls"])
@pytest.mark.parametrize("login", ["root", "native", "ed25519"])
def test_users_log_in_every_way(
    mariadb_server: TemporaryServer, login: str, way: str
) -> None:
    sql = "SELECT current_user(); SHOW STATUS LIKE 'Ssl_cipher'"
    done = run_client(mariadb_server, login, way, sql)
    assert done.returncode == 0, done.stderr
    user, cipher = done.stdout.splitlines()
    assert user.split("@")[0] == login
    assert (cipher.split("\t")[1] != "") == (way == "tls")


def test_the_tls_user_logs_in_over_tls_only(mariadb_server: TemporaryServer) -> None:
    assert mariadb_server.users["tls"].requires_tls
    assert run_client(mariadb_server, "tls", "tls", "DO 1").returncode == 0
    for way in ("socket", "tcp"):
        assert "Access denied" in run_client(mariadb_server, "tls", way, "DO 1").stderr


def test_a_wrong_password_is_refused(mariadb_server: TemporaryServer) -> None:
    done = subprocess.run(
        [
            *("mariadb", "--no-defaults", f"--socket={mariadb_server.socket}"),
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
    mariadb_server: TemporaryServer, login: str
) -> None:
    sql = f"CREATE TABLE of_{login} (a INT); DROP TABLE of_{login}; SELECT database()"
    done = run_client(mariadb_server, login, "tls", sql)
    assert (done.stderr, done.stdout) == ("", "test\n")


def test_the_plugins_are_those_that_the_users_tell(
    mariadb_server: TemporaryServer,
) -> None:
    rows = query(mariadb_server, "SELECT user, plugin FROM mysql.user").splitlines()
    for user in mariadb_server.users.values():
        assert f"{user.name}\t{user.plugin}" in rows
    assert mariadb_server.has_ed25519 == ("ed25519" in mariadb_server.users)


def test_without_the_ed25519_plugin_there_is_no_such_user(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_template = _server_template.copy_template

    def copy_and_hide_plugins(*arguments: object) -> _server_template.Template:
        template = copy_template(*arguments)  # type: ignore[arg-type]
        return template._replace(plugin_dir=str(own_folder))

    monkeypatch.setattr(server, "copy_template", copy_and_hide_plugins)
    with TemporaryServer(tls=False) as plain:
        assert not plain.has_ed25519
        assert set(plain.users) == {"root", "native", "tls"}
        assert run_client(plain, "native", "tcp", "DO 1").returncode == 0


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_the_certificate_is_good_for_every_local_name(
    mariadb_server: TemporaryServer, name: str
) -> None:
    start_tls(mariadb_server, mariadb_server.ca_file, name)


def test_the_certificate_is_good_for_no_other_name_or_authority(
    mariadb_server: TemporaryServer,
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        start_tls(mariadb_server, mariadb_server.ca_file, "example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        start_tls(mariadb_server, None, "localhost")


@pytest.mark.parametrize("installed", [True, False])
def test_tls_can_be_left_out_and_is_where_trustme_is_missing(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "trustme", None)
    with TemporaryServer(tls=False) if installed else TemporaryServer() as plain:
        assert plain.ca_file is None
        with connect(plain) as client:
            assert not capabilities(read_greeting(client)) & CLIENT_SSL


def test_the_server_does_not_run_as_root(mariadb_server: TemporaryServer) -> None:
    assert (
        os.stat(mariadb_server.socket).st_uid
        == mariadb_server.datadir.stat().st_uid
        != 0
    )


def test_the_log_holds_what_the_server_wrote(own_folder: Path) -> None:
    with TemporaryServer() as server:
        assert server.log.count("ready for connections") == 1
        assert f"port: {server.port}" in server.log
        query(server, "DO 1")
        server.restart()
        assert server.log.count("ready for connections") == 2
        # Not even of our own look at whether the server is ready.
        assert "ERROR" not in server.log
        assert "Aborted" not in server.log


def test_options_reach_the_server(own_folder: Path) -> None:
    options: dict[str, str | int | None]
    options = {"max_allowed_packet": "64M", "max-connections": 17, "skip_ssl": None}
    with TemporaryServer(options=options) as tuned:
        variables = "@@max_allowed_packet, @@max_connections, @@have_ssl"
        assert query(tuned, f"SELECT {variables}") == "67108864\t17\tDISABLED"


def test_the_defaults_suit_a_throwaway_server(own_folder: Path) -> None:
    variables = "@@max_connections, @@skip_name_resolve, @@performance_schema"
    with TemporaryServer(tls=False) as server:
        assert query(server, f"SELECT {variables}") == "500\t1\t0"


@pytest.mark.parametrize("name", ["port", "datadir", "loose-socket", "init-file"])
def test_options_of_its_own_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"'{name}' is not yours to set.*init_sql"):
        TemporaryServer(options={name: "1"})


@pytest.mark.parametrize("name", ["", "--skip-ssl", "max_connections=5", "a b"])
def test_what_is_no_option_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of an option"):
        TemporaryServer(options={name: None})


def test_init_sql_runs_as_root_in_test(own_folder: Path) -> None:
    init_sql = """
        SET GLOBAL wait_timeout = 77;
        CREATE TABLE t (a INT, b TEXT);
        INSERT INTO t VALUES (1, ''),
            (2, 'Grüße 🐬');"""
    with TemporaryServer(init_sql=init_sql) as prepared:
        assert query(prepared, "SELECT sum(a) FROM test.t") == "3"
        # It is UTF-8, whatever the locale is.
        expected = "Grüße 🐬".encode().hex().upper()
        assert query(prepared, "SELECT hex(b) FROM test.t WHERE a = 2") == expected
        assert query(prepared, "SELECT @@global.wait_timeout") == "77"


def test_init_sql_with_an_error_fails_the_start(own_folder: Path) -> None:
    broken = TemporaryServer(init_sql="CREATE TABLE t (a INT);\nSELEKT 1;\nDO 1;")
    with pytest.raises(ServerError, match=r"init_sql(?s:.)*near 'SELEKT 1;'"):
        broken.start()


def test_passwords_are_new_for_each_server_and_never_shown(
    mariadb_server: TemporaryServer, own_folder: Path
) -> None:
    with TemporaryServer(tls=False) as other:
        for name in ("native", "ed25519", "tls"):
            password = other.users[name].password
            assert len(password) >= 16
            assert password != mariadb_server.users[name].password
            shown = f"{other!r} {other.users!r} {other.log}"
            assert password not in shown
            folder = other.datadir.parent
            files = [path for path in folder.iterdir() if path.is_file()]
            assert not any(password.encode() in path.read_bytes() for path in files)


# Faults on demand


def test_a_paused_server_is_silent_until_it_is_resumed(own_folder: Path) -> None:
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


def test_a_killed_server_is_gone_until_it_is_restarted(own_folder: Path) -> None:
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
def test_a_restart_keeps_the_port_and_the_data(own_folder: Path, paused: bool) -> None:
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


def test_the_fixture_gives_a_session_one_running_server(
    own_folder: Path, tmp_path: Path
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
