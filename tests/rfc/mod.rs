//! Messages of the RFCs, sent to the built program.

mod torture;
