"""A process that passes bytes between clients and a server, each way as it comes.

A server on the same machine may answer before its client looks, and then nobody waits.
Through a relay everybody does. It prints where it listens and ends with its standard
input.

    python relay.py tcp HOST PORT          (listens on a port)
    python relay.py unix SOCKET SOCKET     (listens on the second)
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

#: Bytes that are passed on in one piece.
PIECE = 1 << 15
#: Seconds that a client has for looking before its request is passed on.
DELAY = 0.0003


async def pass_on(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float
) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(PIECE):
            # The loop's own sleep takes far longer.
            time.sleep(delay)  # noqa: ASYNC251
            sink.write(data)
            await sink.drain()
    sink.close()


async def main(kind: str, first: str, second: str) -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def accept(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if kind == "unix":
            back, forth = await asyncio.open_unix_connection(first)
        else:
            back, forth = await asyncio.open_connection(first, int(second))
        for way in ((reader, forth, DELAY), (back, writer, 0.0)):
            task = asyncio.create_task(pass_on(*way))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    if kind == "unix":
        await asyncio.start_unix_server(accept, second)
        print(second, flush=True)
    else:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
