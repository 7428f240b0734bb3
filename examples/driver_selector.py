"""The driver on a loop of your own: operations on one selectors loop, in one thread.

    python examples/driver_selector.py [mariadb://user:password@host:port/database]

An operation is a generator that yields what it waits for. The selector runner runs any
number of them, and fits into a loop that is there already: that waits for events(), or
until timeout() has passed, and calls run_once(0). Here the other thing that the loop
does is a clock.
"""

from __future__ import annotations

import time

from _driver import choose, make_parser

from mariadb_nb import Options, Session
from mariadb_nb.rows import make_reading
from mariadb_nb.runners.selector import Handle, SelectorRunner
from mariadb_nb.wait import Operation

ROWS = make_reading()
TICK = 0.1


def ask(options: Options, sql: str) -> Operation[list[tuple[object, ...]]]:
    """Connect, ask, close: an operation made of operations."""
    session = Session(options)
    yield from session.connect()
    try:
        (reply,) = yield from session.query(sql.encode(), ROWS)
        rows: list[tuple[object, ...]] = reply.rows
        return rows
    finally:
        session.close()


def show(handle: Handle[list[tuple[object, ...]]]) -> None:
    """Print the rows of an operation that is done, or raise what it raised."""
    for row in handle.result():
        print("row:", *row)


def loop(runner: SelectorRunner) -> None:
    """Run the operations and a clock until the operations are done."""
    next_tick = time.monotonic() + TICK
    while runner.run_once(max(0.0, next_tick - time.monotonic())):
        if time.monotonic() >= next_tick:
            print("tick")
            next_tick += TICK


def main() -> None:
    """Read the command line and run."""
    arguments = make_parser(__doc__).parse_args()
    with choose(arguments.url) as url, SelectorRunner() as runner:
        options = Options.of(url)
        for number in 3, 2, 1:
            sql = f"SELECT {number}, SLEEP({number / 5}), CONNECTION_ID()"
            runner.submit(ask(options, sql), show)
        loop(runner)


if __name__ == "__main__":
    main()
