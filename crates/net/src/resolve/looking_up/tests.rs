//! A search against resolvers that fail in every way; the clock is tokio's own, which jumps.

use std::collections::HashMap;

use sip::locate::{Record, Srv};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::*;
use crate::resolve::Lookup;

const HOUR: Duration = Duration::from_secs(3_600);
const OURS: &[Transport] = &[Transport::Udp, Transport::Tcp, Transport::Tls];

/// What a resolver does with a question.
#[derive(Clone)]
enum Way {
    Says(Found),
    SaysAfter(Duration, Found),
    IsSilent,
}

/// A resolver that writes down what it was asked.
struct Scripted {
    of: HashMap<Query, Way>,
    asked: Rc<RefCell<Vec<Query>>>,
    under_way: Rc<Cell<(usize, usize)>>,
}

impl Resolve for Scripted {
    fn look_up(&self, query: &Query) -> Lookup {
        self.asked.borrow_mut().push(query.clone());
        let way = self.of.get(query).cloned().unwrap_or(Way::Says(Found::None(HOUR)));
        let under_way = Rc::clone(&self.under_way);
        let (now, most) = under_way.get();
        under_way.set((now + 1, most.max(now + 1)));
        Box::pin(async move {
            let found = match way {
                Way::Says(found) => found,
                Way::SaysAfter(span, found) => {
                    tokio::time::sleep(span).await;
                    found
                }
                Way::IsSilent => std::future::pending().await,
            };
            let (now, most) = under_way.get();
            under_way.set((now - 1, most));
            found
        })
    }
}

struct Bench {
    names: Rc<LookingUp>,
    asked: Rc<RefCell<Vec<Query>>>,
    under_way: Rc<Cell<(usize, usize)>>,
}

impl Bench {
    fn new(of: impl IntoIterator<Item = (Query, Way)>) -> Self {
        let (asked, under_way) = (Rc::default(), Rc::new(Cell::new((0, 0))));
        let scripted =
            Scripted { of: of.into_iter().collect(), asked: Rc::clone(&asked), under_way: Rc::clone(&under_way) };
        Self { names: Rc::new(LookingUp::new(Box::new(scripted), Duration::from_secs(8), 1)), asked, under_way }
    }

    /// What comes of a search for `example.com`, and how long it takes.
    async fn locate(&self, port: Option<u16>) -> (Located, Duration) {
        let wanted = Wanted { host: "example.com".into(), port, transport: None, secure: false };
        let begun = Instant::now();
        (Rc::clone(&self.names).locate(wanted, None, OURS).await, begun.elapsed())
    }
}

/// Runs on a loop's thread as it is, but for the clock.
fn run<F: Future>(test: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

fn naptr() -> Query {
    Query::Naptr("example.com.".into())
}

fn udp() -> Query {
    Query::Srv("_sip._udp.example.com.".into())
}

fn tcp() -> Query {
    Query::Srv("_sip._tcp.example.com.".into())
}

fn addresses(host: &str) -> Query {
    Query::Addresses(host.into())
}

fn address(last: u8, secs: u64) -> Found {
    Found::Records(vec![Record::Address([192, 0, 2, last].into())], Duration::from_secs(secs))
}

fn servers(targets: &[&str]) -> Found {
    let one = |(priority, target): (u16, &&str)| {
        Record::Srv(Srv { priority, weight: 0, port: 5070 + priority, target: (*target).into() })
    };
    Found::Records((0..).zip(targets).map(one).collect(), HOUR)
}

fn remotes(located: &Located) -> Vec<String> {
    match located {
        Located::Targets(targets) => targets.iter().map(|target| target.address.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_are_kept_until_their_time_is_over_and_failures_are_not() {
    run(async {
        let failing = Way::Says(Found::Failed("SERVFAIL".into()));
        let bench = Bench::new([(naptr(), failing), (addresses("example.com"), Way::Says(address(1, 60)))]);
        for (after, asked) in [(0, 4), (59, 1), (2, 2)] {
            tokio::time::advance(Duration::from_secs(after)).await;
            assert_eq!(remotes(&bench.locate(None).await.0), ["192.0.2.1:5060"]);
            let now = std::mem::take(&mut *bench.asked.borrow_mut());
            assert_eq!(now.len(), asked, "after {after} s: {now:?}");
        }
    });
}

#[test]
fn a_name_server_that_does_not_answer_some_questions_leaves_time_for_the_others() {
    run(async {
        let silent = [naptr(), udp(), tcp()].map(|query| (query, Way::IsSilent));
        let bench = Bench::new(silent.into_iter().chain([(addresses("example.com"), Way::Says(address(1, 60)))]));
        let (located, took) = bench.locate(None).await;
        assert_eq!(remotes(&located), ["192.0.2.1:5060"]);
        assert!(took < Duration::from_secs(6), "{took:?}");
        // One that answers nothing: known before nobody waits any more.
        let bench = Bench::new([naptr(), udp(), tcp(), addresses("example.com")].map(|query| (query, Way::IsSilent)));
        let (located, took) = bench.locate(None).await;
        assert!(
            matches!(&located, Located::Failed(why) if why.contains("did not answer about example.com")),
            "{located:?}"
        );
        assert!(took < Duration::from_secs(8), "{took:?}");
    });
}

#[test]
fn servers_further_down_are_not_waited_for_when_the_first_is_known() {
    run(async {
        let late = Way::SaysAfter(Duration::from_secs(5), address(2, 60));
        let bench = Bench::new([
            (udp(), Way::Says(servers(&["a.example.com", "b.example.com"]))),
            (addresses("a.example.com."), Way::Says(address(1, 60))),
            (addresses("b.example.com."), late.clone()),
        ]);
        let (located, took) = bench.locate(None).await;
        assert_eq!(remotes(&located), ["192.0.2.1:5070"]);
        assert!(took <= GRACE, "{took:?}");
        // The control: the first is waited for.
        let bench = Bench::new([
            (udp(), Way::Says(servers(&["b.example.com", "a.example.com"]))),
            (addresses("a.example.com."), Way::Says(address(1, 60))),
            (addresses("b.example.com."), late),
        ]);
        assert_eq!(remotes(&bench.locate(None).await.0), ["192.0.2.2:5070", "192.0.2.1:5071"]);
    });
}

#[test]
fn what_a_slow_name_server_says_of_a_server_further_down_is_known_the_next_time() {
    run(async {
        let bench = Bench::new([
            (udp(), Way::Says(servers(&["a.example.com", "b.example.com"]))),
            (addresses("a.example.com."), Way::Says(address(1, 60))),
            (addresses("b.example.com."), Way::SaysAfter(Duration::from_secs(1), address(2, 60))),
        ]);
        assert_eq!(remotes(&bench.locate(None).await.0), ["192.0.2.1:5070"]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (located, took) = bench.locate(None).await;
        assert_eq!((remotes(&located), took), (vec!["192.0.2.1:5070".into(), "192.0.2.2:5071".into()], Duration::ZERO));
        // Nothing is asked for ever: each question has an end.
        let silent = Bench::new([
            (udp(), Way::Says(servers(&["a.example.com", "b.example.com"]))),
            (addresses("a.example.com."), Way::Says(address(1, 60))),
            (addresses("b.example.com."), Way::IsSilent),
        ]);
        silent.locate(None).await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(silent.names.room.available_permits(), AT_A_TIME);
    });
}

#[test]
fn names_that_are_not_there_and_name_servers_that_fail_are_told_apart() {
    run(async {
        assert_eq!(Bench::new([]).locate(None).await.0, Located::NoSuchHost);
        let why = || Found::Failed("SERVFAIL".into());
        let bench =
            Bench::new([naptr(), udp(), tcp(), addresses("example.com")].map(|query| (query, Way::Says(why()))));
        assert_eq!(bench.locate(None).await.0, Located::Failed("SERVFAIL".into()));
        let round = |name: &str| Way::Says(Found::Records(vec![Record::Alias(name.into())], HOUR));
        let bench = Bench::new([
            (addresses("example.com"), round("other.com")),
            (addresses("other.com."), round("example.com")),
            (addresses("example.com."), round("other.com")),
        ]);
        let (located, _) = bench.locate(Some(5060)).await;
        assert!(matches!(&located, Located::Failed(why) if why.contains("lead nowhere")), "{located:?}");
        assert!(bench.asked.borrow().len() <= 3, "round once, the rest is known: {:?}", bench.asked);
    });
}

#[test]
fn limit_of_questions_at_a_time_holds_for_many_searches() {
    run(async {
        let slow = Way::SaysAfter(Duration::from_millis(100), address(1, 0));
        let bench = Bench::new([(addresses("example.com"), slow)]);
        let mut all = JoinSet::new();
        for _ in 0..1_000 {
            let names = Rc::clone(&bench.names);
            let wanted = Wanted { host: "example.com".into(), port: Some(1), transport: None, secure: false };
            all.spawn_local(names.locate(wanted, None, OURS));
        }
        while let Some(located) = all.join_next().await {
            assert_eq!(remotes(&located.expect("no panic")), ["192.0.2.1:1"]);
        }
        assert_eq!(bench.under_way.get(), (0, AT_A_TIME));
    });
}

#[test]
fn rfc1035_3_2_1_who_waited_for_room_makes_no_answer_last_longer() {
    run(async {
        let after = |millis, found| Way::SaysAfter(Duration::from_millis(millis), found);
        let other = || addresses("other.com");
        let bench =
            Bench::new([(addresses("example.com"), after(20, address(1, 60))), (other(), after(100, address(2, 0)))]);
        let begun = Instant::now();
        // One asks, others take all the room and one place more; the last waits until those are done, and knows it by then.
        let mut all = JoinSet::new();
        for number in 0..AT_A_TIME + 2 {
            let is_other = (1..=AT_A_TIME).contains(&number);
            let host = if is_other { "other.com" } else { "example.com" };
            let wanted = Wanted { host: host.into(), port: Some(1), transport: None, secure: false };
            all.spawn_local(Rc::clone(&bench.names).locate(wanted, None, OURS));
        }
        while all.join_next().await.is_some() {}
        let asked = || bench.asked.borrow().iter().filter(|query| **query != other()).count();
        assert_eq!(asked(), 1, "the last knew it");
        tokio::time::sleep_until(begun + Duration::from_millis(60_050)).await;
        bench.locate(Some(1)).await;
        assert_eq!(asked(), 2);
    });
}

#[test]
fn rfc3263_4_4_one_lot_leads_to_one_server_and_without_one_each_has_its_turn() {
    run(async {
        let equal = |target: &str| Record::Srv(Srv { priority: 1, weight: 1, port: 5070, target: target.into() });
        let both = Found::Records(["a.example.com", "b.example.com"].map(equal).into(), HOUR);
        let bench = Bench::new([
            (udp(), Way::Says(both)),
            (addresses("a.example.com."), Way::Says(address(1, 60))),
            (addresses("b.example.com."), Way::Says(address(2, 60))),
        ]);
        let first = async |lot: Option<u64>| {
            let wanted = Wanted { host: "example.com".into(), port: None, transport: None, secure: false };
            remotes(&Rc::clone(&bench.names).locate(wanted, lot, OURS).await).remove(0)
        };
        let mut firsts = std::collections::BTreeSet::new();
        for lot in 0..20 {
            let led = first(Some(lot)).await;
            assert!(led == first(Some(lot)).await && led == first(Some(lot)).await, "lot {lot}");
            firsts.insert(led);
        }
        assert_eq!(firsts.len(), 2, "each has its lots: {firsts:?}");
        let mut drawn = std::collections::BTreeSet::new();
        for _ in 0..20 {
            drawn.insert(first(None).await);
        }
        assert_eq!(drawn.len(), 2, "{drawn:?}");
    });
}
