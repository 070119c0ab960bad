//! Attacks on `offhook serve` while somebody is on the telephone: his packets keep their time, others are answered, memory stays within its bound. Where nobody's
//! sound goes through what is attacked, it is the answers and the memory.
//!
//! Attackers and victims share this machine's few cores with the server. What is judged is the server: each packet of the reference call is stamped when it
//! has been sent, and by the system when it comes, so neither a late sender nor a late reader counts; it is due in the middle of the relay's beat of 5 ms.
//! Threads of the reference run before others where the system allows that. A copy of each packet goes to a thread on each
//! core that runs before others as the server's media threads do: where a packet and that thread were late together, the machine had no time for
//! anybody, and the packet is not judged. More than one in ten of such prove nothing, and the test fails. Where processors went to others than server and
//! attackers, times are not judged at all; everything else is. An attack lasts some seconds, or as many as OFFHOOK_SIEGE_SECS says.

mod attacks;
mod call;
mod elsewhere;
mod honest;
mod places;
mod sieges;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::places::{Besieged, Place};
use crate::program::alone;

/// What a server may take at most, whatever is done to it (docs/security.md).
const MEMORY: u64 = 256 << 20;
/// Packets out of a hundred that must keep their time.
const KEPT: f64 = 99.0;
/// Of the processors' time, what a host may keep to itself for times to be judged.
const STOLEN: f64 = 0.02;
/// The same of other programs of this machine.
const OTHERS: f64 = 0.1;
/// The longest that an answer may take.
const ANSWER: Duration = Duration::from_millis(200);
/// How long the call is looked at before.
const CALM: Duration = Duration::from_millis(800);
/// An attack lasts so long: a hundred packets and some.
const ATTACK: Duration = Duration::from_millis(2_400);

/// A server, and how its doors are reached.
pub(super) struct Ground {
    /// By UDP and TCP.
    pub(super) sip: String,
    pub(super) process: u32,
    pub(super) tls: String,
    pub(super) ws: String,
}

/// Where a code of an answer stands: the connection was ended instead.
pub(super) const CLOSED: u16 = 0;

/// How often attackers were told what.
pub(super) type Told = BTreeMap<u16, u64>;

/// When an attack is over, what it has done, and what it was told.
#[derive(Default)]
pub(super) struct Course {
    over: AtomicBool,
    done: AtomicU64,
    told: Mutex<Told>,
}

impl Course {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Counts what was thrown.
    pub(super) fn did(&self, times: u64) {
        self.done.fetch_add(times, Ordering::Relaxed);
    }

    /// Counts what was answered.
    pub(super) fn hears(&self, code: u16) {
        *self.told.lock().unwrap().entry(code).or_default() += 1;
    }
}

/// What is the right answer to an attack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Right {
    /// None, as long as it lasts; a connection may be ended.
    Silence,
    /// One of these, and there must be some.
    Codes(&'static [u16]),
    /// The first, which must be there; and the second, where it is too much.
    Mostly(u16, u16),
}

impl Right {
    /// What is wrong with what was told.
    pub(super) fn wrong(self, told: &Told) -> Option<String> {
        let (codes, is_missing) = match self {
            Self::Silence => (&[CLOSED][..], false),
            Self::Codes(codes) => (codes, told.is_empty()),
            Self::Mostly(due, may) => (&[due, may][..], !told.contains_key(&due)),
        };
        let is_wrong = is_missing || told.keys().any(|code| !codes.contains(code));
        is_wrong.then(|| format!("told {told:?} where {self:?} is due"))
    }
}

/// Who means well, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// By UDP and TCP, and who registers.
    Every,
    /// By UDP and TCP, where nobody can register.
    Questions,
    /// By TCP alone: what the system drops of a flood of datagrams it drops of theirs, too.
    ByTcp,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What was thrown in a second.
    pub(super) rate: f64,
    /// What attackers were told.
    pub(super) told: Told,
    kept: f64,
    judged: usize,
    excused: usize,
    lost: usize,
    answers: usize,
    slowest: Duration,
    /// Questions by UDP, by TCP without an answer.
    unanswered: [usize; 2],
    /// The most memory, in octets.
    peak: u64,
    /// How much of the processors' time the machine's host kept to itself meanwhile.
    stolen: f64,
    /// The same of what neither the server nor we had of it.
    others: f64,
}

impl Outcome {
    /// What was not kept of what can be judged: where others have the machine's processors, its host or other programs, nobody's times mean anything.
    pub(super) fn harm(&self) -> Vec<String> {
        let of_time = |fault: &String| {
            ["kept their time", "took", "no judging", "answers only"].iter().any(|word| fault.contains(word))
        };
        let lent = self.stolen > STOLEN || self.others > OTHERS;
        self.faults().into_iter().filter(|fault| !(lent && of_time(fault))).collect()
    }

    /// What came of it in a row of the table in docs/security.md.
    fn row(&self, what: &str) -> String {
        let Self { rate, told, kept, judged, slowest, answers, peak, stolen, others, .. } = self;
        let codes = told.iter().map(|(code, times)| match *code {
            CLOSED => format!("closed × {times}"),
            code => format!("{code} × {times}"),
        });
        let told = codes.reduce(|all, one| all + ", " + &one).unwrap_or_else(|| "nothing".to_owned());
        let call = if *judged > 0 { format!("{kept:.2} % of {judged}") } else { "-".to_owned() };
        let (slowest, memory) = (slowest.as_millis(), peak >> 20);
        let (stolen, others) = (stolen * 100.0, others * 100.0);
        format!(
            "| {what} | {rate:.0} | {told} | {call} | {slowest} ms of {answers} | {memory} MiB | {stolen:.1} %, {others:.1} % |"
        )
    }

    /// What was not kept.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |broken: bool, what: String| faults.extend(broken.then_some(what));
        fault(self.kept < KEPT, format!("{:.2} % of {} packets kept their time", self.kept, self.judged));
        fault(self.slowest > ANSWER, format!("an answer took {:?}", self.slowest));
        fault(self.unanswered[0] > 0, format!("{} questions by UDP had no answer", self.unanswered[0]));
        fault(self.unanswered[1] > 0, format!("{} questions by TCP had no answer", self.unanswered[1]));
        fault(self.lost * 100 > self.judged, format!("{} packets of {} never came", self.lost, self.judged));
        fault(self.peak > MEMORY, format!("{} MiB of memory", self.peak >> 20));
        fault(
            self.excused * 10 > self.judged,
            format!("no judging it: the machine was late for {} packets", self.excused),
        );
        fault(self.answers < 20, format!("{} answers only", self.answers));
        faults
    }
}

fn length() -> Duration {
    let asked = std::env::var("OFFHOOK_SIEGE_SECS").ok().and_then(|secs| secs.parse().ok());
    asked.map_or(ATTACK, Duration::from_secs)
}

/// Lets somebody attack a PBX with these settings from as many threads while a call goes through it.
pub(super) fn besieged(
    what: &str,
    limits: &str,
    threads: usize,
    attack: impl Fn(&Ground, &Course, usize) + Sync,
) -> Outcome {
    besieged_beside(Asking::Every, what, limits, threads, attack)
}

/// The same, where others ask as told.
pub(super) fn besieged_beside(
    asking: Asking,
    what: &str,
    limits: &str,
    threads: usize,
    attack: impl Fn(&Ground, &Course, usize) + Sync,
) -> Outcome {
    siege(&Siege { place: PBX, asking, what, limits, threads }, attack)
}

/// Where calls go through.
const PBX: Place = Place::Role("pbx");

/// Who is attacked, and what is to be seen meanwhile.
struct Siege<'a> {
    place: Place,
    /// How others ask.
    asking: Asking,
    /// What the attack is called.
    what: &'a str,
    /// Lines of the section `limits`.
    limits: &'a str,
    /// How many attack.
    threads: usize,
}

#[allow(clippy::print_stdout)]
fn siege(siege: &Siege<'_>, attack: impl Fn(&Ground, &Course, usize) + Sync) -> Outcome {
    let Siege { place, asking, what, limits, threads } = *siege;
    let _alone = alone();
    net::raise_file_limit();
    let Besieged { mut program, ground, beside: _beside } = place.start(limits);
    let call = (place == PBX).then(|| call::Reference::begin(&ground.sip));
    let (course, honest) = (Course::default(), AtomicBool::new(false));
    std::thread::sleep(CALM);
    call.iter().for_each(call::Reference::mark);
    let before = Used::now(program.id());
    let attackers = |thread: usize| attack(&ground, &course, thread);
    let (asked, seconds) = during(&course.over, (threads, attackers), || {
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| honest::ask(&ground.sip, asking, &honest));
            let begun = Instant::now();
            std::thread::sleep(length());
            let seconds = begun.elapsed().as_secs_f64();
            honest.store(true, Ordering::Relaxed);
            (asking.join().unwrap(), seconds)
        })
    });
    let packets = call.map_or(call::Packets::NONE, call::Reference::end);
    let [stolen, others] = Used::now(program.id()).since(&before);
    let outcome = Outcome {
        stolen,
        others,
        rate: course.done.into_inner() as f64 / seconds,
        told: course.told.into_inner().unwrap(),
        kept: packets.kept,
        judged: packets.judged,
        excused: packets.excused,
        lost: packets.lost,
        answers: asked.answers,
        slowest: asked.slowest,
        unanswered: asked.unanswered,
        peak: peak(program.id()),
    };
    // A row for `cargo xtask siege`, and all that is known.
    println!("siege: {}", outcome.row(what));
    println!("{what}: {:.0} a second; {outcome:?}", outcome.rate);
    assert!(program.is_alive(), "{what}:\n{}", program.output());
    outcome
}

/// Does this while so many go on, each with its number, until they are told that it is over: they are, too, where it fails.
fn during<T>(over: &AtomicBool, (threads, attack): (usize, impl Fn(usize) + Sync), work: impl FnOnce() -> T) -> T {
    struct Ends<'a>(&'a AtomicBool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let _ends = Ends(over);
        for thread in 0..threads {
            let attack = &attack;
            scope.spawn(move || attack(thread));
        }
        work()
    })
}

#[test]
fn attackers_end_though_who_looks_on_has_failed() {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let over = AtomicBool::new(false);
        let goes_on = |_| {
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let fails = || during(&over, (2, goes_on), || panic!("it fails"));
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(fails)).is_err();
        let _ = tell.send(failed);
    });
    assert_eq!(told.recv_timeout(crate::program::PATIENCE), Ok(true));
}

/// Who has had the processors so far, in ticks of the system (proc_stat(5), proc_pid_stat(5)).
struct Used {
    /// The host of the machine.
    stolen: u64,
    /// Programs.
    programs: u64,
    /// Of that the server and this process.
    ours: u64,
    /// Everybody and nobody.
    all: u64,
}

impl Used {
    fn now(server: u32) -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap();
        let ticks: Vec<u64> =
            stat.lines().next().unwrap().split_whitespace().skip(1).map(|tick| tick.parse().unwrap()).collect();
        // user nice system idle iowait irq softirq steal; guests are within user.
        let ours = [server, std::process::id()].map(ticks_of).iter().sum();
        Self { stolen: ticks[7], programs: ticks[..3].iter().sum(), ours, all: ticks[..8].iter().sum() }
    }

    /// The shares of the host, and of programs that are not ours, of all since then.
    fn since(&self, before: &Self) -> [f64; 2] {
        let others = (self.programs - before.programs).saturating_sub(self.ours - before.ours);
        [self.stolen - before.stolen, others].map(|ticks| ticks as f64 / (self.all - before.all).max(1) as f64)
    }
}

/// What a process has had of the processors so far, in ticks.
fn ticks_of(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name may be anything; its parenthesis is the last. Behind it utime and stime are the 12th and 13th.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// The most memory that a process has had resident, in octets.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// Asks the system to run this thread before others, as the server's media threads are.
fn hurry() {
    let thread = nix::unistd::gettid().to_string();
    let _ = std::process::Command::new("renice").args(["-n", "-11", "-p", &thread]).output();
}
