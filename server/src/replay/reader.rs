//! Lines of any input, lent one at a time: the memory is the same however long the input is, and
//! nothing is copied where a line lies in the buffer as a whole.

use std::io::{self, BufRead, BufReader, Read};
use std::str;

use memchr::memchr;

use super::line::BadLine;

/// The longest line, in bytes and without its end.
pub const MAX_LINE: usize = 1 << 20;

/// Room for the longest line, its end and a byte order mark.
const MOST: usize = MAX_LINE + BYTE_ORDER_MARK.len() + b"\r\n".len();

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Large enough that calls to the system do not count, small enough for a core's own cache.
const BUFFER: usize = 128 << 10;

/// The lines of an input, blank ones left out.
#[derive(Debug)]
pub struct Lines<R> {
    input: BufReader<R>,
    /// How much of the buffer is the present line; 0 if that is in `pieced`.
    lent: usize,
    /// A line that was not in the buffer as a whole.
    pieced: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl<R: Read> Lines<R> {
    /// The lines of this input.
    pub fn new(input: R) -> Self {
        let input = BufReader::with_capacity(BUFFER, input);
        Self { input, lent: 0, pieced: Vec::new(), number: 0, bytes: 0 }
    }

    /// The number of the line last read; blank lines count.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How much of the input has been read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing is left to take without asking for more of the input.
    pub fn is_drained(&self) -> bool {
        self.input.buffer().len() <= self.lent
    }

    /// The next line that is not blank, without its end, or the news that it is too long. `None`
    /// at the end of the input.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend its own memory")]
    pub fn next(&mut self) -> io::Result<Option<Result<&[u8], BadLine>>> {
        while self.advance()? {
            if self.line().len() > MAX_LINE {
                let reason = format!("the line is longer than {MAX_LINE} bytes");
                return Ok(Some(Err(BadLine::new(MAX_LINE.saturating_add(1), &reason))));
            }
            if !is_blank(self.line()) {
                return Ok(Some(Ok(self.line())));
            }
        }
        Ok(None)
    }

    /// The present line, without its end.
    fn line(&self) -> &[u8] {
        let line = match self.lent {
            0 => &self.pieced,
            lent => self.input.buffer().get(..lent).unwrap_or_default(),
        };
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.number {
            1 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            _ => line,
        }
    }

    /// Goes to the next line. False at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.input.consume(self.lent);
        self.lent = 0;
        let read = match memchr(b'\n', self.input.buffer()) {
            Some(before) => {
                self.lent = before.saturating_add(1);
                self.lent
            }
            None => self.piece()?,
        };
        self.number = self.number.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read > 0)
    }

    /// Pieces a line together, up to what is too much, and passes over its rest.
    fn piece(&mut self) -> io::Result<usize> {
        self.pieced.clear();
        let most = u64::try_from(MOST).unwrap_or(u64::MAX);
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.pieced)?;
        if read == MOST && !self.pieced.ends_with(b"\n") {
            return Ok(read.saturating_add(self.input.skip_until(b'\n')?));
        }
        Ok(read)
    }
}

fn is_blank(line: &[u8]) -> bool {
    // Nearly every line begins so: no need to look further.
    !line.starts_with(b"{") && str::from_utf8(line).is_ok_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes a few at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(into.len());
            self.0.read(&mut into[..most])
        }
    }

    /// The lines, numbered; `None` for one that is too long.
    fn lines(text: &[u8], at_a_time: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(Slow(text, at_a_time));
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let line = line.ok().map(|line| String::from_utf8(line.to_vec()).unwrap());
            all.push((lines.number(), line));
        }
        assert_eq!(lines.bytes(), u64::try_from(text.len()).unwrap());
        all
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let some = |number, text: &str| (number, Some(String::from(text)));
        for at_a_time in [1, 2, 3, 7, usize::MAX] {
            let text = "\u{feff}{1}\n\r\n \t\u{3000}\n\n{2}\r\n\u{feff}x\n{3}";
            let expected =
                vec![some(1, "{1}"), some(5, "{2}"), some(6, "\u{feff}x"), some(7, "{3}")];
            assert_eq!(lines(text.as_bytes(), at_a_time), expected, "{at_a_time}");
            assert_eq!(lines(b"", at_a_time), vec![]);
            assert_eq!(lines("\u{feff}\n".as_bytes(), at_a_time), vec![]);
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_that_and_no_longer() {
        let longest = "x".repeat(MAX_LINE);
        for (text, fits) in [
            (format!("{longest}\n{{}}\n"), true),
            (format!("{longest}\r\n{{}}\n"), true),
            (format!("\u{feff}{longest}\r\n{{}}"), true),
            (format!("{longest}y\n{{}}\n"), false),
            (format!("{longest}{longest}y\n{{}}\n"), false),
        ] {
            for at_a_time in [5000, usize::MAX] {
                let all = lines(text.as_bytes(), at_a_time);
                assert_eq!(all[0], (1, fits.then(|| longest.clone())));
                assert_eq!(all[1], (2, Some(String::from("{}"))));
            }
        }
        assert_eq!(lines(longest.as_bytes(), 5000), vec![(1, Some(longest.clone()))]);
        assert_eq!(lines(format!("{longest}y").as_bytes(), 5000), vec![(1, None)]);
    }

    #[test]
    fn the_memory_of_a_long_line_is_bounded() {
        let mut lines = Lines::new(io::repeat(b'x').take(64 << 20));
        assert!(lines.next().unwrap().unwrap().is_err());
        assert!(lines.pieced.capacity() <= 4 * MAX_LINE);
        assert_eq!(lines.next().unwrap(), None);
    }
}
