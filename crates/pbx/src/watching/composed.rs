//! What a user has published of his presence, as one.

use std::collections::HashSet;

use event::presence::{Presence, Tuple};

/// Most ways of reaching somebody that watchers are told.
const MOST_TUPLES: usize = 32;
/// Most that he is said to be doing.
const MOST_ACTIVITIES: usize = 16;
/// Most octets of text in all that.
const MOST_OCTETS: usize = 16_384;

/// One presence of all that was published, within limits: what exceeds them is left out.
pub(super) fn together(bodies: &[Vec<u8>]) -> Presence {
    let mut whole = Presence::default();
    let mut octets = 0;
    let mut fits = |texts: &[Option<&String>]| {
        octets += texts.iter().flatten().map(|text| text.len()).sum::<usize>();
        octets <= MOST_OCTETS
    };
    for one in bodies.iter().filter_map(|body| Presence::read(body).ok()) {
        whole.note = whole.note.or(one.note.filter(|note| fits(&[Some(note)])));
        for tuple in one.tuples {
            if whole.tuples.len() < MOST_TUPLES
                && fits(&[Some(&tuple.id), tuple.contact.as_ref(), tuple.note.as_ref(), tuple.timestamp.as_ref()])
            {
                whole.tuples.push(tuple);
            }
        }
        for activity in one.activities {
            if whole.activities.len() < MOST_ACTIVITIES
                && !whole.activities.contains(&activity)
                && fits(&[Some(&activity)])
            {
                whole.activities.push(activity);
            }
        }
    }
    keep_apart(&mut whole.tuples);
    whole
}

/// Two devices may have chosen the same id (RFC 3863 section 4.1.2): of those all but the first get another.
fn keep_apart(tuples: &mut [Tuple]) {
    let mut seen = HashSet::new();
    for (number, tuple) in tuples.iter_mut().enumerate() {
        if tuple.id.is_empty() || !seen.insert(tuple.id.clone()) {
            tuple.id = format!("t{number}.{}", tuple.id);
            seen.insert(tuple.id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(within: &str) -> Vec<u8> {
        format!("<presence entity='sip:1001@x'>{within}</presence>").into_bytes()
    }

    #[test]
    fn what_is_published_together_has_limits() {
        let tuples = document(&"<tuple/>".repeat(1_800));
        let names: String = (0..900).map(|number| format!("<a{number}/>")).collect();
        let doing = document(&format!("<person><activities>{names}</activities></person>"));
        let long = document(&format!("<note>{}</note>", "x".repeat(16_000)));
        let whole = together(&[tuples.clone(), doing, long.clone(), tuples, long]);
        assert_eq!((whole.tuples.len(), whole.activities.len()), (MOST_TUPLES, MOST_ACTIVITIES));
        assert!(whole.write().len() < 2 * MOST_OCTETS, "{}", whole.write().len());
        let texts = document(&format!("<tuple><note>{}</note></tuple>", "x".repeat(10_000)));
        assert_eq!(together(&vec![texts; 10]).tuples.len(), 1);
    }

    #[test]
    fn what_two_devices_publish_is_told_together() {
        let one = document("<tuple id='a'><note>one</note></tuple><person><activities><away/></activities></person>");
        let other =
            document("<tuple id='a'/><note>gone</note><person><activities><away/><meal/></activities></person>");
        let whole = together(&[one, other]);
        assert_eq!(whole.activities, ["away", "meal"]);
        assert_eq!(whole.note.as_deref(), Some("gone"));
        assert_eq!(whole.tuples.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["a", "t1.a"]);
    }

    #[test]
    fn rfc3863_4_1_2_tuples_of_several_publications_stay_apart() {
        let tuple = |id: &str| Tuple { id: id.into(), ..Tuple::default() };
        let mut tuples = ["a", "b", "a", "", "", "t3.", "a"].map(tuple);
        keep_apart(&mut tuples);
        assert_eq!((tuples[0].id.as_str(), tuples[1].id.as_str()), ("a", "b"));
        let all: HashSet<&str> = tuples.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(all.len(), tuples.len(), "{all:?}");
    }
}
