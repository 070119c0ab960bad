//! The UUIDs of both ends of a call, as who stands between them passes them on (RFC 7989 section 7).

use std::collections::BTreeSet;

use audio::codec::Codec;
use sip::header::NIL;
use sip::message::{HeaderId, Headers, Method};

use crate::phone::Phone;
use crate::setup::{config, nothing_left, with_config, with_phones};
use crate::sound::Sound;

const ALICE: &str = "ab30317f1a784dc48ff824d0d3715d86";
const BOB: &str = "47755a9de7794ba387653f2099600ef2";
const CAROL: &str = "0123456789abcdef0123456789abcdef";

/// A line with these values.
fn says(local: &str, remote: &str) -> String {
    format!("Session-ID: {local};remote={remote}\r\n")
}

fn values(headers: &Headers) -> Vec<String> {
    headers.all(HeaderId::SessionId).map(|header| header.text().into_owned()).collect()
}

/// 1002 is called with this line in the INVITE, and refuses with these, each at a device of its own: what came there, and with the refusal.
fn refused(line: &str, refusals: &[(u16, String)]) -> (Vec<String>, Vec<String>) {
    let names: Vec<&str> = ["1001"].into_iter().chain(refusals.iter().map(|_| "1002")).collect();
    let (running, mut phones) = with_phones(&names);
    let (caller, devices) = phones.split_first_mut().unwrap();
    caller.extra = line.to_owned();
    let (came, refusal) = std::thread::scope(|scope| {
        let refuses = |device: &mut Phone, (code, line): &(u16, String)| {
            let invite = device.request(Method::Invite);
            device.respond_with(&invite, *code, line, None);
            device.request(Method::Ack);
            values(invite.headers())
        };
        let one = |(device, refusal)| scope.spawn(move || refuses(device, refusal));
        let going: Vec<_> = devices.iter_mut().zip(refusals).map(one).collect();
        let (dialog, first) = caller.call("1002", Some(&Sound::new(Codec::Pcmu).describe()));
        let refusal = if first.code().is_final() { first } else { caller.final_response(&dialog.branch) };
        let came: Vec<Vec<String>> = going.into_iter().map(|one| one.join().unwrap()).collect();
        (came, refusal)
    });
    nothing_left(&running);
    assert!(came.iter().all(|one| *one == came[0]), "{came:?}");
    (came[0].clone(), values(refusal.headers()))
}

#[test]
fn rfc7989_7_what_is_no_session_id_stays_behind() {
    let good = says(ALICE, NIL);
    let (came, told) = refused(&good, &[(486, says(BOB, ALICE))]);
    assert_eq!((came, told), (vec![format!("{ALICE};remote={NIL}")], vec![format!("{BOB};remote={ALICE}")]));
    for bad in ["Session-ID: F81D4FAE;remote=1\r\n", "Session-ID: \"x\"\r\n", "Session-ID:\r\n"] {
        assert_eq!(refused(bad, &[(486, bad.to_owned())]), (vec![], vec![]), "{bad}");
        // What else is wrong with nothing is not looked for: the call goes its way.
        assert_eq!(refused(&good, &[(486, bad.to_owned())]).0.len(), 1, "{bad}");
    }
}

#[test]
fn rfc7989_7_a_refusal_that_speaks_for_several_devices_names_none_of_them() {
    let refusals = [(486, says(BOB, ALICE)), (480, says(CAROL, ALICE))];
    assert_eq!(refused(&says(ALICE, NIL), &refusals).1, [format!("{NIL};remote={ALICE}")]);
}

/// The answer has named both ends, so who acknowledges it for the other one can name them, too.
#[test]
fn rfc7989_7_the_ack_to_a_device_has_both_uuids_of_its_answer() {
    for (said, expected) in [(says(BOB, ALICE), vec![format!("{ALICE};remote={BOB}")]), (String::new(), vec![])] {
        let (running, mut phones) = with_phones(&["1001", "1002"]);
        let [caller, callee] = &mut phones[..] else { panic!("two phones") };
        let description = Sound::new(Codec::Pcmu).describe();
        caller.extra = says(ALICE, NIL);
        let mut dialog = std::thread::scope(|scope| {
            let answers = scope.spawn(|| {
                let invite = callee.request(Method::Invite);
                callee.respond_with(&invite, 200, &said, Some(&description));
                values(callee.request(Method::Ack).headers())
            });
            let (dialog, answer) = caller.call_through("1002", &description);
            let told = values(answer.headers());
            assert_eq!(told.len(), expected.len());
            assert_eq!(answers.join().unwrap(), expected);
            dialog
        });
        std::thread::scope(|scope| {
            scope.spawn(|| callee.hung_up());
            caller.hang_up(&mut dialog);
        });
        nothing_left(&running);
    }
}

/// An extension is an end like any other; all who are in a conference have it for the same other one.
#[test]
fn rfc7989_9_a_conference_has_one_uuid_for_all_who_are_in_it_and_other_extensions_one_for_each_call() {
    for shards in [1, 3] {
        let (running, mut phones) = with_config(pbx::Config { shards, ..config() }, &["1001", "1002", "1003"]);
        let description = Sound::new(Codec::Pcmu).describe();
        let mut place = |number: &str| -> Vec<String> {
            let lines = [says(ALICE, NIL), says(BOB, NIL), String::new()];
            let mut calls: Vec<_> = phones
                .iter_mut()
                .zip(&lines)
                .map(|(phone, line)| {
                    phone.extra.clone_from(line);
                    let (dialog, answer) = phone.call_through(number, &description);
                    (dialog, values(answer.headers()).concat())
                })
                .collect();
            let ended = phones.iter_mut().zip(&mut calls).map(|(phone, (dialog, said))| {
                phone.within(dialog, "BYE", None);
                let over = phone.final_response(&dialog.branch);
                assert_eq!(values(over.headers()).concat(), *said, "{number}");
            });
            assert_eq!(ended.count(), 3);
            let uuids = calls.iter().zip([ALICE, BOB, NIL]).map(|((_, said), theirs)| {
                let (ours, remote) = said.split_once(";remote=").unwrap();
                assert_eq!(remote, theirs, "{number}");
                ours.to_owned()
            });
            uuids.collect()
        };
        let conference = place("610");
        assert!(conference.iter().all(|uuid| *uuid == conference[0] && uuid != NIL), "{conference:?}");
        let echoes: BTreeSet<String> = place("600").into_iter().collect();
        assert_eq!(echoes.len(), 3);
        nothing_left(&running);
    }
}
