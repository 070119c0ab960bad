//! The datagram sockets of a loop: what they send, what waits for room, and whom ICMP errors concern (RFC 3261 section 18.4).

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::rc::Rc;

use bytes::Bytes;
use memchr::memmem;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg};
use sip::{Cause, Path, SendError, SendId};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::bundle::{Bundles, Call, Parcel};
use crate::error::Refused;
use crate::{flows, icmp};

/// Errors taken from the queue of one socket at a time.
const ERRORS: usize = 64;
/// What a socket is watched for.
pub(crate) const RECEIVED: Interest = Interest::READABLE.add(Interest::ERROR);
/// Datagrams that wait when the kernel's send buffer is full; more are dropped, as a network would.
const BACKLOG: usize = 1024;
/// First transmissions of requests that an ICMP error can still be matched to.
const WATCHED: usize = 4096;
/// The largest datagram.
const LARGEST: usize = 65_535;
/// Octets of a datagram that are looked for in an ICMP error: Linux quotes no more over IPv4, and other systems often less.
const QUOTED: usize = 520;
/// Octets of our branches behind the cookie that differ each time (`sip`, `transaction/key`).
const BRANCH: usize = 26;
/// Room for one extended error: `sock_extended_err` is 16 bytes, the offender's address 28 at most.
const ERROR_SPACE: usize = 64;

/// Has the loop woken by these events of a socket, which must not block.
#[expect(
    deprecated,
    reason = "asks that the descriptor stays open and the same, as a UdpSocket's does; its successor asks it by `unsafe`"
)]
pub(crate) fn watch(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
    AsyncFd::with_interest(socket, interest)
}

/// One socket.
pub(crate) struct Endpoint {
    pub(crate) socket: Rc<AsyncFd<UdpSocket>>,
    pub(crate) address: SocketAddr,
    backlog: VecDeque<(SendId, SocketAddr, Bytes)>,
    /// Tells the task that writes that something waits.
    pub(crate) queued: Rc<Notify>,
    /// The system has not refused to send several at once.
    bundles: bool,
    #[cfg(test)]
    bundled: usize,
}

impl Endpoint {
    /// Whether what leaves by it leaves from this address of ours: it is bound there, or to every address with that port.
    fn is_at(&self, local: SocketAddr) -> bool {
        let (ip, wanted) = (self.address.ip(), local.ip());
        self.address.port() == local.port() && (ip == wanted || ip.is_unspecified() && ip.is_ipv4() == wanted.is_ipv4())
    }

    /// Keeps it until there is room.
    pub(crate) fn queue(&mut self, id: SendId, remote: SocketAddr, bytes: Bytes) -> Result<(), Refused> {
        if self.backlog.len() >= BACKLOG {
            return Err(Refused(SendError::NoBuffer));
        }
        self.backlog.push_back((id, remote, bytes));
        self.queued.notify_one();
        Ok(())
    }

    /// Sends at once, or queues while the kernel's buffer is full.
    fn send(&mut self, id: SendId, remote: SocketAddr, bytes: &Bytes) -> Result<(), Refused> {
        if !self.backlog.is_empty() {
            return self.queue(id, remote, bytes.clone());
        }
        match hand_over(self.socket.get_ref(), bytes, remote) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.queue(id, remote, bytes.clone()),
            Err(error) => Err(Refused(reason(&error))),
        }
    }

    #[cfg(test)]
    pub(crate) fn refuse_bundles(&mut self, refused: bool) {
        self.bundles = !refused;
    }

    /// How many datagrams have left together with others.
    #[cfg(test)]
    pub(crate) fn bundled(&self) -> usize {
        self.bundled
    }

    /// Sends several of one length at once; false when none was sent.
    fn send_bundle(&mut self, remote: SocketAddr, parcels: &[Parcel]) -> bool {
        let [first, _, ..] = parcels else { return false };
        if !self.bundles || !self.backlog.is_empty() {
            return false;
        }
        let length = first.bytes.len() as u16;
        let parts: Vec<_> = parcels.iter().map(|parcel| io::IoSlice::new(&parcel.bytes)).collect();
        let apart = [ControlMessage::UdpGsoSegments(&length)];
        let (fd, remote) = (self.socket.as_raw_fd(), SockaddrStorage::from(remote));
        match sendmsg(fd, &parts, &apart, MsgFlags::empty(), Some(&remote)) {
            Ok(_) => {
                #[cfg(test)]
                (self.bundled += parcels.len());
                true
            }
            // The system, or the device on the way, does not do that.
            Err(Errno::EINVAL | Errno::EIO | Errno::EOPNOTSUPP | Errno::ENOPROTOOPT) => {
                self.bundles = false;
                false
            }
            // Each by itself is queued, or meets the error that waited for any.
            Err(_) => false,
        }
    }
}

/// A datagram has met nobody, as an ICMP error says.
#[derive(Clone, Debug)]
pub(crate) struct Nobody {
    /// Where it went.
    pub(crate) remote: SocketAddr,
    /// What is quoted of it, where nobody listens on that port.
    quoted: Bytes,
}

/// A request that an ICMP error can still be matched to.
pub(crate) struct Watched {
    pub(crate) send: SendId,
    /// Nobody can guess it.
    branch: Option<[u8; BRANCH]>,
}

impl Watched {
    fn new(send: SendId, message: &[u8]) -> Self {
        const BEFORE: &[u8] = b";branch=z9hG4bK";
        let shown = message.get(..QUOTED).unwrap_or(message);
        let behind = |text| memmem::find(shown, text).and_then(|at| shown.get(at + text.len()..));
        // Our Via is the first line of the header. What stands before it is a Request-URI, which somebody else may have chosen.
        let via = behind(b"\r\nVia: ");
        let rest = via.and_then(|via| via.get(memmem::find(via, BEFORE)? + BEFORE.len()..));
        Self { send, branch: rest.and_then(<[u8]>::first_chunk).copied() }
    }

    /// Whether whoever made this error has seen the request.
    pub(crate) fn is_quoted_in(&self, nobody: &Nobody) -> bool {
        self.branch.is_some_and(|branch| memmem::find(&nobody.quoted, &branch).is_some())
    }
}

/// The datagram sockets of one loop. Flow 1 is the first.
pub(crate) struct Datagrams {
    pub(crate) endpoints: Vec<Endpoint>,
    watched: HashMap<SocketAddr, Watched>,
    buffer: Box<[u8]>,
    /// What leaves at the end of the turn.
    bundles: Bundles,
    /// What of it could not leave, until somebody asks.
    unsent: Vec<(SendId, SendError)>,
}

impl Datagrams {
    pub(crate) fn new(sockets: Vec<UdpSocket>) -> io::Result<Self> {
        let endpoints = sockets
            .into_iter()
            .map(|socket| {
                let address = socket.local_addr()?;
                Ok(Endpoint {
                    socket: Rc::new(watch(socket, RECEIVED)?),
                    address,
                    backlog: VecDeque::new(),
                    queued: Rc::new(Notify::new()),
                    bundles: true,
                    #[cfg(test)]
                    bundled: 0,
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        let buffer = vec![0; LARGEST].into_boxed_slice();
        Ok(Self { endpoints, watched: HashMap::new(), buffer, bundles: Bundles::default(), unsent: Vec::new() })
    }

    /// The datagram that waits, and who sent it.
    #[inline]
    pub(crate) fn receive(&mut self, socket: &AsyncFd<UdpSocket>) -> io::Result<(Bytes, SocketAddr)> {
        let (length, remote) = socket.try_io(Interest::READABLE, |socket| socket.recv_from(&mut self.buffer))?;
        Ok((Bytes::copy_from_slice(self.buffer.get(..length).unwrap_or_default()), remote))
    }

    /// The socket of a path. The number may be one of before the restart (RFC 5626 section 5.2), when others were listened on: what has been told our address
    /// gets nothing from another one.
    fn socket_of(&self, path: &Path) -> Option<usize> {
        let is_there = |one: &Endpoint| one.is_at(path.local);
        let known = flows::socket_of(path.flow).filter(|index| self.endpoints.get(*index).is_some_and(is_there));
        known.or_else(|| self.endpoints.iter().position(is_there))
    }

    /// A response, or a request that is passed on, waits for [`Datagrams::release`], or for what leaves at once for the same address: nothing overtakes it. Our own
    /// requests leave at once, or are queued while the kernel's buffer is full: another loop may have the next of the same call to send.
    pub(crate) fn send(&mut self, id: SendId, path: Path, bytes: Bytes, why: Cause) -> Result<(), Refused> {
        let Some(index) = self.socket_of(&path) else { return Err(Refused(SendError::Closed)) };
        if matches!(why, Cause::Request | Cause::Passed | Cause::Retry) {
            if self.watched.len() >= WATCHED {
                self.watched.clear();
            }
            self.watched.insert(path.remote, Watched::new(id, &bytes));
        }
        let may_wait = why == Cause::Passed || bytes.starts_with(b"SIP/2.0 ");
        if let Some(call) = Call::of(&bytes).filter(|_| may_wait) {
            if self.bundles.is_full() {
                self.release();
            }
            self.bundles.push(index, path.remote, call, id, bytes);
            return Ok(());
        }
        if self.bundles.hold_for(path.remote) {
            self.release();
        }
        self.endpoints.get_mut(index).map_or(Err(Refused(SendError::Closed)), |one| one.send(id, path.remote, &bytes))
    }

    /// Whether something that had waited could not be sent.
    pub(crate) fn has_failed(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// What had waited and could not be sent.
    pub(crate) fn failed(&mut self) -> Vec<(SendId, SendError)> {
        std::mem::take(&mut self.unsent)
    }

    /// Sends what has waited for the end of the turn.
    pub(crate) fn release(&mut self) {
        let Self { endpoints, bundles, unsent, .. } = self;
        bundles.each(|label, parcels| {
            let Some(endpoint) = endpoints.get_mut(label.index) else { return };
            if endpoint.send_bundle(label.remote, parcels) {
                return;
            }
            for Parcel { id, bytes, .. } in parcels {
                if let Err(Refused(why)) = endpoint.send(*id, label.remote, bytes) {
                    unsent.push((*id, why));
                }
            }
        });
    }

    /// Sends what waits, as far as there is room; what failed.
    pub(crate) fn flush(&mut self, index: usize) -> Vec<(SendId, SendError)> {
        let mut failed = Vec::new();
        let Some(endpoint) = self.endpoints.get_mut(index) else { return failed };
        while let Some((id, remote, bytes)) = endpoint.backlog.front() {
            match hand_over(endpoint.socket.get_ref(), bytes, *remote) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => failed.push((*id, reason(&error))),
                Ok(_) => {}
            }
            endpoint.backlog.pop_front();
        }
        failed
    }

    /// Whether something waits for room.
    pub(crate) fn is_waiting(&self, index: usize) -> bool {
        self.endpoints.get(index).is_some_and(|one| !one.backlog.is_empty())
    }

    /// Reads the socket's error queue: what has met nobody.
    pub(crate) fn refused(&self, index: usize) -> Vec<Nobody> {
        let mut all = Vec::new();
        let Some(endpoint) = self.endpoints.get(index) else { return all };
        let fd = endpoint.socket.as_raw_fd();
        let mut space = nix::cmsg_space!([u8; ERROR_SPACE]);
        let mut quoted = [0_u8; QUOTED];
        for _ in 0..ERRORS {
            let mut parts = [io::IoSliceMut::new(&mut quoted)];
            let Ok(message) = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut space), MsgFlags::MSG_ERRQUEUE)
            else {
                break;
            };
            let code = message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|one| match one {
                    ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                        icmp::is_final(error.ee_origin, error.ee_type, error.ee_code).then_some(error.ee_errno)
                    }
                    _ => None,
                })
            });
            let (remote, length) = (message.address.as_ref().and_then(socket_address), message.bytes);
            if let (Some(code), Some(remote)) = (code, remote) {
                // What else an error may say does not mean that nobody is there.
                let length = if code == Errno::ECONNREFUSED as u32 { length } else { 0 };
                let quoted = Bytes::copy_from_slice(quoted.get(..length).unwrap_or_default());
                all.push(Nobody { remote, quoted });
            }
        }
        all
    }

    /// The request of ours that an error about this address concerns, which is no longer watched.
    pub(crate) fn refused_at(&mut self, remote: SocketAddr) -> Option<Watched> {
        self.watched.remove(&remote)
    }
}

/// Gives a datagram to the system. An error that has come about an earlier one is reported here once, and this one is not sent then; so it is tried once more.
fn hand_over(socket: &UdpSocket, bytes: &[u8], remote: SocketAddr) -> io::Result<()> {
    match socket.send_to(bytes, remote) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => socket.send_to(bytes, remote).map(drop),
        done => done.map(drop),
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::new(v4.ip(), v4.port())));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddr::V6(SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id())))
}

fn reason(error: &io::Error) -> SendError {
    match (error.kind(), error.raw_os_error()) {
        (_, Some(code)) if code == Errno::EMSGSIZE as i32 => SendError::TooBig,
        (_, Some(code)) if code == Errno::ENOBUFS as i32 => SendError::NoBuffer,
        _ => SendError::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use sip::{Id, Shard};

    use super::*;

    #[test]
    fn rfc5626_7_nobody_is_there_says_who_has_seen_the_request_and_no_one_else() {
        let request = |branch: &str| {
            format!(
                "OPTIONS sip:alice@192.0.2.1:5060;transport=udp SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{branch};rport\r\n\r\n"
            )
        };
        let send = SendId(Id::new(Shard(0), 0, 0));
        let (branch, other) = ("0123456789abcdefghijklmnop", "0123456789abcdefghijklmnoq");
        let whole = request(branch);
        let believed = |watched: &str, quoted: &str| {
            let nobody =
                Nobody { remote: "192.0.2.1:5060".parse().unwrap(), quoted: Bytes::copy_from_slice(quoted.as_bytes()) };
            Watched::new(send, watched.as_bytes()).is_quoted_in(&nobody)
        };
        let end = whole.find(branch).unwrap() + branch.len();
        assert!(believed(&whole, &whole));
        // One that was passed on has more behind it (RFC 5393).
        assert!(believed(&request(&format!("{branch}.0123456789abc")), &whole[..end]));
        // What some systems quote is too little, and what somebody makes up is something else.
        let (made_up, without) = (request(other), whole.replace(branch, ""));
        for quoted in ["", &whole[..8], &whole[..end - 1], made_up.as_str(), without.as_str()] {
            assert!(!believed(&whole, quoted), "{quoted}");
        }
        // What somebody else has chosen stands in the Request-URI, or behind our Via.
        let chosen = "A".repeat(BRANCH);
        let more = format!(";branch=z9hG4bK{chosen};transport=udp");
        for led in
            [whole.replace(";transport=udp", &more), whole.replace("\r\n\r\n", &format!("\r\nX: {more}\r\n\r\n"))]
        {
            assert!(believed(&led, &led) && !believed(&led, &chosen), "{led}");
        }
        // No branch, or none where it would be quoted: nobody can prove anything.
        for watched in [String::new(), request(""), format!("OPTIONS sip:{} SIP/2.0\r\n{whole}", "x".repeat(600))] {
            assert!(!believed(&watched, &watched), "{watched}");
        }
    }
}
