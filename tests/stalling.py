"""Peers that a real server would not be: one that never speaks, one that stalls.

Loopback only; every socket and thread ends with the ``with`` block.
"""

from __future__ import annotations

import math
import selectors
import socket
import threading
from types import TracebackType
from typing import Self

from peers import Peer


class SilentServer(Peer):
    """Accepts connections and says nothing, or what it is told to say first."""

    def __init__(self, greeting: bytes = b"") -> None:
        super().__init__()
        self._greeting = greeting

    def serve(self, client: socket.socket) -> None:
        """Say it."""
        client.sendall(self._greeting)


class StallingProxy:
    """Passes bytes both ways but while it is told to stall: then it reads nothing.

    Attributes:
        left: after so many bytes it stalls by itself, and sends a byte and the end.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._obeyed = threading.Event()
        self.left = math.inf
        self.port: int = self._listener.getsockname()[1]

    def stall(self) -> None:
        """Stop passing bytes; connections stay open."""
        self._tell(b"s")

    def resume(self) -> None:
        """Pass bytes again."""
        self._tell(b"r")

    def _tell(self, command: bytes) -> None:
        self._obeyed.clear()
        self._wake.send(command)
        self._obeyed.wait()

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        selector.register(self._woken, selectors.EVENT_READ)
        peers: dict[socket.socket, socket.socket] = {}
        try:
            while True:
                for key, _ in selector.select():
                    ready = key.fileobj
                    assert isinstance(ready, socket.socket)
                    if ready is self._woken:
                        command = ready.recv(1)
                        for peer in peers:
                            if command == b"s":
                                selector.unregister(peer)
                            elif command == b"r":
                                selector.register(peer, selectors.EVENT_READ)
                        self._obeyed.set()
                        if command == b"e":
                            return
                        break  # what else was ready may be stalled now
                    if ready is self._listener:
                        client, _ = ready.accept()
                        server = socket.create_connection(self._target)
                        peers[client], peers[server] = server, client
                        selector.register(client, selectors.EVENT_READ)
                        selector.register(server, selectors.EVENT_READ)
                    elif data := _read(ready):
                        peers[ready].sendall(data)
                        self.left -= len(data)
                        if self.left < 0:
                            for peer in peers:
                                selector.unregister(peer)
                                peer.send(b"?")
                                peer.shutdown(socket.SHUT_WR)
                            break
                    else:
                        for side in (ready, peers[ready]):
                            selector.unregister(side)
                            side.close()
                        del peers[peers.pop(ready)]
                        break  # the other side may be among what was ready
        finally:
            for peer in peers:
                peer.close()
            selector.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._wake.send(b"e")
        self._thread.join()
        for side in (self._listener, self._wake, self._woken):
            side.close()


def _read(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""
