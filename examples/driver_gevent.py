"""The driver on gevent: plain blocking calls, in greenlets that let each other run.

    python examples/driver_gevent.py [mariadb://user:password@host:port/database]

In a process whose sockets gevent has patched, connect() waits as a greenlet does. A
greenlet that is killed ends its query on the server too.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import time  # noqa: E402

import gevent  # noqa: E402
from _driver import choose, make_parser  # noqa: E402

import mariadb_nb  # noqa: E402


def sleeper(url: str, seconds: float) -> int:
    """Let the server sleep, and return the number of the connection."""
    with mariadb_nb.connect(url) as conn:
        conn.execute("DO SLEEP(?)", (seconds,))
        return conn.thread_id


def side_by_side(url: str) -> None:
    """Have three queries of 0.3 s take 0.3 s."""
    begin = time.monotonic()
    greenlets = [gevent.spawn(sleeper, url, 0.3) for _ in range(3)]
    numbers = {greenlet.get() for greenlet in greenlets}
    print(f"{len(numbers)} connections took {time.monotonic() - begin:.2f} s")


def give_up(url: str) -> None:
    """End a query that would take a minute, and go on."""
    with mariadb_nb.connect(url) as conn:
        with gevent.Timeout(0.2, False):
            conn.execute("SELECT SLEEP(60)")
        print(*conn.execute("SELECT 'as good as before'").fetchone())


def main() -> None:
    """Read the command line and run."""
    options = make_parser(__doc__).parse_args()
    with choose(options.url) as url:
        give_up(url)
        side_by_side(url)


if __name__ == "__main__":
    main()
