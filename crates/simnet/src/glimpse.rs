//! What a look at a message on the wire shows. Read with a reader of its own, so that a fault of the stack's reader is no fault of the referee's.

use bytes::Bytes;

/// The parts of a message that the rules of the wire are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// `INVITE`, or that of CSeq in a response.
    pub method: String,
    /// Of a response.
    pub code: Option<u16>,
    /// Branch of the top Via.
    pub branch: String,
    /// Call-ID.
    pub call: String,
    /// Tag of From.
    pub from_tag: String,
    /// Tag of To; empty without one.
    pub to_tag: String,
    /// Number of CSeq.
    pub cseq: u32,
    /// Of a reliable provisional response, or what a PRACK says of one: its RSeq.
    pub rseq: Option<u32>,
    /// The CSeq number in the RAck of a PRACK.
    pub racked: u32,
    /// It has a body.
    pub described: bool,
    /// Octets altogether.
    pub size: usize,
}

impl Glimpse {
    /// Looks at a message.
    ///
    /// # Panics
    /// When it is none: stacks send nothing else.
    pub fn of(bytes: &Bytes) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let head = text.split("\r\n\r\n").next().unwrap_or("");
        let (first, lines) = head.split_once("\r\n").unwrap_or((head, ""));
        let header = |name: &str| {
            let all = lines.split("\r\n").filter_map(|line| line.split_once(':'));
            all.into_iter()
                .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
                .map_or("", |(_, value)| value.trim())
        };
        let parameter = |value: &str, name: &str| {
            let found = value.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or("").to_owned()
        };
        let code = first
            .strip_prefix("SIP/2.0 ")
            .map(|rest| rest.get(..3).and_then(|code| code.parse().ok()).expect("a code"));
        let mut rack = header("RAck").split(' ').map(|number| number.parse().ok());
        let rseq = header("RSeq").parse().ok();
        let (number, method) = header("CSeq").split_once(' ').expect("a CSeq");
        Self {
            method: method.trim().to_owned(),
            code,
            branch: parameter(header("Via"), "branch"),
            call: header("Call-ID").to_owned(),
            from_tag: parameter(header("From"), "tag"),
            to_tag: parameter(header("To"), "tag"),
            cseq: number.parse().expect("a number in CSeq"),
            rseq: rseq.or(rack.next().flatten()),
            racked: rack.next().flatten().unwrap_or(0),
            described: text.len() > head.len() + 4,
            size: bytes.len(),
        }
    }
    /// `INVITE` or `200 INVITE`.
    pub fn kind(&self) -> String {
        match self.code {
            Some(code) => format!("{code} {}", self.method),
            None => self.method.clone(),
        }
    }
    /// A request.
    pub fn is_request(&self) -> bool {
        self.code.is_none()
    }
    /// A response from 200 on.
    pub fn is_final(&self) -> bool {
        self.code.is_some_and(|code| code >= 200)
    }
    /// A response from 200 to 299.
    pub fn is_success(&self) -> bool {
        self.code.is_some_and(|code| (200..300).contains(&code))
    }
}
