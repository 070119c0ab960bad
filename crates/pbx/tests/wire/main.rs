//! The PBX from outside: everything through sockets, with a scripted telephone.

mod calls;
mod hold;
mod phone;
mod refusals;
mod registering;
mod setup;
mod sound;
mod watching;
