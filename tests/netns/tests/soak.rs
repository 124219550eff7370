//! Many changes by many at once: nothing leaks, no answer is lost or belongs to somebody else, and
//! every refusal has its reason.
//!
//! `SOAK=100000` makes this many cycles, where a few hundred are the default; `NETNS_TIMEOUT` must
//! then be large as well. BPF programs and maps are freed in small numbers only: kernels are slow
//! at it.
#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use netns_tests::{Ns, isolated, skip_for_kernel};
use tc_bpf_loader::sys::{Bpf as _, Errno, Kernel, MapCreate};
use tc_bpf_loader::{Insn, LoadOptions, MapType, ProgType, info, load_insns};
use tc_proto::action::mirred::MirredAction;
use tc_proto::action::{ActionHead, Control, Mirred};
use tc_proto::client::{Client, Error};
use tc_proto::filter::bpf::{Bpf, BpfFlags, Program};
use tc_proto::filter::u32::{Key, Selector, SelectorFlags, U32};
use tc_proto::msg::{
    ActionList, ActionReply, ActionRequest, ActionSpec, ClassList, ClassRequest, FilterList,
    FilterReply, FilterRequest, Hook, QdiscRequest, Verb,
};
use tc_proto::qdisc::{Htb, HtbClass, HtbInit};
use tc_proto::units::{Protocol, Psched, Rate, RateSpec, Size};
use tc_proto::wire::RawAttrs;
use tc_proto::{EncodeError, Handle};

const THREADS: usize = 8;
/// One cycle in so many has BPF programs.
const BPF_EVERY: usize = 4;
/// Priority of a filter that stays.
const FIRST: u16 = 1;
/// Cycles before anything is measured, at most.
const WARM_UP: usize = 4000;
/// Programs that are freed before everybody waits.
const FREED: usize = 24;
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes by which the process may have grown: the allocator keeps some for each thread.
const GROWTH: usize = 4 << 20;

fn cycles() -> usize {
    std::env::var("SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

/// What all workers share.
struct Shared {
    actions: bool,
    bpf: bool,
    /// Begins the names of this test's programs.
    mark: String,
    freed: Mutex<usize>,
    refused: AtomicUsize,
}

/// One thread: on its own priority and its own class of a device that others may use as well.
struct Worker<'a> {
    shared: &'a Shared,
    client: Client,
    ifindex: i32,
    number: u16,
}

fn class(ifindex: i32, minor: u16, rate: u64) -> ClassRequest<'static> {
    let (rate, psched) = (Rate(rate), Psched::CURRENT);
    let mut class = HtbClass { quantum_bytes: 1600, ..HtbClass::default() };
    class.set_rate(RateSpec::new(rate, 1600), rate, Size(1600), &psched);
    class.set_ceil(RateSpec::new(rate, 1600), rate, Size(1600), &psched);
    ClassRequest::new(ifindex, Handle::new(1, minor)).with(&class).expect("it fits")
}

fn htb(ifindex: i32) -> QdiscRequest<'static> {
    let htb = Htb { init: Some(HtbInit::default()), ..Htb::default() };
    QdiscRequest::root(ifindex).handle(Handle::new(1, 0)).with(&htb).expect("it fits")
}

/// Sends a copy to the first device of the namespace.
fn mirror() -> Mirred {
    let head = ActionHead::new(0, Control::PIPE);
    let action = MirredAction::EGRESS_MIRROR;
    Mirred { head, action, ifindex: 1, ..Mirred::default() }
}

/// Matches one address; on a match, two actions where the kernel has some.
fn rule(
    hook: Hook,
    prio: u16,
    address: u32,
    classid: u16,
    actions: bool,
) -> FilterRequest<'static> {
    let with = || -> Result<FilterRequest<'static>, EncodeError> {
        let key = Key { mask: !0, value: address, at: 12, offset_mask: 0 };
        let flags = SelectorFlags::TERMINAL;
        let mirror = mirror();
        let list = [ActionSpec::of(&mirror)?, ActionSpec::of(&mirror)?];
        let rule = U32 {
            classid: Some(Handle::new(1, classid)),
            selector: Some(Selector { flags, keys: vec![key], ..Selector::default() }),
            actions: actions.then(|| ActionSpec::list(&list)).transpose()?,
            ..U32::default()
        };
        FilterRequest::new(hook).prio(prio).protocol(Protocol(0x0800)).with(&rule)
    };
    with().expect("it fits")
}

/// Lets everything pass, and holds the map. No other `value` has the same tag.
fn program(value: i32, map: BorrowedFd<'_>) -> [Insn; 5] {
    let set = |value| Insn::new(0xb7, 0, 0, 0, value);
    let [low, high] = Insn::ld_map_fd(1, map);
    [low, high, set(value), set(0), Insn::new(Insn::EXIT, 0, 0, 0, 0)]
}

fn map(name: &str) -> Result<OwnedFd, Errno> {
    let mut map = MapCreate::default();
    (map.map_type, map.name) = (MapType::ARRAY, name);
    (map.key_size, map.value_size, map.max_entries) = (4, 8, 1);
    Kernel.map_create(&map)
}

/// Whether this is a hash table of u32, and no rule.
fn is_table(filter: &FilterReply) -> bool {
    filter.decode::<U32>().is_some_and(|rule| rule.is_ok_and(|rule| rule.selector.is_none()))
}

/// Unwraps, and says who failed at what.
#[track_caller]
fn done<T>(what: &str, number: u16, result: Result<T, Error>) -> T {
    result.unwrap_or_else(|e| panic!("{what}, worker {number}: {e:?}"))
}

impl Worker<'_> {
    fn cycle(&mut self, n: usize) {
        self.rules(n);
        self.classes(n);
        if self.shared.bpf && n % BPF_EVERY == 0 {
            self.programs(n);
        }
        self.contend(n);
    }

    /// A rule is made, found, changed and deleted; every answer must be about this very rule.
    fn rules(&mut self, n: usize) {
        let me = self.number;
        let (prio, address) = (100 + me, u32::from(me) << 24 | n as u32 & 0xff_ffff);
        let hook = Hook::ingress(self.ifindex);
        let rule = |classid| rule(hook, prio, address, classid, self.shared.actions);
        let made = done("create", me, self.client.create(&rule(1)));
        let check = |found: &FilterReply, classid| {
            let options = found.decode::<U32>().expect("a rule").expect("a sound one");
            assert_eq!((found.prio(), found.ifindex()), (prio, self.ifindex), "{found:?}");
            assert_eq!(
                options.selector.expect("a selector").keys.first().map(|key| key.value),
                Some(address)
            );
            assert_eq!(options.classid, Some(Handle::new(1, classid)));
            let actions = options.actions.as_ref().map_or(0, |a: &RawAttrs| a.attrs().count());
            assert_eq!(actions, if self.shared.actions { 2 } else { 0 });
        };
        check(&made, 1);
        let other = rule(2).handle(made.handle());
        check(&done("get", me, self.client.get(&other)), 1);
        done("replace", me, self.client.replace(&other));
        check(&done("get", me, self.client.get(&other)), 2);
        done("delete", me, self.client.delete(&other));
        let gone = self.client.get(&other).expect_err("it was deleted");
        assert!(gone.is_not_found(), "{gone:?}");
    }

    fn classes(&mut self, n: usize) {
        let me = self.number;
        let rate = |step| 1_000_000 + u64::from(me) * 1_000_000 + (n as u64 % 1000) * 10 + step;
        let class = |step| class(self.ifindex, 100 + me, rate(step));
        done("add", me, self.client.add(&class(1)));
        for step in [1, 2] {
            done("replace", me, self.client.replace(&class(step)));
            let found = done("get", me, self.client.get(&class(step)));
            let options = found.decode::<HtbClass>().expect("htb").expect("a sound one");
            assert_eq!((found.classid().minor(), options.rate()), (100 + me, Rate(rate(step))));
        }
        done("delete", me, self.client.delete(&class(1)));
    }

    /// Two programs after each other at one place, known by their tags and names.
    fn programs(&mut self, n: usize) {
        let me = self.number;
        self.shared.before_freeing(2);
        let filter = FilterRequest::new(Hook::ingress(self.ifindex)).prio(200 + me).handle(1);
        let filter = filter.protocol(Protocol::ALL);
        for step in 0..2 {
            let name = format!("{}{me}", self.shared.mark);
            let value = i32::from(me) << 20 | (n as i32 & 0x3_ffff) << 1 | step;
            let options = LoadOptions::new(ProgType::SCHED_CLS);
            let map = map(&name).expect("there is room");
            let insns = program(value, map.as_fd());
            let loaded = load_insns(&insns, &name, "", &options, &mut Kernel).expect("it is sound");
            let tag = info::program(loaded.fd.as_fd(), &mut Kernel).expect("a program").tag;
            let bpf = Bpf {
                program: Some(Program::Extended(loaded.fd.as_fd())),
                name: Some(format!("{n}.{step}")),
                flags: Some(BpfFlags::DIRECT_ACTION),
                ..Bpf::default()
            };
            let filter = filter.clone().with(&bpf).expect("it fits");
            for repeated in [false, true] {
                let ensured = done("ensure", me, self.client.ensure_bpf_filter(&filter, tag));
                assert_eq!(ensured.changed, !repeated);
            }
            let found = done("get", me, self.client.get(&filter));
            let found = found.decode::<Bpf<'_>>().expect("bpf").expect("a sound one");
            assert_eq!((found.tag, found.name), (Some(tag), bpf.name.clone()));
        }
        assert!(done("ensure", me, self.client.ensure_absent(&filter)).changed);
        assert!(!done("ensure", me, self.client.ensure_absent(&filter)).changed);
    }

    /// What everybody wants to have, and the other process as well: each outcome must be one that
    /// makes sense.
    fn contend(&mut self, n: usize) {
        let hook = Hook::ingress(self.ifindex);
        let rule = rule(hook, 7, n as u32, 1, false);
        let class = class(self.ifindex, 7, 5_000_000);
        let verb = match (n + usize::from(self.number)) % 4 {
            0 => Verb::Add,
            1 => Verb::Replace,
            2 => Verb::Change,
            _ => Verb::Delete,
        };
        let requests = [class.encode(verb), rule.encode(verb), class.encode(Verb::Delete)];
        let requests = requests.map(|request| request.expect("it fits"));
        for outcome in self.client.send_all(requests) {
            if let Err(e) = outcome {
                self.shared.refused.fetch_add(1, Relaxed);
                assert!(
                    e.kernel().is_some() && (e.is_exists() || e.is_not_found()),
                    "{verb:?}: {e:?}"
                );
            }
        }
    }
}

impl Shared {
    fn new() -> Self {
        let mut client = Client::open().expect("a socket");
        let mirror = ActionRequest::new(ActionSpec::of(&mirror()).expect("it fits"));
        let actions = match client.add(&mirror) {
            Ok(_) => true,
            Err(e) if e.is_unsupported() => false,
            Err(e) => panic!("{e:?}"),
        };
        // Its number is this network namespace's alone.
        let net = std::fs::read_link("/proc/self/ns/net").expect("our namespace");
        let digits: String = net.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
        let options = LoadOptions::new(ProgType::SCHED_CLS);
        let bpf = map("probe").is_ok_and(|map| {
            let insns = program(0, map.as_fd());
            load_insns(&insns, "probe", "", &options, &mut Kernel).is_ok()
        });
        let (freed, refused) = (Mutex::new(0), AtomicUsize::new(0));
        Self { actions, bpf, mark: format!("s{digits}_"), freed, refused }
    }

    fn before_freeing(&self, count: usize) {
        let mut freed = self.freed.lock().expect("nobody panics with it");
        if *freed + count > FREED {
            std::thread::sleep(PAUSE);
            *freed = 0;
        }
        *freed += count;
    }

    /// Runs `cycles` on `THREADS` threads, on these devices in turn.
    fn run(&self, devices: &[i32], cycles: usize) {
        std::thread::scope(|scope| {
            for (number, ifindex) in devices.iter().copied().cycle().take(THREADS).enumerate() {
                scope.spawn(move || {
                    let client = Client::open().expect("a socket");
                    let mut worker =
                        Worker { shared: self, client, ifindex, number: number as u16 };
                    (0..cycles / THREADS).for_each(|n| worker.cycle(n));
                });
            }
        });
    }
}

/// A process that does the same to the shared objects as [`Worker::contend`], for ever.
struct Meddler(Child);

impl Meddler {
    fn start(ns: &Ns, devices: &[&str]) -> Self {
        let lines = |dev: &&str| {
            format!(
                "class add dev {dev} parent 1: classid 1:7 htb rate 8mbit quantum 1600\n\
                 filter replace dev {dev} ingress pref 7 protocol ip u32 match ip src 10.0.0.1 flowid 1:1\n\
                 filter del dev {dev} ingress pref 7\n\
                 class del dev {dev} classid 1:7\n"
            )
        };
        let batch: String = devices.iter().map(lines).collect();
        std::fs::write("/run/meddle", batch.repeat(20)).expect("/run is ours");
        let script = "while :; do \"$0\" -force -batch /run/meddle; done";
        let child = Command::new("sh")
            .args(["-c", script])
            .arg(ns.rtc_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("a shell"))
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count()
}

/// Bytes of memory that this process has.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// How many programs and maps there are whose name begins with `mark`.
fn of_bpf(ns: &Ns, mark: &str) -> usize {
    let count = |what| {
        ns.program("bpftool", &[what, "list"]).stdout.matches(&format!("name {mark}")).count()
    };
    count("prog") + count("map")
}

/// How many actions there are.
fn actions(client: &mut Client) -> usize {
    let list = client.list(&ActionList::of("mirred")).expect("a list");
    list.iter().flat_map(ActionReply::actions).count()
}

/// Waits until something is so: what nobody holds any more is freed soon, not at once.
fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    (0..100).any(|_| {
        let so = is_so();
        if !so {
            std::thread::sleep(PAUSE);
        }
        so
    })
}

fn soak(ns: &Ns, names: &[&str]) {
    let shared = Shared::new();
    let mut client = Client::open().expect("a socket");
    let devices: Vec<_> = names
        .iter()
        .map(|name| {
            ns.link(name);
            let ifindex = client.link_index(name).expect("the device");
            done("clsact", 0, client.ensure_clsact(ifindex));
            done("htb", 0, client.add(&htb(ifindex)));
            // With the first filter of all, the kernel waits for everybody who may be looking at it.
            let first = rule(Hook::ingress(ifindex), FIRST, 0, 1, false);
            match client.add(&first) {
                Err(e) if e.is_unsupported() => skip_for_kernel("this kernel has no u32"),
                made => drop(done("first", 0, made)),
            }
            ifindex
        })
        .collect();
    let meddler = Meddler::start(ns, names);
    shared.run(&devices, (cycles() / 4).min(WARM_UP));
    let before = (open_files(), memory());
    shared.run(&devices, cycles());
    let after = (open_files(), memory());
    drop(meddler);
    assert_eq!(before.0, after.0, "descriptors");
    assert!(after.1 <= before.1 + GROWTH, "memory: {} to {}", before.1, after.1);
    assert!(shared.refused.load(Relaxed) > 0, "nobody got into anybody's way");
    for ifindex in devices {
        // The tables of the rules stay as long as the kernel likes.
        let own = |filter: &&FilterReply| ![FIRST, 7].contains(&filter.prio()) && !is_table(filter);
        let left = done("list", 0, client.list(&FilterList::at(Hook::ingress(ifindex))));
        assert_eq!(left.iter().find(own), None);
        let left = done("list", 0, client.list(&ClassList::on(ifindex)));
        assert!(left.iter().all(|class| class.classid().minor() == 7), "{left:?}");
    }
    assert!(soon(|| of_bpf(ns, &shared.mark) == 0), "programs or maps are left");
    if shared.actions {
        // The one that was tried out stays.
        assert!(soon(|| actions(&mut client) == 1), "actions are left");
    }
}

#[test]
fn on_one_device() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        soak(ns, &["eth0"]);
    });
}

#[test]
fn on_many_devices() {
    isolated(|ns| {
        ns.need_qdisc("htb");
        soak(ns, &["eth0", "eth1", "eth2", "eth3", "eth4", "eth5", "eth6", "eth7"]);
    });
}
