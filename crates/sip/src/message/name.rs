//! Names of header fields (RFC 3261 section 20 and the RFCs that extend it).

use std::fmt;

use super::lookup;

macro_rules! names {
    ($($id:ident $name:literal $compact:expr;)*) => {
        /// A header field known by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum HeaderId {
            $(
                #[doc = concat!("`", $name, "`.")]
                $id,
            )*
            /// Any name that is not in this list.
            Other,
        }

        impl HeaderId {
            /// Every known name.
            pub const ALL: &'static [HeaderId] = &[$(HeaderId::$id,)*];

            /// The name as its RFC writes it; empty for [`HeaderId::Other`].
            pub const fn name(self) -> &'static str {
                match self {
                    $(HeaderId::$id => $name,)*
                    HeaderId::Other => "",
                }
            }

            /// The one-letter form (RFC 3261 section 7.3.3), lower-case.
            pub const fn compact(self) -> Option<u8> {
                match self {
                    $(HeaderId::$id => $compact,)*
                    HeaderId::Other => None,
                }
            }
        }
    };
}

names! {
    Accept "Accept" None;
    AcceptEncoding "Accept-Encoding" None;
    AcceptLanguage "Accept-Language" None;
    AlertInfo "Alert-Info" None;
    Allow "Allow" None;
    AuthenticationInfo "Authentication-Info" None;
    Authorization "Authorization" None;
    CallId "Call-ID" Some(b'i');
    CallInfo "Call-Info" None;
    Contact "Contact" Some(b'm');
    ContentDisposition "Content-Disposition" None;
    ContentEncoding "Content-Encoding" Some(b'e');
    ContentLanguage "Content-Language" None;
    ContentLength "Content-Length" Some(b'l');
    ContentType "Content-Type" Some(b'c');
    CSeq "CSeq" None;
    Date "Date" None;
    ErrorInfo "Error-Info" None;
    Expires "Expires" None;
    From "From" Some(b'f');
    InReplyTo "In-Reply-To" None;
    MaxForwards "Max-Forwards" None;
    MimeVersion "MIME-Version" None;
    MinExpires "Min-Expires" None;
    Organization "Organization" None;
    Priority "Priority" None;
    ProxyAuthenticate "Proxy-Authenticate" None;
    ProxyAuthorization "Proxy-Authorization" None;
    ProxyRequire "Proxy-Require" None;
    RecordRoute "Record-Route" None;
    ReplyTo "Reply-To" None;
    Require "Require" None;
    RetryAfter "Retry-After" None;
    Route "Route" None;
    Server "Server" None;
    Subject "Subject" Some(b's');
    Supported "Supported" Some(b'k');
    Timestamp "Timestamp" None;
    To "To" Some(b't');
    Unsupported "Unsupported" None;
    UserAgent "User-Agent" None;
    Via "Via" Some(b'v');
    Warning "Warning" None;
    WwwAuthenticate "WWW-Authenticate" None;
    AcceptContact "Accept-Contact" Some(b'a');
    AcceptResourcePriority "Accept-Resource-Priority" None;
    AllowEvents "Allow-Events" Some(b'u');
    AnswerMode "Answer-Mode" None;
    ContentId "Content-ID" None;
    ContentTransferEncoding "Content-Transfer-Encoding" None;
    Diversion "Diversion" None;
    Encryption "Encryption" None;
    Event "Event" Some(b'o');
    FeatureCaps "Feature-Caps" None;
    FlowTimer "Flow-Timer" None;
    Geolocation "Geolocation" None;
    GeolocationError "Geolocation-Error" None;
    GeolocationRouting "Geolocation-Routing" None;
    HistoryInfo "History-Info" None;
    Identity "Identity" Some(b'y');
    IdentityInfo "Identity-Info" Some(b'n');
    InfoPackage "Info-Package" None;
    Join "Join" None;
    MaxBreadth "Max-Breadth" None;
    MinSe "Min-SE" None;
    PAccessNetworkInfo "P-Access-Network-Info" None;
    PAnswerState "P-Answer-State" None;
    PAssertedIdentity "P-Asserted-Identity" None;
    PAssertedService "P-Asserted-Service" None;
    PAssociatedUri "P-Associated-URI" None;
    PCalledPartyId "P-Called-Party-ID" None;
    PChargingFunctionAddresses "P-Charging-Function-Addresses" None;
    PChargingVector "P-Charging-Vector" None;
    PEarlyMedia "P-Early-Media" None;
    PMediaAuthorization "P-Media-Authorization" None;
    PPreferredIdentity "P-Preferred-Identity" None;
    PPreferredService "P-Preferred-Service" None;
    PServedUser "P-Served-User" None;
    PUserDatabase "P-User-Database" None;
    PVisitedNetworkId "P-Visited-Network-ID" None;
    Path "Path" None;
    PermissionMissing "Permission-Missing" None;
    PolicyContact "Policy-Contact" None;
    PolicyId "Policy-ID" None;
    PrivAnswerMode "Priv-Answer-Mode" None;
    Privacy "Privacy" None;
    RAck "RAck" None;
    Reason "Reason" None;
    RecvInfo "Recv-Info" None;
    ReferSub "Refer-Sub" None;
    ReferTo "Refer-To" Some(b'r');
    ReferredBy "Referred-By" Some(b'b');
    RejectContact "Reject-Contact" Some(b'j');
    RemotePartyId "Remote-Party-ID" None;
    Replaces "Replaces" None;
    RequestDisposition "Request-Disposition" Some(b'd');
    ResourcePriority "Resource-Priority" None;
    ResponseKey "Response-Key" None;
    RSeq "RSeq" None;
    SecurityClient "Security-Client" None;
    SecurityServer "Security-Server" None;
    SecurityVerify "Security-Verify" None;
    ServiceRoute "Service-Route" None;
    SessionExpires "Session-Expires" Some(b'x');
    SessionId "Session-ID" None;
    SipEtag "SIP-ETag" None;
    SipIfMatch "SIP-If-Match" None;
    SubscriptionState "Subscription-State" None;
    SuppressIfMatch "Suppress-If-Match" None;
    TargetDialog "Target-Dialog" None;
    TriggerConsent "Trigger-Consent" None;
    UserToUser "User-to-User" None;
}

impl HeaderId {
    /// Looks a name up, in any case and in its compact form; [`HeaderId::Other`] when unknown.
    pub fn from_name(name: &[u8]) -> HeaderId {
        lookup::name(name)
    }

    /// The known id with this number, [`HeaderId::Other`] else.
    pub(super) fn from_number(number: u8) -> HeaderId {
        HeaderId::ALL.get(usize::from(number)).copied().unwrap_or(HeaderId::Other)
    }
}

impl fmt::Display for HeaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
