//! `a=crypto`: keys for SRTP in the description itself (SDES, RFC 4568). Values only; which one to take and what to do
//! with it is for the media side.

mod base64;

use std::fmt;

use crate::attribute::Attribute;
use crate::media::Media;
use crate::text::{Text, Token};
use crate::time::read_digits;

/// One `a=crypto` line: RFC 4568 section 9.1. The keys are not printed by [`fmt::Debug`].
#[derive(Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Names the line in the answer; at most 999 999 999.
    pub tag: u32,
    /// The crypto suite, such as `AES_CM_128_HMAC_SHA1_80`; compared exactly.
    pub suite: Token,
    /// The `inline` keys, at least one; each as long as the suite wants, for the suites of [`Crypto::key_length`].
    pub keys: Vec<InlineKey>,
    /// Session parameters as they stand. One that is not understood and does not begin with `-` makes the line
    /// unusable (RFC 4568 section 6.3.7).
    pub session_parameters: Vec<Text>,
}

/// One `inline` key: RFC 4568 sections 6.1 and 9.2.
#[derive(Clone, PartialEq, Eq)]
pub struct InlineKey {
    /// Master key and master salt, one behind the other.
    pub key_salt: Vec<u8>,
    /// How many packets may be protected with it.
    pub lifetime: Option<u64>,
    /// Master key identifier: value, and its length in packets in bytes (1 to 128).
    pub mki: Option<(u64, u8)>,
}

impl Crypto {
    /// Bytes of key and salt for a suite: RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.2. `None` for
    /// a suite this crate does not know.
    pub fn key_length(suite: &str) -> Option<usize> {
        match suite {
            "AES_CM_128_HMAC_SHA1_80" | "AES_CM_128_HMAC_SHA1_32" | "F8_128_HMAC_SHA1_80" => Some(30),
            "AES_192_CM_HMAC_SHA1_80" | "AES_192_CM_HMAC_SHA1_32" => Some(38),
            "AES_256_CM_HMAC_SHA1_80" | "AES_256_CM_HMAC_SHA1_32" => Some(46),
            "AEAD_AES_128_GCM" => Some(28),
            "AEAD_AES_256_GCM" => Some(44),
            _ => None,
        }
    }

    /// A line with one key and nothing else. `None` for a suite which is not a token, a tag of more than nine digits,
    /// or a key which has not the length of the suite.
    pub fn new(tag: u32, suite: &str, key_salt: &[u8]) -> Option<Crypto> {
        let suite = Token::new(suite).ok()?;
        let fits = Crypto::key_length(&suite).is_none_or(|length| length == key_salt.len()) && !key_salt.is_empty();
        let key = InlineKey { key_salt: key_salt.to_vec(), lifetime: None, mki: None };
        let crypto = Crypto { tag, suite, keys: vec![key], session_parameters: Vec::new() };
        (tag <= 999_999_999 && fits).then_some(crypto)
    }

    /// Reads the value of an `a=crypto` line. `None` for whatever breaks the grammar, and for a key of a known suite
    /// which has not the right length.
    pub fn read(value: &str) -> Option<Crypto> {
        let mut fields = value.split([' ', '\t']).filter(|field| !field.is_empty());
        let tag = fields.next().filter(|tag| tag.len() <= 9).and_then(read_digits)?;
        let suite = Token::new(fields.next()?).ok()?;
        let keys: Option<Vec<InlineKey>> = fields.next()?.split(';').map(InlineKey::read).collect();
        let keys = keys?;
        let length = Crypto::key_length(&suite);
        if keys.iter().any(|key| length.is_some_and(|length| length != key.key_salt.len())) {
            return None;
        }
        let session_parameters = fields.filter_map(|field| Text::new(field).ok()).collect();
        Some(Crypto { tag, suite, keys, session_parameters })
    }

    /// The line.
    pub fn attribute(&self) -> Attribute {
        let keys: Vec<String> = self.keys.iter().map(InlineKey::print).collect();
        let mut value = format!("{} {} {}", self.tag, self.suite, keys.join(";"));
        for parameter in &self.session_parameters {
            value.push(' ');
            value.push_str(parameter);
        }
        Attribute::literal("crypto", Some(value))
    }
}

impl InlineKey {
    fn read(text: &str) -> Option<InlineKey> {
        let mut parts = text.strip_prefix("inline:")?.split('|');
        let key_salt = base64::decode(parts.next()?).filter(|key| !key.is_empty())?;
        let mut key = InlineKey { key_salt, lifetime: None, mki: None };
        let mut part = parts.next();
        if let Some(lifetime) = part.filter(|part| !part.contains(':')) {
            key.lifetime = Some(match lifetime.strip_prefix("2^") {
                Some(power) => 1u64.checked_shl(read_digits(power)?)?,
                None => read_digits(lifetime)?,
            });
            part = parts.next();
        }
        if let Some((value, length)) = part.and_then(|part| part.split_once(':')) {
            key.mki =
                Some((read_digits(value)?, read_digits::<u8>(length).filter(|length| (1..=128).contains(length))?));
            part = parts.next();
        }
        part.is_none().then_some(key)
    }

    fn print(&self) -> String {
        let mut text = format!("inline:{}", base64::encode(&self.key_salt));
        if let Some(lifetime) = self.lifetime {
            match lifetime.is_power_of_two() {
                true => text += &format!("|2^{}", lifetime.trailing_zeros()),
                false => text += &format!("|{lifetime}"),
            }
        }
        if let Some((value, length)) = self.mki {
            text += &format!("|{value}:{length}");
        }
        text
    }
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crypto {} {} ({} keys)", self.tag, self.suite, self.keys.len())
    }
}

impl fmt::Debug for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key of {} bytes", self.key_salt.len())
    }
}

impl Media {
    /// The readable `a=crypto` lines, in order: the offerer's preference. RFC 4568 section 5.1.1.
    pub fn cryptos(&self) -> impl Iterator<Item = Crypto> {
        self.attributes.all("crypto").filter_map(Crypto::read)
    }
}

#[cfg(test)]
mod tests;
