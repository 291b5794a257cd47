"""The ports of a database of people, under the names that the packages above use.

The Protocols are defined and described in `enrollment_db.ports`: the index that follows a database needs them too, and
a database knows nothing of faceid. Implementations need not import either file.

- `TemplateRepository`: identities and templates, with `transaction` as the unit of work.
- `PolicyRepository`: thresholds with their provenance.
- `EnrolmentJournal`: decisions of unfinished enrolments.
- `ModelMigration`: the move of a gallery to another model.
- `ChangeFeed`: the input of an index.
- `Database`: these five together, as `open_database` returns them.

The suites in `tests/contract` run against each implementation: `enrollment_db.sqlite`, and `enrollment_db.memory`, a
fake for tests.
"""

from __future__ import annotations

from enrollment_db.ports import (
    ChangeFeed,
    Changeover,
    Database,
    EnrolmentJournal,
    ModelMigration,
    PolicyRepository,
    TemplateRepository,
)

__all__ = [
    "ChangeFeed",
    "Changeover",
    "Database",
    "EnrolmentJournal",
    "ModelMigration",
    "PolicyRepository",
    "TemplateRepository",
]
