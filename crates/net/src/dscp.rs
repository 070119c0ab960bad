//! How urgent packets are, for the routers that look: the differentiated services field (RFC 2474).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use socket2::SockRef;

/// The names of RFC 2474, RFC 2597, RFC 3246 and RFC 5865.
const NAMES: [(&str, u8); 23] = [
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("ef", 46),
    ("voice-admit", 44),
    ("le", 1),
];

/// A code point: 0 (the default) to 63. RFC 4594 has `ef` for telephone audio and `cs5` for its signalling; many networks expect `cs3` of SIP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dscp(u8);

impl Dscp {
    /// A name as `ef`, `cs3` or `af41`, or a number up to 63.
    pub fn read(text: &str) -> Option<Self> {
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
        let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        named.or_else(|| text.parse().ok().filter(|_| is_number)).filter(|value| *value < 64).map(Self)
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Marks what the socket, bound or connected at this address, sends from now on; connections that it accepts, too.
    pub(crate) fn mark(self, socket: &impl AsFd, address: SocketAddr) -> io::Result<()> {
        if self == Self::default() {
            return Ok(());
        }
        let (socket, field) = (SockRef::from(socket), u32::from(self.0) << 2);
        if address.is_ipv4() { socket.set_tos_v4(field) } else { socket.set_tclass_v6(field) }
    }

    /// Marks it where that can be; packets leave unmarked where not.
    pub(crate) fn try_mark(self, socket: &impl AsFd, address: SocketAddr) {
        if let Err(error) = self.mark(socket, address) {
            tracing::warn!(%error, dscp = self.0, %address, "packets are not marked");
        }
    }

    /// What this socket marks its packets with.
    pub(crate) fn of(socket: &impl AsFd, address: SocketAddr) -> Self {
        let socket = SockRef::from(socket);
        let field = if address.is_ipv4() { socket.tos_v4() } else { socket.tclass_v6() };
        Self(u8::try_from(field.unwrap_or(0) >> 2).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc2474_3_code_points_have_six_bits_and_names() {
        for (text, number) in [("ef", 46), ("EF", 46), ("cs3", 24), ("af41", 34), ("0", 0), ("63", 63), ("046", 46)] {
            assert_eq!(Dscp::read(text).map(Dscp::number), Some(number), "{text}");
        }
        for text in ["64", "256", "-1", "+1", "", "ef ", "cs8", "af14", "expedited"] {
            assert_eq!(Dscp::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_marked_socket_tells_its_mark() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = std::net::UdpSocket::bind(address) else { continue };
            let address = socket.local_addr().unwrap();
            assert_eq!(Dscp::of(&socket, address), Dscp(0));
            Dscp(46).mark(&socket, address).unwrap();
            assert_eq!(Dscp::of(&socket, address), Dscp(46));
        }
    }
}
