"""Where people are kept: the ports of a database, under the names by which the rooms above know them.

The Protocols are those of `enrollment_db.ports`, which also says what each method promises: the index that follows a
database needs them too, and a database knows nothing of faceid. Implementations need not import either file.

- `TemplateRepository`: identities and templates, with `transaction` as the unit of work.
- `PolicyRepository`: thresholds with their provenance.
- `EnrolmentJournal`: what unfinished enrolments decided.
- `ModelMigration`: the way of a gallery to another model.
- `ChangeFeed`: what an index follows.
- `Database`: these five together, as `open_database` gives them.

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
