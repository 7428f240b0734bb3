"""Cases that each run in a process of their own: a table of them, and how one is run.

A module of cases has ``CASES = Cases()``, ``@CASES`` above each case, and ends in
``if __name__ == "__main__": CASES.main()``. What needs to end in its own way has a
table of its own, and prints PASSED.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from server_place import environment

from mariadb_nb.server import TemporaryServer

Case = Callable[[str], None]

#: What a case prints last: whoever ends otherwise has not been through.
PASSED = "passed as it should be"


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


def run_case(
    module: str, server: TemporaryServer, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a case of a module here; fail with all it printed unless it passed.

    Args:
        module: the name of the module, which is run as a program.
        server: what ``server_place.place`` is for it.
        arguments: its command line.
        variables: what else is in its environment.
    """
    file = Path(__file__).with_name(f"{module}.py")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", file, *arguments],
        env={**environment(server), **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"ended with {done.returncode}\n{output}"
    assert PASSED in done.stdout, output
    return done
