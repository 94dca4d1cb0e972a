-- Several processes may start at once: CREATE … IF NOT EXISTS alone is no guard against that.
SELECT pg_advisory_xact_lock(8245924801467220841);
CREATE TABLE IF NOT EXISTS sessile_account_schema (version BIGINT NOT NULL PRIMARY KEY);
CREATE TABLE IF NOT EXISTS sessile_users (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    username TEXT,
    username_key TEXT UNIQUE,
    password_hash TEXT,
    is_active BOOLEAN NOT NULL,
    is_verified BOOLEAN NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    epoch BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS sessile_user_tokens (
    digest TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    user_id TEXT COLLATE "C" REFERENCES sessile_users (id) ON DELETE CASCADE,
    email_key TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS sessile_user_tokens_user ON sessile_user_tokens (user_id);
CREATE INDEX IF NOT EXISTS sessile_user_tokens_expires ON sessile_user_tokens (expires);
CREATE TABLE IF NOT EXISTS sessile_user_links (
    provider TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES sessile_users (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX IF NOT EXISTS sessile_user_links_user ON sessile_user_links (user_id);
CREATE TABLE IF NOT EXISTS sessile_roles (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    description TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sessile_permissions (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    description TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sessile_role_permissions (
    role TEXT COLLATE "C" NOT NULL REFERENCES sessile_roles (name) ON DELETE CASCADE,
    permission TEXT COLLATE "C" NOT NULL REFERENCES sessile_permissions (name) ON DELETE CASCADE,
    PRIMARY KEY (role, permission)
);
CREATE INDEX IF NOT EXISTS sessile_role_permissions_permission
    ON sessile_role_permissions (permission);
CREATE TABLE IF NOT EXISTS sessile_user_roles (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES sessile_users (id) ON DELETE CASCADE,
    role TEXT COLLATE "C" NOT NULL REFERENCES sessile_roles (name) ON DELETE CASCADE,
    PRIMARY KEY (user_id, role)
);
CREATE INDEX IF NOT EXISTS sessile_user_roles_role ON sessile_user_roles (role);
CREATE TABLE IF NOT EXISTS sessile_user_permissions (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES sessile_users (id) ON DELETE CASCADE,
    permission TEXT COLLATE "C" NOT NULL REFERENCES sessile_permissions (name) ON DELETE CASCADE,
    PRIMARY KEY (user_id, permission)
);
CREATE INDEX IF NOT EXISTS sessile_user_permissions_permission
    ON sessile_user_permissions (permission);
INSERT INTO sessile_account_schema (version)
    SELECT 1 WHERE NOT EXISTS (SELECT FROM sessile_account_schema);
