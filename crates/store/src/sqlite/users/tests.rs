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
    let watched = table.watch(OFTEN, move |users| {
        times += 1;
        tell.send(users.map(|users| users.len()).map_err(|why| why.to_string())).is_ok() && times != 2
    });
    let _watched = watched.expect("a thread");
    let next = || told.recv_timeout(PATIENCE).expect("told");
    assert_eq!(next(), Ok(2), "whatever has changed since the first reading");
    other.run("INSERT INTO users (name, password) VALUES ('carol', 'x')");
    assert_eq!(next(), Ok(3));
    assert_eq!(next(), Ok(3), "not taken before");
    other.run("DELETE FROM users WHERE name = 'bob'");
    assert_eq!(next(), Ok(2));
    other.run("UPDATE users SET password = 'y'");
    assert!(next().is_err_and(|why| why.contains("user \"alice\": expected either password or ha1")));
    assert!(told.try_recv().is_err(), "told once");
}

#[test]
fn what_is_no_user_is_refused() {
    for (row, expected) in [
        ("INSERT INTO users (name) VALUES ('a')", "expected either password or ha1"),
        ("INSERT INTO users VALUES ('a', 'x', 'ab', NULL, NULL, NULL)", "expected either password or ha1"),
        ("INSERT INTO users VALUES ('a', 'x', NULL, NULL, NULL, -1)", "expected max_contacts above 0"),
        ("INSERT INTO users VALUES ('a', 'x', NULL, NULL, NULL, 'many')", "cannot read"),
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
