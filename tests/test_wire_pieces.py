"""What goes piece by piece: large parameters, and rows of the server's cursors."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from channel_support import READING, Prepared, Wire, kill_connection, opened, outcome_of

from mariadb_nb._wire import Template
from mariadb_nb.errors import (
    ConnectionLost,
    DataError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from mariadb_nb.server import TemporaryServer

SIZE = 3_000_000
SUMS = "SELECT LENGTH(?) AS a, MD5(?) AS b, ? AS c"


class Source:
    """Something to be read.

    Args:
        pieces: what ``read`` returns, one after the other, or raises.
    """

    def __init__(self, *pieces: Any) -> None:
        self.pieces = list(pieces)
        self.asked: list[int] = []

    def read(self, size: int) -> Any:
        self.asked.append(size)
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, BaseException):
            raise piece
        return piece


def sums(wire: Wire, prepared: Prepared, *params: Any) -> Any:
    return wire.execute(prepared, *params)[0].rows


def test_what_is_read_arrives(wire: Wire) -> None:
    for text, kind in (("\xe4" * SIZE, io.StringIO), (b"\xff" * SIZE, io.BytesIO)):
        ((size, digest, _),) = sums(wire, wire.prepare(SUMS), text, text, 1)
        source: Any = kind
        found = sums(wire, wire.prepare(SUMS), source(text), source(text), 2)
        assert found == [(size, digest, 2)]
    assert wire.waits.count(0) < 1000


def test_values_and_their_types(unix: Wire) -> None:
    for pieces, value in (
        ((), b""),
        (("",), ""),
        ((b"ab", b"cd"), b"abcd"),
        (("\xe4", "\U0001f600"), "\xe4\U0001f600"),
        ((bytearray(b"ab"), memoryview(b"cd")), b"abcd"),
        ((b"\xe4", b"\0"), b"\xe4\0"),
    ):
        prepared = unix.prepare("SELECT ? AS a, ? AS b, ? AS c")
        found = sums(unix, prepared, 1, Source(*pieces), Source("x"))
        assert found == [(1, value, "x")]
        # Afterwards nothing is left of them.
        assert sums(unix, prepared, 1, 2, 3) == [(1, 2, 3)]
        with pytest.raises(InterfaceError, match="not executed before"):
            sums(unix, prepared, 1, 2, Source("x"))


def test_pieces_are_bounded(unix: Wire) -> None:
    source = Source(*[b"x" * 1000] * 50)
    prepared = unix.prepare("SELECT LENGTH(?)")
    assert sums(unix, prepared, source) == [(50_000,)]
    assert len(source.asked) == 51
    assert 0 < max(source.asked) <= 1 << 20


def test_parameters_are_read_once(unix: Wire) -> None:
    prepared = unix.prepare("SELECT ? AS a")
    bound = prepared.template.bind((Source(b"once"),))
    (reply,) = unix.finish(
        unix.channel.execute(prepared.statement, bound, READING, False)
    )
    assert reply.rows == [(b"once",)]
    again = unix.prepare("SELECT ? AS a").statement
    with pytest.raises(InterfaceError, match="bind them anew"):
        unix.channel.execute(again, bound, READING, False)
    assert sums(unix, prepared, "twice") == [("twice",)]


@pytest.mark.parametrize("place", range(4))
def test_source_that_fails(unix: Wire, place: int) -> None:
    """What had been sent of it is not taken for the next execution's."""
    for problem, kind in (
        (OSError("no disk"), OSError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (5, TypeError),
        ("\ud800", DataError),
    ):
        pieces = ["x"] * place
        prepared = unix.prepare("SELECT ? AS a, ? AS b")
        with pytest.raises(kind):
            unix.execute(prepared, Source("first"), Source(*pieces, problem))
        unix.works()
        assert sums(unix, prepared, 1, 2) == [(1, 2)]
        prepared = unix.prepare("SELECT ? AS a, ? AS b")
        with pytest.raises(kind):
            unix.execute(prepared, Source(*pieces, problem), 1)
        assert sums(unix, prepared, Source("again"), 2) == [("again", 2)]


def test_discarded_in_the_middle(wire: Wire) -> None:
    for count in range(8):
        prepared = wire.prepare("SELECT LENGTH(?) AS a, ? AS b")
        params = Source(*[b"x" * 200_000] * 40), 1
        if wire.go(wire.start(prepared, *params), count) is None:
            wire.finish(wire.channel.discard())
        else:
            assert wire.finish(wire.channel.discard()) is None
        assert sums(wire, prepared, "ab", 3) == [(2, 3)]
        wire.works()


def test_closed_in_the_middle(mariadb_server: TemporaryServer, transport: str) -> None:
    for count in range(6):
        with opened(mariadb_server, transport) as wire:
            prepared = wire.prepare("SELECT LENGTH(?) AS a")
            outcome = wire.start(prepared, Source(*[b"x" * 200_000] * 40))
            wire.go(outcome, count)
            wire.channel.close()
            wire.gone()


def test_connection_is_killed_while_it_is_read(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    with opened(mariadb_server, transport) as wire:
        prepared = wire.prepare("SELECT LENGTH(?) AS a")

        class Killing(Source):
            def read(self, size: int) -> Any:
                if len(self.asked) == 3:
                    kill_connection(mariadb_server, wire.thread_id)
                return super().read(size)

        error = outcome_of(
            lambda: wire.execute(prepared, Killing(*[b"x" * 200_000] * 40))
        )
        assert isinstance(error, ConnectionLost), error
        wire.gone()


def test_turn_of_the_loop(unix: Wire) -> None:
    turns: list[int] = []

    class SlowSource(Source):
        def read(self, size: int) -> Any:
            turns.append(len(unix.waits))
            time.sleep(0.001)  # how long a piece takes to come: half a turn
            return super().read(size)

    prepared = unix.prepare("SELECT LENGTH(?) AS a")
    assert sums(unix, prepared, SlowSource(*[b"x"] * 60)) == [(60,)]
    # Two of them take longer than a turn may; 60 in one turn would be too many.
    assert max(map(turns.count, turns)) <= 4


def test_more_than_the_server_takes(unix: Wire) -> None:
    ((limit,),) = unix.rows("SELECT @@max_allowed_packet")
    prepared = unix.prepare("SELECT LENGTH(?) AS a")
    pieces = [b"x" * 200_000] * (limit // 200_000 + 2)
    error = outcome_of(lambda: unix.execute(prepared, Source(*pieces)))
    assert isinstance(error, OperationalError), error
    unix.works()
    assert sums(unix, prepared, "abc") == [(3,)]


def test_text_has_no_place_for_it() -> None:
    with pytest.raises(ProgrammingError, match=r"params\[0\]"):
        Template("SELECT ?", 0).render((Source(b"x"),))
    with pytest.raises(ProgrammingError, match=r"params\[0\]"):
        Template("SELECT ?", 0).bind((object(),))


# ---- cursors of the server -----------------------------------------------------------

MANY = "SELECT seq, REPEAT('x', 500) FROM seq_1_to_3000 WHERE seq > ?"


def begin(wire: Wire, prepared: Prepared, above: int, prefetch: int) -> Any:
    bound = prepared.template.bind((above,))
    return wire.channel.execute(prepared.statement, bound, READING, True, prefetch)


@pytest.mark.parametrize("prefetch", [1, 100, 2999, 3000, 5000])
def test_rows_that_the_server_keeps(wire: Wire, prefetch: int) -> None:
    prepared = wire.prepare(MANY)
    above = 0 if prefetch > 1 else 2900
    for _ in range(2):
        reply = wire.finish(begin(wire, prepared, above, prefetch))
        assert wire.channel.cursor
        assert not wire.channel.more
        taken = []
        while wire.channel.streaming:
            taken += wire.fetch(700)
        assert [row[0] for row in taken] == list(range(above + 1, 3001))
        assert not wire.channel.cursor
        assert reply.warning_count == 0
        wire.works()
    assert len(wire.execute(prepared, above)[0].rows) == 3000 - above


def test_server_cursor_is_left(wire: Wire) -> None:
    prepared = wire.prepare(MANY)
    for count in (0, 1, 50, 250):
        wire.finish(begin(wire, prepared, 0, 50))
        if count:
            assert len(wire.fetch(count)) == count
        assert wire.finish(wire.channel.discard()) is None
        wire.works()
        assert wire.execute(prepared, 2999)[0].rows == [(3000, "x" * 500)]


def test_server_cursor_is_left_at_each_wait(wire: Wire) -> None:
    prepared = wire.prepare(MANY)
    for count in range(6):
        wire.finish(begin(wire, prepared, 0, 1000))
        if wire.go(wire.channel.fetch(2500), count) is None:
            wire.finish(wire.channel.discard())
        else:
            assert wire.finish(wire.channel.discard()) is None
        wire.works()


def test_server_cursor_is_closed_at_each_wait(
    mariadb_server: TemporaryServer, transport: str
) -> None:
    for count in range(4):
        with opened(mariadb_server, transport) as wire:
            prepared = wire.prepare(MANY)
            wire.finish(begin(wire, prepared, 0, 1000))
            wire.go(wire.channel.fetch(2500), count)
            wire.channel.close()
            wire.gone()


def test_prefetch_that_is_refused(unix: Wire) -> None:
    prepared = unix.prepare(MANY)
    bound = prepared.template.bind((1,))
    for stream, prefetch, kind in (
        (False, 5, ValueError),
        (True, 1 << 31, ValueError),
        (True, -1, OverflowError),
        (True, "5", TypeError),
    ):
        wrong: Any = prefetch
        with pytest.raises(kind):
            unix.channel.execute(prepared.statement, bound, READING, stream, wrong)
    unix.works()
