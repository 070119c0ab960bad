//! Where a stream stands among the records of TLS (RFC 8446 section 5.1, RFC 5246 section 6.2.1): how much of it is held back because its end has not come.

/// Kind, version and length of a record.
const HEAD: usize = 5;
/// The library makes room for so much at a time.
const ROOM: usize = 4_096;
/// What whole records may say to TLS alone before they count as something that has no end. Of a client: new keys, of which the library takes 32 in a row.
const OF_CLIENT: usize = 1_024;
/// Of a server: tickets, for as long as nobody says anything.
const OF_SERVER: usize = 16 * 1_024;

/// Counts octets of records. A record is held until it is whole, and one that is a piece of a message of TLS itself until the others have come: that cannot be
/// seen from outside, but that nothing came of it can.
pub(crate) struct Records {
    head: [u8; HEAD],
    /// Octets of the record that has begun.
    come: usize,
    /// Octets of whole records since something came of one.
    barren: usize,
    allowed: usize,
}

impl Records {
    /// Of a peer that is the client.
    pub(crate) fn of_client() -> Self {
        Self { head: [0; HEAD], come: 0, barren: 0, allowed: OF_CLIENT }
    }

    /// Of one that is the server.
    pub(crate) fn of_server() -> Self {
        Self { allowed: OF_SERVER, ..Self::of_client() }
    }

    /// These came.
    pub(crate) fn take(&mut self, mut octets: &[u8]) {
        while let Some((first, rest)) = octets.split_first() {
            if let Some(place) = self.head.get_mut(self.come) {
                *place = *first;
                self.come += 1;
                octets = rest;
            } else {
                let taken = octets.len().min(self.length().saturating_sub(self.come));
                self.come += taken;
                octets = octets.get(taken..).unwrap_or_default();
            }
            if self.come >= HEAD && self.come >= self.length() {
                self.barren = self.barren.saturating_add(self.come);
                self.come = 0;
            }
        }
    }

    /// Octets of the record whose head has come.
    fn length(&self) -> usize {
        let [.., high, low] = self.head;
        HEAD + usize::from(u16::from_be_bytes([high, low]))
    }

    /// Something came of them: octets for whoever is above, or the end of the handshake.
    pub(crate) fn gave(&mut self) {
        self.barren = 0;
    }

    /// Octets that are held because something has begun and not ended.
    pub(crate) fn held(&self) -> usize {
        self.come.next_multiple_of(ROOM) + self.barren.saturating_sub(self.allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u16) -> Vec<u8> {
        let mut record = vec![23, 3, 3];
        record.extend(length.to_be_bytes());
        record.resize(HEAD + usize::from(length), 0x17);
        record
    }

    #[test]
    fn rfc8446_5_1_a_record_is_held_until_its_last_octet_however_it_is_cut() {
        let stream = [record(0), record(1), record(300), record(5_000), record(16_640)].concat();
        for step in [1, 2, 4, 5, 6, 7, 306, 4_096, stream.len()] {
            let mut records = Records::of_server();
            for piece in stream[..stream.len() - 1].chunks(step) {
                records.take(piece);
                records.gave();
            }
            // All but the last octet of the last record.
            assert_eq!(records.held(), 5 * ROOM, "in pieces of {step}");
            records.take(&stream[stream.len() - 1..]);
            records.gave();
            assert_eq!(records.held(), 0, "in pieces of {step}");
        }
    }

    #[test]
    fn whole_records_of_which_nothing_comes_count_from_the_limit_on() {
        for (mut records, allowed) in [(Records::of_client(), 1_024), (Records::of_server(), 16_384)] {
            records.take(&record(0).repeat((allowed - 24) / HEAD));
            records.take(&record(19));
            assert_eq!(records.held(), 0, "at the limit");
            records.take(&record(0));
            assert_eq!(records.held(), HEAD, "past it");
            records.gave();
            assert_eq!(records.held(), 0);
        }
    }
}
