"""A database in memory, for tests: it honours every port of `enrollment_db.ports`, and keeps nothing.

`MemoryDatabase()` is empty. It is the plain oracle that the contract suites compare other databases with.
"""

from enrollment_db.memory.database import MemoryDatabase

__all__ = ["MemoryDatabase"]
