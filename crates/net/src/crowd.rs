//! How many are there, in all and of each party.

use std::collections::hash_map::{Entry, HashMap};
use std::net::{IpAddr, Ipv6Addr};

/// Counts who came, by network.
#[derive(Default)]
pub(crate) struct Crowd {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

impl Crowd {
    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// How many came from where this address is.
    pub(crate) fn of(&self, address: IpAddr) -> usize {
        self.of.get(&network(address)).copied().unwrap_or_default()
    }

    pub(crate) fn enter(&mut self, address: IpAddr) {
        self.all += 1;
        *self.of.entry(network(address)).or_default() += 1;
    }

    /// One who came from there goes.
    pub(crate) fn leave(&mut self, address: IpAddr) {
        if let Entry::Occupied(mut theirs) = self.of.entry(network(address)) {
            self.all -= 1;
            *theirs.get_mut() -= 1;
            if *theirs.get() == 0 {
                theirs.remove();
            }
        }
    }
}

/// What one party has to itself: an address of IPv4, a network of 64 bits of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_is_an_address_of_ipv4_or_a_network_of_ipv6() {
        let mut crowd = Crowd::default();
        let at = |text: &str| -> IpAddr { text.parse().unwrap() };
        for one in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"] {
            crowd.enter(at(one));
        }
        let of = |crowd: &Crowd, one: &str| crowd.of(at(one));
        assert_eq!((crowd.all(), of(&crowd, "192.0.2.1"), of(&crowd, "2001:db8::9")), (6, 2, 2));
        ["192.0.2.1", "192.0.2.1", "198.51.100.1"].into_iter().for_each(|one| crowd.leave(at(one)));
        assert_eq!((crowd.all(), of(&crowd, "192.0.2.1"), crowd.of.len()), (4, 0, 3), "who never came leaves nothing");
    }
}
