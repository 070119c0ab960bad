//! `offhook` against SIPp, baresip and Kamailio, on loopback and without a sound card.

mod answer;
mod baresip;
mod blocked;
mod browser;
mod callee;
mod faults;
mod flushed;
pub(crate) mod full_disk;
mod kamailio;
mod located;
mod message;
mod names;
mod overload;
mod pbx;
mod reliable;
mod rests;
mod sipp;
mod status;
mod stranger;
mod through;
mod timers;
mod tls;
mod trace;
mod transfers;
mod trouble;
mod websocket;
