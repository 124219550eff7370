//! Long lists that are read while others change what is listed: each has everything that stayed,
//! exactly once, or is an error that says so; none is short and silent about it.
//!
//! `LISTED=50000` lists this many objects, where some hundreds are the default.
#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

use netns_tests::{Ns, isolated, skip_for_kernel};
use tc_proto::action::mirred::MirredAction;
use tc_proto::action::{ActionHead, Control, Mirred};
use tc_proto::client::{Client, Error, List};
use tc_proto::filter::u32::{Key, Selector, SelectorFlags, U32};
use tc_proto::msg::{
    ActionList, ActionReply, ActionRequest, ActionSpec, ClassList, ClassReply, ClassRequest,
    FilterList, FilterReply, FilterRequest, Hook, ListRequest, QdiscRequest, Request, Verb,
};
use tc_proto::qdisc::{Htb, HtbClass, HtbInit};
use tc_proto::rtnetlink::{TcExt, TcHandle, new_connection};
use tc_proto::units::{Protocol, Rate};
use tc_proto::wire::RawAttrs;
use tc_proto::{EncodeError, Handle};

/// Changes after which a list is left alone; fewer than the attempts that a client makes.
const FEW: usize = 8;
/// Numbers of what comes and goes are below, or the kernel chooses; most kinds list by number, so that
/// it is passed first.
const STABLE: u32 = 1000;
/// Those that come and go when many do.
const MANY: Numbers = 1..=100;

type Numbers = std::ops::RangeInclusive<u32>;

/// Objects that stay.
fn stable() -> std::ops::Range<u32> {
    let many = std::env::var("LISTED").ok().and_then(|n| n.parse().ok()).unwrap_or(600);
    STABLE..STABLE + many
}

/// Who lists.
#[derive(Clone, Copy, Debug)]
enum By {
    Blocking,
    Async,
    /// Over rtnetlink's connection.
    Shared,
}

struct Clients {
    runtime: tokio::runtime::Runtime,
    blocking: Client,
    own: TcHandle,
    shared: TcHandle,
}

impl Clients {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.expect("a runtime");
        let entered = runtime.enter();
        let (connection, own) = new_connection().expect("a connection");
        runtime.spawn(connection);
        let (connection, handle, _) = rtnetlink::new_connection().expect("a connection");
        runtime.spawn(connection);
        drop(entered);
        let blocking = Client::open().expect("a socket");
        Self { runtime, blocking, own, shared: handle.tc() }
    }

    fn list<L: ListRequest>(
        &mut self,
        by: By,
        once: bool,
        list: &L,
    ) -> Result<List<L::Reply>, Error> {
        let tc = match by {
            By::Blocking if once => return self.blocking.list_once(list),
            By::Blocking => return self.blocking.list(list),
            By::Async => &self.own,
            By::Shared => &self.shared,
        };
        self.runtime
            .block_on(async { if once { tc.list_once(list).await } else { tc.list(list).await } })
    }
}

/// Says what of the stable ones is missing or there twice.
fn faults(mut found: Vec<u32>) -> Result<(), String> {
    found.sort_unstable();
    if found.iter().copied().eq(stable()) {
        return Ok(());
    }
    let twice = found.windows(2).filter(|pair| matches!(pair, [a, b] if a == b)).count();
    found.dedup();
    let missing = stable().filter(|number| found.binary_search(number).is_err()).count();
    Err(format!("{missing} missing, {twice} twice"))
}

/// Sends requests that must all succeed.
fn send(
    client: &mut Client,
    requests: impl IntoIterator<Item = Result<Request<'static>, EncodeError>>,
) {
    let requests = requests.into_iter().map(|request| request.expect("it fits"));
    client.batch(requests, |n, done| assert!(done.is_ok(), "{n}: {done:?}"));
}

/// How a list is read.
#[derive(Clone, Copy, Debug)]
enum Round {
    /// Others change something a few times, and then leave it alone.
    Some,
    /// They never leave it alone.
    Always,
    /// The first, and the list is read once.
    Once,
}

/// The thread that meddles, by what it is told.
struct Meddler<'a> {
    orders: Sender<Round>,
    /// Says that it has begun, and that it has ended.
    does: Receiver<()>,
    /// Whether the list has been read.
    read: &'a AtomicBool,
}

impl<'a> Meddler<'a> {
    fn start<'scope>(
        scope: &'scope Scope<'scope, 'a>,
        read: &'a AtomicBool,
        meddle: &'a (impl Fn(&mut Client, bool, Numbers) + Sync),
    ) -> Self {
        let (orders, told) = channel();
        let (says, does) = channel();
        scope.spawn(move || {
            let mut client = Client::open().expect("a socket");
            while let Ok(round) = told.recv() {
                let always = matches!(round, Round::Always);
                let (bursts, numbers) = if always { (usize::MAX, MANY) } else { (FEW, 1..=1) };
                for n in 0..bursts {
                    meddle(&mut client, n % 2 == 0, numbers.clone());
                    if n == 0 && says.send(()).is_err() {
                        return;
                    }
                    // What was made last is taken away.
                    if read.load(Relaxed) && n % 2 == 1 {
                        break;
                    }
                    if !always {
                        // Or all would change before the list is half read.
                        std::thread::sleep(Duration::from_millis(5));
                    }
                }
                if says.send(()).is_err() {
                    return;
                }
            }
        });
        Self { orders, does, read }
    }

    /// Runs `list` while the other thread meddles.
    fn during<T>(&self, round: Round, list: impl FnOnce() -> T) -> T {
        self.read.store(false, Relaxed);
        self.orders.send(round).expect("it waits for that");
        self.does.recv().expect("it begins");
        let listed = list();
        self.read.store(true, Relaxed);
        self.does.recv().expect("it ends");
        listed
    }
}

impl Drop for Meddler<'_> {
    fn drop(&mut self) {
        self.read.store(true, Relaxed);
    }
}

/// Reads lists with each client while `meddle` makes something and takes it away.
fn lists_are_whole<L: ListRequest<Reply: Debug>>(
    list: &L,
    meddle: impl Fn(&mut Client, bool, Numbers) + Sync,
    numbers: impl Fn(&L::Reply) -> Vec<u32>,
) {
    let mut clients = Clients::new();
    let of = |list: &List<L::Reply>| {
        let numbers = list.iter().flat_map(&numbers);
        faults(numbers.filter(|number| stable().contains(number)).collect())
    };
    for by in [By::Blocking, By::Async, By::Shared] {
        let calm = clients.list(by, false, list).expect("nobody meddles yet");
        of(&calm).unwrap_or_else(|e| panic!("{by:?}, before: {e}"));
        let read = AtomicBool::new(false);
        let mut sums = BTreeMap::<_, usize>::new();
        std::thread::scope(|scope| {
            let meddler = Meddler::start(scope, &read, &meddle);
            for round in [Round::Some, Round::Always, Round::Once, Round::Some] {
                let once = matches!(round, Round::Once);
                let listed = meddler.during(round, || clients.list(by, once, list));
                let (came, sound) = match &listed {
                    Ok(list) if list.changed && once => {
                        (if of(list).is_ok() { "changed" } else { "changed and faulty" }, Ok(()))
                    }
                    Ok(list) => ("whole", of(list)),
                    Err(Error::Changing) => {
                        let may = matches!(round, Round::Always);
                        ("given up", if may { Ok(()) } else { Err("given up".to_owned()) })
                    }
                    Err(e) => ("error", Err(e.to_string())),
                };
                *sums.entry(came).or_default() += 1;
                sound.unwrap_or_else(|e| panic!("{by:?}, {round:?}: {e}; {sums:?}"));
            }
        });
    }
}

/// A device with an htb at its root, whose classes are to be listed.
fn classful(ns: &Ns) -> (Client, i32) {
    ns.need_qdisc("htb");
    ns.link("eth0");
    let mut client = Client::open().expect("a socket");
    let eth0 = client.link_index("eth0").expect("the device");
    let htb = Htb { init: Some(HtbInit::default()), ..Htb::default() };
    let root = QdiscRequest::root(eth0).handle(Handle::new(1, 0)).with(&htb);
    client.add(&root.expect("it fits")).expect("the root is free");
    (client, eth0)
}

fn class(
    ifindex: i32,
    at: Handle,
    rate: Rate,
    verb: Verb,
) -> Result<Request<'static>, EncodeError> {
    let class = HtbClass { quantum_bytes: 1600, ..HtbClass::with_rates(rate, rate) };
    ClassRequest::new(ifindex, at).with(&class)?.encode(verb)
}

/// Classes of one qdisc: the kernel looks at all of them whenever one comes or goes.
const TOGETHER: u32 = 500;

/// Where a class is, by its number: those that come and go are beside those that stay.
fn place(number: u32) -> Handle {
    let (qdisc, minor) = match number.checked_sub(STABLE) {
        Some(number) => (number / TOGETHER, 1 + number % TOGETHER),
        None => (number % stable().len().div_ceil(TOGETHER as usize) as u32, 0x8000 + number),
    };
    Handle::new(2 + qdisc as u16, minor as u16)
}

#[test]
fn of_classes() {
    isolated(|ns| {
        let (mut client, eth0) = classful(ns);
        let mut last = 1;
        for number in stable() {
            let at = place(number);
            if at.major() != last {
                last = at.major();
                // Its parent is a class of the root.
                let parent = Handle::new(1, last);
                send(&mut client, [class(eth0, parent, Rate(1_000_000), Verb::Add)]);
                let htb = Htb { init: Some(HtbInit::default()), ..Htb::default() };
                let qdisc = QdiscRequest::at(eth0, parent).handle(Handle::new(last, 0));
                client.add(&qdisc.with(&htb).expect("it fits")).expect("it is free");
            }
        }
        send(&mut client, stable().map(|n| class(eth0, place(n), Rate(1_000_000), Verb::Add)));
        let meddle = |client: &mut Client, make: bool, numbers: Numbers| {
            let verb = if make { Verb::Replace } else { Verb::Delete };
            send(client, numbers.map(|n| class(eth0, place(n), Rate(2_000_000), verb)));
        };
        lists_are_whole(&ClassList::on(eth0), meddle, |class: &ClassReply| {
            let at = class.classid();
            let (qdisc, minor) = (u32::from(at.major()), u32::from(at.minor()));
            let stays = qdisc > 1 && minor < 0x8000;
            stays.then(|| STABLE + (qdisc - 2) * TOGETHER + minor - 1).into_iter().collect()
        });
    });
}

/// Between two parts of a list, where its reader lets others have their turn, some of what was read is
/// deleted. The kernel then passes over as many that are still there.
#[test]
fn what_changes_between_two_parts_is_noticed() {
    isolated(|ns| {
        let (mut client, eth0) = classful(ns);
        let made = |minor| class(eth0, Handle::new(1, minor), Rate(1_000_000), Verb::Add);
        send(&mut client, (1..=1000).map(made));
        let clients = Clients::new();
        let tc = &clients.own;
        let list = ClassList::on(eth0);
        let minors = |list: &List<ClassReply>| -> Vec<u16> {
            list.iter().map(|class| class.classid().minor()).collect()
        };
        clients.runtime.block_on(async {
            let all = minors(&tc.list(&list).await.expect("a list"));
            assert_eq!(all.len(), 1000);
            // Those that are read first.
            let mut delete = |at: std::ops::Range<usize>| {
                let numbers = all.get(at).expect("there are more").iter();
                let at = |minor: &u16| Handle::new(1, *minor);
                let delete = |n| class(eth0, at(n), Rate(0), Verb::Delete);
                send(&mut client, numbers.map(delete));
            };
            let mut reading = pin!(tc.list_once(&list));
            assert!(futures_util::poll!(&mut reading).is_pending(), "it is too short");
            delete(0..20);
            let torn = reading.await.expect("a list");
            assert!(torn.changed);
            // Or else this test shows nothing.
            assert!(torn.len() < 1000, "nothing was missed");

            let mut reading = pin!(tc.list(&list));
            assert!(futures_util::poll!(&mut reading).is_pending(), "it is too short");
            delete(20..40);
            let whole = reading.await.expect("a list");
            assert_eq!(minors(&whole), all.get(40..).expect("there are more"));

            // Who does not wait for the rest of one is not in the way of the next one.
            {
                let mut reading = pin!(tc.list(&list));
                assert!(futures_util::poll!(&mut reading).is_pending(), "it is too short");
            }
            delete(40..60);
            let whole = tc.list_once(&list).await.expect("a list");
            assert!(!whole.changed);
            assert_eq!(minors(&whole), all.get(60..).expect("there are more"));
        });
    });
}

/// Matches the address `number`.
fn rule(hook: Hook, prio: u16, number: u32, actions: Option<RawAttrs>) -> FilterRequest<'static> {
    let key = Key { mask: !0, value: number, at: 12, offset_mask: 0 };
    let selector =
        Selector { flags: SelectorFlags::TERMINAL, keys: vec![key], ..Selector::default() };
    let rule = U32 {
        classid: Some(Handle::new(1, 1)),
        selector: Some(selector),
        actions,
        ..U32::default()
    };
    let filter = FilterRequest::new(hook).prio(prio).protocol(Protocol(0x0800));
    filter.with(&rule).expect("it fits")
}

fn address(filter: &FilterReply) -> Vec<u32> {
    let Some(Ok(rule)) = filter.decode::<U32>() else { panic!("{filter:?}") };
    // The kernel's tables have none.
    let keys = rule.selector.into_iter().flat_map(|selector| selector.keys);
    keys.map(|key| key.value).collect()
}

#[test]
fn of_filters() {
    isolated(|ns| {
        ns.link("eth0");
        let mut client = Client::open().expect("a socket");
        let eth0 = client.link_index("eth0").expect("the device");
        client.ensure_clsact(eth0).expect("it is free");
        let hook = Hook::ingress(eth0);
        match client.add(&rule(hook, 2, 1, None)) {
            Err(e) if e.is_unsupported() => skip_for_kernel("this kernel has no u32"),
            made => drop(made.expect("the first rule")),
        }
        // A table of the kernel's has room for some 4,000; each priority has its own.
        let add = |number| rule(hook, 5 + (number / 2000) as u16, number, None).encode(Verb::Add);
        send(&mut client, stable().map(add));
        // At a priority before all others, which goes as a whole.
        let meddle = |client: &mut Client, make: bool, numbers: Numbers| {
            if make {
                let add = |number| rule(hook, 2, number, None).encode(Verb::Add);
                send(client, numbers.map(add));
            } else {
                client.delete(&FilterRequest::new(hook).prio(2)).expect("there are some");
            }
        };
        lists_are_whole(&FilterList::at(hook), meddle, address);
    });
}

/// Sends a copy to the first device of the namespace.
fn mirror(number: u32) -> Mirred {
    let head = ActionHead::new(number, Control::PIPE);
    let action = MirredAction::EGRESS_MIRROR;
    Mirred { head, action, ifindex: 1, ..Mirred::default() }
}

fn indexes(message: &ActionReply) -> Vec<u32> {
    let actions = message.actions().map(|action| action.options()?.decode::<Mirred>());
    actions.map(|action| action.expect("mirred").expect("a sound one").head.index).collect()
}

fn act(number: u32, verb: Verb) -> Result<Request<'static>, EncodeError> {
    let action = match verb {
        Verb::Delete => ActionSpec::by_index("mirred", number),
        _ => ActionSpec::of(&mirror(number))?,
    };
    ActionRequest::new(action).encode(verb)
}

#[test]
fn of_actions() {
    isolated(|ns| {
        ns.need_action("mirred egress mirror dev lo");
        let mut client = Client::open().expect("a socket");
        send(&mut client, stable().map(|number| act(number, Verb::Add)));
        let meddle = |client: &mut Client, make: bool, numbers: Numbers| {
            let verb = if make { Verb::Replace } else { Verb::Delete };
            send(client, numbers.map(|number| act(number, verb)));
        };
        lists_are_whole(&ActionList::of("mirred"), meddle, indexes);
    });
}

/// Filters bring actions and take them along, and the kernel says nothing of when these go.
#[test]
fn of_actions_inside_filters() {
    isolated(|ns| {
        ns.need_action("mirred egress mirror dev lo");
        ns.link("eth0");
        let mut client = Client::open().expect("a socket");
        let eth0 = client.link_index("eth0").expect("the device");
        client.ensure_clsact(eth0).expect("it is free");
        let hook = Hook::ingress(eth0);
        let ruled = |number: u32| {
            let actions = ActionSpec::of(&mirror(0)).and_then(|one| ActionSpec::list(&[one]));
            rule(hook, number as u16, number, Some(actions.expect("it fits")))
        };
        match client.add(&ruled(1)) {
            Err(e) if e.is_unsupported() => skip_for_kernel("this kernel has no u32"),
            made => drop(made.expect("the first rule")),
        }
        client.delete(&FilterRequest::new(hook).prio(1)).expect("it is there");
        send(&mut client, stable().map(|number| act(number, Verb::Add)));
        let meddle = |client: &mut Client, make: bool, numbers: Numbers| {
            if make {
                send(client, numbers.map(|number| ruled(number).encode(Verb::Add)));
            } else {
                let all = numbers.map(|number| {
                    FilterRequest::new(hook).prio(number as u16).encode(Verb::Delete)
                });
                send(client, all);
            }
        };
        lists_are_whole(&ActionList::of("mirred"), meddle, indexes);
    });
}
