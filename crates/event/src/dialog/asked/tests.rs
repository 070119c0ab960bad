use super::*;

fn identifiers(call_id: &str, local_tag: &str, remote_tag: Option<&str>) -> Identifiers {
    Identifiers {
        call_id: call_id.to_owned(),
        local_tag: local_tag.to_owned(),
        remote_tag: remote_tag.map(str::to_owned),
    }
}

/// Reads parameters that are given as pairs.
fn of(parameters: &[(&str, &str)]) -> Result<Asked, AskedError> {
    Asked::of(|name| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn rfc4235_3_2_a_dialog_is_asked_for_by_all_that_names_it_and_those_of_an_invite_without_from_tag() {
    let all = [("call-id", "a@b"), ("to-tag", "1"), ("from-tag", "2")];
    let asked = |dialog| Ok(Asked { dialog, descriptions: false });
    assert_eq!(of(&all), asked(Some(identifiers("a@b", "1", Some("2")))));
    assert_eq!(of(&all[..2]), asked(Some(identifiers("a@b", "1", None))));
    assert_eq!(of(&[("id", "7")]), asked(None));
    assert_eq!(of(&[("include-session-description", "")]), Ok(Asked { dialog: None, descriptions: true }));
    // Some of it names nothing.
    for some in [&all[..1], &all[1..2], &all[2..], &all[1..], &[all[0], all[2]]] {
        assert_eq!(of(some), Err(AskedError::Incomplete), "{some:?}");
    }
    for empty in 0..3 {
        let mut one = all;
        one[empty].1 = "";
        assert_eq!(of(&one), Err(AskedError::Incomplete), "{one:?}");
    }
}

#[test]
fn rfc4235_3_2_to_tag_is_the_local_one_from_tag_the_remote_one_and_all_three_count() {
    let one = identifiers("a@b", "1", Some("2"));
    assert!(one.cover(&one) && identifiers("a@b", "1", None).cover(&one));
    for other in [("A@b", "1", Some("2")), ("a@b", "2", Some("1")), ("a@b", "1", Some("3")), ("a@b", "2", None)] {
        assert!(!identifiers(other.0, other.1, other.2).cover(&one), "{other:?}");
    }
    // One of which the other tag is not known yet is none that was named.
    assert!(!one.cover(&identifiers("a@b", "1", None)));
}

#[test]
fn rfc4235_3_2_a_call_id_that_is_no_token_is_quoted_and_its_quotes_are_escaped() {
    let event = |call_id: &str, descriptions| {
        Asked { dialog: Some(identifiers(call_id, "1", Some("2"))), descriptions }.event().unwrap()
    };
    assert_eq!(event("a84b4c76", false), "dialog;call-id=a84b4c76;to-tag=1;from-tag=2");
    assert_eq!(
        event("a84b@pc33", true),
        "dialog;call-id=\"a84b@pc33\";to-tag=1;from-tag=2;include-session-description"
    );
    assert_eq!(event("a\"b\\c", false), "dialog;call-id=\"a\\\"b\\\\c\";to-tag=1;from-tag=2");
    assert_eq!(Asked::default().event().unwrap(), "dialog");
    let of_invite = Asked { dialog: Some(identifiers("a", "1", None)), descriptions: false };
    assert_eq!(of_invite.event().unwrap(), "dialog;call-id=a;to-tag=1");
}

/// Nothing gets into the header beside what was meant.
#[test]
fn what_cannot_be_written_is_refused() {
    let event = |call_id, to, from| Asked { dialog: Some(identifiers(call_id, to, from)), descriptions: false }.event();
    let text = |text: &str| text.to_owned();
    assert_eq!(event("", "1", None), Err(AskedError::Incomplete));
    assert_eq!(event("a", "", None), Err(AskedError::Incomplete));
    assert_eq!(event("a\r\nX: y", "1", None), Err(AskedError::CallId(text("a\r\nX: y"))));
    assert_eq!(event("a", "1;id=2", None), Err(AskedError::Tag(text("1;id=2"))));
    assert_eq!(event("a", "1", Some("")), Err(AskedError::Tag(text(""))));
}

#[test]
fn people_write_the_call_id_and_the_tags_behind_it() {
    let read = |text: &str| text.parse::<Identifiers>();
    assert_eq!(read("a@b;to-tag=1;from-tag=2"), Ok(identifiers("a@b", "1", Some("2"))));
    assert_eq!(read(" a@b ; from-tag = 2 ; to-tag = 1"), Ok(identifiers("a@b", "1", Some("2"))));
    assert_eq!(read("a@b;to-tag=1"), Ok(identifiers("a@b", "1", None)));
    for some in ["", "a@b", "a@b;from-tag=2", ";to-tag=1"] {
        assert_eq!(read(some), Err(AskedError::Incomplete), "{some}");
    }
    for other in ["a;to-tag=1;to-tag=2", "a;to-tag=1;early-only", "a;to-tag=1;from-tag=2;from-tag=3"] {
        assert!(matches!(read(other), Err(AskedError::Parameter(_))), "{other}");
    }
    assert_eq!(read("a b;to-tag=1"), Err(AskedError::CallId("a b".to_owned())));
}
