#!/usr/bin/env bash
# connector.sh PREFIX [CACHE]: build a pinned MariaDB Connector/C into PREFIX.
#
# Owns: which Connector/C the project is tested against besides the system's one,
# where its source comes from and how it is configured. Knows nothing of Python.
#
# The source is the libmariadb/ folder of Debian's mariadb source package, fetched
# through a private apt configuration: only the archives' addresses are taken from
# the machine's own. The tarball and the last log stay in CACHE (by default
# ~/.cache/mariadb-nb), so the next build needs no network. OpenSSL, zlib and zstd
# are the system's; all client plug-ins but gssapi (Kerberos) are built in.
set -euo pipefail

VERSION=3.4.9
PACKAGE=1:11.8.6-0+deb13u1 # Debian's mariadb whose libmariadb/ is VERSION
SUITE=trixie
TARBALL=mariadb_11.8.6.orig.tar.gz
SHA256=b126581a8ca89376d2a3ce63fee97c114c3e15315345e769b9d00c51e1b7d619
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
PACKAGES=(cmake ninja-build gcc libssl-dev zlib1g-dev libzstd-dev)
PLUGINS=(CACHING_SHA2_PASSWORD CLIENT_ED25519 DIALOG MYSQL_CLEAR_PASSWORD
  PARSEC SHA256_PASSWORD ZSTD)

die() {
  printf 'connector.sh: %s\n' "$@" >&2
  exit 1
}

die_with_log() {
  tail -n 30 "$log" >&2
  die "$@" "The whole log is $log"
}

verified() { echo "$SHA256  $1" | sha256sum --check --status 2>/dev/null; }

install_packages() {
  local package missing=()
  for package in "${PACKAGES[@]}"; do
    [[ $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || die "build packages are missing. Install them and run this again:" \
    "sudo apt-get install -y ${missing[*]}"
  echo "installing ${missing[*]}"
  {
    apt-get update && DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends "${missing[@]}"
  } >>"$log" 2>&1 || die_with_log "installing ${missing[*]} failed."
}

fetch() {
  local apt=$work/apt
  [[ -r $KEYRING ]] || die "$KEYRING is missing (package debian-archive-keyring)." \
    "Install it, or put $TARBALL into $cache."
  mkdir -p "$apt/lists/partial" "$apt/cache"
  # apt itself says which archives it uses, so every format of its sources will do.
  apt-get --print-uris update | sed -nE "/^'cdrom:/d; s|^'(.+)/dists/[^']+/InRelease'.*|\
deb-src [signed-by=$KEYRING] \1 $SUITE main|p" | sort -u >"$apt/sources"
  cat >"$apt/conf" <<END
Dir::Etc::SourceList "$apt/sources";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
#clear APT::Update;
END
  echo "fetching $TARBALL (121 MB)"
  cd "$work"
  # This fails if any archive lacks the suite, but one that has it is enough.
  apt-get -c "$apt/conf" update >>"$log" 2>&1 || true
  apt-get -c "$apt/conf" source --download-only --tar-only "mariadb=$PACKAGE" \
    >>"$log" 2>&1 || die_with_log \
    "found no source package mariadb $PACKAGE signed by Debian in the archives" \
    "that this machine's apt sources name. Add a Debian archive that has $SUITE," \
    "or put $TARBALL into $cache."
  verified "$TARBALL" || die "$TARBALL has not the SHA-256 that this script expects"
  mv "$TARBALL" "$cache/"
}

build() {
  local static=("${PLUGINS[@]/#/-DCLIENT_PLUGIN_}")
  mkdir "$work/source"
  tar -xzf "$cache/$TARBALL" -C "$work/source" --strip-components=2 \
    --wildcards '*/libmariadb/*'
  {
    cmake -S "$work/source" -B "$work/build" -G Ninja \
      -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_COMPILE_WARNING_AS_ERROR=OFF \
      -DCMAKE_INSTALL_PREFIX="$prefix" -DINSTALL_LIBDIR=lib \
      -DINSTALL_INCLUDEDIR=include/mariadb -DINSTALL_PLUGINDIR=lib/mariadb_plugin \
      -DWITH_SSL=OPENSSL -DWITH_EXTERNAL_ZLIB=ON -DWITH_CURL=OFF \
      -DWITH_UNIT_TESTS=OFF -DMARIADB_UNIX_ADDR=/run/mysqld/mysqld.sock \
      "${static[@]/%/=STATIC}" -DCLIENT_PLUGIN_AUTH_GSSAPI_CLIENT=OFF &&
      cmake --build "$work/build" && rm -f "$stamp" && cmake --install "$work/build"
  } >>"$log" 2>&1 || die_with_log "the build failed."
}

[[ $# == [12] && $1 ]] || die "usage: connector.sh PREFIX [CACHE]"
type -P apt-get dpkg-query >/dev/null || die "this needs Debian or a relative of it:" \
  "apt-get or dpkg-query is missing"
prefix=$(realpath -m -- "$1")
cache=$(realpath -m -- "${2:-${XDG_CACHE_HOME:-$HOME/.cache}/mariadb-nb}")
library=$prefix/lib/libmariadb.so.3
stamp=$prefix/.connector-stamp
wanted="$VERSION $(sha256sum <"${BASH_SOURCE[0]}")"
if [[ -e $library && -r $stamp && $(<"$stamp") == "$wanted" ]]; then
  echo "Connector/C $VERSION is already there: $library"
  exit 0
fi

mkdir -p "$prefix" "$cache"
log=$cache/connector.log
: >"$log"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install_packages
verified "$cache/$TARBALL" || fetch
echo "building Connector/C $VERSION"
build
found=$("$prefix/bin/mariadb_config" --cc_version)
[[ $found == "$VERSION" ]] || die "built $found where $VERSION was expected"
echo "$wanted" >"$stamp"
echo "Connector/C $found: $library"
