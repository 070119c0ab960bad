//! Writing compound packets (RFC 3550 section 6.1).

use super::{App, Cname, ReportBlock, SdesItem, SenderInfo, packet_type};
use crate::{Ssrc, packet::BufferTooSmall};

/// Writes a compound packet into a buffer of the caller's: a report and a CNAME first, then what is added.
///
/// A failed call leaves what was written before it valid; [`CompoundWriter::len`] tells where that ends.
///
/// ```
/// use rtp::{Ssrc, rtcp::{Cname, Compound, CompoundWriter}};
/// let mut buffer = [0; 256];
/// let mut writer = CompoundWriter::receiver_report(&mut buffer, Ssrc(1), &[], &Cname::from_seed(1))?;
/// writer.bye(&[Ssrc(1)], "hung up")?;
/// let length = writer.len();
/// assert_eq!(Compound::parse(&buffer[..length]).unwrap().packets().count(), 3);
/// # Ok::<(), rtp::packet::BufferTooSmall>(())
/// ```
#[derive(Debug)]
pub struct CompoundWriter<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> CompoundWriter<'a> {
    /// Starts with a sender report. Blocks past the 31st go into receiver reports behind it (section 6.1).
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn sender_report(
        out: &'a mut [u8],
        ssrc: Ssrc,
        info: &SenderInfo,
        blocks: &[ReportBlock],
        cname: &Cname,
    ) -> Result<Self, BufferTooSmall> {
        let mut writer = Self { out, len: 0 };
        let (first, rest) = blocks.split_at(blocks.len().min(ReportBlock::MAX_PER_REPORT));
        writer.packet(packet_type::SENDER_REPORT, first.len(), 24 + first.len() * ReportBlock::LEN, |body| {
            body.word(ssrc.0);
            info.words().into_iter().for_each(|word| body.word(word));
            body.blocks(first);
        })?;
        writer.more_blocks(ssrc, rest)?;
        writer.cname(ssrc, cname)?;
        Ok(writer)
    }

    /// Starts with a receiver report, for those who sent nothing lately.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn receiver_report(
        out: &'a mut [u8],
        ssrc: Ssrc,
        blocks: &[ReportBlock],
        cname: &Cname,
    ) -> Result<Self, BufferTooSmall> {
        let mut writer = Self { out, len: 0 };
        let (first, rest) = blocks.split_at(blocks.len().min(ReportBlock::MAX_PER_REPORT));
        writer.one_receiver_report(ssrc, first)?;
        writer.more_blocks(ssrc, rest)?;
        writer.cname(ssrc, cname)?;
        Ok(writer)
    }

    /// Adds a BYE for `sources` (the first 31 of them). The reason is cut to 255 octets and left out when empty.
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn bye(&mut self, sources: &[Ssrc], reason: &str) -> Result<(), BufferTooSmall> {
        let sources = sources.get(..31).unwrap_or(sources);
        let reason = reason.get(..reason.floor_char_boundary(255)).unwrap_or("");
        let text = if reason.is_empty() { 0 } else { 1 + reason.len() };
        let body_len = sources.len() * 4 + text.next_multiple_of(4);
        self.packet(packet_type::GOODBYE, sources.len(), body_len, |body| {
            for source in sources {
                body.word(source.0);
            }
            if !reason.is_empty() {
                body.octets(&[reason.len() as u8]);
                body.octets(reason.as_bytes());
            }
        })
    }

    /// Adds an APP packet. Data that is no multiple of four octets is filled up with zeros; the subtype is cut to
    /// five bits.
    ///
    /// # Errors
    /// [`BufferTooSmall`], also when the data exceeds what the length field can say.
    pub fn app(&mut self, app: &App<'_>) -> Result<(), BufferTooSmall> {
        let body_len = 8 + app.data.len().next_multiple_of(4);
        self.packet(packet_type::APPLICATION, usize::from(app.subtype), body_len, |body| {
            body.word(app.ssrc.0);
            body.octets(&app.name);
            body.octets(app.data);
        })
    }

    /// Octets written so far: the compound packet is the buffer's first `len` octets.
    // A compound packet is never empty: it starts with a report.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        self.len
    }

    fn one_receiver_report(&mut self, ssrc: Ssrc, blocks: &[ReportBlock]) -> Result<(), BufferTooSmall> {
        let body_len = 4 + blocks.len() * ReportBlock::LEN;
        self.packet(packet_type::RECEIVER_REPORT, blocks.len(), body_len, |body| {
            body.word(ssrc.0);
            body.blocks(blocks);
        })
    }

    fn more_blocks(&mut self, ssrc: Ssrc, blocks: &[ReportBlock]) -> Result<(), BufferTooSmall> {
        blocks.chunks(ReportBlock::MAX_PER_REPORT).try_for_each(|blocks| self.one_receiver_report(ssrc, blocks))
    }

    fn cname(&mut self, ssrc: Ssrc, cname: &Cname) -> Result<(), BufferTooSmall> {
        let text = cname.as_str().as_bytes();
        // SSRC, type, length, text, and at least one null octet to end the items.
        let body_len = 4 + (2 + text.len() + 1).next_multiple_of(4);
        self.packet(packet_type::SOURCE_DESCRIPTION, 1, body_len, |body| {
            body.word(ssrc.0);
            body.octets(&[SdesItem::CNAME, text.len() as u8]);
            body.octets(text);
        })
    }

    /// Writes one packet: common header, then `body_len` octets of which `fill` writes the beginning.
    fn packet(
        &mut self,
        packet_type: u8,
        count: usize,
        body_len: usize,
        fill: impl FnOnce(&mut Body<'_>),
    ) -> Result<(), BufferTooSmall> {
        let have = self.out.len();
        let need = self.len.saturating_add(4).saturating_add(body_len);
        let words = u16::try_from(body_len / 4).map_err(|_| BufferTooSmall { need, have })?;
        let Some(target) = self.out.get_mut(self.len..need) else {
            return Err(BufferTooSmall { need, have });
        };
        target.fill(0);
        let [hi, lo] = words.to_be_bytes();
        let mut body = Body { rest: target };
        body.octets(&[0x80 | (count as u8 & 0x1f), packet_type, hi, lo]);
        fill(&mut body);
        self.len = need;
        Ok(())
    }
}

/// The unwritten rest of a packet's space; what does not fit is dropped, which exact sizes rule out.
struct Body<'a> {
    rest: &'a mut [u8],
}

impl Body<'_> {
    fn octets(&mut self, octets: &[u8]) {
        let rest = core::mem::take(&mut self.rest);
        if let Some((target, rest)) = rest.split_at_mut_checked(octets.len()) {
            target.copy_from_slice(octets);
            self.rest = rest;
        }
    }

    fn word(&mut self, word: u32) {
        self.octets(&word.to_be_bytes());
    }

    fn blocks(&mut self, blocks: &[ReportBlock]) {
        for block in blocks {
            block.words().into_iter().for_each(|word| self.word(word));
        }
    }
}
