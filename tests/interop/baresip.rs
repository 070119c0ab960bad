//! baresip as a child, driven through its `ctrl_tcp` module.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{PATIENCE, Program, free_port};

/// Where Debian puts the modules.
const MODULES: &str = "/usr/lib/baresip/modules";

/// A phone with one account whose microphone is a tone and whose recordings are kept.
pub(crate) struct Baresip {
    program: Program,
    control: TcpStream,
    received: Vec<u8>,
    events: Vec<String>,
    directory: tempfile::TempDir,
    port: u16,
}

impl Baresip {
    /// Starts a phone; `account` is a line of baresip's accounts file in which `PORT` stands for its own SIP port.
    pub(crate) fn start(account: &str, hertz: u32) -> Self {
        Self::with_ports(account, hertz, "21000-29999")
    }

    /// The same with a range of ports for RTP.
    pub(crate) fn with_ports(account: &str, hertz: u32, ports: &str) -> Self {
        Self::with_contact(account, hertz, ports, "")
    }

    /// One that has whom it can write to in its contacts: `"Bob" <sip:bob@example.com>`.
    pub(crate) fn with_contact(account: &str, hertz: u32, ports: &str, contact: &str) -> Self {
        Self::start_with("127.0.0.1", account, hertz, ports, contact, "")
    }

    /// One with these lines in its configuration besides.
    pub(crate) fn with_settings(account: &str, hertz: u32, settings: &str) -> Self {
        Self::start_with("127.0.0.1", account, hertz, "21000-29999", "", settings)
    }

    /// One that is at ::1 and nowhere else.
    pub(crate) fn over_ipv6(account: &str, hertz: u32) -> Self {
        Self::start_with("::1", account, hertz, "21000-29999", "", "")
    }

    /// One that is at this address and nowhere else.
    pub(crate) fn behind(host: &str, account: &str, hertz: u32) -> Self {
        Self::start_with(host, account, hertz, "21000-29999", "", "")
    }

    /// One that watches its contact with the modules that these lines load.
    pub(crate) fn watching(account: &str, contact: &str, modules: &str) -> Self {
        Self::start_with("127.0.0.1", account, 440, "21000-29999", contact, modules)
    }

    fn start_with(host: &str, account: &str, hertz: u32, ports: &str, contact: &str, more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (port, control_port) = (free_port(), free_port());
        let settings = config(directory.path(), host, (port, control_port, ports), hertz) + more;
        std::fs::write(directory.path().join("config"), settings).unwrap();
        std::fs::write(directory.path().join("accounts"), format!("{}\n", account.replace("PORT", &port.to_string())))
            .unwrap();
        std::fs::write(directory.path().join("contacts"), format!("{contact}\n")).unwrap();
        // What it has to say to its user, messages that come for instance, it only prints where it can read as well.
        let mut program = Program::start_waiting(Command::new("baresip").arg("-f").arg(directory.path()));
        program.wait_for("baresip is ready");
        let control = TcpStream::connect(("127.0.0.1", control_port)).unwrap();
        control.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { program, control, received: Vec::new(), events: Vec::new(), directory, port }
    }

    /// Where it listens for SIP.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Gives a command, as one would type it after a slash.
    pub(crate) fn command(&mut self, command: &str, parameters: &str) {
        let json = format!(r#"{{"command":"{command}","params":"{parameters}","token":"t"}}"#);
        write!(self.control, "{}:{json},", json.len()).unwrap();
    }

    /// Waits for an event or answer that holds `text` and was not waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(index) = self.events.iter().position(|event| event.contains(text)) {
                return self.events.drain(..=index).next_back().unwrap();
            }
            assert!(
                Instant::now() < end,
                "baresip: no {text:?} in\n{}\n{}",
                self.events.join("\n"),
                self.program.output()
            );
            let mut chunk = [0; 4096];
            if let Ok(length) = self.control.read(&mut chunk) {
                self.received.extend_from_slice(&chunk[..length]);
                self.cut();
            }
        }
    }

    /// Takes netstrings (`LENGTH:TEXT,`) out of what was received.
    fn cut(&mut self) {
        while let Some(colon) = self.received.iter().position(|byte| *byte == b':') {
            let length: usize = String::from_utf8_lossy(&self.received[..colon]).parse().unwrap();
            let end = colon + 1 + length;
            if self.received.len() <= end {
                return;
            }
            self.events.push(String::from_utf8_lossy(&self.received[colon + 1..end]).into_owned());
            self.received.drain(..=end);
        }
    }

    /// What it heard in its calls so far: the newest recording of decoded audio.
    pub(crate) fn recording(&self) -> PathBuf {
        let mut found: Vec<_> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        found.sort();
        found.pop().expect("baresip recorded no call")
    }

    /// Waits until what it has printed is as `enough` says, and returns that.
    pub(crate) fn wait_until(&mut self, enough: impl Fn(&str) -> bool) -> String {
        self.program.wait_until(enough);
        self.program.output()
    }

    /// Waits for a line it prints: what comes before its control connection stands is no event there.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        self.program.wait_for(text)
    }

    /// Waits until three RTCP reports have been given: they are at least 2.5 s apart, so several seconds of audio have passed.
    pub(crate) fn talk(&mut self) {
        for _ in 0..3 {
            self.wait_for("CALL_RTCP");
        }
    }

    /// Whether it recorded anything.
    pub(crate) fn has_recording(&self) -> bool {
        std::fs::read_dir(self.directory.path())
            .unwrap()
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().ends_with("-dec.wav"))
    }

    /// Whether it has printed this by now.
    pub(crate) fn has_printed(&mut self, text: &str) -> bool {
        self.program.output().contains(text)
    }

    /// Ends it at once.
    pub(crate) fn kill(self) {
        self.program.signal("KILL");
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.program.signal("TERM");
    }
}

fn config(directory: &Path, host: &str, (port, control, ports): (u16, u16, &str), hertz: u32) -> String {
    let directory = directory.display();
    let listens = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let modules = ["stdio", "g711", "aufile", "sndfile", "ausine", "uuid", "stun"];
    let modules: String = modules.iter().map(|name| format!("module {name}.so\n")).collect();
    let applications: String =
        ["menu", "contact", "ctrl_tcp"].iter().map(|name| format!("module_app {name}.so\n")).collect();
    format!(
        "poll_method epoll\nsip_listen {listens}\ncall_local_timeout 60\ncall_max_calls 4\n\
         audio_player aufile,{directory}/rx.wav\naudio_source ausine,{hertz}\naudio_alert aufile,/dev/null\n\
         ausrc_srate 48000\nauplay_srate 8000\nausrc_channels 2\nauplay_channels 1\naudio_level no\nrtp_ports {ports}\n\
         rtp_stats yes\nsnd_path {directory}\nnet_interface {host}\nmodule_path {MODULES}\n{modules}\
         module_tmp account.so\n{applications}ctrl_tcp_listen 127.0.0.1:{control}\n"
    )
}
