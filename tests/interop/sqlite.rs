//! Users and bindings in SQLite: SQLite's own program writes the ones and reads the others, SIPp registers.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::sipp;
use crate::program::offhook::{self, Server};
use crate::program::{PATIENCE, free_port};

/// Has SQLite's own program carry a statement out; what it prints.
pub(super) fn sql(file: &Path, statement: &str) -> String {
    let output =
        Command::new("sqlite3").args(["-bail", "-cmd", ".timeout 5000"]).arg(file).arg(statement).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{statement}: {told}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct Bases {
    folder: tempfile::TempDir,
}

impl Bases {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn users(&self) -> std::path::PathBuf {
        self.folder.path().join("users.sqlite")
    }

    fn bindings(&self) -> std::path::PathBuf {
        self.folder.path().join("bindings.sqlite")
    }

    fn serve(&self, more: &str) -> Server {
        let (users, bindings) = (self.users(), self.bindings());
        let sqlite = format!("[sqlite]\nusers = \"{}\"\nbindings = \"{}\"\n", users.display(), bindings.display());
        let file = offhook::configuration(&format!("digest = [\"md5\"]\n{more}{sqlite}"));
        offhook::serve(&["--config", file.path().to_str().unwrap()])
    }
}

/// Registers a user from this port by SIPp; SIPp's exit code.
fn registers(server: &Server, port: u16, user: &str, password: &str) -> (i32, String) {
    let credentials = ["-m", "1", "-s", user, "-au", user, "-ap", password];
    sipp::start_at(port, "uas_registers.xml", &server.address, &credentials).finish()
}

/// Tries until it goes so, or too long.
fn registers_so(server: &Server, user: &str, password: &str, wanted: i32) {
    let (end, port) = (Instant::now() + PATIENCE, free_port());
    loop {
        let (code, output) = registers(server, port, user, password);
        if code == wanted {
            return;
        }
        assert!(Instant::now() < end, "{user}: {output}");
    }
}

#[test]
fn users_that_another_program_writes_register_and_it_reads_their_bindings() {
    let bases = Bases::new();
    // The table is made at the first start, and empty; nobody is made up.
    let server = bases.serve("");
    assert_eq!(server.status()["users"].as_array().unwrap().len(), 0);
    assert_ne!(registers(&server, free_port(), "alice", "secret1").0, 0, "nobody of that name");
    sql(&bases.users(), "INSERT INTO users (name, password, numbers) VALUES ('alice', 'secret1', '2001')");
    registers_so(&server, "alice", "secret1", 0);
    assert_ne!(registers(&server, free_port(), "alice", "wrong").0, 0);
    let found =
        || sql(&bases.bindings(), "SELECT aor, contact, came_by FROM bindings WHERE expires > strftime('%s', 'now')");
    let end = Instant::now() + PATIENCE;
    while found().is_empty() {
        assert!(Instant::now() < end, "no binding is written");
    }
    assert!(found().starts_with("sip:alice@pbx.invalid|sip:alice@127.0.0.1:"), "{}", found());
    // A changed password counts, and so does a user that is gone; whose binding stands until it ends.
    sql(&bases.users(), "UPDATE users SET password = 'secret2'");
    registers_so(&server, "alice", "secret2", 0);
    assert_ne!(registers(&server, free_port(), "alice", "secret1").0, 0);
    sql(&bases.users(), "DELETE FROM users");
    registers_so(&server, "alice", "secret2", 1);
    assert_eq!(server.status()["users"].as_array().unwrap().len(), 0);
}

#[test]
fn bindings_are_there_again_after_a_restart_with_any_number_of_loops() {
    let bases = Bases::new();
    let (port, mut server) = (free_port(), bases.serve(""));
    sql(&bases.users(), "INSERT INTO users (name, password) VALUES ('alice', 'secret1'), ('bob', 'secret1')");
    registers_so(&server, "bob", "secret1", 0);
    let (code, output) = registers(&server, port, "alice", "secret1");
    assert_eq!(code, 0, "{output}");
    let contact = format!("sip:alice@127.0.0.1:{port}");
    for shards in ["shards = 4\n", ""] {
        // Stopped, it writes what waits.
        let (code, output) = server.program.stop("TERM");
        assert_eq!(code, 0, "{output}");
        assert_eq!(sql(&bases.bindings(), "SELECT contact FROM bindings WHERE aor LIKE 'sip:alice@%'"), contact);
        server = bases.serve(shards);
        let status = server.status();
        assert_eq!(status["registrations"], 2, "{status:#}");
        let alice = status["users"].as_array().unwrap().iter().find(|user| user["name"] == "alice").unwrap().clone();
        assert_eq!(alice["contacts"][0]["uri"], contact, "{alice:#}");
    }
    // The control: what another program takes away is gone.
    let (code, _) = server.program.stop("TERM");
    assert_eq!(code, 0);
    sql(&bases.bindings(), "DELETE FROM bindings");
    assert_eq!(bases.serve("").status()["registrations"], 0);
}

#[test]
fn a_table_that_cannot_be_used_ends_the_start_and_adds_nobody_later() {
    let bases = Bases::new();
    let mut server = bases.serve("[users.bob]\npassword = \"secret2\"\n");
    sql(&bases.users(), "INSERT INTO users (name, password) VALUES ('alice', 'secret1')");
    registers_so(&server, "alice", "secret1", 0);
    // Bob stands in the configuration: the change is not taken, and those before go on.
    sql(&bases.users(), "INSERT INTO users (name, password) VALUES ('bob', 'other')");
    server.program.wait_for("user \"bob\" stands in the configuration too");
    registers_so(&server, "bob", "secret2", 0);
    registers_so(&server, "alice", "secret1", 0);
    // But whoever is gone is out, whatever else the table says.
    sql(
        &bases.users(),
        "BEGIN; DELETE FROM users WHERE name = 'alice'; INSERT INTO users (name) VALUES ('carol'), ('dave'); COMMIT",
    );
    registers_so(&server, "alice", "secret1", 1);
    registers_so(&server, "bob", "secret2", 0);
    drop(server);
    sql(&bases.users(), "DELETE FROM users WHERE password IS NULL");
    let file = offhook::configuration(&format!(
        "[users.bob]\npassword = \"x\"\n[sqlite]\nusers = \"{}\"\n",
        bases.users().display()
    ));
    let state = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = [
        "serve",
        "--sip",
        &address,
        "--state",
        state.path().to_str().unwrap(),
        "--config",
        file.path().to_str().unwrap(),
    ];
    let (code, output) = offhook::start(&arguments).finish();
    assert_ne!(code, 0);
    assert!(output.contains("user \"bob\" stands in the configuration too; take one of them away"), "{output}");
}

#[test]
fn names_that_come_and_go_leave_room_for_others() {
    let bases = Bases::new();
    let server = bases.serve("[limits]\nusers = 3\n");
    for round in 0..5 {
        sql(
            &bases.users(),
            &format!(
                "BEGIN; DELETE FROM users; INSERT INTO users (name, password) VALUES ('a{round}', 'secret1'), ('b{round}', 'secret1'); COMMIT"
            ),
        );
        registers_so(&server, &format!("b{round}"), "secret1", 0);
    }
    assert_eq!(server.status()["users"].as_array().unwrap().len(), 2);
    assert_ne!(registers(&server, free_port(), "b3", "secret1").0, 0, "gone");
}
