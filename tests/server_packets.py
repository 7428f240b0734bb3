"""What a server says while a client connects, as bytes; for peers that play one."""

from __future__ import annotations

CLIENT_SSL = 0x800

#: The answer that ends a login well.
OK = bytes.fromhex("00000002000000")


def packet(number: int, payload: bytes) -> bytes:
    """A payload with its header."""
    return len(payload).to_bytes(3, "little") + bytes([number & 0xFF]) + payload


def greeting(offers_tls: bool) -> bytes:
    """What a server says first."""
    capabilities = 0x81BFF7FE & ~CLIENT_SSL | (CLIENT_SSL if offers_tls else 0)
    return b"".join(
        (
            b"\x0a",
            b"5.5.5-10.11.2-MariaDB\0",
            (1).to_bytes(4, "little"),
            b"12345678\0",
            (capabilities & 0xFFFF).to_bytes(2, "little"),
            b"\x2d\x02\x00",
            (capabilities >> 16).to_bytes(2, "little"),
            b"\x15",
            bytes(10),
            b"123456789012\0",
            b"mysql_native_password\0",
        )
    )


def switch(plugin: bytes, data: bytes) -> bytes:
    """The request to log in by another plug-in, with the first it says."""
    return b"\xfe" + plugin + b"\0" + data
