//! XML as event packages have it: small documents, read whole, under limits; and written.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

mod writing;

pub(crate) use writing::Writer;
pub use writing::length_written;

/// Most octets of a document.
pub const MAX_OCTETS: usize = 65_536;
/// Most elements within elements.
pub const MAX_DEPTH: usize = 24;
/// Most elements.
pub const MAX_ELEMENTS: usize = 4_096;
/// Most attributes of an element.
pub const MAX_ATTRIBUTES: usize = 32;
/// Most declarations of namespaces that hold at a time.
pub const MAX_NAMESPACES: usize = 64;

/// Why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum XmlError {
    /// More octets than [`MAX_OCTETS`].
    TooLarge,
    /// Elements within elements beyond [`MAX_DEPTH`].
    TooDeep,
    /// More elements than [`MAX_ELEMENTS`].
    TooManyElements,
    /// More attributes than [`MAX_ATTRIBUTES`] in one element.
    TooManyAttributes,
    /// More declarations of namespaces at a time than [`MAX_NAMESPACES`].
    TooManyNamespaces,
    /// Octets that are neither UTF-8, nor UTF-16 behind a byte order mark.
    Encoding,
    /// A document type: nothing that needs one is taken.
    DocumentType,
    /// An entity other than the five of XML itself.
    Entity(String),
    /// Not well-formed; the text says what, for a person.
    Malformed(String),
    /// Another document than was expected.
    Root {
        /// The name that its first element should have.
        expected: &'static str,
        /// The name it has.
        found: String,
    },
    /// A line that is none of a message summary.
    Line(usize),
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "more than {MAX_OCTETS} octets"),
            Self::TooDeep => write!(f, "elements nested deeper than {MAX_DEPTH}"),
            Self::TooManyElements => write!(f, "more than {MAX_ELEMENTS} elements"),
            Self::TooManyAttributes => write!(f, "more than {MAX_ATTRIBUTES} attributes in an element"),
            Self::TooManyNamespaces => write!(f, "more than {MAX_NAMESPACES} namespaces at a time"),
            Self::Encoding => f.write_str("expected UTF-8, or in XML UTF-16 behind a byte order mark"),
            Self::DocumentType => f.write_str("a document type, which no event package has"),
            Self::Entity(name) => write!(f, "the entity {name:?}, which XML does not have by itself"),
            Self::Malformed(why) => f.write_str(why),
            Self::Root { expected, found } => write!(f, "expected <{expected}>, found <{found}>"),
            Self::Line(number) => write!(f, "line {number}: expected NAME: VALUE"),
        }
    }
}

impl std::error::Error for XmlError {}

/// An element with all that stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name, without prefix.
    pub name: String,
    /// The namespace that it is of; empty where none is declared.
    pub namespace: Arc<str>,
    /// Attributes, without prefixes; what declares namespaces is left out.
    pub attributes: Vec<(String, String)>,
    /// The elements in it.
    pub children: Vec<Element>,
    /// Those in it of namespaces that are not known: who does not pass them on passes them over (RFC 3863 section 4.2.3).
    pub foreign: Vec<Element>,
    /// The text in it, without that of the elements in it, and without blanks around it.
    pub text: String,
}

impl Element {
    /// Reads a document: its first element, which must have this name.
    ///
    /// # Errors
    /// [`XmlError`]; a limit is told before anything is kept beyond it.
    pub fn read(body: &[u8], expected: &'static str) -> Result<Self, XmlError> {
        let root = read(body)?;
        if root.name == expected { Ok(root) } else { Err(XmlError::Root { expected, found: root.name }) }
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first element in it of this name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All elements in it of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first element in it of this name, if there is any.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }
}

fn malformed(why: impl fmt::Display) -> XmlError {
    XmlError::Malformed(why.to_string())
}

/// A name without its prefix.
fn local(name: &str) -> Result<String, XmlError> {
    let local = name.rsplit(':').next().unwrap_or(name);
    let odd = |one: char| one.is_whitespace() || one.is_control() || "<>&\"'=/".contains(one);
    if local.is_empty() || local.contains(odd) { Err(malformed("a name that is none")) } else { Ok(local.to_owned()) }
}

/// What the namespaces of all documents that are read here begin with.
const OURS: &str = "urn:ietf:params:xml:ns:";

/// What prefixes stand for, where the reader is.
#[derive(Debug, Default)]
struct Prefixes {
    /// Those that open elements declare. The last counts.
    declared: Vec<Declared>,
    /// The namespace of the first element, which is known whatever it is.
    home: Option<String>,
}

#[derive(Debug)]
struct Declared {
    /// That of its element.
    depth: usize,
    /// Empty for none.
    prefix: String,
    namespace: Arc<str>,
    /// Nobody knows it here.
    is_foreign: bool,
}

impl Prefixes {
    /// An element begins, which declares these: prefix, and what for.
    fn begin(&mut self, depth: usize, name: &str, new: Vec<(String, String)>) -> Result<(), XmlError> {
        let home = self.home.get_or_insert_with(|| {
            let own = new.iter().find(|(known, _)| known == prefix(name));
            own.map(|(_, uri)| uri.clone()).unwrap_or_default()
        });
        for (prefix, uri) in new {
            if self.declared.len() >= MAX_NAMESPACES {
                return Err(XmlError::TooManyNamespaces);
            }
            let is_known = uri.is_empty() || uri == *home || uri.starts_with(OURS);
            self.declared.push(Declared { depth, prefix, namespace: uri.into(), is_foreign: !is_known });
        }
        Ok(())
    }

    /// An element at this depth ends.
    fn end(&mut self, depth: usize) {
        while self.declared.pop_if(|one| one.depth >= depth).is_some() {}
    }

    /// What has this name is ignored, with all that is in it (RFC 3863 section 4.2.3). A prefix that nobody has declared is as none.
    fn is_foreign(&self, name: &str) -> bool {
        self.of(name).is_some_and(|one| one.is_foreign)
    }

    fn of(&self, name: &str) -> Option<&Declared> {
        self.declared.iter().rev().find(|one| one.prefix == prefix(name))
    }
}

fn prefix(name: &str) -> &str {
    name.rsplit_once(':').map_or("", |(prefix, _)| prefix)
}

fn element(start: &BytesStart<'_>, depth: usize, prefixes: &mut Prefixes) -> Result<Element, XmlError> {
    let (mut attributes, mut declared) = (Vec::new(), Vec::new());
    for (count, attribute) in start.attributes().enumerate() {
        if count >= MAX_ATTRIBUTES {
            return Err(XmlError::TooManyAttributes);
        }
        let attribute = attribute.map_err(malformed)?;
        let name = attribute.key.as_ref();
        if name == "xmlns" || name.starts_with("xmlns:") {
            let prefix = name.strip_prefix("xmlns:").unwrap_or_default();
            declared.push((prefix.to_owned(), attribute.value.trim().to_owned()));
            continue;
        }
        let value =
            attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| entity_or(&attribute.value, error))?;
        attributes.push((name.to_owned(), checked(value.into_owned())?));
    }
    let name = start.name();
    prefixes.begin(depth, name.as_ref(), declared)?;
    // One without a prefix is of its element, whatever the others are of.
    attributes.retain(|(name, _)| !name.contains(':') || !prefixes.is_foreign(name));
    for (name, _) in &mut attributes {
        *name = local(name)?;
    }
    let namespace = prefixes.of(name.as_ref()).map(|one| Arc::clone(&one.namespace)).unwrap_or_default();
    Ok(Element { name: local(name.as_ref())?, namespace, attributes, ..Element::default() })
}

/// An attribute that cannot be read, by an entity most often.
fn entity_or(value: &str, error: impl fmt::Display) -> XmlError {
    let known = ["amp", "lt", "gt", "quot", "apos"];
    let names = value.split('&').skip(1).filter_map(|rest| rest.split(';').next());
    let unknown = names.into_iter().find(|name| !name.starts_with('#') && !known.contains(name));
    unknown.map_or_else(|| malformed(error), |name| XmlError::Entity(name.chars().take(32).collect()))
}

/// A text with nothing in it that no XML has, by whatever reference it came.
fn checked(text: String) -> Result<String, XmlError> {
    let is_kept = |one: char| matches!(one, '\t' | '\n' | '\r' | '\u{85}');
    let illegal = |one: char| one.is_control() && !is_kept(one) || matches!(one, '\u{fffe}' | '\u{ffff}');
    if text.chars().any(illegal) { Err(malformed("a control character")) } else { Ok(text) }
}

fn reference(name: &str) -> Result<char, XmlError> {
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(XmlError::Entity(name.chars().take(32).collect())),
    }
}

/// The text of a document: by its first octets, whatever its declaration says (XML 1.0 section 4.3.3, which wants both of these to be read).
fn decoded(body: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    let (units, unit): (_, fn([u8; 2]) -> u16) = match body {
        [0xfe, 0xff, units @ ..] => (units, u16::from_be_bytes),
        [0xff, 0xfe, units @ ..] => (units, u16::from_le_bytes),
        _ => return std::str::from_utf8(body).map(Cow::Borrowed).map_err(|_| XmlError::Encoding),
    };
    let (units, []) = units.as_chunks() else { return Err(XmlError::Encoding) };
    let text: Result<String, _> = char::decode_utf16(units.iter().map(|two| unit(*two))).collect();
    text.map(Cow::Owned).map_err(|_| XmlError::Encoding)
}

/// Reads a whole document. No recursion: what is open stands in a list that ends at [`MAX_DEPTH`].
fn read(body: &[u8]) -> Result<Element, XmlError> {
    if body.len() > MAX_OCTETS {
        return Err(XmlError::TooLarge);
    }
    let text = decoded(body)?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim());
    let mut open: Vec<Element> = Vec::new();
    let mut prefixes = Prefixes::default();
    let mut root: Option<Element> = None;
    let mut count = 0;
    loop {
        let event = reader.read_event().map_err(malformed)?;
        match event {
            Event::Start(_) | Event::Empty(_) if root.is_some() => {
                return Err(malformed("an element behind the end of the document"));
            }
            Event::Start(start) => {
                counted(&mut count, open.len())?;
                let one = element(&start, open.len(), &mut prefixes)?;
                open.push(one);
            }
            Event::Empty(start) => {
                counted(&mut count, open.len())?;
                let one = element(&start, open.len(), &mut prefixes)?;
                closed(one, prefixes.is_foreign(start.name().as_ref()), &mut open, &mut root);
                prefixes.end(open.len());
            }
            Event::End(end) => {
                let Some(done) = open.pop() else { return Err(malformed("an end without its beginning")) };
                closed(done, prefixes.is_foreign(end.name().as_ref()), &mut open, &mut root);
                prefixes.end(open.len());
            }
            Event::Text(text) => written(&text.xml_content(XmlVersion::Implicit1_0), &mut open)?,
            Event::CData(text) => written(&text.xml_content(XmlVersion::Implicit1_0), &mut open)?,
            Event::GeneralRef(name) => {
                let one = match name.resolve_char_ref().map_err(malformed)? {
                    Some(one) => one,
                    None => reference(&name)?,
                };
                written(one.encode_utf8(&mut [0; 4]), &mut open)?;
            }
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err(malformed("the document ends before its first element does")),
    }
}

fn counted(count: &mut usize, depth: usize) -> Result<(), XmlError> {
    *count += 1;
    match () {
        () if *count > MAX_ELEMENTS => Err(XmlError::TooManyElements),
        () if depth >= MAX_DEPTH => Err(XmlError::TooDeep),
        () => Ok(()),
    }
}

fn closed(mut done: Element, is_foreign: bool, open: &mut [Element], root: &mut Option<Element>) {
    done.text = done.text.trim().to_owned();
    match open.last_mut() {
        Some(parent) if is_foreign => parent.foreign.push(done),
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn written(text: &str, open: &mut [Element]) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(parent) => parent.text.push_str(&checked(text.to_owned())?),
        None if text.trim().is_empty() => {}
        None => return Err(malformed("text outside of the document")),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
