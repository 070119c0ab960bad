//! The relay that does nothing: a socket for each telephone, one epoll, and each packet out by its neighbour's socket at once, to where the
//! neighbour was last heard.

use std::net::UdpSocket;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::figure::Report;

/// Relays between ports `first` and `first + 1`, and so on up to `count` of them, until it is killed.
pub(crate) fn relay(first: &str, count: &str) -> Result<Report, String> {
    let (Ok(first), Ok(count)) = (first.parse::<u16>(), count.parse::<u16>()) else {
        return Err("null-relay FIRST COUNT".into());
    };
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|error| failed(&error))?;
    let mut legs = Vec::new();
    for n in 0..count {
        let socket = UdpSocket::bind(("127.0.0.1", first + n)).map_err(|error| failed(&error))?;
        socket.set_nonblocking(true).map_err(|error| failed(&error))?;
        ready.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(n))).map_err(|error| failed(&error))?;
        legs.push((socket, None));
    }
    let mut events = [EpollEvent::empty(); 256];
    let mut packet = [0_u8; 2_048];
    loop {
        let count = ready.wait(&mut events, EpollTimeout::NONE).map_err(|error| failed(&error))?;
        for event in events.iter().take(count) {
            let at = usize::try_from(event.data()).unwrap_or_default();
            let Some((socket, heard)) = legs.get_mut(at) else { continue };
            let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
            *heard = Some(from);
            if let Some((other, Some(to))) = legs.get(at ^ 1) {
                let _ = other.send_to(packet.get(..length).unwrap_or_default(), to);
            }
        }
    }
}
