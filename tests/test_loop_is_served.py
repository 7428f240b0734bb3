"""Whatever the driver does, the others on its loop get their turns.

What the driver does are a TLS connect to a far server, a name lookup that takes two
seconds, a large result and a large statement. How it is measured: ``ticking``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import connector_cases
import pytest
from server_place import environment
from silent_handshake import FarProxy
from ticking import LOOPS, assert_served, lateness
from worlds import World

import mariadb_nb
from mariadb_nb import aio
from mariadb_nb.server import TemporaryServer

pytestmark = pytest.mark.alone

ROWS = 200_000
#: Somewhat below what the server takes in one packet.
SIZE = 16_000_000

TABLE = f"""
CREATE OR REPLACE TABLE served AS SELECT
    seq AS number,
    seq * 1000000007 AS big,
    seq / 7e0 AS ratio,
    CONCAT('name ', seq) AS name,
    TIMESTAMPADD(MICROSECOND, seq * 1234567891, '2001-01-01') AS moment,
    CAST(seq / 100 AS DECIMAL(12, 2)) AS price,
    TIMESTAMPADD(DAY, seq % 12000, '1990-01-01') AS day,
    seq % 100 AS flag,
    CONCAT('a note, \N{LATIN SMALL LETTER U WITH DIAERESIS} in it: ', seq) AS note,
    IF(seq % 3 = 0, NULL, seq) AS optional
FROM seq_1_to_{ROWS}
"""


@pytest.fixture(scope="module")
def table(mariadb_server: TemporaryServer) -> Iterator[str]:
    """A table of ``ROWS`` rows and ten columns."""
    with mariadb_nb.connect(
        unix_socket=mariadb_server.socket, user="root", database="test"
    ) as conn:
        conn.execute(TABLE)
        yield "served"
        conn.execute("DROP TABLE served")


on_each_loop = pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)


def way(world: World, transport: str) -> dict[str, Any]:
    """The options for one way to the server."""
    if transport == "unix":
        return {}
    server = world.server
    place = {"unix_socket": None, "host": "localhost", "port": server.port}
    tls = {"tls": "verify-full", "tls_ca": server.ca_file}
    return {**place, **(tls if transport == "tls" else {"tls": "disable"})}


@on_each_loop
def test_ticker_notices_who_holds_the_loop_up(
    loop: type[World], mariadb_server: TemporaryServer
) -> None:
    async def doze() -> None:
        # This is what nobody may do.
        time.sleep(0.05)  # noqa: ASYNC251

    async def compute() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    world = loop(mariadb_server)
    assert world.run(lateness(world, doze)) > 0.03
    assert world.run(lateness(world, compute)) > 0.03


@on_each_loop
def test_connect_to_a_far_server(
    loop: type[World], mariadb_server: TemporaryServer
) -> None:
    world = loop(mariadb_server)

    async def body(port: int) -> None:
        options = {**way(world, "tls"), "port": port}
        await assert_served(world, lambda: world.connect(**options))

    begun = time.monotonic()
    with FarProxy(mariadb_server.host, mariadb_server.port, 0.04) as proxy:
        world.run(body(proxy.port))
    assert time.monotonic() - begun > 4 * 0.04  # it was far, there and back


#: Runs with names that take their time, in a process of its own.
LOOKUP = """
import sys, time
from connector_cases import LOOKUP
from server_place import place
from ticking import LOOPS, assert_served

(loop,) = (loop for loop in LOOPS if loop.name == sys.argv[1])
world = loop(place())

async def connect():
    begun = time.monotonic()
    conn = await world.connect(
        unix_socket=None, host="slow.test", port=world.server.port, tls="require"
    )
    assert time.monotonic() - begun >= LOOKUP
    cur = await conn.execute("SELECT 'found'")
    assert await cur.fetchone() == ("found",)

async def body():
    await assert_served(world, connect)

world.run(body())
"""


@pytest.fixture(scope="module")
def slow_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands between the process and the C library, see ``connector_cases``."""
    return connector_cases.compile_preload(tmp_path_factory.mktemp("slow_names"))


@on_each_loop
def test_name_lookup_of_two_seconds(
    loop: type[World], mariadb_server: TemporaryServer, slow_names: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOKUP, loop.name],
        env={
            **environment(mariadb_server),
            "LD_PRELOAD": str(slow_names),
            "PYTHONPATH": ":".join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)


@pytest.mark.parametrize("transport", ["unix", "tls"])
@on_each_loop
def test_large_result(
    loop: type[World], mariadb_server: TemporaryServer, table: str, transport: str
) -> None:
    world = loop(mariadb_server)

    async def body() -> None:
        conn = await world.connect(**way(world, transport))

        async def fetch() -> list[Any]:
            rows = await (await conn.execute(f"SELECT * FROM {table}")).fetchall()
            assert len(rows) == ROWS
            return rows

        await assert_served(world, fetch)

    world.run(body())


@pytest.mark.parametrize("transport", ["unix", "tcp"])
@on_each_loop
def test_large_statement(
    loop: type[World], mariadb_server: TemporaryServer, transport: str
) -> None:
    """Without TLS: OpenSSL encrypts all that the socket takes before it comes back."""
    world = loop(mariadb_server)
    sql = f"SELECT LENGTH('{'x' * SIZE}')"

    async def body() -> None:
        conn = await world.connect(**way(world, transport))

        async def send() -> None:
            assert await (await conn.execute(sql)).fetchone() == (SIZE,)

        await assert_served(world, send)

    world.run(body())


@pytest.mark.parametrize("transport", ["unix", "tls"])
@pytest.mark.parametrize("returning", ["", " RETURNING number"])
@on_each_loop
def test_arrays_of_parameters(
    loop: type[World], mariadb_server: TemporaryServer, transport: str, returning: str
) -> None:
    world = loop(mariadb_server)
    rows = [(n, f"{n:050}", n / 7) for n in range(100_000)]
    table = "CREATE TEMPORARY TABLE bound (number INT, name TEXT, ratio DOUBLE)"

    async def body() -> None:
        conn = await world.connect(**way(world, transport))
        await conn.execute(table)

        async def insert() -> object:
            sql = f"INSERT INTO bound VALUES (?, ?, ?){returning}"
            cur = await conn.executemany(sql, rows)
            assert cur.rowcount == len(rows)
            return cur

        await assert_served(world, insert)

    world.run(body())


@pytest.mark.parametrize("transport", ["unix", "tls"])
@pytest.mark.parametrize("source", ["rows", "file"])
@on_each_loop
def test_load(
    loop: type[World], mariadb_server: TemporaryServer, source: str, transport: str
) -> None:
    world = loop(mariadb_server)

    def load(conn: aio.Connection, table: str) -> Any:
        if source == "rows":
            rows = ((number, f"text {number}") for number in range(ROWS))
            return conn.load(table, rows)
        pieces = (b"%d\ttext\n" % number * 100 for number in range(ROWS // 100))
        return conn.load(f"LOAD DATA LOCAL INFILE '' INTO TABLE {table}", pieces)

    async def body() -> None:
        conn = await world.connect(**way(world, transport))
        table = await world.table("a INT, b VARCHAR(30)")

        async def send() -> None:
            assert await load(conn, table) == ROWS

        await assert_served(world, send)

    world.run(body())


@on_each_loop
def test_many_results(loop: type[World], mariadb_server: TemporaryServer) -> None:
    world = loop(mariadb_server)
    count = 20_000
    sql = ";".join(["SELECT 1"] * count)

    async def body() -> None:
        conn = await world.connect(multi_statements=True)

        async def collect() -> object:
            cur = await conn.execute(sql)
            assert cur.rownumber == 0
            return cur

        await assert_served(world, collect)

    world.run(body())
