"""Where options come from: keywords, a URL, option files; and which of them wins.

Owns the names that are understood, what other drivers call them, and the URL's syntax.
It knows nothing of what values may be but how a text becomes one.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from . import option_files
from .errors import InterfaceError

__all__ = ["USELESS_WITH", "gather"]

#: Other drivers' names for the same thing, which are as good as ours.
_SAME: Final = {"passwd": "password", "db": "database"}

#: Other drivers' names for what is different here.
_HINTS: Final = {
    "allow_local_infile": "leave it out: a server gets what load() is given, no file",
    "auth_plugin": "use auth_plugins=, the list of all that are allowed",
    "auth_plugin_map": "use auth_plugins=, the list of all that are allowed",
    "auto_reconnect": "a lost connection stays lost: connect anew, or use a Pool",
    "binary": "what is executed again is prepared by itself, see prepare_threshold=",
    "binary_prefix": "bytes are always sent as binary; leave it out",
    "bind_address": "there is no such thing; leave it out",
    "buffered": "results are buffered unless a cursor has stream=True",
    "charset": "connections are always utf8mb4; leave it out, or use collation=",
    "client_flag": "there are multi_statements=, found_rows= and compress=",
    "connection_timeout": "use connect_timeout=",
    "conv": "use converters= for columns and encoders= for parameters",
    "converter": "use converters= for columns and encoders= for parameters",
    "cursor_class": "use row_factory=",
    "cursor_cls": "use row_factory=",
    "cursor_factory": "use row_factory=",
    "cursorclass": "use row_factory=",
    "dbname": "use database=",
    "default_file": "use read_default_file=",
    "default_group": "use read_default_group=",
    "defer_connect": "a connection is connected; leave it out",
    "dictionary": "use row_factory=",
    "dsn": "give a URL first, without a name",
    "echo": "there is no such thing; leave it out",
    "get_warnings": "show_warnings() reads them; leave it out",
    "local_infile": "leave it out: a server gets what load() is given, no file",
    "loop": "the running loop is used; leave it out",
    "max_allowed_packet": "the server's limit counts; leave it out",
    "max_size": "it belongs to a Pool",
    "maxsize": "it belongs to a Pool: max_size=",
    "min_size": "it belongs to a Pool",
    "minsize": "it belongs to a Pool: min_size=",
    "named_pipe": "there is no such thing: use host= or unix_socket=",
    "named_tuple": "use row_factory=",
    "password_creator": "use password=, which may be a function",
    "plugin_dir": "the library knows where its plug-ins are; leave it out",
    "pool_name": "make a Pool",
    "pool_recycle": "it belongs to a Pool: max_lifetime=",
    "pool_reset_connection": "a Pool always does it; leave it out",
    "pool_size": "make a Pool, which takes max_size=",
    "pool_validation_interval": "it belongs to a Pool: keepalive_interval=",
    "prepared": "what is executed again is prepared by itself, see prepare_threshold=",
    "pw": "use password=",
    "pwd": "use password=",
    "query_callback": "there is no such thing; leave it out",
    "raise_on_warnings": "show_warnings() reads them; leave it out",
    "read_timeout": "use timeout=, which is for a whole operation",
    "reconnect": "a lost connection stays lost: connect anew, or use a Pool",
    "server_public_key": "over TLS no key is needed: use tls='require'",
    "server_public_key_path": "over TLS no key is needed: use tls='require'",
    "sock": "a connection makes its own socket: use host= or unix_socket=",
    "socket": "use unix_socket=",
    "ssl": "use tls= and what begins with tls_",
    "ssl_ca": "use tls_ca=",
    "ssl_capath": "use tls_ca_path=",
    "ssl_cert": "use tls_cert=",
    "ssl_cipher": "use tls_ciphers=",
    "ssl_context": "use tls= and what begins with tls_",
    "ssl_crl": "use tls_crl=",
    "ssl_crlpath": "use tls_crl=",
    "ssl_disabled": "use tls='disable'",
    "ssl_key": "use tls_key=",
    "ssl_key_password": "use tls_key_password=",
    "ssl_mode": "use tls=",
    "ssl_verify_cert": "use tls='verify-ca' or, to check the host too, 'verify-full'",
    "ssl_verify_identity": "use tls='verify-full'",
    "sslmode": "use tls=",
    "status_callback": "there is no such thing; leave it out",
    "stmt_cache_size": "use prepared_max=",
    "tls_fp": "use tls_fingerprint=",
    "tls_peer_fp": "use tls_fingerprint=",
    "tls_version": "use tls_min_version=",
    "tls_versions": "use tls_min_version=",
    "unix_sock": "use unix_socket=",
    "url": "give it first, without a name",
    "use_pure": "there is no such thing; leave it out",
    "use_unicode": "texts are always str; leave it out",
    "username": "use user=",
    "write_timeout": "use timeout=, which is for a whole operation",
}

#: What a text in a URL or a file becomes; what is not listed stays a text.
_NUMBERS: Final = frozenset(
    {
        *("connect_timeout", "timeout", "cancel_timeout", "port", "prepare_threshold"),
        *("tcp_keepalive", "tcp_user_timeout", "prepared_max"),
    }
)
_SWITCHES: Final = frozenset(
    {"autocommit", "multi_statements", "found_rows", "compress"}
)
_LISTS: Final = frozenset({"auth_plugins"})
#: What no text can be.
_OBJECTS: Final = frozenset(
    {"connect_attributes", "converters", "encoders", "row_factory"}
)
_WORDS: Final = {
    **dict.fromkeys(("1", "true", "on", "yes"), True),
    **dict.fromkeys(("0", "false", "off", "no"), False),
    "none": None,
}

#: Options that say where the server is: the source that has one has them all.
_PLACE: Final = frozenset({"host", "port", "unix_socket"})

_FOR_CHAIN: Final = frozenset({"tls_ca", "tls_ca_path", "tls_crl"})
#: Which options of TLS say nothing in which of its modes.
USELESS_WITH: Final[dict[str, frozenset[str]]] = {
    "disable": _FOR_CHAIN
    | {"tls_fingerprint", "tls_cert", "tls_key", "tls_key_password"}
    | {"tls_ciphers", "tls_min_version"},
    "prefer": _FOR_CHAIN | {"tls_fingerprint"},
    "require": _FOR_CHAIN,
    "verify-ca": frozenset({"tls_fingerprint"}),
    "verify-full": frozenset({"tls_fingerprint"}),
}

_SCHEMES: Final = ("mariadb", "mysql")


def gather(
    url: str | None,
    keywords: Mapping[str, Any],
    names: Collection[str],
    nullable: Collection[str],
) -> dict[str, Any]:
    """Put all sources together: keywords win over the URL, that over the files.

    Args:
        url: ``mariadb://user:password@host:port/database?option=value&...``.
        keywords: the options by name.
        names: all names that there are.
        nullable: the names of those for which None is a value. Elsewhere a None
            stands for an option that was not given.

    Raises:
        InterfaceError: a name, the URL or a file is wrong; no message has a secret.
    """
    given = _named(keywords, names)
    from_url = {} if url is None else _from_url(url, names)
    file, group = (
        given.pop(name, from_url.pop(name, None))
        for name in ("read_default_file", "read_default_group")
    )
    layers = [_from_files(file, group), from_url, given]
    merged: dict[str, Any] = {}
    for layer in layers:
        present = {
            name: value
            for name, value in layer.items()
            if value is not None or name in nullable
        }
        if present.keys() & _PLACE:
            _drop_place(merged, present)
        _drop_tls(merged, present)
        merged |= present
    return merged


def _drop_place(merged: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Forget the lower sources' kind of place when a higher one names the other."""
    if "unix_socket" in layer:
        merged.pop("host", None)
        merged.pop("port", None)
    else:
        merged.pop("unix_socket", None)


def _drop_tls(merged: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Forget what the lower sources say of TLS if a higher one sees it differently."""
    if "tls" in layer:
        mode = layer["tls"]
        for name in USELESS_WITH.get(mode, ()) if isinstance(mode, str) else ():
            merged.pop(name, None)
    elif layer.keys() & USELESS_WITH.get(merged.get("tls", ""), frozenset()):
        del merged["tls"]


def _named(keywords: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return keywords under our names."""
    found: dict[str, Any] = {}
    for name, value in keywords.items():
        ours = _SAME.get(name, name)
        if ours == "charset" and value in ("utf8mb4", None):
            continue
        if ours not in names:
            raise unknown(name, names)
        if ours in found:
            raise InterfaceError(f"{ours}= and {name}= are the same option: give one")
        found[ours] = value
    return found


def unknown(name: str, names: Collection[str]) -> InterfaceError:
    """Make the error for a name that is none of ours."""
    if name in _HINTS:
        return InterfaceError(f"there is no option {name}=: {_HINTS[name]}")
    near = difflib.get_close_matches(name, [*names, *_SAME], 1)
    hint = (
        f"did you mean {near[0]}=?"
        if near
        else "all names: mariadb_nb.options.Keywords"
    )
    return InterfaceError(f"there is no option {name}=: {hint}")


def _from_files(file: Any, group: Any) -> dict[str, Any]:
    """Return what option files say, if they are to be read at all."""
    if not file and not group:
        return {}
    # True reads the files that all clients read.
    for name, value in (("read_default_file", file), ("read_default_group", group)):
        if not isinstance(value, str | None) and value is not True:
            kind = type(value).__name__
            raise InterfaceError(f"{name}= is wrong: expected str or True, not {kind}")
    groups = option_files.GROUPS + ((group,) if isinstance(group, str) else ())
    settings = option_files.read(file if isinstance(file, str) else None, groups)
    texts = option_files.keywords(settings)
    return {
        name: _parsed(f"{name} in an option file", name, text)
        for name, text in texts.items()
    }


def _from_url(url: str, names: Collection[str]) -> dict[str, Any]:
    # No message quotes the URL or what the parser says of it: there is a password.
    if not isinstance(url, str):
        raise InterfaceError(f"the URL must be a str, not {type(url).__name__}")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise InterfaceError(
            "a URL begins with mariadb:// or mysql://; other options than the URL "
            "have names: host=..., user=..."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InterfaceError(
            "the URL's host or port is wrong: expected "
            "mariadb://user:password@host:port/database; write : / ? # @ % in the user "
            "or password as %3A %2F %3F %23 %40 %25"
        ) from None
    behind_host = parts.path + parts.query
    if parts.fragment or parts.netloc.count("@") > 1 or "@" in behind_host:
        raise InterfaceError(
            "the URL has a # or more than one @ in it: write # as %23, a further @ as "
            "%40, and / or ? in the user or password as %2F or %3F"
        )
    found: dict[str, Any] = {
        "host": _decoded("host", host),
        "port": port,
        "user": _decoded("user", parts.username),
        "password": _decoded("password", parts.password),
        "database": _decoded("database", parts.path.removeprefix("/")),
    }
    found = {name: value for name, value in found.items() if value is not None}
    return found | _from_query(parts.query, names, found)


def _from_query(
    query: str, names: Collection[str], found: Collection[str]
) -> dict[str, Any]:
    """Return the options behind the question mark."""
    options: dict[str, Any] = {}
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict"
        )
    except ValueError:
        raise InterfaceError(
            "the URL's options are wrong: expected ?name=value&name=value, with "
            "what is not a letter or digit as %XX of its UTF-8"
        ) from None
    for name, text in pairs:
        ours = _SAME.get(name, name)
        if ours not in names:
            raise unknown(name, names)
        if ours in _OBJECTS:
            raise InterfaceError(f"{ours}= cannot be given in a URL: use the keyword")
        if ours in options or ours in found:
            raise InterfaceError(f"the URL has {ours} twice: give it once")
        options[ours] = _parsed(f"{ours} in the URL", ours, text)
    return options


def _decoded(what: str, text: str | None) -> str | None:
    """Return a part of the URL with its %XX replaced; None if it is not there."""
    if not text:
        return None
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InterfaceError(f"the URL's {what} is not UTF-8 behind its %XX") from None


def _parsed(where: str, name: str, text: str) -> Any:
    """Return the value that a text stands for."""
    if name in _NUMBERS:
        if text.lower() == "none":
            return None
        try:
            return int(text) if text.isdecimal() else float(text)
        except ValueError:
            raise InterfaceError(f"{where} is {text!r}: expected a number") from None
    if name in _SWITCHES:
        if text.lower() not in _WORDS:
            raise InterfaceError(f"{where} is {text!r}: expected true or false")
        return _WORDS[text.lower()]
    if name in _LISTS:
        return [word.strip() for word in text.split(",") if word.strip()]
    return text
