//! A thousand runs of the simulated network, each drawn from a number.
//!
//! `OFFHOOK_SEEDS=100000` makes it more, `OFFHOOK_SEED=17` is for [`one_seed`] alone.

use std::time::Instant;

use simnet::{Tally, seed};

/// Runs when nothing else is asked for.
const SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays every `step`th seed from `first` on.
fn play(first: u64, step: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in (first..number("OFFHOOK_SEEDS").unwrap_or(SEEDS)).step_by(step as usize) {
        let outcome = seed::run(seed);
        outcome.check();
        tally.add(&outcome.tally);
    }
    tally
}

/// Nothing leaks, both ends agree, no rule is broken on the wire; and every fault and every state has had its turn.
#[test]
fn seeds_end_in_agreement_and_nothing_left() {
    let begun = Instant::now();
    let halves: Vec<_> = (0..2).map(|first| std::thread::spawn(move || play(first, 2))).collect();
    let mut tally = Tally::default();
    for half in halves {
        match half.join() {
            Ok(part) => tally.add(&part),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    println!("{tally}{} seeds in {:.1} s", number("OFFHOOK_SEEDS").unwrap_or(SEEDS), begun.elapsed().as_secs_f32());
    assert!(tally.missing().is_empty(), "never seen: {:?}", tally.missing());
}

/// The same seed gives the same run.
#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in [3, 14, 15] {
        let (one, other) = (seed::run(seed), seed::run(seed));
        assert_eq!(one.ladder.lines(), other.ladder.lines());
        assert_eq!(one.tally, other.tally);
        assert!(!one.ladder.lines().is_empty());
    }
}

/// One run with everything it says, for `OFFHOOK_SEED=n cargo test -p offhook-simnet --test seeds one_seed -- --nocapture`.
#[test]
fn one_seed() {
    let outcome = seed::run(number("OFFHOOK_SEED").unwrap_or(1));
    println!("{}{:?}\n{}", outcome.ladder, outcome.weather, outcome.tally);
    outcome.check();
}
