use super::*;
use crate::cpio::Archive;
use crate::metadata::MetadataError;
use proptest::prelude::*;

/// Parts of the smallest image with an application.
pub(crate) fn parts() -> Parts {
    let (mut boot, mut app) = (Archive::new(), Archive::new());
    boot.folder("dev", 0o755).unwrap();
    app.file("init", 0o755, b"a program".to_vec()).unwrap();
    Parts {
        kernel: b"a kernel".to_vec(),
        cmdline: "console=ttyS0".into(),
        ramdisks: vec![boot.to_bytes(), app.to_bytes()],
        metadata: Metadata::new("name", "1.2.3", "6.12").to_bytes(),
        ..Parts::empty(Arch::X86_64)
    }
}

/// The image of [`parts`].
pub(crate) fn small() -> Image {
    Image::new(parts()).unwrap()
}

/// Offsets of the header's fields.
const VERSION_AT: usize = 4;
const FLAGS_AT: usize = 6;
const RESERVED_AT: usize = 24;
const COUNT_AT: usize = 26;
const OFFSETS_AT: usize = 28;
const SIZES_AT: usize = OFFSETS_AT + 8 * SECTIONS_MAX;
const UNUSED_AT: usize = SIZES_AT + 8 * SECTIONS_MAX;
const CRC_AT: usize = UNUSED_AT + 4;
/// Offsets of the first three sections of [`small`].
const KERNEL_AT: usize = HEADER_BYTES;
const CMDLINE_AT: usize = KERNEL_AT + SECTION_HEADER_BYTES + 8;
const METADATA_AT: usize = CMDLINE_AT + SECTION_HEADER_BYTES + 13;

/// Reads the file of [`small`] after a change, with the checksum corrected.
fn forged(change: impl FnOnce(&mut Vec<u8>)) -> Result<Image, EifError> {
    let mut bytes = small().to_bytes();
    change(&mut bytes);
    if bytes.len() >= HEADER_BYTES {
        let crc = write::checksum(&bytes).to_be_bytes();
        bytes[CRC_AT..HEADER_BYTES].copy_from_slice(&crc);
    }
    read(&bytes)
}

fn put(at: usize, new: &[u8]) -> impl FnOnce(&mut Vec<u8>) {
    move |bytes: &mut Vec<u8>| bytes[at..at + new.len()].copy_from_slice(new)
}

#[test]
fn header_has_its_fields_at_the_offsets_of_the_format() {
    let bytes = small().to_bytes();
    assert_eq!(bytes[..8], *b".eif\0\x04\0\0");
    assert_eq!(bytes[8..16], (1_u64 << 30).to_be_bytes());
    assert_eq!(bytes[16..24], 2_u64.to_be_bytes());
    assert_eq!(bytes[RESERVED_AT..OFFSETS_AT], [0, 0, 0, 5]);
    assert_eq!(bytes[OFFSETS_AT..OFFSETS_AT + 8], 548_u64.to_be_bytes());
    assert_eq!(bytes[SIZES_AT..SIZES_AT + 8], 8_u64.to_be_bytes());
    assert_eq!(bytes[KERNEL_AT..KERNEL_AT + 12], *b"\0\x01\0\0\0\0\0\0\0\0\0\x08");
    assert_eq!(CRC_AT + 4, HEADER_BYTES);
    assert_eq!(read(&bytes).as_ref(), Ok(&small()));
}

#[test]
fn every_flipped_byte_is_refused() {
    let good = small().to_bytes();
    let app = good.len() - small().parts().ramdisks[1].len();
    for at in 0..good.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            let found = read(&bytes).unwrap_err();
            // Only the checksum protects memory, processors, itself and the contents.
            let is_content = (KERNEL_AT + 12..CMDLINE_AT).contains(&at) || at >= app;
            if is_content || matches!(at, 8..24 | CRC_AT..KERNEL_AT) {
                assert!(matches!(found, EifError::Crc { .. }), "{at}: {found}");
            }
        }
    }
}

#[test]
fn every_cut_and_every_longer_file_is_refused() {
    let good = small().to_bytes();
    for length in 0..good.len() {
        let found = read(&good[..length]).unwrap_err();
        let named = match length {
            0..4 => matches!(found, EifError::Magic { .. }),
            4..HEADER_BYTES => found == EifError::HeaderTruncated { found: length },
            _ => matches!(found, EifError::Truncated { .. }),
        };
        assert!(named, "{length}: {found}");
    }
    for more in [1, 12, 4096] {
        let longer = [&good[..], &vec![0; more]].concat();
        assert_eq!(read(&longer), Err(EifError::Trailing { bytes: crate::u64_of(more) }));
    }
}

/// Goal: with a corrected checksum the other checks still refuse each forged field.
#[test]
fn each_forged_field_is_refused_by_name() {
    let kernel_size = SIZES_AT;
    for (found, error) in [
        (forged(put(0, b"\x7fELF")), EifError::Magic { found: *b"\x7fELF" }),
        (forged(put(VERSION_AT, &[0, 3])), EifError::Version { found: 3 }),
        (forged(put(FLAGS_AT, &[0, 2])), EifError::Flags { found: 2 }),
        (forged(put(RESERVED_AT, &[1])), EifError::Reserved { at: RESERVED_AT }),
        (forged(put(UNUSED_AT, &[1])), EifError::Reserved { at: UNUSED_AT }),
        (forged(put(COUNT_AT, &[0, 3])), EifError::SectionCount { found: 3 }),
        (forged(put(COUNT_AT, &[0, 33])), EifError::SectionCount { found: 33 }),
        (forged(put(COUNT_AT, &[0xff, 0xff])), EifError::SectionCount { found: 65_535 }),
        (forged(put(COUNT_AT, &[0, 4])), EifError::UnusedPlace { index: 4 }),
        (forged(put(OFFSETS_AT + 8 * 31 + 7, &[1])), EifError::UnusedPlace { index: 31 }),
        (
            forged(put(OFFSETS_AT, &549_u64.to_be_bytes())),
            EifError::Offset { index: 0, found: 549, wanted: 548 },
        ),
        (
            forged(put(OFFSETS_AT + 8, &u64::MAX.to_be_bytes())),
            EifError::Offset { index: 1, found: u64::MAX, wanted: 568 },
        ),
        (
            forged(put(kernel_size, &9_u64.to_be_bytes())),
            EifError::Size { index: 0, in_table: 9, in_section: 8 },
        ),
        (
            forged(put(KERNEL_AT + 4, &7_u64.to_be_bytes())),
            EifError::Size { index: 0, in_table: 8, in_section: 7 },
        ),
        (forged(put(KERNEL_AT + 2, &[0, 1])), EifError::SectionFlags { index: 0, found: 1 }),
        (
            forged(put(KERNEL_AT, &[0, 2])),
            EifError::SectionType { index: 0, found: 2, wanted: "the kernel (1)" },
        ),
        (
            forged(put(METADATA_AT, &[0, 6])),
            EifError::SectionType { index: 2, found: 6, wanted: "the metadata (5)" },
        ),
        (forged(put(CMDLINE_AT + 12, &[0])), EifError::CmdlineCharacter { at: 0 }),
        (forged(put(CMDLINE_AT + 13, &[0xff])), EifError::CmdlineCharacter { at: 1 }),
    ] {
        assert_eq!(found.unwrap_err(), error);
    }
    let huge = forged(|bytes| {
        put(kernel_size, &u64::MAX.to_be_bytes())(bytes);
        put(KERNEL_AT + 4, &u64::MAX.to_be_bytes())(bytes);
    });
    assert!(matches!(huge.unwrap_err(), EifError::Truncated { index: 0, end: u64::MAX, .. }));
    let not_json = forged(put(METADATA_AT + SECTION_HEADER_BYTES, b"["));
    assert!(matches!(not_json.unwrap_err(), EifError::Metadata(MetadataError::Json(_))));
}

/// A file with these sections in any order and correct numbers.
fn assembled(sections: &[(u16, &[u8])]) -> Vec<u8> {
    let mut header = small().to_bytes()[..HEADER_BYTES].to_vec();
    header[OFFSETS_AT..].fill(0);
    header[COUNT_AT..OFFSETS_AT]
        .copy_from_slice(&u16::try_from(sections.len()).unwrap().to_be_bytes());
    let mut body = Vec::new();
    for (i, (kind, content)) in sections.iter().enumerate() {
        let offset = crate::u64_of(HEADER_BYTES + body.len()).to_be_bytes();
        let size = crate::u64_of(content.len()).to_be_bytes();
        put(OFFSETS_AT + 8 * i, &offset)(&mut header);
        put(SIZES_AT + 8 * i, &size)(&mut header);
        body.extend_from_slice(&kind.to_be_bytes());
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&size);
        body.extend_from_slice(content);
    }
    let mut bytes = [header, body].concat();
    let crc = write::checksum(&bytes).to_be_bytes();
    bytes[CRC_AT..HEADER_BYTES].copy_from_slice(&crc);
    bytes
}

#[test]
fn sections_swapped_repeated_or_missing_are_refused() {
    let image = small();
    let all: Vec<_> = image.sections();
    let sections: Vec<(u16, &[u8])> = all.iter().map(|(s, c)| (s.number(), &c[..])).collect();
    let [kernel, cmdline, metadata, boot, app] = sections[..] else { panic!("five sections") };
    assert_eq!(read(&assembled(&sections)).as_ref(), Ok(&image));
    let at = |order: &[(u16, &[u8])]| match read(&assembled(order)).unwrap_err() {
        EifError::SectionType { index, found, .. } => (index, found),
        other => panic!("{other}"),
    };
    assert_eq!(at(&[cmdline, kernel, metadata, boot, app]), (0, 2));
    assert_eq!(at(&[kernel, metadata, cmdline, boot, app]), (1, 5));
    assert_eq!(at(&[kernel, cmdline, boot, metadata, app]), (2, 3));
    assert_eq!(at(&[kernel, cmdline, metadata, boot, metadata]), (4, 5));
    assert_eq!(at(&[kernel, cmdline, metadata, (4, b"x"), boot]), (3, 4));
    assert_eq!(at(&[kernel, cmdline, metadata, boot, (4, b"x"), app]), (4, 4));
    assert_eq!(at(&[kernel, cmdline, metadata, (4, b"x")]), (3, 4));
    let section = read(&assembled(&[kernel, cmdline, metadata, boot, (4, b"x")])).unwrap_err();
    assert!(matches!(section, EifError::Signature(_)), "{section}");
    // The two ramdisks have one type; only their measurements tell them apart.
    let swapped = read(&assembled(&[kernel, cmdline, metadata, app, boot])).unwrap();
    assert_ne!(crate::measure::Measurements::of(&swapped).pcr0, {
        crate::measure::Measurements::of(&image).pcr0
    });
}

#[test]
fn invalid_parts_are_refused() {
    let with = |change: fn(&mut Parts)| {
        let mut parts = parts();
        change(&mut parts);
        Image::new(parts).unwrap_err()
    };
    let empty = |section| EifError::Empty { section };
    assert_eq!(with(|p| p.kernel.clear()), empty(Section::Kernel));
    assert_eq!(with(|p| p.cmdline.clear()), empty(Section::Cmdline));
    assert_eq!(with(|p| p.ramdisks[1].clear()), empty(Section::Ramdisk(2)));
    assert_eq!(with(|p| p.ramdisks.clear()), EifError::RamdiskCount { found: 0 });
    assert_eq!(with(|p| p.ramdisks = vec![vec![1]; 29]), EifError::RamdiskCount { found: 29 });
    assert_eq!(with(|p| p.cmdline.push('\n')), EifError::CmdlineCharacter { at: 13 });
    let long = with(|p| p.cmdline = "a".repeat(CMDLINE_BYTES_MAX + 1));
    assert_eq!(long, EifError::CmdlineTooLong { found: 2048, bytes_max: 2047 });
    assert!(matches!(with(|p| p.metadata = b"{}".to_vec()), EifError::Metadata(_)));
    let found = METADATA_BYTES_MAX + 1;
    let metadata = with(|p| p.metadata.resize(METADATA_BYTES_MAX + 1, b' '));
    assert_eq!(metadata, EifError::Metadata(MetadataError::TooLong { found }));
}

prop_compose! {
    fn any_parts()(
        kernel in prop::collection::vec(any::<u8>(), 1..200),
        cmdline in "[ -~]{1,60}",
        ramdisks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 1..29),
        name in "\\PC{0,20}",
        (memory_bytes, cpus, is_arm) in any::<(u64, u64, bool)>(),
    ) -> Parts {
        let arch = if is_arm { Arch::Aarch64 } else { Arch::X86_64 };
        let metadata = Metadata::new(&name, "1", "2").to_bytes();
        Parts { arch, memory_bytes, cpus, kernel, cmdline, ramdisks, metadata, signature: None }
    }
}

proptest! {
    #[test]
    fn written_image_is_read_back(parts in any_parts()) {
        let image = Image::new(parts).unwrap();
        let bytes = image.to_bytes();
        let again = read(&bytes).unwrap();
        prop_assert_eq!(again.to_bytes(), bytes);
        prop_assert_eq!(again, image);
    }

    #[test]
    fn reader_never_panics_and_refuses_every_changed_file(
        junk in any::<Vec<u8>>(),
        parts in any_parts(),
        (at, byte) in any::<(prop::sample::Index, u8)>(),
    ) {
        prop_assert!(read(&junk).is_err());
        let good = Image::new(parts).unwrap().to_bytes();
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        prop_assert_eq!(read(&bytes).is_ok(), bytes == good);
        // With a corrected checksum it may be an image; then it must be its own encoding.
        let crc = write::checksum(&bytes).to_be_bytes();
        bytes[CRC_AT..HEADER_BYTES].copy_from_slice(&crc);
        if let Ok(image) = read(&bytes) {
            prop_assert_eq!(image.to_bytes(), bytes);
        }
    }
}
