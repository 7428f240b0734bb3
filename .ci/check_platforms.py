"""Compare the wheels that get built with those that the documentation promises.

Owns neither list: cibuildwheel says what it would build for each line of the matrix in
.github/workflows/wheels.yml, and the table in docs/installing.md what there is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent


def built(row: dict[str, Any]) -> list[str]:
    """What cibuildwheel would build for a line of the matrix."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"),
            *("--platform", row["platform"], "--archs", row["archs"], str(ROOT)),
        ],
        env={**os.environ, "CIBW_BUILD": row["build"]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.split()


def promised() -> set[str]:
    """What the table stands for: in each row a cell of Pythons and one of platforms."""
    page = (ROOT / "docs" / "installing.md").read_text("utf-8")
    rows = re.findall(r"^\| CPython (.+?) \| .*?`(.+)` \|", page, re.MULTILINE)
    return {
        f"cp{python.strip().replace('.', '')}-{platform}"
        for pythons, platforms in rows
        for python in pythons.split(",")
        for platform in platforms.split("`, `")
    }


def main() -> None:
    """Compare, and say what differs."""
    workflow = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "wheels.yml")
    matrix = workflow["jobs"]["wheels"]["strategy"]["matrix"]["include"]
    counted = Counter(identifier for row in matrix for identifier in built(row))
    problems = [f"{name} is built twice" for name in counted if counted[name] > 1]
    problems += [f"{name} is not promised" for name in counted.keys() - promised()]
    problems += [f"{name} is not built" for name in promised() - counted.keys()]
    if problems:
        sys.exit("\n".join(["docs/installing.md and wheels.yml differ:", *problems]))
    print(f"{len(counted)} wheels, as docs/installing.md has them")


if __name__ == "__main__":
    main()
