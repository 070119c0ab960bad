//! What happens in the demonstration, step by step, and what is found.

use std::time::{Duration, Instant};

use ua::{Account, Call, CallEvent, EndedBy, Endpoint, Events};

use crate::args::Cut;
use crate::call::Heard;
use crate::exit::Fault;
use crate::out::Out;

use super::ladder::Ladder;

/// What the caller says, in Hz.
pub(super) const CALLER_TONE: f64 = 440.0;
/// What the callee says, in Hz.
pub(super) const CALLEE_TONE: f64 = 1_000.0;
/// So long must each tone stand at the other end, 20 dB over everything else.
pub(super) const TONE: Duration = Duration::from_secs(3);
/// So long is waited for a tone of which nothing is heard.
const TONE_PATIENCE: Duration = Duration::from_millis(5_200);
/// So long they may take where what is missing is heard, with breaks: all of it ends within ten seconds.
const BREAKS_PATIENCE: Duration = Duration::from_secs(7);
/// How long the callee rings.
const RING: Duration = Duration::from_millis(250);
/// How long the call is held.
const HOLD: Duration = Duration::from_millis(500);
/// From the answer to a hold until the last packet has been played.
const SETTLE: Duration = Duration::from_millis(300);
/// What an event may take to arrive.
const PATIENCE: Duration = Duration::from_secs(2);
/// So long must the echo stand.
pub(super) const ECHO: Duration = Duration::from_millis(500);
/// The digits that are dialled.
pub(super) const DIGITS: &str = "42#";
/// How often the ladder is printed while nothing else happens.
const LOOK: Duration = Duration::from_millis(50);

/// A phone of the demonstration.
pub(super) struct Party {
    pub(super) endpoint: Endpoint,
    pub(super) account: Account,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How long the caller's tone stood at the callee.
    pub(super) at_callee: Duration,
    /// How long the callee's tone stood at the caller.
    pub(super) at_caller: Duration,
    /// The hold was seen and silent, and the tones came back after it.
    pub(super) hold: bool,
    /// The digits that arrived.
    pub(super) digits: String,
    /// The end of the first call was seen at both ends.
    pub(super) hung_up: bool,
    /// How long the tone came back from the echo extension.
    pub(super) echo: Duration,
}

/// Both ends of a call.
struct Pair {
    caller: Call,
    callee: Call,
}

/// Runs everything.
pub(super) async fn play(
    caller: &Party,
    callee: &Party,
    cut: Option<Cut>,
    ladder: &mut Ladder,
    out: &mut Out,
) -> Result<Found, Fault> {
    let mut found = Found::default();
    let (one, two) = tokio::join!(caller.account.register(), callee.account.register());
    one.and(two)?;
    ladder.print(out);
    let call = connect(caller, callee).await?;
    ladder.print(out);
    match cut {
        Some(Cut::CallerToCallee) => call.caller.audio().cut(true).await?,
        Some(Cut::CalleeToCaller) => call.callee.audio().cut(true).await?,
        None => {}
    }
    let (at_caller, at_callee) = talk(&call, ladder, out).await?;
    (found.at_caller, found.at_callee) = (at_caller.tone(1), at_callee.tone(0));
    let mut events = call.callee.events();
    found.hold = hold(&call, &at_callee, &mut events).await?;
    ladder.print(out);
    call.caller.dtmf(DIGITS).await?;
    found.digits = digits(&mut events).await;
    found.hung_up = hang_up(call).await;
    ladder.print(out);
    found.echo = echo(callee).await?;
    ladder.print(out);
    tokio::join!(caller.account.unregister(), callee.account.unregister());
    ladder.print(out);
    Ok(found)
}

/// The first call: it rings, and is answered.
async fn connect(caller: &Party, callee: &Party) -> Result<Pair, Fault> {
    let number = callee.account.address().trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned();
    let (placed, taken) = tokio::join!(caller.account.call(number), async {
        let ringing = callee.endpoint.incoming().await.ok_or(ua::CallError::Ended)?;
        ringing.ring().await?;
        tokio::time::sleep(RING).await;
        ringing.answer().await
    });
    Ok(Pair { caller: placed?, callee: taken? })
}

/// Both talk until each has heard the other for long enough, or patience ends. Returns what each of them heard.
async fn talk(call: &Pair, ladder: &mut Ladder, out: &mut Out) -> Result<(Heard, Heard), Fault> {
    let tones = [CALLER_TONE, CALLEE_TONE];
    let (at_caller, at_callee) =
        (Heard::new(&tones).map_err(Fault::general)?, Heard::new(&tones).map_err(Fault::general)?);
    let (one, two) = (at_caller.clone(), at_callee.clone());
    call.caller.audio().listen(move |frame| one.push(frame))?;
    call.callee.audio().listen(move |frame| two.push(frame))?;
    call.caller.audio().tone(CALLER_TONE, None)?;
    call.callee.audio().tone(CALLEE_TONE, None)?;
    let since = Instant::now();
    let missing = || [at_caller.tone(1), at_callee.tone(0)].into_iter().filter(|stood| *stood < TONE);
    // A busy machine breaks a tone; one that is cut is not there at all.
    while missing().next().is_some()
        && since.elapsed() < BREAKS_PATIENCE
        && (since.elapsed() < TONE_PATIENCE || missing().any(|stood| !stood.is_zero()))
    {
        tokio::time::sleep(LOOK).await;
        ladder.print(out);
        out.progress(&format!("talking {:.1} s", since.elapsed().as_secs_f32()));
    }
    Ok((at_caller, at_callee))
}

/// The caller holds and resumes. True when the callee is told of both, hears nothing in between and the tone again after it.
async fn hold(call: &Pair, at_callee: &Heard, events: &mut Events) -> Result<bool, Fault> {
    call.caller.hold().await?;
    let held = until(events, |event| matches!(event, CallEvent::HeldByPeer)).await;
    tokio::time::sleep(SETTLE).await;
    let before = at_callee.audible();
    tokio::time::sleep(HOLD).await;
    let silent = at_callee.audible() == before;
    call.caller.resume().await?;
    let resumed = until(events, |event| matches!(event, CallEvent::Resumed)).await;
    let since = Instant::now();
    while at_callee.audible() == before && since.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
    }
    Ok(held && silent && resumed && at_callee.audible() > before)
}

/// The digits that come, as many as were sent or until none comes any more.
async fn digits(events: &mut Events) -> String {
    let mut digits = String::new();
    while digits.len() < DIGITS.len() {
        match tokio::time::timeout(PATIENCE, events.next()).await {
            Ok(Some(CallEvent::Digit { digit, .. })) => digits.push(digit),
            Ok(Some(CallEvent::Ended(_)) | None) | Err(_) => break,
            Ok(Some(_)) => {}
        }
    }
    digits
}

/// The caller hangs up; true when both ends agree on that.
async fn hang_up(call: Pair) -> bool {
    let ours = call.caller.hangup().await;
    let theirs = tokio::time::timeout(PATIENCE, call.callee.ended()).await;
    ours.by == EndedBy::Us && theirs.is_ok_and(|ended| ended.by == EndedBy::Peer)
}

/// The second call: the callee of the first calls the echo and hears itself.
async fn echo(party: &Party) -> Result<Duration, Fault> {
    let call = party.account.call("600").await?;
    let heard = Heard::new(&[CALLEE_TONE]).map_err(Fault::general)?;
    let meters = heard.clone();
    call.audio().listen(move |frame| meters.push(frame))?;
    call.audio().tone(CALLEE_TONE, None)?;
    let since = Instant::now();
    while heard.tone(0) < ECHO && since.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
    }
    call.hangup().await;
    Ok(heard.tone(0))
}

/// Waits for an event; false when it does not come.
async fn until(events: &mut Events, wanted: impl Fn(&CallEvent) -> bool) -> bool {
    let wait = async {
        while let Some(event) = events.next().await {
            if wanted(&event) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or(false)
}
