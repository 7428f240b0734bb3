"""The program mariadb-nb: what the C API does on a selector loop, and tools for pools.

app.py reads the command line, commands.py does what it says, with the parts: target
(which server), sqlfile (which queries), dataset (the demo's tables), engine, handle
and loop (running them), idle and load (measuring), info (what is installed) and render
(what the user sees).
"""

from mariadb_nb.cli.app import main

__all__ = ["main"]
