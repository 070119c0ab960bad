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
    packed: String,
    ends: [u16; FIELDS],
}

impl Text {
    /// Each field is given in parts. Of what is not UTF-8 the octets that are none are replaced by U+FFFD.
    pub(super) fn pack(fields: [&[&[u8]]; FIELDS]) -> Result<Self, DialogError> {
        let total: usize = fields.iter().map(|field| field.iter().map(|part| part.len()).sum::<usize>()).sum();
        if total > MAX_TEXT {
            return Err(DialogError::TooLarge);
        }
        let mut packed = Vec::with_capacity(total);
        let mut ends = [0; FIELDS];
        for (field, end) in fields.iter().zip(&mut ends) {
            for part in field.iter().filter(|part| !part.is_empty()) {
                packed.extend_from_slice(part);
            }
            // At most MAX_TEXT.
            *end = packed.len() as u16;
        }
        match String::from_utf8(packed) {
            Ok(packed) if ends.iter().all(|end| packed.is_char_boundary(usize::from(*end))) => {
                Ok(Self { packed, ends })
            }
            _ => {
                let fields = fields.map(|field| String::from_utf8_lossy(&field.concat()).into_owned());
                let parts = fields.each_ref().map(|field| [field.as_bytes()]);
                Self::pack(parts.each_ref().map(|field| field.as_slice()))
            }
        }
    }

    pub(super) fn get(&self, field: Field) -> &str {
        let (start, end) = self.range(field);
        self.packed.get(start..end).unwrap_or("")
    }

    fn range(&self, field: Field) -> (usize, usize) {
        let end_of = |n: usize| self.ends.get(n).copied().map(usize::from);
        let n = field as usize;
        let start = n.checked_sub(1).and_then(end_of).unwrap_or(0);
        (start, end_of(n).unwrap_or(start))
    }

    /// Replaces one field by these parts; on an error the text stays as it was.
    pub(super) fn set(&mut self, field: Field, parts: &[&str]) -> Result<(), DialogError> {
        let (start, end) = self.range(field);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let total = self.packed.len() - (end - start) + length;
        if total > MAX_TEXT {
            return Err(DialogError::TooLarge);
        }
        self.packed.drain(start..end);
        self.packed.reserve_exact(length);
        for part in parts.iter().rev().filter(|part| !part.is_empty()) {
            self.packed.insert_str(start, part);
        }
        for place in self.ends.iter_mut().skip(field as usize) {
            // At most MAX_TEXT.
            *place = (usize::from(*place) - (end - start) + length) as u16;
        }
        Ok(())
    }

    pub(super) fn heap_size(&self) -> usize {
        self.packed.capacity()
    }
}
