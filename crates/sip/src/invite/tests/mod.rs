//! Sessions on the wire: through `Stack`, `Turn` and `Outbox` only, with a clock that jumps.

mod called;
mod calling;
mod cancelling;
mod changing;
mod crowded;
mod ending;
mod forks;
mod formed;
mod intervals;
mod moving;
mod network;
mod packages;
mod pairs;
mod pracks;
mod records;
mod refreshing;
mod reliable;
mod session_ids;
mod updating;
mod within;

use crate::id::{ServerTx, SessionId};
use crate::invite::SessionEvent;
use crate::message::StatusCode;
use network::*;

/// A stack that calls a scripted peer, with an offer: the INVITE has come.
fn calling(net: &mut Network) -> (usize, usize, SessionId, String) {
    let (a, r) = (net.stack(|_| {}), net.raw());
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.one(r);
    (a, r, s, invite)
}

/// The same, after a 180 with the tag `t`.
fn ringing(net: &mut Network) -> (usize, usize, SessionId, String) {
    let (a, r, s, invite) = calling(net);
    net.say(r, a, &respond(&invite, 180, "t", &contact(r), ""));
    net.settle();
    (a, r, s, invite)
}

/// A stack that has called a scripted peer and was answered; the wire is quiet and both inboxes are empty.
fn calls(net: &mut Network) -> (usize, usize, SessionId, RawDialog) {
    let (a, r) = (net.stack(|_| {}), net.raw());
    calls_between(net, a, r)
}

fn calls_between(net: &mut Network, a: usize, r: usize) -> (usize, usize, SessionId, RawDialog) {
    let (s, _, dialog) = calls_with(net, a, r, "");
    (a, r, s, dialog)
}

/// Has the stack call a scripted peer that answers with these lines; what it sent first, and the session.
fn calls_with(net: &mut Network, a: usize, r: usize, answer: &str) -> (SessionId, String, RawDialog) {
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.one(r);
    net.say(r, a, &respond(&invite, 200, "rawtag", &(contact(r) + answer), ANSWER));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
    assert_eq!(net.news(a), ["Answered"]);
    let dialog = RawDialog::called(r, &invite, "rawtag");
    (s, invite, dialog)
}

/// A stack that a scripted peer has called, with an offer, up to the event.
fn rings(net: &mut Network) -> (usize, usize, ServerTx, RawDialog, String) {
    let (a, r) = (net.stack(|_| {}), net.raw());
    let (tx, dialog, invite) = rings_with(net, a, r, "");
    (a, r, tx, dialog, invite)
}

/// The same, and the stack has answered 180: an early dialog.
fn early(net: &mut Network) -> (usize, usize, SessionId, RawDialog) {
    let (a, r, tx, mut peer, _) = rings(net);
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(180, None))).unwrap();
    net.settle();
    peer.learn(&net.one(r));
    (a, r, s, peer)
}

/// Has a scripted peer call with these lines, up to the event.
fn rings_with(net: &mut Network, a: usize, r: usize, more: &str) -> (ServerTx, RawDialog, String) {
    let mut dialog = RawDialog::calling(r, a);
    let invite = dialog.request("INVITE", more, OFFER);
    net.say(r, a, &invite);
    net.settle();
    let tx = incoming(&net.events(a));
    assert_eq!(kinds(&net.inbox(r)), ["100 INVITE"]);
    (tx, dialog, invite)
}

/// The same, answered and acknowledged.
fn called(net: &mut Network) -> (usize, usize, SessionId, RawDialog) {
    let (a, r) = (net.stack(|_| {}), net.raw());
    called_between(net, a, r)
}

fn called_between(net: &mut Network, a: usize, r: usize) -> (usize, usize, SessionId, RawDialog) {
    let mut dialog = RawDialog::calling(r, a);
    let s = stands(net, a, r, &mut dialog, "");
    (a, r, s, dialog)
}

/// Has a scripted peer call with these lines and be answered: what it got, and the session. Both inboxes are empty.
fn called_with(net: &mut Network, a: usize, r: usize, more: &str) -> (SessionId, String, RawDialog) {
    let (tx, mut dialog, _) = rings_with(net, a, r, more);
    let (s, ok) = answered(net, a, r, tx, &mut dialog);
    let ack = dialog.numbered("ACK", dialog.cseq, "", "");
    net.say(r, a, &ack);
    net.settle();
    assert_eq!(net.news(a), ["Acked"]);
    (s, ok, dialog)
}

/// Has a scripted peer call as `dialog` says, in transactions with `name` in their branches, until the call stands. Both inboxes are empty.
fn stands(net: &mut Network, a: usize, r: usize, dialog: &mut RawDialog, name: &str) -> SessionId {
    let named = |text: &str| text.replace("z9hG4bK", &format!("z9hG4bK{name}"));
    let invite = dialog.request("INVITE", "", OFFER);
    net.say(r, a, &named(&invite));
    net.settle();
    let tx = incoming(&net.events(a));
    assert_eq!(kinds(&net.inbox(r)), ["100 INVITE"]);
    let (s, _) = answered(net, a, r, tx, dialog);
    let ack = dialog.numbered("ACK", dialog.cseq, "", "");
    net.say(r, a, &named(&ack));
    net.settle();
    assert_eq!(net.news(a), ["Acked"]);
    assert!(net.inbox(r).is_empty());
    s
}

/// The same, answered with 200 whose ACK has not come.
fn unacked(net: &mut Network) -> (usize, usize, SessionId, RawDialog, String) {
    let (a, r, tx, mut dialog, invite) = rings(net);
    let (s, _) = answered(net, a, r, tx, &mut dialog);
    (a, r, s, dialog, invite)
}

fn answered(net: &mut Network, a: usize, r: usize, tx: ServerTx, dialog: &mut RawDialog) -> (SessionId, String) {
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    let ok = net.one(r);
    assert_eq!(kind(&ok), "200 INVITE");
    dialog.learn(&ok);
    (s, ok)
}

fn code(event: &SessionEvent) -> Option<u16> {
    match event {
        SessionEvent::Failed { refusal }
        | SessionEvent::ReinviteFailed { refusal }
        | SessionEvent::UpdateFailed { refusal } => Some(refusal.code().get()),
        SessionEvent::Ended { refusal: Some(refusal), .. } => Some(refusal.code().get()),
        SessionEvent::Redirected { response } => Some(response.code().get()),
        _ => None,
    }
}

const NO_CODE: Option<StatusCode> = None;
