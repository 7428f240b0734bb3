"""Placeholders are found where the server finds them, and literals stay as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statement_support import (
    ANSI_QUOTES,
    MODES,
    NO_BACKSLASH,
    STYLES,
    ask,
    connections,
    count_markers,
    is_ambiguous,
    parts,
    plain,
    significant,
)

from mariadb_nb._wire import Template
from mariadb_nb.errors import DataError, ProgrammingError
from mariadb_nb.parameters import Encoders
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData


@pytest.fixture(scope="module")
def by_mode(mariadb_server: TemporaryServer) -> Iterator[dict[int, CData]]:
    with connections(mariadb_server) as opened:
        yield opened


# ---- One rule each, asked of the server too -----------------------------------------

#: Statements that the server understands in the default mode, with ``?`` counted.
COUNTED = [
    ("SELECT ?", 1),
    ("SELECT?,?", 2),
    ("SELECT '?', ?", 1),
    ("SELECT 'it''s ?', ?", 1),
    (r"SELECT 'it\'s ?', ?", 1),
    (r"SELECT '\\', ?", 1),
    (r"SELECT 'é\'?', '\é?', '😀?', ?", 1),
    ('SELECT "?", "\\"?", """?", ?', 1),
    ("SELECT 1 AS `?`, 2 AS `a``?`, ?", 1),
    ("SELECT 1 AS `\\`, ?", 1),
    ("SELECT N'?', n'?', _utf8mb4'?', _utf8mb4 '?', _binary'?', ?", 1),
    ("SELECT x'3f', X'3F', b'1', 0x3f, ?", 1),
    ("SELECT @'a?', @`a?`, @\"a?\", @a, @@sql_mode, ?", 1),
    ("SELECT a.b, ? FROM (SELECT 1 b) a", 1),
    ("SELECT 1 -- ?\n, ?", 1),
    ("SELECT 1 --\t?\n, ?", 1),
    ("SELECT 1 --\x01?\n, ?", 1),
    ("SELECT 1 --\x7f?\n, ?", 1),
    ("SELECT 1 --", 0),
    ("SELECT 1--?", 1),
    ("SELECT 1---?", 1),
    ("SELECT 1-- -?\n- ?", 1),
    ("SELECT 1 # ?\n, ?", 1),
    ("SELECT 1 # '\n, ?", 1),
    ("SELECT 1 /* ? */, ?", 1),
    ("SELECT 1 /*/ ? */, ?", 1),
    ("SELECT 1 /**/, ?", 1),
    ("SELECT /* /* */ ? /* '*/", 1),
    ("SELECT /* \0 ' ? */ ?", 1),
    ("SELECT '\0?', ?", 1),
    ("SELECT ?\0", 1),
    ("SELECT /*! ? */", 1),
    ("SELECT /*!?*/", 1),
    ("SELECT /*!123 + ? */", 1),
    ("SELECT /*! '*/', */ ?", 1),
    ("SELECT /*! /* ? */ ? */, ?", 2),
    ("SELECT /*!50000 ? */", 1),
    ("SELECT /*!100000 ?, */ ?", 2),
    ("SELECT /*M! ?, */ ?", 2),
    ("SELECT /*M!50700 ?, */ ?", 2),
    ("SELECT /*m! ?, */ ?", 1),
    ("SELECT ?;", 1),
    ("SELECT ? % ?, 5 % ?", 3),
    ("SELECT {d '2001-01-01'}, ?", 1),
    ("SELECT \\N, ?", 1),
    ("BEGIN NOT ATOMIC DECLARE a INT DEFAULT ?; SELECT '?;', ?; END", 2),
]


@pytest.mark.parametrize(("sql", "count"), COUNTED)
def test_placeholders_are_those_of_the_server(
    by_mode: dict[int, CData], sql: str, count: int
) -> None:
    template = Template(sql, 0)
    assert count_markers(by_mode[0], sql) == count
    assert template.count == count
    assert template.style == ("qmark" if count else "none")


@pytest.mark.parametrize(
    ("mode", "sql", "count"),
    [
        (NO_BACKSLASH, r"SELECT '\', ?, '\'", 1),
        (NO_BACKSLASH, r'SELECT "\", ?, "\"', 1),
        (ANSI_QUOTES, r"SELECT '\'?', ?", 1),
        (ANSI_QUOTES, 'SELECT 1 AS "\\", ?', 1),
        (ANSI_QUOTES, 'SELECT 1 AS """?", ?', 1),
        (ANSI_QUOTES | NO_BACKSLASH, "SELECT 1 AS \"\\\", '\\', ?", 1),
    ],
)
def test_placeholders_depend_on_the_mode(
    by_mode: dict[int, CData], mode: int, sql: str, count: int
) -> None:
    assert count_markers(by_mode[mode], sql) == count
    assert Template(sql, mode).count == count
    assert Template(sql, 0).count != count or mode == ANSI_QUOTES


@pytest.mark.parametrize("sql", ["SELECT ?a", "SELECT ?é", "SELECT ?$", "SELECT ?0"])
def test_a_mark_before_a_word_is_none(by_mode: dict[int, CData], sql: str) -> None:
    assert count_markers(by_mode[0], sql) is None
    assert Template(sql, 0).count == 0


@pytest.mark.parametrize(
    ("sql", "style", "count"),
    [
        ("SELECT %s, %s", "format", 2),
        ("SELECT %s%s", "format", 2),
        ("SELECT %(a)s, %(b)s, %(a)s", "pyformat", 3),
        ("SELECT %(first name)s, %(é)s", "pyformat", 2),
        ("SELECT 7 % 4, 7%4, a %size, a %(b), %d", "none", 0),
        ("SELECT 7 %% 4, %%s, %%(a)s", "none", 0),
        ("SELECT '%s', `%s`, \"%(a)s\" -- %s\n /* %s */ # %s", "none", 0),
        ("SELECT %sé, %(a)s_, %()s, %(a'b)s'", "none", 0),
        ("SELECT '%s ?', %(a)s, '%s'", "pyformat", 1),
        ("SELECT %%%s", "format", 1),
        ("SELECT 'abc %s", "none", 0),
        ("SELECT %s /* %s", "format", 1),
    ],
)
def test_styles_of_python(sql: str, style: str, count: int) -> None:
    template = Template(sql, 0)
    assert (template.style, template.count) == (style, count)


@pytest.mark.parametrize(
    ("sql", "styles"),
    [
        ("SELECT ?, %s", r"\? and %s"),
        ("SELECT %s, %(a)s", r"%s and %\(name\)s"),
        ("SELECT %(a)s, ?", r"%\(name\)s and \?"),
        ("SELECT ?, b%s", "space behind it"),
    ],
)
def test_two_styles_are_refused(sql: str, styles: str) -> None:
    with pytest.raises(ProgrammingError, match=styles):
        Template(sql, 0)


# ---- What is sent -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "params", "sent"),
    [
        ("SELECT?,a FROM t LIMIT?", (1, 2), "SELECT 1,a FROM t LIMIT 2"),
        ("SELECT x?, _latin1?", ("a", "b"), "SELECT x 'a', _latin1 'b'"),
        ("SELECT 'a'?'b'", ("c",), "SELECT 'a' 'c' 'b'"),
        ("SELECT ??", ("a", "b"), "SELECT 'a' 'b'"),
        ("SELECT %s%s", ("a", "b"), "SELECT 'a' 'b'"),
        ("SELECT --?", (5,), "SELECT --5"),
        ("SELECT -?", (-5,), "SELECT --5"),
        ("SELECT /*!?*/", (50000,), "SELECT /*! 50000*/"),
        ("SELECT a.?.5", (5,), "SELECT a. 5 .5"),
        ("CREATE USER ?@?", ("a", "b"), "CREATE USER 'a'@'b'"),
        ("SELECT 7 %% %s, '%%'", (4,), "SELECT 7 % 4, '%%'"),
        ("SELECT 7 %%%s -- 100%%", (4,), "SELECT 7 % 4 -- 100%%"),
        ("SELECT 7 %% 4", (), "SELECT 7 % 4"),
        ("SELECT 7 %% 4", {}, "SELECT 7 % 4"),
        ("SELECT 7 %% ?", (4,), "SELECT 7 %% 4"),
        ("SELECT '?%s', %(a)s", {"a": 1}, "SELECT '?%s', 1"),
    ],
)
def test_only_placeholders_change(
    sql: str, params: tuple[object, ...] | dict[str, object], sent: str
) -> None:
    assert Template(sql, 0).render(params) == sent.encode()


def test_a_double_minus_never_becomes_a_comment(by_mode: dict[int, CData]) -> None:
    sent = Template("SELECT --?, 7", 0).render((-5,))
    assert ask(by_mode[0], sent).values == (b"-5", b"7")


# ---- Comments that some servers skip ------------------------------------------------


@pytest.mark.parametrize("value", ["*/ OR 1", "/* ", ["a", "*/"], b"*/", {"a": "*/"}])
@pytest.mark.parametrize("opening", ["/*!50000 ", "/*!999999", "/*M! ", "/*M!100000"])
def test_a_value_cannot_end_a_comment_that_is_skipped(
    opening: str, value: object
) -> None:
    template = Template(f"SELECT 1 {opening} + ? */", 0)
    encoders: Encoders = {dict: str}
    assert template.render((5,)).endswith(b" + 5 */")
    with pytest.raises(ProgrammingError, match=r"params\[0\].*comment"):
        template.render((value,), encoders)


def test_a_value_in_a_comment_that_all_servers_read_may_be_anything(
    by_mode: dict[int, CData],
) -> None:
    sent = Template("SELECT /*! ? */", 0).render(("*/ ' /* ",))
    assert ask(by_mode[0], sent).values == (b"*/ ' /* ",)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ? /*!50000 '*/' */",
        "SELECT ? /*M! -- */\n */",
        "SELECT ? /*!50000 /* */ */",
        "SELECT /*!50000 '*/', ?",
    ],
)
def test_a_comment_with_two_ends_is_refused_with_parameters(sql: str) -> None:
    with pytest.raises(ProgrammingError, match="its end elsewhere"):
        Template(sql, 0)
    assert Template(sql.replace("?", "1"), 0).count == 0


# ---- Odd input ----------------------------------------------------------------------


def test_a_statement_with_a_surrogate_is_refused_without_showing_it() -> None:
    with pytest.raises(DataError, match="lone surrogate") as caught:
        Template("SELECT 'secret\udc80', ?", 0)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("mode", [-1, 4, 16])
def test_an_unknown_mode_is_refused(mode: int) -> None:
    with pytest.raises(ValueError, match=f"mode is {mode}"):
        Template("SELECT 1", mode)


def test_a_statement_must_be_text() -> None:
    with pytest.raises(TypeError, match="must be str"):
        Template(b"SELECT 1", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("sql", ["", "?", "%", "'", "\\", "-", "--", "/*", "/*!", "%("])
def test_texts_of_nearly_nothing(sql: str) -> None:
    template = Template(sql, 0)
    assert template.render((1,) * template.count) == sql.replace("?", "1").encode()


# ---- Properties ---------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("'", '"', "`", "''", '""', "``", "\\", "\\'", '\\"', "\\\\"),
        *("?", "%s", "%(a)s", "%(b c)s", "%%", "%", "%(", ")s", "s"),
        *("--", "-- ", "--\n", "#", "/*", "*/", "/*!", "/*!50000", "/*M!", "/*!123"),
        *("-", "*", "/", "!", "M", "50000", "(", ")", ",", ";", "@", ".", "\0"),
        *("a", "x", "_", "$", "0", "é", "😀", "\u3000", " ", "\n", "\t", "\x7f"),
    ]
)
SOUP = st.lists(PIECES, max_size=25).map("".join)
VALUES = [5, -5, "x", "it's \\ \" ` -- # /* ? %s", b"'?", 1.5, None, (1, "b")]


def expected(sql: str, mode: int, value: object) -> list[str] | None:
    """The tokens that the server shall see; None if the text is refused."""
    tokens = parts(sql, mode)
    styles = {token.kind for token in tokens} & set(STYLES)
    if len(styles) > 1 or (styles and is_ambiguous(tokens)):
        return None
    # Where there are several statements, literals do without backslashes.
    first = "DO 1;" if ";" in significant(tokens)[:-1] else ""
    literal = Template(f"{first}?", mode).render((value,)).decode().removeprefix(first)
    found: list[str] = []
    for token in tokens:
        if token.kind in STYLES:
            if token.conditional and ("*/" in literal or "/*" in literal):
                return None
            found += significant(parts(literal, mode))
        elif token.kind == "percent" and "qmark" not in styles:
            found.append("%")
        else:
            found += significant([token])
    return found


@given(sql=SOUP, mode=st.sampled_from(sorted(MODES)), value=st.sampled_from(VALUES))
def test_the_scan_agrees_with_the_reference(sql: str, mode: int, value: object) -> None:
    """All tokens are as written, but each placeholder is exactly a literal."""
    tokens = expected(sql, mode, value)
    try:
        template = Template(sql, mode)
        named: dict[str, object] = defaultdict(lambda: value)
        sent = template.render(
            named if template.style == "pyformat" else (value,) * template.count
        )
    except ProgrammingError:
        assert tokens is None
    else:
        assert tokens == significant(parts(sent.decode(), mode))


def quoted(quote: str, backslash: bool) -> st.SearchStrategy[str]:
    """Something in quotes that is closed."""
    inner = ["?", "%s", " ", "a", "é", "--", "#", "/*", "*/", "\n", ";", quote * 2]
    inner += ["\\" + quote, "\\\\", "\\n"] if backslash else ["\\"]
    other = {"'": '"`', '"': "'`", "`": "'\""}[quote]
    return st.lists(st.sampled_from([*inner, *other]), min_size=1, max_size=8).map(
        lambda pieces: f"{quote}a{''.join(pieces)}{quote}"
    )


def expressions(mode: int) -> st.SearchStrategy[str]:
    """What can be selected, of each kind of token."""
    backslash = not mode & NO_BACKSLASH
    string = quoted("'", backslash)
    choices = [
        st.sampled_from(["?", " ? ", "(?)", "-?", "1--?", "? % ?", "N'?'", "x'3f'"]),
        string,
        string.map("_utf8mb4".__add__),
        quoted("`", False).map("1 AS {}".format),
        quoted("`", False).map("@{}".format),
        st.just("/*! ? + */ 1"),
        st.just("/*!50000 ? + */ 1"),
        st.just("1 /*!999999 + 2 */"),
    ]
    if mode & ANSI_QUOTES:
        choices.append(quoted('"', False).map("1 AS {}".format))
    else:
        choices.append(quoted('"', backslash))
    return st.one_of(choices)


GAPS = st.sampled_from(
    ["", " ", "\n", "/* ? ' */", "-- ? ' \"\n", "--\t`\n", "# ? '\n", "/**/", "/*'*/"]
)


@st.composite
def statements(draw: st.DrawFn) -> tuple[int, str]:
    """A mode, and a SELECT that the server understands under it."""
    mode = draw(st.sampled_from(sorted(MODES)))
    items = draw(st.lists(expressions(mode), min_size=1, max_size=6))
    gaps = [draw(GAPS) for _ in items]
    body = ",".join(gap + item for gap, item in zip(gaps, items, strict=True))
    return mode, f"SELECT {body}{draw(GAPS)}"


@given(statement=statements())
def test_the_scan_agrees_with_the_server(
    by_mode: dict[int, CData], statement: tuple[int, str]
) -> None:
    mode, sql = statement
    count = count_markers(by_mode[mode], sql)
    assert count is not None, sql
    assert Template(sql, mode).count == count


@given(
    mode=st.sampled_from(sorted(MODES)),
    data=st.data(),
)
def test_the_server_sees_the_literals_that_were_written(
    by_mode: dict[int, CData], mode: int, data: st.DataObject
) -> None:
    strings = st.lists(quoted("'", not mode & NO_BACKSLASH), min_size=1, max_size=4)
    literals = data.draw(strings)
    bare = "SELECT " + ",".join(literals)
    mixed = "SELECT " + ",%s,".join(literals) + ",%s"
    sent = Template(mixed, mode).render((7,) * len(literals))
    answer = ask(by_mode[mode], sent).values
    assert answer[0::2] == ask(by_mode[mode], bare.encode()).values
    assert set(answer[1::2]) == {b"7"}


def test_the_reference_knows_what_the_server_knows() -> None:
    """Or the properties above would compare two mistakes."""
    for sql, count in COUNTED:
        kinds = [token.kind for token in parts(sql, 0)]
        assert kinds.count("qmark") == count, sql
    assert significant(plain("a %%b")) == ["a", "%", "%", "b"]
