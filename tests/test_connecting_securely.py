"""Connecting fails closed: no credential and no file for whom they are not meant.

Through ``connect``, in every world. What each mode of TLS makes of each certificate is
a table in test_tls_options.py; here is what a user sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from certificates import Authority
from option_support import SECRET, RecordingProxy, ScriptedServer
from server_packets import OK, switch
from test_tls_options import Place, sent_data_over_tls
from worlds import World, in_every_world

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.server import TemporaryServer

#: What is wrong with a certificate, and what the error says about it.
WRONG: Final = {
    "wrong-host": "the certificate is for another name",
    "expired": "expired",
    "self-signed": "self-signed certificate",
    "foreign": "unable to get local issuer certificate",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server with TLS 1.2, in which one can see whether a client sent data."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with TemporaryServer(options={"tls_version": "TLSv1.2"}) as server:
        yield Place(server, authority)


@pytest.fixture(scope="module")
def plain_server() -> Iterator[TemporaryServer]:
    with TemporaryServer(tls=False) as server:
        yield server


def over_tcp(server: TemporaryServer, **options: Any) -> dict[str, Any]:
    """The options for a server that is not the tests' own."""
    user = server.users["native"]
    return {
        "unix_socket": None,
        "host": "localhost",
        "port": server.port,
        "user": user.name,
        "password": user.password,
        **options,
    }


def over_scripted(server: ScriptedServer, **options: Any) -> dict[str, Any]:
    """The options for a server that says what it is told to, and has no TLS."""
    place = {"unix_socket": None, "host": "127.0.0.1", "port": server.port}
    return {**place, **options}


async def cipher(conn: aio.Connection) -> str:
    """The cipher of a connection; empty without TLS."""
    cur = await conn.execute("SHOW STATUS LIKE 'Ssl_cipher'")
    ((_, name),) = await cur.fetchall()
    return str(name)


# ---- TLS -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRONG)
@in_every_world
async def test_wrong_certificate(world: World, place: Place, kind: str) -> None:
    place.use(kind)
    server = place.server
    with RecordingProxy(server.host, server.port) as proxy:
        options = over_tcp(server, port=proxy.port, tls_ca=place.authority.file)
        with pytest.raises(mariadb_nb.OperationalError) as raised:
            await world.connect(**options, tls="verify-full")
    assert WRONG[kind] in raised.value.message
    assert f"localhost:{proxy.port}" in raised.value.message
    assert proxy.sent
    assert not sent_data_over_tls(proxy.sent)
    assert options["user"].encode() not in proxy.sent


@in_every_world
async def test_right_certificate(world: World, place: Place) -> None:
    place.use("good")
    for host in ("localhost", "127.0.0.1"):
        options = over_tcp(place.server, host=host, tls_ca=place.authority.file)
        assert await cipher(await world.connect(**options, tls="verify-full"))


@pytest.mark.parametrize("mode", ["require", "verify-full"])
@in_every_world
async def test_server_without_tls_gets_no_credential(
    world: World, plain_server: TemporaryServer, place: Place, mode: str
) -> None:
    ca = {"tls_ca": place.authority.file} if mode == "verify-full" else {}
    with RecordingProxy(plain_server.host, plain_server.port) as proxy:
        options = over_tcp(plain_server, port=proxy.port, tls=mode, **ca)
        with pytest.raises(mariadb_nb.OperationalError, match="SSL is required"):
            await world.connect(**options)
    assert proxy.sent == b""


@in_every_world
async def test_tls_is_preferred_and_not_insisted_upon(
    world: World, plain_server: TemporaryServer, place: Place
) -> None:
    place.use("self-signed")
    for server, encrypted in ((plain_server, False), (place.server, True)):
        conn = await world.connect(**over_tcp(server))
        assert bool(await cipher(conn)) == encrypted


# ---- logins --------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["unix", "tcp", "tls"])
@pytest.mark.parametrize("login", ["native", "ed25519", "tls"])
@in_every_world
async def test_logins(world: World, login: str, transport: str) -> None:
    server = world.server
    tcp = {"unix_socket": None, "host": server.host, "port": server.port}
    options: dict[str, Any] = {
        "unix": {},
        "tcp": {**tcp, "tls": "disable"},
        "tls": {**tcp, "tls": "verify-full", "tls_ca": server.ca_file},
    }[transport]
    if login == "tls" and transport != "tls":
        with pytest.raises(mariadb_nb.OperationalError) as refused:
            await world.connect(login, **options)
        assert refused.value.errno == 1045
        return
    conn = await world.connect(login, **options)
    cur = await conn.execute("SELECT CURRENT_USER()")
    assert await cur.fetchone() == (f"{login}@%",)
    with pytest.raises(mariadb_nb.OperationalError) as raised:
        await world.connect(login, **{**options, "password": SECRET})
    assert raised.value.errno == 1045
    assert SECRET not in repr(raised.value)


@pytest.mark.parametrize(
    "plugin", [b"mysql_clear_password", b"dialog", b"caching_sha2_password"]
)
@in_every_world
async def test_no_password_for_a_server_that_wants_it_in_the_clear(
    world: World, plugin: bytes
) -> None:
    with ScriptedServer(None, [switch(plugin, b"\5Password: "), OK]) as server:
        connecting = world.connect(**over_scripted(server, password=SECRET, user="me"))
        with pytest.raises(mariadb_nb.OperationalError, match="not allowed") as raised:
            await connecting
    assert SECRET not in repr(raised.value)
    assert len(server.packets) == 1
    assert SECRET.encode() not in server.packets[0]
