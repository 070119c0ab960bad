//! What it costs to write a registration down: `cargo run --release -p offhook-store --example journal_cost [directory [devices]]`.
#![allow(clippy::print_stdout, reason = "a program for people")]

use proxy::{Kind, Record, Texts};
use sip::time::WallTime;
use store::{Durability, Journal, Options, StoreError};

/// Seconds this thread has run, by the kernel's account.
fn busy() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn record(kind: Kind, device: u32, round: u32) -> Option<Record> {
    let (aor, uri) = (format!("sip:user{device}@example.com"), format!("sip:user{device}@10.0.0.1:5060;ob"));
    let params = format!(";+sip.instance=\"<urn:uuid:00000000-0000-0000-0000-{device:012x}>\"");
    let call_id = format!("{device:032x}");
    let texts =
        Texts { aor: &aor, uri: &uri, params: &params, call_id: &call_id, agent: "Phone/1.2.3", ..Texts::default() };
    Record::new(kind, WallTime(10_000_000_000), round, 1_000, &texts).ok()
}

fn main() -> Result<(), StoreError> {
    let devices = std::env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let folder = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, Into::into)
        .join(format!("journal-cost-{}", std::process::id()));
    let path = folder.join("bindings.journal");
    for (durability, devices) in [(Durability::Second, devices), (Durability::Sync, devices / 200)] {
        let (mut journal, _) = Journal::open(&path, Options { durability, ..Options::default() })?;
        for (kind, round) in [(Kind::Added, 1), (Kind::Refreshed, 2)] {
            let records: Vec<_> = (0..devices).filter_map(|device| record(kind, device, round)).collect();
            let (start, clock, size) = (busy(), std::time::Instant::now(), journal.size());
            for record in &records {
                journal.append(std::slice::from_ref(record))?;
            }
            let each = |seconds: f64| seconds * 1e6 / f64::from(devices);
            println!(
                "{durability:?} {kind:?}: {:.2} us of CPU, {:.1} us of time, {} octets each",
                each(busy() - start),
                each(clock.elapsed().as_secs_f64()),
                journal.size().saturating_sub(size) / u64::from(devices)
            );
        }
        let clock = std::time::Instant::now();
        journal.rewrite()?;
        println!("rewritten in {:.0} ms, {} octets", clock.elapsed().as_secs_f64() * 1e3, journal.size());
        drop(journal);
        let clock = std::time::Instant::now();
        let (_, found) = Journal::open(&path, Options::default())?;
        println!("{} bindings read back in {:.0} ms", found.records.len(), clock.elapsed().as_secs_f64() * 1e3);
        // Only a directory of this run's own is removed.
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok(())
}
