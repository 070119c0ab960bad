//! Keeps what must outlive the process: bindings in a [`Journal`] on disk or, with the feature `sqlite`, in a database, where users can be too.
//!
//! The order is: make records (`proxy::registrar`), [`Journal::append`], only then carry them out and answer. When `append` fails nothing has happened, and the answer says so.
//!
//! ```
//! use store::{Durability, Journal, Options};
//! # let folder = std::env::temp_dir().join(format!("offhook-doc-{}", std::process::id()));
//! # let path = folder.join("bindings.journal");
//! let (mut journal, found) = Journal::open(&path, Options { durability: Durability::Sync, ..Options::default() })?;
//! assert!(found.records.is_empty());
//! journal.append(&[])?;
//! # drop(journal);
//! # let _ = std::fs::remove_dir_all(folder);
//! # Ok::<(), store::StoreError>(())
//! ```

mod error;
mod files;
pub mod journal;
mod reading;
mod rewrite;
pub mod secret;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use error::StoreError;
pub use journal::{Durability, Found, Journal, OnDamage, Options};
