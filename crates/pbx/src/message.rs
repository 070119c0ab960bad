//! MESSAGE between users (RFC 3428): a copy for each device of the one it is for.

use sip::message::{HeaderId, Method, StatusCode, UriBuf};
use sip::uas;
use sip::{Draft, Reply, Turn};

use crate::body;
use crate::finding::Seeker;
use crate::headers;
use crate::relay::Copy;
use crate::request::Admitted;
use crate::switch::Switch;
use crate::target::{self, Target};
use crate::trust::Caller;

/// Largest text, in octets. To a device by UDP, or behind a proxy that may take UDP, the whole request has 1300 at most (RFC 3428 section 8).
const LARGEST: usize = 16_384;

impl Switch {
    /// A MESSAGE of an authenticated user: refused, or passed on to the devices of the user it is for. `found`: those, when another loop was
    /// asked for them. The answer, unless it comes later.
    pub(crate) fn message(
        &mut self,
        message: Admitted,
        found: Option<Vec<Target>>,
        turn: &mut Turn<'_>,
    ) -> Option<Reply> {
        let request = &message.request;
        if let Some(refusal) = uas::scheme(request, &self.capabilities) {
            return Some(refusal);
        }
        let number = self.dialled(request);
        let name = number.as_deref().and_then(|number| self.accounts.by_number(number)).map(|known| known.name.clone());
        let (Some(number), Some(name)) = (number, name) else { return Some(Reply::new(StatusCode::NOT_FOUND)) };
        if let Some(refusal) = uas::extensions(request, &self.capabilities) {
            return Some(refusal);
        }
        if let Err(refusal) = self.privacy(request) {
            return Some(*refusal);
        }
        if request.body().len() > LARGEST {
            return Some(Reply::new(StatusCode::REQUEST_ENTITY_TOO_LARGE));
        }
        if self.finishing {
            return Some(self.busy());
        }
        if !self.relay.has_room() {
            return Some(Reply::no_room());
        }
        let (draft, caller) = match self.copy_of(&message, &number) {
            Ok(common) => common,
            Err(code) => return Some(Reply::new(code)),
        };
        if found.is_none() && !self.neighbours.keeps(&name) {
            let asked = self.findings.ask(&name, Seeker::Request(message), &self.neighbours, turn);
            return (!asked).then(Reply::no_room);
        }
        let targets = match self.targets(
            &name,
            message.request.is_secure(),
            message.request.uri().ok().as_ref(),
            found,
            turn.now(),
        ) {
            Ok(targets) => targets,
            Err(offline) => return Some(*offline),
        };
        let targets = target::wanted(&message.request, targets);
        let is_trusted = |target: &Target| self.config.trust.reaches(self.config.trust.has_user(&name), target);
        let along = |target: Target, mut copy: Draft| {
            caller.introduce(is_trusted(&target), &mut copy.lines);
            copy.by_streams = target.is_by_stream();
            (copy.uri, copy.routes, copy.hop) = (target.uri, target.routes, target.hop);
            copy
        };
        let copies = targets.into_iter().filter_map(|target| {
            let copy = copy(&draft, turn);
            Copy::by(target.into_flows().map(|flow| along(flow, copy.clone())))
        });
        let copies = copies.collect();
        let passed_on = self.relay.message(message.tx, copies, turn);
        (!passed_on).then(|| Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE))
    }

    /// What all copies have in common, and who sends it; the code to refuse with when it cannot be passed on.
    fn copy_of(
        &self,
        Admitted { request, origin, user, .. }: &Admitted,
        number: &str,
    ) -> Result<(Draft, Caller), StatusCode> {
        let hops = headers::hops(request.headers()).ok_or(StatusCode::TOO_MANY_HOPS)?;
        let host = self.host_of(request, origin);
        let to = UriBuf::sip(false, Some(number), &host, None).map_err(|_| StatusCode::BAD_REQUEST)?;
        let mut draft = Draft::new(Method::Message, to.clone());
        let caller = self.caller(request, origin, user, &host).ok_or(StatusCode::BAD_REQUEST)?;
        draft.from.clone_from(&caller.from);
        draft.to = format!("<{}>", to.as_str());
        draft.lines = headers::of_request(request.headers());
        draft.lines.push_id(HeaderId::MaxForwards, hops);
        draft.body = body::whole(request.headers());
        Ok((draft, caller))
    }
}

/// The copy for a device, which has a tag and a Call-ID of its own: the same along each flow, so that a device that has it twice can know.
fn copy(draft: &Draft, turn: &mut Turn<'_>) -> Draft {
    let from = format!("{};tag={:016x}", draft.from, rand::random::<u64>());
    Draft { from, call_id: turn.call_id(), ..draft.clone() }
}
