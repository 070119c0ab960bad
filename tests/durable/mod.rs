//! What `offhook serve` has confirmed survives `kill -9`, and is on the disk when that was promised.

mod flushed;
mod kill;
