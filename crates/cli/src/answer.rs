//! `offhook answer`: a robot that takes calls.

mod board;
mod report;
mod robot;
mod voice;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use media::MediaEvent;
use net::media::{MediaConfig, MediaThread, PortRange};
use net::trace::Trace;
use net::{Bind, Clock, CommandError, LoopConfig, SipLoop, StartError, WebSockets};
use sip::Transport;
use sip::message::StatusCode;
use sip::register::RegisterSpec;

use crate::allocator;
use crate::args;
use crate::exit::{Exit, Fault};
use crate::identity::{self, Identity};
use crate::interrupt::Interrupts;
use crate::out::Out;
use crate::phone;
use crate::trace::Own;
use board::Board;
use robot::{Account, Conduct, News, Order, Robot, Studio};
use voice::{Ears, Voice};

/// How long calls and the registration may take to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often news are looked at: calls never wake the terminal's thread.
const PACE: Duration = Duration::from_millis(50);

/// Runs the verb.
pub(crate) fn run(args: &args::Answer, out: &mut Out) -> Exit {
    match start(args) {
        Ok(running) => running.serve(args, out),
        Err(fault) => out.fault(&fault),
    }
}

struct Running {
    sip: net::Running<Order>,
    /// Ends with the robot.
    media: Option<MediaThread>,
    news: Board<News>,
    /// Recordings that are being written.
    recordings: Arc<AtomicUsize>,
    registers: bool,
    /// Ends behind the loop: its last messages are shown too.
    _traced: Own,
}

fn start(args: &args::Answer) -> Result<Running, Fault> {
    let trace = Trace::default();
    let traced = Own::begin(Some("answer"), &args.traced, &trace)?;
    let (conduct, registers) = conduct(args)?;
    let recordings = conduct.ears.as_ref().map(Ears::unfinished).unwrap_or_default();
    let with_media = conduct.echo || conduct.voice.is_some() || conduct.ears.is_some();
    let news = Board::new();
    let inbox = news.clone();
    // Set as soon as the loop runs. No call has a digit before.
    let way = Arc::new(OnceLock::<net::Handle<Order>>::new());
    let to_loop = Arc::clone(&way);
    // The media thread needs the loop's clock, and the robot needs the media thread: the robot is made when both are known.
    let (give_media, take_media) = std::sync::mpsc::channel();
    let sip = SipLoop::spawn(listening(args, trace)?, move |_, clock| {
        let media = with_media.then(|| start_media(clock, to_loop, news.clone()));
        let studio = match &media {
            Some(Ok(thread)) => Some(Studio { media: thread.handle(), ports: PortRange::default() }),
            _ => None,
        };
        let _ = give_media.send(media);
        Robot::new(conduct, studio, news)
    })
    .map_err(Fault::general)?;
    let _ = way.set(sip.handle());
    let media = take_media.recv().ok().flatten().transpose().map_err(Fault::general)?;
    Ok(Running { sip, media, news: inbox, recordings, registers, _traced: traced })
}

/// What the robot is to do, and whether it registers.
fn conduct(args: &args::Answer) -> Result<(Conduct, bool), Fault> {
    let voice = match (&args.play, args.tone) {
        (Some(path), _) => Some(Voice::file(path).map_err(Fault::general)?),
        (None, Some(hertz)) => Some(Voice::tone(hertz).map_err(Fault::usage)?),
        (None, None) => None,
    };
    let account = Identity::read(&args.identity).map_err(Fault::usage)?;
    let registers = account.is_some();
    let keep_alive = args.identity.keep_alive.map(Duration::from_secs);
    let kept_alive = |spec| RegisterSpec { keep_alive, ..spec };
    let conduct = Conduct {
        reject: args.reject.and_then(StatusCode::new),
        ring_only: args.ring,
        auto_answer: args.auto_answer,
        believed: args.believe.clone(),
        reliable: args.reliable,
        timed: args.timer.read()?.is_some(),
        allow_transfer: args.allow_transfer,
        allow_watchers: args.allow_watchers,
        hang_up_after: args.duration.map(Duration::from_secs),
        echo: args.echo,
        voice,
        ears: args.record.clone().map(Ears::new).transpose().map_err(Fault::general)?,
        account: account.map(|identity| Account {
            specs: identity.register_specs(3_600).into_iter().map(kept_alive).collect(),
            credentials: identity.credential(),
        }),
    };
    Ok((conduct, registers))
}

/// The loop that calls come to.
fn listening(args: &args::Answer, trace: Trace) -> Result<LoopConfig, Fault> {
    let timers = sip::Timers::with_t1(Duration::from_millis(args.t1_ms));
    let user_agent = Some(crate::user_agent());
    let mut stack = sip::Config { user_agent, timers, session_id: true, ..sip::Config::default() };
    if args.trying_ms > 0 {
        stack.trying = sip::Trying::After(Duration::from_millis(args.trying_ms));
    }
    // What is refused for want of room has its 503 and Retry-After from the stack (RFC 3261 section 21.5.4).
    stack.max_sessions = args.max_calls as usize;
    let timer = args.timer.read()?;
    let capabilities = Robot::capabilities(timer.is_some(), args.allow_watchers);
    (stack.allow, stack.supported) = (capabilities.allow, capabilities.supported);
    stack.session.timer = timer.unwrap_or_default();
    let mut binds = phone::udp_and_tcp(&phone::addresses(&args.identity.sip));
    binds.extend(args.tls.iter().map(|address| Bind { transport: Transport::Tls, address: *address }));
    let mut config = LoopConfig::new(binds, stack);
    config.trace = trace;
    config.look_up(phone::names(&args.identity));
    config.tls.client = phone::trust(&args.identity.tls)?;
    if !args.tls.is_empty() {
        config.tls.server = phone::shown(&args.identity.tls)?;
    }
    if let Some(server) = identity::websocket(&args.identity).map_err(Fault::usage)? {
        let own = Identity::read(&args.identity).map_err(Fault::usage)?.and_then(|identity| identity.credential());
        let credentials = own.map(Into::into).unwrap_or_default();
        let resource = server.resource().to_owned();
        config.web = Arc::new(WebSockets { resource, credentials, ..WebSockets::default() });
    }
    Ok(config)
}

/// The thread that plays, echoes and records.
fn start_media(
    clock: Clock,
    to_loop: Arc<OnceLock<net::Handle<Order>>>,
    news: Board<News>,
) -> Result<MediaThread, StartError> {
    let config = MediaConfig { engine: media::Config::default(), clock, commands: 4_096 };
    MediaThread::spawn(config, move |event| {
        if let Some(handle) = to_loop.get() {
            pass_on(event, |order| handle.try_send(order), &news);
        }
    })
}

/// Of all that happens to a stream only digits are news. The media thread cannot wait for the loop: what finds no room there is said to be lost.
fn pass_on(event: MediaEvent, send: impl FnOnce(Order) -> Result<(), CommandError>, news: &Board<News>) {
    let MediaEvent::DigitEnded { digit, .. } = event else { return };
    if send(Order::Media(event)) == Err(CommandError::Full) {
        news.put(News::Trouble { what: format!("a digit {digit} is lost: the SIP loop is too busy to take it") });
    }
}

impl Running {
    fn serve(self, args: &args::Answer, out: &mut Out) -> Exit {
        for bound in self.sip.bound() {
            phone::listening(bound.transport, bound.address, out);
        }
        let interrupts = Interrupts::watch();
        let mut ended_calls = 0_u64;
        let mut taken = Vec::new();
        let mut leaving: Option<Instant> = None;
        let mut left = false;
        let mut exit = Exit::Ok;
        if self.registers {
            let _ = self.sip.handle().try_send(Order::Begin);
        }
        loop {
            if leaving.is_none() && interrupts.seen() {
                leaving = Some(Instant::now());
                exit = Exit::Interrupted;
                let _ = self.sip.handle().try_send(Order::Leave);
            }
            if leaving.is_some_and(|since| since.elapsed() > FAREWELL) {
                return exit;
            }
            if self.media.as_ref().is_some_and(MediaThread::has_ended) {
                out.error("the media thread has ended by a fault of its own; the log says why");
                return Exit::General;
            }
            std::thread::sleep(PACE);
            allocator::give_back();
            // Asked before the rest is taken: what was put until then is read.
            let abandoned = self.news.is_abandoned();
            let finished = left && self.recordings.load(Ordering::Acquire) == 0;
            let lost = self.news.take(&mut taken);
            out.hold();
            for news in &taken {
                let (over, failed) =
                    (matches!(news, News::Ended { .. } | News::Refused { .. }), report::print(news, out));
                if let Some(code) = failed {
                    return code;
                }
                left |= matches!(news, News::Left);
                ended_calls += u64::from(over);
                if leaving.is_none() && args.calls.is_some_and(|most| ended_calls >= most) {
                    leaving = Some(Instant::now());
                    let _ = self.sip.handle().try_send(Order::Leave);
                }
            }
            if lost > 0 {
                out.error(&format!("news of calls that are not shown, since more came than can be printed: {lost}"));
            }
            out.release();
            if finished {
                return exit;
            }
            if abandoned {
                // The robot is gone without having been asked to go.
                out.error("the SIP loop has ended; the log says why");
                return Exit::General;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::Key;

    #[test]
    fn digit_that_finds_the_queue_full_is_told_and_one_that_is_taken_is_not() {
        let digit = || MediaEvent::DigitEnded { stream: Key(1), digit: '7', duration: rtp::Micros(160_000) };
        let news = Board::new();
        let mut taken = Vec::new();
        pass_on(digit(), |_| Ok(()), &news);
        // The robot has ended: nobody is waiting for its digits.
        pass_on(digit(), |_| Err(CommandError::Ended), &news);
        news.take(&mut taken);
        assert!(taken.is_empty(), "{taken:?}");
        pass_on(digit(), |_| Err(CommandError::Full), &news);
        news.take(&mut taken);
        assert!(matches!(taken.as_slice(), [News::Trouble { what }] if what.contains("digit 7 is lost")), "{taken:?}");
    }
}
