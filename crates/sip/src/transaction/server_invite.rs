//! INVITE server transaction: RFC 3261 section 17.2.1 as changed by RFC 6026 section 8.6 (its figure 7).

use crate::config::Timers;
use crate::planted::{Bug, planted};
use crate::time::Time;
use crate::transaction::client_invite::Repeat;

/// ```text
///               INVITE: up; 100 at once or when `trying_at` comes
///                  |
///                  v   INVITE: last response again
///              Proceeding ---+
///              |   |   ^-----+ 101-199: send
///   300-699:   |   | 2xx: send
///     send     v   +------------------------+
///          Completed --+ INVITE, timer G:   |
///          |   |   ^---+ response again     v
///  timer H |   | ACK                    Accepted --+ INVITE: nothing
///  (no ACK)|   v                            |  ^---+ ACK: up; 2xx: send
///          | Confirmed -+ ACK: nothing      |
///          |   |    ^---+                   |
///          |   | timer I                    | timer L
///          v   v                            v
///          (gone) <-------------------------+
/// ```
///
/// A send that fails changes nothing (RFC 6026 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No final response yet. `trying_at` is when 100 leaves unless something else did.
    Proceeding { trying_at: Option<Time> },
    /// Refused. `repeat` is timer G, on unreliable transports; `give_up_at` is timer H.
    Completed { repeat: Option<Repeat>, give_up_at: Time },
    /// Refused and acknowledged; swallows repeats of the ACK until timer I.
    Confirmed { until: Time },
    /// Accepted; swallows repeats of the INVITE until timer L.
    Accepted { until: Time },
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The INVITE again.
    Invite,
    /// An ACK that matches.
    Ack,
    /// 101-199 to be sent.
    Provisional,
    /// 200-299 to be sent.
    Success,
    /// 300-699 to be sent.
    Refusal,
    /// The time of [`State::deadline`].
    Timeout,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// Send the response at hand.
    Send,
    /// Send the last response again, because the peer asked again.
    Again,
    /// Send the last response again, because its time has come (timer G).
    Repeat,
    /// Make and send 100.
    Trying,
    /// Hand the ACK up.
    AckUp,
    /// The response at hand does not fit the state.
    Misfit,
    /// Nobody acknowledged; the transaction is gone.
    Unacknowledged,
    /// The transaction is gone.
    Gone,
}

impl State {
    /// The INVITE has just come; `trying_at` is `None` when 100 has been sent already.
    pub(crate) fn new(trying_at: Option<Time>) -> Self {
        State::Proceeding { trying_at }
    }

    /// When the next [`Input::Timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match *self {
            State::Proceeding { trying_at } => trying_at,
            State::Completed { repeat: Some(repeat), give_up_at } => Some(repeat.at.min(give_up_at)),
            State::Completed { repeat: None, give_up_at } => Some(give_up_at),
            State::Confirmed { until } | State::Accepted { until } => Some(until),
        }
    }

    /// True until a final response has been sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, State::Proceeding { .. })
    }

    /// One input.
    pub(crate) fn step(&mut self, input: Input, now: Time, reliable: bool, timers: &Timers) -> Effect {
        let (next, effect) = match *self {
            State::Proceeding { trying_at } => proceeding(trying_at, input, now, reliable, timers),
            State::Completed { repeat, give_up_at } => completed(repeat, give_up_at, input, now, reliable, timers),
            State::Confirmed { until } => confirmed(until, input, now),
            State::Accepted { until } => accepted(until, input, now),
        };
        *self = next;
        effect
    }
}

fn proceeding(trying_at: Option<Time>, input: Input, now: Time, reliable: bool, timers: &Timers) -> (State, Effect) {
    let stay = State::Proceeding { trying_at };
    match input {
        Input::Invite => (stay, Effect::Again),
        Input::Ack => (stay, Effect::Nothing),
        Input::Provisional => (State::Proceeding { trying_at: None }, Effect::Send),
        Input::Success => (State::Accepted { until: now + timers.t1_64() }, Effect::Send),
        Input::Refusal => {
            let interval = timers.t1.min(timers.t2);
            let repeat = (!reliable && !planted(Bug::NoTimerG)).then(|| Repeat { at: now + interval, interval });
            (State::Completed { repeat, give_up_at: now + timers.t1_64() }, Effect::Send)
        }
        Input::Timeout => match trying_at {
            Some(at) if now >= at => (State::Proceeding { trying_at: None }, Effect::Trying),
            _ => (stay, Effect::Nothing),
        },
    }
}

fn completed(
    repeat: Option<Repeat>,
    give_up_at: Time,
    input: Input,
    now: Time,
    reliable: bool,
    timers: &Timers,
) -> (State, Effect) {
    let stay = State::Completed { repeat, give_up_at };
    match input {
        Input::Invite => (stay, Effect::Again),
        // Timer I is zero on reliable transports.
        Input::Ack => (State::Confirmed { until: if reliable { now } else { now + timers.t4 } }, Effect::Nothing),
        Input::Provisional | Input::Success | Input::Refusal => (stay, Effect::Misfit),
        Input::Timeout if now >= give_up_at => (stay, Effect::Unacknowledged),
        Input::Timeout => match repeat {
            Some(due) if now >= due.at => {
                let interval = timers.next(due.interval);
                (State::Completed { repeat: Some(Repeat { at: now + interval, interval }), give_up_at }, Effect::Repeat)
            }
            _ => (stay, Effect::Nothing),
        },
    }
}

fn confirmed(until: Time, input: Input, now: Time) -> (State, Effect) {
    let effect = match input {
        Input::Invite | Input::Ack => Effect::Nothing,
        Input::Provisional | Input::Success | Input::Refusal => Effect::Misfit,
        Input::Timeout if now >= until => Effect::Gone,
        Input::Timeout => Effect::Nothing,
    };
    (State::Confirmed { until }, effect)
}

fn accepted(until: Time, input: Input, now: Time) -> (State, Effect) {
    let effect = match input {
        Input::Invite => Effect::Nothing,
        Input::Ack => Effect::AckUp,
        Input::Success => Effect::Send,
        Input::Provisional | Input::Refusal => Effect::Misfit,
        Input::Timeout if now >= until => Effect::Gone,
        Input::Timeout => Effect::Nothing,
    };
    (State::Accepted { until }, effect)
}
