-- What lacks of a table of sessions. Safe to run again, and by several at once.
SET LOCAL client_min_messages = warning; -- not "already exists, skipping"
SET LOCAL lock_timeout = '5s'; -- better to fail than to hold up a busy table
SET LOCAL statement_timeout = 0; -- an index on a large table takes its time
SELECT pg_advisory_xact_lock(hashtextextended('sessile schema', 0));

CREATE TABLE IF NOT EXISTS {table} (
    id         uuid        PRIMARY KEY,
    user_id    text,                   -- the subject; NULL: nobody's
    expires_at timestamptz NOT NULL,   -- the earlier of the two deadlines
    created_at timestamptz NOT NULL
);

-- Constant defaults: no row is rewritten. With them, a row of the four columns above is a session.
ALTER TABLE {table}
    ADD COLUMN IF NOT EXISTS version          bigint  NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS generation       bigint  NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS confirmed        boolean NOT NULL DEFAULT true,
    ADD COLUMN IF NOT EXISTS persistent       boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS renewed_at       timestamptz, -- NULL: created_at
    ADD COLUMN IF NOT EXISTS authenticated_at timestamptz, -- NULL: created_at
    ADD COLUMN IF NOT EXISTS last_seen_at     timestamptz, -- NULL: created_at
    ADD COLUMN IF NOT EXISTS absolute_at      timestamptz, -- NULL: expires_at
    ADD COLUMN IF NOT EXISTS idle_ms          bigint,      -- NULL: no idle limit
    ADD COLUMN IF NOT EXISTS data             jsonb,
    ADD COLUMN IF NOT EXISTS context          jsonb;       -- how it began; NULL: nothing is known

-- Of the subject only a hash: a B-tree takes no key of 10 kB. The id makes pages come in order.
CREATE INDEX IF NOT EXISTS {by_subject} ON {table} (hashtextextended(user_id, 0), id)
    WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS {by_deadline} ON {table} (expires_at);

-- Keeps a new session on the terms of its admission. A function, because each statement in it
-- sees what was committed before that statement began: after the lock, the logins before this one.
CREATE OR REPLACE FUNCTION {create}(
    _id uuid, _subject text, _expires timestamptz, _created timestamptz, _version bigint,
    _generation bigint, _confirmed boolean, _persistent boolean, _renewed timestamptz,
    _authenticated timestamptz, _last_seen timestamptz, _absolute timestamptz, _idle bigint,
    _data text, _context text, _now timestamptz, _replacing uuid, _max bigint, _deny boolean, _channel text
) RETURNS TABLE (outcome smallint, replaced boolean, evicted uuid[]) LANGUAGE plpgsql AS $create$
DECLARE
    _hash   bigint := hashtextextended(_subject, 0);
    _live   uuid[];
    _excess bigint := 0;
BEGIN
    outcome := 0;
    replaced := false;
    evicted := '{}';

    IF _subject IS NULL THEN
        _max := NULL;
    ELSIF _max IS NULL THEN
        PERFORM pg_advisory_xact_lock_shared(_hash);
    ELSE
        PERFORM pg_advisory_xact_lock(_hash);
        IF EXISTS (SELECT FROM {table} WHERE id = _id AND expires_at > _now) THEN
            outcome := 1;
            RETURN NEXT;
            RETURN;
        END IF;
        SELECT array_agg(id ORDER BY created_at, id) INTO _live FROM {table}
            WHERE hashtextextended(user_id, 0) = _hash AND user_id = _subject
                AND expires_at > _now AND id IS DISTINCT FROM _replacing;
        _excess := coalesce(cardinality(_live), 0) + 1 - _max;
        IF _excess > 0 AND _deny THEN
            outcome := 2;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;

    INSERT INTO {table} AS old (
        id, user_id, expires_at, created_at, version, generation, confirmed, persistent,
        renewed_at, authenticated_at, last_seen_at, absolute_at, idle_ms, data, context
    ) VALUES (
        _id, _subject, _expires, _created, _version, _generation, _confirmed, _persistent,
        _renewed, _authenticated, _last_seen, _absolute, _idle, _data::jsonb,
        _context::jsonb
    ) ON CONFLICT (id) DO UPDATE SET (
        user_id, expires_at, created_at, version, generation, confirmed, persistent,
        renewed_at, authenticated_at, last_seen_at, absolute_at, idle_ms, data, context
    ) = (
        excluded.user_id, excluded.expires_at, excluded.created_at, excluded.version,
        excluded.generation, excluded.confirmed, excluded.persistent, excluded.renewed_at,
        excluded.authenticated_at, excluded.last_seen_at, excluded.absolute_at, excluded.idle_ms,
        excluded.data, excluded.context
    ) WHERE old.expires_at <= _now;
    IF NOT FOUND THEN
        outcome := 1;
        RETURN NEXT;
        RETURN;
    END IF;

    IF _replacing <> _id THEN
        DELETE FROM {table} WHERE id = _replacing RETURNING expires_at > _now INTO replaced;
        replaced := coalesce(replaced, false);
    END IF;
    IF _excess > 0 THEN
        WITH gone AS (
            DELETE FROM {table} WHERE id = ANY (_live[1:least(_excess, cardinality(_live))::int])
            RETURNING id
        ) SELECT coalesce(array_agg(id), '{}') INTO evicted FROM gone;
    END IF;

    IF _channel IS NOT NULL AND (replaced OR cardinality(evicted) > 0) THEN
        PERFORM pg_notify(_channel, CASE
            WHEN cardinality(evicted) > {most_told} THEN '*'
            ELSE array_to_string(CASE WHEN replaced THEN _replacing || evicted ELSE evicted END, ' ')
        END);
    END IF;
    RETURN NEXT;
END
$create$;

COMMENT ON COLUMN {table}.version IS 'sessile schema {version}';
