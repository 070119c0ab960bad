//! The table of users. Other programs write it; here it is read, whole, and again when it has changed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sqlx::{Row as _, SqliteConnection};

use super::{Database, failed};
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
        let mut database = Database::open(path, TABLES)?;
        let users = database.runtime.block_on(read(&mut database.connection, most, path))?;
        Ok((Self { database, path: path.to_owned(), most }, users))
    }

    /// Looks each `every` whether another program has changed the database, and tells who there is then, or why that cannot be said. Where that returns
    /// false it is told again the next time.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn watch(
        self,
        every: Duration,
        told: impl FnMut(Result<Vec<User>, StoreError>) -> bool + Send + 'static,
    ) -> Result<Users, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (of_thread, path) = (Arc::clone(&stop), self.path.clone());
        let started = thread::Builder::new().name("users".to_owned()).spawn(move || self.keep(every, told, &of_thread));
        let reader = started.map_err(|why| StoreError::io("start the thread that reads", &path, why))?;
        Ok(Users { stop, reader: Some(reader) })
    }

    fn keep(mut self, every: Duration, mut told: impl FnMut(Result<Vec<User>, StoreError>) -> bool, stop: &AtomicBool) {
        // Changed since the first reading: that is looked at at once.
        let mut known = None;
        while !stop.load(Ordering::Acquire) {
            let Database { runtime, connection } = &mut self.database;
            match runtime.block_on(version(connection)) {
                Ok(now) if known == Some(now) => {}
                Ok(now) => {
                    let taken = told(runtime.block_on(read(connection, self.most, &self.path)));
                    known = taken.then_some(now);
                }
                // Told again only when it has changed once more.
                Err(why) => {
                    if known.take().is_some() {
                        let _ = told(Err(failed("read", &self.path, &why)));
                    }
                }
            }
            let until = Instant::now() + every;
            while !stop.load(Ordering::Acquire) && Instant::now() < until {
                thread::park_timeout(until.saturating_duration_since(Instant::now()));
            }
        }
        self.database.close();
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

/// A number that is another when another connection has changed the database.
async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("PRAGMA data_version").fetch_one(connection).await?.try_get(0)
}

async fn read(connection: &mut SqliteConnection, most: usize, path: &Path) -> Result<Vec<User>, StoreError> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let rows =
        sqlx::query("SELECT name, password, ha1, display, numbers, max_contacts FROM users ORDER BY name LIMIT ?");
    let rows = rows.bind(limit).fetch_all(connection).await.map_err(|why| failed("read", path, &why))?;
    let wrong = |why: String| StoreError::Database { doing: "use", path: path.to_owned(), why };
    if rows.len() > most {
        return Err(wrong(format!("expected at most {most} users")));
    }
    let mut users = Vec::with_capacity(rows.len());
    for row in &rows {
        let text = |at: usize| row.try_get::<Option<String>, _>(at).map_err(|why| failed("read", path, &why));
        let name = text(0)?.unwrap_or_default();
        let secret = match (text(1)?, text(2)?) {
            (Some(password), None) => Secret::Password(password),
            (None, Some(ha1)) => Secret::Ha1(ha1),
            _ => return Err(wrong(format!("user {name:?}: expected either password or ha1"))),
        };
        let contacts: Option<i64> = row.try_get(5).map_err(|why| failed("read", path, &why))?;
        let contacts = contacts.map(usize::try_from).transpose();
        let max_contacts = contacts.map_err(|_| wrong(format!("user {name:?}: expected max_contacts above 0")))?;
        let numbers = text(4)?.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        users.push(User { name, secret, display: text(3)?, numbers, max_contacts });
    }
    Ok(users)
}

#[cfg(test)]
mod tests;
