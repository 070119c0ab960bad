//! What the peer says, as frames: out of the jitter buffer, decoded, concealed.

use rtp::{Micros, Pulled};

use super::{LONGEST, Stream};

/// What came out of the jitter buffer.
enum Heard {
    Samples,
    Silence(usize),
}

impl Stream {
    /// Fills a frame of one tick with what the peer says: decoded, concealed or silent. False when it is silence.
    pub(crate) fn hear(&mut self, now: Micros, frame: &mut [i16]) -> bool {
        let mut filled = 0;
        let mut audible = false;
        while let Some(rest) = frame.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let waiting = self.heard.get(self.heard_from..).unwrap_or_default();
            if !waiting.is_empty() {
                let count = waiting.len().min(rest.len());
                for (to, from) in rest.iter_mut().zip(waiting) {
                    *to = *from;
                }
                self.heard_from += count;
                filled += count;
                audible = true;
                continue;
            }
            match self.pull(now, rest.len()) {
                Heard::Samples => {}
                Heard::Silence(count) => {
                    let count = count.clamp(1, rest.len());
                    rest.iter_mut().take(count).for_each(|sample| *sample = 0);
                    filled += count;
                }
            }
        }
        audible
    }

    /// Takes the next piece out of the jitter buffer into `heard`.
    fn pull(&mut self, now: Micros, wanted: usize) -> Heard {
        self.heard.clear();
        self.heard_from = 0;
        let units = u32::try_from(wanted).unwrap_or(u32::MAX);
        match self.jitter.pull(now, units) {
            Pulled::Frame(packet) => {
                let known = self.settings.receive_types.iter().find(|(number, _)| *number == packet.payload_type);
                if let Some((_, codec)) = known
                    && *codec != self.decoder.codec()
                {
                    self.decoder = codec.decoder();
                }
                let count = self.decoder.samples(packet.payload).min(LONGEST);
                self.heard.resize(count, 0);
                if self.decoder.decode(packet.payload, &mut self.heard).is_err() {
                    self.heard.clear();
                }
                self.concealment.heard(&mut self.heard);
                if self.heard.is_empty() { Heard::Silence(wanted) } else { Heard::Samples }
            }
            Pulled::Lost { units } => {
                self.heard.resize((units as usize).clamp(1, LONGEST), 0);
                self.concealment.conceal(&mut self.heard);
                Heard::Samples
            }
            Pulled::Silence { .. } | Pulled::Empty { .. } => {
                self.concealment.silence();
                Heard::Silence(wanted)
            }
        }
    }
}
