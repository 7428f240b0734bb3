"""Arrays of parameters for the statements of ``_wire.Channel``, driven by hand."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from channel_support import READING, Wire, opened, outcome_of, paused

from mariadb_nb.errors import (
    Busy,
    ConnectionLost,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
)
from mariadb_nb.server import TemporaryServer

TABLE = "CREATE TEMPORARY TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, x BIGINT, y TEXT)"
INSERT = "INSERT INTO t (x, y) VALUES (?, ?)"
ROWS = [(n, f"{n:0500}") for n in range(120)]


@pytest.fixture
def wire(mariadb_server: TemporaryServer, transport: str) -> Iterator[Wire]:
    """A connection over each transport, with an empty table."""
    with opened(mariadb_server, transport) as made:
        made.query(TABLE)
        yield made


def contents(wire: Wire) -> Any:
    return wire.rows("SELECT x, y FROM t ORDER BY id")


def test_rows_arrive_in_one_request(wire: Wire) -> None:
    assert wire.channel.takes_bulks
    prepared = wire.prepare(INSERT)
    (reply,) = wire.execute_rows(prepared, ROWS)
    assert (reply.affected_rows, reply.insert_id, reply.has_rows) == (120, 1, False)
    assert reply.info == "Records: 120  Duplicates: 0  Warnings: 0"
    assert contents(wire) == ROWS
    wire.works()


def test_arrays_and_single_parameters_in_turn(wire: Wire) -> None:
    """Each execution has types of its own."""
    prepared = wire.prepare(INSERT)
    for _ in range(3):
        wire.query("DELETE FROM t")
        wire.execute_rows(prepared, [(1, "a"), (None, "b")])
        wire.execute(prepared, "3", Decimal("1.5"))
        wire.execute_rows(prepared, [("4", 1), ("5", None)])
        wire.execute(prepared, 6, b"c")
        assert contents(wire) == [
            *((1, "a"), (None, "b"), (3, "1.5"), (4, "1"), (5, None), (6, "c"))
        ]


def test_rows_that_are_returned(wire: Wire) -> None:
    prepared = wire.prepare(f"{INSERT} RETURNING id, y")
    for first in (1, 121):
        (reply,) = wire.execute_rows(prepared, ROWS)
        assert [y for _, y in reply.rows] == [y for _, y in ROWS]
        assert reply.rows[0][0] >= first
        assert [column[0] for column in reply.columns] == ["id", "y"]
    wire.works()


def test_error_in_the_middle_of_rows_that_are_returned(wire: Wire) -> None:
    wire.query("ALTER TABLE t ADD UNIQUE (x)")
    prepared = wire.prepare(f"{INSERT} RETURNING id, y")
    with pytest.raises(IntegrityError, match="Duplicate entry '7'"):
        wire.execute_rows(prepared, [*ROWS, (7, "")])
    wire.works()
    assert len(wire.execute_rows(prepared, ROWS)[0].rows) == 120


def test_what_is_no_request_is_refused(wire: Wire) -> None:
    prepared = wire.prepare(INSERT)
    wrong: Any
    for wrong in (b"", b"\0" * 9):
        with pytest.raises(ProgrammingError, match="no request"):
            wire.channel.execute(prepared.statement, wrong, READING, False)
    for wrong in ("", bytearray(20), 5):
        with pytest.raises(TypeError):
            wire.channel.execute(prepared.statement, wrong, READING, False)
    wire.works()


def test_request_of_other_parameters_is_an_error_of_the_server(wire: Wire) -> None:
    """It reads what is there, and finds that it has no end."""
    short = wire.prepare("INSERT INTO t (x, y) VALUES (?, 'y')")
    request, _ = wire.prepare(INSERT).template.bulks([(1, "abc")], 1 << 20).build()  # type: ignore[misc]
    outcome = outcome_of(
        lambda: wire.finish(
            wire.channel.execute(short.statement, request, READING, False)
        )
    )
    assert isinstance(outcome, Exception)
    wire.works()


def test_statement_of_another_connection(
    wire: Wire, mariadb_server: TemporaryServer
) -> None:
    with opened(mariadb_server, "unix") as other:
        other.query(TABLE)
        prepared = other.prepare(INSERT)
        with pytest.raises(InterfaceError, match="another connection"):
            wire.start_rows(prepared, ROWS)
        assert other.execute_rows(prepared, ROWS)[0].affected_rows == 120
    wire.works()


def test_second_request_while_one_is_under_way(wire: Wire) -> None:
    prepared = wire.prepare(INSERT)
    with paused(wire.server):
        events = wire.start_rows(prepared, ROWS)
        assert events > 0
        with pytest.raises(Busy):
            wire.start_rows(prepared, ROWS)
    (reply,) = wire.finish(events)
    assert reply.affected_rows == len(ROWS)
    assert contents(wire) == ROWS
    wire.works()


@pytest.mark.parametrize("size", [10, 10_000_000])
def test_connection_that_ends_under_a_request(
    wire: Wire, size: int, mariadb_server: TemporaryServer
) -> None:
    """While it is sent, or while the reply is waited for."""
    prepared = wire.prepare(INSERT)
    with paused(mariadb_server):
        events = wire.start_rows(prepared, [(1, "x" * size), (2, "y")])
        assert events > 0
        wire.channel.shutdown()
        with pytest.raises(ConnectionLost):
            wire.finish(events)
    wire.gone()


def test_connection_that_is_closed_under_a_request(
    wire: Wire, mariadb_server: TemporaryServer
) -> None:
    prepared = wire.prepare(INSERT)
    with paused(mariadb_server):
        assert wire.start_rows(prepared, [(1, "x" * 10_000_000)]) > 0
        wire.channel.close()
    wire.gone()
