"""``_wire.Channel`` in the hands of somebody who gets it wrong: nothing is disturbed.

Every method in every phase, calls out of a row that is being made, ends and lost
connections at every wait. What might crash is in channel_cases.py, each case in a
process of its own.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import channel_cases
import pytest
from case_table import run_case
from channel_support import (
    READING,
    Wire,
    kill_connection,
    opened,
    outcome_of,
    paused,
    slow_reading,
)
from misuse_cases import INVALID, OUT_OF_SYNC

from mariadb_nb._attached import Channel
from mariadb_nb.capi import ffi, lib
from mariadb_nb.converters import column
from mariadb_nb.errors import Busy, ConnectionLost, Error, InterfaceError
from mariadb_nb.rows import class_row, make_reading
from mariadb_nb.server import TemporaryServer


@pytest.fixture
def wire(mariadb_server: TemporaryServer) -> Iterator[Wire]:
    """A connection."""
    with opened(mariadb_server, "unix") as made:
        yield made


# ---- every method in every phase ----------------------------------------------------

#: Rows enough that not all of them are there at once, with a large first one.
ROWS = "SELECT seq, REPEAT('x', 500) FROM seq_1_to_3000"


def waiting(wire: Wire) -> Any:
    with paused(wire.server):
        return wire.channel.query(b"SELECT 'of the first'", READING, False)


def ahead(wire: Wire) -> Any:
    texts = [b"SELECT 'of the first'", b"SELECT 'of the second'"]
    wire.answers = []
    with paused(wire.server):
        return wire.channel.pipeline(texts, READING, wire.answers)


def between_turns(wire: Wire) -> Any:
    reading = slow_reading(0.0002)
    outcome = wire.channel.query(b"SELECT seq FROM seq_1_to_200", reading, False)
    while outcome:
        outcome = wire.channel.resume(wire.ready(outcome))
    assert outcome == 0
    return outcome


def streaming(wire: Wire) -> None:
    wire.query(f"{ROWS}; SELECT 'next'", stream=True)


def fetching(wire: Wire) -> Any:
    streaming(wire)
    with paused(wire.server):
        outcome = wire.channel.fetch(3000)
    assert outcome.__class__ is int
    return outcome


def between(wire: Wire) -> None:
    wire.query("DO 1; SELECT 'next'", stream=True)
    assert wire.channel.more


def broken(wire: Wire) -> None:
    with paused(wire.server):
        wire.channel.query(b"SELECT 1", READING, False)
        wire.channel.shutdown()
    assert isinstance(outcome_of(lambda: wire.channel.resume(1)), Error)


def closed(wire: Wire) -> None:
    wire.channel.close()


def idle(wire: Wire) -> None:
    wire.works()


Phase = Callable[[Wire], Any]
METHODS: dict[str, Callable[[Channel], Any]] = {
    "query": lambda channel: channel.query(b"SELECT 'second'", READING, False),
    "pipeline": lambda channel: channel.pipeline([b"SELECT 'second'"], READING, []),
    "resume": lambda channel: channel.resume(1),
    "fetch": lambda channel: channel.fetch(1),
    "next": lambda channel: channel.next(),
}
#: In which phases a method is at its place; elsewhere it is refused.
IN_PLACE: dict[str, tuple[Phase, ...]] = {
    "query": (idle,),
    "pipeline": (idle,),
    "resume": (waiting, ahead, between_turns, fetching),
    "fetch": (streaming,),
    "next": (between,),
}
UNDER_WAY = (waiting, ahead, between_turns, streaming, fetching, between)
GONE = (broken, closed)
PHASES = (idle, *UNDER_WAY, *GONE)

each_phase = pytest.mark.parametrize("phase", PHASES, ids=lambda it: it.__name__)
under_way = pytest.mark.parametrize("phase", UNDER_WAY, ids=lambda it: it.__name__)


def go_on(wire: Wire, phase: Phase, outcome: Any) -> None:
    """Whatever was under way ends as if nothing had happened."""
    channel = wire.channel
    if phase in GONE:
        wire.gone()
        return
    if phase is waiting:
        (reply,) = wire.finish(outcome)
        assert reply.rows == [("of the first",)]
    if phase is ahead:
        wire.finish(outcome)
        rows = [reply.rows for (reply,) in wire.answers]
        assert rows == [[("of the first",)], [("of the second",)]]
    if phase is between_turns:
        (reply,) = wire.finish(outcome)
        assert reply.rows == [(seq,) for seq in range(1, 201)]
    if phase in (streaming, fetching):
        rows = wire.finish(outcome) if outcome is not None else []
        while channel.streaming:
            rows += wire.fetch(1000)
        assert [row[0] for row in rows] == list(range(1, 3001))
    if phase in (streaming, fetching, between):
        wire.finish(channel.next())
        assert wire.fetch(2) == [("next",)]
        assert not channel.streaming
    wire.works()


@each_phase
@pytest.mark.parametrize("name", METHODS)
def test_method_that_is_not_in_place(wire: Wire, name: str, phase: Phase) -> None:
    if phase in IN_PLACE[name]:
        return
    outcome = phase(wire)
    seen = facts(wire)
    for _ in range(2):
        error = outcome_of(lambda: METHODS[name](wire.channel))
        assert isinstance(error, InterfaceError), error
        begins = name in ("query", "pipeline")
        assert isinstance(error, Busy) == (begins and phase in UNDER_WAY)
    assert facts(wire) == seen
    go_on(wire, phase, outcome)


def facts(wire: Wire) -> list[Any]:
    names = (
        "streaming",
        "more",
        "standing",
        "midway",
        "ahead",
        "busy",
        "fd",
        "database",
        "mode",
    )
    return [getattr(wire.channel, name) for name in names]


WRONG_ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    "no ASCII": lambda it: it.query("DO '\N{DEGREE SIGN}'", READING, False),
    "a bytearray": lambda it: it.query(bytearray(b"SELECT 1"), READING, False),
    "no Reading": lambda it: it.query(b"SELECT 1", None, False),
    "a number for a bool": lambda it: it.query(b"SELECT 1", READING, 1),
    "too few": lambda it: it.query(b"SELECT 1", READING),
    "too many": lambda it: it.query(b"SELECT 1", READING, False, b"", b""),
    "a number for a file": lambda it: it.query(b"SELECT 1", READING, False, 1),
    "a file without a place": lambda it: it.query(b"SELECT 1", READING, False, (1,)),
    "text for a file": lambda it: it.query(b"SELECT 1", READING, False, "text"),
    "text for the mask": lambda it: it.resume("1"),
    "a huge mask": lambda it: it.resume(1 << 70),
    "no mask": lambda it: it.resume(),
    "text for the count": lambda it: it.fetch("1"),
    "a huge count": lambda it: it.fetch(1 << 70),
    "no rows": lambda it: it.fetch(0),
    "less than no rows": lambda it: it.fetch(-1),
    "something for next": lambda it: it.next(1),
}


@each_phase
@pytest.mark.parametrize("name", WRONG_ARGUMENTS)
def test_wrong_arguments(wire: Wire, name: str, phase: Phase) -> None:
    outcome = phase(wire)
    error = outcome_of(lambda: WRONG_ARGUMENTS[name](wire.channel))
    assert isinstance(error, TypeError | ValueError | OverflowError), error
    go_on(wire, phase, outcome)


@pytest.mark.parametrize("phase", [idle, *GONE], ids=lambda it: it.__name__)
def test_nothing_to_discard(wire: Wire, phase: Phase) -> None:
    phase(wire)
    assert wire.channel.discard() is None
    go_on(wire, phase, None)


@under_way
def test_close_in_every_phase(wire: Wire, phase: Phase) -> None:
    phase(wire)
    wire.channel.close()
    wire.gone()
    assert lib.mysql_errno(wire.mysql) == INVALID


@under_way
def test_letting_go_of_it_closes(phase: Phase, mariadb_server: TemporaryServer) -> None:
    wire = Wire(mariadb_server, "unix")
    mysql = wire.mysql
    phase(wire)
    assert lib.mysql_get_socket(mysql) == wire.channel.fd
    del wire
    gc.collect()
    assert lib.mysql_get_socket(mysql) == lib.MARIADB_INVALID_SOCKET


@under_way
@pytest.mark.parametrize("mask", [0, 2, 4, 1 << 20])
def test_wake_up_for_nothing(wire: Wire, phase: Phase, mask: int) -> None:
    outcome = phase(wire)
    if outcome is not None:
        outcome = wire.channel.resume(mask)
    go_on(wire, phase, outcome)


@under_way
def test_c_api_is_refused(wire: Wire, phase: Phase) -> None:
    outcome = phase(wire)
    for _ in range(2):
        assert lib.mysql_real_query(wire.mysql, b"SELECT 'mixed up'", 17) != 0
        assert lib.mysql_errno(wire.mysql) == OUT_OF_SYNC
        assert lib.mysql_store_result(wire.mysql) == ffi.NULL
        assert lib.mysql_use_result(wire.mysql) == ffi.NULL
        assert lib.mysql_ping(wire.mysql) != 0
        assert lib.mysql_reset_connection(wire.mysql) != 0
        assert lib.mysql_errno(wire.mysql) == OUT_OF_SYNC
    assert lib.mysql_thread_id(wire.mysql) == wire.thread_id
    assert lib.mysql_get_socket(wire.mysql) == wire.channel.fd
    go_on(wire, phase, outcome)


@under_way
def test_second_channel_on_the_connection(wire: Wire, phase: Phase) -> None:
    outcome = phase(wire)
    second = Channel(wire.address)
    for call in (
        lambda: second.query(b"SELECT 'mixed up'", READING, False),
        lambda: second.close(),
    ):
        assert isinstance(outcome_of(call), Busy)
    assert second.discard() is None
    assert second.standing == 0
    assert isinstance(outcome_of(lambda: second.resume(1)), InterfaceError)
    go_on(wire, phase, outcome)


def test_both_layers_in_turn(wire: Wire) -> None:
    wire.works()
    assert lib.mysql_real_query(wire.mysql, b"SELECT 'C'", 10) == 0
    assert isinstance(outcome_of(lambda: METHODS["query"](wire.channel)), Busy)
    result = lib.mysql_use_result(wire.mysql)
    assert isinstance(outcome_of(lambda: METHODS["query"](wire.channel)), Busy)
    while lib.mysql_fetch_row(result) != ffi.NULL:
        pass
    lib.mysql_free_result(result)
    wire.works()
    ret = ffi.new("int *")
    with paused(wire.server):
        status = lib.mysql_real_query_start(ret, wire.mysql, b"SELECT 1", 8)
    assert status
    assert isinstance(outcome_of(lambda: METHODS["query"](wire.channel)), Busy)
    assert isinstance(outcome_of(wire.channel.close), Busy)
    while status:
        status = lib.mysql_real_query_cont(ret, wire.mysql, wire.ready(status))
    result = lib.mysql_store_result(wire.mysql)
    lib.mysql_free_result(result)
    wire.works()


@pytest.mark.parametrize("address", [0, 1, 4096, -1, 1 << 64, (1 << 64) - 1])
def test_address_of_nothing(address: int) -> None:
    with pytest.raises((InterfaceError, OverflowError)):
        Channel(address)


def test_address_of_something_else(wire: Wire) -> None:
    memory = ffi.new("char[]", 1 << 16)
    assert lib.mysql_real_query(wire.mysql, b"SELECT 1", 8) == 0
    result = lib.mysql_store_result(wire.mysql)
    for thing in (memory, result):
        with pytest.raises(InterfaceError):
            Channel(int(ffi.cast("uintptr_t", thing)))
    lib.mysql_free_result(result)
    for wrong in ("1", None, 1.5, b"1"):
        with pytest.raises(TypeError):
            Channel(wrong)  # type: ignore[arg-type]


# ---- calls out of a row that is being made ----------------------------------------

CALLS: dict[str, Callable[[Channel], Any]] = {
    **METHODS,
    "discard": lambda channel: channel.discard(),
    "close": lambda channel: channel.close(),
}


def calling(wire: Wire, name: str, seen: list[Any]) -> Any:
    def convert(value: int) -> int:
        seen.append(outcome_of(lambda: CALLS[name](wire.channel)))
        assert lib.mysql_real_query(wire.mysql, b"SELECT 'mixed up'", 17) != 0
        return value

    return convert


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("stream", [False, True])
def test_call_out_of_a_row(wire: Wire, name: str, stream: bool) -> None:
    seen: list[Any] = []
    convert = calling(wire, name, seen)
    for reading in (
        make_reading(converters={column("seq"): convert}),
        make_reading(class_row(lambda seq: (convert(seq),))),
    ):
        reply = wire.query("SELECT seq FROM seq_1_to_50", reading, stream)
        rows = wire.fetch(100) if stream else reply[0].rows
        assert rows == [(seq,) for seq in range(1, 51)]
        wire.works()
    assert len(seen) == 100
    assert all(isinstance(error, Busy) for error in seen)


@pytest.mark.parametrize("name", CALLS)
def test_call_out_of_a_row_that_goes_away(wire: Wire, name: str) -> None:
    seen: list[Any] = []

    class Row:
        def __init__(self, seq: int) -> None:
            self.seq = seq

        def __del__(self) -> None:
            seen.append(outcome_of(lambda: CALLS[name](wire.channel)))

    def fail(value: int) -> int:
        if value == 90:
            raise ValueError("no")
        return value

    reading = make_reading(class_row(Row), converters={column("seq"): fail})
    with pytest.raises(ValueError, match="no"):
        wire.query("SELECT seq FROM seq_1_to_100", reading)
    assert len(seen) == 89
    assert all(isinstance(error, Error) for error in seen), set(seen)
    wire.works()


# ---- the connection is lost ----------------------------------------------------------

LONG = "SELECT seq, REPEAT('x', 300) FROM seq_1_to_200000; SELECT SLEEP(60)"


def begin_long(wire: Wire, count: int) -> Any:
    """A statement at one of its waits."""
    outcome = wire.channel.query(LONG.encode(), READING, False)
    return wire.go(outcome, count)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 10, 20, 40])
def test_close_at_every_wait(
    mariadb_server: TemporaryServer, transport: str, count: int
) -> None:
    with opened(mariadb_server, transport) as wire:
        begin_long(wire, count)
        wire.channel.close()
        wire.gone()


@pytest.mark.parametrize("count", [0, 1, 2, 5, 20])
@pytest.mark.parametrize("stream", [False, True])
def test_connection_lost_at_every_wait(
    mariadb_server: TemporaryServer, transport: str, count: int, stream: bool
) -> None:
    with opened(mariadb_server, transport) as wire:
        if stream:
            wire.query(LONG, stream=True)
            outcome = wire.channel.fetch(300_000)
        else:
            outcome = wire.channel.query(LONG.encode(), READING, False)
        outcome = wire.go(outcome, count)
        kill_connection(mariadb_server, wire.thread_id)
        with pytest.raises(ConnectionLost):
            wire.finish(outcome)
        wire.gone()


@pytest.mark.parametrize("phase", [streaming, between], ids=lambda it: it.__name__)
def test_connection_lost_between_two_calls(
    mariadb_server: TemporaryServer, transport: str, phase: Phase
) -> None:
    with opened(mariadb_server, transport) as wire:
        wire.query(LONG if phase is streaming else f"DO 1; {LONG}", stream=True)
        kill_connection(mariadb_server, wire.thread_id)
        with pytest.raises(ConnectionLost):
            read_all(wire)
        wire.gone()


def read_all(wire: Wire) -> None:
    while wire.channel.streaming or wire.channel.more:
        if wire.channel.streaming:
            wire.fetch(1000)
        else:
            wire.finish(wire.channel.next())


def test_lost_stream_does_not_look_as_if_it_had_ended(
    wire: Wire, mariadb_server: TemporaryServer
) -> None:
    wire.query("SELECT seq, REPEAT('x', 999) FROM seq_1_to_30000", stream=True)
    kill_connection(mariadb_server, wire.thread_id)
    with pytest.raises(ConnectionLost):
        wire.fetch(30_000)
    wire.gone()


def test_connection_lost_while_idle(
    wire: Wire, mariadb_server: TemporaryServer
) -> None:
    kill_connection(mariadb_server, wire.thread_id)
    with pytest.raises(ConnectionLost):
        wire.query("SELECT 1")
    wire.gone()


@pytest.mark.parametrize("phase", UNDER_WAY, ids=lambda it: it.__name__)
def test_connection_lost_while_it_is_discarded(
    wire: Wire, mariadb_server: TemporaryServer, phase: Phase
) -> None:
    if phase is waiting:
        outcome = wire.channel.query(b"SELECT SLEEP(60)", READING, False)
    else:
        outcome = phase(wire)
    kill_connection(mariadb_server, wire.thread_id)
    if phase is waiting:
        with pytest.raises(ConnectionLost):
            wire.finish(wire.channel.discard())
        wire.gone()
    else:  # all of it may have been on its way already
        outcome_of(lambda: wire.finish(wire.channel.discard()))
        assert not wire.channel.busy
    assert outcome is None or outcome.__class__ is int


# ---- in a process of its own ------------------------------------------------------


@pytest.mark.parametrize("transport", ["unix", "tls"])
@pytest.mark.parametrize("case", channel_cases.CASES)
def test_case(case: str, transport: str, mariadb_server: TemporaryServer) -> None:
    run_case("channel_cases", mariadb_server, case, transport)
