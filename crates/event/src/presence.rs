//! Presence documents (RFC 3863) with what RFC 4479 and RFC 4480 add for people: notes, activities and more.

mod person;
mod status;

pub use person::{Person, UserInput};
pub use status::StatusValue;

use crate::xml::{Element, Writer, XmlError};

/// The name of the package.
pub const PACKAGE: &str = "presence";
/// The type of its body.
pub const TYPE: &str = "application/pidf+xml";

const NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf";

/// Whether somebody can be reached (RFC 3863 section 4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basic {
    /// Ready to take communication.
    Open,
    /// Not.
    Closed,
}

impl Basic {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// One way of reaching somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// Tells the tuples of a document apart.
    pub id: String,
    /// Open or closed; others have extensions of their own.
    pub basic: Option<Basic>,
    /// What else its status says, in the elements of others (RFC 3863 section 4.2.4).
    pub values: Vec<StatusValue>,
    /// Where.
    pub contact: Option<String>,
    /// Thousandths, 1000 first.
    pub priority: Option<u16>,
    /// For people.
    pub note: Option<String>,
    /// When it was so.
    pub timestamp: Option<String>,
    /// The device that it is on (RFC 4479 section 3.4), by its URN.
    pub device: Option<String>,
    /// The group of ways that this is one of (RFC 4480 section 3.3).
    pub class: Option<String>,
}

/// Whose presence, and how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Whose: `pres:bob@example.com`, or a SIP address.
    pub entity: String,
    /// The ways of reaching him.
    pub tuples: Vec<Tuple>,
    /// What he is doing, by the names of RFC 4480 section 3.2: `on-the-phone`, `away`, `meeting`.
    pub activities: Vec<String>,
    /// For people.
    pub note: Option<String>,
    /// More of him (RFC 4480).
    pub person: Person,
}

impl Presence {
    /// Reads a document.
    ///
    /// # Errors
    /// [`XmlError`].
    pub fn read(body: &[u8]) -> Result<Self, XmlError> {
        let root = Element::read(body, "presence")?;
        let person = root.child("person");
        let text = |of: &Element, name| of.text_of(name).map(str::to_owned);
        let activities = person.into_iter().chain(root.all("tuple")).flat_map(|one| one.all("activities"));
        Ok(Self {
            entity: root.attribute("entity").unwrap_or_default().to_owned(),
            tuples: root.all("tuple").map(tuple).collect(),
            activities: activities.flat_map(person::names).collect(),
            note: text(&root, "note").or_else(|| person.and_then(|person| text(person, "note"))),
            person: person.map(Person::read).unwrap_or_default(),
        })
    }

    /// Open where one of the tuples is; `None` where none says either.
    pub fn basic(&self) -> Option<Basic> {
        let any = |wanted| self.tuples.iter().any(|one| one.basic == Some(wanted)).then_some(wanted);
        any(Basic::Open).or_else(|| any(Basic::Closed))
    }

    /// The document.
    pub fn write(&self) -> String {
        let mut namespaces = vec![("xmlns", NAMESPACE)];
        let has_person = !self.activities.is_empty() || !self.person.is_empty();
        if has_person || self.tuples.iter().any(|one| one.device.is_some() || one.class.is_some()) {
            namespaces.push(("xmlns:dm", "urn:ietf:params:xml:ns:pidf:data-model"));
            namespaces.push(("xmlns:rpid", "urn:ietf:params:xml:ns:pidf:rpid"));
        }
        if !self.person.places.is_empty() {
            namespaces.push(("xmlns:lt", "urn:ietf:params:xml:ns:location-type"));
        }
        namespaces.push(("entity", &self.entity));
        let mut writer = Writer::new("presence", &namespaces);
        for one in &self.tuples {
            writer.open("tuple", &[("id", &one.id)]).open("status", &[]);
            writer.leaf_of("basic", one.basic.map(Basic::as_str));
            one.values.iter().for_each(|value| value.write(&mut writer));
            writer.close();
            writer.leaf_of("rpid:class", one.class.as_deref()).leaf_of("dm:deviceID", one.device.as_deref());
            if let Some(contact) = &one.contact {
                let priority = one.priority.map(|priority| format!("{}.{:03}", priority / 1_000, priority % 1_000));
                let priority = priority.as_deref().map(|priority| ("priority", priority));
                writer.leaf("contact", priority.as_slice(), contact);
            }
            writer.leaf_of("note", one.note.as_deref()).leaf_of("timestamp", one.timestamp.as_deref()).close();
        }
        writer.leaf_of("note", self.note.as_deref());
        if has_person {
            writer.open("dm:person", &[("id", "person")]);
            person::write_activities(&mut writer, &self.activities);
            self.person.write(&mut writer);
            writer.close();
        }
        writer.finish()
    }
}

fn tuple(one: &Element) -> Tuple {
    let contact = one.child("contact").filter(|contact| !contact.text.is_empty());
    Tuple {
        id: one.attribute("id").unwrap_or_default().to_owned(),
        basic: one.child("status").and_then(|status| match status.text_of("basic")?.to_ascii_lowercase().as_str() {
            "open" => Some(Basic::Open),
            "closed" => Some(Basic::Closed),
            _ => None,
        }),
        values: one.child("status").map(status::values).unwrap_or_default(),
        contact: contact.map(|contact| contact.text.clone()),
        priority: contact.and_then(|contact| thousandths(contact.attribute("priority")?)),
        note: one.text_of("note").map(str::to_owned),
        timestamp: one.text_of("timestamp").map(str::to_owned),
        device: one.text_of("deviceID").map(str::to_owned),
        class: one.text_of("class").map(str::to_owned),
    }
}

/// A `qvalue`: 0 to 1 with three digits behind the point at most.
pub(crate) fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|one| one.is_ascii_digit()) {
        return None;
    }
    let value = whole.parse::<u16>().ok().filter(|whole| *whole <= 1)? * 1_000;
    let rest: u16 = format!("{rest:0<3}").parse().ok()?;
    Some(value + rest).filter(|value| *value <= 1_000)
}

#[cfg(test)]
mod tests;
