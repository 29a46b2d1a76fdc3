//! An HTTP/1.1 client that can also do what a client should not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::{PATIENCE, Server};

pub(crate) const READ: &str = "/management/v1/policies/lockout";
pub(crate) const WRITE: &str = "/admin/v1/policies/password/lockout";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads the only answer on a connection, to its end.
    pub(crate) fn read(mut from: impl Read) -> Self {
        let mut text = Vec::new();
        // A server that closes early may reset the connection after its answer.
        let _ = from.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The head of a request, without the blank line behind it.
pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}")
}

impl Server<'_> {
    /// Begins a request that is sent by hand.
    pub(crate) fn begin(&self, text: &str) -> TcpStream {
        let mut stream = connect(self.address);
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        Answer::read(self.begin(&(head("GET", path, headers) + "\r\n")))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    /// A request with the token of the first start.
    pub(crate) fn authorized(&self, method: &str, path: &str, body: &str) -> Answer {
        let (token, length) = (format!("Bearer {}", self.token()), body.len().to_string());
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
            ("content-length", &length),
        ];
        Answer::read(self.begin(&(head(method, path, &headers) + "\r\n" + body)))
    }

    /// Sets the instance's limit.
    pub(crate) fn set_limit(&self, limit: u32) -> Answer {
        let body = format!("{{\"maxPasswordAttempts\":{limit},\"maxOtpAttempts\":1}}");
        self.authorized("PUT", WRITE, &body)
    }

    /// The instance's limit, as the API tells it.
    pub(crate) fn limit(&self) -> String {
        let answer = self.authorized("GET", READ, "");
        let limit = answer.json()["policy"]["maxPasswordAttempts"].clone();
        limit.as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }
}
