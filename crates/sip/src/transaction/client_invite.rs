//! INVITE client transaction: RFC 3261 section 17.1.1 as changed by RFC 6026 section 8.4 (its figure 5).

use std::time::Duration;

use crate::config::Timers;
use crate::planted::{Bug, planted};
use crate::time::Time;

/// ```text
///              INVITE sent
///                  |        timer A: again, interval doubled
///                  v  +-----+
///  300-699      Calling     |  timer B, transport error: failed
///  +----------- |  | ^------+----------------------------------+
///  |            |  +------------ 2xx -------+                  |
///  |        1xx |                           |                  |
///  |            v  1xx: up                  |                  |
///  |        Proceeding -------- 2xx ------->|  64*T1 after CANCEL (9.1)
///  |            | 300-699                   |  ----------------+
///  v            v                           v                  |
///  Completed <--+                        Accepted              |
///  |  ^ | 300-699: ACK again             |  ^ | 2xx: up        |
///  |  +-+                                |  +-+                |
///  | timer D                             | timer M             |
///  v                                     v                     v
///  (gone) <----------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing has come back. `repeat` runs on unreliable transports only (timer A); `give_up_at` is timer B.
    Calling { repeat: Option<Repeat>, give_up_at: Time },
    /// A provisional response came. `give_up_at` is set once a CANCEL was sent.
    Proceeding { give_up_at: Option<Time> },
    /// Refused; answers repeats of the refusal with the ACK until timer D.
    Completed { until: Time },
    /// Accepted; hands on every 2xx until timer M.
    Accepted { until: Time },
}

/// When the next copy leaves, and the interval that led there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub(crate) at: Time,
    pub(crate) interval: Duration,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// 100-199.
    Provisional,
    /// 200-299.
    Success,
    /// 300-699.
    Refusal,
    /// Its CANCEL has been sent.
    Cancelled,
    /// The time of [`State::deadline`].
    Timeout,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// Hand the response up.
    Up,
    /// Send the ACK and hand the response up.
    AckAndUp,
    /// Send the ACK again.
    Ack,
    /// Send the INVITE again.
    Repeat,
    /// Report a timeout; the transaction is gone.
    Failed,
    /// The transaction is gone.
    Gone,
}

impl State {
    /// The INVITE has just been sent.
    pub(crate) fn new(now: Time, reliable: bool, timers: &Timers) -> Self {
        let repeat = (!reliable).then(|| Repeat { at: now + timers.t1, interval: timers.t1 });
        let give_up = if planted(Bug::NoTimerB) { Duration::MAX } else { timers.t1_64() };
        State::Calling { repeat, give_up_at: now + give_up }
    }

    /// When the next [`Input::Timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match *self {
            State::Calling { repeat: Some(repeat), give_up_at } => Some(repeat.at.min(give_up_at)),
            State::Calling { repeat: None, give_up_at } => Some(give_up_at),
            State::Proceeding { give_up_at } => give_up_at,
            State::Completed { until } | State::Accepted { until } => Some(until),
        }
    }

    /// When it is given up unless something comes: timer B, or 64*T1 after its CANCEL.
    pub(crate) fn give_up_at(&self) -> Option<Time> {
        match *self {
            State::Calling { give_up_at, .. } => Some(give_up_at),
            State::Proceeding { give_up_at } => give_up_at,
            State::Completed { .. } | State::Accepted { .. } => None,
        }
    }

    /// One input.
    pub(crate) fn step(&mut self, input: Input, now: Time, reliable: bool, timers: &Timers) -> Effect {
        let (next, effect) = match *self {
            State::Calling { repeat, give_up_at } => calling(repeat, give_up_at, input, now, reliable, timers),
            State::Proceeding { give_up_at } => proceeding(give_up_at, input, now, reliable, timers),
            State::Completed { until } => completed(until, input, now),
            State::Accepted { until } => accepted(until, input, now),
        };
        *self = next;
        effect
    }
}

fn calling(
    repeat: Option<Repeat>,
    give_up_at: Time,
    input: Input,
    now: Time,
    reliable: bool,
    timers: &Timers,
) -> (State, Effect) {
    let stay = State::Calling { repeat, give_up_at };
    match input {
        Input::Provisional => (State::Proceeding { give_up_at: None }, Effect::Up),
        Input::Success => (State::Accepted { until: now + timers.t1_64() }, Effect::Up),
        Input::Refusal => refused(now, reliable, timers),
        Input::Cancelled => (stay, Effect::Nothing),
        Input::Timeout if now >= give_up_at => (stay, Effect::Failed),
        Input::Timeout => match repeat {
            Some(due) if now >= due.at => {
                let interval = due.interval.saturating_mul(2);
                let repeat = Some(Repeat { at: now + interval, interval });
                (State::Calling { repeat, give_up_at }, Effect::Repeat)
            }
            _ => (stay, Effect::Nothing),
        },
    }
}

fn proceeding(give_up_at: Option<Time>, input: Input, now: Time, reliable: bool, timers: &Timers) -> (State, Effect) {
    let stay = State::Proceeding { give_up_at };
    match input {
        Input::Provisional => (stay, Effect::Up),
        Input::Success => (State::Accepted { until: now + timers.t1_64() }, Effect::Up),
        Input::Refusal => refused(now, reliable, timers),
        Input::Cancelled => (State::Proceeding { give_up_at: Some(now + timers.t1_64()) }, Effect::Nothing),
        Input::Timeout => match give_up_at {
            Some(at) if now >= at => (stay, Effect::Failed),
            _ => (stay, Effect::Nothing),
        },
    }
}

/// Timer D is zero on reliable transports; the transaction then ends with the next tick, after its ACK.
fn refused(now: Time, reliable: bool, timers: &Timers) -> (State, Effect) {
    let until = if reliable { now } else { now + timers.d };
    (State::Completed { until }, Effect::AckAndUp)
}

fn completed(until: Time, input: Input, now: Time) -> (State, Effect) {
    let effect = match input {
        Input::Refusal => Effect::Ack,
        Input::Timeout if now >= until => Effect::Gone,
        Input::Timeout | Input::Provisional | Input::Success | Input::Cancelled => Effect::Nothing,
    };
    (State::Completed { until }, effect)
}

fn accepted(until: Time, input: Input, now: Time) -> (State, Effect) {
    let effect = match input {
        Input::Success => Effect::Up,
        Input::Timeout if now >= until => Effect::Gone,
        Input::Timeout | Input::Provisional | Input::Refusal | Input::Cancelled => Effect::Nothing,
    };
    (State::Accepted { until }, effect)
}
