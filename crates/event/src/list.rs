//! Resource lists (RFC 4662): the part of a NOTIFY that says which resources its other parts are about. Read only.

use crate::xml::{Element, XmlError};

/// The option tag of those who can read lists (RFC 4662 section 4.1).
pub const OPTION: &str = "eventlist";
/// The type of the first part.
pub const TYPE: &str = "application/rlmi+xml";
/// The type of the whole.
pub const WHOLE_TYPE: &str = "multipart/related";

/// One subscription that the list server has for us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Tells it apart from others of the resource.
    pub id: String,
    /// `active`, `pending` or `terminated`.
    pub state: String,
    /// Why it is over.
    pub reason: Option<String>,
    /// The Content-ID of the part with its state, without brackets.
    pub cid: Option<String>,
}

/// One of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Which.
    pub uri: String,
    /// Its name, the first where there are several.
    pub name: Option<String>,
    /// What is known of it.
    pub instances: Vec<Instance>,
}

/// A list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceList {
    /// Which.
    pub uri: String,
    /// Counts documents in a subscription.
    pub version: u32,
    /// All resources are here; otherwise only those that have changed.
    pub full: bool,
    /// Its name, the first where there are several.
    pub name: Option<String>,
    /// Its resources.
    pub resources: Vec<Resource>,
}

impl ResourceList {
    /// Reads a document.
    ///
    /// # Errors
    /// [`XmlError`].
    pub fn read(body: &[u8]) -> Result<Self, XmlError> {
        let root = Element::read(body, "list")?;
        let own = |one: &Element, name| one.attribute(name).unwrap_or_default().to_owned();
        let instance = |one: &Element| Instance {
            id: own(one, "id"),
            state: own(one, "state"),
            reason: one.attribute("reason").map(str::to_owned),
            cid: one.attribute("cid").map(str::to_owned),
        };
        let resource = |one: &Element| Resource {
            uri: own(one, "uri"),
            name: one.text_of("name").map(str::to_owned),
            instances: one.all("instance").map(instance).collect(),
        };
        Ok(Self {
            uri: own(&root, "uri"),
            version: root.attribute("version").and_then(|version| version.parse().ok()).unwrap_or(0),
            full: matches!(root.attribute("fullState"), Some("true" | "1")),
            name: root.text_of("name").map(str::to_owned),
            resources: root.all("resource").map(resource).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
