//! What a peer says between our offer and its answer (RFC 3264 section 5.1).

use std::sync::{Arc, Mutex};

use audio::codec::Codec;
use audio::frame::SampleRate;
use audio::level::Dbfs;
use audio::tone::ToneGenerator;
use tokio::task::JoinHandle;

use super::*;
use crate::tone::Ear;

const BODY: &str = "Content-Type: application/sdp\r\n";
/// So long a tone has to stand.
const LONG: Duration = Duration::from_millis(500);

/// Speaks a tone of 1000 Hz until it is dropped.
struct Speaker {
    /// A description that names it.
    description: String,
    task: JoinHandle<()>,
}

impl Speaker {
    /// Speaks to the address in an offer of ours, in PCMU, from a port of its own.
    async fn to(offer: &str) -> Self {
        let port = offer.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()).unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
        let (socket, address) = crate::socket().await;
        let description = SDP.replace("audio 9", &format!("audio {}", address.port()));
        let task = tokio::spawn(async move {
            let mut tone = ToneGenerator::single(SampleRate::NARROW, 1_000.0, Dbfs(-10.0)).unwrap();
            let (mut samples, mut packet) = ([0; 160], [0; 172]);
            let mut encoder = Codec::Pcmu.encoder();
            let mut beat = tokio::time::interval(Duration::from_millis(20));
            for number in 0_u16.. {
                beat.tick().await;
                tone.fill(&mut samples);
                packet[0] = 0x80;
                packet[2..4].copy_from_slice(&number.to_be_bytes());
                packet[4..8].copy_from_slice(&(u32::from(number) * 160).to_be_bytes());
                packet[8..12].copy_from_slice(&7_u32.to_be_bytes());
                encoder.encode(&samples, &mut packet[12..]).unwrap();
                socket.send_to(&packet, to).await.unwrap();
            }
        });
        Self { description, task }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Frames in a row that make a difference.
const ENOUGH: u32 = 15;

/// How many frames in a row were loud, and how many were not, up to now.
struct Turns(Arc<Mutex<(u32, u32)>>);

impl Turns {
    fn of(call: &Call) -> Self {
        let turns = Arc::new(Mutex::new((0, 0)));
        let counted = Arc::clone(&turns);
        let listen = move |frame: &[i16]| {
            let mut turns = counted.lock().unwrap();
            let loud = frame.iter().any(|sample| sample.unsigned_abs() > 5_000);
            *turns = if loud { (turns.0 + 1, 0) } else { (0, turns.1 + 1) };
        };
        call.audio().listen(listen).unwrap();
        Self(turns)
    }

    fn loud(&self) -> u32 {
        self.0.lock().unwrap().0
    }

    fn quiet(&self) -> u32 {
        self.0.lock().unwrap().1
    }
}

#[tokio::test]
async fn rfc3264_5_1_what_comes_before_the_answer_is_heard() {
    let (_alice, mut peer, mut dialing, invite) = called().await;
    let (mut events, ear) = (dialing.events(), Ear::listening(dialing.audio()));
    let speaker = Speaker::to(&invite).await;
    peer.reply(&invite, "180 Ringing", "a", "", "").await;
    assert_eq!(dialing.progress().await.map(|progress| (progress.code, progress.early_media)), Some((180, false)));
    until("the tone", async || ear.heard(1) >= LONG).await;
    assert_eq!(events.next().await, Some(CallEvent::Heard));
    // What listens goes on in the call, and the same peer is not heard for the first time again.
    peer.reply(&invite, "200 OK", "a", BODY, &speaker.description).await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    let before = ear.heard(1);
    until("more of the tone", async || ear.heard(1) >= before + LONG).await;
    assert_eq!(events.next().await, Some(CallEvent::MediaReady { codec: "PCMU" }));
    assert!(call.stats().await.unwrap().packets_received > 40);
    call.hangup().await;
    // Neither a hole nor anything else of this has been told.
    assert!(matches!(events.next().await, Some(CallEvent::Ended(_))));
}

#[tokio::test]
async fn rfc3264_5_1_a_refused_call_that_was_heard_leaves_nothing() {
    let (alice, peer, dialing, invite) = called().await;
    let ear = Ear::listening(dialing.audio());
    let _speaker = Speaker::to(&invite).await;
    until("the announcement", async || ear.heard(1) >= LONG).await;
    let mut events = dialing.events();
    peer.reply(&invite, "404 Not Found", "a", "", "").await;
    assert!(matches!(dialing.answer().await.err(), Some(CallError::Rejected { code: 404, .. })));
    until("the end", async || matches!(events.next().await, Some(CallEvent::Ended(_)))).await;
    until("the end of the stream", async || {
        let usage = alice.usage().await.unwrap();
        (usage.calls, usage.streams, usage.ports) == (0, 0, 0)
    })
    .await;
}

/// Without an answer there is no call, whatever was heard.
#[tokio::test]
async fn rfc3264_5_1_early_audio_is_no_answer() {
    let (_alice, mut peer, dialing, invite) = called().await;
    let ear = Ear::listening(dialing.audio());
    let _speaker = Speaker::to(&invite).await;
    until("the tone", async || ear.heard(1) >= LONG).await;
    peer.reply(&invite, "200 OK", "a", "", "").await;
    assert!(matches!(dialing.answer().await.err(), Some(CallError::Media(_))));
    peer.expect("ACK").await;
    peer.expect("BYE").await;
}

#[tokio::test]
async fn rfc3264_5_1_what_comes_before_the_answer_in_the_ack_is_heard() {
    let bob = builder().build().await.unwrap();
    let (mut peer, invite) = sentences::invites(&bob, "early", "").await;
    let taken = tokio::spawn({
        let incoming = bob.incoming().await.unwrap();
        async move { incoming.answer().await }
    });
    let ok = peer.expect("SIP/2.0 200").await;
    let speaker = Speaker::to(&ok).await;
    until("a stream before the answer", async || bob.usage().await.unwrap().streams == 1).await;
    peer.acknowledge(&invite, &ok, BODY, &speaker.description).await;
    let call = taken.await.unwrap().unwrap();
    let ear = Ear::on(&call);
    until("the tone", async || ear.heard(1) >= LONG).await;
}

#[tokio::test]
async fn rfc3264_5_1_who_resumes_hears_before_the_answer_and_no_more_when_it_is_a_refusal() {
    let (_alice, mut peer, dialing, invite) = called().await;
    let speaker = Speaker::to(&invite).await;
    peer.reply(&invite, "200 OK", "a", BODY, &speaker.description).await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    let (held, ()) = tokio::join!(call.hold(), async {
        let hold = peer.expect("INVITE").await;
        let answer = speaker.description.replace("t=0 0\r\n", "t=0 0\r\na=recvonly\r\n");
        peer.reply(&hold, "200 OK", "a", BODY, &answer).await;
        peer.expect("ACK").await;
    });
    held.unwrap();
    // He speaks although he is held: that is not heard.
    let ears = Turns::of(&call);
    until("silence", async || ears.quiet() >= ENOUGH).await;
    let (resumed, ()) = tokio::join!(call.resume(), async {
        let resume = peer.expect("INVITE").await;
        until("the tone before the answer", async || ears.loud() >= ENOUGH).await;
        peer.reply(&resume, "488 Not Acceptable Here", "a", "", "").await;
        peer.expect("ACK").await;
    });
    assert!(matches!(resumed, Err(CallError::Rejected { code: 488, .. })), "{resumed:?}");
    until("silence again", async || ears.quiet() >= ENOUGH).await;
}
