//! The table of users. Other programs write it; here it is read, whole, and again when it has changed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Database, PAGE, failed};
use crate::StoreError;

const TABLES: &str = "CREATE TABLE IF NOT EXISTS users (
    name TEXT NOT NULL PRIMARY KEY, password TEXT, ha1 TEXT, display TEXT, numbers TEXT, max_contacts INTEGER) WITHOUT ROWID";

/// What a user authenticates with.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// In clear.
    Password(String),
    /// The hash of name, realm and password in hexadecimal digits: 32 of MD5, or 64 of SHA-256.
    Ha1(String),
}

/// Never prints what it hides.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Also the first of the numbers that reach the user.
    pub name: String,
    /// One of the columns `password` and `ha1`.
    pub secret: Secret,
    /// What is shown of the user.
    pub display: Option<String>,
    /// Further numbers, parted by blanks in the table.
    pub numbers: Vec<String>,
    /// Contacts at a time, when not as many as others have.
    pub max_contacts: Option<usize>,
}

/// What a table holds.
#[derive(Debug, Default)]
pub struct Rows {
    /// Whose name and secret can be read. Of too many only those that are known already, and of them nothing else.
    pub users: Vec<User>,
    /// The first thing for which the table cannot be used as it is.
    pub wrong: Option<StoreError>,
}

/// Whoever wants to know of changes. All of it happens on the thread that reads.
pub trait Follower: Send + 'static {
    /// Whether a user of this name was there before.
    fn knows(&self, name: &str) -> bool;

    /// What there is now, or why that cannot be said. Where this returns false it is told again the next time. A table that cannot be read is told of
    /// once, and read again the next time whatever is returned.
    fn told(&mut self, rows: Result<Rows, StoreError>) -> bool;

    /// Each time that it has been looked whether something has changed.
    fn looked(&mut self) {}
}

/// Looks after a table of users. Dropping it ends that.
#[derive(Debug)]
pub struct Users {
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

/// A table that was read once.
pub struct Table {
    database: Database,
    path: PathBuf,
    most: usize,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Table {
    /// Opens or makes the database at `path`, and reads its users: at most so many.
    ///
    /// # Errors
    /// It is no database of users, or has more; a row has no name, or not exactly one of password and hash; the system refuses.
    pub fn open(path: &Path, most: usize) -> Result<(Self, Vec<User>), StoreError> {
        let mut table = Self { database: Database::open(path, TABLES)?, path: path.to_owned(), most };
        match table.read(&|_| false)? {
            Rows { wrong: Some(why), .. } => Err(why),
            Rows { users, wrong: None } => Ok((table, users)),
        }
    }

    /// Looks each `every` whether another program has changed the database, and tells who there is then.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn watch(self, every: Duration, follower: impl Follower) -> Result<Users, StoreError> {
        self.watch_by(every, follower, |table, knows| table.read(knows))
    }

    fn watch_by<F: Follower>(
        mut self,
        every: Duration,
        mut follower: F,
        mut read: impl FnMut(&mut Self, &dyn Fn(&str) -> bool) -> Result<Rows, StoreError> + Send + 'static,
    ) -> Result<Users, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (of_thread, path) = (Arc::clone(&stop), self.path.clone());
        let keep = move || {
            let mut watch = Watch::default();
            while !of_thread.load(Ordering::Acquire) {
                watch.look(&mut self, &mut follower, &mut read);
                follower.looked();
                let until = Instant::now() + every;
                while !of_thread.load(Ordering::Acquire) && Instant::now() < until {
                    thread::park_timeout(until.saturating_duration_since(Instant::now()));
                }
            }
            self.database.close();
        };
        let started = thread::Builder::new().name("users".to_owned()).spawn(keep);
        let reader = started.map_err(|why| StoreError::io("start the thread that reads", &path, why))?;
        Ok(Users { stop, reader: Some(reader) })
    }

    /// A number that is another when another connection has changed the database.
    fn version(&mut self) -> Result<i64, StoreError> {
        let Database { runtime, connection } = &mut self.database;
        let read = runtime.block_on(sqlx::query("PRAGMA data_version").fetch_one(connection));
        read.and_then(|row| row.try_get(0)).map_err(|why| failed("read", &self.path, &why))
    }

    fn read(&mut self, knows: &dyn Fn(&str) -> bool) -> Result<Rows, StoreError> {
        let Self { database: Database { runtime, connection }, path, most } = self;
        runtime.block_on(read(connection, (*most, knows), path)).map_err(|why| failed("read", path, &why))
    }
}

/// What the thread knows of the table.
#[derive(Debug, Default)]
struct Watch {
    /// The version that was told and taken. None at first: the table may have changed since it was read.
    known: Option<i64>,
    /// That it cannot be read has been told.
    complained: bool,
}

impl Watch {
    fn look<F: Follower>(
        &mut self,
        table: &mut Table,
        follower: &mut F,
        read: &mut impl FnMut(&mut Table, &dyn Fn(&str) -> bool) -> Result<Rows, StoreError>,
    ) {
        let now = match table.version() {
            Ok(now) if self.known == Some(now) => return,
            Ok(now) => now,
            Err(why) => return self.failed(why, follower),
        };
        match read(table, &|name| follower.knows(name)) {
            Ok(rows) => {
                self.complained = false;
                self.known = follower.told(Ok(rows)).then_some(now);
            }
            Err(why) => self.failed(why, follower),
        }
    }

    /// The change is not lost: the next look reads again.
    fn failed<F: Follower>(&mut self, why: StoreError, follower: &mut F) {
        self.known = None;
        if !std::mem::replace(&mut self.complained, true) {
            follower.told(Err(why));
        }
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            reader.thread().unpark();
            // A thread that panicked has nothing left to do.
            let _ = reader.join();
        }
    }
}

async fn read(
    connection: &mut SqliteConnection,
    (most, knows): (usize, &dyn Fn(&str) -> bool),
    path: &Path,
) -> Result<Rows, sqlx::Error> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let all =
        sqlx::query("SELECT name, password, ha1, display, numbers, max_contacts FROM users ORDER BY name LIMIT ?");
    let all = all.bind(limit).fetch_all(&mut *connection).await?;
    let mut rows = Rows::default();
    let wrong = |why: String| StoreError::Database { doing: "use", path: path.to_owned(), why };
    if all.len() > most {
        rows.wrong = Some(wrong(format!("expected at most {most} users")));
        rows.users = known(connection, knows).await?;
        return Ok(rows);
    }
    rows.users.reserve(all.len());
    for row in &all {
        let (user, why) = match user(row) {
            Ok((user, why)) => (user, why.map(&wrong)),
            Err(why) => (None, Some(failed("read", path, &why))),
        };
        rows.users.extend(user);
        rows.wrong = rows.wrong.or(why);
    }
    Ok(rows)
}

/// Those of a table of too many who are known already.
async fn known(connection: &mut SqliteConnection, knows: &dyn Fn(&str) -> bool) -> Result<Vec<User>, sqlx::Error> {
    // In octets: a text need not be UTF-8, and what cannot be read as a name ends a page all the same.
    let (mut users, mut last) = (Vec::new(), Vec::<u8>::new());
    loop {
        let page = sqlx::query(
            "SELECT name, password, ha1, NULL, NULL, NULL, CAST(name AS BLOB) FROM users
             WHERE name > CAST(? AS TEXT) AND typeof(name) = 'text' ORDER BY name LIMIT ?",
        );
        let page = page.bind(std::mem::take(&mut last)).bind(PAGE).fetch_all(&mut *connection).await?;
        let Some(end) = page.last() else { return Ok(users) };
        last = end.try_get(6)?;
        let read = page.iter().filter_map(|row| user(row).ok()?.0);
        users.extend(read.filter(|user| knows(&user.name)));
    }
}

/// The user of a row, where it has a name and a secret, and what is wrong with it.
fn user(row: &SqliteRow) -> Result<(Option<User>, Option<String>), sqlx::Error> {
    let text = |at: usize| row.try_get::<Option<String>, _>(at);
    let name = text(0)?.unwrap_or_default();
    let secret = match (text(1)?, text(2)?) {
        (Some(password), None) => Secret::Password(password),
        (None, Some(ha1)) => Secret::Ha1(ha1),
        _ => return Ok((None, Some(format!("user {name:?}: expected either password or ha1")))),
    };
    let (max_contacts, wrong) = match row.try_get::<Option<i64>, _>(5).map(|most| most.map(usize::try_from).transpose())
    {
        Ok(Ok(most)) => (most, None),
        _ => (None, Some(format!("user {name:?}: expected max_contacts above 0"))),
    };
    let numbers = text(4)?.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    Ok((Some(User { name, secret, display: text(3)?, numbers, max_contacts }), wrong))
}

#[cfg(test)]
mod tests;
