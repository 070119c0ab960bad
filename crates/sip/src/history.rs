//! Where a request has been (RFC 7044): the entries of History-Info that are kept while it is under way, and what each copy and each response tells of them.
//!
//! Who passes a request on has one [`History`] of it. It begins with what came ([`History::of`]), gives each copy its entry ([`History::branch`]), takes that
//! over once something comes back ([`History::heard`]), and says what stands in the copy ([`History::to_target`]) and in a response ([`History::to_caller`]).
//!
//! * What is to be kept from others is told within the trust domain alone. Outside it an entry says nobody's address where it asks for that itself, or where
//!   the message does and the entry is of a domain of ours (section 10.1.2).
//! * Where we have found somebody is for his devices to know, and within the trust domain: outside it a caller learns that there were copies and what became of
//!   each, and not where they went (section 10.1.1 leaves that to whoever adds an entry).
//! * Limits: beyond [`Most`] nothing is kept, of what came with the request the first entries, and then neither ours nor those of responses. The gap that this
//!   leaves is no error for anybody (section 11).

use std::fmt;

use smallvec::SmallVec;

use crate::forward::Told;
use crate::header::{HistoryInfo, Privacy, Reason, Supported};
use crate::message::uri::{Escaped, unescape};
use crate::message::{HeaderId, Headers, Lines, Method, Params, Request, StatusCode, Uri};
use crate::privacy::{self, Wish};

/// The option tag by which a caller asks for the history in responses (section 6.1).
pub const TAG: &str = "histinfo";
/// Whom an anonymous entry names (RFC 3323 section 4.1.1.3).
const NOBODY: &str = "sip:anonymous@anonymous.invalid";
/// The most numbers of an index that is read.
const DEEPEST: usize = 32;
/// The most Reasons of a response that are taken over.
const REASONS: usize = 4;

/// How much of the history is kept of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Entries.
    pub entries: usize,
    /// Octets of all of them.
    pub octets: usize,
}

impl Default for Most {
    fn default() -> Self {
        Self { entries: 32, octets: 4_096 }
    }
}

/// The place of an entry in the tree of copies: `1.2.1` (section 10.3). Its order is that of the entries: what became of a copy stands behind it, and before the next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index(SmallVec<[u32; 8]>);

impl Index {
    /// Reads numbers with dots between them, at most 32.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers: SmallVec<[u32; 8]> = SmallVec::new();
        for number in text.split('.') {
            if numbers.len() == DEEPEST || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            numbers.push(number.parse().ok()?);
        }
        Some(Self(numbers))
    }

    /// That of the first entry of all.
    fn first() -> Self {
        Self(SmallVec::from_elem(1, 1))
    }

    /// One hop further.
    fn child(&self, number: u32) -> Self {
        let mut numbers = self.0.clone();
        numbers.push(number);
        Self(numbers)
    }

    /// The one that comes before it: its elder sibling, or for the first child its parent.
    fn before(&self) -> Option<Self> {
        let mut numbers = self.0.clone();
        match numbers.pop()? {
            0 | 1 if numbers.is_empty() => return None,
            0 | 1 => {}
            number => numbers.push(number - 1),
        }
        Some(Self(numbers))
    }

    /// Whether an entry is missing before this one: a hop that wrote none (section 10.3, rule 6).
    pub fn is_behind_gap(&self) -> bool {
        self.0.contains(&0)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if n == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// How a target was found (section 10.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// `rc`: another URI of the same user.
    SameUser,
    /// `mp`: another user.
    OtherUser,
    /// `np`: the Request-URI as it was.
    Unchanged,
}

impl Mechanism {
    const ALL: [Self; 3] = [Self::SameUser, Self::OtherUser, Self::Unchanged];

    /// The name of its parameter.
    pub fn name(self) -> &'static str {
        match self {
            Self::SameUser => "rc",
            Self::OtherUser => "mp",
            Self::Unchanged => "np",
        }
    }

    /// The one that stands among the parameters of an entry or a Contact, with the index of what was retargeted.
    fn among(params: &Params<'_>) -> Option<(Self, Index)> {
        Self::ALL.into_iter().find_map(|one| Some((one, params.token(one.name()).and_then(Index::parse)?)))
    }
}

/// Who found a target, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// We.
    Here(Mechanism),
    /// Who answered 3xx: what his Contact says, and else nobody knows (section 10.4).
    Redirected(Option<(Mechanism, Index)>),
}

impl Found {
    /// As the parameters of the Contact of a 3xx say. A redirection changes the Request-URI: `np` is none of them.
    pub fn redirected(params: &Params<'_>) -> Self {
        Self::Redirected(Mechanism::among(params).filter(|(mechanism, _)| *mechanism != Mechanism::Unchanged))
    }
}

/// One entry: a URI that a request was for (section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The display name and a blank; empty without one.
    display: String,
    uri: String,
    /// The headers of the URI, escaped as they came: Reason and Privacy.
    headers: String,
    /// Each with its semicolon.
    params: String,
    index: Option<Index>,
    target: Option<(Mechanism, Index)>,
    /// It is of a domain of ours.
    ours: bool,
    /// We have found it: who calls has asked for another URI.
    found: bool,
}

impl Entry {
    /// One that is written here.
    fn new(uri: &str, index: Index, target: Option<(Mechanism, Index)>, ours: bool) -> Self {
        let (uri, headers) = (crate::route::request_uri(uri), String::new());
        let params = match &target {
            Some((mechanism, of)) => format!(";index={index};{}={of}", mechanism.name()),
            None => format!(";index={index}"),
        };
        Self { display: String::new(), uri, headers, params, index: Some(index), target, ours, found: false }
    }

    /// One that came.
    fn of(entry: &HistoryInfo<'_>, ours: bool) -> Self {
        let (text, headers) = (entry.uri.as_str(), entry.uri.headers().as_str());
        // What stands behind the `?` of a URI that is not of SIP is part of it.
        let bare = match headers {
            "" => text,
            _ => text.strip_suffix(headers).and_then(|text| text.strip_suffix('?')).unwrap_or(text),
        };
        Self {
            display: entry.display.map(|name| format!("{name} ")).unwrap_or_default(),
            uri: bare.to_owned(),
            headers: headers.to_owned(),
            params: entry.params.to_string(),
            index: entry.params.token("index").and_then(Index::parse),
            target: Mechanism::among(&entry.params),
            ours,
            found: false,
        }
    }

    /// The URI, without Reason and Privacy.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Its place; `None` where it says none that can be read.
    pub fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    /// How this target was found, and from which.
    pub fn target(&self) -> Option<(Mechanism, &Index)> {
        self.target.as_ref().map(|(mechanism, of)| (*mechanism, of))
    }

    /// Why the request went on from here: the values of Reason (section 10.2).
    pub fn reasons(&self) -> impl Iterator<Item = String> {
        self.fields().filter(|(name, _)| name.eq_ignore_ascii_case("Reason")).map(|(_, value)| value)
    }

    /// Whether it names nobody (RFC 3323 section 4.1.1.3).
    pub fn is_anonymous(&self) -> bool {
        Uri::parse(&self.uri).is_ok_and(|uri| privacy::is_anonymous(&uri))
    }

    /// Whether it is for this URI.
    fn is_for(&self, uri: &Uri<'_>) -> bool {
        Uri::parse(&self.uri).is_ok_and(|own| own.equivalent(uri))
    }

    /// Name and value of each header of the URI.
    fn fields(&self) -> impl Iterator<Item = (String, String)> {
        let plain = |text: &str| String::from_utf8_lossy(&unescape(text)).into_owned();
        let fields = self.headers.split('&').filter(|field| !field.is_empty());
        fields.map(move |field| match field.split_once('=') {
            Some((name, value)) => (plain(name), plain(value)),
            None => (plain(field), String::new()),
        })
    }

    /// Whether it says itself that others are not to know it (section 10.1.1).
    fn is_private(&self) -> bool {
        let is_history = |word: &str| word.trim().eq_ignore_ascii_case("history");
        self.fields().any(|(name, value)| name.eq_ignore_ascii_case("Privacy") && value.split(';').any(is_history))
    }

    /// Whether the URI has a place for headers: that of a telephone number has none.
    fn has_place(&self) -> bool {
        Uri::parse(&self.uri).is_ok_and(|uri| uri.is_sip())
    }

    fn protect(&mut self) {
        if self.has_place() && !self.is_private() {
            self.push_field("Privacy", "history");
        }
    }

    fn push_field(&mut self, name: &str, value: &str) {
        let separator = if self.headers.is_empty() { "" } else { "&" };
        let [name, value] = [name, value].map(|text| Escaped::header(text.as_bytes()));
        self.headers.push_str(&format!("{separator}{name}={value}"));
    }

    /// As it is told outside the trust domain: without Privacy, which has been seen to.
    fn shown(&self, hidden: bool) -> Self {
        let mut shown = Self { headers: String::new(), ..self.clone() };
        for (name, value) in self.fields().filter(|(name, _)| !name.eq_ignore_ascii_case("Privacy")) {
            shown.push_field(&name, &value);
        }
        if hidden {
            shown.anonymise();
        }
        shown
    }

    fn anonymise(&mut self) {
        self.display.clear();
        NOBODY.clone_into(&mut self.uri);
    }

    /// Takes over why the request went on from here (section 10.2): not where the URI has no place for it, and of what the response says of it only as much
    /// as there is room for, in octets.
    fn refused(&mut self, code: StatusCode, response: Option<&Headers>, mut room: usize) {
        if !self.has_place() {
            return;
        }
        self.push_field("Reason", &format!("SIP;cause={}", code.get()));
        let said = response.into_iter().flat_map(|headers| headers.list::<Reason<'_>>().flatten());
        let other =
            |reason: &Reason<'_>| !(reason.protocol.eq_ignore_ascii_case("SIP") && reason.cause() == Some(code.get()));
        for reason in said.filter(other).take(REASONS) {
            let before = self.headers.len();
            self.push_field("Reason", &reason.to_string());
            match room.checked_sub(self.headers.len() - before) {
                Some(left) => room = left,
                None => self.headers.truncate(before),
            }
        }
    }

    fn len(&self) -> usize {
        [&self.display, &self.uri, &self.headers, &self.params].iter().map(|part| part.len()).sum()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let question = if self.headers.is_empty() { "" } else { "?" };
        write!(f, "{}<{}{question}{}>{}", self.display, self.uri, self.headers, self.params)
    }
}

/// The first entries of a message, in order, as many as [`Most::default`] has. What cannot be read is left out.
pub fn entries(headers: &Headers) -> Vec<Entry> {
    let entries = headers.list::<HistoryInfo<'_>>().flatten().take(Most::default().entries);
    entries.map(|entry| Entry::of(&entry, false)).collect()
}

/// Whether something is missing among the entries of a message (section 11): a hop that wrote none, or a copy that had not been answered.
pub fn has_gaps(entries: &[Entry]) -> bool {
    let is_there = |index: &Index| entries.iter().any(|entry| entry.index.as_ref() == Some(index));
    entries.iter().any(|entry| match &entry.index {
        None => true,
        Some(index) => index.is_behind_gap() || index.before().is_some_and(|before| !is_there(&before)),
    })
}

/// Whether the sender of a request wants the history in responses, or has told one (section 9.4).
pub fn is_wanted(headers: &Headers) -> bool {
    let is_likely = |value: &[u8]| memchr::memchr2_iter(b'h', b'H', value).any(|at| begins_tag(value.get(at..)));
    let asks = || headers.list::<Supported<'_>>().flatten().any(|tag| tag.0.eq_ignore_ascii_case(TAG));
    headers.has(HeaderId::HistoryInfo) || headers.values(HeaderId::Supported).any(is_likely) && asks()
}

/// Whether the tag could stand there.
fn begins_tag(text: Option<&[u8]>) -> bool {
    text.and_then(|text| text.get(..TAG.len())).is_some_and(|text| text.eq_ignore_ascii_case(TAG.as_bytes()))
}

/// What an answer with these lines tells besides, where they tell nothing of it (section 9.4): the entries as they came, and that of the Request-URI where its
/// sender wrote none. `None` within a dialog, where the sender has not asked, in a 100, and of what cannot be read. It goes the way that the request has come, so nobody
/// learns from it what he has not said or passed on himself; those on the way see to the privacy that entries ask for (section 10.1.2).
pub(crate) fn told_besides(request: &Request, code: StatusCode, lines: &Lines) -> Option<Lines> {
    let headers = request.headers();
    if headers.to_tag_octets().is_some() || code == StatusCode::TRYING || !is_wanted(headers) {
        return None;
    }
    if lines.has(HeaderId::HistoryInfo) || *request.method() == Method::Cancel {
        return None;
    }
    let history = History::of(headers, &request.uri().ok()?, Most::default(), false, |_| false)?;
    Some(history.lines(None, true))
}

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    entries: Vec<Entry>,
    most: Most,
    /// The place of the request as it came.
    parent: Index,
    /// Copies of it that have an index.
    branches: u32,
    /// Whether responses tell it.
    tells_back: bool,
    /// Entries of ours ask for privacy themselves.
    protects: bool,
}

impl History {
    /// The history of a request that came for `target` (section 9.1). `None` within a dialog, and where nobody asks for it: the request brings none, its
    /// sender does not say that he wants to be told, and it is not to be had `always`. `ours`: which URIs are of domains that we are responsible for.
    pub fn of(
        request: &Headers,
        target: &Uri<'_>,
        most: Most,
        always: bool,
        ours: impl Fn(&Uri<'_>) -> bool,
    ) -> Option<Self> {
        if request.to_tag().is_some() {
            return None;
        }
        let tells_back = is_wanted(request);
        if !tells_back && !always {
            return None;
        }
        let (entries, parent) = (Vec::new(), Index::first());
        let mut history = Self { entries, most, parent, branches: 0, tells_back, protects: false };
        let (mut last, mut place) = (None, None);
        for came in request.list::<HistoryInfo<'_>>().flatten() {
            let entry = Entry::of(&came, ours(&came.uri));
            place = entry.index.clone().or(place);
            if history.has_room(&entry) {
                history.entries.push(entry.clone());
            }
            last = Some(entry);
        }
        // Who has hidden the last one has written it all the same.
        let is_told = last.is_some_and(|last| last.is_anonymous() || last.is_for(target));
        match place {
            Some(place) if is_told => history.parent = place,
            Some(place) => history.parent = place.child(0),
            None => {}
        }
        if !is_told {
            let missing = Entry::new(target.as_str(), history.parent.clone(), None, ours(target));
            if history.has_room(&missing) {
                history.entries.push(missing);
            }
        }
        Some(history)
    }

    /// That of a request which begins here, for this URI.
    pub fn begin(uri: &str, most: Most) -> Self {
        let parent = Index::first();
        let first = Entry::new(uri, parent.clone(), None, true);
        Self { entries: vec![first], most, parent, branches: 0, tells_back: false, protects: false }
    }

    /// The request is for another target from now on, before anything of it has left (section 7).
    pub fn retarget(&mut self, uri: &str, found: &Found) {
        if let Some(entry) = self.branch(uri, found) {
            self.entries.push(entry);
        }
        self.parent = self.parent.child(self.branches);
        self.branches = 0;
    }

    /// Has each entry of a domain of ours say itself that others are not to know it (section 10.1.1): what a request asks for as a whole, where its Privacy does
    /// not go on.
    pub fn protect(&mut self) {
        self.protects = true;
        self.entries.iter_mut().filter(|entry| entry.ours).for_each(Entry::protect);
    }

    /// The place of the request as it came.
    pub fn parent(&self) -> &Index {
        &self.parent
    }

    /// The entry of the next copy (section 9.2); `None` where there is no room for it.
    pub fn branch(&mut self, uri: &str, found: &Found) -> Option<Entry> {
        self.branches = self.branches.saturating_add(1);
        let target = match found {
            Found::Here(mechanism) => Some((*mechanism, self.parent.clone())),
            Found::Redirected(told) => told.clone(),
        };
        let mut entry = Entry::new(uri, self.parent.child(self.branches), target, true);
        entry.found = *found != Found::Here(Mechanism::Unchanged);
        if self.protects {
            entry.protect();
        }
        self.has_room(&entry).then_some(entry)
    }

    /// Takes over the entry of a copy to which this has come back (section 9.3), and what else the response tells. What has run out of time, or could not be
    /// sent, counts as the code that stands for it, without a response.
    pub fn heard(
        &mut self,
        branch: &Entry,
        code: StatusCode,
        response: Option<&Headers>,
        ours: impl Fn(&Uri<'_>) -> bool,
    ) {
        if code == StatusCode::TRYING {
            return;
        }
        let is_it = |entry: &Entry| entry.index == branch.index && (entry.uri == branch.uri || entry.is_anonymous());
        let known = self.entries.iter().position(is_it);
        let Some(at) = known.or_else(|| self.insert(branch.clone())) else { return };
        let room = self.most.octets.saturating_sub(self.octets());
        // What one answer hides no other message tells.
        let hidden = response.is_some_and(hides);
        if let Some(entry) = self.entries.get_mut(at) {
            // A provisional response is no reason for anything.
            if code.class() >= 3 {
                entry.refused(code, response, room);
            }
            if hidden {
                entry.protect();
            }
        }
        let told = response.into_iter().flat_map(|headers| headers.list::<HistoryInfo<'_>>().flatten());
        for theirs in told.take(self.most.entries) {
            let mut theirs = Entry::of(&theirs, ours(&theirs.uri));
            if theirs.ours && (hidden || self.protects) {
                theirs.protect();
            }
            self.learn(branch.index.as_ref(), theirs);
        }
    }

    /// An entry of a response to the copy with this index. Whom it has reached may hide himself (section 10.1.1).
    fn learn(&mut self, branch: Option<&Index>, theirs: Entry) {
        let same = self.entries.iter_mut().find(|entry| {
            entry.index == theirs.index && (entry.uri == theirs.uri || theirs.is_anonymous() || entry.is_anonymous())
        });
        match same {
            Some(entry) if entry.index.as_ref() == branch => {
                if theirs.is_anonymous() {
                    entry.anonymise();
                } else if theirs.is_private() {
                    entry.protect();
                }
            }
            Some(_) => {}
            None => {
                self.insert(theirs);
            }
        }
    }

    /// What stands in a copy for somebody who is trusted, or is not.
    pub fn to_target(&self, request: &Headers, branch: Option<&Entry>, to_trusted: bool) -> Told {
        self.told(Some(request), branch, to_trusted, |_| false)
    }

    /// The same for a request that is made anew: its History-Info lines alone.
    pub fn lines(&self, branch: Option<&Entry>, to_trusted: bool) -> Lines {
        self.told(None, branch, to_trusted, |_| false).lines
    }

    /// What stands in a response, one that came or one of ours (section 9.4): nothing where the caller has not asked for it, and nowhere outside the trust domain
    /// where we have found whom he calls.
    pub fn to_caller(&self, response: Option<&Headers>, to_trusted: bool) -> Told {
        match self.tells_back {
            true => self.told(response, None, to_trusted, |entry| entry.found),
            false => Told::default(),
        }
    }

    /// `inward`: which entries are for the trust domain alone.
    fn told(
        &self,
        message: Option<&Headers>,
        branch: Option<&Entry>,
        to_trusted: bool,
        inward: impl Fn(&Entry) -> bool,
    ) -> Told {
        let mut lines = Lines::new();
        let hides = message.is_some_and(hides);
        for entry in self.entries.iter().chain(branch) {
            match to_trusted {
                true if inward(entry) => {
                    let mut entry = entry.clone();
                    entry.protect();
                    lines.push_id(HeaderId::HistoryInfo, entry);
                }
                true => lines.push_id(HeaderId::HistoryInfo, entry),
                false => {
                    let hidden = entry.is_private() || inward(entry) || hides && entry.ours;
                    lines.push_id(HeaderId::HistoryInfo, entry.shown(hidden));
                }
            }
        }
        let left = message.filter(|_| !to_trusted).and_then(left_of_privacy);
        if let Some(words) = left.as_deref().filter(|words| !words.is_empty()) {
            lines.push_text(HeaderId::Privacy, words);
        }
        Told { lines, privacy: left.is_some() }
    }

    fn octets(&self) -> usize {
        self.entries.iter().map(Entry::len).sum()
    }

    fn has_room(&self, entry: &Entry) -> bool {
        self.entries.len() < self.most.entries && self.octets().saturating_add(entry.len()) <= self.most.octets
    }

    /// Adds an entry at its place; where that is, if there was room.
    fn insert(&mut self, entry: Entry) -> Option<usize> {
        if entry.index.is_none() || !self.has_room(&entry) {
            return None;
        }
        let at = self.entries.iter().position(|other| other.index > entry.index).unwrap_or(self.entries.len());
        self.entries.insert(at, entry);
        Some(at)
    }
}

/// Whether a message says that nobody else is to know where it has been (section 10.1.2). Its predecessor had `session` ask for that, too. What cannot be read
/// may have asked for it.
pub fn hides(message: &Headers) -> bool {
    let is_odd = |value: &[u8]| Headers::read::<Privacy<'_>>(value).is_err();
    let wish = Wish::of(message);
    wish.history || wish.header || wish.session || message.values(HeaderId::Privacy).any(is_odd)
}

/// What is left of Privacy once `history` has been seen to (section 10.1.2), empty where that is nothing; `None` where it does not stand there.
fn left_of_privacy(message: &Headers) -> Option<String> {
    let read = message.all(HeaderId::Privacy).filter_map(|line| Headers::read::<Privacy<'_>>(line.value).ok());
    let words: Vec<&str> = read.flat_map(|line| line.iter()).collect();
    let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
    let left: Vec<&str> = words.iter().copied().filter(|word| !is(word, "history")).collect();
    if left.len() == words.len() {
        return None;
    }
    // That the rest is critical says nothing where there is none.
    Some(if left.iter().all(|word| is(word, "critical")) { String::new() } else { left.join(";") })
}

#[cfg(test)]
mod tests;
