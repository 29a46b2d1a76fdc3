//! The tables, and how a database comes to have them.

use std::time::Duration;

use tokio_postgres::Client;

use super::connection::check;
use super::fault::{Fault, answered};
use super::server::{Server, foreign};
use crate::journal::JournalError;

/// Each version's step from the one before. What a step has made is never changed by changing the step.
const MIGRATIONS: [&str; 5] = [
    "
    CREATE TABLE portcullis.journal (
        instance text COLLATE \"C\" PRIMARY KEY,
        position bigint NOT NULL,  -- of the newest event: the head
        pruned   bigint NOT NULL   -- up to this one there are no events any more
    ) WITH (fillfactor = 50);      -- the head moves all the time: room to do so in place
    CREATE TABLE portcullis.event (
        instance  text COLLATE \"C\" NOT NULL,
        position  bigint NOT NULL,
        at        text COLLATE \"C\" NOT NULL,  -- to the nanosecond, which timestamptz cannot
        actor     text NOT NULL,
        type      text NOT NULL,
        aggregate text NOT NULL,  -- instance, org or user
        id        text NOT NULL,  -- whose event it is
        org       text,           -- a user's organization
        sequence  bigint NOT NULL,
        payload   text,
        writer    bigint NOT NULL,  -- with batch: to settle what is in doubt
        batch     bigint NOT NULL,
        crc       bigint NOT NULL,  -- of all the other columns but the instance
        PRIMARY KEY (instance, position)
    );
    CREATE TABLE portcullis.checkpoint (
        instance text COLLATE \"C\" NOT NULL,
        writer   bigint NOT NULL,
        begun    bigint NOT NULL,
        parts    bigint,  -- how many there are, once it is finished
        PRIMARY KEY (instance, writer, begun)
    );
    CREATE TABLE portcullis.checkpoint_part (
        instance text COLLATE \"C\" NOT NULL,
        writer   bigint NOT NULL,
        begun    bigint NOT NULL,
        number   bigint NOT NULL,
        position bigint NOT NULL,
        state    bytea NOT NULL,
        crc      bigint NOT NULL,
        PRIMARY KEY (instance, writer, begun, number)
    );
",
    "
    -- Most events are checks. Whoever looks for the others must not read them all.
    CREATE INDEX event_but_checks ON portcullis.event (instance, position)
        WHERE strpos(type, '.check.') = 0;
",
    // Emptied: these made nothing but the procedure that the next one makes anew.
    "",
    "",
    include_str!("past.sql"),
];

/// Whoever migrates takes this lock of the database's: "Port" in ASCII. It ends with the transaction.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1349481076)";

/// How long that may take in all.
const LIMIT: Duration = Duration::from_mins(1);

/// Asked of a table: the shorter `to_regclass` may still answer as before another node's migration.
const IS_THERE: &str = "
    SELECT EXISTS (SELECT FROM pg_catalog.pg_tables
                   WHERE schemaname = 'portcullis' AND tablename = 'version')";

/// Connects, looks at the server, and makes the tables or brings them up to our version. A database that
/// has them is only read: a role that may make none can use them. One that has none and is not
/// to be founded is left alone.
pub(super) async fn bring_up(server: &Server, found: bool) -> Result<(), Fault> {
    let (client, connection) = answered(server.connect()).await.map_err(Fault::unsent)?;
    // Without the limits of other sessions: a migration may take its time, and waits for another one.
    let driver = tokio::spawn(connection);
    let brought_up = async {
        check(&client, server).await?;
        let version = version(&client, server).await?;
        if version == 0 && !found {
            return Err(Fault::Told(JournalError::Missing {
                journal: server.to_string(),
                cause: String::from("the database has no schema `portcullis`"),
            }));
        }
        if version < MIGRATIONS.len() {
            migrate(&client, server).await?;
        }
        Ok(())
    };
    let brought_up = tokio::time::timeout(LIMIT, brought_up).await;
    driver.abort();
    let late = || Fault::Refused(format!("the tables could not be made within {LIMIT:?}"));
    brought_up.unwrap_or_else(|_| Err(late()))
}

async fn version(client: &Client, server: &Server) -> Result<usize, Fault> {
    if !answered(client.query_one(IS_THERE, &[])).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let row = answered(client.query_one("SELECT version FROM portcullis.version", &[])).await?;
    let (found, ours) = (row.try_get::<_, i32>(0)?, MIGRATIONS.len());
    match usize::try_from(found) {
        Ok(found) if found <= ours => Ok(found),
        _ => {
            let cause =
                format!("its version is {found} and this program knows versions up to {ours}");
            Err(Fault::Told(foreign(server, cause)))
        }
    }
}

/// Brings the tables up in one transaction. Another node may be at it, or have been quicker.
async fn migrate(client: &Client, server: &Server) -> Result<(), Fault> {
    client.batch_execute("BEGIN").await?;
    client.batch_execute(LOCK).await?;
    let found = version(client, server).await?;
    if found == 0 {
        client.batch_execute("CREATE SCHEMA IF NOT EXISTS portcullis").await?;
        client.batch_execute("CREATE TABLE portcullis.version (version integer NOT NULL)").await?;
        client.batch_execute("INSERT INTO portcullis.version VALUES (0)").await?;
    }
    for step in MIGRATIONS.iter().skip(found) {
        client.batch_execute(step).await?;
    }
    let ours = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    client.execute("UPDATE portcullis.version SET version = $1", &[&ours]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(())
}
