//! The door of the HTTP server: so many connections at a time, each for so long, whatever those on the other side do.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use net::Sparingly;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Lets connections in.
pub(crate) struct Gate {
    listener: TcpListener,
    room: Arc<Semaphore>,
    lifetime: Duration,
    failures: Sparingly,
}

impl Gate {
    /// At most `connections` at a time; each is closed when its `lifetime` is over.
    pub(crate) fn new(listener: TcpListener, connections: usize, lifetime: Duration) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(connections)), lifetime, failures: Sparingly::default() }
    }
}

impl axum::serve::Listener for Gate {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        loop {
            // Never closed: there is always one to come.
            let Ok(seat) = Arc::clone(&self.room).acquire_owned().await else { continue };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let end = Box::pin(tokio::time::sleep(self.lifetime));
                    return (Guest { stream, end, _seat: seat }, from);
                }
                Err(error) => {
                    if let Some(kept_back) = self.failures.due(Instant::now()) {
                        tracing::warn!(%error, kept_back, "a reader of the metrics was lost");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection until its time is over.
pub(crate) struct Guest {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _seat: OwnedSemaphorePermit,
}

impl Guest {
    /// An error once its time is over; otherwise the caller is woken then.
    fn in_time(&mut self, task: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(task) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.in_time(task)?;
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_time(task)?;
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nobody is waited for who does not take the last octets.
        let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(task));
        Poll::Ready(Ok(()))
    }
}
