//! The command line: one table from which parsing, help and completions follow.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A SIP phone, a PBX and their tools in one binary.
///
/// Exit codes: 0 ok, 1 general, 2 usage, 3 configuration, 4 unreachable, 6 authentication refused, 7 callee refused, 8 no answer,
/// 9 media failed (none, one-way), 10 an --expect-* not met, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "offhook", version, about, max_term_width = 110, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Options of every verb.
    #[command(flatten)]
    pub general: General,
}

/// Options of every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "General")]
pub struct General {
    /// Print state and results as JSON, one object a line, each with "v": 1.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more; twice: every message.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What is logged, for example `info` or `net=debug` (also from OFFHOOK_LOG).
    #[arg(long, global = true, value_name = "FILTER")]
    pub log_level: Option<String>,
    /// Colours on the terminal.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// A robot that takes calls.
    Answer(Answer),
    /// Print a completion script for a shell.
    Completions(Completions),
}

/// Who we are and where we listen.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Identity")]
pub struct Identity {
    /// Our address of record, for example sip:1001@pbx.local; also the registrar's domain.
    #[arg(long, value_name = "URI")]
    pub account: Option<String>,
    /// Password of the account; @FILE reads it from a file (also from OFFHOOK_PASSWORD).
    #[arg(long, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// Name for authentication when it is not the account's user part.
    #[arg(long, value_name = "NAME")]
    pub auth_user: Option<String>,
    /// Send everything to this address first, for example sip:127.0.0.1:5060;lr.
    #[arg(long, value_name = "URI")]
    pub proxy: Option<String>,
    /// Listen for SIP there, UDP and TCP (repeatable); a free port of all addresses by default.
    #[arg(long, value_name = "ADDR:PORT")]
    pub sip: Vec<SocketAddr>,
}

/// Arguments of `answer`.
#[derive(Debug, Args)]
pub struct Answer {
    /// Who answers; with an account it registers, without it takes calls to any user.
    #[command(flatten)]
    pub identity: Identity,
    /// Send back what is heard.
    #[arg(long)]
    pub echo: bool,
    /// Play a WAV file, again and again.
    #[arg(long, value_name = "FILE", conflicts_with = "echo")]
    pub play: Option<PathBuf>,
    /// Play a tone of this frequency in Hz.
    #[arg(long, value_name = "HZ", conflicts_with_all = ["echo", "play"])]
    pub tone: Option<u32>,
    /// Record what is heard; further calls get a number before the suffix.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Ring and never answer.
    #[arg(long)]
    pub ring: bool,
    /// Refuse with this status.
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(300..700), conflicts_with = "ring")]
    pub reject: Option<u16>,
    /// Hang each call up after so long.
    #[arg(long = "for", value_name = "SECS")]
    pub duration: Option<u64>,
    /// End after so many calls.
    #[arg(long, value_name = "N")]
    pub calls: Option<u64>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}
