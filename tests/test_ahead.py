"""Requests are made ahead, while the server works: in which order, and what if not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mariadb_nb.ahead import Ahead
from mariadb_nb.wait import READ, WRITE


class Bulk:
    """Makes what it is told, and notes in a log that it was asked."""

    def __init__(self, made: list[Any], log: list[Any]) -> None:
        self.made = iter(made)
        self.log = log

    def build(self) -> Any:
        made = next(self.made)
        self.log.append("slice" if made == 0 else "build")
        if isinstance(made, BaseException):
            raise made
        return made

    def rest(self) -> Any:
        return (), ()


class Channel:
    """Has outcomes, one for each call, and notes the calls in a log."""

    def __init__(self, outcomes: Iterator[Any], log: list[Any]) -> None:
        self.outcomes = outcomes
        self.log = log

    def execute(
        self, statement: object, request: bytes, reading: object, stream: bool
    ) -> Any:
        assert (statement, reading, stream) == ("statement", "reading", False)
        self.log.append(request)
        return self._outcome()

    def resume(self, ready: int) -> Any:
        self.log.append(f"resume {ready}")
        return self._outcome()

    def _outcome(self) -> Any:
        outcome = next(self.outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class Play:
    """An Ahead between a bulk and a channel that do what they are told."""

    def __init__(self, made: list[Any], outcomes: list[Any]) -> None:
        self.log: list[Any] = []
        self.ahead = Ahead(Bulk(made, self.log))  # type: ignore[arg-type]
        self.channel: Any = Channel(iter(outcomes), self.log)

    def start(self) -> Any:
        statement: Any = "statement"
        reading: Any = "reading"
        return self.ahead.start(self.channel, statement, reading)

    def logged(self) -> list[Any]:
        """What happened since the last time."""
        log = self.log[:]
        self.log.clear()
        return log


def test_the_next_request_is_made_while_the_server_works() -> None:
    play = Play([0, (b"a", 5), 0, (b"b", 7), None], [WRITE, READ, ["A"], READ, ["B"]])
    assert play.start() == 0  # a turn of the loop
    assert play.logged() == ["slice"]
    assert play.ahead.resume(0) == WRITE
    # The server has not got it all yet: nothing else is to be done first.
    assert play.logged() == ["build", b"a"]
    assert play.ahead.count == 5
    assert play.ahead.resume(WRITE) == 0
    assert play.logged() == ["resume 2", "slice"]
    assert play.ahead.resume(0) == READ
    assert play.logged() == ["build"]
    assert play.ahead.resume(READ) == ["A"]
    assert play.logged() == ["resume 1"]
    assert play.start() == READ
    assert play.logged() == [b"b", "build"]
    assert play.ahead.count == 7
    assert play.ahead.resume(READ) == ["B"]
    assert play.start() is None
    assert play.ahead.count == 0


def test_turns_that_the_channel_asks_for_are_its_own() -> None:
    play = Play([(b"a", 5), 0, None], [0, 0, READ, 0, ["A"]])
    assert play.start() == 0
    assert play.ahead.resume(0) == 0
    assert play.logged() == ["build", b"a", "resume 0"]
    assert play.ahead.resume(0) == 0
    assert play.logged() == ["resume 0", "slice"]
    assert play.ahead.resume(0) == READ
    assert play.ahead.resume(READ) == 0
    assert play.ahead.resume(0) == ["A"]


def test_an_error_in_a_row_waits_for_its_turn() -> None:
    """Else what the server does would be interrupted."""
    play = Play([(b"a", 5), KeyError("row")], [READ, ["A"]])
    assert play.start() == READ
    assert play.logged() == ["build", b"a", "build"]
    assert play.ahead.resume(READ) == ["A"]
    for _ in range(2):
        with pytest.raises(KeyError, match="row"):
            play.start()
        assert play.ahead.count == 0


def test_ctrl_c_in_a_row_does_not() -> None:
    play = Play([(b"a", 5), KeyboardInterrupt()], [READ])
    with pytest.raises(KeyboardInterrupt):
        play.start()


def test_an_error_of_the_server_is_about_the_request_that_was_sent() -> None:
    play = Play([(b"a", 5), (b"b", 7)], [READ, KeyError("refused")])
    assert play.start() == READ
    with pytest.raises(KeyError, match="refused"):
        play.ahead.resume(READ)
    assert play.ahead.count == 5


def test_no_rows_are_no_request() -> None:
    play = Play([None], [])
    assert play.start() is None
    assert play.start() is None
    assert play.logged() == ["build"]
