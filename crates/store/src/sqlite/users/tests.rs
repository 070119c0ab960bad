use std::sync::mpsc::channel;

use super::*;

/// What nobody waits for so long is not seen any more.
const PATIENCE: Duration = Duration::from_secs(20);
const OFTEN: Duration = Duration::from_millis(5);

struct Other(Database);

impl Other {
    fn run(&mut self, statement: &'static str) {
        let Database { runtime, connection } = &mut self.0;
        runtime.block_on(sqlx::raw_sql(statement).execute(connection)).expect("carried out");
    }
}

fn place() -> (tempfile::TempDir, PathBuf, Other) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.sqlite");
    let other = Other(Database::open(&path, TABLES).expect("a connection"));
    (folder, path, other)
}

/// Tells a function of it; knows users whose names begin with `a`.
struct Told<F>(F);

impl<F: FnMut(Result<Rows, StoreError>) -> bool + Send + 'static> Follower for Told<F> {
    fn knows(&self, name: &str) -> bool {
        name.starts_with('a')
    }

    fn told(&mut self, rows: Result<Rows, StoreError>) -> bool {
        (self.0)(rows)
    }
}

/// The names, and what is wrong.
fn named(rows: Result<Rows, StoreError>) -> Result<(Vec<String>, Option<String>), String> {
    let rows = rows.map_err(|why| why.to_string())?;
    Ok((rows.users.into_iter().map(|user| user.name).collect(), rows.wrong.map(|why| why.to_string())))
}

#[test]
fn rows_are_read_and_a_change_is_told() {
    let (_folder, path, mut other) = place();
    other.run("INSERT INTO users (name, password) VALUES ('bob', 'x')");
    other.run("INSERT INTO users VALUES ('alice', NULL, 'ab12', 'Alice', '2001  2002', 2)");
    let (table, users) = Table::open(&path, 10).expect("a table");
    let alice = User {
        name: "alice".into(),
        secret: Secret::Ha1("ab12".into()),
        display: Some("Alice".into()),
        numbers: vec!["2001".into(), "2002".into()],
        max_contacts: Some(2),
    };
    let secret = Secret::Password("x".into());
    let bob = User { name: "bob".into(), secret, display: None, numbers: vec![], max_contacts: None };
    assert_eq!(users, [alice.clone(), bob]);
    assert_eq!(format!("{:?}", alice.secret), "Secret(..)");
    let (tell, told) = channel();
    // The second time it is not taken, and so told again.
    let mut times = 0;
    let watched = table.watch(
        OFTEN,
        Told(move |rows| {
            times += 1;
            tell.send(named(rows)).is_ok() && times != 2
        }),
    );
    let _watched = watched.expect("a thread");
    let next = || told.recv_timeout(PATIENCE).expect("told").expect("read");
    assert_eq!(next().0.len(), 2, "whatever has changed since the first reading");
    other.run("INSERT INTO users (name, password) VALUES ('carol', 'x')");
    assert_eq!(next().0.len(), 3);
    assert_eq!(next().0.len(), 3, "not taken before");
    other.run("DELETE FROM users WHERE name = 'bob'");
    assert_eq!(next().0, ["alice", "carol"]);
    // Whoever has no secret that can be read is not there; a row that is wrong in anything else tells whose it is.
    other.run("UPDATE users SET password = 'y'; UPDATE users SET max_contacts = -1 WHERE name = 'carol'");
    let (names, wrong) = next();
    assert_eq!(names, ["carol"]);
    assert!(wrong.is_some_and(|why| why.ends_with("user \"alice\": expected either password or ha1")));
    assert!(told.try_recv().is_err(), "told once");
}

#[test]
fn a_reading_that_fails_once_loses_no_change() {
    let (_folder, path, mut other) = place();
    other.run("INSERT INTO users (name, password) VALUES ('alice', 'x'), ('bob', 'x')");
    let (table, _) = Table::open(&path, 10).expect("a table");
    let (tell, told) = channel();
    let mut failures = 2;
    let reading = move |table: &mut Table, knows: &dyn Fn(&str) -> bool| match failures {
        0 => table.read(knows),
        _ => {
            failures -= 1;
            Err(StoreError::Database { doing: "read", path: "u".into(), why: "disk I/O error".to_owned() })
        }
    };
    let watched = table.watch_by(OFTEN, Told(move |rows| tell.send(named(rows)).is_ok()), reading);
    let _watched = watched.expect("a thread");
    let next = || told.recv_timeout(PATIENCE).expect("told");
    assert!(next().is_err_and(|why| why.contains("disk I/O error")));
    assert_eq!(next().map(|told| told.0.len()), Ok(2), "the failure was told once, and nothing has changed since");
    assert!(told.try_recv().is_err());
}

#[test]
fn of_too_many_those_are_read_that_are_known() {
    let (_folder, path, mut other) = place();
    other.run("INSERT INTO users (name, password) VALUES ('a1', 'x'), ('a2', 'x')");
    let (table, _) = Table::open(&path, 3).expect("a table");
    let (tell, told) = channel();
    let watched = table.watch(OFTEN, Told(move |rows| tell.send(named(rows)).is_ok()));
    let _watched = watched.expect("a thread");
    let next = || told.recv_timeout(PATIENCE).expect("told").expect("read");
    assert_eq!(next(), (vec!["a1".to_owned(), "a2".to_owned()], None));
    // Two pages and a bit of others before the known one.
    other.run(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
         INSERT INTO users (name, password) SELECT 'Z' || i, 'x' FROM n; DELETE FROM users WHERE name = 'a1'",
    );
    let (mut names, mut wrong) = next();
    if names.len() == 2 {
        // Seen between the two statements.
        (names, wrong) = next();
    }
    assert_eq!(names, ["a2"]);
    assert!(wrong.is_some_and(|why| why.ends_with("expected at most 3 users")));
}

/// A text need not be UTF-8: what is no name is nobody, and keeps nobody in.
#[test]
fn of_too_many_those_are_read_that_are_known_whatever_names_the_others_have() {
    let (_folder, path, mut other) = place();
    other.run("INSERT INTO users (name, password) VALUES ('a1', 'x'), ('a2', 'x')");
    let (table, _) = Table::open(&path, 2).expect("a table");
    let (tell, told) = channel();
    let watched = table.watch(OFTEN, Told(move |rows| tell.send(named(rows)).is_ok()));
    let _watched = watched.expect("a thread");
    let next = || told.recv_timeout(PATIENCE).expect("told");
    assert_eq!(next(), Ok((vec!["a1".to_owned(), "a2".to_owned()], None)));
    // One behind all others, one before the known one, and one that is no text.
    other.run(
        "BEGIN; INSERT INTO users (name, password) VALUES (CAST(x'ff' AS TEXT), 'x'), (CAST(x'61ff' AS TEXT), 'x'), (x'ff', 'x'), ('b', 'x');
         DELETE FROM users WHERE name = 'a1'; COMMIT",
    );
    let (names, wrong) = next().expect("read");
    assert_eq!(names, ["a2"]);
    assert!(wrong.is_some_and(|why| why.ends_with("expected at most 2 users")));
}

#[test]
fn a_database_that_is_there_keeps_its_mode_and_one_that_is_made_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path, other) = place();
    other.0.close();
    let mode = || std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    // A panel of the same group writes it.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660)).expect("ours");
    let _table = Table::open(&path, 1).expect("a table");
    assert_eq!(mode(), 0o660);
}

#[test]
fn what_is_no_user_is_refused() {
    for (row, expected) in [
        ("INSERT INTO users (name) VALUES ('a')", "expected either password or ha1"),
        ("INSERT INTO users VALUES ('a', 'x', 'ab', NULL, NULL, NULL)", "expected either password or ha1"),
        ("INSERT INTO users VALUES ('a', 'x', NULL, NULL, NULL, -1)", "expected max_contacts above 0"),
        ("INSERT INTO users VALUES ('a', 'x', NULL, NULL, NULL, 'many')", "expected max_contacts above 0"),
        ("INSERT INTO users VALUES ('a', 'x', NULL, NULL, X'ff', NULL)", "cannot read"),
    ] {
        let (_folder, path, mut other) = place();
        other.run(row);
        let why = Table::open(&path, 10).expect_err(row).to_string();
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn one_user_more_than_there_may_be_is_refused() {
    let (_folder, path, mut other) = place();
    other.run("INSERT INTO users (name, password) VALUES ('a', 'x'), ('b', 'x')");
    assert_eq!(Table::open(&path, 2).expect("a table").1.len(), 2);
    other.run("INSERT INTO users (name, password) VALUES ('c', 'x')");
    let why = Table::open(&path, 2).expect_err("too many").to_string();
    assert!(why.ends_with("expected at most 2 users"), "{why}");
}
