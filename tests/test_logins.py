"""Logging in by each authentication plug-in, with right and wrong passwords.

What the real server can do is tried with it (also in test_connecting_securely.py); for
the rest there is a server that checks what a client answers. What must not happen is in
test_login_plugins.py.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from login_methods import Account
from login_server import PATIENCE, LoginServer
from ticking import LOOPS
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb.capi import lib
from mariadb_nb.server import TemporaryServer

IS_3_4: Final = lib.mysql_get_client_version() >= 30400
#: The plug-ins of the library at hand, out of those that there are.
NOT_IN_3_3: Final = {"parsec"}
#: Those that let a server read the password, if it is who it says.
SHA2: Final = ("caching_sha2_password", "sha256_password")
#: Those that send it as it is.
BARE: Final = ("mysql_clear_password", "dialog")
METHODS: Final = ("mysql_native_password", "parsec", *SHA2, *BARE)

PASSWORDS: Final = {"ASCII": "Zebra/7", "not ASCII": "Zebra-ä€😀", "empty": ""}
DENIED: Final = 1045
#: The server asks, and there is no password to answer with.
NOT_ANSWERED: Final = lib.CR_AUTH_PLUGIN_ERR

HERE: Final = Path(__file__).parent


def has(method: str) -> bool:
    """Whether the library at hand has a plug-in."""
    return IS_3_4 or method not in NOT_IN_3_3


class Tls:
    """What a server needs for TLS, and whom its clients trust."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._certificate = authority.issue_cert("localhost", "127.0.0.1")

    def context(self, version: str = "TLSv1.3") -> ssl.SSLContext:
        """A server's context for one version."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        only = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
        context.minimum_version = context.maximum_version = only[version]
        return context


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def path() -> Iterator[str]:
    """Where a unix socket can be: its path has to be short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield f"{folder}/s"


def server_of(account: Account, way: str, tls: Tls, path: str) -> LoginServer:
    if way == "unix":
        return LoginServer(account, path=path)
    context = None if way == "plain" else tls.context(way)
    return LoginServer(account, context)


def place_of(server: LoginServer, way: str, tls: Tls, path: str) -> dict[str, Any]:
    """The options that lead to a server."""
    if way == "unix":
        return {"unix_socket": path}
    place = {"host": "127.0.0.1", "port": server.port}
    if way == "plain":
        return {**place, "tls": "disable"}
    return {**place, "tls": "verify-full", "tls_ca": tls.ca_file}


def log_in(user: str, password: str, **options: Any) -> int:
    """Log in; return 0 or the error's number."""
    problem = None
    try:
        with mariadb_nb.connect(user=user, password=password, **options) as conn:
            assert conn.execute("SELECT 'in'").fetchone() == ("in",)
    except mariadb_nb.Error as error:
        problem = error
    assert not password or password not in repr(problem)
    return 0 if problem is None else problem.errno


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("way", ["plain", "unix", "TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("method", [*METHODS, "caching_sha2_password, cached"])
def test_login(method: str, way: str, password: str, tls: Tls, path: str) -> None:
    method, _, cached = method.partition(", ")
    right, wrong = PASSWORDS[password], "something-else"
    account = Account("who", right.encode(), method, bool(cached))
    with server_of(account, way, tls, path) as server:
        place = place_of(server, way, tls, path)
        if way == "plain" and method in SHA2:
            place["auth_plugins"] = [method]
        if not has(method):
            expected = [lib.CR_AUTH_PLUGIN_CANNOT_LOAD] * 3
        elif way == "plain" and method in BARE:
            expected = [lib.CR_PLUGIN_NOT_ALLOWED] * 3
        elif method == "dialog" and not right:
            # No password is none to answer with, and nobody else is asked.
            expected = [lib.CR_AUTH_PLUGIN_ERR, DENIED, DENIED]
        else:
            expected = [0, DENIED, DENIED]
        assert log_in("who", right, **place) == expected[0]
        assert server.logins == (expected[0] == 0)
        assert log_in("who", wrong, **place) == expected[1]
        assert log_in("nobody", wrong, **place) == expected[2]
        assert server.logins == (expected[0] == 0)
        if server.logins:
            assert server.tls == (way if way.startswith("TLS") else None)


@pytest.mark.parametrize("way", ["plain", "unix", "TLSv1.3"])
@pytest.mark.parametrize("method", METHODS)
def test_no_password_where_one_is_wanted(
    method: str, way: str, tls: Tls, path: str
) -> None:
    account = Account("who", b"secret", method)
    with server_of(account, way, tls, path) as server:
        assert log_in("who", "", **place_of(server, way, tls, path)) != 0
        assert server.logins == 0


@pytest.mark.parametrize("method", SHA2)
def test_password_is_encrypted_with_the_key_of_the_server(
    method: str, tls: Tls, path: str
) -> None:
    """Without TLS, by those of the plug-ins that can: if the user allows it."""
    account = Account("who", PASSWORDS["not ASCII"].encode(), method)
    with server_of(account, "plain", tls, path) as server:
        place = place_of(server, "plain", tls, path)
        password = account.password.decode()
        assert log_in("who", password, **place) == lib.CR_PLUGIN_NOT_ALLOWED
        assert len(server.heard) == 1
        assert log_in("who", password, **place, auth_plugins=[method]) == 0
        assert not any(account.password in packet for packet in server.heard)


@pytest.mark.parametrize("method", METHODS)
@in_every_world
async def test_login_in_every_world(world: World, method: str, tls: Tls) -> None:
    account = Account("who", PASSWORDS["ASCII"].encode(), method)
    with server_of(account, "TLSv1.3", tls, "") as server:
        options = {**place_of(server, "TLSv1.3", tls, ""), "unix_socket": None}
        options.update(user="who", password=PASSWORDS["ASCII"])
        if not has(method):
            with pytest.raises(mariadb_nb.OperationalError, match=f"{method!r}"):
                await world.connect(**options)
            return
        conn = await world.connect(**options)
        cur = await conn.execute("SELECT 'in'")
        assert await cur.fetchone() == ("in",)
        await conn.change_user("who", PASSWORDS["ASCII"], "db")
        with pytest.raises(mariadb_nb.OperationalError, match="Access denied"):
            await conn.change_user("who", "something-else")
        with pytest.raises(mariadb_nb.OperationalError, match="Access denied"):
            await world.connect(**{**options, "password": "something-else"})


def test_pam() -> None:
    """By the real plug-in and service of the server's system."""
    password = PASSWORDS["not ASCII"]
    done = subprocess.run(
        [sys.executable, str(HERE / "pam_cases.py"), password],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    refusal = f"{lib.CR_PLUGIN_NOT_ALLOWED}"
    private = {"right": "pammy@%", "wrong": f"{DENIED}", "empty": f"{NOT_ANSWERED}"}
    assert json.loads(done.stdout) == {
        **{f"unix, {kind}": result for kind, result in private.items()},
        **{f"plain, {kind}": refusal for kind in private},
        **{f"TLS, {kind}": result for kind, result in private.items()},
    }


@pytest.mark.parametrize("loop", LOOPS, ids=lambda world: world.name)
@pytest.mark.parametrize("method", METHODS)
def test_others_on_the_loop_go_on(
    method: str, loop: type[World], mariadb_server: TemporaryServer, tls: Tls
) -> None:
    """The server goes on with each login only when another task has let it."""
    world, gate = loop(mariadb_server), threading.Event()
    account = Account("who", PASSWORDS["ASCII"].encode(), method)
    context = tls.context()

    async def let_go_on() -> None:
        witness = await world.connect()
        await witness.execute("DO 1")
        gate.set()

    async def both() -> None:
        with LoginServer(account, context, gate=gate) as server:
            options = {**place_of(server, "TLSv1.3", tls, ""), "unix_socket": None}
            options.update(user="who", password=PASSWORDS["ASCII"])
            connected, _ = await world.together(world.connect(**options), let_go_on())
            assert isinstance(connected, Exception) != has(method), connected
            assert server.logins == has(method)

    world.run(both())
    assert gate.wait(PATIENCE)
