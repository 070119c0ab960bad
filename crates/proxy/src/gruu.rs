//! Addresses that lead to one instance of a user (RFC 5627): how they are made, and what they say.
//!
//! A public one says whose it is: `sip:alice@example.com;gr=urn:uuid:..`. A temporary one does not: its user part hides user, instance and registration under a secret,
//! so nothing is kept of it, and it is good as long as a binding of the instance stands that was made under the same Call-ID (section 3.1.2). There is another with
//! each refresh, since the number of the REGISTER is hidden with it.

use sip::message::{Uri, UriBuf};
use sip::{TextHash, Token};

/// What the user part of a temporary address begins with.
const TEMPORARY: &str = "tgruu.";
/// Characters of one word of it.
const WORD: usize = 13;
/// Words of it: a user has at most 200 octets.
const WORDS: usize = 32;
const USER: usize = 200;
/// Octets behind the user: of whom, and of which REGISTER.
const TAIL: usize = 12;

/// Makes and reads them.
#[derive(Clone, Debug)]
pub struct Gruu(TextHash);

/// Whom such an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The user, as in the address of record.
    pub user: String,
    of: Whose,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    /// The instance with this URN.
    Instance(String),
    /// That with this mark.
    Marked(u64),
}

impl Gruu {
    /// Under this secret. With another one, temporary addresses that were given out before lead nowhere.
    pub fn new(secret: [u8; 16]) -> Self {
        Self(TextHash::new(secret))
    }

    /// The public address of an instance of this user (section 3.1.1).
    pub fn public(aor: &UriBuf, urn: &str) -> Option<UriBuf> {
        aor.with_param("gr", Some(urn)).ok()
    }

    /// A temporary address of it (section 3.1.2).
    pub fn temporary(&self, aor: &UriBuf, urn: &str, call_id: &str, cseq: u32) -> Option<UriBuf> {
        let uri = aor.as_uri();
        let user = uri.user_unescaped()?;
        if user.len() > USER {
            return None;
        }
        let mut plain = vec![user.len() as u8];
        plain.extend(user.as_bytes());
        plain.extend(self.mark(urn, call_id).to_le_bytes());
        plain.extend(cseq.to_le_bytes());
        plain.resize(plain.len().next_multiple_of(8), 0);
        let first = self.first(&plain);
        let words = self.masked(first, &plain);
        let text: String = std::iter::once(first).chain(words).map(|word| Token::from_u64(word).to_string()).collect();
        let host = uri.host_text();
        let address = UriBuf::sip(uri.is_secure(), Some(&[TEMPORARY, &text].concat()), host, uri.port()).ok()?;
        address.with_param("gr", None).ok()
    }

    /// Whom a URI names: `None` for one that is no such address, `Some(None)` for a temporary one that we have not made.
    pub fn read(&self, uri: &Uri<'_>) -> Option<Option<Named>> {
        let params = uri.params();
        if !params.has("gr") {
            return None;
        }
        let user = uri.user_unescaped()?;
        match params.get("gr").filter(|urn| !urn.is_empty()) {
            Some(urn) => {
                let urn = sip::message::uri::unescape(urn);
                let urn = String::from_utf8_lossy(&urn).into_owned();
                Some(Some(Named { user: user.into_owned(), of: Whose::Instance(urn) }))
            }
            None => Some(user.strip_prefix(TEMPORARY).and_then(|text| self.opened(text))),
        }
    }

    /// Whether that is the instance with this URN, registered under this Call-ID.
    pub fn is(&self, named: &Named, urn: &str, call_id: &str) -> bool {
        match &named.of {
            Whose::Instance(named) => named == urn,
            Whose::Marked(mark) => *mark == self.mark(urn, call_id),
        }
    }

    fn mark(&self, urn: &str, call_id: &str) -> u64 {
        self.0.of_all([b"gruu mark", urn.as_bytes(), call_id.as_bytes()])
    }

    /// The proof of all that is hidden, and what it is hidden under.
    fn first(&self, plain: &[u8]) -> u64 {
        self.0.of_all([b"gruu proof", plain])
    }

    fn masked(&self, first: u64, octets: &[u8]) -> Vec<u64> {
        let words = octets.as_chunks::<8>().0.iter().zip(0_u64..);
        let mask = |at: u64| self.0.of_all([b"gruu mask", &first.to_le_bytes()[..], &at.to_le_bytes()]);
        words.map(|(word, at)| u64::from_le_bytes(*word) ^ mask(at)).collect()
    }

    fn opened(&self, text: &str) -> Option<Named> {
        let words: Option<Vec<u64>> = text.as_bytes().chunks(WORD).take(WORDS).map(Token::parse).collect();
        let words = words?;
        let (first, words) = words.split_first()?;
        let hidden: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let plain: Vec<u8> = self.masked(*first, &hidden).iter().flat_map(|word| word.to_le_bytes()).collect();
        if self.first(&plain) != *first {
            return None;
        }
        let (length, rest) = plain.split_first()?;
        let (user, rest) = rest.split_at_checked(usize::from(*length))?;
        let mark = u64::from_le_bytes(*rest.get(..TAIL)?.first_chunk()?);
        Some(Named { user: std::str::from_utf8(user).ok()?.to_owned(), of: Whose::Marked(mark) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URN: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn aor(text: &str) -> UriBuf {
        text.parse().unwrap()
    }

    #[test]
    fn rfc5627_3_1_1_a_public_address_names_user_and_instance() {
        let gruu = Gruu::new([1; 16]);
        let public = Gruu::public(&aor("sip:alice@example.com"), URN).unwrap();
        assert_eq!(public.as_str(), format!("sip:alice@example.com;gr={URN}"));
        let named = gruu.read(&public.as_uri()).unwrap().unwrap();
        assert_eq!(named.user, "alice");
        assert!(gruu.is(&named, URN, "any") && !gruu.is(&named, "urn:uuid:0", "any"));
        assert_eq!(gruu.read(&aor("sip:alice@example.com").as_uri()), None);
    }

    #[test]
    fn rfc5627_3_1_2_a_temporary_address_hides_everything_and_cannot_be_made_up() {
        let gruu = Gruu::new([1; 16]);
        for user in ["alice", "a", "1001", "a%20b", &"x".repeat(200)] {
            let aor = aor(&format!("sips:{user}@example.com:5061"));
            let one = gruu.temporary(&aor, URN, "call@host", 1).unwrap();
            let other = gruu.temporary(&aor, URN, "call@host", 2).unwrap();
            assert_ne!(one, other, "another with each REGISTER");
            assert!(one.as_str().starts_with("sips:tgruu.") && one.as_str().ends_with("@example.com:5061;gr"), "{one}");
            assert!(user.len() < 4 || !one.as_str().contains(user));
            for address in [&one, &other] {
                let named = gruu.read(&address.as_uri()).unwrap().unwrap();
                assert_eq!(named.user, aor.as_uri().user_unescaped().unwrap());
                assert!(gruu.is(&named, URN, "call@host"));
                assert!(!gruu.is(&named, URN, "another call@host"), "it dies with the Call-ID");
                assert!(!gruu.is(&named, "urn:uuid:0", "call@host"));
            }
            assert_eq!(Gruu::new([2; 16]).read(&one.as_uri()), Some(None), "under another secret");
            let text = one.as_str().to_owned();
            for at in 0.."tgruu.".len() + 5 * WORD {
                let mut broken = text.clone().into_bytes();
                let at = "sips:".len() + at;
                if at >= text.find('@').unwrap() {
                    break;
                }
                broken[at] = if broken[at] == b'a' { b'b' } else { b'a' };
                let broken = String::from_utf8(broken).unwrap();
                assert_eq!(gruu.read(&Uri::parse(&broken).unwrap()), Some(None), "{broken}");
            }
        }
        assert_eq!(gruu.temporary(&aor(&format!("sip:{}@h", "x".repeat(201))), URN, "c", 1), None);
    }
}
