//! What RFC 4480 tells of a person besides activities: how he feels, where he is, and whether he uses his devices.

use crate::xml::{Element, Writer};

/// Activities that have elements of their own (RFC 4480 section 3.2).
const ACTIVITIES: &[&str] = &[
    "appointment",
    "away",
    "breakfast",
    "busy",
    "dinner",
    "holiday",
    "in-transit",
    "looking-for-work",
    "lunch",
    "meal",
    "meeting",
    "on-the-phone",
    "performance",
    "permanent-absence",
    "playing",
    "presentation",
    "shopping",
    "sleeping",
    "spectator",
    "steering",
    "travel",
    "tv",
    "unknown",
    "vacation",
    "working",
    "worship",
];
/// Moods that have (section 3.5).
const MOODS: &[&str] = &[
    "afraid",
    "amazed",
    "angry",
    "annoyed",
    "anxious",
    "ashamed",
    "bored",
    "brave",
    "calm",
    "cold",
    "confused",
    "contented",
    "cranky",
    "curious",
    "depressed",
    "disappointed",
    "disgusted",
    "distracted",
    "embarrassed",
    "excited",
    "flirtatious",
    "frustrated",
    "grumpy",
    "guilty",
    "happy",
    "hot",
    "humbled",
    "humiliated",
    "hungry",
    "hurt",
    "impressed",
    "in_awe",
    "in_love",
    "indignant",
    "interested",
    "invincible",
    "jealous",
    "lonely",
    "mean",
    "moody",
    "nervous",
    "neutral",
    "offended",
    "playful",
    "proud",
    "relieved",
    "remorseful",
    "restless",
    "sad",
    "sarcastic",
    "serious",
    "shocked",
    "shy",
    "sick",
    "sleepy",
    "stressed",
    "surprised",
    "thirsty",
    "unknown",
    "worried",
];

/// Whether somebody uses what he could be reached by (section 3.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInput {
    /// He does; otherwise it is idle.
    pub active: bool,
    /// When he last did (RFC 3339), where that is to be told.
    pub last: Option<String>,
}

/// More of a person, as far as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The group of persons or states that this is one of, for those who sort them (section 3.3).
    pub class: Option<String>,
    /// How he feels (section 3.5): `happy`, `bored`.
    pub moods: Vec<String>,
    /// What kind of place he is at (section 3.7), by the names of RFC 4589: `office`, `train`; or one text that is none of these.
    pub places: Vec<String>,
    /// What part of his life he is in (section 3.11): `work`, `home`, or another.
    pub sphere: Option<String>,
    /// Whether he uses any of his devices (section 3.14).
    pub input: Option<UserInput>,
}

/// The names of the elements in this one. A note is none of them; `other` has its name in it.
pub(super) fn names(of: &Element) -> impl Iterator<Item = String> {
    of.children.iter().filter_map(|one| match one.name.as_str() {
        "note" => None,
        "other" if !one.text.is_empty() => Some(one.text.clone()),
        name => Some(name.to_owned()),
    })
}

pub(super) fn write_activities(writer: &mut Writer, all: &[String]) {
    write_names(writer, "rpid:activities", ACTIVITIES, all);
}

/// One element that holds all, for none may stand there twice (section 5): each as an element of its own, or `other` with its name in it.
fn write_names(writer: &mut Writer, outer: &'static str, known: &[&str], all: &[String]) {
    if all.is_empty() {
        return;
    }
    writer.open(outer, &[]);
    for name in all {
        match known.contains(&name.as_str()) {
            true => writer.empty(&format!("rpid:{name}"), &[]),
            false => writer.leaf("rpid:other", &[], name),
        };
    }
    writer.close();
}

/// Names of places are a registry that grows (RFC 4589), so any that could be one is.
fn is_place(name: &str) -> bool {
    name.starts_with(|one: char| one.is_ascii_lowercase())
        && name.chars().all(|one| one.is_ascii_lowercase() || one == '-')
}

/// As the schema has them: names, or one text in place of them.
fn places(mut all: Vec<String>) -> Vec<String> {
    match all.iter().any(|name| is_place(name)) {
        true => all.retain(|name| is_place(name)),
        false => all.truncate(1),
    }
    all
}

fn write_places(writer: &mut Writer, all: &[String]) {
    if all.is_empty() {
        return;
    }
    writer.open("rpid:place-type", &[]);
    for name in places(all.to_vec()) {
        match is_place(&name) {
            true => writer.empty(&format!("lt:{name}"), &[]),
            false => writer.leaf("rpid:other", &[], &name),
        };
    }
    writer.close();
}

impl Person {
    pub(super) fn read(of: &Element) -> Self {
        let all = |name| of.all(name).flat_map(names).collect::<Vec<String>>();
        let input = of.child("user-input").and_then(|input| {
            let active = match input.text.as_str() {
                "active" => true,
                "idle" => false,
                _ => return None,
            };
            Some(UserInput { active, last: input.attribute("last-input").map(str::to_owned) })
        });
        Self {
            class: of.text_of("class").map(str::to_owned),
            moods: all("mood"),
            places: places(all("place-type")),
            sphere: of.child("sphere").and_then(|sphere| {
                let text = Some(sphere.text.clone()).filter(|text| !text.is_empty());
                names(sphere).next().or(text)
            }),
            input,
        }
    }

    /// Nothing of it is told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Its elements, none of them twice, and without `from` and `until`, which class must not have (section 3.3).
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.leaf_of("rpid:class", self.class.as_deref());
        write_names(writer, "rpid:mood", MOODS, &self.moods);
        write_places(writer, &self.places);
        match self.sphere.as_deref() {
            Some(sphere @ ("work" | "home" | "unknown")) => {
                writer.open("rpid:sphere", &[]).empty(&format!("rpid:{sphere}"), &[]).close();
            }
            // As the document of section 4 has it.
            sphere => {
                writer.leaf_of("rpid:sphere", sphere);
            }
        }
        if let Some(UserInput { active, last }) = &self.input {
            let last = last.as_deref().map(|last| ("last-input", last));
            writer.leaf("rpid:user-input", last.as_slice(), if *active { "active" } else { "idle" });
        }
    }
}
