//! `offhook`: a SIP phone, a PBX and their tools in one binary.

mod allocator;
mod answer;
mod args;
mod ask;
mod call;
mod demo;
mod exit;
mod home;
mod identity;
mod instance;
mod interrupt;
mod neighbour;
mod out;
mod phone;
mod recording;
mod register;
mod reload;
mod secrets;
mod serve;
mod status;
mod subscribe;
mod told;
mod trace;

use std::fmt::Debug;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format;

use args::{Cli, Verb};
use exit::Exit;
use out::Out;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    allocator::use_small_pages();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let mut out = Out::new(cli.general.json, cli.general.color);
    if let Err(why) = logging(&cli.general) {
        out.error(&why);
        return Exit::Usage.into();
    }
    secrets::hide();
    net::raise_file_limit();
    let exit = match &cli.verb {
        Verb::Demo(args) => demo::run(args, &mut out),
        Verb::Serve(args) => serve::run(args, &mut out),
        Verb::Call(args) => call::run(args, &mut out),
        Verb::Answer(args) => answer::run(args, &mut out),
        Verb::Register(args) => register::run(args, &mut out),
        Verb::Options(args) => ask::options(args, &mut out),
        Verb::Message(args) => ask::message(args, &mut out),
        Verb::Subscribe(args) => subscribe::run(args, &mut out),
        Verb::Check(args) => serve::check(args, &mut out),
        Verb::Status(args) => status::run(args, &mut out),
        Verb::Trace(args) => trace::run(args, &mut out),
        Verb::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "offhook", &mut script);
            match std::io::stdout().write_all(&script) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    out.error(&format!("the script cannot be written: {error}"));
                    Exit::General
                }
                _ => Exit::Ok,
            }
        }
    };
    out.conclude(exit).into()
}

/// What we call ourselves on the wire.
fn user_agent() -> String {
    concat!("Offhook/", env!("CARGO_PKG_VERSION")).to_owned()
}

/// Warnings by default; `-v` for information, `-vv` for everything; the filter of `--log-level` or OFFHOOK_LOG before that.
///
/// # Errors
/// When that filter cannot be read.
fn logging(general: &args::General) -> Result<(), String> {
    let by_flag = match general.verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let wanted = general.log_level.clone().or_else(|| std::env::var("OFFHOOK_LOG").ok());
    let text = wanted.as_deref().unwrap_or(by_flag);
    let filter = tracing_subscriber::EnvFilter::try_new(text).map_err(|error| {
        format!("log filter {text}: {error}; expected a level as info, or levels of parts as net=debug,warn")
    })?;
    let coloured = out::coloured(general.color, std::io::stderr().is_terminal());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(coloured).with_writer(std::io::stderr);
    if general.json {
        builder.json().init()
    } else {
        builder.fmt_fields(format::debug_fn(log_field).delimited(" ")).init()
    }
    Ok(())
}

/// A field of a line in the log. Peers' texts are among them: only a message of ours may have several lines.
fn log_field(writer: &mut format::Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    let text = format!("{value:?}");
    if field.name() != "message" {
        return write!(writer, "{field}={}", net::shown(&text));
    }
    for (place, line) in text.split('\n').enumerate() {
        let head = if place == 0 { "" } else { "\n" };
        write!(writer, "{head}{}", net::shown(line))?;
    }
    Ok(())
}
