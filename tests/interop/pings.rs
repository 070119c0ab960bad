//! Keep-alives on streams (RFC 5626 section 4.4.1): two line ends from who registers, one from the server, between our phone and Kamailio, and between baresip and us.
//! A relay in between counts them, or keeps the answers to itself.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::baresip::Baresip;
use super::flows::URN;
use super::kamailio::Kamailio;
use crate::program::PATIENCE;
use crate::program::offhook::{self, USERS};

/// What has passed a relay.
#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    pings: AtomicUsize,
    pongs: AtomicUsize,
}

impl Counts {
    /// Connections, pings and pongs by now.
    fn all(&self) -> [usize; 3] {
        [&self.connections, &self.pings, &self.pongs].map(|one| one.load(Ordering::SeqCst))
    }

    /// Waits until so many pings have been answered.
    fn await_pongs(&self, number: usize) {
        let end = Instant::now() + PATIENCE;
        while self.all()[2] < number {
            assert!(Instant::now() < end, "{:?}", self.all());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Takes connections and makes one to a server for each. Pongs of the server are passed on, or are not. Where it is, and what has passed.
fn relay(server: &str, passes_pongs: bool) -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, counts, server) =
        (listener.local_addr().unwrap().to_string(), Arc::<Counts>::default(), server.to_owned());
    let counted = Arc::clone(&counts);
    // These end with the process, or with their connections: nobody waits for them.
    std::thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            counted.connections.fetch_add(1, Ordering::SeqCst);
            let far = TcpStream::connect(&server).unwrap();
            let (back, forth) = ((far.try_clone().unwrap(), near.try_clone().unwrap()), (near, far));
            let (pings, pongs) = (Arc::clone(&counted), Arc::clone(&counted));
            std::thread::spawn(move || {
                carry(forth, |octets| {
                    pings.pings.fetch_add(usize::from(octets == b"\r\n\r\n"), Ordering::SeqCst);
                    true
                });
            });
            std::thread::spawn(move || {
                carry(back, |octets| {
                    let is_pong = octets == b"\r\n";
                    pongs.pongs.fetch_add(usize::from(is_pong), Ordering::SeqCst);
                    passes_pongs || !is_pong
                });
            });
        }
    });
    (address, counts)
}

/// Carries from one stream to the other what is let pass, until one of them ends.
fn carry((mut from, mut to): (TcpStream, TcpStream), lets_pass: impl Fn(&[u8]) -> bool) {
    let mut octets = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut octets) {
        let read = &octets[..length];
        if lets_pass(read) && to.write_all(read).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // The other direction may have done so.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[test]
fn rfc5626_4_4_1_kamailio_answers_the_pings_of_our_phone_and_a_flow_without_answers_has_failed() {
    let kamailio = Kamailio::start_with_flows();
    let (heard, deaf) = (relay(&kamailio.address, true), relay(&kamailio.address, false));
    let mut phones = [("1001", &heard.0), ("1002", &deaf.0)].map(|(user, by)| {
        let (account, password) = (format!("sip:{user}@{}", kamailio.address), format!("secret{user}"));
        let (outbound, proxy) = (format!("--outbound={URN}"), format!("--proxy=sip:{by};transport=tcp;lr"));
        let identity = ["--account", &account, "--password", &password, &outbound, &proxy, "--sip", "127.0.0.1:0"];
        let mut phone = offhook::start(&[&["register"], &identity[..]].concat());
        phone.wait_for("registered sip:");
        phone
    });
    // The control: whose pongs are kept from it takes its flow for failed, after ten seconds.
    phones[1].wait_for("not registered: ");
    assert!(deaf.1.all()[2] >= 1, "{:?}", deaf.1.all());
    heard.1.await_pongs(3);
    let [connections, pings, pongs] = heard.1.all();
    assert!(connections == 1 && pings >= pongs, "{:?}", heard.1.all());
    assert!(!phones[0].output().contains("not registered"), "{}", phones[0].output());
}

#[test]
fn rfc5626_5_4_pings_of_baresip_are_answered_by_us_and_a_flow_without_answers_has_failed() {
    let file = offhook::configuration("[register]\nflow_timer_secs = 2\n");
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let (heard, deaf) = (relay(&server.address, true), relay(&server.address, false));
    let mut phones = [("1001", "secret1", &heard.0), ("1002", "secret2", &deaf.0)].map(|(user, password, by)| {
        let account = format!(
            "<sip:{user}@{};transport=tcp>;auth_user={user};auth_pass={password};regint=300;sipnat=outbound;outbound=\"sip:{by};transport=tcp\"",
            server.address
        );
        let mut phone = Baresip::start(&account, 440);
        phone.wait_for_line("200 OK (Offhook");
        phone
    });
    // However often it is told to, baresip pings every 16 to 20 seconds.
    deaf.1.await_pongs(1);
    // The control: whose pongs are kept from it says after ten seconds that nobody is there.
    phones[1].wait_for_line("Connection timed out");
    heard.1.await_pongs(2);
    let [connections, pings, pongs] = heard.1.all();
    assert!(connections == 1 && pings >= pongs, "{:?}", heard.1.all());
    assert!(!phones[0].has_printed("Connection timed out"));
    phones.into_iter().for_each(Baresip::stop);
}
