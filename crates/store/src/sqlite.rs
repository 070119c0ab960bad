//! Bindings and users in SQLite, for who wants to read and write them by other programs.
//!
//! [`Bindings`] takes the place of the journal, with another promise: a change counts as done once it waits for its thread, which writes what has
//! gathered, the last state of each binding, in one transaction at least every [`Options::flush_every`]. A process that is killed loses what it took in
//! since then. Nobody waits for the disk. [`Users`] reads who there is, all at once, and again when another program has changed them.

mod bindings;
mod users;

use std::path::Path;
use std::time::Duration;

pub use bindings::{Bindings, Options};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};
use tokio::runtime::{Builder, Runtime};
pub use users::{Follower, Rows, Secret, Table, User, Users};

use crate::StoreError;
use crate::files::{folder, make_private};

/// How long a lock of another program is waited for.
const BUSY: Duration = Duration::from_secs(2);
/// Rows that are read at a time.
const PAGE: i64 = 4_096;

/// A connection, and the runtime that it wants: both for one thread.
struct Database {
    runtime: Runtime,
    connection: SqliteConnection,
}

impl Database {
    /// Opens the file, or makes it with mode 0600 and these tables; a missing directory is made with mode 0700.
    fn open(path: &Path, tables: &'static str) -> Result<Self, StoreError> {
        folder(path)?;
        make_private(path)?;
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|why| StoreError::io("start a runtime for", path, why))?;
        // With a log of its own beside the file readers and writer do not wait for each other.
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY);
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
        let opened = runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await?;
            sqlx::raw_sql(tables).execute(&mut connection).await?;
            Ok(connection)
        });
        let connection = opened.map_err(|why| failed("open", path, &why))?;
        Ok(Self { runtime, connection })
    }

    fn close(self) {
        // Whatever was written is written; what cannot be tidied up the next start does.
        let _ = self.runtime.block_on(self.connection.close());
    }
}

fn failed(doing: &'static str, path: &Path, why: &sqlx::Error) -> StoreError {
    StoreError::Database { doing, path: path.to_owned(), why: why.to_string() }
}
