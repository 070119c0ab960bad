use super::*;

#[test]
fn rfc3863_4_1_a_document_and_back() {
    let body = r#"<?xml version="1.0" encoding="UTF-8"?>
<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
    xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="pres:bob@example.com">
  <impp:tuple id="sg89ae"><impp:status><impp:basic>open</impp:basic></impp:status>
    <impp:contact priority="0.8">tel:+09012345678</impp:contact><impp:note>at the desk</impp:note>
    <impp:timestamp>2001-10-27T16:49:29Z</impp:timestamp></impp:tuple>
  <impp:tuple id="b"><impp:status/></impp:tuple>
  <dm:person id="p1"><rpid:activities><rpid:note>Far away</rpid:note><rpid:on-the-phone/><rpid:other>juggling</rpid:other></rpid:activities>
    <dm:note>Scoring 120</dm:note></dm:person>
</impp:presence>"#;
    let bob = Presence::read(body.as_bytes()).unwrap();
    assert_eq!((bob.entity.as_str(), bob.basic(), bob.tuples.len()), ("pres:bob@example.com", Some(Basic::Open), 2));
    let first = &bob.tuples[0];
    assert_eq!((first.contact.as_deref(), first.priority), (Some("tel:+09012345678"), Some(800)));
    assert_eq!(
        (first.note.as_deref(), first.timestamp.as_deref()),
        (Some("at the desk"), Some("2001-10-27T16:49:29Z"))
    );
    assert_eq!(bob.tuples[1].basic, None);
    assert_eq!(bob.activities, ["on-the-phone", "juggling"]);
    assert_eq!(bob.note.as_deref(), Some("Scoring 120"));
    assert!(bob.write().starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence "));
    assert_eq!(Presence::read(bob.write().as_bytes()).unwrap(), bob);
}

#[test]
fn rfc3863_3_1_a_document_in_utf_16_is_read_by_its_mark() {
    let text = "<?xml version='1.0' encoding='UTF-16'?><presence entity='pres:j\u{fc}rgen@a'><tuple id='t'><status><basic>open</basic></status>\
        <note>\u{20ac}\u{1f600}</note></tuple></presence>";
    let encoded = |mark: &str, octets: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.encode_utf16().chain(text.encode_utf16()).flat_map(octets).collect()
    };
    let plain = Presence::read(text.as_bytes()).unwrap();
    assert_eq!(plain.tuples[0].note.as_deref(), Some("\u{20ac}\u{1f600}"));
    for octets in [u16::to_be_bytes, u16::to_le_bytes] {
        let whole = encoded("\u{feff}", octets);
        assert_eq!(Presence::read(&whole), Ok(plain.clone()));
        // Without the mark, with half a unit at the end, and with half a pair in it, it is nothing that can be read.
        assert!(Presence::read(&encoded("", octets)).is_err());
        assert_eq!(Presence::read(&whole[..whole.len() - 1]), Err(XmlError::Encoding));
        let torn: Vec<u8> = [octets(0xfeff), octets(0xd800), octets(0x41)].concat();
        assert_eq!(Presence::read(&torn), Err(XmlError::Encoding));
    }
}

#[test]
fn rfc3863_4_1_4_open_where_one_tuple_is() {
    let of = |states: &[Option<Basic>]| {
        let tuples = states.iter().map(|basic| Tuple { basic: *basic, ..Tuple::default() }).collect();
        Presence { tuples, ..Presence::default() }.basic()
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[None]), None);
    assert_eq!(of(&[Some(Basic::Closed), None]), Some(Basic::Closed));
    assert_eq!(of(&[Some(Basic::Closed), Some(Basic::Open)]), Some(Basic::Open));
}

#[test]
fn a_name_that_is_no_element_stays_a_text() {
    let nasty = Presence { activities: vec!["a><b".into(), "note".into()], ..Presence::default() };
    assert_eq!(Presence::read(nasty.write().as_bytes()).unwrap().activities, nasty.activities);
}

#[test]
fn rfc3863_4_1_5_priority_is_zero_to_one() {
    let all = ["0", "1", "0.5", "0.123", "1.000", "1.001", "2", "0.1234", "", "-1", ".5", "0.x"].map(thousandths);
    assert_eq!(
        all,
        [Some(0), Some(1_000), Some(500), Some(123), Some(1_000), None, None, None, None, None, None, None]
    );
}

#[test]
fn rfc3863_4_2_3_what_is_not_understood_is_passed_over_and_the_rest_is_read() {
    let body = "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:p='urn:ietf:params:xml:ns:pidf' xmlns:x='urn:x' entity='pres:a@b'>\
        <tuple id='t'><status><x:mode p:mustUnderstand='1'>m<basic>closed</basic><x:deep p:mustUnderstand='true'/></x:mode>\
        <basic>open</basic></status><x:more><contact>sip:elsewhere@b</contact></x:more><contact>sip:a@b</contact>\
        <note>\u{fc}ber Mittag \u{1f35c}</note></tuple></presence>";
    let read = Presence::read(body.as_bytes()).unwrap();
    let one = &read.tuples[0];
    assert_eq!((one.basic, one.contact.as_deref()), (Some(Basic::Open), Some("sip:a@b")));
    assert_eq!(one.note.as_deref(), Some("\u{fc}ber Mittag \u{1f35c}"));
    assert_eq!(Presence::read(read.write().as_bytes()).unwrap(), read);
}

const RICH: &str = "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' \
    xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' xmlns:lt='urn:ietf:params:xml:ns:location-type' entity='pres:a@b'>\
    <tuple id='t'><status><basic>open</basic></status><rpid:class>work</rpid:class><dm:deviceID>urn:device:1</dm:deviceID></tuple>\
    <dm:person id='p'><rpid:activities><rpid:meeting/><rpid:other>juggling</rpid:other></rpid:activities><rpid:class>friends</rpid:class>\
    <rpid:mood><rpid:note>so so</rpid:note><rpid:happy/><rpid:other>wistful</rpid:other></rpid:mood>\
    <rpid:place-type><lt:office/><lt:airport/></rpid:place-type><rpid:sphere><rpid:work/></rpid:sphere>\
    <rpid:user-input idle-threshold='600' last-input='2004-10-21T13:20:00-05:00'>idle</rpid:user-input></dm:person></presence>";

#[test]
fn rfc4480_3_what_is_told_of_a_person_is_read_and_written() {
    let read = Presence::read(RICH.as_bytes()).unwrap();
    let expected = Person {
        class: Some("friends".into()),
        moods: vec!["happy".into(), "wistful".into()],
        places: vec!["office".into(), "airport".into()],
        sphere: Some("work".into()),
        input: Some(UserInput { active: false, last: Some("2004-10-21T13:20:00-05:00".into()) }),
    };
    assert_eq!((&read.person, read.activities.as_slice()), (&expected, &["meeting".into(), "juggling".into()][..]));
    assert_eq!(
        (read.tuples[0].class.as_deref(), read.tuples[0].device.as_deref()),
        (Some("work"), Some("urn:device:1"))
    );
    assert_eq!(Presence::read(read.write().as_bytes()).unwrap(), read);
    // What is no element of RFC 4480 is none of ours.
    let text = read.write();
    assert!(
        text.contains("<rpid:other>juggling</rpid:other>") && text.contains("<rpid:other>wistful</rpid:other>"),
        "{text}"
    );
    assert!(text.contains("<lt:office/><lt:airport/>"), "{text}");
    // When somebody last did anything need not be told.
    let input = Some(UserInput { active: true, last: None });
    let quiet = Presence { person: Person { input, ..expected }, ..read };
    assert!(quiet.write().contains("<rpid:user-input>active</rpid:user-input>"), "{}", quiet.write());
}

/// What has no element of its own is a text: a place in place of all names, a sphere as the document of RFC 4480 section 4 has it.
#[test]
fn rfc4480_3_7_a_place_or_a_sphere_that_has_no_name_is_a_text() {
    let of = |within: &str| {
        let body = format!("<presence entity='pres:a@b'><person>{within}</person></presence>");
        let read = Presence::read(body.as_bytes()).unwrap();
        assert_eq!(Presence::read(read.write().as_bytes()).unwrap(), read);
        read
    };
    let places = |within: &str| of(&format!("<place-type>{within}</place-type>")).person.places;
    assert_eq!(places("<other>On the moon</other>"), ["On the moon"]);
    assert_eq!(places("<other>On the moon</other><office/><other>and beyond</other><train/>"), ["office", "train"]);
    let sphere = |within: &str| of(&format!("<sphere>{within}</sphere>"));
    assert_eq!(sphere("bowling league").person.sphere.as_deref(), Some("bowling league"));
    assert!(sphere("<home/>").write().contains("<rpid:sphere><rpid:home/></rpid:sphere>"));
    assert_eq!(sphere("").person, Person::default());
}

/// Nor has any of them the times that class and deviceID must not have (RFC 4480 sections 3.3 and 3.4), and a mood has one at least (section 3.5).
#[test]
fn rfc4480_5_each_element_of_a_person_stands_there_once() {
    let twice =
        RICH.replace("<rpid:sphere>", "<rpid:mood until='2030-01-01T00:00:00Z'><rpid:sad/></rpid:mood><rpid:sphere>");
    let read = Presence::read(twice.as_bytes()).unwrap();
    assert_eq!(read.person.moods, ["happy", "wistful", "sad"]);
    let text = read.write();
    for name in ["activities", "mood", "place-type", "sphere", "user-input"] {
        assert_eq!(text.matches(&format!("<rpid:{name}")).count(), 1, "{text}");
    }
    assert!(!text.contains("from=") && !text.contains("until="), "{text}");
    let calm = Presence { person: Person { moods: Vec::new(), ..read.person.clone() }, ..read };
    assert!(!calm.write().contains("mood"), "{}", calm.write());
}
