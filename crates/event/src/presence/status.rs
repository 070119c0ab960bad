//! What a status says besides open and closed, in elements that others have defined (RFC 3863 sections 4.1.3 and 4.2.4): kept to be told again.

use super::NAMESPACE;
use crate::xml::{Element, Writer};

/// Most of them that are read of one tuple.
const MOST: usize = 8;
/// Most octets of one: of its namespace, its name and its text.
const MOST_OCTETS: usize = 1_024;
/// Namespaces that no prefix may stand for (Namespaces in XML 1.0 section 3).
const RESERVED: [&str; 2] = ["http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/"];

/// One element with a text in it, as `home` in `<location>` of `urn:example-com:pidf-status-type`. One that is to be understood, or has attributes or other elements
/// in it, is none that could be told again, and is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusValue {
    /// Its namespace: of somebody's own, or below `urn:ietf:params:xml:ns:pidf:status`.
    pub namespace: String,
    /// Its name: letters, digits, `-`, `_` and `.` of ASCII, a letter or `_` first.
    pub name: String,
    /// What it says, without blanks around it.
    pub text: String,
}

impl StatusValue {
    /// Writes it, unless no element could be written so.
    pub(super) fn write(&self, writer: &mut Writer) {
        if is_name(&self.name) && is_namespace(&self.namespace) {
            writer.named(&format!("x:{}", self.name), &[("xmlns:x", &self.namespace)], &self.text);
        }
    }
}

/// Those of a status.
pub(super) fn values(status: &Element) -> Vec<StatusValue> {
    let known = status.children.iter().filter(|one| one.name != "basic");
    known.chain(&status.foreign).filter(|one| is_value(one)).take(MOST).map(value).collect()
}

fn value(one: &Element) -> StatusValue {
    StatusValue { namespace: one.namespace.to_string(), name: one.name.clone(), text: one.text.clone() }
}

fn is_value(one: &Element) -> bool {
    let Element { name, namespace, attributes, children, foreign, text } = one;
    let is_leaf = attributes.is_empty() && children.is_empty() && foreign.is_empty();
    let octets = name.len() + namespace.len() + text.len();
    is_leaf && octets <= MOST_OCTETS && is_name(name) && is_namespace(namespace)
}

fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.'))
}

/// Whether others may have defined it.
fn is_namespace(uri: &str) -> bool {
    !uri.is_empty() && uri != NAMESPACE && !RESERVED.contains(&uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::{Basic, Presence, Tuple};

    /// What a document has that says this in its status.
    fn read(status: &str) -> Tuple {
        let body = format!(
            "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:p='urn:ietf:params:xml:ns:pidf' xmlns:local='urn:example-com:pidf-status-type' \
             xmlns:ours='urn:ietf:params:xml:ns:pidf:status:mood' entity='pres:a@b'><tuple id='t'><status>{status}</status></tuple></presence>"
        );
        let read = Presence::read(body.as_bytes()).unwrap();
        assert_eq!(Presence::read(read.write().as_bytes()).unwrap(), read, "{status}: it comes out again");
        read.tuples.into_iter().next().unwrap()
    }

    fn value(namespace: &str, name: &str, text: &str) -> StatusValue {
        StatusValue { namespace: namespace.to_owned(), name: name.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn rfc3863_4_1_3_a_status_value_of_another_kind_comes_out_again() {
        let home = value("urn:example-com:pidf-status-type", "location", "home & \"garden\"");
        let location = "<local:location>home &amp; &quot;garden&quot;</local:location>";
        for (status, basic) in [(format!("<basic>open</basic>{location}"), Some(Basic::Open)), (location.into(), None)]
        {
            let read = read(&status);
            assert_eq!((read.basic, read.values), (basic, vec![home.clone()]), "{status}");
        }
        // Those that standards have defined, and those of which several say the same name.
        let all =
            read("<ours:calm/><local:basic>x</local:basic><o:location xmlns:o='urn:other'>work</o:location>").values;
        let expected = [
            value("urn:ietf:params:xml:ns:pidf:status:mood", "calm", ""),
            value("urn:example-com:pidf-status-type", "basic", "x"),
            value("urn:other", "location", "work"),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn rfc3863_4_2_4_what_could_not_be_told_as_it_was_is_passed_over() {
        for status in [
            "<local:a p:mustUnderstand='1'>x</local:a>",
            "<local:a kind='k'>x</local:a>",
            "<local:a>x<local:b/></local:a>",
            "<local:a>x<basic>closed</basic></local:a>",
            "<local:\u{fc}>x</local:\u{fc}>",
            // Of no namespace but that of the document.
            "<a>x</a>",
            "<p:a>x</p:a>",
        ] {
            assert_eq!(read(status).values, [], "{status}");
        }
        let odd = [value("urn:x", "a><b", "x"), value("urn:x", "", "x"), value("", "a", "x"), value("urn:x", "1", "x")];
        let tuple = Tuple { values: odd.into(), ..Tuple::default() };
        let written = Presence { tuples: vec![tuple], ..Presence::default() }.write();
        assert!(written.contains("<status></status>"), "{written}");
    }

    #[test]
    fn limit_of_status_values_holds_in_number_and_size() {
        for (count, kept) in [(MOST, MOST), (MOST + 1, MOST)] {
            assert_eq!(read(&"<local:a>x</local:a>".repeat(count)).values.len(), kept);
        }
        let rest = "urn:example-com:pidf-status-type".len() + "a".len();
        for (octets, kept) in [(MOST_OCTETS - rest, 1), (MOST_OCTETS - rest + 1, 0)] {
            let text = "x".repeat(octets);
            assert_eq!(read(&format!("<local:a>{text}</local:a>")).values.len(), kept, "{octets}");
        }
    }
}
