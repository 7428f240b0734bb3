"""What may happen between any two bytecodes: signal handlers and finalizers.

A trace function takes their place. It knows nothing of what is interrupted.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any


def press_ctrl_c() -> None:
    """What the handler of SIGINT does."""
    raise KeyboardInterrupt


def may_be_signalled(frame: FrameType, looked: dict[FrameType, bool]) -> bool:
    """Whether a signal's handler may run before the bytecode that comes next.

    The interpreter looks for signals behind calls and jumps back, and where a function
    begins or goes on after ``yield``, but not after ``yield from``.
    """
    code, at = frame.f_code.co_code, frame.f_lasti
    name, argument = dis.opname[code[at]], code[at + 1]
    # If a call raised, a handler begins, and there was no look.
    may = looked.get(frame, True) and name != "PUSH_EXC_INFO"
    looked[frame] = (
        name.startswith("CALL")
        or name == "JUMP_BACKWARD"
        or (name == "RESUME" and argument & 3 < 2)
    )
    return may


def run_with(
    files: Collection[str | None],
    deed: Callable[[], object],
    at: int,
    call: Callable[[], object],
    *,
    signals: bool = False,
) -> bool:
    """Call something, and do a deed before its ``at``-th bytecode in these files.

    Args:
        files: of which code.
        deed: what to do.
        at: when to do it.
        call: what to call.
        signals: count only where a signal's handler may run; a finalizer may anywhere.

    Returns:
        Whether there were so many.
    """
    count, done = 0, False
    looked: dict[FrameType, bool] = {}

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count, done
        code = frame.f_code
        if code.co_filename not in files or code.co_name == "__del__" or done:
            return None  # a finalizer is another session's, and comes when it likes
        frame.f_trace_opcodes = True
        if event == "opcode" and (not signals or may_be_signalled(frame, looked)):
            if count == at:
                done = True
                deed()
            count += 1
        return trace

    before = sys.gettrace()
    # CPython 3.12 looks for it once somebody traces, not when that begins.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
        looked.clear()  # so that what was interrupted is let go of
    return done


def everywhere(try_at: Callable[[int], bool], least: int = 50) -> None:
    """Try it at each place until there is none any more."""
    at = 0
    while try_at(at):
        at += 1
    assert at >= least
