-- A gallery as schema version 1 left it. Never edit it: it stands for the files that people have.
PRAGMA application_id = 1180780900;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'enrollment_db','m001_gallery','2025-01-02 03:04:05.678000+00:00');
CREATE TABLE changes (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            op TEXT NOT NULL CHECK (op IN ('add', 'remove')),
            template_id INTEGER NOT NULL,
            identity_id INTEGER NOT NULL,
            model_id INTEGER NOT NULL
        );
INSERT INTO "changes" VALUES(1,'add',1,1,1);
INSERT INTO "changes" VALUES(2,'add',2,1,1);
INSERT INTO "changes" VALUES(3,'add',3,2,1);
INSERT INTO "changes" VALUES(4,'remove',1,1,1);
CREATE TABLE identities (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
            created_at TEXT NOT NULL
        );
INSERT INTO "identities" VALUES(1,'Ann','2025-01-02T03:04:05.678Z');
INSERT INTO "identities" VALUES(2,'José','2025-01-02T03:04:05.678Z');
CREATE TABLE models (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            weights_sha256 TEXT NOT NULL,
            aligner TEXT NOT NULL,
            dim INTEGER NOT NULL CHECK (dim > 0),
            metric TEXT NOT NULL CHECK (metric IN ('cosine', 'euclidean')),
            UNIQUE (name, weights_sha256, aligner, dim, metric)
        );
INSERT INTO "models" VALUES(1,'net','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','five-points',4,'cosine');
CREATE TABLE settings (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            database_id TEXT NOT NULL,
            created_at TEXT NOT NULL,
            pinned_model_id INTEGER REFERENCES models (id)
        );
INSERT INTO "settings" VALUES(1,'0123456789abcdef0123456789abcdef','2025-01-02T03:04:05.678Z',1);
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
INSERT INTO "templates" VALUES(2,1,1,X'000000000000803F0000000000000000','ann-2.jpg',X'561D762FA18A6F6A52C99450ED7732AB62435702885BC1EC1388FE61E72E148B','[1.0, 2.0, 30.0, 40.0]',NULL,0.75,'2025-01-02T03:04:05.678Z');
INSERT INTO "templates" VALUES(3,2,1,X'00000000000000000000803F00000000','jose.jpg',X'CF8772D9C6D536467343FB1FF52F094CA448AF197B72E0FCC01901B32D75B77F','[1.0, 2.0, 30.0, 40.0]',NULL,0.75,'2025-01-02T03:04:05.678Z');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX templates_identity ON templates (identity_id);
CREATE TRIGGER templates_log_insert AFTER INSERT ON templates BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id)
            VALUES ('add', NEW.id, NEW.identity_id, NEW.model_id);
        END;
CREATE TRIGGER templates_log_delete AFTER DELETE ON templates BEGIN
            INSERT INTO changes (op, template_id, identity_id, model_id)
            VALUES ('remove', OLD.id, OLD.identity_id, OLD.model_id);
        END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('models',1);
INSERT INTO "sqlite_sequence" VALUES('identities',2);
INSERT INTO "sqlite_sequence" VALUES('changes',4);
INSERT INTO "sqlite_sequence" VALUES('templates',3);
COMMIT;
