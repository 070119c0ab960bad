//! Packets with a tone, and what comes back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use audio::codec::Codec;
use audio::detector::ToneMeter;
use audio::frame::SampleRate;
use audio::level::Dbfs;
use audio::tone::ToneGenerator;
use sdp::Session;

/// On a busy machine it may take a while until a tone stands for as long as is wanted: what was not heard by then is not heard at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// One media port of a phone.
pub(crate) struct Sound {
    socket: UdpSocket,
    /// The port above is its own as well (RFC 3550 section 11): the server sends reports there, which are no business of another telephone's.
    _reports: UdpSocket,
    codec: Codec,
    sequence: u16,
    stamp: u32,
    ssrc: u32,
    digits: Vec<u8>,
}

impl Sound {
    pub(crate) fn new(codec: Codec) -> Self {
        let pair = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = socket.local_addr().unwrap().port();
            Some((socket, UdpSocket::bind(("127.0.0.1", port.checked_add(1)?)).ok()?))
        };
        let (socket, reports) = std::iter::repeat_with(pair).flatten().next().unwrap();
        let ssrc = u32::from(socket.local_addr().unwrap().port()) << 8;
        Self { socket, _reports: reports, codec, sequence: 1, stamp: 160, ssrc, digits: Vec::new() }
    }

    pub(crate) fn describe(&self) -> String {
        self.describe_as("sendrecv")
    }

    pub(crate) fn describe_as(&self, direction: &str) -> String {
        let (port, number) = (self.socket.local_addr().unwrap().port(), self.codec.static_payload_type().unwrap());
        format!(
            "v=0\r\no=- {port} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP {number} 101\r\n\
             a=rtpmap:{number} {codec}/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={direction}\r\n",
            codec = self.codec.name(),
        )
    }

    /// Sends `hz` (0: nothing) for `span`, and gives everything that was heard meanwhile and a little after.
    pub(crate) fn talk(&mut self, to: SocketAddr, hz: f64, span: Duration) -> Vec<i16> {
        self.talk_while(to, hz, |since, _| since < span)
    }

    /// Sends `hz` (0: nothing) until `tone` has stood for `long` in what is heard, and gives all of that, or what was heard in [`PATIENCE`].
    pub(crate) fn talk_until_heard(&mut self, to: SocketAddr, hz: f64, tone: f64, long: Duration) -> Vec<i16> {
        let mut stands = standing(tone);
        self.talk_while(to, hz, |since, heard| since < long || (since < PATIENCE && stands(heard) < long))
    }

    fn talk_while(&mut self, to: SocketAddr, hz: f64, mut goes_on: impl FnMut(Duration, &[i16]) -> bool) -> Vec<i16> {
        let mut tone = (hz > 0.0).then(|| ToneGenerator::single(SampleRate::NARROW, hz, Dbfs(-12.0)).unwrap());
        let (mut encoder, mut heard) = (self.codec.encoder(), Vec::new());
        come_first();
        let began = Instant::now();
        let mut next = Duration::ZERO;
        while goes_on(began.elapsed(), &heard) {
            // Who wakes late sends all that was due meanwhile: lateness does not add up.
            while began.elapsed() >= next {
                next += Duration::from_millis(20);
                if let Some(tone) = &mut tone {
                    let mut frame = [0_i16; 160];
                    tone.fill(&mut frame);
                    let mut packet = [0_u8; 172];
                    packet[0] = 0x80;
                    packet[1] = self.codec.static_payload_type().unwrap();
                    packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
                    packet[4..8].copy_from_slice(&self.stamp.to_be_bytes());
                    packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
                    encoder.encode(&frame, &mut packet[12..]).unwrap();
                    self.socket.send_to(&packet, to).unwrap();
                }
                self.sequence = self.sequence.wrapping_add(1);
                self.stamp = self.stamp.wrapping_add(160);
            }
            self.hear_until(began + next, &mut heard);
        }
        heard
    }

    /// Sends so many packets to nobody.
    pub(crate) fn skip(&mut self, packets: u16) {
        self.sequence = self.sequence.wrapping_add(packets);
        self.stamp = self.stamp.wrapping_add(160 * u32::from(packets));
    }

    /// One key as telephone events (RFC 4733): payload type 101, three packets and the last one three times.
    pub(crate) fn press(&mut self, to: SocketAddr, digit: u8) {
        let stamp = self.stamp;
        for (duration, end) in [(160_u16, 0_u8), (320, 0), (480, 0), (640, 0x80), (640, 0x80), (640, 0x80)] {
            let mut packet = vec![0x80, 101];
            packet.extend(self.sequence.to_be_bytes());
            packet.extend(stamp.to_be_bytes());
            packet.extend(self.ssrc.to_be_bytes());
            packet.extend([digit, end | 10]);
            packet.extend(duration.to_be_bytes());
            self.socket.send_to(&packet, to).unwrap();
            self.sequence = self.sequence.wrapping_add(1);
            std::thread::sleep(Duration::from_millis(20));
        }
        self.stamp = self.stamp.wrapping_add(960);
    }

    /// The keys whose end has been heard, once per packet.
    pub(crate) fn digits(&self) -> &[u8] {
        &self.digits
    }

    /// Hears what comes until then, and what waits for longer.
    fn hear_until(&mut self, end: Instant, heard: &mut Vec<i16>) {
        let mut packet = [0_u8; 2_048];
        loop {
            let wait = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(wait)).unwrap();
            let Ok((length, _)) = self.socket.recv_from(&mut packet) else { return };
            if packet[1] & 0x7f == 101 && length >= 16 && packet[13] & 0x80 != 0 {
                self.digits.push(packet[12]);
            }
            if packet[1] & 0x7f == self.codec.static_payload_type().unwrap() && length > 12 {
                let mut samples = vec![0_i16; length - 12];
                self.codec.decoder().decode(&packet[12..length], &mut samples).unwrap();
                heard.extend(samples);
            }
        }
    }

    /// Throws away what waits.
    pub(crate) fn drain(&mut self) {
        self.hear_until(Instant::now(), &mut Vec::new());
    }
}

/// Where a description wants its audio.
pub(crate) fn address(description: &[u8]) -> SocketAddr {
    let session = Session::parse(description).unwrap();
    let (address, port) = session.audio().unwrap().rtp_endpoint().unwrap();
    SocketAddr::new(address.ip().unwrap(), port)
}

/// The longest stretch in which this frequency stands 20 dB over everything else.
pub(crate) fn longest(heard: &[i16], hz: f64) -> Duration {
    let mut meter = ToneMeter::new(SampleRate::NARROW, &[hz]).unwrap();
    meter.push(heard, |_| {});
    meter.longest(0)
}

/// How long a tone has stood in what is heard, which only grows: what was looked at is not looked at again.
fn standing(tone: f64) -> impl FnMut(&[i16]) -> Duration {
    let mut meter = ToneMeter::new(SampleRate::NARROW, &[tone]).unwrap();
    let mut looked = 0;
    move |heard| {
        meter.push(&heard[looked..], |_| {});
        looked = heard.len();
        meter.longest(0)
    }
}

/// A phone is a machine of its own: what else runs on this one does not keep it from sending in time, where the system allows that.
fn come_first() {
    // A media thread's niceness; Linux holds it for the calling thread alone.
    let _ = rustix::process::setpriority_process(None, -11);
}

/// Two phones talk, each with its own tone, until each has heard that of the other for as long as it wants, or [`PATIENCE`] is over.
pub(crate) fn both_ways(
    a: (&mut Sound, SocketAddr, Duration),
    b: (&mut Sound, SocketAddr, Duration),
) -> (Vec<i16>, Vec<i16>) {
    let content = AtomicUsize::new(0);
    let talk = |(sound, to, long): (&mut Sound, SocketAddr, Duration), says: f64, hears: f64| {
        let (mut stands, mut counted) = (standing(hears), false);
        sound.talk_while(to, says, |since, heard| {
            if !counted && stands(heard) >= long {
                counted = true;
                content.fetch_add(1, Ordering::SeqCst);
            }
            since < PATIENCE && content.load(Ordering::SeqCst) < 2
        })
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| talk(a, 440.0, 1_000.0));
        let second = scope.spawn(|| talk(b, 1_000.0, 440.0));
        (first.join().unwrap(), second.join().unwrap())
    })
}
