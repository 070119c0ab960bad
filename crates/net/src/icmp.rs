//! What an ICMP error means for the request it is about (RFC 3261 section 18.4).

/// Where an error comes from: `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6` of ip(7).
const ICMP: u8 = 2;
const ICMPV6: u8 = 3;

/// Whether an error of this origin, type and code means that what was sent does not arrive, and will not (RFC 3261 section 18.4): what it was sent to is unreachable, or
/// cannot make anything of it. What was underway for too long, or was too big for a part of the way, is sent again, in parts where it has to be.
pub(crate) fn is_final(origin: u8, kind: u8, code: u8) -> bool {
    match (origin, kind, code) {
        // RFC 1191 section 4: fragmentation is needed.
        (ICMP, 3, 4) => false,
        // RFC 792: destination unreachable, parameter problem; RFC 4443 sections 3.1 and 3.4.
        (ICMP, 3 | 12, _) | (ICMPV6, 1 | 4, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_18_4_a_request_ends_where_nobody_is_reached_and_not_by_a_time_or_a_size_exceeded() {
        let ends: [(&str, u8, u8, u8); 8] = [
            ("no network", ICMP, 3, 0),
            ("no host", ICMP, 3, 1),
            ("no protocol", ICMP, 3, 2),
            ("no port", ICMP, 3, 3),
            ("not let through", ICMP, 3, 13),
            ("a parameter problem", ICMP, 12, 0),
            ("no port, IPv6", ICMPV6, 1, 4),
            ("a parameter problem, IPv6", ICMPV6, 4, 0),
        ];
        let goes_on: [(&str, u8, u8, u8); 8] = [
            ("fragmentation needed", ICMP, 3, 4),
            ("source quench", ICMP, 4, 0),
            ("time exceeded", ICMP, 11, 0),
            ("time exceeded in reassembly", ICMP, 11, 1),
            ("packet too big, IPv6", ICMPV6, 2, 0),
            ("time exceeded, IPv6", ICMPV6, 3, 0),
            ("larger than the known path takes, of our own system", 1, 0, 0),
            ("of nobody", 0, 3, 3),
        ];
        for (rows, expected) in [(ends, true), (goes_on, false)] {
            for (name, origin, kind, code) in rows {
                assert_eq!(is_final(origin, kind, code), expected, "{name}");
            }
        }
    }
}
