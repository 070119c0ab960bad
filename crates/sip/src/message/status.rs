//! Status codes (RFC 3261 section 21 and extensions).

use std::fmt;

/// A status code, 100 to 699.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(u16);

macro_rules! codes {
    ($($(#[$doc:meta])* $code:literal $name:ident $reason:literal;)*) => {
        impl StatusCode {
            $($(#[$doc])* pub const $name: StatusCode = StatusCode($code);)*

            /// The reason phrase the registering RFC gives; an unknown code has that of its class's `x00` (RFC 3261 section 8.1.3.2).
            pub const fn default_reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    100..=199 => "Session Progress",
                    200..=299 => "OK",
                    300..=399 => "Multiple Choices",
                    400..=499 => "Bad Request",
                    500..=599 => "Server Internal Error",
                    _ => "Busy Everywhere",
                }
            }
        }
    };
}

codes! {
    /// RFC 3261 section 21.1.1.
    100 TRYING "Trying";
    /// RFC 3261 section 21.1.2.
    180 RINGING "Ringing";
    /// RFC 3261 section 21.1.3.
    181 CALL_IS_BEING_FORWARDED "Call Is Being Forwarded";
    /// RFC 3261 section 21.1.4.
    182 QUEUED "Queued";
    /// RFC 3261 section 21.1.5.
    183 SESSION_PROGRESS "Session Progress";
    /// RFC 6228.
    199 EARLY_DIALOG_TERMINATED "Early Dialog Terminated";
    /// RFC 3261 section 21.2.1.
    200 OK "OK";
    /// RFC 6665.
    202 ACCEPTED "Accepted";
    /// RFC 5839.
    204 NO_NOTIFICATION "No Notification";
    /// RFC 3261 section 21.3.1.
    300 MULTIPLE_CHOICES "Multiple Choices";
    /// RFC 3261 section 21.3.2.
    301 MOVED_PERMANENTLY "Moved Permanently";
    /// RFC 3261 section 21.3.3.
    302 MOVED_TEMPORARILY "Moved Temporarily";
    /// RFC 3261 section 21.3.4.
    305 USE_PROXY "Use Proxy";
    /// RFC 3261 section 21.3.5.
    380 ALTERNATIVE_SERVICE "Alternative Service";
    /// RFC 3261 section 21.4.1.
    400 BAD_REQUEST "Bad Request";
    /// RFC 3261 section 21.4.2.
    401 UNAUTHORIZED "Unauthorized";
    /// RFC 3261 section 21.4.3.
    402 PAYMENT_REQUIRED "Payment Required";
    /// RFC 3261 section 21.4.4.
    403 FORBIDDEN "Forbidden";
    /// RFC 3261 section 21.4.5.
    404 NOT_FOUND "Not Found";
    /// RFC 3261 section 21.4.6.
    405 METHOD_NOT_ALLOWED "Method Not Allowed";
    /// RFC 3261 section 21.4.7.
    406 NOT_ACCEPTABLE "Not Acceptable";
    /// RFC 3261 section 21.4.8.
    407 PROXY_AUTHENTICATION_REQUIRED "Proxy Authentication Required";
    /// RFC 3261 section 21.4.9.
    408 REQUEST_TIMEOUT "Request Timeout";
    /// RFC 3261 section 21.4.10.
    410 GONE "Gone";
    /// RFC 3903 section 11.2.1.
    412 CONDITIONAL_REQUEST_FAILED "Conditional Request Failed";
    /// RFC 3261 section 21.4.11.
    413 REQUEST_ENTITY_TOO_LARGE "Request Entity Too Large";
    /// RFC 3261 section 21.4.12.
    414 REQUEST_URI_TOO_LONG "Request-URI Too Long";
    /// RFC 3261 section 21.4.13.
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type";
    /// RFC 3261 section 21.4.14.
    416 UNSUPPORTED_URI_SCHEME "Unsupported URI Scheme";
    /// RFC 4412.
    417 UNKNOWN_RESOURCE_PRIORITY "Unknown Resource-Priority";
    /// RFC 3261 section 21.4.15.
    420 BAD_EXTENSION "Bad Extension";
    /// RFC 3261 section 21.4.16.
    421 EXTENSION_REQUIRED "Extension Required";
    /// RFC 4028 section 6.
    422 SESSION_INTERVAL_TOO_SMALL "Session Interval Too Small";
    /// RFC 3261 section 21.4.17.
    423 INTERVAL_TOO_BRIEF "Interval Too Brief";
    /// RFC 6442.
    424 BAD_LOCATION_INFORMATION "Bad Location Information";
    /// RFC 8224.
    428 USE_IDENTITY_HEADER "Use Identity Header";
    /// RFC 3892.
    429 PROVIDE_REFERRER_IDENTITY "Provide Referrer Identity";
    /// RFC 5626.
    430 FLOW_FAILED "Flow Failed";
    /// RFC 5079.
    433 ANONYMITY_DISALLOWED "Anonymity Disallowed";
    /// RFC 8224.
    436 BAD_IDENTITY_INFO "Bad Identity Info";
    /// RFC 8224.
    437 UNSUPPORTED_CREDENTIAL "Unsupported Credential";
    /// RFC 8224.
    438 INVALID_IDENTITY_HEADER "Invalid Identity Header";
    /// RFC 5626.
    439 FIRST_HOP_LACKS_OUTBOUND_SUPPORT "First Hop Lacks Outbound Support";
    /// RFC 5393.
    440 MAX_BREADTH_EXCEEDED "Max-Breadth Exceeded";
    /// RFC 6086.
    469 BAD_INFO_PACKAGE "Bad Info Package";
    /// RFC 5360.
    470 CONSENT_NEEDED "Consent Needed";
    /// RFC 3261 section 21.4.18.
    480 TEMPORARILY_UNAVAILABLE "Temporarily Unavailable";
    /// RFC 3261 section 21.4.19.
    481 CALL_OR_TRANSACTION_DOES_NOT_EXIST "Call/Transaction Does Not Exist";
    /// RFC 3261 section 21.4.20.
    482 LOOP_DETECTED "Loop Detected";
    /// RFC 3261 section 21.4.21.
    483 TOO_MANY_HOPS "Too Many Hops";
    /// RFC 3261 section 21.4.22.
    484 ADDRESS_INCOMPLETE "Address Incomplete";
    /// RFC 3261 section 21.4.23.
    485 AMBIGUOUS "Ambiguous";
    /// RFC 3261 section 21.4.24.
    486 BUSY_HERE "Busy Here";
    /// RFC 3261 section 21.4.25.
    487 REQUEST_TERMINATED "Request Terminated";
    /// RFC 3261 section 21.4.26.
    488 NOT_ACCEPTABLE_HERE "Not Acceptable Here";
    /// RFC 6665.
    489 BAD_EVENT "Bad Event";
    /// RFC 3261 section 21.4.27.
    491 REQUEST_PENDING "Request Pending";
    /// RFC 3261 section 21.4.28.
    493 UNDECIPHERABLE "Undecipherable";
    /// RFC 3329.
    494 SECURITY_AGREEMENT_REQUIRED "Security Agreement Required";
    /// RFC 3261 section 21.5.1.
    500 SERVER_INTERNAL_ERROR "Server Internal Error";
    /// RFC 3261 section 21.5.2.
    501 NOT_IMPLEMENTED "Not Implemented";
    /// RFC 3261 section 21.5.3.
    502 BAD_GATEWAY "Bad Gateway";
    /// RFC 3261 section 21.5.4.
    503 SERVICE_UNAVAILABLE "Service Unavailable";
    /// RFC 3261 section 21.5.5.
    504 SERVER_TIME_OUT "Server Time-out";
    /// RFC 3261 section 21.5.6.
    505 VERSION_NOT_SUPPORTED "Version Not Supported";
    /// RFC 3261 section 21.5.7.
    513 MESSAGE_TOO_LARGE "Message Too Large";
    /// RFC 8599.
    555 PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED "Push Notification Service Not Supported";
    /// RFC 3312.
    580 PRECONDITION_FAILURE "Precondition Failure";
    /// RFC 3261 section 21.6.1.
    600 BUSY_EVERYWHERE "Busy Everywhere";
    /// RFC 3261 section 21.6.2.
    603 DECLINE "Decline";
    /// RFC 3261 section 21.6.3.
    604 DOES_NOT_EXIST_ANYWHERE "Does Not Exist Anywhere";
    /// RFC 3261 section 21.6.4.
    606 NOT_ACCEPTABLE_ANYWHERE "Not Acceptable";
    /// RFC 8197.
    607 UNWANTED "Unwanted";
    /// RFC 8688.
    608 REJECTED "Rejected";
}

impl StatusCode {
    /// A code from 100 to 699, else `None`.
    pub const fn new(code: u16) -> Option<StatusCode> {
        if code >= 100 && code <= 699 { Some(StatusCode(code)) } else { None }
    }
    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
    /// The first digit, 1 to 6.
    pub const fn class(self) -> u8 {
        (self.0 / 100) as u8
    }
    /// 1xx.
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }
    /// 2xx to 6xx.
    pub const fn is_final(self) -> bool {
        self.0 >= 200
    }
    /// 2xx.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.default_reason())
    }
}

impl TryFrom<u16> for StatusCode {
    type Error = u16;
    /// Gives the number back when it is outside 100 to 699.
    fn try_from(code: u16) -> Result<Self, u16> {
        StatusCode::new(code).ok_or(code)
    }
}
