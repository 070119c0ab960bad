//! What users publish of theirs (RFC 3903 section 6).

use sip::header::ContentType;
use sip::message::{HeaderId, Lines, Request, StatusCode};
use sip::publish::Limits;
use sip::subscribe::Terms;
use sip::{AlarmId, Reply, Time, Turn, uas};

use super::{Package, Switch, composed};
use crate::board::Notes;
use crate::request::Admitted;

/// The number of the alarm for the next end of a publication; those of calls are from 1, those of other roles and of questions from 2^62.
pub(crate) const ALARM: u64 = (1 << 62) - 1;

/// What may be published.
const PACKAGES: [(&str, &str); 2] =
    [(event::presence::PACKAGE, event::presence::TYPE), (event::summary::PACKAGE, event::summary::TYPE)];

/// The namespace of signatures in XML.
const SIGNATURE: &[u8] = b"http://www.w3.org/2000/09/xmldsig#";

/// The alarm of this loop for the next end.
pub(super) type Timer = Option<(AlarmId, Time)>;

impl Switch {
    /// A PUBLISH of an authenticated user: for himself only.
    pub(crate) fn publish(&mut self, asked: &Admitted, turn: &mut Turn<'_>) -> Reply {
        let Admitted { request, user, .. } = asked;
        // The steps of section 6 are taken in their order: the first that fails is the answer.
        if let Some(refusal) = uas::scheme(request, &self.capabilities) {
            return refusal;
        }
        let name =
            self.dialled(request).and_then(|number| self.accounts.by_number(&number)).map(|known| known.name.clone());
        let Some(name) = name else { return Reply::new(StatusCode::NOT_FOUND) };
        if name != *user {
            return Reply::new(StatusCode::DECLINE);
        }
        let refusal = uas::extensions(request, &self.capabilities);
        if let Some(refusal) = refusal.or_else(|| sip::subscribe::check(request, &PACKAGES)) {
            return refusal;
        }
        let Some(package) = Package::of(request) else { return Reply::new(StatusCode::BAD_EVENT) };
        // Read while others may have the board.
        let objection = unreadable(package, request);
        let now = turn.now().mono;
        let (_, kind) = package.entry();
        let published = {
            let mut notes = self.board.notes();
            notes.published.publish(now, rand::random(), (&name, kind), request, &Terms::default(), objection)
        };
        match published {
            Err(refusal) if refusal.code == StatusCode::SERVICE_UNAVAILABLE => self.busy(),
            Err(refusal) => *refusal,
            Ok(published) => {
                self.arm_publications(turn);
                if published.changed {
                    if package == Package::Presence {
                        self.put_together(&name, now);
                    }
                    self.state_changed(&name);
                }
                published.reply
            }
        }
    }

    /// Puts together what a user has published of his presence. It is read without keeping others from the board, and once more when it has
    /// changed meanwhile.
    fn put_together(&self, name: &str, now: Time) {
        let published = |notes: &Notes| -> Vec<Vec<u8>> {
            notes.published.bodies(now, event::presence::PACKAGE, name).map(<[u8]>::to_vec).collect()
        };
        let mut bodies = published(&self.board.notes());
        loop {
            let whole = composed::together(&bodies);
            let mut notes = self.board.notes();
            let current = published(&notes);
            if current == bodies {
                if bodies.is_empty() {
                    notes.presence.remove(name);
                } else {
                    notes.presence.insert(name.to_owned(), whole);
                }
                return;
            }
            bodies = current;
        }
    }

    /// The next end of a publication is noticed, by the loop that took it.
    fn arm_publications(&mut self, turn: &mut Turn<'_>) {
        let Some(due) = self.board.notes().published.deadline() else { return };
        if let Some((alarm, at)) = self.watching.publications {
            if at <= due {
                return;
            }
            turn.silence(alarm);
        }
        self.watching.publications = turn.alarm(due, ALARM).ok().map(|alarm| (alarm, due));
    }

    /// The alarm has come: takes out what has ended.
    pub(crate) fn publications_expire(&mut self, turn: &mut Turn<'_>) {
        self.watching.publications = None;
        let now = turn.now().mono;
        let gone = self.board.notes().published.expire(now);
        for (package, name) in gone {
            if package == event::presence::PACKAGE {
                self.put_together(&name, now);
            }
            self.state_changed(&name);
        }
        self.arm_publications(turn);
    }
}

/// 400 for a document that cannot be read: watchers are spared it. 415 for one with a signature: put together with others and written anew it would not be
/// what was signed (RFC 3903 section 14.4).
fn unreadable(package: Package, request: &Request) -> Option<Reply> {
    let body = request.body();
    let kind = request.headers().content_type().and_then(Result::ok);
    let is_it =
        |kind: ContentType<'_>| format!("{}/{}", kind.kind, kind.subtype).eq_ignore_ascii_case(package.entry().1);
    // Of another type, or too long: that is refused as such.
    if body.is_empty() || body.len() > Limits::default().octets || !kind.is_some_and(is_it) {
        return None;
    }
    let read = match package {
        Package::Presence => event::presence::Presence::read(body).map(drop),
        _ => event::summary::Summary::read(body).map(drop),
    };
    let Err(error) = read else {
        if !body.windows(SIGNATURE.len()).any(|part| part == SIGNATURE) {
            return None;
        }
        let mut lines = Lines::new();
        lines.push_id(HeaderId::Accept, package.entry().1);
        let refusal = Reply::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).reason("Signed Documents Not Supported");
        return Some(refusal.lines(lines));
    };
    let why: String = error.to_string().chars().filter(|one| !one.is_control()).take(120).collect();
    Some(Reply::new(StatusCode::BAD_REQUEST).reason(format!("Bad Request ({why})")))
}
