//! Tests over the objects in `testdata/`, whose sources and Makefile lie beside them.

mod access;
mod asm;
mod btf;
mod classic_kernel;
mod core;
mod damage;
mod externs;
mod kernel;
mod load;
mod maps;
mod objects;
mod tables;

use std::path::PathBuf;

use crate::{ObjectSpec, ProgramSpec, Select};

/// All objects, so that new ones are tested for the general properties at once.
pub(crate) fn all_objects() -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "o"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    found.sort();
    assert!(found.len() > 30, "the test objects are missing");
    found
}

pub(crate) fn testdata() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(testdata().join(name)).unwrap()
}

pub(crate) fn object(name: &str) -> ObjectSpec {
    ObjectSpec::parse(name, &bytes(name)).unwrap()
}

pub(crate) fn named<'a>(object: &'a ObjectSpec, function: &str) -> ProgramSpec<'a> {
    object.select(&Select { program: Some(function), ..Select::default() }).unwrap()
}
