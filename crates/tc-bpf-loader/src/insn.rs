//! One eBPF instruction, as in uapi `linux/bpf.h` `struct bpf_insn`; bytes in either byte order.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Byte order of an object or of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first (`bpfel`).
    Little,
    /// Most significant byte first (`bpfeb`).
    Big,
}

impl Endian {
    /// The byte order of the machine this code was compiled for.
    pub const HOST: Endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };

    pub(crate) fn u16(self, b: [u8; 2]) -> u16 {
        match self {
            Endian::Little => u16::from_le_bytes(b),
            Endian::Big => u16::from_be_bytes(b),
        }
    }

    pub(crate) fn u32(self, b: [u8; 4]) -> u32 {
        match self {
            Endian::Little => u32::from_le_bytes(b),
            Endian::Big => u32::from_be_bytes(b),
        }
    }

    pub(crate) fn put_u32(self, v: u32) -> [u8; 4] {
        match self {
            Endian::Little => v.to_le_bytes(),
            Endian::Big => v.to_be_bytes(),
        }
    }

    /// Reads the four bytes at `offset`, if they are there.
    pub(crate) fn u32_at(self, bytes: &[u8], offset: usize) -> Option<u32> {
        let b = bytes.get(offset..offset.checked_add(4)?)?;
        Some(self.u32(b.try_into().ok()?))
    }

    /// Reads the eight bytes at `offset`, if they are there.
    pub(crate) fn u64_at(self, bytes: &[u8], offset: usize) -> Option<u64> {
        let b = bytes.get(offset..offset.checked_add(8)?)?.try_into().ok()?;
        Some(match self {
            Endian::Little => u64::from_le_bytes(b),
            Endian::Big => u64::from_be_bytes(b),
        })
    }

    /// Reads the two bytes at `offset`, if they are there.
    pub(crate) fn u16_at(self, bytes: &[u8], offset: usize) -> Option<u16> {
        let b = bytes.get(offset..offset.checked_add(2)?)?;
        Some(self.u16(b.try_into().ok()?))
    }
}

impl fmt::Display for Endian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Endian::Little => "little-endian",
            Endian::Big => "big-endian",
        })
    }
}

/// One instruction of eight bytes. `LD_IMM64` takes two of them: the upper half of the constant is the `imm` of the
/// second, whose other fields are zero.
///
/// In memory it is as the kernel wants it, so that large programs need not be copied once more.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(C)]
#[doc(alias = "bpf_insn")]
pub struct Insn {
    /// Operation code.
    pub code: u8,
    /// Both registers, in the order of the host's bit-fields.
    registers: u8,
    /// Signed offset: of a jump in instructions, of a memory access in bytes.
    pub off: i16,
    /// Signed constant.
    pub imm: i32,
}

impl Insn {
    /// Size of one instruction in bytes.
    pub const SIZE: usize = 8;
    /// `BPF_LD | BPF_IMM | BPF_DW`: load of a 64-bit constant, two instructions long.
    pub const LD_IMM64: u8 = 0x18;
    /// `BPF_JMP | BPF_CALL`.
    pub const CALL: u8 = 0x85;
    /// `BPF_JMP | BPF_EXIT`.
    pub const EXIT: u8 = 0x95;
    /// In `src` of [`LD_IMM64`](Self::LD_IMM64): the constant is a map's file descriptor.
    #[doc(alias = "BPF_PSEUDO_MAP_FD")]
    pub const PSEUDO_MAP_FD: u8 = 1;
    /// In `src` of [`LD_IMM64`](Self::LD_IMM64): the first half is the BTF id of a variable or function of the kernel, the
    /// second a descriptor of the BTF of a module, or 0.
    #[doc(alias = "BPF_PSEUDO_BTF_ID")]
    pub const PSEUDO_BTF_ID: u8 = 3;
    /// In `src` of [`LD_IMM64`](Self::LD_IMM64): the constant is a map's file descriptor, and that of the second half
    /// an offset into its only value. Since Linux 5.2.
    #[doc(alias = "BPF_PSEUDO_MAP_VALUE")]
    pub const PSEUDO_MAP_VALUE: u8 = 2;
    /// In `src` of [`LD_IMM64`](Self::LD_IMM64): the constant is a subprogram, relative to the next instruction.
    #[doc(alias = "BPF_PSEUDO_FUNC")]
    pub const PSEUDO_FUNC: u8 = 4;
    /// In `src` of [`CALL`](Self::CALL): `imm` is a subprogram, relative to the next instruction.
    #[doc(alias = "BPF_PSEUDO_CALL")]
    pub const PSEUDO_CALL: u8 = 1;
    /// In `src` of [`CALL`](Self::CALL): `imm` is the BTF id of a kernel function.
    #[doc(alias = "BPF_PSEUDO_KFUNC_CALL")]
    pub const PSEUDO_KFUNC_CALL: u8 = 2;

    /// An instruction from its five fields.
    #[must_use]
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        Insn { code, registers: Self::pack(dst, src, Endian::HOST), off, imm }
    }

    const fn pack(dst: u8, src: u8, endian: Endian) -> u8 {
        match endian {
            Endian::Little => src << 4 | dst & 0xf,
            Endian::Big => dst << 4 | src & 0xf,
        }
    }

    /// Destination register, 0 to 10.
    #[must_use]
    pub const fn dst(self) -> u8 {
        match Endian::HOST {
            Endian::Little => self.registers & 0xf,
            Endian::Big => self.registers >> 4,
        }
    }

    /// Source register, 0 to 10, or one of the `PSEUDO_*` markers.
    #[must_use]
    pub const fn src(self) -> u8 {
        match Endian::HOST {
            Endian::Little => self.registers >> 4,
            Endian::Big => self.registers & 0xf,
        }
    }

    /// Sets the source register or marker; only its low four bits exist.
    pub const fn set_src(&mut self, src: u8) {
        self.registers = Self::pack(self.dst(), src, Endian::HOST);
    }

    /// The two instructions that put a map's address into register `dst`. The caller keeps the map open until the
    /// program is loaded.
    #[must_use]
    pub fn ld_map_fd(dst: u8, map: BorrowedFd<'_>) -> [Insn; 2] {
        [Insn::new(Self::LD_IMM64, dst, Self::PSEUDO_MAP_FD, 0, map.as_raw_fd()), Insn::default()]
    }

    /// Reads the eight bytes of one instruction.
    #[must_use]
    #[inline]
    pub fn decode(bytes: [u8; 8], endian: Endian) -> Self {
        let [code, regs, o0, o1, i0, i1, i2, i3] = bytes;
        Insn {
            code,
            registers: if endian == Endian::HOST { regs } else { regs.rotate_left(4) },
            off: endian.u16([o0, o1]) as i16,
            imm: endian.u32([i0, i1, i2, i3]) as i32,
        }
    }

    /// Writes the eight bytes of one instruction. Only the low four bits of `dst` and `src` exist.
    #[must_use]
    #[inline]
    pub fn encode(self, endian: Endian) -> [u8; 8] {
        let regs = Self::pack(self.dst(), self.src(), endian);
        let off = match endian {
            Endian::Little => self.off.to_le_bytes(),
            Endian::Big => self.off.to_be_bytes(),
        };
        let [o0, o1] = off;
        let [i0, i1, i2, i3] = endian.put_u32(self.imm as u32);
        [self.code, regs, o0, o1, i0, i1, i2, i3]
    }
}

impl fmt::Debug for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Insn { code, off, imm, .. } = self;
        let (dst, src) = (self.dst(), self.src());
        write!(f, "Insn {{ code: {code:#04x}, dst: {dst}, src: {src}, off: {off}, imm: {imm} }}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_swap_nibbles_with_the_byte_order() {
        // r1 = *(u8 *)(r2 + 20), as llvm-objdump prints it for bpfel and bpfeb.
        let want = Insn::new(0x71, 1, 2, 20, 0);
        let little = [0x71, 0x21, 0x14, 0, 0, 0, 0, 0];
        let big = [0x71, 0x12, 0, 0x14, 0, 0, 0, 0];
        assert_eq!(Insn::decode(little, Endian::Little), want);
        assert_eq!(Insn::decode(big, Endian::Big), want);
        assert_eq!(want.encode(Endian::Little), little);
        assert_eq!(want.encode(Endian::Big), big);
        assert_eq!((want.dst(), want.src()), (1, 2));
        let mut other = want;
        other.set_src(0x13);
        assert_eq!((other.dst(), other.src()), (1, 3));
        // Only four bits of either exist.
        assert_eq!(Insn::new(0x71, 0x11, 0x12, 20, 0), want);
    }

    #[test]
    fn constants_are_signed() {
        let insn = Insn::decode([0xb7, 0, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff], Endian::Little);
        assert_eq!((insn.off, insn.imm), (-1, -2));
    }
}
