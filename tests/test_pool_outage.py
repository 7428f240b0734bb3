"""Pools whose server is away for a while: who waits, and how often one tries.

A proxy stands between, which counts the connects that reach it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from faulty_proxy import FaultyProxy
from worlds import World, in_every_world

from mariadb_nb import OperationalError, PoolTimeout
from mariadb_nb.pool.decisions import Note
from mariadb_nb.server import TemporaryServer

FIRST, LONGEST = 0.02, 0.16
AT_ONCE = 3
SIZE = 12


@pytest.fixture(scope="module")
def frail_server() -> Iterator[TemporaryServer]:
    """A server of these tests' own, to be stopped."""
    with TemporaryServer() as server:
        yield server


class Load:
    """Tasks that borrow and ask, over and over, until they are told to stop."""

    def __init__(self, world: World, server: TemporaryServer, port: int) -> None:
        user = server.users["native"]
        self.world = world
        self.notes: list[Note] = []
        self.over = threading.Event()
        self.pool = world.pool(
            unix_socket=None,
            host="127.0.0.1",
            port=port,
            tls="disable",
            user=user.name,
            password=user.password,
            min_size=SIZE,
            max_size=SIZE,
            max_connecting=AT_ONCE,
            retry_first=FIRST,
            retry_longest=LONGEST,
            timeout=0.5,
            connect_timeout=0.5,
            check_timeout=0.5,
            cancel_timeout=0.5,
            acquire_timeout=None,
            on_event=self.notes.append,
        )

    def events(self, name: str) -> list[Note]:
        return [note for note in tuple(self.notes) if note.event == name]

    async def work(self, number: int) -> int:
        """Be one of the tasks; returns how many statements under way failed."""
        failures = 0
        while not self.over.is_set():
            try:
                async with self.pool.acquire() as conn:
                    found = await (await conn.execute("SELECT ?", (number,))).fetchall()
                    assert found == [(number,)]
            except PoolTimeout as error:
                raise AssertionError("who has no deadline waits") from error
            except OperationalError:
                failures += 1
            await self.world.pause()
        return failures

    async def be_impatient(self) -> None:
        """Wait, as one who has a deadline and sees it pass."""
        began = time.monotonic()
        with pytest.raises(PoolTimeout) as caught:
            async with self.pool.acquire(timeout=0.2):
                raise AssertionError("there is no server")
        assert time.monotonic() >= began + 0.2
        assert "the last connect failed" in str(caught.value)
        assert isinstance(caught.value.__cause__, OperationalError)

    async def until_more_events(self, name: str, count: int, seen: int) -> None:
        """Wait until there were so many more than had been seen."""
        while len(self.events(name)) < seen + count:
            await self.world.pause()

    async def until_served(self, count: int) -> None:
        count += self.pool.stats().acquired
        while self.pool.stats().acquired < count:
            await self.world.pause()

    async def drive(self, server: TemporaryServer, end: str) -> int:
        """Take the server away under load, and give it back."""
        try:
            await self.until_served(100)
            if end == "kill":
                server.kill()
            else:
                server.pause()
            # On a busy machine there may have been some before.
            failed, recovered = (
                len(self.events(name)) for name in ("outage", "recovered")
            )
            await self.until_more_events("outage", 3, failed)
            await self.be_impatient()
            back = server.restart if end == "kill" else server.resume
            restarting = threading.Thread(target=back)
            restarting.start()
            await self.until_more_events("recovered", 1, recovered)
            restarting.join()
            await self.pool.warm_up()
            await self.until_served(100)
        finally:
            self.over.set()
        return 0


@pytest.mark.parametrize("end", ["kill", "pause"])
@in_every_world
async def test_outage_is_sat_out(
    world: World, frail_server: TemporaryServer, end: str
) -> None:
    with FaultyProxy(frail_server.socket, None) as proxy:
        load = Load(world, frail_server, proxy.port)
        async with load.pool as pool:
            await pool.warm_up()
            results = await world.together(
                *(load.work(number) for number in range(48)),
                load.drive(frail_server, end),
            )
            failures = [count for count in results if isinstance(count, int)]
            assert len(failures) == 49, results
            await pool.warm_up()
            stats = pool.stats()
            assert stats.size == SIZE
            assert stats.created - sum(stats.closed.values()) == SIZE
    # On a busy machine there may be another one, of connects that take too long.
    outages = series(load.notes)
    for pauses in outages:
        check_pauses(pauses)
    # Those under way when it began, then one after each pause.
    most = sum(AT_ONCE - 1 + len(pauses) for pauses in outages)
    assert stats.failed_connects <= most
    # No connect but those, and those for killing a statement whose time was over.
    connects = stats.created + stats.failed_connects + sum(failures)
    assert len(proxy.accepted) <= connects


def series(notes: list[Note]) -> list[list[float]]:
    """The pauses of each outage, from its first failure to the first success."""
    found: list[list[float]] = [[]]
    for note in notes:
        if note.event == "outage":
            found[-1].append(note.seconds)
        elif note.event == "recovered":
            found.append([])
    assert found.pop() == []
    return found


def check_pauses(pauses: list[float]) -> None:
    """They double up to a limit; what is waited is between half of it and all."""
    for number, pause in enumerate(pauses):
        whole = min(FIRST * 2**number, LONGEST)
        assert whole / 2 <= pause <= whole
    late = pauses[4:]
    assert all(one != other for one, other in pairwise(late))
