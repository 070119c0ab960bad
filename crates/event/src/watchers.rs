//! Watcher information (RFC 3857, RFC 3858): who watches somebody's state.

use crate::xml::{Element, Writer, XmlError};

/// What the name of a package ends with: `presence.winfo` is about those who watch `presence`.
pub const TEMPLATE: &str = "winfo";
/// The type of its body.
pub const TYPE: &str = "application/watcherinfo+xml";

/// Somebody who watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watcher {
    /// Tells the subscriptions apart.
    pub id: String,
    /// `pending`, `active`, `waiting` or `terminated`.
    pub status: String,
    /// What made it so: `subscribe`, `approved`, `timeout`, ...
    pub event: String,
    /// Who.
    pub uri: String,
    /// Seconds the subscription still holds.
    pub expires: Option<u32>,
}

/// Those who watch one resource by one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatcherList {
    /// Whose state.
    pub resource: String,
    /// Of which package.
    pub package: String,
    /// Who.
    pub watchers: Vec<Watcher>,
}

/// Watchers as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatcherInfo {
    /// Counts documents in a subscription, from 0.
    pub version: u32,
    /// These are all; otherwise only those that have changed.
    pub full: bool,
    /// By resource and package.
    pub lists: Vec<WatcherList>,
}

impl WatcherInfo {
    /// Reads a document.
    ///
    /// # Errors
    /// [`XmlError`].
    pub fn read(body: &[u8]) -> Result<Self, XmlError> {
        let root = Element::read(body, "watcherinfo")?;
        let own = |one: &Element, name| one.attribute(name).unwrap_or_default().to_owned();
        let watcher = |one: &Element| Watcher {
            id: own(one, "id"),
            status: own(one, "status"),
            event: own(one, "event"),
            uri: one.text.clone(),
            expires: one.attribute("expiration").and_then(|secs| secs.parse().ok()),
        };
        let list = |one: &Element| WatcherList {
            resource: own(one, "resource"),
            package: own(one, "package"),
            watchers: one.all("watcher").map(watcher).collect(),
        };
        Ok(Self {
            version: root.attribute("version").and_then(|version| version.parse().ok()).unwrap_or(0),
            full: root.attribute("state") != Some("partial"),
            lists: root.all("watcher-list").map(list).collect(),
        })
    }

    /// The document.
    pub fn write(&self) -> String {
        let (version, state) = (self.version.to_string(), if self.full { "full" } else { "partial" });
        let mut writer = Writer::new(
            "watcherinfo",
            &[("xmlns", "urn:ietf:params:xml:ns:watcherinfo"), ("version", &version), ("state", state)],
        );
        for list in &self.lists {
            writer.open("watcher-list", &[("resource", &list.resource), ("package", &list.package)]);
            for one in &list.watchers {
                let expires = one.expires.map(|secs| secs.to_string());
                let mut attributes = vec![("status", one.status.as_str()), ("id", &one.id), ("event", &one.event)];
                attributes.extend(expires.as_deref().map(|secs| ("expiration", secs)));
                writer.leaf("watcher", &attributes, &one.uri);
            }
            writer.close();
        }
        writer.finish()
    }
}

#[cfg(test)]
mod tests;
