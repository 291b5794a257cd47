"""A database in memory, for tests: it implements every port of `enrollment_db.ports`, and writes no file.

`MemoryDatabase()` is empty. The contract suites compare other databases with it.
"""

from enrollment_db.memory.database import MemoryDatabase

__all__ = ["MemoryDatabase"]
