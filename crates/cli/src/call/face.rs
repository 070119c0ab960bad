//! What is told of a call: each change as a line, and the state that the terminal's line begins with.

use std::time::Instant;

use ua::{CallEvent, CallStats};

use crate::out::Out;

/// What the terminal shows of a call.
pub(super) struct Face {
    is_held: bool,
    pub(super) since: Instant,
    /// Packets received when it was looked at last.
    packets: u64,
    /// Nothing comes, although the other side should be talking.
    pub(super) quiet: Option<Quiet>,
}

/// The other side is not heard.
pub(super) struct Quiet {
    pub(super) since: Instant,
    /// Packets received before.
    packets: u64,
}

impl Face {
    /// Of a call that has just begun.
    pub(super) fn new() -> Self {
        Self { is_held: false, since: Instant::now(), packets: 0, quiet: None }
    }

    /// The call has just been answered.
    pub(super) fn answered(&mut self) {
        self.since = Instant::now();
    }

    /// What the terminal's line begins with.
    pub(super) fn state(&self) -> String {
        match &self.quiet {
            _ if self.is_held => "held".to_owned(),
            Some(quiet) => format!("no packet for {} s, talking", quiet.since.elapsed().as_secs()),
            None => "talking".to_owned(),
        }
    }

    /// Looks whether packets come again.
    pub(super) fn look(&mut self, stats: Option<&CallStats>, out: &mut Out) {
        self.packets = stats.map_or(self.packets, |stats| stats.packets_received);
        if self.quiet.as_ref().is_some_and(|quiet| self.packets > quiet.packets) {
            self.quiet = None;
            out.event("packets come again", &[("event", "heard_again".into())]);
        }
    }

    /// Tells what has happened.
    pub(super) fn tell(&mut self, event: &CallEvent, out: &mut Out) {
        match event {
            CallEvent::MediaReady { codec } => {
                out.event(&format!("audio: {codec}"), &[("event", "media".into()), ("codec", (*codec).into())]);
            }
            CallEvent::Heard => out.event("the first packet has come", &[("event", "heard".into())]),
            CallEvent::Digit { digit, .. } => {
                let digit = digit.to_string();
                out.event(&format!("digit {digit}"), &[("event", "digit".into()), ("digit", digit.as_str().into())]);
            }
            CallEvent::HeldByPeer => {
                self.is_held = true;
                out.event("held by the other side", &[("event", "held".into())]);
            }
            CallEvent::Resumed => {
                self.is_held = false;
                out.event("resumed by the other side", &[("event", "resumed".into())]);
            }
            CallEvent::Silence { lasting } => {
                let secs = lasting.as_secs_f64();
                let since = Instant::now().checked_sub(*lasting).unwrap_or(self.since);
                self.quiet = Some(Quiet { since, packets: self.packets });
                let text = format!("no packet for {secs:.0} s: the other side may be gone");
                out.event(&text, &[("event", "silence".into()), ("secs", secs.into())]);
            }
            CallEvent::Refreshed { interval, by_us } => {
                let (secs, by) = (interval.as_secs(), if *by_us { "us" } else { "peer" });
                let whose = if *by_us { "us" } else { "the other side" };
                out.event(
                    &format!("refreshed for {secs} s, the next by {whose}"),
                    &[("event", "refreshed".into()), ("interval_secs", secs.into()), ("next_by", by.into())],
                );
            }
            CallEvent::Replaced { peer } => {
                let fields = [("event", "replaced".into()), ("peer", peer.as_str().into())];
                out.event(&format!("another has taken the place of the other side: {peer}"), &fields);
            }
            CallEvent::Message(message) => {
                let fields = [("event", "message".into()), ("text", message.text.as_str().into())];
                out.event(&format!("message: {}", message.text), &fields);
            }
            CallEvent::MediaFailed(why) => out.error(&format!("audio failed, the call goes on: {why}")),
            CallEvent::RecordingFailed(why) => out.error(&format!("the recording ends here, the call goes on: {why}")),
            _ => {}
        }
    }
}
