//! Non-INVITE client transaction: RFC 3261 section 17.1.2 (its figure 6).

use crate::config::Timers;
use crate::planted::{Bug, planted};
use crate::time::Time;
use crate::transaction::client_invite::Repeat;

/// ```text
///        request sent
///             |     timer E: again, interval doubled, T2 at most
///             v  +-----+
///          Trying      |   timer F, transport error: failed
///          |  |  ^-----+------------------------------------------+
///      1xx |  +----------- 200-699: up -----------+               |
///          v     timer E: again, interval T2      |               |
///      Proceeding -------- 200-699: up ---------->|               |
///          | ^ 1xx: up                            v               |
///          +-+   timer F: failed              Completed           |
///          |                                      | timer K       |
///          v                                      v               v
///        (gone) <-------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing has come back. `repeat` is timer E, on unreliable transports; `give_up_at` is timer F.
    Trying { repeat: Option<Repeat>, give_up_at: Time },
    /// A provisional response came: copies leave each T2.
    Proceeding { repeat: Option<Repeat>, give_up_at: Time },
    /// Answered; swallows repeats of the answer until timer K.
    Completed { until: Time },
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// 100-199.
    Provisional,
    /// 200-699.
    Final,
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
    /// Send the request again.
    Repeat,
    /// Report a timeout; the transaction is gone.
    Failed,
    /// The transaction is gone.
    Gone,
}

impl State {
    /// The request has just been sent.
    pub(crate) fn new(now: Time, reliable: bool, timers: &Timers) -> Self {
        let interval = timers.t1.min(timers.t2);
        let repeat = (!reliable && !planted(Bug::NoTimerE)).then(|| Repeat { at: now + interval, interval });
        State::Trying { repeat, give_up_at: now + timers.t1_64() }
    }

    /// When the next [`Input::Timeout`] is due.
    pub(crate) fn deadline(&self) -> Time {
        match *self {
            State::Trying { repeat, give_up_at } | State::Proceeding { repeat, give_up_at } => {
                repeat.map_or(give_up_at, |repeat| repeat.at.min(give_up_at))
            }
            State::Completed { until } => until,
        }
    }

    /// When it is given up unless something comes: timer F.
    pub(crate) fn give_up_at(&self) -> Option<Time> {
        match *self {
            State::Trying { give_up_at, .. } | State::Proceeding { give_up_at, .. } => Some(give_up_at),
            State::Completed { .. } => None,
        }
    }

    /// One input.
    pub(crate) fn step(&mut self, input: Input, now: Time, reliable: bool, timers: &Timers) -> Effect {
        let (next, effect) = match *self {
            State::Trying { repeat, give_up_at } => trying(repeat, give_up_at, input, now, reliable, timers),
            State::Proceeding { repeat, give_up_at } => proceeding(repeat, give_up_at, input, now, reliable, timers),
            State::Completed { until } => completed(until, input, now),
        };
        *self = next;
        effect
    }
}

fn trying(
    repeat: Option<Repeat>,
    give_up_at: Time,
    input: Input,
    now: Time,
    reliable: bool,
    timers: &Timers,
) -> (State, Effect) {
    let stay = State::Trying { repeat, give_up_at };
    match input {
        Input::Provisional => {
            let repeat = repeat.map(|_| Repeat { at: now + timers.t2, interval: timers.t2 });
            (State::Proceeding { repeat, give_up_at }, Effect::Up)
        }
        Input::Final => answered(now, reliable, timers),
        Input::Timeout if now >= give_up_at => (stay, Effect::Failed),
        Input::Timeout => match repeat {
            Some(due) if now >= due.at => {
                let interval = timers.next(due.interval);
                let repeat = Some(Repeat { at: now + interval, interval });
                (State::Trying { repeat, give_up_at }, Effect::Repeat)
            }
            _ => (stay, Effect::Nothing),
        },
    }
}

fn proceeding(
    repeat: Option<Repeat>,
    give_up_at: Time,
    input: Input,
    now: Time,
    reliable: bool,
    timers: &Timers,
) -> (State, Effect) {
    let stay = State::Proceeding { repeat, give_up_at };
    match input {
        Input::Provisional => (stay, Effect::Up),
        Input::Final => answered(now, reliable, timers),
        Input::Timeout if now >= give_up_at => (stay, Effect::Failed),
        Input::Timeout => match repeat {
            Some(due) if now >= due.at => {
                let repeat = Some(Repeat { at: now + timers.t2, interval: timers.t2 });
                (State::Proceeding { repeat, give_up_at }, Effect::Repeat)
            }
            _ => (stay, Effect::Nothing),
        },
    }
}

/// Timer K is zero on reliable transports.
fn answered(now: Time, reliable: bool, timers: &Timers) -> (State, Effect) {
    let until = if reliable { now } else { now + timers.t4 };
    (State::Completed { until }, Effect::Up)
}

fn completed(until: Time, input: Input, now: Time) -> (State, Effect) {
    let effect = match input {
        Input::Timeout if now >= until => Effect::Gone,
        Input::Timeout | Input::Provisional | Input::Final => Effect::Nothing,
    };
    (State::Completed { until }, effect)
}
