//! Phones behind an address translator, the kernel's own: two networks with a router between them that gives each mapping a port of its choice (MASQUERADE), and
//! forgets them all when its line goes down.

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

use super::baresip::Baresip;
use super::sqlite::sql;
use crate::program::offhook::{self, Server};
use crate::program::sound::seconds_of;
use crate::program::{PATIENCE, Program};

/// Where the server and a caller are, the line of the translator, and the phones behind it (RFC 5737, RFC 1918).
const SERVER: &str = "192.0.2.2:5060";
const CALLER: &str = "192.0.2.3:0";
const LINE: &str = "192.0.2.1";
const PHONE: &str = "10.0.0.2";

/// The networks besides that of the test, which is outside.
pub(super) struct Translator {
    outside: File,
    router: File,
    inside: File,
}

/// The network of this thread.
fn here() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

/// A network of its own that has nothing but loopback.
fn network() -> File {
    let made = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own needs root");
        run("ip link set lo up");
        here()
    });
    made.join().unwrap()
}

pub(super) fn run(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Does this in another network.
fn within<T>(network: &File, outside: &File, work: impl FnOnce() -> T) -> T {
    setns(network, CloneFlags::CLONE_NEWNET).unwrap();
    let done = work();
    setns(outside, CloneFlags::CLONE_NEWNET).unwrap();
    done
}

impl Translator {
    fn new() -> Self {
        use std::os::fd::AsRawFd;
        let (outside, router, inside) = (here(), network(), network());
        let path = |network: &File| format!("/proc/{}/fd/{}", std::process::id(), network.as_raw_fd());
        run(&format!("ip link add out0 type veth peer name line0 netns {}", path(&router)));
        run("ip addr add 192.0.2.2/24 dev out0");
        run("ip addr add 192.0.2.3/24 dev out0");
        run("ip link set out0 up");
        within(&router, &outside, || {
            run(&format!("ip link add home0 type veth peer name phone0 netns {}", path(&inside)));
            run(&format!("ip addr add {LINE}/24 dev line0"));
            run("ip addr add 10.0.0.1/24 dev home0");
            run("ip link set line0 up");
            run("ip link set home0 up");
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
            run("iptables -w -t nat -A POSTROUTING -o line0 -j MASQUERADE --random-fully");
        });
        within(&inside, &outside, || {
            run(&format!("ip addr add {PHONE}/24 dev phone0"));
            run("ip link set phone0 up");
            run("ip route add default via 10.0.0.1");
        });
        Self { outside, router, inside }
    }

    /// Does this where the phones are.
    pub(super) fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        within(&self.inside, &self.outside, work)
    }

    /// Does this where the translator is.
    pub(super) fn between<T>(&self, work: impl FnOnce() -> T) -> T {
        within(&self.router, &self.outside, work)
    }

    /// It forgets all its mappings, and goes on: its line has gone down and come up.
    fn forget(&self) {
        self.between(|| {
            run("ip link set line0 down");
            // The kernel does so a little later. Without its line it makes no others.
            let end = Instant::now() + PATIENCE;
            while std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap().trim() != "0" {
                assert!(Instant::now() < end, "the translator forgets nothing");
                std::thread::sleep(Duration::from_millis(10));
            }
            run("ip link set line0 up");
        });
    }
}

/// Runs this in a network outside of a translator.
pub(super) fn with_translator(test: impl FnOnce(&Translator) + Send + 'static) {
    let alone = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own needs root");
        run("ip link set lo up");
        test(&Translator::new());
    };
    // The thread ends with it, and so do the networks.
    std::thread::spawn(alone).join().unwrap();
}

/// A server outside with users 1001 to 1009, whose bindings can be read.
fn serve(settings: &str) -> Server {
    let state = tempfile::tempdir().unwrap();
    let users: String = (1_001..1_010).map(|user| format!("[users.{user}]\npassword = \"secret\"\n")).collect();
    let base = state.path().join("bindings.sqlite");
    let file = offhook::configuration(&format!("{settings}\n[sqlite]\nbindings = \"{}\"\n{users}", base.display()));
    let program = offhook::serve_at(SERVER, state.path(), &["--config", file.path().to_str().unwrap()]);
    Server { program, address: SERVER.to_owned(), state }
}

/// The contact that a user has bound and the address that it was bound from, once that is another than `before`.
fn bound(server: &Server, user: u32, before: &str) -> (String, String) {
    let base = server.state.path().join("bindings.sqlite");
    let ask =
        format!("SELECT contact, came_by FROM bindings WHERE aor LIKE 'sip:{user}@%' ORDER BY expires DESC LIMIT 1");
    let end = Instant::now() + PATIENCE * 4;
    loop {
        let found = sql(&base, &ask);
        let (contact, from) = found.split_once('|').unwrap_or_default();
        let from = from.rsplit(' ').next().unwrap_or_default();
        if !from.is_empty() && from != before {
            return (contact.to_owned(), from.to_owned());
        }
        assert!(Instant::now() < end, "{user} is not bound from elsewhere than {before:?}: {found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A call from outside to this user, which says 440 Hz and hears 1000.
fn call(user: u32) -> Program {
    let (account, user) = (format!("sip:1001@{SERVER}"), user.to_string());
    let identity = ["--no-register", "--account", &account, "--password", "secret", "--sip", CALLER];
    let sound = ["--tone", "440", "--for", "6", "--expect-tone", "1000"];
    offhook::start(&[&["call", &user], &identity[..], &sound[..]].concat())
}

/// Each of these users is called from outside, all at once: those are reached and heard of whom it is expected, and no others.
#[track_caller]
fn reached(users: &[u32], expected: impl Fn(u32) -> bool) {
    let calls: Vec<Program> = users.iter().map(|user| call(*user)).collect();
    for (user, call) in users.iter().zip(calls) {
        let (code, said) = call.finish();
        assert_eq!(code == 0, expected(*user), "{user}: {code}: {said}");
    }
}

/// A robot of ours behind the translator that says 1000 Hz.
fn robot(translator: &Translator, user: u32, transport: &str, more: &[&str]) -> Program {
    let account = format!("sip:{user}@{SERVER};transport={transport}");
    let identity = ["--account", &account, "--password", "secret"];
    let sip = format!("{PHONE}:0");
    let arguments = [&["answer", "--tone", "1000", "--sip", &sip], &identity[..], more].concat();
    let mut robot = translator.inside(|| offhook::start(&arguments));
    robot.wait_for("registered for ");
    robot
}

fn baresip(translator: &Translator, user: u32, transport: &str, refresh: u32) -> Baresip {
    let account = format!(
        "<sip:{user}@{SERVER};transport={transport}>;auth_user={user};auth_pass=secret;regint={refresh};answermode=auto"
    );
    let mut phone = translator.inside(|| Baresip::behind(PHONE, &account, 1_000));
    phone.wait_for_line("200 OK (Offhook");
    phone
}

/// What comes of two OPTIONS from one socket behind the translator, without `rport` and with it, by their numbers.
fn answers(translator: &Translator) -> Vec<(usize, String)> {
    let socket = translator.inside(|| UdpSocket::bind((PHONE, 0)).unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let local = socket.local_addr().unwrap();
    for (number, rport) in ["", ";rport"].into_iter().enumerate() {
        let text = format!(
            "OPTIONS sip:{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{number}{rport}\r\nFrom: <sip:a@{local}>;tag=1\r\n\
             To: <sip:{SERVER}>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(text.as_bytes(), SERVER).unwrap();
    }
    // The answers come in the order of the requests: after the second there is no first any more.
    let (mut all, mut datagram) = (Vec::new(), [0; 4_096]);
    while !all.iter().any(|(number, _)| *number == 1) {
        let length = socket.recv(&mut datagram).expect("no answer to who asks for it with rport");
        let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
        assert!(text.starts_with("SIP/2.0 200 "), "{text}");
        let number = usize::from(text.contains("branch=z9hG4bK1"));
        all.push((number, text));
    }
    all
}

#[test]
fn rfc3581_4_answers_pass_a_translator_to_who_has_asked_with_rport() {
    with_translator(|translator| {
        // The second answers everybody as if he had.
        for (nat, both) in [("auto", false), ("always", true)] {
            let _server = serve(&format!("[register]\nnat = \"{nat}\"\n"));
            let answers = answers(translator);
            let numbers: Vec<usize> = answers.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, if both { vec![0, 1] } else { vec![1] }, "{nat}: {answers:?}");
            let (_, second) = answers.last().unwrap();
            assert!(second.contains(&format!(";received={LINE}")) && second.contains(";rport="), "{second}");
        }
    });
}

#[test]
fn phones_behind_a_translator_are_called_from_outside_and_both_sides_hear() {
    with_translator(|translator| {
        let (server, folder) = (serve(""), tempfile::tempdir().unwrap());
        let ways = ["udp", "tcp"];
        let files = ways.map(|way| folder.path().join(way).with_extension("wav"));
        let robots: Vec<Program> = (1_002..)
            .zip(ways)
            .zip(&files)
            .map(|((user, way), file)| robot(translator, user, way, &["--record", file.to_str().unwrap()]))
            .collect();
        let phones: Vec<Baresip> = (1_004..).zip(ways).map(|(user, way)| baresip(translator, user, way, 300)).collect();
        let users = [1_002, 1_003, 1_004, 1_005];
        for user in users {
            let (contact, from) = bound(&server, user, "");
            let (host, port) = from.split_once(':').unwrap();
            assert_eq!(host, LINE, "{user}");
            // Over UDP ours registers as what it is seen at; the others say where they think they are, and the server goes by what it sees.
            if user == 1_002 {
                assert_eq!(contact, format!("sip:1002@{LINE}:{port}"));
            } else {
                assert!(contact.contains(PHONE) && !contact.contains(port), "{contact} from {from}");
            }
        }
        reached(&users, |_| true);
        for mut robot in robots {
            robot.wait_for("ended by caller");
        }
        let recorded = files.into_iter().chain(phones.iter().map(Baresip::recording));
        for (user, file) in users.into_iter().zip(recorded) {
            let heard = seconds_of(&file, 440.0);
            assert!(heard >= 3.0, "{user}: 440 Hz for {heard} s only");
        }
        phones.into_iter().for_each(Baresip::stop);
    });
}

#[test]
fn rfc5626_4_5_phones_that_keep_their_flow_alive_are_reached_again_after_a_translator_has_forgotten_them() {
    with_translator(|translator| {
        let server = serve("[register]\nflow_timer_secs = 2\n[sip]\nt1_ms = 100\n");
        let outbound = |number: u32| format!("--outbound=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf{number}");
        let kept = [
            robot(translator, 1_002, "udp", &[&outbound(2)]),
            robot(translator, 1_003, "tcp", &[&outbound(3)]),
            robot(translator, 1_004, "udp", &["--keep-alive", "2"]),
            robot(translator, 1_005, "tcp", &["--keep-alive", "2"]),
        ];
        let silent = [robot(translator, 1_006, "udp", &[]), robot(translator, 1_007, "tcp", &[])];
        let users = [1_002, 1_003, 1_004, 1_005, 1_006, 1_007];
        let before = users.map(|user| bound(&server, user, "").1);
        // The last one's connection is to be at rest: its phone would hear of what is still to be acknowledged. That it is reached is shown above.
        reached(&users[..5], |_| true);
        translator.forget();
        for (user, before) in users.iter().zip(&before).take(kept.len()) {
            let (_, from) = bound(&server, *user, before);
            assert_eq!(from.split(':').next(), Some(LINE), "{user}");
        }
        // The control: who is silent does not know, and is found no more.
        reached(&users, |user| user < 1_006);
        drop((kept, silent));
    });
}

#[test]
fn rfc3581_4_baresip_is_called_where_its_refresh_came_from_once_a_translator_has_forgotten_it() {
    with_translator(|translator| {
        let server = serve("[register]\nmin_expires_secs = 5\n[sip]\nt1_ms = 100\n");
        let phones = [baresip(translator, 1_002, "udp", 20), baresip(translator, 1_003, "udp", 300)];
        let users = [1_002, 1_003];
        let [before, _] = users.map(|user| bound(&server, user, ""));
        translator.forget();
        // Its Contact is what it was: an address of its own network.
        let (contact, _) = bound(&server, 1_002, &before.1);
        assert_eq!(contact, before.0);
        // The control: whose refresh is far away is found no more.
        reached(&users, |user| user == 1_002);
        phones.into_iter().for_each(Baresip::stop);
    });
}

/// The test itself: mappings are of the translator's choosing, and others once it has forgotten them.
#[test]
fn translator_gives_each_mapping_a_port_of_its_own_and_forgets_it() {
    with_translator(|translator| {
        let server = UdpSocket::bind(SERVER).unwrap();
        let phone = translator.inside(|| UdpSocket::bind((PHONE, 0)).unwrap());
        for socket in [&server, &phone] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let mut seen: Vec<SocketAddr> = Vec::new();
        for forgets in [false, false, true] {
            if forgets {
                translator.forget();
            }
            phone.send_to(b"x", SERVER).unwrap();
            let (_, from) = server.recv_from(&mut [0; 8]).unwrap();
            server.send_to(b"y", from).unwrap();
            phone.recv(&mut [0; 8]).unwrap();
            assert_eq!(from.ip().to_string(), LINE);
            seen.push(from);
        }
        assert_ne!(seen[0].port(), phone.local_addr().unwrap().port());
        assert!(seen[0] == seen[1] && seen[1] != seen[2], "{seen:?}");
    });
}
