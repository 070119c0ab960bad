//! NOTIFYs that come (RFC 6665 sections 4.1.3 and 4.1.4).

use std::sync::Arc;
use std::time::Duration;

use super::ending;
use super::spec::{SubscribeSpec, same_event};
use super::table::{Purpose, Subscription};
use super::{Standing, SubscribeFailure, SubscriptionEvent};
use crate::dialog::Dialog;
use crate::header::{self, SubscriptionState};
use crate::id::{ServerTx, SubscriptionId};
use crate::invite::making;
use crate::message::{HeaderId, Headers, Lines, Request, StatusCode};
use crate::outbox::Origin;
use crate::reply::Reply;
use crate::turn::Turn;

/// Which subscription a NOTIFY is for.
enum Found {
    /// It has the dialog.
    Known(SubscriptionId),
    /// It waits for its first.
    First(SubscriptionId),
    /// It is another notifier's.
    Fork(SubscriptionId),
}

pub(super) fn on_notify(turn: &mut Turn<'_>, tx: ServerTx, request: &Arc<Request>, origin: &Origin) -> bool {
    let Some(found) = find(turn, request) else { return false };
    let (Found::Known(id) | Found::First(id) | Found::Fork(id)) = found;
    let Some(one) = turn.stack.subscriptions.get(id) else { return false };
    let refusal = refusal(&one.spec, request.headers()).or_else(|| super::demands(turn, request, &one.spec.lines));
    let refusal = refusal.or_else(|| no_room(turn, &found, id));
    if let Some(reply) = refusal {
        let _ = turn.respond(tx, reply);
        return true;
    }
    let id = match found {
        Found::Known(id) => {
            if let Some(reply) = heard(turn, id, request, origin) {
                let _ = turn.respond(tx, reply);
                return true;
            }
            id
        }
        Found::First(_) | Found::Fork(_) => match bound(turn, &found, id, request, origin) {
            Some(id) => id,
            None => {
                let _ = turn.respond(tx, Reply::new(StatusCode::BAD_REQUEST).reason("No Contact that can be used"));
                return true;
            }
        },
    };
    // At once: a NOTIFY waits for nobody (section 4.1.3).
    let _ = turn.respond(tx, Reply::new(StatusCode::OK));
    told(turn, id, request);
    true
}

fn find(turn: &Turn<'_>, request: &Request) -> Option<Found> {
    let headers = request.headers();
    let (local, remote) = (headers.to_tag()?, headers.from_tag().unwrap_or_default());
    let all = &turn.stack.subscriptions;
    let same_call = |id: &SubscriptionId| all.get(*id).is_some_and(|one| one.call_id == headers.call_id());
    if let Some(id) = all.find(local, remote) {
        return Some(Found::Known(id)).filter(|_| same_call(&id));
    }
    let id = all.root(local).filter(same_call)?;
    let one = all.get(id)?;
    match one.dialog {
        None => Some(Found::First(id)),
        Some(_) => Some(Found::Fork(id)),
    }
}

/// What a NOTIFY has to have, whatever subscription it is for.
fn refusal(spec: &SubscribeSpec, headers: &Headers) -> Option<Reply> {
    let ours = Headers::read::<header::Event<'_>>(spec.event.as_bytes()).ok()?;
    match headers.get::<header::Event<'_>>() {
        Some(Ok(event)) if same_event(&event, &ours) => {}
        Some(Ok(event)) if event.package == ours.package => {
            return Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
        }
        Some(Err(_)) => return Some(Reply::new(StatusCode::BAD_REQUEST).reason("Event cannot be read")),
        _ => {
            let mut lines = Lines::new();
            lines.push_id(HeaderId::AllowEvents, spec.package());
            return Some(Reply::new(StatusCode::BAD_EVENT).lines(lines));
        }
    }
    if !matches!(headers.get::<SubscriptionState<'_>>(), Some(Ok(_))) {
        return Some(Reply::new(StatusCode::BAD_REQUEST).reason("Expected one Subscription-State"));
    }
    if headers.body().is_empty() || spec.accept.is_empty() {
        return None;
    }
    let understood = headers.content_type().and_then(Result::ok).is_some_and(|kind| {
        let kind = format!("{}/{}", kind.kind, kind.subtype);
        spec.accept.iter().any(|one| one.split(';').next().is_some_and(|one| one.trim().eq_ignore_ascii_case(&kind)))
    });
    (!understood).then(|| {
        let mut lines = Lines::new();
        lines.push_id(HeaderId::Accept, spec.accept.join(", "));
        Reply::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).lines(lines)
    })
}

/// 481 for a fork that comes too late, or that nobody wants (sections 4.1.2.4 and 4.4.1).
fn no_room(turn: &Turn<'_>, found: &Found, id: SubscriptionId) -> Option<Reply> {
    let Found::Fork(_) = found else { return None };
    let one = turn.stack.subscriptions.get(id)?;
    let full = turn.stack.subscriptions.len() >= turn.stack.config.max_subscriptions;
    let late = turn.now.mono >= one.forks_until;
    (full || late || one.forks >= one.spec.forks || one.leaving)
        .then(|| Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST))
}

/// One more in a dialog that stands.
fn heard(turn: &mut Turn<'_>, id: SubscriptionId, request: &Request, origin: &Origin) -> Option<Reply> {
    let reach = turn.stack.config.session.reach;
    let dialog = turn.stack.subscriptions.get_mut(id)?.dialog.as_mut()?;
    if dialog.heard_cseq(request.headers().cseq().number).is_err() {
        return Some(Reply::new(StatusCode::SERVER_INTERNAL_ERROR).reason("CSeq out of order"));
    }
    making::refresh(dialog, making::contact_uri(request.headers()), origin, reach);
    None
}

/// The first makes the dialog (section 4.4.1): of the subscription that was asked for, or of a fork.
fn bound(
    turn: &mut Turn<'_>,
    found: &Found,
    id: SubscriptionId,
    request: &Request,
    origin: &Origin,
) -> Option<SubscriptionId> {
    let reach = turn.stack.config.session.reach;
    let local = request.headers().to_tag()?;
    let mut dialog: Dialog = making::of_request(request, origin, local, reach)?;
    dialog.confirmed();
    let shard = turn.stack.config.shard;
    let one = turn.stack.subscriptions.get_mut(id)?;
    dialog.follow_cseq(one.cseq);
    let id = match found {
        Found::Fork(_) => {
            one.forks += 1;
            let mut fork = Subscription::new(Arc::clone(&one.spec));
            (fork.is_fork, fork.cseq) = (true, one.cseq.saturating_add(1));
            (fork.call_id, fork.tag) = (one.call_id.clone(), one.tag.clone());
            (fork.due.end, fork.due.refresh) = (one.due.end, one.due.refresh);
            let fork = turn.stack.subscriptions.insert(shard, fork);
            turn.subscription_tell(id, SubscriptionEvent::Forked { subscription: fork });
            fork
        }
        _ => id,
    };
    turn.stack.subscriptions.bind(id, dialog);
    Some(id)
}

/// What the NOTIFY says of the subscription.
fn told(turn: &mut Turn<'_>, id: SubscriptionId, request: &Arc<Request>) {
    let now = turn.now.mono;
    let Some(Ok(state)) = request.headers().get::<SubscriptionState<'_>>() else { return };
    let Some(one) = turn.stack.subscriptions.get_mut(id) else { return };
    let over = one.leaving || one.is_fetch();
    let standing = match state.state.to_ascii_lowercase().as_str() {
        "active" => Standing::Active,
        "terminated" => Standing::Terminated,
        // An extension of this header: no more is known than that it is not over.
        _ => Standing::Pending,
    };
    // What is to end still waits for its last NOTIFY, and no longer than Timer N.
    if standing == Standing::Terminated || !over {
        one.due.notify = None;
    }
    if standing != Standing::Terminated && !over {
        let asked = Duration::from_secs(one.ask.into());
        let known = one.due.end.map(|end| end.since(now));
        // Never longer than it was, or than what is being asked for (section 4.2.2). One that says nothing is taken to hold for what was asked.
        let renewing = one.under_way == Some(Purpose::Refresh);
        let most = known.filter(|_| !renewing).unwrap_or(asked);
        let left = state.expires().map_or(most, |secs| Duration::from_secs(secs.into()).min(most));
        // What is left is told in whole seconds: that is no change, and puts no refresh off.
        let changes = known.is_none_or(|known| left + Duration::from_secs(1) < known || renewing && left > known);
        if known.is_none() || changes && state.expires().is_some() {
            one.due.end = Some(now + left);
            one.due.refresh = one.spec.refresh.after(left).map(|after| now + after);
        }
    }
    turn.subscription_tell(id, SubscriptionEvent::Notified { request: Arc::clone(request), standing });
    match standing {
        Standing::Terminated if over => turn.subscription_over(id, None),
        Standing::Terminated => {
            let reason = state.reason().map(str::to_owned);
            turn.subscription_failed(id, SubscribeFailure::Terminated { reason }, ending::of_state(&state));
        }
        _ => turn.subscription_go_on(id),
    }
}
