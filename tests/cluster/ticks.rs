//! One clock for several processes: whoever asks is given a number that is higher than each one that was
//! given before. So of two calls in different processes it is known which was over before the other
//! began, without believing any clock.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Gives out numbers; it ends with the process.
pub(crate) fn serve() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let next = Arc::new(AtomicU64::new(1));
    thread::spawn(move || {
        for asker in listener.incoming().map_while(Result::ok) {
            let next = Arc::clone(&next);
            thread::spawn(move || answer(asker, &next));
        }
    });
    port
}

fn answer(mut asker: TcpStream, next: &AtomicU64) {
    let _ = asker.set_nodelay(true);
    while asker.read_exact(&mut [0]).is_ok() {
        let number = next.fetch_add(1, Ordering::SeqCst);
        if asker.write_all(&number.to_le_bytes()).is_err() {
            return;
        }
    }
}

/// Who asks.
pub(crate) struct Ticks(TcpStream);

impl Ticks {
    pub(crate) fn of(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) fn next(&mut self) -> u64 {
        let mut number = [0; 8];
        self.0.write_all(&[0]).unwrap();
        self.0.read_exact(&mut number).unwrap();
        u64::from_le_bytes(number)
    }
}
