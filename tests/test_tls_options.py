"""Each mode of TLS does what its name says, with every kind of server.

What fails must fail before the server, or whoever claims to be it, has seen a
credential: a proxy writes down what the client sends. The server speaks TLS 1.2, in
which one can see from outside whether a client sent data; 1.3 is used by the rest of
the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from capi_support import connect, error, query, rows
from certificates import KINDS, Authority, encrypted_key, fingerprint
from option_support import SECRET, RecordingProxy, cipher, logged_in

from mariadb_nb.capi import lib
from mariadb_nb.errors import InterfaceError, NotSupportedError, OperationalError
from mariadb_nb.options import Options
from mariadb_nb.server import TemporaryServer

MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
#: From here on nothing is sent to a server without TLS.
STRICT = MODES[2:]
IS_3_4 = lib.mysql_get_client_version() >= 30400

HANDSHAKE_REQUEST = 4 + 32
APPLICATION_DATA = 23


class Place(NamedTuple):
    """A server, and the authority whose certificates it can be given."""

    server: TemporaryServer
    authority: Authority

    def use(self, kind: str) -> bytes:
        """Give the server another certificate, and return it."""
        pem = self.authority.issue(kind)
        (self.server.datadir.parent / "server.pem").write_bytes(pem)
        mysql = connect(self.server, login="root")
        assert query(mysql, "FLUSH SSL") == 0, error(mysql)
        lib.mysql_close(mysql)
        return pem


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    options = {"tls_version": "TLSv1.2", "ssl_ca": "../ca.pem"}
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with TemporaryServer(options=options) as server:
        (server.datadir.parent / "ca.pem").write_bytes(authority.file.read_bytes())
        yield Place(server, authority)


@pytest.fixture(scope="module")
def plain_server() -> Iterator[TemporaryServer]:
    with TemporaryServer(tls=False) as server:
        yield server


def attempt(
    server: TemporaryServer, **keywords: Any
) -> tuple[str | None, Exception | None, bytes]:
    """Log in through a proxy.

    Returns:
        The cipher, the error, and what the client sent.
    """
    user = server.users["native"]
    options = {
        "host": "localhost",
        "user": user.name,
        "password": user.password,
        "database": "test",
        **keywords,
    }
    used, problem = None, None
    with RecordingProxy(server.host, server.port) as proxy:
        try:
            with logged_in(Options.of(**options, port=proxy.port)) as mysql:
                used = cipher(mysql)
                assert rows(mysql, "SELECT 'in'") == [(b"in",)]
        except OperationalError as raised:
            problem = raised
    return used, problem, proxy.sent


def sent_data_over_tls(sent: bytes) -> bool:
    """Whether a client that asked for TLS sent anything after the handshake."""
    position = HANDSHAKE_REQUEST
    while position < len(sent):
        if sent[position] == APPLICATION_DATA:
            return True
        position += 5 + int.from_bytes(sent[position + 3 : position + 5])
    return False


def keywords_of(mode: str, place: Place, host: str = "localhost") -> dict[str, Any]:
    authority = {"tls_ca": place.authority.file} if mode.startswith("verify") else {}
    return {"tls": mode, "host": host, **authority}


def is_accepted(mode: str, kind: str) -> bool:
    """Whether a mode is to be content with a kind of certificate."""
    if mode == "verify-full":
        return kind in ("good", "revoked")  # without a list nobody is revoked
    if mode == "verify-ca":
        return kind in ("good", "revoked", "wrong-host")
    return True


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_certificate(place: Place, kind: str, mode: str, host: str) -> None:
    place.use(kind)
    used, problem, sent = attempt(place.server, **keywords_of(mode, place, host))
    user = place.server.users["native"].name.encode()
    if mode == "disable":
        assert (used, problem) == (None, None)
        assert user in sent
    elif is_accepted(mode, kind):
        assert problem is None
        assert used is not None
        assert user not in sent
        assert sent_data_over_tls(sent)
    else:
        assert isinstance(problem, OperationalError)
        assert problem.errno == lib.CR_SSL_CONNECTION_ERROR
        assert not sent_data_over_tls(sent)


@pytest.mark.parametrize("mode", MODES)
def test_server_without_tls(plain_server: TemporaryServer, mode: str) -> None:
    ca = {"tls_ca": __file__} if mode.startswith("verify") else {}
    used, problem, sent = attempt(plain_server, tls=mode, **ca)
    if mode in STRICT:
        assert isinstance(problem, OperationalError)
        assert problem.errno == lib.CR_SSL_CONNECTION_ERROR
        assert sent == b""
    else:
        assert (used, problem) == (None, None)
        assert plain_server.users["native"].name.encode() in sent


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
@pytest.mark.parametrize("kind", ["good", "foreign", "self-signed"])
def test_authorities_of_the_system(
    place: Place, kind: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.use(kind)
    monkeypatch.setenv("SSL_CERT_FILE", str(place.authority.file))
    used, problem, sent = attempt(place.server, tls=mode)
    assert (used is not None) == (problem is None) == (kind == "good")
    assert sent_data_over_tls(sent) == (kind == "good")


def test_no_authorities_on_the_system(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "absent"))
    monkeypatch.setattr("mariadb_nb.login._SYSTEM_AUTHORITIES", ())
    with pytest.raises(InterfaceError, match="give tls_ca="):
        attempt(place.server, tls="verify-full")


def test_folder_of_authorities(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place.use("good")
    used, problem, _ = attempt(place.server, tls="verify-full", tls_ca_path=tmp_path)
    assert used is None
    assert isinstance(problem, OperationalError)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
@pytest.mark.parametrize("kind", ["good", "revoked"])
def test_revoked_certificate(place: Place, kind: str, mode: str) -> None:
    place.use(kind)
    keywords = keywords_of(mode, place)
    _, problem, sent = attempt(place.server, **keywords, tls_crl=place.authority.crl)
    assert (problem is None) == (kind == "good")
    assert sent_data_over_tls(sent) == (kind == "good")


@pytest.mark.parametrize("kind", ["good", "self-signed"])
def test_pinned_certificate(place: Place, kind: str) -> None:
    algorithm = "sha256" if IS_3_4 else "sha1"
    pinned = fingerprint(place.use(kind), algorithm)
    for digits in (pinned, pinned.upper()):
        used, problem, _ = attempt(place.server, tls_fingerprint=digits)
        assert problem is None
        assert used is not None
    place.use(kind)
    _, problem, sent = attempt(place.server, tls_fingerprint=pinned)
    assert isinstance(problem, OperationalError)
    assert not sent_data_over_tls(sent)


def test_pinned_certificate_and_a_server_without_tls(
    plain_server: TemporaryServer,
) -> None:
    _, problem, sent = attempt(plain_server, tls_fingerprint="a" * 40)
    assert isinstance(problem, OperationalError)
    assert sent == b""


def test_digest_of_another_kind(place: Place) -> None:
    place.use("good")
    if IS_3_4:
        _, problem, _ = attempt(place.server, tls_fingerprint="a" * 64)
        assert isinstance(problem, OperationalError)
    else:  # which would fail in the middle of the login
        with pytest.raises(NotSupportedError, match="40 digits"):
            attempt(place.server, tls_fingerprint="a" * 64)


def test_lowest_version(place: Place) -> None:
    place.use("good")
    assert attempt(place.server, tls="require", tls_min_version="1.2")[1] is None
    _, problem, _ = attempt(place.server, tls="require", tls_min_version="1.3")
    assert isinstance(problem, OperationalError)


def test_ciphers(place: Place) -> None:
    place.use("good")
    wanted = "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert attempt(place.server, tls="require", tls_ciphers=wanted)[0] == wanted
    for ciphers in ("DHE-RSA-AES128-SHA", "NO-SUCH-CIPHER"):
        _, problem, sent = attempt(place.server, tls="require", tls_ciphers=ciphers)
        assert isinstance(problem, OperationalError)
        assert not sent_data_over_tls(sent)


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_certificate_of_the_client(place: Place, mode: str, tmp_path: Path) -> None:
    place.use("good")
    mysql = connect(place.server, login="root")
    for statement in (
        "CREATE OR REPLACE USER certified IDENTIFIED BY 'x' REQUIRE X509",
        "GRANT ALL ON test.* TO certified",
    ):
        assert query(mysql, statement) == 0, error(mysql)
    lib.mysql_close(mysql)
    pem = place.authority.issue("good")
    certificate, key, locked = (tmp_path / name for name in ("cert", "key", "locked"))
    certificate.write_bytes(pem)
    key.write_bytes(pem)
    locked.write_bytes(encrypted_key(pem, SECRET))
    keywords: dict[str, Any] = {
        **keywords_of(mode, place),
        "user": "certified",
        "password": "x",
        "tls_cert": certificate,
    }
    without = {name: value for name, value in keywords.items() if name != "tls_cert"}
    assert isinstance(attempt(place.server, **without)[1], OperationalError)
    for more, expected in (
        ({}, True),
        ({"tls_key": key}, True),
        ({"tls_key": locked, "tls_key_password": SECRET}, True),
        ({"tls_key": locked, "tls_key_password": "wrong"}, False),
    ):
        _, problem, sent = attempt(place.server, **keywords, **more)
        assert (problem is None) == expected, more
        assert sent_data_over_tls(sent) == expected


def test_tls_over_a_unix_socket(place: Place) -> None:
    user = place.server.users["native"]
    for kind in KINDS:
        place.use(kind)
        for mode in MODES[:-1]:
            options = Options.of(
                unix_socket=place.server.socket,
                user=user.name,
                password=user.password,
                **{**keywords_of(mode, place), "host": None},
            )
            if not is_accepted(mode, kind):
                with pytest.raises(OperationalError), logged_in(options):
                    pass
                continue
            with logged_in(options) as mysql:
                assert (cipher(mysql) is None) == (mode == "disable")
