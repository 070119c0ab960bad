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
                match self.held.get_mut(record.aor()).and_then(|user| user.get_mut(record.name())) {
                    Some(known) => *known = record,
                    None => {
                        self.len += 1;
                        self.held.entry(record.aor().into()).or_default().insert(record.name().into(), record);
                    }
                }
            }
            Kind::Refreshed => {
                if let Some(known) = self.held.get_mut(record.aor()).and_then(|user| user.get_mut(record.name())) {
                    (known.expires, known.cseq, known.q) = (record.expires, record.cseq, record.q);
                }
            }
            Kind::Removed => {
                let Some(user) = self.held.get_mut(record.aor()) else { return };
                self.len -= usize::from(user.remove(record.name()).is_some());
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

    #[test]
    fn rfc5626_6_flows_of_one_contact_are_two_and_a_flow_that_leads_elsewhere_is_one() {
        let of = |kind: Kind, uri: &str, number: u32| {
            let params = crate::instance::written("urn:uuid:1", Some(number)) + ";methods=\"INVITE\"";
            let texts = crate::Texts { aor: "sip:a@x", uri, params: &params, ..crate::Texts::default() };
            Record::new(kind, WallTime(100), 1, 1_000, &texts).unwrap()
        };
        let mut fold = Fold::new();
        fold.apply(of(Kind::Added, "sip:a@1", 1));
        fold.apply(of(Kind::Added, "sip:a@1", 2));
        fold.apply(added("sip:a@x", "sip:a@1", 100));
        assert_eq!(fold.len(), 3);
        // Taken away under another address than the one it was written down with.
        fold.apply(of(Kind::Removed, "sip:a@9", 2));
        fold.apply(of(Kind::Changed, "sip:a@0", 1));
        fold.apply(Record { cseq: 7, ..of(Kind::Refreshed, "sip:a@0", 1) });
        assert_eq!(fold.len(), 2);
        let live: Vec<_> = fold.into_live(WallTime(0)).map(|one| (one.uri().to_owned(), one.cseq())).collect();
        assert_eq!(live, [("sip:a@0".to_owned(), 7), ("sip:a@1".to_owned(), 1)]);
    }
}
