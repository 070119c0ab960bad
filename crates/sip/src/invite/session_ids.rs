//! Session-ID (RFC 7989): a UUID of each end, in what the two say to each other, whoever stands between them and rewrites the rest.
//!
//! Where [`crate::Config::session_id`] says that we are an end, a session has a UUID of ours from its first INVITE on, which never changes, whoever takes the place of
//! its peer (Replaces), and those of its peers. These are known by their tags, so that each fork of a call is told its own (section 6). A peer that knows RFC 7329 only names the session otherwise,
//! and is told what it says (section 11). Who stands between two ends and is an end of some sessions, a conference for one, names those ([`Turn::name_session`]).

use std::fmt;

use super::making;
use super::session::State;
use crate::dialog::Dialog;
use crate::header;
use crate::id::{DialogId, ServerTx, SessionId};
use crate::message::{HeaderId, Headers, Lines, Method, Request};
use crate::reply::Reply;
use crate::rng::Rng;
use crate::siphash::Sip13;
use crate::transaction::key::Keys;
use crate::turn::Turn;

/// The UUIDs of a session.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    ours: Uuid,
    /// What the peers say, by their tags.
    theirs: Vec<(Box<str>, Peer)>,
}

/// How a peer names the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// By a UUID of its own.
    Itself(Uuid),
    /// By one UUID alone, which names the session for both (RFC 7329).
    Alone(Uuid),
    /// As we have: ours comes first, whoever says it, and then this one (RFC 7329 as others have read it).
    AsWeDo(Uuid),
}

impl Peer {
    const UNKNOWN: Self = Self::Itself(Uuid::NIL);

    /// What a message says of who sends it; `None` where it says nothing of that, nobody, or what cannot be read (section 6). `answers`: it is a response, of which
    /// one UUID that is not ours is its sender's, whatever it leaves out (section 11).
    fn of(headers: &Headers, ours: Uuid, answers: bool) -> Option<Self> {
        let id = headers.get::<header::SessionId<'_>>()?.ok()?;
        let local = Uuid::parse(id.local)?;
        match id.remote() {
            None if !id.params.has("remote") && (local == ours || !answers) => Some(Self::Alone(local)),
            None if local == ours => None,
            Some(remote) if local == ours => Some(Self::AsWeDo(Uuid::parse(remote).unwrap_or(Uuid::NIL))),
            _ => Some(Self::Itself(local)),
        }
    }

    fn write(self, ours: Uuid, lines: &mut Lines) {
        match self {
            Self::Alone(one) => lines.push_parts(HeaderId::SessionId, &[&one.0]),
            Self::Itself(other) | Self::AsWeDo(other) => {
                lines.push_parts(HeaderId::SessionId, &[&ours.0, b";remote=", &other.0]);
            }
        }
    }
}

/// The UUID of an end as it is written, 32 hexadecimal digits in lower case; zero is nobody's (section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uuid([u8; 32]);

impl Uuid {
    const NIL: Self = Self([b'0'; 32]);

    /// A random one: version 4 (RFC 9562 section 5.4).
    fn fresh(rng: &mut Rng) -> Self {
        Self::of_random((u128::from(rng.u64()) << 64) | u128::from(rng.u64()))
    }

    /// That of an end of which nothing is kept but the tag that it answers with.
    fn of_tag(keys: Keys, tag: &str) -> Self {
        let mut hash = Sip13::new(keys.0);
        hash.word(7);
        hash.text(tag.as_bytes());
        Self::of_random(hash.finish128())
    }

    fn of_random(bits: u128) -> Self {
        Self::of_bits(bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62))
    }

    fn of_bits(bits: u128) -> Self {
        let digit = |four: u8| if four < 10 { b'0' + four } else { b'a' - 10 + four };
        let mut text = Self::NIL.0;
        for (two, byte) in text.chunks_exact_mut(2).zip(bits.to_be_bytes()) {
            two.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        Self(text)
    }

    fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 32] = text.as_bytes().try_into().ok()?;
        let is_one = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        Some(Self(digits)).filter(|uuid| is_one && *uuid != Self::NIL)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Ids {
    /// Of an INVITE of theirs.
    pub(super) fn of_theirs(rng: &mut Rng, Told { ours, peer }: Told) -> Self {
        Self { ours: ours.unwrap_or_else(|| Uuid::fresh(rng)), theirs: peer.into_iter().collect() }
    }

    fn peer(&self, tag: &str) -> Peer {
        self.theirs.iter().find(|(of, _)| **of == *tag).map_or(Peer::UNKNOWN, |(_, peer)| *peer)
    }

    /// The peer with this tag says so from now on (section 8). There are as many as there may be forks. Who knows RFC 7329 only need not say it in the same way each
    /// time: the first counts (section 11).
    fn learn(&mut self, tag: &str, peer: Peer, most: usize) {
        if let Some((_, known)) = self.theirs.iter_mut().find(|(of, _)| **of == *tag) {
            let knows_both = |peer| matches!(peer, Peer::Itself(_));
            if knows_both(peer) || knows_both(*known) {
                *known = peer;
            }
        } else if self.theirs.len() < most {
            self.theirs.push((tag.into(), peer));
        }
    }
}

impl Turn<'_> {
    /// Our UUID of a session (RFC 7989), where we are an end of it: for one that goes on from it with somebody else, whose INVITE says it (section 6).
    pub fn session_uuid(&self, s: SessionId) -> Option<String> {
        ids_of(self, s).map(|ids| ids.ours.to_string())
    }

    /// We are an end of this session, were it of no other ([`crate::Config::session_id`]): what we say in it from now on has a UUID of ours, made of these bits, by
    /// which several sessions may have the same, as those of a conference do (section 9), or a new one. One that has begun with an INVITE of theirs that waits for its
    /// answer knows theirs, too.
    pub fn name_session(&mut self, s: SessionId, bits: Option<u128>) {
        let asked = super::get(self, s).and_then(|session| match &session.state {
            State::Ringing(ringing) => self.request_of(ringing.tx),
            _ => None,
        });
        let peer = asked.and_then(|request| caller(request.headers()));
        let ours = bits.map_or_else(|| Uuid::fresh(&mut self.stack.rng), Uuid::of_random);
        if let Some(session) = super::get_mut(self, s) {
            session.keys.get_or_insert_default().ids = Some(Ids { ours, theirs: peer.into_iter().collect() });
        }
    }
}

fn ids_of<'t>(turn: &'t Turn<'_>, s: SessionId) -> Option<&'t Ids> {
    super::get(turn, s)?.keys.as_ref()?.ids.as_ref()
}

fn ids_mut<'t>(turn: &'t mut Turn<'_>, s: SessionId) -> Option<&'t mut Ids> {
    super::get_mut(turn, s)?.keys.as_mut()?.ids.as_mut()
}

/// Names the session of an INVITE of ours outside a dialog: nobody knows who will answer it. What the application has written stays, and is ours.
pub(super) fn of_ours(turn: &mut Turn<'_>, lines: &mut Lines) -> Option<Ids> {
    if !turn.stack.config.session_id {
        return None;
    }
    let written = lines.iter().find(|(name, _)| name.eq_ignore_ascii_case(HeaderId::SessionId.name()));
    let written = written.and_then(|(_, value)| Uuid::parse(std::str::from_utf8(value.get(..32)?).ok()?));
    let ids = Ids { ours: written.unwrap_or_else(|| Uuid::fresh(&mut turn.stack.rng)), theirs: Vec::new() };
    if !lines.has(HeaderId::SessionId) {
        Peer::UNKNOWN.write(ids.ours, lines);
    }
    Some(ids)
}

/// What an INVITE of theirs tells.
pub(super) struct Told {
    /// That of the session whose place it takes: we go on under it (section 6).
    ours: Option<Uuid>,
    /// Who sends it under this tag, where it says.
    peer: Option<(Box<str>, Peer)>,
}

impl Told {
    pub(super) fn by(turn: &Turn<'_>, request: &Request) -> Self {
        let replaced = turn.replaced(request).ok().flatten();
        let ours = replaced.and_then(|session| ids_of(turn, session)).map(|ids| ids.ours);
        Self { ours, peer: caller(request.headers()) }
    }
}

/// The tag of who sends an INVITE, and how it names the session. None is ours yet.
fn caller(headers: &Headers) -> Option<(Box<str>, Peer)> {
    Some((headers.from_tag()?.into(), Peer::of(headers, Uuid::NIL, false)?))
}

/// Names the session in a request within one of its dialogs.
pub(crate) fn sign(turn: &Turn<'_>, s: SessionId, dialog: DialogId, lines: &mut Lines) {
    let Some(ids) = ids_of(turn, s).filter(|_| !lines.has(HeaderId::SessionId)) else { return };
    let tag = turn.stack.sessions.dialogs.get(dialog).map_or("", Dialog::remote_tag);
    ids.peer(tag).write(ids.ours, lines);
}

/// Names the session in an answer: whoever asks is told the UUID that he has asked with, and has it from now on where he is answered by a 2xx or 3xx. Not so with a
/// CANCEL, which has that of its INVITE (section 8).
pub(crate) fn sign_answer(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx, reply: &mut Reply) {
    if ids_of(turn, s).is_none() {
        return;
    }
    let Some(request) = turn.stack.servers.get(tx.0).and_then(|server| server.request().cloned()) else { return };
    let tag = request.headers().from_tag().unwrap_or_default();
    let accepted = matches!(reply.code.class(), 2 | 3) && *request.method() != Method::Cancel;
    let most = turn.stack.config.session.max_forks;
    let Some(ids) = ids_mut(turn, s) else { return };
    let asks = Peer::of(request.headers(), ids.ours, false);
    if !reply.lines.has(HeaderId::SessionId) {
        asks.unwrap_or_else(|| ids.peer(tag)).write(ids.ours, &mut reply.lines);
    }
    if let Some(asks) = asks.filter(|_| accepted) {
        ids.learn(tag, asks, most);
    }
}

/// Names us in the refusal of an INVITE that has made no session.
pub(crate) fn sign_refusal(turn: &Turn<'_>, tx: ServerTx, reply: &mut Reply) {
    if reply.code.class() < 3 || reply.lines.has(HeaderId::SessionId) {
        return;
    }
    let Some(tag) = reply.to_tag.clone().or_else(|| turn.tag_of(tx)) else { return };
    if let Some(request) = turn.request_of(tx) {
        name_refuser(turn, (request.method(), request.headers()), &tag, &mut reply.lines);
    }
}

/// The same in a refusal with this To tag of which nothing is kept: by a UUID that is made of the tag, so that it is the same in each of them. What belongs to a
/// session has that of the session.
pub(crate) fn sign_unkept(turn: &Turn<'_>, request: &Request, tag: &str, lines: &mut Lines) {
    let session = making::find_for_request(turn, request).and_then(|found| turn.stack.sessions.dialogs.owner(found));
    match session.and_then(|session| ids_of(turn, session)) {
        Some(ids) => {
            let asks = Peer::of(request.headers(), ids.ours, false);
            let known = || ids.peer(request.headers().from_tag().unwrap_or_default());
            asks.unwrap_or_else(known).write(ids.ours, lines);
        }
        None => name_refuser(turn, (request.method(), request.headers()), tag, lines),
    }
}

/// The same where the request could not be read to its end.
pub(crate) fn name_refuser(turn: &Turn<'_>, (method, headers): (&Method, &Headers), tag: &str, lines: &mut Lines) {
    if turn.stack.config.session_id && *method == Method::Invite && headers.to_tag().is_none() {
        let asks = Peer::of(headers, Uuid::NIL, false);
        asks.unwrap_or(Peer::UNKNOWN).write(Uuid::of_tag(turn.stack.keys, tag), lines);
    }
}

/// Of who stands between two ends: what the ACK to a 2xx says. That has named both, and the other way round it is what the other end would say; where it knows one
/// only, the ACK says nothing, so that nobody takes that for news (section 7).
pub(super) fn turned(turn: &Turn<'_>, s: SessionId, answer: &Headers) -> Lines {
    let mut lines = Lines::default();
    if ids_of(turn, s).is_some() {
        return lines;
    }
    if let Some(Ok(id)) = answer.get::<header::SessionId<'_>>()
        && !id.is_nil()
    {
        match id.remote() {
            Some(header::NIL) => {}
            Some(remote) => lines.push_id(HeaderId::SessionId, format_args!("{remote};remote={}", id.local)),
            None if !id.params.has("remote") => lines.push_id(HeaderId::SessionId, id.local),
            None => {}
        }
    }
    lines
}

/// What a response tells (`answers`), or the ACK to a 2xx: how the peer with this tag names the session. One without changes nothing (section 6).
pub(super) fn heard(turn: &mut Turn<'_>, s: SessionId, headers: &Headers, (tag, answers): (Option<&str>, bool)) {
    let most = turn.stack.config.session.max_forks;
    let Some(ids) = ids_mut(turn, s) else { return };
    if let (Some(tag), Some(peer)) = (tag, Peer::of(headers, ids.ours, answers)) {
        ids.learn(tag, peer, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7989_6_so_many_peers_are_known_by_their_tags_and_no_more() {
        let mut ids = Ids { ours: Uuid::of_bits(7), theirs: Vec::new() };
        let peer = |bits| Peer::Itself(Uuid::of_bits(bits));
        for (tag, bits) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
            ids.learn(tag, peer(bits), 2);
        }
        assert_eq!(["a", "b", "c", ""].map(|tag| ids.peer(tag)), [peer(4), peer(2), Peer::UNKNOWN, Peer::UNKNOWN]);
    }

    #[test]
    fn rfc7989_4_1_a_uuid_is_random_and_says_its_version() {
        let mut rng = Rng::new((1, 2));
        let (one, other) = (Uuid::fresh(&mut rng), Uuid::fresh(&mut rng));
        assert_ne!(one, other);
        for uuid in [one, other] {
            let text = uuid.to_string();
            assert_eq!((text.len(), text.as_bytes()[12]), (32, b'4'), "{text}");
            assert!(b"89ab".contains(&text.as_bytes()[16]), "{text}");
            assert_eq!(Uuid::parse(&text), Some(uuid));
        }
        assert_eq!(Uuid::of_bits(0x0123_4567_89ab_cdef << 64).to_string(), "0123456789abcdef0000000000000000");
        for nobody in [header::NIL, "", "0123456789abcdef000000000000000", "0123456789ABCDEF0000000000000000"] {
            assert_eq!(Uuid::parse(nobody), None, "{nobody}");
        }
    }
}
