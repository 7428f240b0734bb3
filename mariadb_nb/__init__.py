"""MariaDB for Python, from any event loop.

Layer 1 is here: :mod:`mariadb_nb.capi` is the C API of MariaDB Connector/C
under its own names, the non-blocking calls included. Nothing is imported
before it is asked for.
"""
