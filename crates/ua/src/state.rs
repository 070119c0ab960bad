//! What a NOTIFY tells, read.

use event::conference::Conference;
use event::dialog::DialogInfo;
use event::list::{self, ResourceList};
use event::presence::Presence;
use event::registration::RegInfo;
use event::summary::Summary;
use event::watchers::WatcherInfo;
use event::xml::XmlError;
use sip::message::header::ContentType;
use sip::message::multipart::Parts;
use sip::message::{HeaderId, Headers, Limits};

/// The state of a resource, as an event package tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceState {
    /// No body: nothing is known, or nothing has changed.
    Nothing,
    /// Whether somebody can be reached (RFC 3863).
    Presence(Presence),
    /// Who is in which call (RFC 4235).
    Dialogs(DialogInfo),
    /// Messages waiting (RFC 3842).
    Summary(Summary),
    /// Devices (RFC 3680).
    Registrations(RegInfo),
    /// Who takes part in a conference (RFC 4575).
    Conference(Conference),
    /// Who watches (RFC 3858).
    Watchers(WatcherInfo),
    /// Several resources at once (RFC 4662): the list, and by their Content-ID the states it names.
    List {
        /// Which resources.
        list: ResourceList,
        /// Content-ID without brackets, and the state.
        states: Vec<(String, ResourceState)>,
    },
    /// A body of a type that is not read here.
    Other {
        /// Its type.
        content_type: String,
        /// It.
        body: Vec<u8>,
    },
    /// A body that is not what its type says.
    Broken {
        /// Its type.
        content_type: String,
        /// What is wrong with it, for a person.
        why: String,
    },
}

impl ResourceState {
    /// Reads the body of a NOTIFY.
    pub(crate) fn of(headers: &Headers) -> Self {
        let body = headers.body();
        if body.is_empty() {
            return Self::Nothing;
        }
        let text = headers.text(HeaderId::ContentType).unwrap_or_default().into_owned();
        match headers.content_type() {
            Some(Ok(kind)) if is_list(&kind) => Self::list(&kind, body, &text),
            Some(Ok(kind)) => Self::single(&kind, body, &text),
            _ => Self::Broken { content_type: text, why: "no Content-Type that can be read".into() },
        }
    }

    fn single(kind: &ContentType<'_>, body: &[u8], text: &str) -> Self {
        let name = format!("{}/{}", kind.kind, kind.subtype).to_ascii_lowercase();
        let read = match name.as_str() {
            event::presence::TYPE => Presence::read(body).map(Self::Presence),
            event::dialog::TYPE => DialogInfo::read(body).map(Self::Dialogs),
            event::summary::TYPE => Summary::read(body).map(Self::Summary),
            event::registration::TYPE => RegInfo::read(body).map(Self::Registrations),
            event::conference::TYPE => Conference::read(body).map(Self::Conference),
            event::watchers::TYPE => WatcherInfo::read(body).map(Self::Watchers),
            _ => Ok(Self::Other { content_type: text.to_owned(), body: body.to_owned() }),
        };
        read.unwrap_or_else(|error: XmlError| Self::Broken { content_type: text.to_owned(), why: error.to_string() })
    }

    /// The parts of a list: the first says which the others are. A list in a list is told as another type.
    fn list(kind: &ContentType<'_>, body: &[u8], text: &str) -> Self {
        let broken = |why: String| Self::Broken { content_type: text.to_owned(), why };
        let parts = match Parts::new(kind, body, &Limits::default()) {
            Ok(parts) => parts,
            Err(error) => return broken(error.to_string()),
        };
        let (mut list, mut states) = (None, Vec::new());
        for part in parts {
            let part = match part {
                Ok(part) => part,
                Err(error) => return broken(error.to_string()),
            };
            let Some(Ok(kind)) = part.content_type() else { continue };
            let name = format!("{}/{}", kind.kind, kind.subtype).to_ascii_lowercase();
            if name == list::TYPE && list.is_none() {
                match ResourceList::read(part.body()) {
                    Ok(read) => list = Some(read),
                    Err(error) => return broken(error.to_string()),
                }
                continue;
            }
            let id = part.raw(HeaderId::ContentId).map(String::from_utf8_lossy).unwrap_or_default();
            let id = id.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
            states.push((id, Self::single(&kind, part.body(), &name)));
        }
        match list {
            Some(list) => Self::List { list, states },
            None => broken(format!("no part of type {}", list::TYPE)),
        }
    }
}

fn is_list(kind: &ContentType<'_>) -> bool {
    kind.kind.eq_ignore_ascii_case("multipart") && kind.subtype.eq_ignore_ascii_case("related")
}

/// The types of bodies that a package has, for Accept; none for one that is not read here.
pub(crate) fn types_of(package: &str) -> Vec<String> {
    let one = match package {
        event::presence::PACKAGE => event::presence::TYPE,
        event::dialog::PACKAGE => event::dialog::TYPE,
        event::summary::PACKAGE => event::summary::TYPE,
        event::registration::PACKAGE => event::registration::TYPE,
        event::conference::PACKAGE => event::conference::TYPE,
        "refer" => "message/sipfrag",
        _ if package.rsplit('.').next() == Some(event::watchers::TEMPLATE) => event::watchers::TYPE,
        _ => return Vec::new(),
    };
    vec![one.to_owned()]
}

#[cfg(test)]
mod tests;
