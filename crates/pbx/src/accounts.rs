//! The users, what they authenticate with, and the passwords made for who has none.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sip::digest::{Algorithm, Ha1, Ha1Set};

use crate::config::{Config, Secret, Taken, User};

/// The file with the passwords that were made, below the state directory.
const MADE: &str = "passwords";
/// Largest file a password is read from.
const LARGEST: u64 = 64 * 1024;

/// A user as told to who runs the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name: also the number that reaches it.
    pub name: String,
    /// The password, when it was made here; `None` when the configuration gave it.
    pub password: Option<String>,
}

/// Never prints the password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.name).field("made", &self.password.is_some()).finish()
    }
}

/// Why users cannot be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum AccountError {
    /// A file or directory.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The passwords that were made here cannot be kept, or read again.
    State {
        /// Their file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A password file without a password.
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// The secret of a user cannot be used.
    Secret {
        /// Whose.
        user: String,
        /// Why.
        why: String,
    },
    /// A number that is given twice, to users or extensions.
    Taken {
        /// The number.
        number: String,
        /// The settings that give it.
        by: [String; 2],
    },
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, source } => {
                write!(f, "{}: {source}; give another path, or this user the right to it", path.display())
            }
            Self::State { path, source } => {
                write!(
                    f,
                    "{}: {source}; make room there and the right to write, or give another state directory",
                    path.display()
                )
            }
            Self::Empty { path } => write!(f, "{}: expected a password in the first line", path.display()),
            Self::Secret { user, why } => write!(f, "user {user}: {why}"),
            Self::Taken { number, by: [one, other] } => {
                write!(f, "the number {number} is given twice, by `{one}` and `{other}`; give each its own")
            }
        }
    }
}

impl std::error::Error for AccountError {}

/// A user as the switch needs it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) display: Option<String>,
    pub(crate) ha1: Ha1Set,
    pub(crate) contacts: Contacts,
    /// Whether the password was made here, and is kept in the state directory.
    pub(crate) made: bool,
}

impl Known {
    fn gone(&self) -> Self {
        Self { name: self.name.clone(), display: None, ha1: Ha1Set::default(), contacts: self.contacts, made: false }
    }
}

/// The contacts that a user may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contacts {
    /// So many at a time, when not as many as others have.
    pub(crate) most: Option<usize>,
    /// One too many takes the place of the oldest.
    pub(crate) remove_existing: bool,
}

/// All users, by name; and all numbers.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    users: Vec<Known>,
    names: HashMap<String, usize>,
    numbers: HashMap<String, usize>,
}

impl Accounts {
    /// Reads secrets and makes missing passwords.
    pub(crate) fn load(config: &Config) -> Result<(Self, Vec<Account>), AccountError> {
        if let Some(Taken { number, by }) = config.taken() {
            return Err(AccountError::Taken { number, by: by.map(|key| key.join(".")) });
        }
        let mut told = Vec::new();
        let mut all = Self::default();
        if config.users.is_empty() {
            for (name, password) in made(config)? {
                let user = User { secret: Secret::Password(password.clone()), ..User::default() };
                all.add(config, &name, &user, None)?;
                told.push(Account { name, password: Some(password) });
            }
        } else {
            for (name, user) in &config.users {
                all.add(config, name, user, None)?;
                told.push(Account { name: name.clone(), password: None });
            }
        }
        Ok((all, told))
    }

    /// The same server with other users. Who is gone keeps the place, and can do nothing with it, until it is `free` and somebody new gets it.
    ///
    /// # Errors
    /// [`AccountError`]; also for who cannot authenticate by `offered`, which devices are told already.
    pub(crate) fn changed(
        &self,
        config: &Config,
        offered: &[Algorithm],
        free: impl Fn(usize) -> bool,
    ) -> Result<Self, AccountError> {
        if let Some(Taken { number, by }) = config.taken() {
            return Err(AccountError::Taken { number, by: by.map(|key| key.join(".")) });
        }
        let mut all = Self::default();
        for known in &self.users {
            match config.users.get(&known.name) {
                Some(user) => all.add(config, &known.name, user, None)?,
                None => all.users.push(known.gone()),
            }
        }
        let is_empty = |(place, known): &(usize, &Known)| !config.users.contains_key(&known.name) && free(*place);
        let mut empty = self.users.iter().enumerate().filter(is_empty).map(|(place, _)| place);
        for (name, user) in config.users.iter().filter(|(name, _)| !all.names.contains_key(*name)).collect::<Vec<_>>() {
            all.add(config, name, user, empty.next())?;
        }
        let lacks = |user: &&Known| offered.iter().any(|algorithm| user.ha1.get(*algorithm).is_none());
        let lacking = all.iter().find(lacks).map(|user| user.name.clone());
        match lacking {
            Some(user) => Err(AccountError::Secret {
                user,
                why:
                    "its ha1 does not fit the hashes that are offered since the start; give it a password or start anew"
                        .to_owned(),
            }),
            None => Ok(all),
        }
    }

    /// Places, those of users who are gone included.
    pub(crate) fn places(&self) -> usize {
        self.users.len()
    }

    /// The user of this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Known> {
        self.users.get(*self.names.get(name)?)
    }

    /// The place of the user of this name among all.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The user at this place.
    pub(crate) fn at(&self, place: usize) -> Option<&Known> {
        self.users.get(place)
    }

    /// The user that this number reaches.
    pub(crate) fn by_number(&self, number: &str) -> Option<&Known> {
        self.users.get(*self.numbers.get(number)?)
    }

    /// Those of the hashes that every user has: a device takes the first that is offered, whether its user's secret fits it or not.
    pub(crate) fn common(&self, offered: &[Algorithm]) -> Result<Vec<Algorithm>, AccountError> {
        let has_all = |algorithm: &Algorithm| self.users.iter().all(|user| user.ha1.get(*algorithm).is_some());
        let common: Vec<Algorithm> = offered.iter().copied().filter(has_all).collect();
        let lacks = |user: &&Known| offered.first().is_none_or(|first| user.ha1.get(*first).is_none());
        match self.users.iter().find(lacks) {
            Some(user) if common.is_empty() => Err(AccountError::Secret {
                user: user.name.clone(),
                why: "its ha1 fits none of the hashes that all users have; give every user a password or the same kind of ha1"
                    .to_owned(),
            }),
            _ => Ok(common),
        }
    }

    /// Every user.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.users.iter().enumerate().filter(|(at, user)| self.names.get(&user.name) == Some(at)).map(|(_, user)| user)
    }

    /// Adds a user, at the place of somebody who is gone or at the end.
    fn add(&mut self, config: &Config, name: &str, user: &User, empty: Option<usize>) -> Result<(), AccountError> {
        usable(name)
            .map_err(|why| AccountError::Secret { user: format!("{name:?}"), why: format!("expected {why}") })?;
        let at = empty.unwrap_or(self.users.len());
        let known = Known {
            name: name.to_owned(),
            display: user.display.clone(),
            ha1: secret(config, name, &user.secret)?,
            contacts: Contacts { most: user.max_contacts, remove_existing: user.remove_existing },
            made: config.users.is_empty(),
        };
        self.names.insert(name.to_owned(), at);
        for number in std::iter::once(name).chain(user.numbers.iter().map(String::as_str)) {
            self.numbers.insert(number.to_owned(), at);
        }
        match self.users.get_mut(at) {
            Some(gone) => *gone = known,
            None => self.users.push(known),
        }
        Ok(())
    }
}

/// Whether a user can have this name.
///
/// # Errors
/// What is expected.
pub(crate) fn usable(name: &str) -> Result<(), String> {
    let bad = name.is_empty() || name.chars().any(|ch| ch.is_control() || ch.is_whitespace());
    if bad { Err("a name without blanks and control characters".to_owned()) } else { Ok(()) }
}

fn secret(config: &Config, name: &str, secret: &Secret) -> Result<Ha1Set, AccountError> {
    let refuse = |why: &dyn fmt::Display| AccountError::Secret { user: name.to_owned(), why: why.to_string() };
    // Hashes that nobody is offered would be most of the work of a start with many users.
    let set = |password: &str| {
        Ha1Set::from_password(&config.digest, name, &config.realm(), password).map_err(|why| refuse(&why))
    };
    match secret {
        Secret::Nothing => Err(refuse(&"expected password, password_file or ha1")),
        Secret::Password(password) if password.is_empty() => Err(refuse(&"expected a password that is not empty")),
        Secret::Password(password) => set(password),
        Secret::File(path) => {
            if is_open_to_all(path) {
                tracing::warn!(path = %path.display(), "everybody may read this password; `chmod o-rwx` mends it");
            }
            set(&first_line(path)?)
        }
        Secret::Ha1(text) => {
            let algorithm = if text.len() == 32 { Algorithm::Md5 } else { Algorithm::Sha256 };
            Ha1::from_hex(algorithm, text).map(Ha1Set::from).map_err(|why| refuse(&why))
        }
    }
}

/// Whether everybody on this machine may read a file, or write it.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o006 != 0)
}

/// The password in a file.
pub(crate) fn first_line(path: &Path) -> Result<String, AccountError> {
    let failed = |source| AccountError::File { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > LARGEST {
        return Err(failed(io::Error::other("expected a file of at most 64 KiB")));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let line = text.lines().next().unwrap_or_default().trim_end();
    if line.is_empty() { Err(AccountError::Empty { path: path.to_owned() }) } else { Ok(line.to_owned()) }
}

/// The generated users with their passwords: those of the state directory, and fresh ones that are kept there.
fn made(config: &Config) -> Result<Vec<(String, String)>, AccountError> {
    let path = config.state.as_ref().map(|state| state.join(MADE));
    let mut kept: HashMap<String, String> = HashMap::new();
    if let Some(path) = &path
        && path.exists()
    {
        let text = fs::read_to_string(path).map_err(|source| AccountError::State { path: path.clone(), source })?;
        kept.extend(text.lines().filter_map(|line| {
            line.split_once(' ').map(|(name, password)| (name.to_owned(), password.trim().to_owned()))
        }));
    }
    let mut fresh = false;
    let mut all = Vec::new();
    for name in &config.generated {
        let password = kept.get(name).filter(|password| !password.is_empty()).cloned().unwrap_or_else(|| {
            fresh = true;
            password()
        });
        all.push((name.clone(), password));
    }
    if let Some(path) = path.filter(|_| fresh) {
        keep(&path, &all).map_err(|source| AccountError::State { path, source })?;
    }
    Ok(all)
}

/// Writes the passwords, readable by their owner only; the old file stays whole until the new one is.
fn keep(path: &Path, all: &[(String, String)]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let unfinished = path.with_extension("new");
    let _ = fs::remove_file(&unfinished);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    for (name, password) in all {
        writeln!(file, "{name} {password}")?;
    }
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// 16 characters of 32: 80 bit, easily read out and typed.
fn password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let drawn: [u8; 16] = rand::random();
    drawn.iter().map(|byte| char::from(LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'x'))).collect()
}
