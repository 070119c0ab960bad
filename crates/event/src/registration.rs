//! Registrations (RFC 3680): which devices an address of record has.

use crate::presence::thousandths;
use crate::xml::{Element, Writer, XmlError};

/// The name of the package.
pub const PACKAGE: &str = "reg";
/// The type of its body.
pub const TYPE: &str = "application/reginfo+xml";

/// The namespace of addresses of instances (RFC 5628 section 9).
const GRUU: &str = "urn:ietf:params:xml:ns:gruuinfo";

/// How it stands with a device, or with an address of record (RFC 3680 sections 4.2 and 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Never was there.
    #[default]
    Init,
    /// Is.
    Active,
    /// Is no more.
    Terminated,
}

impl State {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Active => "active",
            Self::Terminated => "terminated",
        }
    }

    fn read(text: Option<&str>) -> Self {
        match text {
            Some("active") => Self::Active,
            Some("terminated") => Self::Terminated,
            _ => Self::Init,
        }
    }
}

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Tells it apart from the others of its address of record.
    pub id: String,
    /// Bound or not.
    pub state: State,
    /// What made it so: `registered`, `refreshed`, `expired`, `unregistered`, ...
    pub event: String,
    /// Its address.
    pub uri: String,
    /// Seconds it still holds.
    pub expires: Option<u32>,
    /// Thousandths.
    pub q: Option<u16>,
    /// The public address of its instance (GRUU, RFC 5628 section 5).
    pub pub_gruu: Option<String>,
}

/// An address of record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// Which.
    pub aor: String,
    /// Tells it apart from the others.
    pub id: String,
    /// Whether it has devices.
    pub state: State,
    /// Its devices.
    pub contacts: Vec<Contact>,
}

/// Registrations as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegInfo {
    /// Counts documents in a subscription, from 0.
    pub version: u32,
    /// These are all; otherwise only those that have changed.
    pub full: bool,
    /// Those.
    pub registrations: Vec<Registration>,
}

impl RegInfo {
    /// Reads a document.
    ///
    /// # Errors
    /// [`XmlError`].
    pub fn read(body: &[u8]) -> Result<Self, XmlError> {
        let root = Element::read(body, "reginfo")?;
        let own = |one: &Element, name| one.attribute(name).unwrap_or_default().to_owned();
        let contact = |one: &Element| Contact {
            id: own(one, "id"),
            state: State::read(one.attribute("state")),
            event: own(one, "event"),
            uri: one.text_of("uri").unwrap_or_default().to_owned(),
            expires: one.attribute("expires").and_then(|secs| secs.parse().ok()),
            q: one.attribute("q").and_then(thousandths),
            pub_gruu: one.child("pub-gruu").and_then(|gruu| gruu.attribute("uri")).map(str::to_owned),
        };
        let registration = |one: &Element| Registration {
            aor: own(one, "aor"),
            id: own(one, "id"),
            state: State::read(one.attribute("state")),
            contacts: one.all("contact").map(contact).collect(),
        };
        Ok(Self {
            version: root.attribute("version").and_then(|version| version.parse().ok()).unwrap_or(0),
            full: root.attribute("state") != Some("partial"),
            registrations: root.all("registration").map(registration).collect(),
        })
    }

    /// The document.
    pub fn write(&self) -> String {
        let (version, state) = (self.version.to_string(), if self.full { "full" } else { "partial" });
        let mut attributes = vec![("xmlns", "urn:ietf:params:xml:ns:reginfo")];
        if self.registrations.iter().flat_map(|one| &one.contacts).any(|contact| contact.pub_gruu.is_some()) {
            attributes.push(("xmlns:gr", GRUU));
        }
        attributes.extend([("version", version.as_str()), ("state", state)]);
        let mut writer = Writer::new("reginfo", &attributes);
        for one in &self.registrations {
            writer.open("registration", &[("aor", &one.aor), ("id", &one.id), ("state", one.state.as_str())]);
            for contact in &one.contacts {
                let expires = contact.expires.map(|secs| secs.to_string());
                let q = contact.q.map(|q| format!("{}.{:03}", q / 1_000, q % 1_000));
                let mut attributes =
                    vec![("id", contact.id.as_str()), ("state", contact.state.as_str()), ("event", &contact.event)];
                attributes.extend(expires.as_deref().map(|secs| ("expires", secs)));
                attributes.extend(q.as_deref().map(|q| ("q", q)));
                writer.open("contact", &attributes).leaf("uri", &[], &contact.uri);
                if let Some(gruu) = &contact.pub_gruu {
                    writer.empty("gr:pub-gruu", &[("uri", gruu)]);
                }
                writer.close();
            }
            writer.close();
        }
        writer.finish()
    }
}

#[cfg(test)]
mod tests;
