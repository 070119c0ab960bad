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
    assert_eq!(Presence::read(bob.write().as_bytes()).unwrap(), bob);
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
