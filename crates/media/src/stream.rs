//! One audio stream: what arrives becomes frames, frames become packets.
//!
//! Here: what comes and goes whatever becomes of it. In `hear` packets become frames, in `say` frames become packets, in `relay` packets pass
//! to another stream, `control` speaks RTCP, and `conflict` knows our own packets when they come back.

mod conflict;
mod control;
mod hear;
mod relay;
mod say;

use std::net::SocketAddr;

use audio::codec::{Codec, Decoder, Encoder};
use audio::concealment::Concealment;
use rtp::rtcp_interval::Bandwidth;
use rtp::telephone_event::{EventReport, EventSettings};
use rtp::{
    Arrival, ClockRate, EventReceiver, EventSender, JitterBuffer, JitterConfig, Micros, NtpTime, Packet, PayloadType,
    Protocol, Reception, RtcpSession, classify,
};

use crate::event::{MediaEvent, Output};
use crate::latch::{Latch, Sender};
use crate::report::StreamReport;
use crate::settings::{Component, Key, Slot, StreamSettings};

pub use say::DialError;

/// The longest payload decoded at once, in samples: 240 ms at 8 kHz.
const LONGEST: usize = 1_920;
/// The longest packet sent: 120 ms of G.711 and a header.
const PACKET: usize = 1_024;
/// An event whose end was lost ends after so long without a packet.
const EVENT_TIMEOUT: Micros = Micros::from_millis(200);

/// What the engine gives a stream to begin with.
pub(crate) struct Birth {
    pub(crate) key: Key,
    pub(crate) slot: Slot,
    pub(crate) now: Micros,
    pub(crate) voice: Voice,
}

/// What a device knows a stream of ours by: SSRC, numbers, reports. Who goes on with it, be it in another engine, is the same to the device. And what we
/// know the device by: where it is.
#[derive(Clone, Debug)]
pub struct Voice {
    sender: rtp::Sender,
    control: RtcpSession,
    /// The device has been sent something, by us or by whom we stand for now.
    heard: bool,
    /// Of a stream that was released.
    whereabouts: Option<Whereabouts>,
}

/// Where a device has been found, and the addresses that its description named by then.
#[derive(Clone, Debug)]
struct Whereabouts {
    latch: Latch,
    control: Option<SocketAddr>,
    described: [Option<SocketAddr>; 2],
}

impl Whereabouts {
    /// Where a description says that a device is which nobody has heard.
    fn new(settings: &StreamSettings) -> Self {
        Self {
            latch: Latch::new(settings.remote),
            control: settings.remote_control,
            described: [settings.remote, settings.remote_control],
        }
    }
}

impl Voice {
    /// Goes on with a new stream.
    pub(crate) fn begin_again(&mut self, now: Micros, seed: u64) {
        self.control.begin_again(now, seed);
    }

    /// One that nobody has heard yet.
    pub(crate) fn new(now: Micros, seed: u64, codec: Codec) -> Self {
        let cname = rtp::rtcp::Cname::from_seed(seed.rotate_left(17));
        Self {
            sender: rtp::Sender::new(seed, clock(codec)),
            control: RtcpSession::new(cname, bandwidth(), now, seed.rotate_left(32)),
            heard: false,
            whereabouts: None,
        }
    }
}

/// A stream's whole state. No method allocates once it exists.
pub(crate) struct Stream {
    pub(crate) key: Key,
    slot: Slot,
    pub(crate) settings: StreamSettings,
    latch: Latch,
    remote_control: Option<SocketAddr>,
    reception: Reception,
    jitter: JitterBuffer,
    decoder: Decoder,
    encoder: Encoder,
    concealment: Concealment,
    events_in: EventReceiver,
    events_out: EventSender,
    voice: Voice,
    /// Decoded samples that the tick has not taken yet, from `heard_from` on.
    heard: Vec<i16>,
    heard_from: usize,
    /// Samples on their way into a packet.
    said: Vec<i16>,
    packet: Box<[u8; PACKET]>,
    /// For the silence watch.
    last_heard: Micros,
    silence_after: Option<Micros>,
    silent: bool,
    strangers: u64,
    relayed: u64,
    conflicts: conflict::Conflicts,
    /// Packets of ours that came back.
    looped: u64,
    /// To be added, on the circle, to what the sender has counted: what went under SSRCs that were given up, less what went before this stream.
    sent_before: u64,
    octets_before: u64,
}

impl Stream {
    pub(crate) fn new(mut birth: Birth, settings: StreamSettings) -> Self {
        let clock = clock(settings.codec);
        let told = Whereabouts::new(&settings);
        // A device that was found elsewhere than a description says is there also for who goes on with its stream, until another is named.
        let known = birth.voice.whereabouts.take().filter(|known| known.described == told.described);
        let Whereabouts { latch, control: remote_control, .. } = known.unwrap_or(told);
        Self {
            key: birth.key,
            slot: birth.slot,
            latch,
            remote_control,
            reception: Reception::new(clock),
            jitter: JitterBuffer::new(jitter(&settings)),
            decoder: settings.codec.decoder(),
            encoder: settings.codec.encoder(),
            concealment: Concealment::new(settings.codec.sample_rate()),
            events_in: EventReceiver::new(clock, EVENT_TIMEOUT),
            events_out: EventSender::new(EventSettings { clock, ..EventSettings::default() }),
            heard: Vec::with_capacity(LONGEST),
            heard_from: 0,
            said: Vec::with_capacity(LONGEST),
            packet: Box::new([0; PACKET]),
            last_heard: birth.now,
            silence_after: None,
            silent: false,
            strangers: 0,
            relayed: 0,
            conflicts: conflict::Conflicts::default(),
            looped: 0,
            // What was said before this stream began is none of its own.
            sent_before: 0_u64.wrapping_sub(birth.voice.sender.packets().into()),
            octets_before: 0_u64.wrapping_sub(birth.voice.sender.octets().into()),
            voice: birth.voice,
            settings,
        }
    }

    /// What its device knows it by, and where that is.
    pub(crate) fn into_voice(self) -> Voice {
        let described = [self.settings.remote, self.settings.remote_control];
        let whereabouts = Whereabouts { latch: self.latch, control: self.remote_control, described };
        Voice { whereabouts: Some(whereabouts), ..self.voice }
    }

    /// Takes new settings; what is the same goes on without a gap.
    pub(crate) fn update(&mut self, now: Micros, settings: StreamSettings) {
        if !self.latch.signal(settings.remote) && self.settings.remote.is_none() {
            // Whoever was heard before an address was named is not the one who has it: what he said ends here.
            self.jitter.clear();
            self.heard.clear();
            self.heard_from = 0;
        }
        if settings.remote_control != self.settings.remote_control {
            self.remote_control = settings.remote_control;
        }
        if settings.codec != self.settings.codec {
            self.decoder = settings.codec.decoder();
            self.encoder = settings.codec.encoder();
            self.said.clear();
        }
        if !self.settings.direction.sends() && settings.direction.sends() {
            self.voice.sender.start_talk_spurt();
        }
        if !self.settings.direction.receives() {
            self.last_heard = now;
        }
        self.settings = settings;
    }

    /// Tells once when nothing is heard for so long although something should be.
    pub(crate) fn watch_silence(&mut self, now: Micros, after: Option<Micros>) {
        self.silence_after = after;
        self.last_heard = now;
        self.silent = false;
    }

    /// Judges a datagram on the RTP port by where it comes from. What is the peer's comes back parsed.
    #[inline(always)]
    fn admit<'a>(
        &mut self,
        now: Micros,
        from: SocketAddr,
        datagram: &'a [u8],
        out: &mut impl Output,
    ) -> Option<Packet<'a>> {
        let packet = Packet::parse(datagram).ok()?;
        match self.latch.judge(now, from, &packet, self.settings.direction.sends()) {
            Sender::Peer => {}
            Sender::NewPeer => out.event(MediaEvent::Heard { stream: self.key, from }),
            Sender::Unproven => return None,
            Sender::Stranger => {
                self.strangers += 1;
                return None;
            }
        }
        Some(packet)
    }

    /// Counts a packet of the peer's; whether it may be played.
    #[inline]
    fn count(&mut self, now: Micros, packet: &Packet<'_>) -> bool {
        let arrival = self.reception.received(now, packet);
        self.last_heard = now;
        self.silent = false;
        // A first packet waits for proof in the statistics but may be played.
        arrival.is_valid() || arrival == Arrival::Probation
    }

    /// A datagram that came to be played here.
    pub(crate) fn receive(
        &mut self,
        now: Micros,
        wall: NtpTime,
        component: Component,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut impl Output,
    ) {
        match (classify(datagram), component) {
            (Protocol::Rtp, Component::Rtp) => {
                let Some(packet) = self.admit(now, from, datagram, out) else { return };
                let ours = packet.ssrc() == self.voice.sender.ssrc();
                if ours && self.meet_ourselves(now, wall, component, from, out) || !self.count(now, &packet) {
                    return;
                }
                if self.is_event(packet.payload_type()) {
                    self.jitter.pass_over(&packet);
                    self.take_event(now, &packet, out);
                } else if self.meaning(packet.payload_type()).is_some() && self.settings.direction.receives() {
                    self.jitter.insert(now, &packet);
                }
            }
            (Protocol::Rtcp, _) => self.take_control(now, wall, from, datagram, out),
            _ => {}
        }
    }

    fn take_event(&mut self, now: Micros, packet: &Packet<'_>, out: &mut impl Output) {
        let key = self.key;
        self.events_in.receive(now, packet, |report| tell(key, report, out));
    }

    fn is_event(&self, number: PayloadType) -> bool {
        self.settings.events.is_some_and(|events| events.receive == number)
    }

    fn meaning(&self, number: PayloadType) -> Option<Codec> {
        self.settings.receive_types.iter().find(|(known, _)| *known == number).map(|(_, codec)| *codec)
    }

    /// What is due at a tick besides audio: lost ends of events, the silence watch, and our control packets unless the peers of a relay
    /// report to each other: these have the times at which they leave.
    pub(crate) fn keep(&mut self, now: Micros, reports: Option<(Micros, NtpTime)>, out: &mut impl Output) {
        let key = self.key;
        if self.events_in.deadline().is_some_and(|deadline| deadline <= now) {
            self.events_in.timeout(now, |report| tell(key, report, out));
        }
        if let Some(after) = self.silence_after
            && !self.silent
            && self.settings.direction.receives()
            && now.since(self.last_heard) >= after
        {
            self.silent = true;
            out.event(MediaEvent::Silence { stream: key, for_ms: now.since(self.last_heard).as_millis() });
        }
        let Some((made, wall)) = reports.filter(|(made, _)| *made >= self.voice.control.deadline()) else { return };
        let written =
            self.voice.control.poll(made, wall, &self.voice.sender, &mut self.reception, self.packet.as_mut_slice());
        self.send_control(written, out);
    }

    fn sends_to(&self) -> Option<SocketAddr> {
        if self.settings.direction.sends() { self.latch.destination() } else { None }
    }

    /// Figures so far.
    pub(crate) fn report(&self) -> StreamReport {
        let totals = self.reception.totals();
        let far = self.voice.control.far_end();
        let jitter = self.jitter.stats();
        StreamReport {
            codec: self.settings.codec,
            remote: self.latch.destination(),
            heard_from: self.latch.learned(),
            packets_received: totals.packets,
            octets_received: totals.octets,
            packets_lost: self.reception.total_lost().max(0).unsigned_abs(),
            packets_late: jitter.late,
            duplicates: totals.duplicates,
            reordered: totals.reordered,
            jitter: self.reception.jitter(),
            concealed_ms: jitter.lost_units.saturating_mul(1_000) / u64::from(self.settings.codec.clock_rate()),
            packets_sent: self.sent_before.wrapping_add(self.voice.sender.packets().into()) + self.relayed,
            octets_sent: self.octets_before.wrapping_add(self.voice.sender.octets().into()),
            far_hears: far.hears_us(),
            far_lost: far.report.map_or(0, |block| i64::from(block.cumulative_lost).max(0).unsigned_abs()),
            far_jitter: far.report.map(|block| clock(self.settings.codec).micros(u64::from(block.jitter))),
            round_trip: far.round_trip,
            strangers: self.strangers,
            looped: self.looped,
        }
    }
}

fn tell(stream: Key, report: EventReport, out: &mut impl Output) {
    match report {
        EventReport::Started { event, .. } => {
            if let Some(digit) = event.digit() {
                out.event(MediaEvent::DigitBegan { stream, digit });
            }
        }
        EventReport::Ended { event, duration, .. } => {
            if let Some(digit) = event.digit() {
                out.event(MediaEvent::DigitEnded { stream, digit, duration });
            }
        }
        _ => {}
    }
}

fn clock(codec: Codec) -> ClockRate {
    ClockRate::new(codec.clock_rate()).unwrap_or(ClockRate::HZ_8000)
}

fn jitter(settings: &StreamSettings) -> JitterConfig {
    let min_ms = u32::try_from(settings.min_delay.as_millis()).unwrap_or(20);
    let max_ms = u32::try_from(settings.max_delay.as_millis()).unwrap_or(200);
    JitterConfig { clock: clock(settings.codec), min_ms, initial_ms: min_ms.max(40), max_ms, ..JitterConfig::default() }
}

/// One G.711 call in 20 ms packets, network headers included.
const fn bandwidth() -> Bandwidth {
    Bandwidth { session: 80_000, reduced_minimum: false }
}
