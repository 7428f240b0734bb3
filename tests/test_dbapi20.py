"""PEP 249, asked the way that the DB-API compliance suite asks.

Stuart Bishop's dbapi20 (public domain, version 1.15) is the yardstick by which Python's
drivers have been compared for twenty years. This is its list of 35 cases, each under
the name that it has there and with the same things asserted, written anew; what goes
beyond it is in the test_driver files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import mariadb_nb
from mariadb_nb.server import TemporaryServer

WINES = ["Barolo", "Chianti", "Malbec", "Riesling", "Rioja", "Zweigelt"]
#: Looks like a placeholder of each style, in a place where there can be none.
DECEPTIVE = "a %s and a %(key)s? no: %d of :1 or :name"

CREATE_WINES = "CREATE TABLE dbapi20_wines (name VARCHAR(20))"
CREATE_GUESTS = "CREATE TABLE dbapi20_guests (name VARCHAR(20), wine VARCHAR(60))"
SELECT_WINES = "SELECT name FROM dbapi20_wines"


def open_connection(server: TemporaryServer) -> mariadb_nb.Connection:
    user = server.users["native"]
    return mariadb_nb.connect(
        unix_socket=server.socket,
        user=user.name,
        password=user.password,
        database="test",
    )


@pytest.fixture
def con(mariadb_server: TemporaryServer) -> Iterator[mariadb_nb.Connection]:
    """A connection; the tables and procedures of a test are dropped after it."""
    with open_connection(mariadb_server) as connection:
        yield connection
    with open_connection(mariadb_server) as cleaner, cleaner.cursor() as cur:
        cur.execute("DROP TABLE IF EXISTS dbapi20_wines, dbapi20_guests")
        cur.execute("DROP PROCEDURE IF EXISTS dbapi20_lower")
        cur.execute("DROP PROCEDURE IF EXISTS dbapi20_two_results")


@pytest.fixture
def cur(con: mariadb_nb.Connection) -> mariadb_nb.Cursor:
    return con.cursor()


def fill_wines(cur: mariadb_nb.Cursor) -> None:
    cur.execute(CREATE_WINES)
    for name in WINES:
        cur.execute(f"INSERT INTO dbapi20_wines VALUES ('{name}')")


def insert_guests(cur: mariadb_nb.Cursor) -> None:
    """Insert with and without a parameter, and find the same again."""
    insert = "INSERT INTO dbapi20_guests VALUES"
    cur.execute(CREATE_GUESTS)
    cur.execute(f"{insert} ('Ann', '{DECEPTIVE}')")
    assert cur.rowcount == 1
    cur.execute(f"{insert} (?, '{DECEPTIVE}')", ("O'Neill",))
    assert cur.rowcount == 1
    cur.execute("SELECT name, wine FROM dbapi20_guests")
    rows = cur.fetchall()
    assert sorted(name for name, _ in rows) == ["Ann", "O'Neill"]
    assert [wine for _, wine in rows] == [DECEPTIVE] * 2


# ---- the module ------------------------------------------------------------


def test_connect(mariadb_server: TemporaryServer) -> None:
    open_connection(mariadb_server).close()


def test_apilevel() -> None:
    assert mariadb_nb.apilevel == "2.0"


def test_threadsafety() -> None:
    assert mariadb_nb.threadsafety in (1, 2, 3)


def test_paramstyle() -> None:
    assert mariadb_nb.paramstyle == "qmark"


def test_exceptions() -> None:
    assert issubclass(mariadb_nb.Warning, Exception)
    assert issubclass(mariadb_nb.Error, Exception)
    assert not issubclass(mariadb_nb.Warning, mariadb_nb.Error)
    assert issubclass(mariadb_nb.InterfaceError, mariadb_nb.Error)
    assert issubclass(mariadb_nb.DatabaseError, mariadb_nb.Error)
    for error in (
        mariadb_nb.DataError,
        mariadb_nb.OperationalError,
        mariadb_nb.IntegrityError,
        mariadb_nb.InternalError,
        mariadb_nb.ProgrammingError,
        mariadb_nb.NotSupportedError,
    ):
        assert issubclass(error, mariadb_nb.DatabaseError)


def test_date() -> None:
    noon = time.mktime((2002, 12, 25, 12, 0, 0, 0, 0, -1))
    assert mariadb_nb.Date(2002, 12, 25) == mariadb_nb.DateFromTicks(noon)


def test_time() -> None:
    ticks = time.mktime((2001, 1, 1, 13, 45, 30, 0, 0, -1))
    assert mariadb_nb.Time(13, 45, 30) == mariadb_nb.TimeFromTicks(ticks)


def test_timestamp() -> None:
    ticks = time.mktime((2002, 12, 25, 13, 45, 30, 0, 0, -1))
    moment = mariadb_nb.Timestamp(2002, 12, 25, 13, 45, 30)
    assert moment == mariadb_nb.TimestampFromTicks(ticks)


def test_binary() -> None:
    assert bytes(mariadb_nb.Binary(b"Something\0")) == b"Something\0"
    assert bytes(mariadb_nb.Binary(b"")) == b""
    assert mariadb_nb.Binary(bytearray(b"a")) == mariadb_nb.Binary(memoryview(b"a"))
    for wrong in (5, "a", [1]):  # bytes(5) is five times NUL
        with pytest.raises(TypeError, match="bytes-like object is required"):
            mariadb_nb.Binary(wrong)  # type: ignore[arg-type]


def test_string() -> None:
    assert hasattr(mariadb_nb, "STRING")


def test_binary_type() -> None:
    assert hasattr(mariadb_nb, "BINARY")


def test_number() -> None:
    assert hasattr(mariadb_nb, "NUMBER")


def test_datetime() -> None:
    assert hasattr(mariadb_nb, "DATETIME")


def test_rowid() -> None:
    assert hasattr(mariadb_nb, "ROWID")


# ---- connections -----------------------------------------------------------


def test_exceptions_as_connection_attributes(con: mariadb_nb.Connection) -> None:
    assert con.Warning is mariadb_nb.Warning
    assert con.Error is mariadb_nb.Error
    assert con.InterfaceError is mariadb_nb.InterfaceError
    assert con.DatabaseError is mariadb_nb.DatabaseError
    assert con.DataError is mariadb_nb.DataError
    assert con.OperationalError is mariadb_nb.OperationalError
    assert con.IntegrityError is mariadb_nb.IntegrityError
    assert con.InternalError is mariadb_nb.InternalError
    assert con.ProgrammingError is mariadb_nb.ProgrammingError
    assert con.NotSupportedError is mariadb_nb.NotSupportedError


def test_commit(con: mariadb_nb.Connection) -> None:
    con.commit()


def test_rollback(con: mariadb_nb.Connection) -> None:
    con.rollback()


def test_close(mariadb_server: TemporaryServer) -> None:
    con = open_connection(mariadb_server)
    cur = con.cursor()
    con.close()
    with pytest.raises(mariadb_nb.Error):
        cur.execute(CREATE_WINES)
    with pytest.raises(mariadb_nb.Error):
        con.commit()


def test_cursor(con: mariadb_nb.Connection) -> None:
    assert con.cursor() is not con.cursor()


def test_cursor_isolation(con: mariadb_nb.Connection) -> None:
    one, other = con.cursor(), con.cursor()
    one.execute(CREATE_WINES)
    one.execute("INSERT INTO dbapi20_wines VALUES ('Barolo')")
    other.execute(SELECT_WINES)
    assert other.fetchall() == [("Barolo",)]


# ---- cursors: what a statement was answered with ---------------------------


def test_description(cur: mariadb_nb.Cursor) -> None:
    cur.execute(CREATE_WINES)
    assert cur.description is None
    cur.execute(SELECT_WINES)
    assert cur.description is not None
    (column,) = cur.description
    assert len(column) == 7
    assert column[0] == "name"
    assert column[1] == mariadb_nb.STRING
    cur.execute(CREATE_GUESTS)
    assert cur.description is None


def test_rowcount(cur: mariadb_nb.Cursor) -> None:
    assert cur.rowcount == -1
    cur.execute(CREATE_WINES)
    assert cur.rowcount in (-1, 0)
    cur.execute("INSERT INTO dbapi20_wines VALUES ('Barolo')")
    assert cur.rowcount == 1
    cur.execute(SELECT_WINES)
    assert cur.rowcount == 1
    cur.execute(CREATE_GUESTS)
    assert cur.rowcount in (-1, 0)


def test_callproc(cur: mariadb_nb.Cursor) -> None:
    cur.execute("CREATE PROCEDURE dbapi20_lower(word TEXT) SELECT LOWER(word)")
    assert list(cur.callproc("dbapi20_lower", ("FOO",))) == ["FOO"]
    assert cur.fetchall() == [("foo",)]


def test_execute(cur: mariadb_nb.Cursor) -> None:
    insert_guests(cur)


def test_executemany(cur: mariadb_nb.Cursor) -> None:
    cur.execute(CREATE_WINES)
    cur.executemany(
        "INSERT INTO dbapi20_wines VALUES (?)", [("Nero d'Avola",), ("Barolo",)]
    )
    assert cur.rowcount == 2
    cur.execute(SELECT_WINES)
    assert sorted(cur.fetchall()) == [("Barolo",), ("Nero d'Avola",)]


def test_none(cur: mariadb_nb.Cursor) -> None:
    cur.execute(CREATE_GUESTS)
    cur.execute("INSERT INTO dbapi20_guests VALUES ('Ann', NULL)")
    cur.execute("SELECT wine FROM dbapi20_guests")
    assert cur.fetchall() == [(None,)]


def test_setinputsizes(cur: mariadb_nb.Cursor) -> None:
    cur.setinputsizes((25,))
    insert_guests(cur)


def test_setoutputsize_basic(cur: mariadb_nb.Cursor) -> None:
    cur.setoutputsize(1000)
    cur.setoutputsize(2000, 0)
    insert_guests(cur)


def test_setoutputsize(cur: mariadb_nb.Cursor) -> None:
    """It is a hint, and no value is cut because of it."""
    cur.setoutputsize(10, 0)
    cur.execute("SELECT REPEAT('x', 100000)")
    assert cur.fetchall() == [("x" * 100_000,)]


# ---- cursors: fetching -----------------------------------------------------


def test_fetchone(cur: mariadb_nb.Cursor) -> None:
    with pytest.raises(mariadb_nb.Error):
        cur.fetchone()
    cur.execute(CREATE_WINES)
    with pytest.raises(mariadb_nb.Error):
        cur.fetchone()
    cur.execute(SELECT_WINES)
    assert cur.fetchone() is None
    assert cur.rowcount == 0
    cur.execute("INSERT INTO dbapi20_wines VALUES ('Barolo')")
    with pytest.raises(mariadb_nb.Error):
        cur.fetchone()
    cur.execute(SELECT_WINES)
    assert cur.fetchone() == ("Barolo",)
    assert cur.fetchone() is None
    assert cur.rowcount == 1


def test_fetchmany(cur: mariadb_nb.Cursor) -> None:
    with pytest.raises(mariadb_nb.Error):
        cur.fetchmany(4)
    fill_wines(cur)

    cur.execute(SELECT_WINES)
    assert len(cur.fetchmany()) == 1
    cur.arraysize = 10
    assert len(cur.fetchmany(3)) == 3
    assert len(cur.fetchmany(4)) == 2
    assert list(cur.fetchmany(4)) == []
    assert cur.rowcount == 6

    cur.arraysize = 4
    cur.execute(SELECT_WINES)
    assert [len(cur.fetchmany()) for _ in range(3)] == [4, 2, 0]
    assert cur.rowcount == 6

    cur.arraysize = 6
    cur.execute(SELECT_WINES)
    assert sorted(name for (name,) in cur.fetchmany()) == WINES
    assert list(cur.fetchmany()) == []
    assert cur.rowcount == 6

    cur.execute(CREATE_GUESTS)
    cur.execute("SELECT name FROM dbapi20_guests")
    assert list(cur.fetchmany()) == []
    assert cur.rowcount == 0


def test_fetchall(cur: mariadb_nb.Cursor) -> None:
    with pytest.raises(mariadb_nb.Error):
        cur.fetchall()
    fill_wines(cur)
    with pytest.raises(mariadb_nb.Error):
        cur.fetchall()

    cur.execute(SELECT_WINES)
    assert sorted(name for (name,) in cur.fetchall()) == WINES
    assert cur.rowcount == 6
    assert list(cur.fetchall()) == []
    assert cur.rowcount == 6

    cur.execute(CREATE_GUESTS)
    cur.execute("SELECT name FROM dbapi20_guests")
    assert list(cur.fetchall()) == []
    assert cur.rowcount == 0


def test_mixedfetch(cur: mariadb_nb.Cursor) -> None:
    fill_wines(cur)
    cur.execute(SELECT_WINES)
    first, second, third = cur.fetchone(), cur.fetchmany(2), cur.fetchone()
    rest = cur.fetchall()
    assert cur.rowcount == 6
    assert (len(second), len(rest)) == (2, 2)
    assert first is not None
    assert third is not None
    assert sorted([first, *second, third, *rest]) == [(name,) for name in WINES]


def test_nextset(cur: mariadb_nb.Cursor) -> None:
    fill_wines(cur)
    cur.execute(
        "CREATE PROCEDURE dbapi20_two_results() BEGIN "
        "SELECT COUNT(*) FROM dbapi20_wines; SELECT name FROM dbapi20_wines; END"
    )
    cur.callproc("dbapi20_two_results")
    assert cur.fetchone() == (6,)
    assert cur.nextset()
    assert len(cur.fetchall()) == 6
    assert cur.nextset() is None


def test_arraysize(cur: mariadb_nb.Cursor) -> None:
    assert cur.arraysize == 1
