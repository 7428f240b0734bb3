"""Many threads at once, a case each: run in a process of its own by test_threads.py.

On a free-threaded build they run at the same time, on an ordinary one by turns that are
made as short as can be. What each thread does is drawn from its own seed. Rows carry
secrets: one that turns up in another thread fails an assertion.
"""

from __future__ import annotations

import itertools
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from capi_support import rows, unpack
from case_table import Cases
from channel_support import READING, Wire, outcome_of
from fork_cases import options
from misuse_cases import connect
from server_place import place

import mariadb_nb
from mariadb_nb import _wire
from mariadb_nb.capi import ffi, lib
from mariadb_nb.converters import column
from mariadb_nb.rows import class_row, dict_row, namedtuple_row, tuple_row

CASES = Cases()
#: Seconds after which a thread hangs.
BOUND = 120
THREADS = 8


def check_gil() -> None:
    """Nothing that was imported has turned the GIL on again."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert not sys._is_gil_enabled()  # type: ignore[attr-defined,unused-ignore]


def together(*works: Callable[[], object]) -> None:
    """Run each in a thread of its own, all from one moment; raise what one raises."""
    check_gil()
    failures: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait(BOUND)
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(w,), daemon=True) for w in works]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
        assert not thread.is_alive(), "a thread hangs"
    sys.setswitchinterval(interval)
    check_gil()
    if failures:
        raise failures[0]


def in_threads(work: Callable[[int], object], count: int = THREADS) -> None:
    """Run the same in so many threads, each with its number."""
    together(*(partial(work, number) for number in range(count)))


# ---- each its own connection ---------------------------------------------------------


def labelled(a: str, b: int) -> tuple[str, str, int]:
    return ("made", a, b)


#: From a row in some shape to its values.
SHAPES: list[tuple[Any, Callable[[Any], tuple[Any, ...]]]] = [
    (tuple_row, tuple),
    (dict_row, lambda row: (row["a"], row["b"])),
    (namedtuple_row, lambda row: (row.a, row.b)),
    (class_row(labelled), lambda row: row[1:]),
]


class Secret(str):
    """A parameter of a class that needs an encoder."""

    __slots__ = ()


@CASES
def connections_of_their_own(transport: str) -> None:
    """What is shared all the same: statements, readings, converters, encoders."""
    converters = {column("b"): int}
    encoders = {Secret: str.lower}

    def work(number: int) -> None:
        draw = Random(number)
        way = {**options(transport), "converters": converters, "encoders": encoders}
        with mariadb_nb.connect(**way) as conn:
            for turn in range(20):
                secret = f"secret {turn} of {number}"
                shape, values = draw.choice(SHAPES)
                cur = conn.cursor(row_factory=shape, stream=draw.random() < 0.5)
                cur.execute(
                    "SELECT ? AS a, seq * 1.00 AS b FROM seq_1_to_60",
                    (Secret(secret.upper()),),
                )
                got = [values(row) for row in cur]
                assert got == [(secret, seq) for seq in range(1, 61)]
                assert cur.description is not None
                assert [each.name for each in cur.description] == ["a", "b"]
                if draw.random() < 0.2:
                    outcome = outcome_of(lambda: conn.execute("nonsense"))
                    assert isinstance(outcome, mariadb_nb.ProgrammingError)

    in_threads(work)


@CASES
def handles_of_their_own(transport: str) -> None:
    """The C API: handles, results and statements come and go in one table."""

    def work(number: int) -> None:
        for turn in range(4):
            mysql = connect(transport)
            secret = f"secret {turn} of {number}".encode()
            for _ in range(10):
                assert rows(mysql, f"SELECT '{secret.decode()}'") == [(secret,)]
            stmt = lib.mysql_stmt_init(mysql)
            assert lib.mysql_stmt_prepare(stmt, b"SELECT 1", 8) == 0
            lib.mysql_stmt_close(stmt)
            lib.mysql_close(mysql)
            assert lib.mysql_query(ffi.NULL, b"SELECT 1") != 0
            assert lib.mysql_errno(ffi.NULL) == lib.CR_INVALID_PARAMETER

    in_threads(work)


# ---- one connection ------------------------------------------------------------------


@CASES
def one_connection_fought_over(transport: str) -> None:
    """One thread has its way, the others are told at once; each gets its own rows."""
    conn = mariadb_nb.connect(**options(transport))
    answered = [0] * THREADS
    stop = threading.Event()

    def work(number: int) -> None:
        for turn in itertools.count():
            if stop.is_set():
                return
            secret = f"secret {turn} of {number}"
            try:
                cur = conn.execute("SELECT ?, seq FROM seq_1_to_20", (secret,))
            except mariadb_nb.Busy:
                continue
            assert cur.fetchall() == [(secret, seq) for seq in range(1, 21)]
            answered[number] += 1
            if sum(answered) >= 60:
                stop.set()

    in_threads(work)
    assert conn.execute("SELECT 'alive'").fetchall() == [("alive",)]
    conn.close()


@CASES
def others_are_refused_at_once(transport: str) -> None:
    """While a statement runs, and not when it is over."""
    conn = mariadb_nb.connect(**options(transport))
    with mariadb_nb.connect(**options(transport)) as watcher:
        watcher.execute("SELECT GET_LOCK('held', 0)")
        running = threading.Barrier(THREADS)
        refused = [0] * THREADS

        def first() -> None:
            cur = conn.execute("SELECT GET_LOCK('held', 120), 'of the first'")
            assert cur.fetchall() == [(1, "of the first")]
            conn.execute("DO RELEASE_LOCK('held')")

        def other(number: int) -> None:
            running.wait(BOUND)
            for _ in range(20):
                outcome = outcome_of(lambda: conn.execute("SELECT 'of another'"))
                assert isinstance(outcome, mariadb_nb.Busy), outcome
                refused[number] += 1

        def let_go() -> None:
            find = (
                "SELECT 1 FROM information_schema.processlist"
                " WHERE id = ? AND info LIKE '%held%'"
            )
            while not watcher.execute(find, (conn.thread_id,)).fetchall():
                pass
            running.wait(BOUND)
            while sum(refused) < 20 * (THREADS - 1):
                assert watcher.execute("SELECT 1").fetchall() == [(1,)]
            watcher.execute("DO RELEASE_LOCK('held')")

        together(
            first,
            let_go,
            *(partial(other, number) for number in range(THREADS - 1)),
        )
    conn.close()


@CASES
def one_channel_fought_over(transport: str) -> None:
    """No owner is known here: each call is carried out or refused, whoever makes it."""
    for seed in range(6):
        wire = Wire(place(), transport)
        channel = wire.channel

        def work(number: int, seed: int = seed, channel: Any = channel) -> None:
            draw = Random(f"{seed} {number}")
            sql = f"SELECT seq, REPEAT('{number}', 500) FROM seq_1_to_200"
            calls: list[Callable[[], Any]] = [
                lambda: channel.query(sql.encode(), READING, draw.random() < 0.5),
                lambda: channel.resume(1),
                lambda: channel.resume(0),
                lambda: channel.fetch(draw.randint(1, 99)),
                channel.next,
                channel.discard,
            ]
            for _ in range(150):
                outcome = outcome_of(draw.choice(calls))
                replies = outcome if isinstance(outcome, list) else [outcome]
                for reply in replies:
                    if isinstance(reply, _wire.Reply):
                        assert reply.columns is not None
                        assert len(reply.columns) == 2
            if number == seed:
                channel.shutdown()

        in_threads(work)
        channel.close()
        assert channel.fd == -1


# ---- closing -------------------------------------------------------------------------


@CASES
def closed_at_any_time(transport: str) -> None:
    """Whoever uses it gets an error, and never another's rows or another's socket."""
    bystander = mariadb_nb.connect(**options(transport))
    for seed in range(20):
        conn = mariadb_nb.connect(**options(transport))
        used = threading.Event()

        def use(number: int, conn: Any = conn, used: Any = used) -> None:
            end = time.monotonic() + BOUND
            for turn in itertools.count():
                assert time.monotonic() < end, "it was never closed"
                secret = f"secret {turn} of {number}"
                try:
                    cur = conn.cursor(stream=turn % 2 == 1)
                    got = cur.execute("SELECT ?, 1", (secret,)).fetchall()
                except mariadb_nb.Busy:
                    continue
                except mariadb_nb.Error:
                    if conn.closed:
                        return
                    continue
                assert got == [(secret, 1)]
                used.set()

        def close(seed: int = seed, conn: Any = conn, used: Any = used) -> None:
            used.wait(BOUND)
            for _ in range(Random(seed).randint(0, 300)):
                assert conn.thread_id
            conn.close()

        together(partial(use, 0), partial(use, 1), close)
        assert conn.closed
        assert conn.session.fd == -1
        assert bystander.execute("SELECT ?", (seed,)).fetchall() == [(seed,)]
    bystander.close()


@CASES
def handle_closed_at_any_time(transport: str) -> None:
    """The C API, with a channel on the handle: refused, or done, or closed."""
    for seed in range(8):
        wire = Wire(place(), transport)

        def use(number: int, wire: Wire = wire) -> None:
            sql = f"SELECT 'secret of {number}'".encode()
            for _ in range(300):
                if lib.mysql_real_query(wire.mysql, sql, len(sql)) != 0:
                    if lib.mysql_errno(wire.mysql) == lib.CR_INVALID_PARAMETER:
                        return
                    continue
                while (result := lib.mysql_store_result(wire.mysql)) == ffi.NULL:
                    if lib.mysql_errno(wire.mysql) == lib.CR_INVALID_PARAMETER:
                        return
                got = unpack(result, lib.mysql_fetch_row(result))
                assert got == (sql[8:-1],)
                lib.mysql_free_result(result)

        def close(seed: int = seed, wire: Wire = wire) -> None:
            draw = Random(seed)
            for _ in range(draw.randint(0, 60)):
                getattr(wire.channel, draw.choice(["database", "fd", "mode"]))
            while isinstance(outcome_of(wire.channel.close), mariadb_nb.Busy):
                lib.mariadb_cancel(wire.mysql)

        together(partial(use, 0), partial(use, 1), close)
        assert wire.channel.fd == -1


# ---- looking -------------------------------------------------------------------------

DATABASES = ("test", "mysql", "information_schema")


@CASES
def looks_disturb_nobody(transport: str) -> None:
    """Whatever is asked of a connection by others, its own thread never gets Busy."""
    conn = mariadb_nb.connect(**options(transport))
    channel = conn.session._channel
    over = threading.Event()
    kept: list[Any] = []

    def look(number: int) -> None:
        while not over.is_set():
            assert conn.database in (*DATABASES, None)
            assert channel.database in (*DATABASES, None)
            assert channel.mode & ~0b1001 == 0
            assert channel.server_status & ~0xFFFF == 0
            assert channel.fd >= -1
            assert channel.standing in (0, 1, 2)
            assert (conn.in_transaction, conn.autocommit, conn.broken) is not None
            assert conn.server_info
            assert repr(conn)
            flags = (channel.busy, channel.midway, channel.streaming, channel.more)
            assert all(flag.__class__ is bool for flag in flags)
            for reply in kept[-1:]:
                assert len(reply.columns) == 2
                assert reply.info is None
                assert reply.affected_rows in (0, -1, 300)
                assert reply.insert_id == reply.warning_count == 0
                assert reply.changes is None or reply.changes.__class__ is list

    def use() -> None:
        draw = Random(7)
        try:
            for turn in range(20):
                conn.execute(f"USE {draw.choice(DATABASES)}")
                conn.execute(
                    f"SET sql_mode = '{draw.choice(['', 'NO_BACKSLASH_ESCAPES'])}'"
                )
                cur = conn.cursor(stream=True).execute(
                    "SELECT seq, ? FROM test.seq_1_to_300", (turn,)
                )
                kept.append(cur._reply)
                assert [row[0] for row in cur] == list(range(1, 301))
                if turn % 5 == 4:
                    conn.change_user(database=draw.choice(DATABASES))
                    conn.reset()
                    conn.ping()
            conn.close()
            assert conn.database is None
        finally:
            over.set()

    together(use, *(partial(look, number) for number in range(4)))
    assert (channel.fd, channel.server_status, channel.database) == (-1, 0, None)


# ---- what is shared ------------------------------------------------------------------


@CASES
def shared_objects(transport: str) -> None:
    """A template, a reading, a batch of rows and a list that another thread changes."""
    template = _wire.Template("INSERT INTO t VALUES (?, ?)", 0)
    reading = mariadb_nb.rows.make_reading(converters={column("d"): str})
    fields: list[Any] = [("d", 246, 0, 0, 2, 0, 63, "", "", "", "", None, None)]
    batches = template.batches(((n, Decimal(n)) for n in range(3000)), 100)
    bulk = template.bulks(((n, Decimal(n)) for n in range(3000)), 100)
    taken: list[int] = []
    bound: list[int] = []
    growing: list[Any] = [1, 2]

    def work(number: int) -> None:
        for turn in range(200):
            text = f"{number}.{turn:03}"
            assert _wire.decode(fields, [(text.encode(),)], reading) == [(text,)]
            sql = template.render((number, [text, text]))
            assert (
                sql == f"INSERT INTO t VALUES ({number}, ('{text}','{text}'))".encode()
            )
            if number % 2:
                growing[:] = range(turn % 9)
            else:
                outcome_of(lambda: template.render(growing))
                outcome_of(lambda: template.render((growing, 1)))
            outcome = outcome_of(lambda: next(batches, ("", 0)))
            if not isinstance(outcome, mariadb_nb.Error):
                taken.append(outcome[1])
            outcome = outcome_of(bulk.build)
            if isinstance(outcome, tuple):
                bound.append(outcome[1])

    in_threads(work)
    assert sum(taken) + sum(count for _, count in batches) == 3000
    while (made := bulk.build()) is not None:
        if made != 0:
            bound.append(made[1])
    assert sum(bound) == 3000


if __name__ == "__main__":
    CASES.main()
