"""Pools: connections that are kept, watched and lent.

- ``core`` decides, and knows no I/O, no clock and no loop; ``decisions``, ``settings``,
  ``slots``, ``stats``, ``alarms`` and ``backoff`` are its own.
- ``base`` is what the pools of all worlds share.
- ``sync`` is the pool of threads, with one ``watcher`` thread for all of them.
- ``aio`` is the pool of tasks, on asyncio, uvloop and trio (``tasks``).
"""
