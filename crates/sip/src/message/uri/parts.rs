//! Parameters and headers of a URI.

use std::fmt;

use super::escape;

/// One parameter of a URI, escapes kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UriParam<'a> {
    /// Name as written.
    pub name: &'a str,
    /// Value as written; `None` for `;name` alone.
    pub value: Option<&'a str>,
}

/// The parameters of a URI, `;a;b=c`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UriParams<'a> {
    text: &'a str,
}

impl<'a> UriParams<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        UriParams { text }
    }

    /// As written, from the first semicolon on; empty without parameters.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// True without parameters.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = UriParam<'a>> + use<'a> {
        self.text.split(';').skip(1).map(|param| match param.split_once('=') {
            Some((name, value)) => UriParam { name, value: Some(value) },
            None => UriParam { name: param, value: None },
        })
    }

    /// The value of a parameter as written, `""` when it has none. Names compare without regard to case and escapes.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|param| escape::same_ignoring_case(param.name, name)).map(|param| param.value.unwrap_or(""))
    }

    /// True when the parameter is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl fmt::Debug for UriParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// The headers of a URI, `a=b&c=d`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UriHeaders<'a> {
    text: &'a str,
}

impl<'a> UriHeaders<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        UriHeaders { text }
    }

    /// As written, without the question mark; empty without headers.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// True without headers.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Name and value of each, escapes kept.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.text.split('&').filter_map(|header| header.split_once('='))
    }

    /// The value as written. Names compare without regard to case and escapes.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(found, _)| escape::same_ignoring_case(found, name)).map(|(_, value)| value)
    }
}

impl fmt::Debug for UriHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}
