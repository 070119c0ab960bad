//! Payload types and codecs: `a=rtpmap`, `a=fmtp`, and the static numbers of RFC 3551.

use std::fmt;

use crate::attribute::Attribute;
use crate::media::Media;
use crate::print::Printout;
use crate::text::{Text, Token, cut, known_number, trimmed, word};
use crate::time::read_digits;

/// An RTP payload type number, 0 to 127. RFC 3550 section 5.1, RFC 8866 section 6.6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// PCMU in RFC 3551 section 6.
    pub const PCMU: PayloadType = PayloadType(0);
    /// PCMA in RFC 3551 section 6.
    pub const PCMA: PayloadType = PayloadType(8);
    /// Comfort noise in RFC 3389 section 4.
    pub const COMFORT_NOISE: PayloadType = PayloadType(13);

    /// The dynamic number most user agents give to `telephone-event`.
    pub const TELEPHONE_EVENT: PayloadType = PayloadType(101);

    /// The number, if it is at most 127.
    pub const fn new(number: u8) -> Option<PayloadType> {
        if number < 128 { Some(PayloadType(number)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether this is one of the numbers 96 to 127, which have no meaning without `a=rtpmap`. RFC 3551 section 6.
    pub const fn is_dynamic(self) -> bool {
        self.0 >= 96
    }

    /// The number in the `m=` or `a=` line; `None` for anything but 0 to 127 in digits.
    pub fn read(text: &str) -> Option<PayloadType> {
        read_digits::<u8>(text).and_then(PayloadType::new)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its digits.
    pub(crate) fn as_str(self) -> &'static str {
        known_number(self.0).unwrap_or_default()
    }

    pub(crate) fn token(self) -> Token {
        Token::number(self.0)
    }

    /// What a static number stands for: name, clock rate in hertz, channels. RFC 3551 section 6.
    pub fn static_format(self) -> Option<(&'static str, u32, u16)> {
        StaticFormat::of(self).map(|format| (format.name, format.clock_rate, format.channels))
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a static payload type stands for.
struct StaticFormat {
    number: u8,
    name: &'static str,
    clock_rate: u32,
    channels: u16,
    /// The value of its `a=rtpmap`.
    rtpmap: &'static str,
}

impl StaticFormat {
    fn of(number: PayloadType) -> Option<&'static StaticFormat> {
        if number.0 > STATIC.last()?.number {
            return None;
        }
        STATIC.iter().find(|format| format.number == number.0)
    }
}

macro_rules! static_formats {
    ($($number:literal $name:literal $rate:literal $channels:literal $suffix:literal),* $(,)?) => {
        &[$(StaticFormat {
            number: $number,
            name: $name,
            clock_rate: $rate,
            channels: $channels,
            rtpmap: concat!($number, " ", $name, "/", $rate, $suffix),
        }),*]
    };
}

/// RFC 3551 tables 4 and 5, in the order of their numbers.
static STATIC: &[StaticFormat] = static_formats![
    0 "PCMU" 8000 1 "",
    3 "GSM" 8000 1 "",
    4 "G723" 8000 1 "",
    5 "DVI4" 8000 1 "",
    6 "DVI4" 16000 1 "",
    7 "LPC" 8000 1 "",
    8 "PCMA" 8000 1 "",
    9 "G722" 8000 1 "",
    10 "L16" 44100 2 "/2",
    11 "L16" 44100 1 "",
    12 "QCELP" 8000 1 "",
    13 "CN" 8000 1 "",
    14 "MPA" 90000 1 "",
    15 "G728" 8000 1 "",
    16 "DVI4" 11025 1 "",
    17 "DVI4" 22050 1 "",
    18 "G729" 8000 1 "",
    25 "CelB" 90000 1 "",
    26 "JPEG" 90000 1 "",
    28 "nv" 90000 1 "",
    31 "H261" 90000 1 "",
    32 "MPV" 90000 1 "",
    33 "MP2T" 90000 1 "",
    34 "H263" 90000 1 "",
];

/// One format of an RTP stream with all a description says about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// The number in the packets.
    pub payload_type: PayloadType,
    /// Encoding name, compared without regard to case (RFC 4855 section 3).
    pub name: Token,
    /// RTP clock rate in hertz, at least 1. G.722 says 8000 though it samples at 16 000 (RFC 3551 section 4.5.2).
    pub clock_rate: u32,
    /// Audio channels, at least 1.
    pub channels: u16,
    /// The value of `a=fmtp`, without the payload type.
    pub fmtp: Option<Text>,
}

impl Codec {
    /// A codec with one channel and without parameters. `None` for a number above 127, a name which is not a token,
    /// or a clock rate of 0.
    pub fn new(payload_type: u8, name: &str, clock_rate: u32) -> Option<Codec> {
        let payload_type = PayloadType::new(payload_type)?;
        let name = Token::new(name).ok()?;
        (clock_rate > 0).then_some(Codec { payload_type, name, clock_rate, channels: 1, fmtp: None })
    }

    /// The codec of a static payload type.
    pub fn from_static(payload_type: PayloadType) -> Option<Codec> {
        let (name, clock_rate, channels) = payload_type.static_format()?;
        Some(Codec { payload_type, name: Token::literal(name), clock_rate, channels, fmtp: None })
    }

    /// What is known of a payload type before anything explains it: the clock rate, which is then at least 1, tells the two apart.
    fn unexplained(payload_type: PayloadType) -> Codec {
        Codec { payload_type, name: Token::literal("-"), clock_rate: 0, channels: 1, fmtp: None }
    }

    fn is_explained(&self) -> bool {
        self.clock_rate > 0
    }

    /// The same codec with another number of channels; 0 counts as 1.
    #[must_use]
    pub fn with_channels(mut self, channels: u16) -> Codec {
        self.channels = channels.max(1);
        self
    }

    /// The same codec with `a=fmtp` parameters.
    #[must_use]
    pub fn with_fmtp(mut self, fmtp: Text) -> Codec {
        self.fmtp = Some(fmtp);
        self
    }

    /// Whether name, clock rate and channels are the same, whatever the number and the parameters.
    pub fn same_encoding(&self, other: &Codec) -> bool {
        self.clock_rate == other.clock_rate && self.channels == other.channels && self.name.is(&other.name)
    }

    /// Whether both name one format: the same encoding, and equal values of those parameters which RFC 3264
    /// section 6.1 counts to the format itself (`octet-align` of AMR, `bitrate` of G722.1,
    /// `packetization-mode` of H.264).
    pub fn same_format(&self, other: &Codec) -> bool {
        let bare = self.fmtp.is_none() && other.fmtp.is_none();
        self.same_encoding(other) && (bare || self.same_parameters(other))
    }

    fn same_parameters(&self, other: &Codec) -> bool {
        FORMAT_PARAMETERS.iter().filter(|(name, ..)| self.name.eq_ignore_ascii_case(name)).all(|(_, key, default)| {
            self.parameter(key).unwrap_or(default).eq_ignore_ascii_case(other.parameter(key).unwrap_or(default))
        })
    }

    /// Says what `offered`, of the same format, says of the format itself: what was left to its default here is written out.
    /// RFC 3264 section 6.1.
    pub(crate) fn repeat_format_parameters(&mut self, offered: &Codec) {
        if offered.fmtp.is_none() {
            return;
        }
        for (name, key, default) in FORMAT_PARAMETERS {
            if self.name.eq_ignore_ascii_case(name) && offered.parameter(key).is_some() && self.parameter(key).is_none()
            {
                let said = self.fmtp.as_ref().map(|fmtp| format!("{fmtp};")).unwrap_or_default();
                self.fmtp = Some(Text::assembled(format!("{said}{key}={default}")));
            }
        }
    }

    /// One `key=value` of the parameters; keys are compared without regard to case (RFC 4855 section 3).
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.fmtp.as_ref()?.split(';').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case(key).then(|| value.trim())
        })
    }

    /// Whether this is `telephone-event` (RFC 4733).
    pub fn is_telephone_event(&self) -> bool {
        self.name.is("telephone-event")
    }

    /// Whether this format carries no speech of its own: events, comfort noise, redundancy. A stream cannot live
    /// on these alone.
    pub fn is_auxiliary(&self) -> bool {
        ["telephone-event", "tone", "CN", "red", "ulpfec", "rtx"]
            .iter()
            .any(|name| self.name.eq_ignore_ascii_case(name))
    }

    /// `a=rtpmap`: RFC 8866 section 6.6.
    pub fn rtpmap(&self) -> Attribute {
        let known = StaticFormat::of(self.payload_type).filter(|known| {
            (known.name, known.clock_rate, known.channels) == (&self.name, self.clock_rate, self.channels)
        });
        let printed = || {
            let mut out = Printout::with_capacity(32);
            self.print_rtpmap(&mut out);
            Text::assembled(out.into_string())
        };
        let value = known.map_or_else(printed, |known| Text::literal(known.rtpmap));
        Attribute { name: Token::literal("rtpmap"), value: Some(value) }
    }

    fn print_rtpmap(&self, out: &mut Printout) {
        out.text(self.payload_type.as_str());
        out.text(" ");
        out.text(&self.name);
        out.text("/");
        out.decimal(u64::from(self.clock_rate));
        if self.channels > 1 {
            out.text("/");
            out.decimal(u64::from(self.channels));
        }
    }

    /// The lines of [`Media::push_codec`].
    pub(crate) fn print(&self, out: &mut Printout) {
        out.line("a=rtpmap:", |out| self.print_rtpmap(out));
        if let Some(fmtp) = &self.fmtp {
            out.line("a=fmtp:", |out| [self.payload_type.as_str(), " ", fmtp].iter().for_each(|part| out.text(part)));
        }
    }

    /// `a=fmtp`: RFC 8866 section 6.15.
    pub fn fmtp_attribute(&self) -> Option<Attribute> {
        let fmtp = self.fmtp.as_ref()?;
        Some(Attribute::literal("fmtp", Some([&self.payload_type.token(), " ", fmtp].concat())))
    }
}

/// Codec, parameter, and its value when absent. RFC 4867 section 8.1 for AMR.
const FORMAT_PARAMETERS: &[(&str, &str, &str)] = &[
    ("AMR", "octet-align", "0"),
    ("AMR-WB", "octet-align", "0"),
    ("G7221", "bitrate", ""),
    ("H264", "packetization-mode", "0"),
];

/// `name`, rate and channels as in `a=rtpmap`.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.clock_rate)?;
        if self.channels > 1 { write!(f, "/{}", self.channels) } else { Ok(()) }
    }
}

/// Reads the value of `a=rtpmap`. RFC 8866 section 6.6. Extra spaces are skipped; a missing clock rate, a rate of 0
/// or one above 2^32 - 1 make the line void.
fn read_rtpmap(value: &str) -> Option<Codec> {
    let (payload_type, rest) = word(value)?;
    let payload_type = PayloadType::read(payload_type)?;
    let (format, _) = word(rest)?;
    let (name, rest) = cut(format, b'/')?;
    let (clock_rate, rest) = cut(rest, b'/').unwrap_or((rest, ""));
    let clock_rate = read_digits::<u32>(clock_rate).filter(|rate| *rate > 0)?;
    let channels = cut(rest, b'/').map_or(rest, |(channels, _)| channels);
    let channels = read_digits::<u16>(channels).filter(|channels| *channels > 0).unwrap_or(1);
    Some(Codec { payload_type, name: Token::new(name).ok()?, clock_rate, channels, fmtp: None })
}

/// Reads the value of `a=fmtp`: payload type and parameters.
fn read_fmtp(value: &str) -> Option<(PayloadType, Text)> {
    let (format, parameters) = word(value)?;
    Some((PayloadType::read(format)?, Text::of_line(trimmed(parameters))?))
}

impl Media {
    /// The readable `a=rtpmap` lines, in order, without their parameters. RFC 8866 section 6.6.
    pub fn rtpmaps(&self) -> impl Iterator<Item = Codec> {
        self.attributes.all("rtpmap").filter_map(read_rtpmap)
    }

    /// The parameters of one format: the first `a=fmtp` for it. RFC 8866 section 6.15.
    pub fn fmtp(&self, payload_type: PayloadType) -> Option<Text> {
        let mut all = self.attributes.all("fmtp").filter_map(read_fmtp);
        all.find(|(number, _)| *number == payload_type).map(|(_, parameters)| parameters)
    }

    /// The payload types in the `m=` line, each once, in order of preference. What is not a number from 0 to 127
    /// is passed over; empty unless the transport is RTP.
    pub fn payload_types(&self) -> impl Iterator<Item = PayloadType> {
        let mut seen = [false; 128];
        let formats = if self.protocol.is_rtp() { self.formats.as_slice() } else { &[] };
        formats.iter().filter_map(|format| PayloadType::read(format)).filter(move |payload_type| {
            seen.get_mut(payload_type.index()).is_some_and(|seen| !std::mem::replace(seen, true))
        })
    }

    /// The codecs of the `m=` line in order of preference, by `a=rtpmap` or by the static numbers of RFC 3551.
    /// A payload type is listed once; one that neither explains is left out. Linear in the size of the section.
    pub fn codecs(&self) -> Vec<Codec> {
        let mut codecs = Vec::with_capacity(self.formats.len());
        codecs.extend(self.payload_types().map(Codec::unexplained));
        for attribute in &self.attributes {
            let value = attribute.value.as_deref().unwrap_or_default();
            // At most 128 payload types are looked through for each attribute.
            match attribute.name.as_str() {
                "rtpmap" => {
                    let Some(read) = read_rtpmap(value) else { continue };
                    let entry = codecs.iter_mut().find(|codec| codec.payload_type == read.payload_type);
                    if let Some(codec) = entry.filter(|codec| !codec.is_explained()) {
                        *codec = Codec { fmtp: codec.fmtp.take(), ..read };
                    }
                }
                "fmtp" => {
                    let Some((number, parameters)) = read_fmtp(value) else { continue };
                    if let Some(codec) = codecs.iter_mut().find(|codec| codec.payload_type == number) {
                        codec.fmtp.get_or_insert(parameters);
                    }
                }
                _ => {}
            }
        }
        for codec in codecs.iter_mut().filter(|codec| !codec.is_explained()) {
            if let Some(known) = Codec::from_static(codec.payload_type) {
                *codec = Codec { fmtp: codec.fmtp.take(), ..known };
            }
        }
        codecs.retain(Codec::is_explained);
        codecs
    }

    /// The codec behind one payload type listed in the `m=` line.
    pub fn codec(&self, payload_type: PayloadType) -> Option<Codec> {
        self.codecs().into_iter().find(|codec| codec.payload_type == payload_type)
    }

    /// Appends a codec: its format, `a=rtpmap`, and `a=fmtp` if it has parameters.
    pub fn push_codec(&mut self, codec: &Codec) {
        self.formats.push(codec.payload_type.token());
        self.attributes.push(codec.rtpmap());
        self.attributes.extend(codec.fmtp_attribute());
    }
}

#[cfg(test)]
mod tests;
