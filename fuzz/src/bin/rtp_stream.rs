//! A whole incoming stream: packets with their arrival times, through statistics, jitter buffer and event receiver.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use rtp::{ClockRate, EventReceiver, EventReport, JitterBuffer, JitterConfig, Micros, Packet, Pulled, Reception};

/// More packets show nothing new and take long.
const PACKETS: usize = 200;

/// Units asked for at each tick: 20 ms at 8 kHz.
const TICK: u32 = 160;

fuzz_target!(|input: &[u8]| {
    let mut reception = Reception::new(ClockRate::HZ_8000);
    let mut jitter = JitterBuffer::new(JitterConfig::default());
    let mut events = EventReceiver::new(ClockRate::HZ_8000, EventReceiver::DEFAULT_TIMEOUT);
    let (mut started, mut ended) = (0u32, 0u32);
    let mut count = |report: EventReport| match report {
        EventReport::Started { .. } => started += 1,
        EventReport::Ended { .. } => ended += 1,
        _ => {}
    };
    let mut now = Micros::from_millis(1_000);
    let mut next_tick = now;
    let mut stored = 0u64;
    // A record: milliseconds since the one before, length, packet.
    let mut rest = input;
    for _ in 0..PACKETS {
        let Some((&[wait, length], after)) = rest.split_first_chunk::<2>() else { break };
        let Some((datagram, after)) = after.split_at_checked(usize::from(length)) else { break };
        rest = after;
        now = now.plus(Micros::from_millis(u64::from(wait)));
        while next_tick <= now {
            pull(&mut jitter, next_tick);
            events.timeout(next_tick, &mut count);
            next_tick = next_tick.plus(Micros::from_millis(20));
        }
        let Ok(packet) = Packet::parse(datagram) else { continue };
        if reception.received(now, &packet).is_valid() {
            stored += 1;
        }
        if packet.payload_type().number() == 101 {
            events.receive(now, &packet, &mut count);
            jitter.pass_over(&packet);
        } else {
            jitter.insert(now, &packet);
        }
        assert!(jitter.stats().stored <= PACKETS as u64);
    }
    let resyncs = jitter.stats().resyncs;
    // Everything that began ends, at the latest when its time is over.
    events.timeout(now.plus(Micros::from_millis(1_000)), &mut count);
    assert_eq!(events.current(), None);
    assert_eq!(started, ended, "each event that began has ended");
    let block = reception.report(now.plus(Micros::from_millis(1)));
    assert!(block.is_some() || stored == 0);
    for _ in 0..100 {
        next_tick = next_tick.plus(Micros::from_millis(20));
        pull(&mut jitter, next_tick);
    }
    assert_eq!(jitter.waiting_packets(), 0, "two seconds without a packet empty the buffer");
    plant(started == 3 && resyncs == 2 && jitter.stats().duplicates >= 1);
});

/// One tick of playing, as the media engine does it: until the tick's units are filled.
fn pull(jitter: &mut JitterBuffer, now: Micros) {
    let mut wanted = TICK;
    for _ in 0..64 {
        let units = match jitter.pull(now, wanted) {
            Pulled::Frame(frame) => frame.units,
            Pulled::Lost { units } => {
                assert!(units <= wanted);
                units
            }
            Pulled::Silence { units } | Pulled::Empty { units } => {
                assert_eq!(units, wanted);
                units
            }
        };
        wanted = wanted.saturating_sub(units);
        if wanted == 0 {
            return;
        }
    }
}
