//! A disk that is full in the middle of a recording: a file system in memory of a few pages.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{offhook, sound};

/// Two seconds of audio fit.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub(crate) fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=32k", "small"]).arg(folder.path()).status();
        assert!(mounted.unwrap().success(), "mount needs root");
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// The header counts every whole sample that fitted, and the tone is in it.
fn assert_kept(path: &Path, hertz: f64) {
    let held = std::fs::metadata(path).unwrap().len();
    let header = std::fs::read(path).unwrap();
    let said = u64::from(u32::from_le_bytes(header[40..44].try_into().unwrap()));
    // What is written at a time, a few ticks, is not counted when it fitted only in part.
    assert!(said + 44 <= held && held - said - 44 < 8_000, "{said} octets of samples said, {held} in the file");
    assert!(sound::seconds_of(path, hertz) > 1.0);
}

#[test]
fn caller_with_a_full_disk_says_so_and_the_other_call_goes_on() {
    let disk = SmallDisk::mount();
    let server = offhook::serve(&offhook::USERS);
    let account = |user: &str| format!("sip:{user}@{}", server.address);
    let (one, two, file) = (account("1001"), account("1002"), disk.file("full.wav"));
    let call = ["call", "601", "--for", "5", "--expect-tone", "440"];
    let mut full = offhook::start(
        &[&call[..], &["--account", &one, "--password", "secret1", "--record", file.to_str().unwrap()]].concat(),
    );
    full.wait_for("the first packet has come");
    let other = offhook::start(&[&call[..], &["--account", &two, "--password", "secret2"]].concat());
    full.wait_for("the recording ends here, the call goes on");
    let (code, output) = full.finish();
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("No space left on device") && output.contains("ended by us"), "{output}");
    assert_kept(&file, 440.0);
    let (code, output) = other.finish();
    assert_eq!(code, 0, "{output}");
}

#[test]
fn robot_with_a_full_disk_says_so_and_its_calls_go_on() {
    let disk = SmallDisk::mount();
    let file = disk.file("full.wav");
    let (mut robot, address) = offhook::answer(&["--tone", "700", "--record", file.to_str().unwrap()]);
    let call = |tone: &str, secs: &str| {
        let target = format!("x@{address}");
        offhook::start(&["call", &target, "--tone", tone, "--for", secs, "--expect-tone", "700"])
    };
    let (first, second) = (call("440", "5"), call("440", "4"));
    let told = robot.wait_for("the recording ends here, the call goes on");
    assert!(told.contains("full") && told.contains("No space left on device"), "{told}");
    // A call that begins when the disk is full is answered too.
    let third = call("440", "2");
    for caller in [first, second, third] {
        let (code, output) = caller.finish();
        assert_eq!(code, 0, "{output}");
    }
    let (code, _) = robot.stop("INT");
    assert_eq!(code, 130);
    // Both recordings share the room there is.
    let held = |path: PathBuf| std::fs::metadata(path).unwrap().len();
    let fullest = [file, disk.file("full-2.wav")].into_iter().max_by_key(|path| held(path.clone())).unwrap();
    let recorded = audio::wav::read(std::fs::File::open(&fullest).unwrap(), &audio::wav::Limits::default()).unwrap();
    let said = 44 + 2 * recorded.samples.len() as u64;
    assert!(recorded.samples.len() > 4_000 && held(fullest) - said < 320, "{} samples", recorded.samples.len());
}
