"""Times that a busy machine may spoil: measured again, and the best attempt counts.

Where something can be counted or has an order, a test looks at that, and not here. What
is left are promises in seconds. Other processes can make any one measurement late, but
not each of a few; what is late by itself is so in every attempt. So the promised number
itself is the bound, and the first good attempt is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

#: Attempts after which it is not the machine.
ATTEMPTS: Final = 10


class Attempt:
    """One of them.

    Attributes:
        number: how many there were before it.
        measured: what came out, to be set by whoever measures.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.measured = math.inf


def attempts(bound: float) -> Iterator[Attempt]:
    """Yield attempts until one has measured no more than ``bound``.

        for attempt in attempts(0.010):
            attempt.measured = lateness()

    Raises:
        AssertionError: none of them has; it says what they measured.
    """
    seen: list[float] = []
    while len(seen) < ATTEMPTS:
        attempt = Attempt(len(seen))
        yield attempt
        seen.append(attempt.measured)
        if attempt.measured <= bound:
            print(f"measured {attempt.measured:.6g}, at most {bound:.6g} is right")
            return
    told = ", ".join(f"{measured:.6g}" for measured in seen)
    raise AssertionError(f"no attempt measured {bound:.6g} or less: {told}")
