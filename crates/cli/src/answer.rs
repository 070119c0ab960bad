//! `offhook answer`: a robot that takes calls.

mod board;
mod robot;
mod voice;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use media::MediaEvent;
use net::media::{MediaConfig, MediaThread, PortRange};
use net::{LoopConfig, SipLoop};
use sip::message::StatusCode;

use crate::args;
use crate::exit::{Exit, Fault};
use crate::identity::Identity;
use crate::interrupt::Interrupts;
use crate::out::Out;
use crate::phone;
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
        Err((exit, why)) => out.fault(&Fault::new(exit, why)),
    }
}

struct Running {
    sip: net::Running<Order>,
    /// Ends with the robot.
    media: Option<MediaThread>,
    news: Board<News>,
    registers: bool,
}

fn start(args: &args::Answer) -> Result<Running, (Exit, String)> {
    let general = |why: String| (Exit::General, why);
    let usage = |why: String| (Exit::Usage, why);
    let voice = match (&args.play, args.tone) {
        (Some(path), _) => Some(Voice::file(path).map_err(general)?),
        (None, Some(hertz)) => Some(Voice::tone(hertz).map_err(usage)?),
        (None, None) => None,
    };
    let account = Identity::read(&args.identity).map_err(usage)?;
    let registers = account.is_some();
    let conduct = Conduct {
        reject: args.reject.and_then(StatusCode::new),
        ring_only: args.ring,
        hang_up_after: args.duration.map(Duration::from_secs),
        echo: args.echo,
        voice,
        ears: args.record.clone().map(Ears::new).transpose().map_err(general)?,
        account: account.map(|identity| Account {
            spec: Box::new(identity.register_spec(3_600)),
            credentials: identity.credential(),
        }),
    };
    let with_media = conduct.echo || conduct.voice.is_some() || conduct.ears.is_some();
    let news = Board::new();
    let inbox = news.clone();
    let timers = sip::Timers::with_t1(Duration::from_millis(args.t1_ms));
    let mut stack = sip::Config { user_agent: Some(crate::user_agent()), timers, ..sip::Config::default() };
    stack.allow.extend([sip::message::Method::Info, sip::message::Method::Message]);
    // Set as soon as the loop runs. No call has a digit before.
    let way = Arc::new(OnceLock::<net::Handle<Order>>::new());
    let to_loop = Arc::clone(&way);
    let listening = phone::udp_and_tcp(&phone::addresses(&args.identity.sip));
    // The media thread needs the loop's clock, and the robot needs the media thread: the robot is made when both are known.
    let (give_media, take_media) = std::sync::mpsc::channel();
    let mut config = LoopConfig::new(listening, stack);
    config.look_up(phone::names(&args.identity));
    let sip = SipLoop::spawn(config, move |_, clock| {
        let media = with_media.then(|| {
            let config = MediaConfig { engine: media::Config::default(), clock, commands: 4_096 };
            MediaThread::spawn(config, move |event| {
                // Of all events only digits are news. Where too much waits for the loop, one is lost, as on the network.
                if let (MediaEvent::DigitEnded { .. }, Some(handle)) = (&event, to_loop.get()) {
                    let _ = handle.try_send(Order::Media(event));
                }
            })
        });
        let studio = match &media {
            Some(Ok(thread)) => Some(Studio { media: thread.handle(), ports: PortRange::default() }),
            _ => None,
        };
        let _ = give_media.send(media);
        Robot::new(conduct, studio, news)
    })
    .map_err(|error| general(error.to_string()))?;
    let _ = way.set(sip.handle());
    let media = match take_media.recv().ok().flatten().transpose() {
        Ok(media) => media,
        Err(error) => return Err(general(error.to_string())),
    };
    Ok(Running { sip, media, news: inbox, registers })
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
        let mut exit = Exit::Ok;
        if self.registers {
            let _ = self.sip.handle().try_send(Order::Begin);
        }
        loop {
            if leaving.is_none() && interrupts.seen() > 0 {
                leaving = Some(Instant::now());
                exit = Exit::Interrupted;
                let _ = self.sip.handle().try_send(Order::Leave);
            }
            if interrupts.seen() > 1 || leaving.is_some_and(|since| since.elapsed() > FAREWELL) {
                return exit;
            }
            if self.media.as_ref().is_some_and(MediaThread::has_ended) {
                out.error("the media thread has ended by a fault of its own; the log says why");
                return Exit::General;
            }
            std::thread::sleep(PACE);
            // Asked before the rest is taken: what was put until then is read.
            let abandoned = self.news.is_abandoned();
            self.news.take(&mut taken);
            out.hold();
            for news in &taken {
                let (over, failed) = (matches!(news, News::Ended { .. } | News::Refused { .. }), report(news, out));
                if let Some(code) = failed {
                    return code;
                }
                if matches!(news, News::Left) {
                    return exit;
                }
                ended_calls += u64::from(over);
                if leaving.is_none() && args.calls.is_some_and(|most| ended_calls >= most) {
                    leaving = Some(Instant::now());
                    let _ = self.sip.handle().try_send(Order::Leave);
                }
            }
            out.release();
            if abandoned {
                // The robot is gone without having been asked to go.
                out.error("the SIP loop has ended; the log says why");
                return Exit::General;
            }
        }
    }
}

/// Prints news; an exit code when they end the robot.
fn report(news: &News, out: &mut Out) -> Option<Exit> {
    match news {
        News::Registered { expires } => {
            let secs = expires.as_secs();
            out.event(
                &format!("registered for {secs} s"),
                &[("event", "registered".into()), ("expires_secs", secs.into())],
            );
        }
        News::RegistrationFailed { why, retry_in } => {
            let text = match retry_in {
                Some(wait) => format!("not registered: {why}; next try in {} s", wait.as_secs()),
                None => format!("not registered: {why}"),
            };
            out.event(&text, &[("event", "registration_failed".into()), ("why", why.as_str().into())]);
            if retry_in.is_none() {
                return Some(Exit::Authentication);
            }
        }
        News::Ringing { call, from } => {
            out.often(format_args!("call {call} from {from}"), || {
                [("event", "ringing".into()), ("call", (*call).into()), ("from", from.as_str().into())]
            });
        }
        News::Refused { call, code, why } => {
            let text = if why.is_empty() {
                format!("call {call} refused: {code}")
            } else {
                format!("call {call} refused: {code} ({why})")
            };
            let fields = [("event", "refused".into()), ("call", (*call).into()), ("code", (*code).into())];
            out.event(&text, &fields);
        }
        News::Answered { call, codec } => {
            let codec = codec.map_or("no audio", audio::codec::Codec::name);
            out.often(format_args!("call {call} answered, {codec}"), || {
                [("event", "answered".into()), ("call", (*call).into()), ("codec", codec.into())]
            });
        }
        News::Digit { call, digit } => {
            let digit = digit.to_string();
            out.event(
                &format!("call {call} digit {digit}"),
                &[("event", "digit".into()), ("call", (*call).into()), ("digit", digit.as_str().into())],
            );
        }
        News::Ended { call, by, lasted, heard } => {
            let (packets, lost) = heard.as_ref().map_or((0, 0), |heard| (heard.packets_received, heard.packets_lost));
            let audio = heard.as_ref().map(|_| format!(", {packets} packets, {lost} lost")).unwrap_or_default();
            // In tenths, rounded: the whole and its digit cost less to print than a float.
            let tenths = (lasted.as_millis() + 50) / 100;
            let (whole, tenth) = (tenths / 10, tenths % 10);
            out.often(format_args!("call {call} ended by {by} after {whole}.{tenth} s{audio}"), || {
                [
                    ("event", "ended".into()),
                    ("call", (*call).into()),
                    ("by", (*by).into()),
                    ("secs", lasted.as_secs_f64().into()),
                    ("packets", packets.into()),
                    ("lost", lost.into()),
                ]
            });
        }
        News::Message { from, text } => {
            out.event(
                &format!("message from {from}: {text}"),
                &[("event", "message".into()), ("from", from.as_str().into()), ("text", text.as_str().into())],
            );
        }
        News::Trouble { what } => out.error(what),
        News::Left => {}
    }
    None
}
