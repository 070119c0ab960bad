//! One `m=` section.

use std::fmt;

use crate::attribute::Attributes;
use crate::bandwidth::Bandwidth;
use crate::connection::Connection;
use crate::print::{decimal, line};
use crate::text::{Text, Token};

/// The first field of `m=`: RFC 8866 section 5.14.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `text`
    Text,
    /// `application`
    Application,
    /// `message`
    Message,
    /// `image`, as in T.38
    Image,
    /// Anything else.
    Other(Token),
}

impl MediaKind {
    pub(crate) fn read(text: &str) -> Option<MediaKind> {
        let known = [
            MediaKind::Audio,
            MediaKind::Video,
            MediaKind::Text,
            MediaKind::Application,
            MediaKind::Message,
            MediaKind::Image,
        ];
        match known.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text)) {
            Some(kind) => Some(kind),
            None => Token::new(text).ok().map(MediaKind::Other),
        }
    }

    /// The word in the `m=` line.
    pub fn as_str(&self) -> &str {
        match self {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::Text => "text",
            MediaKind::Application => "application",
            MediaKind::Message => "message",
            MediaKind::Image => "image",
            MediaKind::Other(name) => name,
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The transport of `m=`: RFC 8866 section 5.14.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `RTP/AVP` (RFC 3551)
    RtpAvp,
    /// `RTP/SAVP` (RFC 3711)
    RtpSavp,
    /// `RTP/AVPF` (RFC 4585)
    RtpAvpf,
    /// `RTP/SAVPF` (RFC 5124)
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764)
    UdpTlsRtpSavp,
    /// `UDP/TLS/RTP/SAVPF` (RFC 5764)
    UdpTlsRtpSavpf,
    /// `udp`
    Udp,
    /// `udptl`, as in T.38
    Udptl,
    /// Anything else.
    Other(ProtocolName),
}

/// A transport this crate has no name for: tokens joined by slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolName(Text);

impl Protocol {
    /// Reads a transport; `None` unless it is `token *("/" token)`. The known ones are found in any case of letters.
    pub fn new(text: &str) -> Option<Protocol> {
        let known = [
            Protocol::RtpAvp,
            Protocol::RtpSavp,
            Protocol::RtpAvpf,
            Protocol::RtpSavpf,
            Protocol::UdpTlsRtpSavp,
            Protocol::UdpTlsRtpSavpf,
            Protocol::Udp,
            Protocol::Udptl,
        ];
        if let Some(known) = known.into_iter().find(|protocol| protocol.as_str().eq_ignore_ascii_case(text)) {
            return Some(known);
        }
        let tokens = text.split('/').all(|part| Token::new(part).is_ok());
        tokens.then(|| Protocol::Other(ProtocolName(Text::assembled(text.to_owned()))))
    }

    /// The words in the `m=` line.
    pub fn as_str(&self) -> &str {
        match self {
            Protocol::RtpAvp => "RTP/AVP",
            Protocol::RtpSavp => "RTP/SAVP",
            Protocol::RtpAvpf => "RTP/AVPF",
            Protocol::RtpSavpf => "RTP/SAVPF",
            Protocol::UdpTlsRtpSavp => "UDP/TLS/RTP/SAVP",
            Protocol::UdpTlsRtpSavpf => "UDP/TLS/RTP/SAVPF",
            Protocol::Udp => "udp",
            Protocol::Udptl => "udptl",
            Protocol::Other(name) => &name.0,
        }
    }

    /// Whether the formats are RTP payload type numbers.
    pub fn is_rtp(&self) -> bool {
        match self {
            Protocol::RtpAvp
            | Protocol::RtpSavp
            | Protocol::RtpAvpf
            | Protocol::RtpSavpf
            | Protocol::UdpTlsRtpSavp
            | Protocol::UdpTlsRtpSavpf => true,
            Protocol::Udp | Protocol::Udptl => false,
            Protocol::Other(name) => name.0.split('/').any(|part| part.eq_ignore_ascii_case("RTP")),
        }
    }

    /// Whether media is encrypted: a secure RTP profile, or TLS.
    pub fn is_secure(&self) -> bool {
        let secure = |part: &str| ["SAVP", "SAVPF", "TLS", "DTLS"].iter().any(|name| part.eq_ignore_ascii_case(name));
        match self {
            Protocol::RtpSavp | Protocol::RtpSavpf | Protocol::UdpTlsRtpSavp | Protocol::UdpTlsRtpSavpf => true,
            Protocol::RtpAvp | Protocol::RtpAvpf | Protocol::Udp | Protocol::Udptl => false,
            Protocol::Other(name) => name.0.split('/').any(secure),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One media description: an `m=` line and what follows up to the next. RFC 8866 section 5.14.
///
/// What a section inherits from the session (direction, connection) is seen through [`crate::MediaView`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What is sent.
    pub kind: MediaKind,
    /// The transport port; 0: the stream is rejected or ended (RFC 3264 sections 6 and 8.2).
    pub port: u16,
    /// Number of ports, as in `m=video 49170/2`; at least 1 (0 is printed as absent).
    pub port_count: Option<u32>,
    /// How it is sent.
    pub protocol: Protocol,
    /// Formats, the preferred one first: payload type numbers with RTP. Printed as `0` when empty.
    pub formats: Vec<Token>,
    /// `i=`
    pub information: Option<Text>,
    /// `c=` lines; more than one only for the layers of a multicast stream.
    pub connections: Vec<Connection>,
    /// `b=` lines.
    pub bandwidths: Vec<Bandwidth>,
    /// `a=` lines.
    pub attributes: Attributes,
}

impl Media {
    /// A section with nothing but its `m=` line.
    pub fn new(kind: MediaKind, port: u16, protocol: Protocol) -> Media {
        Media {
            kind,
            port,
            port_count: None,
            protocol,
            formats: Vec::new(),
            information: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            attributes: Attributes::default(),
        }
    }

    /// Whether the stream is refused or ended: port 0. RFC 3264 sections 6 and 8.2.
    pub fn is_rejected(&self) -> bool {
        self.port == 0
    }

    /// What stands in an answer for this stream when it is refused: the same kind, transport and first format,
    /// port 0, and the identification tag if there is one. RFC 3264 section 6.
    #[must_use]
    pub fn rejection(&self) -> Media {
        let mut refused = Media::new(self.kind.clone(), 0, self.protocol.clone());
        refused.formats = self.formats.first().cloned().into_iter().collect();
        refused.attributes =
            self.attributes.iter().filter(|attribute| attribute.name == "mid").take(1).cloned().collect();
        refused
    }

    /// Turns this section into its own rejection, dropping what described the stream. RFC 3264 section 8.2.
    pub fn reject(&mut self) {
        *self = self.rejection();
    }
}

impl Media {
    pub(crate) fn print(&self, out: &mut impl fmt::Write) -> fmt::Result {
        line(out, "m=", |out| self.print_line(out))?;
        if let Some(information) = &self.information {
            line(out, "i=", |out| out.write_str(information))?;
        }
        for connection in &self.connections {
            line(out, "c=", |out| connection.print(out))?;
        }
        for bandwidth in &self.bandwidths {
            line(out, "b=", |out| bandwidth.print(out))?;
        }
        self.attributes.iter().try_for_each(|attribute| line(out, "a=", |out| attribute.print(out)))
    }

    fn print_line(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(self.kind.as_str())?;
        out.write_str(" ")?;
        decimal(out, u64::from(self.port))?;
        if let Some(count) = self.port_count.filter(|count| *count > 0) {
            out.write_str("/")?;
            decimal(out, u64::from(count))?;
        }
        out.write_str(" ")?;
        out.write_str(self.protocol.as_str())?;
        if self.formats.is_empty() {
            out.write_str(" 0")?;
        }
        for format in &self.formats {
            out.write_str(" ")?;
            out.write_str(format)?;
        }
        Ok(())
    }
}

/// The lines of the section, each with its line end.
impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f)
    }
}
