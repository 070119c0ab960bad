//! The `clippy.toml` of the pure layers.

/// What a pure layer must not call, each with what to do instead.
const METHODS: &[(&str, &[&str])] = &[
    (
        "a pure layer gets the time as an argument",
        &[
            "std::time::Instant::now",
            "std::time::Instant::elapsed",
            "std::time::SystemTime::now",
            "std::time::SystemTime::elapsed",
        ],
    ),
    (
        "a pure layer starts no thread and never waits",
        &[
            "std::thread::spawn",
            "std::thread::scope",
            "std::thread::sleep",
            "std::thread::park",
            "std::thread::current",
        ],
    ),
    (
        "a pure layer reads and writes no files",
        &[
            "std::fs::read",
            "std::fs::read_to_string",
            "std::fs::write",
            "std::fs::copy",
            "std::fs::rename",
            "std::fs::remove_file",
            "std::fs::remove_dir_all",
            "std::fs::create_dir",
            "std::fs::create_dir_all",
            "std::fs::read_dir",
            "std::fs::metadata",
            "std::env::var",
            "std::env::var_os",
            "std::env::vars",
            "std::env::args",
        ],
    ),
    ("a pure layer looks no names up", &["std::net::ToSocketAddrs::to_socket_addrs"]),
    (
        "a pure layer is seeded by its caller",
        &[
            "std::collections::hash_map::RandomState::new",
            "std::collections::HashMap::new",
            "std::collections::HashMap::with_capacity",
            "std::collections::HashSet::new",
            "std::collections::HashSet::with_capacity",
            "rand::rng",
            "rand::random",
            "rand::make_rng",
            "getrandom::fill",
        ],
    ),
    ("a pure layer starts no program", &["std::process::Command::new", "std::process::exit", "std::process::abort"]),
];

/// Types a pure layer must not name.
const TYPES: &[(&str, &[&str])] = &[
    (
        "a pure layer holds no sockets",
        &[
            "std::net::UdpSocket",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::os::unix::net::UnixStream",
            "std::os::unix::net::UnixListener",
            "std::os::unix::net::UnixDatagram",
        ],
    ),
    (
        "a pure layer holds no files",
        &["std::fs::File", "std::fs::OpenOptions", "std::io::Stdin", "std::io::Stdout", "std::io::Stderr"],
    ),
    ("a pure layer gets the time as an argument", &["std::time::Instant", "std::time::SystemTime"]),
    (
        "a pure layer is plain data",
        &["std::thread::JoinHandle", "std::sync::mpsc::Sender", "std::sync::mpsc::Receiver", "std::sync::Condvar"],
    ),
];

/// The root's settings followed by the pure layers' own: clippy reads only the file nearest to the manifest.
pub(crate) fn clippy_toml(root: &str) -> String {
    let mut text = String::from(
        "# Written by `cargo xtask layers --write`: the root's settings, then what a pure layer (0 or 1) must not touch.\n",
    );
    text.push_str(root.trim_end());
    text.push('\n');
    for (key, groups) in [("disallowed-methods", METHODS), ("disallowed-types", TYPES)] {
        text.push_str(&format!("{key} = [\n"));
        for (reason, paths) in groups {
            for path in *paths {
                // A crate that is not in the build is no mistake in this file.
                text.push_str(&format!("  {{ path = \"{path}\", reason = \"{reason}\", allow-invalid = true }},\n"));
            }
        }
        text.push_str("]\n");
    }
    text
}
