//! A store that keeps nothing beyond the process.

use proxy::Record;

use crate::{Store, StoreError};

/// Takes every record and forgets it, unless told to keep them for a test to look at.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Option<Vec<Record>>,
}

impl Memory {
    /// Forgets everything.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Keeps every record: grows without end.
    pub fn keeping() -> Memory {
        Memory { kept: Some(Vec::new()) }
    }

    /// The records kept.
    pub fn records(&self) -> &[Record] {
        self.kept.as_deref().unwrap_or_default()
    }
}

impl Store for Memory {
    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(records);
        }
        Ok(())
    }
}
