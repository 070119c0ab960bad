//! What other loops hand over to this one.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::mpsc;

use crate::app::App;
use crate::driver::Driver;
use crate::error::Refused;
use crate::others::Crossing;

/// What is taken from the queue before others get their turn.
const BATCH: usize = 64;

/// Takes what the others hand over.
pub(crate) async fn arrive<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>, mut queue: mpsc::Receiver<Crossing>) {
    while let Some(first) = queue.recv().await {
        {
            let mut driver = driver.borrow_mut();
            driver.gather();
            cross(&mut driver, first);
            for _ in 1..BATCH {
                let Ok(next) = queue.try_recv() else { break };
                cross(&mut driver, next);
            }
            let now = driver.clock.now();
            driver.gathered(now);
        }
        tokio::task::yield_now().await;
    }
}

fn cross<A: App + 'static>(driver: &mut Driver<A>, what: Crossing) {
    match what {
        Crossing::Message { from, bytes } => {
            let now = driver.clock.now();
            driver.take(now, from, bytes);
        }
        Crossing::Send { id, path, bytes } => {
            if let Err(Refused(why)) = driver.streams.send(id, path, bytes) {
                driver.unsent([id], why);
            }
        }
        Crossing::Unsent { id, why } => driver.unsent([id], why),
        Crossing::Flow { flow, path, change } => {
            if let Some(others) = &mut driver.others {
                others.learn(flow, path, change);
            }
            driver.flow_is(flow, change);
        }
        Crossing::Refused(nobody) => {
            driver.met_nobody(&nobody);
        }
        Crossing::Gone { remote } => driver.address_lost(remote),
    }
}
