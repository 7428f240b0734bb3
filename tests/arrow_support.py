"""Columns of Arrow without a server: what the tests of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from test_decode_binary import UNSIGNED
from wire_support import BINARY, field

from mariadb_nb import _wire
from mariadb_nb.columns import FieldType

TEXT = field(FieldType.VAR_STRING)


def columns_of(
    fields: list[Any],
    rows: Sequence[tuple[bytes | None, ...]],
    *,
    dictionary: bool | frozenset[str] = False,
    error: bool = False,
    keep: bool = False,
) -> _wire.ArrowBatch:
    """A batch of values in the binary protocol's form."""
    reading = _wire.Reading(_wire.SHAPE_ARROW, dictionary, None, error)
    batch = _wire.decode(fields, [*rows], reading, True, keep)
    assert isinstance(batch, _wire.ArrowBatch)
    return batch


def read(batch: Any) -> pa.RecordBatch:
    """What pyarrow has of it, checked."""
    found = pa.record_batch(batch)
    found.validate(full=True)
    return found


def column_of(of: Any, values: list[bytes | None], **options: Any) -> pa.Array:
    return read(columns_of([of], [(v,) for v in values], **options)).column(0)


def decoded(of: Any, values: list[bytes | None]) -> list[Any]:
    """What the decoders make of the same."""
    rows = _wire.decode([of], [(v,) for v in values], _wire.Reading(0), True)
    return [value for (value,) in rows]


def decimal_field(digits: int, decimals: int, *, is_signed: bool = True) -> Any:
    return field(
        FieldType.NEWDECIMAL,
        charset=BINARY,
        length=digits + (decimals > 0) + is_signed,
        decimals=decimals,
        flags=0 if is_signed else UNSIGNED,
    )
