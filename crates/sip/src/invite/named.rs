//! The session that an INVITE wants to replace (RFC 3891 section 3) or to join (RFC 3911 section 4).

use std::fmt;

use super::session::State;
use crate::id::SessionId;
use crate::message::header::{Header, Join, Replaces};
use crate::message::{Fault, HeaderId, Lexer, Method, Request, StatusCode};
use crate::planted::{Bug, planted};
use crate::reply::Reply;
use crate::turn::Turn;

/// The option tag of Replaces (RFC 3891 section 6.2).
pub const REPLACES: &str = "replaces";
/// The option tag of Join (RFC 3911 section 7.2).
pub const JOIN: &str = "join";

/// A dialog as Replaces and Join name it, seen from whoever gets the request. It prints as the value of either header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDialog {
    /// Its Call-ID.
    pub call_id: String,
    /// `to-tag`: ours.
    pub local_tag: String,
    /// `from-tag`: that of the other side.
    pub remote_tag: String,
    /// Only before its answer.
    pub early_only: bool,
}

impl NamedDialog {
    /// Reads the value of Replaces.
    ///
    /// # Errors
    /// When it does not follow the grammar of RFC 3891 section 6.1.
    pub fn replaces(value: &[u8]) -> Result<Self, Fault> {
        let mut lexer = Lexer::new(value);
        let read = Replaces::parse_value(&mut lexer)?;
        lexer.end()?;
        Ok(Self { early_only: read.is_early_only(), ..Self::of(read.call_id, read.to_tag(), read.from_tag()) })
    }

    /// Reads the value of Join.
    ///
    /// # Errors
    /// When it does not follow the grammar of RFC 3911 section 7.1.
    pub fn join(value: &[u8]) -> Result<Self, Fault> {
        let mut lexer = Lexer::new(value);
        let read = Join::parse_value(&mut lexer)?;
        lexer.end()?;
        Ok(Self::of(read.call_id, read.to_tag(), read.from_tag()))
    }

    fn of(call_id: &str, to_tag: Option<&str>, from_tag: Option<&str>) -> Self {
        let tag = |tag: Option<&str>| tag.unwrap_or_default().to_owned();
        Self { call_id: call_id.to_owned(), local_tag: tag(to_tag), remote_tag: tag(from_tag), early_only: false }
    }
}

impl fmt::Display for NamedDialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.local_tag, self.remote_tag)?;
        f.write_str(if self.early_only { ";early-only" } else { "" })
    }
}

/// What a name stands for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Nothing that is known.
    Nothing,
    /// A session that has ended: one of the last 256 dialogs of this stack.
    Over,
    /// One that is not answered yet.
    Early {
        /// Which.
        session: SessionId,
        /// We call.
        ours: bool,
    },
    /// One that stands.
    Standing(SessionId),
}

impl Turn<'_> {
    /// What a name stands for: `to-tag` is our tag, `from-tag` that of the other side.
    pub fn named(&self, name: &NamedDialog) -> Named {
        let dialogs = &self.stack.sessions.dialogs;
        let (ours, theirs) = (&name.local_tag, &name.remote_tag);
        let (ours, theirs) = if planted(Bug::ReplacesTags) { (theirs, ours) } else { (ours, theirs) };
        let Some(dialog) = dialogs.find(&name.call_id, ours, theirs) else {
            let over = dialogs.has_ended(&name.call_id, &name.local_tag);
            return if over { Named::Over } else { Named::Nothing };
        };
        let Some(session) = dialogs.owner(dialog) else { return Named::Nothing };
        match super::get(self, session).map(|found| (&found.state, found.dialog)) {
            Some((State::Calling(_), _)) => Named::Early { session, ours: true },
            Some((State::Ringing(_), _)) => Named::Early { session, ours: false },
            Some((State::Standing, spoken)) if spoken == Some(dialog) => Named::Standing(session),
            // An early dialog that lost against another fork has ended like the others.
            Some(_) => Named::Over,
            None => Named::Nothing,
        }
    }

    /// The session that an INVITE wants to replace, when it says so and that may be (RFC 3891 section 3). Whether its sender may do it is not looked
    /// at.
    ///
    /// # Errors
    /// The refusal: 400 for a request other than INVITE, for more than one, for one that cannot be read or has a Join beside it; 481 when there is no
    /// such dialog, or it is one that rings here; 603 when it has ended; 486 when it was answered and that is not wanted.
    pub fn replaced(&self, request: &Request) -> Result<Option<SessionId>, Box<Reply>> {
        let Some(name) = name_in(request, HeaderId::Replaces, NamedDialog::replaces)? else { return Ok(None) };
        let refuse = |code| Err(Box::new(Reply::new(code)));
        match self.named(&name) {
            Named::Nothing | Named::Early { ours: false, .. } => refuse(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            Named::Over => refuse(StatusCode::DECLINE),
            Named::Standing(_) if name.early_only => refuse(StatusCode::BUSY_HERE),
            Named::Standing(session) | Named::Early { session, ours: true } => Ok(Some(session)),
        }
    }

    /// The session that an INVITE wants to be joined with, when it says so (RFC 3911 section 4).
    ///
    /// # Errors
    /// As [`Turn::replaced`], but one that rings here may be joined.
    pub fn joined(&self, request: &Request) -> Result<Option<SessionId>, Box<Reply>> {
        let Some(name) = name_in(request, HeaderId::Join, NamedDialog::join)? else { return Ok(None) };
        let refuse = |code| Err(Box::new(Reply::new(code)));
        match self.named(&name) {
            Named::Nothing => refuse(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            Named::Over => refuse(StatusCode::DECLINE),
            Named::Standing(session) | Named::Early { session, .. } => Ok(Some(session)),
        }
    }
}

/// The dialog that a header of this request names.
fn name_in(
    request: &Request,
    id: HeaderId,
    read: fn(&[u8]) -> Result<NamedDialog, Fault>,
) -> Result<Option<NamedDialog>, Box<Reply>> {
    let headers = request.headers();
    if !headers.has(id) {
        return Ok(None);
    }
    let bad = |why: &str| Err(Box::new(Reply::new(StatusCode::BAD_REQUEST).reason(format!("Bad Request ({why})"))));
    let other = if id == HeaderId::Join { HeaderId::Replaces } else { HeaderId::Join };
    if *request.method() != Method::Invite || headers.has(other) || headers.all(id).count() > 1 {
        return bad("expected one of Replaces and Join, in an INVITE");
    }
    match headers.raw(id).map(<[u8]>::trim_ascii).map(read) {
        Some(Ok(name)) => Ok(Some(name)),
        _ => bad("expected a Call-ID, one to-tag and one from-tag"),
    }
}
