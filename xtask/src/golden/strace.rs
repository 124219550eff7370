//! Netlink messages out of strace's dumps (`-e write=all -e read=all` with raw arguments).
use super::format::Message;

const NLMSG_HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const RTM_GETLINK: u16 = 18;

/// What tc sent and what came back, look-ups of links and their answers left out.
pub(crate) fn messages(trace: &str) -> (Vec<Message>, Vec<Message>) {
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    // Sockets whose last request was a look-up: what they receive is its answer.
    let mut looking_up: Vec<String> = Vec::new();
    for call in calls(trace) {
        let all = split(&call.bytes);
        if call.sends {
            looking_up.retain(|fd| *fd != call.fd);
            if all.iter().any(|m| m.kind == RTM_GETLINK) {
                looking_up.push(call.fd);
            } else {
                sent.extend(all);
            }
        } else if !looking_up.contains(&call.fd) {
            received.extend(all);
        }
    }
    (sent, received)
}

struct Call {
    sends: bool,
    fd: String,
    bytes: Vec<u8>,
}

fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in trace.lines() {
        if let Some(dump) = line.strip_prefix(" | ") {
            // `00000  30 00 00 00 24 00 05 06  3c 6a 03 6b 00 00 00 00  0...`: 5 digits, then 16 bytes in 50 columns.
            let columns = dump.split_once("  ").map_or("", |(_, rest)| rest);
            let columns: String = columns.chars().take(48).collect();
            let bytes = columns.split_whitespace().filter_map(|b| u8::from_str_radix(b, 16).ok());
            if let Some(call) = calls.last_mut() {
                call.bytes.extend(bytes);
            }
        } else if let Some((name, rest)) = line.split_once('(') {
            let fd = rest.split(',').next().unwrap_or_default().to_owned();
            calls.push(Call { sends: name.starts_with("send"), fd, bytes: Vec::new() });
        }
    }
    calls
}

/// Splits a datagram into messages. Sequence numbers and ports are dropped, also those inside an error message.
fn split(mut bytes: &[u8]) -> Vec<Message> {
    let mut all = Vec::new();
    while let Some(([l0, l1, l2, l3, k0, k1, f0, f1, ..], _)) =
        bytes.split_first_chunk::<NLMSG_HEADER>()
    {
        let len = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some(payload) = bytes.get(NLMSG_HEADER..len) else { break };
        let mut message = Message {
            kind: u16::from_le_bytes([*k0, *k1]),
            flags: u16::from_le_bytes([*f0, *f1]),
            payload: payload.to_vec(),
        };
        if message.kind == NLMSG_ERROR {
            // struct nlmsgerr: error, then the request's header, whose last 8 bytes are sequence and port.
            if let Some(ids) = message.payload.get_mut(12..20) {
                ids.fill(0);
            }
        }
        all.push(message);
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

/// Zeroes the value of the attribute at `path` wherever a request holds it.
pub(crate) fn mask(message: &mut Message, path: &[u16]) {
    if let Some(attributes) = message.fixed_len().and_then(|n| message.payload.get_mut(n..)) {
        mask_in(attributes, path);
    }
}

fn mask_in(mut rest: &mut [u8], path: &[u16]) {
    let Some((first, below)) = path.split_first() else {
        rest.fill(0);
        return;
    };
    while let [l0, l1, k0, k1, ..] = *rest {
        let len = usize::from(u16::from_le_bytes([l0, l1]));
        let kind = u16::from_le_bytes([k0, k1]) & 0x3fff;
        if kind == *first {
            if let Some(value) = rest.get_mut(4..len) {
                mask_in(value, below);
            }
        }
        rest = rest.get_mut(len.max(4).next_multiple_of(4)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
sendmsg(0x4, 0x7fff6938ef60, 0)         = 0x30
 * 48 bytes in buffer 0
 | 00000  30 00 00 00 12 00 01 00  07 6b 03 6b 00 00 00 00  0........k.k.... |
 | 00010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  ................ |
 | 00020  08 00 1d 00 09 01 00 00  07 00 03 00 76 30 00 00  ............v0.. |
recvmsg(0x4, 0x7fff6938ef60, 0)         = 0x10
 | 00000  10 00 00 00 10 00 00 00  07 6b 03 6b 05 f2 5d c3  d........k.k..]. |
sendmsg(0x3, 0x7fff6938ef60, 0)         = 0x24
 | 00000  24 00 00 00 29 00 05 00  3c 6a 03 6b 00 00 00 00  0...$...<j.k.... |
 | 00010  00 00 00 00 01 00 00 00  01 00 01 00 00 00 00 00  ................ |
 | 00020  00 00 00 00                                       .... |
recvmsg(0x3, 0x7fff6938ef60, 0x22)      = 0x24
recvmsg(0x3, 0x7fff6938ef60, 0)         = 0x24
 | 00000  24 00 00 00 02 00 00 01  3c 6a 03 6b 84 23 cf 91  $.......<j.k.#.. |
 | 00010  fe ff ff ff 24 00 00 00  29 00 05 00 3c 6a 03 6b  ....$...)...<j.k |
 | 00020  30 30 00 00                                       00.. |
";

    #[test]
    fn look_ups_and_numbers_that_move_are_left_out() {
        let (sent, received) = messages(TRACE);
        let [request] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!((request.kind, request.flags, request.payload.len()), (41, 5, 20));
        let [reply] = received.as_slice() else { panic!("{received:?}") };
        assert_eq!(reply.kind, 2);
        assert_eq!(reply.payload.get(..4), Some(&[0xfe, 0xff, 0xff, 0xff][..]));
        assert_eq!(reply.payload.get(12..), Some(&[0; 8][..]));
    }
}
