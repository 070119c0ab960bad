//! What many records come to.

use std::collections::BTreeMap;

use sip::time::WallTime;

use crate::record::{Kind, Record};

/// The bindings that a sequence of records leaves, in the order of their names. Unlike [`crate::Location`] it knows no time: a binding that seemed to have ended may be refreshed by
/// a later record.
#[derive(Debug, Default)]
pub struct Fold {
    held: BTreeMap<Box<str>, BTreeMap<Box<str>, Record>>,
    len: usize,
}

impl Fold {
    /// Nothing yet.
    pub fn new() -> Fold {
        Fold::default()
    }

    /// Takes in the next record. A refresh or removal of what is not there has no effect.
    pub fn apply(&mut self, record: Record) {
        match record.kind {
            Kind::Added | Kind::Changed => {
                let record = Record { kind: Kind::Added, ..record };
                match self.held.get_mut(record.aor()).and_then(|user| user.get_mut(record.uri())) {
                    Some(known) => *known = record,
                    None => {
                        self.len += 1;
                        self.held.entry(record.aor().into()).or_default().insert(record.uri().into(), record);
                    }
                }
            }
            Kind::Refreshed => {
                if let Some(known) = self.held.get_mut(record.aor()).and_then(|user| user.get_mut(record.uri())) {
                    (known.expires, known.cseq, known.q) = (record.expires, record.cseq, record.q);
                }
            }
            Kind::Removed => {
                let Some(user) = self.held.get_mut(record.aor()) else { return };
                self.len -= usize::from(user.remove(record.uri()).is_some());
                if user.is_empty() {
                    self.held.remove(record.aor());
                }
            }
        }
    }

    /// Bindings left, ended ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when none is left.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Those that last beyond `now`, each as [`Kind::Added`].
    pub fn into_live(self, now: WallTime) -> impl Iterator<Item = Record> {
        self.held.into_values().flat_map(BTreeMap::into_values).filter(move |record| record.expires > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::added;

    #[test]
    fn a_binding_refreshed_after_its_first_end_is_live() {
        let mut fold = Fold::new();
        fold.apply(added("sip:a@x", "sip:a@1", 100));
        fold.apply(Record { kind: Kind::Refreshed, cseq: 2, ..added("sip:a@x", "sip:a@1", 200) });
        fold.apply(Record { kind: Kind::Refreshed, ..added("sip:a@x", "sip:a@2", 200) });
        fold.apply(added("sip:b@x", "sip:a@1", 100));
        fold.apply(added("sip:c@x", "sip:a@1", 200));
        fold.apply(Record { kind: Kind::Removed, ..added("sip:c@x", "sip:a@1", 0) });
        assert_eq!(fold.len(), 2);
        let live: Vec<_> = fold.into_live(WallTime(150)).collect();
        assert_eq!(live.len(), 1);
        assert_eq!((live[0].aor(), live[0].cseq(), live[0].kind()), ("sip:a@x", 2, Kind::Added));
    }
}
