//! Registrations over a flow (RFC 5626 section 6).

use sip::header::Via;
use sip::message::{HeaderId, Headers, Lines, StatusCode, Uri};

use super::answer::Refusal;
use super::reading::{Contacts, supports};
use crate::instance;

/// What is said of outbound in the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outbound {
    /// The bindings asked for are flows.
    pub(super) applies: bool,
    /// The device wants to know.
    told: bool,
}

impl Outbound {
    /// Whether the Contacts of a REGISTER are flows. Where they cannot be, since its first hop does not keep flows, it is refused, or the numbers are passed over.
    pub(super) fn of(headers: &Headers, path: &str, asked: &mut Contacts<'_>) -> Result<Outbound, Refusal> {
        let is_flow = |params: &str| instance::flow(params).is_some();
        if !asked.wishes.iter().any(|wish| is_flow(&wish.params)) {
            return Ok(Outbound::default());
        }
        let told = supports(headers, "outbound");
        let direct = headers.list::<Via<'_>>().nth(1).is_none();
        if !direct && !keeps_flows(path) {
            if told {
                return Err(Refusal::Status(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT));
            }
            for wish in &mut asked.wishes {
                wish.params = instance::without_number(&wish.params);
            }
            return Ok(Outbound::default());
        }
        let mut bound = asked.wishes.iter().filter(|wish| wish.seconds > 0);
        match bound.clone().count() > 1 && bound.any(|wish| is_flow(&wish.params)) {
            true => Err(Refusal::Reason("One Flow In Each REGISTER")),
            false => Ok(Outbound { applies: true, told }),
        }
    }

    /// Says that it was done; to who has nobody between himself and us, how long we wait for his keep-alives.
    pub(super) fn show(self, flow_timer: Option<u32>, direct: bool, lines: &mut Lines) {
        if !self.applies || !self.told {
            return;
        }
        lines.push_id(HeaderId::Require, "outbound");
        if let Some(seconds) = flow_timer.filter(|_| direct) {
            lines.push_id(HeaderId::FlowTimer, seconds);
        }
    }
}

/// Whether the proxy next to the device does outbound. Each proxy puts its value before those that are there (RFC 3327 section 5.2), so its is the last.
fn keeps_flows(path: &str) -> bool {
    let last = path.rsplit('\n').next().unwrap_or_default();
    Uri::parse(sip::route::uri_of(last)).is_ok_and(|uri| uri.params().has("ob"))
}
