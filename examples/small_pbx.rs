//! A PBX inside a program, with one user, who registers and calls the echo.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pbx::{Config, Secret, Server, User};
use ua::{AccountConfig, Endpoint};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let user = User { secret: Secret::Password("not a good one".into()), ..User::default() };
    let config = Config {
        listen: vec![pbx::listen("udp:127.0.0.1:0")?],
        users: [("2001".to_owned(), user)].into(),
        ..Config::default()
    };
    let server = Server::start(config)?;
    let address = server.bound().first().ok_or("it listens nowhere")?.address;
    println!("a PBX on {address}");
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(call(address))?;
    println!("{} calls", server.status()?.calls_total);
    server.stop(Duration::from_secs(2));
    Ok(())
}

async fn call(pbx: std::net::SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let phone = Endpoint::builder().udp("127.0.0.1:0").build().await?;
    let account = AccountConfig::new(format!("sip:2001@{pbx}")).password("not a good one");
    let account = phone.account(account).await?;
    println!("registered for {} s", account.register().await?.as_secs());
    let call = account.call("600").await?;
    let loud = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&loud);
    call.audio().listen(move |frame| {
        let heard = frame.iter().any(|sample| sample.unsigned_abs() > 1_000);
        counted.fetch_add(u64::from(heard), Ordering::Relaxed);
    })?;
    call.audio().tone(440.0, Some(Duration::from_secs(1)))?.finished().await;
    println!("{}", call.hangup().await);
    let heard = loud.load(Ordering::Relaxed);
    println!("{} ms of echo", heard * 20);
    phone.close().await;
    if heard > 25 { Ok(()) } else { Err("there was no echo".into()) }
}
