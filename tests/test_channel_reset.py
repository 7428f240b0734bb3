"""``Channel.pipeline`` with a reset of the session at its head, on a real server."""

from __future__ import annotations

from typing import Any

import pytest
from capi_support import connect
from channel_support import (
    BROKEN,
    READING,
    Wire,
    kill_connection,
    outcome_of,
    paused,
)

from mariadb_nb._attached import Channel
from mariadb_nb.capi import ffi, lib
from mariadb_nb.errors import Busy, ConnectionLost, Error
from mariadb_nb.server import TemporaryServer

IN_TRANSACTION = 1
CLOSED_STATEMENT = 2056  # CR_STMT_CLOSED


def reset(wire: Wire, *statements: str) -> list[Any]:
    """What the reset and the statements behind it were answered with."""
    answers: list[Any] = []
    texts = [None, *(sql.encode() for sql in statements)]
    assert wire.finish(wire.channel.pipeline(texts, READING, answers)) is None
    return answers


def test_session_is_new_for_the_statement_behind_it(wire: Wire) -> None:
    wire.query("CREATE TEMPORARY TABLE t (id INT) ENGINE=InnoDB")
    wire.query("SET @left = 1, SESSION max_error_count = 7; DO GET_LOCK('left', 0)")
    wire.query("START TRANSACTION; INSERT INTO t VALUES (1)")
    assert wire.channel.server_status & IN_TRANSACTION
    first, rows, missing, last = reset(
        wire,
        "SELECT @left, @@max_error_count = 7, IS_USED_LOCK('left')",
        "SELECT * FROM t",
        "SELECT CONNECTION_ID()",
    )
    assert [reply.rows for reply in first] == [None]
    assert rows[0].rows == [(None, 0, None)]
    assert missing.errno == 1146
    assert last[0].rows == [(wire.thread_id,)]
    assert not wire.channel.server_status & IN_TRANSACTION
    wire.works()


def test_status_of_a_reset_alone_is_read(wire: Wire) -> None:
    wire.query("START TRANSACTION; DO 1")
    ((reply,),) = reset(wire)
    assert not reply.server_status & IN_TRANSACTION
    assert not wire.channel.server_status & IN_TRANSACTION
    wire.works()


def test_nothing_is_told_of_an_earlier_statement(unix: Wire) -> None:
    unix.query("CREATE TEMPORARY TABLE t (id INT AUTO_INCREMENT PRIMARY KEY)")
    unix.query("INSERT INTO t VALUES (), ()")
    ((reply,),) = reset(unix)
    assert (reply.insert_id, reply.warning_count, reply.info) == (0, 0, None)
    assert reply.affected_rows == 0


def test_statements_end_with_the_session(wire: Wire) -> None:
    """The library is told of that, also of those of the C API."""
    prepared = wire.prepare("SELECT ?")
    assert wire.execute(prepared, 5)[0].rows == [(5,)]
    stmt = lib.mysql_stmt_init(wire.mysql)
    assert lib.mysql_stmt_prepare(stmt, b"SELECT 1", 8) == 0
    answers = reset(wire, "SHOW SESSION STATUS LIKE 'Com_stmt_close'")
    assert len(answers) == 2
    with pytest.raises(Error):
        wire.execute(prepared, 5)
    assert lib.mysql_stmt_execute(stmt) != 0
    assert lib.mysql_stmt_errno(stmt) == CLOSED_STATEMENT
    assert lib.mysql_stmt_close(stmt) == 0
    del prepared
    wire.works()
    again = wire.prepare("SELECT ? + 1")
    assert wire.execute(again, 5)[0].rows == [(6,)]


def test_library_is_left_as_it_was(unix: Wire) -> None:
    """What resets and pings by itself afterwards waits for its replies again."""
    for _ in range(3):
        reset(unix, "DO 1")
        assert lib.mysql_reset_connection(unix.mysql) == 0
        assert lib.mysql_ping(unix.mysql) == 0
        unix.works()


def test_many_statements_behind_it(wire: Wire) -> None:
    texts = [f"SELECT {number}, '{'x' * 3000}'" for number in range(300)]
    answers = reset(wire, *texts)
    assert [answer[0].rows[0][0] for answer in answers[1:]] == [*range(300)]
    wire.works()


def test_compressed(mariadb_server: TemporaryServer) -> None:
    mysql = connect(mariadb_server, "tcp", flags=lib.CLIENT_COMPRESS)
    channel = Channel(int(ffi.cast("uintptr_t", mysql)))
    answers: list[Any] = []
    wire = Wire.__new__(Wire)
    wire.channel, wire.waits = channel, []
    texts = [None, b"SET @a = 1", b"SELECT @a, REPEAT('x', 100000)"]
    for _ in range(20):
        answers.clear()
        assert wire.finish(channel.pipeline(texts, READING, answers)) is None
        assert answers[2][0].rows == [(1, "x" * 100_000)]
    channel.close()


@pytest.mark.parametrize("statements", [[b"DO 1", None], [None, None], [None, "DO 1"]])
def test_reset_stands_only_at_the_head(unix: Wire, statements: list[Any]) -> None:
    with pytest.raises(TypeError, match="bytes"):
        unix.channel.pipeline(statements, READING, [])
    unix.works()


def test_is_refused_while_the_c_api_is_at_work(unix: Wire) -> None:
    assert lib.mysql_real_query(unix.mysql, b"SELECT 'C'", 10) == 0
    assert isinstance(outcome_of(lambda: reset(unix)), Busy)
    lib.mysql_free_result(lib.mysql_use_result(unix.mysql))
    unix.query("SET @kept = 1")
    reset(unix)
    assert unix.rows("SELECT @kept") == [(None,)]


def test_connection_that_was_killed(
    wire: Wire, mariadb_server: TemporaryServer
) -> None:
    kill_connection(mariadb_server, wire.thread_id)
    assert isinstance(reset(wire, "DO 1")[-1], ConnectionLost)
    assert wire.channel.standing == BROKEN
    wire.gone()


def test_closing_it_at_each_wait(mariadb_server: TemporaryServer) -> None:
    most = 50
    for count in range(most):
        wire = Wire(mariadb_server, "tls")
        texts = [None, b"DO SLEEP(0.05)", b"SELECT 1"]
        with paused(mariadb_server):
            outcome = wire.channel.pipeline(texts, READING, [])
        outcome = wire.go(outcome, count)
        wire.channel.close()
        wire.gone()
        if outcome is None:
            break
    assert 0 < count < most - 1
