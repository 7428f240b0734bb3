"""Whose certificates count when the user names nobody: those whom the system trusts."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from certificates import Authority

import mariadb_nb
from mariadb_nb import login
from mariadb_nb.server import TemporaryServer

#: Connects and tells the cipher; before that it makes sure of something.
CONNECT: Final = """
import sys, mariadb_nb
port, user, password = sys.argv[1:4]
options = dict(item.split("=") for item in sys.argv[4:])
conn = mariadb_nb.connect(
    host="localhost", port=int(port), user=user, password=password, **options
)
print(conn.execute("SHOW STATUS LIKE 'Ssl_version'").fetchone()[1])
print("ssl" in sys.modules)
"""


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that has not signed the server's certificate."""
    return Authority(tmp_path_factory.mktemp("foreign"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def connect(server: TemporaryServer, **options: Any) -> str:
    """Connect under "verify-full"; return the version of TLS."""
    user = server.users["native"]
    place: dict[str, Any] = {
        "host": "localhost",
        "port": server.port,
        "tls": "verify-full",
    }
    with mariadb_nb.connect(
        user=user.name, password=user.password, **place, **options
    ) as conn:
        _, version = conn.execute("SHOW STATUS LIKE 'Ssl_version'").fetchone()
        return str(version)


def in_a_process(
    server: TemporaryServer, *options: str, **environment: object
) -> subprocess.CompletedProcess[str]:
    """Connect in a new process, with these variables and no others of their kind."""
    user = server.users["native"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SSL_CERT_")}
    place = (str(server.port), user.name, user.password)
    return subprocess.run(
        [sys.executable, "-c", CONNECT, *place, *options],
        env={**kept, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path | None) -> None:
    """Have Python's OpenSSL know no file of authorities, and this folder."""
    usual = ssl.get_default_verify_paths()
    name = None if folder is None else str(folder)
    paths = usual._replace(cafile=None, capath=name)  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)


def test_variable_names_the_file(
    mariadb_server: TemporaryServer, foreign: Authority
) -> None:
    for mode in ("verify-full", "verify-ca"):
        good = in_a_process(
            mariadb_server, f"tls={mode}", SSL_CERT_FILE=mariadb_server.ca_file
        )
        assert good.stdout.split() == ["TLSv1.3", "True"], good.stderr
        bad = in_a_process(mariadb_server, f"tls={mode}", SSL_CERT_FILE=foreign.file)
        assert "OperationalError: 2026" in bad.stderr


def test_nothing_is_named(mariadb_server: TemporaryServer) -> None:
    """The system has not heard of the authority of the tests."""
    done = in_a_process(mariadb_server, "tls=verify-full")
    assert "OperationalError: 2026" in done.stderr or "give tls_ca=" in done.stderr


def test_variables_name_what_is_not_there(mariadb_server: TemporaryServer) -> None:
    absent = {"SSL_CERT_FILE": "/absent", "SSL_CERT_DIR": "/absent:/either"}
    done = in_a_process(mariadb_server, "tls=verify-full", **absent)
    assert "InterfaceError: tls='verify-full' found no certificates" in done.stderr


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full"])
def test_module_ssl_is_not_loaded_for_nothing(
    mariadb_server: TemporaryServer, mode: str
) -> None:
    ca = [f"tls_ca={mariadb_server.ca_file}"] if mode == "verify-full" else []
    done = in_a_process(mariadb_server, f"tls={mode}", *ca)
    assert done.stdout.split() == ["TLSv1.3", "False"], done.stderr


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize("folder", ["none", "without an index"])
def test_openssl_was_built_for_another_system(
    mariadb_server: TemporaryServer,
    monkeypatch: pytest.MonkeyPatch,
    empty: Path,
    folder: str,
) -> None:
    pretend(monkeypatch, None if folder == "none" else empty)
    (empty / "bundle.crt").write_text("not in OpenSSL's order", "utf-8")
    places = ("/absent", str(mariadb_server.ca_file))
    monkeypatch.setattr(login, "_SYSTEM_AUTHORITIES", places)
    assert connect(mariadb_server) == "TLSv1.3"


@pytest.mark.usefixtures("no_variables")
def test_folder_with_an_index_is_enough(
    mariadb_server: TemporaryServer, monkeypatch: pytest.MonkeyPatch, empty: Path
) -> None:
    pretend(monkeypatch, empty)
    (empty / "0123abcd.0").write_text("", "utf-8")
    places = (str(mariadb_server.ca_file),)
    monkeypatch.setattr(login, "_SYSTEM_AUTHORITIES", places)
    with pytest.raises(mariadb_nb.OperationalError):
        connect(mariadb_server)


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_who_names_some_trusts_no_others(
    mariadb_server: TemporaryServer,
    monkeypatch: pytest.MonkeyPatch,
    empty: Path,
    foreign: Authority,
    variable: str,
) -> None:
    named = {"SSL_CERT_FILE": foreign.file, "SSL_CERT_DIR": empty}[variable]
    monkeypatch.setenv(variable, str(named))
    places = (str(mariadb_server.ca_file),)
    monkeypatch.setattr(login, "_SYSTEM_AUTHORITIES", places)
    with pytest.raises(mariadb_nb.OperationalError):
        connect(mariadb_server)
