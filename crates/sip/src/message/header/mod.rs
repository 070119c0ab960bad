//! Typed header fields, one file each: all of RFC 3261 section 20, and those of other RFCs that sessions, subscriptions and identity need.
//!
//! Every type borrows from the message, allocates nothing and prints its canonical form. What a comma list holds is read item by item
//! with [`super::Headers::list`].

use std::fmt;

use super::error::Fault;
use super::lexer::Lexer;
use super::name::HeaderId;

/// A header field that can be read and printed.
pub trait Header<'a>: Sized + fmt::Display {
    /// Its name.
    const ID: HeaderId;
    /// True when one line may hold several values, separated by commas (RFC 3261 section 7.3.1).
    const LIST: bool;
    /// True when the list may be empty.
    const MAY_BE_EMPTY: bool = false;
    /// True when a line usually holds many texts: its value is then looked at once for being UTF-8.
    const MANY_TEXTS: bool = false;

    /// Reads one value and stops behind it.
    ///
    /// # Errors
    /// The octet where the grammar was left, and which rule of it.
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault>;
}

/// A comma list of tokens.
macro_rules! tokens {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(
            /// The token as written.
            pub &'a str,
        );

        impl<'a> $crate::message::Header<'a> for $name<'a> {
            const ID: $crate::message::HeaderId = $crate::message::HeaderId::$name;
            const LIST: bool = true;
            const MAY_BE_EMPTY: bool = true;
            const MANY_TEXTS: bool = true;
            fn parse_value(
                lexer: &mut $crate::message::Lexer<'a>,
            ) -> Result<Self, $crate::message::Fault> {
                lexer.token().map($name)
            }
        }

        impl std::fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.0)
            }
        }
    };
}

/// A name-addr or addr-spec with parameters.
macro_rules! addresses {
    ($(#[$doc:meta])* $name:ident, list: $list:literal, bare: $bare:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(
            /// The address with its parameters.
            pub $crate::message::header::NameAddr<'a>,
        );

        impl<'a> $crate::message::Header<'a> for $name<'a> {
            const ID: $crate::message::HeaderId = $crate::message::HeaderId::$name;
            const LIST: bool = $list;
            fn parse_value(
                lexer: &mut $crate::message::Lexer<'a>,
            ) -> Result<Self, $crate::message::Fault> {
                $crate::message::header::NameAddr::read(lexer, $bare).map($name)
            }
        }

        impl<'a> std::ops::Deref for $name<'a> {
            type Target = $crate::message::header::NameAddr<'a>;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl std::fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// A number of seconds.
macro_rules! seconds {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(
            /// Seconds.
            pub u32,
        );

        impl<'a> $crate::message::Header<'a> for $name {
            const ID: $crate::message::HeaderId = $crate::message::HeaderId::$name;
            const LIST: bool = false;
            fn parse_value(
                lexer: &mut $crate::message::Lexer<'a>,
            ) -> Result<Self, $crate::message::Fault> {
                lexer.seconds().map($name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// Free text.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(
            /// The text.
            pub $crate::message::Text<'a>,
        );

        impl<'a> $crate::message::Header<'a> for $name<'a> {
            const ID: $crate::message::HeaderId = $crate::message::HeaderId::$name;
            const LIST: bool = false;
            const MAY_BE_EMPTY: bool = true;
            fn parse_value(
                lexer: &mut $crate::message::Lexer<'a>,
            ) -> Result<Self, $crate::message::Fault> {
                let text = $crate::message::Text::new(lexer.rest());
                lexer.advance(lexer.rest().len());
                Ok($name(text))
            }
        }

        impl std::fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! modules {
    ($($module:ident: $($name:ident),+;)*) => {
        $(mod $module;)*
        $(pub use $module::{$($name),+};)*
    };
}

modules! {
    accept: Accept;
    accept_encoding: AcceptEncoding;
    accept_language: AcceptLanguage;
    alert_info: AlertInfo;
    allow: Allow;
    auth: AuthParam, AuthParams, AuthValue, Challenge, Credentials;
    authentication_info: AuthenticationInfo;
    authorization: Authorization;
    call_id: CallId;
    call_info: CallInfo;
    contact: Contact;
    content_disposition: ContentDisposition;
    content_encoding: ContentEncoding;
    content_language: ContentLanguage;
    content_length: ContentLength;
    content_type: ContentType;
    cseq: CSeq;
    date: Date;
    error_info: ErrorInfo;
    expires: Expires;
    from: From;
    in_reply_to: InReplyTo;
    info_uri: InfoUri;
    max_forwards: MaxForwards;
    media_type: MediaType;
    mime_version: MimeVersion;
    min_expires: MinExpires;
    name_addr: DisplayName, NameAddr;
    organization: Organization;
    priority: Priority;
    proxy_authenticate: ProxyAuthenticate;
    proxy_authorization: ProxyAuthorization;
    proxy_require: ProxyRequire;
    record_route: RecordRoute;
    reply_to: ReplyTo;
    require: Require;
    retry_after: RetryAfter;
    route: Route;
    server: Server;
    subject: Subject;
    supported: Supported;
    timestamp: Timestamp;
    to: To;
    unsupported: Unsupported;
    user_agent: UserAgent;
    via: Via;
    warning: Warning;
    www_authenticate: WwwAuthenticate;
}

// Those of other RFCs.
modules! {
    accept_contact: AcceptContact;
    allow_events: AllowEvents;
    diversion: Diversion;
    event: Event;
    flow_timer: FlowTimer;
    history_info: HistoryInfo;
    join: Join;
    min_se: MinSe;
    p_asserted_identity: PAssertedIdentity;
    p_preferred_identity: PPreferredIdentity;
    path: Path;
    privacy: Privacy;
    rack: RAck;
    reason: Reason;
    refer_to: ReferTo;
    referred_by: ReferredBy;
    reject_contact: RejectContact;
    remote_party_id: RemotePartyId;
    replaces: Replaces;
    request_disposition: RequestDisposition;
    rseq: RSeq;
    service_route: ServiceRoute;
    session_expires: Refresher, SessionExpires;
    session_id: NIL, SessionId;
    sip_etag: SipEtag;
    sip_if_match: SipIfMatch;
    subscription_state: SubscriptionState;
    user_to_user: UserToUser;
}
