use sip::id::FlowId;

use super::*;

/// What nobody waits for so long is not seen any more.
const PATIENCE: Duration = Duration::from_secs(20);

fn options(waiting: usize) -> Options {
    Options { flush_every: Duration::from_millis(5), waiting, ..Options::default() }
}

fn record(kind: Kind, user: u32, expires: u64, cseq: u32) -> Record {
    let (aor, uri) = (format!("sip:u{user}@home"), format!("sip:u{user}@192.0.2.7:5070;x='\u{e9}'"));
    let local = "192.0.2.1:5060".parse().expect("an address");
    let remote = "[2001:db8::7]:5070".parse().expect("an address");
    let origin = user.is_multiple_of(2).then_some(Origin { flow: FlowId(7), transport: Transport::Wss, local, remote });
    let texts = Texts {
        aor: &aor,
        uri: &uri,
        params: ";ob;+x=\"';--\"",
        call_id: "1@x",
        path: "<sip:p;lr>\n<sip:q;lr>",
        agent: "Phone 'o'",
        origin,
    };
    Record::new(kind, WallTime(expires), cseq, 300, &texts).expect("a record")
}

fn later() -> u64 {
    wall().0 + 3_600
}

/// As they are read: added, and the flow gone.
fn read_back(mut all: Vec<Record>) -> Vec<(String, u32, String, Option<Origin>)> {
    all.sort_by(|a, b| a.aor().cmp(b.aor()));
    let one = |record: &Record| {
        assert_eq!((record.kind(), record.q()), (Kind::Added, 300));
        let Texts { params, call_id, path, agent, origin, .. } = record.texts();
        assert_eq!((params, call_id, path, agent), (";ob;+x=\"';--\"", "1@x", "<sip:p;lr>\n<sip:q;lr>", "Phone 'o'"));
        (record.aor().to_owned(), record.cseq(), record.uri().to_owned(), origin)
    };
    all.iter().map(one).collect()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/bindings.sqlite");
    (folder, path)
}

fn until(mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !seen() {
        assert!(Instant::now() < end, "not seen");
        thread::yield_now();
    }
}

#[test]
fn what_was_taken_in_is_there_after_a_restart() {
    let (_folder, path) = place();
    let (bindings, found) = Bindings::open(&path, Options::default()).expect("a database");
    assert!(found.is_empty());
    let added: Vec<Record> = (0..200).map(|user| record(Kind::Added, user, later(), 1)).collect();
    bindings.append_all([&added[..100], &added[100..]]).expect("room");
    // The last state of each counts, within a transaction and after it.
    let gone = [record(Kind::Removed, 5, 0, 0), record(Kind::Refreshed, 6, later(), 9)];
    bindings.append_all([&gone[..]]).expect("room");
    drop(bindings);
    let (bindings, found) = Bindings::open(&path, Options::default()).expect("a database");
    assert_eq!(found.len(), 199);
    let gone: Vec<Record> = (10..110).map(|user| record(Kind::Removed, user, 0, 0)).collect();
    bindings
        .append_all([&gone[..], &[record(Kind::Changed, 0, later(), 2), record(Kind::Added, 300, wall().0, 1)]])
        .expect("room");
    drop(bindings);
    let found = read_back(Bindings::open(&path, Options::default()).expect("a database").1);
    assert_eq!(found.len(), 99, "and none that has ended");
    let of = |user: u32| found.iter().find(|one| one.0 == format!("sip:u{user}@home")).cloned();
    let (_, cseq, uri, origin) = of(0).expect("the first");
    assert_eq!((cseq, uri.as_str()), (2, "sip:u0@192.0.2.7:5070;x='\u{e9}'"));
    let origin = origin.expect("where it came by");
    assert_eq!((origin.flow, origin.transport, origin.remote.port()), (FLOW_GONE, Transport::Wss, 5_070));
    assert_eq!(of(1).and_then(|one| one.3), None);
    assert_eq!(of(6).map(|one| one.1), Some(9));
    assert!(of(5).is_none() && of(10).is_none() && of(109).is_none() && of(110).is_some());
}

#[test]
fn all_are_read_page_by_page() {
    let (_folder, path) = place();
    let (bindings, _) = Bindings::open(&path, Options::default()).expect("a database");
    let count = PAGE as u32 * 2 + 3;
    let added: Vec<Record> = (0..count).map(|user| record(Kind::Added, user, later(), 1)).collect();
    bindings.append_all([&added[..]]).expect("room");
    drop(bindings);
    let found = read_back(Bindings::open(&path, Options::default()).expect("a database").1);
    let mut names: Vec<_> = found.iter().map(|one| one.0.clone()).collect();
    names.dedup();
    assert_eq!(names.len(), count as usize);
}

/// One of the flows of an instance (RFC 5626 section 6).
fn flow(kind: Kind, number: u32, uri: &str, cseq: u32) -> Record {
    let params = format!(";+sip.instance=\"<urn:uuid:1>\";reg-id={number};methods=\"INVITE\"");
    let texts = Texts { aor: "sip:u@home", uri, params: &params, call_id: "1@x", ..Texts::default() };
    Record::new(kind, WallTime(later()), cseq, 1_000, &texts).expect("a record")
}

/// What is there after a restart.
fn again(path: &Path) -> (Bindings, Vec<(String, u32)>) {
    let (bindings, found) = Bindings::open(path, Options::default()).expect("a database");
    (bindings, found.iter().map(|one| (one.uri().to_owned(), one.cseq())).collect())
}

#[test]
fn rfc5626_6_flows_of_one_contact_are_two_and_a_flow_that_leads_elsewhere_is_one() {
    let (_folder, path) = place();
    let (bindings, _) = again(&path);
    let both = [flow(Kind::Added, 1, "sip:u@a:50001", 1), flow(Kind::Added, 2, "sip:u@a:50001", 2)];
    bindings.append_all([&both[..]]).expect("room");
    drop(bindings);
    let (bindings, found) = again(&path);
    assert_eq!(found, [("sip:u@a:50001".to_owned(), 1), ("sip:u@a:50001".to_owned(), 2)]);
    // Taken away under another address than the one it was written down with.
    bindings.append_all([&[flow(Kind::Removed, 2, "sip:u@a:1", 0)][..]]).expect("room");
    drop(bindings);
    let (bindings, found) = again(&path);
    assert_eq!(found, [("sip:u@a:50001".to_owned(), 1)]);
    // A new connection: the one before is dead, though its port is higher.
    bindings.append_all([&[flow(Kind::Changed, 1, "sip:u@a:40001", 3)][..]]).expect("room");
    drop(bindings);
    let (bindings, found) = again(&path);
    assert_eq!(found, [("sip:u@a:40001".to_owned(), 3)]);
    drop(bindings);
    assert_eq!(rows(&path), 1);
}

/// Rows of the table, those included that have ended.
fn rows(path: &Path) -> i64 {
    let Database { runtime, mut connection } = Database::open(path, TABLES).expect("a connection");
    let count = sqlx::query("SELECT count(*) FROM bindings");
    runtime.block_on(count.fetch_one(&mut connection)).and_then(|row| row.try_get(0)).expect("a count")
}

#[test]
fn what_has_long_ended_is_taken_out_at_the_start_and_while_others_are_written() {
    let (_folder, path) = place();
    let (bindings, _) = Bindings::open(&path, Options::default()).expect("a database");
    let ended = [7_200, 3_500, 1].map(|ago| record(Kind::Added, ago, wall().0 - u64::from(ago), 1));
    bindings.append_all([&ended[..]]).expect("room");
    drop(bindings);
    assert_eq!(rows(&path), 3);
    // The clock may be off, so what has just ended stays a while.
    let options = Options { tidy_every: Duration::ZERO, ..options(100) };
    let (bindings, found) = Bindings::open(&path, options).expect("a database");
    assert_eq!((found.len(), rows(&path)), (0, 2));
    // One that ended while it could not be written, and another change.
    let ended = record(Kind::Added, 8, wall().0 - 7_200, 1);
    bindings.append_all([&[ended.clone(), record(Kind::Added, 9, later(), 1)][..]]).expect("room");
    drop(bindings);
    assert_eq!(rows(&path), 3);
    // The control: five minutes have not passed.
    let (bindings, _) = Bindings::open(&path, Options::default()).expect("a database");
    bindings.append_all([&[ended][..]]).expect("room");
    drop(bindings);
    assert_eq!(rows(&path), 4);
}

#[test]
fn a_database_that_somebody_is_writing_is_opened_all_the_same() {
    let (_folder, path) = place();
    let (bindings, _) = Bindings::open(&path, Options::default()).expect("a database");
    let ended = record(Kind::Added, 2, wall().0 - 7_200, 1);
    bindings.append_all([&[record(Kind::Added, 1, later(), 1), ended][..]]).expect("room");
    drop(bindings);
    let mut other = Database::open(&path, TABLES).expect("a second connection");
    let begun = other.runtime.block_on(sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other.connection));
    begun.expect("carried out");
    let (bindings, found) = Bindings::open(&path, Options::default()).expect("a database that can be read");
    assert_eq!(found.len(), 1);
    // What could not be taken out then goes with the first change.
    other.close();
    bindings.append_all([&[record(Kind::Added, 3, later(), 1)][..]]).expect("room");
    drop(bindings);
    assert_eq!(rows(&path), 2);
}

#[test]
fn one_change_more_than_may_wait_is_refused_with_all_of_its_kind() {
    let (_folder, path) = place();
    // Nothing is written before the end.
    let options = Options { flush_every: Duration::from_secs(3_600), waiting: 4, ..Options::default() };
    let (bindings, _) = Bindings::open(&path, options).expect("a database");
    let all: Vec<Record> = (0..6).map(|user| record(Kind::Added, user, later(), 1)).collect();
    bindings.append_all([&all[..3]]).expect("room");
    let refused = bindings.append_all([&all[3..4], &all[4..5]]).expect_err("no room for both");
    assert!(refused.to_string().ends_with("cannot write: 4 changes wait already"), "{refused}");
    bindings.append_all([&all[5..]]).expect("the last room");
    assert!(bindings.append_all([&all[4..5]]).is_err());
    drop(bindings);
    let found = read_back(Bindings::open(&path, options).expect("a database").1);
    assert!(found.iter().map(|one| one.0.as_str()).eq(["sip:u0@home", "sip:u1@home", "sip:u2@home", "sip:u5@home"]));
}

#[test]
fn while_nothing_can_be_written_changes_are_refused_and_what_was_taken_in_is_written_later() {
    let (_folder, path) = place();
    let (bindings, _) = Bindings::open(&path, options(10_000_000)).expect("a database");
    let mut other = Database::open(&path, TABLES).expect("a second connection");
    let mut run = |statement: &'static str| {
        other.runtime.block_on(sqlx::raw_sql(statement).execute(&mut other.connection)).expect("carried out");
    };
    run("ALTER TABLE bindings RENAME TO away");
    bindings.append_all([&[record(Kind::Added, 1, later(), 1)][..]]).expect("nobody knows yet");
    let more = [record(Kind::Added, 2, later(), 1)];
    until(|| bindings.append_all([&more[..]]).is_err());
    let why = bindings.append_all([&more[..]]).expect_err("refused").to_string();
    assert!(why.contains("no such table"), "{why}");
    run("ALTER TABLE away RENAME TO bindings");
    until(|| bindings.append_all([&[record(Kind::Added, 3, later(), 1)][..]]).is_ok());
    drop(bindings);
    let found = read_back(Bindings::open(&path, options(10_000_000)).expect("a database").1);
    let has = |user: &str| found.iter().any(|one| one.0 == user);
    assert!(has("sip:u1@home") && has("sip:u3@home"), "{found:?}");
}

#[test]
fn what_no_registrar_has_written_is_not_taken_for_a_binding() {
    for bad in [
        "INSERT INTO bindings VALUES ('sip:a@home', 'sip:a@b', 'sip:a@b', 9000000000, -1, 0, '', '', '', '', NULL)",
        "INSERT INTO bindings VALUES ('sip:a@home', 'sip:a@b', 'sip:a@b', 9000000000, 1, 70000, '', '', '', '', NULL)",
        "INSERT INTO bindings VALUES ('sip:a@home', 'sip:a@b', 'sip:a@b', 9000000000, 1, 0, '', '', '', '', 'UDP here')",
        "INSERT INTO bindings VALUES ('sip:a@home', 'sip:a@b', 'sip:a@b', 9000000000, 'one', 0, '', '', '', '', NULL)",
        "INSERT INTO bindings VALUES ('sip:a@home', 'sip:z@b', 'sip:a@b', 9000000000, 1, 0, '', '', '', '', NULL)",
    ] {
        let (_folder, path) = place();
        let mut other = Database::open(&path, TABLES).expect("a connection");
        other.runtime.block_on(sqlx::raw_sql(bad).execute(&mut other.connection)).expect("carried out");
        other.close();
        let why = Bindings::open(&path, options(1)).expect_err(bad).to_string();
        assert!(why.contains("cannot read"), "{why}");
    }
}

#[test]
fn two_processes_do_not_share_it_and_nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = place();
    let (_bindings, _) = Bindings::open(&path, options(1)).expect("a database");
    assert!(matches!(Bindings::open(&path, options(1)), Err(StoreError::Locked { .. })));
    for name in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(beside(&path, name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
