-- The newest batches that went past others, whole: whoever goes past them has one value to take over where there would
-- be as many rows as events. What is in the trail is the rows. These may be gone at any time, and are after a crash;
-- the next checkpoint takes away those before it.
CREATE UNLOGGED TABLE IF NOT EXISTS portcullis.batch (
    instance text COLLATE "C" NOT NULL,
    position bigint NOT NULL,     -- of its last event
    size     bigint NOT NULL,     -- how many it has
    writer   bigint NOT NULL,
    batch    bigint NOT NULL,
    marks    integer[] NOT NULL,  -- of the users whose events they are: hardly any two users have the same
    events   bytea NOT NULL,
    PRIMARY KEY (instance, position)
) WITH (toast_tuple_target = 8160);
ALTER TABLE portcullis.batch ALTER COLUMN events SET STORAGE EXTERNAL, ALTER COLUMN marks SET STORAGE EXTERNAL;

-- Appends a batch of users' events at the head, past what others have written of other users meanwhile. `head` is the
-- position before the batch; null if it was not appended: then something that would be passed is of the users on whom
-- it was decided, or of no user, or there is too much of it. What keeps a batch away keeps it away for ever, for events
-- are never changed: so a call that arrives late, after the batch was sent again or decided anew, does nothing.
-- `passed` is the batches that were passed; null where they must be read.
--
-- Each statement sees what was committed when it begins: all after the first see what whoever had the turn before
-- has written. The turn ends with the first commit, which does not wait for the disk and the standbys. The second
-- does, for all that was written before it: so others need not wait for each other's. Whoever reads such events
-- before that must wait as well, before anything comes of them.
--
-- Whoever commits a notice lets no other commit one before its own is on the disk, so there is none where nobody
-- listens. Whoever listens has a lock first and then looks: if it has the lock not yet, it finds this batch.
DROP PROCEDURE IF EXISTS portcullis.append_past(
    text, integer, bigint, bigint, text[], bigint, bigint, text[], text[], text[], text[], text[], text[], bigint[]);
CREATE PROCEDURE portcullis.append_past(
    instance_ text, turn integer, expected bigint, most bigint, users text[], user_marks integer[],
    writer_ bigint, batch_ bigint, at_ text[], actor_ text[], type_ text[], id_ text[], org_ text[], payload_ text[],
    crc_ bigint[], marks_ integer[], events_ bytea, OUT head bigint, OUT passed bytea
) LANGUAGE plpgsql AS $$
DECLARE
    it record;
    near record;
    listened boolean;
    done boolean;  -- of no meaning: a function's value must go somewhere, and this is quicker than PERFORM
BEGIN
    done := pg_advisory_xact_lock(1349481076, turn) IS NULL;
    done := set_config('synchronous_commit', 'off', true) IS NULL;
    SELECT position AS head, position + cardinality(at_) AS last, pruned, batch.* INTO it
    FROM portcullis.journal, LATERAL (
        SELECT coalesce(min(position - size), expected) AS first, coalesce(sum(size), 0) AS size,
               min(position - size) FILTER (WHERE writer = writer_ AND batch = batch_) AS place,
               coalesce(bool_or(marks && user_marks), false) AS clashes, string_agg(events, '') AS events
        FROM (SELECT * FROM portcullis.batch WHERE instance = instance_ AND position > expected
              AND position <= expected + most ORDER BY position) AS batch
    ) AS batch WHERE instance = instance_;
    -- Not all of it has a copy; or a mark says that it may be of the same users, which the rows tell for certain.
    IF it.clashes OR it.first < expected OR it.head <> expected + it.size THEN
        SELECT min(position) FILTER (WHERE writer = writer_ AND batch = batch_) - 1 AS place,
               count(*) FILTER (WHERE aggregate <> 'user' OR id IN (SELECT unnest(users))) > 0 AS clashes INTO near
        FROM portcullis.event
        WHERE instance = instance_ AND position > expected AND position <= expected + most;
        it.place := near.place; it.clashes := near.clashes; it.events := NULL;
    END IF;
    IF it.place IS NOT NULL THEN
        head := it.place;
    ELSIF NOT it.clashes AND it.head BETWEEN expected AND expected + most - 1 AND it.pruned <= expected THEN
        head := it.head;
        WITH moved AS (
            UPDATE portcullis.journal SET position = it.last WHERE instance = instance_
        ), kept AS (
            INSERT INTO portcullis.batch (instance, position, size, writer, batch, marks, events)
            VALUES (instance_, it.last, cardinality(at_), writer_, batch_, marks_, events_)
        )
        INSERT INTO portcullis.event (instance, position, writer, batch, at, actor, type, aggregate, id, org,
                                      sequence, payload, crc)
        SELECT instance_, place, writer_, batch_, at, actor, type, 'user', id, org, place, payload,
               crc # (place & 4294967295)
        FROM (SELECT generate_series(it.head + 1, it.last) AS place, unnest(at_) AS at, unnest(actor_) AS actor,
                     unnest(type_) AS type, unnest(id_) AS id, unnest(org_) AS org,
                     unnest(payload_) AS payload, unnest(crc_) AS crc) AS row;
    ELSE
        RETURN;
    END IF;
    listened := NOT pg_try_advisory_xact_lock(1349481077, 0);
    COMMIT;
    IF listened THEN
        PERFORM pg_notify('portcullis', head + cardinality(at_) || ' ' || instance_);
    END IF;
    done := pg_logical_emit_message(true, 'portcullis', '') IS NULL;
    passed := it.events;
END $$;
