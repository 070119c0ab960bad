//! Source descriptions (RFC 3550 section 6.5) and canonical names (section 6.5.1).

use core::fmt;

use super::{RtcpError, u32_at};
use crate::{Ssrc, random::Random};

/// A source description packet.
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    count: u8,
    body: &'a [u8],
}

/// What a source description says about one source.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The source described.
    pub ssrc: Ssrc,
    items: &'a [u8],
}

/// One item: its type and its text, at most 255 octets. The text is UTF-8 by rule, any octets in fact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SdesItem<'a> {
    /// The item's type: 1 CNAME, 2 NAME, 3 EMAIL, 4 PHONE, 5 LOC, 6 TOOL, 7 NOTE, 8 PRIV.
    pub item_type: u8,
    /// The item's text as it came.
    pub text: &'a [u8],
}

impl SdesItem<'_> {
    /// The type of a canonical name.
    pub const CNAME: u8 = 1;
}

impl<'a> SourceDescription<'a> {
    pub(super) fn read(count: u8, body: &'a [u8], at: usize) -> Result<Self, RtcpError> {
        let mut rest = body;
        for _ in 0..count {
            (_, rest) = split_chunk(rest).ok_or(RtcpError::SdesItem { at })?;
        }
        Ok(Self { count, body })
    }

    /// The chunks in order, at most 31.
    pub const fn chunks(&self) -> Chunks<'a> {
        Chunks { left: self.count, rest: self.body }
    }

    /// The canonical name given for `ssrc`, if there is one.
    pub fn cname_of(&self, ssrc: Ssrc) -> Option<&'a [u8]> {
        let chunk = self.chunks().find(|chunk| chunk.ssrc == ssrc)?;
        chunk.items().find(|item| item.item_type == SdesItem::CNAME).map(|item| item.text)
    }
}

/// Iterator over the chunks of a [`SourceDescription`].
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    left: u8,
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (chunk, rest) = split_chunk(self.rest)?;
        self.rest = rest;
        Some(chunk)
    }
}

impl<'a> Chunk<'a> {
    /// The items in order.
    pub const fn items(&self) -> Items<'a> {
        Items { rest: self.items }
    }
}

/// Iterator over the items of a [`Chunk`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = SdesItem<'a>;

    fn next(&mut self) -> Option<SdesItem<'a>> {
        let (item, rest) = split_item(self.rest)?;
        self.rest = rest;
        Some(item)
    }
}

/// Splits `SSRC, items, null octets to the next 32 bit boundary` off the front. A last chunk whose items fill the
/// packet to its end is taken without the null octet it should have.
fn split_chunk(body: &[u8]) -> Option<(Chunk<'_>, &[u8])> {
    let ssrc = Ssrc(u32_at(body, 0)?);
    let items = body.get(4..)?;
    let mut rest = items;
    while rest.first().is_some_and(|&item_type| item_type != 0) {
        rest = split_item(rest)?.1;
    }
    let used = items.len() - rest.len();
    // At least one null octet ends the list; the chunk ends at the next boundary, counted from its SSRC.
    let end = (used + 1).next_multiple_of(4).min(items.len());
    Some((Chunk { ssrc, items: items.get(..used)? }, items.get(end..)?))
}

fn split_item(list: &[u8]) -> Option<(SdesItem<'_>, &[u8])> {
    let (&[item_type, length], rest) = list.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((SdesItem { item_type, text }, rest))
}

/// A canonical name: what a participant is called in every session and after every change of SSRC (RFC 3550 section
/// 6.5.1). 1 to 255 octets of UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cname(Box<str>);

/// A text cannot be a canonical name: it is empty or longer than 255 octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidCname {
    /// Its length in octets.
    pub length: usize,
}

impl fmt::Display for InvalidCname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CNAME of {} octets, expected 1 to 255 (RFC 3550 6.5.1)", self.length)
    }
}

impl core::error::Error for InvalidCname {}

impl Cname {
    /// The most octets a name can have.
    pub const MAX_LEN: usize = 255;

    /// A name of the caller's choice.
    ///
    /// # Errors
    /// [`InvalidCname`] when it is empty or too long.
    pub fn new(name: &str) -> Result<Self, InvalidCname> {
        if name.is_empty() || name.len() > Self::MAX_LEN {
            return Err(InvalidCname { length: name.len() });
        }
        Ok(Self(name.into()))
    }

    /// A name that says nothing about the user or the host: 96 bits from `seed` in base64, to be used for one
    /// session (RFC 7022 section 4.2). Let the seed come from the system's generator.
    pub fn from_seed(seed: u64) -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut random = Random::new(seed ^ 0x434e_414d_4500_0000);
        let mut name = String::with_capacity(16);
        for _ in 0..2 {
            let bits = random.next();
            for shift in 0..8 {
                let index = (bits >> (6 * shift)) as usize & 63;
                name.push(char::from(*ALPHABET.get(index).unwrap_or(&b'A')));
            }
        }
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
