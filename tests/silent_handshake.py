"""Peers for a client that connects: one that goes silent half-way, one that is slow.

The first speaks the server's part of the handshake up to a step that can be chosen, and
from then on says nothing and closes nothing.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import trustme
from peers import Peer, hang_up
from server_packets import greeting, packet, switch

#: Where it goes silent, plain and over TLS: having said or read this.
PLAIN_STEPS: Final = ("accept", "half greeting", "greeting", "login", "auth switch")
TLS_STEPS: Final = (
    "ssl request",
    "client hello",
    "half server hello",
    "tls login",
    "tls auth switch",
)


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
        time.sleep(self._pause)  # the client has to wait for us
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


class SilentHandshake(Peer):
    """A server that goes silent at a step of the handshake.

    Args:
        step: one of ``PLAIN_STEPS`` and ``TLS_STEPS``.
        certificate: for the steps with TLS.
        path: of the unix socket to listen on; None for TCP.
        pause: how long it takes to read what comes in the handshake of TLS, in seconds.

    Attributes:
        step: the step.
        silent: released each time that the step has been reached.
    """

    def __init__(
        self,
        step: str,
        certificate: Certificate,
        path: Path | None = None,
        pause: float = 0.0,
    ) -> None:
        super().__init__(path)
        self._pause = pause
        self.step = step
        self._context = certificate.context
        self.ca_file = certificate.ca_file if step in TLS_STEPS else None
        self.silent = threading.Semaphore(0)

    def serve(self, client: socket.socket) -> None:
        """Talk up to the step."""
        self._talk(_Talk(client, self._pause))
        self.silent.release()

    def _talk(self, talk: _Talk) -> None:
        step = self.step
        tls = step in TLS_STEPS
        if step == "accept":
            return
        first = packet(0, greeting(offers_tls=tls))
        talk.say(first[:30] if step == "half greeting" else first)
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
            asked = switch(b"mysql_native_password", b"09876543210987654321\0")
            talk.say(packet(3 if tls else 2, asked))
            talk.hear()


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


class FarProxy(Peer):
    """Passes bytes on, each way some time after they came.

    Args:
        host: where to.
        port: where to.
        delay: how long they are on their way, in seconds.
    """

    def __init__(self, host: str, port: int, delay: float) -> None:
        super().__init__()
        self._target = (host, port)
        self._delay = delay
        self._servers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def serve(self, client: socket.socket) -> None:
        """Start to pass on, each way."""
        server = socket.create_connection(self._target)
        self._servers.append(server)
        for pair in ((client, server), (server, client)):
            self._threads.append(threading.Thread(target=self._pass, args=pair))
            self._threads[-1].start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self._delay)  # this is how far it is
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        hang_up(self._servers)
        for thread in self._threads:
            thread.join()
        for server in self._servers:
            server.close()
