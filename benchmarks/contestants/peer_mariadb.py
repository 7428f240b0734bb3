"""mariadb (MariaDB Connector/Python 2) on its compiled core, mariadb-binary."""

from __future__ import annotations

from typing import Any

import mariadb

from benchmarks.contestants.session import (
    BlockingCursors,
    BlockingSession,
    Cursors,
    Place,
    Session,
)

if mariadb.__impl__ != "binary":
    raise ImportError(f"mariadb chose {mariadb.__impl__}, not mariadb-binary")


def _options(place: Place) -> dict[str, Any]:
    return {
        "unix_socket": place.socket,
        "user": place.user,
        "password": place.password,
        "database": place.database,
        "autocommit": True,
    }


async def connect(place: Place, binary: bool) -> Session:
    """Connect."""
    connection = await mariadb.asyncConnect(**_options(place))
    return Cursors(
        "?",
        connection.cursor(binary=binary),
        lambda: connection.cursor(buffered=False),
        connection.close,
    )


def connect_blocking(place: Place, binary: bool) -> BlockingSession:
    """Connect."""
    connection = mariadb.connect(**_options(place))
    return BlockingCursors(
        "?",
        connection,
        lambda: connection.cursor(buffered=False),
        connection.cursor(binary=binary),
    )
