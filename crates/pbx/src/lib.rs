//! The PBX as a library: registrar, extensions, and calls between registered devices.
//!
//! What it is: a back-to-back user agent. Each call has a leg on either side with its own dialog, its own session description and its own
//! media ports; what one side hears is relayed, undecoded where both use the same codec. What it is not: it has no dialplan language, no
//! queues and no trunks.
//!
//! Begin with [`Config`] (every field has a default) and [`Server::start`]:
//!
//! ```
//! let state = std::env::temp_dir().join(format!("offhook-pbx-doc-{}", std::process::id()));
//! let config = pbx::Config {
//!     listen: vec![pbx::listen("udp:127.0.0.1:0")?, pbx::listen("tcp:127.0.0.1:0")?],
//!     state: Some(state.clone()),
//!     ..pbx::Config::default()
//! };
//! let running = pbx::Server::start(config)?;
//! assert_eq!(running.accounts().len(), 2);
//! assert_eq!(running.status()?.registrations, 0);
//! running.stop(std::time::Duration::from_secs(1));
//! # std::fs::remove_dir_all(state)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All call handling is an [`net::App`] on a SIP loop's own thread: nothing is handed to another thread between a request and its answer. Of
//! several loops ([`Config::shards`]) each has the calls whose Call-ID falls to it and the bindings of the users who do.
//!
//! | file | what stands there |
//! |---|---|
//! | `config`, `config/*` | the settings and how they are read from TOML |
//! | `accounts` | users, their secrets, generated passwords |
//! | `server` | starting and stopping |
//! | `switch` | what one loop has and knows |
//! | `dispatch` | the application on the loop: which request and which event goes where |
//! | `admit`, `one_hash` | who a request is from, and whether it is let in; devices that know one hash only |
//! | `tables` | users in a database, and what changes there |
//! | `bindings`, `target` | where devices are; one of them, ready to be called |
//! | `neighbours`, `finding` | the other loops; what waits while one of them is asked for the devices of its users |
//! | `roles` | what the server is besides, by domain: proxy, redirect server, registrar alone |
//! | `call`, `call/*` | one call: its states, legs and media |
//! | `extension` | numbers that the PBX answers itself |
//! | `message`, `relay` | MESSAGE between users; where the answers to what was passed on belong |
//! | `watching`, `watching/*`, `board` | who watches whose state, what is published, and what is told of it; what all loops know of that |
//! | `studio` | the media threads: ports, streams, players, conferences |
//! | `tally`, `metrics` | what all loops count together, for limits; what each counts, for Prometheus |
//! | `command`, `panel`, `watch` | what other threads tell a loop; questions to all loops; who may ask from outside |

mod accounts;
mod admit;
mod bindings;
mod board;
mod body;
mod call;
mod certificate;
mod command;
mod config;
mod dispatch;
mod extension;
mod finding;
mod gate;
mod headers;
mod lookout;
mod message;
mod metrics;
mod neighbours;
mod one_hash;
mod outcome;
mod panel;
mod qualifying;
mod referral;
mod relay;
mod request;
mod roles;
mod server;
mod status;
mod studio;
mod switch;
mod tables;
mod tally;
mod target;
mod trace;
mod trust;
mod watch;
mod watching;

pub use accounts::{Account, AccountError};
pub use certificate::Certificate;
pub use config::{
    Authenticate, CertificateFiles, Config, ConfigError, Extensions, Limits, MediaConfig, Place, ProxyRules,
    RegisterConfig, Role, Secret, SqliteConfig, TlsConfig, Trust, User, listen, name_server,
};
pub use lookout::Lookout;
pub use panel::NoAnswer;
pub use server::{Running, Server, StartError};
pub use status::{CallStatus, ContactStatus, LoopStatus, Status, UserStatus};
pub use trace::{Following, fields as trace_fields, follow};
pub use watch::{WatchError, ask_status};
