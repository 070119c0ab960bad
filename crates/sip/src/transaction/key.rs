//! How requests and responses find their transaction (RFC 3261 sections 17.1.3 and 17.2.3).
//!
//! A server transaction is found by 128 bits of SipHash-1-3 over what the RFC compares, under a key from the seed. With a secret key
//! nobody can choose branches that collide (flooding a table) and among 2^32 live transactions two different ones share all 128 bits
//! with a chance of 2^-65: so the texts themselves are not kept, and no string is compared. SipHash rather than a faster mixer since
//! a branch and a sent-by are some 40 octets: 60 ns at most, and a proven keyed function is worth them.
//!
//! A client transaction needs no table: its own branch says where it stands, see [`Branch`].

use std::hash::Hasher;

use crate::id::Id;
use crate::message::{HeaderId, Headers, Method, Request};
use crate::rng::Token;
use crate::siphash::Sip13;

/// Octets that a proxy adds to a branch of ours: a dot, and a token by which it knows a request of its own that comes back.
const MARK: usize = 14;

/// The text every branch of RFC 3261 starts with (section 8.1.1.7).
pub(crate) const COOKIE: &str = "z9hG4bK";

/// What identifies a server transaction: see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key([u64; 2]);

impl Key {
    fn new(hash: u128) -> Self {
        Key([hash as u64, (hash >> 64) as u64])
    }
}

impl Key {
    /// A To tag for an answer that leaves nothing behind: the same for every repeat (RFC 3261 section 8.2.7). It is the half of the hash that
    /// decides no place in a table.
    pub(crate) fn tag(self) -> Token {
        let [_, high] = self.0;
        Token::from_u64(high)
    }
}

impl std::hash::Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low, _] = self.0;
        state.write_u64(low);
    }
}

/// The hasher of tables keyed by [`Key`]: the key is one already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// A table keyed by [`Key`].
pub(crate) type Table<V> = std::collections::HashMap<Key, V, std::hash::BuildHasherDefault<AsIs>>;

/// Makes keys; holds the secret.
#[derive(Clone, Copy)]
pub(crate) struct Keys(pub(crate) (u64, u64));

/// Never prints the secret.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// The server transaction a request belongs to (RFC 3261 section 17.2.3). `method` is the request's own, INVITE for an ACK, or the
    /// method being cancelled for a CANCEL.
    pub(crate) fn server(&self, request: &Request, method: &Method) -> Key {
        let headers = request.headers();
        let (branch, sent_by) = headers.way_back();
        if !is_rfc3261(branch) {
            return self.old(request, method, headers.to_tag_octets());
        }
        let mut hash = Sip13::new(self.0);
        hash.word(1);
        hash.text(branch);
        lower(&mut hash, sent_by);
        hash.text(method.as_str().as_bytes());
        Key::new(hash.finish128())
    }
    /// The same for a request without the cookie, of a peer that knows RFC 2543 only: by Request-URI, tags, Call-ID, CSeq and top Via.
    /// The texts are compared octet by octet: a repeat is the same octets, and so is what the RFC has an ACK and a CANCEL copy.
    fn old(&self, request: &Request, method: &Method, to_tag: Option<&[u8]>) -> Key {
        let headers = request.headers();
        let mut hash = Sip13::new(self.0);
        hash.word(2);
        hash.text(request.uri_text().as_bytes());
        hash.text(to_tag.unwrap_or_default());
        hash.text(headers.from_tag().unwrap_or("").as_bytes());
        hash.text(headers.call_id().as_bytes());
        hash.word(u64::from(headers.cseq().number));
        hash.text(headers.raw(HeaderId::Via).unwrap_or(b""));
        hash.text(method.as_str().as_bytes());
        Key::new(hash.finish128())
    }
    /// Where the ACK of an RFC 2543 peer for our answer with `to_tag` will look; `None` for peers with the cookie, whose ACK is found
    /// by its branch.
    pub(crate) fn old_ack(&self, invite: &Request, to_tag: &[u8]) -> Option<Key> {
        let (branch, _) = invite.headers().way_back();
        (!is_rfc3261(branch)).then(|| self.old(invite, &Method::Invite, Some(to_tag)))
    }
    /// What two merged requests share (RFC 3261 section 8.2.2.2): From tag, Call-ID, CSeq. `None` when there is a To tag.
    pub(crate) fn merged(&self, headers: &Headers, method: &Method) -> Option<Key> {
        if headers.to_tag_octets().is_some() {
            return None;
        }
        let (call_id, from_tag) = headers.call();
        let mut hash = Sip13::new(self.0);
        hash.word(3);
        hash.text(from_tag);
        hash.text(call_id);
        hash.word(u64::from(headers.cseq().number));
        hash.text(method.as_str().as_bytes());
        Some(Key::new(hash.finish128()))
    }
    /// What a request shares with that which answers its challenge: all but the CSeq number (RFC 3261 section 22.2).
    pub(crate) fn attempts(&self, headers: &Headers, method: &Method) -> u64 {
        let (call_id, from_tag) = headers.call();
        let mut hash = Sip13::new(self.0);
        hash.word(7);
        hash.text(from_tag);
        hash.text(call_id);
        hash.text(method.as_str().as_bytes());
        hash.finish()
    }
    /// A To tag for an answer that leaves nothing behind: the same for every repeat (RFC 3261 section 8.2.7).
    pub(crate) fn stateless_tag(&self, headers: &Headers) -> Token {
        let mut hash = Sip13::new(self.0);
        hash.word(4);
        hash.text(headers.branch().unwrap_or("").as_bytes());
        hash.text(headers.from_tag().unwrap_or("").as_bytes());
        hash.text(headers.call_id().as_bytes());
        Token::from_u64(hash.finish())
    }
    /// The branch of a request that is passed on without a transaction: the same whenever the same request comes (RFC 3261 section 16.11).
    pub(crate) fn stateless_branch(&self, request: &Request) -> Branch {
        let headers = request.headers();
        let (branch, sent_by) = headers.way_back();
        let mut hash = Sip13::new(self.0);
        hash.word(6);
        if is_rfc3261(branch) {
            hash.text(branch);
            lower(&mut hash, sent_by);
        } else {
            hash.text(headers.raw(HeaderId::Via).unwrap_or(b""));
            hash.text(headers.from_tag().unwrap_or("").as_bytes());
            hash.text(headers.to_tag_octets().unwrap_or_default());
            hash.text(headers.call_id().as_bytes());
            hash.word(u64::from(headers.cseq().number));
            hash.text(request.uri_text().as_bytes());
        }
        Branch::new(self, hash.finish(), Id::from_u64(0))
    }
    fn mask(&self, nonce: u64) -> u64 {
        let mut hash = Sip13::new(self.0);
        hash.word(5);
        hash.word(nonce);
        hash.finish()
    }
}

/// Whether a branch is more than the cookie of RFC 3261, which is compared without regard to case, as every Via parameter is (RFC 3261
/// section 7.3.1).
pub(crate) fn is_rfc3261(branch: &[u8]) -> bool {
    let start = branch.get(..COOKIE.len()).filter(|start| start.len() < branch.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(COOKIE.as_bytes()))
}

/// Whether the first branch of ours in this text is one of a request that was passed on: its mark stands behind what every branch has.
pub(crate) fn has_mark(via: &[u8]) -> bool {
    let branch = memchr::memmem::find(via, COOKIE.as_bytes()).and_then(|at| via.get(at + COOKIE.len()..));
    branch.is_some_and(|branch| branch.get(2 * 13) == Some(&b'.'))
}

/// Host names have no case (RFC 3261 section 7.3.1).
fn lower(hash: &mut Sip13, text: &[u8]) {
    match text.iter().any(u8::is_ascii_uppercase) {
        true => hash.text(&text.to_ascii_lowercase()),
        false => hash.text(text),
    }
}

/// A branch of ours: the cookie, 64 random bits, and the handle of the transaction hidden under a mask that only we can take off. A
/// response finds its transaction without a table, nobody can tell how many we have, and guessing one means guessing 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    nonce: u64,
    hidden: u64,
}

impl Branch {
    /// The branch of the transaction at `id`.
    pub(crate) fn new(keys: &Keys, nonce: u64, id: Id) -> Self {
        Self { nonce, hidden: id.to_u64() ^ keys.mask(nonce) }
    }
    /// Reads a branch of ours back.
    pub(crate) fn parse(keys: &Keys, text: &str) -> Option<(Branch, Id)> {
        let rest = text.as_bytes().strip_prefix(COOKIE.as_bytes())?;
        let (nonce, rest) = rest.split_at_checked(13)?;
        let (hidden, mark) = rest.split_at_checked(13)?;
        if !mark.is_empty() && (mark.len() != MARK || !mark.starts_with(b".")) {
            return None;
        }
        let branch = Branch { nonce: Token::parse(nonce)?, hidden: Token::parse(hidden)? };
        Some((branch, Id::from_u64(branch.hidden ^ keys.mask(branch.nonce))))
    }
}

impl Branch {
    /// A number that follows from it.
    pub(crate) fn lot(self) -> u64 {
        self.nonce
    }
    /// What stands behind the cookie.
    pub(crate) fn tokens(self) -> [Token; 2] {
        [Token::from_u64(self.nonce), Token::from_u64(self.hidden)]
    }
}

impl std::fmt::Display for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [nonce, hidden] = self.tokens();
        write!(f, "{COOKIE}{nonce}{hidden}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Shard;

    #[test]
    fn branch_finds_its_transaction_and_only_under_its_key() {
        let (keys, other) = (Keys((1, 2)), Keys((1, 3)));
        let id = Id::new(Shard(2), 77, 123_456);
        let branch = Branch::new(&keys, 0xdead_beef, id);
        let text = branch.to_string();
        assert_eq!(text.len(), 33);
        assert_eq!(Branch::parse(&keys, &text), Some((branch, id)));
        assert_ne!(Branch::parse(&other, &text).map(|(_, id)| id), Some(id));
        for broken in ["", "z9hG4bK", &text[..32], &format!("{text}a"), &text.to_uppercase(), &text.replace("z9", "Z9")]
        {
            assert_eq!(Branch::parse(&keys, broken), None, "{broken}");
        }
    }
}
