"""The reference table: the statements that make it, and each of its rows in Python.

The server computes its rows from their number, and row() computes the same again, so
that a contestant can be held to exact values. It knows no driver and no scenario.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any, Final

DATABASE: Final = "test"
TABLE: Final = "reference"
SELECT_ALL: Final = f"SELECT * FROM {TABLE}"
#: The placeholder is the driver's own.
SELECT_ONE: Final = f"SELECT * FROM {TABLE} WHERE id = {{placeholder}}"

CENT: Final = Decimal("0.01")

_FIRST_MOMENT: Final = datetime.datetime(2001, 1, 1)
_FIRST_DAY: Final = datetime.date(1990, 1, 1)
_PLAIN_NOTE: Final = "paid in full, delivered by parcel, number "
_ACCENTED_NOTE: Final = "Grüße aus Köln, Straße 7, 価格 und größer, Nr. "


def statements(rows: int) -> str:
    """Return the SQL that makes the table with so many rows, for an init file."""
    plain, accented = (
        f"CONVERT(x'{text.encode().hex()}' USING utf8mb4)"
        for text in (_PLAIN_NOTE, _ACCENTED_NOTE)
    )
    return f"""
CREATE TABLE {TABLE} (
  id INT NOT NULL PRIMARY KEY,
  big BIGINT NOT NULL,
  ratio DOUBLE NOT NULL,
  name VARCHAR(40) NOT NULL,
  moment DATETIME(6) NOT NULL,
  price DECIMAL(12,2) NOT NULL,
  day DATE NOT NULL,
  flag TINYINT NOT NULL,
  note TEXT NOT NULL,
  optional INT
) ENGINE=InnoDB CHARACTER SET utf8mb4;
INSERT INTO {TABLE} SELECT
  seq,
  CAST(seq AS SIGNED) * 40000000003 - 4000000000000000,
  seq / 7e0,
  CONCAT('customer ', LPAD(seq * 7919 % 200003, 6, '0')),
  TIMESTAMPADD(MICROSECOND, seq * 1234567891, '{_FIRST_MOMENT}'),
  CAST(seq * 7919 % 10000000 AS SIGNED) / 100 - 1000,
  TIMESTAMPADD(DAY, seq % 12000, '{_FIRST_DAY}'),
  CAST(seq % 256 AS SIGNED) - 128,
  CONCAT(IF(seq % 4 = 0, {accented}, {plain}), seq),
  IF(seq % 3 = 0, NULL, seq * 17)
FROM seq_1_to_{rows};
"""


def row(number: int) -> tuple[Any, ...]:
    """Return what the row with this id holds, as the Python values it should be."""
    return (
        number,
        number * 40000000003 - 4000000000000000,
        number / 7,
        f"customer {number * 7919 % 200003:06}",
        _FIRST_MOMENT + datetime.timedelta(microseconds=number * 1234567891),
        Decimal(number * 7919 % 10000000 - 100000).scaleb(-2),
        _FIRST_DAY + datetime.timedelta(days=number % 12000),
        number % 256 - 128,
        (_PLAIN_NOTE if number % 4 else _ACCENTED_NOTE) + str(number),
        number * 17 if number % 3 else None,
    )


def select_repeated(copies: int) -> str:
    """Return a query for the whole table, so many times over, in one result."""
    return f"SELECT {TABLE}.* FROM seq_1_to_{copies} JOIN {TABLE}"


#: What is inserted and updated: six of the columns, in a table of the contestant's own.
CREATE_COPY: Final = """
CREATE OR REPLACE TABLE copy_{name} (
  id INT NOT NULL PRIMARY KEY,
  ratio DOUBLE NOT NULL,
  name VARCHAR(40) NOT NULL,
  moment DATETIME(6) NOT NULL,
  price DECIMAL(12,2) NOT NULL,
  optional INT
) ENGINE=InnoDB CHARACTER SET utf8mb4
"""
INSERT_COPY: Final = "INSERT INTO copy_{name} VALUES ({marks})"
UPDATE_COPY: Final = "UPDATE copy_{name} SET optional = {mark} WHERE id = {mark}"
#: Rows of the table come again and again in a copy that is larger.
CHECK_COPY: Final = (
    "SELECT COUNT(*), SUM(c.optional) FROM copy_{name} c JOIN {table} t"
    " ON t.id = (c.id - 1) % {rows} + 1 AND c.ratio = t.ratio AND c.name = t.name"
    " AND c.moment = t.moment AND c.price = t.price"
)


def copied(number: int) -> tuple[Any, ...]:
    """Return what is inserted of the row with this id."""
    whole = row(number)
    return (whole[0], whole[2], whole[3], whole[4], whole[5], whole[9])


def check(number: int, found: Any) -> None:
    """Refuse a row that is not exactly the row with this id.

    Raises:
        AssertionError: a value or its type differs.
    """
    wanted = row(number)
    if tuple(map(repr, found)) != tuple(map(repr, wanted)):
        raise AssertionError(f"row {number} is {found!r} and should be {wanted!r}")
