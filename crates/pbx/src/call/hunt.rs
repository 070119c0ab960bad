//! Calling the devices of a user, group by group: who rings, who has refused.

use std::collections::VecDeque;

use sip::invite::Refusal;
use sip::message::{Lines, StatusCode};
use sip::{AlarmId, Turn};

use super::Leg;
use super::dialling::{Letter, NotCalled, Refused};
use super::past::Past;
use crate::headers;
use crate::switch::Switch;
use crate::target::Target;

/// Devices being called, one group of equal preference after the other.
#[derive(Debug)]
pub(crate) struct Hunt {
    pub(super) legs: Vec<Leg>,
    pub(super) groups: VecDeque<Vec<Target>>,
    /// When the group has rung for long enough.
    pub(super) alarm: Option<AlarmId>,
    /// The most telling refusal so far.
    pub(super) best: Option<Refused>,
    /// How many have refused.
    refusals: usize,
    /// A device was not called since there was no room here.
    pub(super) no_room: bool,
    /// Other flows to the instances that the legs lead to, by the number of the leg.
    flows: Vec<(u32, Target)>,
    /// Another flow to the instance of the leg that has just ended.
    next_flow: Option<Target>,
    /// What every INVITE has in common.
    letter: Letter,
    /// Where the call has been, where somebody asks for that.
    pub(super) past: Option<Box<Past>>,
}

impl Hunt {
    /// None called yet.
    pub(super) fn new(targets: Vec<Target>, mut letter: Letter) -> Self {
        let past = letter.past.take();
        let mut hunt = Self {
            legs: Vec::new(),
            groups: VecDeque::new(),
            alarm: None,
            best: None,
            refusals: 0,
            no_room: false,
            flows: Vec::new(),
            next_flow: None,
            letter,
            past,
        };
        hunt.will_call(targets);
        hunt
    }

    /// Calls these too, the most wanted first.
    pub(super) fn will_call(&mut self, targets: Vec<Target>) {
        for target in targets {
            match self.groups.back_mut() {
                Some(group) if group.first().is_some_and(|first| first.q == target.q) => group.push(target),
                _ => self.groups.push_back(vec![target]),
            }
        }
    }

    /// Remembers a refusal when it says more than those before (RFC 3261 section 16.7 step 6).
    pub(super) fn note(&mut self, code: StatusCode, lines: Lines) {
        self.refusals += 1;
        if self.best.as_ref().is_none_or(|best| weight(code) < weight(best.code)) {
            self.best = Some(Refused { code, lines });
        }
    }

    /// That refusal, which speaks for all that have refused.
    pub(super) fn take_best(&mut self) -> Option<Refused> {
        let best = self.best.take()?;
        let lines = if self.refusals > 1 { headers::of_several(&best.lines) } else { best.lines };
        Some(Refused { lines, ..best })
    }

    /// Nobody of those that are called has answered in time.
    pub(super) fn rings_out(&mut self) {
        if let Some(past) = &mut self.past {
            self.legs.iter().for_each(|leg| past.heard(leg.number, StatusCode::REQUEST_TIMEOUT, None));
        }
    }

    /// Takes a leg out.
    pub(super) fn take(&mut self, number: u32) -> Option<Leg> {
        let at = self.legs.iter().position(|leg| leg.number == number)?;
        let flow = self.flows.iter().position(|(of, _)| *of == number);
        self.next_flow = flow.map(|at| self.flows.swap_remove(at).1);
        Some(self.legs.swap_remove(at))
    }
}

/// The code of a refusal; 430 where nothing reached the device, and so nobody has refused.
pub(super) fn code_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Failure(why) if why.is_unreached() => StatusCode::FLOW_FAILED,
        _ => refusal.code(),
    }
}

/// The lower, the more a refusal says: 6xx, then what a person did, then what a device could not do, then the rest by class.
fn weight(code: StatusCode) -> u16 {
    match code.get() {
        600..=699 => 0,
        486 => 1,
        488 | 415 => 2,
        480 => 3,
        400..=499 => 4,
        300..=399 => 5,
        _ => 6,
    }
}

/// The number of a call, and of the last of its legs.
pub(super) type Numbers<'a> = (u64, &'a mut u32);

impl Switch {
    /// Calls the next group of whom there is anybody to call; false when there is none left.
    pub(super) fn call_next(&mut self, (call, numbers): Numbers<'_>, hunt: &mut Hunt, turn: &mut Turn<'_>) -> bool {
        while let Some(group) = hunt.groups.pop_front() {
            for target in group {
                self.call_one((call, numbers), hunt, target, turn);
            }
            if hunt.legs.is_empty() {
                continue;
            }
            if let Some(alarm) = hunt.alarm.take() {
                turn.silence(alarm);
            }
            hunt.alarm = turn.alarm(turn.now().mono + self.config.ring, call).ok();
            return true;
        }
        false
    }

    /// Calls a device by the first of its flows that leads anywhere; true when that has begun.
    fn call_one(&mut self, (call, numbers): Numbers<'_>, hunt: &mut Hunt, target: Target, turn: &mut Turn<'_>) -> bool {
        let mut flow = Some(target);
        while let Some(mut target) = flow {
            *numbers += 1;
            let next = target.next_flow();
            if let Some(past) = &mut hunt.past {
                past.calls(*numbers, target.uri.as_str());
            }
            match self.dial(call, *numbers, (&hunt.letter, hunt.past.as_deref()), target, turn) {
                Ok(leg) => {
                    hunt.flows.extend(next.map(|next| (leg.number, next)));
                    hunt.legs.push(leg);
                    return true;
                }
                Err(NotCalled::NoRoom) => {
                    hunt.no_room = true;
                    return false;
                }
                Err(NotCalled::Impossible) => flow = next,
            }
        }
        hunt.note(StatusCode::TEMPORARILY_UNAVAILABLE, Lines::new());
        false
    }

    /// Calls nobody any more; who rings is told why.
    pub(super) fn stop_calling(&mut self, hunt: &mut Hunt, why: &Lines, turn: &mut Turn<'_>) {
        if let Some(alarm) = hunt.alarm.take() {
            turn.silence(alarm);
        }
        for leg in std::mem::take(&mut hunt.legs) {
            self.hang_up(leg, None, why.clone(), turn);
        }
    }

    /// A device has refused, or could not be reached: then by another flow of its instance (RFC 5626 section 7). 6xx ends the search (RFC 3261 section 16.7 step 5); otherwise the others go on, or the next group is called. False when
    /// nobody is left.
    pub(super) fn calls_on(
        &mut self,
        (call, numbers): Numbers<'_>,
        hunt: &mut Hunt,
        code: StatusCode,
        lines: Lines,
        turn: &mut Turn<'_>,
    ) -> bool {
        let unreached = matches!(code, StatusCode::FLOW_FAILED | StatusCode::REQUEST_TIMEOUT);
        if let Some(next) = hunt.next_flow.take().filter(|_| unreached)
            && self.call_one((call, numbers), hunt, next, turn)
        {
            return true;
        }
        hunt.note(code, lines);
        if code.class() == 6 {
            hunt.groups.clear();
            self.stop_calling(hunt, &Lines::new(), turn);
        }
        !hunt.legs.is_empty() || self.call_next((call, numbers), hunt, turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_16_7_the_most_telling_refusal_counts() {
        let best = |codes: &[u16]| {
            codes.iter().filter_map(|code| StatusCode::new(*code)).min_by_key(|code| weight(*code)).map(StatusCode::get)
        };
        assert_eq!(best(&[503, 486, 480]), Some(486));
        assert_eq!(best(&[486, 603]), Some(603));
        assert_eq!(best(&[500, 404]), Some(404));
    }
}
