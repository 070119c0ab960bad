//! A thousand runs of the simulated network, each drawn from a number.
//!
//! `OFFHOOK_SEEDS=100000` makes it more (`cargo xtask simnet` does so, in release mode), `OFFHOOK_SEED=17` is for [`one_seed`] alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use simnet::Tally;
use simnet::seed::{self, Outcome};

/// Runs when nothing else is asked for.
const SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plants the bug that the environment names.
#[cfg(feature = "planted")]
fn plant() {
    if let Ok(name) = std::env::var("OFFHOOK_PLANTED") {
        assert!(sip::planted::plant(&name), "no bug is called {name}");
    }
}

/// Without the feature there is none.
#[cfg(not(feature = "planted"))]
fn plant() {}

/// One run.
fn run(seed: u64) -> Outcome {
    plant();
    seed::run(seed)
}

/// Plays every `step`th seed from `first` on, until one fails anywhere.
fn play(first: u64, step: u64, failed: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    for seed in (first..number("OFFHOOK_SEEDS").unwrap_or(SEEDS)).step_by(step as usize) {
        if failed.load(Ordering::Relaxed) {
            break;
        }
        let outcome = run(seed);
        failed.fetch_or(!outcome.wrong.is_empty(), Ordering::Relaxed);
        outcome.check();
        tally.add(&outcome.tally);
    }
    tally
}

/// Nothing leaks, both ends agree, no rule is broken on the wire; and every fault and every state has had its turn.
#[test]
fn seeds_end_in_agreement_and_nothing_left() {
    let begun = Instant::now();
    let failed = AtomicBool::new(false);
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let failed = &failed;
        let halves = [0, 1].map(|first| scope.spawn(move || play(first, 2, failed)));
        for half in halves {
            match half.join() {
                Ok(part) => tally.add(&part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    println!("{tally}{} seeds in {:.1} s", number("OFFHOOK_SEEDS").unwrap_or(SEEDS), begun.elapsed().as_secs_f32());
    assert!(tally.missing().is_empty(), "never seen: {:?}", tally.missing());
}

/// The same seed gives the same run.
#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in [3, 14, 15] {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(one.ladder.lines(), other.ladder.lines());
        assert_eq!(one.tally, other.tally);
        assert!(!one.ladder.lines().is_empty());
    }
}

/// What was sent, when, between whom; without what was only noted.
fn sent(outcome: &Outcome) -> Vec<&String> {
    outcome.ladder.lines().iter().filter(|line| !line.contains(" * ")).collect()
}

/// A clock on the wall is for dates alone: the same is sent at the same moments where it jumps by an hour while calls, registrations,
/// subscriptions and nonces hold.
#[test]
fn jumps_of_the_wall_clock_change_nothing_that_is_sent() {
    let mut jumped = 0;
    for seed in 0..100 {
        let one = run(seed);
        if !one.weather.set_clocks.is_empty() {
            let other = seed::run_by_true_clocks(seed);
            assert_eq!(sent(&one), sent(&other), "seed {seed}: {:?}", one.weather);
            jumped += 1;
        }
    }
    assert!(jumped > 20, "{jumped} runs in which a clock jumped");
}

/// One run with everything it says, for `OFFHOOK_SEED=n cargo test -p offhook-simnet --test seeds one_seed -- --nocapture`.
#[test]
fn one_seed() {
    let outcome = run(number("OFFHOOK_SEED").unwrap_or(1));
    println!("{}{:?}\n{}", outcome.ladder, outcome.weather, outcome.tally);
    outcome.check();
}

/// The same with a proxy between the phones: `OFFHOOK_PROXIED=17` plays one run.
#[test]
fn seeds_through_a_proxy_end_in_agreement_and_nothing_left() {
    plant();
    if let Some(seed) = number("OFFHOOK_PROXIED") {
        let outcome = seed::run_proxied(seed);
        println!("{}", outcome.ladder);
        return outcome.check();
    }
    let (begun, seeds) = (Instant::now(), number("OFFHOOK_SEEDS").unwrap_or(SEEDS) / 2);
    let (mut tally, mut through) = (Tally::default(), 0);
    for seed in 0..seeds {
        let outcome = seed::run_proxied(seed);
        outcome.check();
        through += usize::from(outcome.ladder.to_string().contains("-> proxy INVITE"));
        tally.add(&outcome.tally);
    }
    println!("{tally}{seeds} seeds in {:.1} s", begun.elapsed().as_secs_f32());
    // Nobody is behind an address translator where a proxy stands between.
    assert_eq!(tally.missing(), ["fault Rebound", "fault RebindLost"], "never seen");
    assert!(through > 100, "{through} runs with a call through the proxy");
}
