//! Datagram sockets: received until empty and answered in the same turn (RFC 3261 section 18).
//!
//! A socket is watched for what comes in only. Watched for room to write as well, it would wake the loop after nearly every send, whenever the
//! network has taken a datagram; room is waited for where the kernel has refused one, which is rare.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use sip::{Now, Path, Transport};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::app::App;
use crate::datagrams::{Endpoint, RECEIVED, watch};
use crate::driver::Driver;
use crate::flows;
use crate::stun;

/// Datagrams taken from one socket before others get their turn.
const BATCH: usize = 64;
/// How long to wait for room where the system has no descriptor left to watch for it.
const UNWATCHED: Duration = Duration::from_millis(10);

/// Starts a task per socket that reads, and one that writes what had to wait.
pub(crate) fn start<A: App + 'static>(driver: &Rc<RefCell<Driver<A>>>) {
    for index in 0..driver.borrow().datagrams.endpoints.len() {
        tokio::task::spawn_local(read(Rc::clone(driver), index));
        tokio::task::spawn_local(write(Rc::clone(driver), index));
    }
}

async fn read<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>, index: usize) {
    let endpoint = |one: &Endpoint| (Rc::clone(&one.socket), one.address);
    let Some((socket, bound)) = driver.borrow().datagrams.endpoints.get(index).map(endpoint) else {
        return;
    };
    loop {
        let Ok(ready) = socket.ready(RECEIVED).await.map(|guard| guard.ready()) else { return };
        if ready.is_error() {
            // Taken note of before the queue is read, so that an error that comes meanwhile wakes us again.
            let _ = socket.try_io(Interest::ERROR, |_| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            refused(&mut driver.borrow_mut(), index);
        }
        let full_batch = ready.is_readable() && batch(&mut driver.borrow_mut(), &socket, bound, index);
        if full_batch {
            tokio::task::yield_now().await;
        }
    }
}

async fn write<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>, index: usize) {
    let endpoint = |one: &Endpoint| (Rc::clone(&one.socket), Rc::clone(&one.queued));
    let Some((socket, queued)) = driver.borrow().datagrams.endpoints.get(index).map(endpoint) else {
        return;
    };
    loop {
        queued.notified().await;
        // The same socket under a second descriptor, which is watched for room as long as something waits.
        let room = socket.get_ref().try_clone().and_then(|twin| watch(twin, Interest::WRITABLE));
        while driver.borrow().datagrams.is_waiting(index) {
            let guard = match &room {
                Ok(room) => room.writable().await.ok(),
                Err(_) => None,
            };
            if guard.is_none() {
                tokio::time::sleep(UNWATCHED).await;
            }
            let mut driver = driver.borrow_mut();
            for (id, why) in driver.datagrams.flush(index) {
                driver.unsent([id], why);
            }
            if let Some(mut guard) = guard
                && driver.datagrams.is_waiting(index)
            {
                guard.clear_ready();
            }
        }
    }
}

/// ICMP errors came back: they end requests of this loop or of another.
fn refused<A: App + 'static>(driver: &mut Driver<A>, index: usize) {
    for nobody in driver.datagrams.refused(index) {
        let ours = driver.met_nobody(&nobody);
        if let Some(others) = driver.others.as_ref().filter(|_| !ours) {
            others.tell_refused(&nobody);
        }
    }
}

/// Takes up to [`BATCH`] datagrams; true when more may wait.
fn batch<A: App + 'static>(
    driver: &mut Driver<A>,
    socket: &AsyncFd<UdpSocket>,
    bound: SocketAddr,
    index: usize,
) -> bool {
    let now = driver.clock.now();
    driver.gather();
    let full = (0..BATCH).all(|_| one(driver, now, socket, bound, index));
    driver.gathered(now);
    full
}

/// Takes a datagram; false when none waits.
fn one<A: App + 'static>(
    driver: &mut Driver<A>,
    now: Now,
    socket: &AsyncFd<UdpSocket>,
    bound: SocketAddr,
    index: usize,
) -> bool {
    match driver.datagrams.receive(socket) {
        Ok((bytes, remote)) if stun::is_stun(&bytes) => {
            match stun::answer(&bytes, remote) {
                // Whoever gets no answer asks again: nothing is queued for him.
                Some(answer) => drop(socket.get_ref().send_to(&answer, remote)),
                // It may be the answer to a keep-alive of ours.
                None => {
                    let (local, flow) = (driver.local_towards(bound, remote), flows::of_datagrams(index));
                    driver.take(now, Path { flow, transport: Transport::Udp, local, remote }, bytes);
                }
            }
        }
        Ok((bytes, remote)) => {
            let local = driver.local_towards(bound, remote);
            let flow = flows::of_datagrams(index);
            driver.receive(now, Path { flow, transport: Transport::Udp, local, remote }, bytes);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
        Err(_) => refused(driver, index),
    }
    true
}

#[cfg(test)]
mod tests;
