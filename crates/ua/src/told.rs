//! What a message tells of a call besides who calls whom: who is asserted to call, what user tells user, why something is refused or ended.

use std::fmt;
use std::time::Duration;

use sip::alert::{self, AnswerMode};
use sip::header::{AlertInfo, Diversion, PAssertedIdentity, Reason, UserToUser, Warning};
use sip::history;
use sip::message::Headers;

/// Most values of a kind that are told.
const MOST: usize = 8;

/// What a message tells of a call. Of each kind there are eight at most, of a history 32; what cannot be read is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Told {
    /// Who is asserted to call (P-Asserted-Identity, RFC 3325), as URIs: only where the sender is one of those that are trusted
    /// ([`crate::Builder::believe`]).
    pub asserted: Vec<String>,
    /// Who has diverted the call, the last one first (RFC 5806).
    pub diverted: Vec<Diverted>,
    /// Where the call has been (RFC 7044), in the order of its indexes, that of our own address last as a rule. Who asks for it: [`crate::Builder::history`].
    pub history: Vec<Station>,
    /// Something is missing in there (RFC 7044 section 11): a hop that wrote none, or a branch that nobody has answered.
    pub history_has_gaps: bool,
    /// What user tells user (RFC 7433).
    pub user_to_user: Vec<UserData>,
    /// How the callee is to be alerted (Alert-Info): URIs, among them `urn:alert:` of RFC 7462.
    pub alert: Vec<String>,
    /// The caller wants the call to be answered after so long without anybody's doing. Obeying it lets whoever may call listen in.
    pub answer_after: Option<Duration>,
    /// Whether the caller wants a person to answer, or nobody but the telephone itself (RFC 5373). Who will not answer so where that is required refuses with 403, and
    /// lets nobody answer what must be answered by itself.
    pub answer_mode: Option<AnswerMode>,
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

/// A URI that a call was for (RFC 7044 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Station {
    /// The URI; `sip:anonymous@anonymous.invalid` where others are not to know it.
    pub uri: String,
    /// Its place in the tree of copies, `1.2.1`; empty where it says none.
    pub index: String,
    /// How it was found, and the index of what led there.
    pub found: Option<(Found, String)>,
    /// Why the call went on from here, as values of Reason (RFC 3326): `SIP;cause=486`.
    pub causes: Vec<String>,
}

/// How the target of a call was found (RFC 7044 section 10.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// `rc`: another address of the same user.
    SameUser,
    /// `mp`: another user, by a forwarding for instance.
    OtherUser,
    /// `np`: it has not changed.
    Unchanged,
}

impl Found {
    /// As History-Info has it: `rc`, `mp` or `np`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameUser => "rc",
            Self::OtherUser => "mp",
            Self::Unchanged => "np",
        }
    }
}

impl From<history::Mechanism> for Found {
    fn from(mechanism: history::Mechanism) -> Self {
        match mechanism {
            history::Mechanism::SameUser => Self::SameUser,
            history::Mechanism::OtherUser => Self::OtherUser,
            history::Mechanism::Unchanged => Self::Unchanged,
        }
    }
}

impl Station {
    fn of(entry: &history::Entry) -> Self {
        Self {
            uri: entry.uri().to_owned(),
            index: entry.index().map(ToString::to_string).unwrap_or_default(),
            found: entry.target().map(|(mechanism, of)| (mechanism.into(), of.to_string())),
            causes: entry.reasons().take(MOST).collect(),
        }
    }
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
        told.answer_mode = alert::answer_mode(headers);
        told.learn_why(headers);
        told
    }

    /// What a response, or a request that ends something, tells: causes, warnings, where the call has been, and what user tells user.
    pub fn why(headers: &Headers) -> Self {
        let mut told = Self::default();
        told.learn_why(headers);
        told
    }

    fn learn_why(&mut self, headers: &Headers) {
        let entries = history::entries(headers);
        self.history_has_gaps = history::has_gaps(&entries);
        self.history = entries.iter().map(Station::of).collect();
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
