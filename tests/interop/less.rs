//! Overload control with the next hop (RFC 7339): SIPp asks a proxy of ours for less, and is asked for less by a server of ours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ua::{CallError, Endpoint};

use super::overload::{Counts, serve};
use super::sipp;
use crate::acceptance::wire::{Ask, Wire, code, field};
use crate::program::offhook::Server;
use crate::program::{PATIENCE, Program, alone, free_port};

const CONTROLLED: &str = "sip.overload_control = true\n";
/// What who hears writes into his Via.
const ASKS: &str = ";oc;oc-algo=\"loss\"";

/// A proxy that passes on what anybody sends, and where its metrics are. SIPp knows no digest but MD5.
fn proxy(settings: &str) -> (Server, String) {
    serve(&format!("digest = [\"md5\"]\nrole = \"proxy\"\nproxy.authenticate = \"off\"\n{settings}"))
}

/// Registers 1002 from a port, waits there for so many texts, and asks for so much less in each answer. The scenario stays as long as it runs.
fn phone(server: &Server, loss: u32, texts: u32) -> (Program, tempfile::TempPath) {
    let port = free_port();
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    let (ended, output) = sipp::start_at(port, "uas_registers.xml", &server.address, &credentials).finish();
    assert_eq!(ended, 0, "{output}");
    let scenario = sipp::with("uas_overloaded.xml", "LOSS", &loss.to_string());
    let phone = sipp::start_at(port, scenario.to_str().unwrap(), &server.address, &["-m", &texts.to_string()]);
    sipp::await_port(port);
    (phone, scenario)
}

/// A text to 1002.
fn text(wire: &mut Wire, server: &Server) -> Ask {
    let mut message = wire.ask("MESSAGE");
    message.uri = format!("sip:1002@{}", server.address);
    message.to = format!("<{}>", message.uri);
    message
}

#[test]
fn rfc7339_5_5_sipp_that_asks_for_less_gets_less() {
    let (server, http) = proxy(CONTROLLED);
    let left_out = || Counts::of(&http).sum("offhook_sip_left_out_total", "");
    let mut wire = Wire::to(&server.address);
    // The control: who asks for nothing less gets all.
    let (calm, _scenario) = phone(&server, 0, 2);
    for _ in 0..2 {
        let message = text(&mut wire, &server);
        assert_eq!(wire.code_of(&message), 200);
    }
    let (ended, output) = calm.finish();
    assert_eq!((ended, left_out()), (0, 0), "{output}");
    let (server, http) = proxy(CONTROLLED);
    let left_out = || Counts::of(&http).sum("offhook_sip_left_out_total", "");
    let mut wire = Wire::to(&server.address);
    let (mut overloaded, _scenario) = phone(&server, 100, 2);
    let message = text(&mut wire, &server);
    assert_eq!(wire.code_of(&message), 200);
    let message = text(&mut wire, &server);
    let refusal = wire.final_of(&message);
    assert_eq!((code(&refusal), field(&refusal, "Retry-After"), left_out()), (503, None, 1), "{refusal}");
    overloaded.kill();
}

#[test]
fn scenario_that_wants_to_be_heard_fails_where_overload_control_is_off() {
    let (server, _) = proxy("");
    let mut wire = Wire::to(&server.address);
    let (phone, _scenario) = phone(&server, 100, 1);
    let message = text(&mut wire, &server);
    wire.send(&message);
    let (ended, output) = phone.finish();
    assert_ne!(ended, 0, "{output}");
}

/// What becomes of the second of two texts that the library sends to SIPp, which asks for so much less in its answer to the first.
async fn second_text(loss: u32) -> Result<ua::Answer, CallError> {
    let scenario = sipp::with("uas_asks_for_less.xml", "LOSS", &loss.to_string());
    let (mut sipp, address) = sipp::waits(scenario.to_str().unwrap(), &["-m", "2"]);
    let endpoint = Endpoint::builder().udp("127.0.0.1:0").overload_control().build().await.unwrap();
    let to = format!("sip:sipp@{address}");
    assert_eq!(endpoint.message(&to, "first").await.unwrap().code, 200);
    let second = endpoint.message(&to, "second").await;
    sipp.kill();
    second
}

#[test]
fn rfc7339_5_5_the_library_leaves_out_what_sipp_asks_it_to() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let second = |loss| runtime.block_on(async { tokio::time::timeout(PATIENCE, second_text(loss)).await }).unwrap();
    assert_eq!(second(0).unwrap().code, 200);
    assert!(matches!(second(100), Err(CallError::Unreachable { why, .. }) if why.contains("less")));
}

/// Whether SIPp, which writes this into its Via, is told these words.
fn is_told(server: &Server, asks: &str, words: &str) -> bool {
    let scenario = sipp::with("uac_overload.xml", "ASKS", asks);
    let text = std::fs::read_to_string(&scenario).unwrap();
    std::fs::write(&scenario, text.replace("WORDS", words)).unwrap();
    sipp::run(scenario.to_str().unwrap(), &server.address, &["-m", "1"]).0 == 0
}

#[test]
fn rfc7339_5_2_sipp_is_told_how_much_less_a_server_wants_that_has_no_room() {
    let _alone = alone();
    let calm = ";oc=0;oc-algo=.loss.;oc-validity=0;oc-seq=[0-9]+[.][0-9]{5}";
    let busy = ";oc=[1-9][0-9]?;oc-algo=.loss.;oc-validity=1000;oc-seq=[0-9]+[.][0-9]{5}";
    // The control: without overload control nobody is told anything, and the Via comes as it went.
    let rest = "(;received=[0-9.]+)?[[:space:]]*$";
    assert!(is_told(&serve("").0, ASKS, &format!(";oc;oc-algo=.loss.{rest}")));
    let (server, _) = serve(CONTROLLED);
    assert!(is_told(&server, ASKS, calm));
    // Nor who does not ask.
    assert!(is_told(&server, "", &format!(";branch=z9hG4bKo[0-9]+x[0-9]+{rest}")));

    // Answers repeat every Via, and stay for timer J: see the flood of `overload`.
    let wire = Wire::to(&server.address);
    let via = format!("Via: SIP/2.0/UDP far.example;branch=z9hG4bK{}", ";x=y".repeat(1_900));
    let asked = |number: u32, asks: &str| {
        let mut ask = wire.ask_numbered("OPTIONS", number);
        ask.more = vec![via.clone(); 7];
        wire.send_text(&wire.text(&ask).replacen(";rport", &format!(";rport{asks}"), 1));
        wire.answer_within(&ask, PATIENCE).unwrap()
    };
    let end = Instant::now() + PATIENCE;
    let mut numbers = 0..;
    // As much less as there is.
    let refusal = loop {
        let number = numbers.next().unwrap();
        assert!(Instant::now() < end, "{number} requests found room, or the server is content with it");
        let answer = asked(number, ASKS);
        if answer.contains(";oc=90;oc-algo=\"loss\"") {
            break answer;
        }
    };
    assert_eq!((code(&refusal), field(&refusal, "Retry-After")), (503, None));
    // It goes on until SIPp is told: left alone, the server asks for nothing any more after some seconds. What SIPp sends is small, and finds room yet. Nobody does it who
    // says that he hears: he would be refused before others are, and SIPp with him, which has the same address.
    let (begun, is_over) = (Instant::now(), AtomicBool::new(false));
    let is_busy = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) && begun.elapsed() < PATIENCE {
                // Who does not ask is told nothing of it.
                let answer = asked(numbers.next().unwrap(), "");
                assert!(!answer.contains(";oc"), "{answer}");
            }
        });
        let is_busy = is_told(&server, ASKS, busy);
        is_over.store(true, Ordering::Relaxed);
        is_busy
    });
    assert!(is_busy);
}
