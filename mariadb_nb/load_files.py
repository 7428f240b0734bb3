"""Loading a file, for a LOAD DATA statement of the application's own.

Owns what may be a file, and how it comes to where the library can read it. The way of a
load, with its transaction, is in ``loading``. Knows no loop.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from . import load_sql
from .loading import BUFFER, Load
from .wait import PAUSE, Operation

if TYPE_CHECKING:
    from ._connection import ConnectionBase

#: Bytes of a file that are read at once.
PIECE: Final = 1 << 16
#: Seconds between two turns of a loop while it is read.
_TURN: Final = 0.0015


class FileLoad(Load):
    """A file, or pieces of one, for a statement of the application's own.

    The library takes all of a file in one go, so what is no file on a disk becomes one
    first, unless it is small.
    """

    _item = "records"

    def __init__(
        self,
        connection: ConnectionBase,
        sql: str,
        on_duplicate: str,
        deadline: float | None,
    ) -> None:
        super().__init__(connection, on_duplicate, deadline)
        self._sql = load_sql.own_statement(sql, on_duplicate).encode()
        self._file: tempfile.SpooledTemporaryFile[bytes] | None = None
        self._size = 0
        self._pieces = 0

    def begin(self) -> Operation[None]:
        yield from super().begin()
        # From here on somebody closes it; who is cancelled before has not begun.
        self._file = tempfile.SpooledTemporaryFile(BUFFER)  # noqa: SIM115

    def _take(self, source: Any) -> Operation[None]:
        place = _place(source)
        if place is not None:
            yield from self._load(self._sql, place)
            source.seek(0, io.SEEK_END)
            self._discard()
            return
        turn = monotonic()
        for piece in _pieces(source):
            self._add(piece)
            if monotonic() - turn > _TURN:
                self._check_time()
                yield PAUSE
                turn = monotonic()

    def feed(self, items: Sequence[Any]) -> Operation[None]:
        for piece in items:
            self._add(piece)
            yield PAUSE

    def finish(self) -> Operation[None]:
        if self._file is None:
            return
        with self._file as file:
            if self._size > BUFFER:
                file.flush()
                yield from self._load(self._sql, (file.fileno(), 0))
            else:
                file.seek(0)
                yield from self._load(self._sql, file.read())

    def _add(self, piece: Any) -> None:
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise TypeError(
                f"piece {self._pieces} of the file is a {type(piece).__name__}: "
                "expected bytes, as from a file that is opened in binary mode"
            )
        assert self._file is not None
        self._size += self._file.write(piece)
        self._pieces += 1

    def close(self) -> None:
        self._discard()
        super().close()

    def fail(self, error: BaseException) -> Operation[None]:
        self._discard()
        return super().fail(error)

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _place(source: Any) -> tuple[int, int] | None:
    """Where the library can read a source by itself; None if it cannot.

    Only of a plain file: whatever else has a ``fileno`` may make something else of what
    is in there, as what decompresses it does.
    """
    raw = source.raw if type(source) is io.BufferedReader else source
    if type(raw) is not io.FileIO or not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    return raw.fileno(), source.tell()


def _pieces(source: Any) -> Iterator[Any]:
    if isinstance(source, bytes | bytearray | memoryview):
        return iter((source,))
    read = getattr(source, "read", None)
    if read is None:
        return iter(source)
    return _read(read)


def _read(read: Callable[[int], Any]) -> Iterator[Any]:
    while piece := read(PIECE):
        yield piece
