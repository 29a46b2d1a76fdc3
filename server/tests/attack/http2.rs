//! HTTP/2 by hand, so that it can be wrong.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::server::Server;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    next: u32,
}

/// A frame as it came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A frame as it is sent.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a GET or a POST, in HPACK without a table.
pub(crate) fn head(method: &str, path: &str) -> Vec<u8> {
    let mut head = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x86];
    for (name, value) in [(0x04, path), (0x01, "a")] {
        head.extend([name, u8::try_from(value.len()).unwrap()]);
        head.extend(value.as_bytes());
    }
    head
}

impl Client {
    /// Greets, with these settings.
    pub(crate) fn open(server: &Server, settings: &[(u16, u32)]) -> Self {
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let mut stream = server.begin(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        stream.write_all(&frame(SETTINGS, 0, 0, &payload)).unwrap();
        stream.write_all(&frame(SETTINGS, 1, 0, &[])).unwrap();
        Self { stream, next: 1 }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Opens a stream with a request; gives its number.
    pub(crate) fn request(&mut self, method: &str, path: &str) -> io::Result<u32> {
        let stream = self.next;
        self.next += 2;
        let end = if method == "GET" { END_STREAM } else { 0 };
        self.send(&frame(HEADERS, END_HEADERS | end, stream, &head(method, path)))?;
        Ok(stream)
    }

    /// A request, and its answer to the end.
    pub(crate) fn get(&mut self, path: &str) {
        let stream = self.request("GET", path).unwrap();
        loop {
            let frame = self.read_frame().unwrap();
            if frame.stream == stream && frame.kind == DATA {
                return;
            }
        }
    }

    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.send(&frame(PING, 0, 0, &[7; 8]))
    }

    /// `None` once the server has ended the connection.
    pub(crate) fn read_frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.stream.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("it is silent"),
            read => read.ok()?,
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], stream, payload })
    }
}
