"""Making a session what its options say: after it was connected, and anew.

Owns what is set, when that is sent ahead of the replies, and what becomes of a session
that is set up by half: it is ended. Knows no loop.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from .errors import InterfaceError
from .operations import drive
from .preparing import PLAIN, Preparing
from .state import START
from .statements import TRACKING, is_silencing, tracking_of

if TYPE_CHECKING:
    from ._wire import Reply
    from .wait import Operation

#: From which version on a MariaDB server tells of variables that change. Others that
#: speak its language are below it by their own numbers; not all of them can be sent a
#: statement before they have answered to the last one.
TELLS: Final = (10, 2, 0)


class Renewing(Preparing):
    """A session's settings."""

    server_version: tuple[int, int, int]
    _bare: bool

    def __init__(self) -> None:
        super().__init__()
        #: What sets the session up when it was reset.
        self._anew: list[bytes] = []
        #: Whether the server tells then what prepared statements depend on.
        self._tells = False

    @property
    @abstractmethod
    def server_status(self) -> int:
        """``SERVER_STATUS_*`` bits as of the last reply."""

    @abstractmethod
    def clear(self) -> Operation[None]:
        """Get rid of the stream of a reader that is gone."""

    def reset(self, deadline: float | None = None) -> Operation[None]:
        """Make the session as if it had just been connected.

        An open transaction is rolled back, temporary tables, locks, user variables and
        settings are gone (``mysql_reset_connection``); what the options ask for is set
        up anew, and their database is the default one. A session by half is not good
        enough: an error ends the connection.

        Raises:
            Busy: another operation is going on.
            OperationTimeout: the deadline passed.
            DatabaseError: the server's answer.
        """
        yield from self.clear()
        channel = self._usable_channel()
        todo = [None, *self._anew]
        at_once = len(todo) if self.server_version >= TELLS else 1
        answers: list[Any] = []
        begun = False

        def start() -> Any:
            nonlocal begun
            saved, self._worth_saving = self._worth_saving, False
            try:
                outcome = channel.pipeline(todo[:at_once], PLAIN, answers)
            except InterfaceError:
                self._worth_saving = saved  # it was refused
                raise
            begun = True
            return outcome

        try:
            while todo:
                yield from drive(self, START, start, (), channel.resume, deadline)
                del todo[:at_once]
                for answer in answers:
                    if isinstance(answer, Exception):
                        raise answer
            yield from self.ask_charset(deadline)
            self._begin_anew()
        except BaseException:
            if begun:
                self.give_up()
            raise

    def _set_up(self, deadline: float | None) -> Operation[None]:
        """Make of the session what the options say; by half is not good enough."""
        self.statements.begin(False)
        if self._bare:
            return
        self._worth_saving = False
        options = self.options
        telling = options.prepare_threshold is not None and self.server_version >= TELLS
        # First: what the same SET changed before it is not told.
        first = (TRACKING,) if telling else ()
        replies: list[Reply] = []
        try:
            status = None if self._status_is_old else self.server_status
            for statement in options.setup_statements(status, *first):
                replies += yield from self.query(statement, PLAIN, deadline=deadline)
            yield from self.ask_charset(deadline)
        except BaseException:
            self.give_up()
            raise
        if telling:
            first = (tracking_of(replies[0].changes) or TRACKING,)
        self._anew = options.setup_statements(None, *first)
        if options.database is not None:
            # Nobody hears of another one from a server that was told to be silent.
            # Before this it is to tell again; after it, init_command may go elsewhere.
            name = options.database.replace("`", "``")
            self._anew.insert(1, f"USE `{name}`".encode())
        self._tells = telling and not any(map(is_silencing, options.init_command))
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Go on with a session that is as the options say."""
        self.statements.begin(self._tells)
        self._worth_saving = self.as_new = not self._bare
