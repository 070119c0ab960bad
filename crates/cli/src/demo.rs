//! `offhook demo`: a PBX and two phones in this process, on loopback, on free ports, with state that is thrown away.

mod ladder;
mod scene;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::Transport;
use ua::{AccountConfig, Endpoint};

use crate::args;
use crate::exit::{Exit, Fault};
use crate::interrupt::Interrupts;
use crate::out::{Out, Tint};
use crate::phone;
use ladder::Ladder;
use scene::{CALLEE_TONE, CALLER_TONE, DIGITS, ECHO, Found, Party, TONE};

/// How long the PBX may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the verb.
pub(crate) fn run(args: &args::Demo, out: &mut Out) -> Exit {
    let result = phone::runtime().and_then(|runtime| runtime.block_on(show(args, out)));
    phone::conclude(result, out)
}

async fn show(args: &args::Demo, out: &mut Out) -> Result<Exit, Fault> {
    let interrupts = Interrupts::watch();
    let since = Instant::now();
    let folder = tempfile::tempdir().map_err(|error| Fault::general(format!("no temporary directory: {error}")))?;
    let pbx = start(&folder)?;
    let address = |transport| pbx.bound().iter().find(|bound| bound.transport == transport).map(|bound| bound.address);
    let (Some(udp), Some(tcp)) = (address(Transport::Udp), address(Transport::Tcp)) else {
        return Err(Fault::general("the PBX does not listen"));
    };
    let [one, two] = pbx.accounts() else { return Err(Fault::general("the PBX has no two users")) };
    let mut ladder = Ladder::new([&one.name, &two.name]);
    out.text(&format!("a PBX on udp {udp} and tcp {tcp}; {} registers over UDP, {} over TCP", one.name, two.name));
    let caller = party(one, udp, Transport::Udp, ladder.tap(0)).await?;
    let callee = party(two, tcp, Transport::Tcp, ladder.tap(1)).await?;
    let found = tokio::select! {
        found = scene::play(&caller, &callee, args.cut, &mut ladder, out) => found?,
        () = interrupts.came() => return Ok(Exit::Interrupted),
        () = tokio::time::sleep(PATIENCE) => {
            let why = format!("the demonstration did not end within {} s: the machine is too busy, or something is broken", PATIENCE.as_secs());
            return Err(Fault::general(why));
        }
    };
    let exit = verdict(&found, since.elapsed(), out);
    caller.endpoint.close().await;
    callee.endpoint.close().await;
    pbx.stop(FAREWELL);
    Ok(exit)
}

fn start(folder: &tempfile::TempDir) -> Result<pbx::Running, Fault> {
    let listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"].map(pbx::listen);
    let listen = listen.into_iter().collect::<Result<_, _>>().map_err(Fault::general)?;
    let config = pbx::Config { listen, state: Some(folder.path().join("state")), ..pbx::Config::default() };
    pbx::Server::start(config).map_err(Fault::general)
}

async fn party(
    account: &pbx::Account,
    pbx: SocketAddr,
    transport: Transport,
    tap: impl FnMut(&ua::Seen<'_>) + Send + 'static,
) -> Result<Party, Fault> {
    let builder = Endpoint::builder().user_agent(crate::user_agent()).tap(tap);
    let (builder, suffix) = match transport {
        Transport::Tcp => (builder.tcp("127.0.0.1:0"), ";transport=tcp"),
        _ => (builder.udp("127.0.0.1:0"), ""),
    };
    let endpoint = builder.build().await?;
    let password = account.password.as_deref().unwrap_or_default();
    let config = AccountConfig::new(format!("sip:{}@{pbx}{suffix}", account.name)).password(password);
    let account = endpoint.account(config).await?;
    Ok(Party { endpoint, account })
}

/// Prints what was found. The last line says whether audio went both ways.
fn verdict(found: &Found, took: Duration, out: &mut Out) -> Exit {
    let secs = |span: Duration| format!("{:.1} s", span.as_secs_f64());
    let mut check = |what: &str, result: String, good: bool| {
        let word = if good { out.tinted("yes", Tint::Good) } else { out.tinted("no", Tint::Bad) };
        out.text(&format!("  {what:<46} {result:>8}  {word}"));
        good
    };
    let to_callee =
        check(&format!("{CALLER_TONE} Hz of the caller at the callee"), secs(found.at_callee), found.at_callee >= TONE);
    let to_caller =
        check(&format!("{CALLEE_TONE} Hz of the callee at the caller"), secs(found.at_caller), found.at_caller >= TONE);
    let hold = check("hold is silent, resume is seen", String::new(), found.hold);
    let digits = check(&format!("digits {DIGITS} dialled"), found.digits.clone(), found.digits == DIGITS);
    let hung_up = check("hung up at both ends", String::new(), found.hung_up);
    let echo = check("second call: 600 sends the tone back", secs(found.echo), found.echo >= ECHO);
    let lost = match (to_callee, to_caller) {
        (true, true) => None,
        (false, true) => Some("caller -> callee lost"),
        (true, false) => Some("callee -> caller lost"),
        (false, false) => Some("both directions lost"),
    };
    let (word, tint) = if lost.is_none() { ("yes", Tint::Good) } else { ("no", Tint::Bad) };
    let exit = match lost {
        Some(_) => Exit::Media,
        None if hold && digits && hung_up && echo => Exit::Ok,
        None => Exit::Expectation,
    };
    let fields = [
        ("event", "verdict".into()),
        ("audio_both_ways", lost.is_none().into()),
        ("lost", lost.into()),
        ("caller_to_callee_secs", found.at_callee.as_secs_f64().into()),
        ("callee_to_caller_secs", found.at_caller.as_secs_f64().into()),
        ("hold", hold.into()),
        ("digits", found.digits.as_str().into()),
        ("hung_up", hung_up.into()),
        ("echo_secs", found.echo.as_secs_f64().into()),
        ("secs", took.as_secs_f64().into()),
        ("exit", (exit as u8).into()),
    ];
    let why = lost.map(|lost| format!(" ({lost})")).unwrap_or_default();
    out.text(&format!("  took {}", secs(took)));
    out.text(&format!("audio both ways: {}{why}", out.tinted(word, tint)));
    let for_people: [&str; 0] = [];
    out.event_in_lines(&for_people, &fields);
    exit
}
