//! One SIP loop: a thread, its sockets, its stack and its application (ARCHITECTURE.md, journey INVITE).

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::app::App;
use crate::binding::{Bound, Sockets};
use crate::clock::Clock;
use crate::config::LoopConfig;
use crate::driver::Driver;
use crate::error::StartError;
use crate::handle::{Handle, Running};
use crate::others::{Crossing, Others};
use crate::pace::{Count, Pace};
use crate::{arrivals, tcp, udp};

/// Commands carried out before others get their turn.
const BATCH: usize = 64;

/// Starts loops.
pub struct SipLoop;

impl SipLoop {
    /// Binds the sockets, starts the thread, makes the application on it.
    ///
    /// # Errors
    /// [`StartError`] when an address cannot be bound or the system refuses a thread.
    pub fn spawn<A, F>(config: LoopConfig, make: F) -> Result<Running<A::Command>, StartError>
    where
        A: App + 'static,
        F: FnOnce(&[Bound], Clock) -> A + Send + 'static,
    {
        let sockets = Sockets::bind(&config.binds)?;
        Self::spawn_on(sockets, config, make)
    }

    /// The same on sockets that are bound already: what a start needs besides can fail or be made in between.
    ///
    /// # Errors
    /// [`StartError::System`] when the system refuses a thread or an event queue.
    pub fn spawn_on<A, F>(sockets: Sockets, config: LoopConfig, make: F) -> Result<Running<A::Command>, StartError>
    where
        A: App + 'static,
        F: FnOnce(&[Bound], Clock) -> A + Send + 'static,
    {
        let way = Handle::channel(config.commands);
        Self::launch(sockets, config, Clock::start(), way, None, make)
    }

    /// Starts a loop that may have others beside it.
    pub(crate) fn launch<A, F>(
        sockets: Sockets,
        config: LoopConfig,
        clock: Clock,
        (handle, inbox): (Handle<A::Command>, mpsc::Receiver<A::Command>),
        others: Option<(Others, mpsc::Receiver<Crossing>)>,
        make: F,
    ) -> Result<Running<A::Command>, StartError>
    where
        A: App + 'static,
        F: FnOnce(&[Bound], Clock) -> A + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let bound = sockets.bound.clone();
        let thread = thread::Builder::new().name("sip".into()).spawn(move || {
            let count = Count::default();
            let runtime = match resting(config.rest, &count) {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let local = LocalSet::new();
            local.block_on(&runtime, async move {
                let app = make(&sockets.bound, clock);
                let (others, arrivals) = others.unzip();
                match Driver::assemble(config, clock, app, sockets, others, count) {
                    Ok(driver) => {
                        let _ = ready.send(Ok(()));
                        if let Some(arrivals) = arrivals {
                            tokio::task::spawn_local(arrivals::arrive(Rc::clone(&driver), arrivals));
                        }
                        TURN_END.set(Some(end_of_turn(Rc::clone(&driver))));
                        run(driver, inbox, stopped).await;
                        end_turn();
                        TURN_END.take();
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            });
        })?;
        match started.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(StartError::System(error)),
            Err(_) => return Err(StartError::System(io::Error::other("the loop ended while starting"))),
        }
        Ok(Running::new(handle, bound, clock, stop, thread))
    }
}

thread_local! {
    /// What the loop of this thread does when nothing else is left to do in a turn.
    static TURN_END: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

fn end_of_turn<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>) -> Box<dyn Fn()> {
    Box::new(move || driver.borrow_mut().end_turn())
}

fn end_turn() {
    TURN_END.with_borrow(|end| end.iter().for_each(|end| end()));
}

/// A runtime that ends the turn when nothing is left to do, and rests as [`Pace`] has it.
fn resting(longest: Duration, count: &Count) -> io::Result<Runtime> {
    // Nobody else ever takes this lock: the runtime wants something that could be shared.
    let pace = Mutex::new(Pace::new(longest, count.clone(), Instant::now()));
    let rest = move || {
        end_turn();
        let rest = pace.lock().unwrap_or_else(PoisonError::into_inner).rest(Instant::now());
        if !rest.is_zero() {
            thread::sleep(rest);
        }
    };
    Builder::new_current_thread().enable_all().on_thread_park(rest).build()
}

async fn run<A: App + 'static>(
    driver: Rc<RefCell<Driver<A>>>,
    mut inbox: mpsc::Receiver<A::Command>,
    stopped: oneshot::Receiver<()>,
) {
    udp::start(&driver);
    tcp::start(&driver);
    tokio::task::spawn_local(timer(Rc::clone(&driver)));
    tokio::task::spawn_local(undo(Rc::clone(&driver)));
    let commands = {
        let driver = Rc::clone(&driver);
        async move {
            while let Some(command) = inbox.recv().await {
                carry_out(&driver, command, &mut inbox);
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::select! {
        () = commands => {}
        _ = stopped => {}
    }
}

/// A command, and what waits behind it, up to a batch: sockets and the timer get their turn though commands never end.
fn carry_out<A: App + 'static>(driver: &RefCell<Driver<A>>, first: A::Command, inbox: &mut mpsc::Receiver<A::Command>) {
    let mut driver = driver.borrow_mut();
    driver.command(first);
    for _ in 1..BATCH {
        let Ok(command) = inbox.try_recv() else { return };
        driver.command(command);
    }
}

/// Has what could not leave at the end of a turn handled.
async fn undo<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>) {
    let undone = Rc::clone(&driver.borrow().undone);
    loop {
        undone.notified().await;
        driver.borrow_mut().undo();
    }
}

async fn timer<A: App + 'static>(driver: Rc<RefCell<Driver<A>>>) {
    let alarm = Rc::clone(&driver.borrow().alarm);
    loop {
        let (deadline, clock) = {
            let mut driver = driver.borrow_mut();
            (driver.deadline(), driver.clock)
        };
        match deadline {
            None => alarm.notified().await,
            Some(at) => {
                tokio::select! {
                    () = tokio::time::sleep_until(clock.instant(at).into()) => {
                        if clock.mono() >= at {
                            driver.borrow_mut().timeout();
                        }
                    }
                    () = alarm.notified() => {}
                }
            }
        }
    }
}
