//! Reads a journal back, and tells a torn tail from damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use proxy::Fold;
use proxy::record::{FrameError, MAGIC, check_frame, read_frame};

const CHUNK: usize = 1 << 20;

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) fold: Fold,
    /// Records read.
    pub(crate) records: u64,
    /// Octets up to here are good frames.
    pub(crate) good: u64,
    /// What stands after them.
    pub(crate) tail: Tail,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tail {
    #[default]
    Clean,
    /// The last write was cut off.
    Torn,
    /// Something else; good frames follow, or are of a version not known.
    Damaged(FrameError),
}

/// Reads the first `end` octets.
pub(crate) fn read(file: &File, end: u64) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let (mut buffer, mut at) = (Vec::new(), 0);
    loop {
        let rest = buffer.get(at..).unwrap_or_default();
        let all_read = contents.good + rest.len() as u64 >= end;
        match read_frame(rest) {
            _ if rest.is_empty() && all_read => return Ok(contents),
            Ok((records, length)) => {
                contents.records += records.len() as u64;
                records.into_iter().for_each(|record| contents.fold.apply(record));
                contents.good += length as u64;
                at += length;
            }
            Err(FrameError::Short) if !all_read => {
                buffer.drain(..at);
                at = 0;
                fill(file, contents.good, end, &mut buffer)?;
            }
            Err(why) => {
                contents.tail = judge(file, contents.good, end, why)?;
                return Ok(contents);
            }
        }
    }
}

/// Adds the next chunk to `buffer`, whose first octet stands at `offset`.
fn fill(file: &File, offset: u64, end: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    let from = offset + buffer.len() as u64;
    let wanted = usize::try_from(end.saturating_sub(from)).unwrap_or(CHUNK).min(CHUNK);
    let start = buffer.len();
    buffer.resize(start + wanted, 0);
    file.read_exact_at(buffer.get_mut(start..).unwrap_or_default(), from)
}

/// A write that was cut off has nothing good after it.
fn judge(file: &File, offset: u64, end: u64, why: FrameError) -> io::Result<Tail> {
    if why == FrameError::Content {
        return Ok(Tail::Damaged(why));
    }
    let mut rest = Vec::new();
    while offset + (rest.len() as u64) < end {
        fill(file, offset, end, &mut rest)?;
    }
    let mut starts = rest.windows(MAGIC.len()).enumerate().skip(1).filter(|(_, four)| *four == MAGIC);
    let good_follows = starts.any(|(at, _)| check_frame(rest.get(at..).unwrap_or_default()).is_ok());
    Ok(if good_follows { Tail::Damaged(why) } else { Tail::Torn })
}
