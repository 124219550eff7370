//! What a program is loaded for: a function, hook or tracepoint of the kernel, or a function of another program, which
//! the kernel wants to be told by its BTF id.

use std::os::fd::{AsFd as _, BorrowedFd};

use super::LoadOptions;
use super::tables::KernelTable;
use super::types::KernelTypes;
use crate::btf::{Btf, kind};
use crate::insn::Endian;
use crate::prog::ProgType;
use crate::struct_ops::Operation;
use crate::sys::Bpf;

/// `BPF_TRACE_RAW_TP`, `BPF_TRACE_ITER`.
const RAW_TRACEPOINT: u32 = 23;
const ITERATOR: u32 = 28;

/// The BTF id, and the program or module that it is of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target<'a> {
    pub(super) btf_id: u32,
    pub(super) of: Option<BorrowedFd<'a>>,
    /// What the attach type stands for with these programs: the number of an operation in its table.
    pub(super) operation: Option<u32>,
}

/// Finds what the options say that the program is for; nothing for types that need no such thing.
pub(super) fn target<'a>(
    options: &'a LoadOptions,
    operation: Option<&Operation>,
    types: &'a mut KernelTypes,
    kernel: &mut dyn Bpf,
) -> Result<Target<'a>, String> {
    if options.prog_type == ProgType::STRUCT_OPS {
        let named = options.target.as_deref().and_then(Operation::parse);
        let operation = named.as_ref().or(operation).ok_or(
            "a program of type struct_ops is for an operation of a table of the kernel's, and no variable in \
             `.struct_ops` has it",
        )?;
        return table(operation, types, kernel);
    }
    if !matches!(options.prog_type, ProgType::TRACING | ProgType::LSM | ProgType::EXT) {
        return Ok(Target::default());
    }
    let prog_type = options.prog_type;
    let Some(name) = options.target.as_deref().filter(|name| !name.is_empty()) else {
        return Err(format!(
            "a program of type {prog_type} is for a function or hook of the kernel, which nothing names"
        ));
    };
    if let Some(program) = &options.attach_to {
        let btf_id = of_program(name, program.as_fd(), kernel)?;
        return Ok(Target { btf_id, of: Some(program.as_fd()), operation: None });
    }
    let (kind, full) = match (prog_type, options.expected_attach_type) {
        (ProgType::EXT, _) => {
            return Err(format!("the program whose function `{name}` it replaces is not given"));
        }
        (ProgType::LSM, _) => (kind::FUNC, format!("bpf_lsm_{name}")),
        (_, RAW_TRACEPOINT) => (kind::TYPEDEF, format!("btf_trace_{name}")),
        (_, ITERATOR) => (kind::FUNC, format!("bpf_iter_{name}")),
        _ => {
            // `module:function`
            let function = name.rsplit_once(':').map_or(name, |(_, f)| f);
            (kind::FUNC, function.to_owned())
        }
    };
    let mut found = types.find(&[(kind, &full)], kernel)?;
    let Some(found) = found.remove(&(kind, full.as_str())) else {
        let what = if kind == kind::TYPEDEF { "tracepoint" } else { "function" };
        return Err(format!("this kernel has no {what} `{name}` for programs (`{full}`)"));
    };
    Ok(Target { btf_id: found.id, of: types.owner(found.owner, kernel), operation: None })
}

/// The operation of a table of the kernel or of one of its modules: the table's type, and the number of the member.
fn table<'a>(
    operation: &Operation,
    types: &'a mut KernelTypes,
    kernel: &mut dyn Bpf,
) -> Result<Target<'a>, String> {
    let Operation { table, member } = operation;
    let found = KernelTable::find(table, types, kernel)?;
    let number = found.members().position(|m| found.btf.str_at(m.name_off) == member);
    let Some(number) = number else {
        return Err(format!(
            "the table `struct {table}` of this kernel has no operation `{member}`"
        ));
    };
    let of = types.owner(found.owner, kernel);
    Ok(Target { btf_id: found.type_id, of, operation: u32::try_from(number).ok() })
}

/// A function of a loaded program.
fn of_program(name: &str, program: BorrowedFd<'_>, kernel: &mut dyn Bpf) -> Result<u32, String> {
    let info = kernel
        .prog_info(program)
        .map_err(|e| format!("the kernel does not tell what the other program is: {e}"))?;
    let id = info
        .btf_id
        .ok_or_else(|| format!("the program `{}` has no type information", info.name))?;
    let bytes = kernel
        .btf_bytes(id)
        .map_err(|e| format!("the types of the program `{}`: {e}", info.name))?;
    let btf = Btf::parse(&bytes, Endian::HOST).map_err(|fault| fault.problem)?;
    let mut functions = btf.iter().filter(|t| t.kind == kind::FUNC);
    functions
        .find(|t| btf.str_at(t.name_off) == name)
        .map(|t| t.id)
        .ok_or_else(|| format!("the program `{}` has no function `{name}`", info.name))
}
