"""A process that passes bytes between clients and a server, and breaks some of it.

It owns the faults: what is done to a piece of what passes is drawn at random, anew for
each connection and direction from one seed. With ``calm`` it does nothing to anybody
and only counts. It prints where it listens, ends with its standard input, and prints a
summary then, as JSON: how often it did what, and when it accepted, by the system's
monotonic clock.

    python faulty_proxy.py SOCKET SEED|calm

In another program, ``FaultyProxy`` starts it.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

#: How likely each fault is, for each piece that is passed on.
FAULTS = {"reset": 0.001, "truncated": 0.001, "stalled": 0.003, "silenced": 0.0002}
#: The longest stall in seconds. What is silenced passes nothing any more.
STALL = 0.1
#: With this, closing a socket resets the connection.
LINGER = struct.pack("ii", 1, 0)


class Side(asyncio.Protocol):
    """One side of a connection, which passes on what it reads to the other."""

    def __init__(self, log: dict[str, Any], chance: random.Random | None) -> None:
        self.other: Side
        self.transport: Any = None
        self._log = log
        self._chance = chance
        self._gone = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        fault = self._draw()
        if fault is not None:
            self._log["faults"][fault] += 1
        if fault == "reset":
            self.end(reset=True)
            self.other.end(reset=True)
        elif fault == "truncated":
            self.other.transport.write(data[: len(data) // 2])
            self.other.transport.close()
            self.end()
        elif fault == "stalled" and self._chance is not None:
            self.transport.pause_reading()
            pause = self._chance.random() * STALL
            asyncio.get_running_loop().call_later(pause, self._go_on, data)
        elif fault == "silenced":
            self.transport.pause_reading()
        else:
            self.other.transport.write(data)

    def _draw(self) -> str | None:
        number = 1.0 if self._chance is None else self._chance.random()
        for fault, likely in FAULTS.items():
            number -= likely
            if number < 0:
                return fault
        return None

    def _go_on(self, data: bytes) -> None:
        if not self._gone:
            self.other.transport.write(data)
            self.transport.resume_reading()

    def end(self, *, reset: bool = False) -> None:
        if reset:
            raw = self.transport.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self._gone = True
        self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = self.other._gone = True
        if self.other.transport is not None:
            self.other.transport.close()  # what was written is sent first


def _itself(side: Side) -> Side:
    return side


async def serve(path: str, seed: str) -> None:
    loop = asyncio.get_running_loop()
    log: dict[str, Any] = {"faults": Counter(), "accepted": []}
    listener = socket.create_server(("127.0.0.1", 0), backlog=500)
    listener.setblocking(False)

    async def accept_all() -> None:
        for number in range(1 << 30):
            client, _ = await loop.sock_accept(listener)
            log["accepted"].append(time.monotonic())
            chances: list[random.Random | None] = [None, None]
            if seed != "calm":
                chances = [random.Random(f"{seed}/{number}/{way}") for way in "ab"]
            near, far = (Side(log, chance) for chance in chances)
            near.other, far.other = far, near
            await loop.connect_accepted_socket(partial(_itself, near), client)
            try:  # the server speaks first
                await loop.create_unix_connection(partial(_itself, far), path)
            except OSError:
                near.end(reset=True)  # nobody is there: as a closed port does

    accepting = loop.create_task(accept_all())
    print(listener.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    accepting.cancel()
    listener.close()
    print(json.dumps(log), flush=True)


class FaultyProxy:
    """The process, for the time of a ``with`` block.

    Attributes:
        port: where it listens.
        faults: after the block, how often it did what.
        accepted: after the block, when it accepted, by ``time.monotonic()``.
    """

    def __init__(self, path: str, seed: int | None) -> None:
        self._arguments = [path, "calm" if seed is None else str(seed)]
        self.port = 0
        self.faults: dict[str, int] = {}
        self.accepted: list[float] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *exception: object) -> None:
        summary, _ = self._process.communicate()
        if summary:
            log = json.loads(summary)
            self.faults, self.accepted = log["faults"], log["accepted"]


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
