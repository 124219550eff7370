//! Qdiscs: rtc leaves the kernel as tc does and shows it as tc does.

use netns_tests::{Twins, isolated};

/// Shows what there is, in all ways.
fn shows_alike(ns: &netns_tests::Ns) {
    ns.compare(&["qdisc", "show"]);
    ns.compare(&["qdisc", "show", "dev", "eth0"]);
    ns.compare(&["qdisc"]);
}

#[test]
fn defaults_of_devices() {
    isolated(|ns| {
        ns.link("eth0");
        shows_alike(ns);
        ns.compare(&["qdisc", "show", "dev", "lo"]);
        ns.compare(&["qdisc", "show", "invisible"]);
        ns.compare(&["qdisc", "list", "dev", "lo", "root"]);
    });
}

#[test]
fn clsact() {
    isolated(|ns| {
        ns.link("eth0");
        ns.rtc(&["qdisc", "add", "dev", "eth0", "clsact"]).ok();
        shows_alike(ns);
        ns.compare(&["qdisc", "show", "dev", "eth0", "clsact"]);
        Twins::new(ns).all(&[
            "qdisc add dev eth0 clsact",
            "qdisc add dev eth0 clsact",
            "qdisc replace dev eth0 clsact",
            "qdisc add dev eth0 ingress",
            "qdisc del dev eth0 clsact",
            "qdisc del dev eth0 clsact",
            "qdisc add dev eth0 handle ffff: clsact",
            "qdisc add dev eth0 clsact nonsense",
        ]);
    });
}

#[test]
fn ingress() {
    isolated(|ns| {
        ns.link("eth0");
        ns.rtc(&["qdisc", "add", "dev", "eth0", "ingress"]).ok();
        shows_alike(ns);
        ns.compare(&["qdisc", "show", "dev", "eth0", "ingress"]);
        Twins::new(ns).all(&[
            "qdisc add dev eth0 ingress",
            "qdisc add dev eth0 handle ffff: ingress",
            "qdisc del dev eth0 ingress",
            "qdisc add dev eth0 handle ffff: ingress",
            "qdisc del dev eth0 parent ffff:fff1",
            "qdisc del dev eth0 ingress",
        ]);
    });
}

/// The three that take only a limit.
fn with_limit(kind: &str, ns: &netns_tests::Ns) {
    ns.need_qdisc(kind);
    ns.link("eth0");
    ns.rtc(&["qdisc", "add", "dev", "eth0", "handle", "1:", "root", kind]).ok();
    shows_alike(ns);
    ns.rtc(&["qdisc", "change", "dev", "eth0", "root", kind, "limit", "77"]).ok();
    ns.rtc(&["qdisc", "show", "dev", "eth0"]).shows(" limit 77");
    shows_alike(ns);
    let twins = Twins::new(ns);
    for rest in [
        "add dev eth0 root handle 1: KIND limit 10",
        "add dev eth0 root handle 1: KIND limit 10",
        "change dev eth0 root KIND limit 4294967295",
        "change dev eth0 handle 1: root KIND limit 4294967296",
        "replace dev eth0 root handle 2: KIND",
        "replace dev eth0 root handle 2: KIND limit 3",
        "change dev eth0 handle 3: root KIND limit 3",
        "add dev eth0 root handle 1: KIND limit",
        "add dev eth0 root handle 1: KIND limit x",
        "add dev eth0 root handle 1: KIND foo",
        "add dev eth0 root handle 1: KIND help",
        "del dev eth0 root handle 4:",
        "del dev eth0 root",
        "del dev eth0 root",
        "add dev eth0 root handle 10000: KIND",
        "add dev nosuch root KIND",
        "add root KIND",
    ] {
        let line = format!("qdisc {}", rest.replace("KIND", kind));
        twins.all(&[&line]);
    }
}

#[test]
fn pfifo() {
    isolated(|ns| with_limit("pfifo", ns));
}

#[test]
fn bfifo() {
    isolated(|ns| with_limit("bfifo", ns));
}

#[test]
fn pfifo_head_drop() {
    isolated(|ns| with_limit("pfifo_head_drop", ns));
}

#[test]
fn pfifo_fast() {
    isolated(|ns| {
        ns.need_qdisc("pfifo_fast");
        ns.link("eth0");
        ns.rtc(&["qdisc", "add", "dev", "eth0", "root", "pfifo_fast"]).ok();
        shows_alike(ns);
        Twins::new(ns).all(&[
            "qdisc add dev eth0 root handle 1: pfifo_fast",
            "qdisc replace dev eth0 root handle 2: pfifo_fast",
            "qdisc change dev eth0 root pfifo_fast",
            "qdisc add dev eth0 root pfifo_fast limit 3",
            "qdisc del dev eth0 root",
        ]);
    });
}

#[test]
fn noqueue() {
    isolated(|ns| {
        ns.link("eth0");
        ns.rtc(&["qdisc", "add", "dev", "eth0", "root", "noqueue"]).ok();
        shows_alike(ns);
        Twins::new(ns).all(&[
            "qdisc add dev eth0 root pfifo_fast",
            "qdisc replace dev eth0 root noqueue",
            "qdisc replace dev eth0 root noqueue limit 3",
            "qdisc del dev eth0 root",
        ]);
    });
}

#[test]
fn mq() {
    isolated(|ns| {
        ns.need_qdisc("pfifo");
        ns.link_with_queues("eth0", 4);
        let added = ns.rtc(&["qdisc", "add", "dev", "eth0", "root", "handle", "1:", "mq"]);
        if added.stderr.contains("unknown") {
            netns_tests::skip_for_kernel("this kernel has no mq");
        }
        added.ok();
        // What stands there by default depends on the machine.
        for queue in 1..=4 {
            let words = format!("qdisc add dev eth0 parent 1:{queue} handle {queue}0: pfifo");
            ns.rtc(&words.split(' ').collect::<Vec<_>>()).ok();
        }
        shows_alike(ns);
        ns.compare(&["qdisc", "show", "dev", "eth0", "parent", "1:2"]);
        ns.compare(&["qdisc", "show", "dev", "eth0", "handle", "20:"]);
        Twins::new(ns).all(&[
            "qdisc add dev eth0 root handle 1: mq",
            "qdisc replace dev eth0 parent 1:3 handle 30: bfifo limit 9000",
            "qdisc del dev eth0 parent 1:3",
            "qdisc add dev eth0 parent 1:9 pfifo",
            "qdisc add dev eth0 parent 1: pfifo",
        ]);
    });
}

#[test]
fn unknown_and_incomplete_command_lines() {
    isolated(|ns| {
        ns.link("eth0");
        Twins::new(ns).all(&[
            "qdisc add dev eth0 root nosuchkind",
            "qdisc add dev eth0 root nosuchkind word",
            "qdisc add dev eth0 root",
            "qdisc add dev eth0",
            "qdisc add dev",
            "qdisc add dev eth0 dev lo root pfifo",
            "qdisc add dev eth0 root parent 1: pfifo",
            "qdisc add dev eth0 root root pfifo",
            "qdisc add dev eth0 parent x:y pfifo",
            "qdisc add dev eth0 handle zz: root pfifo",
            "qdisc show dev nosuch",
            "qdisc show foo",
            "qdisc foo",
            "foo show",
            "-x qdisc show",
            "q s dev eth0",
            "qdisc ls dev eth0",
            "qdisc lst dev eth0",
        ]);
    });
}

#[test]
fn alternative_names_name_a_device() {
    isolated(|ns| {
        ns.link("eth0");
        let names = ["uplink", "an-alternative-name-longer-than-a-name-may-be"];
        for name in names {
            ns.ip(&format!("link property add dev eth0 altname {name}"));
            ns.rtc(&["qdisc", "replace", "dev", name, "root", "handle", "7:", "pfifo"]).ok();
            ns.rtc(&["qdisc", "show", "dev", name]).shows("qdisc pfifo 7: root");
        }
        // tc cuts the long one off and finds nothing.
        ns.rtc(&["qdisc", "show", "dev", "an-alternative-name-longer-than-it-is"])
            .fails(1, "Cannot find device \"an-alternative-\"");
    });
}

/// With `-force` changes are pipelined, but who writes a line and waits must see it done.
#[test]
fn a_batch_on_a_pipe_holds_no_line_back() {
    isolated(|ns| {
        ns.link("eth0");
        let script = r#"
            mkfifo /run/lines
            "$0" -force -batch - < /run/lines &
            exec 3> /run/lines
            echo "qdisc add dev eth0 clsact" >&3
            for try in $(seq 200); do
                "$0" qdisc show dev eth0 | grep -q clsact && exit 0
                sleep 0.05
            done
            exit 1"#;
        let rtc = ns.rtc_path().display().to_string();
        ns.program("sh", &["-c", script, &rtc]).ok();
    });
}
