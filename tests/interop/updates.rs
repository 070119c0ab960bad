//! UPDATEs of the library's calls (RFC 3311) with SIPp on the other side, which sends its own besides.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use ua::{CallError, Direction, Endpoint};

use super::sipp;
use crate::program::{PATIENCE, Program};

/// A port where SIPp wants to hear.
struct Ear(UdpSocket);

impl Ear {
    fn port(&self) -> String {
        self.0.local_addr().unwrap().port().to_string()
    }

    /// Whether a packet comes within that time.
    fn packet(&self, wait: Duration) -> bool {
        self.0.set_read_timeout(Some(wait)).unwrap();
        self.0.recv(&mut [0; 2_048]).is_ok()
    }

    /// What came before counts no more, and then one comes.
    fn hears(&self) {
        let end = Instant::now() + Duration::from_millis(100);
        while Instant::now() < end {
            self.packet(Duration::from_millis(1));
        }
        assert!(self.packet(PATIENCE), "nothing is heard");
    }
}

/// An endpoint, and the places where SIPp hears it.
struct Bench {
    runtime: Runtime,
    endpoint: Endpoint,
    ears: [Ear; 3],
    /// One for each UPDATE of the other side that is answered with 200.
    answered: UnboundedReceiver<()>,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (tell, answered) = unbounded_channel();
        let builder = Endpoint::builder().udp("127.0.0.1:0").media_ports(20_000..=29_999).tap(move |seen| {
            let text = String::from_utf8_lossy(seen.bytes);
            let ours = matches!(seen.direction, Direction::Out(_));
            if ours && text.starts_with("SIP/2.0 200 ") && text.contains(" UPDATE\r\n") {
                let _ = tell.send(());
            }
        });
        let endpoint = runtime.block_on(builder.build()).unwrap();
        let ears = [(); 3].map(|()| Ear(UdpSocket::bind("127.0.0.1:0").unwrap()));
        Self { runtime, endpoint, ears, answered }
    }

    /// Runs a future to its end.
    fn run<T>(&self, ours: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, ours).await }).expect("it ends")
    }

    /// SIPp has changed the call, and hears us where it wants to.
    fn is_moved_to(&mut self, ear: usize) {
        let answered = &mut self.answered;
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, answered.recv()).await }).expect("an UPDATE");
        self.ears[ear].hears();
    }

    /// What SIPp is to be told.
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let ports = ["first", "second", "third"].into_iter().zip(&self.ears);
        let ports = ports.flat_map(|(name, ear)| ["-key".to_owned(), name.to_owned(), ear.port()]);
        ["-m", "1"].iter().chain(more).map(|&one| one.to_owned()).chain(ports).collect()
    }

    /// SIPp, called by us.
    fn callee(&self, scenario: &str, more: &[&str]) -> (Program, String) {
        let arguments = self.arguments(more);
        sipp::waits(scenario, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// SIPp, which calls us.
    fn caller(&self, scenario: &str, more: &[&str]) -> Program {
        let arguments = self.arguments(more);
        let address = self.endpoint.bound()[0].address.to_string();
        sipp::start(scenario, &address, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn rfc3311_5_1_sipp_takes_what_a_caller_offers_again_and_offers_again_itself() {
    let mut bench = Bench::new();
    let (sipp, address) = bench.callee("uas_updates.xml", &[]);
    let mut dialing = bench.run(bench.endpoint.call(format!("sip:sipp@{address}")).start()).unwrap();
    assert!(bench.run(dialing.progress()).unwrap().early_media);
    bench.is_moved_to(1);
    bench.run(dialing.update()).unwrap();
    bench.ears[2].hears();
    let call = bench.run(dialing.answer()).unwrap();
    bench.run(call.update()).unwrap();
    bench.ears[0].hears();
    bench.run(call.hangup());
    let (code, output) = sipp.finish();
    assert_eq!(code, 0, "{output}");
}

#[test]
fn rfc3311_5_1_sipp_takes_what_a_callee_offers_again_and_offers_again_itself() {
    let mut bench = Bench::new();
    let sipp = bench.caller("uac_updates.xml", &[]);
    let incoming = bench.run(bench.endpoint.incoming()).unwrap();
    bench.run(incoming.progress_with_media()).unwrap();
    bench.is_moved_to(1);
    bench.run(incoming.update()).unwrap();
    bench.ears[2].hears();
    let call = bench.run(incoming.answer()).unwrap();
    bench.is_moved_to(0);
    bench.run(call.update()).unwrap();
    bench.ears[1].hears();
    bench.run(call.hangup());
    let (code, output) = sipp.finish();
    assert_eq!(code, 0, "{output}");
}

/// The control: a SIPp whose Allow lacks UPDATE is sent none, and waits in vain.
#[test]
fn rfc3311_4_sipp_that_does_not_allow_update_waits_for_one_in_vain() {
    let mute = |scenario| sipp::with(scenario, ", UPDATE", "");
    let patience = ["-recv_timeout", "3000"];
    let mut bench = Bench::new();
    let scenario = mute("uas_updates.xml");
    let (sipp, address) = bench.callee(scenario.to_str().unwrap(), &patience);
    let mut dialing = bench.run(bench.endpoint.call(format!("sip:sipp@{address}")).start()).unwrap();
    bench.run(dialing.progress()).unwrap();
    bench.is_moved_to(1);
    assert!(matches!(bench.run(dialing.update()), Err(CallError::NotNow { .. })));
    let (code, output) = sipp.finish();
    assert_ne!(code, 0, "{output}");
    let scenario = mute("uac_updates.xml");
    let sipp = bench.caller(scenario.to_str().unwrap(), &patience);
    let incoming = bench.run(bench.endpoint.incoming()).unwrap();
    bench.run(incoming.progress_with_media()).unwrap();
    bench.is_moved_to(1);
    assert!(matches!(bench.run(incoming.update()), Err(CallError::NotNow { .. })));
    let (code, output) = sipp.finish();
    assert_ne!(code, 0, "{output}");
}
