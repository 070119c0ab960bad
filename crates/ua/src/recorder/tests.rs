//! A disk that fills up while a call is recorded.

use std::io::SeekFrom;
use std::time::Duration;

use super::*;
use crate::{CallEvent, Endpoint};

/// Takes so many bytes.
struct Disk {
    file: io::Cursor<Vec<u8>>,
    room: u64,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.position() + bytes.len() as u64 > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_recording_with_an_event_and_not_the_call() {
    let alice = Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
    let bob = Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
    let uri = bob.uri("bob").unwrap();
    let (placed, taken) = tokio::join!(alice.call(uri), async { bob.incoming().await.unwrap().answer().await });
    let (placed, taken) = (placed.unwrap(), taken.unwrap());
    // Half a second fits.
    let disk = Disk { file: io::Cursor::default(), room: 8_000 };
    let recording = record_into(placed.audio().line, Path::new("full.wav"), disk).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(5), recording.finished()).await.unwrap().unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("full.wav: ") && text.contains("no storage space"), "{text}");
    let mut events = placed.events();
    let failed = async {
        loop {
            if let CallEvent::RecordingFailed(why) = events.next().await.unwrap() {
                return why;
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), failed).await.unwrap(), text);
    let before = placed.stats().await.unwrap().packets_received;
    // The call goes on.
    let more = async {
        while placed.stats().await.unwrap().packets_received < before + 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), more).await.expect("packets come");
    assert!(!taken.is_over());
}
