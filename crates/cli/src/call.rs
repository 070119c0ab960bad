//! `offhook call`: places a call, plays, records, dials, and says what it heard.

mod ending;
mod face;
mod heard;
mod line;
mod transferred;

use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audio::wav;
use net::trace::Trace;
use ua::{Audio, Call, CallEvent, Dialing, Ended, InfoKind, OutgoingBuilder, PlayEnd, Progress, Recording};

use crate::args::{self, DtmfMode};
use crate::exit::{Exit, Fault};
use crate::identity;
use crate::interrupt::Interrupts;
use crate::out::Out;
use crate::phone::{self, Phone};
use crate::recording;
use crate::trace::Own;
use ending::End;
use face::Face;
pub(crate) use heard::Heard;
use transferred::Successor;

/// How often the terminal's line is drawn.
const DRAW: Duration = Duration::from_millis(200);
/// After the last file, so that its echo and its last packets arrive.
const TAIL: Duration = Duration::from_millis(500);
/// What a digit takes to be sent, with the pause after it.
const DIGIT: Duration = Duration::from_millis(250);

/// Runs the verb.
pub(crate) fn run(args: &args::Call, out: &mut Out) -> Exit {
    let result =
        secured(args).and_then(|args| phone::runtime().and_then(|runtime| runtime.block_on(place(&args, out))));
    phone::conclude(result, out)
}

/// The same, with all addresses over TLS where that is asked for.
fn secured(args: &args::Call) -> Result<args::Call, Fault> {
    let mut args = args.clone();
    if !args.tls {
        return Ok(args);
    }
    if args.identity.account.is_none() && phone::is_bare(&args.target) {
        let why = "a number without an account is called at the `offhook serve` of this machine, without TLS";
        return Err(Fault::usage(format!("--tls: {}: {why}", args.target)));
    }
    let given = &mut args.identity;
    // A number alone goes where its account does.
    let target = Some(&mut args.target).filter(|target| !phone::is_bare(target));
    for address in target.into_iter().chain(&mut given.account).chain(&mut given.proxy) {
        *address = identity::over_tls(address).map_err(Fault::usage)?;
    }
    Ok(args)
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
    let (lifetime, transfers) = (Duration::from_secs(300), args.allow_transfer);
    let phone = Phone::open(&args.identity, Some(&args.target), lifetime, timer, transfers, &trace).await?;
    if !args.no_register && args.identity.account.is_some() {
        tokio::select! {
            registered = phone.register(out) => registered?,
            () = interrupts.came() => {
                phone.leave().await;
                return Ok(Exit::Interrupted);
            }
        }
    }
    let mut course = Course { face: Face::new(), recording: None, transfers: 0 };
    let call = match dial(args, &phone, &mut course, &interrupts, out).await {
        Ok(Some(call)) => call,
        outcome => {
            ending::finish(course.recording, out).await?;
            outcome?;
            phone.leave().await;
            return Ok(Exit::Interrupted);
        }
    };
    let outcome = attend(args, &phone, call, course, &heard, &interrupts, out).await;
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
    /// How often we have been transferred.
    transfers: usize,
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
            self.recording = Some(audio.record(transferred::recording(path, self.transfers))?);
        }
        Ok(())
    }

    /// Goes on with another call.
    async fn turn_to(&mut self, out: &mut Out) -> Result<(), Fault> {
        self.transfers += 1;
        self.face = Face::new();
        ending::finish(self.recording.take(), out).await
    }
}

/// From the answer to the verdict.
async fn attend(
    args: &args::Call,
    phone: &Phone,
    call: Call,
    mut course: Course,
    heard: &Heard,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Result<Exit, Fault> {
    let end = talk(args, phone, call, &mut course, heard, interrupts, out).await?;
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
    let mut dialing = telling(args, builder).start().await?;
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

/// What the INVITE tells besides who is called.
fn telling(args: &args::Call, mut builder: OutgoingBuilder) -> OutgoingBuilder {
    if args.anonymous {
        builder = builder.anonymous();
    }
    if let Some(words) = &args.privacy {
        builder = builder.privacy(words);
    }
    if let Some(address) = &args.prefer {
        builder = builder.preferred_identity(address);
    }
    if let Some(data) = &args.uui {
        builder = builder.user_to_user(data);
    }
    match args.auto_answer {
        Some(secs) => builder.answer_after(Duration::from_secs(secs)),
        None => builder,
    }
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

/// From the answer to the end, in this call and in those that we are sent to.
async fn talk(
    args: &args::Call,
    phone: &Phone,
    mut call: Call,
    course: &mut Course,
    heard: &Heard,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Result<End, Fault> {
    loop {
        let meters = heard.clone();
        call.audio().listen(move |frame| meters.push(frame))?;
        course.record(args, call.audio())?;
        let tone = args.tone.map(|hertz| call.audio().tone(f64::from(hertz), None)).transpose()?;
        let leave = follow(args, phone, &call, course, heard, interrupts, out).await;
        drop(tone);
        let interrupted = matches!(leave, Leave::Interrupted);
        let mut end = match leave {
            Leave::Transferred(next) => {
                call.hangup().await;
                course.turn_to(out).await?;
                call = *next;
                continue;
            }
            Leave::Gone(ended) => End::of(ended),
            Leave::Over | Leave::Interrupted => End::hang_up(call).await,
            Leave::Failed(fault) => {
                call.hangup().await;
                return Err(fault);
            }
        };
        end.interrupted = interrupted;
        end.silent = course.face.quiet.as_ref().map(|quiet| quiet.since.elapsed());
        return Ok(end);
    }
}

/// Carries out what is asked for, and tells what happens, until there is a reason to end.
async fn follow(
    args: &args::Call,
    phone: &Phone,
    call: &Call,
    course: &mut Course,
    heard: &Heard,
    interrupts: &Interrupts,
    out: &mut Out,
) -> Leave {
    let (mut events, mut gone) = (call.events(), None);
    let mut successor = Successor::default();
    let failed = Failed::default();
    let script = script(args, call, course.transfers == 0, &failed);
    let face = &mut course.face;
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
        tell_failed(&failed, out);
        tokio::select! {
            event = events.next(), if gone.is_none() => match event {
                // Who has sent us on may hang up before the other one has answered.
                Some(CallEvent::Ended(ended)) if successor.is_there() => gone = Some(ended),
                Some(CallEvent::Ended(ended)) => return Leave::Gone(ended),
                Some(event) => face.tell(&event, out),
                None => return Leave::Over,
            },
            Some(referral) = phone.endpoint.referral(), if !successor.is_there() => {
                successor.place(referral, args, phone, out);
            }
            outcome = successor.answered() => {
                transferred::tell(&outcome, out);
                match (outcome, gone.take()) {
                    (Ok(next), _) => return Leave::Transferred(Box::new(next)),
                    (Err(_), Some(ended)) => return Leave::Gone(ended),
                    (Err(_), None) => {}
                }
            }
            done = &mut script, if !scripted && gone.is_none() => match done {
                Ok(true) if args.duration.is_none() => {
                    tell_failed(&failed, out);
                    return Leave::Over;
                }
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
    Transferred(Box<Call>),
    Gone(Arc<Ended>),
    Over,
    Interrupted,
    Failed(Fault),
}

/// Digits between two pauses. In INFO requests each may fail alone: the call goes on, and it is told.
async fn dial_digits(args: &args::Call, call: &Call, digits: &str, failed: &Failed) -> Result<(), Fault> {
    let kind = match args.dtmf_mode {
        DtmfMode::Rfc4733 if digits.is_empty() => return Ok(()),
        DtmfMode::Rfc4733 => {
            call.dtmf(digits).await?;
            tokio::time::sleep(DIGIT * u32::try_from(digits.len()).unwrap_or(1)).await;
            return Ok(());
        }
        DtmfMode::Info => InfoKind::Relay,
        DtmfMode::InfoDtmf => InfoKind::Plain,
    };
    for digit in digits.chars() {
        if let Err(error) = call.dtmf_info_as(kind, digit.encode_utf8(&mut [0; 4])).await {
            failed.borrow_mut().push((digit, error.to_string()));
        }
    }
    Ok(())
}

/// Digits that nobody has taken, and why, until they are told.
type Failed = RefCell<Vec<(char, String)>>;

fn tell_failed(failed: &Failed, out: &mut Out) {
    for (digit, why) in failed.take() {
        let digit = digit.to_string();
        let fields =
            [("event", "digit_failed".into()), ("digit", digit.as_str().into()), ("reason", why.as_str().into())];
        out.event(&format!("digit {digit} was not taken: {why}"), &fields);
    }
}

/// Dials the digits, which are for the first that is called, then plays the files. True when there was something to do.
async fn script(args: &args::Call, call: &Call, is_first: bool, failed: &Failed) -> Result<bool, Fault> {
    if let Some(digits) = args.dtmf.as_ref().filter(|_| is_first) {
        for (place, part) in digits.split(',').enumerate() {
            if place > 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            dial_digits(args, call, &part.to_ascii_uppercase(), failed).await?;
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
