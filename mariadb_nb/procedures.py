"""Calls of stored procedures, with what they put into their OUT parameters.

Owns the SQL of a call. The text protocol has no place for OUT parameters, and user
variables would lose their types. So a procedure that has some is called inside a
block with a local variable of the right type for each; the block's last result set
brings them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import ProgrammingError
from .names import parts, quoted_name


def quoted(name: str) -> str:
    """A procedure's name as SQL has it; ``database.name`` names both."""
    return quoted_name(name, "procedure")


def modes_statement(name: str) -> tuple[str, list[Any]]:
    """The query that tells a procedure's parameters, and its own parameters."""
    found = parts(name, "procedure")
    where = "?" if len(found) > 1 else "DATABASE()"
    return (
        "SELECT PARAMETER_MODE, DTD_IDENTIFIER, CHARACTER_SET_NAME, COLLATION_NAME"
        " FROM information_schema.PARAMETERS WHERE ROUTINE_TYPE = 'PROCEDURE'"
        f" AND SPECIFIC_SCHEMA = {where} AND SPECIFIC_NAME = ?"
        " AND PARAMETER_MODE IS NOT NULL ORDER BY ORDINAL_POSITION",
        found,
    )


def _declared(dtd: str, charset: str | None, collation: str | None) -> str:
    if charset is None or "character set" in dtd.lower():
        return dtd
    return f"{dtd} CHARACTER SET {charset} COLLATE {collation}"


def call_statement(
    name: str,
    params: Sequence[Any],
    modes: Sequence[tuple[str, str, str | None, str | None]],
) -> tuple[str, list[Any], list[int]]:
    """The statement that calls a procedure.

    Args:
        name: the procedure.
        params: a value for each parameter; those of OUT parameters are not sent.
        modes: what ``modes_statement`` found; empty where the user may not know.

    Returns:
        The statement, its parameters, and the places whose values come back.

    Raises:
        ProgrammingError: there are more or fewer values than parameters.
    """
    if isinstance(params, str | bytes) or not isinstance(params, Sequence):
        raise ProgrammingError(
            f"params is of class {type(params).__name__}: give a tuple or a list, even "
            "for a single value"
        )
    if modes and len(modes) != len(params):
        raise ProgrammingError(
            f"the procedure {name} takes {len(modes)} values, not {len(params)}"
        )
    places = [i for i, mode in enumerate(modes) if mode[0] != "IN"]
    if not places:
        marks = ", ".join("?" * len(params))
        return f"CALL {quoted(name)}({marks})", list(params), []
    declarations, values, arguments = [], [], []
    for i, value in enumerate(params):
        mode = modes[i][0] if modes else "IN"
        if mode == "IN":
            arguments.append("?")
            continue
        arguments.append(f"nb_{i}")
        declaration = f"DECLARE nb_{i} {_declared(*modes[i][1:])}"
        if mode == "INOUT":
            declaration += " DEFAULT ?"
            values.append(value)
        declarations.append(declaration)
    values += [value for i, value in enumerate(params) if i not in places]
    call = f"CALL {quoted(name)}({', '.join(arguments)})"
    select = "SELECT " + ", ".join(f"nb_{i}" for i in places)
    body = "; ".join([*declarations, call, select])
    return f"BEGIN NOT ATOMIC {body}; END", values, places
