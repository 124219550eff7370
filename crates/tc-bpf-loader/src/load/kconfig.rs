//! The kernel's configuration and version, as variables of section `.kconfig` have them.

use std::collections::BTreeMap;
use std::path::Path;

use super::inflate::gunzip;
use super::symbols;
use crate::btf::{Btf, kind};
use crate::insn::Insn;
use crate::prog::ProgType;
use crate::sys::{Bpf, ProgLoad};

/// Most bytes of a configuration.
const MAX_CONFIG: u64 = 16 << 20;

/// Options of the running kernel by name, with what comes after `=`.
#[derive(Debug)]
pub(super) struct Config(BTreeMap<String, String>);

impl Config {
    /// Reads the configuration of the running kernel.
    pub(super) fn read(kernel: &mut dyn Bpf) -> Result<Config, String> {
        let release = text_of("/proc/sys/kernel/osrelease", kernel).unwrap_or_default();
        let boot = format!("/boot/config-{}", release.trim());
        let plain = if release.is_empty() { None } else { text_of(&boot, kernel) };
        let text = match plain {
            Some(text) => text,
            None => {
                let packed =
                    kernel.read_file(Path::new("/proc/config.gz"), MAX_CONFIG).map_err(|e| {
                        format!(
                            "its configuration is neither in {boot} nor in /proc/config.gz: {e}"
                        )
                    })?;
                let bytes = gunzip(&packed, MAX_CONFIG as usize)
                    .ok_or("its configuration in /proc/config.gz is damaged")?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        let options = text
            .lines()
            .filter(|l| l.starts_with("CONFIG_"))
            .filter_map(|l| l.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Ok(Config(options))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

fn text_of(path: &str, kernel: &mut dyn Bpf) -> Option<String> {
    let bytes = kernel.read_file(Path::new(path), MAX_CONFIG).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a variable is, as far as values are put into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    /// `enum libbpf_tristate`: 0 no, 1 yes, 2 module.
    Tristate,
    Char {
        is_signed: bool,
    },
    Int {
        size: u32,
        is_signed: bool,
    },
    Text {
        size: u32,
    },
}

impl Shape {
    /// The shape of a type; `None` for those that no value fits.
    pub(super) fn of(btf: &Btf, type_id: u32) -> Option<Shape> {
        let ty = btf.resolve(type_id)?;
        match ty.kind {
            kind::INT => {
                let encoding = btf.endian.u32_at(ty.tail, 0)?;
                let is_signed = encoding >> 24 & 1 != 0;
                let size = ty.size_or_id;
                Some(match size {
                    1 if encoding >> 24 & 4 != 0 => Shape::Bool,
                    1 => Shape::Char { is_signed },
                    2 | 4 | 8 => Shape::Int { size, is_signed },
                    _ => return None,
                })
            }
            kind::ENUM if ty.size_or_id == 4 && btf.str_at(ty.name_off) == "libbpf_tristate" => {
                Some(Shape::Tristate)
            }
            kind::ARRAY => {
                let (element, count) = btf.array(&ty)?;
                let element = btf.resolve(element)?;
                let is_char = element.kind == kind::INT && element.size_or_id == 1;
                (is_char && count > 0).then_some(Shape::Text { size: count })
            }
            _ => None,
        }
    }

    pub(super) fn size(self) -> u32 {
        match self {
            Shape::Bool | Shape::Char { .. } => 1,
            Shape::Tristate => 4,
            Shape::Int { size, .. } | Shape::Text { size } => size,
        }
    }

    pub(super) fn align(self) -> u32 {
        match self {
            Shape::Text { .. } => 1,
            other => other.size(),
        }
    }

    /// The bytes of an option's value, as it stands in the configuration.
    pub(super) fn value(self, text: &str) -> Result<Vec<u8>, String> {
        match text {
            "y" | "n" | "m" => self.tristate(text),
            _ if text.starts_with('"') => self.text(text),
            _ => self.number(parse(text).ok_or_else(|| format!("its value {text} is no number"))?),
        }
    }

    fn tristate(self, text: &str) -> Result<Vec<u8>, String> {
        Ok(match (self, text) {
            (Shape::Bool, "m") => {
                return Err("it is built as a module, which a bool cannot tell; declare it as \
                            `enum libbpf_tristate`"
                    .to_owned());
            }
            (Shape::Bool, _) => vec![u8::from(text == "y")],
            (Shape::Char { .. }, _) => text.as_bytes().to_vec(),
            (Shape::Tristate, _) => {
                let number: u32 = match text {
                    "n" => 0,
                    "y" => 1,
                    _ => 2,
                };
                number.to_ne_bytes().to_vec()
            }
            _ => {
                return Err(format!(
                    "its value is {text}; declare it as `bool`, `char` or `enum libbpf_tristate`"
                ));
            }
        })
    }

    fn text(self, text: &str) -> Result<Vec<u8>, String> {
        let Shape::Text { size } = self else {
            return Err(format!("its value is the text {text}; declare it as an array of `char`"));
        };
        let inner = text
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .ok_or_else(|| format!("its value {text} has no closing quote"))?;
        let mut bytes = Vec::new();
        let mut chars = inner.bytes();
        while let Some(byte) = chars.next() {
            bytes.push(if byte == b'\\' { chars.next().unwrap_or(b'\\') } else { byte });
        }
        // What doesn't fit is cut; the last byte is NUL in any case.
        bytes.truncate(size as usize - 1);
        bytes.resize(size as usize, 0);
        Ok(bytes)
    }

    /// A number, which must be in the range of the type.
    pub(super) fn number(self, value: i128) -> Result<Vec<u8>, String> {
        let (size, is_signed) = match self {
            Shape::Int { size, is_signed } => (size, is_signed),
            Shape::Char { is_signed } => (1, is_signed),
            Shape::Bool if value == 0 || value == 1 => return Ok(vec![value as u8]),
            _ => return Err(format!("its value is {value}; declare it as an integer")),
        };
        let bits = size * 8;
        let (least, most) = if is_signed {
            (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
        } else {
            (0, (1i128 << bits) - 1)
        };
        if !(least..=most).contains(&value) {
            let sign = if is_signed { "signed" } else { "unsigned" };
            return Err(format!("its value {value} does not fit into {size} {sign} bytes"));
        }
        let all = value.to_ne_bytes();
        let wide = all.len();
        let part = if cfg!(target_endian = "big") {
            all.get(wide - size as usize..)
        } else {
            all.get(..size as usize)
        };
        Ok(part.unwrap_or_default().to_vec())
    }
}

/// A number as configurations write it: decimal or hexadecimal, perhaps negative.
fn parse(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse::<u64>().ok()?,
    };
    Some(sign * i128::from(number))
}

/// A variable whose name begins with `LINUX_`, which is none of the configuration.
pub(super) fn builtin(name: &str, kernel: &mut dyn Bpf) -> Option<Result<i128, String>> {
    match name {
        "LINUX_KERNEL_VERSION" => Some(
            version(kernel)
                .map(i128::from)
                .ok_or_else(|| "the version of the kernel cannot be read".to_owned()),
        ),
        "LINUX_HAS_BPF_COOKIE" => Some(Ok(i128::from(has_cookie(kernel)))),
        "LINUX_HAS_SYSCALL_WRAPPER" => Some(Ok(i128::from(symbols::has_any(
            &["__x64_sys_bpf", "__arm64_sys_bpf", "__s390x_sys_bpf", "__riscv_sys_bpf"],
            kernel,
        )))),
        _ => None,
    }
}

/// The version as `KERNEL_VERSION(6, 18, 44)` makes it a number.
fn version(kernel: &mut dyn Bpf) -> Option<u32> {
    // Distributions whose release number is not the version say elsewhere which one it is.
    let ubuntu = text_of("/proc/version_signature", kernel);
    if let Some(found) = ubuntu.as_deref().and_then(|t| code(t.split_whitespace().last()?)) {
        return Some(found);
    }
    let debian = text_of("/proc/sys/kernel/version", kernel).unwrap_or_default();
    if let Some(found) = debian.split_once("Debian ").and_then(|(_, after)| code(after)) {
        return Some(found);
    }
    code(&text_of("/proc/sys/kernel/osrelease", kernel)?)
}

fn code(text: &str) -> Option<u32> {
    let mut numbers = text.split(['.', '-', '+', ' ', '\n', '~', '_']);
    let major: u32 = numbers.next()?.parse().ok()?;
    let minor: u32 = numbers.next()?.parse().ok()?;
    let patch: u32 = numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Some(major << 16 | (minor & 0xff) << 8 | patch.min(255))
}

/// Whether programs can ask for the number that was given when they were attached (`bpf_get_attach_cookie`).
fn has_cookie(kernel: &mut dyn Bpf) -> bool {
    let insns = [Insn::new(Insn::CALL, 0, 0, 0, 174), Insn::new(Insn::EXIT, 0, 0, 0, 0)];
    kernel.prog_load(&ProgLoad::new(ProgType::TRACEPOINT, &insns, "GPL"), None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_distributions() {
        assert_eq!(code("6.18.44-fc-v595\n"), Some(0x06_122c));
        assert_eq!(code("5.10\n"), Some(0x05_0a00));
        assert_eq!(code("4.19.300"), Some(0x04_13ff));
        assert_eq!(code("6.1.76-1 (2024-02-01)"), Some(0x06_014c));
        assert_eq!(code("unknown"), None);
    }

    #[test]
    fn values_are_checked_against_their_type() {
        let int = |size, is_signed| Shape::Int { size, is_signed };
        assert_eq!(int(4, true).value("-3"), Ok((-3i32).to_ne_bytes().to_vec()));
        assert_eq!(
            int(8, false).value("0xffffffff80000000"),
            Ok(0xffff_ffff_8000_0000u64.to_ne_bytes().to_vec())
        );
        assert_eq!(
            int(2, false).value("65536").unwrap_err(),
            "its value 65536 does not fit into 2 unsigned bytes"
        );
        assert_eq!(
            int(2, true).value("32768").unwrap_err(),
            "its value 32768 does not fit into 2 signed bytes"
        );
        assert_eq!(
            int(4, false).value("-1").unwrap_err(),
            "its value -1 does not fit into 4 unsigned bytes"
        );
        assert!(int(4, false).value("y").unwrap_err().contains("declare it as `bool`"));
        assert_eq!(Shape::Bool.value("y"), Ok(vec![1]));
        assert!(Shape::Bool.value("m").unwrap_err().contains("module"));
        assert_eq!(Shape::Tristate.value("m"), Ok(2u32.to_ne_bytes().to_vec()));
        assert_eq!(Shape::Char { is_signed: true }.value("m"), Ok(b"m".to_vec()));
        assert_eq!(Shape::Text { size: 4 }.value("\"a\\\"bcd\""), Ok(b"a\"b\0".to_vec()));
        assert_eq!(Shape::Text { size: 4 }.value("\"\""), Ok(vec![0; 4]));
        assert!(Shape::Text { size: 4 }.value("12").unwrap_err().contains("integer"));
        assert!(int(4, true).value("\"x\"").unwrap_err().contains("array of `char`"));
    }
}
