//! Two phones in one program: one calls, the other answers and records what it hears.
//!
//! `cargo run -p offhook-ua --example two_phones` prints the events of the call and how loud the tone arrived.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use ua::{CallEvent, Endpoint};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let alice = Endpoint::builder().udp("127.0.0.1:0").build().await?;
    let bob = Endpoint::builder().udp("127.0.0.1:0").build().await?;
    let address = bob.uri("bob").ok_or("bob listens nowhere")?;

    // Bob answers whoever calls. Ringing and talking are different types: what cannot be done yet does not compile.
    let answering = async {
        let ringing = bob.incoming().await.ok_or("bob's endpoint has ended")?;
        println!("bob: {} calls", ringing.from());
        Ok::<_, Box<dyn std::error::Error>>(ringing.answer().await?)
    };
    let (call, taken) = tokio::join!(alice.call(&address).ring_for(Duration::from_secs(10)), answering);
    let (call, taken) = (call?, taken?);

    let file = std::env::temp_dir().join(format!("two-phones-{}.wav", std::process::id()));
    let recording = taken.audio().record(&file)?;
    let mut heard = taken.events();
    call.audio().tone(440.0, Some(Duration::from_secs(1)))?.finished().await;
    call.dtmf("42").await?;
    let mut digits = String::new();
    while digits.len() < 2 {
        match heard.next().await {
            Some(CallEvent::Digit { digit, .. }) => digits.push(digit),
            Some(event) => println!("bob: {event:?}"),
            None => return Err("the call ended before its digits came".into()),
        }
    }
    println!("bob: digits {digits}");
    let recorded = recording.stop().await?;
    println!("bob: recorded {:.1} s", recorded.length.as_secs_f64());
    std::fs::remove_file(file)?;

    let ended = call.hangup().await;
    println!("alice: the call lasted {:.1} s", ended.duration.as_secs_f64());
    Ok(())
}
