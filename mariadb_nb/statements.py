"""Which statements of a connection are prepared, and which of them are kept.

Owns the decision, and what has been prepared; it waits for nothing and knows no
connection but the facts that it is handed. How a statement is prepared and executed is
in ``preparing``.

A statement is sent as text until it was executed ``prepare_threshold`` times, and for
good where it might mean something else when it is prepared. What was prepared is void
once the server reads statements otherwise: after a change of ``sql_mode``, of a
character set and so on. The server tells of that (session tracking), if it was asked
to. It also tells of another default database, for which a statement has to be prepared
anew: names are bound when it is prepared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from . import _wire, parameters
from .errors import DataError, ProgrammingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._wire import Statement, Template

__all__ = ["TRACKING", "Entry", "Statements"]

#: What is added to SET so that the server tells what a statement's meaning depends on.
TRACKING: Final = (
    "session_track_schema=1, session_track_system_variables="
    "IF(@@session_track_system_variables = '*', '*', CONCAT_WS(',',"
    " NULLIF(@@session_track_system_variables, ''), 'character_set_client',"
    " 'character_set_connection', 'character_set_results', 'collation_connection',"
    " 'sql_mode', 'old_mode', 'session_track_schema',"
    " 'session_track_system_variables'))"
)

#: The same once its value is known.
_TRACKING_NOW: Final = "session_track_schema=1, session_track_system_variables='{}'"
#: SESSION_TRACK_SYSTEM_VARIABLES of mariadb_com.h: names and values by turns.
_OF_VARIABLES: Final = 0

#: How many texts are counted, and how many characters a text may have: a long one is
#: mostly data, and comes only once.
_COUNTED: Final = 512
_LONGEST: Final = 8192
#: How statements begin that change no setting of the session.
_OF_DATA: Final = ("insert ", "replace ", "select ", "update ", "delete ", "with ")
#: How many databases' statements are kept.
_DATABASES: Final = 16
#: What a change of a variable adds to a channel's epoch, and a change of database less.
_VARIABLE: Final = 1 << 32
#: How often a statement for which there was no room has to be executed once more.
_PATIENCE: Final = 100


class Entry(_wire.EntryFields):
    """What is known of a statement's text.

    Attributes:
        sql: the text.
        template: the same, scanned; None: it is only sent as text.
        automatic: whether it may be prepared without being asked to.
        unsettling: whether statements may mean something else after it, unnoticed.
        statement: what the server has prepared, or None.
        used: when it was executed last, as the order of executions counts.
    """

    __slots__ = ("sql", "unsettling")

    def __init__(self, sql: str, template: Template | None) -> None:
        self.sql = sql
        self.template = template
        self.automatic = template is not None and template.equivalent
        self.unsettling = is_unsettling(sql)
        self.statement: Statement | None = None
        self.used = 0


def is_silencing(sql: str) -> bool:
    """Whether a text may change what the server tells (``session_track_...``)."""
    if len(sql) > _LONGEST:
        # Reading all of it would take the loop's time: of a long text it is enough that
        # it is one statement and of a kind that changes no setting.
        return not sql[:16].lower().startswith(_OF_DATA) or ";" in sql
    lower = sql.lower()
    # What EXECUTE executes is not to be seen.
    return "session_track" in lower or lower.lstrip().startswith("execute")


def tracking_of(changes: Sequence[tuple[int, str]] | None) -> str | None:
    """``TRACKING`` without the look at what it was before; None if that was not told.

    Making that list anew takes the server as long as several statements do.
    """
    told = iter([text for kind, text in changes or () if kind == _OF_VARIABLES])
    value = dict(zip(told, told, strict=False)).get("session_track_system_variables")
    known = value is not None and re.fullmatch(r"[\w,]+|\*", value)
    return _TRACKING_NOW.format(value) if known else None


def is_unsettling(sql: str) -> bool:
    """Whether statements may mean something else after a text, without being told.

    A procedure may have silenced the server. What it does to ``sql_mode`` itself is
    over at its end: only a text that names it, or an EXECUTE, changes it for good.
    """
    return is_silencing(sql) or (len(sql) <= _LONGEST and "sql_mode" in sql.lower())


def scanned(sql: str, mode: int) -> Template | None:
    """The text with its placeholders found; None if it cannot be prepared."""
    try:
        template = parameters.template(sql, mode)
    except (DataError, ProgrammingError):
        return None  # sending it tells what is wrong with it
    return None if template.preparable is None else template


class Statements(_wire.StatementsFields):
    """The statements of one connection.

    Args:
        threshold: from which execution on a statement is prepared by itself; None:
            never.
        most: how many are kept prepared.

    Attributes:
        told: whether the server tells of everything in ``TRACKING``.
        watching: whether texts have to be looked at.
        epoch: what the channel's was when everything here was true.
        entries: the texts of the default database.
        order: how many executions were chosen.
    """

    def __init__(self, threshold: int | None, most: int) -> None:
        self.threshold = threshold
        self.most = most
        self.told = False
        self.epoch = -1
        self.order = 0
        self._counts: dict[str, int] = {}
        self._databases: dict[str | None, dict[str, Entry]] = {}
        self.entries: dict[str, Entry] = {}
        self._prepared: set[Entry] = set()
        self._pinned: dict[str, int] = {}
        self.watching = threshold is not None

    def begin(self, told: bool) -> None:
        """Forget everything: the session is new."""
        self.forget()
        self.told = told
        self.watching = told or self.threshold is not None
        self.epoch = -1

    def note_told(self, channel: Any) -> None:
        """Note that the server was asked to tell everything, as of now."""
        self.told = self.watching = True
        self.epoch = channel.epoch

    def forget(self) -> None:
        """Forget all statements, and how often they were executed."""
        for entry in self._prepared:
            entry.statement = None
        self._prepared.clear()
        self._counts.clear()
        self._databases.clear()
        self.entries = {}

    # Choosing

    def choose(self, sql: str, asked: bool | None, channel: Any) -> Entry | None:
        """The entry of a statement that is to be executed as a prepared one, or None.

        Args:
            sql: its text.
            asked: whether the application wants it; None leaves the choice.
            channel: tells its ``epoch``, ``database`` and ``mode``.
        """
        if channel.epoch != self.epoch:
            self._follow(channel)
        entry = self.entries.get(sql)
        if entry is None and asked is not False:
            entry = self._meet(sql, asked, channel)
        if entry is None or asked is False:
            if is_unsettling(sql):
                self.begin(False)
            return None
        if entry.automatic or (asked and entry.template is not None):
            self.order = entry.used = self.order + 1
            return entry
        if entry.unsettling:
            self.begin(False)
        return None

    def _follow(self, channel: Any) -> None:
        """Take notice of what the server has told."""
        epoch = channel.epoch
        if self.epoch >= 0 and epoch - self.epoch >= _VARIABLE:
            self.begin(False)  # perhaps it was told to be silent
        self.epoch = epoch
        database = channel.database
        if database not in self._databases and len(self._databases) >= _DATABASES:
            self.forget()
        self.entries = self._databases.setdefault(database, {})

    def _meet(self, sql: str, asked: bool | None, channel: Any) -> Entry | None:
        """Count an execution; make the entry if it is time to."""
        if not asked:
            if self.threshold is None or len(sql) > _LONGEST:
                return None
            count = self._counts.get(sql, 0) + 1
            if count < self.threshold:
                self._count(sql, count)
                return None
        try:
            mode = channel.mode
        except ProgrammingError:
            return None  # a character set in which literals are not safe
        if mode & parameters.DOUBTFUL and "\\" in sql:
            return None  # nobody knows where its placeholders are
        self._counts.pop(sql, None)
        entry = self.entries[sql] = Entry(sql, scanned(sql, mode))
        if len(self.entries) > _COUNTED + len(self._prepared):
            self._drop_texts()
        return entry

    def _count(self, sql: str, count: int) -> None:
        counts = self._counts
        counts[sql] = count
        if len(counts) > _COUNTED:
            del counts[next(iter(counts))]

    def _drop_texts(self) -> None:
        """Forget texts of which no statement is prepared."""
        for sql in [s for s, it in self.entries.items() if it.statement is None]:
            del self.entries[sql]

    # What has been prepared

    def keep(self, entry: Entry, statement: Statement, asked: bool | None) -> bool:
        """Note that a statement was prepared; False if it is to be sent as text.

        The server may count other placeholders than we do. And where a column is named
        after a parameter, it would be called otherwise than in text.
        """
        template, columns = entry.template, statement.columns or ()
        if template is None or statement.markers != template.count:
            entry.template, entry.automatic = None, False
            return False
        if not asked and template.count and any("?" in it[0] for it in columns):
            entry.automatic = False
            return False
        entry.statement = statement
        self._prepared.add(entry)
        if len(self._prepared) > self.most:
            self._evict(len(self._prepared) - self.most)
        return True

    def _evict(self, count: int) -> None:
        """Give up those that were not executed for the longest time."""
        free = [it for it in self._prepared if it.sql not in self._pinned]
        for entry in sorted(free, key=_when_used)[:count]:
            self.drop(entry)
            for entries in self._databases.values():
                if entries.get(entry.sql) is entry:
                    del entries[entry.sql]

    def drop(self, entry: Entry) -> None:
        """Forget what was prepared of a statement; it can be prepared again."""
        entry.statement = None
        self._prepared.discard(entry)

    def refuse(self, entry: Entry) -> None:
        """Send a statement as text for good: the server cannot prepare it."""
        entry.template, entry.automatic = None, False

    def make_room(self, entry: Entry) -> None:
        """Give up half of the statements: the server has no room for another one."""
        self.entries.pop(entry.sql, None)
        self._count(entry.sql, -_PATIENCE)
        self._evict(len(self._prepared) // 2 + 1)

    # Statements that the application holds

    def pin(self, sql: str) -> None:
        """Keep a statement whatever else is prepared."""
        self._pinned[sql] = self._pinned.get(sql, 0) + 1

    def unpin(self, sql: str) -> None:
        """Undo one ``pin``; after the last one, the statement is given up."""
        left = self._pinned.pop(sql, 0) - 1
        if left > 0:
            self._pinned[sql] = left
            return
        for entries in self._databases.values():
            entry = entries.pop(sql, None)
            if entry is not None:
                self.drop(entry)


def _when_used(entry: Entry) -> int:
    return entry.used
