//! How the network treats messages in one run.

use std::time::Duration;

use crate::chance::Chance;

/// How much may be expected of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sky {
    /// Nothing goes wrong, and every answer comes within T1: nothing need be repeated.
    Clear,
    /// Messages are lost, doubled, late and overtaken, but none is lost more than twice: everything that is repeated arrives, and both ends must
    /// agree.
    Fair,
    /// Anything: no bound on losses, outages, refusals, cut connections, new addresses. All that can be asked is that everything ends.
    Foul,
}

/// The settings of one run. Chances are cases of a thousand.
#[derive(Clone, Debug)]
pub struct Weather {
    /// What may be expected.
    pub sky: Sky,
    /// Datagrams that are lost.
    pub loss: u32,
    /// How often the same message is lost at most.
    pub most_lost: Option<u32>,
    /// Datagrams that arrive twice.
    pub double: u32,
    /// Datagrams that take up to `late_by` longer, so that others overtake them.
    pub late: u32,
    /// See `late`.
    pub late_by: Duration,
    /// The way takes this long.
    pub way: Duration,
    /// Datagrams that find the queue full.
    pub no_buffer: u32,
    /// Datagrams that are refused (ICMP) although somebody is there.
    pub refused: u32,
    /// INVITEs over UDP larger than this cannot be sent.
    pub mtu: Option<usize>,
    /// Chunks of a stream during whose transport its connection is cut.
    pub cut: u32,
    /// Connections that cannot be opened.
    pub unopened: u32,
    /// Look-ups take this long.
    pub lookup: Duration,
    /// From when until when nothing arrives.
    pub outage: Option<(Duration, Duration)>,
    /// The address translator gives new ports at these times; with true the old ones go on to work.
    pub rebinding: Vec<(Duration, bool)>,
    /// At these times somebody sets the wall clock of a node (by its number) by so many seconds.
    pub set_clocks: Vec<(Duration, usize, i64)>,
    /// The node that is suspended, from when until when: no timer of it fires, datagrams pass it by, streams wait for it.
    pub sleep: Option<(usize, Duration, Duration)>,
}

impl Weather {
    /// Nothing goes wrong; 5 ms each way.
    pub fn clear() -> Self {
        Self {
            sky: Sky::Clear,
            loss: 0,
            most_lost: Some(2),
            double: 0,
            late: 0,
            late_by: Duration::ZERO,
            way: Duration::from_millis(5),
            no_buffer: 0,
            refused: 0,
            mtu: None,
            cut: 0,
            unopened: 0,
            lookup: Duration::ZERO,
            outage: None,
            rebinding: Vec::new(),
            set_clocks: Vec::new(),
            sleep: None,
        }
    }

    /// What a seed says: one run in eight is clear, three are foul.
    pub fn draw(chance: &mut Chance) -> Self {
        let mut weather = Self::clear();
        weather.way = chance.millis(1, 100);
        weather.sky =
            chance.pick(&[Sky::Clear, Sky::Fair, Sky::Fair, Sky::Fair, Sky::Fair, Sky::Foul, Sky::Foul, Sky::Foul]);
        if chance.permille(300) {
            weather.lookup = chance.millis(1, 60);
        }
        if weather.sky >= Sky::Fair {
            weather.fair(chance);
        }
        if weather.sky == Sky::Foul {
            weather.foul(chance);
        }
        weather
    }

    /// What a seed says of clocks. Those on the wall may jump under any sky: nothing but dates is taken from them. Phones are nodes 0 to 2, the
    /// registrar is 3.
    pub fn clocks(&mut self, chance: &mut Chance) {
        if chance.permille(400) {
            for _ in 0..=chance.below(2) {
                let (node, by) = (chance.pick(&[0, 1, 2, 3, 3, 3]), chance.pick(&[-3_600, 3_600]));
                self.set_clocks.push((chance.millis(0, 100_000), node, by));
            }
        }
        if self.sky == Sky::Foul && chance.permille(300) {
            let from = chance.millis(0, 60_000);
            // Everything else happens at whole milliseconds: what has waited comes before what arrives later.
            let until = from + chance.millis(1_000, 600_000) + Duration::from_micros(1);
            self.sleep = Some((chance.below(4) as usize, from, until));
        }
    }

    fn fair(&mut self, chance: &mut Chance) {
        self.loss = chance.below(301) as u32;
        if chance.permille(500) {
            self.double = chance.below(200) as u32;
        }
        if chance.permille(500) {
            self.late = chance.below(300) as u32;
            self.late_by = chance.millis(1, 2_500);
        }
        if chance.permille(300) {
            self.no_buffer = chance.below(100) as u32;
        }
        if chance.permille(300) {
            self.mtu = Some(900);
        }
        if chance.permille(400) {
            self.rebinding = vec![(chance.millis(500, 60_000), true), (chance.millis(500, 60_000), true)];
            // Nobody connects through an address translator to a phone: what is too large for UDP could not go at all.
            self.mtu = None;
        }
    }

    fn foul(&mut self, chance: &mut Chance) {
        self.most_lost = None;
        if chance.permille(300) {
            self.refused = chance.below(60) as u32;
        }
        if chance.permille(600) {
            self.cut = chance.below(150) as u32;
            self.unopened = chance.below(150) as u32;
        }
        if chance.permille(400) {
            let from = chance.millis(0, 30_000);
            self.outage = Some((from, from + chance.millis(1_000, 90_000)));
        }
        if chance.permille(500) {
            self.rebinding = vec![(chance.millis(500, 60_000), false)];
        }
    }
}
