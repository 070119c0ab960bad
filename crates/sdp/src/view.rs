//! A stream together with what it inherits from the session section.

use std::ops::Deref;
use std::time::Duration;

use crate::bandwidth::Bandwidth;
use crate::connection::{Address, Connection};
use crate::direction::Direction;
use crate::media::{Media, MediaKind};
use crate::session::Session;
use crate::time::read_digits;

/// A media section seen as RFC 8866 section 5 wants it seen: with the session section as its default.
///
/// Derefs to [`Media`] for everything that is not inherited.
#[derive(Clone, Copy, Debug)]
pub struct MediaView<'a> {
    session: &'a Session,
    media: &'a Media,
}

/// The value of `a=rtcp`: RFC 3605 section 2.1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RtcpAttribute {
    /// Where RTCP is expected; at least 1.
    pub port: u16,
    /// Where, if not at the address of the stream.
    pub address: Option<Address>,
}

impl RtcpAttribute {
    fn read(value: &str) -> Option<RtcpAttribute> {
        let mut fields = value.split_ascii_whitespace();
        let port = read_digits::<u16>(fields.next()?).filter(|port| *port > 0)?;
        let address = match (fields.next(), fields.next(), fields.next()) {
            (Some(network), Some(kind), Some(address)) => Some(Address::read(network, kind, address)?),
            (None, ..) => None,
            _ => return None,
        };
        Some(RtcpAttribute { port, address })
    }
}

impl Media {
    /// Where RTCP goes when that is not the next port. RFC 3605. `None` too when the line cannot be read.
    pub fn rtcp(&self) -> Option<RtcpAttribute> {
        self.attributes.get("rtcp").and_then(RtcpAttribute::read)
    }

    /// Whether RTP and RTCP can share a port: `a=rtcp-mux`, RFC 5761 section 5.1.1.
    pub fn rtcp_mux(&self) -> bool {
        self.attributes.has("rtcp-mux")
    }
}

impl Session {
    /// The `index`-th stream, with what it inherits from the session section.
    pub fn stream(&self, index: usize) -> Option<MediaView<'_>> {
        self.media.get(index).map(|media| MediaView::new(self, media))
    }

    /// All streams in order, with what they inherit from the session section.
    pub fn streams(&self) -> impl Iterator<Item = MediaView<'_>> {
        self.media.iter().map(|media| MediaView::new(self, media))
    }

    /// The first accepted audio stream.
    pub fn audio(&self) -> Option<MediaView<'_>> {
        self.streams().find(|stream| stream.kind == MediaKind::Audio && !stream.is_rejected())
    }
}

impl<'a> MediaView<'a> {
    pub(crate) fn new(session: &'a Session, media: &'a Media) -> MediaView<'a> {
        MediaView { session, media }
    }

    /// The section itself.
    pub fn media(&self) -> &'a Media {
        self.media
    }

    /// The direction: of the section, else of the session, else `sendrecv`. RFC 8866 section 6.7.
    pub fn direction(&self) -> Direction {
        self.media.attributes.direction().or_else(|| self.session.attributes.direction()).unwrap_or_default()
    }

    /// The first `c=` of the section, else the one of the session. RFC 8866 section 5.7.
    pub fn connection(&self) -> Option<&'a Connection> {
        self.media.connections.first().or(self.session.connection.as_ref())
    }

    /// Whether the stream is held by the null address, the way of RFC 2543 (RFC 3264 section 8.4). With ICE the
    /// null address means that there is no candidate yet (RFC 8839 section 4.3.1), so then it is not a hold.
    pub fn is_held_by_address(&self) -> bool {
        let null = self.connection().is_some_and(|connection| connection.address.is_null());
        null && !self.attribute_or_session("ice-ufrag")
    }

    /// `a=ptime` of the section or the session: the packet length the author wants to receive. RFC 8866 section 6.4.
    /// More than 0, at most 65.535 s; `None` for anything else.
    pub fn ptime(&self) -> Option<Duration> {
        self.inherited("ptime").and_then(read_packet_time)
    }

    /// `a=maxptime` of the section or the session, bounded as [`MediaView::ptime`]. RFC 8866 section 6.5.
    pub fn maxptime(&self) -> Option<Duration> {
        self.inherited("maxptime").and_then(read_packet_time)
    }

    /// The bandwidth of this kind, of the section or else of the session. RFC 8866 section 5.8.
    pub fn bandwidth(&self, kind: &str) -> Option<u64> {
        let of = |lines: &[Bandwidth]| lines.iter().find(|line| line.kind == kind).map(|line| line.value);
        of(&self.media.bandwidths).or_else(|| of(&self.session.bandwidths))
    }

    /// The first attribute with this name, of the section or else of the session; `""` for a property.
    pub fn inherited(&self, name: &str) -> Option<&'a str> {
        // Borrowed through the references held here, so the values outlive the view.
        let (media, session): (&'a Media, &'a Session) = (self.media, self.session);
        media.attributes.get(name).or_else(|| session.attributes.get(name))
    }

    /// Where the author expects RTP: `None` for a rejected stream, without `c=`, or at the null address.
    pub fn rtp_endpoint(&self) -> Option<(Address, u16)> {
        let address = &self.connection()?.address;
        (!self.media.is_rejected() && !address.is_null()).then(|| (address.clone(), self.media.port))
    }

    /// Where the author expects RTCP: `a=rtcp`, else the next port (RFC 3264 section 5.1, RFC 3605). `None` when
    /// [`MediaView::rtp_endpoint`] is, or when the port would be 65 536. `a=rtcp-mux` is an offer of its own and not
    /// looked at.
    pub fn rtcp_endpoint(&self) -> Option<(Address, u16)> {
        let (address, port) = self.rtp_endpoint()?;
        match self.media.rtcp() {
            Some(rtcp) => Some((rtcp.address.unwrap_or(address), rtcp.port)),
            None => Some((address, port.checked_add(1)?)),
        }
    }

    fn attribute_or_session(&self, name: &str) -> bool {
        self.media.attributes.has(name) || self.session.attributes.has(name)
    }
}

impl Deref for MediaView<'_> {
    type Target = Media;
    fn deref(&self) -> &Media {
        self.media
    }
}

/// `non-zero-int-or-real` milliseconds of RFC 8866 section 9, to the microsecond.
fn read_packet_time(value: &str) -> Option<Duration> {
    let value = value.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let whole = u64::from(read_digits::<u16>(whole)?);
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = fraction.bytes().chain(*b"000").take(3).fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    let time = Duration::from_micros(whole * 1000 + micros);
    (!time.is_zero()).then_some(time)
}

#[cfg(test)]
mod tests;
