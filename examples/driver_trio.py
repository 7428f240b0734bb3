"""The driver on trio: rows of a stream, counted by one task while another one rests.

    python examples/driver_trio.py [mariadb://user:password@host:port/database]

Nothing says that it is trio: mariadb_nb.aio sees which library runs the task. A stream
leaves its rows on the server until they are asked for, and one that is left early is
ended there too.
"""

from __future__ import annotations

import trio
from _driver import choose, make_parser

import mariadb_nb
from mariadb_nb import aio


async def tick() -> None:
    """Show that the loop goes on."""
    while True:
        await trio.sleep(0.05)
        print("tick")


async def count(url: str, last: int) -> None:
    """Read a stream to a certain row, and leave it."""
    async with await aio.connect(url) as conn:
        async with conn.cursor(stream=True, row_factory=mariadb_nb.scalar_row) as cur:
            await cur.execute("SELECT SLEEP(0.2)")
            print("slept", await cur.fetchone())
            await cur.execute("SELECT seq FROM seq_1_to_100000000")
            async for number in cur:
                if number == last:
                    break
            print("came to", number)
        reply = await conn.execute("SELECT 'the connection is free'")
        print(*await reply.fetchone())


async def run(url: str) -> None:
    """Count while the clock ticks."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        await count(url, 100_000)
        nursery.cancel_scope.cancel()


def main() -> None:
    """Read the command line and run."""
    options = make_parser(__doc__).parse_args()
    with choose(options.url) as url:
        trio.run(run, url)


if __name__ == "__main__":
    main()
