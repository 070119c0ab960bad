//! `a=` lines, known and unknown, in their order.

use std::fmt;
use std::ops::Deref;

use crate::direction::Direction;
use crate::print::{Printout, display};
use crate::text::{InvalidText, Text, Token};

/// One `a=` line: RFC 8866 section 5.13. Names are compared exactly, as RFC 8866 section 5 wants.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The part before the colon.
    pub name: Token,
    /// The part behind the colon; `None` for a property such as `a=recvonly`. `a=x:` with nothing behind the
    /// colon is read as a property.
    pub value: Option<Text>,
}

impl Attribute {
    /// A property attribute, `a=<name>`.
    pub fn flag(name: &str) -> Result<Attribute, InvalidText> {
        Ok(Attribute { name: Token::new(name)?, value: None })
    }

    /// A value attribute, `a=<name>:<value>`.
    pub fn new(name: &str, value: &str) -> Result<Attribute, InvalidText> {
        Ok(Attribute { name: Token::new(name)?, value: Some(Text::new(value)?) })
    }

    pub(crate) fn literal(name: &'static str, value: Option<String>) -> Attribute {
        Attribute { name: Token::literal(name), value: value.map(Text::assembled) }
    }
}

impl From<Direction> for Attribute {
    fn from(direction: Direction) -> Attribute {
        Attribute::literal(direction.as_str(), None)
    }
}

/// As [`fmt::Display`], but without the keys of `a=crypto` and the password of ICE, so that it may be logged.
impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = ["crypto", "ice-pwd", "key-mgmt"].iter().any(|name| self.name == *name);
        match &self.value {
            Some(_) if secret => write!(f, "{}:(secret)", self.name),
            Some(value) => write!(f, "{}:{value}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl Attribute {
    pub(crate) fn print(&self, out: &mut Printout) {
        out.text(&self.name);
        if let Some(value) = &self.value {
            out.text(":");
            out.text(value);
        }
    }
}

/// The part behind `a=`.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}

/// The `a=` lines of one section, in order. Reads like a slice of [`Attribute`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, lines: usize) {
        self.0.reserve(lines);
    }

    /// The value of the first attribute with this name; `""` when it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|attribute| attribute.name == name)?;
        Some(found.value.as_ref().map_or("", Text::as_str))
    }

    /// Whether there is an attribute with this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|attribute| attribute.name == name)
    }

    /// The values of all attributes with this name, in order; `""` for one without a value.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |attribute| attribute.name == name)
            .map(|attribute| attribute.value.as_ref().map_or("", Text::as_str))
    }

    /// Appends an attribute.
    pub fn push(&mut self, attribute: Attribute) {
        self.0.push(attribute);
    }

    /// Replaces the first attribute of the same name and drops its other occurrences; appends when there is none.
    pub fn set(&mut self, attribute: Attribute) {
        let Some(first) = self.0.iter().position(|old| old.name == attribute.name) else {
            self.0.push(attribute);
            return;
        };
        let mut index = 0;
        self.0.retain(|old| {
            let keep = old.name != attribute.name || index == first;
            index += 1;
            keep
        });
        if let Some(slot) = self.0.get_mut(first) {
            *slot = attribute;
        }
    }

    /// Drops every attribute with this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|attribute| attribute.name != name);
    }

    /// Keeps the attributes for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&Attribute) -> bool) {
        self.0.retain(keep);
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The direction given in this section. RFC 8866 section 6.7 allows one; of several the last counts.
    pub fn direction(&self) -> Option<Direction> {
        self.0.iter().rev().find_map(|attribute| Direction::from_name(&attribute.name))
    }

    /// Sets the direction of this section, in the place of an earlier one.
    pub fn set_direction(&mut self, direction: Direction) {
        let place = self.0.iter().position(|attribute| Direction::from_name(&attribute.name).is_some());
        self.0.retain(|attribute| Direction::from_name(&attribute.name).is_none());
        let place = place.unwrap_or(self.0.len()).min(self.0.len());
        self.0.insert(place, direction.into());
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Attribute> {
        self.0.iter_mut()
    }
}

impl Deref for Attributes {
    type Target = [Attribute];
    fn deref(&self) -> &[Attribute] {
        &self.0
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(iter: I) -> Attributes {
        Attributes(iter.into_iter().collect())
    }
}

impl Extend<Attribute> for Attributes {
    fn extend<I: IntoIterator<Item = Attribute>>(&mut self, iter: I) {
        self.0.extend(iter);
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = &'a Attribute;
    type IntoIter = std::slice::Iter<'a, Attribute>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
