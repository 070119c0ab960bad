//! A server killed in the middle of a thousand registrations: what was answered 200 is there after the restart, and nothing is that nobody sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::program::registering::{Answered, Devices, Wish};
use crate::program::{PATIENCE, free_port, offhook};

const USERS: usize = 250;
const CONTACTS: usize = 4;
const PASSWORD: &str = "secret";
/// Requests under way at a time, and unanswered at least when the server is killed.
const WINDOW: usize = 120;
const UNANSWERED: usize = 50;
/// The first number of the devices' requests.
const CSEQ: u32 = 7;

/// A small generator of our own (xorshift), so that a failing run can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// So many SIP loops.
fn configuration(shards: u8) -> tempfile::NamedTempFile {
    let users = (0..USERS).map(|user| format!("[users.u{user}]\npassword = \"{PASSWORD}\"\n"));
    offhook::configuration(&format!("digest = [\"md5\"]\nshards = {shards}\n{}", users.collect::<String>()))
}

/// A thousand contacts, each with a device and a lifetime of its own.
fn wishes() -> Vec<Wish> {
    let wish = |number: usize| Wish {
        user: format!("u{}", number % USERS),
        contact: Some(format!("sip:c{number}@127.0.0.1:9")),
        expires: 900 + u32::try_from(number).unwrap(),
        call_id: format!("device-{number}"),
        cseq: CSEQ,
    };
    (0..USERS * CONTACTS).map(wish).collect()
}

/// What was asked and what was confirmed before the kill, with when that was.
struct Killed {
    /// When each wish was begun: the first so many, and no other was ever sent.
    begun: Vec<Instant>,
    confirmed: BTreeMap<usize, Instant>,
    at: Instant,
}

impl Killed {
    /// What may be left of a wish's lifetime, asked between `asked` and now: to the second, with two for where a second begins, and the
    /// time between question and answer.
    fn left(&self, number: usize, wish: &Wish, asked: Instant) -> std::ops::RangeInclusive<u64> {
        // What was not confirmed was written at some time between its first request and the kill.
        let (first, last) = match self.confirmed.get(&number) {
            Some(confirmed) => (*confirmed, *confirmed),
            None => (self.begun[number], self.at),
        };
        let (old, young) = (first.elapsed().as_secs(), asked.duration_since(last).as_secs());
        let lifetime = u64::from(wish.expires);
        lifetime.saturating_sub(old + 2)..=lifetime.saturating_sub(young.saturating_sub(2))
    }
}

/// Registers until `after` have been answered, and kills when at least [`UNANSWERED`] that had been sent are not. To be sure of that, whatever
/// the machine lets run first, the server is stopped, what it has answered is read, and it goes on or is killed where it stands.
fn register_and_kill(state: &Path, config: &str, wishes: &[Wish], after: usize) -> Killed {
    let address = format!("127.0.0.1:{}", free_port());
    let mut server = offhook::serve_at(&address, state, &["--config", config]);
    let mut devices = Devices::of(&address);
    let mut confirmed = BTreeMap::new();
    let mut begun = Vec::new();
    let end = Instant::now() + PATIENCE;
    loop {
        while begun.len() < wishes.len() && devices.len() < WINDOW {
            devices.begin(begun.len(), &wishes[begun.len()], PASSWORD);
            begun.push(Instant::now());
        }
        let (answered, unanswered) = (confirmed.len(), devices.unanswered());
        let stopped = answered >= after && unanswered >= UNANSWERED;
        if stopped {
            server.signal("STOP");
        }
        let at = Instant::now();
        let wait = Duration::from_millis(if stopped { 20 } else { 100 });
        while let Some((number, answer)) = devices.next(wishes, wait) {
            assert_eq!(answer.code, 200, "{:?}", wishes[number]);
            confirmed.insert(number, Instant::now());
            if !stopped {
                break;
            }
        }
        if stopped && unanswered + answered >= confirmed.len() + UNANSWERED {
            server.kill();
            return Killed { begun, confirmed, at };
        }
        if stopped {
            server.signal("CONT");
        }
        devices.again();
        assert!(Instant::now() < end, "{} answered, {} not", confirmed.len(), devices.unanswered());
    }
}

/// Everything that is wrong after a restart.
fn faults(state: &Path, config: &str, wishes: &[Wish], killed: &Killed) -> Vec<String> {
    let address = format!("127.0.0.1:{}", free_port());
    let _server = offhook::serve_at(&address, state, &["--config", config]);
    let mut faults = Vec::new();
    let ask = |user: usize| Wish {
        user: format!("u{user}"),
        contact: None,
        expires: 0,
        call_id: format!("asking-{user}"),
        cseq: 1,
    };
    let questions: Vec<Wish> = (0..USERS).map(ask).collect();
    let asked = Instant::now();
    let answers = Devices::of(&address).all(&questions, PASSWORD);
    let mut there = Vec::new();
    for (user, Answered { code, contacts }) in answers.iter().enumerate() {
        if *code != 200 {
            faults.push(format!("u{user}: asked for its contacts, answered {code}"));
        }
        let mut contacts = contacts.clone();
        // What was never sent cannot be there: it stays among the contacts and is told as invented.
        let begun = wishes.iter().enumerate().take(killed.begun.len());
        for (number, wish) in begun.filter(|(_, wish)| wish.user == format!("u{user}")) {
            let Some(left) = contacts.remove(wish.contact.as_deref().unwrap_or_default()) else {
                if killed.confirmed.contains_key(&number) {
                    faults.push(format!("{wish:?}: answered 200, and gone"));
                }
                continue;
            };
            there.push(wish);
            let expected = killed.left(number, wish, asked);
            if !expected.contains(&u64::from(left)) {
                faults.push(format!("{wish:?}: {left} s left, expected {expected:?}"));
            }
        }
        faults.extend(contacts.into_keys().map(|uri| format!("u{user}: {uri} was invented")));
    }
    faults.extend(order_faults(&address, &there));
    faults
}

/// The Call-ID and CSeq of each binding are known again when an older request of its device is refused and a younger one taken (RFC 3261
/// section 10.3 step 7).
fn order_faults(address: &str, there: &[&Wish]) -> Vec<String> {
    // The request that made the binding was the second of two.
    let at = |cseq: u32| there.iter().map(|wish| Wish { cseq, ..(*wish).clone() }).collect::<Vec<_>>();
    let mut faults = Vec::new();
    // One socket and one row of tags: with the tag of another request of the same number it would be a merged one.
    let mut devices = Devices::of(address);
    for (cseq, expected) in [(CSEQ, 500), (CSEQ + 1, 200)] {
        for (wish, answer) in there.iter().zip(devices.all(&at(cseq), PASSWORD)) {
            if answer.code != expected {
                let number = cseq + 1;
                faults.push(format!("{wish:?}: CSeq {number} is answered {}, expected {expected}", answer.code));
            }
        }
    }
    faults
}

/// Kills `rounds` times at moments drawn from a seed; `damage` is done to the state before each restart, and is told what was killed. With
/// so many SIP loops before and after.
fn rounds(rounds: usize, seed: u64, (before, after): (u8, u8), damage: impl Fn(&Path, &Killed)) -> Vec<String> {
    let (before, restarted, wishes) = (configuration(before), configuration(after), wishes());
    let (config, restarted) = (before.path().to_str().unwrap(), restarted.path().to_str().unwrap());
    let mut dice = Dice(seed);
    let mut all = Vec::new();
    for round in 1..=rounds {
        let state = tempfile::tempdir().unwrap();
        let after = 1 + usize::try_from(dice.below(800)).unwrap();
        let killed = register_and_kill(state.path(), config, &wishes, after);
        damage(state.path(), &killed);
        let told = format!("seed {seed}, round {round}, {} confirmed", killed.confirmed.len());
        all.extend(
            faults(state.path(), restarted, &wishes, &killed).into_iter().map(|fault| format!("{told}: {fault}")),
        );
    }
    all
}

#[test]
fn rfc3261_10_3_bindings_that_were_confirmed_survive_twenty_kills() {
    let faults = rounds(20, 0x0ff_4001, (1, 1), |_, _| {});
    assert!(faults.is_empty(), "{} faults, the first:\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
}

#[test]
fn bindings_that_were_lost_are_noticed() {
    let faults = rounds(1, 0x0ff_4002, (1, 1), |state, _| {
        let journal = std::fs::OpenOptions::new().write(true).open(state.join("state/bindings.journal")).unwrap();
        journal.set_len(journal.metadata().unwrap().len() / 2).unwrap();
    });
    assert!(faults.iter().any(|fault| fault.contains("answered 200, and gone")), "{faults:?}");
}

/// Between kill and restart another server writes to the state what the devices never asked for.
#[test]
fn bindings_that_nobody_asked_for_are_noticed() {
    let wishes = wishes();
    let written = std::cell::RefCell::new(Vec::new());
    let faults = rounds(1, 0x0ff_4007, (1, 1), |state, killed| {
        let mut confirmed = killed.confirmed.keys().map(|number| wishes[*number].clone());
        let not_begun = wishes[killed.begun.len()..].last().expect("not all were begun").clone();
        let of_nobody = Wish { contact: Some("sip:nobody@127.0.0.1:9".to_owned()), ..wishes[0].clone() };
        let other_device = Wish { call_id: "other-device".to_owned(), ..confirmed.next().unwrap() };
        let (again, shorter) = (confirmed.next().unwrap(), confirmed.next().unwrap());
        let all = [
            not_begun,
            Wish { call_id: "device-nobody".to_owned(), ..of_nobody },
            other_device,
            Wish { cseq: CSEQ + 10, ..again },
            Wish { cseq: CSEQ + 1, expires: shorter.expires - 100, ..shorter },
        ];
        let (address, config) = (format!("127.0.0.1:{}", free_port()), configuration(1));
        let _server = offhook::serve_at(&address, state, &["--config", config.path().to_str().unwrap()]);
        let answers = Devices::of(&address).all(&all, PASSWORD);
        assert!(answers.iter().all(|answer| answer.code == 200), "{answers:?}");
        written.replace(all.map(|wish| wish.contact.unwrap()).to_vec());
    });
    let expected = ["was invented", "was invented", "is answered 200, expected 500", "is answered 500, expected 200"];
    for (contact, fault) in written.take().iter().zip(expected.into_iter().chain(["s left, expected"])) {
        assert!(
            faults.iter().any(|told| told.contains(contact) && told.contains(fault)),
            "{contact} {fault}: {faults:?}"
        );
    }
}

#[test]
fn bindings_of_four_loops_survive_kills_and_any_number_of_loops_takes_them_back() {
    for (seed, loops) in [(0x0ff_4003, (4, 4)), (0x0ff_4004, (4, 1)), (0x0ff_4005, (4, 3)), (0x0ff_4006, (1, 4))] {
        let faults = rounds(1, seed, loops, |_, _| {});
        assert!(faults.is_empty(), "{loops:?}: {} faults, the first:\n{}", faults.len(), faults[0]);
    }
}
