//! The table of bindings, written behind the back of the loops.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use proxy::{FLOW_GONE, Kind, Record, Texts};
use sip::outbox::{Origin, Transport};
use sip::time::WallTime;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Database, PAGE, failed};
use crate::StoreError;
use crate::files::{Lock, beside, open_private};
use crate::rewrite::{long_ended, wall};

/// `binding`: see [`Record::name`].
const TABLES: &str = "CREATE TABLE IF NOT EXISTS bindings (
    aor TEXT NOT NULL, binding TEXT NOT NULL, contact TEXT NOT NULL, expires INTEGER NOT NULL, cseq INTEGER NOT NULL,
    q INTEGER NOT NULL, params TEXT NOT NULL, call_id TEXT NOT NULL, path TEXT NOT NULL, agent TEXT NOT NULL,
    came_by TEXT, PRIMARY KEY (aor, binding)) WITHOUT ROWID";
/// Rows of one statement: each statement crosses to the thread of the connection, and each count of rows is a statement of its own.
const ROWS: [usize; 3] = [64, 8, 1];

/// How bindings are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Longest time until the database has a change.
    pub flush_every: Duration,
    /// Changes that wait at most; with one more the disk is too slow, and it is refused.
    pub waiting: usize,
    /// How often, at most, what has ended is taken out of the table: what ended while nobody ran, or could not be written when it did.
    pub tidy_every: Duration,
}

impl Default for Options {
    /// Written each second; 500,000 wait; tidied every five minutes.
    fn default() -> Self {
        Self { flush_every: Duration::from_secs(1), waiting: 500_000, tidy_every: Duration::from_secs(300) }
    }
}

/// A database of bindings that is open. Dropping it writes what waits.
#[derive(Debug)]
pub struct Bindings {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    _lock: Lock,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    options: Options,
    queue: Mutex<Queue>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    /// In the order they came.
    records: Vec<Record>,
    /// How many of others are being written.
    writing: usize,
    /// Why the last write failed.
    failed: Option<String>,
}

impl Bindings {
    /// Opens or makes the database at `path`, takes out what has long ended, and reads the bindings that have not.
    ///
    /// # Errors
    /// Another process has it open; it is no database of bindings; the system refuses.
    pub fn open(path: &Path, options: Options) -> Result<(Self, Vec<Record>), StoreError> {
        crate::files::folder(path)?;
        let lock = Lock::take(&beside(path, ".lock"))?;
        open_private(path, false)?;
        let mut database = Database::open(path, TABLES)?;
        let Database { runtime, connection } = &mut database;
        // Whoever else writes just now is no reason not to start: the first change tries again.
        let tidied = runtime.block_on(tidy(connection)).is_ok().then(Instant::now);
        let records = runtime.block_on(read(connection, wall(), path))?;
        let queue = Mutex::new(Queue::default());
        let shared = Arc::new(Shared { path: path.to_owned(), options, queue, stop: AtomicBool::new(false) });
        let of_thread = Arc::clone(&shared);
        let started =
            thread::Builder::new().name("bindings".to_owned()).spawn(move || of_thread.keep(database, tidied));
        let writer = started.map_err(|why| StoreError::io("start the thread that writes", path, why))?;
        Ok((Self { shared, writer: Some(writer), _lock: lock }, records))
    }

    /// Takes in the records of several requests, all of them or none. Never waits for the disk.
    ///
    /// # Errors
    /// The last write failed, or too many changes wait: nothing was taken in, and none of the changes must be carried out.
    pub fn append_all<'a>(&self, requests: impl IntoIterator<Item = &'a [Record]>) -> Result<(), StoreError> {
        let mut queue = self.shared.lock();
        let refused = |why: String| StoreError::Database { doing: "write", path: self.shared.path.clone(), why };
        if let Some(why) = &queue.failed {
            return Err(refused(why.clone()));
        }
        let before = queue.records.len();
        requests.into_iter().for_each(|records| queue.records.extend_from_slice(records));
        if queue.records.len() + queue.writing > self.shared.options.waiting {
            queue.records.truncate(before);
            return Err(refused(format!("{} changes wait already", self.shared.options.waiting)));
        }
        let first = before == 0 && !queue.records.is_empty();
        drop(queue);
        if first && let Some(writer) = &self.writer {
            writer.thread().unpark();
        }
        Ok(())
    }
}

impl Drop for Bindings {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(writer) = self.writer.take() {
            writer.thread().unpark();
            // A thread that panicked has nothing left to do.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Each change of the queue is whole at every point where it could panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: what has gathered is written, and tried again while that fails. `tidied`: when what has ended was taken out.
    fn keep(&self, mut database: Database, mut tidied: Option<Instant>) {
        let mut batch = Batch::default();
        loop {
            let stop = self.stop.load(Ordering::Acquire);
            let mut queue = self.lock();
            let records = std::mem::take(&mut queue.records);
            queue.writing = batch.0.len() + records.len();
            drop(queue);
            batch.take(records);
            if !batch.0.is_empty() {
                let untidy = tidied.is_none_or(|at| at.elapsed() >= self.options.tidy_every);
                let written = database.runtime.block_on(batch.write(&mut database.connection, untidy));
                if written.is_ok() {
                    batch.0.clear();
                    tidied = if untidy { Some(Instant::now()) } else { tidied };
                }
                let mut queue = self.lock();
                queue.writing = batch.0.len();
                queue.failed = written.err().map(|why| why.to_string());
            }
            if stop {
                break;
            }
            self.wait(!batch.0.is_empty());
        }
        database.close();
    }

    /// Until something has waited for long enough.
    fn wait(&self, again: bool) {
        while !again && self.lock().records.is_empty() && !self.stop.load(Ordering::Acquire) {
            thread::park();
        }
        let until = Instant::now() + self.options.flush_every;
        while !self.stop.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

/// The last that is known of each binding, by address of record and name.
#[derive(Debug, Default)]
struct Batch(HashMap<(Box<str>, Box<str>), Record>);

impl Batch {
    fn take(&mut self, records: Vec<Record>) {
        for record in records {
            self.0.insert((record.aor().into(), record.name().into()), record);
        }
    }

    /// All in one transaction; and what has long ended goes, where that is `untidy`.
    async fn write(&self, connection: &mut SqliteConnection, untidy: bool) -> Result<(), sqlx::Error> {
        let (gone, held): (Vec<&Record>, Vec<&Record>) =
            self.0.values().partition(|record| record.kind() == Kind::Removed);
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for rows in parts(&held) {
            let mut statement = QueryBuilder::<Sqlite>::new(
                "INSERT OR REPLACE INTO bindings \
                 (aor, binding, contact, expires, cseq, q, params, call_id, path, agent, came_by) ",
            );
            statement.push_values(rows, |mut row, record| {
                let texts = record.texts();
                row.push_bind(texts.aor).push_bind(record.name()).push_bind(texts.uri);
                row.push_bind(i64::try_from(record.expires().0).unwrap_or(i64::MAX));
                row.push_bind(record.cseq()).push_bind(i64::from(record.q()));
                row.push_bind(texts.params).push_bind(texts.call_id).push_bind(texts.path).push_bind(texts.agent);
                row.push_bind(texts.origin.as_ref().map(came_by));
            });
            statement.build().execute(&mut *transaction).await?;
        }
        for rows in parts(&gone) {
            let mut statement = QueryBuilder::<Sqlite>::new("DELETE FROM bindings WHERE (aor, binding) IN (");
            statement.push_values(rows, |mut row, record| {
                row.push_bind(record.aor()).push_bind(record.name());
            });
            statement.push(")").build().execute(&mut *transaction).await?;
        }
        if untidy {
            tidy(&mut transaction).await?;
        }
        transaction.commit().await
    }
}

/// Takes out what has long ended. Nothing else does: a change concerns one binding, and the end of another may never have been written.
async fn tidy(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let before = i64::try_from(long_ended().0).unwrap_or(i64::MAX);
    sqlx::query("DELETE FROM bindings WHERE expires <= ?").bind(before).execute(connection).await.map(|_| ())
}

/// Rows in the fewest statements of few different lengths.
fn parts<'a, 'r>(mut rows: &'a [&'r Record]) -> Vec<&'a [&'r Record]> {
    let mut parts = Vec::new();
    for length in ROWS {
        while let Some((part, rest)) = rows.split_at_checked(length) {
            parts.push(part);
            rows = rest;
        }
    }
    parts
}

async fn read(connection: &mut SqliteConnection, now: WallTime, path: &Path) -> Result<Vec<Record>, StoreError> {
    let now = i64::try_from(now.0).unwrap_or(i64::MAX);
    let mut records: Vec<Record> = Vec::new();
    loop {
        let (aor, binding) = records.last().map_or(("", ""), |last| (last.aor(), last.name()));
        let page = sqlx::query(
            "SELECT aor, contact, expires, cseq, q, params, call_id, path, agent, came_by, binding FROM bindings
             WHERE (aor, binding) > (?, ?) AND expires > ? ORDER BY aor, binding LIMIT ?",
        );
        let page = page.bind(aor).bind(binding).bind(now).bind(PAGE).fetch_all(&mut *connection).await;
        let page = page.map_err(|why| failed("read", path, &why))?;
        if page.is_empty() {
            return Ok(records);
        }
        for row in &page {
            let record = record(row).map_err(|why| failed("read", path, &why))?;
            let unreadable = |why| StoreError::Database { doing: "read", path: path.to_owned(), why };
            records.push(record.ok_or_else(|| unreadable("a binding that no registrar has written".to_owned()))?);
        }
    }
}

/// One row; `None` where its numbers or texts are none of a binding.
fn record(row: &SqliteRow) -> Result<Option<Record>, sqlx::Error> {
    let text = |at: usize| row.try_get::<&str, _>(at);
    let number = |at: usize| row.try_get::<i64, _>(at);
    let by: Option<&str> = row.try_get(9)?;
    let (Ok(expires), Ok(cseq), Ok(q)) =
        (u64::try_from(number(2)?), u32::try_from(number(3)?), u16::try_from(number(4)?))
    else {
        return Ok(None);
    };
    let origin = by.map(origin);
    if matches!(origin, Some(None)) {
        return Ok(None);
    }
    let texts = Texts {
        aor: text(0)?,
        uri: text(1)?,
        params: text(5)?,
        call_id: text(6)?,
        path: text(7)?,
        agent: text(8)?,
        origin: origin.flatten(),
    };
    let record = Record::new(Kind::Added, WallTime(expires), cseq, q, &texts).ok();
    // The next page begins behind the name of the last.
    let name: &str = row.try_get(10)?;
    Ok(record.filter(|record| record.name() == name))
}

/// Where a REGISTER came by, in words: transport, our address, the device's.
fn came_by(origin: &Origin) -> String {
    format!("{} {} {}", origin.transport.as_str(), origin.local, origin.remote)
}

/// The same, read. The flow was one of the process before.
fn origin(text: &str) -> Option<Origin> {
    let mut words = text.split(' ');
    let word = words.next()?;
    let all = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
    let transport = all.into_iter().find(|one| one.as_str() == word)?;
    let (local, remote) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some(Origin { flow: FLOW_GONE, transport, local, remote })
}

#[cfg(test)]
mod tests;
