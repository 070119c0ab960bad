use super::*;

const MS: u32 = 8;

fn at(seconds: u64, milliseconds: u64) -> Micros {
    Micros::from_millis(seconds * 1000 + milliseconds)
}

/// A measurement of packets whose lateness repeats `lateness` (in ms) for `seconds` from `from` on, 50 a second.
fn feed(delay: &mut Delay, from: u64, seconds: u64, lateness: &[u32]) {
    for n in 0..seconds * 50 {
        let late = lateness[n as usize % lateness.len()];
        delay.observe(at(from, n * 20), 1_000_000 + late * MS, 160);
    }
}

fn started() -> Delay {
    let mut delay = Delay::new(ClockRate::HZ_8000, 20, 300);
    delay.rebase(at(0, 0), 1_000_000);
    delay
}

#[test]
fn the_quantile_lies_above_all_but_one_in_two_hundred() {
    let mut delay = started();
    feed(&mut delay, 0, 60, &[0, 3, 12, 33]);
    assert_eq!(delay.quantile(), 35 * MS);
    // One packet in a thousand is later: not enough to count.
    let mut rare = vec![0; 999];
    rare.push(200);
    feed(&mut delay, 60, 120, &rare);
    assert_eq!(delay.quantile(), 5 * MS);
    // One in a hundred is.
    let mut often = vec![0; 99];
    often.push(200);
    feed(&mut delay, 180, 60, &often);
    assert_eq!(delay.quantile(), 205 * MS);
}

#[test]
fn a_few_late_packets_raise_it_at_once_and_it_takes_tens_of_seconds_to_fall() {
    let mut delay = started();
    feed(&mut delay, 0, 60, &[0]);
    assert_eq!(delay.quantile(), 5 * MS);
    for n in 0..3 {
        delay.observe(at(60, n * 20), 1_000_000 + 90 * MS, 160);
    }
    assert_eq!(delay.quantile(), 95 * MS);
    let mut fell_after = 0;
    for second in 61..200 {
        feed(&mut delay, second, 1, &[0]);
        if delay.quantile() == 95 * MS {
            fell_after = second - 60;
        }
    }
    assert!((2..15).contains(&fell_after), "three packets: {fell_after} s");
    feed(&mut delay, 200, 10, &[90]);
    let mut fell_after = 0;
    for second in 210..400 {
        feed(&mut delay, second, 1, &[0]);
        if delay.quantile() == 95 * MS {
            fell_after = second - 210;
        }
    }
    assert!((25..60).contains(&fell_after), "ten seconds of them: {fell_after} s");
}

#[test]
fn faster_packets_move_the_base_and_keep_the_play_out_time() {
    let mut delay = started();
    feed(&mut delay, 0, 30, &[0, 20]);
    assert_eq!(delay.quantile(), 25 * MS);
    delay.observe(at(30, 0), 1_000_000 - 40 * MS, 160);
    // 40 ms earlier base, 40 ms more lateness for what came before.
    assert_eq!(delay.lateness(1_000_000), 40 * MS as i32);
    assert_eq!(delay.quantile(), 65 * MS);
}

#[test]
fn a_slower_route_moves_the_base_after_two_windows_and_the_latenesses_with_it() {
    let mut delay = started();
    feed(&mut delay, 0, 30, &[0, 10]);
    feed(&mut delay, 30, 9, &[100, 110]);
    assert_eq!(delay.lateness(1_000_000), 0, "not yet");
    assert_eq!(delay.quantile(), 115 * MS);
    feed(&mut delay, 39, 20, &[100, 110]);
    assert_eq!(delay.lateness(1_000_000 + 100 * MS), 0);
    assert_eq!(delay.quantile(), 15 * MS);
}

#[test]
fn latenesses_beyond_the_last_bucket_count_in_it_and_shifts_lose_no_weight() {
    let mut delay = started();
    feed(&mut delay, 0, 2, &[250, 5000]);
    assert_eq!(delay.quantile(), 300 * MS);
    let before = delay.total;
    delay.shift_up(7);
    assert_eq!(delay.total, before);
    delay.shift_down(9);
    assert_eq!(delay.total, before);
    delay.shift_up(10_000);
    delay.shift_down(10_000);
    assert_eq!(delay.total, before);
}

#[test]
fn weights_are_scaled_down_without_a_change_of_the_quantile() {
    let mut delay = started();
    for second in 0..400 {
        feed(&mut delay, second, 1, &[0, 0, 0, 42]);
        assert!(delay.weight < MOST_WEIGHT);
        assert!(delay.total < 1 << 32);
        if second > 10 {
            assert_eq!(delay.quantile(), 45 * MS, "{second}");
        }
    }
    // Packets of no length, as fast as can be.
    for n in 0..300_000u64 {
        delay.observe(at(400, n / 100), 1_000_000, 0);
    }
    assert!(delay.histogram.iter().all(|weight| *weight < u32::MAX / 2));
}
