//! A disk that is full while hundreds register at once: who finds no room is answered 500, and nothing of his has happened, neither in the
//! server that goes on nor in the next one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::interop::full_disk::SmallDisk;
use crate::program::registering::{Devices, Wish};
use crate::program::{free_port, offhook};

/// More than the small disk has room for.
const USERS: usize = 400;
const PASSWORD: &str = "secret";

fn wish(user: usize, contact: Option<String>, call_id: String) -> Wish {
    Wish { user: format!("u{user}"), contact, expires: 900, call_id, cseq: 1 }
}

fn contact(user: usize) -> String {
    format!("sip:c{user}@127.0.0.1:9")
}

/// The contacts of each user, as the server at `address` tells them.
fn contacts(address: &str) -> Vec<Vec<String>> {
    let questions: Vec<Wish> = (0..USERS).map(|user| wish(user, None, format!("asking-{user}"))).collect();
    let answers = Devices::of(address).all(&questions, PASSWORD);
    answers.into_iter().map(|answer| answer.contacts.into_keys().collect()).collect()
}

fn serve(state: &Path, config: &Path) -> (crate::program::Program, String) {
    let address = format!("127.0.0.1:{}", free_port());
    (offhook::serve_at(&address, state, &["--config", config.to_str().unwrap()]), address)
}

#[test]
fn rfc3261_10_3_what_finds_no_room_on_the_disk_is_answered_500_and_has_not_happened() {
    let disk = SmallDisk::mount();
    let users = (0..USERS).map(|user| format!("[users.u{user}]\npassword = \"{PASSWORD}\"\n"));
    let config = offhook::configuration(&format!("digest = [\"md5\"]\n{}", users.collect::<String>()));
    let (mut server, address) = serve(&disk.file(""), config.path());
    let wishes: Vec<Wish> = (0..USERS).map(|user| wish(user, Some(contact(user)), format!("device-{user}"))).collect();
    let answers = Devices::of(&address).all(&wishes, PASSWORD);
    let mut codes = BTreeMap::new();
    answers.iter().for_each(|answer| *codes.entry(answer.code).or_insert(0) += 1);
    let (fitted, refused) = (codes.remove(&200).unwrap_or(0), codes.remove(&500).unwrap_or(0));
    assert!(codes.is_empty() && fitted > 20 && refused > 20, "200: {fitted}, 500: {refused}, {codes:?}");
    let of = |(user, code)| if code == 200 { vec![contact(user)] } else { Vec::new() };
    let expected: Vec<Vec<String>> = answers.iter().map(|answer| answer.code).enumerate().map(of).collect();
    assert_eq!(contacts(&address), expected, "told by the server that found no room");
    server.wait_for("a REGISTER could not be written down");
    server.kill();
    let (_next, address) = serve(&disk.file(""), config.path());
    assert_eq!(contacts(&address), expected, "told by the server after it");
}
