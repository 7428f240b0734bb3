"""What ends the program with one message instead of a result."""


class CliError(Exception):
    """Nothing can be done; the message says why, and what would help."""
