//! A blocking client over a netlink socket.
