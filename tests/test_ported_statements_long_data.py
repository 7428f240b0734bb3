"""Connector/C's own tests of statements, written anew: values sent in pieces.

mysql_stmt_send_long_data, values that are larger than a packet, and the file of a LOAD
DATA LOCAL. Origins as in test_ported_statements.py.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from binding import Bind, Statement, execute_all
from capi_support import Connect, connect, rows

from mariadb_nb.capi import closing, ffi, lib
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

pytestmark = pytest.mark.parametrize("transport", ["unix", "tls"])

INSERT = "INSERT INTO t1 VALUES (?, ?, ?)"


@pytest.fixture
def mysql(connector: Connect, transport: str) -> CData:
    mysql = connector(transport)
    execute_all(
        mysql,
        "CREATE TEMPORARY TABLE t1 (number INT, long_text MEDIUMTEXT, bytes LONGBLOB)",
    )
    return mysql


def test_a_value_is_sent_in_pieces(mysql: CData) -> None:
    """ps.c: test_long_data, test_long_data_str: two parameters, next to a number.

    Their buffers are not looked at.
    """
    with Statement(mysql, INSERT) as statement:
        parameters = (Bind("LONG", 999), Bind("STRING"), Bind("STRING", b"unused"))
        statement.ok(statement.bind_param(*parameters))
        statement.ok(statement.send_long_data(1, b"Michael"))
        statement.ok(statement.send_long_data(2, b"Venu"))
        for _ in range(4):
            statement.ok(statement.send_long_data(1, b" Monty"))
        statement.ok(statement.execute())
    expected = (b"999", b"Michael" + b" Monty" * 4, b"Venu")
    assert rows(mysql, "SELECT * FROM t1") == [expected]


@pytest.mark.parametrize("kind", ["BLOB", "TINY_BLOB", "LONG_BLOB", "STRING"])
def test_bytes_are_sent_in_pieces(mysql: CData, kind: str) -> None:
    """ps.c: test_long_data_bin, test_long_data_str1, test_long_data1: zeros as well."""
    with Statement(mysql, "INSERT INTO t1 (bytes) VALUES (?)") as statement:
        statement.ok(statement.bind_param(Bind(kind)))
        for _ in range(100):
            statement.ok(statement.send_long_data(0, b"My\0\xff"))
        statement.ok(statement.execute())
    assert rows(mysql, "SELECT bytes FROM t1") == [(b"My\0\xff" * 100,)]


def test_long_data_is_for_one_execution(mysql: CData) -> None:
    """ps_bugs.c, test_bug1664: empty or not; after it, the buffer counts again."""
    number, string = Bind("LONG", 1), Bind("STRING", b"Simple string")
    steps: list[tuple[bytes | None, bytes]] = [
        (b"", b""),
        (b"Data", b"Data"),
        (None, b"Simple string"),
        (b"SomeOtherData", b"SomeOtherData"),
        (None, b"Simple string"),
    ]
    with Statement(mysql, INSERT) as statement:
        statement.ok(statement.bind_param(number, string, Bind("NULL")))
        for index, (sent, expected) in enumerate(steps):
            number.value = index
            if sent is not None:
                statement.ok(statement.send_long_data(1, sent))
            statement.ok(statement.execute())
            found = rows(mysql, f"SELECT long_text FROM t1 WHERE number = {index}")
            assert found == [(expected,)]


def test_resetting_forgets_long_data(mysql: CData) -> None:
    """ps_bugs.c, test_bug1664."""
    with Statement(mysql, INSERT) as statement:
        parameters = (Bind("LONG", 2), Bind("STRING", b"bound"), Bind("NULL"))
        statement.ok(statement.bind_param(*parameters))
        statement.ok(statement.send_long_data(1, b"SomeData"))
        statement.ok(statement.reset())
        statement.ok(statement.execute())
    assert rows(mysql, "SELECT long_text FROM t1") == [(b"bound",)]


def test_long_data_for_no_parameter_is_refused(mysql: CData) -> None:
    """What ps_bugs.c, test_bug1664 leaves out: a wrong number, and no statement."""
    with Statement(mysql) as statement:
        assert statement.send_long_data(0, b"data") != 0
        assert statement.errno == lib.CR_NO_PREPARE_STMT
        statement.ok(statement.prepare(INSERT))
        assert statement.send_long_data(3, b"data") != 0
        assert statement.errno == lib.CR_INVALID_PARAMETER_NO


@pytest.fixture(scope="module")
def roomy_server() -> Iterator[TemporaryServer]:
    """A server that takes packets of 64 MiB."""
    with TemporaryServer(options={"max_allowed_packet": "64M"}) as server:
        yield server


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_huge_value_goes_there_and_back(
    roomy_server: TemporaryServer, transport: str, in_pieces: bool
) -> None:
    """ps.c, test_blob_9000, made larger than 16 MiB, the most that a packet holds.

    Bound whole, or sent in pieces of 1 MiB; fetched whole.
    """
    piece = 1024 * 1024
    value = bytes(range(256)) * (17 * piece // 256)
    with (
        closing(connect(roomy_server, transport)) as mysql,
        Statement(mysql, "SELECT ?") as statement,
    ):
        if in_pieces:
            statement.ok(statement.bind_param(Bind("LONG_BLOB")))
            for start in range(0, len(value), piece):
                data = value[start : start + piece]
                statement.ok(statement.send_long_data(0, data))
        else:
            statement.ok(statement.bind_param(Bind("LONG_BLOB", value)))
        statement.run()
        column = Bind("LONG_BLOB", capacity=len(value))
        assert statement.rows(column) == [(value,)]


def test_a_file_is_loaded_by_a_statement(
    connector: Connect, transport: str, tmp_path: Path
) -> None:
    """ps_bugs.c, test_conc525: again and again; without the file it is an error."""
    mysql = connector(transport)
    on = ffi.new("unsigned int *", 1)
    assert lib.mysql_options(mysql, lib.MYSQL_OPT_LOCAL_INFILE, on) == 0
    execute_all(mysql, "CREATE TEMPORARY TABLE t1 (a INT)")
    file = tmp_path / "rows.csv"
    sql = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE t1"
    with Statement(mysql, sql) as statement:
        assert statement.execute() != 0
        assert statement.errno == errno.ENOENT
        file.write_text("1\n2\n")
        for _ in range(2):
            statement.ok(statement.execute())
            assert statement.affected_rows == 2
        file.write_text("".join(f"{number}\n" for number in range(100_000)))
        statement.ok(statement.execute())
        assert statement.affected_rows == 100_000
    assert rows(mysql, "SELECT COUNT(*), MAX(a) FROM t1") == [(b"100004", b"99999")]
