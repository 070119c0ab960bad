//! Changes of bindings as plain data, and their binary form.
//!
//! All records of one REGISTER make one *batch*: one frame with one checksum, so that after a crash a REGISTER has happened whole or not at all.
//!
//! ```text
//! frame    "OHB1"  length: u32  checksum: u32  records            little-endian; the checksum covers length and records
//! record   kind: u8  size: u32  content
//! content  added, changed:   expiry: u64 (wall seconds)  cseq: u32  q: u16  seven lengths: u16  texts
//!          refreshed:        expiry: u64                 cseq: u32  q: u16  aor: u16 + text  uri: u16 + text
//!          removed:                                                        aor: u16 + text  uri: u16 + text
//!          both of a flow, as kinds of their own: the same, and behind it instance and number: u16 + text
//! ```

use std::fmt;

use sip::time::WallTime;

use crate::crc::crc32;
use crate::instance;
use crate::packed::{Packed, Piece, Texts, TooLong};

/// The first octets of a frame; the last letter is the version.
pub const MAGIC: [u8; 4] = *b"OHB1";
/// Octets before a frame's records.
pub const FRAME_HEAD: usize = 12;
/// Most octets of records in one frame.
pub const FRAME_MAX: usize = 16 << 20;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A binding is new.
    Added,
    /// A binding goes on with another text: Call-ID, parameters, path or origin.
    Changed,
    /// A binding goes on; only the numbers differ.
    Refreshed,
    /// A binding is gone.
    Removed,
}

/// One change of one binding. Shares its text with the table it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(crate) kind: Kind,
    pub(crate) expires: WallTime,
    pub(crate) cseq: u32,
    pub(crate) q: u16,
    pub(crate) packed: Packed,
}

impl Record {
    /// A record made by hand; those of a registrar come from `registrar::Registrar`.
    ///
    /// # Errors
    /// A text is longer than 65,535 octets.
    pub fn new(kind: Kind, expires: WallTime, cseq: u32, q: u16, texts: &Texts<'_>) -> Result<Record, TooLong> {
        Ok(Record { kind, expires, cseq, q, packed: Packed::new(texts, None)? })
    }
    /// What happened.
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// The address of record.
    pub fn aor(&self) -> &str {
        self.packed.text(Piece::Aor)
    }
    /// The Contact URI.
    pub fn uri(&self) -> &str {
        self.packed.text(Piece::Uri)
    }
    /// What tells the binding from all others of its address of record: instance and number of a flow, wherever it leads now (RFC 5626 section 6), and
    /// the Contact URI of any other.
    pub fn name(&self) -> &str {
        instance::flow(self.packed.text(Piece::Params)).unwrap_or_else(|| self.uri())
    }
    /// When the binding ends, by the wall clock; meaningless for [`Kind::Removed`].
    pub fn expires(&self) -> WallTime {
        self.expires
    }
    /// CSeq number of the REGISTER.
    pub fn cseq(&self) -> u32 {
        self.cseq
    }
    /// Preference in thousandths, 0 to 1000 (RFC 3261 section 20.10 `q`).
    pub fn q(&self) -> u16 {
        self.q
    }
    /// All texts. Read back from octets, [`Kind::Refreshed`] and [`Kind::Removed`] know address of record and URI only.
    pub fn texts(&self) -> Texts<'_> {
        self.packed.texts()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let flow = instance::flow(self.packed.text(Piece::Params));
        out.push(match (self.kind, flow) {
            (Kind::Added, _) => 1,
            (Kind::Changed, _) => 2,
            (Kind::Refreshed, None) => 3,
            (Kind::Removed, None) => 4,
            (Kind::Refreshed, Some(_)) => 5,
            (Kind::Removed, Some(_)) => 6,
        });
        let size_at = out.len();
        out.extend([0; 4]);
        if self.kind != Kind::Removed {
            out.extend(self.expires.0.to_le_bytes());
            out.extend(self.cseq.to_le_bytes());
            out.extend(self.q.to_le_bytes());
        }
        match self.kind {
            Kind::Added | Kind::Changed => out.extend_from_slice(self.packed.as_bytes()),
            Kind::Refreshed | Kind::Removed => {
                for text in [Some(self.aor()), Some(self.uri()), flow].into_iter().flatten() {
                    // A packed text is never longer than a u16 says.
                    out.extend((text.len() as u16).to_le_bytes());
                    out.extend_from_slice(text.as_bytes());
                }
            }
        }
        let size = (out.len() - size_at - 4) as u32;
        if let Some(place) = out.get_mut(size_at..size_at + 4) {
            place.copy_from_slice(&size.to_le_bytes());
        }
    }

    fn read(kind: u8, mut content: &[u8]) -> Option<Record> {
        let (kind, of_flow) = match kind {
            1 => (Kind::Added, false),
            2 => (Kind::Changed, false),
            3 => (Kind::Refreshed, false),
            4 => (Kind::Removed, false),
            5 => (Kind::Refreshed, true),
            6 => (Kind::Removed, true),
            _ => return None,
        };
        let (mut expires, mut cseq, mut q) = (WallTime(0), 0, 0);
        if kind != Kind::Removed {
            expires = WallTime(u64::from_le_bytes(*take(&mut content)?));
            cseq = u32::from_le_bytes(*take(&mut content)?);
            q = u16::from_le_bytes(*take(&mut content)?);
        }
        let packed = match kind {
            Kind::Added | Kind::Changed => Packed::from_bytes(content)?,
            Kind::Refreshed | Kind::Removed => {
                let (aor, uri) = (text(&mut content)?, text(&mut content)?);
                let params = if of_flow { text(&mut content)? } else { "" };
                content.is_empty().then_some(())?;
                Packed::new(&Texts { aor, uri, params, ..Texts::default() }, None).ok()?
            }
        };
        Some(Record { kind, expires, cseq, q, packed })
    }
}

fn take<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(head)
}

fn text<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::from(u16::from_le_bytes(*take(from)?));
    let (text, rest) = from.split_at_checked(len)?;
    *from = rest;
    std::str::from_utf8(text).ok()
}

/// Why octets are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// They end before the frame does: a torn write.
    Short,
    /// They do not begin with [`MAGIC`]: not a frame, or one of another version.
    Magic,
    /// The length is beyond [`FRAME_MAX`].
    Length,
    /// The checksum is wrong.
    Checksum,
    /// The checksum is right, but this version does not know what it reads.
    Content,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameError::Short => "expected more octets of a frame",
            FrameError::Magic => "expected the start of a frame, OHB1",
            FrameError::Length => "expected a frame of at most 16 MiB",
            FrameError::Checksum => "expected another checksum",
            FrameError::Content => "expected records of version 1",
        })
    }
}

impl std::error::Error for FrameError {}

/// Appends one frame with all `records` to `out`. Nothing is written for no records. `false`, and nothing written, when they exceed [`FRAME_MAX`].
pub fn write_frame(records: &[Record], out: &mut Vec<u8>) -> bool {
    if records.is_empty() {
        return true;
    }
    let start = out.len();
    out.extend(MAGIC);
    out.extend([0; 8]);
    records.iter().for_each(|record| record.write(out));
    let length = out.len() - start - FRAME_HEAD;
    if length > FRAME_MAX {
        out.truncate(start);
        return false;
    }
    if let Some(frame) = out.get_mut(start..)
        && let Some((head, content)) = frame.split_first_chunk_mut::<FRAME_HEAD>()
    {
        let length = (length as u32).to_le_bytes();
        let checksum = checksum(length, content).to_le_bytes();
        let [_, _, _, _, l0, l1, l2, l3, c0, c1, c2, c3] = head;
        [*l0, *l1, *l2, *l3] = length;
        [*c0, *c1, *c2, *c3] = checksum;
    }
    true
}

/// The checksum of the length joins that of the content: a wrong length is found even where it happens to end at another frame.
fn checksum(length: [u8; 4], content: &[u8]) -> u32 {
    crc32(content) ^ crc32(&length).rotate_left(16)
}

/// Length of the whole frame at the start of `bytes`, its checksum verified.
pub fn check_frame(bytes: &[u8]) -> Result<usize, FrameError> {
    let known = bytes.len().min(MAGIC.len());
    if bytes.get(..known) != MAGIC.get(..known) {
        return Err(FrameError::Magic);
    }
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD>() else { return Err(FrameError::Short) };
    let [_, _, _, _, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let (length, sum) = ([l0, l1, l2, l3], u32::from_le_bytes([c0, c1, c2, c3]));
    let size = u32::from_le_bytes(length) as usize;
    if size > FRAME_MAX {
        return Err(FrameError::Length);
    }
    let content = rest.get(..size).ok_or(FrameError::Short)?;
    if checksum(length, content) == sum { Ok(FRAME_HEAD + size) } else { Err(FrameError::Checksum) }
}

/// The records of the frame at the start of `bytes`, and the frame's length.
pub fn read_frame(bytes: &[u8]) -> Result<(Vec<Record>, usize), FrameError> {
    let length = check_frame(bytes)?;
    let mut rest = bytes.get(FRAME_HEAD..length).unwrap_or_default();
    let mut records = Vec::new();
    while !rest.is_empty() {
        records.push(read_record(&mut rest).ok_or(FrameError::Content)?);
    }
    Ok((records, length))
}

fn read_record(rest: &mut &[u8]) -> Option<Record> {
    let [kind] = *take(rest)?;
    let size = u32::from_le_bytes(*take(rest)?) as usize;
    let (content, after) = rest.split_at_checked(size)?;
    *rest = after;
    Record::read(kind, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind) -> Record {
        let texts =
            Texts { aor: "sip:alice@example.com", uri: "sip:alice@192.0.2.7:5060", call_id: "abc", ..Texts::default() };
        Record { kind, expires: WallTime(1_800_000_000), cseq: 7, q: 500, packed: Packed::new(&texts, None).unwrap() }
    }

    fn all() -> Vec<Record> {
        vec![record(Kind::Added), record(Kind::Changed), record(Kind::Refreshed), record(Kind::Removed)]
    }

    #[test]
    fn frames_are_read_as_written_one_after_the_other() {
        let mut bytes = Vec::new();
        assert!(write_frame(&[], &mut bytes));
        assert!(bytes.is_empty());
        assert!(write_frame(&all(), &mut bytes));
        let first = bytes.len();
        assert!(write_frame(&all()[..1], &mut bytes));
        let (records, length) = read_frame(&bytes).unwrap();
        assert_eq!((records.len(), length), (4, first));
        for (read, written) in records.iter().zip(all()) {
            assert_eq!((read.kind(), read.aor(), read.uri()), (written.kind(), written.aor(), written.uri()));
            if read.kind() != Kind::Removed {
                assert_eq!((read.expires(), read.cseq(), read.q()), (written.expires(), 7, 500));
            }
        }
        assert_eq!(records[0], all()[0]);
        assert_eq!(read_frame(&bytes[first..]).unwrap(), (all()[..1].to_vec(), bytes.len() - first));
    }

    #[test]
    fn a_torn_frame_is_short_at_every_octet() {
        let mut bytes = Vec::new();
        write_frame(&all(), &mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(check_frame(&bytes[..cut]), Err(FrameError::Short), "{cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut bytes = Vec::new();
        write_frame(&all(), &mut bytes);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(read_frame(&flipped).is_err(), "bit {at}");
        }
    }

    #[test]
    fn a_right_checksum_over_nonsense_is_still_refused() {
        for content in
            [&[9, 0, 0, 0, 0][..], &[1, 0, 0, 0, 0], &[4, 255, 255, 255, 255], &[1], &[4, 5, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            let length = (content.len() as u32).to_le_bytes();
            let bytes = [&MAGIC, &length[..], &checksum(length, content).to_le_bytes(), content].concat();
            assert_eq!(read_frame(&bytes), Err(FrameError::Content), "{content:?}");
        }
        let length = (FRAME_MAX as u32 + 1).to_le_bytes();
        assert_eq!(check_frame(&[&MAGIC, &length[..], &[0; 4]].concat()), Err(FrameError::Length));
        assert_eq!(check_frame(b"OHB2"), Err(FrameError::Magic));
    }
}
