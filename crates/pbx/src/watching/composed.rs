//! What a user has published of his presence, as one.

use std::collections::HashSet;

use event::presence::{Presence, Tuple};

/// Most ways of reaching somebody that watchers are told.
const MOST_TUPLES: usize = 32;
/// Most that he is said to be doing, to feel, and to be at.
const MOST_ACTIVITIES: usize = 16;
/// Most octets of text in all that, as it is written: over UDP a NOTIFY has no more than 65,507 for all.
const MOST_OCTETS: usize = 16_384;

/// One presence of all that was published, within limits: what exceeds them is left out.
pub(super) fn together(bodies: &[Vec<u8>]) -> Presence {
    let mut whole = Presence::default();
    let mut octets = 0;
    let mut fits = |texts: &[Option<&String>]| {
        let more = octets + texts.iter().flatten().map(|text| event::xml::length_written(text)).sum::<usize>();
        let fits = more <= MOST_OCTETS;
        if fits {
            octets = more;
        }
        fits
    };
    for one in bodies.iter().filter_map(|body| Presence::read(body).ok()) {
        whole.note = whole.note.or_else(|| one.note.filter(|note| fits(&[Some(note)])));
        for tuple in one.tuples {
            let Tuple { id, contact, note, timestamp, device, class, values, .. } = &tuple;
            let texts =
                [Some(id), contact.as_ref(), note.as_ref(), timestamp.as_ref(), device.as_ref(), class.as_ref()];
            let said = values.iter().flat_map(|one| [&one.namespace, &one.name, &one.text]).map(Some);
            let texts: Vec<_> = texts.into_iter().chain(said).collect();
            if whole.tuples.len() < MOST_TUPLES && fits(&texts) {
                whole.tuples.push(tuple);
            }
        }
        let (ours, told) = (&mut whole.person, one.person);
        // Of each the first that says so; but for whether he uses a device, which he does if he does with one.
        ours.class = ours.class.take().or_else(|| told.class.filter(|text| fits(&[Some(text)])));
        ours.sphere = ours.sphere.take().or_else(|| told.sphere.filter(|text| fits(&[Some(text)])));
        if ours.input.as_ref().is_none_or(|input| !input.active && told.input.as_ref().is_some_and(|told| told.active))
        {
            // Whether is told though since when has no room.
            let input = told.input.map(|mut input| {
                input.last = input.last.take().filter(|last| fits(&[Some(last)]));
                input
            });
            ours.input = input.or(ours.input.take());
        }
        let lists =
            [(&mut whole.activities, one.activities), (&mut ours.moods, told.moods), (&mut ours.places, told.places)];
        for (ours, told) in lists {
            for name in told {
                if ours.len() < MOST_ACTIVITIES && !ours.contains(&name) && fits(&[Some(&name)]) {
                    ours.push(name);
                }
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
        assert_eq!(together(&vec![texts.clone(); 10]).tuples.len(), 1);
        // What does not fit takes no room from what does, and counts as it is written.
        let quoted = document(&format!("<note>{}</note>", "\"".repeat(3_000)));
        let short = document("<tuple id='short'/>");
        let whole = together(&[texts.clone(), texts, quoted, short]);
        assert_eq!((whole.tuples.len(), whole.tuples[1].id.as_str(), whole.note), (2, "short", None));
    }

    #[test]
    fn rfc3863_4_1_3_what_a_status_says_besides_open_and_closed_is_told_within_the_limits() {
        let location = |text: &str| format!("<l:location xmlns:l='urn:l'>{text}</l:location>");
        let tuple = |within: &str| document(&format!("<tuple><status>{within}</status></tuple>"));
        let whole = together(&[tuple(&location("home"))]);
        let told = Presence::read(whole.write().as_bytes()).unwrap().tuples.remove(0);
        assert_eq!((told.basic, told.values[0].text.as_str()), (None, "home"));
        // Of as much as the values have one tuple is told after the other, until there is no room.
        let much = tuple(&location(&"x".repeat(1_000)).repeat(8));
        assert_eq!(together(&vec![much; 5]).tuples.len(), 2);
    }

    #[test]
    fn what_is_not_told_takes_no_room() {
        let open = "<tuple id='open'><status><basic>open</basic></status></tuple>";
        for (before, behind) in [
            ("<note>", "</note>"),
            ("<person><class>", "</class></person>"),
            ("<person><sphere>", "</sphere></person>"),
        ] {
            // Of the second what the first has said is not told; it would leave no room for the way of reaching him that comes after it.
            let [first, second] =
                [9_000, MOST_OCTETS - 9_000].map(|count| format!("{before}{}{behind}", "x".repeat(count)));
            let whole = together(&[document(&first), document(&second), document(open)]);
            assert_eq!(whole.tuples.len(), 1, "{before}");
        }
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
    fn rfc4480_3_what_two_devices_tell_of_a_person_is_told_as_one() {
        let person = |within: &str| document(&format!("<person>{within}</person>"));
        let idle = person(
            "<class>a</class><mood><happy/></mood><sphere><work/></sphere><user-input last-input='x'>idle</user-input>",
        );
        let active = person("<class>b</class><mood><happy/><hot/></mood><user-input>active</user-input>");
        for bodies in [[idle.clone(), active.clone()], [active, idle.clone()]] {
            let whole = together(&bodies).person;
            assert_eq!((whole.moods.len(), whole.sphere.as_deref()), (2, Some("work")));
            assert!(whole.input.is_some_and(|input| input.active && input.last.is_none()), "{bodies:?}");
        }
        let longer = person(&format!("<user-input last-input='{}'>active</user-input>", "x".repeat(17_000)));
        for bodies in [[idle.clone(), longer.clone()], [longer, idle]] {
            let input = together(&bodies).person.input;
            assert!(input.is_some_and(|input| input.active && input.last.is_none()), "active all the same");
        }
        let names: String = ('a'..='z').map(|letter| format!("<place-{letter}/>")).collect();
        let many = person(&format!("<mood>{names}</mood><place-type>{names}</place-type>"));
        let whole = together(&[many.clone(), many]).person;
        assert_eq!((whole.moods.len(), whole.places.len()), (MOST_ACTIVITIES, MOST_ACTIVITIES));
        let long = person(&format!("<class>{}</class>", "x".repeat(10_000)));
        let text = |presence: Presence| presence.person.class.map_or(0, |class| class.len());
        assert_eq!(text(together(&[document(&format!("<note>{}</note>", "x".repeat(10_000))), long])), 0);
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
