//! A PBX from a configuration file (or none), until Enter is pressed.
//!
//! ```text
//! cargo run -p offhook-pbx --example serve -- pbx.toml
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::path::PathBuf;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = match std::env::args_os().nth(1).map(PathBuf::from) {
        Some(path) => pbx::Config::load(&path)?,
        None => pbx::Config::default(),
    };
    let running = pbx::Server::start(config)?;
    for bound in running.bound() {
        println!("{} {}", bound.transport.as_str(), bound.address);
    }
    for account in running.accounts() {
        println!("{} {}", account.name, account.password.as_deref().unwrap_or("(password of the configuration)"));
    }
    std::io::stdin().read_line(&mut String::new())?;
    println!("{:#?}", running.status()?);
    running.stop(Duration::from_secs(5));
    Ok(())
}
