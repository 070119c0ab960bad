//! Devices that know one hash only.

use std::collections::HashSet;
use std::net::SocketAddr;

/// How the User-Agent of devices begins that give up at a challenge with more than one hash, or with one they do not know, although RFC
/// 7616 section 3.7 and RFC 8760 section 2.4 let them choose. They are offered MD5 alone, where MD5 is offered at all.
const ONE_HASH_ONLY: [&str; 3] = ["baresip v0.", "baresip v1.", "baresip v2."];

/// Addresses of such devices of other loops that are remembered.
const REMEMBERED: usize = 100_000;

/// Where devices of other loops are that know one hash only; forgotten all at once when full, until they register again.
#[derive(Default)]
pub(crate) struct OneHash(HashSet<SocketAddr>);

impl OneHash {
    /// Whether such a device is there.
    pub(crate) fn knows(&self, address: SocketAddr) -> bool {
        self.0.contains(&address)
    }

    /// Such a device is there.
    pub(crate) fn learn(&mut self, address: SocketAddr) {
        if self.0.len() >= REMEMBERED && !self.0.contains(&address) {
            self.0.clear();
        }
        self.0.insert(address);
    }
}

/// Whether this is the User-Agent of such a device.
pub(crate) fn knows_one_hash_only(agent: &[u8]) -> bool {
    ONE_HASH_ONLY.iter().any(|known| agent.starts_with(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_devices_that_know_one_hash_are_forgotten_all_at_once_when_too_many() {
        let mut known = OneHash::default();
        let mut learn = |number: usize| {
            let ip = [10, (number >> 16) as u8, (number >> 8) as u8, number as u8];
            known.learn(SocketAddr::from((ip, 5060)));
            (known.0.len(), known.knows(SocketAddr::from(([10, 0, 0, 0], 5060))))
        };
        assert_eq!((0..REMEMBERED).map(&mut learn).last(), Some((REMEMBERED, true)));
        // Who is known takes no room.
        assert_eq!(learn(REMEMBERED - 1), (REMEMBERED, true));
        assert_eq!(learn(REMEMBERED), (1, false));
    }
}
