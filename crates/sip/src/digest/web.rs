//! Challenges of servers of the web, as one behind which there is a WebSocket sends them (RFC 7118 section 7): digest as in SIP (RFC 7616), and Basic (RFC 7617) where nobody
//! on the way can read the password. One header field may hold several challenges there (RFC 9110 section 11.6.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::{CHALLENGES, Client, Credentials, Refused, Secret};
use super::fields::Fields;
use super::home::{Challenger, Home};

/// The value of Authorization in a second attempt at `GET resource`: of the strongest digest that is asked for and can be answered, else by Basic, and that over TLS alone.
/// `values` are those of WWW-Authenticate, of which the first sixteen challenges are read; `cnonce` is fresh and random. Who asks must be a server of the
/// account's ([`super::Credential::at`]), where the credential is tied to servers; the password itself (Basic) is told to no other.
///
/// # Errors
/// Why there is no answer; nothing was computed for it.
pub fn web_authorization<'v>(
    credentials: &Credentials,
    server: Challenger<'_>,
    values: impl Iterator<Item = &'v [u8]>,
    resource: &str,
    cnonce: u64,
) -> Result<String, Refused> {
    let challenges: Vec<&[u8]> = values.flat_map(apart).take(CHALLENGES).collect();
    let mut client = Client::new(credentials.clone());
    let digests = client.take_challenges_of(server, challenges.iter().map(|value| (false, *value)));
    let Err(why) = digests else {
        let mut lines = client.lines_to(server, "GET", resource, b"", cnonce).into_iter();
        return lines.next().map(|(_, line)| line).ok_or(Refused::NoChallenge);
    };
    let basic = |realm| if server.secure { credentials.user_and_password(server, realm) } else { None };
    match challenges.iter().find_map(|value| realm_of_basic(value)) {
        None => Err(why),
        Some(realm) => match basic(realm) {
            Some(pair) => Ok(format!("Basic {}", STANDARD.encode(pair))),
            None if !server.secure => Err(Refused::InTheClear { realm: realm.to_owned() }),
            None => Err(Refused::NoCredentials { realm: realm.to_owned() }),
        },
    }
}

impl Credentials {
    /// What a server of the account's may be told in this realm (RFC 7617 section 2): no user with a colon, and no hash.
    fn user_and_password(&self, server: Challenger<'_>, realm: &str) -> Option<String> {
        let mut told = self.of(realm).filter(|one| one.homes().iter().any(|home: &Home| home.is(&server)));
        told.find_map(|one| match one.secret() {
            Secret::Password(password) if !one.user().contains(':') => Some(format!("{}:{password}", one.user())),
            _ => None,
        })
    }
}

/// The realm of a challenge of Basic, as it stood between the quotes.
fn realm_of_basic(challenge: &[u8]) -> Option<&str> {
    let (scheme, parameters) = challenge.split_at_checked(challenge.iter().position(|octet| *octet == b' ')?)?;
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    Fields::bare(parameters).ok()?.realm
}

/// The challenges that one header field holds: a comma divides two where a scheme stands behind it, and two parameters otherwise.
fn apart(value: &[u8]) -> Vec<&[u8]> {
    let mut challenges: Vec<&[u8]> = Vec::new();
    let (mut start, mut from) = (0, 0);
    for at in commas(value).chain([value.len()]) {
        if begins_challenge(value.get(from..at).unwrap_or_default()) {
            challenges.push(trimmed(value.get(start..from).unwrap_or_default()));
            start = from;
        }
        from = at + 1;
    }
    challenges.push(trimmed(value.get(start..).unwrap_or_default()));
    challenges.retain(|one| !one.is_empty());
    challenges
}

/// Where commas stand outside quotes.
fn commas(value: &[u8]) -> impl Iterator<Item = usize> {
    let (mut quoted, mut escaped) = (false, false);
    value.iter().enumerate().filter_map(move |(at, octet)| {
        match octet {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return Some(at),
            _ => {}
        }
        None
    })
}

/// Whether an element of the list is a scheme, with or without something behind it, rather than a parameter: `name=value`, with blanks around the sign at most.
fn begins_challenge(element: &[u8]) -> bool {
    let element = element.trim_ascii();
    let word = element.iter().position(|octet| matches!(octet, b' ' | b'\t' | b'=')).unwrap_or(element.len());
    let behind = element.get(word..).unwrap_or_default().trim_ascii_start();
    word > 0 && behind.first() != Some(&b'=')
}

/// Without blanks and commas around it.
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b',', rest @ ..] | [rest @ .., b' ' | b'\t' | b','] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests;
