//! The text of a binding, packed into one allocation that the table and its records share.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sip::id::FlowId;
use sip::outbox::{Origin, Transport};

use crate::instance;

/// Which piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Piece {
    Aor,
    Uri,
    /// Contact parameters besides `q` and `expires`, each with its semicolon.
    Params,
    CallId,
    /// Route values, parted by line feeds.
    Path,
    Agent,
    Origin,
}

/// The flow of an origin that was read from a journal: its connection, or the socket of that number, was one of the process before. Its addresses are good.
pub const FLOW_GONE: FlowId = FlowId(u64::MAX);

const PIECES: usize = 7;
const HEAD: usize = PIECES * 2;

/// Pieces that are too long together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binding: expected at most 65535 octets in each of its texts")
    }
}

impl std::error::Error for TooLong {}

/// What a binding says, borrowed: the way in and the way out of its packed form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// Canonical address of record.
    pub aor: &'a str,
    /// The Contact URI as it was written.
    pub uri: &'a str,
    /// Contact parameters besides `q` and `expires`, each with its semicolon.
    pub params: &'a str,
    /// Call-ID of the REGISTER that made or last changed it.
    pub call_id: &'a str,
    /// Route values of RFC 3327, parted by line feeds.
    pub path: &'a str,
    /// User-Agent.
    pub agent: &'a str,
    /// Where the REGISTER came from, when requests shall go back there instead of to the URI's host.
    pub origin: Option<Origin>,
}

/// All texts of a binding: seven lengths, then the octets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Packed(Arc<[u8]>);

impl Packed {
    /// Packs `texts`; keeps `before` instead when it says the same.
    pub(crate) fn new(texts: &Texts<'_>, before: Option<&Packed>) -> Result<Packed, TooLong> {
        let (mut origin, mut origin_len) = ([0; ORIGIN], 0);
        if let Some(given) = &texts.origin {
            origin_len = write_origin(given, &mut origin);
        }
        let origin = origin.get(..origin_len).unwrap_or_default();
        let Texts { aor, uri, params, call_id, path, agent, .. } = texts;
        let pieces: [&[u8]; PIECES] = [
            aor.as_bytes(),
            uri.as_bytes(),
            params.as_bytes(),
            call_id.as_bytes(),
            path.as_bytes(),
            agent.as_bytes(),
            origin,
        ];
        if let Some(before) = before
            && before.holds(&pieces)
        {
            return Ok(before.clone());
        }
        let total = HEAD + pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let mut packed = Packed(std::iter::repeat_n(0, total).collect());
        let mut rest = Arc::get_mut(&mut packed.0).unwrap_or_default();
        for piece in pieces {
            put(&mut rest, &u16::try_from(piece.len()).map_err(|_| TooLong)?.to_le_bytes());
        }
        pieces.iter().for_each(|piece| put(&mut rest, piece));
        Ok(packed)
    }

    fn holds(&self, pieces: &[&[u8]; PIECES]) -> bool {
        let mut rest = self.0.get(HEAD..).unwrap_or_default();
        pieces.iter().zip(self.lengths()).all(|(piece, len)| {
            let same = piece.len() == len && rest.get(..len) == Some(*piece);
            rest = rest.get(len..).unwrap_or_default();
            same
        })
    }

    /// From octets that may be anything; `None` unless they are exactly one packed binding of valid text. Flows of another process mean nothing here: an
    /// origin gets [`FLOW_GONE`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Packed> {
        let mut packed = Packed(bytes.into());
        let total: usize = packed.lengths().sum();
        if bytes.len() < HEAD || bytes.len() - HEAD != total {
            return None;
        }
        let flow_at = bytes.len() - packed.piece(Piece::Origin).len() + 1;
        if let Some(flow) = Arc::get_mut(&mut packed.0).and_then(|bytes| bytes.get_mut(flow_at..flow_at + 8)) {
            flow.copy_from_slice(&FLOW_GONE.0.to_le_bytes());
        }
        // The texts stand one behind the other: they are valid if all is and none begins within a character.
        let texts = bytes.get(HEAD..bytes.len() - packed.piece(Piece::Origin).len())?;
        let texts = std::str::from_utf8(texts).ok()?;
        let mut start = 0;
        let valid = packed.lengths().all(|length| {
            let whole = texts.is_char_boundary(start);
            start += length;
            whole
        });
        let origin = packed.piece(Piece::Origin);
        (valid && (origin.is_empty() || read_origin(origin).is_some())).then_some(packed)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        let head = self.0.get(..HEAD).unwrap_or_default();
        head.as_chunks::<2>().0.iter().map(|two| usize::from(u16::from_le_bytes(*two)))
    }

    /// The octets of a text: all that is needed to compare it.
    pub(crate) fn piece(&self, piece: Piece) -> &[u8] {
        let before: usize = self.lengths().take(piece as usize).sum();
        let len = self.lengths().nth(piece as usize).unwrap_or_default();
        self.0.get(HEAD + before..HEAD + before + len).unwrap_or_default()
    }

    pub(crate) fn text(&self, piece: Piece) -> &str {
        std::str::from_utf8(self.piece(piece)).unwrap_or_default()
    }

    /// Whether two are of one binding: of the same flow (RFC 5626 section 6), or, where neither is a flow, of the same Contact URI.
    pub(crate) fn is_same_binding(&self, other: &Packed) -> bool {
        match (instance::flow(self.text(Piece::Params)), instance::flow(other.text(Piece::Params))) {
            (None, None) => self.piece(Piece::Uri) == other.piece(Piece::Uri),
            (own, other) => own == other,
        }
    }

    pub(crate) fn origin(&self) -> Option<Origin> {
        read_origin(self.piece(Piece::Origin))
    }

    pub(crate) fn texts(&self) -> Texts<'_> {
        Texts {
            aor: self.text(Piece::Aor),
            uri: self.text(Piece::Uri),
            params: self.text(Piece::Params),
            call_id: self.text(Piece::CallId),
            path: self.text(Piece::Path),
            agent: self.text(Piece::Agent),
            origin: self.origin(),
        }
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.texts().fmt(f)
    }
}

/// Writes at the start of `room` and leaves what is behind.
fn put(room: &mut &mut [u8], octets: &[u8]) {
    if let Some((place, rest)) = std::mem::take(room).split_at_mut_checked(octets.len()) {
        place.copy_from_slice(octets);
        *room = rest;
    }
}

/// Most octets of an origin: transport, flow, two addresses.
const ORIGIN: usize = 1 + 8 + 2 * 19;

fn write_origin(origin: &Origin, into: &mut [u8; ORIGIN]) -> usize {
    let transport = match origin.transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Ws => 3,
        Transport::Wss => 4,
    };
    let most = into.len();
    let mut rest = into.as_mut_slice();
    put(&mut rest, &[transport]);
    put(&mut rest, &origin.flow.0.to_le_bytes());
    for address in [origin.local, origin.remote] {
        match address.ip() {
            IpAddr::V4(ip) => {
                put(&mut rest, &[4]);
                put(&mut rest, &ip.octets());
            }
            IpAddr::V6(ip) => {
                put(&mut rest, &[6]);
                put(&mut rest, &ip.octets());
            }
        }
        put(&mut rest, &address.port().to_le_bytes());
    }
    most - rest.len()
}

fn read_origin(bytes: &[u8]) -> Option<Origin> {
    let (transport, rest) = bytes.split_first()?;
    let transport = match transport {
        0 => Transport::Udp,
        1 => Transport::Tcp,
        2 => Transport::Tls,
        3 => Transport::Ws,
        4 => Transport::Wss,
        _ => return None,
    };
    let (flow, rest) = rest.split_first_chunk()?;
    let (local, rest) = read_address(rest)?;
    let (remote, rest) = read_address(rest)?;
    rest.is_empty().then_some(Origin { flow: FlowId(u64::from_le_bytes(*flow)), transport, local, remote })
}

fn read_address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (family, rest) = bytes.split_first()?;
    let (ip, rest): (IpAddr, _) = match family {
        4 => rest.split_first_chunk::<4>().map(|(ip, rest)| ((*ip).into(), rest))?,
        6 => rest.split_first_chunk::<16>().map(|(ip, rest)| ((*ip).into(), rest))?,
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk()?;
    Some((SocketAddr::new(ip, u16::from_le_bytes(*port)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(local: &str, remote: &str) -> Origin {
        Origin {
            flow: FlowId(77),
            transport: Transport::Tls,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        }
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        for origin in
            [None, Some(origin("192.0.2.1:5061", "198.51.100.7:40000")), Some(origin("[2001:db8::1]:1", "[::1]:65535"))]
        {
            let texts = Texts {
                aor: "sip:a@b",
                uri: "sip:a@c:1",
                params: ";x=\"y\"",
                call_id: "1@2",
                path: "<sip:p;lr>\n<sip:q;lr>",
                agent: "\u{e4}",
                origin,
            };
            let packed = Packed::new(&texts, None).unwrap();
            assert_eq!(packed.texts(), texts);
            let read = Packed::from_bytes(packed.as_bytes()).unwrap();
            let gone = origin.map(|origin| Origin { flow: FLOW_GONE, ..origin });
            assert_eq!(read.texts(), Texts { origin: gone, ..texts });
            let again = Packed::new(&texts, Some(&packed)).unwrap();
            assert!(Arc::ptr_eq(&again.0, &packed.0), "the same text is kept, not copied");
            let other = Packed::new(&Texts { agent: "e", ..texts }, Some(&packed)).unwrap();
            assert_eq!(other.text(Piece::Agent), "e");
        }
    }

    #[test]
    fn octets_that_are_no_binding_are_refused() {
        let texts = Texts { aor: "sip:a@b", origin: Some(origin("192.0.2.1:1", "192.0.2.2:2")), ..Texts::default() };
        let good = Packed::new(&texts, None).unwrap();
        let good = good.as_bytes();
        for cut in 0..good.len() {
            assert_eq!(Packed::from_bytes(&good[..cut]), None, "cut at {cut}");
        }
        let mut longer = good.to_vec();
        longer.push(0);
        assert_eq!(Packed::from_bytes(&longer), None);
        let mut bad_text = good.to_vec();
        bad_text[HEAD] = 0xff;
        assert_eq!(Packed::from_bytes(&bad_text), None);
        let umlaut = Packed::new(&Texts { aor: "\u{e4}", ..Texts::default() }, None).unwrap();
        assert!(Packed::from_bytes(umlaut.as_bytes()).is_some());
        let mut parted = umlaut.as_bytes().to_vec();
        (parted[0], parted[2]) = (1, 1);
        assert_eq!(Packed::from_bytes(&parted), None, "one character in two texts");
        let mut bad_transport = good.to_vec();
        bad_transport[HEAD + 7] = 9;
        assert_eq!(Packed::from_bytes(&bad_transport), None);
        assert_eq!(Packed::new(&Texts { uri: &"x".repeat(65_536), ..texts }, None), Err(TooLong));
        assert!(Packed::new(&Texts { uri: &"x".repeat(65_535), ..texts }, None).is_ok());
    }
}
