"""A parameter that is bound counts like its literal, whatever it meets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from channel_support import READING, Wire, opened, outcome_of

from mariadb_nb._wire import Template
from mariadb_nb.errors import Error
from mariadb_nb.preparing import UNPREPARABLE
from mariadb_nb.server import TemporaryServer

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 127, 2**31, 2**63 - 1, -(2**63), 2**63, 2**64 - 1),
    *(2**64, -(2**63) - 1, 10**60, 0.0, -0.0, 0.1, 1.5, -2.5e-300, 1e300, 1e15),
    *map(Decimal, ("0", "1.50", "-0.00", "1E+5", "0.00001", "18446744073709551615")),
    Decimal("123456789012345678901234567890.123456789"),
    *("", "a", "A ", "\xe4", "1", "1.5", "2020-01-01", "12:30:00", "it's \\ \0 \n"),
    *("\U0001f600", b"", b"a", b"\xff\x00", b"1", b"\\"),
    *(date(2020, 1, 1), date(1, 1, 1), datetime(2020, 1, 1), datetime(9999, 12, 31)),
    datetime(2020, 1, 1, 12, 30, 15, 123456),
    *(time(0), time(12, 30), time(12, 30, 15, 5), timedelta(0), timedelta(days=1)),
    timedelta(hours=838, minutes=59, seconds=59),
)
TYPES = (
    *("TINYINT", "TINYINT UNSIGNED", "INT", "BIGINT", "BIGINT UNSIGNED", "FLOAT"),
    *(
        "DOUBLE",
        "DECIMAL(10,2)",
        "DECIMAL(65,30)",
        "BIT(8)",
        "YEAR",
        "DATE",
        "DATETIME",
    ),
    *("DATETIME(6)", "TIMESTAMP NULL", "TIME", "TIME(3)", "CHAR(5)", "VARCHAR(40)"),
    *("VARCHAR(40) CHARACTER SET latin1", "BINARY(4)", "VARBINARY(40)", "TEXT", "BLOB"),
    *("ENUM('a','1','b')", "SET('a','b')", "JSON", "UUID", "INET6"),
)
#: To which nothing can be added, not even an unknown parameter.
NO_NUMBERS = ("UUID", "INET6")
ROWS = (
    "(NULL), (1), ('1'), ('a'), ('2020-01-01'), ('12:30:00'), ('2020-01-01 12:30:15')"
)
STATEMENTS = (
    "INSERT INTO alike VALUES (?)",
    "INSERT INTO alike VALUES (?), (?) RETURNING c",
    "UPDATE alike SET c = ?",
    "UPDATE alike SET c = c + ?",
    "SELECT c FROM alike WHERE c = ?",
    "SELECT c FROM alike WHERE c <=> ? OR c <> ?",
    "SELECT COUNT(*) AS n FROM alike WHERE c IN (?, ?)",
    "SELECT COUNT(*) AS n FROM alike WHERE c BETWEEN ? AND ?",
    "SELECT COUNT(*) AS n FROM alike WHERE c LIKE ?",
    "DELETE FROM alike WHERE c >= ?",
)


@pytest.fixture(scope="module")
def wire(mariadb_server: TemporaryServer) -> Iterator[Wire]:
    with opened(mariadb_server, "unix") as made:
        yield made


def told(wire: Wire, outcome: Any) -> Any:
    """All that a statement tells, and what it has left."""
    warnings: Any = None
    if isinstance(outcome, Error):
        outcome = type(outcome), outcome.errno
    else:
        # Not their texts: an integer's literal is an int there, when bound a bigint.
        warnings = [row[:2] for row in wire.rows("SHOW WARNINGS")]
        outcome = [
            (it.rows, it.affected_rows, it.warning_count, it.info) for it in outcome
        ]
    return repr((outcome, warnings, wire.rows("SELECT HEX(c), c FROM alike")))


def fill(wire: Wire, sql: str) -> None:
    """Make the table as it is before each statement."""
    wire.query("DELETE FROM alike")
    if not sql.startswith("INSERT"):
        wire.query(f"INSERT IGNORE INTO alike VALUES {ROWS}")


def send(wire: Wire, text: bytes) -> Any:
    return wire.finish(wire.channel.query(text, READING, False))


def disagreements(wire: Wire, sql: str) -> list[Any]:
    """The values with which a statement counts otherwise when it is prepared."""
    template = Template(sql, 0)
    assert template.equivalent
    prepared = wire.prepare(sql)
    found = []
    for value in VALUES:
        params = (value,) * template.count
        text = template.render(params)
        fill(wire, sql)
        written = outcome_of(partial(send, wire, text))
        expected = told(wire, written)
        fill(wire, sql)
        bound = outcome_of(partial(wire.execute, prepared, *params))
        if told(wire, bound) != expected:
            found.append(value)
    return found


@pytest.mark.parametrize(
    ("kind", "mode"),
    [*((kind, "DEFAULT") for kind in TYPES), *((kind, "''") for kind in TYPES[::3])],
)
def test_parameters_meet_a_column(wire: Wire, kind: str, mode: str) -> None:
    wire.query(f"SET sql_mode = {mode}")
    wire.query(f"CREATE OR REPLACE TEMPORARY TABLE alike (c {kind}) ENGINE = MyISAM")
    for sql in STATEMENTS:
        if "+" in sql and kind in NO_NUMBERS:
            with pytest.raises(Error) as raised:
                wire.prepare(sql)
            assert raised.value.errno in UNPREPARABLE
            continue
        assert disagreements(wire, sql) == [], sql
