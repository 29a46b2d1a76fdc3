//! The real server, as its own process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::client::Client;

pub(crate) const ORG: &str = "acme";

pub(crate) fn user(at: usize) -> String {
    format!("69629023906488{at:03}")
}

pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) token: String,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        let journal = folder.join("served.db");
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["serve", "--listen", "127.0.0.1:0", "--max-password-attempts", "0", "--journal"])
            .arg(&journal)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = told
            .find_map(|line| line.unwrap().strip_prefix("listening on http://").map(String::from));
        let token = fs::read_to_string(journal.with_extension("db.token")).unwrap();
        Self { child, address: url.unwrap(), token: token.trim().to_owned() }
    }

    /// Makes the users whom the callers log in.
    pub(crate) async fn register(&self, users: usize) {
        let mut client = Client::connect(self, 0).await;
        client.post("/portcullis/v1/orgs", &format!(r#"{{"orgId":"{ORG}"}}"#)).await;
        for at in 0..users {
            let body = format!(r#"{{"orgId":"{ORG}","userId":"{}"}}"#, user(at));
            client.post("/portcullis/v1/users", &body).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
