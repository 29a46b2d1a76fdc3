//! Reading ahead: one thread turns lines into attempts while another runs them.
//!
//! Each takes about half of the time. Attempts travel in batches, a few of which are all that there
//! ever are: they go back to be filled anew, so that memory stays where it was allocated.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::line::{self, Attempt, BadLine};
use super::reader::Lines;

/// Large enough that handing over does not count, small enough to stay in a core's own cache.
const BATCH: usize = 512;

/// How many batches may wait.
const AHEAD: usize = 32;

/// Some lines as attempts, and how much of the input has been read with them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<Result<Attempt, NumberedBadLine>>,
    pub(super) bytes: u64,
}

/// A bad line and its number.
#[derive(Debug)]
pub(super) struct NumberedBadLine {
    pub(super) number: u64,
    pub(super) bad: BadLine,
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Feed {
    filled: Receiver<Batch>,
    used: Sender<Batch>,
    reader: Option<JoinHandle<io::Result<()>>>,
}

impl Feed {
    /// Begins to read. Nobody waits for the thread of a feed that is dropped: it may be waiting
    /// for an input that never comes.
    pub(super) fn start(input: impl Read + Send + 'static) -> io::Result<Self> {
        let (fill, filled) = sync_channel(AHEAD);
        let (used, reuse) = channel();
        let read = move || read(input, &fill, &reuse);
        let reader = thread::Builder::new().name(String::from("reader")).spawn(read)?;
        Ok(Self { filled, used, reader: Some(reader) })
    }

    /// The next batch; `None` at the end of the input.
    pub(super) fn next(&mut self) -> io::Result<Option<Batch>> {
        if let Ok(batch) = self.filled.recv() {
            return Ok(Some(batch));
        }
        match self.reader.take().map(JoinHandle::join) {
            None => Ok(None),
            Some(Ok(end)) => end.map(|()| None),
            // A report of a part of the input must not pass for one of the whole.
            Some(Err(_)) => Err(io::Error::other("the reader stopped")),
        }
    }

    pub(super) fn give_back(&self, batch: Batch) {
        // The reader may be done: then there is nothing to fill it with.
        let _ = self.used.send(batch);
    }
}

fn read(input: impl Read, fill: &SyncSender<Batch>, reuse: &Receiver<Batch>) -> io::Result<()> {
    let mut lines = Lines::new(input);
    loop {
        let mut batch = reuse.try_recv().unwrap_or_default();
        batch.lines.clear();
        let mut more = true;
        // An input that comes slowly is handed over as it comes.
        while more && batch.lines.len() < BATCH && (batch.lines.is_empty() || !lines.is_drained()) {
            let line = lines.next()?.map(|line| line.and_then(line::parse));
            more = line.is_some();
            let number = lines.number();
            batch.lines.extend(line.map(|it| it.map_err(|bad| NumberedBadLine { number, bad })));
        }
        batch.bytes = lines.bytes();
        if fill.send(batch).is_err() || !more {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some lines, and then what is no end.
    struct Broken(&'static [u8], fn() -> io::Error);

    impl Read for Broken {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Err((self.1)()) } else { self.0.read(into) }
        }
    }

    /// How many lines came, and how it ended.
    fn drain(input: impl Read + Send + 'static) -> (usize, io::Result<()>) {
        let mut feed = Feed::start(input).unwrap();
        let mut lines = 0;
        loop {
            match feed.next() {
                Ok(Some(batch)) => {
                    lines = batch.lines.len().saturating_add(lines);
                    feed.give_back(batch);
                }
                Ok(None) => return (lines, Ok(())),
                Err(error) => return (lines, Err(error)),
            }
        }
    }

    #[test]
    fn every_line_comes_once_and_in_order() {
        let text = "x\n\n".repeat(10 * BATCH);
        let mut feed = Feed::start(io::Cursor::new(text)).unwrap();
        let mut number = 1;
        while let Some(batch) = feed.next().unwrap() {
            for line in &batch.lines {
                assert_eq!(line.as_ref().unwrap_err().number, number);
                number = number.saturating_add(2);
            }
            feed.give_back(batch);
        }
        assert_eq!(number, 20 * u64::try_from(BATCH).unwrap() + 1);
        assert_eq!(drain(io::empty()).0, 0);
    }

    #[test]
    fn an_input_that_breaks_does_not_pass_for_one_that_ends() {
        let (lines, end) = drain(Broken(b"x\nx\n", || io::Error::other("gone")));
        assert_eq!((lines, end.unwrap_err().to_string().as_str()), (2, "gone"));
        let (_, end) = drain(Broken(b"x\nx\n", || panic!("a bug in a reader")));
        assert!(end.is_err());
    }

    #[test]
    fn what_has_come_is_not_held_back_for_what_may_come() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut feed = Feed::start(reader).unwrap();
        io::Write::write_all(&mut writer, b"x\nx\n").unwrap();
        assert_eq!(feed.next().unwrap().unwrap().lines.len(), 2);
        drop(writer);
        assert_eq!(feed.next().unwrap().map_or(0, |batch| batch.lines.len()), 0);
    }
}
