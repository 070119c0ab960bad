use super::*;

/// What handling a message takes.
const WORK: Duration = Duration::from_micros(20);

/// Peers that send when `next` says so: given when a message was answered, when its successor comes.
struct Scene {
    pace: Pace,
    count: Count,
    now: Instant,
    turns: u32,
    messages: u32,
    longest_wait: Duration,
}

impl Scene {
    fn new(longest: Duration) -> Self {
        let (count, now) = (Count::default(), Instant::now());
        let pace = Pace::new(longest, count.clone(), now);
        Self { pace, count, now, turns: 0, messages: 0, longest_wait: Duration::ZERO }
    }

    /// Handles what comes for so long; `coming` holds when.
    fn run(&mut self, span: Duration, mut coming: Vec<Instant>, next: impl Fn(Instant, Instant) -> Instant) {
        let end = self.now + span;
        while self.now < end {
            let first = *coming.iter().min().expect("peers never end");
            if first > self.now {
                let rested = self.now + self.pace.rest(self.now);
                self.now = rested.max(first);
            }
            for _ in 0..64 {
                let waiting = (0..coming.len()).filter(|at| coming[*at] <= self.now);
                let Some(at) = waiting.min_by_key(|at| coming[*at]) else { break };
                let came = coming[at];
                self.longest_wait = self.longest_wait.max(self.now.duration_since(came));
                self.now += WORK;
                self.count.more();
                self.messages += 1;
                coming[at] = next(came, self.now);
            }
            self.turns += 1;
        }
    }

    fn a_turn(&self) -> f64 {
        f64::from(self.messages) / f64::from(self.turns)
    }
}

const LONGEST: Duration = Duration::from_millis(4);

/// Messages come at this rate, whatever we do.
fn steady(scene: &mut Scene, rate: u32, span: Duration) {
    let interval = Duration::from_secs(1) / rate;
    let first = scene.now + interval;
    scene.run(span, vec![first], move |came, _| came + interval);
}

/// So many peers, each of which sends when it has been answered.
fn waiting(scene: &mut Scene, peers: usize) -> f64 {
    let first = scene.now;
    scene.messages = 0;
    scene.run(Duration::from_secs(15), vec![first; peers], |_, answered| answered + Duration::from_micros(100));
    f64::from(scene.messages)
}

#[test]
fn steady_load_is_handled_some_messages_at_a_time_and_none_waits_longer_than_a_rest() {
    for (rate, together) in [(1_000, 3.0), (2_000, 6.0), (10_000, 10.0)] {
        let mut scene = Scene::new(LONGEST);
        steady(&mut scene, rate, Duration::from_secs(10));
        assert!(scene.a_turn() > together, "{rate}: {}", scene.a_turn());
        assert!(scene.longest_wait <= LONGEST + 32 * WORK, "{rate}: {:?}", scene.longest_wait);
    }
}

/// So many calls a second of six messages, begun by people who know nothing of each other.
fn calls(scene: &mut Scene, rate: u32, span: Duration) {
    let mut lots = 1_u64;
    let mut begun = scene.now;
    let mut coming = Vec::new();
    while begun < scene.now + span {
        lots = lots.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let even = ((lots >> 33) as f64 + 1.0) / f64::from(1_u32 << 31);
        begun += Duration::from_secs_f64(-even.ln() / f64::from(rate));
        coming.extend((0..6).map(|message| begun + message * Duration::from_micros(300)));
    }
    coming.sort_unstable();
    let left = std::cell::RefCell::new(coming.into_iter());
    let next = |_, _| left.borrow_mut().next().unwrap_or(begun + span);
    let first = next(begun, begun);
    scene.run(span, vec![first], next);
}

#[test]
fn calls_that_come_by_chance_are_no_reason_to_rest_less() {
    for rate in [110, 200, 400] {
        let mut scene = Scene::new(Duration::from_millis(10));
        calls(&mut scene, rate, Duration::from_secs(30));
        (scene.turns, scene.messages) = (0, 0);
        calls(&mut scene, rate, Duration::from_secs(60));
        let together = f64::from(rate * 6) * 0.01;
        assert!(scene.a_turn() > together * 0.5, "{rate}: {} of {together}", scene.a_turn());
    }
}

#[test]
fn messages_that_come_seldom_never_wait() {
    let mut scene = Scene::new(LONGEST);
    steady(&mut scene, SELDOM - 10, Duration::from_secs(10));
    assert_eq!(scene.longest_wait, Duration::ZERO);
    assert_eq!(scene.turns, scene.messages);
}

#[test]
fn after_a_burst_nothing_waits() {
    let mut scene = Scene::new(LONGEST);
    steady(&mut scene, 2_000, Duration::from_secs(2));
    assert!(!scene.longest_wait.is_zero());
    scene.now += Duration::from_secs(1);
    scene.longest_wait = Duration::ZERO;
    steady(&mut scene, SELDOM - 10, Duration::from_secs(2));
    assert_eq!(scene.longest_wait, Duration::ZERO);
}

#[test]
fn who_waits_for_our_answers_is_hardly_slowed_down() {
    for peers in [1, 2, 4, 16, 64] {
        let unrested = waiting(&mut Scene::new(Duration::ZERO), peers);
        let rested = waiting(&mut Scene::new(LONGEST), peers);
        assert!(rested > unrested * 0.95, "{peers} peers: {rested} messages instead of {unrested}");
    }
}

#[test]
fn a_slow_second_does_not_end_rests_for_good() {
    let mut scene = Scene::new(LONGEST);
    for rate in [4_000, 1_000, 4_000, 4_000] {
        (scene.turns, scene.messages) = (0, 0);
        steady(&mut scene, rate, Duration::from_secs(10));
    }
    assert!(scene.a_turn() > 8.0, "{}", scene.a_turn());
}

#[test]
fn a_silence_says_nothing_about_rests() {
    let mut scene = Scene::new(LONGEST);
    steady(&mut scene, 2_000, Duration::from_secs(1));
    for _ in 0..4 {
        scene.now += Duration::from_secs(1);
        (scene.turns, scene.messages) = (0, 0);
        steady(&mut scene, 2_000, Duration::from_secs(3));
        assert!(scene.a_turn() > 5.0, "{}", scene.a_turn());
    }
}

#[test]
fn without_rests_there_are_none() {
    let mut scene = Scene::new(Duration::ZERO);
    steady(&mut scene, 10_000, Duration::from_secs(2));
    assert_eq!(scene.longest_wait, Duration::ZERO);
}
