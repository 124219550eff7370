//! Copies all that arrives at a device and leaves by it to another one, where a sniffer listens.
//!
//! `cargo run --features client --example mirror -- DEV TO`, and `mirror off DEV`.

use std::error::Error;

use tc_proto::action::{ActionHead, Control, Mirred, mirred::MirredAction};
use tc_proto::client::{self, Client};
use tc_proto::filter::Matchall;
use tc_proto::msg::{ActionSpec, FilterRequest, Hook};
use tc_proto::units::Protocol;

/// Our filters, before and after which others may stand.
const PRIO: u16 = 1000;

fn place(hook: Hook) -> FilterRequest<'static> {
    FilterRequest::new(hook).prio(PRIO).handle(1).protocol(Protocol::ALL)
}

/// Copies what passes `device` to `to`, and lets it pass.
pub fn mirror(client: &mut Client, device: &str, to: &str) -> Result<(), client::Error> {
    let (device, to) = (client.link_index(device)?, client.link_index(to)?);
    client.ensure_clsact(device)?;
    let mirred = Mirred {
        head: ActionHead::new(0, Control::PIPE),
        action: MirredAction::EGRESS_MIRROR,
        ifindex: to as u32,
        ..Mirred::default()
    };
    let actions = Some(ActionSpec::list(&[ActionSpec::of(&mirred)?])?);
    let all = Matchall { actions, ..Matchall::default() };
    for hook in [Hook::ingress(device), Hook::egress(device)] {
        // One that is there cannot be changed: the kernel has no replacing of matchall.
        client.ensure_absent(&place(hook).of_kind("matchall"))?;
        client.add(&place(hook).with(&all)?)?;
    }
    Ok(())
}

/// Stops copying.
pub fn stop(client: &mut Client, device: &str) -> Result<(), client::Error> {
    let device = client.link_index(device)?;
    for hook in [Hook::ingress(device), Hook::egress(device)] {
        client.ensure_absent(&place(hook).of_kind("matchall"))?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut client = Client::open()?;
    match &args[..] {
        [off, device] if off == "off" => stop(&mut client, device)?,
        [device, to] => mirror(&mut client, device, to)?,
        _ => return Err("usage: mirror DEV TO | mirror off DEV".into()),
    }
    Ok(())
}
