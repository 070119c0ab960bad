//! What passes a process, told over its runtime socket: one JSON object a line, as `offhook trace --json` prints them.
//!
//! The question is `trace`, with a filter behind it where not all is wanted: `trace {"user":"1001","call_id":"a84b4c76e66710"}`. The first line of the
//! answer says that messages follow from now on, each in a line of its own; it ends when who asked closes, or does not read for 5 s.

use std::borrow::Cow;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use net::trace::{Filter, Next, Reader, Record};
use serde_json::{Value, json};
use sip::Transport;
use sip::message::{Limits, Message};

/// How often who watches looks for messages: loops never wake him.
const LOOK: Duration = Duration::from_millis(20);
/// How long a line may take to be read.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last messages may take to be read.
const FAREWELL: Duration = Duration::from_secs(1);
/// Octets that are written at a time.
const BATCH: usize = 64 << 10;
/// Longest line of an answer: a message of 64 KiB, each octet escaped.
const LINE: u64 = 1 << 20;

/// The filter of a question; `None` when this is no question for a trace.
pub(crate) fn asked(question: &[u8]) -> Option<Result<Filter, String>> {
    let rest = question.strip_prefix(b"trace")?.trim_ascii();
    if rest.is_empty() {
        return Some(Ok(Filter::default()));
    }
    let expected = || "expected trace, or trace and an object with user, call_id or both".to_owned();
    let Ok(Value::Object(mut given)) = serde_json::from_slice(rest) else { return Some(Err(expected())) };
    let mut text = |name: &str| match given.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(expected()),
    };
    let filter = text("user").and_then(|user| Ok(Filter { user, call_id: text("call_id")? }));
    Some(filter.and_then(|filter| if given.is_empty() { Ok(filter) } else { Err(expected()) }))
}

/// The threads that tell what passes, one for each who watches.
#[derive(Default)]
pub(crate) struct Tellers {
    ended: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Tellers {
    /// Begins to tell somebody.
    pub(crate) fn tell(&self, stream: UnixStream, reader: Reader) -> io::Result<()> {
        let ended = Arc::clone(&self.ended);
        // Who is too slow, or closes, loses nothing of ours.
        let tell = move || drop(tell(stream, reader, &ended));
        let thread = std::thread::Builder::new().name("trace".to_owned()).spawn(tell)?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }
}

impl Drop for Tellers {
    /// What has passed by now is told, as far as it is read within a second.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let until = Instant::now() + FAREWELL;
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        while Instant::now() < until && !threads.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(LOOK / 4);
        }
    }
}

/// Tells what passes, until it is not read any more or all has ended.
fn tell(mut stream: UnixStream, mut reader: Reader, ended: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = json!({ "v": 1, "event": "tracing" }).to_string().into_bytes();
    lines.push(b'\n');
    loop {
        // Looked at before the queue: what is in it by then is told.
        let last = ended.load(Ordering::Relaxed);
        let next = loop {
            match reader.take() {
                Next::Record(record) if lines.len() < BATCH => line(&mut lines, &record),
                Next::Record(record) => {
                    line(&mut lines, &record);
                    break None;
                }
                other => break Some(other),
            }
        };
        stream.write_all(&lines)?;
        lines.clear();
        match next {
            None => continue,
            Some(_) if last => return Ok(()),
            Some(Next::Ended) => return Ok(()),
            Some(_) => {}
        }
        // Nobody says anything: this is a rest that ends when the other side closes.
        match stream.read(&mut [0; 64]) {
            Ok(0) => return Ok(()),
            Err(error) if !is_in_vain(&error) => return Err(error),
            _ => {}
        }
    }
}

fn is_in_vain(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn line(lines: &mut Vec<u8>, record: &Record) {
    let fields = fields(record).into_iter().map(|(name, value)| (name.to_owned(), value));
    let object: serde_json::Map<String, Value> = std::iter::once(("v".to_owned(), 1.into())).chain(fields).collect();
    lines.extend(Value::Object(object).to_string().into_bytes());
    lines.push(b'\n');
}

/// A message, as the fields of the event `sip_message`.
pub fn fields(record: &Record) -> Vec<(&'static str, Value)> {
    let micros = record.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
    let text = String::from_utf8_lossy(&record.octets);
    let mut fields = vec![
        ("event", "sip_message".into()),
        ("at_unix_micros", u64::try_from(micros).unwrap_or(u64::MAX).into()),
        ("direction", if record.is_sent() { "out" } else { "in" }.into()),
        ("cause", record.cause.as_deref().into()),
        ("transport", record.transport.as_str().to_lowercase().into()),
        ("local", record.local.to_string().into()),
        ("remote", record.remote.to_string().into()),
        ("call_id", call_id(record).into()),
        ("missed", record.missed.into()),
    ];
    if let Cow::Owned(_) = text {
        let hex: String = record.octets.iter().map(|octet| format!("{octet:02x}")).collect();
        fields.push(("octets", hex.into()));
    }
    fields.push(("text", text.into()));
    fields
}

/// The Call-ID of a message that can be read.
fn call_id(record: &Record) -> Option<String> {
    let message = Message::parse(record.octets.clone().into(), &Limits::default()).ok()?;
    Some(match message {
        Message::Request(request) => request.headers().call_id().to_owned(),
        Message::Response(response) => response.headers().call_id().to_owned(),
    })
}

/// The message in a line; `None` when it is none.
fn record(line: &[u8]) -> Option<Record> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let transport = |name: &str| {
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        all.into_iter().find(|transport| transport.as_str().eq_ignore_ascii_case(name))
    };
    let octets = match text("octets") {
        Some(hex) => hex_octets(hex)?,
        None => text("text")?.as_bytes().to_vec(),
    };
    Some(Record {
        at: SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(value.get("at_unix_micros")?.as_u64()?))?,
        cause: text("cause").map(|cause| cause.to_owned().into()),
        transport: transport(text("transport")?)?,
        local: text("local")?.parse().ok()?,
        remote: text("remote")?.parse().ok()?,
        octets,
        missed: value.get("missed").and_then(Value::as_u64).unwrap_or(0),
    })
}

fn hex_octets(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

/// The messages that pass another process.
pub struct Following {
    lines: BufReader<UnixStream>,
    /// What has come of the next line.
    line: Vec<u8>,
}

/// Has the messages of the process behind this runtime socket told, from now on.
///
/// # Errors
/// Nobody listens there, this user may not ask, or what was answered instead.
pub fn follow(path: &Path, filter: &Filter) -> io::Result<Following> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let wanted = [("user", &filter.user), ("call_id", &filter.call_id)];
    let wanted = wanted.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.as_deref()?.into())));
    let wanted: serde_json::Map<String, Value> = wanted.collect();
    stream.write_all(format!("trace {}\n", Value::Object(wanted)).as_bytes())?;
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    lines.by_ref().take(LINE).read_line(&mut first)?;
    if first.is_empty() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "the process answers its own user and root only"));
    }
    let answer: Value = serde_json::from_str(&first).map_err(io::Error::other)?;
    if let Some(why) = answer.get("error").and_then(Value::as_str) {
        return Err(io::Error::other(why.to_owned()));
    }
    lines.get_ref().set_read_timeout(Some(LOOK))?;
    Ok(Following { lines, line: Vec::new() })
}

impl Following {
    /// The next message; waits some milliseconds for it.
    ///
    /// # Errors
    /// What the system says, or a line that is no message.
    pub fn take(&mut self) -> io::Result<Next> {
        let room = LINE.saturating_sub(self.line.len() as u64);
        match self.lines.by_ref().take(room).read_until(b'\n', &mut self.line) {
            // What has come stays in `line`.
            Err(error) if is_in_vain(&error) => return Ok(Next::Empty),
            Err(error) => return Err(error),
            Ok(0) if self.line.is_empty() => return Ok(Next::Ended),
            Ok(_) => {}
        }
        let line = std::mem::take(&mut self.line);
        record(&line)
            .map(Next::Record)
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a line that is no message"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let records =
            ["INVITE sip:a@h SIP/2.0\r\n\r\n\"\u{1b}\u{fffd}".as_bytes(), b"\xff\x00\r\n", b""].map(|octets| Record {
                at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456),
                cause: (octets.len() > 4).then(|| "timer A".into()),
                transport: Transport::Wss,
                local: "[::1]:5060".parse().unwrap(),
                remote: "127.0.0.1:5080".parse().unwrap(),
                octets: octets.to_vec(),
                missed: 3,
            });
        for given in records {
            let mut lines = Vec::new();
            line(&mut lines, &given);
            assert_eq!(lines.iter().filter(|octet| **octet == b'\n').count(), 1);
            assert_eq!(record(&lines), Some(given));
        }
    }

    #[test]
    fn lines_that_are_no_messages_are_none() {
        for line in ["", "{}", "[]", "{\"text\":5}", "{\"event\":\"sip_message\",\"octets\":\"0g\"}"] {
            assert_eq!(record(line.as_bytes()), None);
        }
        assert_eq!(hex_octets("0").as_deref(), Some(&[0][..]), "one digit is a number too");
        assert_eq!(hex_octets("é0"), None);
    }

    #[test]
    fn questions_name_a_user_a_call_both_or_neither() {
        let filter = |user: Option<&str>, call_id: Option<&str>| {
            Some(Ok(Filter { user: user.map(str::to_owned), call_id: call_id.map(str::to_owned) }))
        };
        assert_eq!(asked(b"trace"), filter(None, None));
        assert_eq!(asked(b"trace {}"), filter(None, None));
        assert_eq!(asked(b"trace {\"user\":\"1\"}"), filter(Some("1"), None));
        assert_eq!(asked(b"trace {\"call_id\":\"x\",\"user\":\"1\"}"), filter(Some("1"), Some("x")));
        for wrong in ["trace 1", "trace {\"user\":1}", "trace {\"users\":\"1\"}", "trace {"] {
            assert!(asked(wrong.as_bytes()).unwrap().is_err(), "{wrong}");
        }
        assert!(asked(b"trace\xff").unwrap().is_err());
        assert_eq!(asked(b"status"), None);
    }
}
