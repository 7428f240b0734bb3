"""Reading a file of SQL: its statements, one by one, as they are to be sent.

It owns where a statement ends: at a `;` that is in no literal, quoted name or comment.
It knows no grammar beyond that and no server, so it takes the default sql_mode for
granted: a backslash escapes inside of '...' and "...".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mariadb_nb.cli.errors import CliError

_TOKEN: Final = re.compile(
    r"""
      (?P<quoted> '(?:[^'\\]|\\.)*+' | "(?:[^"\\]|\\.)*+" | `[^`]*+` )
    | (?P<comment> (?: --(?=[\s\x00]|\Z) | \# ) [^\n]*+ | /\*(?!M?!).*?\*/ )
    | (?P<conditional> /\*M?!.*?\*/ )    # MariaDB executes what is in it
    | (?P<end> ; )
    | (?P<space> \s++ )
    | (?P<open> ['"`] | /\* )            # since nothing above found its end
    | (?P<text> [^'"`;\#/\s-]++ | . )
    """,
    re.DOTALL | re.VERBOSE,
)
_OPENED: Final = {
    "'": "a string literal",
    '"': "a quoted text",
    "`": "a quoted name",
    "/*": "a comment",
}


class SqlFileError(CliError):
    """The file cannot be divided into statements, or has none."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a file.

    Attributes:
        line: the line that it begins in, counted from 1.
        sql: its text without the `;`, and without comments around it.
        summary: the same in one line, without any comment.
    """

    line: int
    sql: str
    summary: str


def read_statements(content: bytes, name: str) -> list[Statement]:
    """Return the statements of a file.

    Args:
        content: the file's, in UTF-8.
        name: what error messages call the file.

    Raises:
        SqlFileError: it is not UTF-8, a literal or comment has no end, or there is no
            statement in it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SqlFileError(
            f"{name}, line {line}: this is not UTF-8; save the file in UTF-8"
        ) from None
    try:
        statements = list(split(text))
    except SqlFileError as error:
        raise SqlFileError(f"{name}, {error}") from None
    if not statements:
        raise SqlFileError(
            f"{name}: there is no statement in it; write some, each ended with a ';'"
        )
    return statements


def split(text: str) -> Iterator[Statement]:
    """Yield the statements of a text; the last one needs no `;`.

    Raises:
        SqlFileError: a literal or comment has no end.
    """
    begin = end = line = 0
    summary: list[str] = []
    lines = _LineCounter(text)
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "end":
                if end:
                    yield Statement(line, text[begin:end], "".join(summary).rstrip())
                end = 0
                summary.clear()
            case "open":
                what = _OPENED[token[0]]
                where = lines.at(token.start())
                raise SqlFileError(f"line {where}: {what} begins here and has no end")
            case "space" | "comment":
                if summary and summary[-1] != " ":
                    summary.append(" ")
            case kind:
                if not end:
                    begin = token.start()
                    line = lines.at(begin)
                end = token.end()
                # What is quoted may have line breaks, too.
                quoted = kind in ("quoted", "conditional")
                summary.append(" ".join(token[0].split()) if quoted else token[0])
    if end:
        yield Statement(line, text[begin:end], "".join(summary).rstrip())


class _LineCounter:
    """Tells the lines of positions that only grow."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1

    def at(self, position: int) -> int:
        """Return the line of a position, which is not before the last one."""
        self._line += self._text.count("\n", self._position, position)
        self._position = position
        return self._line
