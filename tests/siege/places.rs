//! What is besieged, started so that its doors can be reached.

use std::any::Any;
use std::fmt;

use super::Ground;
use crate::interop::names::dnsmasq_with;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{Program, free_port};

/// A domain whose edge is besieged.
pub(super) const EDGE: &str = "edge.example";

/// Who is besieged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `serve` in this role. A PBX has a call going through it, whose packets are judged.
    Role(&'static str),
    /// The edge of [`EDGE`], whose home is a proxy beside it, which a name server names.
    Edge,
    /// A robot that takes every call.
    Robot,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Role(role) => role,
            Self::Edge => "edge",
            Self::Robot => "robot",
        })
    }
}

/// A program under attack, and what it needs beside it.
pub(super) struct Besieged {
    pub(super) program: Program,
    pub(super) ground: Ground,
    /// Ends with it.
    pub(super) beside: Vec<Box<dyn Any>>,
}

impl Place {
    /// Starts it, with these lines in the section `limits` of its configuration.
    pub(super) fn start(self, limits: &str) -> Besieged {
        match self {
            Self::Role(role) => serve(role, limits, "", Vec::new()),
            Self::Edge => edge(limits),
            Self::Robot => robot(),
        }
    }
}

/// A server with further tables of settings.
fn serve(role: &str, limits: &str, tables: &str, mut beside: Vec<Box<dyn Any>>) -> Besieged {
    let [tls, ws] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let config = offhook::configuration(&format!(
        "register.nat = \"never\"\n[limits]\ncalls = 10000\ncalls_per_user = 10000\n{limits}{tables}"
    ));
    let settings = ["--config", config.path().to_str().unwrap(), "--role", role, "--tls", &tls, "--ws", &ws];
    let Server { program, address, state } = offhook::serve(&[&USERS[..], &settings].concat());
    beside.push(Box::new((config, state)));
    let ground = Ground { sip: address, process: program.id(), tls, ws };
    Besieged { program, ground, beside }
}

fn edge(limits: &str) -> Besieged {
    let served = offhook::configuration(&format!("domains = [{EDGE:?}]\n"));
    let role = ["--role", "proxy", "--config", served.path().to_str().unwrap()];
    let home = offhook::serve(&[&USERS[..], &role].concat());
    let port = home.address.rsplit(':').next().unwrap();
    let (names, at) = dnsmasq_with(&[format!("--srv-host=_sip._udp.{EDGE},four.example,{port}")]);
    let tables = format!("[dns]\nservers = [{at:?}]\n[roles]\n{EDGE:?} = \"edge\"\n");
    serve("pbx", limits, &tables, vec![Box::new((names, home, served))])
}

fn robot() -> Besieged {
    let (program, address) = offhook::answer(&[]);
    let ground = Ground { sip: address, process: program.id(), tls: String::new(), ws: String::new() };
    Besieged { program, ground, beside: Vec::new() }
}
