//! Packages of INFO (RFC 6086): what each side takes, told by Recv-Info, and INFOs of ours.
//!
//! Where [`Config::info_packages`] says nothing, the mechanism is not in use: nothing is told, and nothing of what peers tell is read.

use super::reliable;
use super::session::{Session, State};
use crate::config::Config;
use crate::id::{ClientTx, DialogId, ServerTx, SessionId};
use crate::message::{Body, HeaderId, Headers, Lexer, Lines, Method, Request, StatusCode};
use crate::reply::Reply;
use crate::stack::StackError;
use crate::turn::Turn;
use crate::uas;

/// The longest name of a package, in octets; a peer's that is longer, or no token, is passed over.
const LONGEST: usize = 64;

fn is_token(name: &str) -> bool {
    let mut lexer = Lexer::new(name.as_bytes());
    lexer.token().is_ok() && lexer.at_end()
}

impl Turn<'_> {
    /// Sends an INFO of a package in the session's dialog, as [`Turn::in_dialog`] does (RFC 6086 section 4.2.1).
    ///
    /// # Errors
    /// [`StackError::State`] for a package that the peer has not said to take (section 5.2.2); [`StackError::Line`] for a name that cannot stand in a
    /// header; otherwise as [`Turn::in_dialog`].
    pub fn info(
        &mut self,
        s: SessionId,
        package: &str,
        lines: Lines,
        body: Option<Body>,
    ) -> Result<ClientTx, StackError> {
        let lines = names(package, lines, self.takes_info(s, package))?;
        self.in_dialog(s, Method::Info, lines, body)
    }

    /// The same in one of several early dialogs ([`super::SessionEvent::Progress`]), as [`Turn::in_fork`] does.
    ///
    /// # Errors
    /// As [`Turn::info`]; what another fork has said does not count.
    pub fn info_in_fork(
        &mut self,
        s: SessionId,
        fork: DialogId,
        package: &str,
        lines: Lines,
        body: Option<Body>,
    ) -> Result<ClientTx, StackError> {
        let lines = names(package, lines, self.fork_takes_info(s, fork, package))?;
        self.in_fork(s, fork, Method::Info, lines, body)
    }

    /// Whether the peer has said last that it takes INFOs of this package (RFC 6086 section 5.2.2): with several early dialogs, that of the first. Parameters
    /// behind its name do not matter.
    pub fn takes_info(&self, s: SessionId, package: &str) -> bool {
        super::get(self, s).is_some_and(|session| takes(of(session, session.dialog), package))
    }

    /// The same of one of several early dialogs (RFC 6086 section 4.2.1).
    pub fn fork_takes_info(&self, s: SessionId, fork: DialogId, package: &str) -> bool {
        self.stack.sessions.dialogs.owner(fork) == Some(s)
            && super::get(self, s).is_some_and(|session| takes(of(session, Some(fork)), package))
    }

    /// The packages that the peer has said to take, their names parted by commas; `None` as long as it has said nothing of packages. With several early dialogs it is
    /// that of the first.
    pub fn info_packages(&self, s: SessionId) -> Option<&str> {
        super::get(self, s).and_then(|session| of(session, session.dialog))
    }

    /// The same of one of several early dialogs.
    pub fn fork_info_packages(&self, s: SessionId, fork: DialogId) -> Option<&str> {
        let ours = self.stack.sessions.dialogs.owner(fork) == Some(s);
        super::get(self, s).filter(|_| ours).and_then(|session| of(session, Some(fork)))
    }

    /// Those that we take in a session, as [`Turn::take_info`] has it; `None` where these are those of [`Config::info_packages`].
    pub fn info_taken(&self, s: SessionId) -> Option<&str> {
        super::get(self, s).and_then(|session| session.taken.as_deref())
    }

    /// In this session these packages are taken from now on, and no other: names parted by commas, none where it is empty. The stack tells it where Recv-Info is due in
    /// an answer; where nothing is to be answered, Recv-Info of an UPDATE or a re-INVITE tells it, and that of the first INVITE is to say the same. Without
    /// [`Config::info_packages`] nothing is told.
    ///
    /// # Errors
    /// [`StackError::Gone`]; [`StackError::State`] between a reliable provisional response and the final one: all responses to an INVITE say the same
    /// (RFC 6086 section 5.2.3).
    pub fn take_info(&mut self, s: SessionId, names: &str) -> Result<(), StackError> {
        let session = super::get_mut(self, s).ok_or(StackError::Gone)?;
        if matches!(session.state, State::Ringing(_)) && reliable::of(session).is_some() {
            return Err(StackError::State("an INVITE whose answers have said nothing of packages"));
        }
        session.taken = Some(names.into());
        Ok(())
    }
}

/// The lines of an INFO of a package, where its receiver takes it.
fn names(package: &str, mut lines: Lines, taken: bool) -> Result<Lines, StackError> {
    if !taken {
        return Err(StackError::State("a package of INFO that the peer takes (RFC 6086 5.2.2)"));
    }
    lines.push(HeaderId::InfoPackage.name(), package).map_err(StackError::Line)?;
    Ok(lines)
}

/// The answer to an INFO of a package that is not taken in this session (section 4.2.2).
pub(super) fn refusal(turn: &Turn<'_>, s: SessionId, request: &Request) -> Option<Reply> {
    let Some(taken) = turn.info_taken(s) else {
        return uas::package(request, turn.stack.config.info_packages.as_deref().unwrap_or_default());
    };
    let named = request.headers().text(HeaderId::InfoPackage).filter(|_| *request.method() == Method::Info)?;
    if takes(Some(taken), &named) {
        return None;
    }
    let mut lines = Lines::default();
    uas::recv_info(&mut lines, taken.split(','));
    Some(Reply::new(StatusCode::BAD_INFO_PACKAGE).lines(lines))
}

fn takes(told: Option<&str>, package: &str) -> bool {
    let name = uas::package_name(package);
    !name.is_empty() && told.is_some_and(|told| told.split(',').any(|one| one.eq_ignore_ascii_case(name)))
}

/// What the peer of a dialog has told.
fn of(session: &Session, dialog: Option<DialogId>) -> Option<&str> {
    match &session.state {
        State::Calling(calling) | State::Cancelling(calling) => {
            let early = calling.forks.early.iter().find(|early| Some(early.dialog) == dialog)?;
            early.packages.as_deref()
        }
        _ => session.packages.as_deref(),
    }
}

/// It tells this from now on. Who has no dialog yet can be sent nothing.
fn set(session: &mut Session, dialog: Option<DialogId>, told: Box<str>) {
    match &mut session.state {
        State::Calling(calling) | State::Cancelling(calling) => {
            if let Some(early) = calling.forks.early.iter_mut().find(|early| Some(early.dialog) == dialog) {
                early.packages = Some(told);
            }
        }
        _ => session.packages = Some(told),
    }
}

/// Says in the first INVITE what we take, were it nothing (section 5.2.3).
pub(super) fn tell(config: &Config, lines: &mut Lines) {
    if let Some(taken) = &config.info_packages
        && !lines.has(HeaderId::RecvInfo)
    {
        uas::recv_info(lines, taken.iter().map(String::as_str));
    }
}

/// A 2xx or a reliable provisional response of ours is about to leave: to who tells what it takes we tell the same (section 5.2.3).
pub(super) fn tell_back(turn: &Turn<'_>, s: SessionId, tx: ServerTx, lines: &mut Lines) {
    let config = &turn.stack.config;
    if config.info_packages.is_none()
        || !turn.request_of(tx).is_some_and(|request| request.headers().has(HeaderId::RecvInfo))
    {
        return;
    }
    match turn.info_taken(s) {
        Some(taken) if !lines.has(HeaderId::RecvInfo) => uas::recv_info(lines, taken.split(',')),
        _ => tell(config, lines),
    }
}

/// Our 2xx to a request in a session is about to leave: from now on the peer takes what it has said there. With a refusal all stays as it was
/// (section 5.2.4).
pub(super) fn answer(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx, reply: &mut Reply) {
    if turn.stack.config.info_packages.is_none() {
        return;
    }
    let Some(request) = turn.request_of(tx) else { return };
    if !matches!(request.method(), Method::Invite | Method::Update | Method::Prack) {
        return;
    }
    let told = told(&turn.stack.config, request.headers());
    tell_back(turn, s, tx, &mut reply.lines);
    if let (Some(told), Some(session)) = (told, super::get_mut(turn, s)) {
        let heard = session.work.as_ref().and_then(|work| work.heard.iter().find(|heard| heard.tx == tx));
        let dialog = heard.map(|heard| heard.dialog);
        set(session, dialog, told);
    }
}

/// A response to our INVITE says what its sender takes, in this dialog.
pub(super) fn learn(turn: &mut Turn<'_>, s: SessionId, dialog: Option<DialogId>, headers: &Headers) {
    if let Some(told) = told(&turn.stack.config, headers)
        && let Some(session) = super::get_mut(turn, s)
    {
        set(session, dialog, told);
    }
}

/// What a message says that its sender takes, the names parted by commas; `None` when it says nothing, or nobody wants to know.
pub(super) fn told(config: &Config, headers: &Headers) -> Option<Box<str>> {
    config.info_packages.as_ref()?;
    if !headers.has(HeaderId::RecvInfo) {
        return None;
    }
    let mut names = String::new();
    let mut room = config.session.max_info_packages;
    for line in headers.all(HeaderId::RecvInfo) {
        for name in line.text().split(',').map(uas::package_name) {
            if !is_token(name) || name.len() > LONGEST || room == 0 {
                continue;
            }
            room -= 1;
            if !names.is_empty() {
                names.push(',');
            }
            names.push_str(name);
        }
    }
    Some(names.into())
}
