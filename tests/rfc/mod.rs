//! Messages of the RFCs and of people who mean harm, sent to the built program.

mod challenger;
mod hostile;
pub(crate) mod peer;
mod torture;
pub(crate) mod way;
