//! Media threads of `serve`: one for each core, unless the configuration says otherwise.

use crate::run::Going;

/// Threads of this name in a running process.
fn threads(process: u32, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks
        .filter(|task| std::fs::read_to_string(task.as_ref().unwrap().path().join("comm")).unwrap().trim() == name)
        .count()
}

fn media_threads(settings: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let (state, file) = (folder.path().join("state"), folder.path().join("offhook.toml"));
    std::fs::write(&file, settings).unwrap();
    let paths = ["--state", state.to_str().unwrap(), "--config", file.to_str().unwrap()];
    let mut server = Going::start(&[&["serve", "--sip", "127.0.0.1:0"], &paths[..]].concat());
    server.line("ready");
    threads(server.id(), "media")
}

#[test]
fn serve_has_a_media_thread_for_each_core() {
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(media_threads(""), cores);
    assert_eq!(media_threads("[media]\nthreads = 1\n"), 1);
    assert_eq!(media_threads("[media]\nthreads = 3\n"), 3);
}
