//! What a device can do (RFC 3840), and what of it a caller wants (RFC 3841): sets of features, and whether one fits another (RFC 2533, as far as
//! feature parameters can say it).

use sip::header::AcceptContact;
use sip::message::{Headers, Params};

/// The feature tags without a prefix (RFC 3840 section 9).
const BASE: [&str; 20] = [
    "audio",
    "automata",
    "class",
    "duplex",
    "data",
    "control",
    "mobility",
    "description",
    "events",
    "priority",
    "methods",
    "extensions",
    "schemes",
    "application",
    "video",
    "language",
    "type",
    "isfocus",
    "actor",
    "text",
];

/// Most values of one feature: what has more says nothing that is read.
pub(crate) const VALUES: usize = 32;

/// What comparisons may cost: each of a name or a value takes one. Whoever writes both sides of them decides how many there are.
#[derive(Debug)]
pub(crate) struct Work {
    left: u32,
    overspent: bool,
}

impl Work {
    /// So many.
    pub(crate) fn of(most: u32) -> Self {
        Self { left: most, overspent: false }
    }

    /// Takes some; false when there are not so many left.
    fn spend(&mut self, some: usize) -> bool {
        match u32::try_from(some).ok().and_then(|some| self.left.checked_sub(some)) {
            Some(left) => self.left = left,
            None => self.overspent = true,
        }
        !self.overspent
    }

    /// Whether there was more to compare: then what came of it means nothing.
    pub(crate) fn is_overspent(&self) -> bool {
        self.overspent
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> u32 {
        self.left
    }
}

/// One value of a feature.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// In any case.
    Word(String),
    /// Letter by letter: between angle brackets.
    Text(String),
    /// From here to there.
    Number(f64, f64),
}

/// A value, or everything but that.
#[derive(Clone, Debug, PartialEq)]
struct Filter {
    not: bool,
    value: Value,
}

/// A feature with the values that it may have.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// In lower case, without `+`.
    name: String,
    values: Vec<Filter>,
}

impl Feature {
    /// One that is one word.
    pub(crate) fn word(name: &str, word: &str) -> Self {
        let values = vec![Filter { not: false, value: Value::Word(word.to_ascii_lowercase()) }];
        Self { name: name.to_owned(), values }
    }

    /// Reads a parameter; `None` when it names no feature.
    fn of(name: &str, value: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = match name.strip_prefix('+') {
            Some(other) => other.to_owned(),
            None if BASE.contains(&name.as_str()) => name,
            None => return None,
        };
        let value = if value.is_empty() { "TRUE" } else { value };
        Some(Self { name, values: split(value).take(VALUES + 1).map(Filter::of).collect() })
    }

    fn overlaps(&self, other: &Self, work: &mut Work) -> bool {
        self.values.iter().any(|one| other.values.iter().any(|two| !work.spend(1) || one.overlaps(two)))
    }
}

/// At the commas that do not stand between angle brackets.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut within = false;
    list.split(move |ch| {
        within = match ch {
            '<' => true,
            '>' => false,
            _ => within,
        };
        ch == ',' && !within
    })
}

impl Filter {
    /// Reads a tag-value (RFC 3840 section 9).
    fn of(text: &str) -> Self {
        let text = text.trim();
        let (not, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let value = if let Some(number) = text.strip_prefix('#') {
            range(number).map_or_else(|| Value::Word(number.to_ascii_lowercase()), |(from, to)| Value::Number(from, to))
        } else if let Some(inner) = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            Value::Text(inner.to_owned())
        } else {
            Value::Word(text.to_ascii_lowercase())
        };
        // There is nothing else that a boolean could be.
        match (not, value) {
            (true, Value::Word(word)) if word == "true" => Self { not: false, value: Value::Word("false".to_owned()) },
            (true, Value::Word(word)) if word == "false" => Self { not: false, value: Value::Word("true".to_owned()) },
            (not, value) => Self { not, value },
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        match (self.not, other.not) {
            (false, false) => match (&self.value, &other.value) {
                (Value::Number(from, to), Value::Number(low, high)) => from.max(*low) <= to.min(*high),
                (one, two) => one == two,
            },
            (true, true) => true,
            (true, false) => !self.value.holds(&other.value),
            (false, true) => !other.value.holds(&self.value),
        }
    }
}

impl Value {
    /// Whether everything that the other may be is this.
    fn holds(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Number(from, to), Value::Number(low, high)) => from <= low && high <= to,
            (one, two) => one == two,
        }
    }
}

/// A number or numbers: `=5`, `>=5`, `<=5`, `5:10`; `None` when it is none (RFC 3840 section 9, numeric).
fn range(text: &str) -> Option<(f64, f64)> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    if let Some(least) = text.strip_prefix(">=") {
        return Some((number(least)?, f64::INFINITY));
    }
    if let Some(most) = text.strip_prefix("<=") {
        return Some((f64::NEG_INFINITY, number(most)?));
    }
    if let Some((from, to)) = text.split_once(':') {
        return Some((number(from)?, number(to)?));
    }
    let exact = number(text.strip_prefix('=').unwrap_or(text))?;
    Some((exact, exact))
}

/// Features, each with its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureSet(Vec<Feature>);

impl FeatureSet {
    /// The features among parameters; `None` when there are more than `most`, or one has more than [`VALUES`].
    pub(crate) fn of(params: &Params<'_>, most: usize) -> Option<Self> {
        let mut set = Self::default();
        for param in params.iter() {
            let Some(feature) = Feature::of(param.name, &param.value.text()) else { continue };
            if set.0.iter().any(|known| known.name == feature.name) {
                continue;
            }
            if set.0.len() == most || feature.values.len() > VALUES {
                return None;
            }
            set.push(feature);
        }
        Some(set)
    }

    /// Those of a contact, by its parameters; none when there are more than a caller may name.
    pub(crate) fn of_contact(params: &str) -> Self {
        if params.is_empty() {
            return Self::default();
        }
        let value = format!("*{params}");
        let read = Headers::read::<AcceptContact<'_>>(value.as_bytes());
        read.ok().and_then(|read| Self::of(&read.params, crate::preference::TERMS)).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, feature: Feature) {
        self.0.push(feature);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, name: &str, work: &mut Work) -> Option<&Feature> {
        self.0.iter().find(|feature| work.spend(1) && feature.name == name)
    }

    /// Whether a device could be both: no feature that both name has values that exclude each other.
    pub(crate) fn matches(&self, device: &Self, work: &mut Work) -> bool {
        self.0.iter().all(|wanted| device.get(&wanted.name, work).is_none_or(|has| has.overlaps(wanted, work)))
    }

    /// Whether it names all features of the other.
    pub(crate) fn names_all(&self, other: &Self, work: &mut Work) -> bool {
        other.0.iter().all(|feature| self.get(&feature.name, work).is_some())
    }

    /// How many of these features the device names, in thousandths.
    pub(crate) fn score(&self, device: &Self, work: &mut Work) -> u16 {
        let named = self.0.iter().filter(|wanted| device.get(&wanted.name, work).is_some()).count();
        let score = (named * 1_000).checked_div(self.0.len()).unwrap_or(1_000);
        u16::try_from(score).unwrap_or(1_000)
    }
}
