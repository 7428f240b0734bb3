"""What an operation waits for: the one shape that all layers share.

Owns the request that an operation yields and the bits it is answered with. It knows
no socket, no loop and no library: whoever can wait for a file descriptor can run an
operation (see ``mariadb_nb.runners`` for those that come with the package).

The contract between an operation and its runner:

- An operation is a generator. Each ``Wait`` that it yields asks to be resumed with
  ``send(mask)`` as soon as ``fd`` is ready for one of ``events``; the mask has the bits
  of ``events`` that are ready. If the deadline passes first, the mask is ``TIMEOUT``.
- A mask of 0 is a wake-up for nothing: the operation yields the same request again.
- A ``Wait`` without events asks for no descriptor. With a deadline it is a pause until
  then (answered with ``TIMEOUT``), without one it gives the loop a turn (answered
  with 0).
- When the one who waits is interrupted (a cancelled task, Ctrl-C, a killed greenlet),
  the runner throws that exception into the operation and goes on running it: an
  operation that was interrupted still has to put its connection in order, in bounded
  time, and raises the exception at its end.
- ``close()`` ends an operation at once and without waiting, whatever it costs.
- From one ``Wait`` to the next the descriptor may be another one, or another one with
  the same number.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, NamedTuple, TypeVar

#: The bits of ``MYSQL_WAIT_READ`` and its like (mysql.h). Plain integers: a flag
#: enumeration costs twenty times as much for each test.
READ: Final = 1
WRITE: Final = 2
EXCEPT: Final = 4
TIMEOUT: Final = 8


class Wait(NamedTuple):
    """What an operation waits for.

    Attributes:
        fd: the file descriptor; -1 if ``events`` is 0.
        events: ``READ``, ``WRITE``, ``EXCEPT`` or several of them; 0 for a pause.
        deadline: when to give up, in seconds of ``time.monotonic()``, or None.
    """

    fd: int
    events: int
    deadline: float | None = None


#: Gives the loop a turn.
PAUSE: Final = Wait(-1, 0, None)

_T = TypeVar("_T")

#: A generator that yields what it waits for and returns what it is about.
Operation = Generator[Wait, int, _T]
