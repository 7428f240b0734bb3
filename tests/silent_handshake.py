"""Peers for a client that connects: one that goes silent half-way, one that is slow.

The first speaks the server's part of the handshake up to a step that can be chosen, and
from then on says nothing and closes nothing. Loopback and unix sockets only; sockets
and threads end with the ``with`` block.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import trustme

#: Where it goes silent, plain and over TLS: having said or read this.
PLAIN_STEPS: Final = ("accept", "half greeting", "greeting", "login", "auth switch")
TLS_STEPS: Final = (
    "ssl request",
    "client hello",
    "half server hello",
    "tls login",
    "tls auth switch",
)

_SCRAMBLE = b"12345678901234567890"
_CLIENT_SSL = 0x800
_CAPABILITIES = 0x88209  # protocol 4.1, names of plug-ins, a database


def _packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def _greeting(capabilities: int) -> bytes:
    return _packet(
        0,
        b"\x0a5.5.5-10.11.0-MariaDB\0"
        + struct.pack("<I", 1)
        + _SCRAMBLE[:8]
        + struct.pack(
            "<xHBHHB10x", capabilities & 0xFFFF, 45, 2, capabilities >> 16, 21
        )
        + _SCRAMBLE[8:]
        + b"\0mysql_native_password\0",
    )


def _auth_switch(number: int) -> bytes:
    return _packet(number, b"\xfemysql_native_password\0" + _SCRAMBLE[::-1] + b"\0")


class Certificate(NamedTuple):
    """What a server needs for TLS, and what its clients need.

    Attributes:
        context: the server's.
        ca_file: whom its clients trust.
        client_file: a client's own key and certificate, with a chain of 60 KB.
    """

    context: ssl.SSLContext
    ca_file: Path
    client_file: Path


def make_certificate(folder: Path) -> Certificate:
    """Certificates for this machine."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    client = authority.issue_cert("client@example.org")
    client_file = folder / "client.pem"
    client_file.write_bytes(
        client.private_key_and_cert_chain_pem.bytes()
        + authority.cert_pem.bytes() * (60000 // len(authority.cert_pem.bytes()))
    )
    return Certificate(context, ca_file, client_file)


class _Talk:
    """One client, read from and written to in plain text or over TLS."""

    def __init__(self, client: socket.socket, pause: float) -> None:
        self._client = client
        self._pause = pause
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    def say(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        self._client.sendall(data)

    def hear(self) -> None:
        """Read one packet; ConnectionError when there is none."""
        header = self._read(4)
        self._read(int.from_bytes(header[:3], "little"))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._receive(size - len(data))
        return data

    def _receive(self, size: int) -> bytes:
        if self._tls is None:
            data = self._client.recv(size)
            if not data:
                raise ConnectionError
            return data
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self.feed()

    def feed(self) -> None:
        """Read what comes, for the handshake."""
        time.sleep(self._pause)
        data = self._client.recv(65536)
        if not data:
            raise ConnectionError
        self._incoming.write(data)

    def shake_hands(self, context: ssl.SSLContext, *, half: bool) -> None:
        """Do the handshake of TLS, or the half of our first answer."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                answer = self._outgoing.read()
                self._client.sendall(answer[: len(answer) // 2] if half else answer)
                if half and answer:
                    return
                self.feed()
        self._client.sendall(self._outgoing.read())
        self._tls = tls


class SilentHandshake:
    """A server that goes silent at a step of the handshake.

    Args:
        step: one of ``PLAIN_STEPS`` and ``TLS_STEPS``.
        certificate: for the steps with TLS.
        path: of the unix socket to listen on; None for TCP.
        pause: how long it takes to read what comes in the handshake of TLS, in seconds.

    Attributes:
        step: the step.
        port: where it listens, or 0.
        silent: released each time that the step has been reached.
        accepted: its clients.
    """

    def __init__(
        self,
        step: str,
        certificate: Certificate,
        path: Path | None = None,
        pause: float = 0.0,
    ) -> None:
        self._pause = pause
        self.step = step
        self._context = certificate.context
        self.ca_file = certificate.ca_file if step in TLS_STEPS else None
        self.path = path
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port: int = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(100)
            self.port = 0
        self.silent = threading.Semaphore(0)
        self.accepted: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted.append(client)
            # A client that gives up meanwhile is none of our business.
            with contextlib.suppress(OSError):
                self._serve(_Talk(client, self._pause))
                self.silent.release()

    def _serve(self, talk: _Talk) -> None:
        step = self.step
        tls = step in TLS_STEPS
        if step == "accept":
            return
        greeting = _greeting(_CAPABILITIES | (_CLIENT_SSL if tls else 0))
        talk.say(greeting[:30] if step == "half greeting" else greeting)
        if step in ("half greeting", "greeting"):
            return
        talk.hear()  # the login, or that it wants TLS
        if tls and step != "ssl request":
            if step == "client hello":
                talk.feed()
                return
            talk.shake_hands(self._context, half=step == "half server hello")
            if step == "half server hello":
                return
            talk.hear()  # the login
        if step.endswith("auth switch"):
            talk.say(_auth_switch(3 if tls else 2))
            talk.hear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for client in list(self.accepted):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for client in self.accepted:
            client.close()


class DeafServer:
    """A TCP server that does not even let its clients connect: its queue is full."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._fillers: list[socket.socket] = []

    def __enter__(self) -> Self:
        with selectors.DefaultSelector() as selector:
            while True:
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", self.port))
                self._fillers.append(filler)
                selector.register(filler, selectors.EVENT_WRITE)
                if not selector.select(0.2):
                    return self
                selector.unregister(filler)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for filler in self._fillers:
            filler.close()
        self._listener.close()


class FarProxy:
    """Passes bytes on, each way some time after they came.

    Args:
        host: where to.
        port: where to.
        delay: how long they are on their way, in seconds.
    """

    def __init__(self, host: str, port: int, delay: float) -> None:
        self._target = (host, port)
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._run)]

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += client, server
            for pair in ((client, server), (server, client)):
                thread = threading.Thread(target=self._pass, args=pair)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self._delay)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for side in self._sockets:
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for side in self._sockets:
            side.close()
