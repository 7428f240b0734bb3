"""Rows and values that are made by Python take their time, and the loop gets its turns.

Nothing is measured but how often an operation asks for a turn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from channel_support import READING, Wire, opened

from mariadb_nb.columns import FieldType
from mariadb_nb.rows import RowFactory, class_row, make_reading
from mariadb_nb.server import TemporaryServer

ROWS = 10
QUERY = f"SELECT seq AS x FROM seq_1_to_{ROWS}"
#: Seconds for a row; a turn is shorter.
SLOW = 0.003


@pytest.fixture
def wire(mariadb_server: TemporaryServer) -> Iterator[Wire]:
    """A connection with a channel."""
    with opened(mariadb_server, "unix") as made:
        yield made


def doze(x: Any) -> Any:
    """Take the time of two turns."""
    end = time.monotonic() + SLOW
    while time.monotonic() < end:
        pass
    return x


def own_row(names: tuple[str, ...]) -> Any:
    return doze


@pytest.mark.parametrize(
    "reading",
    [
        make_reading(class_row(doze)),
        make_reading(own_row),
        make_reading(converters={FieldType.LONGLONG: doze}),
    ],
    ids=["class_row", "factory", "converter"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_each_slow_row_is_followed_by_a_turn(
    wire: Wire, reading: Any, stream: bool
) -> None:
    reply = wire.query(QUERY, reading, stream)
    rows = wire.fetch(ROWS + 1) if stream else reply[0].rows
    assert len(rows) == ROWS
    assert wire.waits.count(0) >= ROWS - 1


class Interrupts(BaseException):
    """What a signal's handler may raise."""


def interrupting(names: tuple[str, ...]) -> Any:
    raise Interrupts


def wrong(names: tuple[str, ...]) -> Any:
    raise ValueError("not these names")


@pytest.mark.parametrize("stream", [False, True])
def test_interruption_of_a_factory_does_not_wait_for_the_rows(
    mariadb_server: TemporaryServer, wire: Wire, stream: bool
) -> None:
    factory: RowFactory = interrupting
    # Rows that are long enough to be sent at once.
    query = "SELECT REPEAT('x', 20000), SLEEP(0.01) FROM seq_1_to_1000"
    with pytest.raises(Interrupts):
        wire.query(query, make_reading(factory), stream)
    assert wire.channel.midway
    assert wire.channel.busy
    with opened(mariadb_server, "unix") as killer:
        killer.query(f"KILL QUERY {wire.thread_id}")
    assert wire.finish(wire.channel.discard()) is None
    wire.works()


def test_error_of_a_factory_is_raised_after_the_rows(wire: Wire) -> None:
    with pytest.raises(ValueError, match="not these names"):
        wire.query(QUERY, make_reading(wrong))
    wire.works()
    assert len(wire.rows(QUERY, READING)) == ROWS
