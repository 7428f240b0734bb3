"""mariadb (MariaDB Connector/Python 2) on its compiled core, mariadb-binary."""

from __future__ import annotations

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


async def connect(place: Place, binary: bool) -> Session:
    """Connect."""
    connection = await mariadb.asyncConnect(
        unix_socket=place.socket,
        user=place.user,
        password=place.password,
        database=place.database,
        autocommit=True,
    )
    return Cursors(
        "?",
        connection.cursor(binary=binary),
        lambda: connection.cursor(buffered=False),
        connection.close,
    )


def connect_blocking(place: Place, binary: bool) -> BlockingSession:
    """Connect."""
    connection = mariadb.connect(
        unix_socket=place.socket,
        user=place.user,
        password=place.password,
        database=place.database,
        autocommit=True,
    )
    return BlockingCursors(
        "?",
        connection,
        lambda: connection.cursor(buffered=False),
        connection.cursor(binary=binary),
    )
