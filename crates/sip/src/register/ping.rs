//! Keep-alives of a flow, and how it is seen that one has failed (RFC 5626 sections 4.4 and 4.5).
//!
//! ```text
//!                  Require: outbound          pong, or binding response
//!    Registered ---------------------> Asked ---------------------------> Resting
//!                                       | ^                                  |
//!            10 s, or 39.5 s over UDP;  | +----- 80 to 100 % of Flow-Timer --+
//!            another mapped address     v
//!                                     failed: the registration is made anew over another flow
//! ```
//!
//! The first is asked as soon as the registrar has us: a flow has shown that it works only when one was answered (section 4.5), and one that never was is tried again
//! less and less often.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::keep_alive::EARLIER;
use super::stun::{self, Answer, Transaction};
use super::{RegisterFailure, RegistrationEvent};
use crate::event::Event;
use crate::id::{FlowId, RegistrationId};
use crate::outbox::{Action, Cause, Origin, Path};
use crate::planted::{Bug, planted};
use crate::stack::Timer;
use crate::turn::Turn;
use crate::wheel::TimerId;

/// The timer of what is waited for, beside those of the next REGISTER and of the next keep-alive.
pub(super) const TIMER: u8 = 2;
/// How long a pong may take (section 4.4.1).
const PONG: Duration = Duration::from_secs(10);
/// How often keep-alives are sent where no Flow-Timer says so, at most: on streams and over UDP (sections 4.4.1 and 4.4.2).
const STREAM: Duration = Duration::from_secs(120);
const DATAGRAMS: (Duration, Duration) = (Duration::from_secs(24), Duration::from_secs(29));
/// The first wait for a binding response, how many requests are sent, and how many times the first wait the last one is given (RFC 8489 section 6.2.1).
const RTO: Duration = Duration::from_millis(500);
const REQUESTS: u8 = 7;
const LAST: u32 = 16;

/// What is known of the flow of a registration.
#[derive(Debug)]
pub(super) struct Flow {
    /// The registrar does outbound.
    pub(super) outbound: bool,
    /// How often the server wants to hear of us.
    pub(super) timer: Option<Duration>,
    /// A keep-alive was answered on it.
    pub(super) proved: bool,
    /// It has failed, and there is no other yet.
    pub(super) failed: bool,
    /// The address that it is seen at from outside.
    mapped: Option<SocketAddr>,
    asked: Asked,
    pub(super) wait: TimerId,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Pong,
    Binding { transaction: Transaction, sent: u8 },
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            outbound: false,
            timer: None,
            proved: false,
            failed: false,
            mapped: None,
            asked: Asked::Nothing,
            wait: TimerId::NONE,
        }
    }
}

impl Flow {
    /// The least and the most time until the next keep-alive.
    pub(super) fn every(&self, path: &Path) -> (Duration, Duration) {
        if self.timer.is_none() && !path.transport.is_reliable() {
            return DATAGRAMS;
        }
        let every = self.timer.unwrap_or(STREAM);
        (every - every / EARLIER, every)
    }

    /// For [`crate::Stack::states`]; `None` where nobody does outbound.
    pub(super) fn state_name(&self) -> Option<&'static str> {
        match self.asked {
            _ if self.failed => Some("flow: failed"),
            Asked::Pong => Some("flow: pong awaited"),
            Asked::Binding { .. } => Some("flow: address awaited"),
            Asked::Nothing => self.outbound.then_some("flow: resting"),
        }
    }

    /// Another flow takes its place, or none.
    pub(super) fn begin_anew(&mut self) {
        (self.proved, self.mapped, self.asked) = (false, None, Asked::Nothing);
    }
}

impl Turn<'_> {
    /// Sends a keep-alive, unless one is under way.
    pub(super) fn ping(&mut self, id: RegistrationId) {
        let random = [self.stack.rng.below(u64::MAX), self.stack.rng.below(u64::MAX)];
        let Some(registration) = self.stack.registrations.get(id) else { return };
        let Some(path) = registration.keep_alive.path.filter(|_| registration.ping.asked == Asked::Nothing) else {
            return;
        };
        let (bytes, wait) = if path.transport.is_reliable() {
            registration.ping.asked = Asked::Pong;
            (Bytes::from_static(b"\r\n\r\n"), PONG)
        } else {
            let mut transaction = Transaction::default();
            let octets = random.iter().flat_map(|word| word.to_le_bytes());
            transaction.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
            registration.ping.asked = Asked::Binding { transaction, sent: 1 };
            (stun::request(&transaction).into(), RTO)
        };
        self.send_raw(path, bytes, Cause::KeepAlive);
        self.ping_wait(id, wait);
    }

    fn ping_wait(&mut self, id: RegistrationId, wait: Duration) {
        let timer = self.start(self.now.mono + wait, Timer::Registration(id, TIMER));
        if let Some(registration) = self.stack.registrations.get(id) {
            let before = std::mem::replace(&mut registration.ping.wait, timer);
            self.stop(before);
        }
    }

    /// Nothing has come in time: a binding request is sent again (RFC 8489 section 6.2.1), or the flow has failed.
    pub(super) fn ping_late(&mut self, id: RegistrationId) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        registration.ping.wait = TimerId::NONE;
        match (&mut registration.ping.asked, registration.keep_alive.path) {
            (Asked::Nothing, _) => {}
            (Asked::Binding { transaction, sent }, Some(path)) if *sent < REQUESTS => {
                let (doubled, bytes) = (RTO * 2_u32.pow(u32::from(*sent)), stun::request(transaction));
                *sent += 1;
                let wait = if *sent == REQUESTS { RTO * LAST } else { doubled };
                self.send_raw(path, bytes.into(), Cause::KeepAlive);
                self.ping_wait(id, wait);
            }
            _ => self.flow_failed(id),
        }
    }

    fn ping_answered(&mut self, id: RegistrationId) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        registration.ping.asked = Asked::Nothing;
        registration.ping.proved = true;
        registration.failures = 0;
        let wait = std::mem::replace(&mut registration.ping.wait, TimerId::NONE);
        self.stop(wait);
        self.keep_alive_later(id);
    }

    /// The flow of a registration leads nowhere any more. A connection is closed, which ends it for all that use it.
    fn flow_failed(&mut self, id: RegistrationId) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        match registration.flow {
            Some(flow) => self.out.push(Action::Close { flow }),
            None if planted(Bug::FlowStays) => self.ping_answered(id),
            None => self.flow_gone(id),
        }
    }

    /// It is gone: another is formed at once, and later when it never was known to work (section 4.5).
    pub(super) fn flow_gone(&mut self, id: RegistrationId) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        let (outbound, proved) = (registration.ping.outbound, registration.ping.proved);
        registration.ping.begin_anew();
        registration.ping.failed = outbound;
        let (wait, next) =
            (std::mem::replace(&mut registration.ping.wait, TimerId::NONE), registration.keep_alive.timer);
        let is_busy = registration.under_way.is_some();
        registration.keep_alive.timer = TimerId::NONE;
        self.stop(wait);
        self.stop(next);
        if is_busy {
            return;
        }
        if outbound && !proved {
            return self.registration_retry(id, RegisterFailure::FlowFailed, None);
        }
        // Within a second, so that a registrar that was started anew does not hear of all its devices at once.
        let wait = self.stack.rng.between(Duration::ZERO, Duration::from_secs(1));
        if outbound {
            let failed = RegistrationEvent::Failed { why: RegisterFailure::FlowFailed, retry_in: Some(wait) };
            self.emit(Event::Registration(id, failed));
        }
        self.registration_rest(id, Some(wait));
    }
}

/// What came where a message would have: whether it was a keep-alive, or the answer to one.
pub(crate) fn on_keep_alive(turn: &mut Turn<'_>, from: &Origin, bytes: &[u8]) -> bool {
    if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        if from.transport.is_reliable() && bytes == b"\r\n" {
            on_pong(turn, from.flow);
        }
        return true;
    }
    match stun::answer(bytes) {
        Some((transaction, answer)) => {
            on_binding(turn, from, transaction, answer);
            true
        }
        None => false,
    }
}

/// A pong: all that wait for one on this connection have been heard.
fn on_pong(turn: &mut Turn<'_>, flow: FlowId) {
    for id in turn.stack.registrations.on_flow(flow) {
        if turn.stack.registrations.get(id).is_some_and(|registration| registration.ping.asked == Asked::Pong) {
            turn.ping_answered(id);
        }
    }
}

/// The answer to a binding request, from whom it was sent to.
fn on_binding(turn: &mut Turn<'_>, from: &Origin, transaction: Transaction, answer: Answer) {
    let shard = turn.stack.config.shard;
    let asked = turn.stack.registrations.all.iter(shard).find(|(_, one)| {
        let waits = matches!(one.ping.asked, Asked::Binding { transaction: own, .. } if own == transaction);
        waits && one.keep_alive.path.is_some_and(|path| path.remote == from.remote && path.flow == from.flow)
    });
    let Some(id) = asked.map(|(id, _)| RegistrationId(id)) else { return };
    let Some(registration) = turn.stack.registrations.get(id) else { return };
    match (answer, registration.ping.mapped) {
        (Answer::Mapped(now), None) => {
            registration.ping.mapped = Some(now);
            turn.ping_answered(id);
        }
        (Answer::Mapped(now), Some(before)) if now == before => turn.ping_answered(id),
        _ => turn.flow_failed(id),
    }
}
