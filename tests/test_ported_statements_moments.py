"""Connector/C's own tests of statements, written anew: dates and times.

MYSQL_TIME as parameter and column, strings that are read as one, and what becomes of
impossible ones. Origins as in test_ported_statements.py.
"""

from __future__ import annotations

import pytest
from binding import Bind, Moment, Statement, clock, date, datetime, execute_all
from capi_support import Connect, rows

from mariadb_nb.capi import lib

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])

NOON = datetime(2000, 1, 10, 11, 16, 20, 5)
DAY = date(2000, 1, 10)
CLOCK = clock(11, 16, 20, 5)


@pytest.mark.parametrize(
    ("type_", "sent_as", "kept"),
    [
        ("DATETIME(6)", "DATETIME", NOON),
        ("TIMESTAMP(6)", "TIMESTAMP", NOON),
        ("TIMESTAMP(6)", "DATETIME", NOON),
        ("DATE", "DATETIME", DAY),
        ("DATE", "DATE", DAY),
        ("TIME(6)", "DATETIME", CLOCK),
        ("TIME(6)", "TIME", CLOCK),
    ],
)
def test_a_moment_is_converted_to_its_column(
    connector: Connect, transport: str, type_: str, sent_as: str, kept: Moment
) -> None:
    """A MYSQL_TIME then tells the kind and the parts that the column has.

    The type of the buffer changes nothing, but that a TIME is given no date.
    ps.c: test_date, test_date_date, test_date_ts, test_date_dt, test_date_time.
    """
    mysql = connector(transport)
    execute_all(mysql, f"CREATE TEMPORARY TABLE t1 (a {type_})")
    with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
        statement.run(Bind(sent_as, CLOCK if sent_as == "TIME" else NOON))
    kinds = ("DATETIME", "TIMESTAMP", "DATE", "TIME")
    without_date = kept._replace(year=0, month=0, day=0)
    with Statement(mysql, "SELECT a, a, a, a FROM t1") as statement:
        found = statement.run().rows(*map(Bind, kinds))
        assert found == [(kept, kept, kept, without_date)]


def test_moments_are_inserted_again_and_again(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug27592: 40 executions, each bound anew and with a value."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a DATETIME)")
    moments = [datetime(2007, 6, 7, 18, minute, 3) for minute in range(40)]
    column = Bind("DATETIME")
    with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
        for moment in moments:
            statement.run(Bind("DATETIME", moment))
    with Statement(mysql, "SELECT a FROM t1") as statement:
        assert statement.run().rows(column) == [(moment,) for moment in moments]


def test_the_time_of_a_date_is_not_sent(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_bug20152: and it stays in the buffer."""
    mysql = connector(transport)
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a DATETIME)")
    sent = Bind("DATE", datetime(2006, 6, 18, 14, 9, 42))
    with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
        statement.run(sent)
    assert rows(mysql, "SELECT a FROM t1") == [(b"2006-06-18 00:00:00",)]
    assert sent.value == datetime(2006, 6, 18, 14, 9, 42)


def test_microseconds_go_there_and_back(connector: Connect, transport: str) -> None:
    """ps_bugs.c, test_bug4026: of times, a negative one too, and of dates with time."""
    sent = (
        clock(23, 59, 59, 123456),
        clock(3, 59, 59, 999999, negative=True),
        datetime(2003, 12, 31, 23, 59, 59, 123456),
        datetime(9999, 12, 31, 23, 59, 59, 999999),
    )
    kinds = ("TIME", "TIME", "DATETIME", "DATETIME")
    with Statement(connector(transport), "SELECT ?, ?, ?, ?") as statement:
        statement.run(*map(Bind, kinds, sent))
        assert statement.rows(*map(Bind, kinds)) == [sent]


def test_a_time_may_have_days(connector: Connect, transport: str) -> None:
    """ps.c, test_datetime_ranges: they are sent as such, and come back as hours.

    A long time needs them: of its hours, one byte is sent.
    """
    largest = clock(838, 59, 59, 999999, negative=True)
    in_days = clock(22, 59, 59, 999999, days=34, negative=True)
    with Statement(connector(transport), "SELECT ?, ?, ?") as statement:
        sent = (clock(12, 30, 30, days=10), in_days, largest)
        statement.run(*[Bind("TIME", moment) for moment in sent])
        [found] = statement.rows(*[Bind("TIME") for _ in sent])
        cut = largest._replace(hour=838 % 256)
        assert found == (clock(252, 30, 30), largest, cut)


ZERO = b"0000-00-00 00:00:00"
IMPOSSIBLE = [
    (10000, 11, 10, 12, 30, 30),
    (2004, 13, 10, 12, 30, 30),
    (2004, 11, 32, 12, 30, 30),
    (2004, 11, 10, 24, 30, 30),
    (2004, 11, 10, 12, 60, 30),
    (2004, 11, 10, 12, 30, 60),
]


@pytest.mark.parametrize("strict", [False, True])
def test_impossible_moments_become_zero_or_an_error(
    connector: Connect, transport: str, strict: bool
) -> None:
    """ps.c, test_datetime_ranges: each with a warning, or in strict mode refused."""
    mysql = connector(transport)
    mode = "TRADITIONAL" if strict else ""
    execute_all(
        mysql, f"SET sql_mode = '{mode}'", "CREATE TEMPORARY TABLE t1 (a DATETIME)"
    )
    parameter = Bind("DATETIME")
    with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
        statement.ok(statement.bind_param(parameter))
        for parts in IMPOSSIBLE:
            parameter.value = datetime(*parts)
            if strict:
                assert statement.execute() != 0
                assert statement.errno == lib.ER_TRUNCATED_WRONG_VALUE
            else:
                statement.ok(statement.execute())
                assert lib.mysql_stmt_warning_count(statement.handle) == 1
    expected = [] if strict else [(ZERO,)] * len(IMPOSSIBLE)
    assert rows(mysql, "SELECT a FROM t1") == expected


@pytest.mark.parametrize(
    ("sent", "stored", "warnings"),
    [
        (clock(12, 30, 30, days=35), b"838:59:59", 0),
        (clock(12, 30, 30, days=34), b"828:30:30", 0),
        (clock(30, 30, 30, days=10), b"270:30:30", 0),
        (clock(12, 60, 30, days=10), b"00:00:00", 1),
        (clock(12, 30, 60, days=10), b"00:00:00", 1),
    ],
)
def test_impossible_times_are_cut_or_zero(
    connector: Connect, transport: str, sent: Moment, stored: bytes, warnings: int
) -> None:
    """ps.c, test_datetime_ranges."""
    mysql = connector(transport)
    execute_all(mysql, "SET sql_mode = ''", "CREATE TEMPORARY TABLE t1 (a TIME)")
    with Statement(mysql, "INSERT INTO t1 VALUES (?)") as statement:
        statement.run(Bind("TIME", sent))
        assert lib.mysql_stmt_warning_count(statement.handle) == warnings
    assert rows(mysql, "SELECT a FROM t1") == [(stored,)]


def test_a_zero_date_replaces_the_value_before_it(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug4231: an execution uses nothing of the one before."""
    first, second = Bind("DATE", date(2000, 1, 1)), Bind("DATE", date(1999, 1, 1))
    with Statement(connector(transport), "SELECT 1 FROM DUAL WHERE ? = ?") as statement:
        statement.ok(statement.bind_param(first, second))
        assert statement.run().rows(Bind("LONG")) == []
        first.value = second.value = date(0, 0, 0)
        assert statement.run().rows(Bind("LONG")) == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT MAKETIME(-25, 12, 12)",
        "SELECT CAST('0000-00-00' AS DATE)",
        "SELECT IF(1, CAST('2012-02-29' AS DATE), NULL)",
        "SELECT CAST('2012-04-25 10:20:49.0194' AS DATETIME(6))",
        "SELECT CAST('10:20:49.0194' AS TIME(6))",
        "SELECT CAST('2016-03-09 07:51:49.000' AS DATETIME(3))",
        "SELECT CAST('2016-03-09 07:51:49.010' AS DATETIME(3))",
        "SELECT CAST('2016-03-09 07:51:49' AS DATETIME)",
    ],
)
def test_a_moment_as_a_string_is_that_of_the_text_protocol(
    connector: Connect, transport: str, sql: str
) -> None:
    """Negative times, zero dates, and as many digits of a second as the type has.

    ps.c: test_new_date, test_fracseconds; ps_bugs.c: test_bug6049, test_bug6058,
    test_conc168.
    """
    mysql = connector(transport)
    execute_all(mysql, "SET sql_mode = ''")
    with Statement(mysql, sql) as statement:
        assert statement.run().rows(Bind("STRING")) == rows(mysql, sql)


def test_strings_are_read_as_the_moment_of_the_buffer(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_bug4030."""
    sql = "SELECT '23:59:59.123456', '2003-12-31', '2003-12-31 23:59:59.123456'"
    with Statement(connector(transport), sql) as statement:
        assert statement.run().rows(Bind("TIME"), Bind("DATE"), Bind("DATETIME")) == [
            (
                clock(23, 59, 59, 123456),
                date(2003, 12, 31),
                datetime(2003, 12, 31, 23, 59, 59, 123456),
            )
        ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2001-02-03 11:12:13.123456", datetime(2001, 2, 3, 11, 12, 13, 123456)),
        ("2001-02-03 11:12:13.123", datetime(2001, 2, 3, 11, 12, 13, 123000)),
        ("1999-12-31 23:59:59.9999999", datetime(1999, 12, 31, 23, 59, 59, 999999)),
        ("00-08-11 8:46:40", datetime(2000, 8, 11, 8, 46, 40)),
        ("1972-04-22", date(1972, 4, 22)),
        (" 1972-04-22 ", date(1972, 4, 22)),
        ("1972-04-22a", date(1972, 4, 22)),
        ("0000-00-00", date(0, 0, 0)),
        ("1970-01-00", date(1970, 1, 0)),
        ("0069-12-31", date(69, 12, 31)),
        ("69-12-31", date(2069, 12, 31)),
        ("70-01-01", date(1970, 1, 1)),
        ("2010-1-1", date(2010, 1, 1)),
        ("10:15:01", clock(10, 15, 1)),
        ("0:0:0", clock(0, 0, 0)),
        ("10:15:01.", clock(10, 15, 1)),
        ("-11:12:13", clock(11, 12, 13, negative=True)),
        ("25:59:59", clock(25, 59, 59)),
        ("838:59:59", clock(838, 59, 59)),
        ("-838:59:59", clock(838, 59, 59, negative=True)),
    ],
)
def test_a_string_is_read_as_a_moment(
    connector: Connect, transport: str, text: str, expected: Moment
) -> None:
    """ps_bugs.c, test_codbc138: the string decides which kind of moment it is."""
    with Statement(connector(transport), f"SELECT '{text}'") as statement:
        statement.run()
        statement.ok(statement.store_result())
        assert statement.rows(Bind("DATETIME")) == [(expected,)]


def test_a_string_that_is_no_moment_is_told_as_such(
    connector: Connect, transport: str
) -> None:
    """ps_bugs.c, test_codbc138: by MYSQL_TIMESTAMP_ERROR, not by a failing fetch."""
    texts = (
        *(" ", "1--", "-2001-01-01", "-11:00", "10000-01-01", "1979-a-01"),
        *("1979-01-32", "1979-13-01", "1YYY-01-01", "1979-0M-01", "1979-00-"),
        *("1979-00", "1979", "79", "00:60:00", "839:00:00", "-839:00:00"),
        *("-10:15:a", "1999-12-31 25:59:59.999999"),
    )
    sql = "SELECT " + ", ".join(f"'{text}'" for text in texts)
    with Statement(connector(transport), sql) as statement:
        [found] = statement.run().rows(*[Bind("DATETIME") for _ in texts])
        assert [moment.kind for moment in found] == ["ERROR"] * len(texts)


@pytest.mark.parametrize("digits", range(1, 10))
def test_digits_of_a_second_are_read_to_the_sixth(
    connector: Connect, transport: str, digits: int
) -> None:
    """ps_bugs.c, test_conc_fraction: what comes behind it is left out."""
    fraction = "123456789"[:digits]
    expected = int(fraction[:6].ljust(6, "0"))
    with Statement(connector(transport)) as statement:
        statement.ok(statement.prepare(f"SELECT '2018-11-05 22:25:59.{fraction}'"))
        statement.run()
        statement.ok(statement.store_result())
        found = statement.rows(Bind("DATETIME"))
        assert found == [(datetime(2018, 11, 5, 22, 25, 59, expected),)]
