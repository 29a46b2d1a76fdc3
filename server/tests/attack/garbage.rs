//! Bytes that mean nothing, and frames that mean harm.

use std::io::Write;

use super::MIB;
use super::http2::{
    CONTINUATION, Client, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    frame, head,
};
use super::server::Server;

/// Numbers without an order, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn bytes(&mut self, number: usize) -> Vec<u8> {
        (0..number).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

#[test]
fn garbage_harms_nobody() {
    let server = Server::start(&["--header-timeout", "1s"]);
    let mut noise = Noise(1);
    let before = server.status("VmRSS");
    let mut open = Vec::new();
    for round in 0..300_usize {
        let number = 1 + usize::try_from(noise.next()).unwrap() % 5000;
        let bytes = noise.bytes(number);
        if round.is_multiple_of(2) {
            open.push(server.begin([]));
            let _ = open.last_mut().unwrap().write_all(&bytes);
        } else {
            let mut client = Client::open(&server, &[]);
            // Frames of any kind, any flags, any stream, and then what is no frame at all.
            for _ in 0..20 {
                let [kind, flags, stream, length] =
                    [11, 256, 8, 64].map(|most| noise.next() % most);
                let payload = noise.bytes(usize::try_from(length).unwrap());
                let (kind, flags) = (u8::try_from(kind).unwrap(), u8::try_from(flags).unwrap());
                let bytes = frame(kind, flags, u32::try_from(stream).unwrap(), &payload);
                let _ = client.send(&bytes);
            }
            let _ = client.send(&bytes);
            open.push(client.stream);
        }
        if round.is_multiple_of(50) {
            server.serves();
        }
    }
    server.serves();
    for mut stream in open {
        super::server::to_end(&mut stream);
    }
    server.serves();
    server.had_at_most(before + 32 * MIB);
}

/// Sends the same again and again until the server ends the connection; tells how often, and the reason
/// that it gives (`ENHANCE_YOUR_CALM` is 11).
fn flood(client: &mut Client, most: usize, mut bytes: impl FnMut(u32) -> Vec<u8>) -> (usize, u32) {
    let mut sent = 0;
    for at in 0..u32::try_from(most).unwrap() {
        if client.send(&bytes(at)).is_err() {
            break;
        }
        sent += 1;
    }
    let mut reason = u32::MAX;
    while let Some(frame) = client.read_frame() {
        if frame.kind == GOAWAY {
            reason = u32::from_be_bytes(frame.payload[4..8].try_into().unwrap());
        }
    }
    (sent, reason)
}

#[test]
fn floods_of_frames_end_the_connection() {
    let server = Server::start(&["--rate-per-address", "0"]);
    let before = server.status("VmRSS");
    // Streams that are opened and reset at once, faster than they are served.
    let mut client = Client::open(&server, &[]);
    let (_, reason) = flood(&mut client, 1_000_000, |at| {
        let stream = 2 * at + 1;
        let open = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", "/openapi.json"));
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [open, reset].concat().repeat(1)
    });
    assert!([11, u32::MAX].contains(&reason), "{reason}");
    server.serves();
    // A header without end.
    let mut client = Client::open(&server, &[]);
    let field = [&[0x00, 1, b'a', 0x7f, 0x81, 0x01][..], &[b'x'; 256]].concat();
    client.send(&frame(HEADERS, END_STREAM, 1, &head("GET", "/"))).unwrap();
    let (sent, _) = flood(&mut client, 1_000_000, |_| frame(CONTINUATION, 0, 1, &field.repeat(60)));
    assert!(sent < 1000, "{sent} frames of 15 KiB");
    server.serves();
    // Questions that nobody waits for the answer of: the server stops reading.
    let mut client = Client::open(&server, &[]);
    client.stream.set_write_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let ask = [frame(PING, 0, 0, &[1; 8]), frame(SETTINGS, 0, 0, &[])].concat().repeat(100);
    while client.send(&ask).is_ok() {}
    server.serves();
    server.had_at_most(before + 32 * MIB);
}
