"""Dividing a file into statements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mariadb_nb.cli.sqlfile import SqlFileError, read_statements, split


def texts(sql: str) -> list[str]:
    return [statement.sql for statement in split(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1;;  ;\nSELECT 2;\n", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; DO 1", ["SELECT ';'", "DO 1"]),
        ("SELECT 'it''s;'; DO 1", ["SELECT 'it''s;'", "DO 1"]),
        (r"SELECT 'a\';b'; DO 1", [r"SELECT 'a\';b'", "DO 1"]),
        (r"SELECT 'a\\'; DO 1", [r"SELECT 'a\\'", "DO 1"]),
        ('SELECT "a\\";b"; DO 1', ['SELECT "a\\";b"', "DO 1"]),
        ("SELECT `a;\\`; DO 1", ["SELECT `a;\\`", "DO 1"]),
        ("SELECT 1 -- no ; end\n; DO 1", ["SELECT 1", "DO 1"]),
        ("SELECT 1 --;\n; DO 1", ["SELECT 1 --", "DO 1"]),
        ("SELECT 2--1; DO 1", ["SELECT 2--1", "DO 1"]),
        ("SELECT 1 # no ' ; end\n; DO 1", ["SELECT 1", "DO 1"]),
        ("SELECT /* ; ' */ 1; DO 1", ["SELECT /* ; ' */ 1", "DO 1"]),
        ("-- a title\nSELECT 1;\n/* the end */", ["SELECT 1"]),
        ("/*! SET @a = 1; */; DO 1", ["/*! SET @a = 1; */", "DO 1"]),
        ("/*M!100100 DO 1 */;", ["/*M!100100 DO 1 */"]),
        ("SELECT /*+ hint */ 1 -- x", ["SELECT /*+ hint */ 1"]),
        ("SELECT 1 --", ["SELECT 1"]),
        ("SELECT '日本;' AS ü; DO 1", ["SELECT '日本;' AS ü", "DO 1"]),
        ("-- nothing", []),
        ("", []),
    ],
)
def test_a_semicolon_ends_a_statement_unless_it_is_quoted(
    sql: str, expected: list[str]
) -> None:
    assert texts(sql) == expected


def test_the_summary_is_one_line_without_comments() -> None:
    sql = "SELECT a, -- first\n  /* second */ 'b\n c'   FROM t\n -- all\n;"
    (statement,) = split(sql)
    assert statement.summary == "SELECT a, 'b c' FROM t"
    assert statement.sql == sql[: sql.index("\n -- all")]


def test_a_statement_knows_its_line() -> None:
    sql = "\n-- title\nSELECT\n 1;\n\n'x\ny';; DO 2"
    assert [statement.line for statement in split(sql)] == [3, 6, 7]


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("DO 1;\nSELECT 'abc;\n", "line 2: a string literal begins"),
        ('SELECT "abc', "line 1: a quoted text begins"),
        ("SELECT\n`abc", "line 2: a quoted name begins"),
        ("DO 1; /* abc", "line 1: a comment begins"),
        ("SELECT 'abc\\", "a string literal begins"),
    ],
)
def test_what_has_no_end_is_an_error(sql: str, what: str) -> None:
    with pytest.raises(SqlFileError, match=what):
        read_statements(sql.encode(), "some.sql")


def test_a_file_must_have_statements() -> None:
    with pytest.raises(SqlFileError, match=r"some\.sql: there is no statement"):
        read_statements(b"-- nothing\n", "some.sql")


def test_a_file_must_be_utf8() -> None:
    with pytest.raises(SqlFileError, match=r"some\.sql, line 2: this is not UTF-8"):
        read_statements("DO 1;\nSELECT 'ü'".encode("latin-1"), "some.sql")


def test_a_byte_order_mark_is_no_part_of_the_sql() -> None:
    (statement,) = read_statements("SELECT 'ü'".encode("utf-8-sig"), "some.sql")
    assert statement.sql == "SELECT 'ü'"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


PLAIN = st.text(alphabet="abc 1,*()=\n", max_size=8)
PIECES = st.one_of(
    PLAIN,
    st.text(max_size=8).map(_quoted),
    st.text(max_size=8).map(lambda text: f"`{text.replace('`', '')}`"),
    st.text(max_size=8).map(lambda text: f"/* {text.replace('*/', '')} */"),
    st.text(max_size=8).map(lambda text: "-- " + text.replace("\n", "") + "\n"),
)
STATEMENTS = st.lists(PIECES, max_size=5).map(lambda parts: f"x{''.join(parts)}y")


@given(st.lists(STATEMENTS, max_size=5))
def test_what_was_joined_is_split_again(statements: list[str]) -> None:
    assert texts(";".join(statements)) == statements
    assert texts(" ;\n-- ;\n".join([*statements, ""])) == statements


@given(st.text(alphabet="ab;'\"`\\/*!-# \n"))
def test_nothing_is_lost_or_made_up(sql: str) -> None:
    try:
        statements = list(split(sql))
    except SqlFileError:
        return
    position = 0
    lines = sql.split("\n")
    for statement in statements:
        position = sql.index(statement.sql, position) + len(statement.sql)
        assert statement.sql.split("\n")[0] in lines[statement.line - 1]
        assert statement.sql == statement.sql.strip(" \n")
        assert "\n" not in statement.summary
