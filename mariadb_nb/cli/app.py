"""The program mariadb-nb: its arguments, and how it ends.

It owns the command line and turns whatever ends a command into an exit status and, if
something went wrong, into one message. What the commands do is not known here.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import io
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

from mariadb_nb.cli import commands, info, render
from mariadb_nb.cli.errors import CliError
from mariadb_nb.cli.target import (
    PASSWORD_VARIABLE,
    TLS_MODES,
    Choice,
    Target,
    TargetError,
    choose,
)
from mariadb_nb.server import ServerError

INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM
BROKEN_PIPE: Final = 128 + signal.SIGPIPE

_ASK: Final = object()
_MAX_CONNECTIONS: Final = 500

_DESCRIPTION: Final = """\
MariaDB Connector/C's non-blocking API for Python: a demonstration, and small tools."""

_STATUS: Final = """\
exit status: 0 when all is well, 1 when a query failed, 2 when nothing could be done,
130 after Ctrl-C"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status.

    Args:
        argv: the arguments without the program's name; those of the process if None.

    Raises:
        SystemExit: the arguments are wrong, were answered already (--help), or the
            process was told to end.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal cannot show is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        with _ending_on_sigterm():
            status = _run(arguments)
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        render.complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads on. What is still buffered must not complain at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        render.complain(
            f"unexpected {type(error).__name__}: {error}\n"
            "This is a bug. python -X dev -m mariadb_nb ... shows where it is."
        )
        return commands.UNUSABLE


def _run(argv: list[str]) -> int:
    """Run the command that the arguments name; complain of what is no bug."""
    for_mariadbd: list[str] = []
    if argv[:1] == ["server"] and "--" in argv:
        # argparse handles "--" in commands in another way in each version of Python.
        position = argv.index("--")
        argv, for_mariadbd = argv[:position], argv[position + 1 :]
    arguments = _parser().parse_args(argv)
    try:
        match arguments.command:
            case "demo":
                return commands.run_demo(
                    arguments.connections,
                    arguments.queries,
                    arguments.format,
                    arguments.scale,
                )
            case "queries":
                return commands.run_queries(
                    arguments.file,
                    _target(arguments),
                    arguments.connections,
                    arguments.format,
                )
            case "server":
                return commands.run_server(arguments.port, arguments.tls, for_mariadbd)
            case "idle-timeout":
                return _idle_timeout(arguments)
            case "pool-bench":
                return commands.run_pool_bench(
                    _target(arguments),
                    arguments.json,
                    connections=arguments.connections,
                    tasks=arguments.tasks,
                    seconds=arguments.seconds,
                    sql=arguments.sql,
                    threads=arguments.threads,
                )
            case _:
                return commands.show_info(arguments.json)
    except (CliError, ServerError) as error:
        render.complain(str(error))
        return commands.UNUSABLE
    except ImportError as error:
        render.complain(f"{error}\nmariadb-nb info says what is missing.")
        return commands.UNUSABLE


def _idle_timeout(arguments: argparse.Namespace) -> int:
    """Run the command idle-timeout."""
    said = (arguments.user, arguments.password, arguments.tls, arguments.ca)
    if not arguments.log_in and any(each is not None for each in said):
        raise TargetError(
            "--user, --password, --tls and --ca are for logging in: add --log-in"
        )
    return commands.run_idle_timeout(
        arguments.host,
        arguments.port,
        _target(arguments) if arguments.log_in else None,
        arguments.json,
        shortest=arguments.shortest,
        longest=arguments.longest,
        connections=arguments.connections,
        answer_timeout=arguments.answer_timeout,
    )


def _target(arguments: argparse.Namespace) -> Target | None:
    """Return the server that the arguments name, None if they name none."""
    password = arguments.password
    if password is _ASK:
        try:
            password = getpass.getpass("Password: ")
        except EOFError:
            raise TargetError("no password was entered") from None
    choice = Choice(
        url=arguments.url,
        host=arguments.host,
        port=arguments.port,
        socket=arguments.socket,
        user=arguments.user,
        password=password,
        database=arguments.database,
        tls=arguments.tls,
        ca=arguments.ca,
    )
    return choose(choice, os.environ, _account())


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


@contextlib.contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Have SIGTERM end the block in good order, so that servers and files go, too."""

    def end(*_: object) -> None:
        raise SystemExit(TERMINATED)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


# The arguments


class _Parser(argparse.ArgumentParser):
    """Quotes no value of an option in its errors: it may be a password."""

    def error(self, message: str) -> NoReturn:
        super().error(re.sub(r"(?<!\S)(--[\w-]+)=\S*", r"\1=...", message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "mariadb-nb", description=_DESCRIPTION, epilog=_STATUS, allow_abbrev=False
    )
    version = f"mariadb-nb {info.package_version()}"
    parser.add_argument("--version", action="version", version=version)
    subparsers = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )

    def add(name: str, help: str) -> argparse.ArgumentParser:
        description = f"{help[0].upper()}{help[1:]}."
        return subparsers.add_parser(
            name, help=help, description=description, allow_abbrev=False
        )

    demo = add("demo", "run 200 queries on a throwaway server, many at a time")
    _add_run_arguments(demo)
    demo.add_argument(
        "--queries", type=Path, metavar="FILE", help="another file of queries"
    )
    demo.add_argument(
        "--scale",
        type=_scale,
        default=1.0,
        help="size of the data, 1 being some 235,000 rows",
    )
    queries = add("queries", "run the queries of a file, many at a time")
    queries.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="statements in UTF-8, each ended by a ';' (- for standard input)",
    )
    _add_run_arguments(queries)
    _add_server_arguments(queries)
    server = add("server", "run a throwaway server and print how to connect to it")
    server.usage = "%(prog)s [-h] [--port PORT] [--no-tls] [-- MARIADBD_OPTION ...]"
    server.add_argument(
        "--port", type=_port, help="TCP port to listen on (default: any free one)"
    )
    server.add_argument(
        "--no-tls",
        dest="tls",
        action="store_const",
        const=False,
        help="offer no TLS (default: offer it where the package trustme is installed)",
    )
    _add_idle_timeout(
        add("idle-timeout", "measure for how long an address lets a connection be idle")
    )
    _add_pool_bench(
        add("pool-bench", "run a load of queries over a pool, and take times")
    )
    information = add("info", "show the versions of everything, and what is missing")
    information.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connections",
        type=_connections,
        default=8,
        metavar="N",
        help="how many connections share the queries (default: %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=render.FORMATS,
        default="table",
        help="of the results on standard output (default: %(default)s)",
    )


def _add_idle_timeout(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(url=None, socket=None, database=None)
    parser.add_argument("host", metavar="HOST", help="name or address")
    parser.add_argument("port", metavar="PORT", type=_port, help="of any TCP service")
    parser.add_argument(
        "--longest",
        type=_seconds,
        default=900.0,
        metavar="SECONDS",
        help="the longest idle time to try, up to a day (default: %(default)g)",
    )
    parser.add_argument(
        "--shortest",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="the shortest one, 1 at least (default: %(default)g)",
    )
    parser.add_argument(
        "--connections",
        type=_connections,
        default=24,
        metavar="N",
        help="how many try the times between, from 2 to 200 (default: %(default)s)",
    )
    parser.add_argument(
        "--answer-timeout",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="without an answer that is silence, up to 60 (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    group = parser.add_argument_group(
        "logging in", "Without it nothing is said, and the service's kernel is asked."
    )
    group.add_argument(
        "--log-in", action="store_true", help="to a MariaDB server, and ask with pings"
    )
    _add_account_arguments(group)


def _add_pool_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--connections",
        type=_connections,
        default=10,
        metavar="N",
        help="the size of the pool (default: %(default)s)",
    )
    parser.add_argument(
        "--tasks",
        type=_tasks,
        default=32,
        metavar="N",
        help="how many borrow at a time, up to 1000 (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", action="store_true", help="threads and the blocking pool instead"
    )
    parser.add_argument(
        "--seconds",
        type=_bench_seconds,
        default=5.0,
        help="how long, up to 600 (default: %(default)g)",
    )
    parser.add_argument(
        "--sql", default="SELECT 1", help="what each does (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    _add_server_arguments(parser)


def _add_server_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "the server", "Any MariaDB server; without any of these, a throwaway one."
    )
    group.add_argument(
        "--url",
        help="mariadb://user:password@host:port/database, with ?unix_socket=, tls= or "
        "tls_ca= behind it if need be; the options below win over it",
    )
    group.add_argument("--host", help="name or address, for TCP")
    group.add_argument("--port", type=_port, help="TCP port (default: 3306)")
    group.add_argument("--socket", metavar="PATH", help="unix socket")
    group.add_argument("--database", metavar="NAME")
    _add_account_arguments(group)


def _add_account_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--user", metavar="NAME")
    group.add_argument(
        "--password",
        nargs="?",
        const=_ASK,
        help=f"asked for if nothing follows; better in {PASSWORD_VARIABLE}, where "
        "other users of the machine do not see it",
    )
    group.add_argument(
        "--tls",
        choices=TLS_MODES,
        help="default: prefer over TCP, disable over a unix socket, verify-full "
        "with --ca",
    )
    group.add_argument("--ca", metavar="PATH", help="certificate to verify with (PEM)")


def _connections(text: str) -> int:
    return _number(text, 1, _MAX_CONNECTIONS)


def _tasks(text: str) -> int:
    return _number(text, 1, 1000)


def _port(text: str) -> int:
    return _number(text, 1, 65535)


def _number(text: str, least: int, most: int) -> int:
    number = int(text) if text.isdecimal() else -1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no whole number from {least} to {most}"
        )
    return number


def _scale(text: str) -> float:
    return _positive(text, 100)


def _seconds(text: str) -> float:
    return _positive(text, 86_400)


def _bench_seconds(text: str) -> float:
    return _positive(text, 600)


def _positive(text: str, most: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0, up to {most}")
    return number
