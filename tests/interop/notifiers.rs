//! SIPp as notifier of `offhook subscribe`: several that take one SUBSCRIBE, and every way to end a subscription (RFC 6665).

use std::path::Path;
use std::time::Duration;

use super::events::state;
use super::sipp;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{Program, free_port};

/// A proxy for SIPp, which knows no digest but MD5.
fn proxy() -> Server {
    let file = offhook::configuration("digest = [\"md5\"]\nrole = \"proxy\"\n");
    offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat())
}

/// A device of 1002 that takes one subscription and tells this note. What is not as its scenario says it writes into the file.
fn device(server: &Server, note: &str, errors: &Path) -> Program {
    let port = free_port();
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    let (code, output) = sipp::start_at(port, "uas_registers.xml", &server.address, &credentials).finish();
    assert_eq!(code, 0, "{output}");
    let noted = format!("</status><note>{note}</note>");
    let scenario = sipp::with("proxied_notifier.xml", "</status>", &noted);
    let writes = ["-m", "1", "-trace_err", "-error_file", errors.to_str().unwrap()];
    let phone = sipp::start_at(port, scenario.to_str().unwrap(), &server.address, &writes);
    sipp::await_port(port);
    phone
}

/// `offhook subscribe` of 1001 to the two devices of 1002, with these options.
fn watches_two(server: &Server, options: &[&str]) -> Program {
    let account = format!("sip:1001@{}", server.address);
    let identity =
        ["subscribe", "1002", "--account", &account, "--password", "secret1", "--sip", "127.0.0.1:0", "--json"];
    offhook::start(&[&identity[..], options].concat())
}

/// Which notifiers have told a state with one of these notes.
fn told_by(output: &str, notes: [&str; 2]) -> Vec<(u64, String)> {
    let lines = output.lines().filter(|line| line.contains("\"event\":\"state\""));
    let told = lines.filter_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let note = state(line)["tuples"][0]["note"].as_str()?.to_owned();
        notes.contains(&note.as_str()).then(|| (value["notifier"].as_u64().unwrap(), note))
    });
    told.collect()
}

#[test]
fn rfc6665_4_1_4_two_devices_behind_a_proxy_take_one_subscribe_and_each_is_told_of_and_left() {
    const NOTES: [&str; 2] = ["upstairs", "downstairs"];
    let folder = tempfile::tempdir().unwrap();
    let errors = NOTES.map(|note| folder.path().join(note));
    let both = |server: &Server| [0, 1].map(|one| device(server, NOTES[one], &errors[one]));
    let server = proxy();
    let devices = both(&server);
    let mut watching = watches_two(&server, &["--forks", "1"]);
    watching.wait_until(|output| told_by(output, NOTES).len() == 2);
    let mut told = told_by(&watching.output(), NOTES);
    told.sort();
    assert_eq!((told[0].0, told[1].0), (0, 1), "{told:?}");
    assert_ne!(told[0].1, told[1].1, "{told:?}");
    // Each subscription has a dialog of its own, and ends in it.
    let (code, output) = watching.stop("INT");
    assert_eq!(code, 130, "{output}");
    for device in devices {
        let (code, seen) = device.finish();
        assert_eq!(code, 0, "{seen}");
    }
    // The control: who wants one has one, and the other is told that there is no such subscription (section 4.4.1).
    let server = proxy();
    let devices = both(&server);
    let mut watching = watches_two(&server, &[]);
    watching.wait_until(|output| !told_by(output, NOTES).is_empty());
    let refused = || errors.iter().filter(|file| std::fs::read_to_string(file).is_ok_and(|text| text.contains("481")));
    let end = std::time::Instant::now() + crate::program::PATIENCE;
    while refused().count() == 0 {
        assert!(std::time::Instant::now() < end, "both were taken");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (_, output) = watching.stop("INT");
    assert_eq!(told_by(&output, NOTES).len(), 1, "{output}");
    let mut codes = devices.map(|device| device.finish().0);
    codes.sort_unstable();
    assert!(codes[0] == 0 && codes[1] != 0, "{codes:?}");
    assert_eq!(refused().count(), 1);
}

/// SIPp that ends so many subscriptions so, and its log.
struct Notifier {
    program: Program,
    address: String,
    log: tempfile::TempPath,
}

impl Notifier {
    fn ending(state: &str, calls: &str) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let scenario = sipp::with("uas_subscribe.xml", "STATE", &format!("terminated;{state}"));
        let noting = ["-m", calls, "-trace_logs", "-log_file", log.to_str().unwrap()];
        let (program, address) = sipp::waits(scenario.to_str().unwrap(), &noting);
        Self { program, address, log }
    }

    fn watched(&self) -> Program {
        let target = format!("sip:1002@{}", self.address);
        offhook::start(&["subscribe", &target, "--sip", "127.0.0.1:0", "--for", "30", "--json"])
    }

    /// Waits for its end: how it ended, what it showed, and what it wrote down behind this word, in milliseconds of its clock.
    fn finish(self) -> ((i32, String), impl Fn(&str) -> Vec<u64>) {
        let ended = self.program.finish();
        let text = std::fs::read_to_string(&self.log).unwrap();
        let times = move |word: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(word));
            lines.map(|(_, time)| time.trim().parse().unwrap()).collect()
        };
        (ended, times)
    }
}

/// What `subscribe` says when a subscription has ended so, which is to be for now.
fn told_to_wait(line: &str, reason: &str) -> u64 {
    let told: serde_json::Value = serde_json::from_str(line).unwrap();
    assert!(told["why"].as_str().unwrap().contains(reason), "{line}");
    told["retry_secs"].as_u64().unwrap()
}

#[test]
fn rfc6665_4_1_3_what_sipp_ends_for_now_is_made_again_at_once_or_after_the_time_that_it_says() {
    // Retry-after means something to the last two only, of which the first is made again at once without it: that is its control.
    let cases = [
        ("deactivated;retry-after=600", 0),
        ("timeout;retry-after=600", 0),
        ("giveup", 0),
        ("giveup;retry-after=2", 2),
        ("probation;retry-after=2", 2),
    ];
    for (state, secs) in cases {
        let reason = state.split(';').next().unwrap();
        // SIPp waits for two: under another Call-ID, or it would be the same for it.
        let notifier = Notifier::ending(&format!("reason={state}"), "2");
        let mut ours = notifier.watched();
        let line = ours.wait_for("subscription_failed");
        assert_eq!(told_to_wait(&line, reason), secs, "{state}: {line}");
        let ((theirs, seen), times) = notifier.finish();
        let (_, output) = ours.stop("INT");
        assert_eq!(theirs, 0, "{state}: {seen}\n{output}");
        let (asked, ends) = (times("Asked "), times("Ends "));
        assert_eq!((asked.len(), ends.len()), (2, 2), "{state}");
        // It has left SIPp alone for so long: SIPp's clock is read before the end leaves and after the next SUBSCRIBE has come.
        assert!(asked[1] - ends[0] >= secs * 1_000, "{state}: {asked:?} {ends:?}");
    }
}

#[test]
fn rfc6665_4_1_3_what_sipp_puts_off_without_a_time_is_made_again_much_later() {
    for state in ["reason=probation", "reason=mood", "expires=600"] {
        let notifier = Notifier::ending(state, "1");
        let mut ours = notifier.watched();
        let line = ours.wait_for("subscription_failed");
        let secs = told_to_wait(&line, "ended by the other side");
        assert!((30..=60).contains(&secs), "{state}: {line}");
        let ((theirs, seen), times) = notifier.finish();
        assert_eq!((theirs, times("Asked ").len()), (0, 1), "{state}: {seen}");
        ours.stop("INT");
    }
}

#[test]
fn rfc6665_4_1_3_what_sipp_ends_for_good_is_not_made_again() {
    // The state that never changes again has been told: that is a good end.
    let cases = [
        ("rejected", 7),
        ("REJECTED;retry-after=1", 7),
        ("noresource;retry-after=1", 7),
        ("invariant", 0),
        ("invariant;retry-after=1", 0),
    ];
    for (state, expected) in cases {
        let reason = state.split(';').next().unwrap();
        let notifier = Notifier::ending(&format!("reason={state}"), "1");
        let (code, output) = notifier.watched().finish();
        assert_eq!(code, expected, "{state}: {output}");
        assert_eq!(output.contains(reason), code != 0, "{state}: {output}");
        assert!(output.contains("\"basic\":\"open\"") && !output.contains("subscription_failed"), "{state}: {output}");
        let ((theirs, seen), times) = notifier.finish();
        assert_eq!((theirs, times("Asked ").len()), (0, 1), "{state}: {seen}");
    }
}
