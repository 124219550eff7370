//! Boots the emulated machine: a tiny initrd that mounts the root and the shared directory, and qemu.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Modules that the root file system needs; their dependencies come with them.
const MODULES: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];
/// The guest's output stands between these lines; what firmware and kernel say around it is noise.
const BEGIN: &str = "--- guest begins";
const END: &str = "--- guest ends";

/// The size of the machine and of our patience.
pub(super) struct Machine {
    pub(super) cpus: u32,
    pub(super) memory_mib: u32,
    pub(super) timeout_s: u64,
}

impl Machine {
    /// Boots `kernel` of the tree `root`, runs `script` of the directory `share` (in the guest
    /// `/share`) as root, prints what it prints and returns its exit status.
    pub(super) fn run(&self, root: &Path, kernel: &str, share: &Path) -> Result<u8, String> {
        super::need(&[
            ("setpriv", "util-linux"),
            ("qemu-system-x86_64", "qemu-system-x86"),
            ("busybox", "busybox-static"),
            ("xz", "xz-utils"),
            ("zstd", "zstd"),
        ])?;
        let initrd = share.join("initrd");
        fs::write(&initrd, initrd_image(root, kernel)?).map_err(|e| e.to_string())?;
        let local = |path: &Path, tag: &str, more: &str| {
            let path = path.display();
            format!("local,path={path},mount_tag={tag},security_model=none,multidevs=remap{more}")
        };
        // setpriv: the machine ends with this process, however that ends.
        let mut qemu = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-nographic", "-no-reboot"])
            .args(["-nic", "none", "-smp", &self.cpus.to_string()])
            .args(["-m", &self.memory_mib.to_string()])
            .arg("-kernel")
            .arg(root.join("boot").join(format!("vmlinuz-{kernel}")))
            .arg("-initrd")
            .arg(&initrd)
            .args(["-virtfs", &local(root, "root", ",readonly=on")])
            .args(["-virtfs", &local(share, "share", "")])
            .args(["-append", "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("qemu: {e}"))?;
        let console = qemu.stdout.take().ok_or("qemu without a console")?;
        let noise = self.relay(console);
        let _ = qemu.kill();
        let _ = qemu.wait();
        let noise = noise?;
        let status = fs::read_to_string(share.join("status")).ok();
        status.and_then(|s| s.trim().parse().ok()).ok_or_else(|| {
            format!("the guest ended without an exit status; it said:\n{}", noise.join("\n"))
        })
    }

    /// Prints the console until it closes; returns what came before the guest's own output.
    fn relay(&self, console: impl std::io::Read + Send + 'static) -> Result<Vec<String>, String> {
        let (send, lines) = channel();
        std::thread::spawn(move || {
            let mut console = BufReader::new(console);
            let mut line = Vec::new();
            while console.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().replace('\r', "");
                line.clear();
                if send.send(text).is_err() {
                    return;
                }
            }
        });
        let deadline = Instant::now() + Duration::from_secs(self.timeout_s);
        let mut noise = Vec::new();
        let mut begun = false;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if begun && line.ends_with(END) => return Ok(noise),
                Ok(line) if begun => {
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
                Ok(line) if line.ends_with(BEGIN) => begun = true,
                Ok(line) => noise.push(line),
                Err(RecvTimeoutError::Disconnected) => return Ok(noise),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "the guest did not end within {} s; before its script it said:\n{}",
                        self.timeout_s,
                        noise.join("\n")
                    ));
                }
            }
        }
    }
}

/// busybox, the modules in loading order, and a script that goes over to the real root.
fn initrd_image(root: &Path, kernel: &str) -> Result<Vec<u8>, String> {
    let mut image = Cpio::default();
    for dir in ["bin", "proc", "sys", "dev", "modules", "lower", "upper", "new"] {
        image.add(dir, 0o040_755, &[]);
    }
    image.add("bin/busybox", 0o100_755, &read(&busybox()?)?);
    for (n, module) in modules(root, kernel)?.iter().enumerate() {
        image.add(&format!("modules/{n:03}.ko"), 0o100_644, &unpacked(module)?);
    }
    image.add("init", 0o100_755, INIT.replace("BEGIN", BEGIN).replace("END", END).as_bytes());
    Ok(image.finish())
}

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
nine=trans=virtio,version=9p2000.L,msize=1048576
mount -t 9p -o $nine,ro,cache=loose root /lower
mount -t tmpfs upper /upper && mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /new
mkdir -p /new/share /new/proc /new/sys /new/dev /new/run /new/tmp
mount -t 9p -o $nine,rw,cache=none share /new/share
for dir in proc sys dev; do mount --move /$dir /new/$dir; done
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts pts /new/dev/pts
for dir in dev/shm run tmp; do mount -t tmpfs tmp /new/$dir; done
exec switch_root /new /bin/sh -c '
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
  mount -t bpf bpf /sys/fs/bpf; mount -t cgroup2 cgroup /sys/fs/cgroup
  mount -t debugfs debug /sys/kernel/debug; mount -t tracefs trace /sys/kernel/tracing
  mkdir -p /run/netns; ip link set lo up
  cd /tmp; echo "BEGIN"
  { /bin/sh /share/script 2>&1; echo $? > /share/status; } | cat
  sync; echo "END"
  echo o > /proc/sysrq-trigger; sleep 60'
"#;

/// A busybox that needs no libraries: the initrd has none.
fn busybox() -> Result<PathBuf, String> {
    let candidates = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let found = candidates.into_iter().find(|p| {
        // A static program names no interpreter.
        let is_static = |bytes: Vec<u8>| !bytes.windows(8).take(4096).any(|w| w == b"ld-linux");
        fs::read(p).is_ok_and(is_static)
    });
    found.ok_or_else(|| "missing here: a static busybox; apt-get install busybox-static".to_owned())
}

/// The files of [`MODULES`] and of what they depend on, in loading order, from `modules.dep`.
fn modules(root: &Path, kernel: &str) -> Result<Vec<PathBuf>, String> {
    let dir = root.join("lib/modules").join(kernel);
    let table = fs::read_to_string(dir.join("modules.dep"))
        .map_err(|e| format!("{}: {e}", dir.join("modules.dep").display()))?;
    let built_in = fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
    let mut order: Vec<PathBuf> = Vec::new();
    for module in MODULES {
        let is_it = |path: &str| {
            let file = path.rsplit('/').next().unwrap_or(path);
            file.split('.').next().is_some_and(|name| name.replace('-', "_") == module)
        };
        let line = table.lines().filter_map(|l| l.split_once(':')).find(|(path, _)| is_it(path));
        let Some((path, needs)) = line else {
            if built_in.lines().any(is_it) {
                continue;
            }
            return Err(format!("kernel {kernel} has no module {module}"));
        };
        // modules.dep lists the direct and indirect needs, the deepest last.
        for file in needs.split_ascii_whitespace().rev().chain([path]) {
            let file = dir.join(file);
            if !order.contains(&file) {
                order.push(file);
            }
        }
    }
    Ok(order)
}

fn unpacked(module: &Path) -> Result<Vec<u8>, String> {
    let tool = match module.extension().and_then(|e| e.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return read(module),
    };
    let done = Command::new(tool).arg("-dcq").arg(module).output();
    let done = done.map_err(|e| format!("{tool}: {e}"))?;
    if !done.status.success() {
        return Err(format!("{tool} cannot unpack {}", module.display()));
    }
    Ok(done.stdout)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// An archive as the kernel unpacks it (`newc`, Documentation/driver-api/early-userspace).
#[derive(Default)]
struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
}

impl Cpio {
    fn add(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.inode += 1;
        let name_len = name.len() as u32 + 1;
        let fields = [self.inode, mode, 0, 0, 1, 0, contents.len() as u32, 0, 0, 0, 0, name_len, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(contents);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}
