//! What a message tells of a call besides who calls whom: who is asserted to call, what user tells user, why something is refused or ended.

use std::fmt;
use std::time::Duration;

use sip::alert;
use sip::header::{AlertInfo, Diversion, PAssertedIdentity, Reason, UserToUser, Warning};
use sip::message::Headers;

/// Most values of a kind that are told.
const MOST: usize = 8;

/// What a message tells of a call. Of each kind there are eight at most; what cannot be read is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Told {
    /// Who is asserted to call (P-Asserted-Identity, RFC 3325), as URIs: only where the sender is one of those that are trusted
    /// ([`crate::Builder::believe`]).
    pub asserted: Vec<String>,
    /// Who has diverted the call, the last one first (RFC 5806).
    pub diverted: Vec<Diverted>,
    /// What user tells user (RFC 7433).
    pub user_to_user: Vec<UserData>,
    /// How the callee is to be alerted (Alert-Info): URIs, among them `urn:alert:` of RFC 7462.
    pub alert: Vec<String>,
    /// The caller wants the call to be answered after so long without anybody's doing. Obeying it lets whoever may call listen in.
    pub answer_after: Option<Duration>,
    /// Why something was refused or ended (RFC 3326).
    pub causes: Vec<Cause>,
    /// What was wrong (RFC 3261 section 20.43).
    pub warnings: Vec<Warned>,
}

/// Who has diverted a call, and why (RFC 5806 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diverted {
    /// The address that the call was for.
    pub by: String,
    /// `unconditional`, `user-busy`, `no-answer`, ...; `unknown` when nothing is said.
    pub reason: String,
}

/// What user tells user (RFC 7433 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserData {
    /// As written: hexadecimal digits unless `encoding` says otherwise.
    pub data: String,
    /// Which application it is for.
    pub purpose: String,
    /// What it is about.
    pub content: Option<String>,
    /// How it is written.
    pub encoding: String,
}

/// Why a request was sent or a response made (RFC 3326 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// `SIP`, `Q.850` or another.
    pub protocol: String,
    /// A status code of SIP, a cause value of Q.850.
    pub code: Option<u16>,
    /// For people.
    pub text: Option<String>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(code) = self.code {
            write!(f, " {code}")?;
        }
        self.text.as_ref().map_or(Ok(()), |text| write!(f, " {text}"))
    }
}

/// A warning of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warned {
    /// 300 to 399: what it is about.
    pub code: u16,
    /// For people.
    pub text: String,
}

impl fmt::Display for Warned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.code)
    }
}

impl Told {
    /// What a message tells; `believed`: its sender may say who calls.
    pub fn of(headers: &Headers, believed: bool) -> Self {
        let mut told = Self::default();
        if believed {
            let asserted = headers.list::<PAssertedIdentity<'_>>().flatten();
            told.asserted = asserted.take(MOST).map(|one| one.uri.to_string()).collect();
        }
        let diverted = headers.list::<Diversion<'_>>().flatten().map(|one| Diverted {
            by: one.uri.to_string(),
            reason: one.param("reason").unwrap_or("unknown").to_owned(),
        });
        told.diverted = diverted.take(MOST).collect();
        told.alert = headers.list::<AlertInfo<'_>>().flatten().take(MOST).map(|one| one.0.uri.to_string()).collect();
        told.answer_after = alert::answer_after(headers);
        told.learn_why(headers);
        told
    }

    /// What a response, or a request that ends something, tells: causes, warnings, and what user tells user.
    pub fn why(headers: &Headers) -> Self {
        let mut told = Self::default();
        told.learn_why(headers);
        told
    }

    fn learn_why(&mut self, headers: &Headers) {
        let causes = headers.list::<Reason<'_>>().flatten().map(|one| Cause {
            protocol: one.protocol.to_owned(),
            code: one.cause(),
            text: one.text().map(std::borrow::Cow::into_owned),
        });
        self.causes = causes.take(MOST).collect();
        let warnings = headers
            .list::<Warning<'_>>()
            .flatten()
            .map(|one| Warned { code: one.code, text: one.text.text().into_owned() });
        self.warnings = warnings.take(MOST).collect();
        let data = headers.list::<UserToUser<'_>>().flatten().map(|one| UserData {
            data: one.text().into_owned(),
            purpose: one.purpose().to_owned(),
            content: one.content().map(str::to_owned),
            encoding: one.encoding().to_owned(),
        });
        self.user_to_user = data.take(MOST).collect();
    }
}
