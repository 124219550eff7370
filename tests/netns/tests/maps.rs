//! Maps of BPF objects: what they hold acts on packets, where they are pinned, and how they are handed on.

use std::path::Path;
use std::process::Command;

use netns_tests::{Ns, isolated, object, skip};

const SERVER: &str = "172.17.0.2";
const CLIENT: &str = "172.17.0.3";

/// Two hosts that know each other, and a place for filters.
fn client_of(ns: &Ns) -> Ns {
    ns.need_bpf();
    if cfg!(target_endian = "big") {
        skip("the objects are little-endian");
    }
    need_bpftool(ns);
    let client = ns.host("client");
    ns.join("eth0", &format!("{SERVER}/24"), &client, "eth0", &format!("{CLIENT}/24"));
    for (here, other, address) in [(ns, &client, CLIENT), (&client, ns, SERVER)] {
        let link = other.ip("-o link show dev eth0");
        let mac = link.split("link/ether ").nth(1).and_then(|l| l.split(' ').next()).unwrap_or("");
        here.ip(&format!("neigh replace {address} lladdr {mac} dev eth0"));
    }
    ns.rtc(&["qdisc", "add", "dev", "eth0", "clsact"]).ok();
    client
}

fn need_bpftool(ns: &Ns) {
    if ns.program("sh", &["-c", "command -v bpftool"]).status != 0 {
        skip("bpftool is not installed (package bpftool): nothing looks into maps");
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

fn bpftool(ns: &Ns, line: &str) -> String {
    ns.program("bpftool", &words(line)).ok().to_owned()
}

fn attach(ns: &Ns, file: &str, section: &str) -> netns_tests::Output {
    ns.rtc(&words(&format!(
        "filter replace dev eth0 ingress pref 1 handle 1 bpf da obj {file} sec {section}"
    )))
}

/// The number of the map of that name that was made last.
fn newest(ns: &Ns, name: &str) -> String {
    let list = bpftool(ns, "map list");
    let mut of_name = list.lines().filter(|line| line.contains(&format!("name {name} ")));
    let last = of_name.next_back().unwrap_or_default();
    last.split(':').next().unwrap_or_default().to_owned()
}

/// Everything that is pinned, without the listings that the file system itself has.
fn pinned(ns: &Ns) -> Vec<String> {
    let found = ns.program("find", &["/sys/fs/bpf", "-type", "f", "!", "-name", "*.debug"]);
    let mut found: Vec<_> = found.ok().lines().map(str::to_owned).collect();
    found.sort();
    found
}

#[test]
fn variables_decide() {
    isolated(|ns| {
        let client = client_of(ns);
        for name in ["acts", "acts-gcc"] {
            let file = object(name);
            attach(ns, &file, "tc/variables").ok();
            assert!(client.ping(SERVER), "{name}: nothing is dropped yet");
            // Sections are called after the first eight letters of the object.
            let stem: String = name.chars().map(|c| if c == '-' { '_' } else { c }).collect();
            let bss = newest(ns, &format!("{stem}.bss"));
            let seen = bpftool(ns, &format!("map dump id {bss}"));
            assert!(!seen.contains("\"seen\": 0"), "packets are counted: {seen}");
            let data = newest(ns, &format!("{stem}.data"));
            let size = bpftool(ns, &format!("map show id {data}"));
            let bytes = size.split("value ").nth(1).and_then(|s| s.split('B').next()).unwrap_or("");
            let all = vec!["2"; bytes.parse().expect("a size")].join(" ");
            // gcc keeps what is volatile among the data, clang does not: every word says "2".
            if name == "acts" {
                bpftool(ns, &format!("map update id {data} key 0 0 0 0 value {all}"));
            } else {
                let words = all.split(' ').count() / 4;
                let value = vec!["2 0 0 0"; words].join(" ");
                bpftool(ns, &format!("map update id {data} key 0 0 0 0 value {value}"));
            }
            assert!(!client.ping(SERVER), "{name}: the variable says to drop");
        }
    });
}

#[test]
fn tail_calls_through_a_pinned_array_live_on() {
    isolated(|ns| {
        let client = client_of(ns);
        let file = object("acts");
        let said = attach(ns, &file, "tc/kept");
        said.ok();
        assert!(!said.stderr.contains("warning"), "{}", said.stderr);
        assert_eq!(pinned(ns), ["/sys/fs/bpf/tc/globals/kept"]);
        assert!(!client.ping(SERVER), "the program in the slot drops");
        bpftool(ns, "map delete pinned /sys/fs/bpf/tc/globals/kept key 1 0 0 0");
        assert!(client.ping(SERVER), "an empty slot is passed over");
        // The next load fills it again.
        attach(ns, &file, "tc/kept").ok();
        assert!(!client.ping(SERVER), "the slot is filled again");
    });
}

#[test]
fn an_array_that_will_be_empty_is_warned_about() {
    isolated(|ns| {
        let client = client_of(ns);
        let file = object("acts");
        let said = attach(ns, &file, "tc/loose");
        assert_eq!(said.status, 0, "{}", said.stderr);
        let warning = "warning: the kernel empties the program array `loose` when rtc exits";
        assert!(said.stderr.contains(warning), "{}", said.stderr);
        // The kernel empties it a little later.
        let passes = || (0..30).any(|_| client.ping(SERVER));
        assert!(passes(), "it is empty indeed");
        // Whoever receives the map keeps its contents alive.
        let socket = Path::new("/run/socket");
        let mut receiver = Command::new(ns.rtc_path())
            .args(["exec", "bpf", "import", "/run/socket", "run", "sleep", "60"])
            .spawn()
            .expect("rtc runs");
        while !socket.exists() {
            std::thread::yield_now();
        }
        let export = format!(
            "filter replace dev eth0 ingress pref 1 handle 1 bpf da obj {file} sec tc/loose \
             export /run/socket"
        );
        let said = ns.rtc(&words(&export));
        said.ok();
        assert!(!said.stderr.contains("warning"), "{}", said.stderr);
        // It is removed once the message is there.
        while socket.exists() {
            std::thread::yield_now();
        }
        assert!(!client.ping(SERVER), "the program in the slot drops while somebody has the map");
        receiver.kill().expect("it is ours");
        receiver.wait().expect("it is ours");
        assert!(passes(), "the array is empty once nobody has it");
    });
}

#[test]
fn a_map_in_a_map_decides() {
    isolated(|ns| {
        let client = client_of(ns);
        for name in ["acts", "acts-gcc"] {
            let file = object(name);
            attach(ns, &file, "tc/nested").ok();
            assert!(client.ping(SERVER), "{name}: the value is 0");
            let inner = newest(ns, "deciding");
            bpftool(ns, &format!("map update id {inner} key 0 0 0 0 value 2 0 0 0"));
            assert!(!client.ping(SERVER), "{name}: the value is TC_ACT_SHOT");
        }
    });
}

#[test]
fn pins_go_where_tc_puts_them_and_fail_without_a_trace() {
    isolated(|ns| {
        ns.need_bpf();
        need_bpftool(ns);
        ns.link("eth0");
        let file = object("pins");
        // An own /etc, in which iproute2's directory is, and empty.
        let etc = "cp -a /etc /run/etc && rm -rf /run/etc/iproute2 && mkdir /run/etc/iproute2 && \
                   mount --bind /run/etc /etc";
        ns.program("sh", &["-c", etc]).ok();
        let add = format!("filter add dev eth0 ingress pref 1 bpf da obj {file} sec tc/every");
        // Number 7 is in no table.
        ns.rtc(&words(&add)).fails(1, "Unable to load program");
        assert!(pinned(ns).is_empty());
        std::fs::write("/etc/iproute2/bpf_pinning", "# places\n7 seven/place # ours\n")
            .expect("/etc is ours");
        // The kernel refuses the filter once all is pinned.
        ns.rtc(&words(&add)).fails(2, "Parent Qdisc doesn't exist");
        assert!(pinned(ns).is_empty(), "{:?}", pinned(ns));
        assert!(!Path::new("/sys/fs/bpf/tc").exists(), "directories are gone as well");
        ns.rtc(&["qdisc", "add", "dev", "eth0", "clsact"]).ok();
        ns.rtc(&words(&add)).ok();
        let hash = ns.program("sh", &["-c", &format!("cd /run; sha1sum {file}")]).ok().to_owned();
        let hash = hash.split(' ').next().unwrap_or_default();
        let mut wanted = vec![
            "/sys/fs/bpf/seven/place/of_table".to_owned(),
            format!("/sys/fs/bpf/tc/{hash}/of_object"),
            "/sys/fs/bpf/tc/globals/of_all".to_owned(),
            "/sys/fs/bpf/tc/globals/unused".to_owned(),
        ];
        wanted.sort();
        assert_eq!(pinned(ns), wanted);
        // All but the unpinned one are used again.
        let count = |ns: &Ns| bpftool(ns, "map list").matches("name of_").count();
        let before = count(ns);
        ns.rtc(&words(&add.replace("pref 1", "pref 2"))).ok();
        // What an earlier load left is freed when the kernel gets to it.
        assert!(count(ns) <= before, "{} maps, {before} before", count(ns));
        // Another map in its place is named, and left alone.
        std::fs::remove_file("/sys/fs/bpf/tc/globals/of_all").expect("it is there");
        let create = "map create /sys/fs/bpf/tc/globals/of_all type array key 4 value 8 entries 5";
        bpftool(ns, &format!("{create} name other"));
        let said = ns.rtc(&words(&add.replace("pref 1", "pref 3")));
        said.fails(1, "Unable to load program");
        let hint = "map `of_all` is already pinned at /sys/fs/bpf/tc/globals/of_all with \
                    max_entries 5, object wants 2";
        assert!(said.stderr.contains(hint), "{}", said.stderr);
        assert_eq!(pinned(ns), wanted);
    });
}

#[test]
fn programs_are_grafted_into_pinned_arrays() {
    isolated(|ns| {
        let client = client_of(ns);
        let file = object("acts");
        attach(ns, &file, "tc/kept").ok();
        let map = "/sys/fs/bpf/tc/globals/kept";
        bpftool(ns, &format!("map delete pinned {map} key 1 0 0 0"));
        assert!(client.ping(SERVER));
        ns.rtc(&words(&format!("exec bpf graft {map} key 1 object-file {file} sec tc/drop"))).ok();
        assert!(!client.ping(SERVER), "what was grafted drops");
        let graft = |line: &str| ns.rtc(&words(&format!("exec bpf graft {line}")));
        graft(&format!("{map} obj {file} sec tc/drop"))
            .fails(234, "Couldn't infer map key from section name!");
        graft(&format!("{map} key 9 obj {file} sec tc/drop")).fails(255, "Map update failed: ");
        let other = object("drop-icmp");
        graft(&format!("{map} key 1 obj {other} type act sec ingress"))
            .fails(255, "Program array map owner types differ: 4 (obj) != 3 (pin)");
        graft(&format!("/sys/fs/bpf/none key 1 obj {file} sec tc/drop"))
            .fails(255, "Couldn't retrieve pinned map '/sys/fs/bpf/none': No such file");
    });
}
