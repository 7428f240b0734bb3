"""Pools: connections that are kept, watched and lent.

- ``core`` decides, and knows no I/O, no clock and no loop; ``decisions``, ``settings``,
  ``stats`` and ``alarms`` are its own.
"""
