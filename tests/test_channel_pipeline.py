"""``Channel.pipeline`` on a real server: whose each answer is, who waits for whom."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from channel_support import (
    BOUND,
    BROKEN,
    READING,
    Wire,
    kill_connection,
    outcome_of,
    paused,
    slow_reading,
)

from mariadb_nb.capi import lib
from mariadb_nb.converters import column
from mariadb_nb.errors import (
    Busy,
    ConnectionLost,
    DataError,
    IntegrityError,
    ProgrammingError,
)
from mariadb_nb.rows import class_row, make_reading
from mariadb_nb.server import TemporaryServer

WRITE = 2


def pipeline(wire: Wire, *statements: str, reading: Any = READING) -> list[Any]:
    """What each statement was answered with."""
    answers: list[Any] = []
    texts = [sql.encode() for sql in statements]
    assert wire.finish(wire.channel.pipeline(texts, reading, answers)) is None
    return answers


def rows(answer: Any) -> Any:
    """The rows of each reply, or the error."""
    return [reply.rows for reply in answer] if isinstance(answer, list) else answer


# ---- whose each answer is ------------------------------------------------------------


def test_answers_in_their_order(wire: Wire) -> None:
    answers = pipeline(
        wire,
        "SELECT 1",
        "DO 2",
        "SELECT seq FROM seq_1_to_3; DO 1; SELECT 4",
        "SELECT 5 WHERE FALSE",
        "SELECT REPEAT('x', 100000)",
        "SELECT 7",
    )
    assert [rows(answer) for answer in answers] == [
        [[(1,)]],
        [None],
        [[(1,), (2,), (3,)], None, [(4,)]],
        [[]],
        [[("x" * 100_000,)]],
        [[(7,)]],
    ]
    wire.works()


def test_many_statements(wire: Wire) -> None:
    answers = pipeline(wire, *(f"SELECT {number}" for number in range(3000)))
    assert [rows(answer) for answer in answers] == [[[(n,)]] for n in range(3000)]
    wire.works()


def test_no_statements(unix: Wire) -> None:
    assert pipeline(unix) == []
    unix.works()


def test_error_is_that_of_its_statement_alone(wire: Wire) -> None:
    wire.query("CREATE TEMPORARY TABLE t (id INT PRIMARY KEY)")
    answers = pipeline(
        wire,
        "nonsense",
        "SELECT 1",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (1)",
        "SELECT seq FROM seq_1_to_2; SELECT nosuch; SELECT 'never'",
        "SELECT id FROM t",
        "SELECT 1 FROM nosuch",
    )
    kinds = [type(answer) for answer in answers]
    failed = ProgrammingError
    assert kinds == [failed, list, list, IntegrityError, failed, list, failed]
    assert [rows(answers[at]) for at in (1, 2, 5)] == [[[(1,)]], [None], [[(1,)]]]
    assert "nosuch" in str(answers[-1])
    wire.works()


def test_error_behind_the_first_rows(wire: Wire) -> None:
    sql = "SELECT IF(seq = 200, (SELECT 1 UNION SELECT 2), seq) FROM seq_1_to_300"
    answers = pipeline(wire, "SELECT 1", sql, "SELECT seq FROM seq_1_to_300")
    assert answers[1].errno == 1242
    assert rows(answers[0]) == [[(1,)]]
    assert rows(answers[2]) == [[(seq,) for seq in range(1, 301)]]
    wire.works()


def test_value_that_cannot_be_decoded_is_its_statements_alone(wire: Wire) -> None:
    def fail(value: int) -> int:
        if value == 50:
            raise ValueError("no")
        return value

    reading = make_reading(converters={column("seq"): fail}, invalid_dates="error")
    answers = pipeline(
        wire,
        "SELECT seq FROM seq_1_to_10",
        "SELECT seq FROM seq_1_to_100; SELECT 'lost with it'",
        "SELECT CAST('0000-00-00' AS DATE)",
        "SELECT seq FROM seq_1_to_10",
        reading=reading,
    )
    expected = [[(seq,) for seq in range(1, 11)]]
    assert rows(answers[0]) == rows(answers[3]) == expected
    assert [type(answer) for answer in answers[1:3]] == [ValueError, DataError]
    wire.works()


def test_nothing_is_told_of_an_earlier_statement(unix: Wire) -> None:
    """The library forgets it when it sends, and that was before."""
    unix.query("CREATE TEMPORARY TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, x INT)")
    answers = pipeline(
        unix,
        "INSERT INTO t (x) VALUES (1), (2)",
        "SELECT 1",
        "UPDATE t SET x = 5",
        "DO 1",
        "SELECT CAST('x' AS INT)",
        "nonsense",
        "SELECT 2 WHERE FALSE",
        "DO 2",
    )
    told = [
        (one[0].affected_rows, one[0].insert_id, one[0].info, one[0].warning_count)
        for one in answers
        if isinstance(one, list)
    ]
    assert told == [
        (2, 1, "Records: 2  Duplicates: 0  Warnings: 0", 0),
        (-1, 0, None, 0),
        (2, 0, "Rows matched: 2  Changed: 2  Warnings: 0", 0),
        (0, 0, None, 0),
        (-1, 0, None, 1),
        (-1, 0, None, 0),
        (0, 0, None, 0),
    ]
    changes = pipeline(unix, "USE information_schema", "DO 1", "USE test")
    assert [one[0].changes for one in changes] == [
        [(1, "information_schema")],
        None,
        [(1, "test")],
    ]
    unix.works()


def drop_statements(wire: Wire) -> None:
    """Leave statements to be closed, before whatever comes next."""
    kept = [wire.finish(wire.channel.prepare(b"SELECT %d" % n)) for n in range(50)]
    assert len(kept) == 50


def test_statements_that_nobody_has_any_more_do_not_come_between(wire: Wire) -> None:
    drop_statements(wire)
    answers = pipeline(wire, "SELECT 1", "nonsense", "SELECT 2")
    assert [rows(answers[0]), rows(answers[2])] == [[[(1,)]], [[(2,)]]]
    drop_statements(wire)
    outcome = wire.channel.pipeline([b"SELECT 1", b"SELECT 2"], READING, answers)
    if outcome is not None:
        assert wire.finish(wire.channel.discard()) is None
    wire.works()
    drop_statements(wire)
    wire.channel.pipeline([b"SELECT SLEEP(60)"], READING, answers)
    wire.channel.close()
    wire.gone()


# ---- who waits for whom ------------------------------------------------------------


def careful(wire: Wire, statements: list[str]) -> list[Any]:
    """Answers to statements; nobody waits to write while an answer is to come."""
    answers: list[Any] = []
    texts = [sql.encode() for sql in statements]
    outcome = wire.channel.pipeline(texts, READING, answers)
    while outcome.__class__ is int:
        assert not (outcome & WRITE and wire.channel.ahead)
        outcome = wire.channel.resume(wire.ready(outcome))
    return answers


@pytest.mark.parametrize("size", [1, 700, 5000, 20_000])
def test_server_that_does_not_read(wire: Wire, unix: Wire, size: int) -> None:
    """It is at work on the first statement, while others come without end."""
    count = 4000 if size < 5000 else 300
    lock = f"GET_LOCK('pipeline', {{}}), '{'x' * size}'"
    unix.lock("pipeline")
    statements = [f"SELECT {lock.format(BOUND)}", *[f"SELECT '{'y' * size}'"] * count]
    answers: list[Any] = []
    texts = [sql.encode() for sql in statements]
    outcome = wire.channel.pipeline(texts, READING, answers)
    while not outcome:
        outcome = wire.channel.resume(0)
    assert outcome == 1
    assert answers == []
    assert wire.channel.ahead
    unix.query("DO RELEASE_LOCK('pipeline')")
    wire.finish(outcome)
    assert rows(answers[0]) == [[(1, "x" * size)]]
    assert [rows(one) for one in answers[1:]] == [[[("y" * size,)]]] * count
    wire.works()


def test_large_statements_with_large_results(wire: Wire) -> None:
    """Where both sides would wait to write, neither reads."""
    statements = []
    for number in range(12):
        statements.append(f"SELECT '{number}{'a' * 300_000}', REPEAT('b', 2000000)")
        statements += [f"SELECT {number}"] * 30
    answers = careful(wire, statements)
    for number in range(12):
        large, *small = answers[number * 31 : number * 31 + 31]
        ((row,),) = rows(large)
        assert (row[0][:2], len(row[0]), len(row[1])) == (
            f"{number}a"[:2],
            300_000 + len(str(number)),
            2_000_000,
        )
        assert [rows(one) for one in small] == [[[(number,)]]] * 30
    wire.works()


def test_several_are_on_their_way_at_once(wire: Wire, unix: Wire) -> None:
    unix.lock("several")
    texts = [b"SELECT GET_LOCK('several', %d)" % BOUND, *[b"SELECT 'x'"] * 20]
    outcome = wire.channel.pipeline(texts, READING, [])
    assert wire.channel.ahead
    unix.query("DO RELEASE_LOCK('several')")
    wire.finish(outcome)
    assert not wire.channel.ahead


def test_a_single_statement_is_not_ahead_of_any(unix: Wire) -> None:
    with paused(unix.server):
        outcome = unix.channel.pipeline([b"SELECT 1"], READING, [])
    assert outcome == 1
    assert not unix.channel.ahead
    unix.finish(outcome)


def test_loop_has_its_turn(unix: Wire) -> None:
    answers = pipeline(
        unix, *["SELECT seq FROM seq_1_to_20"] * 10, reading=slow_reading(0.0005)
    )
    assert len(answers) == 10
    # 200 rows of 0.5 ms are 100 ms, and a turn is no longer than 1.5 and a row.
    assert unix.waits.count(0) >= 40


# ---- misuse -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ([b"SELECT 1"], READING),
        ((b"SELECT 1",), READING, []),
        (["SELECT 1"], READING, []),
        ([b"SELECT 1", bytearray(b"SELECT 2")], READING, []),
        ([b"SELECT 1"], None, []),
        ([b"SELECT 1"], READING, ()),
    ],
)
def test_wrong_arguments(unix: Wire, arguments: tuple[Any, ...]) -> None:
    assert isinstance(outcome_of(lambda: unix.channel.pipeline(*arguments)), TypeError)
    unix.works()


def test_nothing_else_is_done_meanwhile(wire: Wire) -> None:
    channel = wire.channel
    answers: list[Any] = []
    texts = [b"SELECT 'first'", b"SELECT 'second'"]
    with paused(wire.server):
        outcome = channel.pipeline(texts, READING, answers)
    for call in (
        lambda: channel.pipeline([b"SELECT 'mixed up'"], READING, answers),
        lambda: channel.query(b"SELECT 'mixed up'", READING, False),
    ):
        assert isinstance(outcome_of(call), Busy)
    assert lib.mysql_real_query(wire.mysql, b"SELECT 1", 8) != 0
    assert lib.mysql_ping(wire.mysql) != 0
    texts[1] = b"SELECT 'another'"
    wire.finish(outcome)
    assert [rows(one) for one in answers] == [[[("first",)]], [[("second",)]]]
    wire.works()


def test_call_out_of_a_row(unix: Wire) -> None:
    seen: list[Any] = []
    channel = unix.channel

    def make(seq: int) -> int:
        seen.append(
            outcome_of(lambda: channel.pipeline([b"SELECT 'mixed up'"], READING, []))
        )
        return seq

    answers = pipeline(
        unix, *["SELECT seq FROM seq_1_to_5"] * 3, reading=make_reading(class_row(make))
    )
    assert [rows(one) for one in answers] == [[[1, 2, 3, 4, 5]]] * 3
    assert [type(error) for error in seen] == [Busy] * 15
    unix.works()


def test_list_of_answers_in_a_cycle_is_let_go(unix: Wire) -> None:
    answers: list[Any] = [unix]
    unix.channel.pipeline([b"SELECT SLEEP(60)"], READING, answers)
    assert answers in gc.get_referents(unix.channel)
    unix.channel.close()


# ---- an early end --------------------------------------------------------------------

#: Of each, the answer is seen to be its own.
STATEMENTS = [
    "SELECT 0, REPEAT('a', 20000)",
    f"SELECT 1, '{'b' * 300_000}'",
    "SELECT 2, 'c'",
    "SELECT 3, 'd' FROM seq_1_to_5000",
    "SELECT 4, 'e'; SELECT 4, 'f'",
    "SELECT 5, SLEEP(0.001)",
] * 4

each_wait = pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 13, 21])


#: There is no end of it.
ENDLESS = "SELECT 0, REPEAT('x', 300) FROM seq_1_to_100000000"


def begin(wire: Wire, count: int, answers: list[Any], *more: str) -> Any:
    """A pipeline at one of its waits, or None."""
    texts = [sql.encode() for sql in (*STATEMENTS, *more)]
    return wire.go(wire.channel.pipeline(texts, READING, answers), count)


def check_beginning(answers: list[Any]) -> None:
    """The answers that are there are those of the first statements."""
    for number, answer in enumerate(answers):
        assert all(reply.rows[-1][0] == number % 6 for reply in answer)


@each_wait
def test_close_at_every_wait(wire: Wire, count: int) -> None:
    answers: list[Any] = []
    begin(wire, count, answers)
    wire.channel.close()
    check_beginning(answers)
    wire.gone()


@each_wait
def test_discard_at_every_wait(wire: Wire, count: int) -> None:
    """What was sent is read away, what was not is never sent."""
    answers: list[Any] = []
    begin(wire, count, answers)
    before = len(answers)
    assert wire.finish(wire.channel.discard()) is None
    assert len(answers) == before
    check_beginning(answers)
    wire.works()


@each_wait
def test_connection_lost_at_every_wait(
    mariadb_server: TemporaryServer, wire: Wire, count: int
) -> None:
    answers: list[Any] = []
    outcome = begin(wire, count, answers, ENDLESS, "SELECT 1")
    kill_connection(mariadb_server, wire.thread_id)
    assert wire.finish(outcome) is None
    *good, lost = answers
    check_beginning(good)
    assert isinstance(lost, ConnectionLost)
    assert wire.channel.standing == BROKEN
    wire.gone()


@each_wait
def test_connection_lost_while_it_is_discarded(
    mariadb_server: TemporaryServer, wire: Wire, count: int
) -> None:
    answers: list[Any] = []
    begin(wire, count, answers, ENDLESS)
    before = len(answers)
    outcome = wire.channel.discard()
    kill_connection(mariadb_server, wire.thread_id)
    error = outcome_of(lambda: wire.finish(outcome))
    assert len(answers) == before
    if error is not None:  # else all that was sent had been answered
        assert isinstance(error, ConnectionLost)
        wire.gone()


def test_what_was_not_sent_is_not_executed_when_the_rest_is_discarded(
    unix: Wire,
) -> None:
    unix.query("CREATE TEMPORARY TABLE t (x INT)")
    # What is larger than the socket's buffer is not sent ahead, nor is what follows it.
    large = f"DO '{'x' * 2_000_000}'"
    statements = ["DO 1", large, "INSERT INTO t VALUES (1)"]
    with paused(unix.server):
        unix.channel.pipeline([sql.encode() for sql in statements], READING, [])
        outcome = unix.channel.discard()
    unix.finish(outcome)
    assert unix.rows("SELECT COUNT(*) FROM t") == [(0,)]


class PressedCtrlC(BaseException):
    """No Exception, as KeyboardInterrupt is none."""


@pytest.mark.parametrize("at", [1, 7, 300, 900])
def test_ctrl_c_in_a_row(wire: Wire, at: int) -> None:
    made = 0

    def make(seq: int) -> int:
        nonlocal made
        made += 1
        if made == at:
            raise PressedCtrlC
        return seq

    answers: list[Any] = []
    texts = [b"SELECT seq FROM seq_1_to_300"] * 5
    reading = make_reading(class_row(make))
    with pytest.raises(PressedCtrlC):
        wire.finish(wire.channel.pipeline(texts, reading, answers))
    assert len(answers) == (at - 1) // 300
    assert wire.channel.midway
    assert wire.channel.ahead == (len(answers) < 4)
    assert wire.finish(wire.channel.discard()) is None
    assert made == at
    wire.works()
