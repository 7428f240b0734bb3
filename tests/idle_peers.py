"""Peers that end what is idle: a server that speaks no protocol, and a firewall.

Owns the sockets, the thread and the clock; everything ends with the ``with`` block.
Loopback only.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Callable
from time import monotonic, sleep
from types import TracebackType
from typing import Self

#: Seconds after which what should happen has not.
PATIENCE = 20
#: A close with it is a reset.
_LINGER = struct.pack("ii", 1, 0)


class Link:
    """A client and, behind a firewall, its server.

    Attributes:
        sides: the sockets, each with the one that its bytes go to, if any.
        touched: when anything went through.
        forgotten: whether the firewall knows it no more.
    """

    def __init__(self, client: socket.socket, server: socket.socket | None) -> None:
        self.sides: dict[socket.socket, socket.socket | None] = {client: server}
        if server is not None:
            self.sides[server] = client
        self.client = client
        self.touched = monotonic()
        self.forgotten = False


class IdlePeer:
    """Ends connections that were idle for too long.

    Args:
        seconds: how long a connection may be idle.
        how: "fin", "rst" and "farewell" (a word, then FIN) end it by itself; "drop" and
            "reject" are firewalls that forget it: what is sent then is lost, or is
            answered by a reset.
        target: host and port to pass bytes on to; None to be the server, and mute.
        chat: seconds after which it says something, over and over, before that.
    """

    def __init__(
        self,
        seconds: float,
        how: str,
        target: tuple[str, int] | None = None,
        chat: float | None = None,
    ) -> None:
        self._ways: dict[str, Callable[[Link], None]] = {
            "fin": self._hang_up,
            "rst": self._reset,
            "farewell": self._say_farewell,
            "drop": self._forget,
            "reject": self._forget,
        }
        self._seconds, self._how, self._target, self._chat = seconds, how, target, chat
        self._end = self._ways[how]
        self._links: list[Link] = []
        self._accepted = 0
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port: int = self._listener.getsockname()[1]

    def had_and_lost(self, count: int) -> bool:
        """Wait until so many clients have come and all are gone; False if they stay."""
        deadline = monotonic() + PATIENCE
        while self._accepted < count or self._links:
            if monotonic() > deadline:
                return False
            sleep(0.01)
        return self._accepted == count

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        while True:
            ready = self._selector.select(self._rest())
            # First, or what comes too late would keep a connection alive.
            self._end_idle_ones()
            for key, _ in ready:
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif key.data in self._links:
                    assert isinstance(key.fileobj, socket.socket)
                    self._pass_on(key.data, key.fileobj)
            if self._chat is not None:
                for link in self._links:
                    link.client.send(b"and another thing ...")

    def _rest(self) -> float | None:
        if self._chat is not None:
            return self._chat
        due = [link.touched for link in self._links if not link.forgotten]
        return max(min(due) + self._seconds - monotonic(), 0) if due else None

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._target) if self._target else None
        link = Link(client, server)
        self._links.append(link)
        self._accepted += 1
        for side in link.sides:
            self._selector.register(side, selectors.EVENT_READ, link)

    def _pass_on(self, link: Link, side: socket.socket) -> None:
        try:
            data = side.recv(65536)
        except ConnectionError:
            data = b""
        other = link.sides[side]
        if link.forgotten:
            if not data:
                self._selector.unregister(side)
            elif self._how == "reject":
                self._reset(link)
        elif not data:
            self._hang_up(link)
        elif other is not None:
            link.touched = monotonic()
            other.sendall(data)

    def _end_idle_ones(self) -> None:
        now = monotonic()
        for link in list(self._links):
            if not link.forgotten and link.touched + self._seconds <= now:
                self._end(link)

    def _forget(self, link: Link) -> None:
        link.forgotten = True

    def _say_farewell(self, link: Link) -> None:
        link.client.send(b"bye")
        self._hang_up(link)

    def _reset(self, link: Link) -> None:
        link.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        self._hang_up(link)

    def _hang_up(self, link: Link) -> None:
        self._links.remove(link)
        for side in link.sides:
            if side in self._selector.get_map():
                self._selector.unregister(side)
            side.close()

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
        for link in list(self._links):
            self._hang_up(link)
        self._selector.close()
        for side in (self._listener, self._wake, self._woken):
            side.close()
