//! What stands before a loop, seen from outside: messages that wait, and datagrams for which even the system had no room.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::binding::Sockets;
use crate::others::Crossing;

/// Where the system tells how many datagrams each socket has dropped because its buffer was full: the last column.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// One loop's way in.
#[derive(Clone)]
pub struct Intake {
    crossings: mpsc::Sender<Crossing>,
    handed_over: Arc<AtomicU64>,
    /// By which the system's table names its datagram sockets.
    inodes: Vec<u64>,
}

impl Intake {
    pub(crate) fn new(sockets: &Sockets, crossings: mpsc::Sender<Crossing>) -> Self {
        Self { crossings, handed_over: Arc::default(), inodes: sockets.udp.iter().filter_map(inode).collect() }
    }

    /// Where the loop counts what it hands over.
    pub(crate) fn count(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.handed_over)
    }

    /// Messages that came to it and belong to other loops, which were handed them.
    pub fn handed_over(&self) -> u64 {
        self.handed_over.load(Ordering::Relaxed)
    }

    /// Messages of other loops that it has not taken yet.
    pub fn waiting(&self) -> usize {
        self.crossings.max_capacity() - self.crossings.capacity()
    }

    /// For each of these loops, the datagrams that the system has dropped since its sockets were bound, since they came faster than they
    /// were read. Zero where the system does not tell. Reads files: not for a loop's own thread.
    pub fn dropped(loops: &[Self]) -> Vec<u64> {
        let tables = TABLES.map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let drops: HashMap<u64, u64> = tables.iter().flat_map(|table| table.lines()).filter_map(drops).collect();
        let of = |inode: &u64| drops.get(inode).copied().unwrap_or(0);
        loops.iter().map(|one| one.inodes.iter().map(of).sum()).collect()
    }
}

/// The number of a socket: `socket:[123]`.
fn inode(socket: &std::net::UdpSocket) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?;
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Inode and drops of a line of the table; its head has none.
fn drops(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    Some((words.nth(9)?.parse().ok()?, words.last()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_that_find_a_buffer_full_are_counted_for_their_loop_alone() {
        let bind = |address: &str| {
            let address = address.parse().unwrap();
            Sockets::bind(&[crate::Bind { transport: sip::Transport::Udp, address }]).unwrap()
        };
        let (full, calm) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let (queue, _arrivals) = mpsc::channel(1);
        let loops = [&full, &calm].map(|sockets| Intake::new(sockets, queue.clone()));
        assert_eq!(Intake::dropped(&loops), [0, 0]);
        // Nobody reads: sooner or later it is full.
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100_000 {
            sender.send_to(&[b'x'; 1_000], full.bound[0].address).unwrap();
            if Intake::dropped(&loops[..1])[0] >= 3 {
                break;
            }
        }
        assert!(Intake::dropped(&loops)[0] >= 3 && Intake::dropped(&loops)[1] == 0, "{:?}", Intake::dropped(&loops));
    }

    #[test]
    fn lines_of_the_table_are_read_and_others_are_none() {
        let line = " 5087: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 48731 2 0000000000000000 17  ";
        assert_eq!(drops(line), Some((48_731, 17)));
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        assert_eq!(drops(head).or(drops("")), None);
    }
}
