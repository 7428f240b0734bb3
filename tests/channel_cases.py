"""What might crash a process with a ``_wire.Channel``; a case each.

Run in a process of its own by test_channel_misuse.py.
"""

from __future__ import annotations

import gc
import os
import select
import threading
from collections.abc import Callable
from typing import Any

import every_function
from case_table import Cases
from channel_support import BOUND, READING, Wire, outcome_of
from server_place import place

from mariadb_nb._attached import Channel
from mariadb_nb.capi import ffi, lib
from mariadb_nb.errors import Busy, Error, InterfaceError
from mariadb_nb.rows import class_row, make_reading

CASES = Cases()

CALLS: dict[str, Callable[[Channel], Any]] = {
    "query": lambda channel: channel.query(b"SELECT 'mixed up'", READING, False),
    "prepare": lambda channel: channel.prepare(b"SELECT 'mixed up'"),
    "pipeline": lambda channel: channel.pipeline([b"SELECT 'mixed'"], READING, []),
    "resume": lambda channel: channel.resume(1),
    "fetch": lambda channel: channel.fetch(1),
    "next": lambda channel: channel.next(),
    "discard": lambda channel: channel.discard(),
    "close": lambda channel: channel.close(),
}
#: What is refused when there is no connection.
REFUSED = ("query", "prepare", "pipeline", "resume", "fetch", "next")
FACTS = (
    "streaming",
    "more",
    "standing",
    "midway",
    "ahead",
    "busy",
    "server_status",
    "database",
)


def call(channel: Channel, name: str) -> Any:
    return outcome_of(lambda: CALLS[name](channel))


def look(channel: Channel) -> list[Any]:
    return [getattr(channel, name) for name in (*FACTS, "mode", "fd")]


@CASES
def closed_by_the_c_api(transport: str) -> None:
    for _ in range(20):
        wire = Wire(place(), transport)
        wire.works()
        lib.mysql_close(wire.mysql)
        assert look(wire.channel)[-1] == -1
        for name in REFUSED:
            error = call(wire.channel, name)
            assert isinstance(error, InterfaceError), error
        CALLS["discard"](wire.channel)
        wire.channel.shutdown()
        wire.channel.close()
        wire.channel.shutdown()
        look(wire.channel)


@CASES
def closed_by_a_second_channel(transport: str) -> None:
    wire = Wire(place(), transport)
    second = Channel(wire.address)
    second.close()
    assert look(wire.channel)[-1] == -1
    assert isinstance(call(wire.channel, "query"), InterfaceError)
    del second
    gc.collect()
    wire.channel.close()


@CASES
def every_function_while_a_statement_is_under_way(transport: str) -> None:
    keep: list[Any] = []
    for name in every_function.with_handle("MYSQL *"):
        if name in ("mariadb_cancel", "mariadb_reconnect") or "_connect" in name:
            continue
        print(name, flush=True)
        wire = Wire(place(), transport)
        head = wire.query("SELECT seq FROM seq_1_to_9; SELECT 'next'", stream=True)
        every_function.call(name, wire.mysql, keep)
        assert head.has_rows
        assert wire.fetch(20) == [(seq,) for seq in range(1, 10)], name
        outcome = wire.channel.next()
        every_function.call(name, wire.mysql, keep)
        wire.finish(outcome)
        assert wire.fetch(20) == [("next",)], name
        wire.works()
        wire.channel.close()


@CASES
def another_thread(transport: str) -> None:
    """It finds the first one inside a call: making a row."""
    wire = Wire(place(), transport)
    inside, done = threading.Event(), threading.Event()

    def make(seq: int) -> int:
        if seq == 5:
            inside.set()
            assert done.wait(20)
        return seq

    reading = make_reading(class_row(make))
    replies: list[Any] = []
    thread = threading.Thread(
        target=lambda: replies.extend(wire.query("SELECT seq FROM seq_1_to_9", reading))
    )
    thread.start()
    assert inside.wait(20)
    for name in CALLS:
        assert isinstance(call(wire.channel, name), Busy), name
    look(wire.channel)
    assert lib.mysql_real_query(wire.mysql, b"SELECT 1", 8) != 0
    lib.mysql_close(wire.mysql)
    assert isinstance(outcome_of(Channel(wire.address).close), Busy)
    done.set()
    thread.join()
    assert replies[0].rows == list(range(1, 10))
    wire.works()
    wire.channel.close()


@CASES
def threads_that_all_want_it(transport: str) -> None:
    """One at a time gets it, and gets its own rows; the others are refused."""
    wire = Wire(place(), transport)
    got: list[int] = []
    refused: list[BaseException] = []

    def work(number: int) -> None:
        channel = wire.channel
        for turn in range(60):
            secret = number * 1000 + turn
            try:
                outcome = channel.query(b"SELECT %d" % secret, READING, False)
                while outcome.__class__ is int:
                    outcome = channel.resume(wire.ready(outcome))
            except Busy as error:
                refused.append(error)
            else:
                assert outcome[0].rows == [(secret,)]
                got.append(secret)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) + len(refused) == 240
    assert len(set(got)) == len(got) > 0
    wire.works()
    wire.channel.close()


@CASES
def closed_by_another_thread_while_one_waits(transport: str) -> None:
    wire = Wire(place(), transport)
    waiting = threading.Event()
    ended: list[Any] = []

    def work() -> None:
        assert wire.channel.query(b"SELECT SLEEP(600)", READING, False) == 1
        poller = select.poll()
        poller.register(wire.channel.fd, select.POLLIN)
        waiting.set()
        poller.poll(BOUND * 1000)  # which may begin when all is over
        ended.append(outcome_of(lambda: wire.channel.resume(1)))

    thread = threading.Thread(target=work)
    thread.start()
    assert waiting.wait(20)
    wire.channel.close()
    thread.join(BOUND)
    assert isinstance(ended[0], Error)


def in_child(check: Callable[[], None]) -> None:
    """Fork, and have the child check something; the parent waits for it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            check()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"


@CASES
def fork_in_every_phase(transport: str) -> None:
    """In the child each call is refused and ends nothing of the parent's."""
    many = b"SELECT seq, REPEAT('x', 300) FROM seq_1_to_5000"
    wires = [Wire(place(), transport) for _ in range(5)]
    idle, waiting, ahead, streaming, between = wires
    texts = [b"SELECT SLEEP(0.2), 'first'", b"SELECT 'second'"]
    sent = ahead.channel.pipeline(texts, READING, ahead.answers)
    outcome = waiting.channel.query(b"SELECT SLEEP(0.2), 'mine'", READING, False)
    streaming.query(many.decode(), stream=True)
    rows = streaming.fetch(10)
    between.query("DO 1; SELECT 'next'", stream=True)

    def refused() -> None:
        for wire in wires:
            channel = wire.channel
            for name in REFUSED:
                error = call(channel, name)
                assert isinstance(error, InterfaceError), (name, error)
            look(channel)
            error = call(channel, "discard")
            assert error is None or isinstance(error, InterfaceError)
        assert "parent" in call(idle.channel, "query").message
        for wire in wires:
            wire.channel.close()
            assert wire.channel.fd == -1
        mine = Wire(place(), transport)
        mine.works()
        mine.channel.close()

    def collected() -> None:
        wires.clear()
        nonlocal idle, waiting, ahead, streaming, between
        del idle, waiting, ahead, streaming, between
        gc.collect()

    in_child(refused)
    in_child(collected)
    in_child(lambda: None)
    assert waiting.finish(outcome)[0].rows == [(0, "mine")]
    ahead.finish(sent)
    rows_ahead = [reply.rows for (reply,) in ahead.answers]
    assert rows_ahead == [[(0, "first")], [("second",)]]
    while streaming.channel.streaming:
        rows += streaming.fetch(1000)
    assert [row[0] for row in rows] == list(range(1, 5001))
    between.finish(between.channel.next())
    assert between.fetch(5) == [("next",)]
    for wire in (idle, waiting, ahead, streaming, between):
        wire.works()
        wire.channel.close()


@CASES
def row_that_keeps_the_channel_in_a_cycle(transport: str) -> None:
    """The garbage collector finds a statement that waits, and ends it."""

    class Row:
        def __init__(self, wire: Wire) -> None:
            self.wire = wire

    def begin() -> int:
        wire = Wire(place(), transport)
        reading = make_reading(class_row(lambda **_: Row(wire)))
        sql = b"SELECT seq, REPEAT('x', 999) FROM seq_1_to_9999"
        assert wire.channel.query(sql, reading, False).__class__ is int
        return wire.address

    for _ in range(3):
        address = begin()
        gc.collect()
        mysql = ffi.cast("MYSQL *", address)
        assert lib.mysql_get_socket(mysql) == lib.MARIADB_INVALID_SOCKET


@CASES
def left_alone_at_the_end_of_the_process(transport: str) -> None:
    def leave() -> None:
        for sql in (b"SELECT SLEEP(60)", b"SELECT seq FROM seq_1_to_100000"):
            wire = Wire(place(), transport)
            wire.channel.query(sql, READING, False)
            globals()[f"kept_{len(sql)}"] = wire

    leave()
    gc.collect()


if __name__ == "__main__":
    CASES.main()
