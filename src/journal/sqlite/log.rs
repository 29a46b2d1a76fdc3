//! The write-ahead log, looked at before SQLite does.
//!
//! SQLite takes a log for ended at the first frame that is not as it was written: after a crash the
//! last transaction may be there in parts. If what is damaged was durable, that is a history silently
//! cut short. It was durable if there are frames of a later transaction behind it, for each one is
//! synced before the next begins; or if the index that the processes share (the file `-shm`), which
//! outlives them, counts more frames than are left. What is read here is laid down in SQLite's
//! documentation (fileformat2, section 4, and walformat).

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::schema::{corrupt, unavailable};
use crate::journal::JournalError;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// How often to look again: another process may be writing what is read.
const LOOKS: u32 = 3;

/// Looks at the log of a file that is about to be opened.
pub(super) fn check(file: &Path) -> Result<(), JournalError> {
    let path = beside(file, "-wal");
    let read = |error: io::Error| unavailable(&path, &error);
    let mut found = None;
    for _ in 0..LOOKS {
        // In this order: the log never has less than an index that was read before it.
        let index = Index::read(&beside(file, "-shm")).map_err(read)?;
        let log = Log::read(&path).map_err(read)?;
        // What is being written looks damaged once, and not twice at the same place.
        match log.damage(index.as_ref()) {
            None => return Ok(()),
            Some(damage) if found.as_ref() == Some(&damage) => {
                return Err(corrupt(&path, 0, &damage));
            }
            damage => found = damage,
        }
    }
    Ok(())
}

/// Whether there is no log, or nothing in it.
pub(super) fn is_empty(file: &Path) -> bool {
    std::fs::metadata(beside(file, "-wal")).map_or(true, |log| log.len() == 0)
}

fn beside(file: &Path, helper: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(helper);
    PathBuf::from(name)
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Damage {
    /// A frame is not what was written, and there are later transactions behind it.
    Frame { number: u64, offset: u64 },
    /// The header is not what was written, and there are transactions behind it.
    Header,
    /// There are fewer frames than the shared index counts.
    Short { frames: u64, counted: u64 },
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frame { number, offset } => write!(
                f,
                "frame {number} of the log, at byte {offset}, is not what was written, and later \
                 transactions follow it"
            ),
            Self::Header => f.write_str("the log's header is not what was written"),
            Self::Short { frames, counted } => write!(
                f,
                "the log has {frames} whole frames, and {counted} were durable when it was last used"
            ),
        }
    }
}

/// What can be told of a log.
#[derive(Debug, Default)]
struct Log {
    /// The two salts of the header, which every frame of this round repeats.
    salts: Option<[u8; 8]>,
    /// How many frames there are up to the end of the last whole transaction.
    committed: u64,
    damage: Option<Damage>,
}

impl Log {
    fn read(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            // SQLite has no locks on this file.
            Ok(file) => Self::scan(BufReader::with_capacity(1 << 16, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn scan(mut log: impl Read) -> io::Result<Self> {
        let mut header = [0; HEADER];
        if !fill(&mut log, &mut header)? {
            return Ok(Self::default());
        }
        let big_endian = header.first_chunk() == Some(&0x377f_0683_u32.to_be_bytes());
        let known = big_endian || header.first_chunk() == Some(&0x377f_0682_u32.to_be_bytes());
        let sums = Sums { big_endian, of: (0, 0) }.over(part(&header, 0, 24));
        let header_is_whole = known && stored(&header, 24) == sums.of;
        let size = usize::try_from(number(&header, 8)).unwrap_or(usize::MAX);
        if !(512..=65_536).contains(&size) {
            // Without the size of its pages nothing more can be told of it.
            let damage = Some(Damage::Header);
            return Ok(Self { damage, ..Self::default() });
        }
        let salts: [u8; 8] = salts(&header, 16);
        let mut scan = Self { salts: header_is_whole.then_some(salts), ..Self::default() };
        let mut before = Sums { big_endian, of: stored(&header, 24) };
        let mut salts_before = salts;
        let (mut broken, mut ended_since) = (None, false);
        let mut frame = vec![0; FRAME_HEADER.saturating_add(size)];
        for count in 1_u64.. {
            if !fill(&mut log, &mut frame)? {
                break;
            }
            let page = part(&frame, FRAME_HEADER, size);
            let sums = before.over(part(&frame, 0, 8)).over(page);
            let ends = number(&frame, 4) != 0;
            // A bad header cannot tell the salts: then frames that agree with each other count.
            let agrees = salts_of(&frame) == if header_is_whole { salts } else { salts_before };
            let whole = agrees && stored(&frame, 16) == sums.of;
            if broken.is_none() && !(whole && header_is_whole) {
                broken = Some(count);
                ended_since = agrees && ends;
            } else if broken.is_none() {
                scan.committed = if ends { count } else { scan.committed };
            } else if whole && ended_since {
                scan.damage = broken.map(|number| Damage::at(number, header_is_whole, frame.len()));
                break;
            } else {
                ended_since |= agrees && ends;
            }
            (before.of, salts_before) = (stored(&frame, 16), salts_of(&frame));
        }
        Ok(scan)
    }

    fn damage(self, index: Option<&Index>) -> Option<Damage> {
        if self.damage.is_some() {
            return self.damage;
        }
        let Index { frames: counted, in_file, salts } = index?;
        // Of another round of the log it says nothing; of a log that is gone, it is all there is.
        let same_round = self.salts.is_none_or(|of_log| of_log == *salts);
        let short = same_round && self.committed < *counted && in_file < counted;
        short.then_some(Damage::Short { frames: self.committed, counted: *counted })
    }
}

impl Damage {
    fn at(number: u64, header_is_whole: bool, frame: usize) -> Self {
        if !header_is_whole {
            return Self::Header;
        }
        let frame = u64::try_from(frame).unwrap_or(u64::MAX);
        let offset = number.saturating_sub(1).saturating_mul(frame).saturating_add(HEADER as u64);
        Self::Frame { number, offset }
    }
}

/// How much of the shared index says what it counts: its header twice, and a number.
const INDEX: usize = 100;

/// What the shared index says of the log.
#[derive(Debug)]
struct Index {
    /// How many frames there are.
    frames: u64,
    /// How many of them are in the database file as well.
    in_file: u64,
    salts: [u8; 8],
}

impl Index {
    /// `None` if there is none, or it is not whole, as when it is being written.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut start = [0; INDEX];
        match File::open(path) {
            Ok(mut file) => Ok(fill(&mut file, &mut start)?.then(|| Self::of(&start)).flatten()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(start: &[u8; INDEX]) -> Option<Self> {
        let (one, other) = (start.get(..48)?, start.get(48..96)?);
        let native = |from: usize| Some(u32::from_ne_bytes(*start.get(from..)?.first_chunk()?));
        let sums =
            Sums { big_endian: cfg!(target_endian = "big"), of: (0, 0) }.over(one.get(..40)?);
        let is_whole =
            one == other && native(0)? == 3_007_000 && (native(40)?, native(44)?) == sums.of;
        let frames = native(16)?.into();
        let in_file = native(96)?.into();
        is_whole.then_some(Self { frames, in_file, salts: salts(one, 32) })
    }
}

/// SQLite's running checksum.
#[derive(Clone, Copy, Debug)]
struct Sums {
    big_endian: bool,
    of: (u32, u32),
}

impl Sums {
    fn over(self, bytes: &[u8]) -> Self {
        let (mut one, mut other) = self.of;
        let word = |word: [u8; 4]| {
            if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        for pair in bytes.chunks_exact(8) {
            let ([first, second], _) = pair.as_chunks::<4>() else { continue };
            one = one.wrapping_add(word(*first)).wrapping_add(other);
            other = other.wrapping_add(word(*second)).wrapping_add(one);
        }
        Self { of: (one, other), ..self }
    }
}

/// Whether the buffer could be filled.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn part(bytes: &[u8], from: usize, length: usize) -> &[u8] {
    bytes.get(from..from.saturating_add(length)).unwrap_or_default()
}

/// A number, as the log has them.
fn number(bytes: &[u8], from: usize) -> u32 {
    part(bytes, from, 4).first_chunk().map_or(0, |it| u32::from_be_bytes(*it))
}

fn stored(bytes: &[u8], from: usize) -> (u32, u32) {
    (number(bytes, from), number(bytes, from.saturating_add(4)))
}

fn salts(bytes: &[u8], from: usize) -> [u8; 8] {
    part(bytes, from, 8).first_chunk().copied().unwrap_or_default()
}

fn salts_of(frame: &[u8]) -> [u8; 8] {
    salts(frame, 8)
}
