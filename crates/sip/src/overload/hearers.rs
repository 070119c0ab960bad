//! Who says that he hears how much less we ask for (RFC 7339), and whether he does it.
//!
//! Everybody can write `oc` into his Via. Who hears is not refused what he leaves out by himself, and for his sake those are refused as much who know nothing of it
//! (section 5.10.2): so it counts what comes from him, and not what he says. What would come if we asked for nothing is what came in a look of half a second in which
//! we did; of that he has to leave out as much as he was told in the two looks before, whatever the way takes. Where nearly everything is left out there are looks in which nothing
//! comes, and nothing is told: they say nothing of him.
//!
//! How much he would send now nobody says: who has more than twice as much to send as before he was asked, and leaves out his share of that, looks like one who goes on.
//! To follow what grows would be to believe whoever lets it grow.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{LONGEST, LOOK, network};
use crate::outbox::Origin;
use crate::time::Time;

/// Nobody of whom nothing came for so long has to be remembered where there is no room.
const IDLE: Duration = Duration::from_secs(2);
/// So many requests more than are due in a look are chance.
const CHANCE: u32 = 4;
/// In so many looks one after the other he has to do what he is asked for before he is believed: who rests in every other one has not.
const SHOWN: u8 = 2;
/// What was usual so many looks ago says nothing of now.
const OLD: u128 = 32;

/// What one does who says that he hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Heed {
    /// Nothing that could be seen: he was asked for nothing, or lately, or sends too little. He counts as one who knows nothing of it.
    #[default]
    Unknown,
    /// What he is asked for.
    Obeys,
    /// He sends twice as much as that, or more. He is refused before others are.
    Ignores,
}

/// Those who say so. Who writes datagrams in the names of others neither harms whose address is proven by a connection nor takes his place.
#[derive(Debug, Default)]
pub(crate) struct Hearers {
    connected: Networks,
    others: Networks,
}

/// Those of one kind, by network.
#[derive(Debug, Default)]
struct Networks {
    of: BTreeMap<u128, Hearer>,
    /// When those were forgotten last of whom nothing came.
    swept: Time,
}

#[derive(Clone, Copy, Debug)]
struct Hearer {
    /// When the present look began.
    begun: Time,
    /// New requests in it.
    came: u32,
    /// So many come where nothing is asked for.
    usual: u32,
    /// The least that he was told in the present look, the one before, and the one before that.
    told: [Option<u8>; 3],
    /// In so many looks, the last ones, he did what he was asked for.
    kept: u8,
    heed: Heed,
    /// When that was seen last.
    seen: Time,
}

impl Hearers {
    /// A new request came from one who says that he hears. So many of each kind are remembered; of others nothing is known.
    pub(crate) fn came(&mut self, origin: &Origin, now: Time, most: usize) -> Heed {
        let networks = self.alike(origin);
        let key = network(origin.remote.ip());
        if !networks.of.contains_key(&key) && !networks.has_room(now, most) {
            return Heed::Unknown;
        }
        let hearer = networks.of.entry(key).or_insert(Hearer::new(now));
        hearer.pass(now);
        hearer.came = hearer.came.saturating_add(1);
        hearer.heed(now)
    }

    /// He is told now that so much less of a hundred is wanted.
    pub(crate) fn told(&mut self, origin: &Origin, now: Time, loss: u8) -> Heed {
        let Some(hearer) = self.alike(origin).of.get_mut(&network(origin.remote.ip())) else { return Heed::Unknown };
        hearer.pass(now);
        let [present, ..] = &mut hearer.told;
        *present = Some(present.map_or(loss, |least| least.min(loss)));
        hearer.heed(now)
    }

    /// Those who come as he does.
    fn alike(&mut self, origin: &Origin) -> &mut Networks {
        if origin.transport.is_reliable() { &mut self.connected } else { &mut self.others }
    }
}

impl Networks {
    /// Whether there is room for one more. It is looked for once in a look: a flood of newcomers finds it no sooner.
    fn has_room(&mut self, now: Time, most: usize) -> bool {
        if self.of.len() >= most && now.since(self.swept) >= LOOK {
            self.swept = now;
            self.of.retain(|_, hearer| now.since(hearer.begun) < IDLE);
        }
        self.of.len() < most
    }
}

impl Hearer {
    fn new(now: Time) -> Self {
        Self { begun: now, came: 0, usual: 0, told: [None; 3], kept: 0, heed: Heed::Unknown, seen: now }
    }

    fn heed(&self, now: Time) -> Heed {
        match self.heed {
            _ if now.since(self.seen) >= LONGEST => Heed::Unknown,
            // He has just begun to go on.
            Heed::Obeys if self.due().is_some_and(|due| self.came > most(due)) => Heed::Unknown,
            heed => heed,
        }
    }

    /// So many requests he was to send in the present look; `None` where he was asked to leave out none. Where he is asked for less than before that counts at once.
    fn due(&self) -> Option<u32> {
        let [_, last, first] = self.told;
        last.or(first)?;
        let loss = self.told.into_iter().flatten().min()?.min(100);
        let due = u64::from(self.usual) * u64::from(100 - loss) / 100;
        (loss > 0).then(|| u32::try_from(due).unwrap_or(u32::MAX))
    }

    /// Ends the looks that are over.
    fn pass(&mut self, now: Time) {
        let looks = now.since(self.begun).as_micros() / LOOK.as_micros();
        if looks > OLD {
            self.judge();
            *self = Self { heed: self.heed, seen: self.seen, ..Self::new(now) };
            return;
        }
        for _ in 0..looks {
            self.judge();
            let [present, last, _] = self.told;
            (self.told, self.came, self.begun) = ([None, present, last], 0, self.begun + LOOK);
        }
    }

    /// A look is over.
    fn judge(&mut self) {
        let [present, last, first] = self.told;
        let Some(due) = self.due() else {
            // What comes from who has not heard of it yet, and what no longer comes once nothing is asked for.
            let left = if present == Some(0) { self.usual - self.usual / 8 } else { self.usual };
            self.usual = self.came.max(left);
            return;
        };
        let far_too_many = due.saturating_mul(2).saturating_add(2 * CHANCE);
        if self.came == 0 || self.came <= far_too_many && most(due) >= self.usual {
            // Who leaves out nothing looks no different; nor does who has nothing to ask for.
            return;
        }
        if self.came <= most(due) {
            self.kept = self.kept.saturating_add(1);
            if self.kept >= SHOWN {
                self.heed = Heed::Obeys;
            }
        } else {
            self.kept = 0;
            // He need not have heard the last word in time, and the one before is over then.
            if self.came > far_too_many && last.is_some() && first.is_some() {
                self.heed = Heed::Ignores;
            } else if self.heed == Heed::Obeys {
                self.heed = Heed::Unknown;
            }
        }
        self.seen = self.begun + LOOK;
    }
}

/// No more than so many come in a look from who sends as many as are due.
fn most(due: u32) -> u32 {
    due.saturating_add(due / 4).saturating_add(CHANCE)
}

#[cfg(test)]
mod tests;
