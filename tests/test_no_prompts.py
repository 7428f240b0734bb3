"""Nobody is asked anything: the terminal stays silent and is not read.

Each case runs on a terminal of its own, at which somebody types. That the test would
see a prompt is shown by the bare library, which has one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from option_support import SECRET
from prompt_cases import DIALOGS, LOCKED_KEY, QUESTION

HERE = Path(__file__).parent
#: Runs a command on a new terminal that is the process's own.
ON_A_TERMINAL = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
TYPED = "typed-by-somebody"
PROMPTS = (QUESTION.decode(), "Enter PEM pass phrase")


def run(name: str, how: str) -> str:
    """Run one case; return what its terminal showed."""
    case = [sys.executable, str(HERE / "prompt_cases.py"), name, how]
    done = subprocess.run(
        [sys.executable, "-c", ON_A_TERMINAL, *case],
        input=f"{TYPED}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shows_prompt(output: str) -> bool:
    return any(prompt in output for prompt in PROMPTS)


@pytest.mark.parametrize("name", [*DIALOGS, LOCKED_KEY])
def test_no_prompt(name: str) -> None:
    output = run(name, "options")
    assert not shows_prompt(output), output
    sent = output.partition("sent ")[2]
    assert TYPED not in sent
    if name == "password":
        assert "logged in" in output
        assert sent.startswith(repr(SECRET.encode() + bytes(1)))
    else:
        expected = 2026 if name == LOCKED_KEY else 2061
        assert f"error {expected}" in output


@pytest.mark.parametrize("name", ["two-questions", LOCKED_KEY])
def test_library_alone_asks(name: str) -> None:
    assert shows_prompt(run(name, "bare"))
