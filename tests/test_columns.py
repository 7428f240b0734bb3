"""What a result says of its columns."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from wire_support import BINARY, field

from mariadb_nb import _wire
from mariadb_nb.columns import BINARY as BYTES
from mariadb_nb.columns import (
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Column,
    FieldType,
    TypeObject,
    describe,
)

KINDS = (STRING, BYTES, NUMBER, DATETIME, ROWID)


def one(type: int, **more: Any) -> Column:
    (column,) = describe(_wire.describe([field(type, **more)]))
    return column


def test_the_wire_tells_what_the_library_knows() -> None:
    fields = [
        field(FieldType.LONG, "a", flags=3, length=11, decimals=0),
        field(FieldType.BLOB, "b", format="json", table="x", max_length=9),
        field(FieldType.STRING, "gr\u00fc\u00df", type_name="uuid", db="", charset=224),
    ]
    told = _wire.describe(fields)
    assert list(told) == fields
    assert told[0][9] is told[1][9]


def test_a_column_is_the_seven_items_of_pep_249() -> None:
    column = one(FieldType.NEWDECIMAL, name="n", length=14, decimals=2, max_length=5)
    assert (len(column), column[0], column.name) == (7, "n", "n")
    assert column == ("n", 246, 5, 14, 12, 2, True)
    name, code, *_ = column
    assert (name, code) == ("n", 246)


@pytest.mark.parametrize(
    ("length", "scale", "flags", "precision"),
    [(14, 2, 0, 12), (13, 2, 32, 12), (11, 0, 0, 10), (10, 0, 32, 10), (67, 30, 0, 65)],
)
def test_precision_of_decimals(
    length: int, scale: int, flags: int, precision: int
) -> None:
    column = one(FieldType.NEWDECIMAL, length=length, decimals=scale, flags=flags)
    assert (column.precision, column.scale) == (precision, scale)


def test_scale_of_times_and_of_nothing_else() -> None:
    assert one(FieldType.DATETIME, decimals=6).scale == 6
    assert one(FieldType.TIME, decimals=0).scale == 0
    for other in (
        FieldType.DOUBLE,
        FieldType.LONG,
        FieldType.VAR_STRING,
        FieldType.DATE,
    ):
        column = one(other, decimals=31)
        assert (column.precision, column.scale) == (None, None)


def test_null_ok_and_unknown_sizes() -> None:
    assert one(FieldType.LONG, flags=1).null_ok is False
    assert one(FieldType.LONG, flags=0).null_ok is True
    assert one(FieldType.LONG).display_size is None


def test_more_is_there_by_name() -> None:
    column = one(
        FieldType.STRING,
        table="t",
        org_table="real",
        db="d",
        org_name="ou",
        charset=45,
        flags=128,
        type_name="uuid",
    )
    assert (column.table, column.org_table, column.db) == ("t", "real", "d")
    assert (column.org_name, column.charset, column.flags) == ("ou", 45, 128)
    assert (column.type_name, column.format) == ("uuid", None)


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (STRING, [("VAR_STRING", 45), ("BLOB", 45), ("STRING", 8), ("ENUM", 45)]),
        (BYTES, [("VAR_STRING", 63), ("BLOB", 63), ("BIT", 63), ("GEOMETRY", 63)]),
        (NUMBER, [("TINY", 63), ("YEAR", 63), ("DOUBLE", 63), ("NEWDECIMAL", 63)]),
        (DATETIME, [("DATE", 63), ("TIME", 63), ("TIMESTAMP", 63), ("DATETIME", 63)]),
    ],
)
def test_type_codes_are_equal_to_one_type_object(
    kind: TypeObject, columns: list[tuple[str, int]]
) -> None:
    for name, charset in columns:
        code = one(FieldType[name], charset=charset).type_code
        assert [other for other in KINDS if code == other] == [kind]
        assert [other for other in KINDS if other == code] == [kind]
        assert code == FieldType[name]


def test_json_is_text_whatever_the_charset() -> None:
    for charset in (45, BINARY):
        assert one(FieldType.BLOB, format="json", charset=charset).type_code == STRING


def test_type_objects_are_equal_to_numbers_too() -> None:
    assert NUMBER == FieldType.LONG
    assert NUMBER == 3
    assert BYTES == FieldType.BLOB
    assert STRING != FieldType.LONG
    assert STRING != "STRING"
    assert STRING == STRING
    assert len({STRING, BYTES, NUMBER, DATETIME, ROWID}) == 5


def test_null_and_types_yet_unknown_have_no_kind() -> None:
    for number in (FieldType.NULL, 200):
        code = one(number).type_code
        assert code == number
        assert [other for other in KINDS if code == other] == []


def test_repr_names_the_type() -> None:
    assert "type_code=<FieldType.LONG: 3>" in repr(one(FieldType.LONG))
    assert repr(one(200).type_code) == "200"
    assert repr(DATETIME) == "DATETIME"


def test_columns_can_be_pickled() -> None:
    column = one(FieldType.BLOB, charset=BINARY, table="x")
    again = pickle.loads(pickle.dumps(column))
    assert again == column
    assert again.table == "x"
    assert again.type_code == BYTES
    assert again.type_code != STRING
