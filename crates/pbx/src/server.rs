//! Starting and stopping.

use std::fmt;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use net::{Bound, CommandError, Handle};
use sip::digest;

use crate::accounts::{Account, AccountError};
use crate::config::{Config, ConfigError};
use crate::status::Status;
use crate::studio::Studio;
use crate::switch::{Command, Switch};

/// How long a question to the loop may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the end of calls is looked at while stopping.
const LOOK: Duration = Duration::from_millis(10);

/// Starts a PBX.
#[derive(Debug)]
pub struct Server;

/// Why a PBX did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    Config(ConfigError),
    /// The users or their secrets.
    Accounts(AccountError),
    /// The journal of bindings.
    Store(store::StoreError),
    /// The realm, as digest authentication sees it.
    Realm(digest::ServerError),
    /// Sockets and threads.
    Net(net::StartError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) => why.fmt(f),
            Self::Accounts(why) => why.fmt(f),
            Self::Store(why) => why.fmt(f),
            Self::Realm(why) => why.fmt(f),
            Self::Net(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

macro_rules! from {
    ($($from:ty => $variant:ident;)*) => {$(
        impl From<$from> for StartError {
            fn from(why: $from) -> Self {
                Self::$variant(why)
            }
        }
    )*};
}

from! {
    ConfigError => Config;
    AccountError => Accounts;
    store::StoreError => Store;
    digest::ServerError => Realm;
    net::StartError => Net;
}

/// The server did not answer a question: it is ending, or far too busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server does not answer: it is ending, or overloaded")
    }
}

impl std::error::Error for NoAnswer {}

/// A PBX that runs. Dropping it ends it at once, without good-byes; [`Running::stop`] hangs up first.
pub struct Running {
    sip: net::Running<Command>,
    accounts: Vec<Account>,
    // Behind `sip`: the loop ends first.
    _media: net::media::MediaThread,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("bound", &self.sip.bound()).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads secrets and bindings, binds the sockets and serves. Works on threads of its own; from here on nothing blocks the caller.
    ///
    /// # Errors
    /// [`StartError`]: nothing runs then.
    pub fn start(config: Config) -> Result<Running, StartError> {
        let (accounts, told) = crate::accounts::Accounts::load(&config)?;
        let studio = Studio::start(&config)?;
        let (media, studio) = (studio.thread, studio.studio);
        let home = crate::bindings::open(&config)?;
        let digest = digest::Server::new(digest::ServerConfig::new(&config.realm), rand::random())?;
        let looped = net::LoopConfig::new(config.listen.clone(), crate::switch::stack_config(&config));
        let lines = studio.lines();
        let sip = net::SipLoop::spawn(looped, move |bound, clock| {
            Switch::new(config, accounts, digest, home, studio, bound, clock.now())
        })?;
        // The loop has its turn before anything arrives from the media thread.
        lines.connect(sip.handle());
        let running = Running { sip, accounts: told, _media: media };
        running.tell(Command::Begin).map_err(|_| net::StartError::NothingToBind)?;
        Ok(running)
    }
}

impl Running {
    /// What is listened on, in the order of the configuration.
    pub fn bound(&self) -> &[Bound] {
        self.sip.bound()
    }

    /// The users; those with generated passwords tell them.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The state now. Waits for the loop, a moment.
    ///
    /// # Errors
    /// [`NoAnswer`] within 5 s.
    pub fn status(&self) -> Result<Status, NoAnswer> {
        self.ask(Command::Status)
    }

    /// Ends every call with a BYE, takes no more, and stops as soon as the network has caught up, or when `graceful` has passed.
    pub fn stop(self, graceful: Duration) {
        let until = Instant::now() + graceful;
        if self.tell(Command::Finish).is_ok() {
            while Instant::now() < until && self.ask(Command::Left).is_ok_and(|left| left > 0) {
                std::thread::sleep(LOOK);
            }
        }
        self.sip.stop();
    }

    fn ask<T: Send + 'static>(&self, question: impl FnOnce(mpsc::SyncSender<T>) -> Command) -> Result<T, NoAnswer> {
        let (answer, answers) = mpsc::sync_channel(1);
        self.tell(question(answer))?;
        answers.recv_timeout(PATIENCE).map_err(|_| NoAnswer)
    }

    fn tell(&self, command: Command) -> Result<(), NoAnswer> {
        send(&self.sip.handle(), command)
    }
}

/// Sends without blocking an async runtime's reactor: a full queue is tried again for a while.
pub(crate) fn send(to: &Handle<Command>, command: Command) -> Result<(), NoAnswer> {
    to.try_send(command).map_err(|error| match error {
        CommandError::Full | CommandError::Ended => NoAnswer,
    })
}
