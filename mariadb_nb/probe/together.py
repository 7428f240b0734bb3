"""Many operations as one, which any runner can run.

Owns a selector loop inside of an operation: whoever runs that waits for the selector's
own descriptor. Knows nothing of what the operations do.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final, TypeVar

from ..runners.selector import SelectorRunner
from ..wait import READ, Operation, Wait

_T = TypeVar("_T")

#: Seconds between two looks, where a selector has no descriptor of its own.
_LOOK: Final = 0.02


def together(
    operations: Iterable[Operation[_T]], take: Callable[[_T], bool]
) -> Operation[None]:
    """Run operations side by side.

    Args:
        operations: each for a descriptor of its own.
        take: is called with what one returned; True if that is enough. The others are
            closed then.

    Raises:
        BaseException: what one of them raises; the others are closed.
    """
    enough = False

    def done(value: _T) -> None:
        nonlocal enough
        enough = take(value) or enough

    with selectors.DefaultSelector() as selector, SelectorRunner(selector) as runner:
        for operation in operations:
            runner.submit(operation, lambda handle: done(handle.result()))
        # Neither select() nor gevent's stand-in has one.
        fileno: Callable[[], int] | None = getattr(selector, "fileno", None)
        while runner.run_once(0) and not enough:
            rest = runner.timeout()
            if fileno is None:
                look = monotonic() + (_LOOK if rest is None else min(rest, _LOOK))
                yield Wait(-1, 0, look)
            else:
                until = None if rest is None else monotonic() + rest
                yield Wait(fileno(), READ, until)
