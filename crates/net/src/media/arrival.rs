//! When a packet came. Of control packets: the thread looks as much as a tick later, and reports measure the way there and back to less than
//! that. Of others: how long they have waited for their stream to begin.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use rtp::Micros;

/// The longest a packet can have waited: more means that the wall clock, by which the system dates it, was set meanwhile.
const LONGEST: Duration = Duration::from_secs(1);

/// Has the system date what comes: from a moment later on where no other socket has asked for it; until then packets pass for new.
pub(super) fn stamp(socket: &UdpSocket) -> io::Result<()> {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).map_err(io::Error::from)
}

/// Takes a packet: its length, who sent it, and how long ago it came. `None` when there is none, or in its place an error of one of ours.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr, Micros)> {
    let (length, from, age) = take(socket, buffer, MsgFlags::empty())?;
    let age = age.filter(|age| *age <= LONGEST).unwrap_or_default();
    Some((length, from?, Micros(u64::try_from(age.as_micros()).unwrap_or(0))))
}

/// Throws away what has waited for longer than this, a buffer full at most.
pub(super) fn skip_older(socket: &UdpSocket, than: Duration) {
    /// More small packets than a buffer holds.
    const MOST: usize = 4_096;
    for _ in 0..MOST {
        match take(socket, &mut [0], MsgFlags::MSG_PEEK) {
            Some((_, _, Some(age))) if age > than => take(socket, &mut [0], MsgFlags::empty()),
            _ => return,
        };
    }
}

/// A packet, its sender and how long ago it came, as far as these are known.
fn take(
    socket: &UdpSocket,
    buffer: &mut [u8],
    flags: MsgFlags,
) -> Option<(usize, Option<SocketAddr>, Option<Duration>)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut room = nix::cmsg_space!(TimeSpec);
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut room), flags).ok()?;
    let from = message.address.as_ref().and_then(address);
    let came = message.cmsgs().ok()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(came) => Some(Duration::from(came)),
        _ => None,
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some((message.bytes, from, came.and_then(|came| now.checked_sub(came))))
}

fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    let four = || from.as_sockaddr_in().map(|four| SocketAddrV4::from(*four).into());
    from.as_sockaddr_in6().map(|six| SocketAddrV6::from(*six).into()).or_else(four)
}
