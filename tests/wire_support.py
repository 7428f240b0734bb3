"""Columns and decoding without a server, for the tests of ``_wire``."""

from __future__ import annotations

from typing import Any

from mariadb_nb import _wire
from mariadb_nb.columns import FieldType
from mariadb_nb.rows import make_reading

UTF8MB4 = 45
BINARY = 63
LATIN1 = 8


def field(
    type: int,
    name: str = "c",
    *,
    charset: int = UTF8MB4,
    type_name: str | None = None,
    format: str | None = None,
    **more: Any,
) -> Any:
    """A column as ``_wire.describe`` tells of it."""
    told = {
        **{"length": 0, "max_length": 0, "decimals": 0, "flags": 0},
        **{"table": "t", "org_table": "t", "db": "test", "org_name": name},
        **more,
    }
    texts = (told["table"], told["org_table"], told["db"], told["org_name"])
    numbers = (told["length"], told["max_length"], told["decimals"], told["flags"])
    return (name, int(type), *numbers, charset, *texts, type_name, format)


#: One column of each kind that is decoded in a way of its own.
KINDS = {
    "integer": field(FieldType.LONGLONG, charset=BINARY),
    "double": field(FieldType.DOUBLE, charset=BINARY),
    "decimal": field(FieldType.NEWDECIMAL, charset=BINARY),
    "date": field(FieldType.DATE, charset=BINARY),
    "datetime": field(FieldType.DATETIME, charset=BINARY),
    "time": field(FieldType.TIME, charset=BINARY),
    "text": field(FieldType.VAR_STRING),
    "bytes": field(FieldType.BLOB, charset=BINARY),
    "json": field(FieldType.BLOB, format="json"),
    "uuid": field(FieldType.STRING, type_name="uuid"),
    "inet4": field(FieldType.STRING, type_name="inet4"),
    "inet6": field(FieldType.STRING, type_name="inet6"),
}


def decode(column: Any, text: bytes | None, **options: Any) -> Any:
    """The value of one cell."""
    (((value,)),) = _wire.decode([column], [(text,)], make_reading(**options))
    return value


def rows(columns: list[Any], values: list[Any], **options: Any) -> list[Any]:
    """Rows, as ``make_reading(**options)`` has them."""
    found: list[Any] = _wire.decode(columns, values, make_reading(**options))
    return found
