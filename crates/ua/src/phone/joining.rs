//! Who wants to be in a call of ours besides (Join, RFC 3911).
//!
//! It rings like any other call, with the one it names. Once it is answered, each of the three hears the two others; whoever leaves leaves alone.

use media::Key;
use sip::message::{Request, StatusCode};
use sip::{Origin, Reply, Turn};

use super::call::Stage;
use super::state::Phone;

impl Phone {
    /// The call that an INVITE wants to be in, where it wants that.
    ///
    /// # Errors
    /// The refusal (RFC 3911 section 4): 400, 481 and 603 as for Replaces, 403 for who is not the other side nor sent by it, 488 for a call that does not
    /// stand.
    pub(super) fn joined(
        &mut self,
        request: &Request,
        origin: &Origin,
        turn: &Turn<'_>,
    ) -> Result<Option<Key>, Box<Reply>> {
        let Some(session) = turn.joined(request)? else { return Ok(None) };
        let refuse = |code| Err(Box::new(Reply::new(code)));
        if !self.may_take_part(session, (request, origin), turn) {
            return refuse(StatusCode::FORBIDDEN);
        }
        match self.call_of(session) {
            Some((key, call)) if matches!(call.stage, Stage::Standing) => Ok(Some(key)),
            _ => refuse(StatusCode::NOT_ACCEPTABLE_HERE),
        }
    }
}
