//! Real packets between two hosts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::Ns;

/// How long an answer is waited for, where one must come and where none must.
const PATIENCE: Duration = Duration::from_secs(1);

impl Ns {
    /// Whether `address` answers an ICMP echo request.
    pub fn ping(&self, address: &str) -> bool {
        self.program("ping", &["-q", "-c", "1", "-W", "1", address]).status == 0
    }

    /// Whether `address` answers an ARP request sent from `dev`.
    pub fn arping(&self, dev: &str, address: &str) -> bool {
        self.program("arping", &["-q", "-c", "1", "-w", "1", "-I", dev, address]).status == 0
    }

    /// Serves TCP on `port`: every connection gets one `x`. Ends with the test.
    pub fn serve_tcp(&self, port: u16) {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let listener = self.enter(|| TcpListener::bind(any)).expect("the port is free");
        std::thread::spawn(move || {
            for mut peer in listener.incoming().flatten() {
                let _ = peer.write_all(b"x");
            }
        });
    }

    /// Whether the server of [`Ns::serve_tcp`] at this address and port answers.
    pub fn talk_tcp(&self, address: &str, port: u16) -> bool {
        let to = SocketAddr::new(address.parse().expect("an IP address"), port);
        self.enter(|| {
            let Ok(mut stream) = TcpStream::connect_timeout(&to, PATIENCE) else { return false };
            let mut byte = [0];
            stream.set_read_timeout(Some(PATIENCE)).is_ok()
                && stream.read_exact(&mut byte).is_ok()
                && byte == *b"x"
        })
    }
}
