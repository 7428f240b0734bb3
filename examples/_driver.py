"""What the examples of the driver share: which server they connect to.

It owns the command line, and knows nothing of loops or of what an example does. Without
a URL, a throwaway server is started for the run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import mariadb_nb


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows the URL."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "url",
        nargs="?",
        help="mariadb://user:password@host:port/database?option=value; "
        "without it, a throwaway server is started for the run",
    )
    return parser


@contextmanager
def choose(url: str | None) -> Iterator[str]:
    """Yield the URL that was given, or that of a throwaway server.

    An error of ours that leaves the block, also in a group, ends the program with its
    text.
    """
    try:
        if url is not None:
            yield url
            return
        # Only here: it needs a mariadbd on this machine.
        from mariadb_nb.server import ServerError, TemporaryServer

        server = TemporaryServer(tls=False)
        try:
            server.start()
        except ServerError as problem:
            raise SystemExit(f"cannot start a throwaway server: {problem}") from None
        try:
            user = server.users["native"]
            place = f"{server.host}:{server.port}"
            yield f"mariadb://{user.name}:{user.password}@{place}/test"
        finally:
            server.stop()
    except (mariadb_nb.Error, ExceptionGroup) as raised:
        error: Exception = raised
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, mariadb_nb.Error):
            raise
        raise SystemExit(f"{type(error).__name__}: {error}") from None
