"""What the tests of options share: logging in with them, and peers that take notes.

Connecting is the plain loop of ``_start`` and ``_cont``, in the calling thread: these
tests need no part of the driver but the options.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pytest
from capi_support import drive

from mariadb_nb.capi import ffi, lib
from mariadb_nb.errors import InterfaceError, from_server
from mariadb_nb.options import Options
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

CLIENT_SSL = 0x800
#: Seconds after which a peer that says nothing is taken for stuck.
PATIENCE = 20

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


class RecordingProxy:
    """Passes bytes both ways, and keeps what the client sent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port: int = self._listener.getsockname()[1]
        self.sent = b""

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed at the end
            client, _ = self._listener.accept()
            with client, socket.create_connection(self._target) as server:
                self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while ready := selector.select(PATIENCE):
                for key, _ in ready:
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    if key.fileobj is client:
                        self.sent += data
                    key.data.sendall(data)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


class ScriptedServer:
    """Greets one client, then answers each of its packets with the next in a list.

    Args:
        path: of the unix socket to listen on; None for TCP.
        answers: the payloads, in the order in which they are sent.
        offers_tls: whether the greeting does; no TLS is spoken.
    """

    def __init__(
        self,
        path: str | None,
        answers: list[bytes],
        offers_tls: bool = False,
    ) -> None:
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port: int = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self._listener.listen()
        self._answers = answers
        self._greeting = greeting(offers_tls)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.packets: list[bytes] = []

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
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

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


#: The answer that ends a login well.
OK = bytes.fromhex("00000002000000")


def packet(number: int, payload: bytes) -> bytes:
    """A payload with its header."""
    return len(payload).to_bytes(3, "little") + bytes([number & 0xFF]) + payload


def greeting(offers_tls: bool) -> bytes:
    """What a server says first."""
    capabilities = 0x81BFF7FE & ~CLIENT_SSL | (CLIENT_SSL if offers_tls else 0)
    return b"".join(
        (
            b"\x0a",
            b"5.5.5-10.11.2-MariaDB\0",
            (1).to_bytes(4, "little"),
            b"12345678\0",
            (capabilities & 0xFFFF).to_bytes(2, "little"),
            b"\x2d\x02\x00",
            (capabilities >> 16).to_bytes(2, "little"),
            b"\x15",
            bytes(10),
            b"123456789012\0",
            b"mysql_native_password\0",
        )
    )


def switch(plugin: bytes, data: bytes) -> bytes:
    """The request to log in by another plug-in, with the first it says."""
    return b"\xfe" + plugin + b"\0" + data
