//! Conferences (RFC 4575): who takes part.

use crate::xml::{Element, Writer, XmlError};

/// The name of the package.
pub const PACKAGE: &str = "conference";
/// The type of its body.
pub const TYPE: &str = "application/conference-info+xml";

/// How much an element of a document tells (RFC 4575 section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// All of it.
    #[default]
    Full,
    /// What has changed.
    Partial,
    /// That it is no more.
    Deleted,
}

impl Told {
    fn of(element: &Element) -> Self {
        match element.attribute("state") {
            Some("partial") => Self::Partial,
            Some("deleted") => Self::Deleted,
            _ => Self::Full,
        }
    }
}

/// Somebody who takes part, with one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub entity: String,
    /// His name.
    pub display: Option<String>,
    /// Where he takes part from.
    pub endpoint: Option<String>,
    /// How it stands with him: `connected`, `on-hold`, `disconnected`, ...
    pub status: Option<String>,
    /// How much of this is told.
    pub told: Told,
}

/// A conference as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conference {
    /// Counts documents in a subscription, from 0.
    pub version: u32,
    /// These are all users; otherwise only those that have changed.
    pub full: bool,
    /// Which conference.
    pub entity: String,
    /// How many take part, where that is told.
    pub count: Option<u32>,
    /// Whether it takes place now.
    pub active: Option<bool>,
    /// Who takes part.
    pub users: Vec<User>,
    /// In a document that is not full: whether these are all users nevertheless.
    pub all_users: bool,
}

impl Conference {
    /// Reads a document.
    ///
    /// # Errors
    /// [`XmlError`].
    pub fn read(body: &[u8]) -> Result<Self, XmlError> {
        let root = Element::read(body, "conference-info")?;
        let state = root.child("conference-state");
        let told = Told::of(&root);
        let users = root.child("users").filter(|users| told != Told::Deleted && Told::of(users) != Told::Deleted);
        let all_users = root.child("users").is_some_and(|users| Told::of(users) != Told::Partial);
        let users = users.into_iter().flat_map(|users| users.children.iter());
        let user = |one: &Element| {
            let endpoint = one.child("endpoint").filter(|one| one.attribute("entity").is_some());
            User {
                entity: one.attribute("entity").unwrap_or_default().to_owned(),
                display: one.text_of("display-text").map(str::to_owned),
                endpoint: endpoint.and_then(|one| one.attribute("entity")).map(str::to_owned),
                status: endpoint.and_then(|one| one.text_of("status")).map(str::to_owned),
                told: Told::of(one),
            }
        };
        Ok(Self {
            version: root.attribute("version").and_then(|version| version.parse().ok()).unwrap_or(0),
            // One that has ceased to exist is told as a whole.
            full: told != Told::Partial,
            entity: root.attribute("entity").unwrap_or_default().to_owned(),
            count: state.and_then(|state| state.text_of("user-count")?.parse().ok()),
            active: state.and_then(|state| match state.text_of("active")? {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            }),
            users: users
                .filter(|one| one.name == "user")
                .map(user)
                .filter(|one| told == Told::Partial || one.told != Told::Deleted)
                .collect(),
            all_users,
        })
    }

    /// The document.
    pub fn write(&self) -> String {
        let (version, state) = (self.version.to_string(), if self.full { "full" } else { "partial" });
        let mut writer = Writer::new(
            "conference-info",
            &[
                ("xmlns", "urn:ietf:params:xml:ns:conference-info"),
                ("entity", &self.entity),
                ("state", state),
                ("version", &version),
            ],
        );
        // Nothing is said of it, but it has to stand there (section 5.2).
        writer.empty("conference-description", &[]);
        if self.count.is_some() || self.active.is_some() {
            writer.open("conference-state", &[]);
            writer.leaf_of("user-count", self.count.map(|count| count.to_string()).as_deref());
            writer.leaf_of("active", self.active.map(|active| if active { "true" } else { "false" })).close();
        }
        writer.open("users", &[]);
        for one in &self.users {
            writer.open("user", &[("entity", &one.entity)]).leaf_of("display-text", one.display.as_deref());
            if let Some(endpoint) = &one.endpoint {
                writer.open("endpoint", &[("entity", endpoint)]).leaf_of("status", one.status.as_deref()).close();
            }
            writer.close();
        }
        writer.finish()
    }
}

#[cfg(test)]
mod tests;
