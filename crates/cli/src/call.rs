//! `offhook call`: places a call, plays, records, dials, and says what it heard.

mod ending;
mod face;
mod heard;
mod line;

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audio::wav;
use net::trace::Trace;
use ua::{Audio, Call, CallEvent, Dialing, Ended, PlayEnd, Progress, Recording};

use crate::args;
use crate::exit::{Exit, Fault};
use crate::interrupt::Interrupts;
use crate::out::Out;
use crate::phone::{self, Phone};
use crate::recording;
use crate::trace::Own;
use ending::End;
use face::Face;
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
    let timer = args.timer.read()?;
    let trace = Trace::default();
    // Ends behind the phone: its last messages are shown too.
    let _traced = Own::begin(Some("call"), &args.traced, &trace)?;
    let phone = Phone::open(&args.identity, Some(&args.target), Duration::from_secs(300), timer, &trace).await?;
    if !args.no_register && args.identity.account.is_some() {
        tokio::select! {
            registered = phone.register(out) => registered?,
            () = interrupts.came() => {
                phone.leave().await;
                return Ok(Exit::Interrupted);
            }
        }
    }
    let mut course = Course { face: Face::new(), recording: None };
    let call = match dial(args, &phone, &mut course, &interrupts, out).await {
        Ok(Some(call)) => call,
        outcome => {
            ending::finish(course.recording, out).await?;
            outcome?;
            phone.leave().await;
            return Ok(Exit::Interrupted);
        }
    };
    let outcome = attend(args, call, course, &heard, &interrupts, out).await;
    match &outcome {
        // The BYE has been waited for.
        Ok(Exit::Interrupted) | Err(Fault { exit: Exit::NoAnswer, .. }) => phone.leave().await,
        _ => phone.endpoint.close().await,
    }
    outcome
}

/// What goes on from the INVITE to the end, the answer in between or not.
struct Course {
    face: Face,
    /// Begun with the first packet or with the answer, whichever comes first.
    recording: Option<Recording>,
}

impl Course {
    fn tell(&mut self, event: Option<CallEvent>, out: &mut Out) {
        if let Some(event) = event {
            self.face.tell(&event, out);
        }
    }

    /// Begins the recording, where one is wanted and none runs.
    fn record(&mut self, args: &args::Call, audio: Audio<'_>) -> Result<(), Fault> {
        if let (Some(path), None) = (&args.record, &self.recording) {
            self.recording = Some(audio.record(path)?);
        }
        Ok(())
    }
}

/// From the answer to the verdict.
async fn attend(
    args: &args::Call,
    call: Call,
    mut course: Course,
    heard: &Heard,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Result<Exit, Fault> {
    let meters = heard.clone();
    call.audio().listen(move |frame| meters.push(frame))?;
    course.record(args, call.audio())?;
    let end = talk(args, call, course.face, heard, interrupts, out).await?;
    ending::report(&end, heard, out);
    ending::finish(course.recording, out).await?;
    if end.interrupted { Ok(Exit::Interrupted) } else { ending::judge(args, &end, heard) }
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
async fn dial(
    args: &args::Call,
    phone: &Phone,
    course: &mut Course,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Result<Option<Call>, Fault> {
    let builder = match &phone.account {
        Some(account) => account.call(&args.target),
        None => phone.endpoint.call(&args.target),
    };
    let since = Instant::now();
    let builder = builder.ring_for(Duration::from_secs(args.ring_for));
    let builder = if args.reliable { builder.reliable() } else { builder };
    let mut dialing = builder.start().await?;
    let peer = dialing.peer().to_owned();
    out.event(&format!("calling {peer}"), &[("event", "calling".into()), ("peer", peer.as_str().into())]);
    let mut state = "calling".to_owned();
    let (mut events, mut over) = (dialing.events(), false);
    // The answer comes with an event of its own, which is told after it.
    let mut last = None;
    loop {
        tokio::select! {
            biased;
            () = interrupts.came() => {
                cancel(dialing, out).await;
                return Ok(None);
            }
            progress = dialing.progress() => {
                let Some(progress) = progress else { break };
                state = ringing(&progress, out);
            }
            event = events.next(), if !over => match event {
                None | Some(CallEvent::Ended(_)) => over = true,
                Some(event) => {
                    course.tell(last.replace(event), out);
                    if last == Some(CallEvent::Heard) {
                        course.tell(last.take(), out);
                        course.record(args, dialing.audio())?;
                    }
                }
            },
            () = tokio::time::sleep(DRAW) => out.progress(&line::dialling(&state, since.elapsed())),
        }
    }
    let call = dialing.answer().await.map_err(|error| phone.fault(error).of(&peer))?;
    let setup = since.elapsed().as_secs_f64();
    let fields = [("event", "answered".into()), ("peer", call.peer().into()), ("setup_secs", setup.into())];
    out.event(&format!("answered after {setup:.1} s"), &fields);
    course.face.answered();
    course.tell(last, out);
    Ok(Some(call))
}

/// Tells of a provisional response; what the terminal's line begins with from now on.
fn ringing(progress: &Progress, out: &mut Out) -> String {
    let early = if progress.early_media { ", with audio" } else { "" };
    let said = format!("{} {}", progress.code, progress.reason);
    let fields = [
        ("event", "progress".into()),
        ("code", progress.code.into()),
        ("reason", progress.reason.as_str().into()),
        ("early_media", progress.early_media.into()),
        ("reliable", progress.reliable.into()),
    ];
    out.event(&format!("{said}{early}"), &fields);
    if progress.code == 180 { "ringing".to_owned() } else { said }
}

async fn cancel(dialing: Dialing, out: &mut Out) {
    let ended = dialing.cancel().await;
    out.event(&format!("given up: {} {}", ended.code, ended.reason), &[("event", "cancelled".into())]);
}

/// From the answer to the end.
async fn talk(
    args: &args::Call,
    call: Call,
    mut face: Face,
    heard: &Heard,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Result<End, Fault> {
    let tone = args.tone.map(|hertz| call.audio().tone(f64::from(hertz), None)).transpose()?;
    let leave = follow(args, &call, &mut face, heard, interrupts, out).await;
    drop(tone);
    let interrupted = matches!(leave, Leave::Interrupted);
    let mut end = match leave {
        Leave::Gone(ended) => End::of(ended),
        Leave::Over | Leave::Interrupted => End::hang_up(call).await,
        Leave::Failed(fault) => {
            call.hangup().await;
            return Err(fault);
        }
    };
    end.interrupted = interrupted;
    end.silent = face.quiet.map(|quiet| quiet.since.elapsed());
    Ok(end)
}

/// Carries out what is asked for, and tells what happens, until there is a reason to end.
async fn follow(
    args: &args::Call,
    call: &Call,
    face: &mut Face,
    heard: &Heard,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Leave {
    let mut events = call.events();
    let script = script(args, call);
    tokio::pin!(script);
    let time_out = async {
        match args.duration {
            Some(secs) => tokio::time::sleep(Duration::from_secs(secs)).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(time_out);
    let mut scripted = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(CallEvent::Ended(ended)) => return Leave::Gone(ended),
                Some(event) => face.tell(&event, out),
                None => return Leave::Over,
            },
            done = &mut script, if !scripted => match done {
                Ok(true) if args.duration.is_none() => return Leave::Over,
                Ok(_) => scripted = true,
                Err(fault) => return Leave::Failed(fault),
            },
            () = &mut time_out => return Leave::Over,
            () = interrupts.came() => return Leave::Interrupted,
            () = tokio::time::sleep(DRAW) => {
                let stats = call.stats().await;
                face.look(stats.as_ref(), out);
                out.progress(&line::talking(&face.state(), face.since.elapsed(), stats.as_ref(), heard.level()));
            }
        }
    }
}

/// Why a call ends.
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
