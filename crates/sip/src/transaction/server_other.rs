//! Non-INVITE server transaction: RFC 3261 section 17.2.2 (its figure 8) with the rules of RFC 4320.

use crate::config::Timers;
use crate::time::Time;

/// ```text
///            request: up
///               |   request again: nothing
///               v  +---+
///            Trying    |
///            |  |  ^---+
///   100: send|  |
///   (also by |  +---- 200-699: send ----------+
///   itself at|                                |
/// `trying_at`)                                |
///            v   request again: 100 again     v   request again: response again
///        Proceeding -- 200-699: send --> Completed --+
///            |                                |  ^---+
///            | nobody answered in 64*T1       | timer J
///            v                                v
///          (gone) <---------------------------+
/// ```
///
/// The client stops waiting 64*T1 after its request. What has not been answered by then is forgotten in silence: 408 is forbidden here
/// (RFC 4320 section 4.2) and any other answer would find nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing has been sent. `trying_at` is when 100 leaves by itself (RFC 4320 section 4.1).
    Trying { trying_at: Time, give_up_at: Time },
    /// 100 has been sent.
    Proceeding { give_up_at: Time },
    /// Answered; answers repeats until timer J.
    Completed { until: Time },
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The request again.
    Request,
    /// 100 to be sent.
    Trying,
    /// 200-699 to be sent.
    Final,
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
    /// Send the last response again.
    Again,
    /// Make and send 100.
    Trying,
    /// It is too early for the 100 at hand (RFC 4320 section 4.1).
    TooEarly,
    /// The response at hand does not fit the state.
    Misfit,
    /// The transaction is gone.
    Gone,
}

impl State {
    /// The request has just come.
    pub(crate) fn new(now: Time, timers: &Timers) -> Self {
        State::Trying { trying_at: now + timers.quiet(), give_up_at: now + timers.t1_64() }
    }

    /// When the next [`Input::Timeout`] is due.
    pub(crate) fn deadline(&self) -> Time {
        match *self {
            State::Trying { trying_at, give_up_at } => trying_at.min(give_up_at),
            State::Proceeding { give_up_at } => give_up_at,
            State::Completed { until } => until,
        }
    }

    /// True until a final response has been sent.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, State::Completed { .. })
    }

    /// One input.
    pub(crate) fn step(&mut self, input: Input, now: Time, reliable: bool, timers: &Timers) -> Effect {
        let (next, effect) = match *self {
            State::Trying { trying_at, give_up_at } => trying(trying_at, give_up_at, input, now, reliable, timers),
            State::Proceeding { give_up_at } => proceeding(give_up_at, input, now, reliable, timers),
            State::Completed { until } => completed(until, input, now),
        };
        *self = next;
        effect
    }
}

fn trying(
    trying_at: Time,
    give_up_at: Time,
    input: Input,
    now: Time,
    reliable: bool,
    timers: &Timers,
) -> (State, Effect) {
    let stay = State::Trying { trying_at, give_up_at };
    match input {
        Input::Request => (stay, Effect::Nothing),
        Input::Trying if !reliable && now < trying_at => (stay, Effect::TooEarly),
        Input::Trying => (State::Proceeding { give_up_at }, Effect::Send),
        Input::Final => answered(now, reliable, timers),
        Input::Timeout if now >= give_up_at => (stay, Effect::Gone),
        Input::Timeout if now >= trying_at => (State::Proceeding { give_up_at }, Effect::Trying),
        Input::Timeout => (stay, Effect::Nothing),
    }
}

fn proceeding(give_up_at: Time, input: Input, now: Time, reliable: bool, timers: &Timers) -> (State, Effect) {
    let stay = State::Proceeding { give_up_at };
    match input {
        Input::Request => (stay, Effect::Again),
        Input::Trying => (stay, Effect::Send),
        Input::Final => answered(now, reliable, timers),
        Input::Timeout if now >= give_up_at => (stay, Effect::Gone),
        Input::Timeout => (stay, Effect::Nothing),
    }
}

/// Timer J is zero on reliable transports.
fn answered(now: Time, reliable: bool, timers: &Timers) -> (State, Effect) {
    let until = if reliable { now } else { now + timers.t1_64() };
    (State::Completed { until }, Effect::Send)
}

fn completed(until: Time, input: Input, now: Time) -> (State, Effect) {
    let effect = match input {
        Input::Request => Effect::Again,
        Input::Trying | Input::Final => Effect::Misfit,
        Input::Timeout if now >= until => Effect::Gone,
        Input::Timeout => Effect::Nothing,
    };
    (State::Completed { until }, effect)
}
