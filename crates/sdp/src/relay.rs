//! Editing the description of another leg, for a back-to-back user agent that relays its media.

use crate::connection::{Address, Connection};
use crate::media::Media;
use crate::session::Session;

/// What a relay must not pass on: transport details of the other leg.
const TRANSPORT_ATTRIBUTES: [&str; 9] = [
    "rtcp",
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ice-lite",
    "ice-mismatch",
];

impl Session {
    /// Replaces every address and port: `o=` and `c=` get `address`, each stream that is not rejected the port which
    /// `port` returns for it (0 rejects it). Lines that name other addresses go: `c=` of sections, `a=rtcp` and those of
    /// ICE (RFC 8839).
    ///
    /// A stream held by the null address stays held, by a null `c=` in its section. Keys (`a=crypto`,
    /// `a=fingerprint`) are left alone: they belong to the streams, not to the addresses.
    pub fn readdress(&mut self, address: impl Into<Address>, mut port: impl FnMut(usize, &Media) -> u16) {
        let address: Address = address.into();
        let held: Vec<bool> = self.streams().map(|stream| stream.is_held_by_address()).collect();
        for (index, (media, held)) in self.media.iter_mut().zip(held).enumerate() {
            media.connections.clear();
            if media.is_rejected() {
                continue;
            }
            media.port = port(index, media);
            media.port_count = None;
            if held {
                media.connections.push(address.to_null().into());
            }
        }
        let sections = self.media.iter_mut().map(|media| &mut media.attributes);
        for attributes in sections.chain([&mut self.attributes]) {
            attributes.retain(|attribute| TRANSPORT_ATTRIBUTES.iter().all(|name| attribute.name != *name));
        }
        self.origin.address = address.clone();
        self.connection = Some(Connection::from(address));
    }
}

#[cfg(test)]
mod tests;
