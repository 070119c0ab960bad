//! What others may watch: metrics and health over HTTP, the state over a Unix socket. A thread of its own, so that no slow reader is ever
//! waited for on the SIP loop.

use std::fmt;
use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use net::Sparingly;
use net::trace::Trace;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::gate::Gate;
use crate::panel::{NoAnswer, Panel};
use crate::trace::{self, Tellers};

/// Readers of the runtime socket at a time.
const READERS: usize = 32;
/// Longest question, in octets.
const QUESTION: usize = 1_024;
/// Connections for metrics and health at a time; more wait until one ends.
const CONNECTIONS: usize = 32;
/// How long such a connection may live: who wants more connects again.
const LIFETIME: Duration = Duration::from_secs(10);
/// Questions to the SIP loop at a time; each waits on a thread of its own.
const QUESTIONS: usize = 8;
/// What may be asked on the runtime socket of a server.
const EXPECTED: &str = "expected status, metrics or trace";
/// How long a reader may take to ask, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing can be watched.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchError {
    /// The address for HTTP.
    Http {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The runtime socket.
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another server has the runtime socket.
    Running {
        /// Its path.
        path: PathBuf,
    },
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { address, source } => {
                write!(
                    f,
                    "metrics cannot be served on {address}: {source}; choose another address, or port 0 for a free one"
                )
            }
            Self::Socket { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "runtime socket {path}: {source}; name a directory that this user may write, with --state or `control`"
                )
            }
            Self::Running { path } => {
                write!(
                    f,
                    "another server listens on {}; stop it, or give this one a state directory of its own with --state, or another `control`",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for WatchError {}

/// Bound, but not served yet.
#[derive(Default)]
pub(crate) struct Opened {
    http: Option<TcpListener>,
    socket: Option<(std::os::unix::net::UnixListener, SocketFile)>,
}

/// The runtime socket's place among the files: taken away when nobody listens there any more.
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serves until dropped.
pub(crate) struct Watch {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) http: Option<SocketAddr>,
}

/// Binds what is wanted.
pub(crate) fn open(http: Option<SocketAddr>, socket: Option<&Path>) -> Result<Opened, WatchError> {
    let mut opened = Opened::default();
    if let Some(address) = http {
        let bound = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        opened.http = Some(bound.map_err(|source| WatchError::Http { address, source })?);
    }
    if let Some(path) = socket {
        opened.socket = Some(open_socket(path)?);
    }
    Ok(opened)
}

/// A socket with mode 0600 in a directory that is made with mode 0700. One that nobody listens on any more is replaced.
pub(crate) fn open_socket(path: &Path) -> Result<(std::os::unix::net::UnixListener, SocketFile), WatchError> {
    let failed = |source| WatchError::Socket { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    if Probe::connect(path).is_ok() {
        return Err(WatchError::Running { path: path.to_owned() });
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(failed)?;
    let file = SocketFile(path.to_owned());
    // Whoever connects in between is refused by the check of who he is.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok((listener, file))
}

impl Opened {
    /// Starts to serve.
    pub(crate) fn serve(self, to: Panel, trace: Trace) -> io::Result<Watch> {
        let http = self.http.as_ref().and_then(|listener| listener.local_addr().ok());
        if self.http.is_none() && self.socket.is_none() {
            return Ok(Watch { stop: None, thread: None, http });
        }
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("watch".to_owned()).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(self.run(to, (trace, Arc::default()), stopped)),
                Err(error) => tracing::error!(%error, "nothing can be watched"),
            }
        })?;
        Ok(Watch { stop: Some(stop), thread: Some(thread), http })
    }

    async fn run(self, to: Panel, shown: Shown, stopped: oneshot::Receiver<()>) {
        let to = Asking { to, room: Arc::new(Semaphore::new(QUESTIONS)) };
        if let Some(listener) = self.http {
            tokio::spawn(serve_http(listener, to.clone()));
        }
        let _file = self.socket.map(|(listener, file)| {
            tokio::spawn(serve_socket(listener, to, shown));
            file
        });
        // Also when the sender is dropped.
        let _ = stopped.await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the watching thread ended by a panic");
        }
    }
}

async fn serve_http(listener: TcpListener, to: Asking) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "metrics cannot be served"),
    };
    let (metrics, health) = (to.clone(), to);
    let router = Router::new()
        .route("/metrics", get(move || text(metrics.clone(), Panel::metrics, "text/plain; version=0.0.4")))
        .route("/healthz", get(move || text(health.clone(), Panel::health, "text/plain")));
    let listener = Gate::new(listener, CONNECTIONS, LIFETIME);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "metrics are no longer served");
    }
}

async fn text(
    to: Asking,
    question: fn(&Panel) -> Result<String, NoAnswer>,
    kind: &'static str,
) -> axum::response::Response {
    match to.ask(question).await {
        Some(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the SIP loop does not answer\n").into_response(),
    }
}

/// Asks the loops without holding up this thread's other readers.
#[derive(Clone)]
struct Asking {
    to: Panel,
    room: Arc<Semaphore>,
}

impl Asking {
    /// `None` when a loop does not answer.
    async fn ask<T: Send + 'static>(
        self,
        question: impl FnOnce(&Panel) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Option<T> {
        let seat = self.room.acquire_owned().await.ok()?;
        let asked = tokio::task::spawn_blocking(move || {
            // Held until the thread is free again, whether anybody still wants to know or not.
            let _seat = seat;
            question(&self.to)
        });
        asked.await.ok()?.ok()
    }
}

async fn serve_socket(listener: std::os::unix::net::UnixListener, to: Asking, shown: Shown) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the runtime socket cannot be served"),
    };
    let room = Arc::new(Semaphore::new(READERS));
    let mut failures = Sparingly::default();
    loop {
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (to, shown) = (to.clone(), shown.clone());
                tokio::spawn(async move {
                    // Who is too slow, or closes, loses nothing of ours.
                    let _ = answer(stream, to, shown).await;
                    drop(seat);
                });
            }
            Err(error) => {
                if let Some(kept_back) = failures.due(Instant::now()) {
                    tracing::warn!(%error, kept_back, "a reader of the runtime socket was lost");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One question, one line of JSON, or for a trace one after the other. Only our own user and root may ask.
async fn answer(mut stream: UnixStream, to: Asking, shown: Shown) -> io::Result<()> {
    if !may_ask(&stream)? {
        return Ok(());
    }
    let question = timeout(PATIENCE, question_of(&mut stream)).await??;
    // The loops have a time of their own to answer.
    let reply = match question.as_slice().trim_ascii() {
        question if question.starts_with(b"trace") => {
            let (stream, question) = (stream.into_std()?, question.to_vec());
            stream.set_nonblocking(false)?;
            return show(stream, &question, &shown, EXPECTED);
        }
        b"status" => match to.ask(Panel::status).await {
            Some(status) => serde_json::to_string(&status).map_err(io::Error::other)?,
            None => refusal("the server does not answer"),
        },
        b"metrics" => match to.ask(Panel::metrics).await {
            Some(text) => serde_json::json!({ "v": 1, "metrics": text }).to_string(),
            None => refusal("the server does not answer"),
        },
        _ => refusal(EXPECTED),
    };
    timeout(PATIENCE, tell(&mut stream, &reply)).await?
}

/// Whether who is at the other end is our own user, or root.
pub(crate) fn may_ask(stream: &impl AsFd) -> io::Result<bool> {
    let theirs = getsockopt(stream, PeerCredentials)?.uid();
    Ok(theirs == 0 || theirs == nix::unistd::geteuid().as_raw())
}

/// A trace, and who tells of it.
pub(crate) type Shown = (Trace, Arc<Tellers>);

/// Shows a trace to who has asked for one, on a thread of its own; says what is expected to who has asked for anything else.
pub(crate) fn show(mut stream: Probe, question: &[u8], (trace, tellers): &Shown, expected: &str) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let wanted = trace::asked(question).unwrap_or_else(|| Err(expected.to_owned()));
    match wanted.and_then(|filter| trace.watch(filter).map_err(|why| why.to_string())) {
        Ok(reader) => tellers.tell(stream, reader),
        Err(why) => writeln!(stream, "{}", refusal(&why)),
    }
}

/// A line, without its end.
pub(crate) fn question(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut question = Vec::new();
    let mut byte = [0; 1];
    while question.len() < QUESTION && stream.read(&mut byte)? == 1 && byte != *b"\n" {
        question.extend_from_slice(&byte);
    }
    Ok(question)
}

/// The same where others wait.
async fn question_of(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut question = Vec::new();
    let mut byte = [0; 1];
    while question.len() < QUESTION && stream.read(&mut byte).await? == 1 && byte != *b"\n" {
        question.extend_from_slice(&byte);
    }
    Ok(question)
}

async fn tell(stream: &mut UnixStream, reply: &str) -> io::Result<()> {
    stream.write_all(reply.as_bytes()).await?;
    stream.write_all(b"\n").await?;
    stream.shutdown().await
}

fn refusal(why: &str) -> String {
    serde_json::json!({ "v": 1, "error": why }).to_string()
}

/// Asks a server for its status through its runtime socket: the line of JSON that [`crate::Status`] is written as.
///
/// # Errors
/// Nobody listens there, or this user may not ask.
pub fn ask_status(path: &Path) -> io::Result<String> {
    let mut stream = Probe::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE + PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"status\n")?;
    let mut text = String::new();
    stream.take(16 << 20).read_to_string(&mut text)?;
    if text.trim().is_empty() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the server answers its own user and root only"));
    }
    Ok(text.trim().to_owned())
}
