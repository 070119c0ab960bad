//! `cargo xtask peers`: the programs from outside that tests, fuzzing and benches need: Debian packages, and what [`node_modules`] brings.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::workspace::Workspace;
use crate::{node_modules, process};

/// One program and the package that brings it.
pub(crate) struct Peer {
    /// Debian package.
    package: &'static str,
    /// A program of it, or a file of it with its path, by which we see that it is there.
    program: &'static str,
    /// What we use it for.
    purpose: &'static str,
    /// Needed only by a task that says so, not by the tests.
    extra: bool,
}

const fn needed(package: &'static str, program: &'static str, purpose: &'static str) -> Peer {
    Peer { package, program, purpose, extra: false }
}

const fn extra(package: &'static str, program: &'static str, purpose: &'static str) -> Peer {
    Peer { package, program, purpose, extra: true }
}

/// Every foreign program there is a use for.
pub(crate) const PEERS: &[Peer] = &[
    needed("sip-tester", "sipp", "scripted caller and callee; the peer of the call benchmarks"),
    needed("baresip-core", "baresip", "a phone nobody here wrote"),
    needed("kamailio", "kamailio", "registrar and proxy"),
    needed("kamailio-tls-modules", "/usr/lib/x86_64-linux-gnu/kamailio/modules/tls.so", "Kamailio over TLS"),
    needed(
        "kamailio-websocket-modules",
        "/usr/lib/x86_64-linux-gnu/kamailio/modules/websocket.so",
        "Kamailio over WebSocket",
    ),
    needed("coturn", "turnutils_stunclient", "a client and a server of STUN"),
    needed("haproxy", "haproxy", "a load balancer that speaks the PROXY protocol"),
    needed("lighttpd", "lighttpd", "a server of the web that asks who comes"),
    needed("lighttpd-mod-openssl", "/usr/lib/lighttpd/mod_openssl.so", "the same over TLS"),
    needed(
        "kamailio-presence-modules",
        "/usr/lib/x86_64-linux-gnu/kamailio/modules/presence.so",
        "Kamailio as presence server",
    ),
    needed(
        "kamailio-sqlite-modules",
        "/usr/lib/x86_64-linux-gnu/kamailio/modules/db_sqlite.so",
        "Kamailio with SQLite, the peer of the registrar benchmark",
    ),
    needed("sqlite3", "sqlite3", "another program that reads and writes our databases"),
    needed("tcpdump", "tcpdump", "reads captures"),
    needed("tshark", "tshark", "reads captures, message by message"),
    needed("openssl", "openssl", "a client and a server of TLS"),
    needed("rtpengine-daemon", "rtpengine", "the peer of the relay benchmark"),
    needed("sipsak", "sipsak", "OPTIONS and REGISTER from the command line"),
    needed("dnsmasq-base", "dnsmasq", "a name server"),
    needed("iproute2", "ip", "network namespaces"),
    needed("iptables", "iptables", "cutting one direction of a call"),
    needed("strace", "strace", "seeing what is flushed before an answer"),
    needed("valgrind", "valgrind", "instructions per message"),
    needed("nodejs", "node", "runs JsSIP, a phone for browsers"),
    needed("npm", "npm", "brings JsSIP"),
    needed("chromium-headless-shell", "chromium-headless-shell", "the browser that JsSIP is made for"),
    needed("python3", "python3", "drivers of the foreign phones"),
    needed("g++", "g++", "libFuzzer"),
    extra("debootstrap", "debootstrap", "the bare root of `cargo xtask fresh`"),
];

/// Programs of packages that Debian would start as daemons at the next boot.
const DAEMONS: &[&str] = &["coturn", "haproxy", "kamailio", "lighttpd", "rtpengine-daemon"];

const POLICY: &str = "/usr/sbin/policy-rc.d";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["status"] => {
            print_status();
            let missing: Vec<&str> = missing(false).iter().map(|peer| peer.package).collect();
            if missing.is_empty() {
                node_modules::status(workspace)
            } else {
                Err(Failure::Missing(how_to_install(&missing)))
            }
        }
        ["install"] => {
            install(&missing(false))?;
            node_modules::install(workspace)?;
            print_status();
            Ok(())
        }
        _ => Err(Failure::Usage("peers takes `status` or `install`".into())),
    }
}

fn print_status() {
    for peer in PEERS {
        let version = match is_there(peer.program) {
            true => version(peer.package).unwrap_or_else(|| "there, not from a package".into()),
            false => "missing".into(),
        };
        println!("{:<18}{:<28}{}", peer.package, version, peer.purpose);
    }
}

/// The installed version of a Debian package.
fn version(package: &str) -> Option<String> {
    process::which("dpkg-query")?;
    let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn is_there(program: &str) -> bool {
    process::which(program).is_some() || (program.starts_with('/') && Path::new(program).is_file())
}

/// Peers whose program is not there; with `extras` also those that only single tasks need.
pub(crate) fn missing(extras: bool) -> Vec<&'static Peer> {
    PEERS.iter().filter(|peer| (extras || !peer.extra) && !is_there(peer.program)).collect()
}

fn how_to_install(packages: &[&str]) -> String {
    format!(
        "missing: {}\n  mend: sudo apt-get install --no-install-recommends {}",
        packages.join(" "),
        packages.join(" ")
    )
}

/// Installs what is missing, as root or through sudo without a question; no daemon is started by it.
pub(crate) fn install(peers: &[&Peer]) -> Result<(), Failure> {
    if peers.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = peers.iter().map(|peer| peer.package).collect();
    if process::which("apt-get").is_none() {
        return Err(Failure::Missing(format!("{} (there is no apt-get here)", how_to_install(&packages))));
    }
    let root = process::is_root();
    let sudo =
        !root && process::which("sudo").is_some() && process::succeeds(Command::new("sudo").args(["-n", "true"]));
    if !root && !sudo {
        return Err(Failure::Missing(format!(
            "neither root nor sudo without a password; {}",
            how_to_install(&packages)
        )));
    }
    println!("installing {}", packages.join(" "));
    let as_root = |program: &str| {
        if root {
            Command::new(program)
        } else {
            let mut command = Command::new("sudo");
            command.arg("-n").arg(program);
            command
        }
    };
    let policy_is_ours = !Path::new(POLICY).exists();
    if policy_is_ours {
        process::run(
            as_root("sh").args(["-c", &format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}")]),
        )?;
    }
    let outcome = process::run(as_root("apt-get").args(["update", "-q"])).and_then(|()| {
        let mut apt = as_root("env");
        apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q", "--no-install-recommends"])
            .args(&packages);
        process::run(&mut apt)
    });
    for daemon in DAEMONS.iter().filter(|daemon| packages.contains(daemon)) {
        // Not at the next boot either; where there is no systemd there is nothing to switch off.
        process::succeeds(as_root("systemctl").args(["disable", daemon]));
    }
    if policy_is_ours {
        process::run(as_root("rm").args(["-f", POLICY]))?;
    }
    outcome?;
    let still: Vec<&str> = peers.iter().filter(|peer| !is_there(peer.program)).map(|peer| peer.package).collect();
    if still.is_empty() { Ok(()) } else { Err(Failure::Missing(how_to_install(&still))) }
}

/// Installs one peer that only a single task needs, named by its program.
pub(crate) fn install_extra(program: &str) -> Result<(), Failure> {
    let wanted: Vec<&Peer> = missing(true).into_iter().filter(|peer| peer.program == program).collect();
    install(&wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_programs_are_named_once() {
        for (index, peer) in PEERS.iter().enumerate() {
            let again = PEERS
                .iter()
                .skip(index + 1)
                .any(|other| other.package == peer.package || other.program == peer.program);
            assert!(!again, "{} is listed twice", peer.package);
        }
        assert!(DAEMONS.iter().all(|daemon| PEERS.iter().any(|peer| peer.package == *daemon)));
    }

    #[test]
    fn what_is_missing_comes_with_the_command_that_mends_it() {
        assert!(how_to_install(&["sipsak"]).contains("apt-get install --no-install-recommends sipsak"));
    }
}
