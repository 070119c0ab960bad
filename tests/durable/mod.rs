//! What `offhook serve` has confirmed survives `kill -9`.

mod kill;
mod recording;
