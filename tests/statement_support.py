"""What the tests of statements with parameters share.

A small scanner in Python, written from the server's rules and not from ours in C, and
a way to ask a real server under each of the modes in which it reads strings.
"""

from __future__ import annotations

import gc
import re
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from capi_support import connect, drive, error, fetch, query

from mariadb_nb._wire import Template
from mariadb_nb.capi import ffi, lib
from mariadb_nb.parameters import Encoders
from mariadb_nb.server import TemporaryServer

if TYPE_CHECKING:
    from mariadb_nb._ffi import CData

NO_BACKSLASH = 1
ANSI_QUOTES = 2
DOUBTFUL = 8

#: From a mode's bits to what the server calls it.
MODES = {
    0: "",
    NO_BACKSLASH: "NO_BACKSLASH_ESCAPES",
    ANSI_QUOTES: "ANSI_QUOTES",
    NO_BACKSLASH | ANSI_QUOTES: "NO_BACKSLASH_ESCAPES,ANSI_QUOTES",
}

# ---- A scanner for reference ------------------------------------------------------

_WORD = r"[A-Za-z0-9_$\x80-\U0010ffff]"
_ESCAPED = r"(?>[^{0}\\]|\\.|\\\Z|{0}{0})*+(?:{0}|\Z)"
_DOUBLED = r"(?>[^{0}]|{0}{0})*+(?:{0}|\Z)"
_VERSION = r"[0-9]{5,6}"


class Part(NamedTuple):
    """A token: its kind, its text, and whether some servers skip it."""

    kind: str
    text: str
    conditional: bool


def _pattern(mode: int, live: bool) -> re.Pattern[str]:
    string = _DOUBLED if mode & NO_BACKSLASH else _ESCAPED
    double = "name" if mode & ANSI_QUOTES else "string"
    kinds = [
        ("string", "'" + string.format("'")),
        (double, '"' + (_DOUBLED if double == "name" else string).format('"')),
        ("name", "`" + _DOUBLED.format("`")),
        ("conditional", rf"/\*(?:M!(?:{_VERSION})?|!{_VERSION})"),
        ("live", r"/\*!"),
        ("comment", r"/\*.*?(?:\*/|\Z)"),
        ("comment", r"(?:#|--(?=[\x00-\x20\x7f]|\Z))[^\n]*+"),
        *([("close", r"\*/")] if live else []),
        ("percent", "%%"),
        ("qmark", rf"\?(?!{_WORD})"),
        ("format", rf"%s(?!{_WORD})"),
        ("pyformat", rf"%\([^()'\"`\x00-\x1f]+\)s(?!{_WORD})"),
        ("blank", r"[ \t-\r]++"),
        ("word", f"{_WORD}++"),
        ("sign", "."),
    ]
    choices = "|".join(
        f"(?P<{kind}_{i}>{text})" for i, (kind, text) in enumerate(kinds)
    )
    return re.compile(choices, re.DOTALL)


_PATTERNS = {
    (mode, live): _pattern(mode, live) for mode in MODES for live in (False, True)
}
STYLES = ("qmark", "format", "pyformat")


def parts(sql: str, mode: int) -> list[Part]:
    """Cut a text into tokens as the server does."""
    found = []
    comment = ""
    at = 0
    while at < len(sql):
        match = _PATTERNS[mode, bool(comment)].match(sql, at)
        assert match is not None
        assert match.lastgroup is not None
        kind = match.lastgroup.rpartition("_")[0]
        if kind in {"live", "conditional"}:
            comment = kind
        elif kind == "close":
            comment = ""
        found.append(Part(kind, match[0], comment == "conditional"))
        at = match.end()
    return found


def is_ambiguous(tokens: list[Part]) -> bool:
    """Whether a server that skips the conditional comments reads other tokens."""
    for i, token in enumerate(tokens):
        if token.kind != "conditional":
            continue
        rest = tokens[i + 1 :]
        kinds = [part.kind for part in rest]
        ends = [kinds.index("close")] if "close" in kinds else []
        inside = "".join(part.text for part in rest[: ends[0] if ends else None])
        # A comment of its own may begin or end inside.
        if "*/" in inside or "/*" in inside:
            return True
    return False


def significant(tokens: list[Part]) -> list[str]:
    """The texts of the tokens but white space; signs one by one."""
    found: list[str] = []
    for token in tokens:
        if token.kind in {"percent", *STYLES} and token.text[0] in "%?":
            found += significant(plain(token.text))
        elif token.kind != "blank":
            found.append(token.text)
    return found


def plain(text: str) -> list[Part]:
    """The words and signs of a text without quotes and comments."""
    words = re.findall(rf"{_WORD}+|[ \t-\r]+|.", text, re.DOTALL)
    return [Part("blank" if word.isspace() else "plain", word, False) for word in words]


# ---- The server -------------------------------------------------------------------


@contextmanager
def connections(server: TemporaryServer) -> Iterator[dict[int, CData]]:
    """One connection for each mode."""
    opened: dict[int, CData] = {}
    try:
        for mode, names in MODES.items():
            opened[mode] = connect(server)
            assert query(opened[mode], f"SET sql_mode = '{names}'") == 0
        yield opened
    finally:
        for mysql in opened.values():
            lib.mysql_close(mysql)


class Answer(NamedTuple):
    """The columns of one row and their types."""

    values: tuple[bytes | None, ...]
    types: tuple[int, ...]


def ask(mysql: CData, statement: bytes) -> Answer:
    """Run a SELECT that delivers one row."""
    assert query(mysql, statement) == 0, error(mysql)
    result = lib.mysql_use_result(mysql)
    assert result != ffi.NULL, error(mysql)
    try:
        count = lib.mysql_num_fields(result)
        types = tuple(
            lib.mysql_fetch_field_direct(result, i).type for i in range(count)
        )
        row = fetch(mysql, result)
        assert row is not None
        assert fetch(mysql, result) is None
        return Answer(row, types)
    finally:
        lib.mysql_free_result(result)


def count_markers(mysql: CData, sql: str) -> int | None:
    """How many placeholders the server finds; None if the text is no statement."""
    text = sql.encode()
    stmt = lib.mysql_stmt_init(mysql)
    try:
        failed = drive(
            "int *",
            lib.mysql_stmt_prepare_start,
            lib.mysql_stmt_prepare_cont,
            stmt,
            text,
            len(text),
            mysql=mysql,
        )
        return None if failed else int(lib.mysql_stmt_param_count(stmt))
    finally:
        lib.mysql_stmt_close(stmt)


# ---- Memory -----------------------------------------------------------------------


def growth(run: Callable[[], None], times: int) -> int:
    """By how many bytes memory grows when it runs so many times; least of three.

    What is kept once, by whomever, is not in all three.
    """
    found = []
    tracemalloc.start()
    try:
        for _ in range(3):
            run()
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(times):
                run()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
            found.append(after - before)
    finally:
        tracemalloc.stop()
    return min(found)


def literal(value: object, mode: int = 0, encoders: Encoders | None = None) -> str:
    """What a value becomes in a statement."""
    return Template("?", mode).render((value,), encoders).decode("utf-8", "replace")
