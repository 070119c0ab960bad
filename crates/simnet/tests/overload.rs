//! A server that has more to do than it can, and a client that asks for more than that (RFC 7339).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use simnet::{Chance, Network, Weather};
use sip::message::{Method, StatusCode};
use sip::{Application, Config, Draft, Event, Failure, Overload, Reply, ServerTx, Time, Turn};

/// So many requests at a time, and so long for each: fifty a second.
const PLACES: usize = 5;
const WORK: Duration = Duration::from_millis(100);
/// Twice as many come.
const EACH: Duration = Duration::from_millis(10);
/// So long.
const RUSH: Duration = Duration::from_secs(20);
/// Then nothing, and then a few, each `SELDOM`.
const REST: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_millis(250);
const FEW: u32 = 20;

/// Answers each request when its work is done.
#[derive(Default)]
struct Worker {
    open: BTreeMap<u64, ServerTx>,
    count: u64,
}

impl Application for Worker {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, .. } => {
                self.count += 1;
                self.open.insert(self.count, tx);
                turn.alarm(turn.now().mono + WORK, self.count).expect("room for alarms");
            }
            Event::Alarm { token, .. } => {
                let tx = self.open.remove(&token).expect("an alarm for each request");
                turn.respond(tx, Reply::new(StatusCode::OK).stateless()).expect("an open request");
            }
            _ => {}
        }
    }
}

/// What has become of the client's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    asked: u32,
    served: u32,
    refused: u32,
    left_out: u32,
}

/// When the client ends, how long it waits between two requests, and what it has seen.
#[derive(Default)]
struct Course {
    end: Time,
    each: Duration,
    seen: Seen,
}

/// Asks for the same again and again, without waiting for answers.
struct Client(Rc<RefCell<Course>>);

impl Application for Client {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        let mut course = self.0.borrow_mut();
        let now = turn.now().mono;
        match event {
            Event::Alarm { .. } if now < course.end => {
                course.seen.asked += 1;
                let mut draft = Draft::new(Method::Options, "sip:server@server.sim".parse().expect("a URI"));
                draft.from = "<sip:client@client.sim>;tag=c".to_owned();
                draft.to = "<sip:server@server.sim>".to_owned();
                draft.call_id = turn.call_id();
                turn.send_request(draft).expect("room for requests");
                turn.alarm(now + course.each, 0).expect("room for alarms");
            }
            Event::Response { response, .. } => match response.code() {
                StatusCode::OK => course.seen.served += 1,
                StatusCode::SERVICE_UNAVAILABLE => course.seen.refused += 1,
                code => panic!("{code:?}"),
            },
            Event::RequestFailed { why: Failure::Overloaded, .. } => course.seen.left_out += 1,
            Event::RequestFailed { why, .. } => panic!("{why:?}"),
            _ => {}
        }
    }
}

/// What becomes of the rush, and of the few requests that come after it, where the server and the client have overload control.
fn rush(server: bool, client: bool) -> [Seen; 2] {
    let mut network = Network::new(Weather::clear(), Chance::new(1));
    let overload = |has: bool| has.then(Overload::default);
    let config = Config { max_server_transactions: PLACES, overload: overload(server), ..Config::default() };
    network.add("server", config, Box::new(Worker::default()));
    let course = Rc::<RefCell<Course>>::default();
    let config = Config { overload: overload(client), ..Config::default() };
    let node = network.add("client", config, Box::new(Client(course.clone())));
    [(RUSH, EACH), (SELDOM * FEW, SELDOM)].map(|(span, each)| {
        let begun = network.turn(node, |turn| turn.now().mono).expect("a node");
        *course.borrow_mut() = Course { end: begun + span, each, seen: Seen::default() };
        network.turn(node, |turn| turn.alarm(begun, 0)).expect("a node").expect("room for alarms");
        let end = network.passed() + span + REST;
        network.run(end);
        let seen = course.borrow().seen;
        assert_eq!(seen.served + seen.refused + seen.left_out, seen.asked, "{seen:?}");
        seen
    })
}

/// Two clients ask for as much each, four times what the server can do in all. Only one of them hears.
#[test]
fn rfc7339_5_10_2_who_does_not_hear_gains_nothing_by_it() {
    let mut network = Network::new(Weather::clear(), Chance::new(1));
    let overload = Some(Overload::default());
    let config = Config { max_server_transactions: PLACES, overload, ..Config::default() };
    network.add("server", config, Box::new(Worker::default()));
    let courses = [("hearing", overload), ("deaf", None)].map(|(name, overload)| {
        let course = Rc::<RefCell<Course>>::default();
        let config = Config { overload, ..Config::default() };
        let node = network.add(name, config, Box::new(Client(course.clone())));
        let begun = network.turn(node, |turn| turn.now().mono).expect("a node");
        *course.borrow_mut() = Course { end: begun + RUSH, each: EACH, seen: Seen::default() };
        network.turn(node, |turn| turn.alarm(begun, 0)).expect("a node").expect("room for alarms");
        course
    });
    let end = network.passed() + RUSH + REST;
    network.run(end);
    let [hearing, deaf] = courses.map(|course| course.borrow().seen);
    assert!(hearing.left_out > 0 && deaf.left_out == 0, "{hearing:?}, {deaf:?}");
    assert!(deaf.served < 2 * hearing.served && hearing.served < 2 * deaf.served, "{hearing:?}, {deaf:?}");
    // Fifty a second for twenty seconds are a thousand, of which half is lost to caution.
    assert!(hearing.served + deaf.served > 400, "{hearing:?}, {deaf:?}");
}

/// One who says that he hears, and goes on, asks for twice what the server can do; for two fifths ask one who hears and a telephone that knows nothing of it.
#[test]
fn rfc7339_5_10_2_who_says_that_he_hears_and_goes_on_is_refused_before_others_are() {
    let mut network = Network::new(Weather::clear(), Chance::new(1));
    let overload = Some(Overload::default());
    let config = Config { max_server_transactions: PLACES, overload, ..Config::default() };
    network.add("server", config, Box::new(Worker::default()));
    // Remembers the word of nobody.
    let liar = Some(Overload { max_servers: 0, ..Overload::default() });
    let nodes = [("liar", liar, EACH), ("hearing", overload, SELDOM), ("plain", None, SELDOM)];
    let courses = nodes.map(|(name, overload, each)| {
        let course = Rc::<RefCell<Course>>::default();
        let node = network.add(name, Config { overload, ..Config::default() }, Box::new(Client(course.clone())));
        let begun = network.turn(node, |turn| turn.now().mono).expect("a node");
        *course.borrow_mut() = Course { end: begun + RUSH, each, seen: Seen::default() };
        network.turn(node, |turn| turn.alarm(begun, 0)).expect("a node").expect("room for alarms");
        course
    });
    let end = network.passed() + RUSH + REST;
    network.run(end);
    let [liar, hearing, plain] = courses.map(|course| course.borrow().seen);
    assert_eq!(liar.left_out, 0, "{liar:?}");
    assert!(liar.refused > liar.asked / 2, "{liar:?}");
    // But for the first seconds, in which it is found out, and those in which less and less is asked for.
    for other in [hearing, plain] {
        assert!(other.served * 2 > other.asked, "{other:?}, liar {liar:?}");
    }
}

#[test]
fn rfc7339_5_5_a_client_that_hears_leaves_out_what_a_server_would_have_to_refuse() {
    let [controlled, after] = rush(true, true);
    // The controls: with one of the two alone nothing changes.
    for (server, client) in [(false, false), (true, false), (false, true)] {
        let [alone, calm] = rush(server, client);
        assert_eq!(alone.left_out, 0, "{server} {client}");
        assert!(alone.refused > alone.asked / 3, "{server} {client}: {alone:?}");
        assert!(controlled.refused < alone.refused / 2, "{server} {client}: {controlled:?}, alone {alone:?}");
        // It does not starve the server.
        assert!(controlled.served > alone.served / 2, "{server} {client}: {controlled:?}, alone {alone:?}");
        assert_eq!(calm.served, FEW, "{server} {client}: {calm:?}");
    }
    assert!(controlled.left_out > controlled.asked / 4, "{controlled:?}");
    // What comes after it is not left out.
    assert_eq!(after, Seen { asked: FEW, served: FEW, ..Seen::default() });
}
