"""The driver on asyncio: queries side by side, and one that is cancelled.

    python examples/driver_asyncio.py [mariadb://user:password@host:port/database]

A connection does one thing at a time, so each task has its own. What is cancelled, by a
timeout here, is ended on the server too, and its connection is good for the next query.
"""

from __future__ import annotations

import asyncio
import time

from _driver import choose, make_parser

from mariadb_nb import aio


async def sleeper(url: str, seconds: float) -> int:
    """Let the server sleep, and return the number of the connection."""
    async with await aio.connect(url) as conn:
        await conn.execute("DO SLEEP(?)", (seconds,))
        return conn.thread_id


async def side_by_side(url: str) -> None:
    """Have three queries of 0.3 s take 0.3 s."""
    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sleeper(url, 0.3)) for _ in range(3)]
    took = time.monotonic() - begin
    print(f"{len({task.result() for task in tasks})} connections took {took:.2f} s")


async def give_up(url: str) -> None:
    """Cancel a query that would take a minute, and go on."""
    async with await aio.connect(url) as conn:
        try:
            async with asyncio.timeout(0.2):
                await conn.execute("SELECT SLEEP(60)")
        except TimeoutError:
            print("gave up")
        cur = await conn.execute("SELECT 'as good as before'")
        print(*await cur.fetchone())
        cur = await conn.execute(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE ?",
            ("SELECT SLEEP(60)%",),
        )
        print("left on the server:", *await cur.fetchone())


async def run(url: str) -> None:
    """Do both."""
    await side_by_side(url)
    await give_up(url)


def main() -> None:
    """Read the command line and run."""
    options = make_parser(__doc__).parse_args()
    with choose(options.url) as url:
        asyncio.run(run(url))


if __name__ == "__main__":
    main()
