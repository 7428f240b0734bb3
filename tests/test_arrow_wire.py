"""Columns of Arrow from prepared statements of a real server, driven by hand."""

from __future__ import annotations

import datetime
import ipaddress
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from channel_support import Prepared, Wire
from decode_support import VALUES

from mariadb_nb import _wire
from mariadb_nb.errors import (
    DataError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

COLUMNS = _wire.Reading(_wire.SHAPE_ARROW, False, None, False)
STRICT = _wire.Reading(_wire.SHAPE_ARROW, False, None, True)
#: An error in the third row of three, by a procedure that the statement calls.
FAILING = "SELECT seq, IF(seq = 3, fails(), 0) FROM seq_1_to_3"


def begin(wire: Wire, prepared: Prepared, *params: Any, how: Any = COLUMNS) -> Any:
    return wire.execute(prepared, *params, reading=how, stream=True)


def batches(wire: Wire, count: int) -> list[Any]:
    """What is left of a stream, in batches that were checked."""
    found = []
    while wire.channel.streaming:
        batch = wire.fetch(count)
        pa.record_batch(batch).validate(full=True)
        found.append(batch)
    return found


def values(batches: list[Any]) -> list[tuple[Any, ...]]:
    tables = [pa.record_batch(batch) for batch in batches]
    return [
        row
        for table in tables
        for row in zip(*(c.to_pylist() for c in table.columns), strict=True)
    ]


def test_a_stream_of_batches(wire: Wire) -> None:
    prepared = wire.prepare("SELECT seq, CONCAT('row ', seq) s FROM seq_1_to_1000")
    reply = begin(wire, prepared)
    assert (reply.has_rows, len(reply.rows)) == (True, 0)
    assert pa.schema(reply.rows).names == ["seq", "s"]
    found = batches(wire, 300)
    assert [len(batch) for batch in found] == [300, 300, 300, 100]
    assert values(found) == [(n, f"row {n}") for n in range(1, 1001)]
    assert pa.schema(found[0]) == pa.schema(reply.rows)
    wire.works()


def test_a_stream_whose_last_batch_is_full(wire: Wire) -> None:
    begin(wire, wire.prepare("SELECT seq FROM seq_1_to_6"))
    assert [len(batch) for batch in batches(wire, 3)] == [3, 3, 0]
    begin(wire, wire.prepare("SELECT seq FROM seq_1_to_6 WHERE seq > 6"))
    assert [len(batch) for batch in batches(wire, 3)] == [0]
    wire.works()


#: From what Arrow has to what Python has, where they differ.
AS_IN_PYTHON: dict[str, Callable[[Any], Any]] = {
    "FLOAT": lambda value: float(f"{value:.6g}"),  # Arrow has all bits
    "JSON": json.loads,
    "INET4": ipaddress.ip_address,
    "INET6": ipaddress.ip_address,
}


def test_values_of_every_type(unix: Wire) -> None:
    unix.query("SET sql_mode = 'ALLOW_INVALID_DATES'")
    names = [f"c{place}" for place in range(len(VALUES))]
    kinds = [f"{n} {kind} NULL" for n, (kind, *_) in zip(names, VALUES, strict=True)]
    unix.query(f"CREATE TEMPORARY TABLE everything ({', '.join(kinds)})")
    sql = ", ".join(sql for _, sql, *_ in VALUES)
    unix.query(f"INSERT INTO everything VALUES ({sql})")
    unix.query("INSERT INTO everything (c0) VALUES (NULL)")
    prepared = unix.prepare("SELECT * FROM everything")
    begin(unix, prepared)
    row, nulls = values(batches(unix, 10))
    (reply,) = unix.execute(prepared)
    for (kind, *_), value, expected in zip(VALUES, row, reply.rows[0], strict=True):
        found = AS_IN_PYTHON.get(kind, lambda same: same)(value)
        assert (type(found), repr(found)) == (type(expected), repr(expected)), kind
    assert nulls == (None,) * len(VALUES)


def test_types_of_every_type(unix: Wire) -> None:
    unix.query(
        "CREATE TEMPORARY TABLE t (a TINYINT UNSIGNED, b MEDIUMINT, c YEAR, "
        "d DECIMAL(38,38), e DECIMAL(39,1) UNSIGNED, f DATETIME, g TIME(3), h BIT(3), "
        "i SET('a'), j JSON, k UUID, l INET6, m POINT, n LONGTEXT, o LONGBLOB, "
        "p DECIMAL(30,2) ZEROFILL, q ENUM('a'), r VARCHAR(9) CHARACTER SET latin1)"
    )
    begin(unix, unix.prepare("SELECT *, NULL, 1, COUNT(*) FROM t"))
    (batch,) = batches(unix, 10)
    assert pa.schema(batch).types == [
        *(pa.uint8(), pa.int32(), pa.int16()),
        *(pa.decimal128(38, 38), pa.decimal256(39, 1), pa.timestamp("us")),
        *(pa.duration("us"), pa.binary(), pa.utf8(), pa.json_(pa.utf8()), pa.uuid()),
        *(pa.utf8(), pa.binary(), pa.utf8(), pa.binary(), pa.decimal128(30, 2)),
        *(pa.utf8(), pa.utf8(), pa.null(), pa.int32(), pa.int64()),
    ]


def test_a_dictionary_for_each_batch(unix: Wire) -> None:
    unix.query("CREATE TEMPORARY TABLE t (e ENUM('a', 'b', 'c'), s TEXT)")
    unix.query("INSERT INTO t SELECT seq % 3 + 1, seq % 5 FROM seq_1_to_10")
    prepared = unix.prepare("SELECT e, s FROM t")
    for chosen, enum, text in ((True, True, False), (frozenset("s"), False, True)):
        reading = _wire.Reading(_wire.SHAPE_ARROW, chosen)
        begin(unix, prepared, how=reading)
        found = batches(unix, 4)
        schema = pa.schema(found[0])
        assert pa.types.is_dictionary(schema.field("e").type) is enum
        assert pa.types.is_dictionary(schema.field("s").type) is text
        assert values(found) == [("abc"[n % 3], str(n % 5)) for n in range(1, 11)]


def test_a_dictionary_of_what_is_not_there(unix: Wire) -> None:
    reading = _wire.Reading(_wire.SHAPE_ARROW, frozenset({"x"}))
    prepared = unix.prepare("SELECT seq FROM seq_1_to_1000")
    begin(unix, prepared, how=reading)
    with pytest.raises(ProgrammingError, match="dictionary= names 'x'"):
        unix.fetch(10)
    unix.finish(unix.channel.discard())
    unix.works()


def test_rows_and_columns_by_turns(unix: Wire) -> None:
    """Of one statement, which keeps what it has made of its columns."""
    prepared = unix.prepare("SELECT ?, 'x'")
    for number in range(3):
        begin(unix, prepared, number)
        assert values(batches(unix, 10)) == [(number, "x")]
        (reply,) = unix.execute(prepared, number)
        assert reply.rows == [(number, "x")]


def test_other_columns_the_next_time(unix: Wire) -> None:
    unix.query("CREATE TEMPORARY TABLE t (a INT)")
    unix.query("INSERT INTO t VALUES (1)")
    prepared = unix.prepare("SELECT * FROM t")
    begin(unix, prepared)
    (before,) = batches(unix, 10)
    unix.query("ALTER TABLE t MODIFY a VARCHAR(9), ADD b INT DEFAULT 5")
    begin(unix, prepared)
    found = batches(unix, 10)
    assert values(found) == [("1", 5)]
    assert values([before]) == [(1,)]


def test_all_rows_in_one_batch_with_the_reply(unix: Wire) -> None:
    """Nobody asks for it; but it is what not to stream means."""
    (reply,) = unix.execute(unix.prepare("SELECT seq FROM seq_1_to_9"), reading=COLUMNS)
    assert values([reply.rows]) == [(n,) for n in range(1, 10)]


def test_text_has_no_columns(unix: Wire) -> None:
    with pytest.raises(NotSupportedError, match="prepared statements only"):
        unix.query("SELECT 1", COLUMNS)
    unix.works()


# ---- errors --------------------------------------------------------------------------


def test_a_value_that_fails(wire: Wire) -> None:
    """The rows before it come first, and those behind it are left alone."""
    prepared = wire.prepare(
        "SELECT seq, CAST(IF(seq = 5, '0000-00-00', '2024-02-29') AS DATE) d "
        "FROM seq_1_to_9"
    )
    begin(wire, prepared, how=STRICT)
    day = datetime.date(2024, 2, 29)
    assert values([wire.fetch(100)]) == [(n, day) for n in range(1, 5)]
    with pytest.raises(DataError, match="column 'd' has the date 0000-00-00"):
        wire.fetch(100)
    wire.finish(wire.channel.discard())
    wire.works()
    begin(wire, prepared)
    assert [d for _, d in values(batches(wire, 100))] == [day] * 4 + [None] + [day] * 4


def test_an_error_of_the_server_between_rows(unix: Wire) -> None:
    unix.query("DROP FUNCTION IF EXISTS fails")
    unix.query(
        "CREATE FUNCTION fails() RETURNS INT "
        "BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no third row'; RETURN 1; END"
    )
    try:
        prepared = unix.prepare(FAILING)
        begin(unix, prepared)
        assert values([unix.fetch(100)]) == [(1, 0), (2, 0)]
        with pytest.raises(OperationalError, match="no third row"):
            unix.fetch(100)
        unix.works()
    finally:
        unix.query("DROP FUNCTION fails")


def test_a_stream_that_is_given_up(wire: Wire) -> None:
    begin(wire, wire.prepare("SELECT seq, REPEAT('x', 100) FROM seq_1_to_20000"))
    batch = wire.fetch(10)
    wire.finish(wire.channel.discard())
    assert values([batch])[9] == (10, "x" * 100)
    wire.works()


def test_a_connection_that_is_cut(wire: Wire) -> None:
    begin(wire, wire.prepare("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000"))
    kept = wire.fetch(10)
    wire.channel.shutdown()
    with pytest.raises(OperationalError):
        batches(wire, 1000)
    wire.gone()
    assert len(values([kept])) == 10


def test_a_channel_that_is_closed_within_a_batch(wire: Wire) -> None:
    """A suspended fetch has columns half made: they are let go."""
    begin(
        wire, wire.prepare("SELECT REPEAT('x', 2000), SLEEP(seq > 30) FROM seq_1_to_40")
    )
    outcome = wire.channel.fetch(1000)
    assert outcome.__class__ is int
    wire.channel.close()
    assert wire.channel.fd == -1


def test_the_loop_has_its_turns(unix: Wire) -> None:
    """A batch of many rows does not keep others waiting until it is full."""
    columns = ", ".join(f"CONCAT(seq, 'column {n}')" for n in range(50))
    begin(unix, unix.prepare(f"SELECT {columns} FROM seq_1_to_30000"))
    unix.waits.clear()
    batch = unix.fetch(30_000)
    assert len(batch) == 30_000
    assert unix.waits.count(0) > 3 or len(unix.waits) > 50


# ---- limits --------------------------------------------------------------------------

#: What the server computes, with a type of its own idea.
EXPRESSIONS = """
    b*b, b/3, SUM(b), AVG(b), SUM(i), AVG(u), i/3, u*1.5, -b, ROUND(b, -3), CEIL(b),
    IFNULL(NULL, 1.5), COALESCE(b, i), GREATEST(b, c), CAST(i AS DECIMAL(9,2)), b % 7,
    1.5, 00001.50, STD(b), VARIANCE(b), SUM(b*b), SUM(u*1.5), b DIV 3, BIT_XOR(i),
    MAX(b), SUM(DISTINCT c), NULLIF(b, 1), 0.1 + 0.2, YEAR('2024-01-01'), CRC32('x'),
    DATE '2024-02-29' + 0, COUNT(*), GROUP_CONCAT(b), 18446744073709551615 + 0.5
"""


def test_values_of_expressions(unix: Wire) -> None:
    unix.query(
        "CREATE TEMPORARY TABLE t "
        "(b DECIMAL(12,2), c DECIMAL(10,0) UNSIGNED, i INT, u BIGINT UNSIGNED)"
    )
    unix.query(
        "INSERT INTO t VALUES (-9999999999.99, 9999999999, 2147483647, "
        "18446744073709551615), (2.5, 3, -4, 5), (NULL, NULL, NULL, NULL)"
    )
    prepared = unix.prepare(f"SELECT {EXPRESSIONS} FROM t GROUP BY i WITH ROLLUP")
    begin(unix, prepared)
    found = values(batches(unix, 10))
    (reply,) = unix.execute(prepared)
    assert found == reply.rows
    assert len(found) == 4


def test_decimals_beyond_those_of_columns(unix: Wire) -> None:
    """An expression may have more digits than the server has a type for."""
    unix.query("CREATE TEMPORARY TABLE t (d DECIMAL(65,30))")
    largest = f"{'9' * 35}.{'9' * 30}"
    unix.query(f"INSERT INTO t VALUES ({largest}), ({largest})")
    begin(unix, unix.prepare("SELECT d FROM t LIMIT 1"))
    (column,) = batches(unix, 10)
    assert pa.schema(column).types == [pa.decimal256(65, 30)]
    prepared = unix.prepare("SELECT SUM(d), d + d FROM t")
    begin(unix, prepared)
    found = values(batches(unix, 10))
    (reply,) = unix.execute(prepared)
    assert found == reply.rows
    begin(unix, unix.prepare("SELECT d * 1000000000000 * 1000000000000 FROM t"))
    with pytest.raises(DataError, match="is no decimal of 76 digits, 30 of them"):
        unix.fetch(10)
    unix.finish(unix.channel.discard())
    unix.works()
