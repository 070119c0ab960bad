//! Who watches the robot (RFC 6665): whether it can be reached, and its calls.
//!
//! Anybody may, where `--allow-watchers` says so. What names a call to others (Call-ID and tags) and who calls is not told; who knows what names one may watch
//! that one alone.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use sip::message::{Body, HeaderId, Lines, Request, StatusCode};
use sip::subscribe::{self, EndReason, Terms, WatcherEvent};
use sip::{Reply, ServerTx, SessionId, Turn, WatcherId};
use ua::package::dialog::{self, Asked, Dialog, DialogInfo, Direction, Identifiers, State};
use ua::package::presence::{self, Basic, Presence, Tuple};

use super::{Live, Robot};

/// Watchers at a time; one more is answered 503.
const MOST: usize = 100;
/// Of these from one address, or one network of IPv6.
const MOST_OF_ONE: usize = 10;
/// Most calls that a document tells of: those that began first, so that one that comes when there are so many changes nothing.
const MOST_CALLS: usize = 64;
/// What is told.
const PACKAGES: [(&str, &str); 2] = [(presence::PACKAGE, presence::TYPE), (dialog::PACKAGE, dialog::TYPE)];

/// All that watch.
#[derive(Default)]
pub(super) struct Watchers {
    table: BTreeMap<WatcherId, Watcher>,
    /// Something is another than it was told.
    changed: bool,
}

/// Numbers of calls, and whether they are answered.
type Calls = Vec<(u64, bool)>;

/// What all are told who want to know of more than one call.
struct Whole {
    /// As many as a document tells of.
    calls: Calls,
    /// One of all is answered.
    talks: bool,
}

struct Watcher {
    /// Its package is `dialog`.
    calls: bool,
    /// The address it asked for.
    entity: String,
    /// The one call that it wants to know of (RFC 4235 section 3.2).
    only: Option<Box<Identifiers>>,
    /// Which that is, once it is known: nobody names a call that is still to begin, for nobody can guess our tag.
    named: Option<SessionId>,
    /// What it was told of that last; nothing where it wants to know of all. Once it was there and is no more, so is this.
    told: Calls,
    /// Where it asked from: see [`whose`].
    from: IpAddr,
    /// Documents so far (RFC 4235 section 4.1).
    version: u32,
}

impl Watchers {
    /// A call began, was answered, or is over.
    pub(super) fn changed(&mut self) {
        self.changed = !self.table.is_empty();
    }
}

impl Robot {
    /// A SUBSCRIBE outside of calls.
    pub(super) fn watched(&mut self, tx: ServerTx, request: &Request, turn: &mut Turn<'_>) {
        if !self.conduct.allow_watchers {
            return self.asked(tx, request, turn);
        }
        let refusal = sip::uas::check(request, &self.capabilities).or_else(|| subscribe::check(request, &PACKAGES));
        if let Some(reply) = refusal {
            return drop(turn.respond(tx, reply));
        }
        let busy = |turn: &mut Turn<'_>| {
            let mut lines = Lines::new();
            lines.push_id(HeaderId::RetryAfter, 30);
            let _ = turn.respond(tx, Reply::new(StatusCode::SERVICE_UNAVAILABLE).lines(lines));
        };
        let Some(from) = turn.origin_of(tx).map(|origin| whose(origin.remote.ip())) else { return };
        let of_one = self.watchers.table.values().filter(|watcher| watcher.from == from).count();
        if self.leaving || self.watchers.table.len() >= MOST || of_one >= MOST_OF_ONE {
            return busy(turn);
        }
        let event = request.headers().get::<sip::header::Event<'_>>().and_then(Result::ok);
        let calls = event.is_some_and(|event| event.package == dialog::PACKAGE);
        let asked = if calls { ua::asked_dialogs(request) } else { Ok(Asked::default()) };
        let only = match asked {
            Ok(asked) => asked.dialog.map(Box::new),
            Err(error) => {
                let refusal = Reply::new(StatusCode::BAD_REQUEST).reason(format!("Bad Request ({error})"));
                return drop(turn.respond(tx, refusal));
            }
        };
        let entity = request.uri_text().to_owned();
        // Where it came by the way of a registration, that leads to us (RFC 6665 section 4.5.1).
        let contact = turn.origin_of(tx).and_then(|origin| self.own.as_ref()?.contact_at(&origin, request));
        let mut terms = Terms::default();
        if only.is_some() {
            terms.usual = dialog::EXPIRES_OF_ONE;
        }
        match turn.accept_subscription_at(tx, terms, false, contact) {
            Ok(id) => {
                self.watchers
                    .table
                    .insert(id, Watcher { calls, entity, only, named: None, told: Vec::new(), from, version: 0 });
                self.seek_and_tell(id, turn);
            }
            Err(sip::StackError::Full { .. }) => busy(turn),
            // The stack has answered, or nobody waits.
            Err(error) => tracing::debug!(%error, "a subscription is refused"),
        }
    }

    pub(super) fn watcher_event(&mut self, id: WatcherId, event: &WatcherEvent, turn: &mut Turn<'_>) {
        match event {
            // RFC 6665 section 4.2.1.4: the one that has refreshed is told, and nobody else.
            WatcherEvent::Wanted { .. } => self.seek_and_tell(id, turn),
            _ => drop(self.watchers.table.remove(&id)),
        }
    }

    /// Tells what has changed, once for all that came together.
    pub(super) fn tell_watchers(&mut self, turn: &mut Turn<'_>) {
        if !std::mem::take(&mut self.watchers.changed) {
            return;
        }
        let (whole, all) = (self.whole(), self.watchers.table.keys().copied().collect::<Vec<_>>());
        for id in all {
            if self.has_news(id, &whole) {
                self.tell_watcher(id, &whole, turn);
            }
        }
    }

    /// Whether what has changed concerns a watcher: who wants to know of one call is told of no other (RFC 4235 section 3.3).
    fn has_news(&self, id: WatcherId, whole: &Whole) -> bool {
        let watcher = self.watchers.table.get(&id);
        watcher.is_some_and(|watcher| watcher.only.is_none() || self.calls_for(watcher, whole) != watcher.told)
    }

    /// A watcher that has asked is told.
    fn seek_and_tell(&mut self, id: WatcherId, turn: &mut Turn<'_>) {
        if let Some(watcher) = self.watchers.table.get_mut(&id)
            && let Some(only) = watcher.only.as_deref()
        {
            let is_meant =
                |session: &SessionId| turn.dialogs_of(*session).any(|dialog| only.cover(&identifiers(dialog)));
            watcher.named = watcher.named.or_else(|| self.calls.keys().copied().find(is_meant));
        }
        self.tell_watcher(id, &self.whole(), turn);
    }

    fn tell_watcher(&mut self, id: WatcherId, whole: &Whole, turn: &mut Turn<'_>) {
        let Some(watcher) = self.watchers.table.get(&id) else { return };
        let calls = if watcher.calls { self.calls_for(watcher, whole) } else { Calls::new() };
        let body = match watcher.calls {
            true => Body::new(dialog::TYPE, dialogs(watcher, &calls).write()),
            false => Body::new(presence::TYPE, self.presence(&watcher.entity, whole.talks).write()),
        };
        if watcher.only.is_some() && !watcher.told.is_empty() && calls.is_empty() {
            let _ = turn.end_watcher(id, EndReason::NoResource, None, Some(body));
            return drop(self.watchers.table.remove(&id));
        }
        let gone = turn.notify(id, Some(body)).is_err();
        match self.watchers.table.get_mut(&id) {
            Some(watcher) if !gone => {
                watcher.version = watcher.version.wrapping_add(1);
                watcher.told = if watcher.only.is_some() { calls } else { Calls::new() };
            }
            _ => drop(self.watchers.table.remove(&id)),
        }
    }

    /// Those that began first, or the one that is asked for.
    fn calls_for(&self, watcher: &Watcher, whole: &Whole) -> Calls {
        match &watcher.only {
            Some(_) => {
                watcher.named.and_then(|session| self.calls.get(&session)).map(Live::shown).into_iter().collect()
            }
            None => whole.calls.clone(),
        }
    }

    fn whole(&self) -> Whole {
        let mut calls: Calls = self.calls.values().map(Live::shown).collect();
        if calls.len() > MOST_CALLS {
            calls.select_nth_unstable(MOST_CALLS);
            calls.truncate(MOST_CALLS);
        }
        calls.sort_unstable();
        Whole { calls, talks: self.calls.values().any(|live| live.standing) }
    }

    fn presence(&self, entity: &str, talks: bool) -> Presence {
        let basic = if self.leaving || self.conduct.reject.is_some() { Basic::Closed } else { Basic::Open };
        let tuple = Tuple { id: "robot".to_owned(), basic: Some(basic), ..Tuple::default() };
        Presence {
            entity: entity.to_owned(),
            tuples: vec![tuple],
            activities: talks.then(|| "on-the-phone".to_owned()).into_iter().collect(),
            ..Presence::default()
        }
    }

    /// The robot leaves.
    pub(super) fn end_watchers(&mut self, turn: &mut Turn<'_>) {
        for (id, _) in std::mem::take(&mut self.watchers.table) {
            let _ = turn.end_watcher(id, EndReason::NoResource, None, None);
        }
    }

    /// Names what is told (RFC 6665 section 4.4.4).
    pub(super) fn allow_events(&self, mut reply: Reply) -> Reply {
        if self.conduct.allow_watchers {
            let mut lines = Lines::new();
            lines.push_id(HeaderId::AllowEvents, PACKAGES.map(|(name, _)| name).join(", "));
            reply.lines.extend(&lines);
        }
        reply
    }
}

impl Live {
    /// Its number, and whether it is answered.
    fn shown(&self) -> (u64, bool) {
        (self.number, self.standing)
    }
}

/// What a watcher is told of calls: every document has them all (RFC 4235 section 4.3), as far as it tells of so many. Call-ID and tags are told to who has said them.
fn dialogs(watcher: &Watcher, calls: &[(u64, bool)]) -> DialogInfo {
    let only = watcher.only.as_deref();
    let dialogs = calls.iter().map(|(number, standing)| {
        let state = if *standing { State::Confirmed } else { State::Early };
        Dialog {
            direction: Some(Direction::Recipient),
            call_id: only.map(|only| only.call_id.clone()),
            local_tag: only.map(|only| only.local_tag.clone()),
            remote_tag: only.and_then(|only| only.remote_tag.clone()),
            ..Dialog::new(number.to_string(), state)
        }
    });
    let (entity, dialogs) = (watcher.entity.clone(), dialogs.collect());
    DialogInfo { version: watcher.version, full: true, entity, dialogs }
}

fn identifiers(dialog: &sip::dialog::Dialog) -> Identifiers {
    let (call_id, local_tag) = (dialog.call_id().to_owned(), dialog.local_tag().to_owned());
    Identifiers { call_id, local_tag, remote_tag: Some(dialog.remote_tag().to_owned()) }
}

/// Who has an address: of IPv6 everybody has a whole network (RFC 4291 section 2.5.4).
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests;
