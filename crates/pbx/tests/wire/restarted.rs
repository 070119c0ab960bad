//! What was given out before a restart counts after it, where the secret behind it is kept in the state directory.

use std::net::SocketAddr;
use std::path::Path;

use net::Bind;
use pbx::{Config, Role, Running, Server, listen};
use sip::message::{HeaderId, Message, Method, StatusCode};

use crate::connected::Connected;
use crate::instances::{self, write};
use crate::phone::Phone;
use crate::roles::route;
use crate::setup::{config, nothing_left, phone, start};

/// The file of the secret.
const SECRET: &str = "tokens.key";

/// The addresses of one that runs, over UDP and TCP.
fn addresses(running: &Running) -> [SocketAddr; 2] {
    [0, 1].map(|at| running.bound()[at].address)
}

/// The same server once more, at the same addresses; as `forgets` says without the secret of before.
fn start_again(before: Running, config: Config, state: &Path, forgets: bool) -> Running {
    let [udp, tcp] = addresses(&before);
    drop(before);
    if forgets {
        std::fs::remove_file(state.join(SECRET)).unwrap();
    }
    let at = |transport: &str, address: SocketAddr| listen(&format!("{transport}:{address}")).unwrap();
    Server::start(Config { listen: vec![at("udp", udp), at("tcp", tcp)], ..config }).unwrap()
}

/// A call through a proxy that is started anew before the caller hangs up: the answer to his BYE.
fn hangs_up_after_restart(shards: u8, forgets: bool) -> u16 {
    let folder = tempfile::tempdir().unwrap();
    let state = Some(folder.path().to_owned());
    let config = Config { role: Role::Proxy, domains: vec!["127.0.0.1".to_owned()], state, shards, ..config() };
    let (running, address) = start(config.clone());
    let (mut caller, mut callee) = (phone(address, "1001"), phone(address, "1002"));
    assert_eq!(callee.register(120).code().get(), 200);
    let (mut dialog, answer) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            let records = invite.headers().all(HeaderId::RecordRoute);
            let echoed: String = records.map(|one| format!("Record-Route: {}\r\n", one.text())).collect();
            callee.respond_with(&invite, 200, &echoed, None);
        });
        caller.call("1002", None)
    });
    assert_eq!(answer.code().get(), 200);
    caller.extra = route(&answer);
    caller.ack(&dialog, answer.headers(), false, None);
    callee.request(Method::Ack);
    let running = start_again(running, config, folder.path(), forgets);
    caller.within(&mut dialog, "BYE", None);
    if !forgets {
        callee.hung_up();
    }
    let code = caller.final_response(&dialog.branch).code().get();
    assert!(callee.hears_no(&Method::Bye));
    caller.extra.clear();
    nothing_left(&running);
    code
}

#[test]
fn rfc3261_16_6_a_call_goes_on_through_a_proxy_that_was_started_anew() {
    for shards in [1, 4] {
        assert_eq!(hangs_up_after_restart(shards, false), 200, "{shards}");
        assert_eq!(hangs_up_after_restart(shards, true), 407, "{shards}: it knows nothing of the call");
    }
}

/// The home of 1002, and his edge with a state directory, and with as many UDP addresses.
pub(crate) fn with_edge(state: &Path, addresses: usize) -> ((Running, SocketAddr), Running, Config) {
    let home = start(Config { role: Role::Proxy, domains: vec!["127.0.0.1".to_owned()], ..config() });
    let roles = [("127.0.0.1".to_owned(), Role::Edge)].into();
    let listen = [vec!["udp"; addresses], vec!["tcp"]].concat();
    let listen = listen.iter().map(|transport| listen_at(transport, "127.0.0.1:0".parse().unwrap())).collect();
    let config = Config { roles, listen, state: Some(state.to_owned()), ..config() };
    let edge = start(config.clone()).0;
    (home, edge, config)
}

fn listen_at(transport: &str, address: SocketAddr) -> Bind {
    listen(&format!("{transport}:{address}")).unwrap()
}

/// 1001 calls 1002, who refuses: whether he rings.
fn rings(hidden: &mut Phone, at_home: SocketAddr) -> bool {
    let mut caller = phone(at_home, "1001");
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| caller.call("1002", None).1.code().get());
        let mut rang = false;
        while !calling.is_finished() {
            let Some(invite) = hidden.next_heard(&Method::Invite) else { continue };
            rang = true;
            hidden.respond(&invite, 486, None);
            hidden.request(Method::Ack);
        }
        assert_eq!(calling.join().unwrap() == 486, rang);
        rang
    })
}

/// Registers at its home through an edge.
pub(crate) fn registers_through_edge(hidden: &mut Phone, at_home: SocketAddr) {
    hidden.extra = THROUGH_EDGE.to_owned();
    let registrar = format!("sip:127.0.0.1:{}", at_home.port());
    let (_, registered) = hidden.ask("REGISTER", &registrar, "sip:1002@127.0.0.1", None);
    assert_eq!(registered.code().get(), 200);
    assert!(registered.headers().has(HeaderId::Path));
    hidden.extra.clear();
}

/// What a device that registers at its home through an edge says beside.
pub(crate) const THROUGH_EDGE: &str = "Supported: path\r\nExpires: 120\r\n";

/// Whether a device behind an edge that was started anew rings.
fn rings_behind_its_edge(forgets: bool) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let ((home, at_home), edge, config) = with_edge(folder.path(), 1);
    let mut hidden = phone(edge.bound()[0].address, "1002");
    registers_through_edge(&mut hidden, at_home);
    let edge = start_again(edge, config, folder.path(), forgets);
    let rang = rings(&mut hidden, at_home);
    nothing_left(&edge);
    nothing_left(&home);
    rang
}

#[test]
fn rfc5626_5_2_a_device_is_reached_through_an_edge_that_was_started_anew() {
    assert!(rings_behind_its_edge(false));
    assert!(!rings_behind_its_edge(true), "under another secret the Path is nobody's");
}

/// The device knows one address of the edge; the Path at its home names the edge's first, and in its token the socket by its number.
#[test]
fn rfc5626_5_3_a_path_of_before_the_restart_leads_by_the_address_of_before_or_nowhere() {
    for stays in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let ((home, at_home), edge, config) = with_edge(folder.path(), 2);
        let [first, second] = [0, 1].map(|at| edge.bound()[at].address);
        let mut hidden = phone(second, "1002");
        registers_through_edge(&mut hidden, at_home);
        drop(edge);
        let another = "127.0.0.1:0".parse().unwrap();
        let mut addresses = vec![first, another];
        if stays {
            addresses.push(second);
        }
        let listen = addresses.into_iter().map(|address| listen_at("udp", address)).collect();
        let edge = start(Config { listen, ..config }).0;
        hidden.server = if stays { second } else { first };
        assert_eq!(rings(&mut hidden, at_home), stays);
        assert!(hidden.called_from.iter().all(|from| *from == second), "{:?}", hidden.called_from);
        nothing_left(&edge);
        nothing_left(&home);
    }
}

/// A request to somebody, not within anything.
fn options(device: &mut Phone, at: SocketAddr) -> String {
    let uri = format!("sip:127.0.0.1:{}", at.port());
    device.draft("OPTIONS", &uri, &uri, None, &[])
}

/// The connection is gone with the edge: nobody else's has its place.
#[test]
fn rfc5626_5_3_a_path_along_a_connection_of_before_the_restart_leads_along_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let ((home, at_home), edge, config) = with_edge(folder.path(), 1);
    let by_tcp = edge.bound()[1].address;
    let mut device = phone(by_tcp, "1002");
    device.extra = THROUGH_EDGE.to_owned();
    let mut line = Connected::to(by_tcp);
    let registrar = format!("sip:127.0.0.1:{}", at_home.port());
    line.ask(&mut device, "REGISTER", &registrar, "sip:1002@127.0.0.1", None);
    assert_eq!(line.answer().code().get(), 200);
    // The control: along that connection the device is reached.
    let mut caller = phone(at_home, "1001");
    let uri = format!("sip:1002@127.0.0.1:{}", at_home.port());
    let writes = |caller: &mut Phone| {
        let (_, challenge) = caller.ask_plain("MESSAGE", &uri, &uri, None, &[]);
        let lines = caller.credentials(challenge.headers(), "MESSAGE", &uri, "");
        let text = caller.draft("MESSAGE", &uri, &uri, None, &lines);
        caller.send(&text);
        text.split("branch=").nth(1).unwrap().split(';').next().unwrap().to_owned()
    };
    let branch = writes(&mut caller);
    let Message::Request(reached) = line.read() else { panic!("a request") };
    assert_eq!(*reached.method(), Method::Message);
    line.respond(&reached, StatusCode::OK);
    assert_eq!(caller.final_response(&branch).code().get(), 200);
    let edge = start_again(edge, config, folder.path(), false);
    drop(line);
    // The first connections of this run: as many as there were in the last.
    let mut others = [1, 2].map(|_| Connected::to(by_tcp));
    let mut hears = |device: &mut Phone| {
        for other in &mut others {
            other.send(&options(device, by_tcp));
            assert_eq!(other.answer().code().get(), 200, "nothing else has come before");
        }
    };
    device.extra.clear();
    hears(&mut device);
    let branch = writes(&mut caller);
    let refused = caller.final_response(&branch).code().get();
    assert!((400..700).contains(&refused), "{refused}");
    hears(&mut device);
    nothing_left(&edge);
    nothing_left(&home);
}

/// A temporary address from before, after the restart: the code of the answer to who writes there, the device being there.
fn writes_to_temporary(forgets: bool) -> u16 {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { state: Some(folder.path().to_owned()), ..config() };
    let (running, address) = start(config.clone());
    let mut device = phone(address, "1002");
    device.agent = "Supported: gruu\r\n".to_owned();
    let (_, temporary) = instances::addresses(&mut device);
    let running = start_again(running, config, folder.path(), forgets);
    let mut sender = phone(address, "1001");
    let code = match forgets {
        true => write(&mut sender, &temporary, &mut []).0,
        false => write(&mut sender, &temporary, &mut [&mut device]).0,
    };
    // The control: the device is there in either case.
    let number = format!("sip:1002@127.0.0.1:{}", address.port());
    assert_eq!(write(&mut sender, &number, &mut [&mut device]).0, 200);
    nothing_left(&running);
    code
}

#[test]
fn rfc5627_5_4_a_temporary_address_is_good_after_a_restart() {
    assert_eq!(writes_to_temporary(false), 200);
    assert_eq!(writes_to_temporary(true), 404, "made under another secret");
}

#[test]
fn rfc5627_5_4_the_addresses_of_who_is_no_user_any_more_are_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config { state: Some(folder.path().to_owned()), ..config() };
    let (running, address) = start(config.clone());
    let mut device = phone(address, "1002");
    device.agent = "Supported: gruu\r\n".to_owned();
    let (public, temporary) = instances::addresses(&mut device);
    let mut sender = phone(address, "1001");
    // The control: they are his.
    for uri in [&public, &temporary] {
        assert_eq!(write(&mut sender, uri, &mut [&mut device]).0, 200);
    }
    config.users.remove("1002");
    let running = start_again(running, config, folder.path(), false);
    for uri in [&public, &temporary] {
        assert_eq!(write(&mut sender, uri, &mut []).0, 404);
    }
    nothing_left(&running);
}
