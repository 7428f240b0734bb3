"""Which logins and versions of TLS work with each driver: tries them, prints a table.

    python -m benchmarks.logins

It runs in the environment of requirements.txt, from the project's folder. Each attempt
is a process of its own. A login counts if the right password gets in and a wrong one
does not. The servers are a throwaway mariadbd and, for what that cannot do, the one of
the tests, which checks what a client answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final, NamedTuple

from mariadb_nb.server import TemporaryServer

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))  # the server that checks

#: Seconds that an attempt may take.
_PATIENCE: Final = 30
_PASSWORD: Final = "Zebra-7"
_NOT_ASCII: Final = "Zebra-\N{LATIN SMALL LETTER A WITH DIAERESIS}\N{EURO SIGN}"
_WRONG: Final = "something-else"

#: Of "localhost" some make a unix socket.
_HERE: Final = "127.0.0.1"

YES, ON_REQUEST, NO = "yes", "on request", "no"


class Place(NamedTuple):
    """Where to log in, as whom and how; what a worker gets.

    Attributes:
        tls: None for the driver's default, False for none, True for a verified one.
        request: allow what the driver does not do unless it is told to.
    """

    host: str
    port: int
    user: str
    password: str
    tls: bool | None
    ca: str
    request: str = ""


# ---- the drivers: run in a worker ----------------------------------------------------


def _ours(place: Place) -> None:
    import mariadb_nb

    options: dict[str, Any] = {}
    if place.tls is not None:
        options["tls"] = "verify-full" if place.tls else "disable"
    if place.tls:
        options["tls_ca"] = place.ca
    if place.request:
        options["auth_plugins"] = [place.request]
    mariadb_nb.connect(**_usual(place), **options).close()


def _usual(place: Place) -> dict[str, Any]:
    """The options that have the same names everywhere."""
    return {
        "host": place.host,
        "port": place.port,
        "user": place.user,
        "password": place.password,
    }


def _context(place: Place) -> dict[str, Any]:
    """For drivers whose TLS is Python's."""
    return {"ssl": ssl.create_default_context(cafile=place.ca)} if place.tls else {}


def _pymysql(place: Place) -> None:
    import pymysql

    options: dict[str, Any] = {"ssl_disabled": True} if place.tls is False else {}
    if place.tls:
        options = {"ssl_ca": place.ca, "ssl_verify_identity": True}
    pymysql.connect(**_usual(place), **options).close()


def _aiomysql(place: Place) -> None:
    import aiomysql

    async def run() -> None:
        (await aiomysql.connect(**_usual(place), **_context(place))).close()

    asyncio.run(run())


def _asyncmy(place: Place) -> None:
    import asyncmy

    async def run() -> None:
        (await asyncmy.connect(**_usual(place), **_context(place))).close()

    asyncio.run(run())


def _mysqlclient(place: Place) -> None:
    import MySQLdb

    options: dict[str, Any] = {}
    if place.tls is False:
        options = {"ssl_mode": "DISABLED"}
    if place.tls:
        options = {"ssl_mode": "VERIFY_IDENTITY", "ssl": {"ca": place.ca}}
    MySQLdb.connect(**_usual(place), **options).close()


def _mariadb(place: Place) -> None:
    import mariadb

    options: dict[str, Any] = {} if place.tls is None else {"ssl": place.tls}
    if place.tls:
        options |= {"ssl_ca": place.ca, "ssl_verify_cert": True}
    mariadb.connect(**_usual(place), **options).close()


class Driver(NamedTuple):
    """A driver: its distribution, what it imports, and how it connects."""

    name: str
    imports: str
    connect: Callable[[Place], None]


DRIVERS: Final = (
    Driver("mariadb-nb", "mariadb_nb", _ours),
    Driver("mariadb-binary", "mariadb_binary", _mariadb),
    Driver("mysqlclient", "MySQLdb", _mysqlclient),
    Driver("asyncmy", "asyncmy", _asyncmy),
    Driver("PyMySQL", "pymysql", _pymysql),
    Driver("aiomysql", "aiomysql", _aiomysql),
)


def _attempt(driver: Driver, place: Place) -> str:
    """Log in, in a process of its own; return why not, or nothing."""
    told = json.dumps(place)
    worker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.logins", driver.name, told],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        errors = worker.communicate(timeout=_PATIENCE)[1]
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.communicate()
        return "it hangs"
    if worker.returncode == 0:
        return ""
    return (errors.strip().splitlines() or [f"it ended with {worker.returncode}"])[-1]


# ---- the servers ---------------------------------------------------------------------


class Target(NamedTuple):
    """A server to log in to."""

    host: str
    port: int
    user: str
    password: str
    ca: str
    #: Each packet that it heard, in the clear; what a real server heard is not known.
    heard: list[bytes]
    #: The version of TLS of the last client; None without.
    version: Callable[[], str | None]


@contextlib.contextmanager
def _checking(
    method: str,
    versions: tuple[str, ...] = (),
    *,
    cached: bool = False,
    password: str = _PASSWORD,
    host: str = _HERE,
    certified: str = _HERE,
) -> Iterator[Target]:
    """The server of the tests, with these versions of TLS or without it."""
    import trustme
    from login_methods import Account
    from login_server import LoginServer

    authority = trustme.CA()
    context = None
    if versions:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(certified).configure_cert(context)
        context.minimum_version = ssl.TLSVersion[versions[0]]
        context.maximum_version = ssl.TLSVersion[versions[-1]]
    account = Account("who", password.encode(), method, cached)
    with tempfile.TemporaryDirectory() as folder:
        ca = f"{folder}/ca.pem"
        authority.cert_pem.write_to_path(ca)
        with LoginServer(account, context, host=host) as server:
            login = (server.port, "who", password)
            yield Target(host, *login, ca, server.heard, lambda: server.tls)


def _real(server: TemporaryServer, login: str) -> Target:
    user = server.users[login]
    ca = str(server.ca_file)
    return Target(_HERE, server.port, user.name, user.password, ca, [], lambda: None)


def _place(target: Target, tls: bool | None) -> Place:
    host, port, user, password, ca, *_ = target
    return Place(host, port, user, password, tls, ca)


def _outcome(driver: Driver, target: Target, tls: bool, plugin: str = "") -> str:
    """What comes of the logins, in a word."""
    for request, word in (("", YES), (plugin, ON_REQUEST)):
        place = _place(target, tls)._replace(request=request)
        problem = _attempt(driver, place)
        if not problem:
            is_checked = _attempt(driver, place._replace(password=_WRONG))
            return word if is_checked else "with any password"
        print(f"{driver.name}: {problem}"[:200], file=sys.stderr)
        if not plugin or driver is not DRIVERS[0]:
            break  # only ours has an option to allow a plug-in
    return NO


# ---- the table -----------------------------------------------------------------------

#: A row's title, and its cells: what to find out of each driver.
Row = tuple[str, Callable[[Driver], str]]

_NATIVE: Final = "mysql_native_password"
_BOTH: Final = ("TLSv1_2", "TLSv1_3")
_BARE: Final = ("dialog", "mysql_clear_password")
_METHODS: Final = {
    "`caching_sha2_password`": ("caching_sha2_password", False),
    "`caching_sha2_password`, remembered": ("caching_sha2_password", True),
    "`sha256_password`": ("sha256_password", False),
    "`parsec`": ("parsec", False),
    "PAM (`dialog`)": ("dialog", False),
    "`mysql_clear_password`": ("mysql_clear_password", False),
}


def _logins(server: TemporaryServer, way: str, tls: bool) -> Iterator[Row]:
    """The rows about plug-ins: first those of the real server."""
    for login, plugin in (("native", _NATIVE), ("ed25519", "client_ed25519")):

        def at_real(driver: Driver, login: str = login, plugin: str = plugin) -> str:
            return _outcome(driver, _real(server, login), tls, plugin)

        yield f"`{plugin}`, {way}", at_real
    for title, (method, cached) in _METHODS.items():
        if not tls and method in _BARE:
            continue  # see the last row

        def at_ours(driver: Driver, method: str = method, cached: bool = cached) -> str:
            versions = _BOTH if tls else ()
            with _checking(method, versions, cached=cached) as target:
                return _outcome(driver, target, tls, method)

        yield f"{title}, {way}", at_ours


def _version_works(driver: Driver, version: str) -> str:
    with _checking(_NATIVE, (version,)) as target:
        return _outcome(driver, target, True)


def _refuses_other_host(driver: Driver) -> str:
    # Not where Connector/C 3.4 takes the host for granted.
    host, other = "127.0.0.2", "elsewhere.example"
    with _checking(_NATIVE, _BOTH, host=host, certified=other) as target:
        return YES if _attempt(driver, _place(target, True)) else NO


def _default_tls(driver: Driver) -> str:
    with _checking(_NATIVE, _BOTH) as target:
        problem = _attempt(driver, _place(target, None))
        return f"fails: {problem}" if problem else target.version() or NO


def _takes_other_letters(driver: Driver) -> str:
    with _checking(_NATIVE, password=_NOT_ASCII) as target:
        return _outcome(driver, target, False)


def _tells_everybody(driver: Driver) -> str:
    with _checking("mysql_clear_password") as target:
        _attempt(driver, _place(target, None))
        told = any(_PASSWORD.encode() in packet for packet in target.heard)
        return "**yes**" if told else NO


def _rows(server: TemporaryServer) -> Iterator[Row]:
    yield from _logins(server, "TLS", True)
    yield from _logins(server, "plain", False)
    yield "TLS 1.2, verified", lambda driver: _version_works(driver, "TLSv1_2")
    yield "TLS 1.3, verified", lambda driver: _version_works(driver, "TLSv1_3")
    yield "refuses a certificate for another host", _refuses_other_host
    yield "TLS when nothing is said about it", _default_tls
    yield "a password with letters that are not ASCII", _takes_other_letters
    yield "sends any server the password as it is, without TLS", _tells_everybody


def _title(driver: Driver) -> str:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return f"{driver.name} {metadata.version(driver.name)}"
    return driver.name


def _print_table() -> None:
    for driver in DRIVERS:
        if util.find_spec(driver.imports) is None:
            print(f"{driver.name} is not installed", file=sys.stderr)
    drivers = [d for d in DRIVERS if util.find_spec(d.imports) is not None]
    print(f"| | {' | '.join(map(_title, drivers))} |")
    print(f"|---|{'---|' * len(drivers)}")
    with TemporaryServer() as server:
        for title, find_out in _rows(server):
            cells = map(find_out, drivers)
            print(f"| {title} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    if len(sys.argv) == 1:
        _print_table()
    else:
        name, told = sys.argv[1:]
        place = Place(*json.loads(told))
        next(d for d in DRIVERS if d.name == name).connect(place)


if __name__ == "__main__":
    main()
