"""What ``load`` says to the server, and what the server's answers say.

Owns the SQL of LOAD DATA LOCAL INFILE and the rules of what is a loss: the server turns
every error in a row into a warning when the file comes from the client, so each warning
counts as the error that it would have been. It waits for nothing; ``loading`` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from . import _wire
from .errors import DatabaseError, DataError, Error, ProgrammingError, from_server
from .names import quoted, quoted_name

OnDuplicate: TypeAlias = Literal["error", "ignore", "replace"]

#: What is said to the server of rows whose keys are there already. Without a word of
#: it, it skips them with a warning.
_WORDS: Final[dict[str, str]] = {
    "error": "",
    "ignore": "IGNORE ",
    "replace": "REPLACE ",
}

#: As csrc/wire/field.c writes it; in hexadecimal, or sql_mode would have a say.
_FORMAT: Final = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY X'09' ENCLOSED BY '' ESCAPED BY X'5C' "
    "LINES STARTING BY '' TERMINATED BY X'0A'"
)

#: How many warnings a server keeps at most, and so how many rows one statement may have
#: whose warnings are to be looked through.
MOST_WARNINGS: Final = 65_535
_KEEP_WARNINGS: Final = f"SET STATEMENT max_error_count={MOST_WARNINGS} FOR "

#: What a warning says of a row that was skipped because its key was there already.
DUPLICATES: Final = frozenset({1022, 1062, 1169, 1586})

#: ER_LOAD_INFILE_CAPABILITY_DISABLED, and what it was before 10.5.
_SWITCHED_OFF: Final = (4166, 1148)

_LOAD: Final = re.compile(r"\s*LOAD\s+(?:DATA|XML)\b", re.IGNORECASE)
_GENERATED: Final = re.compile(r"\b(?:VIRTUAL|STORED|PERSISTENT) GENERATED\b")
_TARGETS: Final = (
    (re.compile(r"bit\b", re.IGNORECASE), _wire.FIELD_BITS),
    (re.compile(r"year\b", re.IGNORECASE), _wire.FIELD_YEAR),
    (re.compile(r"(?:enum|set)\(", re.IGNORECASE), _wire.FIELD_NAMES),
    (
        re.compile(r"(?:tiny|small|medium|big)?int\b", re.IGNORECASE),
        _wire.FIELD_INTEGER,
    ),
    (re.compile(r"date|timestamp", re.IGNORECASE), _wire.FIELD_DATE),
)

#: What is wrong with a statement's first row that is not well, or another one.
DIAGNOSTICS: Final = (
    "GET DIAGNOSTICS CONDITION {} @mariadb_nb_errno = MYSQL_ERRNO, "
    "@mariadb_nb_state = RETURNED_SQLSTATE, @mariadb_nb_text = MESSAGE_TEXT{}",
    "SELECT @mariadb_nb_errno, @mariadb_nb_state, @mariadb_nb_text, {}",
)
_ROW_NUMBER: Final = "@mariadb_nb_row"


def is_statement(text: str) -> bool:
    """Whether it is a LOAD DATA or LOAD XML statement, and no name of a table."""
    return _LOAD.match(text) is not None


def own_statement(sql: str, on_duplicate: str) -> str:
    """A statement of the application's own, as it is sent.

    Raises:
        ProgrammingError: what it says of duplicates is said in the wrong place.
    """
    if on_duplicate == "replace":
        raise ProgrammingError(
            "on_duplicate='replace' is for tables: write REPLACE into the statement"
        )
    keep = _KEEP_WARNINGS if on_duplicate == "ignore" else ""
    return keep + sql.lstrip()


def refuse_columns(columns: object) -> None:
    """Refuse columns beside a statement that names its own."""
    if columns is not None:
        raise ProgrammingError(
            "columns is for tables: name the columns in the LOAD DATA statement"
        )


def check_on_duplicate(on_duplicate: str) -> None:
    """Refuse what is none of the three."""
    if on_duplicate not in _WORDS:
        raise ProgrammingError(
            f"on_duplicate={on_duplicate!r} is none of {', '.join(map(repr, _WORDS))}"
        )


class Column(NamedTuple):
    """A column of the table that is loaded into.

    Attributes:
        name: as the server has it.
        target: how its fields are written, a ``FIELD_*``.
        generated: whether the server makes its values itself.
        invisible: whether it is left out where no columns are named.
    """

    name: str
    target: int
    generated: bool
    invisible: bool


class Table:
    """The table that is loaded into.

    Args:
        name: ``table`` or ``database.table``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._quoted = quoted_name(name, "table")
        #: What tells of its columns; the rows of the answer are for ``columns``.
        self.question = f"SHOW COLUMNS FROM {self._quoted}"

    def columns(
        self, rows: Sequence[Sequence[Any]], names: Sequence[str] | None
    ) -> list[Column]:
        """The columns to be filled, in the order of ``names``.

        Args:
            rows: the answer to the question.
            names: which columns; None for all whose values the server does not make.

        Raises:
            ProgrammingError: the table has no such column, or cannot be given values
                for it.
        """
        found = {column.name.lower(): column for column in map(_column, rows)}
        if names is None:
            return [
                column
                for column in found.values()
                if not column.generated and not column.invisible
            ]
        columns = [self._find(found, name) for name in names]
        if not columns or len({column.name for column in columns}) < len(columns):
            raise ProgrammingError(
                f"columns {list(names)!r}: expected one or more, each only once"
            )
        return columns

    def _find(self, found: Mapping[str, Column], name: str) -> Column:
        column = found.get(name.lower())
        if column is None:
            known = ", ".join(column.name for column in found.values())
            raise ProgrammingError(
                f"{self.name} has no column {name!r}; it has: {known}"
            )
        if column.generated:
            raise ProgrammingError(
                f"the values of {self.name}.{column.name} are made by the server: "
                "leave that column out"
            )
        return column

    def statement(self, columns: Sequence[Column], on_duplicate: str) -> str:
        """The statement that loads a buffer into these columns."""
        keep = _KEEP_WARNINGS if on_duplicate == "ignore" else ""
        names = ", ".join(quoted(column.name) for column in columns)
        return (
            f"{keep}LOAD DATA LOCAL INFILE 'mariadb_nb' {_WORDS[on_duplicate]}"
            f"INTO TABLE {self._quoted} {_FORMAT} ({names})"
        )


def _column(row: Sequence[Any]) -> Column:
    name, kind, extra = str(row[0]), _text(row[1]), _text(row[5])
    target = next(
        (target for pattern, target in _TARGETS if pattern.match(kind)),
        _wire.FIELD_PLAIN,
    )
    return Column(
        name,
        target,
        _GENERATED.search(extra) is not None,
        "INVISIBLE" in extra,
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class Outcome(NamedTuple):
    """What the server says of a load, in ``mysql_info``, whatever its language is.

    Attributes:
        records: how many rows it read and did not throw away for a constraint.
        deleted: how many others they took the place of.
        skipped: how many of them were left out.
        warnings: how many warnings there were.
    """

    records: int
    deleted: int
    skipped: int
    warnings: int


def outcome(reply: Any) -> Outcome:
    """Read what a reply says of a load."""
    numbers = [int(number) for number in re.findall(r"\d+", reply.info or "")]
    if len(numbers) != len(Outcome._fields):
        raise DataError(f"the server does not say what it loaded, but {reply.info!r}")
    found = Outcome(*numbers)
    return found._replace(warnings=max(found.warnings, reply.warning_count))


def only_duplicates(warnings: Sequence[tuple[str, int, str]], count: int) -> int | None:
    """Look for a warning of something else than a duplicate.

    Args:
        warnings: those that the server shows.
        count: how many it gave.

    Returns:
        The number of the first such warning, from 1 on; None if there is none.
    """
    for number, (_, code, _) in enumerate(warnings, 1):
        if code not in DUPLICATES:
            return number
    return None if len(warnings) >= count else 1


def diagnostics(number: int, version: tuple[int, int, int]) -> list[str]:
    """The statements that tell of a warning or an error; the last one has a row.

    Args:
        number: which one, from 1 on.
        version: the server's; 10.7 is the first that knows the number of the row.
    """
    row = _ROW_NUMBER if version >= (10, 7, 0) else "NULL"
    more = f", {_ROW_NUMBER} = ROW_NUMBER" if row == _ROW_NUMBER else ""
    return [DIAGNOSTICS[0].format(number, more), DIAGNOSTICS[1].format(row)]


def loss(errno: int, sqlstate: str, message: str) -> Error:
    """The error that a warning stands for."""
    error = from_server(errno, sqlstate, message)
    if type(error) is DatabaseError:  # a warning's own class tells nothing
        error = DataError(message, errno, sqlstate)
    return error


def place(error: Error, row: int | None, first: int, what: str) -> None:
    """Say in an error of the server which row it is about.

    Args:
        error: the error.
        row: the number of the row in its statement, from 1 on; 0 or None: not known.
        first: how many rows came before that statement.
        what: ``rows`` or ``records``.
    """
    if row:
        # The server's own number counts from the beginning of the statement.
        message = re.sub(r" at row \d+$", "", error.message)
        error.message = f"{what}[{first + row - 1}]: {message}"


def explain(error: Error) -> None:
    """Say in an error what the server does not: who does not let it load."""
    if error.errno in _SWITCHED_OFF:
        error.message = (
            "the server does not load from clients: its variable local_infile is OFF"
        )
