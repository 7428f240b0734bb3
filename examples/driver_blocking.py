"""The driver, blocking: an order of three items in one transaction, and a report.

    python examples/driver_blocking.py [mariadb://user:password@host:port/database]

It shows what PEP 249 leaves open: a transaction as a block, a savepoint inside it, rows
as dicts, and an error told by its class.
"""

from __future__ import annotations

from _driver import choose, make_parser

import mariadb_nb
from mariadb_nb import Connection, IntegrityError, dict_row

SCHEMA = """
    CREATE OR REPLACE TEMPORARY TABLE item (
        name VARCHAR(40) PRIMARY KEY, price DECIMAL(8, 2), pieces INT)
"""


def order(conn: Connection, name: str, price: str, pieces: int) -> None:
    """Add an item; what is there already gets more pieces."""
    try:
        # Inside a transaction a block is a savepoint: only it is undone.
        with conn.transaction():
            conn.execute("INSERT INTO item VALUES (?, ?, ?)", (name, price, pieces))
    except IntegrityError:
        conn.execute(
            "UPDATE item SET pieces = pieces + ? WHERE name = ?", (pieces, name)
        )


def report(conn: Connection) -> None:
    """Print all items and what they cost."""
    with conn.cursor(row_factory=dict_row) as cur:
        for row in cur.execute("SELECT *, price * pieces AS cost FROM item"):
            print("{name}: {pieces} at {price} are {cost}".format_map(row))
    # Nothing is cut: a DECIMAL is a Decimal.
    (total,) = conn.execute("SELECT SUM(price * pieces) FROM item").fetchone()
    print(f"in all: {total!r}")


def main() -> None:
    """Read the command line and run."""
    options = make_parser(__doc__).parse_args()
    with choose(options.url) as url, mariadb_nb.connect(url) as conn:
        conn.execute(SCHEMA)
        with conn.transaction():
            order(conn, "pencil", "0.35", 12)
            order(conn, "paper", "3.20", 1)
            order(conn, "pencil", "0.35", 8)
        report(conn)


if __name__ == "__main__":
    main()
