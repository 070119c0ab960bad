//! The text of a dialog in one allocation.

use super::{DialogError, MAX_TEXT};

/// What stands in the text, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    CallId,
    Local,
    LocalTag,
    Remote,
    RemoteTag,
    Target,
    Contact,
    Routes,
}

const FIELDS: usize = 8;

/// Eight strings one behind the other; `ends[n]` is where the n-th ends.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text {
    packed: Box<str>,
    ends: [u16; FIELDS],
}

impl Text {
    pub(super) fn pack(fields: [&str; FIELDS]) -> Result<Self, DialogError> {
        let total: usize = fields.iter().map(|field| field.len()).sum();
        if total > MAX_TEXT {
            return Err(DialogError::TooLarge);
        }
        let mut packed = String::with_capacity(total);
        let mut ends = [0; FIELDS];
        for (field, end) in fields.iter().zip(&mut ends) {
            packed.push_str(field);
            *end = u16::try_from(packed.len()).map_err(|_| DialogError::TooLarge)?;
        }
        Ok(Self { packed: packed.into_boxed_str(), ends })
    }

    pub(super) fn get(&self, field: Field) -> &str {
        self.nth(field as usize)
    }

    fn nth(&self, n: usize) -> &str {
        let start = n.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(n).copied().unwrap_or(start);
        self.packed.get(usize::from(start)..usize::from(end)).unwrap_or("")
    }

    /// Replaces one field; on an error the text stays as it was.
    pub(super) fn set(&mut self, field: Field, value: &str) -> Result<(), DialogError> {
        if self.get(field) == value {
            return Ok(());
        }
        let mut n = 0;
        let fields = [(); FIELDS].map(|()| {
            let text = if n == field as usize { value } else { self.nth(n) };
            n += 1;
            text
        });
        *self = Self::pack(fields)?;
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.packed.len()
    }
}
