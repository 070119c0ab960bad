//! RTCP of one call: reports in time, what the far end says, the goodbye (RFC 3550 section 6).

#[cfg(test)]
mod tests;

use crate::{
    Micros, NtpTime, Reception, Sender, Ssrc,
    packet::BufferTooSmall,
    reception::round_trip,
    rtcp::{Cname, Compound, CompoundWriter, ReportBlock, RtcpError, RtcpPacket},
    rtcp_interval::{Bandwidth, Group, RtcpTimer, deterministic_interval},
};

/// The size expected of the first report: RR, one block and a short CNAME.
const FIRST_REPORT: usize = 64;
/// A far end that is silent for so many intervals is gone (section 6.3.5).
const MEMBER_TIMEOUT: u64 = 5;
/// One that sends no data for so many is no sender any more (section 6.3.5).
const SENDER_TIMEOUT: u64 = 2;

/// Packets of which a far end must have heard some when it reports: a second of audio.
const KNOWN_AFTER: u32 = 50;

/// RTCP between two parties: one outgoing stream, one incoming.
///
/// Inputs are [`RtcpSession::receive`] and the passing of [`RtcpSession::deadline`]; outputs are written into the
/// caller's buffer by [`RtcpSession::poll`] and [`RtcpSession::leave`]. Every packet written is a compound packet of SR
/// or RR and SDES with CNAME (section 6.1).
#[derive(Clone, Debug)]
pub struct RtcpSession {
    cname: Cname,
    bandwidth: Bandwidth,
    timer: RtcpTimer,
    /// Packets sent when the last report was written, and the one before.
    packets_at_report: [u32; 2],
    reports: u32,
    far_end: FarEnd,
    /// The source that said goodbye: its silence is final until another one speaks.
    departed: Option<Ssrc>,
    /// When the far end last sent a report.
    heard_at: Option<Micros>,
}

/// What the far end has said about our stream.
#[derive(Clone, Debug, Default)]
pub struct FarEnd {
    /// Its latest report block about us.
    pub report: Option<ReportBlock>,
    /// The round-trip time by the latest report that allows it.
    pub round_trip: Option<Micros>,
    /// A report had no block about us, although we had sent for a second by then.
    pub missed_us: bool,
}

impl FarEnd {
    /// Whether anything of ours arrives there, where its reports tell (section 6.4: they have a block for each source that was heard).
    pub fn hears_us(&self) -> Option<bool> {
        if self.report.is_some() { Some(true) } else { self.missed_us.then_some(false) }
    }
}

/// What a compound packet said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Heard {
    /// The source of its report.
    pub from: Option<Ssrc>,
    /// Its report block about our stream.
    pub about_us: Option<ReportBlock>,
    /// The round-trip time that block reveals.
    pub round_trip: Option<Micros>,
    /// The source we receive from said goodbye.
    pub goodbye: bool,
    /// Somebody uses our SSRC: send a BYE and call [`Sender::change_ssrc`] (section 8.2).
    pub collision: bool,
}

impl RtcpSession {
    /// The most octets a packet of ours has: buffers of this size always suffice.
    pub const MAX_LEN: usize = 640;

    /// Joins at `now`; `seed` spreads the reports in time.
    pub fn new(cname: Cname, bandwidth: Bandwidth, now: Micros, seed: u64) -> Self {
        Self {
            cname,
            bandwidth,
            timer: RtcpTimer::new(bandwidth, now, FIRST_REPORT, seed),
            packets_at_report: [0; 2],
            reports: 0,
            far_end: FarEnd::default(),
            departed: None,
            heard_at: None,
        }
    }

    /// Goes on at `now` where the stream of this session goes on with new statistics of what it receives: the next report has its time before it, and what
    /// the far end said was of before.
    pub fn begin_again(&mut self, now: Micros, seed: u64) {
        let fresh = Self::new(self.cname.clone(), self.bandwidth, now, seed);
        *self = Self { packets_at_report: self.packets_at_report, reports: self.reports, ..fresh };
    }

    /// When [`RtcpSession::poll`] must be called next.
    pub const fn deadline(&self) -> Micros {
        self.timer.deadline()
    }

    /// What the far end has said so far.
    pub const fn far_end(&self) -> &FarEnd {
        &self.far_end
    }

    /// Writes a report if one is due and returns its length; `None` when there is nothing to send (yet). An SR when
    /// RTP was sent since the report before the last, else an RR (section 6.4).
    ///
    /// # Errors
    /// [`BufferTooSmall`] when `out` is shorter than the report; it stays due. [`RtcpSession::MAX_LEN`] suffices.
    pub fn poll(
        &mut self,
        now: Micros,
        wall: NtpTime,
        sender: &Sender,
        reception: &mut Reception,
        out: &mut [u8],
    ) -> Result<Option<usize>, BufferTooSmall> {
        if now < self.timer.deadline() {
            return Ok(None);
        }
        let group = self.group(now, sender, reception);
        if out.len() < Self::MAX_LEN {
            return Err(BufferTooSmall { need: Self::MAX_LEN, have: out.len() });
        }
        if !self.timer.expired(now, group) {
            return Ok(None);
        }
        let length = self.write(now, wall, group, sender, reception, out)?.len();
        self.reported(now, group, sender, length);
        Ok(Some(length))
    }

    /// Writes the goodbye and returns its length; `None` when nothing was ever sent, as then none may be (section
    /// 6.3.7). `reason` may be empty. The session is over: drop it.
    ///
    /// # Errors
    /// [`BufferTooSmall`]; [`RtcpSession::MAX_LEN`] suffices.
    pub fn leave(
        &mut self,
        now: Micros,
        wall: NtpTime,
        sender: &Sender,
        reception: &mut Reception,
        reason: &str,
        out: &mut [u8],
    ) -> Result<Option<usize>, BufferTooSmall> {
        if self.reports == 0 && sender.packets() == 0 {
            return Ok(None);
        }
        let group = self.group(now, sender, reception);
        let mut writer = self.write(now, wall, group, sender, reception, out)?;
        writer.bye(&[sender.ssrc()], reason)?;
        let length = writer.len();
        self.reports = self.reports.saturating_add(1);
        Ok(Some(length))
    }

    /// Takes a datagram that [`classify`](crate::classify) called RTCP.
    ///
    /// # Errors
    /// [`RtcpError`] when it is not a well-formed compound packet; nothing changes then.
    pub fn receive(
        &mut self,
        now: Micros,
        wall: NtpTime,
        datagram: &[u8],
        sender: &Sender,
        reception: &mut Reception,
    ) -> Result<Heard, RtcpError> {
        let compound = Compound::parse(datagram)?;
        let mut heard = Heard::default();
        for packet in compound.packets() {
            let (from, blocks) = match packet {
                RtcpPacket::SenderReport(report) => {
                    reception.sender_report_arrived(now, report.ssrc, report.info.ntp);
                    (report.ssrc, report.blocks)
                }
                RtcpPacket::ReceiverReport(report) => (report.ssrc, report.blocks),
                RtcpPacket::Goodbye(bye) => {
                    heard.goodbye |= bye.sources().any(|source| Some(source) == reception.source());
                    continue;
                }
                _ => continue,
            };
            heard.from.get_or_insert(from);
            heard.collision |= from == sender.ssrc();
            heard.about_us = heard.about_us.or_else(|| blocks.about(sender.ssrc()));
        }
        self.heard_at = (!heard.goodbye).then_some(now);
        self.timer.received(datagram.len(), heard.goodbye);
        self.note(wall, sender, &mut heard);
        if heard.goodbye {
            self.departed = reception.source();
            let members = self.group(now, sender, reception).members;
            self.timer.members_left(now, members);
        }
        Ok(heard)
    }

    fn note(&mut self, wall: NtpTime, sender: &Sender, heard: &mut Heard) {
        let Some(block) = heard.about_us else {
            // A report of ours that comes back is nobody's who could have missed us.
            let theirs = heard.from.is_some() && !heard.collision;
            self.far_end.missed_us |= theirs && sender.packets() >= KNOWN_AFTER;
            return;
        };
        heard.round_trip = round_trip(wall, &block);
        self.far_end.report = Some(block);
        if let Some(time) = heard.round_trip {
            self.far_end.round_trip = Some(time);
        }
    }

    fn write<'a>(
        &self,
        now: Micros,
        wall: NtpTime,
        group: Group,
        sender: &Sender,
        reception: &mut Reception,
        out: &'a mut [u8],
    ) -> Result<CompoundWriter<'a>, BufferTooSmall> {
        let block = reception.report(now);
        let blocks = block.as_slice();
        if group.we_sent {
            CompoundWriter::sender_report(out, sender.ssrc(), &sender.info(now, wall), blocks, &self.cname)
        } else {
            CompoundWriter::receiver_report(out, sender.ssrc(), blocks, &self.cname)
        }
    }

    fn reported(&mut self, now: Micros, group: Group, sender: &Sender, length: usize) {
        self.timer.sent(now, group, length);
        self.packets_at_report = [sender.packets(), self.packets_at_report[0]];
        self.reports = self.reports.saturating_add(1);
    }

    /// Who takes part: we, and the far end unless it left or has been silent for five intervals; it counts as a sender for two of them
    /// after its last packet (section 6.3.5). This is looked at with each report that is due.
    fn group(&self, now: Micros, sender: &Sender, reception: &Reception) -> Group {
        let we_sent = sender.packets() != self.packets_at_report[1];
        let both = Group { members: 2, senders: 0, we_sent };
        let interval = deterministic_interval(self.bandwidth, both, FIRST_REPORT as u64, self.bandwidth.minimum());
        let within = |at: Option<Micros>, intervals: u64| {
            at.is_some_and(|at| now.since(at) <= Micros(interval.0.saturating_mul(intervals)))
        };
        let source = reception.source().filter(|source| Some(*source) != self.departed);
        let spoke = source.and_then(|_| reception.last_arrival());
        let present = within(spoke, MEMBER_TIMEOUT) || within(self.heard_at, MEMBER_TIMEOUT);
        let senders = u32::from(we_sent) + u32::from(within(spoke, SENDER_TIMEOUT));
        Group { members: 1 + u32::from(present), senders, ..both }
    }
}
