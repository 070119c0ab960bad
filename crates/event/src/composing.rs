//! Who is writing (RFC 3994): the body of status messages, and both state machines. It comes in MESSAGE, and belongs to no subscription.
//!
//! Times are spans since any moment that both calls of a caller have in common.

use std::time::Duration;

use crate::xml::{Element, Writer, XmlError};

/// The type of the body.
pub const TYPE: &str = "application/im-iscomposing+xml";

/// The longest a state counts without a word of its own (RFC 3994 section 3.3).
pub const LASTING: Duration = Duration::from_secs(120);
/// The shortest time between two messages that say the same (RFC 3994 section 3.2).
pub const SHORTEST: Duration = Duration::from_secs(60);
/// Who has touched nothing for so long has stopped (RFC 3994 section 3.2).
pub const IDLE: Duration = Duration::from_secs(15);

/// A status message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsComposing {
    /// Somebody is writing. Every state that is not known counts as idle (RFC 3994 section 3.5).
    pub active: bool,
    /// When he last did, as it was written.
    pub last_active: Option<String>,
    /// What he writes: `text/plain`, or only `text`.
    pub content_type: Option<String>,
    /// It is said again after so long, in seconds.
    pub refresh: Option<u32>,
}

impl IsComposing {
    /// Reads a body.
    ///
    /// # Errors
    /// [`XmlError`].
    pub fn read(body: &[u8]) -> Result<Self, XmlError> {
        let root = Element::read(body, "isComposing")?;
        let text = |name| root.text_of(name).map(str::to_owned);
        Ok(Self {
            active: root.text_of("state") == Some("active"),
            last_active: text("lastactive"),
            content_type: text("contenttype"),
            refresh: root.text_of("refresh").and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0),
        })
    }

    /// The body.
    pub fn write(&self) -> String {
        let mut writer = Writer::new("isComposing", &[("xmlns", "urn:ietf:params:xml:ns:im-iscomposing")]);
        writer.leaf("state", &[], if self.active { "active" } else { "idle" });
        writer.leaf_of("lastactive", self.last_active.as_deref());
        writer.leaf_of("contenttype", self.content_type.as_deref());
        writer.leaf_of("refresh", self.refresh.map(|seconds| seconds.to_string()).as_deref());
        writer.finish()
    }
}

/// The side that writes: what it says, and when.
///
/// ```text
///            a key: "active"
///     Idle ------------------> Active --+ refresh: "active"
///      ^                        |  ^----+
///      +------------------------+
///        IDLE without a key: "idle"; the text is sent: nothing
/// ```
#[derive(Clone, Debug)]
pub struct Composer {
    refresh: Duration,
    active: Option<Active>,
    /// When something was said last: not more than one message for each interval, whatever is typed.
    said: Option<Duration>,
    /// The other side does not understand it.
    mute: bool,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    /// The last key.
    touched: Duration,
    /// The other side has been told.
    told: bool,
}

impl Composer {
    /// One that has written nothing; what it says counts for `refresh`, a minute at least.
    pub fn new(refresh: Duration) -> Self {
        Self { refresh: refresh.max(SHORTEST), active: None, said: None, mute: false }
    }

    /// A key: what to say now, if anything.
    pub fn typed(&mut self, now: Duration) -> Option<IsComposing> {
        if self.mute {
            return None;
        }
        let told = self.active.is_some_and(|active| active.told);
        self.active = Some(Active { touched: now, told });
        if told || self.said.is_some_and(|said| now < said + self.refresh) {
            return None;
        }
        Some(self.say_active(now))
    }

    /// A message was answered 415: nothing is said any more (RFC 3994 section 4).
    pub fn refused(&mut self) {
        self.mute = true;
        self.sent();
    }

    /// The text has been sent, or thrown away: nothing is to be said.
    pub fn sent(&mut self) {
        self.active = None;
        self.said = None;
    }

    /// Time has passed, see [`Composer::deadline`]: what to say now, if anything.
    pub fn timeout(&mut self, now: Duration) -> Option<IsComposing> {
        let Active { touched, told } = self.active?;
        if now >= touched + IDLE {
            self.active = None;
            return told.then(IsComposing::default);
        }
        (self.said.is_none_or(|said| now >= said + self.refresh)).then(|| self.say_active(now))
    }

    /// When [`Composer::timeout`] has to be called.
    pub fn deadline(&self) -> Option<Duration> {
        let idle = self.active?.touched + IDLE;
        Some(self.said.map_or(idle, |said| idle.min(said + self.refresh)))
    }

    fn say_active(&mut self, now: Duration) -> IsComposing {
        self.said = Some(now);
        if let Some(active) = &mut self.active {
            active.told = true;
        }
        let refresh = u32::try_from(self.refresh.as_secs()).ok();
        IsComposing { active: true, content_type: Some("text/plain".to_owned()), refresh, last_active: None }
    }
}

/// The side that reads: whether the other one is writing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    until: Option<Duration>,
}

impl Reader {
    /// A status message; true when that is news.
    pub fn heard(&mut self, now: Duration, status: &IsComposing) -> bool {
        let before = self.is_active(now);
        let lasting = status.refresh.map_or(LASTING, |seconds| Duration::from_secs(seconds.into()));
        self.until = status.active.then_some(now.saturating_add(lasting));
        before != status.active
    }

    /// The text itself has come; true when that is news.
    pub fn received(&mut self, now: Duration) -> bool {
        self.heard(now, &IsComposing::default())
    }

    /// Whether the other side is writing.
    pub fn is_active(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When it counts as idle without another word.
    pub fn deadline(&self) -> Option<Duration> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn rfc3994_4_status_messages_are_read_and_written() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
              <state>active</state><contenttype>text/plain</contenttype><refresh>90</refresh></isComposing>"#;
        let read = IsComposing::read(body).unwrap();
        assert_eq!((read.active, read.content_type.as_deref(), read.refresh), (true, Some("text/plain"), Some(90)));
        assert_eq!(IsComposing::read(read.write().as_bytes()), Ok(read));
        let idle = IsComposing { last_active: Some("2003-01-27T10:43:00Z".to_owned()), ..IsComposing::default() };
        assert_eq!(IsComposing::read(idle.write().as_bytes()), Ok(idle));
        assert!(IsComposing::read(b"<composing/>").is_err() && IsComposing::read(b"active").is_err());
        let entity = br#"<!DOCTYPE a [<!ENTITY b "c">]><isComposing><state>&b;</state></isComposing>"#;
        assert_eq!(IsComposing::read(entity), Err(XmlError::DocumentType));
    }

    #[test]
    fn rfc3994_3_5_every_state_that_is_not_known_is_idle() {
        for (state, active) in [("active", true), ("idle", false), ("Active", false), ("thinking", false), ("", false)]
        {
            let body = format!("<isComposing><state>{state}</state><refresh>0</refresh></isComposing>");
            let read = IsComposing::read(body.as_bytes()).unwrap();
            assert_eq!((read.active, read.refresh), (active, None), "{state}");
        }
    }

    #[test]
    fn rfc3994_3_2_who_writes_says_so_once_and_again_after_each_interval_and_when_he_stops() {
        let mut composer = Composer::new(secs(60));
        assert_eq!(composer.deadline(), None);
        let first = composer.typed(secs(100)).unwrap();
        assert_eq!((first.active, first.refresh), (true, Some(60)));
        let mut said = 0;
        for now in 101..=165 {
            assert_eq!(composer.typed(secs(now)), None, "{now}");
            said += usize::from(composer.timeout(secs(now)).is_some_and(|status| status.active));
        }
        assert_eq!(said, 1, "at 160 s");
        assert_eq!(composer.deadline(), Some(secs(180)));
        assert_eq!(composer.timeout(secs(179)), None);
        assert_eq!(composer.timeout(secs(180)), Some(IsComposing::default()));
        assert_eq!((composer.deadline(), composer.timeout(secs(400))), (None, None));
    }

    #[test]
    fn rfc3994_3_2_a_text_that_is_sent_needs_no_word_and_words_are_a_minute_apart() {
        let mut composer = Composer::new(secs(1));
        assert!(composer.typed(secs(0)).is_some());
        composer.sent();
        assert_eq!((composer.deadline(), composer.timeout(secs(15))), (None, None));
        // The next text is another one.
        assert!(composer.typed(secs(20)).is_some());
        assert!(composer.timeout(secs(35)).is_some_and(|status| !status.active));
        // Begun anew within a minute of the last word: that comes when the minute is over.
        assert_eq!(composer.typed(secs(70)), None);
        assert_eq!(composer.deadline(), Some(secs(80)));
        assert!(composer.timeout(secs(80)).is_some_and(|status| status.active));
    }

    #[test]
    fn rfc3994_4_who_is_not_understood_says_nothing_more() {
        let mut composer = Composer::new(SHORTEST);
        assert!(composer.typed(secs(0)).is_some());
        composer.refused();
        assert_eq!((composer.typed(secs(1)), composer.timeout(secs(100)), composer.deadline()), (None, None, None));
        assert_eq!(composer.typed(secs(1_000)), None);
    }

    #[test]
    fn rfc3994_3_3_the_other_side_writes_until_it_says_otherwise_or_sends_or_is_silent() {
        let active = |refresh| IsComposing { active: true, refresh, ..IsComposing::default() };
        let mut reader = Reader::default();
        assert!(!reader.is_active(secs(0)));
        assert!(reader.heard(secs(0), &active(None)) && reader.is_active(secs(119)) && !reader.is_active(secs(120)));
        assert!(reader.heard(secs(200), &active(Some(60))));
        // Several in a row, regardless of the interval.
        assert!(
            !reader.heard(secs(210), &active(Some(60))) && reader.is_active(secs(269)) && !reader.is_active(secs(270))
        );
        assert_eq!(reader.deadline(), Some(secs(270)));
        assert!(reader.heard(secs(300), &active(Some(u32::MAX))) && reader.heard(secs(301), &IsComposing::default()));
        assert!(!reader.is_active(secs(301)) && !reader.received(secs(302)));
        assert!(reader.heard(secs(310), &active(None)) && reader.received(secs(311)) && reader.deadline().is_none());
    }
}
