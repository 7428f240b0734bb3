"""What is known of a connection between its operations.

Owns nothing: these are looks at what the channel noted last (csrc/wire/facts.c), which
any thread may take at any time. Knows no operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import _wire, state

if TYPE_CHECKING:
    from .options import Options

#: SERVER_STATUS_* of mariadb_com.h.
IN_TRANSACTION: Final = 1
AUTOCOMMIT: Final = 2

#: The first version whose arrays of parameters are known to be right.
SOUND_BULKS: Final = (10, 6, 0)


class Facts:
    """The part of a session that is asked, and never waits."""

    options: Options
    server_version: tuple[int, int, int]
    state: str
    _channel: Any

    @property
    def fd(self) -> int:
        """The descriptor of its socket; -1 if there is none."""
        return self._channel.fd if self._channel is not None else -1

    def has_ended(self) -> bool | None:
        """Whether the connection is at its end, by what can be read between operations.

        Returns:
            None if nothing can be read: then it is well. False if only a ping can tell:
            with TLS there may be something to read that is none of the server's words.
        """
        some = _wire.peek(self.fd)
        return None if some is None else not some or self.options.tls == "disable"

    def _has_hung_up(self) -> bool:
        """Whether the server has closed its end, whatever is left to read."""
        return _wire.hung_up(self.fd)

    @property
    def server_status(self) -> int:
        """``SERVER_STATUS_*`` bits as of the last reply."""
        return self._channel.server_status if self._channel is not None else 0

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, as the server said last."""
        return bool(self.server_status & IN_TRANSACTION)

    @property
    def autocommit(self) -> bool:
        """Whether each statement is its own transaction, as the server said last."""
        return bool(self.server_status & AUTOCOMMIT)

    @property
    def database(self) -> str | None:
        """The default database, also after ``USE``."""
        return self._channel.database if self._channel is not None else None

    @property
    def mode(self) -> int:
        """How the server reads literals and names, for ``mariadb_nb.parameters``.

        Raises:
            ProgrammingError: the character set is one in which literals are not safe.
        """
        mode: int = self._usable_channel().mode
        return mode

    def check_charset(self) -> None:
        """Make sure that the server reads statements in UTF-8.

        Raises:
            ProgrammingError: the character set was changed to another one.
        """
        self._usable_channel().mode  # noqa: B018

    @property
    def doubts_charset(self) -> bool:
        """Whether the character set may be another one, which was not told."""
        return self._channel is not None and self._channel.doubts_charset

    @property
    def takes_bulks(self) -> bool:
        """Whether the server takes arrays of parameters."""
        return (
            self.server_version >= SOUND_BULKS
            and self._channel is not None
            and self._channel.takes_bulks
        )

    @property
    def streaming(self) -> bool:
        """Whether rows of a stream are left to ``fetch``."""
        return self._channel is not None and self._channel.streaming

    @property
    def more_results(self) -> bool:
        """Whether ``next_result`` has something to go on to."""
        return self._channel is not None and self._channel.more

    def _usable_channel(self) -> Any:
        if self._channel is None:
            raise state.refusal(self.state)
        return self._channel
