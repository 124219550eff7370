//! The few packets that cases send, which the suite describes as calls of scapy: `Ether()/IP(dst='10.0.0.1')/ICMP()`.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// The frame's bytes; none for a description that is not understood.
pub(super) fn frame(description: &str) -> Option<Vec<u8>> {
    let mut layers = Vec::new();
    for layer in description.split('/') {
        let (name, rest) = layer.trim().split_once('(')?;
        let arguments = rest.strip_suffix(')')?;
        let pairs = arguments.split(',').filter(|a| !a.trim().is_empty()).map(|argument| {
            let (key, value) = argument.split_once('=')?;
            Some((key.trim(), value.trim().trim_matches(['\'', '"'])))
        });
        layers.push((name, pairs.collect::<Option<Vec<_>>>()?));
    }
    let mut bytes = Vec::new();
    // From the inside out: what is inside decides on lengths and protocol.
    let mut protocol = 0;
    for (name, arguments) in layers.iter().rev() {
        let text = |key: &str| arguments.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        let number = |key: &str, default: u16| match text(key) {
            None => Some(default),
            Some(value) => match value.strip_prefix("0x") {
                Some(hex) => u16::from_str_radix(hex, 16).ok(),
                None => value.parse().ok(),
            },
        };
        let header = match *name {
            "ICMP" => {
                protocol = 1;
                // Echo request; its checksum is that of the type alone.
                vec![8, 0, 0xf7, 0xff, 0, 0, 0, 0]
            }
            "TCP" => {
                protocol = 6;
                let mut header = Vec::new();
                header.extend(number("sport", 20)?.to_be_bytes());
                header.extend(number("dport", 80)?.to_be_bytes());
                // SYN, a window of 8192; nobody looks at the checksum.
                header.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0]);
                header
            }
            "IP" => {
                let address = |key: &str| -> Option<[u8; 4]> {
                    Some(text(key)?.parse::<Ipv4Addr>().ok()?.octets())
                };
                let len = u16::try_from(20 + bytes.len()).ok()?;
                let mut header = vec![0x45, 0];
                header.extend(len.to_be_bytes());
                header.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
                header.extend(address("src")?);
                header.extend(address("dst")?);
                let sum = checksum(&header).to_be_bytes();
                header.splice(10..12, sum);
                header
            }
            "Ether" => {
                let mut header = vec![0xff; 6];
                header.extend([2, 0, 0, 0, 0, 1]);
                header.extend(number("type", 0x0800)?.to_be_bytes());
                header
            }
            _ => return None,
        };
        bytes.splice(0..0, header);
    }
    Some(bytes)
}

/// Two hexadecimal digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

/// Sends the frame in hexadecimal digits `$1` from the device `$0`, `$2` times.
pub(super) const SEND: &str = r#"perl -e '
    my ($device, $frame, $count) = @ARGV;
    socket(my $socket, 17, 3, unpack("S", pack("n", 3))) or die "socket: $!\n";
    my $request = pack("a16x24", $device);
    ioctl($socket, 0x8933, $request) or die "$device: $!\n";
    my $index = unpack("x16l", $request);
    my $to = pack("SnlSCCa8", 17, 3, $index, 0, 0, 0, "");
    for (1 .. $count) { send($socket, pack("H*", $frame), 0, $to) or die "send: $!\n"; }
' "$0" "$1" "$2""#;

#[cfg(test)]
mod tests {
    use super::{frame, hex};

    #[test]
    fn layers_are_put_together() {
        let made = frame("Ether()/IP(dst='10.10.10.1', src='10.10.10.10')/ICMP()").unwrap();
        // Both checksums were worked out by hand.
        let ip = "4500001c 00010000 400152c2 0a0a0a0a 0a0a0a01 0800f7ff 00000000".replace(' ', "");
        assert_eq!(hex(&made), format!("ffffffffffff0200000000010800{ip}"));
        assert!(frame("Ether()/ARP()").is_none());
    }
}
