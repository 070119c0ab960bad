//! What arrived on a media port, told by its first octets (RFC 7983 section 7, RFC 5761 section 4).

/// The protocol a datagram belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Protocol {
    /// First octet 0 to 3.
    Stun,
    /// First octet 16 to 19.
    Zrtp,
    /// First octet 20 to 63.
    Dtls,
    /// First octet 64 to 79.
    TurnChannel,
    /// First octet 128 to 191, second octet outside 192 to 223.
    Rtp,
    /// First octet 128 to 191, second octet 192 to 223.
    Rtcp,
    /// Everything else, the empty datagram included: to be dropped.
    Other,
}

/// Classifies a datagram without looking past its second octet; the named protocol's parser still has to agree.
///
/// RTP with a payload type of 64 to 95 is taken for RTCP when its marker is set: such types must not be used on a
/// shared port (RFC 5761 section 4).
pub const fn classify(datagram: &[u8]) -> Protocol {
    match datagram {
        [0..=3, ..] => Protocol::Stun,
        [16..=19, ..] => Protocol::Zrtp,
        [20..=63, ..] => Protocol::Dtls,
        [64..=79, ..] => Protocol::TurnChannel,
        [128..=191, 192..=223, ..] => Protocol::Rtcp,
        [128..=191, _, ..] => Protocol::Rtp,
        _ => Protocol::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7983_7_first_octet_names_the_protocol() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Protocol::Stun,
                16..=19 => Protocol::Zrtp,
                20..=63 => Protocol::Dtls,
                64..=79 => Protocol::TurnChannel,
                128..=191 => Protocol::Rtp,
                _ => Protocol::Other,
            };
            assert_eq!(classify(&[first, 0]), expected, "{first}");
        }
        assert_eq!(classify(&[]), Protocol::Other);
        assert_eq!(classify(&[0x80]), Protocol::Other);
        assert_eq!(classify(b"\r\n"), Protocol::Other);
    }

    #[test]
    fn rfc5761_4_second_octet_192_to_223_is_rtcp() {
        for second in 0..=255u8 {
            let expected = if (192..=223).contains(&second) { Protocol::Rtcp } else { Protocol::Rtp };
            assert_eq!(classify(&[0x80, second]), expected, "{second}");
        }
    }
}
