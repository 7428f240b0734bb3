"""Prepared statements of ``_wire.Channel``: their end, at any time, and parameters."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from channel_support import (
    Prepared,
    Wire,
    kill_connection,
    kill_query,
    opened,
    outcome_of,
    paused,
    slow_reading,
)

from mariadb_nb._wire import Template
from mariadb_nb.capi import lib
from mariadb_nb.errors import (
    ConnectionLost,
    Error,
    InterfaceError,
    OperationalError,
    QueryInterrupted,
)
from mariadb_nb.rows import dict_row, make_reading
from mariadb_nb.server import TemporaryServer

DICT = make_reading(dict_row)


# ---- closing -------------------------------------------------------------------------


def test_dropped_statement_is_closed_before_the_next_command(wire: Wire) -> None:
    kept = wire.prepare("SELECT 'kept'")
    many = [wire.prepare(f"SELECT {number}") for number in range(20)]
    assert wire.counted("Com_stmt_close") == 0
    many.clear()
    assert wire.counted("Com_stmt_close") == 20
    assert wire.execute(kept)[0].rows == [("kept",)]
    del kept
    prepared = wire.prepare("SELECT 1")
    assert wire.counted("Com_stmt_close") == 21
    assert wire.execute(prepared)[0].rows == [(1,)]
    assert wire.waits.count(0) < 20  # not a turn for each


def test_dropped_while_it_is_executed(wire: Wire) -> None:
    sql = "SELECT seq FROM seq_1_to_5000 WHERE seq > ?"
    prepared = wire.prepare(sql)
    outcome = wire.start(prepared, 0)
    del prepared
    gc.collect()
    (reply,) = wire.finish(outcome)
    assert len(reply.rows) == 5000
    wire.works()
    assert wire.counted("Com_stmt_close") == 1


def test_statements_outlive_the_connection(unix: Wire) -> None:
    prepared = [unix.prepare(f"SELECT {number}") for number in range(5)]
    unix.channel.close()
    with pytest.raises(InterfaceError):
        unix.start(prepared[0])
    unix.channel = None
    gc.collect()
    assert prepared.pop().statement.markers == 0
    prepared.clear()
    unix.channel = Closed()


class Closed:
    def close(self) -> None:
        """There is nothing to be closed."""


def test_nothing_keeps_a_channel_that_was_dropped_in_an_execution(
    mariadb_server: TemporaryServer,
) -> None:
    wire = Wire(mariadb_server, "unix")
    prepared = wire.prepare("SELECT SLEEP(?)")
    assert isinstance(wire.start(prepared, 100), int)
    gone = weakref.ref(wire)
    wire.channel.close()
    del wire, prepared
    assert gone() is None


def test_reset_makes_statements_void(unix: Wire) -> None:
    prepared = unix.prepare("SELECT 1")
    assert lib.mysql_reset_connection(unix.mysql) == 0
    with pytest.raises(InterfaceError, match="reset"):
        unix.start(prepared)
    del prepared
    unix.works()
    assert unix.execute(unix.prepare("SELECT 2"))[0].rows == [(2,)]


def test_statements_are_dropped_by_many_threads(unix: Wire) -> None:
    """While another one uses the connection."""
    for _ in range(5):
        many = [unix.prepare(f"SELECT {number}") for number in range(40)]
        parts = [many[i::4] for i in range(4)]
        many.clear()
        barrier = threading.Barrier(5)

        def drop(part: list[Prepared], barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            while part:
                part.pop()

        threads = [threading.Thread(target=drop, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        del parts
        barrier.wait()
        while any(thread.is_alive() for thread in threads):
            unix.works()
        for thread in threads:
            thread.join()
        unix.works()
    assert unix.counted("Com_stmt_close") == 200


# ---- the end in the middle of it ---------------------------------------------------


def beginning(what: str, wire: Wire) -> Callable[[], Any]:
    """A call that begins what may be suspended, and returns what it waits for."""
    wire.query("CREATE OR REPLACE TABLE slow (a INT)")
    slow = wire.prepare("SELECT SLEEP(?)")
    large = wire.prepare("SELECT seq, REPEAT('x', ?) FROM seq_1_to_200")
    writing = wire.prepare("SELECT LENGTH(?)")

    if what == "stream":
        wire.finish(wire.start(large, 50_000, stream=True))
    sql = b"SELECT '" + b"x" * 8_000_000 + b"' AS x"
    return {
        "prepare": lambda: wire.channel.prepare(sql),
        "execute": lambda: wire.start(slow, 100),
        "write": lambda: wire.start(writing, "x" * 8_000_000),
        "rows": lambda: wire.start(large, 50_000),
        "stream": lambda: wire.channel.fetch(1000),
    }[what]


@pytest.mark.parametrize("what", ["prepare", "execute", "write", "rows", "stream"])
def test_closed_at_each_wait(
    what: str, mariadb_server: TemporaryServer, transport: str
) -> None:
    for count in range(1 if what == "execute" else 6):
        with opened(mariadb_server, transport) as wire:
            wire.go(beginning(what, wire)(), count)
            wire.channel.close()
            wire.gone()


@pytest.mark.parametrize("what", ["prepare", "execute", "write", "rows", "stream"])
def test_connection_killed_at_each_wait(
    what: str, mariadb_server: TemporaryServer, transport: str
) -> None:
    with opened(mariadb_server, transport) as wire:
        begin = beginning(what, wire)
        with paused(mariadb_server):
            outcome = begin()
        assert isinstance(outcome, int)
        kill_connection(mariadb_server, wire.thread_id)
        if outcome == 2:  # a server that was killed may not read on, nor hang up
            wire.channel.shutdown()
        error = outcome_of(lambda: wire.finish(outcome))
        if isinstance(error, Exception):  # else it was through with it already
            assert isinstance(error, ConnectionLost | QueryInterrupted), error
        error = outcome_of(lambda: wire.query("SELECT 1"))
        assert isinstance(error, Error)
        wire.gone()


@pytest.mark.parametrize("what", ["prepare", "rows", "stream"])
@pytest.mark.parametrize("count", range(4))
def test_discarded_at_each_wait(what: str, count: int, wire: Wire) -> None:
    outcome = wire.go(beginning(what, wire)(), count)
    if outcome is not None:
        assert wire.finish(wire.channel.discard()) is None
    else:
        wire.finish(wire.channel.discard())
    wire.works()


def test_killed_query_while_it_is_executed(
    wire: Wire, mariadb_server: TemporaryServer
) -> None:
    prepared = wire.prepare("SELECT SLEEP(?)")
    outcome = wire.start(prepared, 100)
    kill_query(mariadb_server, wire.thread_id, "state = 'User sleep'")
    with pytest.raises(QueryInterrupted):
        wire.finish(outcome)
    wire.works()
    assert wire.execute(prepared, 0)[0].rows == [(0,)]


def test_turn_of_the_loop(wire: Wire) -> None:
    prepared = wire.prepare("SELECT seq FROM seq_1_to_100 WHERE seq > ?")
    wire.waits.clear()
    (reply,) = wire.execute(prepared, 0, reading=slow_reading(0.001))
    assert len(reply.rows) == 100
    assert wire.waits.count(0) > 10


# ---- parameters ----------------------------------------------------------------------


def test_what_cannot_be_prepared() -> None:
    for sql in ("SELECT 1; SELECT ?", "SELECT 1 /*!50000 + ? */", "DO 1; DO 2"):
        assert Template(sql, 0).preparable is None
    for sql, sent in (
        ("SELECT 1;", b"SELECT 1;"),
        ("SELECT %s, '?', `?` -- ?\n, %s", b"SELECT ?, '?', `?` -- ?\n, ?"),
        ("SELECT %(a)s % 2, %(b)s", b"SELECT ? % 2, ?"),
        ("SELECT '%%', %s", b"SELECT '%%', ?"),
        ("SELECT-%s, x%sy", b"SELECT-?, x%sy"),
    ):
        assert Template(sql, 0).preparable == sent


def test_what_is_only_written_into_the_text() -> None:
    values: tuple[object, ...] = ([1, 2], (1,), [], [[1]], timedelta(microseconds=-1))
    for value in values:
        assert Template("SELECT a FROM t WHERE a = ?", 0).bind((value,)) is None
    limit = Template("SELECT a FROM t LIMIT ?, ?", 0)
    for count in (-1, 1 << 63, True, None, "1", 1.0):
        assert limit.bind((0, count)) is None
    assert limit.bind((0, (1 << 63) - 1)) is not None


#: Statements of which it is known that their parameters are only compared or stored.
EQUIVALENT = (
    "SELECT * FROM t WHERE id = ?",
    "SELECT * FROM t",
    "SELECT a FROM t UNION SELECT 1",
    "INSERT INTO t VALUES (?, ?, NOW()), (?, 1)",
    "insert into t (a, b) values (%s, %s) on duplicate key update b = %s",
    "REPLACE INTO t SET a = ?",
    "UPDATE t SET a = ?, n = n + ? WHERE id = ?",
    "SELECT a FROM t WHERE a BETWEEN ? AND ? AND b IN (?, ?) LIMIT ? OFFSET ?",
    "SELECT a FROM t LIMIT ?, ?",
    "SELECT a FROM t WHERE (a, b) IN ((?, ?), (?,?))",
    "SELECT a FROM t WHERE a NOT LIKE ? ORDER BY a",
    "SELECT a FROM t WHERE UPPER(a) = ? OR a <> ? OR a <=> ?",
    "DELETE FROM t WHERE a <= ? RETURNING a",
    "SELECT a, b >= ? AS c FROM t JOIN u ON u.a = ? LEFT JOIN v ON v.a = ?",
    "SELECT CASE WHEN a = ? THEN 1 ELSE 2 END AS x FROM t",
    "WITH q AS (SELECT a FROM t WHERE a > ?) SELECT * FROM q",
    "SELECT a FROM t WHERE a IN (SELECT b FROM u WHERE c = ?)",
    "SELECT a FROM t WHERE a = %(x)s FOR UPDATE",
)
#: And others: parameters may count otherwise, or the statement itself does.
OTHERS = (
    "SELECT ?",
    "SELECT a, ? FROM t",
    "SELECT ? = a FROM t",
    "INSERT INTO t VALUES (?, UPPER(?))",
    "INSERT INTO t SELECT ?, a FROM u",
    "SELECT a FROM t WHERE a AND ?",
    "SELECT a FROM t WHERE b BETWEEN 1 AND 2 AND ?",
    "SELECT a FROM t WHERE a = ? UNION SELECT 1",
    "SELECT * FROM (VALUES (?)) q",
    "VALUES (?), (?)",
    "SELECT @a",
    "SELECT @@sql_mode",
    "SET a = ?",
    "CALL p(?)",
    "SELECT a FROM t WHERE a = -?",
    "SELECT a FROM t WHERE a = ? + 1",
    "SELECT a FROM t WHERE a = ? COLLATE utf8mb4_bin",
    "SELECT a FROM t WHERE a = DATE ?",
    "SELECT a FROM t WHERE a = UPPER(?)",
    "SELECT a FROM t WHERE (a, b) = (?, ?)",
    "SELECT a FROM t ORDER BY ?",
    "SELECT a FROM t GROUP BY ?",
    "SELECT a FROM t LIMIT 10, ?",
    "SELECT a FROM t WHERE a = ? /*!50000 AND 1 */",
    "SELECT ROW_COUNT()",
    "SELECT a INTO OUTFILE 'x' FROM t",
    "DO 1",
    "",
    "(" * 40 + "SELECT 1" + ")" * 40,
    "SELECT " + "(" * 40 + "1" + ")" * 40,
)


@pytest.mark.parametrize("sql", EQUIVALENT)
def test_statement_that_means_the_same_when_it_is_prepared(sql: str) -> None:
    assert Template(sql, 0).equivalent


@pytest.mark.parametrize("sql", OTHERS)
def test_statement_of_which_that_is_not_known(sql: str) -> None:
    assert not Template(sql, 0).equivalent


def test_parameters_outlive_what_they_came_from(
    wire: Wire, mariadb_server: TemporaryServer
) -> None:
    prepared = wire.prepare("SELECT ?, ?, ?, ?")
    many = 3_000_000
    values: list[Any] = ["ä" * many, b"\xff" * many, bytearray(b"x" * many), "y"]
    with paused(mariadb_server):
        outcome = wire.start(prepared, *values)
    assert isinstance(outcome, int)
    values[2][:] = b"z"
    values.clear()
    gc.collect()
    (reply,) = wire.finish(outcome)
    assert reply.rows == [("ä" * many, b"\xff" * many, b"x" * many, "y")]


def test_packet_that_is_too_large(unix: Wire) -> None:
    """The server ends the connection, whether it has said why or not."""
    prepared = unix.prepare("SELECT LENGTH(?)")
    ((limit,),) = unix.rows("SELECT @@max_allowed_packet")
    error = outcome_of(lambda: unix.execute(prepared, "x" * (limit + 1)))
    assert isinstance(error, OperationalError), error
    assert isinstance(outcome_of(lambda: unix.query("DO 1")), Error)
    unix.gone()
