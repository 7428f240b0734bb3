"""Names of the server's things, as an application writes them and as SQL does.

Owns the quoting. It knows no server: whether there is something of that name is found
out by asking for it.
"""

from __future__ import annotations

import re
from typing import Final

from .errors import ProgrammingError

#: A name, with or without quotes.
_PART: Final = "(`(?:[^`]|``)+`|[^.`]+)"
_NAME: Final = re.compile(rf"(?:{_PART}\.)?{_PART}")


def parts(name: str, kind: str) -> list[str]:
    """The database, if it is named, and the thing itself; without quotes.

    Args:
        name: ``thing`` or ``database.thing``.
        kind: what it shall name, for the error.

    Raises:
        ProgrammingError: it is no such name.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ProgrammingError(
            f"{name!r} does not name a {kind}: expected {kind} or database.{kind}, "
            "each with `quotes` if there is a point in it"
        )
    return [
        part[1:-1].replace("``", "`") if part[0] == "`" else part
        for part in found.groups()
        if part is not None
    ]


def quoted(part: str) -> str:
    """One name, without quotes, as SQL has it."""
    return "`" + part.replace("`", "``") + "`"


def quoted_name(name: str, kind: str) -> str:
    """``thing`` or ``database.thing`` as SQL has it; raises as ``parts`` does."""
    return ".".join(map(quoted, parts(name, kind)))
