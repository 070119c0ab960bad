//! Handshakes of TLS and of WebSockets: bounded in time and in number, and one step at a time in each loop, so that the thousandth costs the others no more than the
//! first.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use sip::FlowId;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::driver::Driver;
use crate::octets::{Shaking, Trouble};

/// Shakes hands on a connection whose channel is there; both sides.
pub(crate) async fn shake<A: App + 'static>(
    driver: &Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    socket: &TcpStream,
) -> Result<(), Trouble> {
    let Some((wake, turns)) = driver.upgrade().and_then(|driver| {
        let driver = driver.borrow();
        let connection = driver.streams.connections.get(&flow)?;
        Some((Rc::clone(&connection.wake), Rc::clone(&driver.streams.handshake_turns)))
    }) else {
        return Err(Trouble::Broken);
    };
    loop {
        let waiting = match step(driver, flow, &turns).await? {
            Shaking::Done => return Ok(()),
            Shaking::Going => continue,
            waiting => waiting,
        };
        let ready = tokio::select! {
            ready = socket.readable(), if waiting == Shaking::Reading => ready,
            ready = socket.writable(), if waiting == Shaking::Writing => ready,
            () = wake.notified() => Ok(()),
        };
        ready.map_err(|_| Trouble::Broken)?;
    }
}

/// One step, when it is this connection's turn: a step may be a signature, and everybody else of the loop is looked after before the next.
async fn step<A: App + 'static>(
    driver: &Weak<RefCell<Driver<A>>>,
    flow: FlowId,
    turns: &Semaphore,
) -> Result<Shaking, Trouble> {
    let _turn = turns.acquire().await;
    let outcome = {
        let driver = driver.upgrade().ok_or(Trouble::Broken)?;
        let mut driver = driver.borrow_mut();
        let connection = driver.streams.connections.get_mut(&flow).ok_or(Trouble::Broken)?;
        if connection.ending.is_at_once() {
            return Err(Trouble::Broken);
        }
        connection.channel.as_mut().ok_or(Trouble::Broken)?.shake()
    };
    tokio::task::yield_now().await;
    outcome
}
