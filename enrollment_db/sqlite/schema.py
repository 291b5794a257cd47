"""The tables, as numbered migrations.

The `application_id` of a database marks it as a gallery. Its `user_version` is the number of the last migration.
sqlite-utils records each migration with its time in `_sqlite_migrations`. A released migration is never edited: add the
next one.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from enrollment_db.records import now

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x46614964
"""The letters "FaId", which distinguish a gallery from a SQLite file of another program."""


def m001_gallery(db: Database) -> None:
    """People, their templates, and the change log that an index follows."""
    db.executescript(
        """
        CREATE TABLE identities (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
            created_at TEXT NOT NULL
        );

        CREATE TABLE models (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            weights_sha256 TEXT NOT NULL,
            aligner TEXT NOT NULL,
            dim INTEGER NOT NULL CHECK (dim > 0),
            metric TEXT NOT NULL CHECK (metric IN ('cosine', 'euclidean')),
            UNIQUE (name, weights_sha256, aligner, dim, metric)
        );

        -- AUTOINCREMENT: an id that was removed is never given out again, so an index that is behind can take
        -- a new template for an old one in no case.
        CREATE TABLE templates (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            identity_id INTEGER NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
            model_id INTEGER NOT NULL REFERENCES models (id),
            vector BLOB NOT NULL CHECK (typeof(vector) = 'blob'),
            source TEXT,
            sha256 BLOB NOT NULL CHECK (typeof(sha256) = 'blob' AND length(sha256) = 32),
            box TEXT,
            landmarks TEXT,
            quality REAL,
            created_at TEXT NOT NULL,
            -- The hash comes first, so that this index also finds a photo under any name.
            UNIQUE (sha256, identity_id, model_id)
        );
        CREATE INDEX templates_identity ON templates (identity_id);

        CREATE TABLE settings (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            database_id TEXT NOT NULL,
            created_at TEXT NOT NULL,
            pinned_model_id INTEGER REFERENCES models (id)
        );

        -- No foreign keys: the log outlives what it tells of.
        CREATE TABLE changes (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            op TEXT NOT NULL CHECK (op IN ('add', 'remove')),
            template_id INTEGER NOT NULL,
            identity_id INTEGER NOT NULL,
            model_id INTEGER NOT NULL
        );
        CREATE TRIGGER templates_log_insert AFTER INSERT ON templates BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id)
            VALUES ('add', NEW.id, NEW.identity_id, NEW.model_id);
        END;
        CREATE TRIGGER templates_log_delete AFTER DELETE ON templates BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id)
            VALUES ('remove', OLD.id, OLD.identity_id, OLD.model_id);
        END;
        """
    )
    db.table("settings").insert({"id": 1, "database_id": uuid.uuid4().hex, "created_at": now()})


def m002_policies(db: Database) -> None:
    """Thresholds with their provenance."""
    db.executescript(
        """
        CREATE TABLE policies (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            model_id INTEGER NOT NULL REFERENCES models (id),
            kind TEXT NOT NULL CHECK (kind IN ('fmr', 'fpir')),
            target REAL NOT NULL CHECK (target > 0 AND target <= 1),
            threshold REAL NOT NULL,
            data TEXT NOT NULL,
            mated INTEGER NOT NULL CHECK (mated >= 0),
            non_mated INTEGER NOT NULL CHECK (non_mated >= 0),
            low REAL NOT NULL,
            high REAL NOT NULL,
            created_at TEXT NOT NULL,
            active INTEGER NOT NULL CHECK (active IN (0, 1))
        );
        CREATE UNIQUE INDEX policies_active ON policies (model_id, kind) WHERE active;
        """
    )


def m003_models_side_by_side(db: Database) -> None:
    """Templates of another model beside those that are searched, and the crops to compute them from."""
    db.executescript(
        """
        -- The same index with the model: what is asked of a person, and counted, is about one model.
        DROP INDEX templates_identity;
        CREATE INDEX templates_identity ON templates (identity_id, model_id);

        -- Of a photo and an identity, not of a template: all templates of that photo share it, and it goes with the
        -- last of them. The trigger does that in place of a foreign key, which would need an index of its own.
        CREATE TABLE crops (
            id INTEGER PRIMARY KEY,
            identity_id INTEGER NOT NULL,
            sha256 BLOB NOT NULL CHECK (typeof(sha256) = 'blob' AND length(sha256) = 32),
            picture BLOB NOT NULL CHECK (typeof(picture) = 'blob'),
            box TEXT NOT NULL,
            landmarks TEXT NOT NULL,
            UNIQUE (sha256, identity_id)
        );
        CREATE TRIGGER templates_drop_crop AFTER DELETE ON templates
        WHEN NOT EXISTS (
            SELECT 1 FROM templates t WHERE t.sha256 = OLD.sha256 AND t.identity_id = OLD.identity_id
        ) BEGIN
            DELETE FROM crops WHERE sha256 = OLD.sha256 AND identity_id = OLD.identity_id;
        END;
        """
    )


def m004_marks(db: Database) -> None:
    """A random mark for each change, which distinguishes two histories.

    A restored backup that is written to has a second history: places in the log and template ids are used again. Only
    the mark shows this to an index that followed the first history.
    """
    db.executescript(
        """
        ALTER TABLE changes ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
        UPDATE changes SET mark = random();

        DROP TRIGGER templates_log_insert;
        CREATE TRIGGER templates_log_insert AFTER INSERT ON templates BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id, mark)
            VALUES ('add', NEW.id, NEW.identity_id, NEW.model_id, random());
        END;
        DROP TRIGGER templates_log_delete;
        CREATE TRIGGER templates_log_delete AFTER DELETE ON templates BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id, mark)
            VALUES ('remove', OLD.id, OLD.identity_id, OLD.model_id, random());
        END;
        """
    )


def m005_policies_follow(db: Database) -> None:
    """The calibration of a policy's threshold, and the policy that it replaced.

    `calibration` is NULL for that of the model's card. `since` is when the policy was last activated, and `follows` the
    policy that was active before it was stored.
    """
    db.executescript(
        """
        ALTER TABLE policies ADD COLUMN calibration TEXT;
        ALTER TABLE policies ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0 CHECK (by_hand IN (0, 1));
        ALTER TABLE policies ADD COLUMN follows INTEGER REFERENCES policies (id);
        ALTER TABLE policies ADD COLUMN since TEXT;
        UPDATE policies SET since = created_at, follows = (
            SELECT max(p.id) FROM policies p
            WHERE p.model_id = policies.model_id AND p.kind = policies.kind AND p.id < policies.id
        );
        """
    )


def m006_unfinished_enrolment(db: Database) -> None:
    """The decisions of an unfinished enrolment about the photos that it did not store.

    `run` identifies the rules. Rows are removed when the run has ended, or is too old to be continued.
    """
    db.executescript(
        """
        CREATE TABLE outcomes (
            sha256 BLOB NOT NULL CHECK (typeof(sha256) = 'blob' AND length(sha256) = 32),
            name TEXT NOT NULL,
            run TEXT NOT NULL,
            outcome TEXT NOT NULL,
            created_at TEXT NOT NULL,
            PRIMARY KEY (run, name, sha256)
        ) WITHOUT ROWID;
        """
    )


def m007_attributes(db: Database) -> None:
    """Further facts about a person: a JSON object of strings, or NULL."""
    db.executescript("ALTER TABLE identities ADD COLUMN attributes TEXT;")


def m008_states(db: Database) -> None:
    """Templates that are not confirmed: no search finds them.

    The change log tells of confirmed templates alone. So an index, which follows the log, never holds another. A
    template is confirmed once and stays so, because the log adds each id once.
    """
    db.executescript(
        """
        -- An integer, 0 or 1: SQLite keeps it in the head of the row, and does not read past the vector for it.
        ALTER TABLE templates ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 1 CHECK (confirmed IN (0, 1));

        DROP INDEX templates_identity;
        CREATE INDEX templates_identity ON templates (identity_id, model_id, confirmed);

        DROP TRIGGER templates_log_insert;
        CREATE TRIGGER templates_log_insert AFTER INSERT ON templates WHEN NEW.confirmed BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id, mark)
            VALUES ('add', NEW.id, NEW.identity_id, NEW.model_id, random());
        END;
        CREATE TRIGGER templates_log_confirmation AFTER UPDATE OF confirmed ON templates
        WHEN NEW.confirmed AND NOT OLD.confirmed BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id, mark)
            VALUES ('add', NEW.id, NEW.identity_id, NEW.model_id, random());
        END;
        CREATE TRIGGER templates_stay_confirmed BEFORE UPDATE OF confirmed ON templates
        WHEN OLD.confirmed AND NOT NEW.confirmed BEGIN
            SELECT RAISE(ABORT, 'a confirmed template stays confirmed');
        END;
        DROP TRIGGER templates_log_delete;
        CREATE TRIGGER templates_log_delete AFTER DELETE ON templates WHEN OLD.confirmed BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id, mark)
            VALUES ('remove', OLD.id, OLD.identity_id, OLD.model_id, random());
        END;
        """
    )


def m009_policies_among_alike(db: Database) -> None:
    """Policies of kind `fmr` whose target is the rate among people who are alike."""
    db.executescript(
        "ALTER TABLE policies ADD COLUMN alike INTEGER NOT NULL DEFAULT 0 CHECK (alike IN (0, 1));"
    )


def m010_detectors(db: Database) -> None:
    """The name of the detector that found the face of a template; NULL where that is unknown."""
    db.executescript(
        "ALTER TABLE templates ADD COLUMN detector TEXT CHECK (length(detector) BETWEEN 1 AND 200);"
    )


MIGRATIONS: tuple[Callable[[Database], None], ...] = (
    m001_gallery,
    m002_policies,
    m003_models_side_by_side,
    m004_marks,
    m005_policies_follow,
    m006_unfinished_enrolment,
    m007_attributes,
    m008_states,
    m009_policies_among_alike,
    m010_detectors,
)

SCHEMA_VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an empty database or an older gallery to `SCHEMA_VERSION`.

    Call it inside a write transaction: all migrations, their records and the version are one step.
    """
    # Imported here, since a reader of an up-to-date gallery must not pay for the import.
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("enrollment_db")
    for migration in MIGRATIONS:
        migrations(name=migration.__name__)(migration)
    migrations.apply(Database(connection, execute_plugins=False))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
