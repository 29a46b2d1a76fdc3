-- Appends a batch of users' events at the head, past what others have written of other users meanwhile, and
-- answers with what was passed. `head` is the position before the batch; null if it was not appended: then
-- something that would be passed is of the users on whom it was decided, or of no user, or there is too much
-- of it. What keeps a batch away keeps it away for ever, for events are never changed: so a call that arrives
-- late, after the batch was sent again or decided anew, does nothing.
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
    instance_ text, turn integer, expected bigint, most bigint, users text[], writer_ bigint, batch_ bigint,
    at_ text[], actor_ text[], type_ text[], id_ text[], org_ text[], payload_ text[], crc_ bigint[],
    OUT head bigint, OUT ats text[], OUT actors text[], OUT types text[], OUT ids text[], OUT orgs text[],
    OUT payloads text[], OUT crcs bigint[], OUT writers bigint[], OUT batches bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    it record;
    listened boolean;
    done boolean;  -- of no meaning: a function's value must go somewhere, and this is quicker than PERFORM
BEGIN
    done := pg_advisory_xact_lock(1349481076, turn) IS NULL;
    done := set_config('synchronous_commit', 'off', true) IS NULL;
    SELECT position AS head, position + cardinality(at_) AS last, pruned, passed.* INTO it
    FROM portcullis.journal, LATERAL (
        SELECT min(position) FILTER (WHERE writer = writer_ AND batch = batch_) AS place,
               count(*) FILTER (WHERE aggregate <> 'user' OR id IN (SELECT unnest(users))) AS clashes,
               array_agg(at) AS at, array_agg(actor) AS actor, array_agg(type) AS type, array_agg(id) AS id,
               array_agg(org) AS org, array_agg(payload) AS payload, array_agg(crc) AS crc,
               array_agg(writer) AS writer, array_agg(batch) AS batch
        FROM (SELECT * FROM portcullis.event WHERE instance = instance_ AND position > expected
              ORDER BY position LIMIT most) AS event
    ) AS passed WHERE instance = instance_;
    IF it.place IS NOT NULL THEN
        head := it.place - 1;
    ELSIF it.clashes = 0 AND it.head BETWEEN expected AND expected + most - 1 AND it.pruned <= expected THEN
        head := it.head;
        WITH moved AS (UPDATE portcullis.journal SET position = it.last WHERE instance = instance_)
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
    ats := it.at; actors := it.actor; types := it.type; ids := it.id; orgs := it.org; payloads := it.payload;
    crcs := it.crc; writers := it.writer; batches := it.batch;
END $$;
