//! Attaches a BPF program to a device in a container's network namespace, or detaches it.
//!
//! `cargo run --features client --example attach -- attach PID DEV OBJECT SECTION`
//! `cargo run --features client --example attach -- detach PID DEV`
//!
//! Both may be repeated: what is so already stays untouched.

use std::error::Error;
use std::os::fd::AsFd as _;
use std::path::Path;

use tc_bpf_loader::{LoadOptions, ObjectSpec, ProgType, Select, info, sys::Kernel};
use tc_proto::client::{Client, Netns};
use tc_proto::filter::Bpf;
use tc_proto::msg::{FilterRequest, Hook};
use tc_proto::units::Protocol;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The place of our program: whoever else attaches one takes another priority.
fn place(ifindex: i32) -> FilterRequest<'static> {
    FilterRequest::new(Hook::ingress(ifindex)).prio(1).handle(1).protocol(Protocol::ALL)
}

/// Has the program in `section` of `object` decide about all that arrives at `device`. Says whether
/// there was something to do.
pub fn attach(netns: &Netns, device: &str, object: &Path, section: &str) -> Result<bool> {
    let object = ObjectSpec::from_path(object)?;
    let program = object.select(&Select { section: Some(section), ..Select::default() })?;
    let loaded = program.load(&LoadOptions::new(ProgType::SCHED_CLS), &mut Kernel)?;
    let tag = info::program(loaded.fd.as_fd(), &mut Kernel)?.tag;

    let mut client = Client::open_in(netns)?;
    let ifindex = client.link_index(device)?;
    client.ensure_clsact(ifindex)?;
    let bpf = Bpf::direct_action(loaded.fd.as_fd(), section);
    Ok(client.ensure_bpf_filter(&place(ifindex).with(&bpf)?, tag)?.changed)
    // The filter holds the program now; closing our descriptors does not end it.
}

/// Takes it away again.
pub fn detach(netns: &Netns, device: &str) -> Result<bool> {
    let mut client = Client::open_in(netns)?;
    let ifindex = client.link_index(device)?;
    Ok(client.ensure_absent(&place(ifindex).of_kind("bpf"))?.changed)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["attach", pid, device, object, section] => {
            attach(&Netns::of_process(pid.parse()?)?, device, object.as_ref(), section)?;
        }
        ["detach", pid, device] => {
            detach(&Netns::of_process(pid.parse()?)?, device)?;
        }
        _ => {
            return Err(
                "usage: attach attach PID DEV OBJECT SECTION | attach detach PID DEV".into()
            );
        }
    }
    Ok(())
}
