//! A node: a folder of its own, `portcullis serve` in it, and an HTTP client.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PATIENCE, until};

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    #[track_caller]
    pub(crate) fn fails(&self, code: i32, part: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(part), "{self:?}");
    }
}

/// A folder, and a journal that commands in it are run on.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) journal: String,
}

impl Place {
    pub(crate) fn on(journal: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), journal: journal.to_owned() }
    }

    /// A command with none of the settings of whoever runs the tests.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("portcullis"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PORTCULLIS_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.folder.path()).args(args);
        command.env("PORTCULLIS_JOURNAL", &self.journal);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "")
    }

    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Run {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who does not read it may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Run { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The text of a new token of a machine user of the organization `ops` who may do everything.
    pub(crate) fn token(&self) -> String {
        let create = ["token", "create", "--user", "admin", "--org", "ops"];
        let roles = ["--role", "IAM_OWNER", "--role", "IAM_LOGIN_SERVICE"];
        self.run(&[&create[..], &roles].concat()).done().trim().to_owned()
    }
}

/// A server that listens.
pub(crate) struct Node {
    pub(crate) place: Place,
    child: Child,
    /// What it said on stdout until it listened.
    pub(crate) said: String,
    address: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Node {
    pub(crate) fn start(journal: &str, args: &[&str]) -> Self {
        Self::begin(Place::on(journal), args).listens()
    }

    /// Starts it and does not wait.
    pub(crate) fn begin(place: Place, args: &[&str]) -> Starting {
        let log = File::create(place.folder.path().join("log")).unwrap();
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let mut command = place.command(&[&serve, args].concat());
        let child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        Starting { place, child }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.folder.path().join("log")).unwrap()
    }

    /// A request with a token, and its answer.
    pub(crate) fn call(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.call_for(token, None, method, path, body)
    }

    /// The same about an organization.
    pub(crate) fn call_for(
        &self,
        token: &str,
        org: Option<&str>,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let org = org.map_or(String::new(), |org| format!("x-zitadel-orgid: {org}\r\n"));
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{org}\
             authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }

    pub(crate) fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, &Value::Null)
    }

    /// The status of a request that only needs to know the caller.
    pub(crate) fn knows(&self, token: &str) -> u16 {
        self.get(token, "/management/v1/policies/lockout").status
    }

    /// The limit for passwords that is in force for an organization; `None` while it cannot be told.
    pub(crate) fn limit(&self, token: &str, org: &str) -> Option<u64> {
        let answer =
            self.call_for(token, Some(org), "GET", "/management/v1/policies/lockout", &Value::Null);
        let limit = &answer.body["policy"]["maxPasswordAttempts"];
        limit.as_str().map(|limit| limit.parse().unwrap())
    }

    /// Does something about `acme` that has to succeed. A node that was kept waiting for too long, by
    /// whatever else the machine does, says that it knows no caller now, and has done nothing.
    #[track_caller]
    pub(crate) fn does(&self, token: &str, method: &str, path: &str, body: &Value) -> Value {
        let mut answer = None;
        until("it to be done", || {
            let call = self.call_for(token, Some("acme"), method, path, body);
            answer = Some(call).filter(|it| it.status != 503);
            answer.is_some()
        });
        let Answer { status, body } = answer.unwrap();
        assert_eq!(status, 200, "{method} {path}: {body}");
        body
    }

    /// Changes something about a user of `acme` by ZITADEL's API.
    #[track_caller]
    pub(crate) fn change_user(&self, token: &str, user: &str, what: &str) {
        let path = format!("/management/v1/users/{user}/_{what}");
        self.does(token, "POST", &path, &json!({}));
    }

    /// Registers `acme` and users of it.
    #[track_caller]
    pub(crate) fn register(&self, token: &str, users: &[&str]) {
        let add = |path: &str, what: &Value| {
            let path = format!("/portcullis/v1/{path}");
            until("it to be registered", || self.call(token, "POST", &path, what).status == 200);
        };
        add("orgs", &json!({"orgId": "acme", "name": "Acme"}));
        for user in users {
            add("users", &json!({"orgId": "acme", "userId": user}));
        }
    }

    /// Begins an attempt of a user of `acme`.
    pub(crate) fn begin_attempt(&self, token: &str, user: &str) -> Answer {
        let attempt = json!({"orgId": "acme", "userId": user, "factor": "FACTOR_PASSWORD"});
        self.call(token, "POST", "/portcullis/v1/attempts", &attempt)
    }

    /// What an attempt meets. One that is admitted is given up.
    pub(crate) fn admission(&self, token: &str, user: &str) -> &'static str {
        let begun = self.begin_attempt(token, user);
        if let Some(id) = begun.body["admitted"]["attemptId"].as_str() {
            self.settle(token, id, "OUTCOME_CANCELLED");
        }
        which(&begun, &["admitted", "locked", "busy", "refused"])
    }

    /// One attempt that fails; its verdict, or what it met.
    pub(crate) fn guess(&self, token: &str, user: &str) -> &'static str {
        let begun = self.begin_attempt(token, user);
        match begun.body["admitted"]["attemptId"].as_str() {
            None => which(&begun, &["locked", "busy", "refused"]),
            Some(id) => {
                let settled = self.settle(token, id, "OUTCOME_FAILURE");
                which(&settled, &["accepted", "rejected", "locked", "superseded", "cancelled"])
            }
        }
    }

    pub(crate) fn settle(&self, token: &str, id: &str, outcome: &str) -> Answer {
        let path = format!("/portcullis/v1/attempts/{id}/settle");
        self.call(token, "POST", &path, &json!({"outcome": outcome}))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}", self.log());
    }
}

/// Which one of several fields an answer has.
fn which(answer: &Answer, of: &[&'static str]) -> &'static str {
    of.iter().find(|field| !answer.body[**field].is_null()).copied().unwrap_or("none")
}

/// A server that may not listen yet.
pub(crate) struct Starting {
    place: Place,
    child: Child,
}

impl Starting {
    #[track_caller]
    pub(crate) fn listens(mut self) -> Node {
        let mut stdout = BufReader::new(self.child.stdout.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let begun = said.len();
            if stdout.read_line(&mut said).unwrap() == 0 {
                let log = fs::read_to_string(self.place.folder.path().join("log")).unwrap();
                panic!("it ended: {log}");
            }
            if let Some(url) = said[begun..].trim_end().strip_prefix("listening on http://") {
                break url.to_owned();
            }
        };
        Node { place: self.place, child: self.child, said, address }
    }
}

/// Also of a test that failed, nothing is left running.
impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
