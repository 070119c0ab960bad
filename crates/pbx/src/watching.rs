//! Who watches whose state (RFC 6665), and what users publish of theirs (RFC 3903).
//!
//! Only users may watch, whoever asks is challenged first. Presence and calls of any user, the calls of an extension and who is in a conference may be
//! watched by every user; messages waiting, devices and watchers of somebody only by himself.

mod composed;
mod documents;
mod publishing;
mod table;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use event::dialog::{Asked, Identifiers, State};
use sip::dialog::Dialog;
use sip::message::{Body, HeaderId, Request, StatusCode};
use sip::subscribe::{EndReason, Terms, WatcherEvent};
use sip::{Reply, StackError, Turn, WatcherId, uas};

use crate::accounts::Known;
use crate::board::{Device, Onlooker, Shown, Talk};
use crate::call::{Call, Stage};
use crate::command::Command;
use crate::extension::Feature;
use crate::request::Admitted;
use crate::switch::Switch;

use documents::Document;
pub(crate) use publishing::ALARM;
use table::Watch;
pub(crate) use table::{Facet, Watching};

/// Most subscriptions at once, of all loops.
const MOST: usize = 20_000;
/// Most of one user in one loop.
const MOST_EACH: usize = 256;
/// Most octets of the address that is watched, which stands in documents as often as there are calls.
const MOST_OF_ADDRESS: usize = 256;
/// Most octets of all that names the one call that is watched.
const MOST_OF_NAMES: usize = 512;

/// What may be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Package {
    Presence,
    Dialog,
    Summary,
    Devices,
    Conference,
    Watchers,
}

/// Names with the types of their bodies, for checks and Allow-Events.
pub(crate) const PACKAGES: [(&str, &str); 6] = [
    (event::presence::PACKAGE, event::presence::TYPE),
    (event::dialog::PACKAGE, event::dialog::TYPE),
    (event::summary::PACKAGE, event::summary::TYPE),
    (event::registration::PACKAGE, event::registration::TYPE),
    (event::conference::PACKAGE, event::conference::TYPE),
    ("presence.winfo", event::watchers::TYPE),
];

impl Package {
    const ALL: [Self; 6] =
        [Self::Presence, Self::Dialog, Self::Summary, Self::Devices, Self::Conference, Self::Watchers];

    fn of(request: &Request) -> Option<Self> {
        let event = request.headers().get::<sip::header::Event<'_>>()?.ok()?;
        Self::ALL.into_iter().find(|package| package.name() == event.package)
    }

    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::Presence => (event::presence::PACKAGE, event::presence::TYPE),
            Self::Dialog => (event::dialog::PACKAGE, event::dialog::TYPE),
            Self::Summary => (event::summary::PACKAGE, event::summary::TYPE),
            Self::Devices => (event::registration::PACKAGE, event::registration::TYPE),
            Self::Conference => (event::conference::PACKAGE, event::conference::TYPE),
            Self::Watchers => ("presence.winfo", event::watchers::TYPE),
        }
    }

    fn name(self) -> &'static str {
        self.entry().0
    }

    /// What the RFC of the package recommends: how long without Expires, and how seldom a watcher is told.
    fn terms(self) -> Terms {
        let (usual, secs) = match self {
            // RFC 3856 sections 6.4 and 6.10, RFC 4575 sections 3.3 and 3.10, RFC 3857 sections 4.3 and 4.10.
            Self::Presence | Self::Conference | Self::Watchers => (3_600, 5),
            // RFC 4235 sections 3.4 and 3.10.
            Self::Dialog => (3_600, 1),
            // RFC 3842 sections 3.4 and 3.11.
            Self::Summary => (3_600, 1),
            // RFC 3680 sections 4.3 and 4.9.
            Self::Devices => (3_761, 5),
        };
        Terms { usual, interval: Duration::from_secs(secs), ..Terms::default() }
    }

    /// The call that a subscription is about, where it is about one (RFC 4235 section 3.2).
    fn only(self, request: &Request) -> Result<Option<Box<Identifiers>>, Box<Reply>> {
        let event = request.headers().get::<sip::header::Event<'_>>().and_then(Result::ok);
        let Some(params) = event.map(|event| event.params).filter(|_| self == Self::Dialog) else { return Ok(None) };
        let asked = Asked::of(|name| params.get(name).map(|value| value.text().into_owned()));
        let refuse =
            |why: String| Err(Box::new(Reply::new(StatusCode::BAD_REQUEST).reason(format!("Bad Request ({why})"))));
        match asked {
            Ok(Asked { dialog: Some(dialog), .. }) => {
                let Identifiers { call_id, local_tag, remote_tag } = &dialog;
                let octets = call_id.len() + local_tag.len() + remote_tag.as_ref().map_or(0, String::len);
                if octets > MOST_OF_NAMES {
                    return refuse(format!("more than {MOST_OF_NAMES} octets name the dialog"));
                }
                Ok(Some(Box::new(dialog)))
            }
            Ok(_) => Ok(None),
            Err(error) => refuse(error.to_string()),
        }
    }

    /// Only who it is about may watch it.
    fn is_private(self) -> bool {
        matches!(self, Self::Summary | Self::Devices | Self::Watchers)
    }
}

impl Switch {
    /// A SUBSCRIBE of an authenticated user outside of any dialog: the answer, unless it has been given.
    pub(crate) fn subscribe(&mut self, asked: Admitted, turn: &mut Turn<'_>) -> Option<Reply> {
        let Admitted { tx, request, user, .. } = asked;
        let (package, resource, entity, host) = match self.watchable(&request, &user) {
            Ok(found) => found,
            Err(refusal) => return Some(*refusal),
        };
        let only = match package.only(&request) {
            Ok(only) => only,
            Err(refusal) => return Some(*refusal),
        };
        let mut terms = package.terms();
        if only.is_some() {
            terms.usual = event::dialog::EXPIRES_OF_ONE;
        }
        let full = self.watching.by_user.get(&user).is_some_and(|count| *count >= MOST_EACH);
        if full || self.finishing {
            return Some(self.busy());
        }
        let Some(first) = self.board.enter(MOST) else { return Some(Reply::no_room()) };
        let id = match turn.accept_subscription(tx, terms, false) {
            Ok(id) => id,
            Err(error) => {
                self.board.leave();
                // Others have been answered by the stack.
                return matches!(error, StackError::Full { .. }).then(Reply::no_room);
            }
        };
        if first {
            self.write_all(turn);
            self.neighbours.tell_others(|| Command::Watched);
        }
        let onlooker = Onlooker { user: user.clone(), package: package.name() };
        self.board.notes().onlookers.entry(resource.clone()).or_default().insert(id.0.to_u64(), onlooker);
        let watch = Watch {
            user,
            package,
            resource: resource.clone(),
            entity,
            host,
            only,
            seen: false,
            version: 0,
            told: None,
            standing: Vec::new(),
            over: Vec::new(),
        };
        self.watching.add(id, watch);
        self.tell_watcher(id, true, turn);
        if package == Package::Presence {
            self.changed(&resource, Facet::Watchers);
        }
        None
    }

    /// What is to be watched, if this user may.
    fn watchable(&self, request: &Request, user: &str) -> Result<(Package, String, String, String), Box<Reply>> {
        let refuse = |code| Err(Box::new(Reply::new(code)));
        let refusal = uas::scheme(request, &self.capabilities)
            .or_else(|| uas::extensions(request, &self.capabilities))
            .or_else(|| sip::subscribe::check(request, &PACKAGES));
        if let Some(refusal) = refusal {
            return Err(Box::new(refusal));
        }
        let (Some(package), Some(number), Ok(uri)) = (Package::of(request), self.dialled(request), request.uri())
        else {
            return refuse(StatusCode::NOT_FOUND);
        };
        let feature = Feature::of(&self.config.extensions, &number);
        let known = self.accounts.by_number(&number).map(|known| known.name.clone());
        let resource = match (package, feature, known) {
            (Package::Conference, Some(Feature::Conference), _) | (Package::Dialog, Some(_), _) => number.clone(),
            (Package::Conference, ..) | (_, Some(_), _) | (_, None, None) => return refuse(StatusCode::NOT_FOUND),
            (_, None, Some(name)) => name,
        };
        if package.is_private() && resource != user {
            // Not 403, by which who gave a wrong password is told.
            return refuse(StatusCode::DECLINE);
        }
        let host = uri.host_text().to_owned();
        let entity = format!("sip:{}@{host}", uri.user().unwrap_or(&number));
        if entity.len() > MOST_OF_ADDRESS {
            return refuse(StatusCode::REQUEST_URI_TOO_LONG);
        }
        Ok((package, resource, entity, host))
    }

    /// News of a watcher.
    pub(crate) fn watcher_event(&mut self, id: WatcherId, event: WatcherEvent, turn: &mut Turn<'_>) {
        match event {
            WatcherEvent::Wanted { .. } => self.tell_watcher(id, true, turn),
            WatcherEvent::Ended { .. } => self.watcher_ended(id),
            WatcherEvent::Gone => {
                self.watcher_ended(id);
                if self.watching.forget(id) {
                    self.board.leave();
                }
            }
            _ => {}
        }
    }

    /// It is told nothing any more.
    fn watcher_ended(&mut self, id: WatcherId) {
        let Some(gone) = self.watching.remove(id) else { return };
        {
            let mut notes = self.board.notes();
            if let Some(all) = notes.onlookers.get_mut(&gone.resource) {
                all.remove(&id.0.to_u64());
                if all.is_empty() {
                    notes.onlookers.remove(&gone.resource);
                }
            }
        }
        if gone.package == Package::Presence {
            self.changed(&gone.resource, Facet::Watchers);
        }
    }

    /// Sends the state to a watcher: always, or when it is another than what was told last.
    fn tell_watcher(&mut self, id: WatcherId, always: bool, turn: &mut Turn<'_>) {
        let now = turn.now();
        let Some(watch) = self.watching.all.get(&id) else { return };
        // Written when others may have the board again.
        let most = documents::most_told(self.board.watchers());
        let mut document = Document::of(watch, &self.board.notes(), &self.accounts, most, now.mono);
        let mut hasher = DefaultHasher::new();
        document.write(0).hash(&mut hasher);
        let told = Some(hasher.finish());
        if !always && watch.told == told {
            return;
        }
        let waits = turn.notify_waits(id);
        let Some(watch) = self.watching.all.get_mut(&id) else { return };
        let has_calls = !document.calls().is_empty();
        // Who wants to know of one call has heard all of it when that is over (RFC 4235 section 3.4).
        let is_over = watch.only.is_some() && watch.seen && !has_calls;
        (watch.told, watch.seen) = (told, watch.seen || has_calls);
        let version = watch.follows(document.calls(), waits);
        document.ends(&watch.over);
        let (_, kind) = watch.package.entry();
        let body = Some(Body::new(kind, document.write(version).into_bytes()));
        let told = match is_over {
            true => turn.end_watcher(id, EndReason::NoResource, None, body),
            false => turn.notify(id, body),
        };
        if is_over || told.is_err() {
            self.watcher_ended(id);
        }
        // A single question: the NOTIFY that answers it is the last.
        if turn.watcher_left(id).is_none() {
            self.watcher_ended(id);
        }
    }

    /// Somebody's state is another: this loop and the others tell those who watch it.
    pub(crate) fn state_changed(&mut self, resource: &str) {
        self.changed(resource, Facet::State);
    }

    fn changed(&mut self, resource: &str, facet: Facet) {
        self.watching.changed.insert((resource.to_owned(), facet));
        self.neighbours.tell_others(|| Command::Changed(resource.to_owned(), facet));
    }

    /// Another loop says so.
    pub(crate) fn changed_elsewhere(&mut self, resource: String, facet: Facet) {
        let concerned = (resource, facet);
        if self.watching.by_resource.contains_key(&concerned) {
            self.watching.changed.insert(concerned);
        }
    }

    /// Tells what has changed, when all that came has been looked at.
    pub(crate) fn tell_watchers(&mut self, turn: &mut Turn<'_>) {
        self.forget_calls();
        for concerned in std::mem::take(&mut self.watching.changed) {
            let ids: Vec<WatcherId> =
                self.watching.by_resource.get(&concerned).into_iter().flatten().copied().collect();
            for id in ids {
                self.tell_watcher(id, false, turn);
            }
        }
    }

    /// Somebody watches now: what this loop knows is written down.
    pub(crate) fn write_all(&mut self, turn: &Turn<'_>) {
        let entries: Vec<_> = self.calls.iter().flat_map(|call| self.talks_of(call, turn)).collect();
        for (name, key, talk) in entries {
            let mut notes = self.board.notes();
            notes.passed_on(Some(&name), key);
            notes.talk(&name, key, Some(talk));
            drop(notes);
            self.state_changed(&name);
        }
        let names: Vec<String> =
            self.accounts.iter().map(|known| known.name.clone()).filter(|name| self.neighbours.keeps(name)).collect();
        for name in names {
            self.write_devices(&name, turn);
        }
    }

    /// The devices of a user of this loop are others, perhaps.
    pub(crate) fn write_devices(&mut self, name: &str, turn: &Turn<'_>) {
        if !self.board.is_watched() {
            return;
        }
        let device = |binding: proxy::Binding<'_>| Device {
            id: [binding.uri(), binding.flow().unwrap_or_default()].concat(),
            uri: binding.uri().to_owned(),
            expires: u32::try_from(binding.remaining(turn.now()).as_secs()).unwrap_or(u32::MAX),
            instance: binding.instance().map(str::to_owned),
        };
        let devices: Vec<Device> = self.bindings.of(turn.now(), name).map(device).collect();
        let before = match devices.is_empty() {
            true => self.board.notes().devices.remove(name),
            false => self.board.notes().devices.insert(name.to_owned(), devices.clone()),
        };
        if before.unwrap_or_default() != devices {
            self.state_changed(name);
        }
    }

    /// Writes down and answers the REGISTERs that wait.
    pub(crate) fn settle_bindings(&mut self, turn: &mut Turn<'_>) {
        let changed = self.bindings.settle(self.board.is_watched(), turn);
        self.write_devices_at(&changed, turn);
    }

    /// The time of some bindings has come.
    pub(crate) fn expire_bindings(&mut self, turn: &mut Turn<'_>) {
        let (changed, gone) = self.bindings.expire(self.board.is_watched(), turn);
        self.write_devices_at(&changed, turn);
        self.write_devices_of(gone, turn);
    }

    /// The bindings of the users with these places are others.
    fn write_devices_at(&mut self, places: &[usize], turn: &Turn<'_>) {
        for place in places {
            if let Some(name) = self.accounts.at(*place).map(|known| known.name.clone()) {
                self.write_devices(&name, turn);
            }
        }
    }

    /// These bindings have ended.
    fn write_devices_of(&mut self, gone: Vec<proxy::Record>, turn: &Turn<'_>) {
        for record in gone {
            let uri = sip::message::Uri::parse(record.aor()).ok();
            if let Some(name) = uri.and_then(|uri| uri.user_unescaped()) {
                self.write_devices(&name, turn);
            }
        }
    }

    /// A call is so now.
    pub(crate) fn write_call(&mut self, call: &Call, turn: &Turn<'_>) {
        if !self.board.is_watched() {
            return;
        }
        for (name, key, talk) in self.talks_of(call, turn) {
            let mut notes = self.board.notes();
            let before = notes.passed_on(Some(&name), key);
            let is_new = notes.talk(&name, key, Some(talk));
            drop(notes);
            if let Some(before) = before {
                self.state_changed(&before);
            }
            if is_new {
                self.state_changed(&name);
            }
        }
    }

    /// A call is over. It stays on the board until all that came has been looked at: where one of its sides goes on in another call, that is there by then, and no other
    /// loop finds the side without either.
    pub(crate) fn call_is_over(&mut self, call: u64) {
        if self.board.is_watched() {
            self.watching.over.extend([(call, true), (call, false)]);
        }
    }

    fn forget_calls(&mut self) {
        for key in std::mem::take(&mut self.watching.over) {
            let before = self.board.notes().passed_on(None, key);
            if let Some(before) = before {
                self.state_changed(&before);
            }
        }
    }

    /// A call as both sides see it.
    fn talks_of(&self, call: &Call, turn: &Turn<'_>) -> [(String, (u64, bool), Talk); 2] {
        let known = self.accounts.by_number(&call.number);
        let callee = known.map_or_else(|| call.number.clone(), |known| known.name.clone());
        let caller = self.accounts.by_name(&call.user);
        let state = match &call.stage {
            Stage::Ringing(_) => State::Early,
            Stage::Alone(_) | Stage::Joined(_) | Stage::Gathered(_) => State::Confirmed,
        };
        let shown = |he_hides: bool, other_hides: bool| match (he_hides, other_hides) {
            (_, true) => Shown::Nobody,
            (true, false) => Shown::Himself,
            (false, false) => Shown::All,
        };
        let talk = |remote: &str, display: Option<String>, shown, dialogs| Talk {
            state,
            remote: remote.to_owned(),
            display,
            shown,
            dialogs,
        };
        // As the device at the other end sees them, whose user's they are; as we do where that is an extension.
        let theirs = |dialog: &Dialog| identifiers(dialog.call_id(), dialog.remote_tag(), dialog.local_tag());
        let ours = |dialog: &Dialog| identifiers(dialog.call_id(), dialog.local_tag(), dialog.remote_tag());
        let placed: Vec<Identifiers> = turn.dialogs_of(call.caller.session).map(theirs).collect();
        let taken: Vec<Identifiers> = match &call.stage {
            Stage::Alone(_) => turn.dialogs_of(call.caller.session).map(ours).collect(),
            _ => call.called(&callee).into_iter().flat_map(|session| turn.dialogs_of(session)).map(theirs).collect(),
        };
        let (caller_hides, callee_hides) = (call.caller.private, call.has_private_callee());
        let display = |known: Option<&Known>| known.and_then(|known| known.display.clone());
        let to = talk(&call.number, display(known), shown(caller_hides, callee_hides), placed);
        let from = talk(&call.user, display(caller), shown(callee_hides, caller_hides), taken);
        [(call.user.clone(), (call.id, true), to), (callee, (call.id, false), from)]
    }

    /// The server ends: who watches may subscribe again elsewhere, or later.
    pub(crate) fn end_watchers(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<WatcherId> = self.watching.all.keys().copied().collect();
        for id in ids {
            // One that has ended in this very turn is gone.
            let _ = turn.end_watcher(id, EndReason::Probation, Some(30), None);
            self.watcher_ended(id);
        }
    }
}

fn identifiers(call_id: &str, local_tag: &str, remote_tag: &str) -> Identifiers {
    let (call_id, local_tag, remote_tag) = (call_id.to_owned(), local_tag.to_owned(), Some(remote_tag.to_owned()));
    Identifiers { call_id, local_tag, remote_tag }
}

/// The packages, for Allow-Events (RFC 6665 section 4.4.7).
pub(crate) fn allow_events(mut reply: Reply) -> Reply {
    let names: Vec<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
    reply.lines.push_id(HeaderId::AllowEvents, names.join(", "));
    reply
}
