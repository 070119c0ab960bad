//! Packages of INFO (RFC 6086) across a call: what one side says in Recv-Info that it takes is said to the other, and INFOs of it are passed on.
//!
//! The INVITEs of a call say what its caller takes, its answer what the device takes that has answered, and who takes a place in it hears with his answer what the other side does. What changes later, or is another's since somebody
//! was transferred or picked up, is told by an UPDATE, or by a re-INVITE to who takes none. Who says nothing of packages is told nothing. Extensions
//! and gatherings of several take none.

use std::borrow::Cow;

use sip::message::{Body, HeaderId, Lines, Method, Request, StatusCode};
use sip::{ClientTx, DialogId, Reply, SessionId, Turn, uas};

use super::{Call, Fate, Leg, Stage};
use crate::switch::Switch;

/// The package of an INFO, with its parameters.
pub(super) fn of(request: &Request) -> Option<Cow<'_, str>> {
    request.headers().text(HeaderId::InfoPackage).filter(|_| *request.method() == Method::Info)
}

/// 469 with the packages that the other side takes, parted by commas (section 4.2.2).
pub(super) fn refusal(taken: Option<&str>) -> Box<Reply> {
    let mut lines = Lines::new();
    uas::recv_info(&mut lines, taken.unwrap_or_default().split(','));
    Box::new(Reply::new(StatusCode::BAD_INFO_PACKAGE).lines(lines))
}

impl Switch {
    /// Who takes the place of a leg is about to be answered: what the one takes that he will talk to is said with the answer where he speaks of packages, and need not be told
    /// afterwards.
    pub(super) fn take_packages_for(&self, newcomer: SessionId, call: &mut Call, number: u32, turn: &mut Turn<'_>) {
        let other = match &call.stage {
            Stage::Ringing(_) => Some(call.caller.session),
            _ => call.across(number).map(|stays| stays.session),
        };
        let taken = other.and_then(|other| turn.info_packages(other)).unwrap_or_default().to_owned();
        if turn.info_packages(newcomer).is_some() {
            let _ = turn.take_info(newcomer, &taken);
        }
    }

    /// The caller is about to be answered for a device: what that one takes, in this dialog, is said with the answer where packages are spoken of.
    pub(super) fn take_packages_of(&self, call: &Call, number: u32, fork: Option<DialogId>, turn: &mut Turn<'_>) {
        let caller = call.caller.session;
        if turn.info_packages(caller).is_none() {
            return;
        }
        let device = self.session_of(call, number);
        let taken = match fork {
            Some(fork) => turn.fork_info_packages(device, fork),
            None => turn.info_packages(device),
        };
        let taken = taken.unwrap_or_default().to_owned();
        // A reliable response may have named those of another device: what is right is told once the call stands (section 5.2.3).
        let _ = turn.take_info(caller, &taken);
    }

    /// Tells each side of a call what the other one takes, where it was told something else.
    pub(super) fn tell_packages(&mut self, call: &mut Call, turn: &mut Turn<'_>) {
        let Call { caller, stage, .. } = call;
        let Stage::Joined(joined) = stage else { return };
        let Some(callee) = joined.callee.as_mut().filter(|_| joined.change.is_none()) else { return };
        let (first, second) = (caller.session, callee.session);
        let told = [tell(caller, second, turn), tell(callee, first, turn)];
        for (session, client) in told.into_iter().flatten() {
            self.relay.tells(client, session);
        }
    }

    /// A side has answered what it was told, and may have said what it takes itself.
    pub(crate) fn packages_told(&mut self, session: SessionId, turn: &mut Turn<'_>) {
        let call = self.calls.sessions.get(&session).map(|(id, _)| *id);
        let Some(call) = call.and_then(|id| self.calls.table.remove(&id)) else { return };
        self.settle(call, Fate::Goes, turn);
    }
}

/// Tells a side what the other one takes; later, where that cannot be done now. It is said once, whatever comes of it. The UPDATE, if it is one.
fn tell(leg: &mut Leg, other: SessionId, turn: &mut Turn<'_>) -> Option<(SessionId, ClientTx)> {
    let session = leg.session;
    turn.info_packages(session)?;
    let taken = turn.info_packages(other).unwrap_or_default();
    if turn.info_taken(session).unwrap_or_default() == taken || !turn.is_at_rest(session) || leg.line.is_asked() {
        return None;
    }
    let taken = taken.to_owned();
    let mut lines = Lines::new();
    uas::recv_info(&mut lines, taken.split(','));
    let update = match turn.takes_update(session) {
        true => Some(turn.in_dialog(session, Method::Update, lines, None).ok()?),
        false => {
            let offer = leg.line.offer_again().ok()?;
            if turn.refresh_session(session, Some(Body::sdp(offer)), lines).is_err() {
                leg.line.take_back();
                return None;
            }
            None
        }
    };
    let _ = turn.take_info(session, &taken);
    update.map(|client| (session, client))
}
