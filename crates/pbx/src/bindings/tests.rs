use std::collections::BTreeMap;

use sip::id::Id;
use sip::message::{Limits, Message};
use sip::{Outbox, Stack, Transport};

use super::*;
use crate::accounts::Accounts;
use crate::config::{RegisterConfig, Role, Secret, User};

/// Bindings where nothing is kept of requests.
struct Served {
    bindings: Bindings,
    accounts: Accounts,
    stack: Stack,
    out: Outbox,
    now: Now,
    cseq: u32,
}

/// The address of the device of a user.
fn at(user: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(user).unwrap()])
}

/// What a device writes behind the branch of its Via where it does not know its address.
const RPORT: &str = ";rport";
/// What the edge adds to the REGISTER of a device.
const PATH: &str = "Supported: path\r\nPath: <sip:192.0.2.251;lr>\r\n";

impl Served {
    /// So many users: 1000, 1001, ...
    fn new(users: usize, nat: Nat) -> Self {
        Self::restored(users, nat, Vec::new())
    }

    /// With these bindings read back.
    fn restored(users: usize, nat: Nat, records: Vec<Record>) -> Self {
        let user = |user: usize| {
            let name = (1_000 + user).to_string();
            (name.clone(), User { secret: Secret::Password(name), ..User::default() })
        };
        let users: BTreeMap<String, User> = (0..users).map(user).collect();
        let register = RegisterConfig { nat, ..RegisterConfig::default() };
        let realm = Some("offhook".to_owned());
        let config = Config { role: Role::Stateless, realm, users, register, ..Config::default() };
        let (accounts, told) = Accounts::load(&config).unwrap();
        let (now, home) = (net::Clock::start().now(), Home { keeper: None, records: Arc::new(records) });
        let bindings = Bindings::new(&config, home, now, Tally::new(told.len()), &Gruu::new([1; 16]), |_| true);
        let stack = Stack::new(sip::Config::default(), [2; 32]);
        Self { bindings, accounts, stack, out: Outbox::new(), now, cseq: 0 }
    }

    /// The REGISTER of a user is decided: his Contact is at the first address, and it comes from the second.
    fn register(&mut self, user: usize, (contact, from): (IpAddr, IpAddr), (via, lines): (&str, &str)) {
        self.cseq += 1;
        let (name, cseq) = (1_000 + user, self.cseq);
        let text = format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from}:5060;branch=z9hG4bK{cseq}{via}\r\nMax-Forwards: 70\r\n\
             From: <sip:{name}@127.0.0.1>;tag=1\r\nTo: <sip:{name}@127.0.0.1>\r\nCall-ID: {name}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{name}@{contact}:5060>\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let Ok(Message::Request(request)) = Message::parse(text.into_bytes().into(), &Limits::default()) else {
            panic!("no request")
        };
        let origin = Origin {
            flow: FlowId(1),
            transport: Transport::Udp,
            local: ([192, 0, 2, 250], 5060).into(),
            remote: (from, 5060).into(),
        };
        let (addresses, known) = (Addresses::read(&request).unwrap(), self.accounts.at(user).unwrap());
        assert_eq!(known.name, name.to_string());
        let asked = Asked { request: &request, addresses, origin: &origin, user, known };
        let tx = ServerTx(Id::from_u64(u64::try_from(user).unwrap()));
        assert!(self.bindings.register(tx, self.now, asked).is_none(), "it waits");
    }

    fn settle(&mut self) {
        self.bindings.settle(false, &mut self.stack.at(self.now, &mut self.out));
    }

    /// The alarm comes; how many have ended.
    fn expire(&mut self) -> usize {
        self.bindings.expire(false, &mut self.stack.at(self.now, &mut self.out)).1.len()
    }

    fn is_home(&self, user: usize) -> bool {
        self.bindings.is_home(at(user))
    }

    /// What would be read back.
    fn records(&self) -> Vec<Record> {
        self.bindings.registrar.location().snapshot(self.now).collect()
    }
}

#[test]
fn rfc3261_16_11_users_who_register_together_are_all_at_home() {
    let mut served = Served::new(40, Nat::Auto);
    (0..40).for_each(|user| served.register(user, (at(user), at(user)), (RPORT, "")));
    assert!(!(0..40).any(|user| served.is_home(user)), "nothing has happened yet");
    served.settle();
    let missing: Vec<usize> = (0..40).filter(|user| !served.is_home(*user)).collect();
    assert_eq!((served.bindings.len(), missing), (40, vec![]));
}

/// Wherever requests to a user go.
#[test]
fn rfc3261_16_11_users_are_at_home_where_their_registers_come_from() {
    for (nat, how) in
        [(Nat::Auto, (RPORT, "")), (Nat::Auto, ("", "")), (Nat::Never, (RPORT, "")), (Nat::Always, ("", PATH))]
    {
        let mut served = Served::new(2, nat);
        for user in [0, 1] {
            served.register(user, (at(9), at(9)), how);
            served.settle();
        }
        assert!(served.is_home(9) && !served.is_home(0), "{nat:?} {how:?}");
        // One of them moves, and takes nobody's place away.
        served.register(0, (at(9), at(8)), how);
        served.settle();
        assert!(served.is_home(9) && served.is_home(8), "{nat:?} {how:?}");
        let gone = format!("{}Expires: 0\r\n", how.1);
        served.register(1, (at(9), at(9)), (how.0, gone.as_str()));
        served.settle();
        assert!(!served.is_home(9) && served.is_home(8), "{nat:?} {how:?}");
        served.now.mono = served.now.mono + Duration::from_secs(4_000);
        assert_eq!(served.expire(), 1);
        let doors = served.bindings.doors.as_ref().unwrap();
        assert_eq!((doors.counts.len(), doors.of_bindings.len()), (0, 0), "nothing is left of them");
    }
}

/// What came in time counts, though it is carried out a moment after that.
#[test]
fn rfc3261_10_3_a_binding_that_is_refreshed_as_it_ends_stays() {
    let mut served = Served::new(1, Nat::Auto);
    for _ in 0..2 {
        served.register(0, (at(0), at(0)), (RPORT, ""));
        served.settle();
        let left = served.bindings.of(served.now, "1000").next().map(|binding| binding.remaining(served.now));
        served.now.mono = served.now.mono + left.unwrap() - Duration::from_millis(1);
        served.register(0, (at(0), at(0)), (RPORT, ""));
        served.now.mono = served.now.mono + Duration::from_millis(2);
        assert_eq!(served.expire(), 0);
        served.settle();
        assert_eq!((served.bindings.len(), served.is_home(0)), (1, true));
        let doors = served.bindings.doors.as_ref().unwrap();
        assert_eq!(doors.counts.get(&at(0)), Some(&1), "counted once");
    }
    // The control: without a REGISTER it ends, and is nobody's door.
    served.now.mono = served.now.mono + Duration::from_secs(4_000);
    assert_eq!((served.expire(), served.bindings.len(), served.is_home(0)), (1, 0, false));
}

#[test]
fn rfc3261_16_11_after_a_restart_users_are_at_home_again_as_far_as_it_is_known_where_that_was() {
    for (nat, how, known) in [
        (Nat::Auto, (RPORT, ""), true),
        (Nat::Auto, ("", ""), true),
        (Nat::Never, ("", ""), false),
        (Nat::Auto, ("", PATH), false),
    ] {
        let mut served = Served::new(1, nat);
        served.register(0, (at(0), at(0)), how);
        served.settle();
        let mut served = Served::restored(1, nat, served.records());
        assert_eq!((served.bindings.len(), served.is_home(0)), (1, known), "{nat:?} {how:?}");
        served.cseq = 1;
        served.register(0, (at(0), at(0)), how);
        served.settle();
        assert!(served.is_home(0), "{nat:?} {how:?}");
        let doors = served.bindings.doors.as_ref().unwrap();
        assert_eq!(doors.counts.get(&at(0)), Some(&1), "counted once");
    }
}
