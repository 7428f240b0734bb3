"""Build the libmariadb of the wheels for Windows: ``python windows.py PREFIX``.

Owns how Connector/C is configured there: with MSVC through CMake, on Windows' own TLS
(Schannel) and certificates, so there is no OpenSSL, and without zstd. Everything else
is as in library.py. These options have been tried with a cross compiler, zig's for
Windows; with MSVC, and on Windows, only .github/workflows/wheels.yml does that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import bundle
import sources

#: Built in; native and old passwords always are.
PLUGINS: Final = (
    "caching_sha2_password",
    "client_ed25519",
    "dialog",
    "mysql_clear_password",
    "parsec",
    "sha256_password",
)

OPTIONS: Final = {
    "CMAKE_COMPILE_WARNING_AS_ERROR": "OFF",
    "CMAKE_MSVC_RUNTIME_LIBRARY": "MultiThreadedDLL",
    # Only an administrator may write there: a server may name any plug-in.
    "CMAKE_INSTALL_PREFIX": "C:/Program Files/mariadb_nb",
    "WITH_CURL": "OFF",
    "WITH_EXTERNAL_ZLIB": "OFF",
    "WITH_SSL": "SCHANNEL",
    "WITH_UNIT_TESTS": "OFF",
    "CLIENT_PLUGIN_AUTH_GSSAPI_CLIENT": "OFF",
    "CLIENT_PLUGIN_REMOTE_IO": "OFF",
    "CLIENT_PLUGIN_ZSTD": "OFF",
    **{f"CLIENT_PLUGIN_{plugin.upper()}": "STATIC" for plugin in PLUGINS},
}


def build(prefix: Path, cache: Path, folder: Path) -> None:
    """Build the library.

    Args:
        prefix: gets include/mariadb, lib, and share/mariadb_nb as from library.py.
        cache: keeps the archive.
        folder: for what is built on the way.
    """
    pins = {"mariadb": sources.read_pins()["mariadb"]}
    archive = sources.fetch(pins["mariadb"], cache)
    source = sources.unpack(archive, folder / "connector", inner="libmariadb")
    made = folder / "connector-build"
    defined = [f"-D{name}={value}" for name, value in OPTIONS.items()]
    run("cmake", "-A", "x64", "-S", source, "-B", made, *defined)
    run("cmake", "--build", made, "--config", "Release", "--target", "libmariadb")
    lib, include = prefix / "lib", prefix / "include" / "mariadb"
    for place in (lib, include):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    for name in ("libmariadb.dll", "libmariadb.lib"):
        shutil.copy(made / "libmariadb" / "Release" / name, lib)
    generated = made / "include" / "mariadb_version.h"
    for header in [*(source / "include").glob("*.h"), generated]:
        shutil.copy(header, include)
    for inner in ("mysql", "mariadb"):
        shutil.copytree(source / "include" / inner, include / inner)
    bundle.write(prefix / "share" / "mariadb_nb", pins, folder)


def run(*command: object) -> None:
    """Run a program, or end with its status."""
    done = subprocess.run([str(argument) for argument in command], check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed with {done.returncode}")


def main() -> None:
    """Read the command line and build."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home = os.environ.get("LOCALAPPDATA") or Path.home()
    with tempfile.TemporaryDirectory() as folder:
        build(Path(sys.argv[1]).resolve(), Path(home, "mariadb-nb"), Path(folder))


if __name__ == "__main__":
    main()
