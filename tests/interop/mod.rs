//! `offhook` against SIPp, baresip and Kamailio, on loopback and without a sound card.

mod answer;
mod baresip;
mod faults;
mod kamailio;
mod pbx;
mod sipp;
mod through;
