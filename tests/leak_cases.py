"""Loops over what the driver's part in C does, which must not make the process grow.

Each case runs in a process of its own, started by test_wire_leaks.py: after some rounds
to warm up, the objects, the C library's memory, the descriptors and the threads are
counted before and after many more.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import io
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from case_table import Cases
from channel_support import BOUND, READING, Wire, outcome_of
from server_place import place

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.capi import ffi, lib
from mariadb_nb.converters import column
from mariadb_nb.rows import (
    class_row,
    dict_row,
    make_reading,
    namedtuple_row,
    scalar_row,
)

CASES = Cases()
ROUNDS = 600
#: What may come and go whatever is done: caches, the interpreter's own business.
OBJECTS, BYTES = 60, 100_000


class MallocInfo(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def allocated() -> int:
    """The bytes that malloc() has given out; where it is not known, those resident."""
    try:
        info = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    info.restype = MallocInfo
    found = info()
    return int(found.uordblks + found.hblkhd)


def resources() -> tuple[int, int]:
    """How many descriptors and threads there are."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def measure() -> tuple[int, int, int, int, int]:
    gc.collect()
    gc.collect()
    return (
        sys.getallocatedblocks(),
        allocated(),
        tracemalloc.get_traced_memory()[0],
        *resources(),
    )


def settle(before: tuple[int, ...]) -> None:
    """Wait until the threads of what is over have ended, and what they had is closed.

    What is there all the same is a leak, and told by whoever measures.
    """
    end = time.monotonic() + BOUND
    while any(now > then for now, then in zip(resources(), before, strict=True)):
        if time.monotonic() > end:
            return
        time.sleep(0.005)  # nobody tells when a thread has ended


def repeat(
    step: Callable[[], Any], rounds: int = ROUNDS, allowed: int = OBJECTS
) -> None:
    """Repeat something; the process must not grow by more objects than allowed."""
    for traced in (False, True):
        if traced:
            tracemalloc.start()
        for _ in range(rounds // 4):
            step()
        before = measure()
        for _ in range(rounds):
            step()
        settle(before[-2:])
        grown = [now - then for now, then in zip(measure(), before, strict=True)]
        tracemalloc.stop()
        objects, malloc, python, fds, threads = grown
        assert objects < allowed, f"{objects} objects more"
        # With tracemalloc, malloc() also keeps what that notes.
        assert traced or malloc < BYTES, f"{malloc} bytes more of malloc()"
        assert python < BYTES, f"{python} bytes more of Python"
        assert fds <= 0, f"{fds} descriptors more"
        assert threads <= 0, f"{threads} threads more"


def drain(wire: Wire) -> None:
    """Read a stream to its end, whatever it raises."""
    while wire.channel.streaming or wire.channel.more:
        if wire.channel.streaming:
            outcome_of(lambda: wire.fetch(7))
        else:
            wire.finish(wire.channel.next())


VALUES = (
    "SELECT seq, seq * 1.5e0, CONCAT('text ', seq), CAST(seq AS DECIMAL(12,2)),"
    " TIMESTAMP('2024-01-01 00:00:00.000001') + INTERVAL seq DAY, CURRENT_DATE,"
    " SEC_TO_TIME(seq), NULL, X'00ff', REPEAT('\xe4', 50) FROM seq_1_to_40"
)


@CASES
def queries(transport: str) -> None:
    wire = Wire(place(), transport)
    repeat(lambda: [reply.columns for reply in wire.query(VALUES)])


@CASES
def prepared_statements(transport: str) -> None:
    wire = Wire(place(), transport)
    texts = (
        "SELECT ?, ?, ?, ?",
        VALUES,
        "SELECT seq AS a FROM seq_1_to_40 WHERE seq > ?",
    )
    values, rows, stream = (wire.prepare(sql) for sql in texts)
    changing = [("x" * 50, "\xe4", b"\xff", None), (1, 2.5, 1 << 80, 1 << 63)]

    def step() -> None:
        wire.execute(values, *changing[0])
        wire.execute(values, *changing[1])
        assert wire.execute(rows)[0].columns
        wire.execute(stream, 3, stream=True)
        drain(wire)
        outcome_of(lambda: wire.execute(stream, 1, 2))
        outcome_of(lambda: wire.execute(stream, [1]))
        outcome_of(lambda: wire.prepare("SELECT nosuch"))
        wire.prepare("SELECT 'dropped'")

    repeat(step, ROUNDS // 4)


@CASES
def arrays_of_parameters(transport: str) -> None:
    wire = Wire(place(), transport)
    wire.query("CREATE TEMPORARY TABLE arrays (a BIGINT UNIQUE, b TEXT)")
    insert = wire.prepare("INSERT INTO arrays VALUES (?, ?) RETURNING a")
    delete = wire.prepare("DELETE FROM arrays WHERE a = ?")
    rows: list[Any] = [(n, "x" * n) for n in range(200)]

    def step() -> None:
        assert len(wire.execute_rows(insert, iter(rows))[0].rows) == 200
        outcome_of(lambda: wire.execute_rows(insert, rows[:3]))
        outcome_of(lambda: wire.execute_rows(insert, [*rows, (1,)]))
        outcome_of(lambda: wire.channel.execute(insert.statement, b"", READING, False))
        assert wire.execute_rows(delete, [(n,) for n in range(200)])

    repeat(step, ROUNDS // 8)


@CASES
def pieces_of_parameters(transport: str) -> None:
    wire = Wire(place(), transport)
    text = "x" * 600_000

    def step() -> None:
        prepared = wire.prepare("SELECT LENGTH(?), LENGTH(?)")
        outcome_of(lambda: wire.execute(prepared, io.StringIO(text), object()))
        wire.go(wire.start(prepared, io.StringIO(text), io.StringIO(text)), 1)
        wire.finish(wire.channel.discard())
        outcome_of(lambda: wire.execute(prepared, io.StringIO(text), io.BytesIO(b"x")))
        wire.execute(wire.prepare("SELECT LENGTH(?)"), io.StringIO(text))

    repeat(step, ROUNDS // 4)


@CASES
def abandoned_statements(transport: str) -> None:
    def step() -> None:
        wire = Wire(place(), transport)
        prepared = wire.prepare("SELECT seq, REPEAT('x', ?) FROM seq_1_to_300")
        wire.prepare("SELECT 'dropped'")
        wire.go(wire.start(prepared, 5000), 1)
        wire.channel.close()

    repeat(step, ROUNDS // 4)


@CASES
def several_results(transport: str) -> None:
    wire = Wire(place(), transport)
    sql = "SELECT 1; DO 2; SELECT seq FROM seq_1_to_9; SET @a = 1"
    repeat(lambda: [(reply.rows, reply.info) for reply in wire.query(sql)])


@CASES
def every_shape(transport: str) -> None:
    wire = Wire(place(), transport)
    sql = "SELECT seq AS a, CONCAT('x', seq) AS b FROM seq_1_to_40"
    shapes: list[Any] = [dict_row, namedtuple_row, class_row(lambda a, b: [a, b])]
    readings = [make_reading(factory) for factory in shapes]
    converting = make_reading(converters={column("a"): lambda value: {value: value}})
    scalar = make_reading(scalar_row)

    def step() -> None:
        for reading in (*readings, converting):
            wire.query(sql, reading)
        wire.query("SELECT seq FROM seq_1_to_40", scalar)

    repeat(step, ROUNDS // 2)


def fails(wire: Wire, sql: str, reading: Any = READING) -> None:
    assert isinstance(outcome_of(lambda: wire.query(sql, reading)), Exception)


@CASES
def errors(transport: str) -> None:
    wire = Wire(place(), transport)

    def step() -> None:
        for sql in ("nonsense", "SELECT 1; nonsense", "SELECT seq FROM nosuch"):
            fails(wire, sql)
        outcome_of(lambda: wire.channel.fetch(1))
        outcome_of(lambda: wire.channel.query("no bytes", READING, False))

    repeat(step)


@CASES
def values_that_cannot_be_read(transport: str) -> None:
    wire = Wire(place(), transport)

    def fail(value: int) -> int:
        if value % 9 == 0:
            raise ValueError(f"refuses {value}")
        return value

    reading = make_reading(converters={column("seq"): fail})
    scalar = make_reading(scalar_row)

    def step() -> None:
        fails(wire, "SELECT seq FROM seq_1_to_40", reading)
        fails(wire, "SELECT seq, 1 FROM seq_1_to_40", scalar)
        for sql in ("SELECT seq FROM seq_1_to_40", "SELECT 9 AS seq FROM seq_1_to_9"):
            wire.query(sql, reading, stream=True)
            drain(wire)
        wire.query("SELECT seq, 1 FROM seq_1_to_9", scalar, stream=True)
        outcome_of(lambda: wire.fetch(1))
        wire.finish(wire.channel.discard())

    repeat(step, ROUNDS // 2)


@CASES
def loads(transport: str) -> None:
    conn = connected(transport, autocommit=True)
    conn.execute("CREATE TEMPORARY TABLE leak (a INT, b TEXT)")
    rows = [(number, f"text {number}\n") for number in range(40)]
    sql = "LOAD DATA LOCAL INFILE '' INTO TABLE leak"

    def step() -> None:
        conn.load("leak", rows)
        conn.load("leak", [{"a": 1, "b": None}])
        conn.load(sql, [b"1\t2\n", b"3\t4\n"])
        for target, source in (
            ("leak", [*rows, (object(), 1)]),
            ("leak", [("x", 1)]),
            (sql, b"x\n"),
            (sql, ["x"]),
        ):
            outcome_of(lambda: conn.load(target, source))  # noqa: B023
        conn.execute("DELETE FROM leak")
        outcome_of(lambda: conn.execute(sql))

    repeat(step, ROUNDS // 4)
    conn.close()


@CASES
def streams(transport: str) -> None:
    wire = Wire(place(), transport)
    sql = "SELECT seq, 'text' FROM seq_1_to_40; DO 1; SELECT 2"

    def step() -> None:
        wire.query(sql, stream=True)
        drain(wire)
        wire.query(sql, stream=True)
        wire.fetch(3)
        wire.finish(wire.channel.discard())
        wire.query("SELECT 1; SELECT nosuch", stream=True)
        wire.fetch(5)
        outcome_of(lambda: wire.finish(wire.channel.next()))

    repeat(step)


@CASES
def pipelines(transport: str) -> None:
    """Read to their end, given up, and refused."""
    wire = Wire(place(), transport)
    failing = make_reading(class_row(lambda **columns: 1 // (columns["seq"] - 30)))
    texts = [VALUES.encode(), b"nonsense", b"SELECT 1; SELECT 2", VALUES.encode()]

    def step() -> None:
        answers: list[Any] = []
        outcome_of(lambda: wire.channel.pipeline([1], READING, answers))
        for reading in (READING, failing):
            wire.finish(wire.channel.pipeline(texts, reading, answers))
        assert len(answers) == 8
        wire.go(wire.channel.pipeline(texts, READING, answers), 1)
        wire.finish(wire.channel.discard())
        wire.works()

    repeat(step)


@CASES
def ends(transport: str) -> None:
    """In every phase: by close() and by letting go of it."""

    def begin() -> Wire:
        return Wire(place(), transport)

    def step() -> None:
        for end in ("close", "nothing"):
            waiting, ahead, streaming = begin(), begin(), begin()
            # Not long: the server keeps a connection until its statement is over.
            waiting.channel.query(b"SELECT SLEEP(0.05), 'x'", READING, False)
            texts = [b"SELECT 1", b"SELECT SLEEP(0.05), 'x'", b"SELECT 2"]
            ahead.channel.pipeline(texts, READING, ahead.answers)
            streaming.query(
                "SELECT seq, REPEAT('x', 99) FROM seq_1_to_9999", stream=True
            )
            streaming.channel.fetch(5000)
            for wire in (waiting, ahead, streaming):
                if end == "close":
                    wire.channel.close()

    repeat(step, 40)


@CASES
def lost_connections(transport: str) -> None:
    """The server ends them in the middle of the rows."""
    killer = Wire(place(), transport)

    def step() -> None:
        wire = Wire(place(), transport)
        wire.query("SELECT seq, REPEAT('x', 999) FROM seq_1_to_9999", stream=True)
        wire.fetch(10)
        killer.query(f"KILL {wire.thread_id}")
        outcome_of(lambda: wire.fetch(20_000))
        wire.channel.close()

    repeat(step, 60)


@CASES
def c_api_beneath(transport: str) -> None:
    wire = Wire(place(), transport)

    def step() -> None:
        wire.query("SELECT seq FROM seq_1_to_9", stream=True)
        lib.mysql_real_query(wire.mysql, b"SELECT 1", 8)
        drain(wire)
        lib.mysql_real_query(wire.mysql, b"SELECT 1", 8)
        outcome_of(lambda: wire.channel.query(b"SELECT 1", READING, False))
        lib.mysql_free_result(lib.mysql_store_result(wire.mysql))
        assert wire.mysql != ffi.NULL

    repeat(step)


def login(transport: str, **more: Any) -> dict[str, Any]:
    server = place()
    user = server.users["native"]
    way: dict[str, Any] = {"unix_socket": server.socket}
    if transport == "tls":
        way = {"host": server.host, "port": server.port, "tls": "verify-full"}
        way["tls_ca"] = server.ca_file
    way.update(user=user.name, password=user.password, database="test", **more)
    return way


def connected(transport: str, **more: Any) -> mariadb_nb.Connection:
    return mariadb_nb.connect(**login(transport, **more))


@CASES
def executions(transport: str) -> None:
    """Of what is prepared: as usual, refused by the server, late and let go of."""
    conn = connected(transport, autocommit=True, prepare_threshold=1)
    conn.execute("CREATE TEMPORARY TABLE leak (a INT PRIMARY KEY)")
    cur = conn.cursor()

    def step() -> None:
        for _ in range(10):
            cur.execute("SELECT seq FROM seq_1_to_9 WHERE seq = ?", (3,))
            assert cur.fetchone() == (3,)
        cur.execute("DELETE FROM leak WHERE a = ?", (1,), timeout=60)
        for _ in range(2):
            outcome_of(lambda: cur.execute("INSERT INTO leak VALUES (?)", (1,)))
        outcome_of(lambda: cur.execute("DELETE FROM leak WHERE a = ?", (1,), timeout=0))
        outcome_of(lambda: cur.execute("DELETE FROM leak WHERE a = ?", (1, 2)))
        cur._execute("DELETE FROM leak WHERE a = ?", (1,), None).close()
        with contextlib.suppress(KeyError):
            cur._execute("DELETE FROM leak WHERE a = ?", (1,), None).throw(KeyError())

    repeat(step)
    conn.close()


@CASES
def awaited(transport: str) -> None:
    """On asyncio: as usual, refused by the server, late, cancelled and let go of."""
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq = ?"

    async def step() -> None:
        for _ in range(10):
            await cur.execute(sql, (3,))
            assert await cur.fetchone() == (3,)
        await cur.execute(sql, (3,), timeout=60)
        for error, wrong in [
            (mariadb_nb.Error, cur.execute("SELECT nothing FROM nowhere")),
            (mariadb_nb.OperationTimeout, cur.execute(sql, (3,), timeout=0)),
        ]:
            with contextlib.suppress(error):
                await wrong
        task = asyncio.create_task(cur.execute("SELECT SLEEP(1)"))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        run = conn._run(cur._execute(sql, (3,), None))
        run.close()

    with asyncio.Runner() as runner:
        conn = runner.run(
            aio.connect(**login(transport, autocommit=True, prepare_threshold=1))
        )
        cur = conn.cursor()
        # An event loop has caches of its own; one object for each step would be 600.
        repeat(lambda: runner.run(step()), allowed=400)
        runner.run(conn.close())


@CASES
def connects(transport: str) -> None:
    repeat(lambda: connected(transport).close(), 60)


@CASES
def rescues(transport: str) -> None:
    """Statements that run out of time and are killed."""
    conn = connected(transport)

    def step() -> None:
        outcome_of(lambda: conn.execute("SELECT SLEEP(9)", timeout=0.001))
        with conn.cursor(stream=True) as cur:
            cur.execute("SELECT seq, REPEAT('x', 99) FROM seq_1_to_99999")
            cur.fetchone()
        assert conn.execute("SELECT 1").fetchall() == [(1,)]

    repeat(step, 60)


@CASES
def commands(transport: str) -> None:
    conn = connected(transport)

    def step() -> None:
        conn.ping()
        conn.reset()
        conn.change_user()
        conn.cursor().executemany("SELECT ?", [(1,), ("x",)])
        with conn.transaction():
            conn.execute("SELECT ?", ("x",))

    repeat(step, 100)


if __name__ == "__main__":
    CASES.main()
