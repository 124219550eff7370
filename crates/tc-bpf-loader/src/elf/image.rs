//! The bytes of an object file, aligned as ELF's tables want it.

use std::io::{self, Read};

use object::pod::{bytes_of_slice, bytes_of_slice_mut};

/// A file in memory, at an address divisible by eight.
#[derive(Clone, Default)]
pub(crate) struct Image {
    words: Vec<u64>,
    len: usize,
}

impl Image {
    /// Reads all of `file`, which has about `len` bytes.
    pub(crate) fn read(mut file: impl Read, len: usize) -> io::Result<Self> {
        // One word more, so that the end of the file is found without growing.
        let mut image = Self { words: vec![0; len / 8 + 1], len: 0 };
        loop {
            let room =
                bytes_of_slice_mut(&mut image.words).get_mut(image.len..).unwrap_or_default();
            if room.is_empty() {
                image.words.resize(image.words.len() * 2, 0);
                continue;
            }
            match file.read(room) {
                Ok(0) => return Ok(image),
                Ok(read) => image.len += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        bytes_of_slice(&self.words).get(..self.len).unwrap_or_default()
    }
}

impl From<&[u8]> for Image {
    fn from(bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(8)];
        if let Some(room) = bytes_of_slice_mut(&mut words).get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        Self { words, len: bytes.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out a few bytes at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let len = room.len().min(3);
            self.0.read(&mut room[..len])
        }
    }

    #[test]
    fn a_file_is_whole_whatever_its_length_was_said_to_be() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in 0..bytes.len() {
            let bytes = &bytes[..len];
            assert_eq!(Image::from(bytes).bytes(), bytes);
            for said in [0, 1, 8, len, 200] {
                assert_eq!(Image::read(bytes, said).unwrap().bytes(), bytes);
                assert_eq!(Image::read(Slowly(bytes), said).unwrap().bytes(), bytes);
            }
        }
    }
}
