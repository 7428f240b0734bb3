"""Peers of a client in this process: listeners whose clients a thread serves.

Owns the sockets and the threads, which end with the ``with`` block. What a peer says
to its clients is its own business. Loopback and unix sockets only.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

#: Seconds after which a peer that says nothing is taken for stuck.
PATIENCE = 20


class Peer:
    """Serves one client after another.

    Args:
        path: of the unix socket to listen on; None for TCP.

    Attributes:
        port: where it listens, or 0.
        path: where it listens, or None.
        accepted: its clients.
    """

    #: Whether the block ends only when the client being served has said all it has to.
    hears_clients_out: ClassVar[bool] = False

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = path
        self.port = 0
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(100)
        self.accepted: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def serve(self, client: socket.socket) -> None:
        """Do for a client what the peer is for; whoever is silent returns at once."""

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # the block has been left
            self.accepted.append(client)
            # A client that gives up meanwhile is none of our business.
            with contextlib.suppress(OSError):
                self.serve(client)

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
        if error is not None or not self.hears_clients_out:
            hang_up(self.accepted)
        self._thread.join()
        self._listener.close()
        for client in self.accepted:
            client.close()


def hang_up(connections: list[socket.socket]) -> None:
    """Let nobody wait for these any more; they stay open."""
    for connection in list(connections):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def pass_on(client: socket.socket, server: socket.socket) -> Iterator[bytes]:
    """Pass bytes both ways until one side ends; yield what the client sends."""
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
                    yield data
                key.data.sendall(data)
