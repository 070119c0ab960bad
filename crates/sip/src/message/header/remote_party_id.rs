//! Remote-Party-ID: what Asterisk and others wrote before RFC 3325 (draft-ietf-sip-privacy-04).

addresses! {
    /// Who the caller is, with `party`, `privacy` and `screen`.
    RemotePartyId, list: true, bare: false
}

impl RemotePartyId<'_> {
    /// Whether it names who calls, and nobody else that has to do with the call: by `party`.
    pub fn is_caller(&self) -> bool {
        self.param("party").is_none_or(|party| party.eq_ignore_ascii_case("calling"))
    }

    /// Whether the address is not to be told: `privacy` is `full` or `uri`, or a word of which we do not know what it is to hide.
    pub fn hides_address(&self) -> bool {
        self.hides(|word| !["name", "off", "none"].iter().any(|open| word.eq_ignore_ascii_case(open)))
    }

    /// Whether the name is not to be told.
    pub fn hides_name(&self) -> bool {
        self.hides(|word| word.eq_ignore_ascii_case("name")) || self.hides_address()
    }

    /// Words with commas between them, and behind a hyphen who is to see to it. Without quotes a list ends at such a comma: the rest is a value that cannot be
    /// read.
    fn hides(&self, hides: impl Fn(&str) -> bool) -> bool {
        let Some(privacy) = self.params.get("privacy") else { return false };
        privacy.text().split(',').any(|word| hides(word.trim().split('-').next().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::header::NameAddr;

    #[test]
    fn a_remote_party_is_hidden_by_full_and_uri_and_its_name_by_name() {
        for (privacy, address, name) in [
            ("", false, false),
            (";privacy=off", false, false),
            (";privacy=none", false, false),
            (";privacy=full", true, true),
            (";Privacy=FULL-network;screen=yes", true, true),
            (";privacy=uri", true, true),
            (";privacy=name", false, true),
            (";privacy=\"name-network, uri\"", true, true),
            (";privacy=\"off,name\"", false, true),
            (";privacy=odd", true, true),
            (";privacy", true, true),
        ] {
            let text = format!("\"Ann\" <sip:77@gw>{privacy}");
            let party = RemotePartyId(NameAddr::parse(&text).expect("an address"));
            assert_eq!((party.hides_address(), party.hides_name()), (address, name), "{text}");
        }
    }

    #[test]
    fn a_remote_party_is_the_caller_unless_it_says_otherwise() {
        for (party, caller) in [("", true), (";party=Calling", true), (";party=called", false)] {
            let text = format!("<sip:77@gw>{party}");
            assert_eq!(RemotePartyId(NameAddr::parse(&text).expect("an address")).is_caller(), caller, "{text}");
        }
    }
}
