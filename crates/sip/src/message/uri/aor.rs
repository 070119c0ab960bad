//! Addresses of record.

use std::fmt;
use std::fmt::Write;

use super::escape::{Escaped, unescape};
use super::{Scheme, Uri};
use crate::message::Host;

/// The canonical form of a URI that names a user: for maps (RFC 3261 section 10.3 step 5).
///
/// Parameters, headers and password are gone, escapes are resolved as far as the grammar lets them be, the host is lower-case, visual
/// separators of a `tel` number are gone. The port stays when one was written. `sip` and `sips` differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aor(Box<str>);

impl Aor {
    pub(super) fn of(uri: &Uri<'_>) -> Aor {
        let mut text = String::with_capacity(uri.as_str().len());
        // Writing to a String cannot fail.
        let _ = match uri.scheme() {
            Scheme::Sip | Scheme::Sips => sip(uri, &mut text),
            Scheme::Tel => tel(uri, &mut text),
            Scheme::Other => write!(text, "{}:{}", uri.scheme_text().to_ascii_lowercase(), uri.opaque()),
        };
        Aor(text.into())
    }

    /// The canonical text, itself a URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn sip(uri: &Uri<'_>, text: &mut String) -> fmt::Result {
    text.push_str(if uri.is_secure() { "sips:" } else { "sip:" });
    if let Some(user) = uri.user() {
        match user.contains('%') {
            false => text.push_str(user),
            true => write!(text, "{}", Escaped::user(&unescape(user)))?,
        }
        text.push('@');
    }
    let start = text.len();
    match uri.host() {
        Host::Name(name) => text.push_str(without_root(name)),
        // As it is written it has no other form.
        Host::V4(_) => text.push_str(uri.host_text()),
        address => write!(text, "{address}")?,
    }
    if let Some(host) = text.get_mut(start..) {
        host.make_ascii_lowercase();
    }
    match uri.port() {
        Some(port) => write!(text, ":{port}"),
        None => Ok(()),
    }
}

/// A name without the dot of the root, which may end it; names that hold an empty label are left as they are.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').filter(|rest| !rest.is_empty() && !rest.ends_with('.')).unwrap_or(name)
}

fn tel(uri: &Uri<'_>, text: &mut String) -> fmt::Result {
    text.push_str("tel:");
    let digits = uri.user().unwrap_or("").chars().filter(|ch| !matches!(ch, '-' | '.' | '(' | ')'));
    text.extend(digits.map(|ch| ch.to_ascii_lowercase()));
    match uri.params().get("phone-context") {
        Some(context) if !context.is_empty() => write!(text, ";phone-context={}", context.to_ascii_lowercase()),
        _ => Ok(()),
    }
}

impl From<Aor> for String {
    fn from(aor: Aor) -> String {
        aor.0.into_string()
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Aor {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Aor {
    fn borrow(&self) -> &str {
        &self.0
    }
}
