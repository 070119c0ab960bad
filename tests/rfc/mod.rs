//! Messages of the RFCs and of people who mean harm, sent to the built program.

mod hostile;
mod peer;
mod torture;
mod way;
