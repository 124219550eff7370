//! `-p`: keys of `u32` shown as fields of IPv4 headers, as far as tc knows them.

use std::net::Ipv4Addr;

use tc_proto::filter::u32::Key;
use tc_proto::units::Protocol;

use crate::out::Out;

/// Shows a key as the field that it is; nothing when it is none.
///
/// tc takes IPv6 headers for IPv4 ones of twice the length; `nexthdr+` it ignores.
pub(super) fn print(key: &Key, protocol: Protocol, out: &mut Out<'_>) {
    let ports_at = if protocol == Protocol::IPV6 { 40 } else { 20 };
    let Key { value, mask, at, .. } = *key;
    match (at, mask) {
        (0, 0x0f00_0000) => {
            let ihl = value >> 24;
            out.newline();
            out.field("ip_ihl", ihl, format_args!("  match IP ihl {ihl}"));
        }
        (0, 0x00ff_0000) => {
            let field = format!("{:#x}", value >> 16);
            out.newline();
            out.field("ip_dsfield", &*field, format_args!("  match IP dsfield {field}"));
        }
        (8, 0x00ff_0000) => {
            let number = value >> 16;
            out.newline();
            out.field("ip_protocol", number, format_args!("  match IP protocol {number}"));
        }
        (12 | 16, _) => {
            let bits = mask.leading_ones();
            if mask.checked_shl(bits).unwrap_or(0) != 0 {
                return;
            }
            let name = if at == 12 { "src" } else { "dst" };
            let address = Ipv4Addr::from_bits(value).to_string();
            out.newline();
            out.object(name, |out| {
                out.field("address", &*address, format_args!("  match IP {name} {address}"));
                out.field("prefixlen", bits, format_args!("/{bits}"));
            });
        }
        _ if at == ports_at => print_ports(value, mask, protocol, out),
        _ => {}
    }
}

fn print_ports(value: u32, mask: u32, protocol: Protocol, out: &mut Out<'_>) {
    let (sport, dport) = (value >> 16, value & 0xffff);
    match mask {
        0x0000_ffff => {
            // After an IPv4 header tc forgets the line break.
            if protocol == Protocol::IPV6 {
                out.newline();
                out.text(format_args!("  "));
            }
            out.field("dport", dport, format_args!("match dport {dport}"));
        }
        0xffff_0000 => {
            out.newline();
            out.field("sport", sport, format_args!("  match sport {sport}"));
        }
        u32::MAX => {
            out.newline();
            out.field("dport", dport, format_args!("  match dport {dport}, "));
            out.field("sport", sport, format_args!("match sport {sport}"));
        }
        _ => {}
    }
}
