//! Whether a run went as it should.

use crate::book::{Book, End, Side};
use crate::plan::Target;
use crate::weather::{Sky, Weather};

/// What the book says of a flow that leads nowhere any more.
pub(crate) const FLOW_FAILED: &str = "failed FlowFailed";

/// What is wrong in the book.
pub fn judge(book: &Book, weather: &Weather) -> Vec<String> {
    let sky = weather.sky;
    let mut wrong: Vec<String> = book.wrong.iter().cloned().collect();
    wrong.extend(book.open.iter().map(|session| format!("{session} has no last event")));
    wrong.extend(
        book.ports.iter().map(|((phone, port), call)| format!("{phone} still holds media port {port} for {call}")),
    );
    if sky < Sky::Foul {
        wrong.extend(book.unacknowledged.iter().map(|call| format!("{call}: no ACK came")));
    }
    if book.passing > 0 {
        wrong.push(format!("{} requests are passed on for ever", book.passing));
    }
    if book.bindings > 0 {
        wrong.push(format!("{} bindings outlive their phones", book.bindings));
    }
    for (key, (target, outcome)) in &book.asked {
        match outcome {
            None => wrong.push(format!("{key} never heard of again")),
            Some(outcome) => wrong.extend(asked(key, target, outcome, sky)),
        }
    }
    for (phone, history) in &book.registered {
        let last = history.last().map_or("nothing", String::as_str);
        let fine = if sky == Sky::Foul { last.starts_with("unregistered") } else { last == "unregistered 200" };
        if !fine {
            wrong.push(format!("{phone} registers: {history:?}"));
        }
        // Who gets a new address has to form his flow anew (RFC 5626 section 4.4.2).
        let moved = |one: &str| one == FLOW_FAILED && !weather.rebinding.is_empty();
        if sky < Sky::Foul && history.iter().any(|one| one.starts_with("failed") && !moved(one)) {
            wrong.push(format!("{phone} registers: {history:?}"));
        }
    }
    for ((call, phone), caller) in book.sides.iter().filter(|(_, side)| side.called.is_some()) {
        let callees: Vec<&Side> = book
            .sides
            .iter()
            .filter(|((other, name), _)| other == call && name != phone)
            .map(|(_, side)| side)
            .collect();
        let target = caller.called.clone().unwrap_or(Target::Nobody);
        if sky < Sky::Foul
            && let Some(why) = disagree(&target, caller, &callees)
        {
            wrong.push(format!("{call}: {why}: {caller:?} and {callees:?}"));
        }
    }
    wrong
}

/// A request outside dialogs.
fn asked(key: &str, target: &Target, outcome: &Result<u16, String>, sky: Sky) -> Option<String> {
    let fine = match target {
        Target::Phone(_) => sky == Sky::Foul || *outcome == Ok(200),
        Target::Hunt => true,
        Target::Nobody | Target::Nowhere(_) => outcome.is_err(),
    };
    (!fine).then(|| format!("{key} to {target:?}: {outcome:?}"))
}

/// Why both ends of a call do not tell the same story; only where every message arrives in the end.
fn disagree(target: &Target, caller: &Side, callees: &[&Side]) -> Option<&'static str> {
    let callee = match target {
        Target::Hunt => return hunted(caller, callees),
        Target::Nobody | Target::Nowhere(_) => {
            let fine =
                matches!((caller.end, caller.gave_up), (Some(End::Failed(503 | 487)), _) | (Some(End::Us), true));
            return (!fine).then_some("a call to nobody");
        }
        Target::Phone(_) => callees.first(),
    };
    let Some(callee) = callee else {
        let late = caller.replacing && matches!(caller.end, Some(End::Failed(481 | 486 | 603)));
        let fine = caller.gave_up || late || caller.stranger && matches!(caller.end, Some(End::Failed(401 | 403)));
        return (!fine).then_some("it never rang");
    };
    if caller.stood && !callee.stood {
        return Some("only the caller was answered");
    }
    match (caller.end, callee.end) {
        (None, _) | (_, None) => Some("a side without end"),
        (Some(End::Failed(code)), Some(_)) => (callee.refused != Some(code)).then_some("refused with something else"),
        (Some(End::Us), Some(_)) if caller.gave_up => None,
        (_, Some(End::Cancelled)) => Some("cancelled by nobody"),
        (Some(one), Some(other)) => match (one, other) {
            (End::Us, End::Us | End::Peer | End::Error) | (End::Peer | End::Error, End::Us) => None,
            _ => Some("ended by neither"),
        },
    }
}

/// Both phones answer: one keeps the call, the other is hung up on, or both. A request that crosses the BYE brings a phone an error instead.
fn hunted(caller: &Side, callees: &[&Side]) -> Option<&'static str> {
    if !caller.stood || callees.is_empty() {
        return Some("a hunted call without answer");
    }
    let ended =
        callees.iter().all(|callee| callee.stood && matches!(callee.end, Some(End::Us | End::Peer | End::Error)));
    (!ended).then_some("a fork that was left alone")
}
