//! `offhook call`: places a call, plays, records, dials, and says what it heard.

mod heard;
mod line;

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audio::wav;
use ua::{Call, CallEvent, Dialing, Ended, EndedBy, PlayEnd, Recording};

use crate::args;
use crate::exit::{Exit, Fault};
use crate::interrupt::Interrupts;
use crate::out::Out;
use crate::phone::{self, Phone};
use crate::recording;
pub(crate) use heard::Heard;

/// How often the terminal's line is drawn.
const DRAW: Duration = Duration::from_millis(200);
/// After the last file, so that its echo and its last packets arrive.
const TAIL: Duration = Duration::from_millis(500);
/// What a digit takes to be sent, with the pause after it.
const DIGIT: Duration = Duration::from_millis(250);

/// Runs the verb.
pub(crate) fn run(args: &args::Call, out: &mut Out) -> Exit {
    let result = phone::runtime().and_then(|runtime| runtime.block_on(place(args, out)));
    phone::conclude(result, out)
}

async fn place(args: &args::Call, out: &mut Out) -> Result<Exit, Fault> {
    let wanted: Vec<f64> = args.expect_tone.iter().map(|hertz| f64::from(*hertz)).collect();
    let heard = Heard::new(&wanted).map_err(|why| Fault::usage(format!("--expect-tone: {why}")))?;
    check(args)?;
    let interrupts = Interrupts::watch();
    let phone = Phone::open(&args.identity, Some(&args.target), Duration::from_secs(300)).await?;
    if !args.no_register && args.identity.account.is_some() {
        tokio::select! {
            registered = phone.register(out) => registered?,
            () = interrupts.came() => {
                phone.leave().await;
                return Ok(Exit::Interrupted);
            }
        }
    }
    let call = match dial(args, &phone, &interrupts, out).await? {
        Some(call) => call,
        None => {
            phone.leave().await;
            return Ok(Exit::Interrupted);
        }
    };
    let outcome = attend(args, call, &heard, &interrupts, out).await;
    phone.endpoint.close().await;
    outcome
}

/// From the answer to the verdict.
async fn attend(
    args: &args::Call,
    call: Call,
    heard: &Heard,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Result<Exit, Fault> {
    let meters = heard.clone();
    call.audio().listen(move |frame| meters.push(frame))?;
    let recording = args.record.as_ref().map(|path| call.audio().record(path)).transpose()?;
    let (ended, interrupted) = talk(args, call, heard, interrupts, out).await?;
    report(&ended, heard, out);
    finish(recording, out).await?;
    if interrupted { Ok(Exit::Interrupted) } else { judge(args, &ended, heard) }
}

/// What can be wrong before anybody's telephone rings.
fn check(args: &args::Call) -> Result<(), Fault> {
    for path in &args.play {
        let fail = |error: &dyn std::fmt::Display| Fault::general(format!("cannot play {}: {error}", path.display()));
        let file = File::open(path).map_err(|error| fail(&error))?;
        wav::Reader::new(BufReader::new(file), &wav::Limits::default()).map_err(|error| fail(&error))?;
    }
    if let Some(path) = &args.record {
        recording::possible(path).map_err(Fault::general)?;
    }
    let digits = args.dtmf.as_deref().unwrap_or_default();
    match digits.chars().find(|digit| !"0123456789ABCDabcd*#,".contains(*digit)) {
        Some(bad) => {
            Err(Fault::usage(format!("--dtmf {digits}: {bad:?} is no digit; expected 0-9 A-D * # or a comma")))
        }
        None => Ok(()),
    }
}

/// From the INVITE to the answer; `None` after Ctrl-C.
async fn dial(args: &args::Call, phone: &Phone, interrupts: &Interrupts, out: &mut Out) -> Result<Option<Call>, Fault> {
    let builder = match &phone.account {
        Some(account) => account.call(&args.target),
        None => phone.endpoint.call(&args.target),
    };
    let since = Instant::now();
    let mut dialing = builder.ring_for(Duration::from_secs(args.ring_for)).start().await?;
    let peer = dialing.peer().to_owned();
    out.event(&format!("calling {peer}"), &[("event", "calling".into()), ("peer", peer.as_str().into())]);
    let mut state = "calling".to_owned();
    loop {
        tokio::select! {
            progress = dialing.progress() => {
                let Some(progress) = progress else { break };
                let early = if progress.early_media { ", with audio" } else { "" };
                let text = format!("{} {}{early}", progress.code, progress.reason);
                let fields = [
                    ("event", "progress".into()),
                    ("code", progress.code.into()),
                    ("reason", progress.reason.as_str().into()),
                    ("early_media", progress.early_media.into()),
                ];
                out.event(&text, &fields);
                state = if progress.code == 180 { "ringing".into() } else { format!("{} {}", progress.code, progress.reason) };
            }
            () = tokio::time::sleep(DRAW) => out.progress(&line::dialling(&state, since.elapsed())),
            () = interrupts.came() => {
                cancel(dialing, out).await;
                return Ok(None);
            }
        }
    }
    let call = dialing.answer().await.map_err(|error| phone.fault(error).of(&peer))?;
    let setup = since.elapsed().as_secs_f64();
    let fields = [("event", "answered".into()), ("peer", call.peer().into()), ("setup_secs", setup.into())];
    out.event(&format!("answered after {setup:.1} s"), &fields);
    Ok(Some(call))
}

async fn cancel(dialing: Dialing, out: &mut Out) {
    let ended = dialing.cancel().await;
    out.event(&format!("given up: {} {}", ended.code, ended.reason), &[("event", "cancelled".into())]);
}

/// From the answer to the end; true when Ctrl-C was the reason.
async fn talk(
    args: &args::Call,
    call: Call,
    heard: &Heard,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Result<(Arc<Ended>, bool), Fault> {
    let tone = args.tone.map(|hertz| call.audio().tone(f64::from(hertz), None)).transpose()?;
    let mut events = call.events();
    let leave = {
        let script = script(args, &call);
        tokio::pin!(script);
        let time_out = async {
            match args.duration {
                Some(secs) => tokio::time::sleep(Duration::from_secs(secs)).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(time_out);
        let mut scripted = false;
        let mut face = Face { state: "talking", since: Instant::now() };
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(CallEvent::Ended(ended)) => break Leave::Gone(ended),
                    Some(event) => face.tell(&event, out),
                    None => break Leave::Over,
                },
                done = &mut script, if !scripted => match done {
                    Ok(true) if args.duration.is_none() => break Leave::Over,
                    Ok(_) => scripted = true,
                    Err(fault) => break Leave::Failed(fault),
                },
                () = &mut time_out => break Leave::Over,
                () = interrupts.came() => break Leave::Interrupted,
                () = tokio::time::sleep(DRAW) => {
                    let stats = call.stats().await;
                    out.progress(&line::talking(face.state, face.since.elapsed(), stats.as_ref(), heard.level()));
                }
            }
        }
    };
    drop(tone);
    match leave {
        Leave::Gone(ended) => Ok((ended, false)),
        Leave::Over => Ok((call.hangup().await, false)),
        Leave::Interrupted => Ok((call.hangup().await, true)),
        Leave::Failed(fault) => {
            call.hangup().await;
            Err(fault)
        }
    }
}

enum Leave {
    Gone(Arc<Ended>),
    Over,
    Interrupted,
    Failed(Fault),
}

/// Dials the digits, then plays the files. True when there was something to do.
async fn script(args: &args::Call, call: &Call) -> Result<bool, Fault> {
    if let Some(digits) = &args.dtmf {
        for (place, part) in digits.split(',').enumerate() {
            if place > 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            if !part.is_empty() {
                call.dtmf(&part.to_ascii_uppercase()).await?;
                tokio::time::sleep(DIGIT * u32::try_from(part.len()).unwrap_or(1)).await;
            }
        }
    }
    for path in &args.play {
        match call.audio().play(path)?.finished().await {
            PlayEnd::Failed(error) => return Err(error.into()),
            _ => continue,
        }
    }
    if !args.play.is_empty() {
        tokio::time::sleep(TAIL).await;
    }
    Ok(!args.play.is_empty())
}

/// What the terminal shows of a call that stands.
struct Face {
    state: &'static str,
    since: Instant,
}

impl Face {
    fn tell(&mut self, event: &CallEvent, out: &mut Out) {
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
                self.state = "held";
                out.event("held by the other side", &[("event", "held".into())]);
            }
            CallEvent::Resumed => {
                self.state = "talking";
                out.event("resumed by the other side", &[("event", "resumed".into())]);
            }
            CallEvent::Silence { lasting } => {
                let secs = lasting.as_secs_f64();
                out.event(&format!("no packet for {secs:.0} s"), &[("event", "silence".into()), ("secs", secs.into())]);
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

/// Who ended it, and the figures.
fn report(ended: &Ended, heard: &Heard, out: &mut Out) {
    let by = match ended.by {
        EndedBy::Us => "us",
        EndedBy::Peer => "peer",
        EndedBy::Error => "error",
    };
    let secs = ended.duration.as_secs_f64();
    let audible = heard.audible().as_secs_f64();
    let mut fields = vec![
        ("event", "ended".into()),
        ("by", by.into()),
        ("code", ended.code.into()),
        ("reason", ended.reason.as_str().into()),
        ("secs", secs.into()),
        ("audible_secs", audible.into()),
    ];
    let mut lines = vec![format!("ended by {by} after {secs:.1} s ({} {})", ended.code, ended.reason)];
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
async fn finish(recording: Option<Recording>, out: &mut Out) -> Result<(), Fault> {
    let Some(recording) = recording else { return Ok(()) };
    let recorded = recording.finished().await?;
    let (path, secs) = (recorded.path.display().to_string(), recorded.length.as_secs_f64());
    let fields = [("event", "recorded".into()), ("file", path.as_str().into()), ("secs", secs.into())];
    out.event(&format!("recorded {secs:.1} s into {path}"), &fields);
    Ok(())
}

/// The exit code of a call that has ended, by what was expected of it.
fn judge(args: &args::Call, ended: &Ended, heard: &Heard) -> Result<Exit, Fault> {
    if ended.by == EndedBy::Error {
        let why =
            format!("the call broke off: {} {}; check the network between here and there", ended.code, ended.reason);
        return Err(Fault { exit: Exit::General, what: why, status: Some(ended.code) });
    }
    let expects = args.expect_audio || args.expect_tone.is_some();
    let packets = ended.stats.as_ref().map_or(0, |stats| stats.packets_received);
    if expects && packets == 0 {
        let why =
            "no audio came: not one packet arrived; check that UDP gets through from the other side's media ports";
        return Err(Fault::new(Exit::Media, why));
    }
    if args.expect_audio && !heard.has_audio() {
        let (secs, why) = (heard.audible().as_secs_f64(), "expected at least 0.3 s above -50 dBFS");
        return Err(Fault::new(
            Exit::Expectation,
            format!("--expect-audio: {packets} packets, {secs:.1} s that were not silence; {why}"),
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
