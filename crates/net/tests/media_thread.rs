//! How the system treats a media thread.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc::channel;

use net::Clock;
use net::media::{MediaConfig, MediaThread};

/// The niceness of the calling thread: field 19 of its `stat` (proc_pid_stat(5)).
fn niceness() -> i32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The second field is a name in brackets that may hold blanks.
    stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[test]
fn a_media_thread_comes_before_the_others_where_the_system_allows_it() {
    let allowed = std::thread::spawn(|| rustix::process::setpriority_process(None, -11).is_ok()).join().unwrap();
    let config = MediaConfig { engine: media::Config::default(), clock: Clock::start(), commands: 8 };
    let thread = MediaThread::spawn(config, |_| {}).unwrap();
    let (tell, told) = channel();
    thread.handle().run(move |_| tell.send(niceness()).unwrap()).unwrap();
    assert_eq!(told.recv().unwrap(), if allowed { -11 } else { 0 });
    assert_eq!(niceness(), 0, "whoever started it stays what it was");
}
