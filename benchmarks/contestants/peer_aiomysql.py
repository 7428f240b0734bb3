"""aiomysql: cursors, text protocol only."""

from __future__ import annotations

import aiomysql

from benchmarks.contestants.session import Cursors, Place, Session


async def connect(place: Place, binary: bool) -> Session:
    """Connect."""
    connection = await aiomysql.connect(
        unix_socket=place.socket,
        user=place.user,
        password=place.password,
        db=place.database,
        charset="utf8mb4",
        autocommit=True,
    )
    return Cursors(
        "%s",
        await connection.cursor(),
        lambda: connection.cursor(aiomysql.SSCursor),
        connection.ensure_closed,
    )
