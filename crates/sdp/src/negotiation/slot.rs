//! What is remembered about one `m=` line for the length of a session.

use super::plan::StreamPlan;
use crate::codec::{Codec, PayloadType};
use crate::direction::Direction;
use crate::media::Media;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Entry of the local capabilities this line is bound to.
    pub(super) capability: Option<usize>,
    /// Whether the peer refused or ended what was here.
    pub(super) refused: bool,
    /// What our side wanted in the last description.
    pub(super) wanted: Direction,
    /// Direction now in force, seen from us; `None` while there is no stream.
    pub(super) direction: Option<Direction>,
    /// What every payload type has stood for in this line: RFC 3264 section 8.3.2 lets none change.
    pub(super) numbers: Vec<Codec>,
}

impl Slot {
    /// Remembers what is agreed, and gives it the entry the line is bound to.
    pub(super) fn agree(&mut self, plan: Option<StreamPlan>) -> Option<StreamPlan> {
        self.direction = plan.as_ref().map(|plan| plan.direction);
        plan.map(|plan| StreamPlan { capability: self.capability, ..plan })
    }

    /// Remembers the meaning of the payload types of a description. At most 128 are kept.
    pub(super) fn remember(&mut self, codecs: Vec<Codec>) {
        if self.numbers.is_empty() {
            self.numbers = codecs;
            return;
        }
        for codec in codecs {
            match self.numbers.iter_mut().find(|known| known.payload_type == codec.payload_type) {
                Some(known) => *known = codec,
                None => self.numbers.push(codec),
            }
        }
    }

    /// Gives each codec a payload type for an offer: the one in `last` (our last description), else one it has had,
    /// else the one it prefers, else a free dynamic one. A codec for which there is no number is left out.
    pub(super) fn assign(&self, wanted: Vec<Codec>, last: Option<&Media>) -> Vec<Codec> {
        let last = last.map(Media::codecs).unwrap_or_default();
        let mut taken = [false; 128];
        let mut claim =
            |number: PayloadType| taken.get_mut(number.index()).is_some_and(|taken| !std::mem::replace(taken, true));
        let first: Vec<Option<PayloadType>> = wanted
            .iter()
            .map(|codec| {
                let known = last.iter().chain(&self.numbers).filter(|known| known.same_format(codec));
                let mut choices = known.map(|known| known.payload_type).chain([codec.payload_type]);
                choices.find(|number| self.may_be(*number, codec) && claim(*number))
            })
            .collect();
        let numbered = wanted.into_iter().zip(first).filter_map(|(mut codec, number)| {
            let free = (96..128).chain(35..64).filter_map(PayloadType::new);
            let mut free = free.filter(|number| self.numbers.iter().all(|known| known.payload_type != *number));
            codec.payload_type = number.or_else(|| free.find(|number| claim(*number)))?;
            Some(codec)
        });
        numbered.collect()
    }

    /// Whether the number is free for this codec: not used for another in this session, and not a static number of
    /// another.
    fn may_be(&self, number: PayloadType, codec: &Codec) -> bool {
        let unused = self.numbers.iter().all(|known| known.payload_type != number || known.same_format(codec));
        unused && Codec::from_static(number).is_none_or(|fixed| fixed.same_encoding(codec))
    }
}
