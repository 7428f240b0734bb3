"""PyMySQL: cursors, text protocol only."""

from __future__ import annotations

import pymysql
from pymysql.cursors import SSCursor

from benchmarks.contestants.session import BlockingCursors, BlockingSession, Place


def connect_blocking(place: Place, binary: bool) -> BlockingSession:
    """Connect."""
    connection = pymysql.connect(
        unix_socket=place.socket,
        user=place.user,
        password=place.password,
        database=place.database,
        charset="utf8mb4",
        autocommit=True,
    )
    return BlockingCursors("%s", connection, lambda: connection.cursor(SSCursor))
