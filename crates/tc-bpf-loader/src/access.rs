//! The contents of maps, while programs use them.
//!
//! ```no_run
//! use std::path::Path;
//! use tc_bpf_loader::{Map, MapError, sys::Kernel};
//!
//! # fn main() -> Result<(), MapError> {
//! let kernel = &mut Kernel;
//! let map = Map::pinned(Path::new("/sys/fs/bpf/tc/globals/flows"), kernel)?;
//! let packets: Option<u64> = map.get(&7u32, kernel)?;
//! map.set(&7u32, &0u64, kernel)?;
//! for entry in map.entries(kernel) {
//!     let (key, value) = entry?;
//!     eprintln!("{key:?}: {:?}", value.bytes());
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::pin::{self, PinError};
use crate::sys::{Bpf, Cursor, Errno, MapInfo};

/// Entries that are asked for at once.
const BATCH: u32 = 256;

/// A map that is open. Dropped, it closes the descriptor; the map itself lives while a program, a pin or another
/// descriptor holds it.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    info: MapInfo,
    /// Values that a key has: one for each possible CPU in some types.
    copies: usize,
}

/// What is under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    bytes: Vec<u8>,
    size: usize,
    copies: usize,
}

/// Numbers and arrays of bytes, as keys and values have them: in the host's byte order.
pub trait Plain: Sized {
    /// Bytes of it.
    const SIZE: usize;
    /// As bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// From as many bytes.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Plain for $type {
            const SIZE: usize = size_of::<$type>();
            fn to_bytes(&self) -> Vec<u8> {
                self.to_ne_bytes().to_vec()
            }
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(<$type>::from_ne_bytes)
            }
        }
    )*};
}

plain! { u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 }

impl<const N: usize> Plain for [u8; N] {
    const SIZE: usize = N;
    fn to_bytes(&self) -> Vec<u8> {
        self.to_vec()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

/// Why a map could not be read or changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum MapError {
    /// It could not be opened.
    Open(PinError),
    /// The descriptor is of something else.
    NotMap {
        /// What it is: `bpf-prog`, a path.
        kind: String,
    },
    /// A key or a value has the wrong size.
    #[non_exhaustive]
    Size {
        /// Name of the map.
        map: String,
        /// Which of the two: "key", "value".
        what: &'static str,
        /// Bytes that the map has.
        size: usize,
        /// Bytes given or asked for.
        given: usize,
    },
    /// The kernel refused.
    #[non_exhaustive]
    Kernel {
        /// Name of the map.
        map: String,
        /// What was asked: "look up", "update".
        what: &'static str,
        /// The kernel's error.
        errno: Errno,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Open(e) => e.fmt(f),
            MapError::NotMap { kind } => write!(f, "it is not a BPF map but {kind}"),
            MapError::Size { map, what, size, given } => {
                write!(f, "a {what} of map `{map}` has {size} bytes, not {given}")
            }
            MapError::Kernel { map, what, errno } => {
                write!(f, "cannot {what} an entry of map `{map}`: {errno}")
            }
        }
    }
}

impl Error for MapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            MapError::Open(e) => e.source(),
            MapError::Kernel { errno, .. } => Some(errno),
            _ => None,
        }
    }
}

impl Value {
    /// All bytes: of the value, or of those of all CPUs, each filled up to a multiple of eight.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value, or that of each possible CPU.
    pub fn copies(&self) -> impl Iterator<Item = &[u8]> {
        let stride = self.bytes.len().checked_div(self.copies).unwrap_or(0).max(1);
        self.bytes.chunks(stride).map(|copy| copy.get(..self.size).unwrap_or(copy))
    }
}

impl Map {
    /// Takes over a descriptor.
    ///
    /// # Errors
    /// [`MapError::NotMap`], [`MapError::Kernel`].
    pub fn new(fd: OwnedFd, kernel: &mut dyn Bpf) -> Result<Map, MapError> {
        // The kernel answers the same request for programs, with another structure.
        if let Some(kind) = kernel.fd_kind(fd.as_fd()).ok().filter(|kind| kind != "bpf-map") {
            return Err(MapError::NotMap { kind });
        }
        let failed = |errno| MapError::Kernel { map: String::new(), what: "describe", errno };
        let info = kernel.map_info(fd.as_fd()).map_err(failed)?;
        let copies = match info.map_type.is_per_cpu() {
            true => kernel.possible_cpus().map_err(failed)? as usize,
            false => 1,
        };
        Ok(Map { fd, info, copies })
    }

    /// Opens a pinned map.
    ///
    /// # Errors
    /// [`MapError::Open`], and as [`new`](Self::new).
    pub fn pinned(path: &Path, kernel: &mut dyn Bpf) -> Result<Map, MapError> {
        let fd = pin::get(path, kernel).map_err(MapError::Open)?;
        Map::new(fd, kernel)
    }

    /// Opens the map of that id.
    ///
    /// # Errors
    /// [`MapError::Kernel`]: there is none, or the privilege is missing.
    pub fn by_id(id: u32, kernel: &mut dyn Bpf) -> Result<Map, MapError> {
        let failed = |errno| MapError::Kernel { map: id.to_string(), what: "open", errno };
        let fd = kernel.map_by_id(id).map_err(failed)?;
        Map::new(fd, kernel)
    }

    /// What the kernel tells about it.
    pub fn info(&self) -> &MapInfo {
        &self.info
    }

    /// The descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Bytes of what is under a key, of all CPUs. Maps of maps and programs have descriptors there, or numbers.
    fn value_len(&self) -> usize {
        let size = match self.info.map_type.holds_fds() {
            true => 4,
            false => self.info.value_size as usize,
        };
        if self.info.map_type.is_per_cpu() { size.next_multiple_of(8) * self.copies } else { size }
    }

    fn value(&self, bytes: Vec<u8>) -> Value {
        Value { bytes, size: self.info.value_size as usize, copies: self.copies }
    }

    fn refused(&self, what: &'static str, errno: Errno) -> MapError {
        MapError::Kernel { map: self.info.name.clone(), what, errno }
    }

    fn sized(&self, what: &'static str, size: usize, given: usize) -> Result<(), MapError> {
        if size == given {
            return Ok(());
        }
        Err(MapError::Size { map: self.info.name.clone(), what, size, given })
    }

    fn check_key(&self, key: &[u8]) -> Result<(), MapError> {
        self.sized("key", self.info.key_size as usize, key.len())
    }

    /// What is under a key; `None` if nothing is.
    ///
    /// # Errors
    /// [`MapError::Size`], [`MapError::Kernel`].
    pub fn lookup(&self, key: &[u8], kernel: &mut dyn Bpf) -> Result<Option<Value>, MapError> {
        self.check_key(key)?;
        let mut bytes = vec![0; self.value_len()];
        match kernel.map_lookup(self.fd(), key, &mut bytes, 0) {
            Ok(()) => Ok(Some(self.value(bytes))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.refused("look up", errno)),
        }
    }

    /// The number or the bytes under a key.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); a value of another size is one.
    pub fn get<K: Plain, V: Plain>(
        &self,
        key: &K,
        kernel: &mut dyn Bpf,
    ) -> Result<Option<V>, MapError> {
        self.sized("value", self.value_len(), V::SIZE)?;
        let found = self.lookup(&key.to_bytes(), kernel)?;
        Ok(found.and_then(|value| V::from_bytes(value.bytes())))
    }

    /// The numbers or the bytes under a key, of each possible CPU.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup); a value of another size is one.
    pub fn get_per_cpu<K: Plain, V: Plain>(
        &self,
        key: &K,
        kernel: &mut dyn Bpf,
    ) -> Result<Option<Vec<V>>, MapError> {
        self.sized("value", self.info.value_size as usize, V::SIZE)?;
        let found = self.lookup(&key.to_bytes(), kernel)?;
        Ok(found.map(|value| value.copies().filter_map(V::from_bytes).collect()))
    }

    /// Sets what is under a key. In a map with a value for each CPU, one value goes to all of them; or there are
    /// as many, each filled up to a multiple of eight bytes. `flags`: 0 whether there is one or not, 1 (`BPF_NOEXIST`)
    /// if there is none, 2 (`BPF_EXIST`) if there is one.
    ///
    /// # Errors
    /// [`MapError::Size`], [`MapError::Kernel`].
    pub fn update(
        &self,
        key: &[u8],
        value: &[u8],
        flags: u64,
        kernel: &mut dyn Bpf,
    ) -> Result<(), MapError> {
        self.check_key(key)?;
        let value = self.spread(value)?;
        let result = kernel.map_update(self.fd(), key, &value, flags);
        result.map_err(|errno| self.refused("update", errno))
    }

    /// A value as the kernel takes it: repeated for each CPU if it was given once.
    fn spread(&self, value: &[u8]) -> Result<Vec<u8>, MapError> {
        let per_cpu = self.info.map_type.is_per_cpu();
        if per_cpu
            && value.len() == self.info.value_size as usize
            && value.len() != self.value_len()
        {
            let mut one = value.to_vec();
            one.resize(value.len().next_multiple_of(8), 0);
            return Ok(one.repeat(self.copies));
        }
        self.sized("value", self.value_len(), value.len())?;
        Ok(value.to_vec())
    }

    /// Sets the number or the bytes under a key.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn set<K: Plain, V: Plain>(
        &self,
        key: &K,
        value: &V,
        kernel: &mut dyn Bpf,
    ) -> Result<(), MapError> {
        self.update(&key.to_bytes(), &value.to_bytes(), 0, kernel)
    }

    /// Removes a key; `false` if it was not there.
    ///
    /// # Errors
    /// [`MapError::Size`], [`MapError::Kernel`]; the entries of arrays cannot be removed.
    pub fn delete(&self, key: &[u8], kernel: &mut dyn Bpf) -> Result<bool, MapError> {
        self.check_key(key)?;
        match kernel.map_delete(self.fd(), key) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.refused("delete", errno)),
        }
    }

    /// Sets many entries, at once where the kernel can.
    ///
    /// # Errors
    /// As [`update`](Self::update). Those before the one that failed are set.
    pub fn update_many(
        &self,
        entries: &[(&[u8], &[u8])],
        kernel: &mut dyn Bpf,
    ) -> Result<(), MapError> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            self.check_key(key)?;
            keys.extend_from_slice(key);
            values.extend(self.spread(value)?);
        }
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let result = match count {
            0 => return Ok(()),
            _ => kernel.map_update_batch(self.fd(), &keys, &values, count, 0),
        };
        let Err((errno, done)) = result else { return Ok(()) };
        if !matches!(errno, Errno::EINVAL | Errno::ENOTSUPP) {
            return Err(self.refused("update", errno));
        }
        let rest = entries.get(done as usize..).unwrap_or_default();
        rest.iter().try_for_each(|(key, value)| self.update(key, value, 0, kernel))
    }

    /// Removes many keys, at once where the kernel can. Keys that are not there are passed over.
    ///
    /// # Errors
    /// As [`delete`](Self::delete). Those before the one that failed are removed.
    pub fn delete_many(&self, keys: &[&[u8]], kernel: &mut dyn Bpf) -> Result<(), MapError> {
        keys.iter().try_for_each(|key| self.check_key(key))?;
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let done = match count {
            0 => return Ok(()),
            _ => match kernel.map_delete_batch(self.fd(), &keys.concat(), count) {
                Ok(()) => return Ok(()),
                Err((_, done)) => done,
            },
        };
        let rest = keys.get(done as usize..).unwrap_or_default();
        rest.iter().try_for_each(|key| self.delete(key, kernel).map(drop))
    }

    /// All entries. Where others change the map meanwhile, some may be missing or come twice; the iteration ends all the
    /// same.
    pub fn entries<'a>(&'a self, kernel: &'a mut dyn Bpf) -> Entries<'a> {
        let key_size = self.info.key_size as usize;
        Entries {
            map: self,
            kernel,
            cursor: Cursor::start(key_size),
            batch: (key_size > 0).then_some(BATCH.min(self.info.max_entries.max(1))),
            ready: VecDeque::new(),
            last: None,
            // Twice as many as there can be, should it start over again and again.
            left: u64::from(self.info.max_entries) * 2 + 1,
            end: false,
        }
    }
}

/// The entries of a map, see [`Map::entries`].
pub struct Entries<'a> {
    map: &'a Map,
    kernel: &'a mut dyn Bpf,
    cursor: Cursor,
    /// How many to ask for at once; `None` if the kernel gives them one by one only.
    batch: Option<u32>,
    ready: VecDeque<(Vec<u8>, Value)>,
    last: Option<Vec<u8>>,
    left: u64,
    end: bool,
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("map", &self.map.info.name).finish_non_exhaustive()
    }
}

impl Entries<'_> {
    /// Asks for some at once. `false`: the kernel does not do that.
    fn fill(&mut self, count: u32) -> Result<bool, MapError> {
        let (key_size, value_size) = (self.map.info.key_size as usize, self.map.value_len());
        let mut keys = vec![0; key_size * count as usize];
        let mut values = vec![0; value_size * count as usize];
        let (fd, cursor) = (self.map.fd(), &mut self.cursor);
        let batch = self.kernel.map_lookup_batch(fd, cursor, &mut keys, &mut values, count);
        let got = match batch {
            Ok(got) => got,
            // A bucket of the hash table is larger than what was asked for.
            Err(Errno::ENOSPC) if u64::from(count) < u64::from(self.map.info.max_entries) => {
                self.batch = Some(count.saturating_mul(4).min(self.map.info.max_entries));
                return Ok(true);
            }
            Err(Errno::EINVAL | Errno::ENOTSUPP) if !self.cursor.started => return Ok(false),
            Err(errno) => return Err(self.map.refused("look up", errno)),
        };
        self.end = got.end || got.count == 0;
        let pairs = keys.chunks_exact(key_size).zip(values.chunks_exact(value_size.max(1)));
        for (key, value) in pairs.take(got.count as usize) {
            self.ready.push_back((key.to_vec(), self.map.value(value.to_vec())));
        }
        Ok(true)
    }

    /// The next one by itself.
    fn step(&mut self) -> Result<Option<(Vec<u8>, Value)>, MapError> {
        while self.left > 0 {
            self.left -= 1;
            let mut next = vec![0; self.map.info.key_size as usize];
            match self.kernel.map_next_key(self.map.fd(), self.last.as_deref(), &mut next) {
                Ok(()) => {}
                Err(Errno::ENOENT) => break,
                Err(errno) => return Err(self.map.refused("find", errno)),
            }
            self.last = Some(next.clone());
            // It may be gone by now, and slots of arrays of descriptors may be empty.
            if let Some(value) = self.map.lookup(&next, self.kernel)? {
                return Ok(Some((next, value)));
            }
        }
        Ok(None)
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(Vec<u8>, Value), MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            if self.end || self.left == 0 {
                return None;
            }
            let result = match self.batch {
                Some(count) => {
                    self.left -= 1;
                    match self.fill(count) {
                        Ok(true) => continue,
                        Ok(false) => {
                            self.batch = None;
                            continue;
                        }
                        Err(e) => Err(e),
                    }
                }
                None => self.step(),
            };
            let entry = result.transpose();
            self.end = !matches!(entry, Some(Ok(_)));
            return entry;
        }
    }
}
