"""The types of ``_wire`` that claim connections, once they know the guard.

Owns the meeting of the two extension modules: the guard's table is in ``_ffi``, and
``_wire`` gets it by pointer before anything is made of these types. It refuses to, and
the import fails, if the two are not on one copy of libmariadb.
"""

from __future__ import annotations

from . import _wire
from .capi import ffi, lib

_wire.attach(
    int(ffi.cast("uintptr_t", lib.nb_guard_claims)),
    int(ffi.cast("uintptr_t", lib.mysql_get_client_info())),
)

Channel = _wire.Channel
Connector = _wire.Connector

__all__ = ["Channel", "Connector"]
