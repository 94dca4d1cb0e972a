CREATE TABLE IF NOT EXISTS sessile_account_schema (version INTEGER NOT NULL PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS sessile_users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    username TEXT,
    username_key TEXT UNIQUE,
    password_hash TEXT,
    is_active INTEGER NOT NULL,
    is_verified INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    epoch INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sessile_user_tokens (
    digest TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    user_id TEXT REFERENCES sessile_users (id) ON DELETE CASCADE,
    email_key TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sessile_user_tokens_user ON sessile_user_tokens (user_id);
CREATE INDEX IF NOT EXISTS sessile_user_tokens_expires ON sessile_user_tokens (expires);
CREATE TABLE IF NOT EXISTS sessile_user_links (
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES sessile_users (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, subject)
) STRICT;
CREATE INDEX IF NOT EXISTS sessile_user_links_user ON sessile_user_links (user_id);
CREATE TABLE IF NOT EXISTS sessile_roles (
    name TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sessile_permissions (
    name TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sessile_role_permissions (
    role TEXT NOT NULL REFERENCES sessile_roles (name) ON DELETE CASCADE,
    permission TEXT NOT NULL REFERENCES sessile_permissions (name) ON DELETE CASCADE,
    PRIMARY KEY (role, permission)
) STRICT;
CREATE INDEX IF NOT EXISTS sessile_role_permissions_permission
    ON sessile_role_permissions (permission);
CREATE TABLE IF NOT EXISTS sessile_user_roles (
    user_id TEXT NOT NULL REFERENCES sessile_users (id) ON DELETE CASCADE,
    role TEXT NOT NULL REFERENCES sessile_roles (name) ON DELETE CASCADE,
    PRIMARY KEY (user_id, role)
) STRICT;
CREATE INDEX IF NOT EXISTS sessile_user_roles_role ON sessile_user_roles (role);
CREATE TABLE IF NOT EXISTS sessile_user_permissions (
    user_id TEXT NOT NULL REFERENCES sessile_users (id) ON DELETE CASCADE,
    permission TEXT NOT NULL REFERENCES sessile_permissions (name) ON DELETE CASCADE,
    PRIMARY KEY (user_id, permission)
) STRICT;
CREATE INDEX IF NOT EXISTS sessile_user_permissions_permission
    ON sessile_user_permissions (permission);
INSERT INTO sessile_account_schema (version)
    SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sessile_account_schema);
