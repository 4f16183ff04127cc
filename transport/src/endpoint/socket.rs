//! UDP sockets with the options std does not offer.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::limit;

/// A bound socket with large buffers; an IPv6 one takes no IPv4 traffic, so both families can share a port number.
pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    grow_buffers(&socket, address);
    Ok(socket.into())
}

fn grow_buffers(socket: &Socket, address: SocketAddr) {
    let wanted = limit::SOCKET_BUFFER;
    let send = socket.set_send_buffer_size(wanted).and_then(|()| socket.send_buffer_size());
    let receive = socket.set_recv_buffer_size(wanted).and_then(|()| socket.recv_buffer_size());
    for (direction, got) in [("send", send), ("receive", receive)] {
        match got {
            Ok(got) if got >= wanted => {}
            Ok(got) => {
                tracing::warn!(%address, direction, wanted, got, "the system clamped a UDP socket buffer: bursts may be lost (raise net.core.rmem_max and wmem_max)");
            }
            Err(error) => {
                tracing::warn!(%address, direction, wanted, %error, "cannot size a UDP socket buffer: bursts may be lost")
            }
        }
    }
}
