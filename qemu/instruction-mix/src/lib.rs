//! Counts executed instructions by kind, between two functions of the guest.
//!
//! Arguments: `begin` and `end`, the addresses of functions between whose calls instructions are
//! counted, and `out`, the file that takes the result when QEMU ends. A line of it is a kind, how
//! often it was executed, and how often control did not go on to the instruction behind it:
//!
//! ```text
//! ldm 4 120 0
//! bne 0 30 29
//! ```
//!
//! A kind is the mnemonic as QEMU disassembles it and the number of words that a list of registers
//! moves. What QEMU cannot disassemble is `?`.

mod qemu;

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use qemu::{Block, Id, Instruction};

/// The version of the plugin interface that is asked for; QEMU reads it before anything else.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = api_version();

/// QEMU 9.0 dropped version 1, which QEMU 7.2 has alone: who builds for a later QEMU says so.
const fn api_version() -> c_int {
    match option_env!("MICROHLO_QEMU_PLUGIN_API") {
        Some(text) => text.as_bytes()[0] as c_int - b'0' as c_int,
        None => 1,
    }
}

/// A kind of instruction.
#[derive(Default)]
struct Kind {
    runs: AtomicU64,
    taken: AtomicU64,
}

/// An instruction at its place.
struct Site {
    kind: &'static Kind,
    address: u64,
    /// The address behind it.
    next: u64,
}

/// What the plugin was started with.
struct Settings {
    begin: u64,
    end: u64,
    out: PathBuf,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();
static KINDS: Mutex<Option<HashMap<String, &'static Kind>>> = Mutex::new(None);

/// Whether instructions are being counted.
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// The last instruction counted, and the address behind it.
static LAST: AtomicPtr<Kind> = AtomicPtr::new(null_mut());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Starts the plugin. Returns 0, or another number if its arguments make no sense.
///
/// # Safety
/// QEMU calls it, with `argc` strings at `argv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    _info: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let text = |i: usize| {
        // SAFETY: QEMU gives `argc` strings that end with 0.
        unsafe { CStr::from_ptr(*argv.add(i)) }.to_string_lossy().into_owned()
    };
    let arguments: HashMap<String, String> = (0..usize::try_from(argc).unwrap_or(0))
        .filter_map(|i| text(i).split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
        .collect();
    let number = |key: &str| arguments.get(key)?.parse::<u64>().ok();
    let (Some(begin), Some(end), Some(out)) =
        (number("begin"), number("end"), arguments.get("out"))
    else {
        eprintln!("instruction-mix: the arguments are begin=ADDRESS,end=ADDRESS,out=FILE");
        return 1;
    };
    let _ = SETTINGS.set(Settings { begin, end, out: out.into() });
    // SAFETY: the functions have the signatures that QEMU asks for, and live as long as the plugin.
    unsafe {
        qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu::qemu_plugin_register_atexit_cb(id, ended, null_mut());
    }
    0
}

/// Registers a callback for every instruction of a block.
unsafe extern "C" fn translated(_id: Id, block: *mut Block) {
    let Some(settings) = SETTINGS.get() else { return };
    // SAFETY: QEMU passes a block that is valid during this call, and its instructions too.
    unsafe {
        for index in 0..qemu::qemu_plugin_tb_n_insns(block) {
            let instruction = qemu::qemu_plugin_tb_get_insn(block, index);
            let address = qemu::qemu_plugin_insn_vaddr(instruction);
            let next = address.wrapping_add(qemu::qemu_plugin_insn_size(instruction) as u64);
            let kind = kind(&disassembly(instruction));
            let callback = match address {
                a if a == settings.begin => began,
                a if a == settings.end => stopped,
                _ => executed as qemu::Executed,
            };
            // Blocks are translated a few thousand times in a run; what each leaves is small.
            let site = Box::leak(Box::new(Site { kind, address, next }));
            qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                callback,
                qemu::NO_REGISTERS,
                ptr::from_mut(site).cast(),
            );
        }
    }
}

/// The text of an instruction.
///
/// # Safety
/// QEMU's, during translation.
unsafe fn disassembly(instruction: *const Instruction) -> String {
    // SAFETY: the caller's promise; the string is freed once, after it was copied.
    unsafe {
        let text = qemu::qemu_plugin_insn_disas(instruction);
        if text.is_null() {
            return String::new();
        }
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        qemu::g_free(text.cast());
        copy
    }
}

/// The kind of an instruction by its text.
fn kind(text: &str) -> &'static Kind {
    // QEMU's own disassembler puts the encoding first.
    let encoding = |w: &&str| w.len() >= 4 && w.bytes().all(|b| b.is_ascii_hexdigit());
    let mut words = text.split_whitespace().skip_while(encoding);
    let plain = |m: &&str| m.starts_with(|c: char| c.is_ascii_lowercase());
    let mnemonic = words.next().filter(plain).unwrap_or("?");
    let key = format!("{mnemonic} {}", listed_words(text));
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    let kinds = kinds.get_or_insert_default();
    kinds.entry(key).or_insert_with(|| Box::leak(Box::default()))
}

/// Words of the registers between braces.
fn listed_words(text: &str) -> usize {
    let list = text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let registers = list.map(|(list, _)| list.split(','));
    let words = |register: &str| match register.trim().as_bytes().first() {
        Some(b'q') => 4,
        Some(b'd') => 2,
        _ => 1,
    };
    registers.map_or(0, |registers| registers.map(words).sum())
}

unsafe extern "C" fn began(_cpu: c_uint, _site: *mut c_void) {
    LAST.store(null_mut(), Relaxed);
    ACTIVE.store(true, Relaxed);
}

unsafe extern "C" fn stopped(_cpu: c_uint, _site: *mut c_void) {
    ACTIVE.store(false, Relaxed);
}

unsafe extern "C" fn executed(_cpu: c_uint, site: *mut c_void) {
    if !ACTIVE.load(Relaxed) {
        return;
    }
    // SAFETY: a leaked `Site`, and null or a leaked `Kind`.
    let (site, last) = unsafe { (&*site.cast::<Site>(), LAST.load(Relaxed).as_ref()) };
    if let Some(last) = last
        && NEXT.load(Relaxed) != site.address
    {
        last.taken.fetch_add(1, Relaxed);
    }
    site.kind.runs.fetch_add(1, Relaxed);
    LAST.store(ptr::from_ref(site.kind).cast_mut(), Relaxed);
    NEXT.store(site.next, Relaxed);
}

/// Writes the result.
unsafe extern "C" fn ended(_id: Id, _data: *mut c_void) {
    let Some(settings) = SETTINGS.get() else { return };
    let mut text = String::new();
    let kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    for (key, kind) in kinds.iter().flatten() {
        let (runs, taken) = (kind.runs.load(Relaxed), kind.taken.load(Relaxed));
        if runs > 0 {
            let _ = writeln!(text, "{key} {runs} {taken}");
        }
    }
    if let Err(error) = std::fs::write(&settings.out, text) {
        eprintln!("instruction-mix: writing {}: {error}", settings.out.display());
    }
}
