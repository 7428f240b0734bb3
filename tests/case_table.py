"""A table of cases that each run in a process of their own.

A module of cases has ``CASES = Cases()``, ``@CASES`` above each case, and ends in
``if __name__ == "__main__": CASES.main()``. test_misuse.py runs them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

Case = Callable[[str], None]

#: What a case prints last: whoever ends otherwise has not been through.
PASSED = "refused as it should be"


class Cases(dict[str, Case]):
    """Cases by name; calling it registers one."""

    def __call__(self, function: Case) -> Case:
        self[function.__name__] = function
        return function

    def main(self) -> None:
        """Run the case and on the transport that the command line names."""
        name, transport = sys.argv[1:]
        self[name](transport)
        print(PASSED)
        sys.stdout.flush()
        # Whatever the case has left in a strange state is not cleaned up.
        os._exit(0)
