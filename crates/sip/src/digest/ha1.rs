//! HA1: the hash of user, realm and password, which is all a server needs to keep (RFC 7616 sections 3.4.2 and 5.5).

use std::fmt;

use subtle::ConstantTimeEq;

use super::algorithm::{Algorithm, Hex, read_hex};
use super::fields::{escape, quotable};

/// `H(user ":" realm ":" password)`. Whoever holds it can authenticate: treat it as a password.
#[derive(Clone, Copy)]
pub struct Ha1 {
    algorithm: Algorithm,
    bytes: [u8; 32],
}

/// Why an HA1 cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ha1Error {
    /// User or realm holds a control character: it could not be written into a header.
    Control,
    /// Not the hexadecimal text of the algorithm's length: 32 digits for MD5, 64 for the others.
    Text {
        /// Digits expected.
        expected: usize,
        /// Characters given.
        given: usize,
    },
}

impl fmt::Display for Ha1Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ha1Error::Control => {
                f.write_str("user or realm: expected no control character (RFC 3261 25.1 quoted-string)")
            }
            Ha1Error::Text { expected, given } => {
                write!(f, "HA1: expected {expected} hexadecimal digits, found {given} characters (RFC 7616 3.4.2)")
            }
        }
    }
}

impl std::error::Error for Ha1Error {}

impl Ha1 {
    /// RFC 7616 section 3.4.2, with user and realm as they stand between quotes.
    pub fn new(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Result<Ha1, Ha1Error> {
        if !quotable(user) || !quotable(realm) {
            return Err(Ha1Error::Control);
        }
        Ok(Self::from_raw(algorithm, &escape(user), &escape(realm), password))
    }

    /// The same for names that are escaped already.
    pub(crate) fn from_raw(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Ha1 {
        let bytes = algorithm.bytes(&[user.as_bytes(), b":", realm.as_bytes(), b":", password.as_bytes()]);
        Ha1 { algorithm, bytes }
    }

    /// Reads the hexadecimal text, as `md5secret` and provisioning systems keep it.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Result<Ha1, Ha1Error> {
        let mut bytes = [0; 32];
        let read = bytes.get_mut(..algorithm.size()).is_some_and(|into| read_hex(text, into));
        let wrong = Ha1Error::Text { expected: algorithm.size() * 2, given: text.chars().count() };
        if read { Ok(Ha1 { algorithm, bytes }) } else { Err(wrong) }
    }

    /// An HA1 nobody has the password of: what an unknown user is compared with, in the same time.
    pub(crate) fn nobody(algorithm: Algorithm, secret: [u8; 32]) -> Ha1 {
        Ha1 { algorithm, bytes: secret }
    }

    /// Of which hash it is.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal text.
    pub fn to_hex(&self) -> String {
        self.hex().as_str().to_owned()
    }

    pub(crate) fn hex(&self) -> Hex {
        Hex::of(self.bytes.get(..self.algorithm.size()).unwrap_or_default())
    }
}

/// Compares without telling by the time it takes.
impl PartialEq for Ha1 {
    fn eq(&self, other: &Ha1) -> bool {
        self.algorithm == other.algorithm && bool::from(self.hex().as_bytes().ct_eq(other.hex().as_bytes()))
    }
}

impl Eq for Ha1 {}

/// Never prints the value.
impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({})", self.algorithm)
    }
}

/// The HA1 of one user for each algorithm the server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ha1Set {
    /// For MD5.
    pub md5: Option<Ha1>,
    /// For SHA-256.
    pub sha256: Option<Ha1>,
    /// For SHA-512-256.
    pub sha512_256: Option<Ha1>,
}

impl Ha1Set {
    /// Those of these algorithms, from a password.
    ///
    /// # Errors
    /// [`Ha1Error::Control`].
    pub fn from_password(
        algorithms: &[Algorithm],
        user: &str,
        realm: &str,
        password: &str,
    ) -> Result<Ha1Set, Ha1Error> {
        let mut set = Ha1Set::default();
        for algorithm in algorithms {
            set.insert(Ha1::new(*algorithm, user, realm, password)?);
        }
        Ok(set)
    }

    /// The one of this algorithm.
    pub fn get(&self, algorithm: Algorithm) -> Option<Ha1> {
        match algorithm {
            Algorithm::Md5 => self.md5,
            Algorithm::Sha256 => self.sha256,
            Algorithm::Sha512_256 => self.sha512_256,
        }
    }

    /// Puts one in its place.
    pub fn insert(&mut self, ha1: Ha1) {
        match ha1.algorithm {
            Algorithm::Md5 => self.md5 = Some(ha1),
            Algorithm::Sha256 => self.sha256 = Some(ha1),
            Algorithm::Sha512_256 => self.sha512_256 = Some(ha1),
        }
    }
}

impl From<Ha1> for Ha1Set {
    fn from(ha1: Ha1) -> Ha1Set {
        let mut set = Ha1Set::default();
        set.insert(ha1);
        set
    }
}
