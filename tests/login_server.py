"""A server that clients can only log in to: for what the real one at hand cannot do.

It speaks as much of the protocol as a driver needs to connect, by any plug-in of
``login_methods``, plain and over TLS, and answers every statement with "OK", or with a
row if it is a SELECT. What it hears is kept. Loopback and unix sockets only; sockets
and threads end with the ``with`` block.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from types import TracebackType
from typing import Final, Self

from login_methods import METHODS, Account, new_challenge

#: Seconds after which a client that says nothing is taken for stuck.
PATIENCE: Final = 20

_CLIENT_SSL: Final = 0x800
#: Protocol 4.1, names of plug-ins, long answers of them, a database, transactions,
#: several statements and results, connection attributes.
_CAPABILITIES: Final = 0x3BA209
_DENIED: Final = b"\xff\x15\x04#28000Access denied"
_OK: Final = bytes.fromhex("00000002000000")
_EOF: Final = bytes.fromhex("fe00000200")

_QUIT, _QUERY, _CHANGE_USER = 0x01, 0x03, 0x11


class _Talk:
    """One client."""

    def __init__(self, client: socket.socket, record: list[bytes]) -> None:
        self._socket = client
        self._number = 0
        self._record = record
        self.is_private = client.family == socket.AF_UNIX
        self.tls: str | None = None
        self.challenge = b""

    def say(self, payload: bytes) -> None:
        header = struct.pack("<I", len(payload) | self._number << 24)
        self._number = (self._number + 1) % 256
        self._socket.sendall(header + payload)

    def hear(self, *, anew: bool = False) -> bytes:
        """Receive a packet; ``anew`` if it is to begin a command."""
        (header,) = struct.unpack("<I", self._read(4))
        number = header >> 24
        if number != (0 if anew else self._number):
            raise ConnectionError(f"packet {number} came, not {self._number}")
        self._number = (number + 1) % 256
        payload = self._read(header & 0xFFFFFF)
        self._record.append(payload)
        return payload

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise ConnectionError("the client is gone")
            data += piece
        return data

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Go on over TLS."""
        secure = context.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False
        )
        self._socket = secure
        secure.do_handshake()
        self.is_private = True
        self.tls = secure.version()

    def end(self) -> None:
        """Have another thread that reads or writes here end."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()


class LoginServer:
    """Lets one account in.

    Args:
        account: which one, and by which plug-in.
        context: for TLS; None for a server that offers none.
        path: of a unix socket to listen on; None for TCP.
        host: the address to listen on, if it is TCP.
        claims: the plug-in that the greeting names, before the switch to the account's.
        asks: the plug-in that is asked for instead of the account's: nobody gets in.
        asks_later: the same for a change of the user, after a login that was right.
        gate: what has to be set before the server goes on to the plug-in.

    Attributes:
        port: where it listens, or 0.
        heard: each packet that a client sent, what came over TLS decrypted.
        tls: the version of TLS of the last client that logged in, None without.
        logins: how many got in.
    """

    def __init__(
        self,
        account: Account,
        context: ssl.SSLContext | None = None,
        path: str | None = None,
        *,
        host: str = "127.0.0.1",
        claims: str = "mysql_native_password",
        asks: str | None = None,
        asks_later: str | None = None,
        gate: threading.Event | None = None,
    ) -> None:
        self._account = account
        self._context = context
        self._claims = claims
        self._asks = asks
        self._asks_later = asks_later
        self._gate = gate
        if path is None:
            self._listener = socket.create_server((host, 0))
            self.port: int = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self._listener.listen(100)
            self.port = 0
        self.heard: list[bytes] = []
        self.tls: str | None = None
        self.logins = 0
        self._talks: list[_Talk] = []
        self._threads = [threading.Thread(target=self._accept)]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(PATIENCE)
            talk = _Talk(client, self.heard)
            self._talks.append(talk)
            thread = threading.Thread(target=self._serve, args=(talk,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, talk: _Talk) -> None:
        # A client that goes away, or is content with no certificate, ends its talk.
        with contextlib.suppress(OSError, ValueError), contextlib.closing(talk):
            if not self._log_in(talk):
                talk.say(_DENIED)
                return
            self.tls = talk.tls
            self.logins += 1
            talk.say(_OK)
            while (command := talk.hear(anew=True))[0] != _QUIT:
                if command[0] == _CHANGE_USER:
                    is_in = self._ask(talk, self._asks_later)
                    talk.say(_OK if is_in else _DENIED)
                else:
                    self._answer(talk, command)

    def _log_in(self, talk: _Talk) -> bool:
        challenge = new_challenge("mysql_native_password")
        talk.say(self._greeting(challenge))
        login = talk.hear()
        (flags,) = struct.unpack_from("<I", login)
        if flags & _CLIENT_SSL:
            assert self._context is not None
            talk.encrypt(self._context)
            login = talk.hear()
        user = login[32 : login.index(b"\0", 32)].decode()
        return self._ask(talk, self._asks) and user == self._account.user

    def _ask(self, talk: _Talk, other: str | None) -> bool:
        """Switch to a plug-in, and let it ask."""
        if self._gate is not None:
            assert self._gate.wait(PATIENCE), "nobody lets the server go on"
        method = self._account.method if other is None else other
        if method != "mysql_native_password" or not talk.challenge:
            talk.challenge = new_challenge(method)  # else that of the login counts on
        challenge = talk.challenge
        talk.say(b"\xfe" + method.encode() + b"\0" + challenge)
        check = METHODS.get(method)
        if check is None:
            talk.hear()
            return False
        return check(talk, self._account, challenge) and other is None

    def _greeting(self, challenge: bytes) -> bytes:
        flags = _CAPABILITIES | (_CLIENT_SSL if self._context else 0)
        return b"".join(
            (
                b"\x0a5.5.5-10.11.2-MariaDB\0",
                struct.pack("<I", 1),
                challenge[:8] + b"\0",
                struct.pack("<HBHHB10x", flags & 0xFFFF, 45, 2, flags >> 16, 21),
                challenge[8:20] + b"\0",
                self._claims.encode() + b"\0",
            )
        )

    def _answer(self, talk: _Talk, command: bytes) -> None:
        if command[0] != _QUERY or not command[1:7].upper().startswith(b"SELECT"):
            talk.say(_OK)
            return
        name = b"\x03def" + b"\0" * 3 + b"\x01a" + b"\x01a"
        talk.say(b"\x01")
        talk.say(name + b"\x0c" + struct.pack("<HIBHBxx", 45, 80, 253, 0, 0))
        talk.say(_EOF)
        talk.say(b"\x02in")
        talk.say(_EOF)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for talk in self._talks:
            talk.end()
        for thread in self._threads[1:]:
            thread.join()
