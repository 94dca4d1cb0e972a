-- Tells what others change: an operator, another program, a node that does not announce. What an
-- announcing node does, its statements tell by themselves, and say so by `sessile.announces`: they
-- know versions, tell many ends at once, and no deadline that has passed.
SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '5s';
SELECT pg_advisory_xact_lock(hashtextextended('sessile schema', 0));

CREATE OR REPLACE FUNCTION {tell}() RETURNS trigger LANGUAGE plpgsql AS $tell$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify('{channel}', '*');
    ELSE
        PERFORM pg_notify('{channel}', OLD.id::text);
    END IF;
    RETURN NULL;
END
$tell$;

DROP TRIGGER IF EXISTS sessile_tell_delete ON {table};
DROP TRIGGER IF EXISTS sessile_tell_update ON {table};
DROP TRIGGER IF EXISTS sessile_tell_truncate ON {table};
CREATE TRIGGER sessile_tell_delete AFTER DELETE ON {table} FOR EACH ROW
    WHEN (current_setting('sessile.announces', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION {tell}();
-- Not a use, which only puts the deadline off.
CREATE TRIGGER sessile_tell_update AFTER UPDATE ON {table} FOR EACH ROW
    WHEN (current_setting('sessile.announces', true) IS DISTINCT FROM 'on'
        AND (OLD.id <> NEW.id OR OLD.version <> NEW.version OR OLD.expires_at > NEW.expires_at))
    EXECUTE FUNCTION {tell}();
CREATE TRIGGER sessile_tell_truncate AFTER TRUNCATE ON {table} FOR EACH STATEMENT
    EXECUTE FUNCTION {tell}();
