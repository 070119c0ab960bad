//! Overload control of one hop (RFC 7339): how much a server asks us to leave out, and what we ask of who sends to us. The algorithm is `loss`
//! (section 7), the only one that everybody has to speak.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::config::Config;
use crate::header::Via;
use crate::message::{HeaderId, Headers, Param, ParamValue};
use crate::outbox::Origin;
use crate::time::Time;

pub(crate) use challenged::Challenged;
pub(crate) use hearers::{Hearers, Heed};
pub(crate) use silent::Silent;

mod challenged;
mod hearers;
mod silent;

/// How long a word counts that does not say so (RFC 7339 section 4.3).
const USUAL: Duration = Duration::from_millis(500);
/// The longest a word counts: who asks for more asks again.
const LONGEST: Duration = Duration::from_secs(60);
/// What has been sent counts half after so many requests, so that the mix is that of now.
const MIX: u32 = 200;
/// What is taken for the mix before anything has been counted: four of five requests may be left out (the default of RFC 7339 section 7.2). Begun with nothing, the
/// first request would be all that there is, and with it one that is kept would be drawn at the full rate.
const USUAL_MIX: (u32, u32) = (MIX / 5 * 4, MIX / 5);
/// Half of the numbers that words can have: twelve digits and five.
const HALF: u64 = 1_000_000_000_000 * 100_000 / 2;
/// What is drawn for a request is below this.
pub(crate) const DRAWN: u64 = 10_000;

/// What a server says in the topmost Via of a response (RFC 7339 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Feedback {
    /// So many of a hundred requests are to be left out.
    loss: u8,
    /// For so long; nothing: no more at all.
    validity: Duration,
    /// Tells a later word from an earlier one (section 4.4).
    sequence: u64,
}

impl Feedback {
    /// `None` where nothing is said, or in terms of another algorithm.
    pub(crate) fn of(via: &Via<'_>) -> Option<Self> {
        let loss: u32 = via.params.token("oc")?.parse().ok()?;
        let algorithm = via.params.get("oc-algo").map(|value| value.text().into_owned());
        if algorithm.is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("loss")) {
            return None;
        }
        let validity = match via.params.token("oc-validity") {
            Some(text) => Duration::from_millis(text.parse().ok()?).min(LONGEST),
            None => USUAL,
        };
        let sequence = sequence(via.params.token("oc-seq")?)?;
        Some(Self { loss: u8::try_from(loss).ok().filter(|loss| *loss <= 100)?, validity, sequence })
    }
}

/// `12.5` (section 9): twelve digits at most before the point and five behind it, as a number.
fn sequence(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.')?;
    let digits =
        |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    if !digits(whole, 12) || !digits(part, 5) {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 100_000 + format!("{part:0<5}").parse::<u64>().ok()?)
}

/// What we say of it in a request, behind the branch of our Via (RFC 7339 sections 4.1 and 4.2).
pub(crate) const OFFER: &[u8] = b";oc;oc-algo=\"loss\"";

/// Whether a parameter of a Via is one of these.
pub(crate) fn is_param(name: &str) -> bool {
    ["oc", "oc-algo", "oc-validity", "oc-seq"].iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Whether one says how much somebody wants, and not only that somebody hears.
pub(crate) fn is_told(param: &Param<'_>) -> bool {
    param.value != ParamValue::Absent && is_param(param.name) && !param.name.eq_ignore_ascii_case("oc-algo")
}

/// Whether one of these may stand in Vias: looked for in the octets, since there is hardly ever one.
pub(crate) fn is_mentioned(vias: &[u8]) -> bool {
    memchr::memchr_iter(b';', vias).any(|at| {
        let behind = vias.get(at + 1..).unwrap_or_default().trim_ascii_start();
        behind.get(..2).is_some_and(|name| name.eq_ignore_ascii_case(b"oc"))
    })
}

/// Whether who has written this Via wants to be told: by `oc`, and with `loss` among his algorithms, which is what he means where he names none (RFC
/// 7339 section 4.2).
pub(crate) fn is_offered(via: &Via<'_>) -> bool {
    let algorithms = via.params.get("oc-algo").map(|value| value.text());
    let names_loss = |text: &str| text.split(',').any(|name| name.trim().eq_ignore_ascii_case("loss"));
    via.params.has("oc") && algorithms.is_none_or(|text| names_loss(&text))
}

/// The same of the topmost Via of a request.
pub(crate) fn is_offered_in(request: &Headers) -> bool {
    request.raw(HeaderId::Via).is_some_and(is_mentioned)
        && request.get::<Via<'_>>().and_then(Result::ok).is_some_and(|via| is_offered(&via))
}

/// Whether a Request-URI asks for help (RFC 5031): `urn:service:sos`, or what stands below it.
pub(crate) fn is_for_help(uri: &str) -> bool {
    const SOS: &str = "urn:service:sos";
    uri.get(..SOS.len()).is_some_and(|front| front.eq_ignore_ascii_case(SOS))
        && matches!(uri.as_bytes().get(SOS.len()), None | Some(b'.'))
}

/// Whether a value of Resource-Priority is of the namespace of emergency calls (RFC 7135).
pub(crate) fn is_urgent(value: &[u8]) -> bool {
    let is_esnet = |one: &[u8]| one.get(..6).is_some_and(|front| front.eq_ignore_ascii_case(b"esnet."));
    value.split(|octet| *octet == b',').any(|one| is_esnet(one.trim_ascii()))
}

/// What servers have asked of us, by address and port (RFC 7339 section 5.4), whatever the protocol.
#[derive(Debug, Default)]
pub(crate) struct Throttles {
    of: BTreeMap<SocketAddr, Asked>,
    /// When the last of them is over, if not before.
    until: Time,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    loss: u8,
    until: Time,
    sequence: u64,
    /// What would have gone there lately: what may be left out, and what may not.
    candidates: u32,
    others: u32,
}

impl Throttles {
    /// Nobody asks for anything now. When all that was said is over, it is forgotten, also what was said by servers to which nothing goes any more.
    pub(crate) fn is_quiet(&mut self, now: Time) -> bool {
        if !self.of.is_empty() && now >= self.until {
            self.of.clear();
        }
        self.of.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// It has asked for something, which may be over.
    pub(crate) fn has(&self, key: SocketAddr) -> bool {
        self.of.contains_key(&key)
    }

    /// A response came from there. So many servers are remembered; beyond that one goes for another, see [`Throttles::first_to_go`].
    pub(crate) fn heard(&mut self, key: SocketAddr, now: Time, feedback: Feedback, most: usize) {
        let known = self.of.get(&key).filter(|asked| now < asked.until);
        // What comes late says what was, however long ago: of several parts of a server that count for themselves, one that was never busy says so by a number from its
        // beginning. From the last numbers there are to the first it has begun anew (section 4.4).
        let is_old = |asked: &Asked| feedback.sequence <= asked.sequence && asked.sequence - feedback.sequence < HALF;
        if known.is_some_and(is_old) {
            return;
        }
        if feedback.loss == 0 || feedback.validity.is_zero() {
            // The end of it is remembered as long as the word before would have counted, which may come once more.
            if let Some(asked) = known.copied() {
                self.of.insert(key, Asked { loss: 0, sequence: feedback.sequence, ..asked });
            }
            return;
        }
        let (candidates, others) = known.map_or(USUAL_MIX, |asked| (asked.candidates, asked.others));
        if self.of.len() >= most && !self.of.contains_key(&key) {
            self.of.retain(|_, asked| now < asked.until);
            if self.of.len() >= most {
                let Some(first) = self.first_to_go() else { return };
                self.of.remove(&first);
            }
        }
        let until = now + feedback.validity;
        self.until = self.until.max(until);
        let asked = Asked { loss: feedback.loss, until, sequence: feedback.sequence, candidates, others };
        self.of.insert(key, asked);
    }

    /// Of the host with the most ports here the one whose word is over first: whoever answers from ever more ports, for as long as may be, takes the places of
    /// nobody but himself. The ports of a host stand beside one another.
    fn first_to_go(&self) -> Option<SocketAddr> {
        let mut host: Option<(usize, Time, SocketAddr)> = None;
        let mut most = host;
        for (key, asked) in &self.of {
            let this = match host {
                Some((count, until, first)) if network(first.ip()) == network(key.ip()) => {
                    let (until, first) = if asked.until < until { (asked.until, *key) } else { (until, first) };
                    (count + 1, until, first)
                }
                _ => (1, asked.until, *key),
            };
            host = Some(this);
            if most.is_none_or(|most| this.0 > most.0 || this.0 == most.0 && this.1 < most.1) {
                most = host;
            }
        }
        most.map(|(.., first)| first)
    }

    /// Whether a request may go there now, which is counted. Of those that are `kept` (what belongs to a dialog, and calls for help) none is left out as long as
    /// leaving out others is enough (section 7.2). `drawn`: any number below [`DRAWN`].
    pub(crate) fn lets(&mut self, key: SocketAddr, now: Time, kept: bool, drawn: u64) -> bool {
        let Some(asked) = self.of.get_mut(&key) else { return true };
        if now >= asked.until {
            self.of.remove(&key);
            return true;
        }
        *(if kept { &mut asked.others } else { &mut asked.candidates }) += 1;
        if asked.candidates + asked.others > MIX {
            (asked.candidates, asked.others) = (asked.candidates / 2, asked.others / 2);
        }
        drawn >= asked.left_out(kept)
    }
}

/// What counts as one host: an address of IPv4, and of IPv6 the first half, within which a host takes whichever it likes.
fn network(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits() >> 64 << 64,
    }
}

impl Asked {
    /// How many of ten thousand of a kind are left out, so that `loss` of a hundred of all are.
    fn left_out(&self, kept: bool) -> u64 {
        let (candidates, others) = (u64::from(self.candidates), u64::from(self.others));
        let wanted = u64::from(self.loss) * (candidates + others) * 100;
        let most = candidates * 10_000;
        match kept {
            false if candidates == 0 => 0,
            false => (wanted / candidates).min(10_000),
            true if others == 0 || wanted <= most => 0,
            true => ((wanted - most) / others).min(10_000),
        }
    }
}

/// What we ask of who sends to us: as much as we had no room for lately. It is asked for an address and port (RFC 7339 section 5.4): the stacks behind one share this
/// one, a clone for each. Two that count at the same time lose nothing but a request that falls between two looks.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<Reckoned>);

#[derive(Debug, Default)]
struct Reckoned {
    /// When this look began, as [`Time`].
    begun: AtomicU64,
    taken: AtomicU32,
    refused: AtomicU32,
    /// The word: so much less of a hundred in the last octet, its number before it.
    word: AtomicU64,
    /// When somebody was asked for less last who does it, as [`Time`]; zero: never.
    heeded: AtomicU64,
}

/// How long is looked at before more or less is asked for, and how long a word of ours counts: it is said again with each response meanwhile.
const LOOK: Duration = Duration::from_millis(500);
const VALIDITY: Duration = Duration::from_secs(1);
/// So much less is asked for with each look that sees nothing refused.
const RELIEF: u8 = 10;
/// Nobody is asked to leave out everything: who is told so learns nothing of the end of it.
const MOST_LOSS: u8 = 90;

impl Load {
    /// A request came, and there was room for it, or none.
    pub(crate) fn came(&self, now: Time, refused: bool) {
        self.look(now);
        let count = if refused { &self.0.refused } else { &self.0.taken };
        count.fetch_add(1, Relaxed);
    }

    /// For what was taken there was no room further on.
    pub(crate) fn had_no_room(&self, now: Time) {
        self.look(now);
        // It was counted in the look before, where there is none.
        let _ = self.0.taken.fetch_update(Relaxed, Relaxed, |taken| taken.checked_sub(1));
        self.0.refused.fetch_add(1, Relaxed);
    }

    /// So much less of a hundred is asked for now.
    pub(crate) fn asked(&self, now: Time) -> u8 {
        self.look(now);
        self.word().0
    }

    /// So much less of a hundred those leave out now who do what they are asked for; nothing where nobody does, who could be wronged by others.
    pub(crate) fn left_out(&self, now: Time) -> u8 {
        let heeded = self.0.heeded.load(Relaxed);
        if heeded > 0 && now.since(Time(heeded)) < VALIDITY { self.asked(now) } else { 0 }
    }

    /// Somebody is told now who does what he is asked for.
    pub(crate) fn is_heeded(&self, now: Time) {
        self.0.heeded.store(now.0.max(1), Relaxed);
    }

    /// What a response to this request says of it: nothing without overload control, and nothing to who does not ask for it (RFC 7339 section 4.1).
    pub(crate) fn told_to(
        &self,
        request: &Headers,
        origin: &Origin,
        now: Time,
        config: &Config,
        hearers: &mut Hearers,
    ) -> Option<String> {
        self.is_told_to(request, origin, now, config, hearers).then(|| self.words(now))
    }

    /// Whether a response to this request says something of it: who is told so is known as that from now on.
    pub(crate) fn is_told_to(
        &self,
        request: &Headers,
        origin: &Origin,
        now: Time,
        config: &Config,
        hearers: &mut Hearers,
    ) -> bool {
        if config.overload.is_none() || !is_offered_in(request) {
            return false;
        }
        self.look(now);
        let (loss, _) = self.word();
        if hearers.told(origin, now, loss) == Heed::Obeys && loss > 0 {
            self.is_heeded(now);
        }
        true
    }

    /// So much less is asked for, by the word of this number.
    fn word(&self) -> (u8, u64) {
        let word = self.0.word.load(Relaxed);
        let [.., loss] = word.to_be_bytes();
        (loss, word >> 8)
    }

    fn look(&self, now: Time) {
        let begun = self.0.begun.load(Relaxed);
        let span = now.since(Time(begun));
        // Of those who look at the same time one sees to it.
        if span < LOOK || self.0.begun.compare_exchange(begun, now.0, Relaxed, Relaxed).is_err() {
            return;
        }
        // Nothing came for several looks: nothing is left to ask for.
        let looks = u8::try_from(span.as_micros() / LOOK.as_micros()).unwrap_or(u8::MAX);
        let (taken, refused) = (self.0.taken.swap(0, Relaxed), self.0.refused.swap(0, Relaxed));
        let (before, sequence) = self.word();
        // Looks in which nothing came have seen nothing refused.
        let loss = match refused {
            0 => before.saturating_sub(RELIEF.saturating_mul(looks)),
            _ => raised(before, taken, refused).saturating_sub(RELIEF.saturating_mul(looks.saturating_sub(1))),
        };
        // What is asked for still is said anew: a client lets go of the old word in time, and takes none for new whose number is not (section 5.4).
        let sequence = if loss != before || loss > 0 { now.0 / 10 } else { sequence };
        self.0.word.store(sequence << 8 | u64::from(loss), Relaxed);
    }

    /// What stands in the Via of a response to who has written `oc` in his request, in its place (sections 5.1 and 5.2).
    pub(crate) fn words(&self, now: Time) -> String {
        self.look(now);
        let (loss, sequence) = self.word();
        let validity = if loss > 0 { VALIDITY.as_millis() } else { 0 };
        let (whole, part) = (sequence / 100_000 % 1_000_000_000_000, sequence % 100_000);
        format!(";oc={loss};oc-algo=\"loss\";oc-validity={validity};oc-seq={whole}.{part:05}")
    }
}

/// As much more as was refused of what came. What is left out already is not there to be counted.
fn raised(loss: u8, taken: u32, refused: u32) -> u8 {
    let all = (u64::from(taken) + u64::from(refused)).max(1);
    let loss = u64::from(loss);
    let more = (100 - loss) * (u64::from(refused) * 100).div_ceil(all) / 100;
    u8::try_from((loss + more.max(1)).min(MOST_LOSS.into())).unwrap_or(MOST_LOSS)
}

#[cfg(test)]
mod tests;
