//! A client that costs as little as it can: one connection, one request at a time.

use std::fmt::Write as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{ORG, Server, user};

pub(crate) struct Client {
    stream: TcpStream,
    /// What every request's header has.
    headers: String,
    begin: String,
    record: String,
    request: String,
    answer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(server: &Server, at: usize) -> Self {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let user = user(at);
        let whose = format!(r#""orgId":"{ORG}","userId":"{user}","factor":"FACTOR_PASSWORD""#);
        Self {
            stream,
            headers: format!("host: bench\r\nauthorization: Bearer {}\r\n", server.token),
            begin: format!("{{{whose}}}"),
            record: format!(r#"{{{whose},"outcome":"OUTCOME_FAILURE"}}"#),
            request: String::new(),
            answer: Vec::new(),
        }
    }

    pub(crate) async fn healthz(&mut self) {
        self.get("/debug/healthz").await;
    }

    pub(crate) async fn policy(&mut self) {
        self.get("/management/v1/policies/lockout").await;
    }

    pub(crate) async fn clean_login(&mut self) {
        self.log_in(r#"{"outcome":"OUTCOME_SUCCESS"}"#, "accepted").await;
    }

    pub(crate) async fn failed_login(&mut self) {
        self.log_in(r#"{"outcome":"OUTCOME_FAILURE"}"#, "rejected").await;
    }

    pub(crate) async fn recorded_failure(&mut self) {
        let body = std::mem::take(&mut self.record);
        let answer = self.post("/portcullis/v1/attempts/record", &body).await;
        assert!(answer.contains("rejected"), "{answer}");
        self.record = body;
    }

    async fn log_in(&mut self, outcome: &str, verdict: &str) {
        let body = std::mem::take(&mut self.begin);
        let answer = self.post("/portcullis/v1/attempts", &body).await;
        let id = answer.split("\"attemptId\":\"").nth(1).unwrap().split('"').next().unwrap();
        let path = format!("/portcullis/v1/attempts/{id}/settle");
        self.begin = body;
        let answer = self.post(&path, outcome).await;
        assert!(answer.contains(verdict), "{answer}");
    }

    async fn get(&mut self, path: &str) {
        self.request.clear();
        write!(self.request, "GET {path} HTTP/1.1\r\n{}\r\n", self.headers).unwrap();
        self.exchange().await;
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> &str {
        self.request.clear();
        let (headers, length) = (&self.headers, body.len());
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        self.exchange().await
    }

    /// Sends the request, and reads the answer; it must be 200.
    async fn exchange(&mut self) -> &str {
        self.stream.write_all(self.request.as_bytes()).await.unwrap();
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await.unwrap();
            assert!(read > 0, "the server has closed the connection");
            let text = std::str::from_utf8(&self.answer).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= length {
                assert!(head.starts_with("HTTP/1.1 200"), "{text}");
                break;
            }
        }
        std::str::from_utf8(&self.answer).unwrap()
    }
}
