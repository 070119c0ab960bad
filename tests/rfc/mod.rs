//! Messages of the RFCs and of people who mean harm, sent to the built program.

mod challenger;
mod hostile;
mod peer;
mod torture;
pub(crate) mod way;
