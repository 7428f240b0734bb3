"""Many rows of parameters become few statements of many rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from capi_support import error, query, rows
from hypothesis import given
from hypothesis import strategies as st
from statement_support import MODES, connections, growth, parts

from mariadb_nb._wire import Template
from mariadb_nb.capi import lib
from mariadb_nb.errors import DataError, ProgrammingError
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

NO_LIMIT = 1 << 30


@pytest.fixture(scope="module")
def by_mode(mariadb_server: TemporaryServer) -> Iterator[dict[int, CData]]:
    with connections(mariadb_server) as opened:
        for mysql in opened.values():
            table = "CREATE TEMPORARY TABLE t (id INT PRIMARY KEY AUTO_INCREMENT,"
            assert query(mysql, f"{table} a TEXT, b INT)") == 0, error(mysql)
        yield opened


# ---- Which statements -------------------------------------------------------------

#: Of these the server takes any number of groups.
POSSIBLE = [
    "INSERT INTO t (a, b) VALUES (?, ?)",
    "insert into t(a,b)values(?,?)",
    "INSERT t (a) VALUE (?)",
    "INSERT INTO t VALUES (NULL, ?, ?);",
    "INSERT LOW_PRIORITY IGNORE INTO t (a) VALUES (?)",
    "INSERT HIGH_PRIORITY INTO t (a) VALUES (?)",
    "INSERT IGNORE t (a) VALUES (?)",
    "REPLACE INTO t (a) VALUES (?)",
    "REPLACE LOW_PRIORITY t (a) VALUES (?)",
    "INSERT INTO test.t (t.a, test.t.b) VALUES (?, ?)",
    "INSERT INTO `test` . `t` (`a`) VALUES (?) ; -- end",
    "INSERT INTO t () VALUES (?, 'x', 2)",
    "/* a */ INSERT /* ( */ INTO t -- VALUES (\n (a, # b\n b) VALUES\n(?, ?) # end",
    "INSERT INTO t (a) VALUES (CONCAT(')', ?, \"(\", `id`))",
    "INSERT INTO t (a, b) VALUES ((?), (1 + (? * 2)))",
    "INSERT INTO t (a, b) VALUES (?, DEFAULT)",
    "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES(a), b = (1)",
    "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id);",
    "INSERT INTO t (a) VALUES (?) RETURNING id, ';'",
    "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = 'x' RETURNING id",
]


@pytest.mark.parametrize("sql", POSSIBLE)
def test_statements_that_take_many_rows(by_mode: dict[int, CData], sql: str) -> None:
    mysql = by_mode[0]
    template = Template(sql, 0)
    assert template.batch
    many: list[Any] = [(i * 10 + 1,) * template.count for i in range(3)]
    ((statement, count),) = template.batches(many, NO_LIMIT)
    assert count == 3
    assert query(mysql, "DELETE FROM t") == 0
    assert query(mysql, statement) == 0, error(mysql)
    if "RETURNING" in sql:
        lib.mysql_free_result(lib.mysql_store_result(mysql))
    assert rows(mysql, "SELECT COUNT(*) FROM t") == [(b"3",)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ?",
        "UPDATE t SET a = ?",
        "INSERT INTO t SET a = ?",
        "INSERT INTO t SELECT ?, 1, 2",
        "INSERT INTO t (SELECT ?, 1, 2)",
        "INSERT INTO t (a) VALUES (?), (?)",
        "INSERT INTO t (a) VALUES (1)",
        "INSERT INTO t (a) VALUES (?), (1)",
        "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = ?",
        "INSERT INTO t (a) VALUES (?) RETURNING ?",
        "INSERT INTO t (a) VALUES (?); SELECT 1",
        "INSERT INTO t (a) VALUES (?);;",
        "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = 1; DELETE FROM t",
        "INSERT INTO t (a) VALUES (?) AS new",
        "INSERT INTO t (a) VALUES (?) UNION SELECT 1",
        "INSERT INTO t (a) VALUES ROW(?)",
        "INSERT INTO t PARTITION (p0) (a) VALUES (?)",
        "INSERT INTO t (a) VALUES ((SELECT MAX(b) FROM t) + ?)",
        "INSERT INTO t (a, b) VALUES (?, LAST_INSERT_ID())",
        "INSERT INTO t (a, b) VALUES (?, last_insert_id())",
        "INSERT INTO t (a, b) VALUES (?, @n := @n + 1)",
        "INSERT INTO t (a, b) VALUES (?, ROW_COUNT())",
        "INSERT INTO t (a) /*! VALUES */ VALUES (?)",
        "INSERT INTO t (a) VALUES (? /*!50000 + 1 */)",
        "INSERT INTO t (a) VALUES (?) /*!50000 ON DUPLICATE KEY UPDATE a = 1 */",
        "INSERT INTO t (a) VALUES (?",
        "INSERT INTO t (a) VALUES (?))",
        "INSERT INTO t (a VALUES (?)",
        "INSERT INTO t (a,) VALUES (?)",
        "INSERT INTO t (a) VALUES ?",
        "INSERT INTO t (a) VALUES (?) 'x'",
        "INSERT INTO 't' (a) VALUES (?)",
        "INSERT INTO ? VALUES (1)",
        "INSERT INTO t (?) VALUES (?)",
        "INSERT INTO",
        "INSERT",
        "REPLACE IGNORE INTO t (a) VALUES (?)",
        "EXPLAIN INSERT INTO t (a) VALUES (?)",
        "SET STATEMENT sort_buffer_size = 9999 FOR INSERT INTO t (a) VALUES (?)",
        "INSERTED INTO t (a) VALUES (?)",
        "INSERT INTO t (a) VALUES 'x' (?)",
        "-- INSERT INTO t (a) VALUES (?)",
        "'INSERT INTO t (a) VALUES (?)'",
        "",
    ],
)
def test_statements_that_do_not(sql: str) -> None:
    template = Template(sql, 0)
    assert not template.batch
    with pytest.raises(ProgrammingError, match="no INSERT or REPLACE"):
        template.batches([], NO_LIMIT)


def test_names_depend_on_the_mode() -> None:
    sql = 'INSERT INTO "t" ("a") VALUES (?)'
    assert [Template(sql, mode).batch for mode in MODES] == [False, False, True, True]


@given(
    st.lists(
        st.sampled_from(
            [
                *("INSERT", "INTO", "t", "VALUES", "VALUE", "SELECT", "RETURNING"),
                *("ON", "DUPLICATE", "KEY", "UPDATE", "'x'", "`t`", "/**/", "/*!"),
                *(".", ",", "(", ")", ")", "?", ";", "*/", "@", "=", "1", "#"),
            ]
        ),
        max_size=20,
    )
)
def test_what_is_called_possible_is_one_group(words: list[str]) -> None:
    head = "INSERT INTO t (a) VALUES "
    template = Template(f"{head}(?{' '.join(words)}", 0)
    if template.batch:
        row: Any = (1,) * template.count
        ((once, _),) = template.batches([row], NO_LIMIT)
        assert once == template.render(row)
        ((twice, _),) = template.batches([row, row], NO_LIMIT)
        length = len(twice) - len(once) - 1
        group = once.decode()[len(head) :][:length]
        tail = once.decode()[len(head) + length :]
        assert twice.decode() == f"{head}{group},{group}{tail}"
        depths = list(
            accumulate({"(": 1, ")": -1}.get(part.text, 0) for part in parts(group, 0))
        )
        assert depths.index(0) == len(depths) - 1


# ---- Packing ----------------------------------------------------------------------

INSERT = "INSERT INTO t (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE b = 1"


def test_each_style_of_placeholders() -> None:
    sent = b"INSERT INTO t VALUES (1, 5 % 'x'),(2, 5 % 'y') RETURNING 1"
    text = "INSERT INTO t VALUES ({}, 5 {} {}) RETURNING 1"
    positional: list[Any] = [(1, "x"), [2, "y"]]
    named: list[Any] = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    for sql, many in [
        (text.format("?", "%", "?"), positional),
        (text.format("%s", "%%", "%s"), positional),
        (text.format("%(a)s", "%%", "%(b)s"), named),
    ]:
        assert list(Template(sql, 0).batches(many, NO_LIMIT)) == [(sent, 2)]


def test_a_space_is_kept_where_words_would_join() -> None:
    ((sent, _),) = Template("INSERT INTO t VALUES(-?, x?'y')", 0).batches(
        [(-1, "a"), (2, "b")], NO_LIMIT
    )
    assert sent == b"INSERT INTO t VALUES(--1, x 'a' 'y'),(-2, x 'b' 'y')"


@given(
    values=st.lists(st.text(st.characters(codec="ascii"), max_size=40), max_size=30),
    limit=st.integers(1, 500),
)
def test_all_rows_are_sent_in_order_and_within_the_limit(
    values: list[str], limit: int
) -> None:
    template = Template(INSERT, 0)
    head, tail = b"INSERT INTO t (a, b) VALUES ", b" ON DUPLICATE KEY UPDATE b = 1"
    many = [(value, i) for i, value in enumerate(values)]
    groups = [Template("(?, ?)", 0).render(row) for row in many]
    sent = list(template.batches(iter(many), limit))
    assert sum(count for _, count in sent) == len(many)
    for statement, count in sent:
        mine, groups = groups[:count], groups[count:]
        assert statement == head + b",".join(mine) + tail
        assert len(statement) <= limit or count == 1
        if groups:
            assert len(statement) + len(groups[0]) + 1 > limit


def test_a_large_row_goes_alone_and_none_is_lost() -> None:
    sizes = [1, 10_000, 1, 1, 10_000, 10_000, 1]
    many = [("x" * size, i) for i, size in enumerate(sizes)]
    sent = list(Template(INSERT, 0).batches(many, 1000))
    assert [count for _, count in sent] == [1, 1, 2, 1, 1, 1]


def test_the_rows_arrive_under_each_mode(by_mode: dict[int, CData]) -> None:
    values = ["'", "\\", '"', "é😀", "\n\0", "),(", "?%s"] * 40
    for mode, mysql in by_mode.items():
        assert query(mysql, "DELETE FROM t") == 0
        many = [(value, i) for i, value in enumerate(values)]
        template = Template("INSERT INTO t (a, b) VALUES (%s, %s)", mode)
        for statement, count in template.batches(many, 500):
            assert query(mysql, statement) == 0, error(mysql)
            assert lib.mysql_affected_rows(mysql) == count
        found = rows(mysql, "SELECT a FROM t ORDER BY b")
        assert [row[0] for row in found] == [value.encode() for value in values]


def test_no_rows_are_no_statement() -> None:
    assert list(Template(INSERT, 0).batches([], NO_LIMIT)) == []


def test_encoders_are_for_batches_too() -> None:
    ((sent, _),) = Template(INSERT, 0).batches([({}, 1)], NO_LIMIT, {dict: str})
    assert b"VALUES ('{}', 1)" in sent


# ---- Errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        ((float("nan"), 1), DataError, r"^rows\[3\]\[0\] is no finite number"),
        ((1, {}), ProgrammingError, r"^rows\[3\]\[1\] is of class dict"),
        ((1,), ProgrammingError, r"^rows\[3\] has the length 1"),
        (5, ProgrammingError, r"^rows\[3\] is of class int"),
    ],
)
def test_an_error_names_the_row(bad: Any, kind: type[Exception], message: str) -> None:
    many: list[Any] = [("x", 1)] * 5
    many[3] = bad
    batches = Template(INSERT, 0).batches(many, 10)
    assert [next(batches)[1] for _ in range(3)] == [1, 1, 1]
    with pytest.raises(kind, match=message):
        next(batches)
    assert list(batches) == []  # it ends there


def test_an_error_names_row_and_parameter() -> None:
    template = Template("INSERT INTO t VALUES (%(a)s)", 0)
    many: list[Any] = [{"a": 1}, {"a": {1}}]
    with pytest.raises(ProgrammingError, match=r"^rows\[1\]\['a'\] is of class set"):
        list(template.batches(many, NO_LIMIT))
    with pytest.raises(ProgrammingError, match=r"^rows\[1\] has no 'a'"):
        list(template.batches([{"a": 1}, {"b": 1}], NO_LIMIT))


def test_an_error_of_the_rows_is_theirs() -> None:
    def failing() -> Iterator[tuple[str, int]]:
        yield "x", 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        next(Template(INSERT, 0).batches(failing(), NO_LIMIT))
    with pytest.raises(TypeError, match="not iterable"):
        Template(INSERT, 0).batches(5, NO_LIMIT)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_must_be_positive(limit: int) -> None:
    with pytest.raises(ValueError, match=f"max_bytes is {limit}"):
        Template(INSERT, 0).batches([], limit)


def test_rows_cannot_ask_for_the_batch_that_they_are_in() -> None:
    def curious() -> Iterator[tuple[str, int]]:
        yield "x", 1
        next(batches)

    batches = Template(INSERT, 0).batches(curious(), NO_LIMIT)
    with pytest.raises(ProgrammingError, match="already being made"):
        next(batches)


def test_batches_are_made_by_a_template_only() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        type(Template(INSERT, 0).batches([], 1))()


def test_nothing_is_leaked_even_by_a_cycle() -> None:
    template = Template(INSERT, 0)
    large: list[Any] = [("x" * 300, i) for i in range(20)]

    def all_paths() -> None:
        assert sum(count for _, count in template.batches(large, 1000)) == 20
        next(template.batches(large, 10))  # given up with a row kept
        with pytest.raises(ProgrammingError):
            next(template.batches([*large, ()], NO_LIMIT))
        cycle: list[Any] = [("x", 1)] * 3
        cycle.append(template.batches(iter(cycle), 1))

    assert growth(all_paths, 200) < 4000
