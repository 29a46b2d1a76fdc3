//! The tables in PostgreSQL: those of all instances in the schema `portcullis`, and a view over each that
//! shows one instance's rows, of the transaction's setting `portcullis.instance`, and adds to them. So
//! statements name no instance, and a role needs rights on the views alone.

use portcullis::journal::{JournalError, Position, PostgresTransaction};

use super::{Row, Sql, Value};

/// A transaction.
pub(in crate::directory::journal) struct Database<'t>(pub(super) &'t PostgresTransaction<'t>);

/// Guarded against another instance's first start by the lock that the journal's tables are made under.
/// The columns of the views are those of the tables in a file, in the same order.
const TABLES: &str = "
    SELECT pg_advisory_xact_lock(1349481076);
    CREATE TABLE IF NOT EXISTS directory_all (
        instance text COLLATE \"C\" PRIMARY KEY DEFAULT current_setting('portcullis.instance'),
        version  bigint NOT NULL,
        position bigint NOT NULL,   -- of the journal, that the tables reflect
        at       bigint NOT NULL    -- its time, as all times here in nanoseconds since 1970
    );
    CREATE TABLE IF NOT EXISTS directory_org_all (
        instance text COLLATE \"C\" NOT NULL DEFAULT current_setting('portcullis.instance'),
        id       text COLLATE \"C\" NOT NULL,
        name     text COLLATE \"C\" NOT NULL,
        number   bigint NOT NULL,   -- the position of its first event
        created  bigint NOT NULL,
        PRIMARY KEY (instance, id)
    );
    CREATE TABLE IF NOT EXISTS directory_user_all (
        instance    text COLLATE \"C\" NOT NULL DEFAULT current_setting('portcullis.instance'),
        number      bigint NOT NULL,         -- the position of its first event
        id          text COLLATE \"C\" NOT NULL,
        org         text COLLATE \"C\" NOT NULL,
        user_name   text COLLATE \"C\" NOT NULL,
        lower_name  text COLLATE \"C\" NOT NULL,
        is_human    bigint NOT NULL,
        name        text COLLATE \"C\" NOT NULL,  -- a human's first name
        last_name   text COLLATE \"C\" NOT NULL,
        email       text COLLATE \"C\" NOT NULL,
        description text COLLATE \"C\" NOT NULL,
        is_active   bigint NOT NULL,
        is_locked   bigint NOT NULL,
        sequence    bigint NOT NULL,
        created     bigint NOT NULL,
        changed     bigint NOT NULL,
        PRIMARY KEY (instance, number),
        UNIQUE (instance, id),
        UNIQUE (instance, org, user_name)
    );
    CREATE INDEX IF NOT EXISTS directory_user_of_org
        ON directory_user_all (instance, org, number);
    CREATE INDEX IF NOT EXISTS directory_user_by_name
        ON directory_user_all (instance, lower_name, number);
    CREATE INDEX IF NOT EXISTS directory_user_locked
        ON directory_user_all (instance, number) WHERE is_locked = 1;
    -- Those who are locked and not in the directory, or not yet.
    CREATE TABLE IF NOT EXISTS directory_stranger_all (
        instance text COLLATE \"C\" NOT NULL DEFAULT current_setting('portcullis.instance'),
        id       text COLLATE \"C\" NOT NULL,
        PRIMARY KEY (instance, id)
    );
    CREATE TABLE IF NOT EXISTS directory_member_all (
        instance text COLLATE \"C\" NOT NULL DEFAULT current_setting('portcullis.instance'),
        \"user\" text COLLATE \"C\" NOT NULL,
        org      text COLLATE \"C\" NOT NULL,     -- empty for the instance
        role     text COLLATE \"C\" NOT NULL,
        PRIMARY KEY (instance, \"user\", org, role)
    );
    CREATE TABLE IF NOT EXISTS directory_token_all (
        instance text COLLATE \"C\" NOT NULL DEFAULT current_setting('portcullis.instance'),
        id       text COLLATE \"C\" NOT NULL,
        \"user\" text COLLATE \"C\" NOT NULL,
        hash     text COLLATE \"C\" NOT NULL,     -- of the secret, SHA-256 in hexadecimal digits
        expires  bigint,
        created  bigint NOT NULL,
        PRIMARY KEY (instance, id)
    );
    CREATE INDEX IF NOT EXISTS directory_token_of_user
        ON directory_token_all (instance, \"user\");
    CREATE OR REPLACE VIEW directory_org AS
        SELECT id, name, number, created FROM directory_org_all
        WHERE instance = current_setting('portcullis.instance', true);
    CREATE OR REPLACE VIEW directory_user AS
        SELECT number, id, org, user_name, lower_name, is_human, name, last_name, email, description,
               is_active, is_locked, sequence, created, changed
        FROM directory_user_all WHERE instance = current_setting('portcullis.instance', true);
    CREATE OR REPLACE VIEW directory_stranger AS
        SELECT id FROM directory_stranger_all
        WHERE instance = current_setting('portcullis.instance', true);
    CREATE OR REPLACE VIEW directory_member AS
        SELECT \"user\", org, role FROM directory_member_all
        WHERE instance = current_setting('portcullis.instance', true);
    CREATE OR REPLACE VIEW directory_token AS
        SELECT id, \"user\", hash, expires, created FROM directory_token_all
        WHERE instance = current_setting('portcullis.instance', true);
    CREATE OR REPLACE VIEW directory AS
        SELECT version, position, at FROM directory_all
        WHERE instance = current_setting('portcullis.instance', true);
";

const EMPTY: &str = "
    DELETE FROM directory_org; DELETE FROM directory_user; DELETE FROM directory_stranger;
    DELETE FROM directory_member; DELETE FROM directory_token; DELETE FROM directory;
";

impl Sql for Database<'_> {
    fn query(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, JournalError> {
        let found = self.0.query(&numbered(sql), values)?;
        Ok(found.into_iter().map(Row).collect())
    }

    fn query_once(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, JournalError> {
        let found = self.0.query_once(&numbered(sql), values)?;
        Ok(found.into_iter().map(Row).collect())
    }

    fn execute(&self, sql: &'static str, values: Vec<Value>) -> Result<(), JournalError> {
        self.0.execute(&numbered(sql), values)
    }

    /// As an array, which an index is looked up by; a query in its place would be joined with the table.
    fn is_one_of(&self, column: &str, parameter: usize) -> String {
        let texts = format!("json_array_elements_text(CAST(CAST(?{parameter} AS text) AS json))");
        format!("{column} = ANY (ARRAY(SELECT {texts}))")
    }

    fn are_there(&self) -> Result<bool, JournalError> {
        let sql = "SELECT count(*) FROM pg_catalog.pg_views
                   WHERE schemaname = 'portcullis' AND viewname = 'directory'";
        self.query(sql, &[])?.first().map_or(Ok(false), |row| row.flag(0))
    }

    fn make_anew(&self) -> Result<(), JournalError> {
        if !self.are_there()? {
            self.0.work(TABLES)?;
        }
        self.0.work(EMPTY)
    }

    fn extent(&self) -> Result<(Position, Position), JournalError> {
        self.0.extent()
    }
}

/// Parameters as PostgreSQL has them. No statement has a question mark elsewhere.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}
