//! Calls that others ask for outside of any call: REFER, and what they are told of how it goes (RFC 3515).
//!
//! Who has us call somebody spends our money. Within a call that is its other side, where the endpoint allows it; outside nobody but those for whom a server
//! of our own vouches that may ask for it ([`crate::Builder::refer_outside`]).

use std::sync::Arc;
use std::time::Duration;

use sip::invite;
use sip::message::{Body, HeaderId, Headers, Request, StatusCode};
use sip::subscribe::{EndReason, Terms, WatcherEvent};
use sip::{Origin, Reply, ServerTx, StackError, Turn, WatcherId};
use tokio::sync::mpsc::error::TrySendError;

use super::state::Phone;
use super::telling::respond;
use super::watched::busy;
use crate::command::Referred;
use crate::referral::Referral;
use crate::told::Told;

/// Most that are asked for and have not come to an end: as many as may wait to be decided on. Those count that nobody has decided on, those that have been agreed to,
/// and calls that are placed and not answered, whether anything of them is told (yet) or not: what is told ends by the word of who has asked.
pub(super) const MOST: usize = 16;
/// How long a subscription lasts unless it is refreshed, as within a call.
const TERMS: Terms = Terms { least: 1, usual: 600, most: 600, interval: Duration::ZERO };

impl Phone {
    /// A REFER outside of any call. It is answered before the application knows of it: its place among those that wait is kept.
    pub(super) fn referred_outside(
        &mut self,
        tx: ServerTx,
        request: &Arc<Request>,
        origin: &Origin,
        turn: &mut Turn<'_>,
    ) {
        let is_allowed = self.parts.transfers && is_from(&self.parts.referrers, origin) && self.closing.is_none();
        let Some(asked_by) = is_allowed.then(|| asserted(request.headers())).filter(|asked_by| !asked_by.is_empty())
        else {
            return respond(turn, tx, Reply::new(StatusCode::DECLINE));
        };
        let what = match invite::Referral::of(request) {
            Ok(what) => what,
            Err(refusal) => return respond(turn, tx, *refusal),
        };
        // Of one that has come to an end a moment ago the end may not have been told yet.
        let room = Arc::clone(&self.outside_room).try_acquire_owned().ok().filter(|_| self.outside.len() < MOST);
        let (place, link, room) = match (self.parts.referrals.try_reserve(), self.link(), room) {
            (Ok(place), Some(link), Some(room)) => (place, link, room),
            (Err(TrySendError::Closed(())), ..) => return respond(turn, tx, Reply::new(StatusCode::DECLINE)),
            _ => return respond(turn, tx, busy()),
        };
        let whose = match what.silent {
            true => {
                let mut reply = Reply::new(StatusCode::ACCEPTED);
                reply.lines.push_id(HeaderId::ReferSub, "false");
                respond(turn, tx, reply);
                Referred::Untold
            }
            false => match turn.accept_subscription(tx, TERMS, false) {
                Ok(id) => {
                    let body = fragment(StatusCode::TRYING, StatusCode::TRYING.default_reason());
                    // It is there.
                    let _ = turn.notify(id, Some(body.clone()));
                    self.outside.insert(id, (StatusCode::TRYING, body));
                    Referred::Outside(id)
                }
                // It has been answered.
                Err(StackError::Refused { .. }) => return,
                Err(_) => return respond(turn, tx, busy()),
            },
        };
        place.send(Referral::outside(link, whose, what, asked_by, room));
    }

    /// How the call goes that was asked for. A final code is the last.
    pub(super) fn report_outside(&mut self, id: WatcherId, code: StatusCode, reason: &str, turn: &mut Turn<'_>) {
        let Some(told) = self.outside.get_mut(&id).filter(|told| told.0 != code) else { return };
        let body = fragment(code, reason);
        if code.is_final() {
            self.outside.remove(&id);
            // One that has ended hears nothing more.
            let _ = turn.end_watcher(id, EndReason::NoResource, None, Some(body));
        } else {
            *told = (code, body.clone());
            let _ = turn.notify(id, Some(body));
        }
    }

    /// News of the subscription that a REFER has made; false for one of another kind.
    pub(super) fn outside_event(&mut self, id: WatcherId, event: &WatcherEvent, turn: &mut Turn<'_>) -> bool {
        let Some((_, body)) = self.outside.get(&id) else { return false };
        match event {
            WatcherEvent::Wanted { .. } => {
                let _ = turn.notify(id, Some(body.clone()));
            }
            // The call goes on untold.
            WatcherEvent::Ended { .. } | WatcherEvent::Gone => drop(self.outside.remove(&id)),
            _ => {}
        }
        true
    }
}

/// Whether it comes from one of those, and its address is proven: by a connection, or because nobody outside can write that of this machine itself.
fn is_from(networks: &[net::Network], origin: &Origin) -> bool {
    let from = origin.remote.ip().to_canonical();
    (origin.transport.is_reliable() || from.is_loopback()) && networks.iter().any(|network| network.contains(from))
}

/// Who asks, as the server vouches for it (RFC 3325).
fn asserted(headers: &Headers) -> Vec<String> {
    Told::of(headers, true).asserted
}

/// A status line (RFC 3515 section 2.4.5).
fn fragment(code: StatusCode, reason: &str) -> Body {
    let reason = reason.replace(char::is_control, " ");
    Body::new("message/sipfrag;version=2.0", format!("SIP/2.0 {} {reason}\r\n", code.get()))
}

#[cfg(test)]
mod tests {
    use sip::{FlowId, Transport};

    use super::*;

    #[test]
    fn rfc3515_5_2_an_address_in_a_datagram_proves_nothing_unless_it_is_of_this_machine() {
        let networks = ["192.0.2.0/24", "127.0.0.1"].map(|text| net::Network::read(text).expect("a network"));
        for (transport, remote, expected) in [
            (Transport::Udp, "192.0.2.1:5060", false),
            (Transport::Tcp, "192.0.2.1:5060", true),
            (Transport::Tls, "192.0.2.1:5061", true),
            (Transport::Tls, "198.51.100.1:5061", false),
            (Transport::Udp, "127.0.0.1:5060", true),
            (Transport::Udp, "[::ffff:127.0.0.1]:5060", true),
            (Transport::Udp, "127.0.0.2:5060", false),
        ] {
            let origin = Origin {
                transport,
                local: "127.0.0.1:5060".parse().expect("an address"),
                remote: remote.parse().expect("an address"),
                flow: FlowId(1),
            };
            assert_eq!(is_from(&networks, &origin), expected, "{transport:?} {remote}");
        }
    }
}
