"""``_wire.Channel`` on a real server, driven by hand: what comes of what is asked."""

from __future__ import annotations

from typing import Any

import pytest
from channel_support import READING, Wire, kill_query, paused, slow_reading

from mariadb_nb._wire import MODE_DOUBTFUL, Reply
from mariadb_nb.converters import column
from mariadb_nb.errors import DataError, ProgrammingError, QueryInterrupted
from mariadb_nb.rows import class_row, dict_row, make_reading, scalar_row
from mariadb_nb.server import TemporaryServer

#: Seconds that a row takes, and how many of them fit into a turn of 2 ms, with the 16
#: that come between two looks at the clock.
SLOW = 0.0001
SLOW_ROWS_OF_A_TURN = 20 + 16


# ---- replies ---------------------------------------------------------------------


def test_one_reply(wire: Wire) -> None:
    (reply,) = wire.query("SELECT 1 AS a, 'b' AS b UNION ALL SELECT 2, NULL")
    assert isinstance(reply, Reply)
    assert reply.rows == [(1, "b"), (2, None)]
    assert reply.has_rows
    assert reply.columns is not None
    assert [column[0] for column in reply.columns] == ["a", "b"]
    assert not wire.channel.busy
    assert not wire.channel.midway


def test_statement_without_rows(wire: Wire) -> None:
    wire.query("CREATE TEMPORARY TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, x INT)")
    (reply,) = wire.query("INSERT INTO t (x) VALUES (1), (2)")
    assert (reply.rows, reply.has_rows, reply.columns) == (None, False, None)
    assert (reply.affected_rows, reply.insert_id) == (2, 1)
    (reply,) = wire.query("UPDATE t SET x = 5")
    assert reply.info == "Rows matched: 2  Changed: 2  Warnings: 0"
    assert wire.query("SELECT CAST('x' AS INT)")[0].warning_count == 1
    wire.works()


def test_several_replies(wire: Wire) -> None:
    replies = wire.query("SELECT 1; DO 2; SELECT seq FROM seq_1_to_3; SET @a = 1")
    assert [reply.rows for reply in replies] == [[(1,)], None, [(1,), (2,), (3,)], None]
    wire.works()


def test_error_in_the_middle_of_several(wire: Wire) -> None:
    for sql in (
        "nonsense",
        "SELECT 1; SELECT nosuch",
        "DO 1; nonsense; SELECT 2",
        "SELECT seq FROM seq_1_to_5000; SELECT 1 FROM nosuch; SELECT 3",
    ):
        with pytest.raises(ProgrammingError):
            wire.query(sql)
        wire.works()


def test_error_after_the_first_rows(wire: Wire) -> None:
    """The server finds it when thousands of rows are on their way."""
    sql = (
        "SELECT seq, IF(seq = 9000, (SELECT 1 UNION SELECT 2), 'x') FROM seq_1_to_9999"
    )
    with pytest.raises(ProgrammingError, match="more than 1 row"):
        wire.query(sql)
    wire.works()


def test_no_rows_and_no_columns_worth_naming(unix: Wire) -> None:
    (reply,) = unix.query("SELECT 1 LIMIT 0")
    assert (reply.rows, reply.has_rows) == ([], True)
    (reply,) = unix.query("SELECT '' AS ``")
    assert reply.rows == [("",)]
    assert reply.columns[0][0] == ""


def test_large_values_both_ways(wire: Wire) -> None:
    text = "x" * 4_000_000
    assert wire.rows(f"SELECT LENGTH('{text}'), '{text}'") == [(len(text), text)]
    wire.works()


def test_waiting_until_it_can_be_written(
    unix: Wire, mariadb_server: TemporaryServer
) -> None:
    sql = f"SELECT LENGTH('{'x' * 4_000_000}')"
    with paused(mariadb_server):
        outcome = unix.channel.query(sql.encode(), READING, False)
    assert outcome == 2
    (reply,) = unix.finish(outcome)
    assert reply.rows == [(4_000_000,)]
    unix.works()


def test_text_that_is_a_str(unix: Wire) -> None:
    (reply,) = unix.finish(unix.channel.query("SELECT 'x', 1", READING, False))
    assert reply.rows == [("x", 1)]
    doubtful = "SET STATEMENT sql_mode = '' FOR DO 1"
    unix.finish(unix.channel.query(doubtful, READING, False))
    assert unix.channel.mode & MODE_DOUBTFUL
    unix.finish(unix.channel.query("SET sql_mode = @@sql_mode", READING, False))
    assert not unix.channel.mode & MODE_DOUBTFUL
    for wrong in (
        "SELECT '\N{LATIN SMALL LETTER A WITH DIAERESIS}'",
        Text("DO 1"),
        None,
    ):
        with pytest.raises(TypeError, match="ASCII"):
            unix.channel.query(wrong, READING, False)
    unix.works()


class Text(str):
    """What is no str itself may have a text of its own."""


def test_empty_statement(unix: Wire) -> None:
    with pytest.raises(ProgrammingError):
        unix.query("")
    unix.works()


def test_reply_outlives_everything(unix: Wire) -> None:
    (reply,) = unix.query("SELECT 1 AS a")
    unix.works()
    unix.channel.close()
    assert reply.rows == [(1,)]
    assert reply.columns[0][0] == "a"


# ---- streams --------------------------------------------------------------------


def test_stream_in_pieces(wire: Wire) -> None:
    head = wire.query("SELECT seq FROM seq_1_to_10", stream=True)
    assert (head.rows, head.has_rows, head.affected_rows) == (None, True, 0)
    assert wire.channel.streaming
    assert wire.channel.busy
    pieces = [wire.fetch(count) for count in (1, 4, 5)]
    assert [row for piece in pieces for (row,) in piece] == list(range(1, 11))
    assert wire.fetch(1) == []
    assert not wire.channel.streaming
    assert not wire.channel.busy
    wire.works()


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_last_piece_is_shorter_or_empty(unix: Wire, rows: int, count: int) -> None:
    unix.query(f"SELECT seq FROM seq_1_to_9 LIMIT {rows}", stream=True)
    pieces = []
    while unix.channel.streaming:
        pieces.append(unix.fetch(count))
    assert [len(piece) for piece in pieces] == [
        *[count] * (rows // count),
        rows % count,
    ]
    unix.works()


def test_stream_of_a_statement_without_rows(wire: Wire) -> None:
    reply = wire.query("DO 1", stream=True)
    assert not reply.has_rows
    assert not wire.channel.busy
    wire.works()


def test_stream_of_several_results(wire: Wire) -> None:
    channel = wire.channel
    head = wire.query("SELECT 1; DO 2; SELECT 3, 4; SELECT 5", stream=True)
    seen: list[Any] = []
    while True:
        seen.append(wire.fetch(9) if head.has_rows else None)
        if not channel.more:
            break
        assert not channel.streaming
        assert channel.busy
        head = wire.finish(channel.next())
    assert seen == [[(1,)], None, [(3, 4)], [(5,)]]
    assert not channel.busy
    wire.works()


@pytest.mark.parametrize("place", range(4))
def test_error_in_a_stream_of_several_results(unix: Wire, place: int) -> None:
    parts = ["SELECT 1", "DO 2", "SELECT 3"]
    parts.insert(place, "SELECT nosuch")

    def read() -> None:
        head = unix.query(";".join(parts), stream=True)
        while True:
            if head.has_rows:
                unix.fetch(9)
            assert unix.channel.more
            head = unix.finish(unix.channel.next())

    with pytest.raises(ProgrammingError):
        read()
    assert not unix.channel.busy
    unix.works()


def test_error_after_some_rows_of_a_stream(wire: Wire) -> None:
    sql = (
        "SELECT seq, IF(seq = 9000, (SELECT 1 UNION SELECT 2), 'x') FROM seq_1_to_9999"
    )
    wire.query(sql, stream=True)
    rows = wire.fetch(5000)
    assert len(rows) == 5000
    rows += wire.fetch(5000)
    with pytest.raises(ProgrammingError):
        wire.fetch(5000)
    assert [row[0] for row in rows] == list(range(1, 9000))
    assert not wire.channel.busy
    wire.works()


STREAM = "SELECT seq FROM seq_1_to_20; SELECT 'next', seq FROM seq_1_to_3; DO 1"


@pytest.mark.parametrize("point", range(12))
def test_discard_at_every_point_of_a_stream(wire: Wire, point: int) -> None:
    channel = wire.channel
    head = wire.query(STREAM, stream=True)
    for _ in range(point):
        if channel.streaming:
            wire.fetch(7)
        elif channel.more:
            head = wire.finish(channel.next())
    assert head is not None
    assert wire.finish(channel.discard()) is None
    assert not channel.busy
    wire.works()


def test_discard_of_what_nobody_will_see_fail(wire: Wire) -> None:
    wire.query("SELECT 1; SELECT nosuch", stream=True)
    assert wire.finish(wire.channel.discard()) is None
    wire.works()


@pytest.mark.parametrize("point", range(8))
def test_discard_while_a_call_waits(wire: Wire, point: int) -> None:
    sql = b"SELECT seq, REPEAT('x', 200) FROM seq_1_to_20000; DO 1; SELECT nosuch"
    outcome = wire.channel.query(sql, READING, False)
    try:
        outcome = wire.go(outcome, point)
    except ProgrammingError:
        assert point > 0  # it was faster
    else:
        assert wire.channel.discard() == outcome
        assert wire.finish(outcome) is None
    wire.works()


def test_discard_while_a_piece_is_fetched(wire: Wire) -> None:
    wire.query("SELECT REPEAT('x', 1000) FROM seq_1_to_50000", stream=True)
    outcome = wire.channel.fetch(50_000)
    assert outcome.__class__ is int
    assert wire.channel.discard() == outcome
    assert wire.finish(outcome) is None
    wire.works()


# ---- values that cannot be read -----------------------------------------------------

SQL = "SELECT CAST(IF(seq IN ({}), '0000-00-00', '2024-02-29') AS DATE) AS d, seq"
STRICT = make_reading(invalid_dates="error")


def bad_rows(*numbers: int, count: int = 3000) -> str:
    return f"{SQL.format(', '.join(map(str, numbers)))} FROM seq_1_to_{count}"


@pytest.mark.parametrize("bad", [1, 2, 1500, 3000])
def test_value_that_cannot_be_decoded(wire: Wire, bad: int) -> None:
    with pytest.raises(DataError, match="0000-00-00"):
        wire.query(bad_rows(bad), STRICT)
    wire.works()


def test_first_of_several_failures_is_raised(wire: Wire) -> None:
    failures: list[Any] = []

    def fail(value: int) -> int:
        if value in (5, 6):
            failures.append(ValueError(f"refuses {value}"))
            raise failures[-1]
        return value

    reading = make_reading(converters={column("seq"): fail})
    with pytest.raises(ValueError, match="refuses 5") as raised:
        wire.query("SELECT seq FROM seq_1_to_9; SELECT nosuch", reading)
    assert raised.value is failures[0]
    assert len(failures) == 1
    wire.works()


@pytest.mark.parametrize("bad", [1, 2, 3, 4, 20])
@pytest.mark.parametrize("count", [1, 3, 100])
def test_failure_in_a_stream_comes_after_the_rows_before_it(
    unix: Wire, bad: int, count: int
) -> None:
    """And the rows after it are still to be had."""
    unix.query(bad_rows(bad, count=20), STRICT, stream=True)
    seen: list[Any] = []
    while unix.channel.streaming:
        try:
            seen += [row[1] for row in unix.fetch(count)]
        except DataError:
            seen.append("bad")
    expected: list[Any] = list(range(1, 21))
    expected[bad - 1] = "bad"
    assert seen == expected
    unix.works()


def test_discard_after_a_failure_in_a_stream(unix: Wire) -> None:
    for count in (1, 5):
        unix.query(bad_rows(3, 4, count=5000), STRICT, stream=True)
        while True:
            try:
                unix.fetch(count)
            except DataError:
                break
        unix.finish(unix.channel.discard())
        unix.works()


@pytest.mark.parametrize(
    ("factory", "sql"),
    [
        (scalar_row, "SELECT 1, 2 FROM seq_1_to_5000; SELECT 3"),
        (dict_row, "SELECT 1 AS a, 2 AS a FROM seq_1_to_5000; SELECT 3"),
    ],
)
def test_rows_that_do_not_fit_their_shape(unix: Wire, factory: Any, sql: str) -> None:
    reading = make_reading(factory)
    with pytest.raises(ProgrammingError):
        unix.query(sql, reading)
    unix.works()
    unix.query(sql, reading, stream=True)
    for _ in range(2):
        with pytest.raises(ProgrammingError):
            unix.fetch(10)
        assert unix.channel.streaming
    unix.finish(unix.channel.discard())
    unix.works()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RecursionError])
def test_any_exception_of_a_row(wire: Wire, error: type[BaseException]) -> None:
    def make(seq: int) -> int:
        if seq == 40:
            raise error
        return seq

    reading = make_reading(class_row(make))
    with pytest.raises(error):
        wire.query("SELECT seq FROM seq_1_to_5000", reading)
    if not issubclass(error, Exception):
        # It does not wait for the rest of the rows, which are still to be read.
        assert wire.channel.midway
        wire.finish(wire.channel.discard())
    wire.works()


# ---- turns of the loop -----------------------------------------------------------


def most_rows_of_a_turn(wire: Wire, sql: str) -> tuple[Any, int]:
    """The replies of a statement, and how many slow rows at most were made in one go.

    A turn ends by the clock, and so how many rows it has depends on the machine, but
    for rows that take their time by themselves.
    """
    made: list[Any] = []
    outcome = wire.channel.query(sql.encode(), slow_reading(SLOW, made), False)
    most = before = len(made)
    while outcome.__class__ is int:
        outcome = wire.channel.resume(wire.ready(outcome))
        most, before = max(most, len(made) - before), len(made)
    return outcome, most


def test_loop_has_turns_when_rows_come_faster_than_they_are_made(wire: Wire) -> None:
    (reply,), most = most_rows_of_a_turn(wire, "SELECT seq FROM seq_1_to_2000")
    assert len(reply.rows) == 2000
    assert most <= SLOW_ROWS_OF_A_TURN


def test_loop_has_turns_during_many_small_results(unix: Wire) -> None:
    replies, most = most_rows_of_a_turn(unix, ";".join(["SELECT 1"] * 2000))
    assert [reply.rows for reply in replies] == [[(1,)]] * 2000
    assert most <= SLOW_ROWS_OF_A_TURN


def test_loop_has_turns_during_a_long_result(wire: Wire) -> None:
    (reply,) = wire.query(
        "SELECT seq, seq * 1.5, CONCAT('t ', seq) FROM seq_1_to_200000"
    )
    assert len(reply.rows) == 200_000
    assert reply.rows[-1][0] == 200_000
    # A turn of 2 ms for 20,000 of them would be 0.1 us a row.
    assert len(wire.waits) > 10


def test_loop_has_turns_while_rows_are_thrown_away(unix: Wire) -> None:
    """They are not left to a call of the library that waits until it has them all."""
    unix.query("SELECT seq FROM seq_1_to_1000000", stream=True)
    unix.waits.clear()
    assert unix.finish(unix.channel.discard()) is None
    # A turn of 2 ms for 100,000 of them would be 20 ns a row.
    assert len(unix.waits) > 10


def test_kill_of_the_query_is_an_answer_as_any(
    wire: Wire, mariadb_server: TemporaryServer
) -> None:
    sql = b"SELECT SUM(a.seq) FROM seq_1_to_1000000 a, seq_1_to_1000000 b"
    outcome = wire.channel.query(sql, READING, False)
    kill_query(mariadb_server, wire.thread_id, "info LIKE '%SUM%'")
    with pytest.raises(QueryInterrupted):
        wire.finish(outcome)
    wire.works()
