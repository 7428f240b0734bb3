"""Prepared statements of ``_wire.Channel`` on a real server, driven by hand."""

from __future__ import annotations

from datetime import date
from time import monotonic
from typing import Any

import pytest
from capi_support import connect, query, rows
from channel_support import (
    BOUND,
    READING,
    Wire,
    opened,
    outcome_of,
)

from mariadb_nb._wire import Reply, Statement, Template
from mariadb_nb.capi import lib
from mariadb_nb.errors import (
    Busy,
    DataError,
    Error,
    InterfaceError,
    ProgrammingError,
)
from mariadb_nb.rows import dict_row, make_reading, scalar_row
from mariadb_nb.server import TemporaryServer

DICT = make_reading(dict_row)


def names(of: Statement | Reply) -> list[str]:
    """What the columns are called."""
    assert of.columns is not None
    return [column[0] for column in of.columns]


# ---- replies -------------------------------------------------------------------------


def test_one_reply(wire: Wire) -> None:
    prepared = wire.prepare("SELECT ? AS a, 'b' AS b UNION ALL SELECT 2, NULL")
    assert isinstance(prepared.statement, Statement)
    assert prepared.statement.markers == 1
    assert names(prepared.statement) == ["a", "b"]
    (reply,) = wire.execute(prepared, 1)
    assert isinstance(reply, Reply)
    assert reply.rows == [(1, "b"), (2, None)]
    assert reply.has_rows
    assert names(reply) == ["a", "b"]
    wire.works()


def test_execution_again_and_again(wire: Wire) -> None:
    prepared = wire.prepare("SELECT ? + ?")
    for i in range(50):
        assert wire.execute(prepared, i, 2)[0].rows == [(i + 2,)]
    assert wire.counted("Com_stmt_prepare") == 1
    assert wire.counted("Com_stmt_execute") == 50


def test_statement_without_rows(wire: Wire) -> None:
    wire.query("CREATE TEMPORARY TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, x INT)")
    insert = wire.prepare("INSERT INTO t (x) VALUES (?), (?)")
    assert insert.statement.columns is None
    (reply,) = wire.execute(insert, 1, 2)
    assert (reply.rows, reply.has_rows, reply.columns) == (None, False, None)
    assert (reply.affected_rows, reply.insert_id) == (2, 1)
    (reply,) = wire.execute(wire.prepare("UPDATE t SET x = ?"), 5)
    assert reply.info == "Rows matched: 2  Changed: 2  Warnings: 0"
    wire.works()


def test_warnings_and_status_of_the_end(wire: Wire) -> None:
    """The library itself does not read what comes behind the last row."""
    sql = "SELECT seq, 1 / 0 FROM seq_1_to_70000"
    (text,) = wire.query(sql)
    (reply,) = wire.execute(wire.prepare(sql))
    assert reply.warning_count == text.warning_count > 0
    assert reply.server_status == text.server_status
    assert reply.affected_rows == text.affected_rows
    wire.works()


def test_transaction_is_in_the_status(unix: Wire) -> None:
    prepared = unix.prepare("SELECT 1")
    for sql, open_ in (("BEGIN", True), ("COMMIT", False)):
        unix.query(sql)
        (reply,) = unix.execute(prepared)
        assert bool(reply.server_status & 1) is open_


def test_no_rows(unix: Wire) -> None:
    prepared = unix.prepare("SELECT 1 LIMIT 0")
    for _ in range(2):
        (reply,) = unix.execute(prepared)
        assert (reply.rows, reply.has_rows) == ([], True)


def test_reply_outlives_everything(unix: Wire) -> None:
    prepared = unix.prepare("SELECT ? AS a, 'x' AS b")
    (first,) = unix.execute(prepared, 1)
    (second,) = unix.execute(prepared, 2)
    assert first.columns is second.columns
    del prepared
    unix.works()
    unix.channel.close()
    assert (first.rows, second.rows) == ([(1, "x")], [(2, "x")])
    assert names(first) == ["a", "b"]


def test_procedure_with_several_results(wire: Wire) -> None:
    wire.query(
        "CREATE OR REPLACE PROCEDURE several(a INT, OUT b INT)"
        " BEGIN SELECT a; SELECT 'x' AS x, a + 1, 2.5; SET b = a + 2; END"
    )
    prepared = wire.prepare("CALL several(?, ?)")
    for number in (1, 5):
        replies = wire.execute(prepared, number, 0, reading=DICT)
        assert [reply.rows for reply in replies[:2]] == [
            [{"a": number}],
            [{"x": "x", "a + 1": number + 1, "2.5": replies[1].rows[0]["2.5"]}],
        ]
        assert replies[2].rows == [{"b": number + 2}]
        assert not replies[3].has_rows
        wire.works()
    wire.query("DROP PROCEDURE several")


def test_stream(wire: Wire) -> None:
    prepared = wire.prepare("SELECT seq FROM seq_1_to_10 WHERE seq > ?")
    head = wire.execute(prepared, 0, stream=True)
    assert (head.rows, head.has_rows, head.affected_rows) == (None, True, 0)
    assert wire.channel.streaming
    assert isinstance(outcome_of(lambda: wire.start(prepared, 0)), Busy)
    assert wire.fetch(4) == [(1,), (2,), (3,), (4,)]
    assert wire.fetch(100) == [(5,), (6,), (7,), (8,), (9,), (10,)]
    assert not wire.channel.streaming
    wire.works()


def test_stream_of_several_results(unix: Wire) -> None:
    unix.query(
        "CREATE OR REPLACE PROCEDURE streamed() BEGIN SELECT 1; SELECT 2, 3; END"
    )
    prepared = unix.prepare("CALL streamed()")
    for _ in range(2):
        unix.execute(prepared, stream=True)
        assert unix.fetch(9) == [(1,)]
        assert unix.channel.more
        unix.finish(unix.channel.next())
        assert unix.fetch(9) == [(2, 3)]
        assert not unix.finish(unix.channel.next()).has_rows
        unix.works()
    unix.query("DROP PROCEDURE streamed")


# ---- errors --------------------------------------------------------------------------


def test_error_of_the_preparation(wire: Wire) -> None:
    for sql, number in (("SELEC 1", 1064), ("SELECT * FROM nosuch", 1146)):
        with pytest.raises(ProgrammingError) as raised:
            wire.prepare(sql)
        assert raised.value.errno == number
        wire.works()


def test_error_of_an_execution(wire: Wire) -> None:
    prepared = wire.prepare(
        "SELECT seq, IF(seq = ?, (SELECT 1 UNION SELECT 2), 'x') FROM seq_1_to_9999"
    )
    for seq in (1, 5000, 9999):
        with pytest.raises(ProgrammingError, match="more than 1 row"):
            wire.execute(prepared, seq)
        wire.works()
    assert len(wire.execute(prepared, 0)[0].rows) == 9999


def test_rows_before_the_error_of_a_stream(unix: Wire) -> None:
    prepared = unix.prepare(
        "SELECT seq, IF(seq = ?, (SELECT 1 UNION SELECT 2), 'x') FROM seq_1_to_9999"
    )
    unix.execute(prepared, 9000, stream=True)
    taken = []
    while isinstance(piece := outcome_of(lambda: unix.fetch(1000)), list):
        taken += piece
    assert isinstance(piece, ProgrammingError)
    assert [row[0] for row in taken] == list(range(1, len(taken) + 1))
    unix.works()


def test_value_that_cannot_be_decoded(unix: Wire) -> None:
    strict = make_reading(invalid_dates="error")
    prepared = unix.prepare("SELECT CAST(? AS DATE)")
    unix.query("SET sql_mode = ''")
    with pytest.raises(DataError, match="0000-00-00"):
        unix.execute(prepared, "0000-00-00", reading=strict)
    unix.works()
    assert unix.execute(prepared, "2024-02-29", reading=strict)[0].rows == [
        (date(2024, 2, 29),)
    ]


def test_too_many_statements(unix: Wire, mariadb_server: TemporaryServer) -> None:
    root = connect(mariadb_server, login="root")
    ((limit,),) = rows(root, "SELECT @@max_prepared_stmt_count")
    # Those of earlier tests go when the server has seen that their connections ended.
    end = monotonic() + BOUND
    counted = "SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'"
    while rows(root, counted) != [(b"Prepared_stmt_count", b"0")]:
        assert monotonic() < end, "others have prepared statements"
    query(root, "SET GLOBAL max_prepared_stmt_count = 1")
    try:
        kept = unix.prepare("SELECT 1")
        with pytest.raises(Error) as raised:
            unix.prepare("SELECT 2")
        assert raised.value.errno == 1461
        del kept
        assert unix.execute(unix.prepare("SELECT 3"))[0].rows == [(3,)]
    finally:
        query(root, f"SET GLOBAL max_prepared_stmt_count = {int(limit or 0)}")
        lib.mysql_close(root)


def test_too_few_and_too_many_parameters(unix: Wire) -> None:
    prepared = unix.prepare("SELECT ?, ?")
    for sql, params in (("?", (1,)), ("?, ?, ?", (1, 2, 3))):
        bound = Template(sql, 0).bind(params)
        with pytest.raises(ProgrammingError, match="takes 2"):
            unix.channel.execute(prepared.statement, bound, READING, False)
    with pytest.raises(ProgrammingError, match="0 parameters are given"):
        unix.channel.execute(prepared.statement, None, READING, False)
    unix.works()


def test_arguments_of_wrong_classes(unix: Wire) -> None:
    prepared = unix.prepare("SELECT 1")
    good: list[Any] = [prepared.statement, None, READING, False]
    wrong: list[tuple[int, Any]] = [(0, b"SELECT 1"), (1, (1,)), (2, None), (3, 1)]
    for place, bad in wrong:
        arguments = [*good[:place], bad, *good[place + 1 :]]
        with pytest.raises(TypeError, match="Statement"):
            unix.channel.execute(*arguments)
    with pytest.raises(TypeError):
        unix.channel.execute(*good[:3])
    for bad in ("SELECT 1", None, bytearray(b"SELECT 1")):
        with pytest.raises(TypeError, match="bytes"):
            unix.channel.prepare(bad)
    with pytest.raises(TypeError):
        Statement()
    unix.works()


def test_statement_of_another_connection(
    unix: Wire, mariadb_server: TemporaryServer
) -> None:
    with opened(mariadb_server, "unix") as other:
        prepared = other.prepare("SELECT 1")
        with pytest.raises(InterfaceError, match="another connection"):
            unix.start(prepared)
        unix.works()
        other.works()


# ---- columns that change -------------------------------------------------------------

#: Each is a change of the table, and what `SELECT *` of it gives then.
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ADD COLUMN c INT DEFAULT 7 FIRST", {"c": 7, "a": 1, "b": "x"}),
    ("DROP COLUMN b, ADD COLUMN d CHAR(3) DEFAULT 'new'", {"c": 7, "a": 1, "d": "new"}),
    ("MODIFY c VARCHAR(9)", {"c": "7", "a": 1, "d": "new"}),
    ("CHANGE d e CHAR(3)", {"c": "7", "a": 1, "e": "new"}),
    ("DROP COLUMN c, DROP COLUMN e", {"a": 1}),
    (
        ", ".join(f"ADD COLUMN x{i} BIGINT DEFAULT {i}" for i in range(300)),
        {"a": 1} | {f"x{i}": i for i in range(300)},
    ),
)


@pytest.mark.parametrize("kind", ["TEMPORARY TABLE", "TABLE"])
def test_table_is_altered_under_a_statement(unix: Wire, kind: str) -> None:
    unix.query(f"CREATE OR REPLACE {kind} altered (a INT, b VARCHAR(9))")
    unix.query("INSERT INTO altered VALUES (1, 'x')")
    prepared = unix.prepare("SELECT * FROM altered")
    expected: dict[str, Any] = {"a": 1, "b": "x"}
    for change, following in (("COMMENT 'a'", expected), *CHANGES):
        assert unix.execute(prepared, reading=DICT)[0].rows == [expected]
        unix.query(f"ALTER TABLE altered {change}")
        expected = following
        for _ in range(3):
            (reply,) = unix.execute(prepared, reading=DICT)
            assert reply.rows == [expected]
            assert names(reply) == list(expected)
    unix.query("DROP TABLE altered")
    with pytest.raises(ProgrammingError):
        unix.execute(prepared)
    unix.works()


def test_statement_changes_type_with_its_parameters(unix: Wire) -> None:
    prepared = unix.prepare("SELECT ? AS a")
    for value in (1, "x", None, 2.5, b"\xff", date(2024, 1, 1), 1, 1, "y"):
        assert unix.execute(prepared, value)[0].rows == [(value,)]


def test_format_of_columns_that_are_sent_anew(unix: Wire) -> None:
    """The library forgets it; without it JSON would be a str."""
    prepared = unix.prepare("SELECT JSON_ARRAY(?) AS a, JSON_OBJECT('k', 1) AS b")
    for value in (1, "x", None, 1, 1):
        assert unix.execute(prepared, value)[0].rows == [([value], {"k": 1})]
    unix.query("CREATE TEMPORARY TABLE formats (a JSON, b UUID)")
    unix.query(
        "INSERT INTO formats VALUES ('[1]', '00000000-0000-0000-0000-000000000001')"
    )
    stored = unix.prepare("SELECT * FROM formats")
    for change in ("COMMENT 'a'", "ADD c JSON DEFAULT '[2]'", "DROP b"):
        unix.query(f"ALTER TABLE formats {change}")
        for _ in range(2):
            text = unix.rows("SELECT * FROM formats")
            assert unix.execute(stored)[0].rows == text


def test_epoch_changes_with_what_statements_mean(unix: Wire) -> None:
    names = "sql_mode,session_track_schema,session_track_system_variables"
    unix.query(f"SET session_track_system_variables = CONCAT('autocommit,', '{names}')")
    for sql, variables, databases in (
        ("SELECT 1", 0, 0),
        ("SET autocommit = 0", 0, 0),
        ("SET sql_mode = 'ANSI_QUOTES'", 1, 0),
        ("USE information_schema", 0, 1),
        ("USE test; SET sql_mode = ''", 1, 1),
        ("SET @a = 1", 0, 0),
        ("PREPARE p FROM 'SET sql_mode = DEFAULT'", 0, 0),
        ("EXECUTE p", 1, 0),
        ("SET session_track_schema = 0", 1, 0),
    ):
        before = unix.channel.epoch
        unix.query(sql)
        # By how much with a variable, is not said: replies tell of a mode twice.
        grown = unix.channel.epoch - before
        assert (grown >= 1 << 32, grown % (1 << 32)) == (variables, databases), sql


def test_another_reading_each_time(unix: Wire) -> None:
    prepared = unix.prepare("SELECT ? AS a")
    for number in range(3):
        assert unix.execute(prepared, number)[0].rows == [(number,)]
        dicts = unix.execute(prepared, number, reading=DICT)
        assert dicts[0].rows == [{"a": number}]
        scalars = unix.execute(prepared, number, reading=make_reading(scalar_row))
        assert scalars[0].rows == [number]
