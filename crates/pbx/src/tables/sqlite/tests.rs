use super::*;
use crate::config::Limits;

/// A server whose table had these users at the start, and none in its configuration but `own`.
fn changes(most: usize, names: &[&str]) -> Changes {
    changes_told(most, names, Vec::new())
}

/// The same with loops that are told.
fn changes_told(most: usize, names: &[&str], loops: Vec<net::Handle<Command>>) -> Changes {
    let own = User { secret: Secret::Password("x".to_owned()), ..User::default() };
    let own = Config {
        users: [("own".to_owned(), own)].into(),
        limits: Limits { users: most, ..Limits::default() },
        ..Config::default()
    };
    let mut config = own.clone();
    add(&mut config, rows(names).users).expect("names of their own");
    let (accounts, _) = Accounts::load(&config).expect("users");
    let (accounts, offered, tally) = (Arc::new(accounts), config.digest.clone(), Tally::new(most));
    Changes::new(own, Begin { config, accounts, offered, tally }, Panel::new(loops, &[], 0))
}

/// Each `name` or `name:password`.
fn rows(names: &[&str]) -> Rows {
    let user = |name: &&str| {
        let (name, password) = name.split_once(':').unwrap_or((name, "x"));
        let secret = sqlite::Secret::Password(password.to_owned());
        sqlite::User { name: name.to_owned(), secret, display: None, numbers: Vec::new(), max_contacts: None }
    };
    Rows { users: names.iter().map(user).collect(), wrong: None }
}

fn wrong(names: &[&str]) -> Rows {
    let why = StoreError::Database { doing: "use", path: "u".into(), why: "a row".to_owned() };
    Rows { wrong: Some(why), ..rows(names) }
}

fn there(changes: &Changes) -> Vec<&str> {
    let mut all: Vec<_> = changes.accounts.iter().map(|known| known.name.as_str()).collect();
    all.sort_unstable();
    all
}

#[test]
fn whoever_is_taken_away_is_out_whatever_else_the_table_says() {
    let mut changes = changes(10, &["alice", "bob", "carol"]);
    // Alice is gone, Bob has another password, Dave is new, and one row cannot be used.
    assert!(changes.told(Ok(wrong(&["bob:other", "carol", "dave"]))));
    assert_eq!(there(&changes), ["carol", "own"]);
    assert!(changes.complaint.as_deref().is_some_and(|why| why.contains("nobody is added") && why.contains("a row")));
    // A number that is given twice is no reason to let anybody in either.
    let mut twice = rows(&["bob:other", "dave"]);
    twice.users[1].numbers.push("bob".to_owned());
    assert!(changes.told(Ok(twice)));
    assert_eq!(there(&changes), ["own"]);
    // Mended, all of it counts.
    assert!(changes.told(Ok(rows(&["bob:other", "carol", "dave"]))));
    assert_eq!(there(&changes), ["bob", "carol", "dave", "own"]);
    assert_eq!(changes.complaint, None);
    // Who stands in the configuration stays what he is.
    assert!(changes.told(Ok(rows(&["bob:other", "own:other"]))));
    assert_eq!(there(&changes), ["bob", "own"]);
    assert!(!changes.knows("own") && changes.knows("bob") && !changes.knows("carol"));
    // The control: a table that cannot be read at all takes nobody away.
    let why = StoreError::Database { doing: "read", path: "u".into(), why: "locked".to_owned() };
    changes.told(Err(why));
    assert_eq!(there(&changes), ["bob", "own"]);
}

#[test]
fn the_place_of_who_is_gone_is_given_to_somebody_new_once_his_calls_are_over() {
    let mut changes = changes(3, &["alice", "bob"]);
    for round in 0..5 {
        let (alice, bob) = (format!("alice{round}"), format!("bob{round}"));
        assert!(changes.told(Ok(rows(&[&alice, &bob]))), "{:?}", changes.complaint);
        assert_eq!(there(&changes), [&alice, &bob, "own"]);
    }
    // One more than there may be.
    assert!(!changes.told(Ok(rows(&["alice4", "bob4", "carol"]))));
    assert_eq!(there(&changes), ["alice4", "bob4", "own"]);
    let place = changes.accounts.place("alice4").expect("a place");
    let call = changes.tally.seat(place, &Limits::default()).expect("room");
    assert!(!changes.told(Ok(rows(&["bob4", "carol"]))), "told again the next time");
    assert_eq!(there(&changes), ["bob4", "own"], "out all the same");
    assert!(changes.complaint.as_deref().is_some_and(|why| why.contains("still in a call")));
    drop(call);
    assert!(changes.told(Ok(rows(&["bob4", "carol"]))));
    assert_eq!(there(&changes), ["bob4", "carol", "own"]);
    assert_eq!(changes.accounts.place("carol"), Some(place));
    assert_eq!(changes.accounts.places(), 3);
    for name in ["bob4", "carol", "own"] {
        let place = changes.accounts.place(name).expect("a place");
        assert_eq!(changes.accounts.at(place).map(|known| known.name.as_str()), Some(name));
    }
}

#[test]
fn accounts_that_no_loop_has_any_more_are_given_back_by_the_reader() {
    let mut changes = changes(10, &["alice"]);
    let of_loop = Arc::clone(&changes.accounts);
    let weak = Arc::downgrade(&of_loop);
    assert!(changes.told(Ok(rows(&["bob"]))));
    changes.looked();
    // The loop has the next ones now: what it lets go is not the last.
    drop(of_loop);
    assert_eq!(weak.strong_count(), 1);
    changes.looked();
    assert_eq!(weak.strong_count(), 0);
}

/// Whatever the table says meanwhile, and though that be what it said before.
#[test]
fn a_loop_that_was_too_busy_has_the_same_users_as_the_others_in_the_end() {
    for names in [&["alice"][..], &["aaron", "alice", "bob"]] {
        let (loops, mut inboxes): (Vec<_>, Vec<_>) = (0..2).map(|_| net::Handle::channel(1)).unzip();
        let mut changes = changes_told(10, &["alice"], loops.clone());
        let mut next = |at: usize| match inboxes[at].try_recv() {
            Ok(Command::Accounts(accounts)) => Some(accounts),
            _ => None,
        };
        assert!(loops[1].offer(Command::Moved).is_ok());
        assert!(!changes.told(Ok(rows(&["alice", "bob"]))), "told again the next time");
        let early = next(0).expect("the loop that has room has heard");
        assert_eq!((early.place("bob"), next(1).is_none()), (Some(2), true));
        assert!(changes.told(Ok(rows(names))));
        for at in 0..2 {
            let accounts = next(at).expect("both are told");
            assert_eq!(accounts.iter().count(), names.len() + 1, "and their own");
            let place = early.place("bob").filter(|_| names.contains(&"bob"));
            assert_eq!(accounts.place("bob"), place, "as it was told before");
        }
        assert!(changes.told(Ok(rows(names))));
        assert!(next(0).is_none() && next(1).is_none(), "the control: once is enough");
    }
}
