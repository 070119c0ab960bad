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

/// A device by which somebody takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub entity: String,
    /// How it stands with it: `connected`, `on-hold`, `disconnected`, ...
    pub status: Option<String>,
    /// How much of this is told.
    pub told: Told,
}

/// Somebody who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub entity: String,
    /// His name.
    pub display: Option<String>,
    /// Where he takes part from.
    pub endpoints: Vec<Endpoint>,
    /// How much of this is told.
    pub told: Told,
}

impl User {
    /// How it stands with him: `connected` where it does with any of his devices, else as with the first.
    pub fn status(&self) -> Option<&str> {
        let mut all = self.endpoints.iter().map(|one| one.status.as_deref());
        let first = all.clone().next()?;
        all.find(|one| *one == Some("connected")).unwrap_or(first)
    }
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
    /// It has ceased to exist.
    pub deleted: bool,
    /// How much of count and activity is told.
    pub state: Told,
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
        let told = Told::of(&root);
        let whole = root.child("conference-state");
        let state = whole.filter(|state| told != Told::Deleted && Told::of(state) != Told::Deleted);
        let users = root.child("users").filter(|users| told != Told::Deleted && Told::of(users) != Told::Deleted);
        let all_users = root.child("users").is_some_and(|users| Told::of(users) != Told::Partial);
        let users = users.into_iter().flat_map(|users| users.children.iter());
        let user = |one: &Element| {
            let endpoint = |one: &Element| {
                let entity = one.attribute("entity")?.to_owned();
                Some(Endpoint { entity, status: one.text_of("status").map(str::to_owned), told: Told::of(one) })
            };
            User {
                entity: one.attribute("entity").unwrap_or_default().to_owned(),
                display: one.text_of("display-text").map(str::to_owned),
                endpoints: one.all("endpoint").filter_map(endpoint).collect(),
                told: Told::of(one),
            }
        };
        Ok(Self {
            version: root.attribute("version").and_then(|version| version.parse().ok()).unwrap_or(0),
            // One that has ceased to exist is told as a whole.
            full: told != Told::Partial,
            deleted: told == Told::Deleted,
            // Where it is missing, nothing is said of it.
            state: match (told, whole) {
                (Told::Partial, None) => Told::Partial,
                (Told::Partial, Some(whole)) => Told::of(whole),
                _ => Told::Full,
            },
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
            for Endpoint { entity, status, .. } in &one.endpoints {
                writer.open("endpoint", &[("entity", entity)]).leaf_of("status", status.as_deref()).close();
            }
            writer.close();
        }
        writer.finish()
    }
}

#[cfg(test)]
mod tests;
