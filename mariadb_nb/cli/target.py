"""Which server to connect to, and as whom: from a URL and from options.

It owns what may be said there and what is assumed when it is not. It opens nothing and
prompts for nothing. A password is in no message and no repr, and since an unescaped
one may end up in any part of a URL, messages quote no part of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mariadb_nb.cli.errors import CliError
from mariadb_nb.server import TemporaryServer

TLS_MODES: Final = ("disable", "prefer", "require", "verify-full")
PASSWORD_VARIABLE: Final = "MARIADB_NB_PASSWORD"

_DEFAULT_PORT: Final = 3306
# The library takes "," ";" and "=" in a host for a list of hosts or of options.
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]+")
_FORM: Final = (
    "expected mariadb://user:password@host:port/database, with %40 for an @ in the "
    "password, %2F for a /, %23 for a #, %3A for a : and %3F for a ?"
)
#: As the driver's URLs have them, and what they are here.
_URL_PARAMETERS: Final = {"unix_socket": "socket", "tls": "tls", "tls_ca": "ca"}


class TargetError(CliError):
    """The server to connect to is not described as it has to be."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and an account on it.

    Attributes:
        host: a name or an address for TCP; None for the unix socket.
        socket: the path of a unix socket; None for TCP.
        tls: one of TLS_MODES. "require" encrypts without knowing who the server is.
        ca: the path of a certificate to verify the server with; None for the system's.
        connect_timeout: seconds that one attempt to connect may take.
    """

    host: str | None = None
    port: int = _DEFAULT_PORT
    socket: str | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    tls: str = "disable"
    ca: str | None = None
    connect_timeout: int = 10

    @property
    def blocks(self) -> bool:
        """Whether connecting blocks inside the library: a look-up of names, or TLS."""
        return self.tls != "disable" or not _is_address(self.host)

    def __str__(self) -> str:
        where = self.socket
        if self.host is not None:
            host = f"[{self.host}]" if ":" in self.host else self.host
            where = f"{host}:{self.port}"
        return f"{where} as {self.user or 'nobody'}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was said of a server on a command line; None where nothing was."""

    url: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    tls: str | None = None
    ca: str | None = None


def choose(choice: Choice, environment: Mapping[str, str], user: str) -> Target | None:
    """Return the server that was named, or None when none was.

    An option wins over the same part of the URL.

    Args:
        environment: where the password may come from as well.
        user: who logs in when no user is named.

    Raises:
        TargetError: what was said is wrong, or contradicts itself.
    """
    said = replace(choice, url=None)
    if choice.url is not None:
        said = _merge(parse_url(choice.url), said)
    if said.host is None and said.socket is None:
        if said.port is None:
            if choice.url is not None or said != Choice():
                raise TargetError(
                    "no server is named: add --host or --socket (or a host to the "
                    "URL), or name nothing at all for a throwaway server"
                )
            return None
        said = replace(said, host="127.0.0.1")
    if said.host is not None and said.socket is not None:
        raise TargetError(
            "both a host and a unix socket are named; give one of them: the host for "
            "TCP, or the socket"
        )
    password = said.password
    if password is None:
        password = environment.get(PASSWORD_VARIABLE, "")
    target = Target(
        host=said.host,
        port=_DEFAULT_PORT if said.port is None else said.port,
        socket=said.socket,
        user=user if said.user is None else said.user,
        password=password,
        database=said.database or "",
        tls=said.tls or _default_tls(said),
        ca=said.ca,
    )
    _check(target)
    return target


def of_server(server: TemporaryServer, login: str = "native") -> Target:
    """Return the way to a throwaway server: its socket, without TLS."""
    account = server.users[login]
    return Target(
        socket=server.socket,
        user=account.name,
        password=account.password,
        database="test",
    )


def options_of(target: Target) -> dict[str, Any]:
    """Return the driver's options for a target."""
    options = {
        "host": target.host,
        "port": target.port,
        "unix_socket": target.socket,
        "user": target.user,
        "password": target.password,
        "database": target.database or None,
        "tls": target.tls,
        "tls_ca": target.ca,
        "connect_timeout": target.connect_timeout,
    }
    return {name: value for name, value in options.items() if value is not None}


def parse_url(url: str) -> Choice:
    """Take a URL apart.

    Raises:
        TargetError: it is no URL of a MariaDB server.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        parameters = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)
        )
    except ValueError:
        raise TargetError(f"the URL is malformed: {_FORM}") from None
    database = unquote(parts.path.removeprefix("/"))
    misplaced = "/" in parts.path[1:] or "@" in parts.path or "#" in url
    if parts.scheme not in ("mariadb", "mysql") or not url.partition("://")[1]:
        raise TargetError(f"the URL does not begin with mariadb:// : {_FORM}")
    if misplaced:
        raise TargetError(f"the URL has a character where none can be: {_FORM}")
    given = dict(parameters)
    if len(given) < len(parameters) or not given.keys() <= _URL_PARAMETERS.keys():
        raise TargetError(
            "the URL's parameters, after the '?', may be each of "
            f"{', '.join(_URL_PARAMETERS)} once: {_FORM}"
        )
    return Choice(
        host=_host(parts),
        port=port,
        user=_unquote(parts.username),
        password=_unquote(parts.password),
        database=database or None,
        **{_URL_PARAMETERS[name]: value for name, value in given.items()},
    )


def _host(parts: SplitResult) -> str | None:
    # hostname is in lower case, which names of hosts may be.
    return _unquote(parts.hostname) or None


def _unquote(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _merge(url: Choice, options: Choice) -> Choice:
    """Return the URL's parts with those in their place that options name."""
    # An option for the way to the server replaces the URL's way as a whole.
    if options.socket is not None:
        url = replace(url, host=None, port=None)
    if options.host is not None:
        url = replace(url, socket=None)
    names = Choice.__dataclass_fields__
    given = {name: getattr(options, name) for name in names if name != "url"}
    return replace(url, **{k: v for k, v in given.items() if v is not None})


def _default_tls(choice: Choice) -> str:
    if choice.ca is not None:
        return "verify-full"
    return "prefer" if choice.socket is None else "disable"


def _check(target: Target) -> None:
    if target.host is not None and not _HOST.fullmatch(target.host):
        raise TargetError(
            "the host is neither a name nor an address: expected something like "
            "db.example.org, 192.0.2.7 or 2001:db8::7 ([2001:db8::7] in a URL)"
        )
    if not 0 < target.port < 65536:
        raise TargetError("the port is out of range: expected 1 to 65535")
    if target.tls not in TLS_MODES:
        raise TargetError(f"unknown kind of tls: expected {', '.join(TLS_MODES)}")
    if target.ca is not None and target.tls != "verify-full":
        raise TargetError(
            "a CA is named, but tls is such that it would not be used; leave tls out, "
            "or make it verify-full"
        )
    texts = (target.socket, target.user, target.password, target.database, target.ca)
    if any("\0" in text for text in texts if text is not None):
        raise TargetError("there is a NUL character in the server's description")


def _is_address(host: str | None) -> bool:
    """Tell whether there is nothing to look up: an address, or no host at all."""
    if host is None:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
