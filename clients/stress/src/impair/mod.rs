//! A proxy for datagrams that makes a loopback path as bad as a plan says.

mod line;
mod proxy;

pub(crate) use proxy::Proxy;
