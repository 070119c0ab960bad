//! One `m=` section.

use std::fmt;

use crate::attribute::Attributes;
use crate::bandwidth::Bandwidth;
use crate::connection::Connection;
use crate::print::{Printout, display};
use crate::text::{Text, Token, is_token};

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
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        match text {
            _ if is("audio") => Some(MediaKind::Audio),
            _ if is("video") => Some(MediaKind::Video),
            _ if is("text") => Some(MediaKind::Text),
            _ if is("application") => Some(MediaKind::Application),
            _ if is("message") => Some(MediaKind::Message),
            _ if is("image") => Some(MediaKind::Image),
            _ => Token::new(text).ok().map(MediaKind::Other),
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
        let is = |words: &str| text.eq_ignore_ascii_case(words);
        match text {
            _ if is("RTP/AVP") => Some(Protocol::RtpAvp),
            _ if is("RTP/SAVP") => Some(Protocol::RtpSavp),
            _ if is("RTP/AVPF") => Some(Protocol::RtpAvpf),
            _ if is("RTP/SAVPF") => Some(Protocol::RtpSavpf),
            _ if is("UDP/TLS/RTP/SAVP") => Some(Protocol::UdpTlsRtpSavp),
            _ if is("UDP/TLS/RTP/SAVPF") => Some(Protocol::UdpTlsRtpSavpf),
            _ if is("udp") => Some(Protocol::Udp),
            _ if is("udptl") => Some(Protocol::Udptl),
            _ if text.split('/').all(is_token) => Some(Protocol::Other(ProtocolName(Text::assembled(text.to_owned())))),
            _ => None,
        }
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
        Media::with_formats(kind, port, protocol, Vec::new())
    }

    /// As [`Media::new`], with these formats.
    pub(crate) fn with_formats(kind: MediaKind, port: u16, protocol: Protocol, formats: Vec<Token>) -> Media {
        Media {
            kind,
            port,
            port_count: None,
            protocol,
            formats,
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
        let formats = self.formats.first().cloned().into_iter().collect();
        let mut refused = Media::with_formats(self.kind.clone(), 0, self.protocol.clone(), formats);
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
    pub(crate) fn print(&self, out: &mut Printout) {
        out.line("m=", |out| self.print_line(out));
        if let Some(information) = &self.information {
            out.line("i=", |out| out.text(information));
        }
        for connection in &self.connections {
            out.line("c=", |out| connection.print(out));
        }
        for bandwidth in &self.bandwidths {
            out.line("b=", |out| bandwidth.print(out));
        }
        for attribute in &self.attributes {
            out.line("a=", |out| attribute.print(out));
        }
    }

    fn print_line(&self, out: &mut Printout) {
        let ports = (self.port, self.port_count.filter(|count| *count > 0));
        print_line(out, &self.kind, ports, &self.protocol, self.formats.iter().map(Token::as_str));
    }
}

/// The value of an `m=` line.
pub(crate) fn print_line<'a>(
    out: &mut Printout,
    kind: &MediaKind,
    (port, count): (u16, Option<u32>),
    protocol: &Protocol,
    formats: impl Iterator<Item = &'a str>,
) {
    out.text(kind.as_str());
    out.text(" ");
    out.decimal(u64::from(port));
    if let Some(count) = count {
        out.text("/");
        out.decimal(u64::from(count));
    }
    out.text(" ");
    out.text(protocol.as_str());
    let mut formats = formats.peekable();
    if formats.peek().is_none() {
        out.text(" 0");
    }
    for format in formats {
        out.text(" ");
        out.text(format);
    }
}

/// The lines of the section, each with its line end.
impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}
