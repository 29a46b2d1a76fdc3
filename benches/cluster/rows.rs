//! What is written today: a row for each user, and for each failure a transaction that locks it, counts
//! and commits, over a pool of connections. It does less: it keeps no trail, and nothing guards its
//! limit between the look at a row and the check of a secret.

use std::ops::Range;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;

use super::node::Settles;
use super::user;

/// The first argument of a process that works so; the second is the database.
pub(crate) const ROLE: &str = "--rows";

const POOL: usize = 16;

pub(crate) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS login (
        id text PRIMARY KEY, failures integer NOT NULL, locked_at timestamptz
    )";

pub(crate) struct Rows(Pool);

impl Rows {
    pub(crate) async fn of(url: &str) -> Self {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(url.parse().unwrap(), NoTls, config);
        let pool = Pool::builder(manager).max_size(POOL).runtime(Runtime::Tokio1).build().unwrap();
        pool.get().await.unwrap().batch_execute(TABLE).await.unwrap();
        Self(pool)
    }
}

impl Settles for Rows {
    type Task = Vec<String>;

    async fn task(&self, users: Range<u64>) -> Self::Task {
        let users: Vec<_> = users.map(|i| user(i).to_string()).collect();
        let client = self.0.get().await.unwrap();
        let add = "INSERT INTO login SELECT it, 0, NULL FROM unnest($1::text[]) AS it
                   ON CONFLICT DO NOTHING";
        client.execute(add, &[&users]).await.unwrap();
        users
    }

    async fn fail(&self, task: &mut Self::Task, user: usize) {
        let user = &task[user];
        let mut client = self.0.get().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        let look = "SELECT failures, locked_at IS NULL FROM login WHERE id = $1 FOR UPDATE";
        let look = transaction.prepare_cached(look).await.unwrap();
        let found = transaction.query_one(&look, &[user]).await.unwrap();
        assert!(found.get::<_, bool>(1), "nobody is locked");
        let failures = found.get::<_, i32>(0) + 1;
        let write = transaction.prepare_cached("UPDATE login SET failures = $2 WHERE id = $1");
        let write = write.await.unwrap();
        transaction.execute(&write, &[user, &failures]).await.unwrap();
        transaction.commit().await.unwrap();
    }
}
