//! Contents of maps: what is written is read again, by the fake kernel and the running one.

use std::os::fd::{AsFd as _, OwnedFd};

use super::kernel::usable;
use crate::sys::{Bpf, Fake, Kernel, MapCreate, MapOps as _};
use crate::{Map, MapError, MapType};

fn create(
    map_type: MapType,
    key: u32,
    value: u32,
    entries: u32,
    kernel: &mut dyn Bpf,
) -> Result<OwnedFd, crate::Errno> {
    kernel.map_create(&MapCreate {
        map_type,
        key_size: key,
        value_size: value,
        max_entries: entries,
        flags: 0,
        numa_node: 0,
        name: "numbers",
        ifindex: 0,
        map_extra: 0,
        btf: None,
        inner: None,
        ..MapCreate::default()
    })
}

fn read_and_write(kernel: &mut dyn Bpf) {
    let fd = create(MapType::HASH, 4, 8, 1000, kernel).unwrap();
    let map = Map::new(fd, kernel).unwrap();
    assert_eq!(map.get::<u32, u64>(&1, kernel).unwrap(), None);
    map.set(&1u32, &10u64, kernel).unwrap();
    map.set(&2u32, &20u64, kernel).unwrap();
    assert_eq!(map.get::<u32, u64>(&1, kernel).unwrap(), Some(10));
    let again = map.update(&1u32.to_ne_bytes(), &[0; 8], 1, kernel).unwrap_err();
    assert_eq!(
        again.to_string(),
        "cannot update an entry of map `numbers`: File exists (errno 17)"
    );
    assert_eq!(
        map.get::<u64, u64>(&1, kernel).unwrap_err().to_string(),
        "a key of map `numbers` has 4 bytes, not 8"
    );
    assert!(matches!(map.set(&1u32, &1u8, kernel), Err(MapError::Size { what: "value", .. })));
    assert!(map.delete(&2u32.to_ne_bytes(), kernel).unwrap());
    assert!(!map.delete(&2u32.to_ne_bytes(), kernel).unwrap());

    // More than are asked for at once.
    let numbers: Vec<([u8; 4], [u8; 8])> =
        (0..700u32).map(|n| (n.to_ne_bytes(), (u64::from(n) * 2).to_ne_bytes())).collect();
    let entries: Vec<(&[u8], &[u8])> =
        numbers.iter().map(|(k, v)| (k.as_slice(), v.as_slice())).collect();
    map.update_many(&entries, kernel).unwrap();
    let mut found: Vec<(u32, u64)> = map
        .entries(kernel)
        .map(|entry| {
            let (key, value) = entry.unwrap();
            let number = value.bytes().try_into().map(u64::from_ne_bytes).unwrap();
            (u32::from_ne_bytes(key.try_into().unwrap()), number)
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, (0..700).map(|n| (n, u64::from(n) * 2)).collect::<Vec<_>>());
    let keys: Vec<&[u8]> = numbers[100..].iter().map(|(k, _)| k.as_slice()).collect();
    map.delete_many(&keys, kernel).unwrap();
    map.delete_many(&keys, kernel).unwrap();
    assert_eq!(map.entries(kernel).count(), 100);
}

#[test]
fn contents_of_the_fake() {
    read_and_write(&mut Fake::new());
}

#[test]
fn contents_of_a_real_map() {
    if usable() {
        read_and_write(&mut Kernel);
    }
}

#[test]
fn each_cpu_has_its_value() {
    if !usable() {
        return;
    }
    let kernel = &mut Kernel;
    let cpus = kernel.possible_cpus().unwrap() as usize;
    for map_type in [MapType::PERCPU_ARRAY, MapType::PERCPU_HASH] {
        let fd = create(map_type, 4, 4, 3, kernel).unwrap();
        let map = Map::new(fd, kernel).unwrap();
        map.set(&1u32, &7u32, kernel).unwrap();
        assert_eq!(map.get_per_cpu::<u32, u32>(&1, kernel).unwrap(), Some(vec![7; cpus]));
        let each: Vec<u8> = (0..cpus as u64).flat_map(u64::to_ne_bytes).collect();
        map.update(&1u32.to_ne_bytes(), &each, 0, kernel).unwrap();
        let wanted: Vec<u32> = (0..cpus as u32).collect();
        assert_eq!(map.get_per_cpu::<u32, u32>(&1, kernel).unwrap(), Some(wanted));
        let count = if map_type == MapType::PERCPU_ARRAY { 3 } else { 1 };
        assert_eq!(map.entries(kernel).flatten().count(), count);
    }
}

#[test]
fn arrays_queues_and_tries() {
    if !usable() {
        return;
    }
    let kernel = &mut Kernel;
    let fd = create(MapType::ARRAY, 4, 2, 5, kernel).unwrap();
    let array = Map::new(fd, kernel).unwrap();
    array.set(&4u32, &0x1234u16, kernel).unwrap();
    assert_eq!(array.entries(kernel).count(), 5);
    assert!(array.delete(&0u32.to_ne_bytes(), kernel).is_err());
    assert!(array.get::<u32, u16>(&5, kernel).unwrap().is_none());
    // No keys at all: values are pushed and looked at.
    let fd = create(MapType::QUEUE, 0, 4, 2, kernel).unwrap();
    let queue = Map::new(fd, kernel).unwrap();
    queue.update(&[], &5u32.to_ne_bytes(), 0, kernel).unwrap();
    assert_eq!(queue.lookup(&[], kernel).unwrap().unwrap().bytes(), 5u32.to_ne_bytes());
    assert!(queue.entries(kernel).next().unwrap().is_err());
    // Program arrays have numbers of programs.
    let fd = create(MapType::PROG_ARRAY, 4, 4, 2, kernel).unwrap();
    let programs = Map::new(fd, kernel).unwrap();
    assert_eq!(programs.entries(kernel).count(), 0);
}

#[test]
fn what_is_no_map_is_named() {
    let kernel = &mut Kernel;
    let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let error = Map::new(null, kernel).unwrap_err();
    assert_eq!(error.to_string(), "it is not a BPF map but /dev/null");
    assert!(Map::by_id(0, kernel).is_err());
    let stranger = std::fs::File::open("/dev/null").unwrap();
    assert!(kernel.map_lookup(stranger.as_fd(), &[0; 4], &mut [0; 8], 0).is_err());
}
