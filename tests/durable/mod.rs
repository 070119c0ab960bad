//! What `offhook serve` has confirmed survives `kill -9`.

mod full;
mod kill;
mod recording;
