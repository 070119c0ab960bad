//! Who is told of calls and conferences of those who do not want to be known (RFC 3323, RFC 4575 section 8.2), and of those with several devices.

use std::collections::BTreeSet;

use event::conference::{Conference, User};

use super::*;

/// Calls an extension, with these lines in the INVITE.
fn call_with(phone: &mut Phone, number: &str, lines: &str) -> Dialog {
    phone.extra = lines.to_owned();
    let dialog = call(phone, number);
    phone.extra.clear();
    dialog
}

/// What is told of who is in the conference now, and as it is written.
fn in_610(watcher: &mut Phone) -> (Conference, String) {
    let answer = ask(watcher, "SUBSCRIBE", "610", "Event: conference\r\nExpires: 0\r\n", None).1;
    assert_eq!(answer.code().get(), 200);
    let notify = told(watcher);
    (Conference::read(notify.body()).unwrap(), String::from_utf8_lossy(notify.body()).into_owned())
}

/// What nobody watches is not written down: somebody watches something.
fn onlooker(watcher: &mut Phone) {
    assert_eq!(subscribe(watcher, "600", "dialog").1.code().get(), 200);
    told(watcher);
}

/// Of two who are in it with two devices each, one is told with both, and the other, who does not want to be known, as two whom nobody knows.
#[test]
fn rfc4575_5_6_who_is_in_a_conference_is_told_once_and_who_hides_is_nobody_twice() {
    let (running, mut phones) = with_phones(&["1001", "1001", "1002", "1002", "1003"]);
    let [first, second, hides, hides_too, watcher] = &mut phones[..] else { panic!("five phones") };
    onlooker(watcher);
    assert_eq!(in_610(watcher).0.users, []);
    let mut open = [call_with(first, "610", ""), call_with(second, "610", "")];
    let mut hidden = [call_with(hides, "610", "Privacy: id\r\n"), call_with(hides_too, "610", "Privacy: user\r\n")];
    let devices = |conference: &Conference| conference.users.iter().map(|user| user.endpoints.len()).sum::<usize>();
    let (conference, text) = in_610(watcher);
    assert_eq!((conference.count, conference.users.len(), devices(&conference)), (Some(3), 3, 4), "{text}");
    let names: BTreeSet<&str> = conference.users.iter().map(|user| user.entity.as_str()).collect();
    assert_eq!(names.len(), 3, "{text}");
    let known = conference.users.iter().find(|user| user.entity == "sip:1001@127.0.0.1").unwrap();
    assert!(known.endpoints.len() == 2 && known.endpoints[0].entity != known.endpoints[1].entity, "{text}");
    let is_nobody = |user: &&User| user.entity.ends_with("@anonymous.invalid") && user.display.is_none();
    let nobodies: Vec<&str> = conference.users.iter().filter(is_nobody).map(|user| user.entity.as_str()).collect();
    assert!(nobodies.len() == 2 && !text.contains("sip:1002"), "{text}");
    // He himself knows where he is.
    let (own, text) = in_610(hides);
    assert_eq!((own.users.len(), devices(&own)), (2, 4), "{text}");
    assert!(own.users.iter().any(|user| user.entity == "sip:1002@127.0.0.1"), "{text}");
    // Who stays keeps his name, when another like him leaves.
    hides.hang_up(&mut hidden[0]);
    let (after, text) = in_610(watcher);
    assert_eq!(devices(&after), 3, "{text}");
    let left: Vec<&str> = after.users.iter().filter(is_nobody).map(|user| user.entity.as_str()).collect();
    assert!(left.len() == 1 && nobodies.contains(&left[0]), "{text}");
    // And who leaves with one of two devices is there with the other.
    second.hang_up(&mut open[1]);
    let (after, text) = in_610(watcher);
    assert_eq!(devices(&after), 2, "{text}");
    assert!(after.users.iter().any(|user| user.entity == "sip:1001@127.0.0.1"), "{text}");
    first.hang_up(&mut open[0]);
    hides_too.hang_up(&mut hidden[1]);
    nothing_left(&running);
}

/// A user may watch every other. What the caller's side tells would tell the callee who has called him from nobody.
#[test]
fn rfc3323_4_2_who_watches_an_anonymous_caller_is_not_told_whom_he_calls() {
    for (lines, remote) in [("Privacy: id\r\n", ["anonymous", "anonymous"]), ("", ["1002", "1001"])] {
        let (running, mut phones) = with_phones(&["1001", "1002", "1003"]);
        let [caller, callee, watcher] = &mut phones[..] else { panic!("three phones") };
        let mut sides = Vec::new();
        let description = Sound::new(Codec::Pcmu).describe();
        onlooker(watcher);
        let (mut dialog, _) = std::thread::scope(|scope| {
            let answers = scope.spawn(|| callee.answers(&description));
            (call_with(caller, "1002", lines), answers.join().unwrap())
        });
        for whom in ["1001", "1002"] {
            assert_eq!(ask(watcher, "SUBSCRIBE", whom, "Event: dialog\r\nExpires: 0\r\n", None).1.code().get(), 200);
            let info = DialogInfo::read(told(watcher).body()).unwrap();
            let [one] = &info.dialogs[..] else { panic!("{info:?}") };
            sides.push((one.id.clone(), one.remote.identity.clone().unwrap()));
        }
        let expected = remote.map(|name| format!("sip:{name}@127.0.0.1"));
        assert_eq!([&sides[0].1, &sides[1].1], [&expected[0], &expected[1]], "{lines}");
        // Nor do the names of the dialogs tell that it is the same call.
        assert_ne!(sides[0].0.trim_end_matches(['o', 'i']), sides[1].0.trim_end_matches(['o', 'i']));
        // Each of the two sees of his own call what he knows anyway.
        for (who, whom, remote) in [(&mut *caller, "1001", "1002"), (&mut *callee, "1002", remote[1])] {
            assert_eq!(ask(who, "SUBSCRIBE", whom, "Event: dialog\r\nExpires: 0\r\n", None).1.code().get(), 200);
            let info = DialogInfo::read(told(who).body()).unwrap();
            assert_eq!(
                info.dialogs[0].remote.identity.as_deref(),
                Some(&*format!("sip:{remote}@127.0.0.1")),
                "{lines}"
            );
        }
        std::thread::scope(|scope| {
            scope.spawn(|| callee.hung_up());
            caller.hang_up(&mut dialog);
        });
        nothing_left(&running);
    }
}
