"""asyncmy: cursors; with its cache of statements they use the binary protocol."""

from __future__ import annotations

import asyncmy
from asyncmy.cursors import SSCursor

from benchmarks.contestants.session import Cursors, Place, Session


async def connect(place: Place, binary: bool) -> Session:
    """Connect."""
    connection = await asyncmy.connect(
        unix_socket=place.socket,
        user=place.user,
        password=place.password,
        database=place.database,
        charset="utf8mb4",
        autocommit=True,
        stmt_cache_size=32 if binary else 0,
    )
    return Cursors(
        "%s",
        connection.cursor(),
        lambda: connection.cursor(SSCursor),
        connection.ensure_closed,
    )
