//! The torture messages of RFC 4475 and RFC 5118, over UDP, TCP, TLS and WebSocket: the due answer or the due silence, and alive after each.
//!
//! `tests/data/torture.json` says for each role which codes are right; `tests/data/torture-gaps.txt` lists what is known to be wrong.
//! Sample addresses in the messages are no reason to send anything out of this machine: the answer is looked for at the socket the message
//! came from.

mod answered;
mod judge;

use std::collections::BTreeSet;
use std::net::IpAddr;

use sip::message::{Limits, Message};

use self::judge::{Case, known_gaps, weigh};
use super::peer::{SECRET, code_of, is_alive, sender, with_credentials};
use super::way::{Registrar, Server, Transport, Way};
use crate::interop::names::dnsmasq_with;
use crate::program::{Program, free_port, offhook};

/// Who is asked, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// A phone, which challenges nobody.
    Phone,
    /// A PBX or proxy by somebody without a password: what can be read and is no OPTIONS is challenged before anything else is looked at.
    Stranger,
    /// A PBX or proxy by its users, each of whom answers the challenge.
    User,
}

/// Sends every message on this way and says what was wrong; whether the program lives is asked at `to`, over UDP.
fn torture(program: &mut Program, to: &str, role: &str, asked: Asked, way: &mut dyn Way) -> String {
    let transport = way.transport();
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for (number, case) in Case::all(role).iter().enumerate() {
        let mut answer = way.ask(&case.bytes);
        let again = seen.contains(&case.identity());
        if asked == Asked::User
            && let Some(challenge) = answer.as_ref().filter(|answer| matches!(code_of(answer), Some(401 | 407)))
            && let Some(bytes) = with_credentials(&case.bytes, challenge)
        {
            answer = way.ask(&bytes);
        }
        let got = answer.as_deref().and_then(code_of);
        let challenged = matches!(got, Some(401 | 407))
            && asked == Asked::Stranger
            && !case.is_unreadable
            && case.method() != "OPTIONS";
        if let Some(what) = case.fault(got, transport, again).filter(|_| !challenged) {
            let answer = String::from_utf8_lossy(answer.as_deref().unwrap_or_default()).into_owned();
            faults.push((case.name.clone(), format!("{what}\n{answer}")));
        }
        seen.push(case.identity());
        assert!(is_alive(number, to) && program.is_alive(), "dead after {}:\n{}", case.name, program.output());
    }
    let transport = transport.name().to_lowercase();
    let who = match asked {
        Asked::Phone => "phone",
        Asked::Stranger => "stranger",
        Asked::User => "user",
    };
    weigh(&format!("{role}/{who}/{transport}"), &faults, &known_gaps())
}

fn phone(transport: Transport) {
    let (mut robot, address) = offhook::answer(&[]);
    let mut way = Server(transport, address.clone());
    let told = torture(&mut robot, &address, "uas", Asked::Phone, &mut way);
    assert!(told.is_empty(), "{told}");
}

/// A phone that is reached on the connection which it has opened to its registrar.
fn registered_phone(transport: Transport) {
    let mut way = Registrar::new(transport);
    let (registrar, url) = (way.address(), format!("ws://{}", way.address()));
    let account = match transport {
        Transport::Tls => format!("sip:user@{registrar};transport=tls"),
        _ => format!("sip:user@{registrar}"),
    };
    let towards = if transport == Transport::Tls { vec!["--tls-insecure"] } else { vec!["--ws", &url] };
    let (mut robot, address) =
        offhook::answer(&[&["--account", &account, "--password", SECRET][..], &towards].concat());
    way.wait();
    robot.wait_for("registered");
    let told = torture(&mut robot, &address, "uas", Asked::Phone, &mut way);
    assert!(told.is_empty(), "{told}");
}

/// Arguments that give an account to everybody who sends one of the messages, and to `user`, whom many of them ask for; and the hosts that they are for.
fn accounts(role: &str) -> (Vec<String>, BTreeSet<String>) {
    let mut names = BTreeSet::from(["user".to_owned()]);
    let mut hosts = BTreeSet::new();
    for case in Case::all(role) {
        if let Ok(Message::Request(request)) = Message::parse(case.bytes.into(), &Limits::default()) {
            names.insert(sender(&request));
            let host = request.uri().ok().map(|uri| uri.host_text().to_owned());
            hosts.extend(host.filter(|host| !host.is_empty()));
        }
    }
    let users = names.iter().flat_map(|name| ["--user".to_owned(), format!("{name}:{SECRET}")]);
    (users.collect(), hosts)
}

/// A PBX, or what the role says, for all hosts that the messages are for.
fn server(role: &str, asked: Asked, transport: Transport) {
    let (users, hosts) = accounts(role);
    // Nobody else's domain: nothing is to go out of this machine.
    let domains = offhook::configuration(&format!("domains = {:?}\n", Vec::from_iter(hosts)));
    let settings = ["--config", domains.path().to_str().unwrap()];
    let more = match role {
        "proxy" | "stateless" | "redirect" => [&["--role", role][..], &settings].concat(),
        "registrar-only" => [&["--role", "registrar"][..], &settings].concat(),
        _ => Vec::new(),
    };
    serving(role, asked, transport, &users, &more);
}

/// The edge of all domains that the messages are for, with a proxy for their home, which a name server names.
fn edge(asked: Asked, transport: Transport) {
    let (users, hosts) = accounts("edge");
    // An address is nobody's domain.
    let is_domain = |host: &String| !host.starts_with('[') && host.parse::<IpAddr>().is_err();
    let domains: BTreeSet<String> =
        hosts.iter().filter(|host| is_domain(host)).map(|host| host.to_lowercase()).collect();
    let served = offhook::configuration(&format!("domains = {:?}\n", Vec::from_iter(&domains)));
    let role = ["--role", "proxy", "--config", served.path().to_str().unwrap()];
    let own: Vec<&str> = users.iter().map(String::as_str).collect();
    let home = offhook::serve(&[&own[..], &role].concat());
    let port = home.address.rsplit(':').next().unwrap();
    let nothing_else = ["com", "net", "org"].map(|top| format!("--local=/{top}/"));
    let found = domains.iter().map(|domain| format!("--srv-host=_sip._udp.{domain},four.example,{port}"));
    let (_names, at) = dnsmasq_with(&Vec::from_iter(nothing_else.into_iter().chain(found)));
    let roles: String = domains.iter().map(|domain| format!("{domain:?} = \"edge\"\n")).collect();
    let settings = offhook::configuration(&format!("[dns]\nservers = [{at:?}]\n[roles]\n{roles}"));
    serving("edge", asked, transport, &users, &["--config", settings.path().to_str().unwrap()]);
}

/// What a server with these arguments answers.
fn serving(role: &str, asked: Asked, transport: Transport, users: &[String], more: &[&str]) {
    let other = format!("127.0.0.1:{}", free_port());
    let mut arguments: Vec<&str> = users.iter().map(String::as_str).chain(more.iter().copied()).collect();
    match transport {
        Transport::Udp | Transport::Tcp => {}
        Transport::Tls => arguments.extend(["--tls", &other]),
        Transport::Ws => arguments.extend(["--ws", &other]),
    }
    let mut server = offhook::serve(&arguments);
    let is_other = matches!(transport, Transport::Tls | Transport::Ws);
    let mut way = Server(transport, if is_other { other.clone() } else { server.address.clone() });
    let told = torture(&mut server.program, &server.address, role, asked, &mut way);
    assert!(told.is_empty(), "{told}");
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_user_agent() {
    phone(Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_user_agent() {
    phone(Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_registrar() {
    server("registrar", Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_registrar() {
    server("registrar", Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_back_to_back_user_agent() {
    server("b2bua", Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_back_to_back_user_agent() {
    server("b2bua", Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_registrar_that_knows_the_senders() {
    server("registrar", Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_registrar_that_knows_the_senders() {
    server("registrar", Asked::User, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_back_to_back_user_agent_that_knows_the_senders() {
    server("b2bua", Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_back_to_back_user_agent_that_knows_the_senders() {
    server("b2bua", Asked::User, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_user_agent() {
    registered_phone(Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_registrar() {
    server("registrar", Asked::Stranger, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_back_to_back_user_agent() {
    server("b2bua", Asked::Stranger, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_registrar_that_knows_the_senders() {
    server("registrar", Asked::User, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_back_to_back_user_agent_that_knows_the_senders() {
    server("b2bua", Asked::User, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_user_agent() {
    registered_phone(Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_registrar() {
    server("registrar", Asked::Stranger, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_back_to_back_user_agent() {
    server("b2bua", Asked::Stranger, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_registrar_that_knows_the_senders() {
    server("registrar", Asked::User, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_back_to_back_user_agent_that_knows_the_senders() {
    server("b2bua", Asked::User, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_proxy() {
    server("proxy", Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_proxy_that_knows_the_senders() {
    server("proxy", Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_proxy_without_transactions() {
    server("stateless", Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_proxy_without_transactions_that_knows_the_senders() {
    server("stateless", Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_proxy_without_transactions_that_knows_the_senders() {
    server("stateless", Asked::User, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_proxy() {
    server("proxy", Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_proxy_that_knows_the_senders() {
    server("proxy", Asked::User, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_proxy() {
    server("proxy", Asked::Stranger, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_proxy_that_knows_the_senders() {
    server("proxy", Asked::User, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_proxy() {
    server("proxy", Asked::Stranger, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_proxy_that_knows_the_senders() {
    server("proxy", Asked::User, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_proxy_without_transactions() {
    server("stateless", Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_proxy_without_transactions() {
    server("stateless", Asked::Stranger, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_proxy_without_transactions_that_knows_the_senders() {
    server("stateless", Asked::User, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_proxy_without_transactions() {
    server("stateless", Asked::Stranger, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_proxy_without_transactions_that_knows_the_senders() {
    server("stateless", Asked::User, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_redirect_server() {
    server("redirect", Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_redirect_server_that_knows_the_senders() {
    server("redirect", Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_redirect_server() {
    server("redirect", Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_redirect_server_that_knows_the_senders() {
    server("redirect", Asked::User, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_redirect_server() {
    server("redirect", Asked::Stranger, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_redirect_server_that_knows_the_senders() {
    server("redirect", Asked::User, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_redirect_server() {
    server("redirect", Asked::Stranger, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_redirect_server_that_knows_the_senders() {
    server("redirect", Asked::User, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_registrar_and_nothing_else() {
    server("registrar-only", Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_registrar_and_nothing_else_that_knows_the_senders() {
    server("registrar-only", Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_registrar_and_nothing_else() {
    server("registrar-only", Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_registrar_and_nothing_else_that_knows_the_senders() {
    server("registrar-only", Asked::User, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_registrar_and_nothing_else() {
    server("registrar-only", Asked::Stranger, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_a_registrar_and_nothing_else_that_knows_the_senders() {
    server("registrar-only", Asked::User, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_registrar_and_nothing_else() {
    server("registrar-only", Asked::Stranger, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_a_registrar_and_nothing_else_that_knows_the_senders() {
    server("registrar-only", Asked::User, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_an_edge() {
    edge(Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_an_edge_whose_home_knows_the_senders() {
    edge(Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_an_edge() {
    edge(Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_an_edge_whose_home_knows_the_senders() {
    edge(Asked::User, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_an_edge() {
    edge(Asked::Stranger, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_tls_to_an_edge_whose_home_knows_the_senders() {
    edge(Asked::User, Transport::Tls);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_an_edge() {
    edge(Asked::Stranger, Transport::Ws);
}

#[test]
fn rfc4475_and_rfc5118_over_websocket_to_an_edge_whose_home_knows_the_senders() {
    edge(Asked::User, Transport::Ws);
}
