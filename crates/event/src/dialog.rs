//! Dialog information (RFC 4235): who is in which call.

use crate::xml::{Element, Writer, XmlError};

mod asked;

pub use asked::{Asked, AskedError, Identifiers};

/// The name of the package.
pub const PACKAGE: &str = "dialog";
/// The type of its body.
pub const TYPE: &str = "application/dialog-info+xml";
/// Seconds for which one dialog is watched where nothing is asked for: longer than most last, whose end is that of the subscription (RFC 4235 section 3.4).
pub const EXPIRES_OF_ONE: u32 = 7_200;

/// How far a dialog has come (RFC 4235 section 3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// An INVITE without an answer.
    Trying,
    /// A provisional response without a tag.
    Proceeding,
    /// One with a tag: it rings.
    Early,
    /// A call that stands.
    Confirmed,
    /// Over.
    Terminated,
}

impl State {
    const ALL: [Self; 5] = [Self::Trying, Self::Proceeding, Self::Early, Self::Confirmed, Self::Terminated];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Proceeding => "proceeding",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
        }
    }

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Who began a dialog, seen from whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// He did.
    Initiator,
    /// The other side did.
    Recipient,
}

/// One side of a dialog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The address.
    pub identity: Option<String>,
    /// The name that goes with it.
    pub display: Option<String>,
    /// Where it is reached.
    pub target: Option<String>,
    /// Its session description, which only who asks for it is told, and only who may know (RFC 4235 section 3.3).
    pub description: Option<Description>,
}

/// A session description (RFC 4235 section 4.1.6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its media type.
    pub content_type: String,
    /// It, without blanks around it.
    pub text: String,
}

/// One dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// Tells it apart from the others, as long as it lasts.
    pub id: String,
    /// Call-ID, by which Replaces names it.
    pub call_id: Option<String>,
    /// The tag on the side of whose dialogs these are.
    pub local_tag: Option<String>,
    /// The other side's.
    pub remote_tag: Option<String>,
    /// Who began it.
    pub direction: Option<Direction>,
    /// How far it has come.
    pub state: State,
    /// Why it is over: `cancelled`, `rejected`, `local-bye`, `remote-bye`, ...
    pub event: Option<String>,
    /// The side of whose dialogs these are.
    pub local: Party,
    /// The other.
    pub remote: Party,
}

impl Dialog {
    /// One in a state, with nothing else known.
    pub fn new(id: impl Into<String>, state: State) -> Self {
        Self {
            id: id.into(),
            call_id: None,
            local_tag: None,
            remote_tag: None,
            direction: None,
            state,
            event: None,
            local: Party::default(),
            remote: Party::default(),
        }
    }
}

/// Whose dialogs, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogInfo {
    /// Counts documents in a subscription, from 0.
    pub version: u32,
    /// These are all; otherwise only those that have changed.
    pub full: bool,
    /// Whose.
    pub entity: String,
    /// The dialogs.
    pub dialogs: Vec<Dialog>,
}

impl DialogInfo {
    /// Reads a document.
    ///
    /// # Errors
    /// [`XmlError`].
    pub fn read(body: &[u8]) -> Result<Self, XmlError> {
        let root = Element::read(body, "dialog-info")?;
        Ok(Self {
            version: root.attribute("version").and_then(|version| version.parse().ok()).unwrap_or(0),
            full: root.attribute("state") != Some("partial"),
            entity: root.attribute("entity").unwrap_or_default().to_owned(),
            dialogs: root.all("dialog").filter_map(dialog).collect(),
        })
    }

    /// The document.
    pub fn write(&self) -> String {
        let (version, state) = (self.version.to_string(), if self.full { "full" } else { "partial" });
        let mut writer = Writer::new(
            "dialog-info",
            &[
                ("xmlns", "urn:ietf:params:xml:ns:dialog-info"),
                ("version", &version),
                ("state", state),
                ("entity", &self.entity),
            ],
        );
        for one in &self.dialogs {
            let direction = one.direction.map(|direction| match direction {
                Direction::Initiator => "initiator",
                Direction::Recipient => "recipient",
            });
            let optional = [
                ("call-id", one.call_id.as_deref()),
                ("local-tag", one.local_tag.as_deref()),
                ("remote-tag", one.remote_tag.as_deref()),
                ("direction", direction),
            ];
            let mut attributes = vec![("id", one.id.as_str())];
            attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
            writer.open("dialog", &attributes);
            let event = one.event.as_deref().map(|event| ("event", event));
            writer.leaf("state", event.as_slice(), one.state.as_str());
            party(&mut writer, "local", &one.local);
            party(&mut writer, "remote", &one.remote);
            writer.close();
        }
        writer.finish()
    }

    /// The state that tells most: that of a call that stands, else of one that rings; `None` when there is no call.
    pub fn busiest(&self) -> Option<State> {
        let rank = |state: &State| match state {
            State::Confirmed => 4,
            State::Early => 3,
            State::Proceeding => 2,
            _ => 1,
        };
        self.dialogs.iter().map(|one| one.state).filter(|state| *state != State::Terminated).max_by_key(rank)
    }
}

fn party(writer: &mut Writer, name: &'static str, party: &Party) {
    if *party == Party::default() {
        return;
    }
    writer.open(name, &[]);
    if let Some(identity) = &party.identity {
        let display = party.display.as_deref().map(|display| ("display", display));
        writer.leaf("identity", display.as_slice(), identity);
    }
    if let Some(target) = &party.target {
        writer.empty("target", &[("uri", target)]);
    }
    if let Some(description) = &party.description {
        writer.leaf("session-description", &[("type", &description.content_type)], &description.text);
    }
    writer.close();
}

fn dialog(one: &Element) -> Option<Dialog> {
    let own = |name| one.attribute(name).map(str::to_owned);
    let side = |name| one.child(name).map(read_party).unwrap_or_default();
    let state = one.child("state")?;
    Some(Dialog {
        id: own("id").unwrap_or_default(),
        call_id: own("call-id"),
        local_tag: own("local-tag"),
        remote_tag: own("remote-tag"),
        direction: match one.attribute("direction") {
            Some("initiator") => Some(Direction::Initiator),
            Some("recipient") => Some(Direction::Recipient),
            _ => None,
        },
        state: State::read(&state.text)?,
        event: state.attribute("event").map(str::to_owned),
        local: side("local"),
        remote: side("remote"),
    })
}

fn read_party(one: &Element) -> Party {
    let identity = one.child("identity").filter(|identity| !identity.text.is_empty());
    Party {
        identity: identity.map(|identity| identity.text.clone()),
        display: identity.and_then(|identity| identity.attribute("display")).map(str::to_owned),
        target: one.child("target").and_then(|target| target.attribute("uri")).map(str::to_owned),
        description: one.child("session-description").map(|one| Description {
            content_type: one.attribute("type").unwrap_or_default().to_owned(),
            text: one.text.clone(),
        }),
    }
}

#[cfg(test)]
mod tests;
