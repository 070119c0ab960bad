use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proxy::record::{FRAME_HEAD, FRAME_MAX, check_frame};
use proxy::{Fold, Kind, Texts};
use sip::time::WallTime;
use tempfile::TempDir;

use super::*;

const FAR: u64 = 10_000_000_000;

fn record(kind: Kind, user: u32, contact: u32, cseq: u32) -> Record {
    let (aor, uri) = (format!("sip:{user}@example.com"), format!("sip:{user}@192.0.2.{contact}:5060"));
    let texts = Texts { aor: &aor, uri: &uri, call_id: "call", ..Texts::default() };
    Record::new(kind, WallTime(FAR), cseq, 1000, &texts).unwrap()
}

fn added(user: u32) -> Record {
    record(Kind::Added, user, 1, 1)
}

/// No thread that flushes or rewrites in the middle of a test.
fn quiet() -> Options {
    Options { flush_every: Duration::from_secs(3_600), ..Options::default() }
}

/// A journal that is not there yet; in memory where that can be had, since no test can cut the power.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("state/bindings.journal");
    (folder, path)
}

fn names(found: &Found) -> Vec<String> {
    found.records.iter().map(|record| record.aor().to_owned()).collect()
}

/// The journal with users 0..n, each in a frame of its own, and where each frame ends.
fn filled(path: &Path, users: u32) -> Vec<u64> {
    let (mut journal, _) = Journal::open(path, quiet()).unwrap();
    (0..users).map(|user| (journal.append(&[added(user)]).unwrap(), journal.size()).1).collect()
}

#[test]
fn what_was_appended_is_found_again() {
    let (_folder, path) = place();
    filled(&path, 3);
    let (mut journal, found) = Journal::open(&path, quiet()).unwrap();
    assert_eq!((found.records.len(), found.torn, found.set_aside.as_deref()), (3, 0, None));
    assert_eq!(found.records[1], added(1));
    journal
        .append(&[record(Kind::Removed, 0, 1, 2), record(Kind::Refreshed, 1, 1, 9), record(Kind::Changed, 2, 1, 5)])
        .unwrap();
    drop(journal);
    let (_journal, found) = Journal::open(&path, quiet()).unwrap();
    let numbers: Vec<_> = found.records.iter().map(Record::cseq).collect();
    assert_eq!(
        (names(&found).as_slice(), numbers.as_slice()),
        (&["sip:1@example.com".to_owned(), "sip:2@example.com".to_owned()][..], &[9, 5][..])
    );
}

/// Records that take so many octets of a frame, one of them as many as it needs for that.
fn records_of(octets: usize) -> Vec<Record> {
    const LONG: usize = 60_000;
    let of = |number: usize, length: usize| {
        let (aor, params) = (format!("sip:{number:08}@example.com"), "x".repeat(length));
        let texts = Texts { aor: &aor, uri: "sip:a@192.0.2.1", params: &params, call_id: "call", ..Texts::default() };
        Record::new(Kind::Added, WallTime(FAR), 1, 1000, &texts).unwrap()
    };
    let mut frame = Vec::new();
    assert!(write_frame(&[of(0, 0)], &mut frame));
    let bare = frame.len() - FRAME_HEAD;
    let (many, rest) = (octets / (bare + LONG), octets % (bare + LONG));
    (0..many).map(|number| of(number, LONG)).chain([of(many, rest - bare)]).collect()
}

#[test]
fn one_append_has_16_mib_and_no_more() {
    let (_folder, path) = place();
    let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
    let whole = records_of(FRAME_MAX);
    journal.append(&whole).unwrap();
    let size = (FRAME_HEAD + FRAME_MAX) as u64;
    assert_eq!(journal.size(), size);
    assert!(matches!(journal.append(&records_of(FRAME_MAX + 1)), Err(StoreError::TooLarge)));
    assert_eq!(journal.size(), size);
    journal.append(&[added(1)]).unwrap();
    drop(journal);
    let (_journal, found) = Journal::open(&path, quiet()).unwrap();
    assert_eq!((found.records.len(), found.torn), (whole.len() + 1, 0));
}

#[test]
fn requests_written_together_are_whole_one_by_one() {
    let (_folder, path) = place();
    let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
    let pairs: Vec<[Record; 2]> = (0..4).map(|pair| [added(2 * pair), added(2 * pair + 1)]).collect();
    journal.append_all(pairs.iter().map(<[Record; 2]>::as_slice)).unwrap();
    let size = journal.size();
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len() as u64, size);
    for cut in (0..bytes.len()).rev() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let found = names(&Journal::open(&path, quiet()).unwrap().1);
        assert_eq!(found.len() % 2, 0, "cut at {cut}: {found:?}");
        assert_eq!(found.len(), 2 * (cut * 4 / bytes.len()), "cut at {cut}: {found:?}");
    }
}

#[test]
fn bindings_that_ended_while_nobody_ran_are_not_found() {
    let (_folder, path) = place();
    let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
    let texts = Texts { aor: "sip:a@x", uri: "sip:a@h", ..Texts::default() };
    let old = Record::new(Kind::Added, WallTime(1_000), 1, 0, &texts).unwrap();
    journal.append(&[old.clone(), added(1)]).unwrap();
    drop(journal);
    assert_eq!(names(&Journal::open(&path, quiet()).unwrap().1), ["sip:1@example.com"]);
    let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
    journal.append(&[Record::new(Kind::Refreshed, WallTime(FAR), 2, 0, &texts).unwrap()]).unwrap();
    drop(journal);
    assert_eq!(
        names(&Journal::open(&path, quiet()).unwrap().1),
        ["sip:1@example.com", "sip:a@x"],
        "refreshed after all"
    );
}

#[test]
fn killed_at_every_octet_of_the_tail_the_whole_frames_before_it_stay() {
    let (_folder, path) = place();
    let ends = filled(&path, 3);
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut journal, found) = Journal::open(&path, quiet()).unwrap();
        let good = ends.iter().filter(|end| **end <= cut as u64).count();
        assert_eq!(found.records.len(), good, "cut at {cut}");
        assert_eq!(found.torn, cut as u64 - ends[..good].last().copied().unwrap_or(0), "cut at {cut}");
        journal.append(&[added(9)]).unwrap();
        drop(journal);
        let (_, found) = Journal::open(&path, quiet()).unwrap();
        assert_eq!((found.records.len(), found.torn), (good + 1, 0), "cut at {cut}, appended");
    }
}

#[test]
fn a_tail_of_zeros_or_noise_after_a_power_cut_is_torn_not_damaged() {
    for tail in [vec![0; 5_000], b"OHB1OHB1OHB1".to_vec(), vec![0x4f; 70]] {
        let (_folder, path) = place();
        filled(&path, 2);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(&tail);
        fs::write(&path, &bytes).unwrap();
        let (_, found) = Journal::open(&path, quiet()).unwrap();
        assert_eq!((found.records.len(), found.torn), (2, tail.len() as u64));
    }
}

#[test]
fn damage_in_the_middle_is_refused_with_its_place_or_set_aside() {
    for at in [0, 4, 8, 12, 30, 60] {
        let (_folder, path) = place();
        let ends = filled(&path, 3);
        let mut bytes = fs::read(&path).unwrap();
        bytes[ends[0] as usize + at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let why = Journal::open(&path, quiet()).unwrap_err();
        assert!(matches!(&why, StoreError::Damaged { offset, .. } if *offset == ends[0]), "{at}: {why}");
        assert!(why.to_string().contains(&format!("bindings.journal: damaged at byte {}: expected", ends[0])), "{why}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "refused and untouched");
        let (journal, found) = Journal::open(&path, Options { on_damage: OnDamage::SetAside, ..quiet() }).unwrap();
        assert_eq!(names(&found), ["sip:0@example.com"]);
        let aside = found.set_aside.unwrap();
        assert!(aside.ends_with("bindings.journal.damaged-1"));
        assert_eq!(fs::read(aside).unwrap(), bytes);
        drop(journal);
        assert_eq!(Journal::open(&path, quiet()).unwrap().1.records.len(), 1);
    }
}

#[test]
fn frames_of_a_later_version_are_refused_even_at_the_end() {
    // One record of kind 77, with a right checksum: what a later version might write.
    const LATER: [u8; 17] = [0x4f, 0x48, 0x42, 0x31, 5, 0, 0, 0, 0x7f, 0x7d, 0x6f, 0x49, 77, 0, 0, 0, 0];
    let (_folder, path) = place();
    let ends = filled(&path, 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(LATER);
    fs::write(&path, &bytes).unwrap();
    let why = Journal::open(&path, quiet()).unwrap_err();
    assert!(matches!(&why, StoreError::Damaged { offset, .. } if *offset == ends[0]), "{why}");
}

#[test]
fn two_processes_cannot_share_a_journal() {
    let (_folder, path) = place();
    let (journal, _) = Journal::open(&path, quiet()).unwrap();
    let why = Journal::open(&path, quiet()).unwrap_err();
    assert!(matches!(&why, StoreError::Locked { holder: Some(holder), .. } if *holder == std::process::id()), "{why}");
    assert!(why.to_string().ends_with("stop it or name another state directory"));
    drop(journal);
    Journal::open(&path, quiet()).unwrap();
}

#[test]
fn files_are_for_their_owner_only() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
    journal.append(&[added(1)]).unwrap();
    journal.rewrite().unwrap();
    for name in ["bindings.journal", "bindings.journal.lock"] {
        let mode = fs::metadata(path.parent().unwrap().join(name)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    let (_other, path) = place();
    drop(Journal::open(&path, quiet()).unwrap());
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_rewrite_leaves_the_same_bindings_in_less_room_and_no_other_file() {
    let (_folder, path) = place();
    let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
    for round in 0..50 {
        let records: Vec<_> = (0..100).map(|user| record(Kind::Changed, user, 1, round)).collect();
        journal.append(&records).unwrap();
    }
    journal.append(&[record(Kind::Removed, 7, 1, 99)]).unwrap();
    let before = journal.size();
    journal.rewrite().unwrap();
    assert!(journal.size() < before / 40, "{} of {before}", journal.size());
    assert_eq!(journal.size(), fs::metadata(&path).unwrap().len());
    journal.append(&[added(1_000)]).unwrap();
    drop(journal);
    let (_, found) = Journal::open(&path, quiet()).unwrap();
    assert_eq!(found.records.len(), 100);
    assert!(
        found.records.iter().filter(|record| record.aor() != "sip:1000@example.com").all(|record| record.cseq() == 49)
    );
    let mut files: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["bindings.journal", "bindings.journal.lock"]);
}

#[test]
fn a_rewrite_that_was_cut_off_is_forgotten() {
    let (_folder, path) = place();
    filled(&path, 2);
    fs::write(beside(&path, ".new"), b"OHB1half").unwrap();
    assert_eq!(Journal::open(&path, quiet()).unwrap().1.records.len(), 2);
    assert!(!beside(&path, ".new").exists());
}

#[test]
fn the_thread_rewrites_by_itself_while_appends_go_on() {
    let (_folder, path) = place();
    let options = Options { flush_every: Duration::from_millis(1), rewrite_from: 10_000, ..Options::default() };
    let (mut journal, _) = Journal::open(&path, options.clone()).unwrap();
    let (mut shrunk, mut size) = (0, 0);
    for round in 0..20_000 {
        journal.append(&[record(Kind::Changed, round % 20, 1, round)]).unwrap();
        shrunk += u32::from(journal.size() < size);
        size = journal.size();
        if shrunk >= 5 {
            break;
        }
        if round % 100 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(shrunk >= 5, "rewritten {shrunk} times");
    drop(journal);
    let (_, found) = Journal::open(&path, options).unwrap();
    assert_eq!(found.records.len(), 20);
    let newest = found.records.iter().map(Record::cseq).max().unwrap();
    assert!(found.records.iter().all(|record| newest - record.cseq() < 20), "each is its last");
}

#[test]
fn the_disk_has_an_append_within_the_time_set() {
    let (_folder, path) = place();
    let (mut journal, _) =
        Journal::open(&path, Options { flush_every: Duration::from_millis(20), ..Options::default() }).unwrap();
    for user in 0..3 {
        journal.append(&[added(user)]).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while journal.shared.dirty.load(Ordering::Acquire) {
            assert!(Instant::now() < until, "not flushed");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_failed_flush_is_told_until_a_rewrite_made_it_good() {
    let (_folder, path) = place();
    let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
    journal.append(&[added(1)]).unwrap();
    journal.shared.lock().unsafe_since = Some(std::io::ErrorKind::Other);
    assert!(journal.append(&[added(2)]).is_err());
    journal.rewrite().unwrap();
    journal.append(&[added(3)]).unwrap();
    drop(journal);
    assert_eq!(names(&Journal::open(&path, quiet()).unwrap().1), ["sip:1@example.com", "sip:3@example.com"]);
}

#[test]
fn a_failed_write_leaves_nothing_half_behind() {
    let (_folder, path) = place();
    let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
    journal.append(&[added(1)]).unwrap();
    let size = journal.size();
    {
        // A file opened for reading only: writing and cutting both fail.
        let mut end = journal.shared.lock();
        end.file = Arc::new(File::open(&path).unwrap());
    }
    assert!(matches!(journal.append(&[added(2)]), Err(StoreError::Io { doing: "write", .. })));
    assert!(journal.shared.lock().ragged);
    let half = fs::OpenOptions::new().write(true).open(&path).unwrap();
    half.write_all_at(
        b"OHB1\x40\0\0\0half of a much longer frame, as a write that stopped would leave it behind",
        size,
    )
    .unwrap();
    journal.shared.lock().file = Arc::new(open_private(&path, false).unwrap());
    journal.append(&[added(3)]).unwrap();
    drop(journal);
    let (_, found) = Journal::open(&path, quiet()).unwrap();
    assert_eq!(
        (names(&found).as_slice(), found.torn),
        (&["sip:1@example.com".to_owned(), "sip:3@example.com".to_owned()][..], 0)
    );
}

/// Runs one test of this binary in a process of its own.
fn child(test: &str, path: &Path, through: &str) -> Command {
    let mut command = Command::new("sh");
    let program = std::env::current_exe().unwrap();
    command.arg("-c").arg(format!("{through} exec \"$0\" \"$@\"")).arg(program);
    command.args(["--exact", &format!("journal::tests::{test}"), "--nocapture", "--include-ignored"]);
    command.env("JOURNAL_OF_CHILD", path).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

fn path_of_child() -> Option<PathBuf> {
    std::env::var_os("JOURNAL_OF_CHILD").map(PathBuf::from)
}

#[test]
#[ignore = "runs as a child of a_killed_process_keeps_every_record_it_acknowledged"]
fn child_that_appends_for_ever() {
    let Some(path) = path_of_child() else { return };
    let options = Options { flush_every: Duration::from_millis(1), rewrite_from: 4_096, ..Options::default() };
    let (mut journal, found) = Journal::open(&path, options).unwrap();
    let start = found.records.iter().map(Record::cseq).max().unwrap_or(0) + 1;
    for number in start.. {
        // Two records, one change: never one without the other.
        journal
            .append(&[record(Kind::Changed, number % 50, 1, number), record(Kind::Changed, number % 50, 2, number)])
            .unwrap();
        println!("wrote {number}");
    }
}

#[test]
fn a_killed_process_keeps_every_record_it_acknowledged() {
    let (_folder, path) = place();
    let mut last = 0;
    for round in 0..20 {
        let mut child = child("child_that_appends_for_ever", &path, "").spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers = lines.map_while(Result::ok).filter_map(|line| line.rsplit_once("wrote ")?.1.parse::<u32>().ok());
        let mut numbers = numbers.inspect(|number| last = *number);
        let seen = numbers.by_ref().take(50 + round * 37).count();
        assert!(seen > 0);
        child.kill().unwrap();
        let late = numbers.count();
        child.wait().unwrap();
        let (_, found) = Journal::open(&path, quiet()).unwrap();
        let newest = found.records.iter().map(Record::cseq).max().unwrap();
        assert!(newest >= last, "round {round}: {last} was acknowledged, {newest} found ({late} late)");
        let mut pairs: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        found.records.iter().for_each(|record| pairs.entry(record.aor()).or_default().push(record.cseq()));
        for (aor, numbers) in &pairs {
            assert!(numbers.len() == 2 && numbers[0] == numbers[1], "round {round}: {aor} {numbers:?}");
        }
        for number in last.saturating_sub(49).max(1)..=last {
            let held = pairs[format!("sip:{}@example.com", number % 50).as_str()][0];
            assert!(held >= number, "round {round}: {number} lost, {held} found");
        }
    }
}

#[test]
#[ignore = "runs as a child of the tests with little room"]
fn child_that_fills_the_disk() {
    let Some(path) = path_of_child() else { return };
    let ballast = beside(&path, ".ballast");
    let (mut journal, _) = Journal::open(&path, Options { rewrite_from: u64::MAX, ..quiet() }).unwrap();
    fs::write(&ballast, [1; 16_384]).unwrap();
    let mut written = 0;
    let why = loop {
        match journal.append(&[record(Kind::Changed, written % 10, 1, written)]) {
            Ok(()) => written += 1,
            Err(why) => break why,
        }
        assert!(written < 1_000_000, "no end to the room");
    };
    assert!(matches!(why, StoreError::Full { .. }), "{why}");
    let (size, again) = (journal.size(), journal.append(&[added(77)]));
    assert!(again.is_err() || journal.size() > size);
    assert_eq!(fs::metadata(&path).unwrap().len(), journal.size(), "nothing half behind");
    if let Err(why) = journal.rewrite() {
        assert!(matches!(why, StoreError::Full { .. }), "{why}");
        assert!(!beside(&path, ".new").exists());
    }
    fs::remove_file(&ballast).unwrap();
    journal.rewrite().unwrap();
    journal.append(&[added(78)]).unwrap();
    drop(journal);
    let (_, found) = Journal::open(&path, quiet()).unwrap();
    assert_eq!(found.torn, 0);
    assert_eq!(found.records.iter().map(Record::cseq).max(), Some(written - 1));
    assert!(found.records.iter().any(|record| record.aor() == "sip:78@example.com"));
    println!("wrote {written}");
}

fn fill(path: &Path, through: &str) {
    let out = child("child_that_fills_the_disk", path, through).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("wrote "), "{text}");
}

#[test]
fn a_limit_on_file_size_is_an_error_and_nothing_else() {
    let (_folder, path) = place();
    fill(&path, "trap '' XFSZ; ulimit -f 64;");
}

#[test]
fn a_full_disk_is_an_error_and_nothing_else() {
    let (folder, path) = place();
    let state = path.parent().unwrap();
    fs::create_dir_all(state).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"])
        .arg(state)
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        // Not root: the limit on file size takes the same way through the code.
        return fill(&path, "trap '' XFSZ; ulimit -f 32;");
    }
    let outcome = std::panic::catch_unwind(|| fill(&path, ""));
    assert!(Command::new("umount").arg(state).status().unwrap().success());
    drop(folder);
    outcome.unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u8, u32, u32)>),
    Rewrite,
    Reopen,
    Tear(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (0..4u8, 0..6u32, 1..3u32);
    let step = prop_oneof![
        6 => prop::collection::vec(change, 1..5).prop_map(Step::Append),
        1 => Just(Step::Rewrite),
        1 => Just(Step::Reopen),
        1 => (1..40usize).prop_map(Step::Tear),
    ];
    prop::collection::vec(step, 0..40)
}

fn folded(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut fold = Fold::new();
    records.into_iter().for_each(|record| fold.apply(record));
    fold.into_live(WallTime(0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn random_changes_rewrites_and_torn_ends_agree_with_a_list(steps in steps()) {
        let (_folder, path) = place();
        let (mut journal, _) = Journal::open(&path, quiet()).unwrap();
        let mut appended: Vec<Record> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append(changes) => {
                    let kinds = [Kind::Added, Kind::Changed, Kind::Refreshed, Kind::Removed];
                    let records: Vec<_> = changes.iter().map(|(kind, user, contact)| record(kinds[usize::from(*kind)], *user, *contact, number as u32)).collect();
                    journal.append(&records).unwrap();
                    appended.extend(records);
                }
                Step::Rewrite => journal.rewrite().unwrap(),
                Step::Reopen | Step::Tear(_) => {
                    drop(journal);
                    let mut torn = 0;
                    if let Step::Tear(octets) = step {
                        // What a write that was cut off leaves.
                        let mut frame = Vec::new();
                        write_frame(&[added(0), added(1)], &mut frame);
                        frame.truncate(octets);
                        torn = frame.len() as u64;
                        let mut bytes = fs::read(&path).unwrap();
                        bytes.extend(frame);
                        fs::write(&path, bytes).unwrap();
                    }
                    let (next, found) = Journal::open(&path, quiet()).unwrap();
                    prop_assert_eq!(found.torn, torn);
                    prop_assert_eq!(found.records, folded(appended.clone()));
                    journal = next;
                }
            }
        }
        drop(journal);
        let bytes = fs::read(&path).unwrap();
        prop_assert!(bytes.is_empty() || check_frame(&bytes).is_ok());
        prop_assert_eq!(Journal::open(&path, quiet()).unwrap().1.records, folded(appended));
    }
}
