//! One audio stream: what arrives becomes frames, frames become packets.

use std::net::SocketAddr;
use std::time::Duration;

use audio::codec::{Codec, Decoder, Encoder};
use audio::concealment::Concealment;
use rtp::packet::HeaderMut;
use rtp::rtcp_interval::Bandwidth;
use rtp::telephone_event::{EventReport, EventSettings, Poll, QueueError};
use rtp::{
    Arrival, ClockRate, EventReceiver, EventSender, JitterBuffer, JitterConfig, Micros, NtpTime, Packet, PayloadType,
    Protocol, Pulled, Reception, RtcpSession, classify,
};

use crate::event::{MediaEvent, Output};
use crate::latch::{Latch, Sender};
use crate::report::StreamReport;
use crate::settings::{Component, Key, Slot, StreamSettings};

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
    pub(crate) seed: u64,
    pub(crate) cname: rtp::rtcp::Cname,
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
    sender: rtp::Sender,
    control: RtcpSession,
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
    /// Who used our SSRC: when he does so again, what he sends is our own coming back (RFC 3550 section 8.2).
    collided_with: Option<SocketAddr>,
}

impl Stream {
    pub(crate) fn new(birth: Birth, settings: StreamSettings) -> Self {
        let clock = clock(settings.codec);
        Self {
            key: birth.key,
            slot: birth.slot,
            latch: Latch::new(settings.remote),
            remote_control: settings.remote_control,
            reception: Reception::new(clock),
            jitter: JitterBuffer::new(jitter(&settings)),
            decoder: settings.codec.decoder(),
            encoder: settings.codec.encoder(),
            concealment: Concealment::new(settings.codec.sample_rate()),
            events_in: EventReceiver::new(clock, EVENT_TIMEOUT),
            events_out: EventSender::new(EventSettings { clock, ..EventSettings::default() }),
            sender: rtp::Sender::new(birth.seed, clock),
            control: RtcpSession::new(birth.cname, bandwidth(), birth.now, birth.seed.rotate_left(32)),
            heard: Vec::with_capacity(LONGEST),
            heard_from: 0,
            said: Vec::with_capacity(LONGEST),
            packet: Box::new([0; PACKET]),
            last_heard: birth.now,
            silence_after: None,
            silent: false,
            strangers: 0,
            relayed: 0,
            collided_with: None,
            settings,
        }
    }

    /// Takes new settings; what is the same goes on without a gap.
    pub(crate) fn update(&mut self, now: Micros, settings: StreamSettings) {
        self.latch.signal(settings.remote);
        if settings.remote_control != self.settings.remote_control {
            self.remote_control = settings.remote_control;
        }
        if settings.codec != self.settings.codec {
            self.decoder = settings.codec.decoder();
            self.encoder = settings.codec.encoder();
            self.said.clear();
        }
        if !self.settings.direction.sends() && settings.direction.sends() {
            self.sender.start_talk_spurt();
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

    /// Judges a datagram on the RTP port. Data packets that may be played come back parsed.
    fn accept<'a>(
        &mut self,
        now: Micros,
        from: SocketAddr,
        datagram: &'a [u8],
        out: &mut impl Output,
    ) -> Option<Packet<'a>> {
        let packet = Packet::parse(datagram).ok()?;
        match self.latch.judge(now, from, &packet) {
            Sender::Peer => {}
            Sender::NewPeer => out.event(MediaEvent::Heard { stream: self.key, from }),
            Sender::Unproven => return None,
            Sender::Stranger => {
                self.strangers += 1;
                return None;
            }
        }
        let arrival = self.reception.received(now, &packet);
        self.last_heard = now;
        self.silent = false;
        // A first packet waits for proof in the statistics but may be played.
        (arrival.is_valid() || arrival == Arrival::Probation).then_some(packet)
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
                let Some(packet) = self.accept(now, from, datagram, out) else { return };
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

    /// A datagram that is relayed to another stream: the packet to send there and the kind of its payload.
    pub(crate) fn receive_for_relay(
        &mut self,
        now: Micros,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut impl Output,
    ) -> Option<Relayed> {
        let packet = self.accept(now, from, datagram, out)?;
        if !self.settings.direction.receives() {
            return None;
        }
        let number = packet.payload_type();
        if self.is_event(number) {
            self.take_event(now, &packet, out);
            return Some(Relayed::Events);
        }
        Some(match self.meaning(number) {
            Some(codec) => Relayed::Audio(codec),
            None => Relayed::Other(number),
        })
    }

    /// Sends on what another stream received, with this stream's payload number.
    pub(crate) fn relay_out(&mut self, relayed: Relayed, datagram: &mut [u8], out: &mut impl Output) {
        let Some(to) = self.sends_to() else { return };
        let number = match relayed {
            Relayed::Audio(codec) if codec == self.settings.codec => self.settings.send_type,
            Relayed::Events => match self.settings.events {
                Some(events) => events.send,
                None => return,
            },
            Relayed::Other(number) if number == PayloadType::COMFORT_NOISE => number,
            _ => return,
        };
        let Ok(mut header) = HeaderMut::of_parsed(datagram) else { return };
        header.set_payload_type(number);
        self.relayed += 1;
        out.send(self.slot, Component::Rtp, to, datagram);
    }

    /// Sends another stream's control packet on as it is: reports stay end to end while packets do.
    pub(crate) fn relay_control_out(&mut self, datagram: &[u8], out: &mut impl Output) {
        if let Some(to) = self.control_address() {
            out.send(self.slot, Component::Rtcp, to, datagram);
        }
    }

    /// Whether a control packet comes from the peer; its address is remembered.
    pub(crate) fn accept_control(&mut self, from: SocketAddr) -> bool {
        if self.latch.is_peer_host(from) {
            self.remote_control = Some(from);
            return true;
        }
        self.remote_control.is_some_and(|peer| peer == from)
    }

    fn take_control(&mut self, now: Micros, wall: NtpTime, from: SocketAddr, datagram: &[u8], out: &mut impl Output) {
        if !self.accept_control(from) {
            self.strangers += 1;
            return;
        }
        let Ok(heard) = self.control.receive(now, wall, datagram, &self.sender, &mut self.reception) else { return };
        if heard.goodbye {
            out.event(MediaEvent::Goodbye { stream: self.key });
        }
        if heard.collision && self.collided_with.replace(from) != Some(from) {
            self.leave(now, wall, out);
            self.sender.change_ssrc(now.0 ^ u64::from(self.sender.ssrc().0));
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

    /// Says a frame to the peer; `None`: nothing, time passes.
    pub(crate) fn say(&mut self, now: Micros, frame: Option<&[i16]>, samples: usize, out: &mut impl Output) {
        let Some(to) = self.sends_to() else {
            self.said.clear();
            self.sender.pause(u32::try_from(samples).unwrap_or(0));
            return;
        };
        let step = samples_in(self.settings.codec, self.settings.ptime).min(LONGEST / 2);
        if self.say_event(to, samples, out) {
            self.said.clear();
            return;
        }
        match frame {
            Some(frame) => self.said.extend_from_slice(frame),
            None if self.said.is_empty() => {
                self.sender.pause(u32::try_from(samples).unwrap_or(0));
                self.sender.start_talk_spurt();
                return;
            }
            // Fill the packet that was begun.
            None => self.said.resize(self.said.len() + samples, 0),
        }
        while self.said.len() >= step {
            self.send_audio(now, to, step, out);
        }
    }

    fn send_audio(&mut self, now: Micros, to: SocketAddr, step: usize, out: &mut impl Output) {
        let Some(samples) = self.said.get(..step) else { return };
        let Some(room) = self.packet.get_mut(rtp::packet::FIXED_HEADER_LEN..) else { return };
        let encoded = self.encoder.encode(samples, room);
        self.said.drain(..step);
        let Ok(length) = encoded else { return };
        let units = u32::try_from(step).unwrap_or(0);
        if let Ok(whole) = self.sender.audio(now, self.settings.send_type, self.packet.as_mut_slice(), length, units)
            && let Some(bytes) = self.packet.get(..whole)
        {
            out.send(self.slot, Component::Rtp, to, bytes);
        }
    }

    /// Sends a telephone event instead of audio while one is going on; true when it did or must stay quiet.
    fn say_event(&mut self, to: SocketAddr, samples: usize, out: &mut impl Output) -> bool {
        let Some(events) = self.settings.events else { return false };
        let event = match self.events_out.poll(self.sender.timestamp()) {
            Poll::Audio => return false,
            Poll::Quiet => None,
            Poll::Packet(event) => Some(event),
        };
        if let Some(event) = event
            && let Some(room) = self.packet.get_mut(rtp::packet::FIXED_HEADER_LEN..)
        {
            let length = event.payload.len();
            for (to, from) in room.iter_mut().zip(event.payload) {
                *to = from;
            }
            let sent =
                self.sender.packet(events.send, event.marker, event.timestamp, self.packet.as_mut_slice(), length);
            if let Ok(whole) = sent
                && let Some(bytes) = self.packet.get(..whole)
            {
                out.send(self.slot, Component::Rtp, to, bytes);
            }
        }
        self.sender.pause(u32::try_from(samples).unwrap_or(0));
        self.sender.start_talk_spurt();
        true
    }

    /// Queues digits, all or none.
    pub(crate) fn dial(&mut self, digits: &str) -> Result<(), DialError> {
        if self.settings.events.is_none() {
            return Err(DialError::NoEvents);
        }
        self.events_out.queue(digits).map_err(DialError::Queue)
    }

    /// What is due at a tick besides audio: lost ends of events, the silence watch, and our control packets unless the peers of a relay
    /// report to each other.
    pub(crate) fn keep(&mut self, now: Micros, wall: NtpTime, reports: bool, out: &mut impl Output) {
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
        if !reports || now < self.control.deadline() {
            return;
        }
        let written = self.control.poll(now, wall, &self.sender, &mut self.reception, self.packet.as_mut_slice());
        if let (Ok(Some(length)), Some(to)) = (written, self.control_address())
            && let Some(bytes) = self.packet.get(..length)
        {
            out.send(self.slot, Component::Rtcp, to, bytes);
        }
    }

    /// The last control packet of a source: the call ends (RFC 3550 section 6.3.7), or its SSRC is given up (section 8.2).
    pub(crate) fn leave(&mut self, now: Micros, wall: NtpTime, out: &mut impl Output) {
        let written = self.control.leave(now, wall, &self.sender, &mut self.reception, "", self.packet.as_mut_slice());
        if let (Ok(Some(length)), Some(to)) = (written, self.control_address())
            && let Some(bytes) = self.packet.get(..length)
        {
            out.send(self.slot, Component::Rtcp, to, bytes);
        }
    }

    /// Figures so far.
    pub(crate) fn report(&self) -> StreamReport {
        let totals = self.reception.totals();
        let far = self.control.far_end();
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
            packets_sent: u64::from(self.sender.packets()) + self.relayed,
            octets_sent: u64::from(self.sender.octets()),
            far_lost: far.report.map_or(0, |block| i64::from(block.cumulative_lost).max(0).unsigned_abs()),
            far_jitter: far.report.map(|block| clock(self.settings.codec).micros(u64::from(block.jitter))),
            round_trip: (far.round_trip.count() > 0).then(|| far.round_trip.last()),
            strangers: self.strangers,
        }
    }

    fn sends_to(&self) -> Option<SocketAddr> {
        if self.settings.direction.sends() { self.latch.destination() } else { None }
    }

    fn control_address(&self) -> Option<SocketAddr> {
        self.remote_control
    }
}

/// What a relayed packet carries, in the receiving stream's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// Audio of this codec.
    Audio(Codec),
    /// Telephone events.
    Events,
    /// A payload number that was not agreed on.
    Other(PayloadType),
}

enum Heard {
    Samples,
    Silence(usize),
}

/// Why digits were not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialError {
    /// There is no such stream.
    NoStream,
    /// The peer did not agree to telephone events.
    NoEvents,
    /// The queue refused them.
    Queue(QueueError),
}

impl std::fmt::Display for DialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoStream => f.write_str("there is no stream to dial on"),
            Self::NoEvents => f.write_str("the peer did not agree to telephone-event (RFC 4733)"),
            Self::Queue(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DialError {}

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

fn samples_in(codec: Codec, length: Duration) -> usize {
    usize::try_from(codec.sample_rate().samples(length)).unwrap_or(usize::MAX).max(1)
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
