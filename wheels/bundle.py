"""What a wheel says of the libraries in it: their licences, a bill of materials.

Owns both, made from the pins and from the sources that were built. setup.py puts them
into the .dist-info folder of a wheel that is built with such a library.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sources import Source

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class _Component:
    """One library: where its licence is, and its version if no pin says it.

    Attributes:
        pin: the pinned archive that it is from.
        license: its SPDX expression.
        texts: what its licence has to be given with: files below the folder of the
            build, or of this one.
        version: a file and a pattern that finds the version in it.
    """

    name: str
    pin: str
    license: str
    texts: tuple[str, ...]
    cpe: str
    version: tuple[str, str] | None = None


_COMPONENTS: Final = (
    _Component(
        "mariadb-connector-c",
        "mariadb",
        # Its README acknowledges PHP's part in it.
        "LGPL-2.1-or-later AND PHP-3.01",
        ("connector/COPYING.LIB", "connector/README", "licenses/php-3.01.txt"),
        r"mariadb:connector\/c",
        (
            "connector-build/include/mariadb_version.h",
            r'MARIADB_PACKAGE_VERSION "([\d.]+)"',
        ),
    ),
    _Component(
        "openssl", "openssl", "Apache-2.0", ("openssl/LICENSE.txt",), "openssl:openssl"
    ),
    _Component(
        "zlib",
        "mariadb",
        "Zlib",
        ("connector/external/zlib/LICENSE",),
        "zlib:zlib",
        ("connector/external/zlib/zlib.h", r'ZLIB_VERSION "([\d.]+)'),
    ),
    _Component("zstd", "zstd", "BSD-3-Clause", ("zstd/LICENSE",), "facebook:zstandard"),
)


def _file_name(component: _Component, text: str) -> str:
    return f"{component.name}-{Path(text).name.removesuffix('.txt')}.txt"


#: The names of the files with licences.
LICENSES: Final = tuple(
    _file_name(component, text) for component in _COMPONENTS for text in component.texts
)


def write(folder: Path, pins: Mapping[str, Source], build: Path) -> None:
    """Write the folders licenses and sboms for what was built.

    Args:
        folder: where to.
        pins: the archives that it was built from. On Windows there is no OpenSSL.
        build: the folder that has their sources.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "licenses").mkdir(parents=True)
    (folder / "sboms").mkdir()
    components = []
    for component in _COMPONENTS:
        if component.pin not in pins:
            continue
        version = pins[component.pin].version
        if component.version is not None:
            where, pattern = component.version
            found = re.search(pattern, (build / where).read_text("utf-8", "replace"))
            assert found is not None, f"{where} has no {pattern}"
            version = found[1]
        components.append(_describe(component, version, pins[component.pin]))
        for text in component.texts:
            file = next(
                path for top in (build, _HERE) if (path := top / text).is_file()
            )
            shutil.copy(file, folder / "licenses" / _file_name(component, text))
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "name": "libmariadb",
                "bom-ref": "libmariadb",
                "description": "the shared library in the wheels of mariadb-nb",
            }
        },
        "components": components,
        "dependencies": [
            {"ref": "libmariadb", "dependsOn": [each["bom-ref"] for each in components]}
        ],
    }
    text = json.dumps(bill, indent=2) + "\n"
    (folder / "sboms" / "libmariadb.cdx.json").write_text(text, "utf-8")


def _describe(component: _Component, version: str, source: Source) -> dict[str, object]:
    return {
        "type": "library",
        "bom-ref": f"{component.name}@{version}",
        "name": component.name,
        "version": version,
        "licenses": [{"expression": component.license}],
        "cpe": f"cpe:2.3:a:{component.cpe}:{version}:*:*:*:*:*:*:*",
        "purl": f"pkg:generic/{component.name}@{version}",
        "externalReferences": [
            {
                "type": "source-distribution",
                "url": source.urls[0],
                "hashes": [{"alg": "SHA-256", "content": source.sha256}],
            }
        ],
    }
