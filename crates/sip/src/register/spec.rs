//! What is registered, and when again.

use std::time::Duration;

use crate::digest::Credentials;
use crate::draft::{ContactSpec, Hop};
use crate::message::{Lines, UriBuf};
use crate::stack::StackError;
use crate::transaction::print;

/// Who a user agent is, whatever its address: what is asked for in its name (RFC 5626 section 4, RFC 5627 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// The URN, the same for as long as the device lives: `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6` (RFC 5626 section 4.1).
    pub urn: String,
    /// The number of the flow among those of the instance, the same after every start (section 4.2.1). Without it the registration is an ordinary one.
    pub reg_id: Option<u32>,
    /// Ask for addresses that lead to this very instance (RFC 5627 section 4.2).
    pub gruu: bool,
}

impl Instance {
    /// The parameters of the Contact of its REGISTERs, unless outbound is not asked for.
    pub(super) fn params(&self, outbound: bool) -> String {
        let mut params = format!(";+sip.instance=\"<{}>\"", self.urn);
        if let Some(number) = self.reg_id.filter(|_| outbound) {
            params.push_str(&format!(";reg-id={number}"));
        }
        params
    }

    /// A URN that can stand between angle brackets in a quoted string, and a number that section 10 allows.
    fn is_good(&self) -> bool {
        let good = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\' | b'<' | b'>');
        let is_urn = self.urn.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:")) && self.urn.len() > 4;
        let number = self.reg_id.is_none_or(|number| (1..1 << 31).contains(&number));
        is_urn && self.urn.bytes().all(good) && number
    }
}

/// A registration to be made. Plain data; start from [`RegisterSpec::new`].
#[derive(Clone, Debug)]
pub struct RegisterSpec {
    /// The Request-URI: the registrar's domain, without user (RFC 3261 section 10.2).
    pub registrar: UriBuf,
    /// The address of record, for From and To.
    pub aor: UriBuf,
    /// The display name in both.
    pub display: Option<String>,
    /// What is bound. By default our own address with the user part of the address of record.
    pub contact: ContactSpec,
    /// Seconds to ask for.
    pub expires: u32,
    /// The longest a 423 may make us ask for, in seconds.
    pub max_expires: u32,
    /// The Call-ID; random when `None`. One for all registrations until the next start (RFC 3261 section 10.2).
    pub call_id: Option<String>,
    /// Route values in order.
    pub routes: Vec<String>,
    /// Where it goes.
    pub hop: Hop,
    /// Further lines. Without a Supported among them the stack says what it takes: `path`, and `outbound` and `gruu` where they are asked for.
    pub lines: Lines,
    /// Who we are, whatever our address: with the number of a flow, outbound is asked for (RFC 5626).
    pub instance: Option<Instance>,
    /// Register anew under the address that the registrar sees us at (RFC 3581), where that is not ours: for who is behind an address translator, over UDP, and
    /// outbound is not in use. It concerns a Contact that the stack makes.
    pub follow_address: bool,
    /// For 401 and 407.
    pub credentials: Credentials,
    /// When the binding is refreshed.
    pub refresh: Refresh,
    /// When a failed attempt is repeated.
    pub retry: Retry,
    /// Follow a 3xx, once.
    pub follow_redirect: bool,
    /// Repeat also after 401, 403 and 407, as `register_retry_403` of Asterisk does.
    pub retry_forbidden: bool,
    /// Registrations with the same number are flows of one user agent instance (RFC 5626): one that fails while another stands waits longer.
    pub flow_of: Option<u64>,
    /// Ask the registrar so often whether it is still there (OPTIONS), while the binding stands, and register anew when nobody answers, or when over UDP
    /// we are seen at another address than before (RFC 3581). It also keeps the way through routers open that forget who is silent; 25 s does for most. Not by default.
    pub keep_alive: Option<Duration>,
}

impl RegisterSpec {
    /// Asks for 3600 s, follows a redirect, repeats by RFC 5626 section 4.5.
    pub fn new(registrar: UriBuf, aor: UriBuf) -> Self {
        let user = aor.as_uri().user().map(str::to_owned);
        RegisterSpec {
            registrar,
            aor,
            display: None,
            contact: ContactSpec::Auto { user, params: String::new() },
            expires: 3_600,
            max_expires: 86_400,
            call_id: None,
            routes: Vec::new(),
            hop: Hop::Auto,
            lines: Lines::new(),
            instance: None,
            follow_address: false,
            credentials: Credentials::new(),
            refresh: Refresh::default(),
            retry: Retry::default(),
            follow_redirect: true,
            retry_forbidden: false,
            flow_of: None,
            keep_alive: None,
        }
    }

    /// What it must not say (RFC 3261 sections 10.2 and 10.2.2).
    pub(super) fn check(&self) -> Result<(), StackError> {
        let registrar = self.registrar.as_uri();
        match &self.contact {
            _ if !self.display.as_deref().is_none_or(print::clean) => Err(StackError::Text { what: "display name" }),
            _ if !registrar.is_sip() || registrar.user().is_some() => {
                Err(StackError::Forbidden("a registrar is a domain, without a user (RFC 3261 10.2)"))
            }
            _ if !self.aor.as_uri().is_sip() => {
                Err(StackError::Forbidden("an address of record is a sip or sips URI (RFC 3261 10.2)"))
            }
            _ if !self.instance.as_ref().is_none_or(Instance::is_good) => Err(StackError::Forbidden(
                "an instance has a URN, and a flow a number from 1 to 2**31-1 (RFC 5626 4.1, 10)",
            )),
            ContactSpec::Given(value) if value.trim() == "*" => {
                Err(StackError::Forbidden("a Contact of * takes bindings back and makes none (RFC 3261 10.2.2)"))
            }
            _ => Ok(()),
        }
    }

    /// The option tags for Supported: Path is understood (RFC 3327 section 5.1), and what is asked for.
    pub(super) fn supported(&self, outbound: bool) -> &'static str {
        match (outbound, self.instance.as_ref().is_some_and(|instance| instance.gruu)) {
            (false, false) => "path",
            (false, true) => "path, gruu",
            (true, false) => "path, outbound",
            (true, true) => "path, outbound, gruu",
        }
    }

    /// When a binding is refreshed that would be `after` so long: where the instance has asked for addresses, which end with it, early enough for a transaction of the
    /// `longest` time, or at half of what it holds (RFC 5627 section 4.2).
    pub(super) fn in_time(&self, after: Duration, expires: Duration, longest: Duration) -> Duration {
        if !self.instance.as_ref().is_some_and(|instance| instance.gruu) {
            return after;
        }
        after.min(expires.saturating_sub(longest).max(expires / 2)).max(Duration::from_secs(1))
    }

    /// The display name quoted, with the blank behind it; empty without one.
    pub(super) fn display_text(&self) -> String {
        match &self.display {
            None => String::new(),
            Some(name) => format!("\"{}\" ", crate::digest::quoted(name)),
        }
    }
}

/// Which bindings are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Ours.
    Ours,
    /// Every binding of the address of record (`Contact: *`).
    All,
}

/// When a binding is refreshed, by how long it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refresh {
    /// The larger of 5 s and a tenth before its end; at half when it holds 10 s or less.
    #[default]
    Standard,
    /// 15 s before its end; what holds 30 s or less: the larger of a fifth and 500 ms before. As Asterisk does.
    Fifteen,
    /// 600 s before its end; what holds 1200 s or less: at half.
    TenMinutes,
    /// Not by the stack.
    Never,
}

impl Refresh {
    /// How long after the 200 the refresh is sent, never before half of `expires`, and never within a second.
    pub fn after(self, expires: Duration) -> Option<Duration> {
        let seconds = Duration::from_secs;
        let margin = match self {
            Refresh::Never => return None,
            Refresh::Standard => seconds(5).max(expires / 10),
            Refresh::Fifteen if expires <= seconds(30) => Duration::from_millis(500).max(expires / 5),
            Refresh::Fifteen => seconds(15),
            Refresh::TenMinutes if expires <= seconds(1_200) => expires / 2,
            Refresh::TenMinutes => seconds(600),
        };
        Some(expires.saturating_sub(margin).max(expires / 2).max(seconds(1)))
    }
}

/// When a failed attempt is repeated, where the registrar does not say by Retry-After when. What it says counts instead (RFC 3261 section
/// 21.5.4), as no less than a second and no more than a day; only a flow ([`RegisterSpec::flow_of`]) waits its own delay at least (RFC 5626
/// section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Doubling, with a random part (RFC 5626 section 4.5): the n-th failure in a row waits 50 to 100 % of `min(max, base * 2^n)`.
    Doubling {
        /// The base while no flow stands, 30 s.
        all_failed: Duration,
        /// The base while another flow of the same user agent stands, 90 s.
        some_stand: Duration,
        /// The longest, 1800 s.
        max: Duration,
    },
    /// Always the same time.
    Every {
        /// How long.
        wait: Duration,
        /// Give up after so many failures in a row.
        attempts: Option<u32>,
    },
    /// Not by the stack.
    Never,
}

impl Default for Retry {
    fn default() -> Self {
        Retry::doubling(Duration::from_secs(30), Duration::from_secs(1_800))
    }
}

impl Retry {
    /// Doubling from this base, three times as long while another flow stands, up to a longest wait.
    pub fn doubling(base: Duration, max: Duration) -> Self {
        Retry::Doubling { all_failed: base, some_stand: base.saturating_mul(3), max }
    }

    /// The longest wait after so many failures in a row; `None` to give up.
    pub(crate) fn longest(self, failures: u32, others_stand: bool) -> Option<Duration> {
        match self {
            Retry::Doubling { all_failed, some_stand, max } => {
                let base = if others_stand { some_stand } else { all_failed };
                let factor = 2u32.checked_pow(failures).unwrap_or(u32::MAX);
                Some(base.checked_mul(factor).unwrap_or(max).min(max))
            }
            Retry::Every { wait, attempts } => attempts.is_none_or(|most| failures < most).then_some(wait),
            Retry::Never => None,
        }
    }

    /// The wait itself; `random` draws from a range.
    pub(crate) fn wait(self, longest: Duration, random: impl FnOnce(Duration, Duration) -> Duration) -> Duration {
        match self {
            Retry::Doubling { .. } => random(longest / 2, longest),
            _ => longest,
        }
    }
}
