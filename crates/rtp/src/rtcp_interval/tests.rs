use super::*;

const G711: Bandwidth = Bandwidth { session: 80_000, reduced_minimum: false };
const CALL: Group = Group { members: 2, senders: 2, we_sent: true };

fn seconds(interval: Micros) -> f64 {
    interval.0 as f64 / 1e6
}

#[test]
fn rfc3550_6_3_1_a_call_reports_each_five_seconds() {
    assert_eq!(deterministic_interval(G711, CALL, 120, G711.minimum()), Micros(5_000_000));
}

#[test]
fn rfc3550_6_3_1_large_groups_share_the_bandwidth() {
    // 80 kbit/s: 500 octets/s of RTCP. 100 members, 2 senders, 120 octets a packet.
    let group = |we_sent| Group { members: 100, senders: 2, we_sent };
    let zero = Micros(0);
    assert_eq!(seconds(deterministic_interval(G711, group(true), 120, zero)), 2.0 * 120.0 / 125.0);
    assert_eq!(seconds(deterministic_interval(G711, group(false), 120, zero)), 98.0 * 120.0 / 375.0);
    // More than a quarter send: all share everything.
    let many = Group { members: 100, senders: 26, we_sent: true };
    assert_eq!(seconds(deterministic_interval(G711, many, 120, zero)), 100.0 * 120.0 / 500.0);
    // At exactly a quarter they do not.
    let quarter = Group { members: 100, senders: 25, we_sent: true };
    assert_eq!(seconds(deterministic_interval(G711, quarter, 120, zero)), 25.0 * 120.0 / 125.0);
}

#[test]
fn rfc3550_6_2_reduced_minimum_is_360_over_kilobits() {
    let minimum = |session| Bandwidth { session, reduced_minimum: true }.minimum();
    assert_eq!(minimum(72_000), Micros(5_000_000));
    assert_eq!(minimum(80_000), Micros(4_500_000));
    assert_eq!(minimum(360_000), Micros(1_000_000));
    assert_eq!(minimum(24_000), Micros(5_000_000), "never above the fixed one");
    assert_eq!(minimum(0), Micros(5_000_000));
    assert_eq!(G711.minimum(), Micros(5_000_000));
}

#[test]
fn rfc3550_6_3_1_no_bandwidth_does_not_divide_by_zero() {
    let none = Bandwidth { session: 0, reduced_minimum: false };
    let nobody = Group { members: 0, senders: 0, we_sent: true };
    assert!(deterministic_interval(none, nobody, u64::MAX, Micros(0)) <= Micros(u64::MAX));
}

#[test]
fn rfc3550_6_3_1_intervals_spread_from_half_to_one_and_a_half() {
    let (mut least, mut most) = (f64::MAX, 0f64);
    let mut first = Vec::new();
    for seed in 0..2000 {
        let timer = RtcpTimer::new(G711, Micros(0), 64, seed);
        let at = seconds(timer.deadline());
        (least, most) = (least.min(at), most.max(at));
        first.push(at);
    }
    // Half the minimum, times 0.5 to 1.5, over 1.21828.
    assert!((1.026..1.03).contains(&least), "{least}");
    assert!((3.07..3.08).contains(&most), "{most}");
    let mean = first.iter().sum::<f64>() / 2000.0;
    assert!((2.0..2.1).contains(&mean), "{mean}");
}

/// When reports go out in `span` seconds of a call.
fn reports(bandwidth: Bandwidth, seed: u64, span: u64) -> Vec<f64> {
    let mut timer = RtcpTimer::new(bandwidth, Micros(0), 64, seed);
    let mut sent = Vec::new();
    while timer.deadline() < Micros(span * 1_000_000) {
        let now = timer.deadline();
        if timer.expired(now, CALL) {
            timer.sent(now, CALL, 100);
            timer.received(100, false);
            sent.push(seconds(now));
        }
        assert!(timer.deadline() > now, "the deadline moves on");
    }
    sent
}

#[test]
fn rfc3550_6_3_6_reports_average_the_interval_with_reconsideration() {
    let mut gaps = Vec::new();
    for seed in 0..200 {
        let sent = reports(G711, seed, 300);
        gaps.extend(sent.windows(2).skip(2).map(|pair| pair[1] - pair[0]));
        assert!(sent[0] < 3.1 + 3.1, "first report at {}", sent[0]);
    }
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    assert!((4.7..5.3).contains(&mean), "{mean}");
    let least = gaps.iter().copied().fold(f64::MAX, f64::min);
    assert!(least >= 2.5 / 1.2183, "{least}");
}

#[test]
fn rfc3550_6_2_reduced_minimum_reports_more_often() {
    let fast = Bandwidth { session: 720_000, reduced_minimum: true };
    assert!(reports(fast, 1, 60).len() > 5 * reports(G711, 1, 60).len());
}

#[test]
fn rfc3550_6_3_6_before_the_deadline_nothing_is_due() {
    let mut timer = RtcpTimer::new(G711, Micros(0), 64, 5);
    let deadline = timer.deadline();
    assert!(!timer.expired(Micros(deadline.0 - 1), CALL));
    assert_eq!(timer.deadline(), deadline);
}

#[test]
fn rfc3550_6_3_4_a_smaller_group_reports_earlier() {
    let mut timer = RtcpTimer::new(G711, Micros(0), 64, 5);
    let hundred = Group { members: 100, senders: 1, we_sent: false };
    while !timer.expired(timer.deadline(), hundred) {}
    let now = timer.deadline();
    timer.sent(now, hundred, 100);
    let before = timer.deadline();
    timer.members_left(now, 50);
    assert_eq!(timer.deadline(), now.plus(Micros(before.since(now).0 / 2)));
    timer.members_left(now, 50);
    assert_eq!(timer.deadline(), now.plus(Micros(before.since(now).0 / 2)), "no change without a change");
}

#[test]
fn rfc3550_6_3_7_a_goodbye_goes_at_once_except_in_large_groups() {
    let mut timer = RtcpTimer::new(G711, Micros(0), 64, 5);
    assert!(timer.leave(Micros(0), 2, 80));
    assert!(timer.leave(Micros(0), 49, 80));
    assert!(!timer.leave(Micros(10), 50, 80));
    assert!(timer.deadline() > Micros(10));
    // Everybody else leaves, too: the goodbye is put off in proportion.
    for _ in 0..1000 {
        timer.received(80, true);
        timer.received(80, false);
    }
    let now = timer.deadline();
    assert!(!timer.expired(now, CALL));
    assert!(timer.deadline() > now.plus(Micros(60_000_000)), "{:?}", timer.deadline());
    while !timer.expired(timer.deadline(), CALL) {}
}
