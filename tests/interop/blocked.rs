//! Two SIP loops, one of which takes no turns: `strace` holds up its thread whenever that waits for events. What the other one cannot do without
//! it is refused in bounded time; what it can do alone goes on.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use sip::digest::Client;

use super::overload::{Counts, get, serve};
use crate::acceptance::wire::{Ask, Wire, challenged, code, field, with_credentials};
use crate::program::offhook::Server;
use crate::program::{PATIENCE, Program, alone};

/// How long a question to another loop may take (ARCHITECTURE.md, "Who is where").
const ASKED: Duration = Duration::from_secs(2);
/// An answer that came so late waited for that question.
const LATE: Duration = Duration::from_millis(1_900);
/// No answer for so long is none.
const QUIET: Duration = Duration::from_millis(500);
/// Answers for which a socket has room, whatever else the machine does.
const ROOM: usize = 100;
/// After so long without an answer those that are missing are asked again.
const LULL: Duration = Duration::from_millis(100);
/// Commands that may wait for a loop (`net::LoopConfig::commands`), and messages (`crossings`).
const COMMANDS: usize = 1_024;
const CROSSINGS: usize = 4_096;

/// Requests of which half are more than may wait.
const FLOOD: usize = 160 * CHUNK;
/// Requests that are sent before answers are looked for.
const CHUNK: usize = 64;

/// A server of two loops and many users, all with the password `secret`, one of its loops blocked; and a wire whose datagrams the other reads.
struct Halved {
    // Ended first: a thread that is held up cannot be ended.
    strace: Program,
    server: Server,
    http: String,
    wire: Wire,
    /// A Call-ID that falls to the loop that runs.
    home: String,
}

/// The users of [`Halved`] besides 1001.
fn users() -> impl Iterator<Item = String> {
    (0..16).map(|number| (2_000 + number).to_string())
}

fn halved() -> Halved {
    halved_with("")
}

/// The same with more settings.
fn halved_with(settings: &str) -> Halved {
    let users: String = users().map(|user| format!("[users.{user}]\npassword = \"secret\"\n")).collect();
    let (server, http) = serve(&format!("shards = 2\n{settings}\n{users}"));
    let strace = block(&server);
    // It takes a last turn when something comes; from then on some are not answered, those that the system gives it or whose call is its.
    let end = Instant::now() + PATIENCE;
    let (wire, ask) = loop {
        let mut wires: Vec<Wire> = (0..16).map(|_| Wire::to(&server.address)).collect();
        let asks: Vec<Ask> = wires.iter_mut().map(|wire| wire.ask("OPTIONS")).collect();
        wires.iter().zip(&asks).for_each(|(wire, ask)| wire.send(ask));
        let answered = |(wire, ask): &(Wire, Ask)| wire.answer_within(ask, QUIET).is_some();
        let mut heard: Vec<_> = wires.into_iter().zip(asks).filter(answered).collect();
        // What was answered may have been its last turn: who is answered again is with the other.
        let again = |(wire, ask): &mut (Wire, Ask)| {
            ask.branch += "again";
            wire.send(ask);
            wire.answer_within(ask, QUIET).is_some()
        };
        if heard.len() < 12
            && let Some(at) = heard.iter_mut().position(again)
        {
            break heard.remove(at);
        }
        assert!(Instant::now() < end, "the loop cannot be blocked");
    };
    Halved { strace, server, http, wire, home: ask.call_id }
}

/// Whether a message is about a request of this method.
fn is_of(message: &str, method: &str) -> bool {
    field(message, "CSeq").is_some_and(|cseq| cseq.ends_with(method))
}

/// Holds up the first loop of a server from its next wait on.
fn block(server: &Server) -> Program {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.program.id())).unwrap();
    let mut loops: Vec<u32> = tasks
        .map(|task| task.unwrap().path())
        .filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == "sip"))
        .map(|task| task.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    loops.sort_unstable();
    assert_eq!(loops.len(), 2, "{loops:?}");
    let mut strace = Command::new("strace");
    strace.args(["-p", &loops[0].to_string(), "-e", "trace=epoll_wait", "-e", "inject=epoll_wait:delay_enter=60s"]);
    let mut strace = Program::start(&mut strace);
    strace.wait_for("attached");
    strace
}

impl Halved {
    /// A MESSAGE of 1001 to this user, in a call that falls to the loop that runs.
    fn ask(&mut self, user: &str) -> Ask {
        let mut ask = self.wire.ask("MESSAGE");
        ask.from = format!("<sip:1001@{}>;tag={}", self.server.address, ask.branch);
        ask.uri = format!("sip:{user}@{}", self.server.address);
        ask.call_id.clone_from(&self.home);
        ask
    }

    /// What answers the challenge of the loop that runs.
    fn client(&mut self) -> Client {
        let ask = self.ask("2000");
        let challenge = self.wire.final_of(&ask);
        assert_eq!(code(&challenge), 401, "{challenge}");
        challenged(&challenge, "1001", "secret1")
    }

    /// Everything that comes until the loop that runs has taken all that was sent so far.
    fn until_taken(&mut self) -> Vec<String> {
        let mut last = self.wire.ask("OPTIONS");
        last.call_id.clone_from(&self.home);
        self.wire.send(&last);
        let (mut all, end) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            match self.wire.next(QUIET) {
                Some(message) if message.contains(&last.branch) => return all,
                // The answer to a question of before that was asked twice.
                Some(message)
                    if field(&message, "Call-ID") == Some(self.home.clone()) && is_of(&message, "OPTIONS") => {}
                Some(message) => all.push(message),
                // It may have found no room in a socket.
                None => self.wire.send(&last),
            }
            assert!(Instant::now() < end, "the loop that runs does not answer");
        }
    }

    /// What becomes of a MESSAGE to this user, and when.
    fn message(&mut self, user: &str) -> (String, Duration) {
        let mut client = self.client();
        let ask = with_credentials(self.ask(user), &mut client);
        let begun = Instant::now();
        (self.wire.final_of(&ask), begun.elapsed())
    }

    /// A user of the loop that is blocked: nobody can say where he is. Those of the other one are known not to be registered.
    fn user_of_the_blocked_loop(&mut self) -> String {
        let (mut here, mut there) = (false, None);
        for user in users() {
            let (answer, took) = self.message(&user);
            match code(&answer) {
                480 => {
                    assert!(took < LATE, "{took:?}");
                    here = true;
                }
                503 => {
                    assert!((LATE..ASKED * 2).contains(&took), "{took:?}");
                    assert_eq!(field(&answer, "Retry-After").as_deref(), Some("5"));
                    there = Some(user);
                }
                other => panic!("{other}"),
            }
            if let (true, Some(user)) = (here, &there) {
                return user.clone();
            }
        }
        panic!("all users are kept by one loop");
    }

    /// The loop runs again; waits until it says so itself.
    fn freed(&mut self) -> Counts {
        self.strace.signal("TERM");
        Counts::of(&self.http)
    }
}

#[test]
fn a_loop_that_does_not_say_where_a_user_is_costs_2_s_and_503() {
    let _alone = alone();
    let mut halved = halved();
    let user = halved.user_of_the_blocked_loop();
    halved.freed();
    // The control: the same user, now that his loop says that he is not registered.
    let (answer, took) = halved.message(&user);
    assert!(code(&answer) == 480 && took < LATE, "{took:?}: {answer}");
}

#[test]
fn a_server_with_a_loop_that_takes_no_turns_is_not_healthy() {
    let _alone = alone();
    let mut halved = halved();
    assert!(get(&halved.http, "/healthz").starts_with("HTTP/1.1 503 "));
    halved.freed();
    let healthy = get(&halved.http, "/healthz");
    assert!(healthy.starts_with("HTTP/1.1 200 ") && healthy.ends_with("\r\n\r\nok\n"), "{healthy}");
}

#[test]
fn a_loop_whose_queue_of_questions_is_full_costs_503_at_once() {
    let _alone = alone();
    let mut halved = halved();
    let user = halved.user_of_the_blocked_loop();
    let mut client = halved.client();
    // Those that are not answered, by their From.
    let mut open = HashMap::new();
    let take = |open: &mut HashMap<String, Ask>, answer: &str| {
        assert_eq!(code(answer), 503, "{answer}");
        assert_eq!(field(answer, "Retry-After").as_deref(), Some("5"));
        open.remove(&field(answer, "From").unwrap());
    };
    let (mut waiting, mut at_once) = (0, 0);
    for _ in 0..2 * COMMANDS / CHUNK {
        let asks: Vec<Ask> = (0..CHUNK).map(|_| with_credentials(halved.ask(&user), &mut client)).collect();
        open.extend(asks.iter().map(|ask| (ask.from.clone(), ask.clone())));
        // At once is before what is asked next. An answer that found no room in the socket here comes again to who asks again; what waits has none.
        for _ in 0..2 {
            asks.iter().filter(|ask| open.contains_key(&ask.from)).for_each(|ask| halved.wire.send(ask));
            halved.until_taken().iter().for_each(|answer| take(&mut open, answer));
        }
        let late = asks.iter().filter(|ask| open.contains_key(&ask.from)).count();
        (waiting, at_once) = (waiting + late, at_once + CHUNK - late);
    }
    // A few places were taken: by the questions before, and by news of who knows one hash only.
    assert!((COMMANDS - 100..=COMMANDS).contains(&waiting), "{waiting} waited, {at_once} were refused at once");
    let end = Instant::now() + PATIENCE;
    while !open.is_empty() {
        assert!(Instant::now() < end, "{} are not answered", open.len());
        match halved.wire.next(LULL) {
            Some(answer) if is_of(&answer, "MESSAGE") => take(&mut open, &answer),
            Some(_) => {}
            None => open.values().take(CHUNK).for_each(|ask| halved.wire.send(ask)),
        }
    }
    halved.freed();
    let (answer, _) = halved.message(&user);
    assert_eq!(code(&answer), 480, "{answer}");
}

#[test]
fn rfc3261_21_5_4_what_a_slow_loop_has_no_room_for_is_503_by_the_other() {
    let _alone = alone();
    let mut halved = halved();
    // Those that are not answered, by their Call-IDs.
    let mut open = HashMap::new();
    let mut heard = Vec::new();
    for _ in 0..FLOOD / CHUNK {
        for _ in 0..CHUNK {
            let ask = halved.wire.ask("OPTIONS");
            halved.wire.send(&ask);
            open.insert(ask.call_id.clone(), ask);
        }
        heard.extend(halved.until_taken());
    }
    heard.extend(halved.until_taken());
    for message in &heard {
        open.remove(&field(message, "Call-ID").unwrap());
    }
    let (refused, answered): (Vec<_>, Vec<_>) = heard.iter().partition(|message| code(message) == 503);
    assert!(refused.iter().all(|message| field(message, "Retry-After").as_deref() == Some("5")));
    let (shed, answered, late) = (refused.len(), answered.len(), open.len());
    // Half of them fall to either loop: as many wait as may, the rest of that half was refused.
    assert!(shed > 500 && answered > CROSSINGS, "{answered} answered, {shed} refused");
    assert!((CROSSINGS - 100..=CROSSINGS).contains(&late), "{late} waited");
    let counts = halved.freed();
    assert_eq!(counts.sum("offhook_sip_shed_total", ""), shed as u64);
    // The control: what waited is answered once the loop runs again, and no more is shed.
    let take = |halved: &mut Halved, open: &mut HashMap<String, Ask>| {
        while let Some(message) = halved.wire.next(LULL) {
            assert_eq!(code(&message), 404, "{message}");
            open.remove(&field(&message, "Call-ID").unwrap());
        }
    };
    let end = Instant::now() + PATIENCE;
    while open.len() == late {
        assert!(Instant::now() < end, "nothing that waited is answered");
        take(&mut halved, &mut open);
    }
    assert!(late - open.len() >= ROOM, "{} of {late} are answered", late - open.len());
    // Answers that found no room in the socket here are sent again to who asks again: as repeats, for none of what waited was thrown away.
    let answers = |halved: &Halved| {
        Counts::of(&halved.http).sum("offhook_sip_responses_total", "method=\"OPTIONS\",code=\"404\"")
    };
    // All of it is answered when a second passes without more.
    let mut once = 0;
    while std::mem::replace(&mut once, answers(&halved)) != once {
        assert!(Instant::now() < end, "there is no end of what waited");
        take(&mut halved, &mut open);
        std::thread::sleep(2 * QUIET);
    }
    while !open.is_empty() {
        assert!(Instant::now() < end, "{} are not answered", open.len());
        open.values().take(CHUNK).for_each(|ask| halved.wire.send(ask));
        take(&mut halved, &mut open);
    }
    assert_eq!(answers(&halved), once);
    let ask = halved.wire.ask("OPTIONS");
    assert_eq!(halved.wire.code_of(&ask), 404);
    assert_eq!(Counts::of(&halved.http).sum("offhook_sip_shed_total", ""), shed as u64);
}

/// The numbers of the loops that are told to be silent.
fn silent(server: &Server) -> Vec<u64> {
    let status = server.status();
    let loops = status["loops"].as_array().unwrap();
    assert_eq!(loops.len(), 2, "{status}");
    let silent = loops.iter().filter(|one| one["silent"] == true);
    silent.map(|one| one["shard"].as_u64().unwrap()).collect()
}

#[test]
fn status_and_metrics_tell_what_there_is_and_which_loop_is_silent() {
    let _alone = alone();
    let mut halved = halved();
    let silent_ones = silent(&halved.server);
    let [shard] = silent_ones[..] else { panic!("{silent_ones:?}") };
    let (down, up) = (format!("\noffhook_sip_loop_up{{shard=\"{shard}\"}} 0\n"), "\"} 1\n");
    let half = get(&halved.http, "/metrics");
    assert!(half.starts_with("HTTP/1.1 200 ") && half.contains(&down), "{half}");
    assert!(half.contains(&format!("offhook_sip_loop_up{{shard=\"{}{up}", 1 - shard)), "{half}");
    // The control: all answer.
    let asked = "offhook_sip_requests_total";
    let whole = halved.freed().sum(asked, "");
    assert!(silent(&halved.server).is_empty());
    // What a loop has counted stays counted when it falls silent: a counter that falls would be taken for a new start.
    halved.strace = block(&halved.server);
    let end = Instant::now() + PATIENCE;
    let half = loop {
        let text = get(&halved.http, "/metrics");
        if text.contains(&down) {
            break Counts::told(text);
        }
        assert!(Instant::now() < end, "{text}");
    };
    assert!(whole > 0 && half.sum(asked, "") >= whole, "{} of {whole}", half.sum(asked, ""));
    halved.freed();
}

#[test]
fn so_many_requests_wait_for_another_loop_and_one_more_is_503_at_once() {
    let _alone = alone();
    let mut halved = halved_with("limits.questions = 2");
    let user = halved.user_of_the_blocked_loop();
    let mut client = halved.client();
    // The second time, room has come back.
    for _ in 0..2 {
        let asks: Vec<Ask> = (0..3).map(|_| with_credentials(halved.ask(&user), &mut client)).collect();
        let begun = Instant::now();
        asks.iter().for_each(|ask| halved.wire.send(ask));
        let answers: Vec<(String, Duration)> =
            asks.iter().map(|_| (halved.wire.next(PATIENCE).unwrap(), begun.elapsed())).collect();
        assert!(answers.iter().all(|(answer, _)| code(answer) == 503), "{answers:?}");
        assert!(answers[0].0.contains(&asks[2].branch) && answers[0].1 < LATE, "{answers:?}");
        assert!(answers[1..].iter().all(|(_, after)| *after >= LATE), "{answers:?}");
    }
    halved.freed();
}
