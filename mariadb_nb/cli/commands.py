"""The commands of the program, once their arguments are read.

It owns what each does and in which order, and the exit status. How anything looks is
render's; how queries are run is the engine's.
"""

from __future__ import annotations

import json
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from mariadb_nb.cli import dataset, info, render, sqlfile
from mariadb_nb.cli.errors import CliError
from mariadb_nb.cli.sqlfile import Statement
from mariadb_nb.cli.target import Target, of_server
from mariadb_nb.server import ServerError, TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb.cli.engine import Engine, Report

OK: Final = 0
QUERIES_FAILED: Final = 1
UNUSABLE: Final = 2

_DEMO_QUERIES: Final = Path(__file__).with_name("demo_queries.sql")


def run_demo(connections: int, queries: Path | None, form: str, scale: float) -> int:
    """Load the shop into a throwaway server, and run queries on it."""
    from mariadb_nb.cli.engine import Engine

    statements = read_file(queries or _DEMO_QUERIES)
    shop = dataset.Shop(scale)
    with (
        _throwaway_server() as server,
        Engine(of_server(server), connections) as engine,
    ):
        for table in dataset.TABLES:
            _require(engine.run([table]))
        with render.progress("Loading a shop", shop.insert_count) as show:
            _require(engine.run(shop.inserts(), show))
        return _run_queries(engine, statements, form)


def run_queries(file: Path, target: Target | None, connections: int, form: str) -> int:
    """Run the queries of a file on a server, or on a throwaway one."""
    from mariadb_nb.cli.engine import Engine

    statements = read_file(file)
    # More connections than queries would be idle.
    connections = min(connections, len(statements))
    if target is not None:
        with Engine(target, connections) as engine:
            return _run_queries(engine, statements, form)
    with (
        _throwaway_server() as server,
        Engine(of_server(server), connections) as engine,
    ):
        return _run_queries(engine, statements, form)


def show_info(as_json: bool) -> int:
    """Say what is here and what is missing."""
    found = info.collect()
    if as_json:
        json.dump(found.as_dict(), sys.stdout, indent=2)
        print()
        return OK
    names = {
        "mariadb_nb": "mariadb_nb",
        "python": "Python",
        "platform": "Platform",
        "cffi": "cffi",
        "connector_c": "Connector/C",
        "connector_c_built_with": "  built with",
        "tls_library": "TLS library",
    }
    render.facts(
        [
            (names.get(name, name), version or "not there")
            for name, version in found.versions.items()
        ]
    )
    for missing in found.missing:
        print()
        render.facts(
            [("Needed for", missing.use), ("Install", missing.install)],
            title=f"Missing: {missing.what}",
        )
    return OK


def run_idle_timeout(
    host: str, port: int, login: Target | None, as_json: bool, **plan: Any
) -> int:
    """Measure for how long an address lets a connection be idle."""
    from mariadb_nb.cli import idle
    from mariadb_nb.errors import InterfaceError
    from mariadb_nb.probe import Plan

    try:
        checked = Plan(**plan)
    except InterfaceError as error:
        raise CliError(str(error)) from None
    idle.run_idle_timeout(host, port, checked, login, as_json)
    return OK


def run_pool_bench(target: Target | None, as_json: bool, **load: Any) -> int:
    """Run a load over a pool, on a server or on a throwaway one."""
    from mariadb_nb.cli.load import Load, run_pool_bench

    if target is not None:
        went_well = run_pool_bench(target, Load(**load), as_json)
    else:
        options = {"max_connections": load["connections"] + 10}
        with _throwaway_server(options=options) as server:
            went_well = run_pool_bench(of_server(server), Load(**load), as_json)
    return OK if went_well else QUERIES_FAILED


def run_server(port: int | None, tls: bool | None, arguments: Sequence[str]) -> int:
    """Run a throwaway server until we are interrupted or terminated."""
    options: dict[str, str | int | None] = dict(map(_server_option, arguments))
    if port is not None:
        _require_free(port)
        # The server chooses its own port, so this is one more.
        options |= {"extra_port": port, "extra_max_connections": 500}
    with _throwaway_server(options=options, tls=tls) as server:
        _show_server(server, port or server.port)
        sys.stdout.flush()
        while True:
            try:
                server.pid  # noqa: B018
            except ServerError:
                tail = "\n".join(server.log.splitlines()[-10:])
                render.complain(f"mariadbd has ended; the end of its log:\n{tail}")
                return UNUSABLE
            time.sleep(0.2)


def _show_server(server: TemporaryServer, port: int) -> None:
    """Print how to connect to a server."""
    socket_client = ["mariadb", f"--socket={server.socket}", "--user=root", "test"]
    login = server.users["native"]
    tcp_client = [
        *("mariadb", f"--host={server.host}", f"--port={port}"),
        *(f"--user={login.name}", f"--password={login.password}", "test"),
    ]
    url = f"mariadb://{login.name}:{login.password}@{server.host}:{port}/test"
    where = [
        ("Host", server.host),
        ("Port", str(port)),
        ("Socket", server.socket),
        ("Database", "test"),
    ]
    if server.ca_file is not None:
        where.append(("CA", server.ca_file))
        tcp_client[-1:] = [
            f"--ssl-ca={server.ca_file}",
            "--ssl-verify-server-cert",
            "test",
        ]
        url += f"?tls_ca={quote(server.ca_file)}"
    else:
        where.append(("TLS", "not offered"))
    render.facts(where, title="A throwaway MariaDB server, gone with the next Ctrl-C")
    print()
    accounts = []
    for user in server.users.values():
        if user.requires_tls and server.ca_file is None:
            continue
        only = ", over TLS only" if user.requires_tls else ""
        password = user.password or "(no password)"
        accounts.append((user.name, f"{password:16}  {user.plugin}{only}"))
    render.facts(accounts, title="Users and passwords")
    print()
    clients = [shlex.join(socket_client), shlex.join(tcp_client)]
    clients.append(f"mariadb-nb queries FILE --url {shlex.quote(url)}")
    print(*clients, sep="\n")


# Parts of commands


def read_file(file: Path) -> list[Statement]:
    """Return the statements of a file; "-" is standard input."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CliError(f"cannot read {file}: {error.strerror}") from None
    name = "standard input" if str(file) == "-" else str(file)
    return sqlfile.read_statements(content, name)


def _run_queries(engine: Engine, statements: list[Statement], form: str) -> int:
    """Run statements, and show what became of them."""
    with render.progress("Running queries", len(statements)) as show:
        report = engine.run((statement.sql for statement in statements), show)
    render.results(form, statements, report)
    sys.stdout.flush()
    render.failures(statements, report)
    return QUERIES_FAILED if report.failed else OK


def _require(report: Report) -> None:
    """Raise an error if a statement of ours failed."""
    for outcome in report.outcomes:
        if outcome.error is not None:
            raise CliError(f"the data could not be loaded: {outcome.error}")


@contextmanager
def _throwaway_server(
    options: Mapping[str, str | int | None] | None = None, tls: bool | None = False
) -> Iterator[TemporaryServer]:
    try:
        server = TemporaryServer(options=options, tls=tls)
    except ValueError as error:
        raise CliError(str(error)) from None
    render.note("Starting a throwaway MariaDB server ...")
    with server:
        yield server


def _server_option(argument: str) -> tuple[str, str | None]:
    """Take an option of mariadbd apart."""
    name, equals, value = argument.removeprefix("--").partition("=")
    if not argument.startswith("--") or not name:
        raise CliError(
            f"{argument!r} is no option of mariadbd as it is expected here: "
            "--name=value or --name, in one word"
        )
    return name, value if equals else None


def _require_free(port: int) -> None:
    """Raise an error if somebody listens on a port already."""
    with socket.socket() as probe:
        # As mariadbd does, so that connections of yesterday do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((TemporaryServer.host, port))
        except OSError as error:
            raise CliError(
                f"cannot listen on port {port}: {error.strerror}; choose another one, "
                "or leave --port out"
            ) from None
