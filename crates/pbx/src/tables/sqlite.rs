//! Users in SQLite.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sip::digest::Algorithm;
use store::StoreError;
pub(crate) use store::sqlite::Users;
use store::sqlite::{self, Follower, Rows, Table};

use super::Begin;
use crate::accounts::{Accounts, is_open_to_all};
use crate::command::Command;
use crate::config::{Config, Secret, User};
use crate::panel::Panel;
use crate::tally::Tally;

/// How often it is looked whether something has changed.
const EVERY: Duration = Duration::from_secs(1);

/// A database that was read, and the configuration without what it held.
pub(crate) struct Kept {
    table: Table,
    own: Config,
}

/// Reads the users of the database into those of the configuration. `None` where it names no database.
///
/// # Errors
/// It cannot be read, or has too many users, or one that the configuration has too.
pub(crate) fn open(config: &mut Config) -> Result<Option<Kept>, StoreError> {
    let Some(path) = config.sqlite.users.clone() else { return Ok(None) };
    let (table, rows) = Table::open(&path, config.limits.users.saturating_sub(config.users.len()))?;
    if is_open_to_all(&path) {
        tracing::warn!(path = %path.display(), "everybody may read the passwords of this database, or write them; `chmod o-rwx` mends it");
    }
    // Nobody is made up where a table says who there is.
    config.generated.clear();
    let own = config.clone();
    add(config, rows).map_err(|name| StoreError::Database {
        doing: "use",
        path,
        why: format!("user {name:?} stands in the configuration too; take one of them away"),
    })?;
    tracing::info!(users = config.users.len() - own.users.len(), "users read from SQLite");
    Ok(Some(Kept { table, own }))
}

fn secret(secret: sqlite::Secret) -> Secret {
    match secret {
        sqlite::Secret::Password(password) => Secret::Password(password),
        sqlite::Secret::Ha1(text) => Secret::Ha1(text),
    }
}

/// Adds the rows to the users there are; the name of one that is there already.
fn add(config: &mut Config, rows: Vec<sqlite::User>) -> Result<(), String> {
    for sqlite::User { name, secret: given, display, numbers, max_contacts } in rows {
        let user = User { secret: secret(given), display, numbers, max_contacts, remove_existing: false };
        if config.users.insert(name.clone(), user).is_some() {
            return Err(name);
        }
    }
    Ok(())
}

/// Tells the loops of changes.
///
/// # Errors
/// The system refuses a thread.
pub(crate) fn watch(Kept { table, own }: Kept, begin: Begin, loops: Panel) -> Result<Users, StoreError> {
    table.watch(EVERY, Changes::new(own, begin, loops))
}

/// Makes users of what the table says. What takes somebody away always counts; what adds somebody, or changes anything else, only with all the rest.
struct Changes {
    /// The configuration without the table.
    own: Config,
    /// The users in force, those of the configuration included.
    users: BTreeMap<String, User>,
    /// Whether all loops have been told of them, and of none since.
    everywhere: bool,
    accounts: Arc<Accounts>,
    offered: Vec<Algorithm>,
    tally: Arc<Tally>,
    loops: Panel,
    /// Accounts that were in force, for as long as a loop may have them: a hundred thousand are not given back to the system between two messages.
    before: Vec<Arc<Accounts>>,
    /// The last complaint: each is told once.
    complaint: Option<String>,
}

/// Why a table cannot be used.
struct Unusable {
    why: String,
    /// It can be later though it stays as it is.
    passing: bool,
}

impl Unusable {
    fn now(why: impl ToString) -> Self {
        Self { why: why.to_string(), passing: false }
    }
}

impl Follower for Changes {
    fn knows(&self, name: &str) -> bool {
        self.users.contains_key(name) && !self.own.users.contains_key(name)
    }

    fn told(&mut self, rows: Result<Rows, StoreError>) -> bool {
        let rows = match rows {
            Ok(rows) => rows,
            Err(why) => {
                self.complain(format!("users cannot be read from SQLite, and those before go on: {why}"));
                return false;
            }
        };
        let left = self.left(&rows.users);
        let (made, unusable) = match self.all(rows) {
            Ok(made) => (made, None),
            Err(why) => match self.made(left) {
                Ok(made) => (made, Some(why)),
                // Part of what is in force cannot but be usable.
                Err(worse) => (None, Some(worse)),
            },
        };
        let told = made.is_none_or(|(users, accounts)| self.take(users, accounts));
        match unusable {
            None => self.complaint = None,
            Some(Unusable { why, passing }) => {
                self.complain(format!(
                    "users have changed in SQLite, and nobody is added before this is mended, but who is gone or has another password is out: {why}"
                ));
                return told && !passing;
            }
        }
        told
    }

    fn looked(&mut self) {
        self.before.retain(|accounts| Arc::strong_count(accounts) > 1);
    }
}

/// Users, and the accounts made of them.
type Made = Option<(BTreeMap<String, User>, Arc<Accounts>)>;

impl Changes {
    fn new(own: Config, Begin { config, accounts, offered, tally }: Begin, loops: Panel) -> Self {
        let (users, everywhere) = (config.users, true);
        Self { own, users, everywhere, accounts, offered, tally, loops, before: Vec::new(), complaint: None }
    }

    /// Those in force whom these rows have, too, with the same secret.
    fn left(&self, rows: &[sqlite::User]) -> BTreeMap<String, User> {
        let rows: HashMap<&str, Secret> =
            rows.iter().map(|row| (row.name.as_str(), secret(row.secret.clone()))).collect();
        let stays = |name: &str, user: &User| {
            self.own.users.contains_key(name) || rows.get(name).is_some_and(|secret| *secret == user.secret)
        };
        let stay = self.users.iter().filter(|(name, user)| stays(name, user));
        stay.map(|(name, user)| (name.clone(), user.clone())).collect()
    }

    /// All that the table says.
    fn all(&self, Rows { users, wrong }: Rows) -> Result<Made, Unusable> {
        if let Some(why) = wrong {
            return Err(Unusable::now(why));
        }
        let mut config = self.own.clone();
        add(&mut config, users)
            .map_err(|name| Unusable::now(format!("user {name:?} stands in the configuration too")))?;
        self.made(config.users)
    }

    /// Accounts of these users; `None` where they are in force already, with all loops.
    fn made(&self, users: BTreeMap<String, User>) -> Result<Made, Unusable> {
        if self.everywhere && users == self.users {
            return Ok(None);
        }
        let config = Config { users, ..self.own.clone() };
        let free = |place: usize| self.tally.is_free(place);
        let accounts = self.accounts.changed(&config, &self.offered, free).map_err(Unusable::now)?;
        let most = config.limits.users;
        if accounts.places() > most {
            let why = format!("expected at most {most} users, those included who are gone and still in a call");
            return Err(Unusable { why, passing: true });
        }
        Ok(Some((config.users, Arc::new(accounts))))
    }

    /// Has the loops use these. A loop too busy for that is told the next time.
    fn take(&mut self, users: BTreeMap<String, User>, accounts: Arc<Accounts>) -> bool {
        self.everywhere = self.loops.tell(|| Command::Accounts(Arc::clone(&accounts))).is_ok();
        if self.everywhere {
            tracing::info!(users = accounts.iter().count(), "users have changed in SQLite");
            self.users = users;
        }
        // Some loops have the new ones in any case: who has a place there keeps it.
        self.before.push(std::mem::replace(&mut self.accounts, accounts));
        self.everywhere
    }

    fn complain(&mut self, complaint: String) {
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::error!("{complaint}");
            self.complaint = Some(complaint);
        }
    }
}

#[cfg(test)]
mod tests;
