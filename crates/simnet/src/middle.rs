//! The proxy of the network: [`proxy::Proxy`] behind a stack; phones are reached through it by their names.

use proxy::passing::way_of;
use proxy::{Halt, Job, Own, Proxy, ProxyConfig, Target};
use sip::message::StatusCode;
use sip::{Application, Event, Hop, Reply, Turn};

use crate::book::Shared;
use crate::chance::Chance;

/// A proxy that knows where everybody is.
pub struct Middle {
    proxy: Proxy,
    book: Shared,
}

impl Middle {
    /// Responsible for the domains `NAME.sim` of these phones.
    pub fn new(mut chance: Chance, phones: &[&str], book: Shared) -> Self {
        let mut secret = [0; 16];
        secret.copy_from_slice(&chance.octets()[..16]);
        let domains = phones.iter().map(|name| format!("{name}.sim"));
        Self { proxy: Proxy::new(ProxyConfig::default(), Own::new(domains), secret), book }
    }

    fn passed(&mut self, event: Event, turn: &mut Turn<'_>) {
        let Event::Request { tx, request, origin } = event else { return };
        let reply = match self.proxy.arrived(&request, &origin, turn.now()) {
            Err(Halt::Refused(reply)) => Some(*reply),
            Err(Halt::Asked) => Some(Reply::new(StatusCode::OK)),
            Ok(arrival) => {
                let user = arrival.uri.as_uri().user_unescaped().unwrap_or_default().into_owned();
                // The Request-URI stays: callers have signed for it.
                let home = format!("sip:at-{user}.sim").parse().ok();
                let at_home = |home| Target { hop: Hop::Uri(home), ..Target::new(arrival.uri.clone()) };
                let targets = match arrival.ours {
                    true => home.map(at_home).into_iter().collect(),
                    false => vec![way_of(&arrival)],
                };
                let job =
                    Job { tx, request, origin, arrival, trusted: false, edge: false, vouched: proxy::Vouched::Nobody };
                self.proxy.pass(job, targets, turn)
            }
        };
        if let Some(reply) = reply {
            drop(turn.respond(tx, reply));
        }
    }
}

impl Application for Middle {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { .. } => self.passed(event, turn),
            Event::Response { tx, response, .. } => self.proxy.response(tx, response, turn),
            Event::RequestFailed { tx, why } => self.proxy.failed(tx, &why, turn),
            Event::Cancelled { tx } => assert!(self.proxy.cancelled(tx, turn), "every INVITE is passed on at once"),
            Event::Ack { request, origin } => self.proxy.ack(&request, &origin, turn),
            Event::Alarm { token, .. } => self.proxy.alarm(token, turn),
            _ => {}
        }
        self.book.borrow_mut().passing = self.proxy.len();
    }
}
