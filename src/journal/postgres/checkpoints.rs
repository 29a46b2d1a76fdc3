//! Checkpoints in the database, and pruning what they cover.

use std::time::SystemTime;

use tokio_postgres::types::ToSql;

use super::Node;
use super::connection::Leased;
use super::fault::{Fault, answered};
use crate::id::InstanceId;
use crate::journal::row::{sum_of_part, time_text};
use crate::journal::{Checkpoint, CheckpointId, CheckpointPart, JournalError, Position};

/// How many events a slice of pruning removes.
const SLICE: i64 = 2_000;
/// How many parts of a checkpoint to ask for at a time.
const PARTS: i64 = 32;

const SAVE: &str = "
    WITH begun AS (
        INSERT INTO portcullis.checkpoint (instance, writer, begun) VALUES ($1::text, $2, $3)
        ON CONFLICT DO NOTHING
    )
    INSERT INTO portcullis.checkpoint_part (instance, writer, begun, number, position, state, crc)
    VALUES ($1::text, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (instance, writer, begun, number)
    DO UPDATE SET position = excluded.position, state = excluded.state, crc = excluded.crc";

/// Finishes a checkpoint if all its parts are there and no newer one is finished, and removes all
/// others: finished ones that are older, and those that nobody will finish. (One that another node is
/// still writing is begun after this one, or not worth its end.) With them go the copies of batches from
/// before it, which nobody goes past any more.
const FINISH: &str = "
    WITH done AS (
        UPDATE portcullis.checkpoint SET parts = $4
        WHERE instance = $1 AND writer = $2 AND begun = $3
          AND $4 = (SELECT count(*) FROM portcullis.checkpoint_part
                    WHERE instance = $1 AND writer = $2 AND begun = $3)
          AND NOT EXISTS (SELECT FROM portcullis.checkpoint AS newer
                          WHERE newer.instance = $1 AND newer.parts IS NOT NULL AND newer.begun > $3)
        RETURNING instance
    ), batches_gone AS (
        DELETE FROM portcullis.batch AS old USING done
        WHERE old.instance = done.instance AND old.position <= $3
    ), parts_gone AS (
        DELETE FROM portcullis.checkpoint_part AS old USING done
        WHERE old.instance = done.instance AND (old.writer, old.begun) <> ($2, $3) AND old.begun <= $3
    )
    DELETE FROM portcullis.checkpoint AS old USING done
    WHERE old.instance = done.instance AND (old.writer, old.begun) <> ($2, $3) AND old.begun <= $3";

const NEWEST: &str = "
    SELECT writer, begun, parts FROM portcullis.checkpoint
    WHERE instance = $1 AND parts IS NOT NULL ORDER BY begun DESC, writer LIMIT 1";

const PARTS_FROM: &str = "
    SELECT number, position, state, crc FROM portcullis.checkpoint_part
    WHERE instance = $1 AND writer = $2 AND begun = $3 AND number >= $4 ORDER BY number LIMIT $5";

/// Removes a slice of the events before a time that the newest finished checkpoint covers: only from the
/// beginning on, so that what is left has no gap. The head's row is locked last, so that no append waits
/// for the rest.
const PRUNE: &str = "
    WITH bound AS (
        SELECT pruned, least(pruned + $3::bigint, (
                   SELECT coalesce(max(begun), 0) FROM portcullis.checkpoint
                   WHERE instance = $1 AND parts IS NOT NULL)) AS up_to
        FROM portcullis.journal WHERE instance = $1
    ), slice AS (
        SELECT coalesce((SELECT min(position) - 1 FROM portcullis.event
                         WHERE instance = $1 AND position > pruned AND position <= up_to AND at >= $2),
                        up_to) AS last
        FROM bound WHERE up_to > pruned
    ), gone AS (
        DELETE FROM portcullis.event USING slice WHERE instance = $1 AND position <= last RETURNING 1
    ), count AS (
        SELECT count(*) AS events FROM gone
    )
    UPDATE portcullis.journal SET pruned = greatest(pruned, last) FROM slice, count
    WHERE instance = $1 AND events > 0 RETURNING events";

/// Which checkpoint is the newest: its writer, where it was begun, how many parts it has.
type Newest = (i64, i64, i64);

impl Node {
    pub(super) async fn save_part(
        &self,
        checkpoint: CheckpointId,
        part: &CheckpointPart,
    ) -> Result<(), Fault> {
        let Some(instance) = self.known_instance().await? else { return Err(self.missing()) };
        let (writer, begun) = (checkpoint.writer.cast_signed(), checkpoint.begun.cast_signed());
        let (number, position) = (i64::from(part.number), part.position.cast_signed());
        let (name, sum) = (instance.as_str(), sum_of_part(part));
        self.write(SAVE, &[&name, &writer, &begun, &number, &position, &part.state, &sum]).await
    }

    pub(super) async fn finish_checkpoint(
        &self,
        checkpoint: CheckpointId,
        parts: u32,
    ) -> Result<(), Fault> {
        let Some(instance) = self.known_instance().await? else { return Err(self.missing()) };
        let (writer, begun) = (checkpoint.writer.cast_signed(), checkpoint.begun.cast_signed());
        let (name, parts) = (instance.as_str(), i64::from(parts));
        self.write(FINISH, &[&name, &writer, &begun, &parts]).await
    }

    async fn write(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), Fault> {
        let connection = self.connections.to_write().await?;
        let statement = connection.prepare(sql).await?;
        answered(connection.client()?.execute(&statement, parameters)).await?;
        connection.done();
        Ok(())
    }

    pub(super) async fn checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        let Some(instance) = self.known_instance().await? else { return Ok(None) };
        let connection = self.connections.to_read().await?;
        let mut newest = find_newest(&connection, instance).await?;
        while let Some(found) = newest {
            let parts = read_parts(&connection, instance, found).await?;
            // Parts come in several answers. If a newer one was finished meanwhile, these may be gone.
            newest = find_newest(&connection, instance).await?;
            if newest == Some(found) {
                connection.done();
                return self.checked(found, parts).map(Some).map_err(Fault::Told);
            }
        }
        connection.done();
        Ok(None)
    }

    fn checked(
        &self,
        (_, begun, count): Newest,
        parts: Vec<(CheckpointPart, i64)>,
    ) -> Result<Checkpoint, JournalError> {
        let position = begun.cast_unsigned();
        let corrupt =
            |cause| JournalError::Corrupt { journal: self.server.to_string(), position, cause };
        if i64::try_from(parts.len()) != Ok(count) {
            return Err(corrupt(format!("the checkpoint has {} of {count} parts", parts.len())));
        }
        if let Some((part, _)) = parts.iter().find(|(part, sum)| sum_of_part(part) != *sum) {
            let cause = format!("part {} of the checkpoint is not what was written", part.number);
            return Err(corrupt(cause));
        }
        Ok(Checkpoint { position, parts: parts.into_iter().map(|(part, _)| part).collect() })
    }

    pub(super) async fn prune(&self, before: SystemTime) -> Result<u64, Fault> {
        let Some(instance) = self.known_instance().await? else { return Ok(0) };
        let (name, before) = (instance.as_str(), time_text(before));
        let mut pruned = 0_u64;
        loop {
            // Not one of those that appends need.
            let connection = self.connections.to_read().await?;
            let statement = connection.prepare(PRUNE).await?;
            let parameters: [&(dyn ToSql + Sync); 3] = [&name, &before, &SLICE];
            let row = answered(connection.client()?.query_opt(&statement, &parameters)).await?;
            connection.done();
            let Some(row) = row else { return Ok(pruned) };
            pruned = pruned.saturating_add(row.try_get::<_, i64>(0)?.cast_unsigned());
        }
    }
}

async fn find_newest(connection: &Leased, instance: &InstanceId) -> Result<Option<Newest>, Fault> {
    let row = answered(connection.client()?.query_opt(NEWEST, &[&instance.as_str()])).await?;
    let newest = |row: tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    row.map(newest).transpose()
}

/// The parts with their checksums.
async fn read_parts(
    connection: &Leased,
    instance: &InstanceId,
    (writer, begun, _): Newest,
) -> Result<Vec<(CheckpointPart, i64)>, Fault> {
    let statement = connection.prepare(PARTS_FROM).await?;
    let mut parts: Vec<(CheckpointPart, i64)> = Vec::new();
    loop {
        let from = parts.last().map_or(0, |(part, _)| i64::from(part.number).saturating_add(1));
        let name = instance.as_str();
        let parameters: [&(dyn ToSql + Sync); 5] = [&name, &writer, &begun, &from, &PARTS];
        let rows = answered(connection.client()?.query(&statement, &parameters)).await?;
        let all = i64::try_from(rows.len()).is_ok_and(|count| count < PARTS);
        for row in rows {
            let number = u32::try_from(row.try_get::<_, i64>(0)?).unwrap_or(u32::MAX);
            let position: Position = row.try_get::<_, i64>(1)?.cast_unsigned();
            let part = CheckpointPart { number, position, state: row.try_get(2)? };
            parts.push((part, row.try_get(3)?));
        }
        if all {
            return Ok(parts);
        }
    }
}
