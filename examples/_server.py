"""What all examples share: where to connect, and the options that are not the point.

It owns the command line's connection parameters, and knows nothing of loops or of what
an example does. Without any parameter, a throwaway server is started for the run.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from mariadb_nb.capi import ffi, lib

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

    # CData is NULL here: the library's own default.
    Text: TypeAlias = bytes | CData
    Login: TypeAlias = tuple[Text, Text, Text, Text, int, Text]


@dataclass(frozen=True)
class Server:
    """Where to connect to, and as whom.

    Attributes:
        login: host, user, password, database, port and unix socket: what
            ``mysql_real_connect`` takes between the handle and the flags.
        ca: a file of certificates in PEM: connect with TLS, and verify the server.
        connect_timeout: seconds for each address of the server.
    """

    login: Login = field(repr=False)
    ca: bytes | None
    connect_timeout: int


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows the connection parameters."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    group = parser.add_argument_group(
        "server", "Without any of these, a throwaway server is started for the run."
    )
    group.add_argument("--host", help="name or address")
    group.add_argument("--port", type=positive, help="its TCP port (default: 3306)")
    group.add_argument("--user", help="default: who you are here")
    group.add_argument("--password", help="default: the variable MYSQL_PWD")
    group.add_argument("--database", help="the one that queries start in")
    group.add_argument("--socket", help="a unix socket, in place of host and port")
    group.add_argument("--ca", help="PEM file: use TLS, verify the server by it")
    parser.add_argument(
        "--connect-timeout", type=positive, default=10, metavar="SECONDS"
    )
    return parser


def positive(text: str) -> int:
    """Return the number that an argument is; argparse reports an ArgumentTypeError."""
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, not {text!r}")
    return int(text)


@contextmanager
def choose(options: argparse.Namespace, *, tls: bool = False) -> Iterator[Server]:
    """Yield the server of the command line, or a throwaway one.

    Args:
        options: what a parser of ``make_parser`` returned.
        tls: whether to connect to the throwaway server with TLS.
    """
    o = options
    names = (o.host, o.user, o.password, o.database, o.port, o.socket)
    if any(value is not None for value in (*names, o.ca)):
        yield Server(_login(*names), o.ca and os.fsencode(o.ca), o.connect_timeout)
        return
    # Only here: it needs a mariadbd on this machine.
    from mariadb_nb.server import ServerError, TemporaryServer

    server = TemporaryServer(tls=tls)
    try:
        server.start()
    except ServerError as problem:
        raise SystemExit(f"cannot start a throwaway server: {problem}") from None
    try:
        user = server.users["native"]
        login = _login(server.host, user.name, user.password, "test", server.port, None)
        ca = None if server.ca_file is None else os.fsencode(server.ca_file)
        yield Server(login, ca, o.connect_timeout)
    finally:
        server.stop()


def _login(
    host: str | None,
    user: str | None,
    password: str | None,
    database: str | None,
    port: int | None,
    socket: str | None,
) -> Login:
    def text(value: str | None) -> Text:
        return ffi.NULL if value is None else os.fsencode(value)

    names = text(host), text(user), text(password), text(database)
    return (*names, port or 0, text(socket))


def set_options(mysql: CData, server: Server) -> None:
    """Set what a connect has to know before: its timeout, character set and TLS."""
    seconds = ffi.new("unsigned int *", server.connect_timeout)
    lib.mysql_options(mysql, lib.MYSQL_OPT_CONNECT_TIMEOUT, seconds)
    lib.mysql_options(mysql, lib.MYSQL_SET_CHARSET_NAME, b"utf8mb4")
    if server.ca is not None:
        lib.mysql_ssl_set(mysql, ffi.NULL, ffi.NULL, server.ca, ffi.NULL, ffi.NULL)
        lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_ENFORCE, ffi.new("my_bool *", 1))
    # Also to say no: Connector/C 3.4 uses TLS until it is told otherwise, 3.3 does not.
    verify = ffi.new("my_bool *", server.ca is not None)
    lib.mysql_options(mysql, lib.MYSQL_OPT_SSL_VERIFY_SERVER_CERT, verify)


def error(mysql: CData) -> str:
    """Return the number and text of a connection's last error."""
    text = ffi.string(lib.mysql_error(mysql)).decode(errors="replace")
    return f"ERROR {lib.mysql_errno(mysql)}: {text}"


def fatal(mysql: CData, what: str) -> NoReturn:
    """End the program with the connection's error and exit status 1."""
    raise SystemExit(f"{what}: {error(mysql)}")
