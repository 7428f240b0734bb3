"""MariaDB for Python, on Connector/C's non-blocking API.

- ``mariadb_nb.connect`` and what it returns: the blocking driver (PEP 249).
- ``mariadb_nb.aio.connect``: the same names with await, for asyncio, uvloop and trio.
- ``mariadb_nb.Pool`` and ``mariadb_nb.aio.Pool``: connections that are kept, watched
  and lent.
- ``mariadb_nb.Session``, ``Wait`` and ``runners``: for any other loop.
- ``mariadb_nb.probe``: for how long the network lets a connection be idle.
- ``mariadb_nb.capi``: the C API verbatim.
- ``mariadb_nb.server``: a throwaway server for tests and examples.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    # What C imports, for programs that pack others and find that in Python only.
    import decimal  # noqa: F401
    import enum  # noqa: F401
    import ipaddress  # noqa: F401
    import json  # noqa: F401
    import uuid  # noqa: F401

    import _cffi_backend  # noqa: F401

    from . import aio, runners
    from ._pipeline import Result
    from .columns import BINARY, DATETIME, NUMBER, ROWID, STRING, Column, FieldType
    from .connection import Connection, connect
    from .constructors import (
        DEFAULT,
        Binary,
        Date,
        DateFromTicks,
        Time,
        TimeFromTicks,
        Timestamp,
        TimestampFromTicks,
    )
    from .converters import column
    from .cursor import Cursor, PreparedStatement
    from .errors import (
        Busy,
        ConnectionLost,
        DatabaseError,
        DataError,
        Deadlock,
        Error,
        IntegrityError,
        InterfaceError,
        InternalError,
        LockTimeout,
        NotSupportedError,
        OperationalError,
        OperationTimeout,
        PoolClosed,
        PoolTimeout,
        ProgrammingError,
        QueryInterrupted,
        Warning,
    )
    from .options import Options
    from .pipeline import Pipeline
    from .pool.sync import Pool
    from .rows import class_row, dict_row, namedtuple_row, scalar_row, tuple_row
    from .session import Session
    from .wait import Wait

#: PEP 249: the version of the interface.
apilevel: Final = "2.0"
#: PEP 249: threads may share the module; a connection is for one at a time, and says
#: so with ``Busy``.
threadsafety: Final = 1
#: PEP 249: ``?``; ``%s`` and ``%(name)s`` are understood too.
paramstyle: Final = "qmark"

__all__ = [
    "BINARY",
    "DATETIME",
    "DEFAULT",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Busy",
    "Column",
    "Connection",
    "ConnectionLost",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Deadlock",
    "Error",
    "FieldType",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "LockTimeout",
    "NotSupportedError",
    "OperationTimeout",
    "OperationalError",
    "Options",
    "Pipeline",
    "Pool",
    "PoolClosed",
    "PoolTimeout",
    "PreparedStatement",
    "ProgrammingError",
    "QueryInterrupted",
    "Result",
    "Session",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Wait",
    "Warning",
    "aio",
    "apilevel",
    "class_row",
    "column",
    "connect",
    "dict_row",
    "namedtuple_row",
    "paramstyle",
    "runners",
    "scalar_row",
    "threadsafety",
    "tuple_row",
]

#: Where the public names are. Nothing is imported before it is asked for: who uses the
#: C API only, or asks what is missing, needs no driver.
_HOMES: Final = {
    "aio": "aio",
    "runners": "runners",
    "BINARY": "columns",
    "DATETIME": "columns",
    "NUMBER": "columns",
    "ROWID": "columns",
    "STRING": "columns",
    "Column": "columns",
    "FieldType": "columns",
    "Connection": "connection",
    "connect": "connection",
    "DEFAULT": "constructors",
    "Binary": "constructors",
    "Date": "constructors",
    "DateFromTicks": "constructors",
    "Time": "constructors",
    "TimeFromTicks": "constructors",
    "Timestamp": "constructors",
    "TimestampFromTicks": "constructors",
    "column": "converters",
    "Cursor": "cursor",
    "PreparedStatement": "cursor",
    "Busy": "errors",
    "ConnectionLost": "errors",
    "DatabaseError": "errors",
    "DataError": "errors",
    "Deadlock": "errors",
    "Error": "errors",
    "IntegrityError": "errors",
    "InterfaceError": "errors",
    "InternalError": "errors",
    "LockTimeout": "errors",
    "NotSupportedError": "errors",
    "OperationalError": "errors",
    "OperationTimeout": "errors",
    "PoolClosed": "errors",
    "PoolTimeout": "errors",
    "ProgrammingError": "errors",
    "QueryInterrupted": "errors",
    "Warning": "errors",
    "Options": "options",
    "Pipeline": "pipeline",
    "Result": "_pipeline",
    "Pool": "pool.sync",
    "class_row": "rows",
    "dict_row": "rows",
    "namedtuple_row": "rows",
    "scalar_row": "rows",
    "tuple_row": "rows",
    "Session": "session",
    "Wait": "wait",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{home}")
    except ImportError as error:
        error.add_note("python -m mariadb_nb info tells what is missing")
        raise
    value = module if home == name else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
