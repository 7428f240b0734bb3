"""Ending an operation before it is over, in two ways.

Gently: a second connection sends KILL QUERY, so the server answers early, and after that
answer is read the connection is as good as before. Roughly: mysql_close() while the
operation waits. In C this leaks what the operation owns, and may hang; here the operation
is ended first, and closing never waits. But the server goes on with the query for a while
and may finish it, so a rough end is for connections that are of no use any more.

    python examples/abandon.py [--host HOST --user USER --password PASSWORD ...]

There is no C original: the C library leaves its callers alone with this.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from _server import Server, choose, error, fatal, make_parser, set_options

from mariadb_nb.capi import closing, ffi, lib, status_to_events, wait_for_mysql

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData
