"""What there is once: it can be neither copied nor taken to another process.

Owns the refusal, and knows nothing of what is refused.
"""

from __future__ import annotations

from typing import NoReturn


class Unique:
    """A base of what belongs to one connection, or has several."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled: it is bound to a "
            "connection of this process; make another one with the same options"
        )
