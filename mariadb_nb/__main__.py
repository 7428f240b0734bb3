"""python -m mariadb_nb: the program mariadb-nb."""

import sys

from mariadb_nb.cli import main

sys.exit(main())
