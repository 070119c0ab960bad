//! Which shard a message belongs to.
//!
//! A server may run several stacks, each a *shard* with the calls whose Call-ID falls to it; a REGISTER goes by its address of record instead,
//! so that all bindings of a user are in one place, and what is answered to one that was passed on goes there as well. Every shard reckons alike, so any of them can take a message from the network and
//! hand it to its home. What a shard begins itself gets a Call-ID that falls to it: responses and requests within the dialog come home.

use crate::id::Shard;
use crate::message::header::NameAddr;
use crate::rng::Rng;
use crate::siphash::Sip13;
use crate::transaction::key;

/// How many shards there are, and the secret by which calls and users fall to them: nobody outside can choose a shard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    count: u8,
    key: (u64, u64),
}

impl std::fmt::Debug for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spread").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Spread {
    /// One shard, to which everything belongs.
    pub const ONE: Self = Self { count: 1, key: (0, 0) };
    /// The most shards there may be.
    pub const MOST: u8 = 64;

    /// Spreads over `count` shards, between 1 and [`Spread::MOST`]. All of them need the same key; it must be secret and fresh.
    pub fn new(count: u8, key: (u64, u64)) -> Self {
        Self { count: count.clamp(1, Self::MOST), key }
    }

    /// How many shards there are.
    pub fn count(&self) -> u8 {
        self.count
    }

    /// The shard of a Call-ID, which is compared octet by octet (RFC 3261 section 20.8).
    pub fn of_call(&self, call_id: &[u8]) -> Shard {
        self.pick(1, call_id)
    }

    /// The shard of an address of record: by its user part alone, escapes resolved, so that it makes no difference under which host name a
    /// registrar is known.
    pub fn of_user(&self, user: &str) -> Shard {
        self.pick(2, user.as_bytes())
    }

    /// The shard of a whole message: of the user in To for a REGISTER (RFC 3261 section 10.3) and for the response to one that was passed on, else of its
    /// Call-ID, as for a REGISTER of a whole domain. `None` for what has neither, or no head at all. Of other requests it looks for that one header field and at nothing else.
    pub fn of_message(&self, message: &[u8]) -> Option<Shard> {
        let text = begun(message)?;
        let by_user = text.starts_with(b"REGISTER ") || is_of_passed_register(text);
        match by_user.then(|| self.of_user_in_to(text)).flatten() {
            Some(shard) => Some(shard),
            None => Some(self.of_call(call_id(text)?)),
        }
    }

    /// The shard of the user in To; `None` where it has none.
    fn of_user_in_to(&self, text: &[u8]) -> Option<Shard> {
        let to = std::str::from_utf8(field(text, b"To", b't')?.trim_ascii()).ok()?;
        let to = NameAddr::parse(to).ok()?;
        Some(self.of_user(&to.uri.user_unescaped()?))
    }

    /// The Call-ID of a whole message, which need not be readable otherwise. Looks at nothing else.
    pub fn call_id_in(message: &[u8]) -> Option<&[u8]> {
        call_id(begun(message)?)
    }

    /// A fresh Call-ID that falls to `shard`.
    pub(crate) fn call_id(&self, shard: Shard, rng: &mut Rng) -> String {
        // Each try succeeds once in as many times as there are shards: this many fail together once in 10^13 cases of 64 shards.
        for _ in 0..2_000 {
            let call_id = rng.call_id();
            if self.count == 1 || self.of_call(call_id.as_bytes()) == shard {
                return call_id;
            }
        }
        rng.call_id()
    }

    fn pick(&self, kind: u8, text: &[u8]) -> Shard {
        if self.count == 1 {
            return Shard(0);
        }
        let mut hash = Sip13::new(self.key);
        hash.word(u64::from(kind));
        hash.text(text);
        // Below the count, so within eight bits.
        Shard((hash.finish() % u64::from(self.count)) as u8)
    }
}

/// Without the line breaks before it.
fn begun(message: &[u8]) -> Option<&[u8]> {
    let begin = message.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    message.get(begin..)
}

/// Whether this is the response to a REGISTER that was passed on, as the mark in our branch says: its transaction is where the request had come to. One that a shard
/// has begun itself has a Call-ID of that shard.
fn is_of_passed_register(text: &[u8]) -> bool {
    text.starts_with(b"SIP/")
        && field(text, b"Via", b'v').is_some_and(key::has_mark)
        && field(text, b"CSeq", 0).is_some_and(|cseq| cseq.trim_ascii_end().ends_with(b"REGISTER"))
}

fn call_id(text: &[u8]) -> Option<&[u8]> {
    let value = field(text, b"Call-ID", b'i')?.trim_ascii_start();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    value.get(..end)
}

/// The value of the first header field of this name, long or of one letter where there is one, folds included.
fn field<'m>(text: &'m [u8], long: &[u8], short: u8) -> Option<&'m [u8]> {
    let mut at = memchr::memchr(b'\n', text)? + 1;
    loop {
        let line = text.get(at..)?;
        let first = line.first()?.to_ascii_lowercase();
        if matches!(first, b'\r' | b'\n') {
            return None;
        }
        let end = memchr::memchr(b'\n', line).map_or(line.len(), |end| end + 1);
        if (first == short || long.first().is_some_and(|one| one.to_ascii_lowercase() == first))
            && let Some(colon) = memchr::memchr(b':', line.get(..end)?)
            && let Some(name) = line.get(..colon).map(<[u8]>::trim_ascii_end)
            && (name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(&[short]))
        {
            return line.get(colon + 1..folded(line, end));
        }
        at += end;
    }
}

/// Where a field ends whose first line ends at `end` (RFC 3261 section 7.3.1).
fn folded(text: &[u8], mut end: usize) -> usize {
    while let Some(b' ' | b'\t') = text.get(end) {
        let rest = text.get(end..).unwrap_or_default();
        end += memchr::memchr(b'\n', rest).map_or(rest.len(), |next| next + 1);
    }
    end
}

#[cfg(test)]
mod tests;
