//! Chart archives. Half of the inputs are taken as they are; of the others we make a well-formed
//! gzip around a tar whose header checksums are right, so that the guards behind them are reached.

#![no_main]

use flate2::Crc;
use helm_chart::Chart;
use helm_chart::archive::{MAX_CHART_BYTES, read_archive};
use libfuzzer_sys::fuzz_target;

const BLOCK: usize = 512;

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else {
        return;
    };
    let archive = match mode % 4 {
        0 => data.to_vec(),
        1 => gzip(data),
        2 => gzip(&headers(data)),
        _ => gzip(&small_files(data)),
    };
    let Ok(files) = read_archive(&archive) else {
        return;
    };
    let bytes: u64 = files.iter().map(|file| file.data().len() as u64).sum();
    assert!(bytes <= MAX_CHART_BYTES);
    for file in &files {
        let name = &file.name;
        assert!(
            !name.starts_with('/') && !name.starts_with("..") && name != ".",
            "{name:?}"
        );
    }
    let _ = Chart::from_files(files);
});

/// One stored block (RFC 1951 §3.2.4) in a gzip member (RFC 1952): the fuzzer is to watch our guards,
/// not a compressor at work.
fn gzip(data: &[u8]) -> Vec<u8> {
    let data = &data[..data.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(data.len()).expect("cut to fit");
    let mut crc = Crc::new();
    crc.update(data);
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    gzip.extend_from_slice(&length.to_le_bytes());
    gzip.extend_from_slice(&(!length).to_le_bytes());
    gzip.extend_from_slice(data);
    gzip.extend_from_slice(&crc.sum().to_le_bytes());
    gzip.extend_from_slice(&u32::from(length).to_le_bytes());
    gzip
}

/// The input as tar blocks, each block that could be a header with its right checksum.
fn headers(data: &[u8]) -> Vec<u8> {
    let mut tar = data.to_vec();
    tar.resize(data.len().next_multiple_of(BLOCK), 0);
    for block in tar.chunks_exact_mut(BLOCK) {
        seal(block);
    }
    tar
}

fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// The input as files: kind, name up to a line break, content up to NUL.
fn small_files(data: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    for file in data.split(|byte| *byte == 0) {
        let Some((kind, rest)) = file.split_first() else {
            continue;
        };
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
        let (name, content) = rest.split_at(end);
        let content = content.get(1..).unwrap_or_default();
        let mut header = [0; BLOCK];
        let length = name.len().min(100);
        header[..length].copy_from_slice(&name[..length]);
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[156] = *kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        seal(&mut header);
        tar.extend_from_slice(&header);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar
}
