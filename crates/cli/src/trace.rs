//! `offhook trace`: what passes another process of this machine, as a ladder, into a file, or to a capture server.

mod ladder;
mod own;
mod sinks;

use std::time::{Duration, Instant};

use net::trace::{Filter, Next};

use crate::args;
use crate::exit::{Exit, Fault};
use crate::interrupt::Interrupts;
use crate::neighbour;
use crate::out::{Out, counted};
use ladder::Ladder;
pub(crate) use own::Own;
use sinks::Sinks;

/// Runs the verb.
pub(crate) fn run(args: &args::Trace, out: &mut Out) -> Exit {
    match follow(args, out) {
        Ok(exit) => exit,
        Err(fault) => out.fault(&fault),
    }
}

fn follow(args: &args::Trace, out: &mut Out) -> Result<Exit, Fault> {
    let interrupts = Interrupts::watch();
    let process = neighbour::process(args.state.as_deref(), args.pid)?;
    let filter = Filter { user: args.user.clone(), call_id: args.call_id.clone() };
    let socket = process.socket.display();
    let followed = pbx::follow(&process.socket, &filter);
    let mut following = followed.map_err(|error| Fault::new(Exit::Unreachable, format!("{socket}: {error}")))?;
    // Nothing is emptied for a process that does not show its messages.
    let mut sinks = Sinks::open(args.write.as_deref(), args.hep)?;
    let (pid, kind) = (process.pid, process.kind.as_str());
    out.event(
        &format!("tracing {kind}, process {pid}"),
        &[("event", "tracing".into()), ("process", kind.into()), ("pid", pid.into())],
    );
    let until = args.duration.map(|secs| Instant::now() + Duration::from_secs(secs));
    let (mut ladder, mut shown, mut missed) = (Ladder::new(), 0_u64, 0_u64);
    let ended = loop {
        if interrupts.seen() || until.is_some_and(|until| Instant::now() >= until) {
            break false;
        }
        match following.take().map_err(|error| Fault::general(format!("{socket}: {error}")))? {
            Next::Record(record) => {
                out.hold();
                (shown, missed) = (shown + 1, missed + record.missed);
                ladder.print(&record, out);
                sinks.put(&record)?;
            }
            Next::Empty => {
                out.release();
                sinks.flush()?;
            }
            Next::Ended => break true,
        }
    };
    sinks.flush()?;
    out.release();
    let why = if ended { "the process has ended, or does not show its messages any more; " } else { "" };
    let unsent = sinks.unsent();
    let lost = [(missed, "came too fast to be shown"), (unsent, "could not be sent to the capture server")];
    let lost: String = lost.iter().filter(|(lost, _)| *lost > 0).map(|(lost, why)| format!(", {lost} {why}")).collect();
    let fields = [
        ("event", "traced".into()),
        ("messages", shown.into()),
        ("missed", missed.into()),
        ("unsent", unsent.into()),
        ("process_ended", ended.into()),
    ];
    out.event(&format!("{why}{}{lost}", counted(shown, "message")), &fields);
    Ok(Exit::Ok)
}
