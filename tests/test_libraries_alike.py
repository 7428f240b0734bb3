"""What Connector/C 3.3 and 3.4 differ in does not show through the driver.

``make test-matrix`` runs this, like all tests, on both. What they differ in, and what
shows that the driver does not:

- TLS by default (3.4: on and insisted upon, over unix sockets too; 3.3: off):
  test_driver_connection.py::test_each_way_to_the_server,
  test_connecting_securely.py::test_tls_is_preferred_and_not_insisted_upon,
  test_tls_options.py::test_server_without_tls
- what is verified, by whose authorities, and for which host:
  test_tls_options.py::test_certificate,
  test_tls_options.py::test_authorities_of_the_system,
  test_tls_options.py::test_revoked_certificate,
  test_connecting_securely.py::test_wrong_certificate
- digests of a pinned certificate (3.3: SHA-1 only, which is said):
  test_tls_options.py::test_pinned_certificate,
  test_tls_options.py::test_digest_of_another_kind
- how long they wait on a TLS socket that does not block (3.4: 5 ms; 3.3: its timeouts'
  seconds taken for milliseconds): here, and for blocking calls of the C API
  test_tls.py::test_blocking_calls_on_the_same_handle,
  test_tls.py::test_read_timeout_of_a_blocking_call
- which plug-ins are built in, and which are files:
  test_connecting_securely.py::test_logins
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from silent_handshake import FarProxy
from worlds import World, in_every_world

import mariadb_nb

#: Seconds that each piece is under way: four times what 3.4 waits for one.
FAR: Final = 0.02
#: Bytes enough for many pieces, both ways.
SIZE: Final = 1_000_000


@in_every_world
async def test_far_server_over_tls(world: World) -> None:
    server = world.server
    with FarProxy(server.host, server.port, FAR) as proxy:
        conn = await world.connect(
            unix_socket=None,
            host="localhost",
            port=proxy.port,
            tls="verify-full",
            tls_ca=server.ca_file,
        )
        cur = await conn.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        row = await cur.fetchone()
        assert row is not None
        assert row[1]
        cur = await conn.execute("SELECT SLEEP(0.1), LENGTH(?)", ("x" * SIZE,))
        assert await cur.fetchone() == (0, SIZE)
        cur = await conn.execute(f"SELECT REPEAT('y', {SIZE})")
        assert await cur.fetchone() == ("y" * SIZE,)
        with pytest.raises(mariadb_nb.OperationTimeout):
            await conn.execute("SELECT SLEEP(60)", timeout=0.2)
        await conn.ping()
        cur = await conn.execute("SELECT 'as before'")
        assert await cur.fetchone() == ("as before",)
        await conn.close()


def test_what_is_listed_above_is_there() -> None:
    listed = re.findall(r"(test_\w+\.py)::(test_\w+)", __doc__ or "")
    assert listed
    for file, name in listed:
        text = Path(__file__).with_name(file).read_text(encoding="utf-8")
        assert f"def {name}(" in text, f"{file}::{name}"
