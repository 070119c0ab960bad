//! Media threads of `serve`: one for each core, unless the configuration says otherwise.

use std::time::{Duration, Instant};

use crate::run::{Going, PATIENCE};

/// How often each thread of this name in a running process has gone to sleep after some work, the laziest first.
fn threads(process: u32, name: &str) -> Vec<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|task| task.unwrap().path());
    let named = tasks.filter(|task| std::fs::read_to_string(task.join("comm")).unwrap().trim() == name);
    let slept = named.map(|task| {
        let status = std::fs::read_to_string(task.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    });
    let mut slept: Vec<u64> = slept.collect();
    slept.sort_unstable();
    slept
}

/// A server with these settings and the users 2001 and 2002, and its port.
fn serve(folder: &tempfile::TempDir, settings: &str) -> (Going, u16) {
    let (state, file) = (folder.path().join("state"), folder.path().join("offhook.toml"));
    std::fs::write(&file, settings).unwrap();
    let paths = ["--state", state.to_str().unwrap(), "--config", file.to_str().unwrap()];
    let users = ["--user", "2001:x", "--user", "2002:x"];
    let mut server = Going::start(&[&["serve", "--sip", "127.0.0.1:0"], &paths[..], &users[..]].concat());
    let port = server.port();
    server.line("ready");
    (server, port)
}

/// A server with these settings has so many media threads: each names itself, a moment after it has been started.
fn has_media_threads(settings: &str, expected: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = serve(&folder, settings);
    let until = Instant::now() + PATIENCE;
    while threads(server.id(), "media").len() < expected && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(threads(server.id(), "media").len(), expected, "{settings}");
}

/// A call to the tone that stands until it is dropped.
fn listen(port: u16, user: &str) -> Going {
    let account = format!("sip:{user}@127.0.0.1:{port}");
    let mut caller = Going::start(&["call", "601", "--account", &account, "--password", "x", "--sip", "127.0.0.1:0"]);
    caller.line("the first packet has come");
    caller
}

#[test]
fn serve_has_a_media_thread_for_each_core() {
    let cores = std::thread::available_parallelism().unwrap().get();
    has_media_threads("", cores);
    has_media_threads("[media]\nthreads = 1\n", 1);
    has_media_threads("[media]\nthreads = 3\n", 3);
}

/// Half a second of frames.
const WORK: u64 = 25;

#[test]
fn two_calls_run_on_two_media_threads_and_one_call_on_one() {
    let folder = tempfile::tempdir().unwrap();
    let (server, port) = serve(&folder, "[media]\nthreads = 2\n");
    let idle = threads(server.id(), "media");
    let until = |what: &str, so: &dyn Fn(&[u64]) -> bool| {
        let end = Instant::now() + PATIENCE;
        loop {
            let slept = threads(server.id(), "media");
            if so(&slept) {
                return slept;
            }
            assert!(Instant::now() < end, "{what}: {idle:?} at first, {slept:?} now");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let _first = listen(port, "2001");
    let one = until("one call works", &|slept| slept[1] >= idle[1] + 4 * WORK);
    assert!(one[0] < idle[0] + WORK, "one call, two threads: {idle:?} at first, {one:?} now");
    let _second = listen(port, "2002");
    until("two calls work", &|slept| slept[0] >= one[0] + 2 * WORK);
}
