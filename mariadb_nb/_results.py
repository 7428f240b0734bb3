"""A statement's results that are here, and the place in them.

Owns the rows that were read and which of them comes next, and what is told of the
statement: all that cursors and the statements of a pipeline have in common. Knows no
session, and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from . import _wire
from ._unique import Unique
from .columns import Column, describe
from .errors import InterfaceError, ProgrammingError

if TYPE_CHECKING:
    from ._connection import ConnectionBase
    from ._wire import Reply

#: Comes after the last row.
END: Final[Any] = _wire.END


class Results(_wire.CursorFields, Unique):
    """All results of a statement; ``_show`` makes one of them the current one."""

    #: How many rows ``fetchmany`` fetches.
    arraysize = 1

    _connection: ConnectionBase

    #: How many rows a stream had before those that are there.
    _before = 0
    _described: tuple[Reply | None, tuple[Column, ...] | None] = (None, None)

    def __init__(self) -> None:
        self._replies: Sequence[Reply] = ()
        self._forget()

    def _forget(self) -> None:
        """Forget the last statement's results."""
        self._reply = self._rows = self._many = None
        self._live = False
        self._place = self._index = 0

    def _results(self, replies: list[Reply]) -> list[Reply]:
        """The replies that ``nextset`` leads to.

        A procedure's results are followed by a reply that says how the call went. It
        has no rows, and counts as a result only where a text may have several
        statements.
        """
        if not self._connection._options.multi_statements:
            return [reply for reply in replies if reply.has_rows] or replies[:1]
        return replies

    def _show(self, reply: Reply) -> None:
        """Make a result the current one."""
        self._reply = reply
        rows = reply.rows
        self._rows = [] if rows is None and reply.has_rows else rows
        self._index = self._before = 0

    def _check(self) -> list[Any]:
        """The rows of the current result, from ``_index`` on still to be given."""
        if self._rows is None:
            self._check_executed()
            raise ProgrammingError(
                "there are no rows: the last statement has no result set"
            )
        return self._rows

    def _check_executed(self) -> None:
        if self._reply is None:
            raise ProgrammingError("there are no results: execute a statement first")

    def _take_many(self, count: int) -> list[Any]:
        """Up to ``count`` rows that are there already."""
        rows = self._check()
        self._check_count(count)
        taken = rows[self._index : self._index + count]
        self._index += len(taken)
        return taken

    def _check_count(self, count: int) -> None:
        if not hasattr(count, "__index__") or count < 0:
            raise ProgrammingError(
                f"fetchmany() takes a number of rows from 0 on, not {count!r}"
            )

    def _take_all(self) -> list[Any]:
        """All rows that are there and were not given yet."""
        rows = self._check()
        index, self._index = self._index, len(rows)
        return rows[index:]

    def _take_next_set(self) -> bool | None:
        """Go on to the next result that is there already."""
        self._check_executed()
        if self._place + 1 >= len(self._replies):
            return None
        self._place += 1
        self._show(self._replies[self._place])
        return True

    def _move(self, value: int, mode: str) -> None:
        rows = self._check()
        if self._live:
            raise InterfaceError("rows of a stream go forward only")
        if not hasattr(value, "__index__"):
            raise ProgrammingError(f"scroll() takes a number of rows, not {value!r}")
        if mode not in ("relative", "absolute"):
            raise ProgrammingError(
                f"mode {mode!r} is neither 'relative' nor 'absolute'"
            )
        index = value + (self._index if mode == "relative" else 0)
        if not 0 <= index < len(rows):
            raise IndexError(f"there are rows 0 to {len(rows) - 1}, not {index}")
        self._index = index

    # What is known of the last statement

    @property
    def description(self) -> tuple[Column, ...] | None:
        """What is known of the current result's columns; None without one."""
        reply, description = self._described
        if reply is not self._reply:
            columns = self._reply.columns if self._reply is not None else None
            description = None if columns is None else describe(columns)
            self._described = self._reply, description
        return description

    @property
    def rowcount(self) -> int:
        """How many rows the last statement delivered or changed; -1 if not known."""
        reply = self._reply
        if self._many is not None:
            return self._many.affected
        if reply is None:
            return -1
        if reply.has_rows:
            return -1 if self._live else len(reply.rows)
        return reply.affected_rows

    @property
    def lastrowid(self) -> int | None:
        """The first AUTO_INCREMENT value that the last statement made, or None.

        After executemany() it is that of the last statement that was sent.
        """
        return (self._reply.insert_id or None) if self._reply is not None else None

    @property
    def rownumber(self) -> int | None:
        """The index of the row that is fetched next; None without a result."""
        if self._reply is None or self._rows is None:
            return None
        return self._before + self._index

    @property
    def warning_count(self) -> int:
        """How many warnings the last statement gave."""
        if self._many is not None:
            return self._many.warnings
        return self._reply.warning_count if self._reply is not None else 0

    @property
    def info(self) -> str | None:
        """What the server said about an UPDATE, ALTER or the like (``mysql_info``)."""
        return self._reply.info if self._reply is not None else None

    @property
    def session_changes(self) -> list[tuple[int, str]]:
        """What the statement changed of the session: (SESSION_TRACK_*, text) pairs."""
        changes = self._reply.changes if self._reply is not None else None
        return changes or []
