//! How a call ended: what is said of it, and the exit code.

use std::sync::Arc;
use std::time::Duration;

use ua::{Call, Ended, EndedBy, Farewell, Recording};

use super::Heard;
use crate::args;
use crate::exit::{Exit, Fault};
use crate::out::{Out, counted};
use crate::told;

/// How long the other side may take to answer a BYE: it is sent four times.
const PATIENCE: Duration = Duration::from_secs(4);

/// The end of a call.
pub(super) struct End {
    ended: Arc<Ended>,
    farewell: Farewell,
    /// No packet had come for so long, where that was longer than it should be.
    pub(super) silent: Option<Duration>,
    /// Ctrl-C was the reason.
    pub(super) interrupted: bool,
}

/// What broke a call off.
struct Cause {
    exit: Exit,
    code: u16,
    reason: String,
}

impl End {
    /// The call is over already.
    pub(super) fn of(ended: Arc<Ended>) -> Self {
        Self { ended, farewell: Farewell::Confirmed, silent: None, interrupted: false }
    }

    /// Hangs up, and hears whether the other side is still there.
    pub(super) async fn hang_up(call: Call) -> Self {
        let (ended, farewell) = call.hangup_within(PATIENCE).await;
        Self { ended, farewell, silent: None, interrupted: false }
    }

    fn cause(&self) -> Option<Cause> {
        let by_code = |code| if matches!(code, 408 | 480) { Exit::NoAnswer } else { Exit::General };
        match &self.farewell {
            Farewell::Silent => {
                let reason = format!("no answer to the BYE for {} s", PATIENCE.as_secs());
                Some(Cause { exit: Exit::NoAnswer, code: 408, reason })
            }
            Farewell::Unreachable { why } => Some(Cause { exit: Exit::Unreachable, code: 503, reason: why.clone() }),
            Farewell::Refused { code, reason } => {
                Some(Cause { exit: by_code(*code), code: *code, reason: reason.clone() })
            }
            _ if self.ended.by == EndedBy::Error => {
                let Ended { code, reason, .. } = &*self.ended;
                Some(Cause { exit: by_code(*code), code: *code, reason: reason.clone() })
            }
            _ => None,
        }
    }
}

/// Who ended it, and the figures.
pub(super) fn report(end: &End, heard: &Heard, out: &mut Out) {
    let ended = &end.ended;
    let (by, code, reason) = match (end.cause(), ended.by) {
        (Some(cause), _) => ("error", cause.code, cause.reason),
        (None, EndedBy::Peer) => ("peer", ended.code, ended.reason.clone()),
        (None, _) => ("us", ended.code, ended.reason.clone()),
    };
    let secs = ended.duration.as_secs_f64();
    let audible = heard.audible().as_secs_f64();
    let mut fields = vec![
        ("event", "ended".into()),
        ("by", by.into()),
        ("code", code.into()),
        ("reason", reason.as_str().into()),
        ("secs", secs.into()),
        ("audible_secs", audible.into()),
    ];
    fields.extend(told::why(&ended.told));
    let mut lines = vec![format!("ended by {by} after {secs:.1} s ({code} {reason})")];
    if let Some(silent) = end.silent {
        let secs = silent.as_secs_f64();
        lines.push(format!("  no packet in the last {secs:.0} s"));
        fields.push(("silent_secs", secs.into()));
    }
    if let Some(stats) = &ended.stats {
        let jitter = stats.jitter.as_secs_f64() * 1_000.0;
        lines.push(format!(
            "  {}: sent {}, received {}, lost {}, late {}, jitter {jitter:.1} ms; heard {audible:.1} s that were not silence",
            stats.codec, stats.packets_sent, stats.packets_received, stats.packets_lost, stats.packets_late
        ));
        fields.extend([
            ("codec", stats.codec.into()),
            ("packets_sent", stats.packets_sent.into()),
            ("packets_received", stats.packets_received.into()),
            ("packets_lost", stats.packets_lost.into()),
            ("packets_late", stats.packets_late.into()),
            ("jitter_millis", jitter.into()),
            ("round_trip_millis", stats.round_trip.map(|time| time.as_secs_f64() * 1_000.0).into()),
        ]);
    }
    out.event_in_lines(&lines, &fields);
}

/// Waits until the recording is complete.
pub(super) async fn finish(recording: Option<Recording>, out: &mut Out) -> Result<(), Fault> {
    let Some(recording) = recording else { return Ok(()) };
    let recorded = recording.finished().await?;
    let (path, secs) = (recorded.path.display().to_string(), recorded.length.as_secs_f64());
    let fields = [("event", "recorded".into()), ("file", path.as_str().into()), ("secs", secs.into())];
    out.event(&format!("recorded {secs:.1} s into {path}"), &fields);
    Ok(())
}

/// The exit code of a call that has ended, by what was expected of it.
pub(super) fn judge(args: &args::Call, end: &End, heard: &Heard) -> Result<Exit, Fault> {
    if let Some(Cause { exit, code, reason }) = end.cause() {
        let what = format!(
            "the call broke off, the other side is gone: {code} {reason}; check that it still runs, and the network between here and there"
        );
        return Err(Fault { status: Some(code), ..Fault::new(exit, what) });
    }
    let expects = args.expect_audio || args.expect_tone.is_some();
    let stats = end.ended.stats.as_ref();
    let packets = stats.map_or(0, |stats| stats.packets_received);
    if let Some(stats) = stats.filter(|stats| expects && stats.looped > packets) {
        let came = counted(stats.looped, "packet");
        let why = format!(
            "what we sent came back ({came}): a mirror, or a loop in the network; an echo service sends under an SSRC of its \
             own (RFC 3550 section 8.2)"
        );
        return Err(Fault::new(Exit::Media, why));
    }
    if expects && packets == 0 {
        let why =
            "no audio came: not one packet arrived; check that UDP gets through from the other side's media ports";
        return Err(Fault::new(Exit::Media, why));
    }
    if let Some(stats) = stats.filter(|stats| args.expect_audio && stats.far_hears == Some(false)) {
        let to = stats.remote.map_or_else(String::new, |to| format!(" to {to}"));
        let sent = counted(stats.packets_sent, "packet");
        let why = format!(
            "audio goes one way only: nothing of ours arrives, the other side's reports name none of {sent}; check that UDP gets \
             through{to}"
        );
        return Err(Fault::new(Exit::Media, why));
    }
    if args.expect_audio && !heard.has_audio() {
        let (secs, why) = (heard.audible().as_secs_f64(), "expected at least 0.3 s above -50 dBFS");
        return Err(Fault::new(
            Exit::Expectation,
            format!("--expect-audio: {}, {secs:.1} s that were not silence; {why}", counted(packets, "packet")),
        ));
    }
    if let Some(hertz) = args.expect_tone.filter(|_| !heard.has_tone()) {
        let secs = heard.tone(0).as_secs_f64();
        let why = format!(
            "--expect-tone {hertz}: heard for {secs:.1} s without a break, expected 1 s at 20 dB over everything else"
        );
        return Err(Fault::new(Exit::Expectation, why));
    }
    Ok(Exit::Ok)
}
