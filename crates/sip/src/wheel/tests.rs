use super::*;
use proptest::prelude::*;

fn drain(wheel: &mut Wheel<u64>, now: Time) -> Vec<u64> {
    std::iter::from_fn(|| wheel.fire(now)).collect()
}

#[test]
fn wheel_fires_at_the_millisecond_and_not_before() {
    let mut wheel = Wheel::default();
    wheel.start(Time(500_000), 1);
    wheel.start(Time(500_001), 2);
    assert_eq!(drain(&mut wheel, Time(499_999)), [0; 0]);
    assert_eq!(drain(&mut wheel, Time(500_000)), [1]);
    assert_eq!(drain(&mut wheel, Time(500_999)), [0; 0]);
    assert_eq!(drain(&mut wheel, Time(501_000)), [2]);
    assert_eq!((wheel.len(), wheel.deadline()), (0, None));
}

#[test]
fn wheel_deadline_leads_to_every_timer_by_itself() {
    let mut wheel = Wheel::default();
    let times = [1, 63, 64, 65, 4_095, 4_096, 32_000, 262_144, 3_600_000, 86_400_000 * 400];
    for &ms in &times {
        wheel.start(Time(ms * 1_000), ms);
    }
    let (mut seen, mut wakes) = (Vec::new(), 0);
    while let Some(at) = wheel.deadline() {
        for ms in drain(&mut wheel, at) {
            assert_eq!(at, Time(ms * 1_000));
            seen.push(ms);
        }
        wakes += 1;
    }
    assert_eq!(seen, times);
    assert!(wakes < 60, "{wakes} wakes");
}

#[test]
fn wheel_stops_exactly_what_was_started() {
    let mut wheel = Wheel::default();
    let a = wheel.start(Time(10_000), 1);
    let b = wheel.start(Time(10_000), 2);
    assert_eq!(wheel.stop(a), Some(1));
    assert_eq!(wheel.stop(a), None);
    let c = wheel.start(Time(20_000), 3);
    assert_eq!(a.node, c.node);
    assert_eq!(wheel.stop(a), None);
    assert_eq!(drain(&mut wheel, Time(10_000)), [2]);
    assert_eq!((wheel.stop(b), wheel.stop(c)), (None, Some(3)));
    assert_eq!(wheel.deadline(), None);
}

#[test]
fn wheel_gives_room_back_and_what_was_started_before_stops_nothing() {
    let mut wheel = Wheel::default();
    let all = |wheel: &mut Wheel<u64>| -> Vec<TimerId> {
        (0..10_000).map(|n| wheel.start(Time((n + 2_000_000) * 1_000), n)).collect()
    };
    let before = all(&mut wheel);
    let size = wheel.heap_size();
    let stands = before[2_000];
    assert!(before.iter().filter(|id| **id != stands).all(|id| wheel.stop(*id).is_some()));
    wheel.trim();
    assert!(wheel.heap_size() * 3 < size, "{} octets of {size}", wheel.heap_size());
    assert_eq!((wheel.len(), wheel.deadline().is_some()), (1, true));
    let after = all(&mut wheel);
    assert_eq!(after[0].node, 0, "the first are used first");
    assert!(before.iter().filter(|id| **id != stands).all(|id| wheel.stop(*id).is_none()));
    assert_eq!(wheel.stop(stands), Some(2_000));
    assert!(drain(&mut wheel, Time(3_000_000_000)).into_iter().eq(0..10_000));
    wheel.trim();
    assert!(wheel.heap_size() * 10 < size, "{} octets of {size}", wheel.heap_size());
    assert_eq!(wheel.deadline(), None);
}

#[test]
fn wheel_fires_what_is_already_past_at_once() {
    let mut wheel = Wheel::default();
    assert_eq!(drain(&mut wheel, Time(5_000_000)), [0; 0]);
    wheel.start(Time(1), 1);
    let at = wheel.deadline().expect("a deadline");
    assert!(at <= Time(5_001_000));
    assert_eq!(drain(&mut wheel, Time(5_001_000)), [1]);
    wheel.start(Time(u64::MAX), 2);
    assert_eq!(drain(&mut wheel, Time(6_000_000)), [0; 0]);
    assert_eq!(wheel.len(), 1);
}

proptest! {
    /// Against a sorted list: any mixture of starts, stops and jumps of the clock.
    #[test]
    fn wheel_agrees_with_a_sorted_list(
        steps in prop::collection::vec((0_u8..4, 0_u64..200_000_000, any::<prop::sample::Index>()), 1..300)
    ) {
        let mut wheel = Wheel::default();
        let mut model: Vec<(u64, u64, TimerId)> = Vec::new();
        let (mut now, mut name) = (0_u64, 0);
        for (kind, span, which) in steps {
            match kind {
                0 | 1 => {
                    let at = now + span / if kind == 0 { 1 } else { 2_000 };
                    name += 1;
                    let id = wheel.start(Time(at), name);
                    model.push(((at.div_ceil(1_000)).max(now / 1_000 + 1), name, id));
                }
                2 if !model.is_empty() => {
                    let (_, name, id) = model.remove(which.index(model.len()));
                    prop_assert_eq!(wheel.stop(id), Some(name));
                }
                _ => {
                    now += span / 10;
                    if span % 2 == 0 {
                        wheel.pass(Time(now));
                    }
                    let mut fired = drain(&mut wheel, Time(now));
                    fired.sort_unstable();
                    let mut due: Vec<u64> = model.iter().filter(|t| t.0 <= now / 1_000).map(|t| t.1).collect();
                    due.sort_unstable();
                    prop_assert_eq!(fired, due);
                    model.retain(|t| t.0 > now / 1_000);
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
            let earliest = model.iter().map(|t| t.0 * 1_000).min();
            match (wheel.deadline(), earliest) {
                (Some(deadline), Some(earliest)) => prop_assert!(deadline.0 <= earliest && deadline.0 / 1_000 > now / 1_000),
                (deadline, earliest) => prop_assert_eq!((deadline, earliest), (None, None)),
            }
        }
    }
}
