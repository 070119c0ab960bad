//! Dialogs (RFC 3261 section 12): what two user agents remember of each other, and the table that finds it again.
//!
//! A [`Dialog`] is plain data. All its text stands in one allocation; [`Dialog::to_record`] and [`Dialog::from_record`]
//! carry it over a restart. The table finds a dialog by Call-ID and tags through a 64-bit keyed hash, and compares on a hit.

use std::fmt;

use crate::draft::ContactSpec;
use crate::outbox::Path;
use crate::route;

mod table;
mod text;

pub(crate) use table::Dialogs;
use text::{Field, Text};

/// Which side of the call we were when the dialog began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We sent the first request and chose the Call-ID.
    Caller,
    /// The peer did.
    Callee,
}

/// How far a dialog has come (RFC 3261 section 12).
///
/// ```text
///   1xx with To tag          2xx
///  ----------------> Early ------> Confirmed ------> (gone)
///                      |                ^      BYE, 481, 408
///                      +--> (gone)      |
///                        3xx-6xx     2xx first
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
}

/// Everything a dialog remembers, in the open: for records, and for making one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Call-ID, byte for byte.
    pub call_id: String,
    /// Our From or To without parameters: display name and URI.
    pub local: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's From or To without parameters.
    pub remote: String,
    /// The peer's tag; empty for a peer of RFC 2543 (section 12.1.1).
    pub remote_tag: String,
    /// The peer's Contact: a bare URI.
    pub remote_target: String,
    /// Which Contact our requests carry.
    pub contact: ContactSpec,
    /// Route values in the order in which a request of ours travels them.
    pub routes: Vec<String>,
    /// The number of our last request.
    pub local_cseq: u32,
    /// The number of the peer's last request, once there was one.
    pub remote_cseq: Option<u32>,
    /// Which side we are.
    pub role: Role,
    /// How far it has come.
    pub phase: Phase,
    /// The "secure" flag of section 12.1: SIPS to the end.
    pub secure: bool,
    /// Set when the peer is reached along the flow it came on and no other way (RFC 7118 section 5: a `.invalid` Contact; or by
    /// [`crate::invite::Reach`]).
    pub path: Option<Path>,
}

/// The same, borrowed. Text of a message may be in octets.
pub(crate) struct Sketch<'a> {
    pub(crate) call_id: &'a [u8],
    pub(crate) local: &'a [u8],
    pub(crate) local_tag: &'a str,
    pub(crate) remote: &'a [u8],
    pub(crate) remote_tag: &'a [u8],
    pub(crate) remote_target: &'a [u8],
    pub(crate) contact: ContactParts<'a>,
    pub(crate) routes: &'a [String],
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) role: Role,
    pub(crate) phase: Phase,
    pub(crate) secure: bool,
    pub(crate) path: Option<Path>,
}

/// A [`ContactSpec`] as the text of a dialog has it, in parts: a letter, the user, the line end behind it, the rest.
pub(crate) struct ContactParts<'a>([&'a str; 4]);

impl<'a> ContactParts<'a> {
    /// That of the path, with this user.
    pub(crate) fn of_user(user: Option<&'a str>) -> Self {
        Self::auto(user, "")
    }

    fn auto(user: Option<&'a str>, params: &'a str) -> Self {
        match user {
            None => Self(["a", "", "", params]),
            Some(user) => Self(["u", user, "\n", params]),
        }
    }

    fn of(contact: &'a ContactSpec) -> Self {
        match contact {
            ContactSpec::None => Self([""; 4]),
            ContactSpec::Auto { user, params } => Self::auto(user.as_deref(), params),
            ContactSpec::Given(value) => Self(["g", "", "", value]),
        }
    }

    /// Whether this is the text.
    fn is(&self, packed: &str) -> bool {
        let rest = self.0.iter().try_fold(packed, |rest, part| rest.strip_prefix(part));
        rest.is_some_and(str::is_empty)
    }
}

/// Why no dialog can be made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialogError {
    /// Its text would be larger than [`MAX_TEXT`].
    TooLarge,
    /// Our CSeq numbers are used up (RFC 3261 section 12.2.1.1: they never wrap).
    CSeqExhausted,
    /// A request of the peer has a number that is not above its last one (section 12.2.2: 500).
    OutOfOrder {
        /// The number that came.
        got: u32,
        /// The highest so far.
        seen: u32,
    },
    /// The table is full.
    Full,
    /// Another dialog has the same identifier.
    Exists,
}

impl fmt::Display for DialogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialogError::TooLarge => write!(f, "dialog text above {MAX_TEXT} bytes"),
            DialogError::CSeqExhausted => write!(f, "CSeq numbers of the dialog are used up (RFC 3261 12.2.1.1)"),
            DialogError::OutOfOrder { got, seen } => {
                write!(f, "CSeq {got} after {seen}: expected a higher number (RFC 3261 12.2.2)")
            }
            DialogError::Full => write!(f, "dialog table is full"),
            DialogError::Exists => write!(f, "a dialog with this Call-ID and these tags exists"),
        }
    }
}

impl std::error::Error for DialogError {}

/// The most text one dialog keeps, in bytes: Call-ID, tags, addresses and route set together.
pub const MAX_TEXT: usize = 32_768;

/// One dialog. About 80 bytes and its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialog {
    text: Text,
    path: Option<Box<Path>>,
    local_cseq: u32,
    remote_cseq: u32,
    heard: bool,
    role: Role,
    phase: Phase,
    secure: bool,
}

impl Dialog {
    /// Packs a record. Refused when its text is larger than [`MAX_TEXT`].
    pub fn from_record(record: &Record) -> Result<Self, DialogError> {
        Self::from_sketch(&Sketch {
            call_id: record.call_id.as_bytes(),
            local: record.local.as_bytes(),
            local_tag: &record.local_tag,
            remote: record.remote.as_bytes(),
            remote_tag: record.remote_tag.as_bytes(),
            remote_target: record.remote_target.as_bytes(),
            contact: ContactParts::of(&record.contact),
            routes: &record.routes,
            local_cseq: record.local_cseq,
            remote_cseq: record.remote_cseq,
            role: record.role,
            phase: record.phase,
            secure: record.secure,
            path: record.path,
        })
    }

    /// As [`Dialog::from_record`].
    pub(crate) fn from_sketch(sketch: &Sketch<'_>) -> Result<Self, DialogError> {
        let routes = sketch.routes.join("\n");
        let text = Text::pack([
            &[sketch.call_id],
            &[sketch.local],
            &[sketch.local_tag.as_bytes()],
            &[sketch.remote],
            &[sketch.remote_tag],
            &[sketch.remote_target],
            &sketch.contact.0.map(str::as_bytes),
            &[routes.as_bytes()],
        ])?;
        Ok(Self {
            text,
            path: sketch.path.map(Box::new),
            local_cseq: sketch.local_cseq,
            remote_cseq: sketch.remote_cseq.unwrap_or(0),
            heard: sketch.remote_cseq.is_some(),
            role: sketch.role,
            phase: sketch.phase,
            secure: sketch.secure,
        })
    }

    /// The inverse of [`Dialog::from_record`].
    pub fn to_record(&self) -> Record {
        Record {
            call_id: self.call_id().to_owned(),
            local: self.local().to_owned(),
            local_tag: self.local_tag().to_owned(),
            remote: self.remote().to_owned(),
            remote_tag: self.remote_tag().to_owned(),
            remote_target: self.remote_target().to_owned(),
            contact: self.contact(),
            routes: self.routes().map(str::to_owned).collect(),
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq(),
            role: self.role,
            phase: self.phase,
            secure: self.secure,
            path: self.path.as_deref().copied(),
        }
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        self.text.get(Field::CallId)
    }
    /// Our address: display name and URI, no parameters.
    pub fn local(&self) -> &str {
        self.text.get(Field::Local)
    }
    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.text.get(Field::LocalTag)
    }
    /// The peer's address: display name and URI, no parameters.
    pub fn remote(&self) -> &str {
        self.text.get(Field::Remote)
    }
    /// The peer's tag; may be empty.
    pub fn remote_tag(&self) -> &str {
        self.text.get(Field::RemoteTag)
    }
    /// Where the peer wants to be reached: a bare URI.
    pub fn remote_target(&self) -> &str {
        self.text.get(Field::Target)
    }
    /// The Contact we give.
    pub fn contact(&self) -> ContactSpec {
        unpack_contact(self.text.get(Field::Contact))
    }
    /// The route set in our order.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.text.get(Field::Routes).split('\n').filter(|route| !route.is_empty())
    }
    /// Number of our last request.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }
    /// Number of the peer's last request.
    pub fn remote_cseq(&self) -> Option<u32> {
        self.heard.then_some(self.remote_cseq)
    }
    /// Which side we are.
    pub fn role(&self) -> Role {
        self.role
    }
    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }
    /// The "secure" flag of section 12.1.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
    /// The only way to the peer, when there is but one.
    pub fn path(&self) -> Option<Path> {
        self.path.as_deref().copied()
    }
    /// The From value of our next request (RFC 3261 section 12.2.1.1).
    pub fn from_value(&self) -> String {
        tagged(self.local(), self.local_tag())
    }
    /// The To value of our next request (RFC 3261 section 12.2.1.1).
    pub fn to_value(&self) -> String {
        tagged(self.remote(), self.remote_tag())
    }
    /// Request-URI and Route values of our next request (RFC 3261 section 12.2.1.1).
    pub fn target(&self) -> route::Target {
        route::target(self.remote_target(), self.routes())
    }

    /// The number for our next request: one more than the last (RFC 3261 section 12.2.1.1).
    pub fn next_cseq(&mut self) -> Result<u32, DialogError> {
        self.local_cseq = self.local_cseq.checked_add(1).ok_or(DialogError::CSeqExhausted)?;
        Ok(self.local_cseq)
    }

    /// Follows a number that was used for us elsewhere (a request repeated with credentials); never goes back.
    pub fn follow_cseq(&mut self, used: u32) {
        self.local_cseq = self.local_cseq.max(used);
    }

    /// Takes note of the number of a request of the peer; gaps are fine, anything not above the last is out of order
    /// (RFC 3261 section 12.2.2). Not for ACK and CANCEL, whose numbers repeat.
    pub fn heard_cseq(&mut self, got: u32) -> Result<(), DialogError> {
        if self.heard && got <= self.remote_cseq {
            return Err(DialogError::OutOfOrder { got, seen: self.remote_cseq });
        }
        (self.heard, self.remote_cseq) = (true, got);
        Ok(())
    }

    /// Target refresh (RFC 3261 sections 12.2.1.2 and 12.2.2): the peer's new Contact URI. Too large a one is refused and the old stays.
    pub fn set_remote_target(&mut self, uri: &str) -> Result<(), DialogError> {
        self.text.set(Field::Target, &[uri])
    }

    /// The Contact we gave last.
    pub fn set_contact(&mut self, contact: &ContactSpec) -> Result<(), DialogError> {
        let parts = ContactParts::of(contact);
        if parts.is(self.text.get(Field::Contact)) {
            return Ok(());
        }
        self.text.set(Field::Contact, &parts.0)
    }

    /// A 2xx confirms the dialog, and its route set counts (RFC 3261 section 13.2.2.4).
    pub fn confirm(&mut self, routes: &[String]) -> Result<(), DialogError> {
        self.phase = Phase::Confirmed;
        if self.routes().eq(routes.iter().map(String::as_str)) {
            return Ok(());
        }
        self.text.set(Field::Routes, &[&routes.join("\n")])
    }

    /// A 2xx of ours confirms the dialog.
    pub fn confirmed(&mut self) {
        self.phase = Phase::Confirmed;
    }

    /// The flow that alone leads to the peer.
    pub fn set_path(&mut self, path: Option<Path>) {
        self.path = path.map(Box::new);
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        self.text.heap_size() + if self.path.is_some() { size_of::<Path>() } else { 0 }
    }
}

impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_record().fmt(f)
    }
}

fn tagged(address: &str, tag: &str) -> String {
    // A tag behind a bare addr-spec would be read as a header parameter as well, which is what we want (section 20).
    if tag.is_empty() { address.to_owned() } else { format!("{address};tag={tag}") }
}

fn unpack_contact(packed: &str) -> ContactSpec {
    let rest = packed.get(1..).unwrap_or("");
    match packed.as_bytes().first() {
        Some(b'a') => ContactSpec::Auto { user: None, params: rest.to_owned() },
        Some(b'u') => {
            let (user, params) = rest.split_once('\n').unwrap_or((rest, ""));
            ContactSpec::Auto { user: Some(user.to_owned()), params: params.to_owned() }
        }
        Some(_) => ContactSpec::Given(rest.to_owned()),
        None => ContactSpec::None,
    }
}

#[cfg(test)]
mod tests;
