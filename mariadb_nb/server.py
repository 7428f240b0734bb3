"""A throwaway mariadbd for examples and tests.

It owns what its users see: starting a private server with its folder, its port, its
certificate and its accounts, and ending it. It works before the C extension is built,
so it must import nothing of ours but its own parts (_server_*): the template of the
data directory, and the keeper, which removes everything when we are gone.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import struct
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, NamedTuple, Self

from mariadb_nb._server_process import Keeper, ServerError
from mariadb_nb._server_template import SETTINGS, copy_template, find_mariadbd

__all__ = ["Login", "ServerError", "TemporaryServer", "find_mariadbd"]

# What sockaddr_un holds on macOS, the shortest; Linux has 107.
_MAX_SOCKET_PATH: Final = 103
_PORT_ATTEMPTS: Final = 5
# mariadbd says so in English, whatever its language is.
_PORT_IS_TAKEN: Final = "Bind on TCP/IP port"
# A statement of an init file that fails is only logged, and the others are left out.
_INIT_FAILURE: Final = re.compile(r"^ERROR: \d+ ", re.MULTILINE)
_LOG_TAIL: Final = 20
_OWN_OPTIONS: Final = ("datadir", "init_file", "log_error", "port", "socket", "user")
_SERVER_SETTINGS: Final = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--max-connections=500",
    "--back-log=500",
    "--table-open-cache=400",
    "--open-files-limit=4096",
    # Fault tests break many a connection, and the server would lock us out.
    "--max-connect-errors=4294967295",
)

# Logging in as root without a password: the capabilities of protocol 4.1, among them
# the name of the authentication plugin, then the largest packet and utf8mb4.
_LOGIN: Final = (
    struct.pack("<IIB23x", 0x88201, 1 << 24, 45) + b"root\0\0mysql_native_password\0"
)
_QUIT: Final = b"\x01\0\0\0\x01"


@dataclass(frozen=True, slots=True)
class Login:
    """An account of a throwaway server."""

    name: str
    password: str = field(repr=False)
    plugin: str
    requires_tls: bool = False


class TemporaryServer:
    """A private mariadbd that leaves nothing behind.

    A context manager; start() and stop() do the same. The server is also ended and all
    of its files removed when the process that started it is gone, for whatever reason.
    It listens on a free port of 127.0.0.1 and on a unix socket, and has a database
    `test` that all its users may use.

    Nothing in it is protected from other users of this machine: root has no password.

    Args:
        options: mariadbd's own options, such as {"max_allowed_packet": "64M",
            "skip_ssl": None}: a value, or None for an option that takes none.
            They win over the defaults. Those that shape a new data directory
            (innodb_page_size) come too late: it is a copy.
        tls: whether to offer TLS; None, the default, does where it can, for it needs
            trustme: pip install 'mariadb-nb[server]'.
        init_sql: statements that root executes in `test` before the server is ready.
            A semicolon at the end of a line ends a statement.
        timeout: seconds that each start and each orderly end may take.

    Attributes:
        host: the address that it listens on.
        users: the accounts by name: root (all privileges, no password, from this
            machine only), native, tls (only over TLS) and, if this mariadbd has the
            plugin, ed25519.

    Raises:
        ValueError: an option that the server sets itself, or no option's name.
    """

    host: Final = "127.0.0.1"

    def __init__(
        self,
        *,
        options: Mapping[str, str | int | None] | None = None,
        tls: bool | None = None,
        init_sql: str = "",
        timeout: float = 30.0,
    ) -> None:
        self._options = _arguments(options or {})
        self._tls = tls
        self._init_sql = init_sql
        self._timeout = timeout
        self._keeper: Keeper | None = None
        self._command: list[str] = []
        self._port = 0
        self.users: Mapping[str, Login] = MappingProxyType({})

    def start(self) -> Self:
        """Start the server, and return it when it lets clients in.

        Raises:
            ServerError: mariadbd or trustme is missing, or the server did not start;
                the message then ends with the end of its log. Nothing is left.
        """
        if self._keeper is not None:
            raise ServerError("the server was started already: stop() it first")
        binary = find_mariadbd()
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._keeper = Keeper(_parent_folder())
            # The keeper comes to life meanwhile.
            certificate = _make_certificate(self._tls)
            self._tls = certificate is not None
            self._keeper.wait_until(lambda state: state.folder != "", None)
            self._prepare(binary, certificate)
            self._run_on_free_port()
            undo.pop_all()
        return self

    def stop(self) -> None:
        """End the server and remove all of its files; do nothing when there is none.

        Raises:
            ServerError: they could not be removed.
        """
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close(self._timeout)

    def restart(self) -> None:
        """End the server in good order if it runs, and start it on the same data.

        Raises:
            ServerError: it did not end, or not start again.
        """
        state = self._started().state
        if state.paused:
            # A paused process would not see that it is to end.
            self.resume()
        if state.pid is not None:
            self._signal(signal.SIGTERM)
        self._run("--port-open-timeout=10")

    def kill(self) -> None:
        """End the server as a crash does; restart() brings it back."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Stop the server from doing anything until resume()."""
        self._signal(signal.SIGSTOP, paused=True)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT, paused=False)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        if self._keeper is None:
            return "<TemporaryServer, not started>"
        return f"<TemporaryServer on {self.host}:{self._port}>"

    @property
    def pid(self) -> int:
        """The server's process id. ServerError while it does not run."""
        pid = self._started().state.pid
        if pid is None:
            raise ServerError("mariadbd does not run: restart() it")
        return pid

    @property
    def port(self) -> int:
        """The TCP port; a restart keeps it."""
        self._started()
        return self._port

    @property
    def socket(self) -> str:
        """The path of the unix socket."""
        return str(self._folder / "mariadb.sock")

    @property
    def ca_file(self) -> str | None:
        """The certificate to verify the server with, in PEM; None without TLS."""
        return str(self._folder / "ca.pem") if self._tls else None

    @property
    def datadir(self) -> Path:
        """The server's data directory."""
        return self._folder / "data"

    @property
    def log(self) -> str:
        """What the server logged since start()."""
        return (self._folder / "error.log").read_text("utf-8", "replace")

    @property
    def has_ed25519(self) -> bool:
        """Whether this mariadbd has the plugin, and so there is the user ed25519."""
        return "ed25519" in self.users

    @property
    def _folder(self) -> Path:
        return Path(self._started().state.folder)

    def _started(self) -> Keeper:
        if self._keeper is None:
            raise ServerError("the server is not started: start() it, or use `with`")
        return self._keeper

    def _prepare(self, binary: Path, certificate: _Certificate | None) -> None:
        """Fill the folder, and make up the command that runs the server in it."""
        folder = self._folder
        account = _account()
        # Its temporary files go with the folder, whatever TMPDIR is.
        program = [str(binary), "--no-defaults", f"--tmpdir={folder}"]
        if account is not None:
            program.append(f"--user={account}")

        def make_template(arguments: list[str], script: Path) -> None:
            _give(folder, account)
            keeper = self._started()
            keeper.run([*program, *arguments], script)
            if not keeper.wait_until(lambda state: state.pid is None, self._timeout):
                raise self._failure("did not finish making its data directory")
            if keeper.state.exit:
                raise self._failure("could not make its data directory")
            (folder / "error.log").unlink()

        template = copy_template(folder / "data", binary, folder, make_template)
        self.users = _make_users(Path(template.plugin_dir, "auth_ed25519.so").exists())
        statements = [*_account_statements(self.users.values()), self._init_sql, ""]
        (folder / "init.sql").write_text("\n".join(statements), "utf-8")
        tls = ["--skip-ssl"]
        if certificate is not None:
            (folder / "ca.pem").write_bytes(certificate.authority)
            (folder / "server.pem").write_bytes(certificate.server)
            tls = [f"--ssl-{use}={folder / 'server.pem'}" for use in ("cert", "key")]
        _give(folder, account)
        self._command = [
            *program,
            *template.arguments,
            *SETTINGS,
            f"--datadir={self.datadir}",
            f"--socket={self.socket}",
            # Who logs in as root may not read and write the files of its account.
            f"--secure-file-priv={self.datadir}",
            *_SERVER_SETTINGS,
            *(["--plugin-load-add=auth_ed25519"] if self.has_ed25519 else []),
            *tls,
        ]

    def _run_on_free_port(self) -> None:
        """Run the server for the first time, on a port that nobody took meanwhile."""
        init = self._folder / "init.sql"
        for attempts_left in reversed(range(_PORT_ATTEMPTS)):
            self._port = _free_port()
            try:
                self._run(f"--init-file={init}")
                break
            except ServerError:
                if not attempts_left or _PORT_IS_TAKEN not in self.log:
                    raise
                (self._folder / "error.log").unlink()
        if _INIT_FAILURE.search(self.log):
            raise self._failure("did not execute all of init_sql")
        # It holds the passwords.
        init.unlink()

    def _run(self, *more: str) -> None:
        """Run the server, and wait until it lets root in."""
        keeper = self._started()
        deadline = time.monotonic() + self._timeout
        port = f"--port={self._port}"
        keeper.run([*self._command, port, *self._options, *more], Path(os.devnull))
        while not _lets_root_in(self.socket, deadline - time.monotonic()):
            if keeper.wait_until(lambda state: state.pid is None, 0.005):
                exit_code = keeper.state.exit
                raise self._failure(f"ended with exit code {exit_code} at its start")
            if time.monotonic() > deadline:
                raise self._failure(f"did not start within {self._timeout} s")

    def _signal(self, number: int, paused: bool | None = None) -> None:
        """Send a signal to the server; wait until it is `paused` so, or has ended."""
        keeper = self._started()
        keeper.send(signal=number, pid=self.pid)
        if not keeper.wait_until(
            lambda state: state.pid is None or state.paused is paused, self._timeout
        ):
            name = signal.Signals(number).name
            raise self._failure(f"did not obey {name} within {self._timeout} s")

    def _failure(self, what: str) -> ServerError:
        """Return an error that says what mariadbd did, and quotes its log."""
        tail = "\n".join(self.log.splitlines()[-_LOG_TAIL:])
        return ServerError(f"mariadbd {what}; the end of its log:\n{tail}")


class _Certificate(NamedTuple):
    """PEM texts: of the authority's certificate, and of the server's with its key."""

    authority: bytes
    server: bytes


def _make_certificate(wanted: bool | None) -> _Certificate | None:
    """Make a certificate for every name that the server goes by, or none."""
    if wanted is False:
        return None
    try:
        import trustme
    except ImportError:
        if wanted is None:
            return None
        raise ServerError(
            "TLS on the throwaway server needs the package trustme: "
            "pip install 'mariadb-nb[server]', or pass tls=False"
        ) from None
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1", "::1")
    return _Certificate(
        authority.cert_pem.bytes(), server.private_key_and_cert_chain_pem.bytes()
    )


def _make_users(has_ed25519: bool) -> Mapping[str, Login]:
    """Return the accounts of a new server, with new passwords."""
    native = "mysql_native_password"
    logins = [
        Login("root", "", native),
        Login("native", secrets.token_hex(8), native),
        Login("tls", secrets.token_hex(8), native, requires_tls=True),
    ]
    if has_ed25519:
        logins.append(Login("ed25519", secrets.token_hex(8), "ed25519"))
    return MappingProxyType({login.name: login for login in logins})


def _account_statements(logins: Iterable[Login]) -> Iterator[str]:
    """Yield the SQL that makes the accounts and their database, and uses that."""
    yield "CREATE DATABASE test;"
    for login in logins:
        if login.name == "root":
            for host in ("localhost", "127.0.0.1"):
                yield f"CREATE USER root@'{host}';"
                yield f"GRANT ALL ON *.* TO root@'{host}' WITH GRANT OPTION;"
            continue
        require = " REQUIRE SSL" if login.requires_tls else ""
        yield (
            f"CREATE USER {login.name} IDENTIFIED VIA {login.plugin} "
            f"USING PASSWORD('{login.password}'){require};"
        )
        yield f"GRANT ALL ON test.* TO {login.name};"
    yield "USE test;"


def _arguments(options: Mapping[str, str | int | None]) -> list[str]:
    """Return options as arguments of mariadbd."""
    arguments = []
    for name, value in options.items():
        plain = name.replace("-", "_").removeprefix("loose_")
        if not re.fullmatch(r"[A-Za-z]\w*", plain):
            raise ValueError(
                f"{name!r} is no name of an option: write it without dashes in front, "
                "and its value as the mapping's value"
            )
        if plain in _OWN_OPTIONS:
            raise ValueError(
                f"the option {name!r} is not yours to set: TemporaryServer chooses "
                f"{', '.join(_OWN_OPTIONS)} itself (for init_file: pass init_sql)"
            )
        arguments.append(f"--{name}" if value is None else f"--{name}={value}")
    return arguments


def _account() -> str | None:
    """Return the account that mariadbd is to run under, None for our own."""
    if os.geteuid() != 0:
        return None
    for name in ("mysql", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise ServerError(
        "mariadbd does not run as root, and there is no account mysql or nobody that "
        "it could run under: make one (useradd --system mysql), or be another user"
    )


def _give(folder: Path, account: str | None) -> None:
    """Make the account the owner of all that is in the folder, and of itself."""
    if account is not None:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, account)


def _parent_folder() -> str:
    """Return a folder for temporary ones, with a path short enough for a socket."""
    name = "/mariadb_nb-0123456789ab/mariadb.sock"
    candidates = (tempfile.gettempdir(), "/tmp")
    for folder in candidates:
        fits = len(os.fsencode(folder + name)) <= _MAX_SOCKET_PATH
        # As root we start mariadbd under another account, which must get there.
        if fits and (os.geteuid() != 0 or _is_open_to_all(Path(folder))):
            return folder
    raise ServerError(
        f"no fitting folder for temporary files, tried {' and '.join(candidates)}: "
        f"the path may have {_MAX_SOCKET_PATH - len(name)} bytes, and mariadbd's "
        "account must be able to enter it; set TMPDIR to such a folder"
    )


def _is_open_to_all(folder: Path) -> bool:
    folder = folder.resolve()
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


def _free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _lets_root_in(path: str, timeout: float) -> bool:
    """Log in as root over the unix socket; return whether there was an answer.

    A look at the greeting alone would leave a warning about us in the server's log.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(max(0.0, timeout))
        try:
            client.connect(path)
            if not client.recv(4096):
                return False
            client.sendall(len(_LOGIN).to_bytes(3, "little") + b"\x01" + _LOGIN)
            answer = client.recv(4096)
            client.sendall(_QUIT)
        except OSError:
            return False
    return answer != b""
