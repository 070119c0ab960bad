use bytes::Bytes;

use super::*;
use crate::message::{Limits, Message};

fn message(start: &str, lines: &str) -> Headers {
    let text = format!(
        "{start}\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nFrom: <sip:a@a>;tag=1\nTo: <sip:bob@home.example>\nCall-ID: 1\nCSeq: 1 INVITE\n{lines}\n"
    );
    let read = Message::parse(Bytes::from(text.replace('\n', "\r\n")), &Limits::default()).expect("a message");
    read.headers().clone()
}

fn request(lines: &str) -> Headers {
    message("INVITE sip:bob@home.example SIP/2.0", lines)
}

fn response(code: u16, lines: &str) -> Headers {
    message(&format!("SIP/2.0 {code} X"), lines)
}

fn ours(uri: &Uri<'_>) -> bool {
    uri.host_text() == "home.example"
}

fn history(request: &Headers) -> History {
    let target = Uri::parse("sip:bob@home.example").expect("a uri");
    History::of(request, &target, Most::default(), true, ours).expect("a history")
}

fn told(told: &Told) -> Vec<String> {
    told.lines.iter().map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

const SAME: Found = Found::Here(Mechanism::SameUser);

#[test]
fn rfc7044_10_3_an_index_is_numbers_in_the_order_of_the_tree() {
    let read = |text: &str| Index::parse(text).expect("an index");
    for text in ["1", "1.2.1", "1.1.0.1", "4294967295"] {
        assert_eq!(read(text).to_string(), text);
    }
    let deepest = vec!["1"; DEEPEST].join(".");
    assert!(Index::parse(&deepest).is_some());
    assert!(Index::parse(&format!("{deepest}.1")).is_none());
    for text in ["", ".", "1.", "1..2", "+1", "a", "1.-2", "4294967296"] {
        assert!(Index::parse(text).is_none(), "{text}");
    }
    let mut sorted = ["1.2", "1.10", "1.2.1", "1", "1.3"].map(read);
    sorted.sort();
    assert_eq!(sorted.map(|index| index.to_string()), ["1", "1.2", "1.2.1", "1.3", "1.10"]);
    assert!(read("1.0.1").is_behind_gap() && !read("1.10.1").is_behind_gap());
}

#[test]
fn rfc7044_9_1_an_entry_is_added_for_who_wrote_none() {
    let request = request("");
    let mut history = history(&request);
    let entry = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
    assert_eq!(
        told(&history.to_target(&request, Some(&entry), true)),
        ["<sip:bob@home.example>;index=1", "<sip:bob@192.0.2.3>;index=1.1;rc=1"]
    );
}

#[test]
fn rfc7044_9_2_what_came_goes_on_in_its_order_and_the_new_one_behind_it() {
    let lines = "History-Info: \"Bob\" <sip:bob@far.example?Reason=SIP%3Bcause%3D302>;index=1;odd=\"x, y\", <tel:+123>;index=1.1\n\
                 History-Info: <sip:bob@home.example>;index=1.2;mp=1.1\n";
    let request = request(lines);
    let mut history = history(&request);
    let entry = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
    let other = history.branch("sip:bob@home.example", &Found::Here(Mechanism::Unchanged)).expect("room");
    let came = [
        "\"Bob\" <sip:bob@far.example?Reason=SIP%3Bcause%3D302>;index=1;odd=\"x, y\"",
        "<tel:+123>;index=1.1",
        "<sip:bob@home.example>;index=1.2;mp=1.1",
    ];
    let expected = |last| came.into_iter().chain([last]).collect::<Vec<_>>();
    assert_eq!(
        told(&history.to_target(&request, Some(&entry), true)),
        expected("<sip:bob@192.0.2.3>;index=1.2.1;rc=1.2")
    );
    assert_eq!(
        told(&history.to_target(&request, Some(&other), true)),
        expected("<sip:bob@home.example>;index=1.2.2;np=1.2"),
        "a copy says nothing of another before that has been answered"
    );
}

#[test]
fn rfc7044_10_3_a_gap_is_a_zero() {
    let request = request("History-Info: <sip:carol@far.example>;index=1.1.2\n");
    let mut history = history(&request);
    let entry = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
    assert_eq!(
        told(&history.to_target(&request, Some(&entry), true)),
        [
            "<sip:carol@far.example>;index=1.1.2",
            "<sip:bob@home.example>;index=1.1.2.0",
            "<sip:bob@192.0.2.3>;index=1.1.2.0.1;rc=1.1.2.0"
        ]
    );
}

/// What stands escaped in a URI is escaped again: nobody ends it that way.
#[test]
fn rfc7044_5_the_headers_of_an_entry_stay_escaped() {
    let entry = "<sip:bob@home.example?X%3E%2C%3Cy=%0D%0A%3E&Reason=SIP%3Bcause%3D302>;index=1";
    let request = request(&format!("History-Info: {entry}\n"));
    let history = history(&request);
    for to_trusted in [true, false] {
        assert_eq!(told(&history.to_target(&request, None, to_trusted)), [entry]);
    }
}

/// Who has hidden the last entry has not left it out.
#[test]
fn rfc7044_5_the_question_mark_of_a_uri_that_is_not_of_sip_stays() {
    let request = request("History-Info: <p:?>;index=1, <tel:+1>;index=1.1;mp=1\n");
    let mut history = history(&request);
    let entry = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
    let told = told(&history.to_target(&request, Some(&entry), true));
    assert_eq!(told[..2], ["<p:?>;index=1".to_owned(), "<tel:+1>;index=1.1;mp=1".to_owned()]);
    for line in &told {
        Headers::read::<HistoryInfo<'_>>(line.as_bytes()).expect("what is told can be read");
    }
}

#[test]
fn rfc7044_9_1_an_anonymous_entry_is_no_gap() {
    let request = request("History-Info: <sip:anonymous@anonymous.invalid>;index=1.1\n");
    let mut history = history(&request);
    let entry = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
    assert_eq!(entry.to_string(), "<sip:bob@192.0.2.3>;index=1.1.1;rc=1.1");
}

#[test]
fn rfc7044_9_3_what_has_been_answered_is_kept_with_its_reason_at_its_place() {
    let request = request("History-Info: <sip:bob@home.example>;index=1\n");
    let mut history = history(&request);
    let first = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
    let second = history.branch("sip:bob@192.0.2.4", &SAME).expect("room");
    // In another order than they were sent in.
    history.heard(&second, StatusCode::REQUEST_TIMEOUT, None, ours);
    let busy = "Reason: SIP;cause=486;text=\"twice\", Q.850;cause=17;text=\"busy, now\"\n\
                History-Info: <sip:bob@home.example>;index=1, <sip:bob@192.0.2.3>;index=1.1;rc=1, <sip:desk@10.0.0.1>;index=1.1.1;rc=1.1\n";
    let busy = response(486, busy);
    history.heard(&first, StatusCode::TRYING, Some(&busy), ours);
    assert_eq!(history.entries.len(), 2, "a 100 says nothing");
    history.heard(&first, StatusCode::RINGING, None, ours);
    assert_eq!(history.entries[1].reasons().count(), 0, "nor is ringing a reason");
    history.heard(&first, StatusCode::BUSY_HERE, Some(&busy), ours);
    let third = history.branch("sip:bob@192.0.2.5", &SAME).expect("room");
    assert_eq!(
        told(&history.to_target(&request, Some(&third), true)),
        [
            "<sip:bob@home.example>;index=1",
            "<sip:bob@192.0.2.3?Reason=SIP%3Bcause%3D486&Reason=Q.850%3Bcause%3D17%3Btext%3D%22busy%2C%20now%22>;index=1.1;rc=1",
            "<sip:desk@10.0.0.1>;index=1.1.1;rc=1.1",
            "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D408>;index=1.2;rc=1",
            "<sip:bob@192.0.2.5>;index=1.3;rc=1"
        ]
    );
    let reasons: Vec<String> = history.entries[1].reasons().collect();
    assert_eq!(reasons, ["SIP;cause=486", "Q.850;cause=17;text=\"busy, now\""]);
}

#[test]
fn rfc7044_10_4_a_redirection_says_itself_how_its_target_was_found() {
    for (contact, expected) in [
        (";mp=1.1", "<sip:c@192.0.2.5>;index=1.1;mp=1.1"),
        (";rc=1.1;q=0.5", "<sip:c@192.0.2.5>;index=1.1;rc=1.1"),
        (";np=1.1", "<sip:c@192.0.2.5>;index=1.1"),
        (";mp=x", "<sip:c@192.0.2.5>;index=1.1"),
        ("", "<sip:c@192.0.2.5>;index=1.1"),
    ] {
        let text = format!("<sip:c@192.0.2.5>{contact}");
        let contact = crate::header::NameAddr::parse(&text).expect("an address");
        let mut history = history(&request(""));
        let entry = history.branch("sip:c@192.0.2.5?Subject=x", &Found::redirected(&contact.params)).expect("room");
        assert_eq!(entry.to_string(), expected, "{text}");
    }
}

#[test]
fn rfc7044_7_what_is_retargeted_before_it_leaves_has_an_entry_for_that() {
    let mut history = History::begin("sip:bob@home.example", Most::default());
    history.retarget("sip:carol@home.example", &Found::Here(Mechanism::OtherUser));
    let entry = history.branch("sip:carol@192.0.2.4", &SAME).expect("room");
    let lines = history.lines(Some(&entry), false);
    let values: Vec<_> = lines.iter().map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
    let expected = [
        "<sip:bob@home.example>;index=1",
        "<sip:carol@home.example>;index=1.1;mp=1",
        "<sip:carol@192.0.2.4>;index=1.1.1;rc=1.1",
    ];
    assert_eq!(values, expected);
    assert!(history.to_caller(None, true).lines.is_empty(), "nobody waits for it");
}

#[test]
fn rfc7044_9_4_who_has_not_asked_is_told_nothing() {
    for (lines, tells) in [
        ("", false),
        ("Supported: path\n", false),
        ("Supported: path, HISTINFO\n", true),
        ("History-Info: <sip:bob@home.example>;index=1\n", true),
    ] {
        let request = request(lines);
        assert_eq!(!told(&history(&request).to_caller(None, true)).is_empty(), tells, "{lines}");
        let target = Uri::parse("sip:bob@home.example").expect("a uri");
        let unasked = History::of(&request, &target, Most::default(), false, ours);
        assert_eq!(unasked.is_some(), tells, "nor is it begun for him: {lines}");
    }
}

#[test]
fn rfc7044_6_1_a_request_within_a_dialog_has_no_history() {
    let text = "BYE sip:bob@home.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:bob@home.example>;tag=2\r\n\
                Call-ID: 1\r\nCSeq: 1 BYE\r\nSupported: histinfo\r\n\r\n";
    let bye = Message::parse(Bytes::from(text), &Limits::default()).expect("a message");
    let target = Uri::parse("sip:bob@home.example").expect("a uri");
    assert!(History::of(bye.headers(), &target, Most::default(), true, ours).is_none());
}

#[test]
fn rfc7044_10_1_2_outside_the_trust_domain_nobody_learns_what_is_to_be_hidden() {
    let far = "<sip:carol@far.example>;index=1";
    let lines = format!("History-Info: {far}, <sip:bob@home.example>;index=1.1;mp=1\n");
    for (privacy, hidden, left) in [
        ("", false, None),
        ("Privacy: none\n", false, None),
        ("Privacy: id\n", false, None),
        ("Privacy: history\n", true, Some("")),
        ("Privacy: HISTORY;critical\n", true, Some("")),
        ("Privacy: id;history;user\n", true, Some("id;user")),
        ("Privacy: header\n", true, None),
        ("Privacy: session\n", true, None),
        ("Privacy: ;;\n", true, None),
    ] {
        let request = request(&format!("{lines}{privacy}"));
        let mut history = history(&request);
        let entry = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
        let inside = history.to_target(&request, Some(&entry), true);
        assert_eq!((told(&inside).len(), inside.privacy), (3, false), "{privacy}");
        assert!(told(&inside).iter().all(|line| !line.contains("anonymous")), "{privacy}");
        let outside = history.to_target(&request, Some(&entry), false);
        let mut expected = match hidden {
            false => vec![far, "<sip:bob@home.example>;index=1.1;mp=1", "<sip:bob@192.0.2.3>;index=1.1.1;rc=1.1"],
            true => vec![
                far,
                "<sip:anonymous@anonymous.invalid>;index=1.1;mp=1",
                "<sip:anonymous@anonymous.invalid>;index=1.1.1;rc=1.1",
            ],
        };
        expected.extend(left.filter(|left| !left.is_empty()));
        assert_eq!(told(&outside), expected, "{privacy}");
        assert_eq!(outside.privacy, left.is_some(), "{privacy}");
        assert_eq!(outside.lines.has(HeaderId::Privacy), left.is_some_and(|left| !left.is_empty()), "{privacy}");
    }
}

#[test]
fn rfc7044_10_1_2_an_entry_that_asks_for_it_is_hidden_alone_and_says_so_no_more() {
    let lines = "History-Info: \"Carol\" <sip:carol@far.example?Privacy=history&Reason=SIP%3Bcause%3D302>;index=1, \
                 <sip:dave@far.example?Privacy=id&Reason=SIP%3Bcause%3D302>;index=1.1\n";
    let request = request(&format!("{lines}History-Info: <sip:bob@home.example>;index=1.2\n"));
    let history = history(&request);
    assert_eq!(
        told(&history.to_target(&request, None, false)),
        [
            "<sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D302>;index=1",
            "<sip:dave@far.example?Reason=SIP%3Bcause%3D302>;index=1.1",
            "<sip:bob@home.example>;index=1.2"
        ]
    );
    assert!(told(&history.to_target(&request, None, true))[0].contains("Privacy=history"));
}

#[test]
fn rfc7044_10_1_1_whom_a_request_has_reached_may_hide_himself() {
    for (theirs, expected) in [
        ("<sip:bob@192.0.2.3?Privacy=history>;index=1.1", "<sip:anonymous@anonymous.invalid>;index=1.1;np=1"),
        ("<sip:anonymous@anonymous.invalid>;index=1.1", "<sip:anonymous@anonymous.invalid>;index=1.1;np=1"),
        ("<sip:anonymous@anonymous.invalid>;index=1", "<sip:bob@192.0.2.3>;index=1.1;np=1"),
    ] {
        let request = request("Supported: histinfo\n");
        let mut history = history(&request);
        let entry = history.branch("sip:bob@192.0.2.3", &Found::Here(Mechanism::Unchanged)).expect("room");
        let answer = response(200, &format!("History-Info: <sip:bob@home.example>;index=1, {theirs}\n"));
        for code in [StatusCode::RINGING, StatusCode::OK] {
            history.heard(&entry, code, Some(&answer), ours);
            let back = history.to_caller(Some(&answer), false);
            assert_eq!(told(&back), ["<sip:bob@home.example>;index=1", expected], "{theirs}");
        }
    }
}

#[test]
fn rfc7044_10_1_1_where_we_have_found_somebody_is_told_to_no_caller_outside_the_trust_domain() {
    let request = request("Supported: histinfo\n");
    let redirected = Found::Redirected(None);
    for (found, target, hidden) in
        [(&SAME, ";rc=1", true), (&redirected, "", true), (&Found::Here(Mechanism::Unchanged), ";np=1", false)]
    {
        let mut history = history(&request);
        let entry = history.branch("sip:bob@192.0.2.3", found).expect("room");
        history.heard(&entry, StatusCode::BUSY_HERE, None, ours);
        let busy = |uri: &str, privacy: &str| format!("<{uri}?Reason=SIP%3Bcause%3D486{privacy}>;index=1.1{target}");
        let (plain, anonymous) = (busy("sip:bob@192.0.2.3", ""), busy("sip:anonymous@anonymous.invalid", ""));
        let private = busy("sip:bob@192.0.2.3", "&Privacy=history");
        let second = |of: &Told| told(of).remove(1);
        assert_eq!(second(&history.to_caller(None, false)), if hidden { anonymous } else { plain.clone() });
        // Nor does who may know it tell it outside.
        assert_eq!(second(&history.to_caller(None, true)), if hidden { private } else { plain.clone() });
        assert_eq!(second(&history.to_target(&request, None, false)), plain, "the devices of one user");
    }
}

/// What the response to one copy hides is hidden in all that is told later.
#[test]
fn rfc7044_10_1_2_what_one_answer_hides_no_other_message_tells() {
    let request = request("Supported: histinfo\n");
    let mut history = history(&request);
    let entry = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
    let theirs = "<sip:desk@home.example>;index=1.1.1, <sip:desk@far.example>;index=1.1.2";
    let busy = response(486, &format!("Privacy: history\nHistory-Info: {theirs}\n"));
    history.heard(&entry, StatusCode::BUSY_HERE, Some(&busy), ours);
    assert_eq!(
        told(&history.to_target(&request, None, false)),
        [
            "<sip:bob@home.example>;index=1",
            "<sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1",
            "<sip:anonymous@anonymous.invalid>;index=1.1.1",
            "<sip:desk@far.example>;index=1.1.2",
        ]
    );
}

#[test]
fn rfc7044_10_1_1_entries_of_ours_are_protected_one_by_one_where_the_request_is_made_anew() {
    let request = request("History-Info: <sip:carol@far.example>;index=1, <sip:bob@home.example>;index=1.1;mp=1\n");
    let mut history = history(&request);
    history.protect();
    let entry = history.branch("sip:bob@192.0.2.3", &SAME).expect("room");
    let text = |lines: &Lines| String::from_utf8_lossy(lines.as_bytes()).replace("History-Info: ", "");
    assert_eq!(
        text(&history.lines(Some(&entry), true)),
        "<sip:carol@far.example>;index=1\r\n<sip:bob@home.example?Privacy=history>;index=1.1;mp=1\r\n\
         <sip:bob@192.0.2.3?Privacy=history>;index=1.1.1;rc=1.1\r\n"
    );
    assert_eq!(
        text(&history.lines(Some(&entry), false)),
        "<sip:carol@far.example>;index=1\r\n<sip:anonymous@anonymous.invalid>;index=1.1;mp=1\r\n\
         <sip:anonymous@anonymous.invalid>;index=1.1.1;rc=1.1\r\n"
    );
}

#[test]
fn what_is_kept_of_the_history_is_bounded() {
    let entry = "<sip:bob@home.example>;index=1";
    let request = request(&format!("History-Info: {entry}\n"));
    let target = Uri::parse("sip:bob@home.example").expect("a uri");
    let new = "<sip:b@192.0.2.3>;index=1.1;rc=1".len();
    // What the brackets take is not counted.
    let octets = entry.len() + new - 4;
    for (most, room) in [
        (Most { entries: 2, octets: 1_000 }, true),
        (Most { entries: 1, octets: 1_000 }, false),
        (Most { entries: 9, octets }, true),
        (Most { entries: 9, octets: octets - 1 }, false),
        (Most { entries: 0, octets: 0 }, false),
    ] {
        let mut history = History::of(&request, &target, most, false, ours).expect("a history");
        let branch = history.branch("sip:b@192.0.2.3", &SAME);
        assert_eq!(branch.is_some(), room, "{most:?}");
        let came = usize::from(most.entries > 0);
        assert_eq!(
            told(&history.to_target(&request, branch.as_ref(), true)).len(),
            came + usize::from(room),
            "{most:?}"
        );
    }
    // Nor does a response bring more.
    let mut history = history(&request);
    let branch = history.branch("sip:b@192.0.2.3", &SAME).expect("room");
    let many: String = (1..200).map(|n| format!("History-Info: <sip:x@y>;index=1.1.{n}\n")).collect();
    let limits = Limits { headers: 1_000, ..Limits::default() };
    let text = String::from_utf8_lossy(response(486, "").bytes()).replace("\r\n\r\n", "\r\n");
    let text = format!("{text}{}\r\n", many.replace('\n', "\r\n"));
    let many = Message::parse(Bytes::from(text), &limits).expect("a message");
    history.heard(&branch, StatusCode::BUSY_HERE, Some(many.headers()), ours);
    assert_eq!(history.entries.len(), Most::default().entries);
}

#[test]
fn of_a_history_that_is_too_long_the_first_entries_are_kept_and_the_place_of_the_last() {
    let many = |most: u32| -> String {
        let line = |n: u32| format!("History-Info: <sip:x{n}@y>;index=1.{n}\n");
        (1..=most).map(line).collect()
    };
    for (count, kept) in [(31, 31), (32, 32), (33, 32), (200, 32)] {
        let mut history = history(&request(&many(count)));
        assert_eq!(history.parent().to_string(), format!("1.{count}.0"));
        // Where there is room, the entry that its sender left out.
        assert_eq!(history.entries.len(), (kept + 1).min(32));
        assert!(history.entries.iter().take(31).enumerate().all(|(n, one)| one.uri() == format!("sip:x{}@y", n + 1)));
        assert!(history.branch("sip:b@192.0.2.3", &SAME).is_none());
        assert_eq!(entries(&request(&many(count))).len(), kept);
    }
    // In octets.
    let long = "x".repeat(1_500);
    let lines: String = (1..=3).map(|n| format!("History-Info: <sip:{long}@y>;index={n}\n")).collect();
    assert_eq!(history(&request(&lines)).entries.len(), 3, "two, and that of who wrote none");
}

#[test]
fn what_a_refusal_says_of_itself_is_kept_while_there_is_room() {
    let request = request("");
    let long = "x".repeat(1_000);
    let busy =
        response(486, &format!("Reason: A;text={long}, B;text={long}, C;text={long}, D;text=d\nReason: E;text=e\n"));
    for (octets, kept) in [(8_000, "ABCD"), (2_200, "ABD"), (150, "D"), (60, "")] {
        let target = Uri::parse("sip:bob@home.example").expect("a uri");
        let mut history = History::of(&request, &target, Most { octets, ..Most::default() }, true, ours).expect("one");
        let entry =
            history.branch("sip:bob@192.0.2.3", &SAME).unwrap_or_else(|| panic!("room for an entry in {octets}"));
        history.heard(&entry, StatusCode::BUSY_HERE, Some(&busy), ours);
        let reasons: Vec<String> = history.entries[1].reasons().collect();
        assert_eq!(reasons[0], "SIP;cause=486", "that always");
        assert_eq!(reasons[1..].iter().map(|one| &one[..1]).collect::<String>(), kept, "{octets}");
    }
}

#[test]
fn rfc7044_11_gaps_are_seen() {
    for (indexes, gaps) in [
        (&[][..], false),
        (&["1"][..], false),
        (&["1", "1.1", "1.1.1", "1.2"][..], false),
        (&["1", "2"][..], false),
        (&["1", "1.2"][..], true),
        (&["1", "1.1.1"][..], true),
        (&["2"][..], true),
        (&["1", "1.0", "1.0.1"][..], true),
        (&["x"][..], true),
    ] {
        let lines: String = indexes.iter().map(|index| format!("History-Info: <sip:a@b>;index={index}\n")).collect();
        assert_eq!(has_gaps(&entries(&request(&lines))), gaps, "{indexes:?}");
    }
}

#[test]
fn rfc7044_11_the_entries_of_a_message_can_be_looked_at() {
    let request = request(
        "History-Info: <sip:carol@far.example?Reason=SIP%3Bcause%3D302>;index=1, <sip:bob@home.example>;index=1.0.1;mp=1, <sip:x@y>\n",
    );
    let entries = entries(&request);
    assert_eq!(
        entries.iter().map(Entry::uri).collect::<Vec<_>>(),
        ["sip:carol@far.example", "sip:bob@home.example", "sip:x@y"]
    );
    assert_eq!(entries[0].reasons().collect::<Vec<_>>(), ["SIP;cause=302"]);
    assert_eq!(
        entries[1].target().map(|(how, of)| (how, of.to_string())),
        Some((Mechanism::OtherUser, "1".to_owned()))
    );
    assert!(entries[1].index().is_some_and(Index::is_behind_gap));
    assert_eq!(entries[2].index(), None);
}
