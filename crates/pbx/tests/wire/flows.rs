//! Devices that are registered over several flows (RFC 5626), and what each of them is told.

use pbx::{Config, Role, Trust};
use sip::message::{HeaderId, Method, Response};

use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, start};

/// Calls and waits for the end of it: the first answer.
fn place(caller: &mut Phone, uri: &str) -> Response {
    let (dialog, challenge) = caller.ask_plain("INVITE", uri, uri, None, &[]);
    let credentials = caller.credentials(challenge.headers(), "INVITE", uri, "");
    let (dialog, first) = caller.again(&dialog, "INVITE", uri, None, &credentials);
    if !first.code().is_final() {
        let last = caller.final_response(&dialog.branch);
        caller.ack(&dialog, last.headers(), true, None);
    }
    first
}

#[test]
fn rfc3325_5_whom_we_trust_is_told_by_each_of_his_flows() {
    for (trusted, told) in [("1003", 1), ("1002", 0)] {
        let (running, address) = start(Config {
            role: Role::Proxy,
            domains: vec!["127.0.0.1".to_owned()],
            trust: Trust { users: [trusted.to_owned()].into(), ..Trust::default() },
            ..config()
        });
        let mut caller = phone(address, "1001");
        // RFC 3325 section 7: others are not told.
        caller.extra = "Privacy: id\r\n".to_owned();
        let mut flows = [1, 2].map(|number| {
            let mut flow = phone(address, "1003");
            flow.preference = format!(";+sip.instance=\"<urn:uuid:0>\";reg-id={number}");
            flow.agent = "Supported: path, outbound\r\n".to_owned();
            assert_eq!(flow.register(120).code().get(), 200);
            flow
        });
        let uri = format!("sip:1003@127.0.0.1:{}", address.port());
        let mut asserted = Vec::new();
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| place(&mut caller, &uri));
            while !calling.is_finished() {
                for flow in &mut flows {
                    flow.catch_up();
                    let Some(invite) = flow.next_heard(&Method::Invite) else { continue };
                    // RFC 5626 section 11: the first leads nowhere.
                    flow.respond(&invite, if asserted.is_empty() { 430 } else { 486 }, None);
                    flow.request(Method::Ack);
                    asserted.push(invite.headers().all(HeaderId::PAssertedIdentity).count());
                }
            }
        });
        assert_eq!(asserted, [told; 2]);
        nothing_left(&running);
    }
}
