"""What the tests of options share: logging in with them, and peers that take notes.

Connecting is the plain loop of ``_start`` and ``_cont``, in the calling thread: these
tests need no part of the driver but the options.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from capi_support import drive
from peers import PATIENCE, Peer, pass_on
from server_packets import greeting, packet

from mariadb_nb.capi import ffi, lib
from mariadb_nb.errors import InterfaceError, from_server
from mariadb_nb.options import Options
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

#: A password, and how it stands in a URL.
SECRET = "Zebra-7/ä"
ENCODED = "Zebra-7%2F%C3%A4"


def refused(url: str | None = None, **keywords: Any) -> str:
    """The message with which options are refused; it never holds the secret."""
    with pytest.raises(InterfaceError) as caught:
        Options.of(url, **keywords)
    message = str(caught.value)
    assert "Zebra" not in message
    assert "Zebra" not in repr(caught.value)
    return message


def login(server: TemporaryServer, way: str = "unix", name: str = "native") -> Any:
    """The keywords to log in with."""
    user = server.users[name]
    place: dict[str, Any] = {"unix_socket": server.socket}
    if way == "tcp":
        place = {"host": server.host, "port": server.port, "tls": "disable"}
    return {"user": name, "password": user.password, "database": "test", **place}


@contextlib.contextmanager
def logged_in(options: Options) -> Iterator[CData]:
    """Log in as the options say; raises the error that the driver would raise."""
    mysql = lib.mysql_init(ffi.NULL)
    assert mysql != ffi.NULL
    try:
        options.apply(lib, ffi, mysql)
        arguments = [ffi.NULL if a is None else a for a in options.connect_arguments()]
        start, cont = lib.mysql_real_connect_start, lib.mysql_real_connect_cont
        if not drive("MYSQL **", start, cont, mysql, *arguments):
            message = ffi.string(lib.mysql_error(mysql)).decode(errors="replace")
            sqlstate = ffi.string(lib.mysql_sqlstate(mysql)).decode()
            raise from_server(lib.mysql_errno(mysql), sqlstate, message)
        yield mysql
    finally:
        lib.mysql_close(mysql)


def cipher(mysql: CData) -> str | None:
    """The cipher of a connection; None without TLS."""
    name = lib.mysql_get_ssl_cipher(mysql)
    return None if name == ffi.NULL else ffi.string(name).decode()


class RecordingProxy(Peer):
    """Passes bytes both ways, and keeps what the client sent."""

    hears_clients_out = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._target = (host, port)
        self.sent = b""

    def serve(self, client: socket.socket) -> None:
        """Pass its bytes on."""
        with client, socket.create_connection(self._target) as server:
            for data in pass_on(client, server):
                self.sent += data


class ScriptedServer(Peer):
    """Greets a client, then answers each of its packets with the next in a list.

    Args:
        path: of the unix socket to listen on; None for TCP.
        answers: the payloads, in the order in which they are sent.
        offers_tls: whether the greeting does; no TLS is spoken.
    """

    hears_clients_out = True

    def __init__(
        self,
        path: str | None,
        answers: list[bytes],
        offers_tls: bool = False,
    ) -> None:
        super().__init__(path)
        self._answers = answers
        self._greeting = greeting(offers_tls)
        self.packets: list[bytes] = []

    def serve(self, client: socket.socket) -> None:
        """Greet it and answer it."""
        with client:
            client.settimeout(PATIENCE)
            client.sendall(packet(0, self._greeting))
            for answer in [*self._answers, b""]:
                header = client.recv(4, socket.MSG_WAITALL)
                if len(header) < 4:
                    return
                size = int.from_bytes(header[:3], "little")
                self.packets.append(client.recv(size, socket.MSG_WAITALL))
                if answer:
                    client.sendall(packet(header[3] + 1, answer))
