"""All that can be said about a connection before it is there.

Owns the options' names, defaults and what they mean together; what each one may be is
checked in ``option_checks``, where they come from is known to ``option_sources``, and
how the library is told of them to ``login``. It knows nothing of sessions and waits
for nothing.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, Unpack

from . import login, tcp
from . import option_checks as checks
from .errors import InterfaceError
from .option_sources import USELESS_WITH, gather

if TYPE_CHECKING:
    from ._ffi import FFI, CData, Lib

__all__ = ["Keywords", "Options"]

#: A password, or a function that is asked for it at every connect.
Password: TypeAlias = str | bytes | Callable[[], str | bytes | None]
TlsMode: TypeAlias = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
#: host, user, password, database, port, unix socket, flags; None stands for NULL.
Arguments: TypeAlias = tuple[
    bytes | None, bytes, bytes, bytes | None, int, bytes | None, int
]
_Path: TypeAlias = str | os.PathLike[str]

#: mysql.h; part of the protocol.
_CLIENT_FOUND_ROWS: Final = 1 << 1
_CLIENT_MULTI_STATEMENTS: Final = 1 << 16
_CLIENT_MULTI_RESULTS: Final = 1 << 17
_SERVER_STATUS_AUTOCOMMIT: Final = 2

#: Always allowed: no password can be read from what these send.
_SAFE_PLUGINS: Final = ("mysql_native_password", "client_ed25519", "parsec")
#: The server gets the password itself, or whoever claims to be it does. Without TLS the
#: sha2 plug-ins encrypt it with a key that they take from the same claimant.
_BARE_PLUGINS: Final = ("mysql_clear_password", "dialog")
_SHA2_PLUGINS: Final = ("caching_sha2_password", "sha256_password")

_CHECKS: Final[dict[str, checks.Check]] = {
    "host": checks.host,
    "port": checks.integer(1, 65535),
    # The library would cut what is longer.
    "user": checks.text(128),
    "password": checks.password,
    "database": checks.text(64),
    "unix_socket": checks.socket_path,
    "connect_timeout": checks.seconds(unlimited=True),
    "timeout": checks.seconds(unlimited=True),
    "cancel_timeout": checks.seconds(unlimited=False),
    "on_cancel": checks.choice("kill", "abort"),
    "tcp_keepalive": checks.integer(1, 32767),
    "tcp_user_timeout": checks.seconds(unlimited=True, most=1e6),
    "autocommit": checks.boolean,
    "init_command": checks.statements,
    "program_name": checks.text(255),
    "connect_attributes": checks.attributes,
    "collation": checks.matching(
        "(utf8mb4|uca1400)_[a-z0-9_]+",
        "a collation of utf8mb4, such as 'utf8mb4_unicode_ci'",
    ),
    "sql_mode": checks.matching(
        "([A-Za-z_]+(,[A-Za-z_]+)*)?", "names of modes with commas between them"
    ),
    "time_zone": checks.matching(
        "[A-Za-z0-9_+:/-]+", "a time zone such as '+02:00', 'Europe/Berlin', 'SYSTEM'"
    ),
    "isolation_level": checks.isolation_level,
    "multi_statements": checks.boolean,
    "found_rows": checks.boolean,
    "compress": checks.boolean,
    "prepare_threshold": checks.integer(1, 1_000_000),
    "prepared_max": checks.integer(0, 1_000_000),
    "invalid_dates": checks.choice("null", "error"),
    "converters": checks.functions,
    "encoders": checks.functions,
    "row_factory": checks.function,
    "tls": checks.choice(*USELESS_WITH),
    "tls_ca": checks.readable("file"),
    "tls_ca_path": checks.readable("folder"),
    "tls_cert": checks.readable("file"),
    "tls_key": checks.readable("file"),
    "tls_key_password": checks.text(1000, secret=True),
    "tls_fingerprint": checks.fingerprint,
    "tls_min_version": checks.tls_version,
    "tls_ciphers": checks.ciphers,
    "tls_crl": checks.readable("file"),
    "auth_plugins": checks.words,
}

#: For these None is a choice; for all others it means "not given".
_NULLABLE: Final = frozenset(
    {"connect_timeout", "timeout", "autocommit", "prepare_threshold"}
)
_FROM_FILES: Final = frozenset({"read_default_file", "read_default_group"})


class Keywords(TypedDict, total=False):
    """What ``connect`` and its like take by keyword."""

    host: str | None
    port: int | None
    user: str | None
    password: Password | None
    database: str | None
    unix_socket: _Path | None
    read_default_file: str | Literal[True] | None
    read_default_group: str | Literal[True] | None
    connect_timeout: float | None
    timeout: float | None
    cancel_timeout: float
    on_cancel: Literal["kill", "abort"]
    tcp_keepalive: int | None
    tcp_user_timeout: float | None
    autocommit: bool | None
    init_command: str | Iterable[str] | None
    program_name: str | None
    connect_attributes: Mapping[str, str] | None
    collation: str | None
    sql_mode: str | None
    time_zone: str | None
    isolation_level: str | None
    multi_statements: bool
    found_rows: bool
    compress: bool
    prepare_threshold: int | None
    prepared_max: int
    invalid_dates: Literal["null", "error"]
    converters: Mapping[Any, Callable[..., Any]] | None
    encoders: Mapping[type, Callable[[Any], Any]] | None
    row_factory: Callable[..., Any] | None
    tls: TlsMode | None
    tls_ca: _Path | None
    tls_ca_path: _Path | None
    tls_cert: _Path | None
    tls_key: _Path | None
    tls_key_password: str | None
    tls_fingerprint: str | None
    tls_min_version: str | None
    tls_ciphers: str | None
    tls_crl: _Path | None
    auth_plugins: Iterable[str] | None
    # What PyMySQL and its relatives call them.
    passwd: Password | None
    db: str | None
    charset: Literal["utf8mb4"] | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Options:
    """The options of a connection, checked, with all defaults in place.

    Made by ``Options.of``; ``dataclasses.replace`` checks what it changes.

    Attributes:
        host: a name or an address; None with a unix socket.
        tls: one of the five modes, never None.
        timeout: seconds for each operation, or None.
        autocommit: what to set after connecting, None for what the server has.

    Raises:
        InterfaceError: a value is wrong, or two contradict each other.
        NotSupportedError: this system cannot do it.
    """

    host: str | None = None
    port: int = 3306
    user: str = ""
    password: Password | None = None
    database: str | None = None
    unix_socket: str | None = None
    connect_timeout: float | None = 10.0
    timeout: float | None = None
    cancel_timeout: float = 5.0
    on_cancel: str = "kill"
    tcp_keepalive: int | None = None
    tcp_user_timeout: float | None = None
    autocommit: bool | None = False
    init_command: tuple[str, ...] = ()
    program_name: str | None = None
    connect_attributes: Mapping[str, str] = field(default_factory=dict)
    collation: str | None = None
    sql_mode: str | None = None
    time_zone: str | None = None
    isolation_level: str | None = None
    multi_statements: bool = False
    found_rows: bool = False
    compress: bool = False
    prepare_threshold: int | None = 2
    prepared_max: int = 100
    invalid_dates: str = "null"
    converters: Mapping[Any, Callable[..., Any]] = field(default_factory=dict)
    encoders: Mapping[type, Callable[[Any], Any]] = field(default_factory=dict)
    row_factory: Callable[..., Any] | None = None
    tls: str = ""
    tls_ca: str | None = None
    tls_ca_path: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_key_password: str | None = None
    tls_fingerprint: str | None = None
    tls_min_version: str = "1.2"
    tls_ciphers: str | None = None
    tls_crl: str | None = None
    auth_plugins: tuple[str, ...] | None = None

    @classmethod
    def of(cls, url: str | None = None, /, **keywords: Unpack[Keywords]) -> Options:
        """Make options from keywords, a URL and option files; the first wins.

        Args:
            url: ``mariadb://user:password@host:port/database?option=value&...``.
            keywords: the options. ``read_default_file`` (True for the usual ones) and
                ``read_default_group`` ask for option files.

        Raises:
            InterfaceError: something is wrong; no message contains a secret.
        """
        names = _CHECKS.keys() | _FROM_FILES
        return cls(**gather(url, keywords, names, _NULLABLE))

    def __post_init__(self) -> None:
        for item in fields(self):
            value, default = getattr(self, item.name), item.default
            if value is None and (default is None or item.name in _NULLABLE):
                continue
            if default != "" or value != "":  # those are filled in below
                self._set(item.name, _CHECKS[item.name](item.name, value))
        self._check_place()
        if not self.user:
            self._set("user", _who_we_are())
        if not self.tls:
            self._set("tls", self._implied_tls())
        self._check_tls()
        self._check_plugins()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_place(self) -> None:
        if self.unix_socket is None:
            self._set("host", self.host or "localhost")
        elif self.host in (None, "localhost"):
            self._set("host", None)
        else:
            raise InterfaceError(
                f"host={self.host!r} and unix_socket={self.unix_socket!r} are two "
                "places: give one of them"
            )
        for name in ("tcp_keepalive", "tcp_user_timeout"):
            if self.unix_socket is not None and getattr(self, name) is not None:
                raise InterfaceError(
                    f"{name}= says nothing with unix_socket=, behind which nobody can "
                    "vanish: leave it out"
                )
        tcp.check(self)

    def _implied_tls(self) -> str:
        """Return the mode for when none is given: what else is given tells."""
        if self.tls_ca or self.tls_ca_path or self.tls_crl:
            return "verify-ca" if self.unix_socket else "verify-full"
        if self.tls_fingerprint or self.tls_cert or self.tls_key:
            return "require"
        return "disable" if self.unix_socket else "prefer"

    def _check_tls(self) -> None:
        useless = sorted(
            name
            for name in USELESS_WITH[self.tls] - {"tls_min_version"}
            if getattr(self, name) is not None
        )
        if useless:
            if self.tls.startswith("verify"):
                advice = "a pinned certificate needs no authority: tls='require'"
            elif self.tls == "disable":
                advice = "leave it out, or choose another mode"
            else:
                advice = "tls='verify-full' makes use of it"
            raise InterfaceError(
                f"{useless[0]}= says nothing with tls={self.tls!r}: {advice}"
            )
        if self.tls == "verify-full" and self.unix_socket is not None:
            raise InterfaceError(
                "tls='verify-full' cannot be with unix_socket=, which has no host name "
                "to compare with the certificate: use 'verify-ca'"
            )
        if self.tls_key and not self.tls_cert:
            raise InterfaceError("tls_key= needs tls_cert=, the certificate to it")
        if self.tls_key_password and not self.tls_cert:
            raise InterfaceError("tls_key_password= needs tls_cert= and tls_key=")

    def _check_plugins(self) -> None:
        bare = [name for name in self.auth_plugins or () if name in _BARE_PLUGINS]
        if bare and not self._is_private:
            raise InterfaceError(
                f"auth_plugins= has {bare[0]!r}, which sends the password as it is: "
                "that needs tls='require' or stronger, or unix_socket="
            )
        sha2 = [name for name in self.auth_plugins or () if name in _SHA2_PLUGINS]
        if sha2 and self.tls == "prefer":
            # Having been asked for TLS, the library takes it for there.
            raise InterfaceError(
                f"auth_plugins= has {sha2[0]!r}, which sends the password as it is "
                "where it takes the connection for encrypted: say tls='require' or "
                "stronger, or tls='disable' to have it encrypted with the server's key"
            )

    @property
    def requires_tls(self) -> bool:
        """Whether there shall be no connection without TLS."""
        return self.tls not in ("disable", "prefer")

    @property
    def _is_private(self) -> bool:
        """Whether nobody on the way can read along once the login begins."""
        return self.unix_socket is not None or self.requires_tls

    @property
    def allowed_plugins(self) -> tuple[str, ...]:
        """The authentication plug-ins that the server may choose from."""
        if self.auth_plugins is not None:
            return self.auth_plugins
        if not self._is_private:
            return _SAFE_PLUGINS
        return (*_SAFE_PLUGINS, *_SHA2_PLUGINS, *_BARE_PLUGINS)

    @property
    def has_password_function(self) -> bool:
        """Whether the password has to be asked for, which may take time."""
        return callable(self.password)

    def ask_password(self) -> bytes:
        """Return the password, which may mean to call the user's function for it.

        Raises:
            InterfaceError: the function returned something else than a password.
        """
        password: Any = self.password
        if callable(password):
            password = password()
            if isawaitable(password):
                if iscoroutine(password):
                    password.close()
                raise InterfaceError(
                    "the function password= returned an awaitable: expected str, bytes "
                    "or None; await it before connecting"
                )
            if callable(password):
                raise InterfaceError(
                    "the function password= returned a function: expected str, bytes "
                    "or None"
                )
            if password is not None:
                password = checks.password("password", password)
        if password is None:
            return b""
        return password if isinstance(password, bytes) else str(password).encode()

    @property
    def address(self) -> str:
        """Where the server is, for people."""
        if self.host is None:
            return str(self.unix_socket)
        return (
            f"[{self.host}]:{self.port}"
            if ":" in self.host
            else (f"{self.host}:{self.port}")
        )

    def setup_statements(self, server_status: int | None, *first: str) -> list[bytes]:
        """Return what to execute once the connection stands, or was reset.

        Args:
            server_status: what the server said of itself last, SERVER_STATUS_*;
                None if that is not known.
            first: what else is set, before all that is told: ``name=value``.
        """
        # First: only after such a SET is it certain how the server reads a backslash.
        mode = "@@sql_mode" if self.sql_mode is None else f"'{self.sql_mode}'"
        # The server may be set up to ignore the character set of the login.
        names = "NAMES utf8mb4"
        if self.collation is not None:
            names += f" COLLATE {self.collation}"
        settings = [f"sql_mode={mode}", *first, names]
        if self.time_zone is not None:
            settings.append(f"time_zone='{self.time_zone}'")
        is_on = None
        if server_status is not None:
            is_on = bool(server_status & _SERVER_STATUS_AUTOCOMMIT)
        if self.autocommit is not None and self.autocommit != is_on:
            settings.append(f"autocommit={int(self.autocommit)}")
        statements = [f"SET {', '.join(settings)}"]
        if self.isolation_level is not None:
            level = self.isolation_level
            statements.append(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
        return [text.encode() for text in (*statements, *self.init_command)]

    def connect_arguments(self) -> Arguments:
        """Return what ``mysql_real_connect`` takes between the handle and its end.

        Asks for the password anew each time. Never returns None for the password: the
        library would take it from the environment.

        Raises:
            InterfaceError: the function ``password=`` returned something else than a
                password; what it raises itself comes through.
        """
        flags = _CLIENT_MULTI_RESULTS
        if self.multi_statements:
            flags |= _CLIENT_MULTI_STATEMENTS
        if self.found_rows:
            flags |= _CLIENT_FOUND_ROWS
        return (
            None if self.host is None else self.host.encode(),
            self.user.encode(),
            self.ask_password(),
            None if self.database is None else self.database.encode(),
            0 if self.host is None else self.port,
            None if self.unix_socket is None else os.fsencode(self.unix_socket),
            flags,
        )

    def apply(self, lib: Lib, ffi: FFI, mysql: CData) -> None:
        """Set all options on a new ``MYSQL *``, before it connects; waits for nothing.

        Raises:
            InterfaceError: the library refuses an option, or there are no certificates
                of authorities to verify the server with.
            NotSupportedError: this libmariadb cannot do it.
        """
        login.apply(self, lib, ffi, mysql)

    def __repr__(self) -> str:
        """Show what differs from the defaults, and no secret."""
        shown = []
        for item in fields(self):
            value = getattr(self, item.name)
            if value in (None, "", (), {}) or value == item.default:
                continue
            if item.name in ("password", "tls_key_password", "init_command"):
                value = "..."
            shown.append(f"{item.name}={value!r}")
        return f"Options({', '.join(shown)})"


def _who_we_are() -> str:
    """Return the name that the account goes by on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise InterfaceError(
            "user= is missing, and this process has no user's name: give it"
        ) from None
