//! The init on kernels that refuse a call, lack a feature or differ.

use super::*;
use mortise_config::Module;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const CLOCK: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const ENTROPY: &str = "/sys/class/misc/hw_random/rng_current";

/// A kernel with fixed answers, which records the calls.
struct Fake {
    mounts: BTreeMap<&'static str, io::ErrorKind>,
    folder: Result<Vec<&'static str>, io::ErrorKind>,
    modules: BTreeMap<&'static str, io::ErrorKind>,
    files: BTreeMap<&'static str, Vec<&'static str>>,
    settings: Option<io::ErrorKind>,
    cid: Result<u32, io::ErrorKind>,
    memory_bytes: u64,
    calls: RefCell<Vec<String>>,
    slept: Cell<Duration>,
}

impl Fake {
    /// The kernel of a real enclave.
    fn good() -> Self {
        let files = [(CLOCK, vec!["kvm-clock\n"]), (ENTROPY, vec!["nsm-hwrng\n"])];
        Self {
            mounts: BTreeMap::new(),
            folder: Ok(vec!["/modules/10-nsm.ko", "/modules/00-vsock.ko.xz"]),
            modules: BTreeMap::new(),
            files: BTreeMap::from(files),
            settings: None,
            cid: Ok(16),
            memory_bytes: MEMORY_BYTES_MIN,
            calls: RefCell::default(),
            slept: Cell::default(),
        }
    }

    fn answer(&self, call: String, error: Option<&io::ErrorKind>) -> io::Result<()> {
        self.calls.borrow_mut().push(call);
        error.map_or(Ok(()), |kind| Err((*kind).into()))
    }

    fn bring_up(&self) -> Result<(), (&'static str, u8)> {
        bring_up(self).map_err(|error| (error.name(), error.exit()))
    }

    fn check(&self, module: Module) -> Result<(), (&'static str, u8)> {
        check(self, module).map_err(|error| (error.name(), error.exit()))
    }
}

impl Machine for Fake {
    fn mount(&self, mount: &Mount) -> io::Result<()> {
        self.answer(format!("mount {}", mount.target), self.mounts.get(mount.target))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        let names = self.folder.clone()?;
        Ok(names.into_iter().map(PathBuf::from).collect())
    }

    fn load(&self, module: &Path) -> io::Result<()> {
        let name = module.to_str().unwrap();
        self.answer(format!("load {name}"), self.modules.get(name))
    }

    /// The answer of a file after the time slept so far; the last answer repeats.
    fn read(&self, file: &Path) -> io::Result<String> {
        let answers = self.files.get(file.to_str().unwrap()).ok_or(io::ErrorKind::NotFound)?;
        let reads = usize::try_from(self.slept.get().as_millis() / 100).unwrap();
        Ok(answers[reads.min(answers.len() - 1)].to_owned())
    }

    fn set(&self, file: &Path, value: &str) -> io::Result<()> {
        self.answer(format!("set {} {value}", file.display()), self.settings.as_ref())
    }

    fn local_cid(&self) -> io::Result<u32> {
        Ok(self.cid?)
    }

    fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    fn raise_files(&self, count: u64) -> io::Result<()> {
        self.answer(format!("files {count}"), None)
    }

    fn forbid_core_dumps(&self) -> io::Result<()> {
        self.answer("no core dumps".into(), None)
    }

    fn sleep(&self, time: Duration) {
        self.slept.set(self.slept.get() + time);
    }
}

#[test]
fn good_machine_comes_up_with_modules_in_the_order_of_their_names() {
    let machine = Fake::good();
    assert_eq!(machine.bring_up(), Ok(()));
    let calls = [
        "mount /dev",
        "mount /proc",
        "mount /sys",
        "load /modules/00-vsock.ko.xz",
        "load /modules/10-nsm.ko",
        "no core dumps",
        "files 16896",
        "set /sys/kernel/mm/transparent_hugepage/enabled always",
    ];
    assert_eq!(*machine.calls.borrow(), calls);
    assert_eq!(machine.check(Module::Nitro), Ok(()));
    assert_eq!(machine.slept.get(), Duration::ZERO);
}

#[test]
fn present_mounts_and_modules_are_no_error() {
    let mut machine = Fake::good();
    machine.mounts.insert("/dev", io::ErrorKind::ResourceBusy);
    machine.modules.insert("/modules/10-nsm.ko", io::ErrorKind::AlreadyExists);
    assert_eq!(machine.bring_up(), Ok(()));
    machine.folder = Err(io::ErrorKind::NotFound);
    assert_eq!(machine.bring_up(), Ok(()));
}

#[test]
fn kernel_without_huge_pages_is_no_error() {
    let machine = Fake { settings: Some(io::ErrorKind::NotFound), ..Fake::good() };
    assert_eq!(machine.bring_up(), Ok(()));
}

#[test]
fn refused_mount_ends_before_modules_are_loaded() {
    let mut machine = Fake::good();
    machine.mounts.insert("/proc", io::ErrorKind::NotFound);
    assert_eq!(machine.bring_up(), Err(("MOUNT", 18)));
    assert_eq!(*machine.calls.borrow(), ["mount /dev", "mount /proc"]);
}

#[test]
fn refused_unreadable_and_foreign_modules_are_named() {
    let mut machine = Fake::good();
    machine.modules.insert("/modules/00-vsock.ko.xz", io::ErrorKind::InvalidInput);
    assert_eq!(machine.bring_up(), Err(("MODULE", 19)));
    assert_eq!(machine.calls.borrow().last().unwrap(), "load /modules/00-vsock.ko.xz");
    for folder in [Err(io::ErrorKind::PermissionDenied), Ok(vec!["/modules/nsm.ko", "/modules/x"])]
    {
        let machine = Fake { folder, ..Fake::good() };
        assert_eq!(machine.bring_up(), Err(("MODULE", 19)));
        assert_eq!(machine.calls.borrow().len(), 3, "no module was loaded");
    }
}

#[test]
fn machine_without_vsock_or_without_its_transport_is_named() {
    for cid in [Err(io::ErrorKind::NotFound), Ok(u32::MAX), Ok(0), Ok(1), Ok(2)] {
        assert_eq!(Fake { cid, ..Fake::good() }.bring_up(), Err(("VSOCK", 20)), "{cid:?}");
    }
}

#[test]
fn too_little_memory_is_named_for_an_emulated_module_too() {
    let machine = Fake { memory_bytes: MEMORY_BYTES_MIN - 1, ..Fake::good() };
    assert_eq!(machine.check(Module::Nitro), Err(("MEMORY", 21)));
    assert_eq!(machine.check(Module::Emulated), Err(("MEMORY", 21)));
}

#[test]
fn foreign_clock_or_entropy_source_stops_an_enclave_and_is_a_warning_under_emulation() {
    for (file, words, stop) in [
        (CLOCK, vec!["acpi_pm\n"], ("CLOCK_SOURCE", 22)),
        (CLOCK, vec![""], ("CLOCK_SOURCE", 22)),
        (ENTROPY, vec!["virtio_rng.0\n"], ("ENTROPY_SOURCE", 23)),
        (ENTROPY, vec!["none\n"], ("ENTROPY_SOURCE", 23)),
    ] {
        let mut machine = Fake::good();
        machine.files.insert(file, words);
        assert_eq!(machine.check(Module::Nitro), Err(stop));
        assert_eq!(machine.check(Module::Emulated), Ok(()));
        machine.files.remove(file);
        assert_eq!(machine.check(Module::Nitro), Err(stop));
    }
}

#[test]
fn early_clock_source_is_awaited_for_a_bounded_time() {
    let mut machine = Fake::good();
    machine.files.insert(CLOCK, vec!["refined-jiffies\n", "tsc-early\n", "tsc\n"]);
    assert_eq!(machine.check(Module::Nitro), Ok(()));
    assert_eq!(machine.slept.take(), Duration::from_millis(200));
    machine.files.insert(CLOCK, vec!["tsc-early\n"]);
    assert_eq!(machine.check(Module::Nitro), Err(("CLOCK_SOURCE", 22)));
    assert_eq!(machine.slept.take(), Duration::from_secs(5));
    assert_eq!(machine.check(Module::Emulated), Ok(()));
    assert_eq!(machine.slept.get(), Duration::ZERO, "under emulation there is no wait");
}
