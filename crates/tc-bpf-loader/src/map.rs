//! What an object says about a map.

use std::fmt;

/// Type of a map, uapi `enum bpf_map_type`. Unknown ones are passed to the kernel as they are.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[doc(alias = "bpf_map_type")]
pub struct MapType(pub u32);

macro_rules! map_types {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl MapType {
            $(#[doc = concat!("`BPF_MAP_TYPE_", stringify!($name), "`")]
            pub const $name: MapType = MapType($value);)*

            /// Short lower-case name, as in `bpftool map`; `None` for unknown types.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(MapType::$name => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

map_types! {
    HASH = 1, "hash";
    ARRAY = 2, "array";
    PROG_ARRAY = 3, "prog_array";
    PERF_EVENT_ARRAY = 4, "perf_event_array";
    PERCPU_HASH = 5, "percpu_hash";
    PERCPU_ARRAY = 6, "percpu_array";
    STACK_TRACE = 7, "stack_trace";
    CGROUP_ARRAY = 8, "cgroup_array";
    LRU_HASH = 9, "lru_hash";
    LRU_PERCPU_HASH = 10, "lru_percpu_hash";
    LPM_TRIE = 11, "lpm_trie";
    ARRAY_OF_MAPS = 12, "array_of_maps";
    HASH_OF_MAPS = 13, "hash_of_maps";
    DEVMAP = 14, "devmap";
    SOCKMAP = 15, "sockmap";
    CPUMAP = 16, "cpumap";
    XSKMAP = 17, "xskmap";
    SOCKHASH = 18, "sockhash";
    CGROUP_STORAGE = 19, "cgroup_storage";
    REUSEPORT_SOCKARRAY = 20, "reuseport_sockarray";
    PERCPU_CGROUP_STORAGE = 21, "percpu_cgroup_storage";
    QUEUE = 22, "queue";
    STACK = 23, "stack";
    SK_STORAGE = 24, "sk_storage";
    DEVMAP_HASH = 25, "devmap_hash";
    STRUCT_OPS = 26, "struct_ops";
    RINGBUF = 27, "ringbuf";
    INODE_STORAGE = 28, "inode_storage";
    TASK_STORAGE = 29, "task_storage";
    BLOOM_FILTER = 30, "bloom_filter";
    USER_RINGBUF = 31, "user_ringbuf";
    CGRP_STORAGE = 32, "cgrp_storage";
    ARENA = 33, "arena";
}

impl MapType {
    /// The kernel refuses type information for these.
    pub(crate) fn takes_btf(self) -> bool {
        !matches!(
            self,
            MapType::PERF_EVENT_ARRAY
                | MapType::CGROUP_ARRAY
                | MapType::STACK_TRACE
                | MapType::ARRAY_OF_MAPS
                | MapType::HASH_OF_MAPS
                | MapType::DEVMAP
                | MapType::DEVMAP_HASH
                | MapType::CPUMAP
                | MapType::XSKMAP
                | MapType::SOCKMAP
                | MapType::SOCKHASH
                | MapType::QUEUE
                | MapType::STACK
                | MapType::PROG_ARRAY
                | MapType::RINGBUF
                | MapType::USER_RINGBUF
                | MapType::ARENA
        )
    }
}

impl MapType {
    /// Whether there is a value for each CPU under a key.
    pub fn is_per_cpu(self) -> bool {
        matches!(
            self,
            MapType::PERCPU_HASH
                | MapType::PERCPU_ARRAY
                | MapType::LRU_PERCPU_HASH
                | MapType::PERCPU_CGROUP_STORAGE
        )
    }

    /// Whether its values are maps.
    pub fn holds_maps(self) -> bool {
        matches!(self, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS)
    }

    /// Whether the values that user space writes are descriptors, of four bytes.
    pub(crate) fn holds_fds(self) -> bool {
        self.holds_maps()
            || matches!(
                self,
                MapType::PROG_ARRAY | MapType::PERF_EVENT_ARRAY | MapType::CGROUP_ARRAY
            )
    }
}

impl fmt::Display for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "type {}", self.0),
        }
    }
}

impl fmt::Debug for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MapType({self})")
    }
}

/// Where an object wants a map to be pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pinning {
    /// Nowhere.
    #[default]
    None,
    /// In a directory of this object alone (iproute2: 1).
    #[doc(alias = "PIN_OBJECT_NS")]
    Object,
    /// In the directory that all objects share (iproute2: 2).
    #[doc(alias = "PIN_GLOBAL_NS")]
    Global,
    /// Under its name, in a directory that the loader chooses (libbpf: 1).
    #[doc(alias = "LIBBPF_PIN_BY_NAME")]
    ByName,
    /// A number whose directory `/etc/iproute2/bpf_pinning` tells.
    Custom(u32),
}

/// Where in an object a map is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MapOrigin {
    /// `struct bpf_elf_map` or `struct bpf_map_def` in a `maps` section; bytes of one entry.
    Legacy {
        /// Bytes of one entry.
        entry_size: u32,
    },
    /// BTF-defined in `.maps`.
    Btf,
    /// A section of global variables, which are one value of this map: `.data`, `.rodata`, `.bss` and their like.
    Data,
}

/// What the object puts into one slot of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slot {
    /// The slot, a key of four bytes.
    pub index: u32,
    /// What goes there.
    pub target: SlotTarget,
    /// Index in the object's maps or functions.
    pub(crate) at: usize,
}

/// A map or a program that goes into a slot, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotTarget {
    /// A map of the object.
    Map(String),
    /// A function of the object.
    Program(String),
}

/// A map as an object defines it; nothing is asked of the kernel yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapSpec {
    /// Symbol name, not shortened.
    pub name: String,
    /// Type of the map.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most entries. 0 for a perf event array: one per possible CPU.
    pub max_entries: u32,
    /// `BPF_F_*` of map creation.
    pub flags: u32,
    /// NUMA node; the flag `BPF_F_NUMA_NODE` goes with it.
    pub numa_node: Option<u32>,
    /// Extra number of some types (bloom filter: hash functions).
    pub map_extra: Option<u64>,
    /// Where to pin it.
    pub pinning: Pinning,
    /// iproute2's `id`, by which other maps and `N/M` sections refer to this one; 0 is none.
    pub id: u32,
    /// iproute2's `inner_id`: id of the map that is the template of this one's values; 0 is none.
    pub inner_id: u32,
    /// iproute2's `inner_idx`: the slot of the outer map that this one goes to.
    pub inner_idx: u32,
    /// Kernel samples' `inner_map_idx`, where BTF tells that the object uses that layout.
    pub inner_map_idx: Option<u32>,
    /// BTF id of the key's type.
    pub key_type_id: Option<u32>,
    /// BTF id of the value's type.
    pub value_type_id: Option<u32>,
    /// The kind of definition.
    pub origin: MapOrigin,
    /// What the maps are like that this one holds, if it is declared in place (`values` in `.maps`).
    pub inner: Option<Box<MapSpec>>,
    /// What the object puts into it, by ascending index.
    pub slots: Vec<Slot>,
    /// Index, in the object's maps, of the one that tells what the maps are like that this one holds.
    pub(crate) template: Option<usize>,
    /// Where in the variable the field `values` is.
    pub(crate) values_at: Option<u64>,
}

impl MapSpec {
    pub(crate) fn new(name: &str, origin: MapOrigin) -> Self {
        MapSpec {
            name: name.to_owned(),
            map_type: MapType(0),
            key_size: 0,
            value_size: 0,
            max_entries: 0,
            flags: 0,
            numa_node: None,
            map_extra: None,
            pinning: Pinning::None,
            id: 0,
            inner_id: 0,
            inner_idx: 0,
            inner_map_idx: None,
            key_type_id: None,
            value_type_id: None,
            origin,
            inner: None,
            slots: Vec::new(),
            template: None,
            values_at: None,
        }
    }

    /// Whether it is a section of global variables that programs cannot write to.
    pub(crate) fn is_read_only_data(&self) -> bool {
        self.origin == MapOrigin::Data && self.name.starts_with(".rodata")
    }
}

impl fmt::Display for MapSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MapSpec { map_type, key_size, value_size, max_entries, flags, .. } = self;
        write!(
            f,
            "{map_type}, key {key_size} B, value {value_size} B, max_entries {max_entries}, flags {flags:#x}"
        )
    }
}
