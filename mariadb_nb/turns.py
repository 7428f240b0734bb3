"""Whose turn a connection is, and what becomes of it when an operation is interrupted.

Owns the state and the one entry of a dictionary that says whose turn it is.
``dict.setdefault`` fills it for the first who comes: that is atomic and never waits, so
that a second thread is refused at once, and so is what a signal handler or a finalizer
calls in the middle of everything. Only who has the turn changes the state and ends the
connection; whoever else wants its end leaves a note for them. How a statement is
begun, read or killed is the business of ``session`` and ``rescue``.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from . import _wire, state
from .errors import Busy, Deadlock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .operations import Pair
    from .options import Options
    from .wait import Operation

#: What becomes of the session, by ``Channel.standing``.
_STANDING: Final = (state.DONE, state.ROWS, state.LOST)

#: At hand: each operation begins with a look at it.
_TRANSITIONS: Final = state.TRANSITIONS

#: The key of whose turn it is.
_TURN: Final = "turn"


class Turns(_wire.Turn, ABC):
    """One operation at a time, each to its end: the part of a session that sees to it.

    Attributes:
        state: see ``mariadb_nb.state``.
        reader: returns who reads the stream that is under way; None if that is not
            known. When the reader is gone, the next statement gets rid of the rest.
        rollbacks: how many transactions the server rolled back by itself.
        as_new: whether no operation has begun since the session was connected or reset.
        queued: what a pipeline that is open has not sent yet; None if there is none.
    """

    options: Options
    _channel: Any
    _pair: Pair | None

    def __init__(self) -> None:
        self.state = state.NEW
        self.reader: Callable[[], object] | None = None
        self.rollbacks = 0
        self.as_new = False
        self.queued: Collection[object] | None = None
        self._turn: dict[str, object] = {}
        #: The event that ends the connection as soon as nobody is at work on it.
        self._ending: str | None = None
        #: Whether the session is as the options say.
        self._worth_saving = False
        #: Whether the server may have another status than it told.
        self._status_is_old = False

    @abstractmethod
    def _dispose(self) -> None:
        """Let go of the connection; what is suspended is ended first."""

    @abstractmethod
    def _has_hung_up(self) -> bool:
        """Whether the server has closed its end."""

    @abstractmethod
    def _rescue(self) -> Operation[None]:
        """End the statement that is suspended and read its reply away."""

    def __del__(self) -> None:
        if getattr(self, "state", state.NEW) not in (*state.GONE, state.NEW):
            try:
                warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2)
            finally:
                with suppress(Busy):
                    self.close()  # a loop may still watch its descriptor

    # What operations.drive() asks of a session

    def enter(self, event: str, owner: object) -> None:
        """Begin an operation, or raise ``Busy`` or ``InterfaceError``."""
        if self.queued and event is state.START:
            raise Busy(
                "statements of a pipeline wait to be sent on this connection: sync() "
                "it first"
            )
        if self._turn.setdefault(_TURN, owner) is not owner:
            raise state.refusal(
                state.CONNECTING if self.state is state.CONNECTING else state.BUSY
            )
        following = _TRANSITIONS[self.state].get(event)
        if following is None:
            refusal = state.refusal(self.state)  # now, while it is still in that state
            self._release(owner)
            raise refusal
        self.state, self.as_new = following, False
        if event is state.START:
            self.reader = None  # every earlier stream is over

    def leave(self) -> None:
        """End an operation that was not interrupted, by who has the turn."""
        if self._channel.standing:
            self._settle()
        else:  # the same, for what is most common
            self.state = state.READY
            self._status_is_old = False
        del self._turn[_TURN]
        if self._ending is not None:
            self._end(self._ending)

    def abort(self, owner: object) -> None:
        """End the owner's operation, if it has one, at once and without waiting.

        The connection is broken then.
        """
        if self._turn.get(_TURN) is owner:
            try:
                self._break()
            except BaseException:
                self._break()  # a signal may come before it is done
                raise
            finally:
                self._release(owner)

    def notice_end(self) -> None:
        """Have what waits fail if the server has closed its end."""
        if self._has_hung_up():
            self._channel.shutdown()

    def recover(self, error: BaseException, owner: object) -> Operation[None]:
        """Put the connection in order after an operation raised or was interrupted."""
        if self._turn.get(_TURN) is not owner:
            return  # it had not begun, or it is over
        try:
            yield from self._put_in_order(error)
        except BaseException:
            self._break()  # whatever was to be done, it is not done
            raise
        finally:
            self._release(owner)

    def _put_in_order(self, error: BaseException) -> Operation[None]:
        channel = self._channel
        if self.state is not state.BUSY:
            return  # interrupted at the very beginning or end
        raised = isinstance(error, Exception) or not channel.busy
        if self._pair is not None or not self._worth_saving:
            self._break()
        elif raised and not channel.midway:
            self._settle()  # the operation itself raised, and left nothing suspended
            self._status_is_old = True
            self.rollbacks += isinstance(error, Deadlock)
        elif self.options.on_cancel == "abort" or self._ending is not None:
            self._break()
        else:
            yield from self._save(error)

    def _save(self, error: BaseException) -> Operation[None]:
        """End the statement that is suspended, and keep the connection; or break it."""
        try:
            yield from self._rescue()
        except Exception as failure:
            self._break()
            error.add_note(f"The connection was ended, because {failure}")
        else:
            self._settle()
            self._status_is_old = True  # what was drained may have ended in an error

    def _note_errors(self, answers: list[Any]) -> None:
        """Look at the errors among the answers to a pipeline, for what they mean."""
        self.rollbacks += sum(isinstance(answer, Deadlock) for answer in answers)
        if answers and isinstance(answers[-1], Exception):
            self._status_is_old = True

    def _occupy(self, owner: object) -> None:
        """Have the turn until ``_release``, for what does not wait; or raise Busy."""
        if self._turn.setdefault(_TURN, owner) is not owner:
            raise state.refusal(state.BUSY)

    def _settle(self) -> None:
        """Find the state after an operation: it depends on what is left to read."""
        event = _STANDING[self._channel.standing]
        self._status_is_old = False
        self.state = state.TRANSITIONS[self.state][event]
        if event == state.LOST:
            self._dispose()  # it is of no use, and its socket would only linger

    def _release(self, owner: object) -> None:
        """Let the next have their turn, or end the connection if that is due."""
        if self._turn.get(_TURN) is owner:
            del self._turn[_TURN]
            if self._ending is not None:
                self._end(self._ending)

    def _break(self) -> None:
        """End the connection, by whoever has the turn."""
        if self.state not in state.GONE:
            self._dispose()
            self.state = state.after(self.state, state.LOST)

    # A turn that lasts for several operations

    def hold(self, owner: object) -> None:
        """Keep all others out until ``let_go``; raises ``Busy`` or ``InterfaceError``.

        The owner's operations begin with ``enter`` and end with ``keep``.
        """
        if self._turn.setdefault(_TURN, owner) is not owner:
            raise state.refusal(state.BUSY)
        if state.START not in _TRANSITIONS[self.state]:
            self._release(owner)
            raise state.refusal(self.state)

    def keep(self) -> None:
        """End an operation as ``leave`` does, but keep the turn."""
        self._settle()

    def let_go(self, owner: object) -> None:
        """Let others have their turn, if it is the owner's."""
        self._release(owner)

    # The end

    def close(self) -> None:
        """Close the connection, also while an operation on it is under way.

        That operation ends with ``ConnectionLost`` when it is resumed, and that is at
        once: its socket is readable now. Only then is the state CLOSED. Never waits.

        Raises:
            Busy: an operation of the C API waits on it; end that first.
        """
        self._end(state.CLOSE)

    def give_up(self) -> None:
        """End the connection as ``close`` does, but as one that broke."""
        self._end(state.LOST)

    def _end(self, event: str) -> None:
        """End the connection by an event, at once or as soon as nobody works on it."""
        if self._ending != state.CLOSE:
            self._ending = event  # first of all: who has the turn looks afterwards
        owner = object()
        try:
            if self._turn.setdefault(_TURN, owner) is not owner:
                if self._channel is not None:
                    self._channel.shutdown()
            elif event in state.TRANSITIONS[self.state]:
                self._dispose()
                self.state = state.after(self.state, event)
        finally:
            if self._turn.get(_TURN) is owner:
                del self._turn[_TURN]
                if self._ending != event:
                    self._end(state.CLOSE)  # which was asked for meanwhile
