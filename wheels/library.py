"""Build the libmariadb of the wheels: one shared library that needs nothing but libc.

Owns how OpenSSL, zstd and Connector/C are configured, compiled and linked, what the
library exports, and the folder that it is put into. Where sources come from and which
compiler is used is said elsewhere. Knows nothing of Python packages.

Connector/C's own build makes a static library; the shared one is linked here, because
all depends on that link: everything goes into it, and out of it only Connector/C's
public functions, under a version of their own. A program that has loaded another
libmariadb, even for all to use, cannot put its functions in the place of ours then.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bundle
import sources
import toolchain
from toolchain import Toolchain

#: Where the library looks for plug-ins that it has not built in, unless it is told
#: another place. A server may name any plug-in, so nobody but root may make it.
HOME: Final = "/opt/mariadb_nb"
PLUGIN_FOLDER: Final = "plugin"

#: The version that all exported functions have.
VERSION_NODE: Final = "mariadb_nb_1"

#: The only function that is added, and where it is.
CLEAR_TLS_ERRORS: Final = "mariadb_nb_clear_tls_errors"
TLS_ERRORS: Final = Path(__file__).with_name("tls_errors.c")

#: Built in; native and old passwords always are. gssapi would need Kerberos.
PLUGINS: Final = (
    "caching_sha2_password",
    "client_ed25519",
    "dialog",
    "mysql_clear_password",
    "parsec",
    "sha256_password",
    "zstd",
)

#: What the library may need of the machine.
_LIBC: Final = re.compile(r"(ld-linux|lib(c|m|dl|pthread|rt)\.|lib(c|System)\.)")

# zig keeps frame pointers unless it is told not to.
_CFLAGS: Final = (
    "-O2 -g0 -fPIC -fomit-frame-pointer -ffunction-sections -fdata-sections"
)
# For what is most of a wheel: nothing is ever thrown through it. zig wants both said.
_BARE_CFLAGS: Final = f"{_CFLAGS} -fno-unwind-tables -fno-asynchronous-unwind-tables"

# What no client of a database needs. Deprecated functions stay: Connector/C has some.
_OPENSSL_WITHOUT: Final = (
    *("shared", "tests", "apps", "docs", "module", "engine", "dso", "legacy", "comp"),
    *("autoload-config", "atexit", "srp", "quic", "dtls", "ssl3", "nextprotoneg"),
    *("cms", "ts", "cmp", "ct", "rfc3779", "ec2m", "gost", "sm2", "sm3", "sm4"),
    *("idea", "seed", "camellia", "aria", "bf", "cast", "rc2", "rc4", "md4", "mdc2"),
    *("whirlpool", "slh-dsa", "argon2", "blake2", "rmd160", "siphash", "siv", "ocb"),
    *("http", "ocsp", "srtp", "multiblock", "filenames"),
)
_OPENSSL_SYSTEMS: Final = {
    ("Linux", "x86_64"): "linux-x86_64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Darwin", "x86_64"): "darwin64-x86_64-cc",
    ("Darwin", "arm64"): "darwin64-arm64-cc",
}

# Strategies of higher levels: Connector/C compresses with the default one alone, 3.
_ZSTD_WITHOUT: Final = ("GREEDY", "LAZY", "LAZY2", "BTLAZY2", "BTOPT", "BTULTRA")


class LibraryError(Exception):
    """The library could not be built, or is not as it has to be."""


#: What build() raises.
FAILURES: Final = (LibraryError, sources.SourceError, toolchain.ToolchainError)


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds for one target, in a folder of the cache."""

    tools: Toolchain
    cache: Path
    folder: Path

    @property
    def stage(self) -> Path:
        """Where the static libraries and their headers are."""
        return self.folder / "stage"

    def run(self, step: str, *command: object, folder: Path | None = None) -> None:
        """Run a program, and keep what it says in the log of its step."""
        log = self.folder / f"{step}.log"
        with log.open("ab") as output:
            done = subprocess.run(
                [str(argument) for argument in command],
                cwd=folder or self.folder,
                env=self.tools.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            raise LibraryError(
                f"{tail}\nbuilding {step} failed; the whole log is {log}"
            )


def build(prefix: Path, target: str, cache: Path) -> bool:
    """Build the library into a folder, unless it is there already.

    Args:
        prefix: gets include/mariadb, lib, and share/mariadb_nb with what a wheel that
            bundles the library has to have beside it.
        target: one of ``toolchain.TARGETS``.
        cache: keeps archives and what was built before.

    Returns:
        Whether something was to be done.

    Raises:
        LibraryError: it failed; the message ends with where the log is.
        SourceError, ToolchainError: something that is needed is missing.
    """
    folder = cache / "build" / target
    tools = toolchain.find(target, folder / "bin")
    pins = sources.read_pins()
    recipe = hashlib.sha256(tools.identity.encode())
    parts = (sources.PINS, __file__, bundle.__file__, toolchain.__file__, TLS_ERRORS)
    for path in parts:
        recipe.update(Path(path).read_bytes())
    stamp, key = prefix / ".stamp", recipe.hexdigest()
    if stamp.is_file() and stamp.read_text() == key:
        return False
    stamp.unlink(missing_ok=True)
    archives = {name: sources.fetch(pin, cache) for name, pin in pins.items()}
    builder = Builder(tools, cache, folder)
    _build_once(builder, "openssl", pins["openssl"], archives["openssl"])
    _build_once(builder, "zstd", pins["zstd"], archives["zstd"])
    source = sources.unpack(
        archives["mariadb"], folder / "connector", inner="libmariadb"
    )
    library = _build_connector(builder, source)
    _install(builder, source, library, prefix)
    bundle.write(prefix / "share" / "mariadb_nb", pins, folder)
    stamp.write_text(key)
    return True


def _build_once(
    builder: Builder, name: str, pin: sources.Source, archive: Path
) -> None:
    """Build a static library into the stage, unless it is there from this recipe."""
    stamp = builder.stage / f".{name}"
    options = (_BARE_CFLAGS, HOME, _OPENSSL_WITHOUT, _ZSTD_WITHOUT)
    key = f"{pin} {builder.tools.identity} {options}"
    if stamp.is_file() and stamp.read_text() == key:
        return
    stamp.unlink(missing_ok=True)
    say(f"building {name} {pin.version}")
    for inner in ("lib", "include"):
        (builder.stage / inner).mkdir(parents=True, exist_ok=True)
    source = sources.unpack(archive, builder.folder / name)
    (builder.folder / f"{name}.log").unlink(missing_ok=True)
    {"openssl": _build_openssl, "zstd": _build_zstd}[name](builder, source)
    stamp.write_text(key)


def _build_openssl(builder: Builder, source: Path) -> None:
    tools = builder.tools
    system = _OPENSSL_SYSTEMS.get((tools.system, tools.machine))
    if system is None:
        raise LibraryError(f"no OpenSSL for {tools.system} on {tools.machine} is known")
    without = [f"no-{feature}" for feature in _OPENSSL_WITHOUT]
    # They get into the library: nobody else than root may make them.
    folders = [f"--prefix={HOME}", "--libdir=lib", "--openssldir=/etc/ssl"]
    options = [system, *without, *folders, *_BARE_CFLAGS.split()]
    perl, make = toolchain.program("perl"), toolchain.program("make")
    builder.run("openssl", perl, "Configure", *options, folder=source)
    builder.run("openssl", make, _jobs(), "build_libs", folder=source)
    for library in ("libssl.a", "libcrypto.a"):
        shutil.copy(source / library, builder.stage / "lib")
    headers = builder.stage / "include" / "openssl"
    shutil.copytree(source / "include" / "openssl", headers, dirs_exist_ok=True)


def _build_zstd(builder: Builder, source: Path) -> None:
    without = ("ZSTD_LEGACY_SUPPORT", "ZSTD_LIB_DICTBUILDER", "ZSTD_LIB_DEPRECATED")
    make = toolchain.program("make")
    library = source / "lib"
    fewer = (f"-DZSTD_EXCLUDE_{name}_BLOCK_COMPRESSOR" for name in _ZSTD_WITHOUT)
    cflags = " ".join((_BARE_CFLAGS, *fewer))
    options = [f"CFLAGS={cflags}", *(f"{name}=0" for name in without)]
    builder.run("zstd", make, _jobs(), "libzstd.a", *options, folder=library)
    shutil.copy(library / "libzstd.a", builder.stage / "lib")
    for header in library.glob("*.h"):
        shutil.copy(header, builder.stage / "include")


def _build_connector(builder: Builder, source: Path) -> Path:
    """Compile Connector/C and link it with all the rest; return the shared library."""
    tools, stage, build = (
        builder.tools,
        builder.stage,
        builder.folder / "connector-build",
    )
    (builder.folder / "connector.log").unlink(missing_ok=True)
    shutil.rmtree(build, ignore_errors=True)
    say("building Connector/C")
    options = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_COMPILE_WARNING_AS_ERROR": "OFF",
        "CMAKE_C_COMPILER": tools.cc,
        "CMAKE_AR": tools.ar,
        "CMAKE_RANLIB": tools.ranlib,
        # It reads what servers send.
        "CMAKE_C_FLAGS": f"{_CFLAGS} -fstack-protector-strong",
        "CMAKE_INSTALL_PREFIX": HOME,
        "INSTALL_PLUGINDIR": PLUGIN_FOLDER,
        "MARIADB_UNIX_ADDR": "/run/mysqld/mysqld.sock",
        "WITH_CURL": "OFF",
        "WITH_EXTERNAL_ZLIB": "OFF",
        "WITH_UNIT_TESTS": "OFF",
        "WITH_SSL": "OPENSSL",
        "OPENSSL_USE_STATIC_LIBS": "ON",
        "OPENSSL_INCLUDE_DIR": stage / "include",
        "OPENSSL_SSL_LIBRARY": stage / "lib" / "libssl.a",
        "OPENSSL_CRYPTO_LIBRARY": stage / "lib" / "libcrypto.a",
        "ZSTD_INCLUDE_DIRS": stage / "include",
        "ZSTD_LIBRARIES": stage / "lib" / "libzstd.a",
        "CLIENT_PLUGIN_AUTH_GSSAPI_CLIENT": "OFF",
        "CLIENT_PLUGIN_REMOTE_IO": "OFF",
        **{f"CLIENT_PLUGIN_{plugin.upper()}": "STATIC" for plugin in PLUGINS},
    }
    if tools.crosses:
        options |= {
            "CMAKE_SYSTEM_NAME": tools.system,
            "CMAKE_SYSTEM_PROCESSOR": tools.machine,
            "CMAKE_FIND_ROOT_PATH": stage,
            **{
                f"CMAKE_FIND_ROOT_PATH_MODE_{kind}": "ONLY"
                for kind in ("LIBRARY", "INCLUDE", "PACKAGE")
            },
        }
    defined = [f"-D{name}={value}" for name, value in options.items()]
    cmake = toolchain.program("cmake")
    builder.run("connector", cmake, "-S", source, "-B", build, *defined)
    builder.run(
        "connector", cmake, "--build", build, _jobs(), "--target", "mariadbclient"
    )
    _check_plugins(build / "libmariadb" / "ma_client_plugin.c")
    exports = _public_functions(build / "libmariadb" / "mariadbclient.def")
    static = build / "libmariadb" / "libmariadbclient.a"
    library = _link(builder, static, exports)
    _check_exports(library, exports, tools)
    return library


def _link(builder: Builder, static: Path, exports: Sequence[str]) -> Path:
    stage, listed = builder.stage / "lib", static.with_name("exports")
    libraries = [stage / f"lib{name}.a" for name in ("ssl", "crypto", "zstd")]
    if builder.tools.system == "Darwin":
        library = static.with_name("libmariadb.3.dylib")
        listed.write_text("".join(f"_{name}\n" for name in exports))
        options = [
            *("-dynamiclib", "-install_name", f"@rpath/{library.name}"),
            *(f"-Wl,-exported_symbols_list,{listed}", "-Wl,-dead_strip", "-Wl,-x"),
            *(f"-Wl,-force_load,{static}", *libraries),
        ]
    else:
        library = static.with_name("libmariadb.so.3")
        names = "".join(f"  {name};\n" for name in exports)
        listed.write_text(f"{VERSION_NODE} {{\nglobal:\n{names}local: *;\n}};\n")
        options = [
            *("-shared", f"-Wl,-soname,{library.name}"),
            *(f"-Wl,--version-script={listed}", "-Wl,--gc-sections", "-Wl,-s"),
            *("-Wl,-z,relro", "-Wl,-z,now", "-Wl,--no-undefined"),
            *("-Wl,--whole-archive", static, "-Wl,--no-whole-archive", *libraries),
            *("-lpthread", "-ldl", "-lm"),
        ]
    added = (*_CFLAGS.split(), f"-I{stage.parent / 'include'}", TLS_ERRORS)
    builder.run("connector", builder.tools.cc, "-o", library, *added, *options)
    return library


def _install(builder: Builder, source: Path, library: Path, prefix: Path) -> None:
    """Put the library and its headers into their folder."""
    lib, include = prefix / "lib", prefix / "include" / "mariadb"
    for folder in (lib, include):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    shutil.copy(library, lib)
    suffix = library.suffix if builder.tools.system == "Darwin" else ".so"
    (lib / f"libmariadb{suffix}").symlink_to(library.name)
    generated = builder.folder / "connector-build" / "include" / "mariadb_version.h"
    for header in [*(source / "include").glob("*.h"), generated]:
        shutil.copy(header, include)
    for inner in ("mysql", "mariadb"):
        shutil.copytree(source / "include" / inner, include / inner)


def _public_functions(definition: Path) -> list[str]:
    """The functions that are exported: Connector/C's, by its own list, and ours."""
    names = re.findall(r"^ (\w+);$", definition.read_text(), re.MULTILINE)
    return sorted({*names, CLEAR_TLS_ERRORS})


def _check_plugins(source: Path) -> None:
    """See that the plug-ins are in the list of those built in."""
    listed = source.read_text().partition("mysql_client_builtins[]")[2]
    absent = [name for name in PLUGINS if f"{name}_client_plugin" not in listed]
    if absent:
        raise LibraryError(f"these plug-ins were not built in: {', '.join(absent)}")


def _check_exports(library: Path, exports: Sequence[str], tools: Toolchain) -> None:
    """See that the library exports all that it should, and nothing of OpenSSL's."""
    darwin = tools.system == "Darwin"
    options = ["-gU"] if darwin else ["-D", "--defined-only"]
    nm = [toolchain.program("nm"), *options, str(library)]
    listed = subprocess.run(nm, capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1].partition("@")[0] for line in listed.splitlines()]
    found = {name.removeprefix("_") if darwin else name for name in names}
    found.discard(VERSION_NODE)
    if foreign := sorted(found - set(exports)):
        raise LibraryError(f"{library} exports what is not its own: {foreign[:9]}")
    if absent := sorted(set(exports) - found):
        raise LibraryError(f"{library} does not export {absent[:9]}")
    if not darwin:
        _check_needs(library)


def _check_needs(library: Path) -> None:
    """See that the library needs only what every machine has."""
    readelf = [toolchain.program("readelf"), "-d", str(library)]
    listed = subprocess.run(readelf, capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", listed)
    if others := [name for name in needed if not _LIBC.match(name)]:
        raise LibraryError(f"{library} needs {', '.join(others)}")


def _jobs() -> str:
    return f"-j{os.cpu_count() or 1}"


def say(what: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"  {what}", flush=True)
