//! Which dialogs a subscription is about: the parameters of Event (RFC 4235 section 3.2).

use std::fmt;
use std::str::FromStr;

use super::PACKAGE;

/// What a dialog is known by (RFC 3261 section 12), seen from whose it is. Everything is compared octet by octet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifiers {
    /// Its Call-ID.
    pub call_id: String,
    /// The tag on the side of whose dialogs these are: `to-tag`.
    pub local_tag: String,
    /// The other side's: `from-tag`. `None`: any, which are all dialogs that one INVITE has made.
    pub remote_tag: Option<String>,
}

impl Identifiers {
    /// Whether a dialog is one of those that are meant.
    pub fn cover(&self, one: &Self) -> bool {
        let is_remote = |tag: &String| one.remote_tag.as_ref() == Some(tag);
        self.call_id == one.call_id && self.local_tag == one.local_tag && self.remote_tag.as_ref().is_none_or(is_remote)
    }
}

/// As people write it: `CALL-ID;to-tag=TAG`, with `;from-tag=TAG` for one dialog only. No Call-ID has a semicolon (RFC 3261 section 25.1).
impl FromStr for Identifiers {
    type Err = AskedError;

    fn from_str(text: &str) -> Result<Self, AskedError> {
        let mut parts = text.split(';').map(str::trim);
        let mut one =
            Self { call_id: parts.next().unwrap_or_default().to_owned(), local_tag: String::new(), remote_tag: None };
        for part in parts {
            match part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("to-tag", tag)) if one.local_tag.is_empty() => tag.clone_into(&mut one.local_tag),
                Some(("from-tag", tag)) if one.remote_tag.is_none() => one.remote_tag = Some(tag.to_owned()),
                _ => return Err(AskedError::Parameter(part.to_owned())),
            }
        }
        one.check()?;
        Ok(one)
    }
}

impl Identifiers {
    fn check(&self) -> Result<(), AskedError> {
        if self.call_id.is_empty() || self.local_tag.is_empty() {
            return Err(AskedError::Incomplete);
        }
        if !self.call_id.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(AskedError::CallId(self.call_id.clone()));
        }
        match [Some(&self.local_tag), self.remote_tag.as_ref()].into_iter().flatten().find(|tag| !is_token(tag)) {
            Some(tag) => Err(AskedError::Tag(tag.clone())),
            None => Ok(()),
        }
    }
}

/// What a subscription asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// One dialog, or those of one INVITE; `None`: all.
    pub dialog: Option<Identifiers>,
    /// The session descriptions as well: `include-session-description`. Who tells them decides whether it does.
    pub descriptions: bool,
}

/// Why that cannot be read, or written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskedError {
    /// A dialog is named by some of what it takes.
    Incomplete,
    /// A Call-ID with what none has.
    CallId(String),
    /// A tag that is no token.
    Tag(String),
    /// Anything else.
    Parameter(String),
}

impl fmt::Display for AskedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("expected call-id and to-tag, and from-tag for one dialog (RFC 4235 3.2)"),
            Self::CallId(text) => write!(f, "{text:?} is no Call-ID (RFC 3261 25.1)"),
            Self::Tag(text) => write!(f, "the tag {text:?} is no token (RFC 3261 25.1)"),
            Self::Parameter(text) => write!(f, "expected to-tag=TAG and from-tag=TAG behind a Call-ID, found {text:?}"),
        }
    }
}

impl std::error::Error for AskedError {}

impl Asked {
    /// Of the parameters of an Event: `value` gives that of a name, without quotes and escapes, and an empty one for a parameter without a value.
    ///
    /// # Errors
    /// [`AskedError::Incomplete`]: who wants one dialog says all of its identifiers, who wants those of an INVITE all but from-tag.
    pub fn of(value: impl Fn(&str) -> Option<String>) -> Result<Self, AskedError> {
        let descriptions = value("include-session-description").is_some();
        let dialog = match (value("call-id"), value("to-tag"), value("from-tag")) {
            (None, None, None) => None,
            (Some(call_id), Some(local_tag), remote_tag) if !call_id.is_empty() && !local_tag.is_empty() => {
                if remote_tag.as_deref() == Some("") {
                    return Err(AskedError::Incomplete);
                }
                Some(Identifiers { call_id, local_tag, remote_tag })
            }
            _ => return Err(AskedError::Incomplete),
        };
        Ok(Self { dialog, descriptions })
    }

    /// The value of Event.
    ///
    /// # Errors
    /// [`AskedError`] for what cannot be written.
    pub fn event(&self) -> Result<String, AskedError> {
        let mut event = PACKAGE.to_owned();
        if let Some(one) = &self.dialog {
            one.check()?;
            event.push_str(";call-id=");
            quote(&one.call_id, &mut event);
            event.push_str(";to-tag=");
            event.push_str(&one.local_tag);
            if let Some(tag) = &one.remote_tag {
                event.push_str(";from-tag=");
                event.push_str(tag);
            }
        }
        if self.descriptions {
            event.push_str(";include-session-description");
        }
        Ok(event)
    }
}

fn is_token(text: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet);
    !text.is_empty() && text.bytes().all(fits)
}

/// A token as it is, anything else in quotes, with a backslash before what would end them.
fn quote(text: &str, out: &mut String) {
    if is_token(text) {
        return out.push_str(text);
    }
    out.push('"');
    for one in text.chars() {
        if matches!(one, '"' | '\\') {
            out.push('\\');
        }
        out.push(one);
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
