"""The ready-made data directory that every throwaway server starts from a copy of.

It owns finding mariadbd, the settings that suit a server whose data nobody will miss,
and the templates in the user's cache folder: one per mariadbd, made by one process
while the others wait, moved to its place when it is complete, and checked against its
list of files before each use. How a process is started and kept is not known here.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from mariadb_nb._server_process import ServerError

# Part of a template's identity: raise it when what a template holds changes.
_FORMAT: Final = 1

_FOLDERS: Final = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/local/libexec",
    "/opt/homebrew/opt/mariadb*/bin",
    "/usr/local/opt/mariadb*/bin",
)

_NOT_FOUND: Final = """\
mariadbd, MariaDB's server program, was not found. Looked in PATH and in
{folders}.
Install it:
  apt-get install mariadb-server    Debian, Ubuntu
  dnf install mariadb-server        Fedora, RHEL
  apk add mariadb                   Alpine
  brew install mariadb              macOS
or set MARIADB_NB_MARIADBD to the path of an installed one."""

# "loose-": other versions may lack a setting, and all of these only save time or space.
# The InnoDB sizes hold for the template too: a different log size would make every
# server write its log anew.
SETTINGS: Final = (
    "--loose-innodb-data-file-path=ibdata1:5M:autoextend",
    "--loose-innodb-temp-data-file-path=ibtmp1:1M:autoextend",
    "--loose-innodb-autoextend-increment=1",
    "--loose-innodb-log-file-size=16M",
    "--loose-innodb-buffer-pool-size=64M",
    "--loose-innodb-buffer-pool-load-at-startup=OFF",
    "--loose-innodb-buffer-pool-dump-at-shutdown=OFF",
    "--loose-innodb-flush-method=nosync",
    "--loose-innodb-doublewrite=OFF",
    # Each commit reaches the kernel but not the disk: it survives the server's death.
    "--loose-innodb-flush-log-at-trx-commit=2",
    # The kernel's asynchronous I/O is a limited good, and many servers may run.
    "--loose-innodb-use-native-aio=OFF",
    "--loose-aria-log-file-size=8M",
    "--loose-aria-pagecache-buffer-size=8M",
    "--loose-key-buffer-size=1M",
    "--loose-performance-schema=OFF",
    # It would report to its makers over the network.
    "--loose-feedback=OFF",
)


class Template(NamedTuple):
    """What a template knows of the mariadbd that it was made by."""

    arguments: list[str]  # what this mariadbd needs in order to find its own files
    plugin_dir: str


# Runs mariadbd with the given arguments and standard input until it ends.
Run = Callable[[list[str], Path], None]


def find_mariadbd() -> Path:
    """Return the path of the mariadbd to use.

    Raises:
        ServerError: none is installed, or MARIADB_NB_MARIADBD names none.
    """
    named = os.environ.get("MARIADB_NB_MARIADBD")
    if named:
        if not (os.path.isfile(named) and os.access(named, os.X_OK)):
            raise ServerError(
                f"MARIADB_NB_MARIADBD is {named!r}, which is no program that can be "
                "run: give the path of mariadbd, or unset it to have it looked for"
            )
        return Path(named).resolve()
    folders = [folder for pattern in _FOLDERS for folder in sorted(glob.glob(pattern))]
    path = os.pathsep.join([*os.get_exec_path(), *folders])
    found = shutil.which("mariadbd", path=path)
    if found is None:
        raise ServerError(_NOT_FOUND.format(folders=", ".join(_FOLDERS)))
    return Path(found).resolve()


def copy_template(datadir: Path, binary: Path, scratch: Path, run: Run) -> Template:
    """Make `datadir` a copy of the template, and the template if there is none.

    Args:
        scratch: an empty folder that mariadbd may write to, for the making.
        run: starts `binary` for the making; its errors pass through.

    Raises:
        ServerError: no template can be made with this mariadbd.
    """
    place = _cache_folder() / f"template-{_digest(str(binary))}"
    status = binary.stat()
    origin = [_FORMAT, str(binary), status.st_size, status.st_mtime_ns]
    with _locked(place.with_suffix(".lock")):
        template = _read(place, origin)
        if template is None:
            template = _make_data(binary, scratch, run)
            _keep(place, origin, scratch / "data", template)
        shutil.copytree(place / "data", datadir)
    return template


def _make_data(binary: Path, scratch: Path, run: Run) -> Template:
    """Bootstrap a data directory `data` in `scratch`: the system tables, no users."""
    template, share = _ask(binary)
    script = scratch / "bootstrap.sql"
    with script.open("wb") as file:
        file.write(b"CREATE DATABASE mysql;\nUSE mysql;\n")
        # mysql_... until MariaDB 10, mariadb_... in later ones.
        for name in ("system_tables", "performance_tables"):
            for part in sorted(share.glob(f"m*_{name}.sql"))[:1]:
                file.write(part.read_bytes() + b"\n")
    (scratch / "data").mkdir()
    arguments = [
        *template.arguments,
        *SETTINGS,
        f"--datadir={scratch / 'data'}",
        "--bootstrap",
    ]
    run(arguments, script)
    return template


def _ask(binary: Path) -> tuple[Template, Path]:
    """Ask mariadbd where it has its files; return that and the folder of its SQL."""
    # One unpacked from a tar archive looks in the wrong place until it is told.
    for arguments in ([], [f"--basedir={binary.parent.parent}"]):
        command = [str(binary), "--no-defaults", *arguments, "--verbose", "--help"]
        try:
            answer = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                check=False,
            ).stdout
        except OSError as error:
            raise ServerError(f"mariadbd cannot be run: {error}") from error
        settings = dict(
            re.findall(r"^(character-sets-dir|plugin-dir) +(.+)$", answer, re.M)
        )
        if "character-sets-dir" in settings:
            share = Path(settings["character-sets-dir"]).parent
            if any(share.glob("m*_system_tables.sql")):
                return Template(arguments, settings.get("plugin-dir", "")), share
    raise ServerError(
        f"{binary} does not say where its SQL files are (mysql_system_tables.sql and "
        "others, in its share folder): reinstall the package that it belongs to, or "
        "set MARIADB_NB_MARIADBD to the path of another mariadbd"
    )


def _read(place: Path, origin: list[Any]) -> Template | None:
    """Return the template if it is whole and was made by this mariadbd, else None."""
    try:
        manifest = json.loads((place / "manifest.json").read_text())
        if manifest["origin"] == origin and manifest["files"] == _sizes(place / "data"):
            return Template(*manifest["template"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return None


def _keep(place: Path, origin: list[Any], data: Path, template: Template) -> None:
    """Move `data` to `place`, in one step and with its manifest."""
    part = place.with_suffix(".part")
    for leftover in (part, place):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir()
    shutil.move(data, part / "data")
    sizes = _sizes(part / "data")
    manifest = {"origin": origin, "files": sizes, "template": template}
    (part / "manifest.json").write_text(json.dumps(manifest))
    part.rename(place)


def _sizes(folder: Path) -> dict[str, int]:
    """Return the size of each file below a folder."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }


def _cache_folder() -> Path:
    """Return a private folder that lasts: in the user's cache, or else a temporary."""
    candidates = []
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(cache):
        candidates.append(Path(cache, "mariadb_nb"))
    else:
        with contextlib.suppress(RuntimeError):
            candidates.append(Path.home() / ".cache" / "mariadb_nb")
    candidates.append(Path(tempfile.gettempdir(), f"mariadb_nb-cache-{os.getuid()}"))
    for folder in candidates:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # In a temporary folder anybody may have made it: its content would be run.
            if folder.lstat().st_uid == os.getuid() and os.access(folder, os.W_OK):
                return folder
    raise ServerError(
        "no folder of yours to keep the template of the data directory in: tried "
        f"{', '.join(map(str, candidates))}; set XDG_CACHE_HOME to one"
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock among processes and threads; the kernel frees it if we die."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
