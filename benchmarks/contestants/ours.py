"""mariadb_nb through its public API, as a user would write it."""

from __future__ import annotations

from typing import Any

import mariadb_nb
import mariadb_nb.aio
from benchmarks.contestants.session import (
    BlockingCursors,
    BlockingSession,
    Cursors,
    Place,
    Session,
)


def _options(place: Place, binary: bool) -> dict[str, Any]:
    return {
        "unix_socket": place.socket,
        "user": place.user,
        "password": place.password,
        "database": place.database,
        "autocommit": True,
        "prepare_threshold": 1 if binary else None,
    }


async def connect(place: Place, binary: bool) -> Session:
    """Connect."""
    connection = await mariadb_nb.aio.connect(**_options(place, binary))
    return Cursors(
        "?",
        connection.cursor(),
        lambda: connection.cursor(stream=True),
        connection.close,
    )


def connect_blocking(place: Place, binary: bool) -> BlockingSession:
    """Connect."""
    connection = mariadb_nb.connect(**_options(place, binary))
    return BlockingCursors("?", connection, lambda: connection.cursor(stream=True))
